"""Functions out of ``keras.applications`` of Keras 1 and 2 that scripts import to build networks of their own."""

from collections.abc import Sequence
from typing import Any

from keraunos.config import image_data_format
from keraunos.layers import Activation, Add, BatchNormalization, Conv2D

__all__ = ["conv_block", "identity_block"]


def identity_block(input_tensor: Any, kernel_size: int, filters: Sequence[int], stage: int, block: str) -> Any:
    """A residual block that adds its inputs as they are.

    Args:
        input_tensor: Symbolic tensor ``(batch, rows, columns, filters[2])``.
        kernel_size: Of the convolution in the middle, the second of three.
        filters: Of the three convolutions.
        stage: Number of the stage, for names.
        block: Letter of the block, for names.

    Returns:
        A symbolic tensor of the same shape.
    """
    return _added(_path(input_tensor, kernel_size, filters, stage, block, 1), input_tensor)


def conv_block(
    input_tensor: Any,
    kernel_size: int,
    filters: Sequence[int],
    stage: int,
    block: str,
    strides: int | Sequence[int] = (2, 2),
) -> Any:
    """A residual block that adds a convolution of its inputs, and makes the image smaller.

    Args:
        input_tensor: Symbolic tensor ``(batch, rows, columns, channels)``.
        kernel_size, filters, stage, block: As of ``identity_block``.
        strides: Of the first convolution, and of the one of the inputs.

    Returns:
        A symbolic tensor with ``filters[2]`` channels.
    """
    shortcut = _normalized(input_tensor, filters[2], 1, stage, block, "1", strides=strides)
    return _added(_path(input_tensor, kernel_size, filters, stage, block, strides), shortcut)


def _path(x: Any, kernel_size: int, filters: Sequence[int], stage: int, block: str, strides: Any) -> Any:
    x = Activation("relu")(_normalized(x, filters[0], 1, stage, block, "2a", strides=strides))
    x = Activation("relu")(_normalized(x, filters[1], kernel_size, stage, block, "2b", padding="same"))
    return _normalized(x, filters[2], 1, stage, block, "2c")


def _normalized(x: Any, filters: int, size: int, stage: int, block: str, part: str, **options: Any) -> Any:
    options["name"] = f"res{stage}{block}_branch{part}"
    named: dict[str, Any] = {"name": f"bn{stage}{block}_branch{part}"}
    axis = 1 if image_data_format() == "channels_first" else -1
    return BatchNormalization(axis=axis, **named)(Conv2D(filters, kernel_size=size, **options)(x))


def _added(x: Any, shortcut: Any) -> Any:
    return Activation("relu")(Add()([x, shortcut]))

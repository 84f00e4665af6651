"""What convolution and pooling share: sizes for each axis, padding, channels last, the inputs under each window entry."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from keraunos.utils.config import image_data_format

Pads = tuple[tuple[int, int], ...]


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """A number for each axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def padding_of(padding: Any, sizes: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> Pads:
    """Numbers of entries before and after each axis."""
    if not isinstance(padding, str):
        return tuple((before, after) for before, after in padding)
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    pads = []
    for size, extent, stride in zip(sizes, window, strides, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def padded(inputs: Any, pads: Pads, fill: Any = 0) -> Any:
    """The inputs with entries added around the spatial axes, or taken away where a number is negative."""
    if not any(map(any, pads)):
        return inputs
    return lax.pad(inputs, jnp.asarray(fill, inputs.dtype), [(0, 0, 0), *((a, b, 0) for a, b in pads), (0, 0, 0)])


def sizes_after(sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Any:
    """How many positions a window has on each axis."""
    return tuple(
        (size - (w - 1) * d - 1) // s + 1 for size, w, s, d in zip(sizes, window, strides, dilation, strict=True)
    )


def shifted(inputs: Any, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Iterator[Any]:
    """The inputs seen by each entry of the window, in row-major order."""
    sizes = sizes_after(inputs.shape[1:-1], window, strides, dilation)
    for offsets in offsets_of(window, dilation):
        cut = [slice(o, o + (size - 1) * s + 1, s) for o, size, s in zip(offsets, sizes, strides, strict=True)]
        yield inputs[(slice(None), *cut)]


def offsets_of(window: Sequence[int], dilation: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Distance of each entry of the window from its corner, in row-major order."""
    for flat in range(math.prod(window)):
        yield tuple(
            flat // math.prod(window[axis + 1 :]) % w * d
            for axis, (w, d) in enumerate(zip(window, dilation, strict=True))
        )


def channels_last(inputs: Any, data_format: str | None) -> tuple[Any, Any]:
    """The inputs with their channels last, and the function that puts the outputs' channels back."""
    if (data_format or image_data_format()) == "channels_last":
        return inputs, lambda outputs: outputs
    return jnp.moveaxis(inputs, 1, -1), lambda outputs: jnp.moveaxis(outputs, -1, 1)

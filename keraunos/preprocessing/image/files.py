"""Pictures: files, Pillow images and arrays, each made into the other."""

import contextlib
import os
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from keraunos.utils import config
from keraunos.utils.errors import ArgumentError, ShapeError, warn
from keraunos.utils.spelling import spelled
from keraunos.utils.text import shape_text, suggestion
from keraunos.utils.writing import on_disk

LAYOUTS = ("channels_last", "channels_first")
MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
FORMATS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
_SAMPLING = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow() -> ModuleType:
    """The module ``PIL.Image``; Pillow is wanted by what reads or writes pictures alone."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("Pictures need Pillow, which is not installed. Run: pip install pillow") from None
    return Image


def layout(data_format: str | None) -> str:
    """The layout that an argument says; that of the settings for ``None``."""
    chosen = config.image_data_format() if data_format is None else data_format
    if chosen not in LAYOUTS:
        raise ArgumentError(f"data_format is {data_format!r}.{suggestion(data_format, LAYOUTS)}")
    return chosen


@spelled
def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None, *, from_zero: bool = False
) -> Any:
    """Pillow image of an array.

    Input shape: ``(rows, columns, channels)``, or ``(channels, rows, columns)``; 1, 3 or 4 channels

    Args:
        x: The numbers.
        data_format: ``"channels_last"`` or ``"channels_first"``; as in the settings if not given.
        scale: Whether the smallest number becomes 0 and the largest 255; otherwise numbers are cut to whole ones.
        dtype: Type to calculate in.
        from_zero: Whether only negative numbers are shifted to 0 before scaling, as eras 1 and 2 did.

    Raises:
        ShapeError: Not three axes, or another number of channels.

    >>> array_to_img(np.zeros((4, 5, 3))).size
    (5, 4)
    """
    x = np.asarray(x, dtype=dtype or config.floatx())
    if x.ndim != 3:
        raise ShapeError(
            f"array_to_img: expected one image, of three axes. Got array with shape {shape_text(x.shape)}."
        )
    if layout(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - (min(np.min(x), 0) if from_zero else np.min(x))
        x = x / (np.max(x) or 1) * 255
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if x.shape[2] not in modes:
        raise ShapeError(f"array_to_img: unsupported channel number: {x.shape[2]}; expected 1, 3 or 4.")
    if x.shape[2] == 1 and x.max() > 255:
        return pillow().fromarray(x[:, :, 0].astype("int32"))  # 16 and 32 bits of gray
    return pillow().fromarray((x[:, :, 0] if x.shape[2] == 1 else x).astype("uint8"), modes[x.shape[2]])


@spelled
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Array of a Pillow image.

    Output shape: ``(rows, columns, channels)``, or ``(channels, rows, columns)``

    Args:
        img: The image, or an array of two or three axes.
        data_format: ``"channels_last"`` or ``"channels_first"``; as in the settings if not given.
        dtype: Type of the array.

    >>> img_to_array(np.zeros((4, 5))).shape
    (4, 5, 1)
    """
    first = layout(data_format) == "channels_first"
    x = np.asarray(img, dtype=dtype or config.floatx())
    if x.ndim not in (2, 3):
        raise ShapeError(f"img_to_array: unsupported image shape: {shape_text(x.shape)}; expected two or three axes.")
    x = x[:, :, None] if x.ndim == 2 else x
    return x.transpose(2, 0, 1) if first else x


@spelled
def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    *,
    from_zero: bool = False,
    **kwargs: Any,
) -> None:
    """Write an array as a picture.

    Args:
        path: The file, or a file object.
        x, data_format, scale, from_zero: As for ``array_to_img``.
        file_format: Format, where the ending of ``path`` does not say it.
        **kwargs: For Pillow's ``Image.save``.
    """
    image = array_to_img(x, data_format=data_format, scale=scale, from_zero=from_zero)
    if image.mode == "RGBA" and file_format in ("jpg", "jpeg"):
        warn("The JPG format does not support RGBA images, converting to RGB.")
        image = image.convert("RGB")
    with on_disk(path) if isinstance(path, (str, os.PathLike)) else contextlib.nullcontext():
        image.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


@spelled
def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Sequence[int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    *,
    grayscale: bool = False,
) -> Any:
    """Read a picture as a Pillow image.

    Args:
        path: The file, or a file object.
        color_mode: ``"grayscale"``, ``"rgb"`` or ``"rgba"``.
        target_size: ``(rows, columns)`` to stretch it to; as it is by default.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"hamming"``, ``"box"`` or ``"lanczos"``.
        keep_aspect_ratio: Whether the middle part of the same proportions is taken, so that nothing is distorted.
        grayscale: Whether ``color_mode`` is ``"grayscale"`` whatever it says.

    Raises:
        ArgumentError: There is no such color mode or interpolation.
    """
    color_mode = "grayscale" if grayscale else color_mode
    if color_mode not in MODES:
        raise ArgumentError(f"load_img: color_mode is {color_mode!r}.{suggestion(color_mode, MODES)}")
    if target_size is not None and interpolation not in _SAMPLING:
        raise ArgumentError(f"load_img: interpolation is {interpolation!r}.{suggestion(interpolation, _SAMPLING)}")
    image = pillow().open(path)
    image.load()  # which closes the file
    if image.mode != MODES[color_mode] and not (color_mode == "grayscale" and image.mode.startswith("I")):
        image = image.convert(MODES[color_mode])
    if target_size is None or image.size == (target_size[1], target_size[0]):
        return image
    rows, columns = target_size
    box = _middle(image.size, columns / rows) if keep_aspect_ratio else None
    return image.resize((columns, rows), getattr(pillow().Resampling, interpolation.upper()), box=box)


def _middle(size: tuple[int, int], ratio: float) -> tuple[float, float, float, float]:
    width, height = size
    wide, high = min(width, int(height * ratio)), min(height, int(width / ratio))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def list_pictures(directory: Any, ext: str = "jpg|jpeg|bmp|png|ppm") -> list[str]:
    """Paths of the pictures in a folder and those inside it; ``ext`` are endings with ``|`` between them."""
    return [
        os.path.join(root, name)
        for root, _, names in os.walk(directory)
        for name in names
        if re.match(rf"([\w]+\.(?:{ext}))", name.lower())
    ]

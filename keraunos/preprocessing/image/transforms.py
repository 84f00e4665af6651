"""Images turned, shifted, sheared, zoomed, brightened and mirrored, by given amounts or by random ones."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keraunos.preprocessing.image.files import array_to_img, img_to_array
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import spelled
from keraunos.utils.text import shape_text


class Manner(NamedTuple):
    """What can be done in more than one way; the defaults are those of keras-preprocessing 1.1 and Keras 3.

    Attributes:
        order: Order of the spline through the pixels: 0 takes the nearest one, 1 is linear.
        centre: What is added to half the size for the point that stays, in pixels.
        columns_first: Whether x of a transformation runs along the columns.
        radians: Whether a shear is in radians; in degrees otherwise.
        own_axes: Whether random transformations heed the axes they are given for the centre.
        from_zero: Whether brightness is changed after negative numbers alone are shifted.
        epsilon: What is added to a deviation before division.
        independent: Whether flags of an ``ImageDataGenerator`` do not switch one another.
        mean_of_channels: Whether an image's own mean and deviation are those of each pixel's channels.
        flips_last: Whether mirroring is drawn last and only where asked for, and each channel shifted by itself.
        any_channels: Whether another number of channels than 1, 3 or 4 is a warning only.
        restarts_late: Whether images are not shuffled again after a last batch that is full.
        fits_rescaled: Whether the statistics of a training set are those of the images after ``rescale``.
        edge_twice: Whether a picture that is mirrored (``"reflect"``) is so as by SciPy before 1.6, which mirrored places
            between pixels about the edge of the last pixel and then pixels about its middle; orders 0 and 1 only.
    """

    order: int = 1
    centre: float = -0.5
    columns_first: bool = True
    radians: bool = False
    own_axes: bool = True
    from_zero: bool = False
    epsilon: float = 1e-6
    independent: bool = False
    mean_of_channels: bool = False
    flips_last: bool = False
    any_channels: bool = True
    restarts_late: bool = False
    fits_rescaled: bool = True
    edge_twice: bool = False


_TODAY: Mapping[str, Any] = {}


@spelled
def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int | None = None,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """One image, turned, then shifted, sheared and zoomed around its middle.

    Args:
        x: The image, of three axes.
        theta: Angle of the rotation, in degrees.
        tx, ty: Shift along the columns and along the rows, in pixels.
        shear: Angle of the shear, in degrees.
        zx, zy: Zoom; above 1 shows more of the image, smaller.
        row_axis, col_axis, channel_axis: Which axis is which.
        fill_mode: What stands beyond the border: ``"constant"``, ``"nearest"``, ``"reflect"`` or ``"wrap"``.
        cval: Value beyond the border, for ``"constant"``.
        order: Order of the spline through the pixels, 0 to 5; 1 is linear.
        manner: Fields of ``Manner`` that are not as today.

    Raises:
        ShapeError: Not three axes.

    >>> apply_affine_transform(np.arange(4.0).reshape(1, 2, 2), tx=1).round(3).tolist()
    [[[1.0, 1.0], [3.0, 3.0]]]
    """
    axes = (row_axis, col_axis, channel_axis)
    amounts = {"theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy}
    return _warped(x, axes, axes, fill_mode, cval, order, manner, **amounts)


@spelled
def apply_transform(
    x: Any,
    transform_matrix: Any,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int | None = None,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """One image, whose pixel at ``p`` comes from ``matrix @ p`` of the given one.

    Args:
        x: The image, of three axes.
        transform_matrix: ``(3, 3)``: two rows of factors and a shift, in pixels.
        channel_axis, fill_mode, cval, order, manner: As for ``apply_affine_transform``.
    """
    how = Manner(**manner)
    order = how.order if order is None else order
    warp = _mirrored_twice if how.edge_twice and fill_mode == "reflect" and order < 2 else _warp()
    channels = np.moveaxis(np.asarray(x), channel_axis, 0)
    matrix = np.asarray(transform_matrix)
    turned = [warp(c, matrix[:2, :2], matrix[:2, 2], order=order, mode=fill_mode, cval=cval) for c in channels]
    return np.moveaxis(np.stack(turned), 0, channel_axis)


def _mirrored_twice(x: np.ndarray, matrix: np.ndarray, offset: np.ndarray, order: int, **_: Any) -> np.ndarray:
    """``affine_transform(..., mode="reflect")`` as SciPy before 1.6 had it, for one channel."""
    places = np.tensordot(matrix, np.indices(x.shape), 1) + offset[:, None, None]
    pixels, shares = [], []
    for place, size in zip(places, x.shape, strict=True):
        period = 2 * size
        before = np.where(place < -period, place + period * np.trunc(-place / period), place)
        before = np.where(before < -size, before + period, -before - 1)
        behind = place - period * np.trunc(place / period)
        behind = np.where(behind >= size, period - behind - 1, behind)
        place = np.where(place < 0, before, np.where(place > size - 1, behind, place))
        if size == 1:
            place = np.zeros_like(place)
        start = np.floor(place + (0.5 if order == 0 else 0)).astype(int)
        around = np.abs(start + np.arange(order + 1)[:, None, None]) % max(2 * size - 2, 1)
        pixels.append(np.minimum(around, 2 * size - 2 - around) if size > 1 else np.zeros_like(around))
        shares.append(np.stack([1 - (place - start), place - start])[: order + 1] if order else np.ones_like(around))
    turned = sum(
        shares[0][i] * shares[1][j] * x[pixels[0][i], pixels[1][j]] for i in range(order + 1) for j in range(order + 1)
    )
    return np.asarray(turned).astype(x.dtype)


def _warp() -> Any:
    try:
        from scipy.ndimage import affine_transform
    except ImportError:
        raise ImportError("Image transformations need SciPy, which is not installed. Run: pip install scipy") from None
    return affine_transform


@spelled
def transform_matrix_offset_center(matrix: Any, x: int, y: int, *, manner: Mapping[str, Any] = _TODAY) -> np.ndarray:
    """The matrix that does around the middle of an image of ``x`` by ``y`` pixels what ``matrix`` does around 0."""
    off = Manner(**manner).centre
    there = np.array([[1, 0, x / 2 + off], [0, 1, y / 2 + off], [0, 0, 1]])
    back = np.array([[1, 0, -x / 2 - off], [0, 1, -y / 2 - off], [0, 0, 1]])
    return there @ np.asarray(matrix) @ back


def apply_channel_shift(x: Any, intensity: Any, channel_axis: int = 0) -> np.ndarray:
    """An image with a number added, cut to the range that it had.

    Args:
        x: The image.
        intensity: The number, or one for each channel.
        channel_axis: Which axis the channels are.

    >>> apply_channel_shift(np.array([[[0.0, 1.0]]]), 0.5).tolist()
    [[[0.5, 1.0]]]
    """
    channels = np.moveaxis(np.asarray(x), channel_axis, -1)
    return np.moveaxis(np.clip(channels + np.asarray(intensity, x.dtype), np.min(x), np.max(x)), -1, channel_axis)


@spelled
def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0, *, each: bool = False) -> np.ndarray:
    """``apply_channel_shift`` by a number drawn from ±``intensity_range``; ``each``: one for each channel."""
    size = np.shape(x)[channel_axis] if each else None
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range, size), channel_axis)


@spelled
def apply_brightness_shift(
    x: Any,
    brightness: float,
    scale: bool = True,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """An image made brighter (above 1) or darker (below), as Pillow does it.

    Args:
        x: The image, channels last.
        brightness: The factor, 0 or more.
        scale: Whether the image is stretched to the range 0 to 255 first.
        manner: Fields of ``Manner`` that are not as today.
    """
    from PIL import ImageEnhance

    low, high = np.min(x), np.max(x)
    from_zero = Manner(**manner).from_zero
    stretched = bool(low < 0 or high > 255)
    image = array_to_img(x, "channels_last", scale=stretched or scale or from_zero, from_zero=from_zero)
    bright = img_to_array(ImageEnhance.Brightness(image).enhance(brightness), "channels_last")
    return bright / 255 * (high - low) + low if stretched and not scale and not from_zero else bright


@spelled
def random_brightness(
    x: Any,
    brightness_range: Sequence[float],
    scale: bool = True,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """``apply_brightness_shift`` by a factor drawn from a range ``(low, high)``."""
    low, high = _pair("brightness_range", brightness_range)
    return apply_brightness_shift(x, np.random.uniform(low, high), scale, manner=manner)


def flip_axis(x: Any, axis: int) -> np.ndarray:
    """An array in reverse order along an axis.

    >>> flip_axis([1, 2, 3], 0)
    array([3, 2, 1])
    """
    return np.flip(np.asarray(x), axis)


@spelled
def random_rotation(
    x: Any,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int | None = None,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """One image, turned by an angle drawn from ±``rg`` degrees.

    The functions ``random_…`` draw from NumPy's global generator; other arguments are those of
    ``apply_affine_transform``.
    """
    theta = np.random.uniform(-rg, rg)
    axes = (row_axis, col_axis, channel_axis)
    return _warped(x, axes, _around(axes, manner), fill_mode, cval, interpolation_order, manner, theta=theta)


@spelled
def random_shift(
    x: Any,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int | None = None,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """One image, shifted by up to ``wrg`` of its width and up to ``hrg`` of its height."""
    x = np.asarray(x)
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    axes = (row_axis, col_axis, channel_axis)
    return _warped(x, axes, _around(axes, manner), fill_mode, cval, interpolation_order, manner, tx=tx, ty=ty)


@spelled
def random_shear(
    x: Any,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int | None = None,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """One image, sheared by an angle drawn from ±``intensity`` degrees."""
    shear = np.random.uniform(-intensity, intensity)
    axes = (row_axis, col_axis, channel_axis)
    return _warped(x, axes, _around(axes, manner), fill_mode, cval, interpolation_order, manner, shear=shear)


@spelled
def random_zoom(
    x: Any,
    zoom_range: Sequence[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int | None = None,
    *,
    manner: Mapping[str, Any] = _TODAY,
) -> np.ndarray:
    """One image, zoomed by two factors drawn from a range ``(low, high)``."""
    low, high = _pair("zoom_range", zoom_range)
    zx, zy = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
    axes = (row_axis, col_axis, channel_axis)
    return _warped(x, axes, _around(axes, manner), fill_mode, cval, interpolation_order, manner, zx=zx, zy=zy)


def _pair(name: str, values: Sequence[float]) -> Sequence[float]:
    if np.ndim(values) != 1 or len(values) != 2:
        raise ArgumentError(f"`{name}` should be a tuple or list of two floats. Received: {values}.")
    return values


def _around(axes: tuple[int, int, int], manner: Mapping[str, Any]) -> tuple[int, int, int]:
    return axes if Manner(**manner).own_axes else (0, 1, 2)


def _warped(
    x: Any,
    axes: tuple[int, int, int],
    around: tuple[int, int, int],
    fill_mode: str,
    cval: float,
    order: int | None,
    manner: Mapping[str, Any],
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
) -> np.ndarray:
    """One image, turned, shifted, sheared and zoomed around the middle of the first two axes in ``around``."""
    how = Manner(**manner)
    x = np.asarray(x)
    if x.ndim != 3:
        raise ShapeError(f"expected one image, of three axes; got an array with shape {shape_text(x.shape)}.")
    if sorted(axes) != [0, 1, 2]:
        raise ArgumentError(
            f"row_axis, col_axis and channel_axis are {axes[0]}, {axes[1]} and {axes[2]}; "
            "expected 0, 1 and 2 in some order."
        )
    angle, slope = np.deg2rad(theta), shear if how.radians else np.deg2rad(shear)
    steps = (
        (theta != 0, [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]),
        (tx != 0 or ty != 0, [[1, 0, tx], [0, 1, ty], [0, 0, 1]]),
        (shear != 0, [[1, -np.sin(slope), 0], [0, np.cos(slope), 0], [0, 0, 1]]),
        (zx != 1 or zy != 1, [[zx, 0, 0], [0, zy, 0], [0, 0, 1]]),
    )
    matrices = [np.array(matrix) for wanted, matrix in steps if wanted]
    if not matrices:
        return x
    both = functools.reduce(np.matmul, matrices)
    matrix = transform_matrix_offset_center(both, x.shape[around[0]], x.shape[around[1]], manner=manner)
    if how.columns_first and axes[1] > axes[0]:
        matrix = matrix[[1, 0, 2]][:, [1, 0, 2]]
    return apply_transform(x, matrix, axes[2], fill_mode, cval, order, manner=manner)

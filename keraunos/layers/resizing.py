"""Layers that change spatial sizes without weights: ZeroPadding, Cropping, UpSampling."""

from dataclasses import KW_ONLY
from typing import Annotated, Any, ClassVar

import numpy as np

from keraunos.backend import K
from keraunos.core.fields import Field, HiddenFlag, Sizes, choice
from keraunos.layers.arguments import DataFormat
from keraunos.layers.layer import LAYERS, InputSpec, Layer
from keraunos.layers.windows import numbers, pairs, spatial_axes
from keraunos.utils.errors import ShapeError
from keraunos.utils.text import shape_text

Interpolation = Annotated[str, Field(choice("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"))]


class Resizing(Layer):
    """Base: layers that know their spatial axes."""

    rank: ClassVar[int]
    data_format: ClassVar[str] = "channels_last"
    batch_coupled = False

    @property
    def axes(self) -> tuple[int, ...]:
        """The spatial axes."""
        return spatial_axes(self.rank, self.data_format)


class ZeroPadding(Resizing):
    """Zeros around the spatial axes.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: the same, each spatial size larger by what is added

    Args:
        padding: How many zeros on both sides: one number, one for each axis,
            or a pair (before, after) for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"``.
    """

    padding: Any = 1
    data_format: DataFormat = None

    def setup(self) -> None:
        found = pairs(self, "padding")
        self.padding = found[0] if self.rank == 1 else found
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        widths = [(0, 0)] * K.ndim(inputs)
        for axis, width in zip(self.axes, [self.padding] if self.rank == 1 else self.padding, strict=True):
            widths[axis] = width
        return K.pad(inputs, widths)


@LAYERS.register()
class ZeroPadding1D(ZeroPadding):
    """Zeros before and after a sequence; see ``ZeroPadding``.

    >>> ZeroPadding1D((1, 2)).compute_output_shape((None, 4, 3))
    (None, 7, 3)
    """

    rank = 1


@LAYERS.register()
class ZeroPadding2D(ZeroPadding):
    """Zeros around images; see ``ZeroPadding``.

    >>> ZeroPadding2D(((1, 2), (0, 1))).compute_output_shape((None, 4, 4, 3))
    (None, 7, 5, 3)
    """

    rank = 2


@LAYERS.register()
class ZeroPadding3D(ZeroPadding):
    """Zeros around volumes; see ``ZeroPadding``.

    >>> ZeroPadding3D(2).compute_output_shape((None, 4, 4, 4, 3))
    (None, 8, 8, 8, 3)
    """

    rank = 3


class Cropping(Resizing):
    """Spatial axes with their ends cut off.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: the same, each spatial size smaller by what is cut

    Args:
        cropping: How much to cut on both sides: one number, one for each axis,
            or a pair (before, after) for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"`` (2D and 3D).
        may_be_empty: Whether nothing at all may be left.

    Raises:
        ShapeError: nothing would be left.
    """

    cropping: Any = 1
    _: KW_ONLY
    may_be_empty: HiddenFlag = False

    def setup(self) -> None:
        found = pairs(self, "cropping")
        self.cropping = found[0] if self.rank == 1 else found
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        shape = K.shape(inputs)
        kept = [slice(None)] * len(shape)
        for axis, (before, after) in zip(self.axes, [self.cropping] if self.rank == 1 else self.cropping, strict=True):
            if before + after >= shape[axis] + self.may_be_empty:
                raise ShapeError(
                    f"{self.name}: cropping {before} and {after} from axis {axis} leaves nothing of inputs of shape "
                    f"{shape_text(shape)}. Crop less than {shape[axis]} in all."
                )
            kept[axis] = slice(before, shape[axis] - after)
        return K.get_item(inputs, tuple(kept))


@LAYERS.register()
class Cropping1D(Cropping):
    """Sequences without their first and last steps; see ``Cropping``.

    >>> Cropping1D((1, 2)).compute_output_shape((None, 9, 3))
    (None, 6, 3)
    """

    rank = 1


@LAYERS.register()
class Cropping2D(Cropping):
    """Images without their border; see ``Cropping``.

    >>> Cropping2D(2).compute_output_shape((None, 9, 9, 3))
    (None, 5, 5, 3)
    """

    rank = 2
    cropping: Any = 0
    data_format: DataFormat = None


@LAYERS.register()
class Cropping3D(Cropping):
    """Volumes without their border; see ``Cropping``.

    >>> Cropping3D(1).compute_output_shape((None, 9, 9, 9, 3))
    (None, 7, 7, 7, 3)
    """

    rank = 3
    data_format: DataFormat = None


class UpSampling(Resizing):
    """Each spatial position repeated.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: the same, each spatial size times ``size``

    Args:
        size: How often: one number, or one for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"`` (2D and 3D).
    """

    size: Sizes = 2

    def setup(self) -> None:
        found = numbers(self, "size")
        self.size = found[0] if self.rank == 1 else found
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        for axis, times in zip(self.axes, numbers(self, "size"), strict=True):
            inputs = K.repeat(inputs, times, axis)
        return inputs


@LAYERS.register()
class UpSampling1D(UpSampling):
    """Each step of a sequence repeated; see ``UpSampling``.

    >>> UpSampling1D(3).compute_output_shape((None, 4, 2))
    (None, 12, 2)
    """

    rank = 1


@LAYERS.register()
class UpSampling2D(UpSampling):
    """Images enlarged by repeating or interpolating; see ``UpSampling``.

    Args:
        size: Factor: one number, or one for height and one for width.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        interpolation: ``"nearest"`` (repeat), ``"bilinear"``, ``"bicubic"``, ``"lanczos3"`` or ``"lanczos5"``.
        by_corners: Whether a pixel is taken to be where its upper left corner is, not its middle.

    >>> UpSampling2D(2, interpolation="bilinear").compute_output_shape((None, 4, 4, 1))
    (None, 8, 8, 1)
    """

    rank = 2
    data_format: DataFormat = None
    interpolation: Interpolation = "nearest"
    _: KW_ONLY
    by_corners: HiddenFlag = False

    def call(self, inputs: Any) -> Any:
        if self.interpolation == "nearest":
            return super().call(inputs)
        for axis, times in zip(self.axes, self.size, strict=True):
            size = K.shape(inputs)[axis]
            weights = K.array(_enlarging(size, times, self.interpolation, self.by_corners), K.dtype(inputs))
            inputs = K.moveaxis(K.matmul(K.moveaxis(inputs, axis, -1), weights), -1, axis)
        return inputs


@LAYERS.register()
class UpSampling3D(UpSampling):
    """Each position of a volume repeated; see ``UpSampling``.

    >>> UpSampling3D(2).compute_output_shape((None, 4, 4, 4, 1))
    (None, 8, 8, 8, 1)
    """

    rank = 3
    data_format: DataFormat = None


# --- helpers -------------------------------------------------------------------------


def _enlarging(size: int, times: int, interpolation: str, by_corners: bool) -> Any:
    """Matrix ``(size, times * size)`` of what each old pixel contributes to each new one.

    A pixel is where its middle is, or its corner. The kernels are the triangle, Keys' cubic
    with ``a = -1/2`` (Keys 1981) and Lanczos' windowed sinc of 3 or 5 lobes.
    """
    places = np.arange(times * size) / times if by_corners else (np.arange(times * size) + 0.5) / times - 0.5
    x = np.abs(places[None, :] - np.arange(size)[:, None])
    if interpolation == "bilinear":
        weights = np.maximum(0, 1 - x)
    elif interpolation == "bicubic":
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
        weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    else:
        lobes = int(interpolation[-1])
        weights = np.where(x < lobes, np.sinc(x) * np.sinc(x / lobes), 0)
    return weights / weights.sum(0)

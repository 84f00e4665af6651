"""Pooling: the largest or the mean of each window, or of all positions."""

import math
from typing import Any, ClassVar

from keraunos.backend import K
from keraunos.core.fields import OptionalSizes, Sizes
from keraunos.layers.arguments import DataFormat, WidePadding
from keraunos.layers.layer import LAYERS, InputSpec, Layer
from keraunos.layers.windows import centred, check_window, numbers, spatial_axes


class Pooling(Layer):
    """One number for each window and channel.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: the same with smaller spatial axes: ``(size - pool_size) // strides + 1``
    for valid padding, ``ceil(size / strides)`` for same

    Args:
        pool_size: Size of the window: one number, or one for each axis.
        strides: Distance between windows; ``pool_size`` if not given.
        padding: ``"valid"`` (windows inside only) or ``"same"``; what is
            outside counts neither for the maximum nor for the mean.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ShapeError: a window larger than the inputs, with valid padding.
    """

    rank: ClassVar[int]
    operation: ClassVar[str]
    batch_coupled = False

    pool_size: Sizes
    strides: OptionalSizes = None
    padding: WidePadding = "valid"
    data_format: DataFormat = None

    def setup(self) -> None:
        self.pool_size = numbers(self, "pool_size")
        self.strides = self.pool_size if self.strides is None else numbers(self, "strides")

    @property
    def trace_cost(self) -> int:
        """On a CPU, an operation for each entry of the window."""
        return 1 + math.prod(self.pool_size) // 8
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        if self.padding == "valid":
            check_window(self, inputs, self.pool_size, "pooling window")
        padding: Any = self.padding
        if padding == "half":
            before = [size - 2 if size > 2 and size % 2 else size - 1 for size in self.pool_size]
            padding = centred(self, inputs, self.pool_size, self.strides, before)
        return getattr(K, self.operation)(inputs, self.pool_size, self.strides, padding, self.data_format)


class MaxPooling(Pooling):
    """Largest number of each window; see ``Pooling``."""

    operation = "max_pool"
    pool_size: Sizes = 2


class AveragePooling(Pooling):
    """Mean of each window; see ``Pooling``."""

    operation = "average_pool"


@LAYERS.register("MaxPool1D")
class MaxPooling1D(MaxPooling):
    """Largest number of each window over time; see ``Pooling`` for the arguments.

    >>> MaxPooling1D().compute_output_shape((None, 9, 4))
    (None, 4, 4)
    """

    rank = 1


@LAYERS.register("MaxPool2D")
class MaxPooling2D(MaxPooling):
    """Largest number of each window of an image; see ``Pooling`` for the arguments.

    >>> MaxPooling2D((2, 2)).compute_output_shape((None, 26, 26, 8))
    (None, 13, 13, 8)
    """

    rank = 2


@LAYERS.register("MaxPool3D")
class MaxPooling3D(MaxPooling):
    """Largest number of each window of a volume; see ``Pooling`` for the arguments.

    >>> MaxPooling3D(2, padding="same").compute_output_shape((None, 5, 5, 5, 1))
    (None, 3, 3, 3, 1)
    """

    rank = 3


@LAYERS.register("AvgPool1D")
class AveragePooling1D(AveragePooling):
    """Mean of each window over time; see ``Pooling`` for the arguments.

    >>> AveragePooling1D(3, strides=1).compute_output_shape((None, 9, 4))
    (None, 7, 4)
    """

    rank = 1


@LAYERS.register("AvgPool2D")
class AveragePooling2D(AveragePooling):
    """Mean of each window of an image; see ``Pooling`` for the arguments.

    >>> AveragePooling2D(2).compute_output_shape((None, 8, 8, 3))
    (None, 4, 4, 3)
    """

    rank = 2


@LAYERS.register("AvgPool3D")
class AveragePooling3D(AveragePooling):
    """Mean of each window of a volume; see ``Pooling`` for the arguments.

    >>> AveragePooling3D(2).compute_output_shape((None, 4, 4, 4, 1))
    (None, 2, 2, 2, 1)
    """

    rank = 3


class GlobalPooling(Layer):
    """One number for each channel, over all spatial positions.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: ``(batch, channels)``; with ``keepdims`` the spatial axes stay, of size 1

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Whether to keep the spatial axes.
    """

    rank: ClassVar[int]
    operation: ClassVar[str]
    batch_coupled = False

    data_format: DataFormat = None
    keepdims: bool = False

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        return getattr(K, self.operation)(inputs, spatial_axes(self.rank, self.data_format), self.keepdims)


class GlobalMaxPooling(GlobalPooling):
    """Largest number of each channel; see ``GlobalPooling``."""

    operation = "max"


class GlobalAveragePooling(GlobalPooling):
    """Mean of each channel; see ``GlobalPooling``."""

    operation = "mean"


@LAYERS.register("GlobalMaxPool1D")
class GlobalMaxPooling1D(GlobalMaxPooling):
    """Largest number over time; see ``GlobalPooling`` for the arguments.

    >>> GlobalMaxPooling1D().compute_output_shape((None, 9, 4))
    (None, 4)
    """

    rank = 1


@LAYERS.register("GlobalMaxPool2D")
class GlobalMaxPooling2D(GlobalMaxPooling):
    """Largest number of each channel of an image; see ``GlobalPooling`` for the arguments.

    >>> GlobalMaxPooling2D().compute_output_shape((None, 8, 8, 4))
    (None, 4)
    """

    rank = 2


@LAYERS.register("GlobalMaxPool3D")
class GlobalMaxPooling3D(GlobalMaxPooling):
    """Largest number of each channel of a volume; see ``GlobalPooling`` for the arguments.

    >>> GlobalMaxPooling3D(keepdims=True).compute_output_shape((None, 8, 8, 8, 4))
    (None, 1, 1, 1, 4)
    """

    rank = 3


@LAYERS.register("GlobalAvgPool1D")
class GlobalAveragePooling1D(GlobalAveragePooling):
    """Mean over time; steps that a mask excludes do not count. See ``GlobalPooling`` for the arguments.

    >>> GlobalAveragePooling1D().compute_output_shape((None, 9, 4))
    (None, 4)
    """

    rank = 1
    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        (time,) = spatial_axes(1, self.data_format)
        real = K.expand_dims(K.cast(mask, "bool"), 3 - time)
        total = K.sum(K.where(real, inputs, 0), time, self.keepdims)
        return total / K.sum(K.cast(real, K.dtype(inputs)), time, self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


@LAYERS.register("GlobalAvgPool2D")
class GlobalAveragePooling2D(GlobalAveragePooling):
    """Mean of each channel of an image; see ``GlobalPooling`` for the arguments.

    >>> GlobalAveragePooling2D().compute_output_shape((None, 8, 8, 4))
    (None, 4)
    """

    rank = 2


@LAYERS.register("GlobalAvgPool3D")
class GlobalAveragePooling3D(GlobalAveragePooling):
    """Mean of each channel of a volume; see ``GlobalPooling`` for the arguments.

    >>> GlobalAveragePooling3D().compute_output_shape((None, 8, 8, 8, 4))
    (None, 4)
    """

    rank = 3


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)

"""Noise while training: the Dropout family and the Gaussian ones; and a penalty on activations."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, SupportsFloat, SupportsIndex

from keraunos import regularizers
from keraunos.backend import K
from keraunos.core.fields import Converted, Field, NonNegativeReal, Rate, real
from keraunos.core.scope import next_key
from keraunos.layers.arguments import DataFormat
from keraunos.layers.layer import LAYERS, InputSpec, Layer
from keraunos.layers.windows import spatial_axes
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text

# The value to which SELU tends for very negative inputs: -scale * alpha (Klambauer et al. 2017).
_SELU_FLOOR = -1.0507009873554805 * 1.6732632423543772


def _seed(value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise ArgumentError("expected a whole number, or None for a fresh one.") from None


def _noise_shape(value: Any) -> tuple[int | None, ...] | None:
    if value is None:
        return None
    if not isinstance(value, Sequence) or any(size is not None and not int(size) > 0 for size in value):
        raise ArgumentError("expected a list with a positive whole number or None for each axis.")
    return tuple(None if size is None else int(size) for size in value)


Seed = Annotated[Converted[int | None, SupportsIndex | None], Field(_seed)]
NoiseShape = Annotated[
    Converted[tuple[int | None, ...] | None, Sequence[SupportsIndex | None] | None], Field(_noise_shape)
]
RateBelowOne = Annotated[Converted[float, SupportsFloat], Field(real(0, 1, open_high=True))]


class Noise(Layer):
    """Base of the layers that add chance while training and pass inputs on otherwise."""

    batch_coupled = False
    supports_masking = True
    seed: ClassVar[int | None] = None

    def is_off(self, training: bool | None) -> bool:
        """Whether the layer only passes its inputs on."""
        return not training

    def uniform(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Fresh uniform numbers in [0, 1)."""
        return K.random_uniform(next_key(self.seed), shape, dtype)

    def normal(self, inputs: Any) -> Any:
        """Fresh standard normal numbers like the inputs."""
        return K.random_normal(next_key(self.seed), K.shape(inputs), K.dtype(inputs))


class RandomDrop(Noise):
    """Base of the layers that lose whole entries: which ones may be shared along axes."""

    rate: ClassVar[float]
    noise_shape: ClassVar[Any] = None

    def is_off(self, training: bool | None) -> bool:
        """Whether nothing is dropped."""
        return not training or self.rate == 0

    def shared_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the random numbers for inputs of a shape; they are shared along axes of size 1."""
        if self.noise_shape is None:
            return shape
        sizes = self.noise_shape
        if len(sizes) != len(shape) or any(a not in (None, 1, b) for a, b in zip(sizes, shape, strict=True)):
            raise ShapeError(
                f"{self.name}: noise_shape is {shape_text(sizes)}, which does not fit inputs of shape "
                f"{shape_text(shape)}. Give each axis its own size, 1 (shared along it) or None (its own size)."
            )
        return tuple(own if size is None else size for size, own in zip(sizes, shape, strict=True))

    def kept(self, inputs: Any) -> Any:
        """Whether each entry survives, with probability ``1 - rate``."""
        return K.greater_equal(self.uniform(self.shared_shape(K.shape(inputs))), self.rate)

    def drop(self, inputs: Any) -> Any:
        """Inputs with entries set to zero, and the rest scaled up to keep the mean."""
        if self.rate >= 1:
            return K.zeros_like(inputs)
        return K.where(self.kept(inputs), inputs / (1 - self.rate), K.zeros_like(inputs))


@LAYERS.register()
class Dropout(RandomDrop):
    """While training, each number becomes 0 with probability ``rate``, else ``number / (1 - rate)``.

    Input shape:  any
    Output shape: the same

    Args:
        rate: Probability to lose a number, from 0 to 1.
        noise_shape: Shape of the random numbers: 1 for an axis along which all
            share one fate, ``None`` for an axis's own size.
        seed: Whole number that makes the layer's chance its own.

    Reference: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    >>> Dropout(0.5).compute_output_shape((None, 4))
    (None, 4)
    """

    rate: Rate
    noise_shape: NoiseShape = None
    seed: Seed = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return inputs if self.is_off(training) else self.drop(inputs)


class SpatialDropout(RandomDrop):
    """While training, whole channels become 0 with probability ``rate``, the others grow by ``1 / (1 - rate)``.

    Neighbours in an image or sequence are alike, so losing single ones hides little.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: the same

    Args:
        rate: Probability to lose a channel, from 0 to 1.
        data_format: ``"channels_last"`` or ``"channels_first"`` (2D and 3D).
        seed: Whole number that makes the layer's chance its own.

    Reference: Tompson et al. 2015, "Efficient object localization using convolutional networks".
    """

    rank: ClassVar[int]
    data_format: ClassVar[str] = "channels_last"

    rate: Rate

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def shared_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One random number for each sample and channel."""
        spatial = spatial_axes(self.rank, self.data_format)
        return tuple(1 if axis in spatial else size for axis, size in enumerate(shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return inputs if self.is_off(training) else self.drop(inputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["trainable"]
        return {**config, "dtype": self.dtype}


@LAYERS.register()
class SpatialDropout1D(SpatialDropout):
    """Dropout of whole channels of a sequence; see ``SpatialDropout``.

    >>> SpatialDropout1D(0.5).compute_output_shape((None, 9, 4))
    (None, 9, 4)
    """

    rank = 1
    seed: Seed = None


@LAYERS.register()
class SpatialDropout2D(SpatialDropout):
    """Dropout of whole channels of an image; see ``SpatialDropout``.

    >>> SpatialDropout2D(0.5).compute_output_shape((None, 8, 8, 4))
    (None, 8, 8, 4)
    """

    rank = 2
    data_format: DataFormat = None
    seed: Seed = None


@LAYERS.register()
class SpatialDropout3D(SpatialDropout):
    """Dropout of whole channels of a volume; see ``SpatialDropout``.

    >>> SpatialDropout3D(0.5).compute_output_shape((None, 8, 8, 8, 4))
    (None, 8, 8, 8, 4)
    """

    rank = 3
    data_format: DataFormat = None
    seed: Seed = None


@LAYERS.register()
class GaussianNoise(Noise):
    """While training, ``inputs + stddev * normal``.

    Input shape:  any
    Output shape: the same

    Args:
        stddev: Standard deviation of the noise, 0 or more.
        seed: Whole number that makes the layer's chance its own.

    >>> GaussianNoise(0.1).compute_output_shape((None, 4))
    (None, 4)
    """

    stddev: NonNegativeReal
    seed: Seed = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return inputs + self.stddev * self.normal(inputs) if training and self.stddev else inputs


@LAYERS.register()
class GaussianDropout(Noise):
    """While training, ``inputs * (1 + sqrt(rate / (1 - rate)) * normal)``.

    Input shape:  any
    Output shape: the same

    Args:
        rate: As of ``Dropout``, whose noise has the same variance; below 1.
        seed: Whole number that makes the layer's chance its own.

    Reference: Srivastava et al. 2014, "Dropout", section 10.

    >>> GaussianDropout(0.5).compute_output_shape((None, 4))
    (None, 4)
    """

    rate: RateBelowOne
    seed: Seed = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training or self.rate == 0:
            return inputs
        return inputs * (1 + math.sqrt(self.rate / (1 - self.rate)) * self.normal(inputs))


@LAYERS.register()
class AlphaDropout(RandomDrop):
    """While training, entries become SELU's lowest value with probability ``rate``; mean and variance stay.

    With that value ``v``: ``a * (inputs or v) + b``, where ``a = ((1 - rate) * (1 + rate * v**2)) ** -0.5`` and
    ``b = -a * v * rate``.

    Input shape:  any
    Output shape: the same

    Args:
        rate: Probability to lose a number, from 0 to below 1.
        noise_shape: As of ``Dropout``.
        seed: Whole number that makes the layer's chance its own.

    Reference: Klambauer et al. 2017, "Self-normalizing neural networks".

    >>> AlphaDropout(0.1).compute_output_shape((None, 4))
    (None, 4)
    """

    rate: RateBelowOne
    noise_shape: NoiseShape = None
    seed: Seed = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if self.is_off(training):
            return inputs
        a = ((1 - self.rate) * (1 + self.rate * _SELU_FLOOR**2)) ** -0.5
        return a * K.where(self.kept(inputs), inputs, _SELU_FLOOR) - a * _SELU_FLOOR * self.rate


@LAYERS.register()
class ActivityRegularization(Layer):
    """Passes inputs on and adds ``(l1 * sum(|inputs|) + l2 * sum(inputs**2)) / batch`` to the loss.

    Input shape:  any
    Output shape: the same

    Args:
        l1: Weight of the sum of magnitudes, 0 or more.
        l2: Weight of the sum of squares, 0 or more.

    >>> ActivityRegularization(l2=0.1).compute_output_shape((None, 4))
    (None, 4)
    """

    l1: NonNegativeReal = 0.0
    l2: NonNegativeReal = 0.0

    batch_coupled = True
    supports_masking = True

    def setup(self) -> None:
        self.activity_regularizer = regularizers.L1L2(self.l1, self.l2)

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return config

"""Normalization of activations: over the batch, or within each sample."""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Annotated, Any, SupportsFloat

import numpy as np

from keraunos.backend import K
from keraunos.core.fields import Converted, Field, HiddenFlag, NonNegativeReal, Rate, Wholes, choice
from keraunos.layers.arguments import Constraint, Initializer, Regularizer
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text


def _axes(value: Any) -> Any:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values or not all(isinstance(axis, (int, np.integer)) and not isinstance(axis, bool) for axis in values):
        raise ArgumentError("expected a whole number, or a list of them.")
    return [int(axis) for axis in value] if isinstance(value, (list, tuple)) else int(value)


def _axis(value: Any) -> int:
    axes = _axes(value)
    if not isinstance(axes, list):
        return axes
    if len(axes) != 1:
        raise ArgumentError("expected one whole number.")
    return axes[0]


def _clipping(value: Any) -> dict[str, float] | None:
    limits = {name: float(limit) for name, limit in dict(value or {}).items()}
    if not set(limits) <= {"rmin", "rmax", "dmax"}:
        raise ArgumentError("expected a dict with keys among rmin, rmax and dmax.")
    if limits.get("rmin", 0) > limits.get("rmax", np.inf) or limits.get("dmax", 0) < 0:
        raise ArgumentError("expected rmin to be at most rmax, and dmax to be 0 or more.")
    return None if value is None else limits


Axis = Annotated[Converted[int, Wholes], Field(_axis)]
Axes = Annotated[Converted[int | list[int], Wholes], Field(_axes)]
Clipping = Annotated[Converted[dict[str, float] | None, Mapping[str, SupportsFloat] | None], Field(_clipping)]
Never = Annotated[bool, Field(choice(False))]
Mode = Annotated[int, Field(choice(0, 1, 2), hidden=True)]
MaskCounts = Annotated[bool, Field(bool, hidden=True)]


@LAYERS.register()
class BatchNormalization(Layer):
    """Per channel over the batch: ``gamma * (inputs - mean) / sqrt(variance + epsilon) + beta``.

    While training, mean and variance are those of the batch, and moving averages
    follow them: ``moving = momentum * moving + (1 - momentum) * batch``. Otherwise,
    and where ``trainable`` is ``False``, the moving averages are used. Steps that a
    mask excludes count for neither.

    Input shape:  any, with a known size of ``axis``
    Output shape: the same

    Args:
        axis: Axis of the channels, 1 for channels_first images.
        momentum: How slowly the moving averages follow, from 0 to 1.
        epsilon: Added to the variance.
        center, scale: Whether to learn ``beta`` and ``gamma``.
        beta_initializer, gamma_initializer: First values of what is learned.
        moving_mean_initializer, moving_variance_initializer: First values of the moving averages.
        beta_regularizer, gamma_regularizer: Functions added to the loss.
        beta_constraint, gamma_constraint: Functions applied after each update.
        renorm: Whether to correct the batch's statistics towards the moving
            ones while training (batch renormalization).
        renorm_clipping: Limits of that correction: ``rmin`` and ``rmax`` of the
            factor, ``dmax`` of the shift.
        renorm_momentum: Momentum of the averages that ``renorm`` compares with.
        synchronized: Only ``False``; there are no replicas to synchronize with.
        unbiased_variance: Whether the moving variance follows ``n / (n - 1 - epsilon)`` times that of the
            batch, with ``n`` values a channel; of images with their channels last another ``n / (n - 1)`` times, as
            in Keras 2.2.4.
        debiased_averages: Whether the moving averages forget their first values at the first batch: the
            ``t``-th batch moves them by ``(1 - momentum) / (1 - momentum**t)`` of the way.
        trains_frozen: Whether the batch's mean and variance are used while training also where ``trainable`` is
            ``False``, and the moving averages then stay, as before Keras 3.
        mode: 0 as above. 1: mean and standard deviation are those of the last axis of each sample, and epsilon is
            added to both variance and deviation. 2: those of the batch, in any phase, without moving averages.
        mask_counts: Whether steps that a mask excludes are left out.

    Reference: Ioffe and Szegedy 2015, "Batch normalization"; Ioffe 2017, "Batch renormalization";
    Kingma and Ba 2015, "Adam", section 3, for averages without bias.

    >>> BatchNormalization().compute_output_shape((None, 5))
    (None, 5)
    """

    axis: Axis = -1
    momentum: Rate = 0.99
    epsilon: NonNegativeReal = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Initializer = "zeros"
    gamma_initializer: Initializer = "ones"
    moving_mean_initializer: Initializer = "zeros"
    moving_variance_initializer: Initializer = "ones"
    beta_regularizer: Regularizer = None
    gamma_regularizer: Regularizer = None
    beta_constraint: Constraint = None
    gamma_constraint: Constraint = None
    renorm: bool = False
    renorm_clipping: Clipping = None
    renorm_momentum: Rate = 0.99
    synchronized: Never = False
    _: KW_ONLY
    unbiased_variance: HiddenFlag = False
    debiased_averages: HiddenFlag = False
    trains_frozen: HiddenFlag = False
    mode: Mode = 0
    mask_counts: MaskCounts = True

    batch_coupled = True
    supports_masking = True

    @property
    def coupled_in_prediction(self) -> bool:
        """Whether rows depend on each other without training too."""
        return self.mode == 2

    def setup(self) -> None:
        if self.renorm:
            self.renorm_clipping = self.renorm_clipping or {}

    def build(self, input_shape: Any) -> None:
        size = known(input_shape, self.axis, self.name)

        def average(name: str, initializer: Any = None) -> Any:
            return self.add_weight(name, (size,), initializer=initializer, trainable=False, autocast=False)

        if self.scale:
            self.gamma = self.add_weight("gamma", (size,), autocast=False)
        if self.center:
            self.beta = self.add_weight("beta", (size,), autocast=False)
        self.moving_mean = average("moving_mean")
        self.moving_variance = average("moving_variance")
        if self.debiased_averages:
            # A fresh start after loading: how many batches made the averages is in no file of Keras.
            self.batches_seen = self.add_weight(
                "batches_seen", (), initializer="zeros", trainable=False, autocast=False
            )
            self.batches_seen.saved = False
        if self.renorm:

            def deviation(shape: Any, dtype: Any = None) -> Any:
                return np.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

            self.moving_stddev = average("moving_stddev", deviation)
            self.renorm_mean = average("renorm_mean", self.moving_mean_initializer)
            self.renorm_stddev = average("renorm_stddev", deviation)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        x = _at_least_float32(inputs)
        if self.mode == 1:
            return self._by_sample(x)
        if not self.mask_counts:
            mask = None
        scale, shift = self.gamma.value if self.scale else 1.0, self.beta.value if self.center else 0.0
        if self.mode == 2:
            mean, variance = self._moments(x, mask)
        elif training and (self.trainable or self.trains_frozen):
            mean, variance = self._moments(x, mask)
            if self.renorm and self.trainable:
                deviation = K.sqrt(variance + self.epsilon)
                factor, offset = self._correction(mean, deviation)
                scale, shift = scale * factor, scale * offset + shift
                self._follow(self.renorm_mean, mean, self.renorm_momentum)
                self._follow(self.renorm_stddev, deviation, self.renorm_momentum)
                self._follow(self.moving_stddev, deviation, self.momentum)
                self._follow(self.moving_mean, mean, self.momentum)
                # Rounding must not make a variance negative.
                self.moving_variance.assign(K.relu(K.square(self.moving_stddev.value) - self.epsilon))
            elif self.trainable:
                momentum: Any = self.momentum
                if self.debiased_averages:
                    self.batches_seen.assign(self.batches_seen.value + 1)
                    momentum = 1 - K.divide_no_nan(1 - momentum, 1 - K.power(momentum, self.batches_seen.value))
                self._follow(self.moving_mean, mean, momentum)
                count = math.prod(K.shape(x)) // K.shape(x)[self.axis]
                correction = count / (count - 1 - self.epsilon) if self.unbiased_variance else 1.0
                if self.unbiased_variance and K.ndim(x) == 4 and self.axis in (-1, 3):
                    correction *= count / (count - 1)  # the kernel for images corrected it too
                self._follow(self.moving_variance, variance * correction, momentum)
        else:
            mean, variance = self.moving_mean.value, self.moving_variance.value
        shape = [1] * K.ndim(x)
        shape[self.axis] = -1
        multiplier = K.rsqrt(variance + self.epsilon) * scale
        outputs = (x - K.reshape(mean, shape)) * K.reshape(multiplier, shape)
        if self.center or self.renorm:
            outputs = outputs + K.reshape(shift + K.zeros_like(mean), shape)
        return K.cast(outputs, self.compute_dtype)

    def _by_sample(self, x: Any) -> Any:
        mean, variance = K.moments(x, -1, True)
        outputs = (x - mean) / (K.sqrt(variance + self.epsilon) + self.epsilon)
        outputs = outputs * self.gamma if self.scale else outputs
        return K.cast(outputs + self.beta if self.center else outputs, self.compute_dtype)

    def _moments(self, x: Any, mask: Any) -> tuple[Any, Any]:
        axes = [axis for axis in range(K.ndim(x)) if axis != self.axis % K.ndim(x)]
        if mask is None:
            return K.moments(x, axes)
        if K.ndim(mask) != K.ndim(x) - 1:
            raise ShapeError(
                f"{self.name}: the mask has shape {shape_text(K.shape(mask))}, but inputs of shape "
                f"{shape_text(K.shape(x))} need one axis less than that. Pass a mask of shape "
                f"{shape_text(K.shape(x)[:-1])}."
            )
        real = K.cast(K.expand_dims(mask, -1), K.dtype(x)) * K.ones_like(x)
        count = K.sum(real, axes, True) + epsilon()
        mean = K.sum(x * real, axes, True) / count
        variance = K.sum(K.square(x - mean) * real, axes, True) / count
        return K.ravel(mean), K.ravel(variance)

    def _correction(self, mean: Any, deviation: Any) -> tuple[Any, Any]:
        """Factor and shift from the batch's statistics to the moving ones, both regarded as constant."""
        moving = K.maximum(self.renorm_stddev.value, self.epsilon**0.5)
        limits = self.renorm_clipping or {}
        largest = limits.get("dmax", np.inf)
        factor = K.clip(deviation / moving, limits.get("rmin", -np.inf), limits.get("rmax", np.inf))
        offset = K.clip((mean - self.renorm_mean.value) / moving, -largest, largest)
        return K.stop_gradient(factor), K.stop_gradient(offset)

    def _follow(self, average: Any, value: Any, momentum: Any) -> None:
        average.assign(average.value * momentum + value * (1.0 - momentum))


@LAYERS.register()
class LayerNormalization(Layer):
    """Within each sample over some axes: ``gamma * (inputs - mean) / sqrt(variance + epsilon) + beta``.

    Input shape:  any, with known sizes of ``axis``
    Output shape: the same

    Args:
        axis: Axis, or list of axes, over which to normalize.
        epsilon: Added to the variance.
        center, scale: Whether to learn ``beta`` and ``gamma``, of the shape of the axes.
        beta_initializer, gamma_initializer: First values.
        beta_regularizer, gamma_regularizer: Functions added to the loss.
        beta_constraint, gamma_constraint: Functions applied after each update.
        rms_scaling: Whether to only divide by the deviation: no mean is
            subtracted and there is no ``beta`` (for files that say so).

    Reference: Ba, Kiros and Hinton 2016, "Layer normalization".

    >>> LayerNormalization().compute_output_shape((None, 3, 5))
    (None, 3, 5)
    """

    axis: Axes = -1
    epsilon: NonNegativeReal = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Initializer = "zeros"
    gamma_initializer: Initializer = "ones"
    beta_regularizer: Regularizer = None
    gamma_regularizer: Regularizer = None
    beta_constraint: Constraint = None
    gamma_constraint: Constraint = None
    rms_scaling: bool = False

    batch_coupled = False
    supports_masking = True

    def setup(self) -> None:
        self.autocast = False  # the statistics of 16-bit inputs are computed in 32 bits

    def build(self, input_shape: Any) -> None:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        for axis in axes:
            known(input_shape, axis, self.name)
        self._over = sorted(axis % len(input_shape) for axis in axes)
        shape = tuple(input_shape[axis] for axis in self._over)
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight("gamma", shape, autocast=False)
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight("beta", shape, autocast=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(zip(self._over, shape, strict=True)))

    def call(self, inputs: Any) -> Any:
        x = _at_least_float32(inputs)
        shape = [size if axis in self._over else 1 for axis, size in enumerate(K.shape(x))]
        mean, variance = K.moments(x, self._over, True)
        outputs = (x if self.rms_scaling else x - mean) * K.rsqrt(variance + self.epsilon)
        if self.scale or self.rms_scaling:
            outputs = outputs * K.reshape(self.gamma, shape)
        if self.center and not self.rms_scaling:
            outputs = outputs + K.reshape(self.beta, shape)
        return K.cast(outputs, self.compute_dtype)


def _at_least_float32(x: Any) -> Any:
    return x if K.dtype(x) in ("float32", "float64") else K.cast(x, "float32")

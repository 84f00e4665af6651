"""Activation functions as layers."""

from dataclasses import KW_ONLY
from typing import Annotated, Any, ClassVar, SupportsFloat

import numpy as np

from keraunos import activations
from keraunos.backend import K
from keraunos.core.fields import Converted, Field, HiddenFlag, NonNegativeReal, Real, Wholes, real
from keraunos.layers.arguments import Activation as ActivationArgument
from keraunos.layers.arguments import Constraint, Initializer, Regularizer
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.layers.normalization import Axes
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text


def _shared_axes(value: Any) -> list[int] | None:
    if value is None:
        return None
    axes = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(axis, (int, np.integer)) and axis >= 1 for axis in axes):
        raise ArgumentError("expected whole numbers from 1; the batch, axis 0, is not counted.")
    return [int(axis) for axis in axes]


SharedAxes = Annotated[Converted[list[int] | None, Wholes | None], Field(_shared_axes)]
Ceiling = Annotated[Converted[float | None, SupportsFloat | None], Field(real(0, optional=True))]


class Elementwise(Layer):
    """Base of the layers that change each number by itself.

    Input shape:  any
    Output shape: the same
    """

    batch_coupled = False
    supports_masking = True


@LAYERS.register()
class Activation(Elementwise):
    """``activation(inputs)``.

    Args:
        activation: Function, or its name.

    >>> Activation("relu")([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    activation: ActivationArgument

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)


@LAYERS.register()
class ReLU(Elementwise):
    """``x`` from the threshold up (at most ``max_value``), ``negative_slope * (x - threshold)`` below.

    Args:
        max_value: Largest output, 0 or more; ``None`` for no limit.
        negative_slope: Slope below the threshold, 0 or more.
        threshold: Where the function begins to pass its input, 0 or more.

    >>> ReLU(max_value=1.0)([-1.0, 0.5, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """

    max_value: Ceiling = None
    negative_slope: NonNegativeReal = 0.0
    threshold: NonNegativeReal = 0.0

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


@LAYERS.register()
class LeakyReLU(Elementwise):
    """``x`` where positive, else ``negative_slope * x``.

    Args:
        negative_slope: Slope for negative inputs, 0 or more.
        any_slope: Whether it may be negative too.

    Reference: Maas, Hannun and Ng 2013.

    >>> LeakyReLU(0.5)([-2.0, 1.0]).tolist()
    [-1.0, 1.0]
    """

    negative_slope: Real = 0.3
    _: KW_ONLY
    any_slope: HiddenFlag = False

    def setup(self) -> None:
        if self.negative_slope < 0 and not self.any_slope:
            raise ArgumentError(f"LeakyReLU: negative_slope is {self.negative_slope:g}; expected a number, 0 or more.")

    def call(self, inputs: Any) -> Any:
        return activations.leaky_relu(inputs, self.negative_slope)


@LAYERS.register()
class ThresholdedReLU(Elementwise):
    """``x`` above ``theta``, else 0.

    Args:
        theta: The threshold, 0 or more.

    Reference: Konda, Memisevic and Krueger 2015, "Zero-bias autoencoders and the benefits of co-adapting features".

    >>> ThresholdedReLU(1.5)([1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    theta: NonNegativeReal = 1.0

    def call(self, inputs: Any) -> Any:
        return inputs * K.cast(K.greater(inputs, self.theta), K.dtype(inputs))


class Learned(Elementwise):
    """Base of the activations with a number for each input of a sample, or for those along some axes together."""

    shared_axes: ClassVar[list[int] | None]

    def add_numbers(self, input_shape: Any, *names: str) -> None:
        """Make the weights of these names, of the shape of a sample, with 1 along axes that share."""
        shared, rank = self.shared_axes or [], len(input_shape)
        if any(axis >= rank for axis in shared):
            raise ShapeError(
                f"{self.name}: shared_axes is {shared}, but inputs of shape {shape_text(input_shape)} have the axes "
                f"1 to {rank - 1}."
            )
        sizes = {axis: 1 if axis in shared else known(input_shape, axis, self.name) for axis in range(1, rank)}
        for name in names:
            setattr(self, name, self.add_weight(name, tuple(sizes.values())))
        self.input_spec = InputSpec(ndim=rank, axes={axis: size for axis, size in sizes.items() if axis not in shared})


@LAYERS.register()
class PReLU(Learned):
    """``max(x, 0) - alpha * max(-x, 0)`` with a learned ``alpha``.

    Args:
        alpha_initializer: First values of ``alpha``.
        alpha_regularizer: Function added to the loss.
        alpha_constraint: Function applied after each update.
        shared_axes: Axes along which one ``alpha`` serves all, counted from 1:
            ``[1, 2]`` for one each channel of an image.

    Reference: He et al. 2015, "Delving deep into rectifiers".

    >>> PReLU(alpha_initializer="ones")([[-2.0, 1.0]]).tolist()
    [[-2.0, 1.0]]
    """

    alpha_initializer: Initializer = "zeros"
    alpha_regularizer: Regularizer = None
    alpha_constraint: Constraint = None
    shared_axes: SharedAxes = None

    def build(self, input_shape: Any) -> None:
        self.add_numbers(input_shape, "alpha")

    def call(self, inputs: Any) -> Any:
        return K.relu(inputs) - self.alpha * K.relu(-inputs)


@LAYERS.register()
class SReLU(Learned):
    """Three straight pieces with learned bends ``l``, ``r = l + abs(t_right)`` and slopes outside of them.

    ``x`` in between, ``l + a_left * (x - l)`` below ``l``, ``r + a_right * (x - r)`` above ``r``, where ``l`` is
    ``t_left``.

    Args:
        t_left_initializer, t_right_initializer: First values of the bends.
        a_left_initializer, a_right_initializer: First values of the slopes.
        shared_axes: Axes along which one number serves all, counted from 1.

    Reference: Jin et al. 2016, "Deep learning with S-shaped rectified linear activation units"; the layer of Keras
    1.2.2.

    >>> SReLU(t_right_initializer="ones", a_right_initializer="zeros")([[0.5, 3.0]]).tolist()
    [[0.5, 1.0]]
    """

    t_left_initializer: Initializer = "zeros"
    a_left_initializer: Initializer = "glorot_uniform"
    t_right_initializer: Initializer = "glorot_uniform"
    a_right_initializer: Initializer = "ones"
    shared_axes: SharedAxes = None

    def build(self, input_shape: Any) -> None:
        self.add_numbers(input_shape, "t_left", "a_left", "t_right", "a_right")

    def call(self, inputs: Any) -> Any:
        left = self.t_left.value
        right = left + K.abs(self.t_right)
        between = K.minimum(K.maximum(inputs, left), right)
        return between - self.a_left * K.relu(left - inputs) + self.a_right * K.relu(inputs - right)


@LAYERS.register()
class ELU(Elementwise):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``.

    Args:
        alpha: Limit for very negative inputs, with a minus sign.

    Reference: Clevert, Unterthiner and Hochreiter 2016.

    >>> ELU()([0.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    alpha: Real = 1.0

    def call(self, inputs: Any) -> Any:
        return activations.elu(inputs, self.alpha)


@LAYERS.register()
class Softmax(Elementwise):
    """``exp(x) / sum(exp(x))`` along axes.

    Args:
        axis: Axis, or list of axes, along which the outputs add up to 1.

    Call arguments:
        mask: Which entries take part; the others get 0. Its sizes are those of
            the inputs, or 1.

    >>> Softmax()([[1.0, 1.0]]).tolist()
    [[0.5, 0.5]]
    """

    axis: Axes = -1

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return activations.softmax(inputs, self.axis)
        sizes, given = K.shape(inputs), K.shape(mask)
        if len(given) > len(sizes) or any(a not in (1, b) for a, b in zip(given[::-1], sizes[::-1], strict=False)):
            raise ShapeError(
                f"{self.name}: the mask of shape {shape_text(given)} does not fit inputs of shape {shape_text(sizes)}. "
                "Each of its sizes must be that of the inputs, or 1."
            )
        if K.dtype(mask) != "bool":
            mask = K.greater(mask, 0.5)
        lowest = -3e4 if K.dtype(inputs) == "float16" else -1e9
        return K.where(mask, activations.softmax(K.where(mask, inputs, lowest), self.axis), 0.0)

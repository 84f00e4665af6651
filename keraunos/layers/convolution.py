"""Convolutions over one, two and three spatial axes."""

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from keraunos.backend import K
from keraunos.core.fields import HiddenFlag, PositiveInt, Sizes, by_name
from keraunos.layers.arguments import (
    Activation,
    CausalPadding,
    Constraint,
    DataFormat,
    Initializer,
    Regularizer,
    WidePadding,
)
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.layers.lora import Adaptable, Alpha, Rank
from keraunos.layers.windows import channel_axis, extents, numbers, pads_of
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import chosen
from keraunos.utils.text import batch_text


class Convolving(Layer):
    """What layers share that slide a window over spatial axes and weigh what they see: arguments, bias, activation."""

    rank: ClassVar[int]
    batch_coupled = False
    use_bias: ClassVar[bool]
    data_format: ClassVar[str]

    def setup(self: Any) -> None:
        """Bring the arguments that have a number for each axis into that form."""
        for argument in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, argument, numbers(self, argument))
        if not chosen():  # before Keras 3 a layer that could not be used could be made
            self.check_gaps()
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def check_gaps(self: Any) -> None:
        """Raise ``ArgumentError`` for strides and dilation together."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                f"{self.name}: strides {self.strides} and dilation_rate {self.dilation_rate} are both above 1, which "
                "is not defined. Set one of them to 1."
            )

    def channels(self, input_shape: Any) -> int:
        """Number of channels of the inputs, which no later inputs may change."""
        self.check_gaps()
        axis = channel_axis(self.data_format)
        size = known(input_shape, axis, self.name)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: size})
        return size

    def add_bias(self, filters: int) -> None:
        """Make a number for each filter, if there is a bias."""
        if self.use_bias:
            self.bias = self.add_weight("bias", (filters,))

    def finish(self: Any, outputs: Any) -> Any:
        """Add the bias, and apply the activation."""
        if self.use_bias:
            first = self.data_format == "channels_first"
            outputs = outputs + (K.reshape(self.bias, (-1,) + (1,) * self.rank) if first else self.bias)
        return self.activation(outputs)


class Conv(Convolving, Adaptable):
    """Weighted sum of every window: ``activation(sum over window, channels of inputs * kernel + bias)``.

    The kernel is not turned round, so mathematically this is a cross-correlation.
    It has shape ``(*kernel_size, channels // groups, filters)``.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: ``(batch, *new_spatial, filters)``, or ``(batch, filters, *new_spatial)``

    Args:
        filters: Number of output channels.
        kernel_size: Size of the window: one number, or one for each axis.
        strides: Distance between windows, likewise. Not together with a dilation.
        padding: ``"valid"`` (none), ``"same"`` (zeros around, so that stride 1
            keeps the size), for ``Conv1D`` also ``"causal"`` (zeros before, so
            that no output sees a later input).
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Distance between the entries of a window.
        groups: Number of parts into which channels and filters are divided;
            each part of the filters sees its part of the channels only.
        activation: Function of the outputs, or its name.
        use_bias: Whether to add a number for each filter.
        kernel_initializer, bias_initializer: First values of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss.
        kernel_constraint, bias_constraint: Functions applied after each update.
        lora_rank, lora_alpha: Rank and scale of a low-rank adaptation; see ``enable_lora``.
        flipped: Whether the kernel is turned round, so that this is a convolution in the mathematical sense.

    Raises:
        ArgumentError: strides and dilation together; filters or channels that
            ``groups`` does not divide.
        ShapeError: a window larger than the inputs.

    Reference: LeCun et al. 1998, "Gradient-based learning applied to document
    recognition"; dilation: Yu and Koltun 2016; groups: Krizhevsky et al. 2012.
    """

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    data_format: DataFormat = None
    dilation_rate: Sizes = 1
    groups: PositiveInt = 1
    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None
    lora_rank: Rank = None
    lora_alpha: Alpha = None
    _: KW_ONLY
    flipped: HiddenFlag = False

    def setup(self) -> None:
        super().setup()
        if self.filters % self.groups:
            raise ArgumentError(
                f"{self.name}: {self.filters} filters cannot be divided into {self.groups} groups. "
                f"Take a multiple of {self.groups}."
            )

    def build(self, input_shape: Any) -> None:
        channels = self.channels(input_shape)
        if channels % self.groups:
            raise ShapeError(
                f"{self.name}: inputs of shape {batch_text(input_shape)} have {channels} channels, which cannot be divided "
                f"into {self.groups} groups."
            )
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self.add_bias(self.filters)
        self.adapt()

    def call(self, inputs: Any) -> Any:
        kernel = self.adapted_weight()
        if self.flipped:
            kernel = K.flip(kernel, tuple(range(self.rank)))
        padding = pads_of(self, inputs, extents(self.kernel_size, self.dilation_rate), self.strides)
        return self.finish(K.conv(inputs, kernel, self.strides, padding, self.data_format, self.dilation_rate))


@LAYERS.register("Convolution1D")
class Conv1D(Conv):
    """Convolution over time; see ``Conv`` for the formula and arguments.

    >>> Conv1D(4, 3, padding="causal").compute_output_shape((None, 10, 2))
    (None, 10, 4)
    """

    rank = 1
    padding: CausalPadding = "valid"


@LAYERS.register("Convolution2D")
class Conv2D(Conv):
    """Convolution over the height and width of images; see ``Conv`` for the formula and arguments.

    >>> Conv2D(8, 3, strides=2).compute_output_shape((None, 28, 28, 1))
    (None, 13, 13, 8)
    """

    rank = 2


@LAYERS.register("Convolution3D")
class Conv3D(Conv):
    """Convolution over three spatial axes; see ``Conv`` for the formula and arguments.

    >>> Conv3D(2, (1, 3, 3)).compute_output_shape((None, 4, 8, 8, 1))
    (None, 4, 6, 6, 2)
    """

    rank = 3


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D

"""Convolutions of each channel by itself, alone (depthwise) or followed by a mixture of the channels (separable)."""

from typing import Any

from keraunos.backend import K
from keraunos.core.fields import PositiveInt, Sizes, by_name
from keraunos.layers.arguments import Activation, Constraint, DataFormat, Initializer, Regularizer, WidePadding
from keraunos.layers.convolution import Convolving
from keraunos.layers.layer import LAYERS
from keraunos.layers.windows import extents, pads_of

__all__ = [
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
]


class Separate(Convolving):
    """Base: the kernel that sees one channel at a time, of shape ``(*kernel_size, channels, depth_multiplier)``."""

    def add_depthwise_kernel(self: Any, input_shape: Any) -> int:
        """Make the kernel; returns how many channels come out of it."""
        channels: int = self.channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            (*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        count: int = channels * self.depth_multiplier
        return count

    def apart(self: Any, inputs: Any) -> Any:
        """Each channel through its own filters."""
        padding = pads_of(self, inputs, extents(self.kernel_size, self.dilation_rate), self.strides)
        return K.depthwise_conv(
            inputs, self.depthwise_kernel, self.strides, padding, self.data_format, self.dilation_rate
        )


class DepthwiseConv(Separate):
    """Convolution of each channel with filters of its own: no output sees two channels.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: ``(batch, *new_spatial, channels * depth_multiplier)``, or with the channels second

    Args:
        kernel_size: Size of the window: one number, or one for each axis.
        strides, padding, data_format, dilation_rate: As of ``Conv``.
        depth_multiplier: Number of filters for each channel.
        activation: Function of the outputs, or its name.
        use_bias: Whether to add a number for each output channel.
        depthwise_initializer, bias_initializer: First values of the weights.
        depthwise_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss.
        depthwise_constraint, bias_constraint: Functions applied after each update.

    Raises:
        ArgumentError: strides and dilation together.
        ShapeError: a window larger than the inputs.

    Reference: Sifre 2014, "Rigid-motion scattering for image classification"; Howard et al. 2017, "MobileNets".
    """

    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    depth_multiplier: PositiveInt = 1
    data_format: DataFormat = None
    dilation_rate: Sizes = 1
    activation: Activation = None
    use_bias: bool = True
    depthwise_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    depthwise_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    depthwise_constraint: Constraint = None
    bias_constraint: Constraint = None

    def build(self, input_shape: Any) -> None:
        self.add_bias(self.add_depthwise_kernel(input_shape))

    def call(self, inputs: Any) -> Any:
        return self.finish(self.apart(inputs))


@LAYERS.register()
class DepthwiseConv1D(DepthwiseConv):
    """Convolution of each channel of a sequence; see ``DepthwiseConv`` for the arguments.

    >>> DepthwiseConv1D(3, depth_multiplier=2).compute_output_shape((None, 10, 4))
    (None, 8, 8)
    """

    rank = 1


@LAYERS.register()
class DepthwiseConv2D(DepthwiseConv):
    """Convolution of each channel of an image; see ``DepthwiseConv`` for the arguments.

    >>> DepthwiseConv2D(3, padding="same").compute_output_shape((None, 8, 8, 4))
    (None, 8, 8, 4)
    """

    rank = 2


class SeparableConv(Separate):
    """A depthwise convolution, then a mixture of all its channels at each place.

    With ``depth_multiplier * channels`` channels in between, it has far fewer weights than a convolution.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: ``(batch, *new_spatial, filters)``, or ``(batch, filters, *new_spatial)``

    Args:
        filters: Number of output channels.
        kernel_size: Size of the window: one number, or one for each axis.
        strides, padding, data_format, dilation_rate: As of ``Conv``.
        depth_multiplier: Number of filters for each channel in the first step.
        activation: Function of the outputs, or its name.
        use_bias: Whether to add a number for each filter.
        depthwise_initializer, pointwise_initializer, bias_initializer: First values of the weights.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer: Functions added to the
            loss.
        depthwise_constraint, pointwise_constraint, bias_constraint: Functions applied after each update.

    Raises:
        ArgumentError: strides and dilation together.
        ShapeError: a window larger than the inputs.

    Reference: Chollet 2017, "Xception: deep learning with depthwise separable convolutions".
    """

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    data_format: DataFormat = None
    dilation_rate: Sizes = 1
    depth_multiplier: PositiveInt = 1
    activation: Activation = None
    use_bias: bool = True
    depthwise_initializer: Initializer = "glorot_uniform"
    pointwise_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    depthwise_regularizer: Regularizer = None
    pointwise_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    depthwise_constraint: Constraint = None
    pointwise_constraint: Constraint = None
    bias_constraint: Constraint = None

    def build(self, input_shape: Any) -> None:
        between = self.add_depthwise_kernel(input_shape)
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            ((1,) * self.rank + (between, self.filters)),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        return self.finish(K.conv(self.apart(inputs), self.pointwise_kernel, 1, "valid", self.data_format))


@LAYERS.register("SeparableConvolution1D")
class SeparableConv1D(SeparableConv):
    """Separable convolution over time; see ``SeparableConv`` for the arguments.

    >>> SeparableConv1D(4, 3).compute_output_shape((None, 10, 2))
    (None, 8, 4)
    """

    rank = 1


@LAYERS.register("SeparableConvolution2D")
class SeparableConv2D(SeparableConv):
    """Separable convolution over the height and width of images; see ``SeparableConv`` for the arguments.

    >>> SeparableConv2D(4, 3, strides=2).compute_output_shape((None, 9, 9, 3))
    (None, 4, 4, 4)
    """

    rank = 2


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D

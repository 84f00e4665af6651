"""Transposed convolutions, which enlarge spatial axes: the gradient of a convolution, as a layer."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any, SupportsIndex

from keraunos.backend import K
from keraunos.core.fields import Converted, Field, HiddenFlag, OptionalSizes, PositiveInt, Sizes, by_name, per_axis
from keraunos.layers.arguments import Activation, Constraint, DataFormat, Initializer, Regularizer, WidePadding
from keraunos.layers.convolution import Convolving
from keraunos.layers.layer import LAYERS
from keraunos.layers.windows import extents, numbers, spatial_axes
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text

__all__ = [
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "Convolution1DTranspose",
    "Convolution2DTranspose",
    "Convolution3DTranspose",
]


def _sizes(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return per_axis(value, len(value))
    except (TypeError, ArgumentError):
        raise ArgumentError("expected a positive whole number for each spatial axis.") from None


OutputSize = Annotated[Converted[tuple[int, ...] | None, Sequence[SupportsIndex] | None], Field(_sizes, hidden=True)]


class ConvTranspose(Convolving):
    """Each entry of the inputs, times the kernel, added to a window of the outputs: a convolution's gradient.

    The kernel has shape ``(*kernel_size, filters, channels)``, that of a convolution in the other direction.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: ``(batch, *new_spatial, filters)``, or ``(batch, filters, *new_spatial)``, where a size becomes
    ``size * stride`` for same padding, and ``(size - 1) * stride + max(kernel_size, stride)`` for valid

    Args:
        filters: Number of output channels.
        kernel_size: Size of the window: one number, or one for each axis.
        strides: How far apart the windows of neighbours begin: one number, or one for each axis.
        padding: ``"valid"`` or ``"same"``: that of the convolution in the other direction.
        output_padding: How much larger the outputs are than ``(size - 1) * stride + kernel_size`` (for same padding
            less ``2 * (kernel_size // 2)``), from 0 to below the stride: one number, or one for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Distance between the entries of a window. Not together with strides.
        activation: Function of the outputs, or its name.
        use_bias: Whether to add a number for each filter.
        kernel_initializer, bias_initializer: First values of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss.
        kernel_constraint, bias_constraint: Functions applied after each update.
        output_size: The new spatial sizes, among those that the other direction would bring to the inputs' sizes.
        flipped: Whether the kernel is turned round.

    Raises:
        ArgumentError: strides and dilation together, or an ``output_padding`` that reaches the stride.
        ShapeError: an ``output_size`` that does not belong to the inputs.

    Reference: Zeiler et al. 2010, "Deconvolutional networks"; Dumoulin and Visin 2016, "A guide to convolution
    arithmetic for deep learning".
    """

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    output_padding: OptionalSizes = None
    data_format: DataFormat = None
    dilation_rate: Sizes = 1
    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None
    _: KW_ONLY
    output_size: OutputSize = None
    flipped: HiddenFlag = False

    def setup(self) -> None:
        super().setup()
        if self.output_size is not None and len(self.output_size) != self.rank:
            raise ArgumentError(
                f"{self.name}: output_size is {self.output_size}; expected {self.rank} whole numbers, one for each "
                "spatial axis."
            )
        if self.output_padding is None:
            return
        self.output_padding = numbers(self, "output_padding", least=0)
        if any(extra >= stride for extra, stride in zip(self.output_padding, self.strides, strict=True)):
            raise ArgumentError(
                f"{self.name}: output_padding {self.output_padding} must be below strides {self.strides} on each axis; "
                "a larger size belongs to a larger input."
            )

    def build(self, input_shape: Any) -> None:
        channels = self.channels(input_shape)
        self.kernel = self.add_weight("kernel", (*self.kernel_size, self.filters, channels))
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        if self.output_size is not None:
            self._check_sizes(inputs)
        kernel = K.flip(self.kernel, tuple(range(self.rank))) if self.flipped else self.kernel
        padding: Any = self.padding
        if padding in ("half", "full"):
            reach = extents(self.kernel_size, self.dilation_rate)
            padding = tuple((e // 2, e // 2) if padding == "half" else (e - 1, e - 1) for e in reach)
        outputs = K.conv_transpose(
            inputs,
            kernel,
            self.strides,
            padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
            self.output_size,
        )
        return self.finish(outputs)

    def _check_sizes(self, inputs: Any) -> None:
        """Refuse sizes that a convolution with these windows and strides would not bring to those of the inputs."""
        shape = K.shape(inputs)
        sizes = tuple(shape[axis] for axis in spatial_axes(self.rank, self.data_format))
        reach = extents(self.kernel_size, self.dilation_rate)
        wanted = self.output_size or ()
        back = tuple(
            -(-size // stride) if self.padding in ("same", "half") else (size - extent) // stride + 1
            for size, stride, extent in zip(wanted, self.strides, reach, strict=True)
        )
        if back != sizes:
            raise ShapeError(
                f"{self.name}: an output of sizes {shape_text(wanted)} belongs to inputs of sizes {shape_text(back)} "
                f"with kernel_size {self.kernel_size}, strides {self.strides} and {self.padding} padding, but the "
                f"inputs have shape {shape_text(shape)}. Give other sizes, or none."
            )


@LAYERS.register("Convolution1DTranspose")
class Conv1DTranspose(ConvTranspose):
    """Transposed convolution over time; see ``ConvTranspose`` for the formula and arguments.

    >>> Conv1DTranspose(4, 3, strides=2, padding="same").compute_output_shape((None, 5, 2))
    (None, 10, 4)
    """

    rank = 1


@LAYERS.register("Convolution2DTranspose")
class Conv2DTranspose(ConvTranspose):
    """Transposed convolution over images; see ``ConvTranspose`` for the formula and arguments.

    >>> Conv2DTranspose(4, 3, strides=2).compute_output_shape((None, 5, 5, 2))
    (None, 11, 11, 4)
    """

    rank = 2


@LAYERS.register("Convolution3DTranspose")
class Conv3DTranspose(ConvTranspose):
    """Transposed convolution over volumes; see ``ConvTranspose`` for the formula and arguments.

    >>> Conv3DTranspose(1, 2, strides=2).compute_output_shape((None, 2, 2, 2, 1))
    (None, 4, 4, 4, 1)
    """

    rank = 3
    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    data_format: DataFormat = None
    output_padding: OptionalSizes = by_name(default=None, kw_only=True)
    dilation_rate: Sizes = 1
    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None
    _: KW_ONLY
    output_size: OutputSize = None
    flipped: HiddenFlag = False


Convolution1DTranspose, Convolution2DTranspose, Convolution3DTranspose = (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
)

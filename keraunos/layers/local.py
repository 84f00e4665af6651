"""Locally connected layers: a convolution whose filters differ from place to place."""

import math
from typing import Any, ClassVar

from keraunos.backend import K
from keraunos.core.fields import PositiveInt, Sizes, by_name
from keraunos.layers.arguments import Activation, Constraint, DataFormat, Initializer, Padding, Regularizer
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.layers.windows import channel_axis, check_window, numbers, spatial_axes
from keraunos.utils.errors import ArgumentError

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]


class LocallyConnected(Layer):
    """Weighted sum of every window, with weights of each place's own: ``activation(window . kernel[place] + bias[place])``.

    The kernel has shape ``(places, entries of a window, filters)``. Entries are in the order of the inputs: window
    axes, then channels; or channels first. All spatial sizes must be known.

    Input shape:  ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` if channels_first
    Output shape: ``(batch, *new_spatial, filters)``, or ``(batch, filters, *new_spatial)``, where a size becomes
    ``(size - kernel_size) // strides + 1``

    Args:
        filters: Number of output channels.
        kernel_size: Size of the window: one number, or one for each axis.
        strides: Distance between windows, likewise.
        padding: Only ``"valid"``: windows lie inside.
        data_format: ``"channels_last"`` or ``"channels_first"``; sequences have their channels last in any case.
        activation: Function of the outputs, or its name.
        use_bias: Whether to add a number for each place and filter.
        kernel_initializer, bias_initializer: First values of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Functions added to the loss.
        kernel_constraint, bias_constraint: Functions applied after each update.

    Raises:
        ArgumentError: another padding.
        ShapeError: a size that is not known, or a window larger than the inputs.

    Reference: LeCun 1989, "Generalization and network design strategies"; the layers of Keras 2.2.4, whose files
    keep the order above.
    """

    rank: ClassVar[int]
    batch_coupled = False

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    data_format: DataFormat = None
    activation: Activation = None
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    bias_constraint: Constraint = None

    def setup(self) -> None:
        for argument in ("kernel_size", "strides"):
            setattr(self, argument, numbers(self, argument))
        if self.padding != "valid":
            raise ArgumentError(
                f"{self.name}: padding is {self.padding!r}; expected 'valid', as windows of this layer lie inside. Put "
                f"a ZeroPadding{self.rank}D layer before it."
            )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def layout(self) -> str:
        """Where the channels are."""
        return self.data_format or "channels_last"

    def build(self, input_shape: Any) -> None:
        axes = spatial_axes(self.rank, self.layout)
        channels = known(input_shape, channel_axis(self.layout), self.name)
        sizes = [known(input_shape, axis, self.name) for axis in axes]
        check_window(self, input_shape, self.kernel_size, "window (kernel_size)")
        places = self._places(sizes)
        entries = math.prod(self.kernel_size) * channels
        self.kernel = self.add_weight("kernel", (math.prod(places), entries, self.filters))
        if self.use_bias:
            self.bias = self.add_weight("bias", (*places, self.filters))
        whole = {channel_axis(self.layout): channels, **dict(zip(axes, sizes, strict=True))}
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=whole)

    def _places(self, sizes: Any) -> tuple[int, ...]:
        return tuple(
            (size - window) // stride + 1
            for size, window, stride in zip(sizes, self.kernel_size, self.strides, strict=True)
        )

    def call(self, inputs: Any) -> Any:
        first = self.layout == "channels_first"
        batch, *sizes = K.shape(K.moveaxis(inputs, 1, -1) if first else inputs)[:-1]
        places = self._places(sizes)
        patches = K.reshape(self._patches(inputs, places), (batch, math.prod(places), -1))
        outputs = K.reshape(K.einsum("bpe,pef->bpf", patches, self.kernel), (batch, *places, self.filters))
        if first:
            outputs = K.moveaxis(outputs, -1, 1)
        if self.use_bias:
            # Keras 2.2.4 reads the bias' numbers in the order of the outputs, and so do its files.
            outputs = outputs + K.reshape(self.bias, K.shape(outputs)[1:])
        return self.activation(outputs)

    def _patches(self, inputs: Any, places: tuple[int, ...]) -> Any:
        """What each window sees: ``(batch, *places, entries)``."""
        axes = spatial_axes(self.rank, self.layout)
        parts = []
        for number in range(math.prod(self.kernel_size)):
            cut = [slice(None)] * K.ndim(inputs)
            for axis, size, stride, count in reversed(
                list(zip(axes, self.kernel_size, self.strides, places, strict=True))
            ):
                number, offset = divmod(number, size)
                cut[axis] = slice(offset, offset + (count - 1) * stride + 1, stride)
            part = K.get_item(inputs, tuple(cut))
            parts.append(K.moveaxis(part, 1, -1) if self.layout == "channels_first" else part)
        return K.stack(parts, -1 if self.layout == "channels_first" else -2)


@LAYERS.register()
class LocallyConnected1D(LocallyConnected):
    """A sequence through filters that differ from step to step; see ``LocallyConnected`` for the arguments.

    >>> LocallyConnected1D(4, 3).compute_output_shape((None, 10, 2))
    (None, 8, 4)
    """

    rank = 1
    layout = "channels_last"  # as in Keras 2.2.4, whatever data_format says


@LAYERS.register()
class LocallyConnected2D(LocallyConnected):
    """An image through filters that differ from place to place; see ``LocallyConnected`` for the arguments.

    >>> LocallyConnected2D(4, 3, strides=2).compute_output_shape((None, 9, 9, 3))
    (None, 4, 4, 4)
    """

    rank = 2

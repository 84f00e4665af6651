"""Recurrent layers over images: an RNN whose cell convolves, and the ConvLSTM."""

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from keraunos.backend import K
from keraunos.core.fields import HiddenFlag, PositiveInt, Rate, Sizes, by_name
from keraunos.layers.arguments import Activation, Constraint, DataFormat, Initializer, Regularizer, WidePadding
from keraunos.layers.layer import LAYERS, InputSpec, known
from keraunos.layers.recurrent import RNN, CellLayer, GatedCell, LSTMCell, OverTime, Step, _gate_by_gate, _listed
from keraunos.layers.windows import extents, numbers, pads_of
from keraunos.utils.errors import ArgumentError

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM2DCell", "ConvLSTM3D", "ConvRNN2D"]


class ConvRNN(OverTime):
    """An RNN over sequences of images: the states have spatial axes too.

    Input shape:  ``(batch, time, *spatial, channels)``, or ``(batch, time, channels, *spatial)`` if channels_first
    Output shape: ``(batch, *new_spatial, filters)``, or ``(batch, filters, *new_spatial)``; with
    ``return_sequences`` the time after the batch; with ``return_state`` a tuple with the last states

    Args:
        cell: A cell with ``call(inputs, states)``, ``state_size`` (numbers of channels), ``kernel_size``,
            ``strides``, ``padding``, ``dilation_rate`` and ``data_format``, from which the spatial sizes follow.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: As of RNN.
        unroll: Only ``False``.

    Raises:
        ArgumentError: Several cells, or ``unroll``.
    """

    rank: ClassVar[int]

    def setup(self) -> None:
        super().setup()
        if self.unroll or hasattr(self.cell, "cells"):
            raise ArgumentError(f"{self.name}: takes one cell, and steps of convolutions are not unrolled.")
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None, constants_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape, constants_shape)
        shape = sequences_shape[0] if isinstance(sequences_shape[0], (list, tuple)) else sequences_shape
        axis = 2 if self.cell.data_format == "channels_first" else -1
        self.input_spec = InputSpec(ndim=self.rank + 3, axes={axis: shape[axis]})

    def state_shapes(self, shape: Any) -> list[tuple[int | None, ...]]:
        """Shapes of the states for sequences of a shape."""
        cell, batch_size, rest = self.cell, shape[0], tuple(shape[2:])
        first = cell.data_format == "channels_first"
        sizes = rest[1:] if first else rest[:-1]
        reach = extents(cell.kernel_size, cell.dilation_rate)
        new: tuple[int | None, ...] = tuple(
            None if size is None else -(-(size if cell.padding != "valid" else size - extent + 1) // stride)
            for size, extent, stride in zip(sizes, reach, cell.strides, strict=True)
        )
        return [(batch_size, count, *new) if first else (batch_size, *new, count) for count in _listed(cell.state_size)]

    def initial_states(self, shape: Any) -> list[Any]:
        return [K.zeros(each, self.compute_dtype) for each in self.state_shapes(shape)]

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = sequences_shape[0] if isinstance(sequences_shape[0], (list, tuple)) else sequences_shape
        output, *_ = states = self.state_shapes(shape)
        if self.return_sequences:
            output = (output[0], shape[1], *output[1:])
        return (output, *states) if self.return_state else output


@LAYERS.register()
class ConvRNN2D(ConvRNN, RNN):
    """Runs a cell over a sequence of images; see ``ConvRNN`` for the arguments.

    >>> ConvRNN2D(ConvLSTM2DCell(4, 3)).compute_output_shape((None, 7, 9, 9, 1))
    (None, 7, 7, 4)
    """

    rank = 2


class ConvLSTMCell(GatedCell):
    """One step of a ConvLSTM: that of an LSTM, with convolutions in the place of products.

    ``sums = conv(x, kernel) + conv(h, recurrent_kernel) + bias``, where the second convolution keeps the size. From
    the four parts of their channels follow ``h`` and ``c`` as in LSTMCell.

    Args:
        filters: Number of channels of the states and the output.
        kernel_size: Size of both windows: one number, or one for each axis.
        strides, padding, data_format, dilation_rate: Of the convolution of the inputs, as of ``Conv``.
        flipped: Whether both kernels are turned round, as of ``Conv``.

    All other arguments are those of LSTMCell.

    Reference: Shi et al. 2015, "Convolutional LSTM network", without its peepholes.
    """

    rank: ClassVar[int]
    gates = 4
    short_name = "conv_lstm_cell"  # for every rank, as in Keras' files

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    data_format: DataFormat = None
    dilation_rate: Sizes = 1
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    unit_forget_bias: bool = True
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    seed: int | None = None
    _: KW_ONLY
    gates_apart: HiddenFlag = False
    flipped: HiddenFlag = False

    def setup(self) -> None:
        for argument in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, argument, numbers(self, argument))
        self.units = self.filters

    @property
    def state_size(self) -> list[int]:
        """Numbers of channels of ``h`` and ``c``."""
        return [self.filters, self.filters]

    # The output is the first state, whatever the place of its channels.
    output_size = None  # type: ignore[assignment]

    @property
    def channel_axis(self) -> int:
        """Axis of the channels, counted from the last."""
        return -1 if self.data_format == "channels_last" else -self.rank - 1

    def build(self, input_shape: Any) -> None:
        channels, width = known(input_shape, self.channel_axis, self.name), self.gates * self.filters
        kernel_initializer, recurrent_initializer = self.kernel_initializer, self.recurrent_initializer
        if self.gates_apart:
            kernel_initializer = _gate_by_gate(kernel_initializer, self.gates)
            recurrent_initializer = _gate_by_gate(recurrent_initializer, self.gates)
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels, width), initializer=kernel_initializer)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            (*self.kernel_size, self.filters, width),
            initializer=recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = self.add_bias((width,)) if self.use_bias else None

    add_bias = LSTMCell.add_bias
    combine = LSTMCell.combine

    def combines(self, training: Any) -> bool:
        return False  # a step is more than a product of the state

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        raise ArgumentError(
            f"{self.name}: its states have spatial axes, whose sizes follow from the inputs. Use it inside ConvRNN"
            f"{self.rank}D, or give the states."
        )

    def projected(self, inputs: Any, training: Any) -> tuple[Any, Any]:
        """The convolutions of the inputs of all steps at once, and the dropout masks of the state."""
        lead, sizes = K.shape(inputs)[: -self.rank - 1], K.shape(inputs)[-self.rank - 1 :]
        projected = self.project(inputs, self._masks(self.dropout, training, (lead[-1], *sizes)))
        state_sizes = list(K.shape(projected)[len(lead) :])
        state_sizes[self.channel_axis] = self.filters
        return projected, self._masks(self.recurrent_dropout, training, (lead[-1], *state_sizes))

    def project(self, inputs: Any, mask: Any) -> Any:
        """The convolutions of the inputs of all steps, with a dropout mask for each gate, if any."""
        lead, sizes = K.shape(inputs)[: -self.rank - 1], K.shape(inputs)[-self.rank - 1 :]
        parts = []
        for gate in range(1 if mask is None else self.gates):
            x = inputs if mask is None else inputs * mask[gate]
            kernel = self.kernel.value if mask is None else self._of_gate(self.kernel.value, gate)
            x = self._convolved(K.reshape(x, (-1, *sizes)), kernel, self)
            parts.append(K.reshape(x, (*lead, *K.shape(x)[1:])))
        projected = parts[0] if len(parts) == 1 else K.concatenate(parts, self.channel_axis)
        if self.bias is not None:
            wide = (-1,) if self.channel_axis == -1 else (-1, *(1,) * self.rank)
            projected = projected + K.reshape(self.bias, wide)
        return projected

    def stepping(self, state_mask: Any) -> Step:
        """A step that takes the convolutions of its inputs."""
        recurrent_kernel = self.recurrent_kernel.value

        def of_state(h: Any) -> Any:
            if state_mask is None:
                return self._convolved(h, recurrent_kernel, _Again(self))
            gates = range(self.gates)
            seen = [self._convolved(h * state_mask[g], self._of_gate(recurrent_kernel, g), _Again(self)) for g in gates]
            return K.concatenate(seen, self.channel_axis)

        def step(states: list[Any], x: Any) -> tuple[list[Any], Any]:
            sums = K.split(x + of_state(states[0]), self.gates, axis=self.channel_axis)
            new = self.combine(sums, [], states)
            return new, new[0]

        return step

    def _masks(self, rate: float, training: Any, shape: tuple[int, ...]) -> Any:
        return self._mask(rate, (self.gates, *shape)) if training else None

    def _of_gate(self, kernel: Any, gate: int) -> Any:
        return K.split(kernel, self.gates, axis=-1)[gate]

    def _convolved(self, x: Any, kernel: Any, how: Any) -> Any:
        if self.flipped:
            kernel = K.flip(kernel, tuple(range(self.rank)))
        padding = pads_of(how, x, extents(self.kernel_size, how.dilation_rate), how.strides)
        return K.conv(x, kernel, how.strides, padding, self.data_format, how.dilation_rate)


class _Again:
    """The convolution of the state, which keeps its size."""

    def __init__(self, cell: Any) -> None:
        self.rank, self.data_format = cell.rank, cell.data_format
        self.padding = "half" if cell.flipped else "same"  # both are of one engine that Keras had
        self.strides = self.dilation_rate = (1,) * cell.rank


class ConvLSTM1DCell(ConvLSTMCell):
    """One step of a ConvLSTM over sequences of sequences; see ``ConvLSTMCell``."""

    rank = 1


@LAYERS.register()
class ConvLSTM2DCell(ConvLSTMCell):
    """One step of a ConvLSTM over images; see ``ConvLSTMCell`` for the arguments.

    >>> ConvLSTM2DCell(4, 3).state_size
    [4, 4]
    """

    rank = 2


class ConvLSTM3DCell(ConvLSTMCell):
    """One step of a ConvLSTM over volumes; see ``ConvLSTMCell``."""

    rank = 3


class ConvLSTM(ConvRNN, CellLayer):
    """Long short-term memory over images: an LSTM with convolutions in the place of products.

    Input shape:  ``(batch, time, *spatial, channels)``, or ``(batch, time, channels, *spatial)`` if channels_first
    Output shape: as ConvRNN; the states are ``h`` and ``c``

    Args: those of ConvLSTMCell and of RNN.
        activity_regularizer: Function of the outputs that is added to the loss.

    Reference: Shi et al. 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting".
    """

    filters: PositiveInt
    kernel_size: Sizes
    strides: Sizes = 1
    padding: WidePadding = "valid"
    data_format: DataFormat = None
    dilation_rate: Sizes = 1
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    unit_forget_bias: bool = True
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    seed: int | None = None
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    zero_output_for_mask: bool = False
    _: KW_ONLY
    gates_apart: HiddenFlag = False
    flipped: HiddenFlag = False

    def setup(self) -> None:
        for argument in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, argument, numbers(self, argument))
        super().setup()
        self.input_spec = InputSpec(ndim=self.rank + 3)


@LAYERS.register()
class ConvLSTM1D(ConvLSTM):
    """ConvLSTM over sequences of sequences; see ``ConvLSTM`` for the arguments.

    >>> ConvLSTM1D(4, 3).compute_output_shape((None, 7, 9, 2))
    (None, 7, 4)
    """

    rank = 1
    cell_class = ConvLSTM1DCell


@LAYERS.register()
class ConvLSTM2D(ConvLSTM):
    """ConvLSTM over sequences of images; see ``ConvLSTM`` for the arguments.

    >>> ConvLSTM2D(4, 3, return_sequences=True).compute_output_shape((None, 7, 9, 9, 2))
    (None, 7, 7, 7, 4)
    """

    rank = 2
    cell_class = ConvLSTM2DCell


@LAYERS.register()
class ConvLSTM3D(ConvLSTM):
    """ConvLSTM over sequences of volumes; see ``ConvLSTM`` for the arguments.

    >>> ConvLSTM3D(4, 2).compute_output_shape((None, 7, 5, 5, 5, 2))
    (None, 4, 4, 4, 4)
    """

    rank = 3
    cell_class = ConvLSTM3DCell

"""Recurrent layers: one loop over time that runs any cell, and the cells of SimpleRNN, LSTM and GRU."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from keraunos.backend import K
from keraunos.core import registry
from keraunos.core.fields import Converted, Field, HiddenFlag, PositiveInt, Rate, by_name, choice
from keraunos.core.scope import next_key, sizes_are_guesses
from keraunos.core.symbolic import SymbolicTensor, is_symbolic
from keraunos.core.variable import Variable
from keraunos.layers.arguments import Activation, Constraint, Initializer, Regularizer
from keraunos.layers.layer import LAYERS, InputSpec, Layer, known
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import chosen, provider
from keraunos.utils.text import plural, shape_text, snake_case

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"]

# A step of a cell that is ready to run: ``step(states, x) -> (states, output)``.
Step = Callable[[list[Any], Any], tuple[list[Any], Any]]


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = LAYERS.deserialize(value)
    if isinstance(value, (list, tuple)):
        return StackedRNNCells(list(value))
    if getattr(value, "state_size", None) is None or not callable(getattr(value, "call", None)):
        raise ArgumentError(
            "expected a cell: an object with call(inputs, states) and with state_size, which is the width of its "
            "state or a list of the widths of its states."
        )
    return value


def _cells(values: Any) -> list[Any]:
    if not isinstance(values, (list, tuple)) or not values:
        raise ArgumentError("expected a list of one cell or more.")
    return [_cell(value) for value in values]


Cell = Annotated[Any, Field(_cell, registry.serialize)]
Cells = Annotated[Converted[list[Any], Sequence[Any]], Field(_cells, registry.serialize)]
Reversed = Annotated[bool, Field(bool, hidden=True)]
Constants = Annotated[int | None, Field(lambda value: value, hidden=True)]
UseCudnn = Annotated[bool | str, Field(choice("auto", True, False))]


class SequenceSpec(InputSpec):
    """Inputs with a batch axis and a time axis: exactly, or at least, ``ndim`` axes."""

    def check(self, shape: tuple[int | None, ...], owner: str) -> None:
        """Raise ``ShapeError``, with advice on the missing axis, where a shape does not fit."""
        if len(shape) < (self.ndim or self.min_ndim or 0) or len(shape) > (self.ndim or len(shape)):
            wanted = "(batch, time, features)" if self.ndim else "(batch, time, ...) with 3 axes or more"
            advice = (
                " Add the missing axis: x[..., None] where each row is a series of numbers, x[:, None] where each row "
                "is a single step."
                if len(shape) < 3
                else " Merge the last axes with a Reshape layer."
            )
            raise ShapeError(f"{owner}: inputs have shape {shape_text(shape)}, but the layer takes {wanted}.{advice}")
        super().check(shape, owner)


class OverTime(Layer):
    """What a layer does that runs a cell over time; a subclass says in which order it takes RNN's arguments."""

    supports_masking = True

    def setup(self) -> None:
        self.input_spec = SequenceSpec(min_ndim=3)
        self._states: list[Any] | None = None

    @property
    def states(self) -> list[Any] | None:
        """The states that a stateful layer keeps; another has none, before Keras 3 a list of as many ``None``."""
        if self._states is None and chosen():
            return [None] * len(tree.leaves(self.state_size))
        return self._states

    @states.setter
    def states(self, states: list[Any] | None) -> None:
        self._states = states

    @property
    def batch_coupled(self) -> bool | None:  # type: ignore[override]
        """True where states pass from batch to batch, so that a padded row would spoil them."""
        return True if self.stateful else getattr(self.cell, "batch_coupled", None)

    @property
    def state_size(self) -> list[Any]:
        """Width of each state."""
        return _listed(self.cell.state_size)

    @property
    def output_size(self) -> int:
        """Width of the output: what the cell says, else that of its first state."""
        return getattr(self.cell, "output_size", None) or tree.leaves(self.state_size)[0]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("constants") is not None:
            kwargs["constants"] = _listed(kwargs["constants"])
            self.num_constants = len(kwargs["constants"])
        return super().__call__(*args, **kwargs)

    @property
    def trace_cost(self) -> int:
        """Its cell is traced with it several times, and so is each of cells that stand on each other."""
        return 4 + 4 * len(getattr(getattr(self, "cell", None), "cells", ()))

    def build(self, sequences_shape: Any, initial_state_shape: Any = None, constants_shape: Any = None) -> None:
        shape = _sequence_shape(sequences_shape)
        if constants_shape is None and self.num_constants and isinstance(sequences_shape, list):
            constants_shape = sequences_shape[-self.num_constants :]
        _build_cell(self.cell, (shape[0], *shape[2:]), constants_shape)
        if isinstance(self.cell, (GatedCell, StackedRNNCells)):
            self.input_spec = SequenceSpec(ndim=len(shape), axes={-1: shape[-1]})
        if self.stateful:
            if shape[0] is None or sizes_are_guesses():
                raise ShapeError(
                    f"{self.name}: stateful=True keeps a state for each row of a batch, but the batch size is not "
                    f"known: inputs have shape {shape_text((None, *shape[1:]))}. Give it: Input(batch_shape=(32, ...)), or "
                    "batch_size=32 in Input."
                )
            self._keep_states(self.initial_states(shape))

    def _keep_states(self, first: list[Any]) -> None:
        zeros = tree.leaves(first)
        variables = []
        for number, zero in enumerate(zeros):
            name = f"rnn_state_{number}" if number else "rnn_state"
            state = Variable(np.zeros, K.shape(zero), self.variable_dtype, trainable=False, name=name)
            state.path = f"{self.name}/{name}"
            # A state belongs to the data of the moment: it is neither saved nor among the weights.
            state.saved = False
            variables.append(state)
        self._states = tree.unflatten(first, variables)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The cell's states before the first step; zeros if it does not say.

        Args:
            batch_size: Number of rows, or the sequences themselves.
        """
        if isinstance(batch_size, SymbolicTensor) and batch_size.shape[0] is None:
            nothing = K.expand_dims(K.sum(K.zeros_like(batch_size), range(1, batch_size.ndim)), -1)
            return _listed(tree.map(lambda size: K.repeat(nothing, size, -1), self.state_size))
        if hasattr(batch_size, "shape"):
            return self.initial_states(batch_size.shape)
        make = getattr(self.cell, "get_initial_state", None)
        if make is None:
            states = tree.map(lambda size: K.zeros((batch_size, size), self.compute_dtype), self.state_size)
        else:
            states = tree.map(K.array, make(batch_size=batch_size))
        return _listed(states)

    def initial_states(self, shape: Any) -> list[Any]:
        """The states before the first step of sequences of a shape."""
        return RNN.get_initial_state(self, shape[0])

    def _first_states(self, sequences: Any) -> list[Any]:
        """The states before the first step, of a subclass the ones that it says."""
        own = provider().first_states(self, sequences) if chosen() else None
        if own is not None:
            return own
        if type(self).get_initial_state is RNN.get_initial_state:
            return self.initial_states(K.shape(sequences))
        return tree.map(K.array, _listed(self.get_initial_state(K.shape(sequences)[0])))  # type: ignore[no-any-return]

    def reset_state(self, states: Any = None) -> None:
        """Set the kept states of a stateful layer to zero, or to given arrays."""
        kept = tree.leaves(self._states or [])
        given = [np.zeros(state.shape) for state in kept] if states is None else tree.leaves(states)
        if states is not None:
            self._check_states(given, kept)
        for state, value in zip(kept, given, strict=True):
            state.assign(np.asarray(value))

    def reset_states(self, states: Any = None) -> None:
        """``reset_state``, as earlier releases called it."""
        self.reset_state(states)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        constants: Any = None,
    ) -> Any:
        if is_symbolic(sequences):  # a step for itself would be recorded for an open number of steps
            return self(sequences, initial_state=initial_state, mask=mask, training=training, constants=constants)
        if isinstance(sequences, (list, tuple)):
            sequences, *given = sequences
            if self.num_constants and constants is None:
                given, constants = given[: -self.num_constants], given[-self.num_constants :]
            initial_state = given or initial_state
        states = self._states_before(initial_state, sequences)
        if mask is not None:
            mask = self._usable_mask(tree.leaves(mask)[0], K.shape(sequences))
        own = provider().own_steps(self) if chosen() else None
        if own is not None:
            last, states = own(sequences, states, mask, training)
        else:
            last, outputs, states = _run(
                self.cell,
                _time_first(sequences),
                states,
                None if mask is None else _time_first(mask),
                training,
                every=self.return_sequences,
                zeros=self.zero_output_for_mask,
                how={"reverse": self.go_backwards, "unroll": self.unroll},
                constants=constants,
            )
            if self.return_sequences:
                last = _time_first(K.flip(outputs, 0) if self.go_backwards else outputs)
        if self._keeps():
            for kept, state in zip(tree.leaves(self._states), tree.leaves(states), strict=True):
                kept.assign(state)
        # A cell may have a policy of its own; what comes out is of the layer's type.
        last, *states = tree.map(lambda x: K.cast(x, self.compute_dtype), [last, *states])
        states = tree.leaves(states) if chosen() else states  # before Keras 3 those of several cells came in a row
        return (last, *states) if self.return_state else last

    def _keeps(self) -> bool:
        """Whether states are read and written; not where only shapes are inferred."""
        return self._states is not None and not sizes_are_guesses()

    def _states_before(self, given: Any, sequences: Any) -> list[Any]:
        shape = K.shape(sequences)
        start, batch_size = self._first_states(sequences), shape[0]
        kept = tree.leaves(self._states)[0].shape[0] if self._keeps() else batch_size
        if kept != batch_size:
            raise ShapeError(
                f"{self.name}: stateful=True keeps states of {plural(kept, 'row')}, but this batch has {batch_size}. "
                f"Give batches of one size, such as batch_size={kept}, and a number of rows that it divides."
            )
        if given is None and self._keeps():
            given = self._states
        if given is None:
            return start
        wanted, values = tree.leaves(start), tree.leaves(given)
        if sizes_are_guesses() and any(np.shape(value)[:1] != (batch_size,) for value in values):
            return start  # states of a certain number of rows beside sequences of any number: only their widths count
        self._check_states(values, wanted)
        cast = [K.cast(K.array(value), K.dtype(like)) for value, like in zip(values, wanted, strict=True)]
        states: list[Any] = tree.unflatten(start, cast)
        return states

    def _check_states(self, given: Sequence[Any], wanted: Sequence[Any]) -> None:
        shapes, expected = [tuple(np.shape(g)) for g in given], [tuple(w.shape) for w in wanted]
        if shapes != expected:
            raise ShapeError(
                f"{self.name}: {plural(len(shapes), 'state')} given, of {_shapes_text(shapes)}, but the layer has "
                f"{plural(len(expected), 'state')}, of {_shapes_text(expected)}. Pass a list with one tensor for each."
            )

    def _usable_mask(self, mask: Any, shape: Sequence[int]) -> Any:
        if tuple(K.shape(mask)[:2]) != tuple(shape[:2]):
            raise ShapeError(
                f"{self.name}: the mask has shape {shape_text(K.shape(mask))}, but the inputs have shape "
                f"{shape_text(shape)}. A mask says for each step whether to use it: its shape is "
                f"{shape_text(shape[:2])}."
            )
        mask = K.cast(mask, "bool")
        return K.any(mask, axis=list(range(2, K.ndim(mask)))) if K.ndim(mask) > 2 else mask

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        passed = tree.leaves(mask)[0] if self.return_sequences else None
        return [passed, *(None for _ in tree.leaves(self.state_size))] if self.return_state else passed

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch_size, time = _sequence_shape(sequences_shape)[:2]
        shape = (batch_size, time, self.output_size) if self.return_sequences else (batch_size, self.output_size)
        if chosen() and self.return_state:  # before Keras 3 it was one list
            return [shape, *((batch_size, size) for size in tree.leaves(self.state_size))]
        states = tree.map(lambda size: (batch_size, size), self.state_size)
        return (shape, *states) if self.return_state else shape

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


@LAYERS.register()
class RNN(OverTime):
    """Runs a cell over time: ``output[t], states = cell(inputs[t], states)``.

    Where a mask is false, the states stay as they are and the output repeats the previous one.

    Input shape:  ``(batch, time, features)``, or a list of that and the initial states
    Output shape: ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``;
    with ``return_state`` a tuple of the output and the last states

    Args:
        cell: A cell, or a list of cells, each of which takes the output of the one before.
            A cell has ``call(inputs, states)``, which returns the output and the new states,
            ``state_size``, and where wanted ``output_size`` and ``get_initial_state(batch_size)``.
        return_sequences: Whether to return the outputs of all steps, not only of the last.
        return_state: Whether to return the last states too.
        go_backwards: Whether to go from the last step to the first; outputs come in the order of computation.
        stateful: Whether row ``i`` of a batch starts from the last state of row ``i`` of the batch before.
        unroll: Whether to compile each step by itself: faster for few steps, but longer to compile.
        zero_output_for_mask: Whether outputs of masked steps are zero (with ``return_sequences``).
        num_constants: How many of the inputs, the last ones, go to the cell at every step, as in Keras 2; set where the
            layer is called with ``constants``, which a cell takes by an argument of that name.

    Raises:
        ArgumentError: The cell has no ``call`` or no ``state_size``.
        ShapeError: Inputs, mask or states of a wrong shape; ``stateful`` and a batch size that is unknown or changes.

    >>> RNN([LSTMCell(4), GRUCell(3)], return_sequences=True).compute_output_shape((None, 7, 2))
    (None, 7, 3)
    """

    cell: Cell
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    zero_output_for_mask: bool = False
    _: KW_ONLY
    num_constants: Constants = None


# --- the loop ------------------------------------------------------------------------


def _run(
    cell: Any,
    inputs: Any,
    states: Any,
    mask: Any,
    training: Any,
    *,
    every: bool,
    zeros: bool,
    how: dict[str, bool],
    constants: Any = None,
) -> tuple[Any, Any, list[Any]]:
    """Last output, outputs of all steps (where ``every``) and last states; time is the first axis."""
    if isinstance(cell, StackedRNNCells) and type(cell).call is StackedRNNCells.call:
        # Cell after cell over all steps is the same as step after step through all cells.
        finals, last = [], None
        for inner, own in zip(cell.cells, cell.in_order(states), strict=True):
            whole = every or inner is not cell.cells[-1]
            last, inputs, final = _run(
                inner, inputs, own, mask, training, every=whole, zeros=zeros, how=how, constants=constants
            )
            finals.append(final)
        return last, inputs, cell.in_order(finals)
    if isinstance(cell, GatedCell) and type(cell).call is GatedCell.call and cell.combines(training):

        def turn(sums: Any, sides: Any, states: Any) -> Any:
            new = cell.combine(sums, sides, states)
            return _alike(cell, (new, new[0]), (states, states[0]))[0]

        projected, extras = cell.aside(cell.projected(inputs, training)[0])
        kernel, bias = cell.recurrent_kernel.value, cell.recurrent_bias()
        states, outputs = K.recurrence(turn, kernel, projected, states, extras, bias, mask, every, **how)
        if every and zeros and mask is not None:
            outputs = K.where(K.expand_dims(mask, -1), outputs, K.zeros_like(outputs))
        return states[0], outputs, states
    inputs, step = _ready(cell, inputs, training, constants)
    xs = (inputs,) if mask is None else (inputs, mask)

    def masked_step(carry: tuple[list[Any], Any], xs: tuple[Any, ...]) -> tuple[tuple[list[Any], Any], Any]:
        states, previous = carry
        new_states, output = step(states, xs[0])
        new_states, output = _alike(cell, (new_states, output), carry)
        shown = output
        if mask is not None:
            shown = _where(xs[1], output, K.zeros_like(output) if zeros else previous)
            output = _where(xs[1], output, previous)
            new_states = tree.map(lambda new, old: _where(xs[1], new, old), new_states, states)
        return (new_states, output), shown if every else ()

    (states, last), outputs = K.scan(masked_step, (states, _output_before(cell, states)), xs, **how)
    return last, outputs, states


def _ready(cell: Any, inputs: Any, training: Any, constants: Any = None) -> tuple[Any, Step]:
    """What the loop runs over and its step; a built-in cell computes what needs no state before the loop."""
    if isinstance(cell, GatedCell) and type(cell).call is GatedCell.call:
        return cell.over_time(inputs, training)

    def step(states: list[Any], x: Any) -> tuple[list[Any], Any]:
        output, states = _call_cell(cell, x, states, training, constants)
        return _listed(states), output

    return inputs, step


def _call_cell(cell: Any, inputs: Any, states: Any, training: Any, constants: Any = None) -> tuple[Any, Any]:
    further = {"constants": constants} if constants is not None and _takes_constants(cell) else {}
    if isinstance(cell, Layer):
        output, states = cell(inputs, states, training=training, **further)
    else:
        output, states = cell.call(inputs, states, **further)
    return output, states


def _takes_constants(cell: Any) -> bool:
    return "constants" in inspect.signature(cell.call).parameters


def _build_cell(cell: Any, shape: tuple[Any, ...], constants: Any) -> None:
    """Build a cell for one step; one that takes constants is told their shapes too."""
    if isinstance(cell, Layer) and not cell.built:
        cell.build([shape, *constants] if constants and _takes_constants(cell) else shape)
        cell.built = True


def _output_before(cell: Any, states: Any) -> Any:
    """What a masked first step repeats: the first state where it can be an output, as in the built-in cells."""
    first, size = tree.leaves(states)[0], getattr(cell, "output_size", None)
    if size is None or K.shape(first)[-1] == size:
        return first
    return K.zeros((K.shape(first)[0], size), K.dtype(first))


def _alike(cell: Any, new: Any, old: Any) -> Any:
    """New states and output in the form and types of the old ones; a cell that changes a shape is told so."""
    values, like = tree.leaves(new), tree.leaves(old)
    shapes, expected = [tuple(K.shape(v)) for v in values], [tuple(K.shape(o)) for o in like]
    if shapes != expected:
        raise ShapeError(
            f"{getattr(cell, 'name', type(cell).__name__)}: a step takes {plural(len(like) - 1, 'state')} of "
            f"{_shapes_text(expected[:-1])}, but returned {_shapes_text(shapes[:-1])}, and an output of shape "
            f"{shapes[-1]} where {expected[-1]} was expected. Make state_size and output_size say what call returns."
        )
    return tree.unflatten(old, [K.cast(v, K.dtype(o)) for v, o in zip(values, like, strict=True)])


def _where(valid: Any, new: Any, old: Any) -> Any:
    return K.where(K.reshape(valid, (-1, *[1] * (K.ndim(new) - 1))), new, old)


def _time_first(x: Any) -> Any:
    """Swap the batch and time axes."""
    return K.transpose(x, (1, 0, *range(2, K.ndim(x))))


def _listed(states: Any) -> list[Any]:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def _sequence_shape(shape: Any) -> tuple[Any, ...]:
    return tuple(shape[0] if isinstance(shape[0], (list, tuple)) else shape)


def _shapes_text(shapes: Sequence[tuple[int, ...]]) -> str:
    return f"shape{'s' if len(shapes) != 1 else ''} {', '.join(map(shape_text, shapes)) or '()'}"


# --- cells ---------------------------------------------------------------------------


class GatedCell(Layer):
    """What the built-in cells share: weights of all gates side by side, and dropout that is the same at every step.

    What does not depend on the state is ``projected`` for all steps at once. A cell defines ``combine``; one whose
    step is more than that and a product of the state defines ``stepping``.
    """

    batch_coupled = False
    gates: ClassVar[int] = 1

    def build(self: Any, input_shape: Any) -> None:
        features, width = known(input_shape, -1, self.name), self.gates * self.units
        kernel_initializer, recurrent_initializer = self.kernel_initializer, self.recurrent_initializer
        if getattr(self, "gates_apart", False):
            kernel_initializer = _gate_by_gate(kernel_initializer, self.gates)
            recurrent_initializer = _gate_by_gate(recurrent_initializer, self.gates)
        self.kernel = self.add_weight("kernel", (features, width), initializer=kernel_initializer)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            (self.units, width),
            initializer=recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = self.add_bias((width,)) if self.use_bias else None

    def add_bias(self, shape: tuple[int, ...]) -> Variable:
        """Make the bias."""
        return self.add_weight("bias", shape)

    @property
    def state_size(self: Any) -> Any:
        """Width of the state, or a list of widths."""
        return self.units

    @property
    def output_size(self: Any) -> int:
        """Width of the output."""
        units: int = self.units
        return units

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros for each state."""
        return [K.zeros((batch_size, size), self.compute_dtype) for size in _listed(self.state_size)]

    def call(self, inputs: Any, states: Any, training: bool | None = None) -> tuple[Any, Any]:
        projected, step = self.over_time(inputs, training)
        new_states, output = step(_listed(states), projected)
        return output, new_states if isinstance(states, (list, tuple)) else new_states[0]

    def combines(self: Any, training: Any) -> bool:
        """Whether a step is ``combine`` and nothing more: no gate sees the state through a mask of its own."""
        return not (training and self.recurrent_dropout)

    def combine(self, sums: list[Any], sides: list[Any], states: list[Any]) -> list[Any]:
        """New states from the sums of projected inputs and products of the state, by gate, and from what was aside."""
        raise ArgumentError(
            f"{self.name}: the class {type(self).__name__} defines no combine(sums, sides, states) and no "
            "stepping(state_masks)."
        )

    def aside(self, projected: Any) -> tuple[Any, Any]:
        """The projected inputs that are added to the products of the state, and those that are not."""
        return projected, None

    def recurrent_bias(self) -> Any:
        """What is added to the products of the state, or ``None``."""
        return None

    def input_bias(self: Any) -> Any:
        """What is added to the inputs through the kernel, where there is a bias."""
        return self.bias

    def projected(self: Any, inputs: Any, training: Any) -> tuple[Any, Any]:
        """Inputs of all steps through the kernel, and the dropout masks of the state."""
        masks, state_masks = self.noise(inputs, training)
        return self.project(inputs, masks), state_masks

    def project(self: Any, inputs: Any, masks: Any) -> Any:
        """Inputs through the kernel, and their dropout masks, if any."""
        projected = _through(inputs, self.kernel, masks)
        return projected if self.bias is None else projected + self.input_bias()

    def over_time(self, inputs: Any, training: Any) -> tuple[Any, Step]:
        """Inputs of all steps through the kernel, and a step that takes one of them."""
        projected, state_masks = self.projected(inputs, training)
        return projected, self.stepping(state_masks)

    def stepping(self: Any, state_masks: Any) -> Step:
        """A step that takes inputs that are projected; ``state_masks`` are dropout masks of the state, if any."""
        kernel, bias = self.recurrent_kernel.value, self.recurrent_bias()

        def step(states: list[Any], x: Any) -> tuple[list[Any], Any]:
            sums = _through(states[0], kernel, state_masks)
            sums = _parts(sums if bias is None else sums + bias, self.units)
            x, extras = (_parts(part, self.units) for part in self.aside(x))
            sums = [a + b for a, b in zip(x, sums, strict=False)] + sums[len(x) :]
            new = self.combine(sums, extras, states)
            return new, new[0]

        return step

    def noise(self: Any, inputs: Any, training: Any) -> tuple[Any, Any]:
        """Dropout masks of inputs and state, one for each gate; ``None`` where nothing is dropped."""
        if not training:
            return None, None
        # Gates share one mask of the inputs unless each has its own of the state (Gal, Ghahramani 2016).
        count, (batch_size, features) = self.gates if self.recurrent_dropout else 1, K.shape(inputs)[-2:]
        return (
            self._mask(self.dropout, (count, batch_size, features)),
            self._mask(self.recurrent_dropout, (self.gates, batch_size, self.units)),
        )

    def _mask(self: Any, rate: float, shape: tuple[int, ...]) -> Any:
        if not rate:
            return None
        kept = K.random_uniform(next_key(self.seed), shape) >= rate
        return K.cast(kept, self.compute_dtype) / max(1 - rate, 1e-7)


def _gate_by_gate(initializer: Callable[..., Any], gates: int) -> Callable[..., Any]:
    """Initializer of all gates side by side that draws each for itself."""

    def draw(shape: Sequence[int], dtype: Any = None) -> Any:
        part = (*shape[:-1], shape[-1] // gates)
        return np.concatenate([np.asarray(initializer(part, dtype=dtype)) for _ in range(gates)], -1)

    return draw


def _through(x: Any, kernel: Any, masks: Any) -> Any:
    """``x @ kernel``, where each gate sees ``x`` through its own mask."""
    if masks is None:
        return K.matmul(x, kernel)
    gates = K.shape(masks)[0]
    parts = zip(range(gates), K.split(kernel, gates, axis=1), strict=True)
    return K.concatenate([K.matmul(x * masks[gate], part) for gate, part in parts], axis=-1)


def _parts(x: Any, units: int) -> list[Any]:
    return [] if x is None else K.split(x, K.shape(x)[-1] // units, axis=-1)


@LAYERS.register()
class SimpleRNNCell(GatedCell):
    """One step of SimpleRNN: ``h = activation(x @ kernel + h @ recurrent_kernel + bias)``.

    Input shape:  ``(batch, features)`` and a list of one state ``(batch, units)``
    Output shape: ``(batch, units)`` and a list of the new state

    Args:
        units: Width of the state and the output.
        activation: Function of the output, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: First values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Functions added to the loss.
        kernel_constraint, recurrent_constraint, bias_constraint: Functions applied after each update.
        dropout: Share of the inputs that is dropped, from 0 to 1; the same ones at every step.
        recurrent_dropout: Share of the state that is dropped, from 0 to 1; the same at every step.
        seed: Seed of the dropout, or ``None``.

    Reference: Elman 1990, "Finding structure in time".

    >>> cell = SimpleRNNCell(3)
    >>> output, states = cell(np.zeros((2, 5), "float32"), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 3), 1)
    """

    units: PositiveInt
    activation: Activation = "tanh"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    seed: int | None = None

    def combine(self, sums: list[Any], sides: list[Any], states: list[Any]) -> list[Any]:
        return [self.activation(sums[0])]


@LAYERS.register()
class LSTMCell(GatedCell):
    """One step of an LSTM: ``c = f * c + i * activation(g)``, ``h = o * activation(c)``.

    The gates ``i, f, g, o`` are the four parts of ``x @ kernel + h @ recurrent_kernel + bias``;
    ``i``, ``f`` and ``o`` go through the recurrent activation.

    Input shape:  ``(batch, features)`` and a list of two states ``(batch, units)``: ``h`` and ``c``
    Output shape: ``(batch, units)`` and a list of the new states

    Args:
        units: Width of the states and the output.
        activation: Function of the candidate and of the cell's state.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the bias of the forget gate starts at 1.
        gates_apart: Whether the first weights of each gate are drawn for themselves, so that an initializer sees
            ``units`` outputs, not those of four gates.

    All other arguments are those of SimpleRNNCell.

    Reference: Hochreiter, Schmidhuber 1997, "Long short-term memory"; forget gate: Gers, Schmidhuber,
    Cummins 2000; its bias of 1: Jozefowicz, Zaremba, Sutskever 2015.

    >>> cell = LSTMCell(3)
    >>> output, states = cell(np.zeros((2, 5), "float32"), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 3), 2)
    """

    units: PositiveInt
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

    gates = 4

    @property
    def state_size(self) -> list[int]:
        """Widths of ``h`` and ``c``."""
        return [self.units, self.units]

    def add_bias(self, shape: tuple[int, ...]) -> Variable:
        def with_open_forget_gate(shape: Any, dtype: Any = None) -> Any:
            bias = np.array(self.bias_initializer(shape, dtype=dtype))
            bias[self.units : 2 * self.units] = 1
            return bias

        return self.add_weight("bias", shape, initializer=with_open_forget_gate if self.unit_forget_bias else None)

    def combine(self, sums: list[Any], sides: list[Any], states: list[Any]) -> list[Any]:
        i, f, g, o = sums
        c = self.recurrent_activation(f) * states[1] + self.recurrent_activation(i) * self.activation(g)
        return [self.recurrent_activation(o) * self.activation(c), c]


@LAYERS.register()
class GRUCell(GatedCell):
    """One step of a GRU: ``h = z * h + (1 - z) * activation(candidate)``.

    Of the three parts of ``x @ kernel + h @ recurrent_kernel + bias`` the first two, through the
    recurrent activation, are the update gate ``z`` and the reset gate ``r``; the third is the candidate,
    whose recurrent part is ``r * (h @ recurrent_kernel)``, or ``(r * h) @ recurrent_kernel`` without ``reset_after``.

    Input shape:  ``(batch, features)`` and a list of one state ``(batch, units)``
    Output shape: ``(batch, units)`` and a list of the new state

    Args:
        units: Width of the state and the output.
        activation: Function of the candidate.
        recurrent_activation: Function of the two gates.
        reset_after: Whether the reset gate acts after the product with the recurrent kernel; the bias then
            has a row for the inputs and a row for the state.
        gates_apart: Whether the first weights of each gate are drawn for themselves, so that an initializer sees
            ``units`` outputs, not those of three gates.

    All other arguments are those of SimpleRNNCell.

    Reference: Cho and others 2014, "Learning phrase representations using RNN encoder-decoder"; its first
    version (arXiv 1406.1078v1) resets after, its third before.

    >>> cell = GRUCell(3)
    >>> output, states = cell(np.zeros((2, 5), "float32"), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 3), 1)
    """

    units: PositiveInt
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    reset_after: bool = True
    seed: int | None = None
    _: KW_ONLY
    gates_apart: HiddenFlag = False

    gates = 3

    def add_bias(self, shape: tuple[int, ...]) -> Variable:
        return super().add_bias((2, *shape) if self.reset_after else shape)

    def recurrent_bias(self) -> Any:
        return self.bias.value[1] if self.reset_after and self.bias is not None else None

    def input_bias(self: Any) -> Any:
        return self.bias.value[0] if self.reset_after else self.bias

    def combines(self, training: Any) -> bool:
        return self.reset_after and super().combines(training)

    def aside(self, projected: Any) -> tuple[Any, Any]:
        # The reset gate is a factor of the candidate's product alone.
        return tuple(K.split(projected, [2 * self.units], axis=-1))

    def combine(self, sums: list[Any], sides: list[Any], states: list[Any]) -> list[Any]:
        z, r = self.recurrent_activation(sums[0]), self.recurrent_activation(sums[1])
        return [z * states[0] + (1 - z) * self.activation(sides[0] + r * sums[2])]

    def stepping(self, state_masks: Any) -> Step:
        if self.reset_after:
            return super().stepping(state_masks)
        gate_kernel, kernel = K.split(self.recurrent_kernel.value, [2 * self.units], axis=1)
        gate_masks, mask = (None, None) if state_masks is None else (state_masks[:2], state_masks[2:])

        def step(states: list[Any], x: Any) -> tuple[list[Any], Any]:
            h = states[0]
            x_gates, x_candidate = K.split(x, [2 * self.units], axis=-1)
            gates = x_gates + _through(h, gate_kernel, gate_masks)
            z, r = K.split(self.recurrent_activation(gates), 2, axis=-1)
            h = z * h + (1 - z) * self.activation(x_candidate + _through(r * h, kernel, mask))
            return [h], h

        return step


@LAYERS.register()
class StackedRNNCells(Layer):
    """Several cells as one: each takes the output of the one before.

    Input shape:  ``(batch, features)`` and a list with the states of each cell
    Output shape: that of the last cell, and a list of the new states

    Args:
        cells: The cells, first to last.
        last_states_first: Whether states are listed from the last cell to the first.

    Raises:
        ArgumentError: An item is no cell.

    >>> StackedRNNCells([LSTMCell(4), GRUCell(3)]).output_size
    3
    """

    cells: Cells
    _: KW_ONLY
    last_states_first: Reversed = False

    def in_order(self, items: Sequence[Any]) -> list[Any]:
        """What belongs to the cells in the order of the states, in the order of the cells, or the other way."""
        return list(items)[::-1] if self.last_states_first else list(items)

    @property
    def batch_coupled(self) -> bool | None:  # type: ignore[override]
        """False where no cell looks at other rows."""
        return False if all(getattr(cell, "batch_coupled", None) is False for cell in self.cells) else None

    @property
    def state_size(self) -> Any:
        """Width of the states of each cell; before Keras 3, of all in a row."""
        sizes = [cell.state_size for cell in self.in_order(self.cells)]
        return tuple(tree.leaves(sizes)) if chosen() else sizes

    @property
    def output_size(self) -> int:
        """Width of the last cell's output."""
        return _width(self.cells[-1])

    def build(self, input_shape: Any) -> None:
        shape, constants = (input_shape[0], input_shape[1:]) if isinstance(input_shape, list) else (input_shape, None)
        for cell in self.cells:
            _build_cell(cell, shape, constants)
            shape = (shape[0], _width(cell))

    def get_initial_state(self, batch_size: int | None = None) -> list[list[Any]]:
        """What each cell starts from."""
        return [
            _listed(
                cell.get_initial_state(batch_size=batch_size)
                if hasattr(cell, "get_initial_state")
                else tree.map(lambda size: K.zeros((batch_size, size), self.compute_dtype), cell.state_size)
            )
            for cell in self.in_order(self.cells)
        ]

    def call(
        self, inputs: Any, states: Any, training: bool | None = None, constants: Any = None
    ) -> tuple[Any, list[Any]]:
        new_states = []
        for cell, own in zip(self.cells, self.in_order(states), strict=True):
            inputs, new = _call_cell(cell, inputs, _listed(own), training, constants)
            new_states.append(_listed(new))
        return inputs, self.in_order(new_states)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


def _width(cell: Any) -> int:
    width: int = getattr(cell, "output_size", None) or _listed(cell.state_size)[0]
    return width


# --- layers of one built-in cell -------------------------------------------------------


if TYPE_CHECKING:
    _OfOneCell = OverTime  # not RNN, whose arguments would come first
else:
    _OfOneCell = RNN


class CellLayer(_OfOneCell):
    """An RNN of one built-in cell, with the arguments of both."""

    _fields: ClassVar[dict[str, Any]] = {}
    cell_class: ClassVar[type[GatedCell]]

    def setup(self) -> None:
        super().setup()
        self.input_spec = SequenceSpec(ndim=3)
        self.cell = self.cell_class(
            **{name: getattr(self, name) for name in self.cell_class._fields},
            name=getattr(self.cell_class, "short_name", snake_case(self.cell_class.__name__)),
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("use_cudnn", None)
        if not chosen():
            config.pop("implementation", None)  # as Keras writes it; earlier releases did, and had other defaults
        return config


@LAYERS.register()
class SimpleRNN(CellLayer):
    """Fully connected recurrent layer: ``h[t] = activation(x[t] @ kernel + h[t-1] @ recurrent_kernel + bias)``.

    Input shape:  ``(batch, time, features)``
    Output shape: as RNN

    Args: those of SimpleRNNCell and of RNN.
        activity_regularizer: Function of the outputs that is added to the loss.

    Reference: Elman 1990, "Finding structure in time".

    >>> SimpleRNN(4)(np.zeros((2, 7, 3), "float32")).shape
    (2, 4)
    """

    units: PositiveInt
    activation: Activation = "tanh"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: Regularizer = None
    recurrent_regularizer: Regularizer = None
    bias_regularizer: Regularizer = None
    activity_regularizer: Regularizer = by_name(default=None, kw_only=True)
    kernel_constraint: Constraint = None
    recurrent_constraint: Constraint = None
    bias_constraint: Constraint = None
    dropout: Rate = 0.0
    recurrent_dropout: Rate = 0.0
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    seed: int | None = None
    zero_output_for_mask: bool = False

    cell_class = SimpleRNNCell

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras writes no seed for this layer; ours is written where there is one, and Keras reads it.
        if config["seed"] is None:
            del config["seed"]
        return config


@LAYERS.register()
class LSTM(CellLayer):
    """Long short-term memory: a recurrent layer whose cell state is kept, written and read through gates.

    Input shape:  ``(batch, time, features)``
    Output shape: as RNN; the states are ``h`` and ``c``

    Args: those of LSTMCell and of RNN.
        activity_regularizer: Function of the outputs that is added to the loss.
        use_cudnn, implementation: Accepted for Keras' sake; there is one implementation.

    Reference: Hochreiter, Schmidhuber 1997, "Long short-term memory".

    >>> LSTM(4, return_sequences=True)(np.zeros((2, 7, 3), "float32")).shape
    (2, 7, 4)
    """

    units: PositiveInt
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
    use_cudnn: UseCudnn = "auto"
    zero_output_for_mask: bool = False
    implementation: int = 2
    _: KW_ONLY
    gates_apart: HiddenFlag = False

    cell_class = LSTMCell


@LAYERS.register()
class GRU(CellLayer):
    """Gated recurrent unit: a recurrent layer whose state is mixed with a candidate by an update gate.

    Input shape:  ``(batch, time, features)``
    Output shape: as RNN

    Args: those of GRUCell and of RNN.
        activity_regularizer: Function of the outputs that is added to the loss.
        use_cudnn, implementation: Accepted for Keras' sake; there is one implementation.

    Reference: Cho and others 2014, "Learning phrase representations using RNN encoder-decoder".

    >>> GRU(4)(np.zeros((2, 7, 3), "float32")).shape
    (2, 4)
    """

    units: PositiveInt
    activation: Activation = "tanh"
    recurrent_activation: Activation = "sigmoid"
    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    recurrent_initializer: Initializer = "orthogonal"
    bias_initializer: Initializer = "zeros"
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
    reset_after: bool = True
    use_cudnn: UseCudnn = "auto"
    zero_output_for_mask: bool = False
    implementation: int = 2
    _: KW_ONLY
    gates_apart: HiddenFlag = False

    cell_class = GRUCell

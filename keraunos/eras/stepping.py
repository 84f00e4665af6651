"""Recurrent layers whose class says their steps itself, as in Keras 1 and until 2.0.8: ``step`` and what goes with it.

A layer of these eras ran ``step(x, states)`` over what ``preprocess_input`` made
of its inputs, from ``get_initial_state``, with what ``get_constants`` returned
behind the states. A subclass of a built-in layer, or of ``Recurrent``, may have
any of them. Reference: ``keras/layers/recurrent.py`` of Keras 1.2.2, and
``keras/legacy/layers.py`` of 2.2.4.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from keraunos.backend import K
from keraunos.core.scope import sizes_are_guesses
from keraunos.core.symbolic import is_symbolic
from keraunos.core.variable import Variable
from keraunos.eras import graphs
from keraunos.layers.layer import Layer
from keraunos.layers.recurrent import CellLayer, SequenceSpec, _listed, _time_first
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, ShapeError

__all__ = ["Recurrent", "first_states", "get_constants", "input_dim", "preprocess_input", "run", "says_steps", "step"]

_SAID = ("step", "get_constants", "preprocess_input")


def says_steps(layer: Any) -> bool:
    """Whether a subclass of a built-in layer has a ``step``, or what goes with it, of its own."""
    kind = type(layer)
    return isinstance(layer, CellLayer) and any(getattr(kind, name) is not getattr(CellLayer, name) for name in _SAID)


def run(layer: Any, sequences: Any, states: Sequence[Any], mask: Any, training: Any) -> tuple[Any, list[Any]]:
    """The last output of a layer, or all, and the last states.

    Args:
        layer: The layer.
        sequences: ``(batch, time, ...)``.
        states: States before the first step.
        mask: ``(batch, time)``, or ``None``.
        training: Whether the layer trains.
    """
    constants = _with_training(layer.get_constants, sequences, training)
    inputs = _with_training(layer.preprocess_input, sequences, training)
    last, outputs, states = graphs.rnn(
        layer.step, inputs, list(states), layer.go_backwards, mask, list(constants), layer.unroll
    )
    return outputs if layer.return_sequences else last, list(states)


def first_states(layer: Any, sequences: Any) -> list[Any] | None:
    """What a subclass's own ``get_initial_state``, or before it ``get_initial_states``, says of the sequences."""
    for name in ("get_initial_states", "get_initial_state"):
        owner = next((cls for cls in type(layer).__mro__ if name in vars(cls)), Layer)
        if not owner.__module__.startswith("keraunos."):
            return [K.array(state) for state in _listed(getattr(layer, name)(sequences))]
    return None


def _with_training(method: Callable[..., Any], sequences: Any, training: Any) -> Any:
    told = {"training": training} if "training" in inspect.signature(method).parameters else {}
    return method(sequences, **told)


# --- what the built-in layers do --------------------------------------------------------------


def step(self: Any, x: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
    """One step of a built-in layer: the output, and the new states.

    Args:
        self: The layer.
        x: What ``preprocess_input`` made of a time step.
        states: The states, then what ``get_constants`` returned: dropout masks of the state and of the inputs.
    """
    count = len(tree.leaves(self.state_size))
    own, constants = list(states[:count]), list(states[count:])
    masks = [_stacked(given) for given in constants] + [None, None]
    if not _projects(self):
        x = self.cell.project(x, masks[1])
    new, output = self.cell.stepping(masks[0])(own, x)
    return output, new


def get_constants(self: Any, inputs: Any, training: Any = None) -> list[Any]:
    """Dropout masks of the state and of the inputs, one for each gate, or ones."""
    masks = [None, None]
    if training and (self.dropout or self.recurrent_dropout):
        of_inputs, of_state = self.cell.noise(_time_first(inputs), training)
        masks = [of_state, of_inputs]
    gates = self.cell.gates
    if gates == 1:
        return [1.0 if mask is None else mask[0] for mask in masks]
    return [[1.0] * gates if mask is None else [mask[g % K.shape(mask)[0]] for g in range(gates)] for mask in masks]


def preprocess_input(self: Any, inputs: Any, training: Any = None) -> Any:
    """The inputs through the kernel, all steps at once, where ``implementation`` is 0; else the inputs."""
    return _time_first(self.cell.projected(_time_first(inputs), training)[0]) if _projects(self) else inputs


def _projects(layer: Any) -> bool:
    return getattr(layer, "implementation", 0) == 0


def _stacked(masks: Any) -> Any:
    """Masks of the gates as one tensor; ``None`` where they are ones."""
    masks = masks if isinstance(masks, (list, tuple)) else [masks]
    return None if all(isinstance(mask, float) for mask in masks) else K.stack(list(masks), 0)


# --- names of their weights -------------------------------------------------------------------

_TODAY = {"W": "kernel", "U": "recurrent_kernel", "b": "bias"}
_GATES = {4: {"i": 0, "f": 1, "c": 2, "o": 3}, 3: {"z": 0, "r": 1, "h": 2}}


def input_dim(layer: Any) -> Any:
    """Width of the inputs, once the layer is built."""
    return layer.cell.kernel.shape[-2]


def _weight(name: str, gate: str, layer: Any) -> Any:
    """A weight of a layer's cell, or the part of one of its gates."""
    variable = getattr(layer.cell, _TODAY.get(name, name), None)
    places = _GATES.get(layer.cell.gates, {})
    if (gate and gate not in places) or not layer.built:
        raise AttributeError(f"{layer.name} has no weight {name}{gate and '_'}{gate}")
    if not gate or variable is None:
        return variable
    return K.split(variable, layer.cell.gates, -1)[places[gate]]


for _name in ("W", "U", "b", "kernel", "recurrent_kernel", "bias"):
    for _gate in ("", *"ifcozrh"):
        globals()[f"{_name}{_gate and '_'}{_gate}"] = functools.partial(_weight, _name, _gate)


# --- a layer that has nothing but its steps ---------------------------------------------------


class Recurrent(Layer):
    """Base of recurrent layers that define ``step(x, states)``.

    A subclass sets ``states`` to as many entries as its step has states, ``None`` each, in ``__init__`` or ``build``,
    and says the width of its output in ``units`` (``output_dim``) or ``get_initial_state``.

    Input shape:  ``(batch, time, features)``
    Output shape: ``(batch, units)``, or ``(batch, time, units)`` with ``return_sequences``

    Args:
        return_sequences: Whether to return the outputs of all steps, not only of the last.
        return_state: Whether to return the last states too.
        go_backwards: Whether to go from the last step to the first.
        stateful: Whether row ``i`` of a batch starts from the last state of row ``i`` of the batch before.
        unroll: Whether to compile each step by itself.
        implementation: For the subclass to ask; changes nothing here.

    Reference: Keras 1.2.2 and 2.2.4.

    >>> class Sum(Recurrent):
    ...     units = 2
    ...     def build(self, input_shape):
    ...         self.states = [None]
    ...     def step(self, x, states):
    ...         return x + states[0], [x + states[0]]
    >>> import numpy as np
    >>> Sum()(np.ones((1, 3, 2), "float32")).tolist()
    [[3.0, 3.0]]
    """

    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    unroll: bool = False
    implementation: int = 0

    supports_masking = True
    _not_parts: ClassVar[frozenset[str]] = Layer._not_parts

    def setup(self) -> None:
        """Take sequences."""
        self.input_spec = SequenceSpec(ndim=3)
        self.states: list[Any] = [None]

    def step(self, x: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Output and new states of one step; ``states`` end in what ``get_constants`` returned."""
        raise ArgumentError(f"{self.name}: the class {type(self).__name__} defines no step(self, x, states).")

    def get_constants(self, inputs: Any, training: Any = None) -> list[Any]:
        """What every step gets beside its states."""
        return []

    def preprocess_input(self, inputs: Any, training: Any = None) -> Any:
        """What the steps run over."""
        return inputs

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """States before the first step: zeros of the width of the output."""
        return [K.zeros((K.shape(inputs)[0], self._width()), self.compute_dtype) for _ in self.states]

    def get_initial_states(self, inputs: Any) -> list[Any]:
        """``get_initial_state``, as Keras 1 called it."""
        return self.get_initial_state(inputs)

    def call(self, inputs: Any, mask: Any = None, initial_state: Any = None, training: Any = None) -> Any:
        """Run the steps."""
        if is_symbolic(inputs):
            return self(inputs, mask=mask, initial_state=initial_state, training=training)
        if isinstance(inputs, (list, tuple)):
            inputs, initial_state = inputs[0], list(inputs[1:]) or initial_state
            mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        kept = self.states if self.stateful and not sizes_are_guesses() else []
        if initial_state is None:
            initial_state = [state.value for state in kept] or self.get_initial_states(inputs)
        outputs, states = run(self, inputs, _listed(initial_state), mask, training)
        for holder, state in zip(kept, states[: len(kept)], strict=True):
            holder.assign(state)
        return [outputs, *states] if self.return_state else outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask goes on with sequences alone."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        passed = mask if self.return_sequences else None
        return [passed, *(None for _ in self.states)] if self.return_state else passed

    def _ensure_built(self, args: Any, kwargs: Any) -> None:
        super()._ensure_built(args, kwargs)
        if self.stateful and any(state is None for state in self.states):
            self.reset_states()

    def reset_states(self, states: Any = None) -> None:
        """Set the kept states of a stateful layer to zero, or to given arrays.

        Raises:
            ShapeError: The number of rows is not known, or states of other shapes are given.
        """
        if any(state is None for state in self.states):
            self.states = [self._state(number) for number in range(len(self.states))]
        given = [np.zeros(state.shape) for state in self.states] if states is None else _listed(states)
        shapes, expected = [np.shape(value) for value in given], [state.shape for state in self.states]
        if shapes != expected:
            raise ShapeError(f"{self.name}: states of shapes {shapes} given, but the layer keeps {expected}.")
        for state, value in zip(self.states, given, strict=True):
            state.assign(np.asarray(value))

    def _state(self, number: int) -> Variable:
        shapes = vars(self).get("_build_shapes")
        rows = next(iter(shapes.values()))[0] if shapes else (self.given_batch_shape or (None,))[0]
        if rows is None:
            raise ShapeError(
                f"{self.name}: stateful=True keeps a state for each row of a batch, but the batch size is not known. "
                "Give it: batch_input_shape=(32, ...)."
            )
        name = f"state_{number}" if number else "state"
        state = Variable(np.zeros, (rows, self._width()), self.variable_dtype, trainable=False, name=name)
        state.saved = False
        return state

    def _width(self) -> int:
        width = getattr(self, "units", None) or getattr(self, "output_dim", None)
        if width is None:
            raise ArgumentError(f"{self.name}: set units, or define get_initial_state(self, inputs).")
        return int(width)

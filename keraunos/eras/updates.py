"""Optimizers of eras 1 and 2 that say themselves how a step changes the weights: ``get_updates``, ``get_gradients``.

Such a method ran once, when the training function was made, on tensors of a
graph, and so it does here: on a loss that stands for that of any batch. What it
returns is computed in every step, like the updates of a ``K.function``.
Reference: ``keras/optimizers.py`` of Keras 1.2.2 and 2.2.4.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from keraunos.backend.spec import TensorSpec
from keraunos.config import floatx
from keraunos.core.evaluation import Program, compute, nodes_of
from keraunos.core.scope import current_scope, optimizer_writes
from keraunos.core.symbolic import Call, SymbolicTensor, record, recording_all
from keraunos.core.variable import Variable
from keraunos.eras import graphs
from keraunos.eras.stored import SLOTS
from keraunos.optimizers import Optimizer
from keraunos.utils.errors import ArgumentError, UsageError
from keraunos.utils.spelling import chosen, era
from keraunos.utils.text import plural, shape_text

__all__ = ["get_weights", "initial_decay", "says_updates", "step_of", "told", "weights"]

_SAID = ("get_updates", "get_gradients")


def says_updates(optimizer: Any) -> bool:
    """Whether a subclass has a ``get_updates`` or ``get_gradients`` of its own."""
    kind = type(optimizer)
    return isinstance(optimizer, Optimizer) and any(getattr(kind, n) is not getattr(Optimizer, n) for n in _SAID)


def step_of(model: Any) -> Callable[[Any], Any]:
    """The training step of a model whose optimizer says its updates; the graph is made when it is first asked for."""
    made: _Step | None = vars(model).get("_step_said")
    if made is None or not made.serves(model):
        made = model._step_said = _Step(model)
    return made


class _Step:
    """A step: the loss of a batch, and what the optimizer makes of it."""

    def __init__(self, model: Any) -> None:
        self.model, self.optimizer, self.objectives = model, model.optimizer, model._objectives
        self.params = model._trained_variables()
        self.__name__ = self.__qualname__ = f"{type(self.optimizer).__name__}.get_updates"
        self._batch: tuple[Any, Any, Any] = (None, None, None)
        self._outputs: Any = None
        self._loss = record(Call(self._forward, "loss"), (), {}, TensorSpec((), floatx()))
        with recording_all():
            updates = _asked(self.optimizer, self._loss, self.params)
        self._program = Program([], [self._loss], [*updates, *getattr(self.optimizer, "updates", ())])
        self.optimizer._added = [*self.optimizer._added, *self._own_state()]

    def serves(self, model: Any) -> bool:
        """Whether nothing has changed that the graph was made of."""
        same = self.optimizer is model.optimizer and self.objectives is model._objectives
        trained = model._trained_variables()
        return same and len(trained) == len(self.params) and all(map(lambda a, b: a is b, trained, self.params))

    def __call__(self, data: Any) -> Any:
        """Logs of a batch; the Variables are assigned."""
        x, y, sample_weight = self._batch = (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)
        scope = current_scope()
        assert scope is not None
        values: dict[int, Any] = {}
        compute(nodes_of([self._loss]), values, numbered=True)
        outputs, loss = self._outputs, values[id(self._loss)]
        compute(nodes_of(self._program.wanted, values), values, numbered=True)
        new = self._program.assigned(scope, values)
        with optimizer_writes():
            for variable, value in new.items():
                variable.assign(value)
        scope.after.clear()
        self.model._borrow(list(new))
        self.model.track_loss(loss, x)
        return self.model.compute_metrics(x, y, outputs, sample_weight)

    def _forward(self) -> Any:
        x, y, sample_weight = self._batch
        self._outputs = self.model(x, training=True)
        return self.model.batch_loss(x, y, self._outputs, sample_weight, training=True)

    def _own_state(self) -> list[Variable]:
        """The Variables that the updates change, but for the weights and what the optimizer is known to hold."""
        known = {id(v) for v in (*self.params, *self.optimizer.variables)}
        return [v for v in _assigned_by(self._program.updates, self._program.wanted) if id(v) not in known]


def _asked(optimizer: Any, loss: Any, params: Sequence[Variable]) -> list[Any]:
    """What ``get_updates`` returns; it was called with the loss last, and constraints, until Keras 2.0.6."""
    names = [
        name
        for name, parameter in inspect.signature(optimizer.get_updates).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    constraints = {p: p.constraint for p in params if p.constraint is not None}
    earlier = len(names) == 3 or "constraints" in names
    found = optimizer.get_updates(params, constraints, loss) if earlier else optimizer.get_updates(loss, params)
    if not isinstance(found, (list, tuple)):
        raise ArgumentError(
            f"{type(optimizer).__name__}.get_updates returned a {type(found).__name__}; expected a list of updates."
        )
    return [update for update in found if update is not None]


def _assigned_by(updates: Sequence[Any], wanted: Sequence[SymbolicTensor]) -> Iterator[Variable]:
    seen: set[int] = set()
    pairs = [update[0] for update in updates if isinstance(update, (tuple, list))]
    steps = [node.operation.call for node in nodes_of(wanted) if isinstance(node.operation, Call)]
    later = [step.args[0] for step in steps if isinstance(step, functools.partial) and step.func is graphs.assigned]
    for variable in [*pairs, *later]:
        if id(variable) not in seen:
            seen.add(id(variable))
            yield variable


# --- methods and attributes of the time ------------------------------------------------------


def told(self: Any) -> list[Any]:
    """What an optimizer's ``get_updates`` collects: nothing yet."""
    vars(self)["_own_updates"] = []
    return vars(self)["_own_updates"]  # type: ignore[no-any-return]


def initial_decay(self: Any) -> float:
    """The decay of the rate that the optimizer was made with."""
    return float(self.decay or 0.0)


def weights(self: Any) -> list[Variable]:
    """The optimizer's state: in eras 1 and 2 in the release's order, one slot after the other; none before it is made.

    What the release kept and nobody read, such as the last step of SGD without momentum, is zeros.
    """
    kind = type(self).__name__
    if not chosen() or kind not in SLOTS or not type(self).__module__.startswith("keraunos."):
        return [variable for variable in self.variables if variable is not self._rate]
    if not self.built:
        return []
    counted, slots = SLOTS[kind]
    trained = list(self._trainable_variables)
    if era() == 1:  # which had the weights by their names, and no largest squares; SGD counted only for its decay
        trained.sort(key=_name_in_keras_1)
        slots = tuple(slot for slot in slots if slot != "velocity_hat")
    idle = kind == "SGD" and era() == 1 and not self.decay
    found = [Variable(np.float32(0), trainable=False) if idle else self._iterations] if counted else []
    for slot in slots:
        held = self.slots.get(slot, {})
        for variable in trained:
            shape = (1,) if slot == "velocity_hat" else variable.shape
            found.append(held[variable] if variable in held else Variable(np.zeros(shape, "float32"), trainable=False))
    return found


def _name_in_keras_1(variable: Variable) -> str:
    layer, _, name = variable.path.rpartition("/")
    return f"{layer}_{_NAMES_IN_KERAS_1.get(name, name)}"


_NAMES_IN_KERAS_1 = {"kernel": "W", "embeddings": "W", "recurrent_kernel": "U", "bias": "b"}


def get_weights(self: Any) -> list[Any]:
    """Values of the state as arrays."""
    return [variable.numpy() for variable in self.weights]


def set_weights(self: Any, weights: Any) -> None:
    """Set all state: in eras 1 and 2 what ``get_weights`` returned, today in the order of ``variables``.

    Raises:
        UsageError: Another number of arrays, or another shape.
    """
    holders = self.weights if chosen() else self.variables
    if len(weights) != len(holders):
        raise UsageError(
            f"{self.name}: {plural(len(weights), 'array')} for {plural(len(holders), 'variable')}. "
            "Build the optimizer for the same variables before."
        )
    for holder, value in zip(holders, weights, strict=True):
        if np.shape(value) != tuple(holder.shape):
            raise UsageError(
                f"{self.name}: {holder.path} has shape {shape_text(holder.shape)}, but the value has shape "
                f"{shape_text(np.shape(value))}."
            )
    for holder, value in zip(holders, weights, strict=True):
        holder.assign(value)

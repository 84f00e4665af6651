"""The training step, the evaluation step and the prediction step, as pure functions, and many of them in a row.

``Carry`` is everything that a step reads and writes. A *step* maps a carry and a
batch to a carry; ``many`` runs a range of steps over rows that lie on the
device, as one program whose bounds are arguments, so that one compilation
serves every chunk length and the numbers do not depend on the chunks.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keraunos.backend import K
from keraunos.core import phase
from keraunos.core.scope import Scope
from keraunos.core.variable import Variable
from keraunos.training.packing import Packing
from keraunos.utils import tree
from keraunos.utils.errors import DataError, ScopeError


class Carry(NamedTuple):
    """Everything that changes from step to step."""

    params: dict[str, Any]  # trainable weights by path
    state: dict[str, Any]  # other weights by path
    slots: dict[str, Any]  # the optimizer's state
    metrics: dict[str, Any]  # the metrics' state
    step: Any  # how many training steps the model has made
    fixed: Any = None  # weights by path that no step of this kind changes; they stay outside of loops


class Batch(NamedTuple):
    """Rows of one step, and which of them are real (``None``: all)."""

    x: Any
    y: Any
    sample_weight: Any
    rows: Any = None


class Held:
    """The Variables behind a carry: binds values to them, and collects what a trace wrote."""

    def __init__(
        self,
        params: Mapping[str, Variable],
        state: Mapping[str, Variable],
        metrics: Mapping[str, Variable],
        fixed: Mapping[str, Variable],
        owner: str,
        checked: frozenset[Any] = frozenset(),
    ) -> None:
        self.checked = checked  # layers that look up only numbers which are checked before
        self.params, self.state, self.metrics = dict(params), dict(state), dict(metrics)
        self.fixed, self.owner = dict(fixed), owner

    def scope(self, carry: Carry, seed: Any, rows: Any = None) -> Scope:
        """Scope in which the Variables have the carry's values."""
        values = {
            variable: source[path]
            for variables, source in (
                (self.params, carry.params),
                (self.state, carry.state),
                (self.metrics, carry.metrics),
                (self.fixed, carry.fixed),
            )
            for path, variable in variables.items()
        }
        # The key is made where it is asked for: few networks draw numbers, and tracing it takes milliseconds.
        scope = Scope(values, key=lambda: K.fold_in(K.random_key(seed), carry.step), owner=self.owner)
        scope.rows = rows
        scope.checked = self.checked
        return scope

    def written(self, scope: Scope, carry: Carry, *, trains: bool = True) -> Carry:
        """The carry after the assignments that a trace made.

        Where nothing is trained, layers that were told to train nevertheless (``fix_training``) keep their statistics.
        """
        frozen = not trains and phase.fixed_training()
        lost = next((variable for variable in self.fixed.values() if variable in scope.writes), None)
        if lost is not None:
            raise ScopeError(
                f"the trainable Variable {lost.path!r} of a frozen layer is assigned while {self.owner} trains, but not "
                "where it predicts. Create it with trainable=False, so that it may be assigned at any time."
            )

        def updated(variables: Mapping[str, Variable], values: dict[str, Any]) -> dict[str, Any]:
            if frozen and variables is self.state:
                variables = {path: variable for path, variable in variables.items() if not variable.saved}
                return {**values, **{path: scope.writes.get(v, values[path]) for path, v in variables.items()}}
            return {path: scope.writes.get(variable, values[path]) for path, variable in variables.items()}

        return carry._replace(
            params=updated(self.params, carry.params),
            state=updated(self.state, carry.state),
            metrics=updated(self.metrics, carry.metrics),
        )


def train_step(model: Any, held: Held, packing: Packing, carry: Carry, batch: Batch, seed: Any) -> Carry:
    """Loss, gradients, update. ``carry.params`` and the slots are packed."""
    optimizer = model.optimizer
    params = packing.unpack(carry.params)
    constants = carry._replace(params=params)

    def objective(params: dict[str, Any]) -> Any:
        with held.scope(constants._replace(params=params), seed, batch.rows) as scope:
            outputs = model(batch.x, training=True)
            loss = model.batch_loss(batch.x, batch.y, outputs, batch.sample_weight, training=True)
            model.track_loss(loss, batch.x)
            used = model._values_for_metrics()
        return optimizer.scale_loss(loss), (held.written(scope, constants), outputs, used)

    (_, (after, outputs, used)), gradients = K.value_and_gradient(objective)(params)
    # What layers assigned, the optimizer goes on from.
    assigned = any(variable.assigned_in_calls for variable in held.params.values())
    packed, slots = optimizer.step(
        packing.pack(gradients),
        packing.pack(after.params) if assigned else carry.params,
        carry.slots,
        decayed={key for key, kind in packing.kinds.items() if kind},
    )
    packed = _constrained(held.params, packing, packed)
    after = after._replace(params=params, slots=carry.slots)
    with held.scope(after, seed, batch.rows) as scope:
        scope.computed.update(zip(map(id, model._objectives.used), used, strict=True))
        model.compute_metrics(batch.x, batch.y, outputs, batch.sample_weight)
    return held.written(scope, after)._replace(params=packed, slots=slots, step=carry.step + 1)


def _constrained(variables: Mapping[str, Variable], packing: Packing, packed: dict[str, Any]) -> dict[str, Any]:
    constraints = {path: variable.constraint for path, variable in variables.items() if variable.constraint}
    if not constraints:
        return packed
    arrays = packing.unpack(packed)
    return packing.pack({path: constraints[path](v) if path in constraints else v for path, v in arrays.items()})


def test_step(model: Any, held: Held, carry: Carry, batch: Batch, seed: Any) -> Carry:
    """Loss and metrics; nothing is trained."""
    with held.scope(carry, seed, batch.rows) as scope:
        outputs = model(batch.x, training=False)
        loss = model.batch_loss(batch.x, batch.y, outputs, batch.sample_weight, training=False)
        model.track_loss(loss, batch.x)
        model.compute_metrics(batch.x, batch.y, outputs, batch.sample_weight)
    return _drawn(model, "test", scope, held.written(scope, carry, trains=False))


def predict_step(model: Any, held: Held, carry: Carry, batch: Batch, seed: Any) -> tuple[Carry, Any]:
    """Outputs."""
    with held.scope(carry, seed, batch.rows) as scope:
        outputs = model.step_method("predict")(batch.x)
    return _drawn(model, "predict", scope, held.written(scope, carry, trains=False)), outputs


def _drawn(model: Any, mode: str, scope: Scope, carry: Carry) -> Carry:
    """The carry for the next batch, which gets other random numbers where this one asked for some."""
    if not scope.drew:
        return carry
    model._draws_in(mode)
    return carry._replace(step=carry.step + 1)


def own_step(
    model: Any, method: Callable[[Any], Any], held: Held, carry: Carry, batch: Batch, seed: Any, *, trains: bool
) -> tuple[Carry, dict[str, Any]]:
    """A step that the user wrote as a method: it reads and assigns Variables in ordinary style."""
    with held.scope(carry, seed) as scope:
        logs = call_step(method, tuple(batch[:3]))
    carry = held.written(scope, carry)
    return (carry._replace(step=carry.step + 1) if trains else _drawn(model, "test", scope, carry)), logs


def call_step(method: Callable[[Any], Any], data: tuple[Any, ...]) -> dict[str, Any]:
    """The logs of a step that the user wrote, which gets no more than what was given: x alone, or a tuple."""
    while len(data) > 1 and data[-1] is None:
        data = data[:-1]
    logs = method(data if len(data) > 1 else data[0])
    if not isinstance(logs, dict):
        raise DataError(f"{method.__qualname__} returned {type(logs).__name__}; expected a dict of log values.")
    return {name: K.array(getattr(value, "value", value)) for name, value in logs.items()}


# --- many steps --------------------------------------------------------------------------


def rows_of(data: Any, order: Any, number: Any, batch_size: int, total: Any) -> Batch:
    """The batch of a step number: its rows, and which of them are real."""
    start = number * batch_size
    index = K.slice(order, (start,), (batch_size,))
    x, y, weight = tree.map(lambda leaf: None if leaf is None else K.rows_at(leaf, index), data)
    rows = None if total is None else K.cast(start + K.arange(batch_size) < total, "float32")
    return Batch(x, y, weight, rows)


def many(step: Callable[[Any, Batch], Any], batch_size: int, *, padded: bool) -> Callable[..., Any]:
    """Program that runs steps ``start`` to ``stop`` over the rows of a block.

    With ``padded`` the last step may reach beyond the ``total`` rows: what it
    reads there counts for nothing.
    """

    def run(carry: Any, data: Any, order: Any, start: Any, stop: Any, total: Any) -> Any:
        def body(number: Any, carry: Any) -> Any:
            return step(carry, rows_of(data, order, number, batch_size, total if padded else None))

        return K.loop(body, carry, start, stop)

    return run

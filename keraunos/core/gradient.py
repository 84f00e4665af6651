"""Gradients with respect to Variables, in ordinary style."""

from collections.abc import Callable, Sequence
from typing import Any

from keraunos.backend import K
from keraunos.core.scope import Scope, current_scope, optimizer_writes
from keraunos.core.variable import Variable
from keraunos.utils.tracebacks import entrance


@entrance
def value_and_gradients(function: Callable[[], Any], variables: Sequence[Variable]) -> tuple[Any, list[Any]]:
    """Value of a scalar function, and its gradient for each Variable.

    ``function`` takes no arguments and reads the Variables; it may return
    ``(scalar, anything)``. What it assigns (statistics, metrics) is kept. Works
    in eager code and in a ``train_step``.

    >>> v = Variable([2.0, 3.0])
    >>> value, gradients = value_and_gradients(lambda: K.sum(v * v), [v])
    >>> float(value), gradients[0].tolist()
    (13.0, [4.0, 6.0])
    """
    names = [str(i) for i in range(len(variables))]
    outer = current_scope()
    kept: dict[str, Any] = {}

    def objective(values: dict[str, Any]) -> Any:
        with Scope(dict(zip(variables, (values[n] for n in names), strict=True)), strict=False) as scope:
            scope.rows = None if outer is None else outer.rows
            result = function()
        kept["written"] = list(scope.writes)
        value, rest = result if isinstance(result, tuple) else (result, None)
        kept["pair"] = isinstance(result, tuple)
        return value, (rest, list(scope.writes.values()))

    start = {n: v.concrete if outer is None else outer.read(v) for n, v in zip(names, variables, strict=True)}
    (value, (rest, written)), gradients = K.value_and_gradient(objective)(start)
    with optimizer_writes():
        for variable, new in zip(kept["written"], written, strict=True):
            variable.assign(new)
    return (value, rest) if kept["pair"] else value, [gradients[n] for n in names]

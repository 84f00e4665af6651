"""Steps that take the state and return it, as Keras on JAX calls them: ``train_step(self, state, data)``."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from keraunos.core.scope import optimizer_writes
from keraunos.core.variable import Variable
from keraunos.utils.errors import DataError
from keraunos.utils.text import plural

State = Sequence[Sequence[Any]]


def takes_state(method: Callable[..., Any]) -> bool:
    """Whether a step has to be given the state before the data."""
    needed = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    return len(needed) == 2


def state_of(model: Any, mode: str) -> list[list[Variable]]:
    """The Variables whose values are the state of a step, in the groups of Keras on JAX."""
    groups = [model.trainable_variables, model.non_trainable_variables]
    if mode == "train":
        groups.append(model.optimizer.variables)
    if mode != "predict":
        groups.append(model.metrics_variables)
    return groups


def with_state(model: Any, mode: str, method: Callable[..., Any]) -> Callable[[Any], Any]:
    """A step of the data alone, which hands a method the present state and keeps what it returns."""

    @functools.wraps(method)
    def step(data: Any) -> Any:
        groups = state_of(model, mode)
        returned = method(tuple([variable.value for variable in group] for group in groups), data)
        if not isinstance(returned, (tuple, list)) or len(returned) != 2:
            raise DataError(
                f"{method.__qualname__} returned {_described(returned)}; a step that takes the state returns a pair, "
                "what it computed and the new state."
            )
        result, state = returned
        if mode == "predict":  # it leaves the trained weights alone, and returns the others
            groups, state = groups[1:], [state]
        keep(groups, state, method.__qualname__)
        return result

    return step


def keep(groups: Sequence[Sequence[Variable]], state: State, owner: str) -> None:
    """Give Variables the values of a state in the same groups."""
    wanted = [len(group) for group in groups]
    given = [len(group) for group in state]
    if given != wanted:
        raise DataError(
            f"{owner} returned a state of {plural(len(given), 'group')} of {given} values; expected {wanted}: the state "
            "that it was given, with the new values."
        )
    with optimizer_writes():
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)


def _described(value: Any) -> str:
    parts = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"a {type(value).__name__}{parts}"

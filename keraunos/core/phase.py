"""Whether the running code trains: what the outermost call of a layer was told, or what was set for the whole program."""

import contextlib
import contextvars
from collections.abc import Iterator

from keraunos.core.scope import current_scope
from keraunos.core.variable import structure_changed

# Of the calls that are going on: whether they train, ``None`` where nobody said. Outside of any call there is none.
_calls: contextvars.ContextVar[tuple[bool | None, ...]] = contextvars.ContextVar("calls", default=())
_fixed: bool | None = None


def of_call() -> bool | None:
    """Whether the call that is going on trains; ``None`` where nobody said, and outside of calls."""
    calls = _calls.get()
    return calls[-1] if calls else None


def training() -> bool | None:
    """Whether the call that is going on trains, or between two calls the trace; ``None`` where nobody said."""
    if _calls.get():
        return of_call()
    scope = current_scope()
    while scope is not None and scope.training is None:
        scope = scope.parent
    return _fixed if scope is None else scope.training


def inside_a_call() -> bool:
    """Whether a layer is being called on data."""
    return bool(_calls.get())


@contextlib.contextmanager
def calling(value: bool | None) -> Iterator[None]:
    """Inside a ``with`` block, a layer is called that trains or not."""
    token = _calls.set((*_calls.get(), value))
    try:
        yield
    finally:
        _calls.reset(token)


def settled(value: bool | None) -> bool | None:
    """What an outermost call that was told ``value`` has to do: what holds for the whole program comes first."""
    return value if _fixed is None or _calls.get() else _fixed


def fix_training(value: bool | None) -> None:
    """Let all calls train, or none, whatever they are told; ``None`` lets them be told again."""
    global _fixed
    _fixed = value
    structure_changed()


def fixed_training() -> bool | None:
    """What was set for the whole program."""
    return _fixed

"""How deep inside functions handed to a verb (a scan, a gradient) the code now runs.

A value made inside such a function must not be stored outside it, and a random
key taken inside a loop would repeat at every turn. The Scope asks here.
"""

import contextvars
from collections.abc import Callable
from typing import Any, NamedTuple


class Depth(NamedTuple):
    """Number of enclosing traced functions, and of those that run many times."""

    traces: int = 0
    loops: int = 0


_depth: contextvars.ContextVar[Depth] = contextvars.ContextVar("depth", default=Depth())  # noqa: B039

# Verbs that hand their function values which must not leave it, and whether it runs many times.
VERBS = {
    "scan": True,
    "recurrence": True,
    "loop": True,
    "fori_loop": True,
    "vectorize": True,
    "vectorized_map": True,
    "while_loop": True,
    "cond": False,
    "value_and_gradient": False,
    "compile": False,
    "specialize": False,
    "abstract": False,
}


def depth() -> Depth:
    """Depth of the running code."""
    return _depth.get()


def deeper(function: Callable[..., Any], *, loop: bool) -> Callable[..., Any]:
    """The same function, known to run inside a verb."""

    def inner(*args: Any, **kwargs: Any) -> Any:
        now = _depth.get()
        token = _depth.set(Depth(now.traces + 1, now.loops + loop))
        try:
            return function(*args, **kwargs)
        finally:
            _depth.reset(token)

    return inner

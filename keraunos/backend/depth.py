"""How deep inside functions handed to a verb (a scan, a gradient) the code now runs, and whether it runs as it stands.

A value made inside such a function must not be stored outside it, and a random
key taken inside a loop would repeat at every turn. The Scope asks here. Code that
runs *plainly* is Python whose tensors have values: a loop is a loop, a gradient
calls its function once, and everything in it may be looked at.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Depth(NamedTuple):
    """Number of enclosing functions handed to a verb, and of those that run many times.

    Beside them whether tensors have values, and whether of all results only the shapes matter.
    """

    traces: int = 0
    loops: int = 0
    plain: bool = False
    shapes: bool = False


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

# Those whose function is given stand-ins, however the code around it runs.
_STAND_INS = frozenset({"vectorize", "vectorized_map", "compile", "specialize", "abstract"})


def depth() -> Depth:
    """Depth of the running code."""
    return _depth.get()


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Run the code of a ``with`` block as it stands: verbs are plain Python, and tensors in them have values."""
    token = _depth.set(_depth.get()._replace(plain=True))
    try:
        yield
    finally:
        _depth.reset(token)


def deeper(function: Callable[..., Any], verb: str) -> Callable[..., Any]:
    """The same function, known to run inside a verb."""
    loop, keeps_values = VERBS[verb], verb not in _STAND_INS
    made_to_stay = verb in ("compile", "specialize")  # a program computes, wherever it is made

    def inner(*args: Any, **kwargs: Any) -> Any:
        now = _depth.get()
        shapes = verb == "abstract" or (now.shapes and not made_to_stay)
        token = _depth.set(Depth(now.traces + 1, now.loops + loop, now.plain and keeps_values, shapes))
        try:
            return function(*args, **kwargs)
        finally:
            _depth.reset(token)

    return inner

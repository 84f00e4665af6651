"""Verbs as plain Python, for an engine whose own ones would compile what they are given, for code that runs plainly."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keraunos.backend.engine import Engine
from keraunos.utils import tree


def loop(engine: Engine, body: Callable[[Any, Any], Any], carry: Any, start: Any, stop: Any) -> Any:
    """See ``Engine.loop``."""
    for number in range(int(start), int(stop)):
        carry = body(engine.array(np.int32(number)), carry)
    return carry


def scan(
    engine: Engine, f: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any, length: int | None, reverse: bool
) -> tuple[Any, Any]:
    """See ``Engine.scan``; there must be a row."""
    rows = _rows(engine, xs, length)
    carry, ys = init, [None] * rows
    for row in reversed(range(rows)) if reverse else range(rows):
        carry, ys[row] = f(
            carry, tree.map(lambda leaf, row=row: None if leaf is None else engine.get_item(leaf, row), xs)
        )
    return carry, tree.map(lambda *parts: None if parts[0] is None else engine.stack(list(parts)), *ys)


def has_rows(engine: Engine, xs: Any, length: int | None) -> bool:
    """Whether a scan would make a step; one that makes none must be traced to know its outputs."""
    return _rows(engine, xs, length) > 0


def _rows(engine: Engine, xs: Any, length: int | None) -> int:
    first = next((engine.shape(leaf)[0] for leaf in tree.leaves(xs) if leaf is not None), length)
    return int(first or 0)

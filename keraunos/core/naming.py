"""Automatic names: ``dense``, ``dense_1``, ``dense_2`` …"""

from collections import Counter
from typing import Any

from keraunos.utils import spelling
from keraunos.utils.text import snake_case

_counts: Counter[str] = Counter()


def unique_name(prefix: str) -> str:
    """``prefix`` the first time, then ``prefix_1``, ``prefix_2`` …"""
    count = _counted(prefix)
    return f"{prefix}_{count}" if count else prefix


def automatic_name(kind: str) -> str:
    """Name of a layer or model of a class, in the style of the active era."""
    if not spelling.chosen():
        return unique_name(snake_case(kind))
    return spelling.provider().automatic_name(kind, _counted)


def first_input_name(layer: Any) -> str | None:
    """Name of the input that a model makes for its first layer; ``None`` for an automatic one."""
    if not spelling.chosen():
        return None
    return spelling.provider().first_input_name(layer, _counted)


def reset_names() -> None:
    """Start counting again."""
    _counts.clear()


def _counted(prefix: str) -> int:
    """How often the prefix was used before."""
    _counts[prefix] += 1
    return _counts[prefix] - 1

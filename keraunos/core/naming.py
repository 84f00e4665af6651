"""Automatic names: ``dense``, ``dense_1``, ``dense_2`` …"""

from collections import Counter

_counts: Counter[str] = Counter()


def unique_name(prefix: str) -> str:
    """``prefix`` the first time, then ``prefix_1``, ``prefix_2`` …"""
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def reset_names() -> None:
    """Start counting again."""
    _counts.clear()

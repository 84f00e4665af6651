"""Nested dicts, lists, tuples and named tuples as one flat list of leaves, and back.

``None`` is a leaf, so that a missing sample weight keeps its place. Dicts keep
their own order.
"""

from collections.abc import Callable, Mapping
from typing import Any


def is_nested(tree: Any) -> bool:
    """Whether ``tree`` is a container rather than a leaf."""
    return isinstance(tree, (Mapping, list, tuple))


def leaves(tree: Any) -> list[Any]:
    """All leaves, in order.

    >>> leaves({"a": [1, (2, None)], "b": 3})
    [1, 2, None, 3]
    """
    found: list[Any] = []
    _collect(tree, found)
    return found


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:  # noqa: A001
    """Apply ``function`` to every leaf (and to its peers in trees of the same form).

    >>> map(lambda x, y: x + y, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    if isinstance(tree, Mapping):
        return {key: map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, (list, tuple)):
        for other in others:
            if len(other) != len(tree):
                raise ValueError(f"trees differ: {len(tree)} items against {len(other)}")
        items = [map(function, *peers) for peers in zip(tree, *others, strict=True)]
        return _rebuild(tree, items)
    return function(tree, *others)


def unflatten(tree: Any, flat: Any) -> Any:
    """Put the leaves ``flat`` into the form of ``tree``.

    >>> unflatten({"a": [0, 0], "b": 0}, [1, 2, 3])
    {'a': [1, 2], 'b': 3}
    """
    remaining = iter(flat)
    return map(lambda _: next(remaining), tree)


def paths(tree: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """All leaves with the keys and indices that lead to each.

    >>> paths({"a": [1, 2]})
    [(('a', 0), 1), (('a', 1), 2)]
    """
    if isinstance(tree, Mapping):
        items: Any = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    else:
        return [(prefix, tree)]
    return [pair for key, value in items for pair in paths(value, (*prefix, key))]


def _collect(tree: Any, found: list[Any]) -> None:
    if isinstance(tree, Mapping):
        for value in tree.values():
            _collect(value, found)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            _collect(value, found)
    else:
        found.append(tree)


def _rebuild(tree: Any, items: list[Any]) -> Any:
    if isinstance(tree, list):
        return items
    if hasattr(tree, "_fields"):
        return type(tree)(*items)
    return tuple(items)

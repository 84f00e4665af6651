"""Tensors inside a gradient show their values to Python, where code runs plainly.

JAX computes the values as it goes, and ``if`` and ``int`` see them already; ``float``, ``print`` and NumPy do not.
Whatever they make of a value is a constant to the gradient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from keraunos.backend.depth import depth

_ways: dict[str, Callable[..., Any]] = {
    "__float__": float,
    "__complex__": complex,
    "__repr__": repr,
    "__str__": str,
    "__format__": lambda value, form: format(value, form),
    "__array__": lambda value, dtype=None, copy=None: np.asarray(value, dtype),
    "tolist": lambda value: value.tolist(),
    "item": lambda value, *place: value.item(*place),
}
_opened: set[type] = set()


def open_to_looks(tensor: Any) -> None:
    """Let Python see the values of tensors of this kind, where they have some."""
    kind = type(tensor)
    if kind in _opened or not hasattr(kind, "to_concrete_value"):
        return
    _opened.add(kind)
    for name, way in _ways.items():
        setattr(kind, name, _method(way, getattr(kind, name)))


def _method(way: Callable[..., Any], usual: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        value = self.to_concrete_value() if depth().plain else None
        return usual(self, *args, **kwargs) if value is None else way(value, *args, **kwargs)

    return method

"""What the making of a model from a file may cost; and shapes of outputs that need not be inferred twice.

A short text may describe a network that takes hours to set up: a model inside
of a model, five calls each, over ten levels. While a file is being made into a
model, whoever makes a layer, a Variable or a trace counts it here.
"""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

from keraunos.utils.errors import ModelFileError
from keraunos.utils.untrusted import advice, limits

__all__ = ["Building", "building", "counted"]


class Building:
    """What is left for the model that is being made of a file.

    Args:
        name: What messages call the file.
        size: Its bytes.
        elements: Numbers that its Variables may have in all.
        bound: Name of the bound on them, where the caller can raise it.
        custom: Whether functions of the caller's take part.
    """

    def __init__(self, name: str, size: int, elements: int, bound: str = "", custom: bool = False) -> None:
        self.name, self.custom, self.bound = name, custom, bound
        self._layers = limits().layers
        self._calls = limits().calls + size // 600
        self._elements = elements
        # The tree of specs that a call had, by what decides on it; with the layer, whose id may be part of the key.
        self.specs: dict[Any, tuple[Any, Any]] = {}

    def layer(self) -> None:
        """A layer is made."""
        self._layers -= 1
        if self._layers < 0:
            self._fail(f"the config describes more than {limits().layers:,} layers", "layers")

    def call(self, cost: int = 1) -> None:
        """A layer is traced, which costs so much as ``cost`` usual ones."""
        self._calls -= cost
        if self._calls < 0:
            self._fail("the config describes more calls of layers than a file of its size should", "calls")

    def variable(self, shape: tuple[int, ...]) -> None:
        """A Variable is made."""
        self._elements -= math.prod(shape)
        if self._elements < 0:
            shape_text = f"the config declares weights of shape {tuple(shape)}"
            if self.bound:
                self._fail(f"{shape_text}, and of more than {limits().weights:,} numbers in all", self.bound)
            raise ModelFileError(
                f"{self.name}: {shape_text}, but all numbers of the file together are fewer. Config and weights do not "
                "belong together."
            )

    def _fail(self, what: str, bound: str) -> None:
        raise ModelFileError(f"{self.name}: {what}. {advice(bound)}")


_building: contextvars.ContextVar[Building | None] = contextvars.ContextVar("building", default=None)


def building() -> Building | None:
    """The model that is being made of a file, or ``None``."""
    return _building.get()


@contextlib.contextmanager
def counted(found: Building) -> Iterator[None]:
    """Count inside a ``with`` block what is made."""
    token = _building.set(found)
    try:
        yield
    finally:
        _building.reset(token)

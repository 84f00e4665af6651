"""Regularizers: penalties on weights or outputs, added to the loss."""

from collections.abc import Mapping
from typing import Annotated, Any, SupportsFloat

from keraunos.backend import K
from keraunos.core.fields import Converted, Declared, Field, choice, real
from keraunos.core.registry import Table
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text
from keraunos.utils.tracebacks import entrance

__all__ = ["L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "deserialize", "get", "serialize"]


class Regularizer(Declared):
    """Base of the regularizers; a subclass defines ``__call__(self, x)``, which returns a scalar.

    Any function of one tensor is a regularizer too.

    >>> class Spread(Regularizer):
    ...     def __call__(self, x):
    ...         return K.max(x) - K.min(x)
    >>> float(Spread()(K.array([1.0, 4.0])))
    3.0
    """

    def __call__(self, x: Any) -> Any:
        """Penalty of a tensor."""
        raise ArgumentError(f"{type(self).__name__} does not define __call__(self, x).")


table: Table[Regularizer] = Table("regularizers", "regularizer", Regularizer)


def _factor(default: float) -> Any:
    """Conversion to a finite factor, 0 or more; ``None`` means the default."""
    convert = real(0)

    def factor(value: Any) -> float:
        number: float = default if value is None else convert(value)
        if number == float("inf"):
            raise ArgumentError("expected a finite number, 0 or more.")
        return number

    return factor


_Factor = Annotated[Converted[float, SupportsFloat | None], Field(_factor(0.01))]
_ZeroFactor = Annotated[Converted[float, SupportsFloat | None], Field(_factor(0.0))]


@table.register()
class L1(Regularizer):
    """``l1 * sum(|x|)``.

    Args:
        l1: Factor, 0 or more.

    >>> float(L1(0.5)(K.array([-1.0, 3.0])))
    2.0
    """

    l1: _Factor = 0.01

    def __call__(self, x: Any) -> Any:
        return self.l1 * K.sum(K.abs(x))


@table.register()
class L2(Regularizer):
    """``l2 * sum(x**2)``.

    Args:
        l2: Factor, 0 or more.

    >>> float(L2(0.5)(K.array([-1.0, 3.0])))
    5.0
    """

    l2: _Factor = 0.01

    def __call__(self, x: Any) -> Any:
        return self.l2 * K.sum(K.square(x))


@table.register("l1_l2")
class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x**2)``.

    Args:
        l1: Factor of the magnitudes, 0 or more.
        l2: Factor of the squares, 0 or more.

    >>> float(L1L2(0.5, 0.5)(K.array([-1.0, 3.0])))
    7.0
    """

    l1: _ZeroFactor = 0.0
    l2: _ZeroFactor = 0.0

    def __call__(self, x: Any) -> Any:
        return self.l1 * K.sum(K.abs(x)) + self.l2 * K.sum(K.square(x))


@table.register()
class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean magnitude of the cosines between different rows (or columns) of a matrix.

    Args:
        factor: Factor, 0 or more.
        mode: ``"rows"`` or ``"columns"``.

    Raises:
        ShapeError: The tensor is not a matrix.

    >>> float(OrthogonalRegularizer(0.5)(K.array([[1.0, 0.0], [2.0, 0.0]])))
    0.5
    """

    factor: _Factor = 0.01
    mode: Annotated[str, Field(choice("rows", "columns"))] = "rows"

    def __call__(self, x: Any) -> Any:
        if len(K.shape(x)) != 2:
            raise ShapeError(f"OrthogonalRegularizer needs a matrix, not a tensor of shape {shape_text(K.shape(x))}.")
        rows = K.normalize(x if self.mode == "rows" else K.transpose(x), -1)
        size = K.shape(rows)[0]
        cosines = K.matmul(rows, K.transpose(rows)) * (1 - K.eye(size, dtype=K.dtype(x)))
        return self.factor * K.sum(K.abs(cosines)) / max(size * (size - 1), 1)


# --- by name --------------------------------------------------------------------------


@entrance
def get(identifier: Any) -> Any:
    """Regularizer that a name, a config, a class or a function of a tensor means.

    >>> get("l1_l2").get_config()
    {'l1': 0.0, 'l2': 0.0}
    """
    return table.get(identifier)


def serialize(regularizer: Any) -> Any:
    """Config of a regularizer, as Keras 3 writes it."""
    return table.serialize(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Regularizer that a config, or a name, describes."""
    return table.deserialize(config, custom_objects)


spelling.offer_older(__name__)

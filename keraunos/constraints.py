"""Constraints: projections of a weight, applied after each update."""

from collections.abc import Mapping
from typing import Annotated, Any

from keraunos.backend import K
from keraunos.core.fields import Converted, Declared, Field, NonNegativeReal, Rate, Wholes
from keraunos.core.registry import Table
from keraunos.utils import spelling
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError
from keraunos.utils.tracebacks import entrance

__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "serialize"]


class Constraint(Declared):
    """Base of the constraints; a subclass defines ``__call__(self, w)``, which returns the new weight.

    Any function of one tensor is a constraint too. The base itself changes nothing.

    >>> class AtMostOne(Constraint):
    ...     def __call__(self, w):
    ...         return K.minimum(w, 1)
    >>> AtMostOne()(K.array([0.5, 3.0])).tolist()
    [0.5, 1.0]
    """

    def __call__(self, w: Any) -> Any:
        """Projected weight."""
        return w


table: Table[Constraint] = Table("constraints", "constraint", Constraint)


def _axis(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_axis(axis) for axis in value]
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ArgumentError("expected the number of an axis, or a list of them.") from None


_Axis = Annotated[Converted[int | list[int], Wholes], Field(_axis)]


@table.register()
class MaxNorm(Constraint):
    """Weights scaled down where their norm along ``axis`` exceeds ``max_value``.

    Args:
        max_value: Largest norm, 0 or more.
        axis: Axes over which the norm is taken: 0 for a Dense kernel, ``[0, 1, 2]`` for that of a Conv2D.

    Reference: Srivastava et al. 2014, "Dropout".

    >>> MaxNorm(1)(K.array([[4.0, 0.0]])).round(4).tolist()
    [[1.0, 0.0]]
    """

    max_value: NonNegativeReal = 2
    axis: _Axis = 0

    def __call__(self, w: Any) -> Any:
        norm = _norm(w, self.axis)
        return w * (K.clip(norm, 0, self.max_value) / (epsilon() + norm))


@table.register()
class NonNeg(Constraint):
    """``max(w, 0)``.

    >>> NonNeg()(K.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Any:
        return K.maximum(w, 0)


@table.register()
class UnitNorm(Constraint):
    """Weights divided by their norm along ``axis``.

    Args:
        axis: Axes over which the norm is taken.

    >>> UnitNorm()(K.array([[2.0], [0.0]])).tolist()
    [[1.0], [0.0]]
    """

    axis: _Axis = 0

    def __call__(self, w: Any) -> Any:
        return w / (epsilon() + _norm(w, self.axis))


@table.register()
class MinMaxNorm(Constraint):
    """Weights scaled so that their norm along ``axis`` approaches the interval from ``min_value`` to ``max_value``.

    Args:
        min_value: Smallest norm, 0 or more.
        max_value: Largest norm, 0 or more.
        rate: Share of the way that one application goes, 0 to 1; at 1 the bounds are strict.
        axis: Axes over which the norm is taken.

    >>> MinMaxNorm(0.5, 1.0, rate=0.5)(K.array([[3.0]])).round(4).tolist()
    [[2.0]]
    """

    min_value: NonNegativeReal = 0.0
    max_value: NonNegativeReal = 1.0
    rate: Rate = 1.0
    axis: _Axis = 0

    def __call__(self, w: Any) -> Any:
        norm = _norm(w, self.axis)
        desired = self.rate * K.clip(norm, self.min_value, self.max_value) + (1 - self.rate) * norm
        return w * (desired / (epsilon() + norm))


# --- by name --------------------------------------------------------------------------


@entrance
def get(identifier: Any) -> Any:
    """Constraint that a name, a config, a class or a function of a tensor means.

    >>> get("unit_norm").get_config()
    {'axis': 0}
    """
    return table.get(identifier)


def serialize(constraint: Any) -> Any:
    """Config of a constraint, as Keras 3 writes it."""
    return table.serialize(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Constraint that a config, or a name, describes."""
    return table.deserialize(config, custom_objects)


# --- helpers --------------------------------------------------------------------------


def _norm(w: Any, axis: Any) -> Any:
    return K.sqrt(K.sum(K.square(w), axis, True))


spelling.offer_older(__name__)

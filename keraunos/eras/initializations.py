"""``keras.initializations`` of era 1: functions of a shape that return a Variable, with that era's distributions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keraunos.core.registry import TABLES
from keraunos.core.variable import Variable
from keraunos.utils import spelling

__all__ = [
    "get", "get_fans", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_uniform", "normal", "one",
    "orthogonal", "uniform", "zero",
]  # fmt: skip

Function = Callable[..., Variable]


def _function(name: str, scale: Callable[[float], dict[str, Any]] | None = None, default: float = 0.05) -> Function:
    """Function of an initializer; ``scale`` makes its arguments of the one that some functions had."""

    def plain(shape: Sequence[int], name: str | None = None, dim_ordering: str = "th") -> Variable:
        return _drawn(own, {}, shape, name, dim_ordering)

    def scaled(
        shape: Sequence[int], scale: float = default, name: str | None = None, dim_ordering: str = "th"
    ) -> Variable:
        return _drawn(own, arguments(scale), shape, name)

    own, arguments = name, scale or (lambda _: {})
    function = scaled if scale else plain
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"A Variable with the numbers of era 1's ``{name}``."
    return function


def _drawn(
    own: str, arguments: dict[str, Any], shape: Sequence[int], name: str | None, dim_ordering: str = "tf"
) -> Variable:
    from keraunos import initializers

    with spelling.in_era(1):
        member = TABLES["initializers"].lookup(own)
        initializer = member(**arguments) if isinstance(member, type) else initializers.get(own)
        if dim_ordering == "th" and len(shape) in (3, 4, 5) and own not in _ONE_SCALE:
            # Filters and inputs stand before the spatial axes, and decide on the scale of the numbers.
            numbers = np.moveaxis(np.asarray(initializer((*shape[2:], shape[1], shape[0]))), (-1, -2), (0, 1))
        else:
            numbers = initializer(tuple(shape))
        return Variable(numbers, name=name)


# These ask the shape for no more than its size.
_ONE_SCALE = ("uniform", "normal", "zero", "one", "orthogonal", "identity")


def compute_fans_keras2(shape: Sequence[int], data_format: str = "channels_last") -> tuple[float, float]:
    """Numbers that go into and out of one place of a layer with a kernel of this shape.

    >>> compute_fans_keras2((3, 3, 8, 16))
    (72, 144)
    """
    from keraunos.initializers import compute_fans

    if data_format == "channels_first" and len(shape) in (3, 4, 5):
        shape = (*shape[2:], shape[1], shape[0])
    return compute_fans(tuple(shape))


uniform = _function("uniform", lambda scale: {"minval": -scale, "maxval": scale})
normal = _function("normal", lambda scale: {"stddev": scale})
orthogonal = _function("orthogonal", lambda scale: {"gain": scale}, 1.1)
identity = _function("identity", lambda scale: {"gain": scale}, 1.0)
lecun_uniform = _function("lecun_uniform")
glorot_normal = _function("glorot_normal")
glorot_uniform = _function("glorot_uniform")
he_normal = _function("he_normal")
he_uniform = _function("he_uniform")
zero = _function("zero")
one = _function("one")


def get_fans(shape: Sequence[int], dim_ordering: str = "th") -> tuple[float, float]:
    """Numbers that go into and out of one place of a layer with a kernel of this shape.

    >>> get_fans((16, 8, 3, 3))
    (72, 144)
    """
    return compute_fans_keras2(shape, "channels_first" if dim_ordering == "th" else "channels_last")


def get(identifier: Any, **_: Any) -> Any:
    """The function of a name; functions are returned as they are.

    >>> get("one")((2,)).numpy().tolist()
    [1.0, 1.0]
    """
    if not isinstance(identifier, str):
        return identifier
    return globals()[identifier] if identifier in __all__ else _function(identifier)

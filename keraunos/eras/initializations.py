"""``keras.initializations`` of era 1: functions of a shape that return a Variable, with that era's distributions."""

from collections.abc import Callable, Sequence
from typing import Any

from keraunos.core.registry import TABLES
from keraunos.core.variable import Variable
from keraunos.eras import fans
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
    own: str, arguments: dict[str, Any], shape: Sequence[int], name: str | None, dim_ordering: str = "th"
) -> Variable:
    from keraunos import initializers

    with spelling.in_era(1), fans.seen_as(fans.as_given(dim_ordering)):
        member = TABLES["initializers"].lookup(own)
        initializer = member(**arguments) if isinstance(member, type) else initializers.get(own)
        return Variable(initializer(tuple(shape)), name=name)


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
get_fans = fans.fans_keras1


def get(identifier: Any, **_: Any) -> Any:
    """The function of a name; functions are returned as they are.

    >>> get("one")((2,)).numpy().tolist()
    [1.0, 1.0]
    """
    if not isinstance(identifier, str):
        return identifier
    return globals()[identifier] if identifier in __all__ else _function(identifier)

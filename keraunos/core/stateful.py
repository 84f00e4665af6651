"""What layers, metrics and optimizers share: a name, Variables, and parts that have Variables.

Variables and parts are found when asked for, by walking the attributes (and
lists, tuples and dicts in them). So nothing depends on when or in which order
attributes were set.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from keraunos.core.fields import Configurable
from keraunos.core.variable import Variable
from keraunos.utils.errors import UsageError


class Stateful(Configurable):
    """An object with a name that holds Variables, itself or through parts."""

    # Attributes that refer to Variables of others, or to none.
    _not_parts: ClassVar[frozenset[str]] = frozenset()

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Each Variable and each Stateful that an attribute holds, with the attribute's name."""
        seen: set[int] = {id(self)}
        for attribute, value in list(vars(self).items()):
            if attribute not in self._not_parts:
                for found in _stateful_leaves(value):
                    if id(found) not in seen:
                        seen.add(id(found))
                        yield attribute, found

    def named_variables(self, prefix: str = "", _seen: set[int] | None = None) -> dict[str, Variable]:
        """Every Variable under its path, such as ``dense_1/kernel``; own ones first.

        Sets each Variable's ``path``. Two different Variables under one path
        are refused.
        """
        seen = set() if _seen is None else _seen
        named: dict[str, Variable] = {}
        parts = [part for _, part in self.parts()]
        own = [part for part in parts if isinstance(part, Variable)]
        for variable in sorted(own, key=lambda variable: not variable.trainable):
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            path = f"{prefix}{variable.name}"
            if path in named:
                raise UsageError(f"two Variables have the path {path!r}. Give the weights of a layer different names.")
            variable.path = path
            named[path] = variable
        for part in parts:
            if isinstance(part, Variable) or id(part) in seen or not self._walks(part):
                continue
            seen.add(id(part))
            for path, variable in part.named_variables(f"{prefix}{part.name}/", seen).items():
                if path in named:
                    raise UsageError(
                        f"two Variables have the path {path!r}: two layers of {self.name!r} are called "  # type: ignore[attr-defined]
                        f"{path.split('/')[-2]!r}. Give each layer a name of its own."
                    )
                named[path] = variable
        return named

    def _walks(self, part: "Stateful") -> bool:
        """Whether a part's Variables count as this object's."""
        return isinstance(part, Stateful)


def _stateful_leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (Variable, Stateful)):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _stateful_leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _stateful_leaves(item)

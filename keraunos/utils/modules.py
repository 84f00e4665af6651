"""What a public module shows of itself: its public names, and not what it is made with; and what it says of others."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from keraunos.utils.absent import absence
from keraunos.utils.text import suggestion


def offer(module: str, find: Callable[[str], Any] | None = None) -> None:
    """Let ``dir`` and completion offer the names in a module's ``__all__`` and no others.

    Type checkers see nothing of this; what they know of a module is what stands in it.

    Args:
        module: Full name of the module.
        find: Function that looks up a name when it is first used; it returns ``None`` for one that is not there.

    Raises:
        AttributeError: Later, for a name that is not there; it says which may be meant.

    >>> import keraunos.config
    >>> dir(keraunos.config)[3:5]
    ['epsilon', 'floatx']
    """
    here = vars(sys.modules[module])
    here["__dir__"] = lambda: sorted(here["__all__"])

    def get(name: str) -> Any:
        value = None if find is None or name.startswith("__") else find(name)
        if value is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}.{_hint(module, name, here['__all__'])}")
        return value

    here["__getattr__"] = get


def _hint(module: str, name: str, public: Iterable[str]) -> str:
    if name.startswith("__"):
        return ""
    return absence(module.partition(".")[2], name) or suggestion(name, public, whole=False)

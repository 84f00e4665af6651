"""What a public module shows of itself: its public names, and not what it is made with."""

import sys
from collections.abc import Callable
from typing import Any


def offer(module: str, find: Callable[[str], Any] | None = None) -> None:
    """Let ``dir`` and completion offer the names in a module's ``__all__`` and no others.

    Type checkers see nothing of this; what they know of a module is what stands in it.

    Args:
        module: Full name of the module.
        find: Its ``__getattr__``, for names that are looked up when they are first used.

    >>> import keraunos.config
    >>> dir(keraunos.config)[:3]
    ['dtype_policy', 'epsilon', 'floatx']
    """
    here = vars(sys.modules[module])
    here["__dir__"] = lambda: sorted(here["__all__"])
    if find is not None:
        here["__getattr__"] = find

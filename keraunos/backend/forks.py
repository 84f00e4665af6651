"""A process that is forked from one that computes: its engine has lost its threads, and says so instead of waiting for them."""

import atexit
import contextlib
import os
import sys
import warnings
from typing import Any, NoReturn

from keraunos.utils.errors import UsageError, warn

__all__ = ["watch"]

_WAY_OUT = (
    "Start processes that compute by multiprocessing.get_context('spawn') (or set_start_method('spawn') at the beginning "
    "of the program), or fork before anything is computed and build the model in each process."
)
_watched: list[list[Any]] = []
_said: list[bool] = []


def watch(active: list[Any]) -> None:
    """See to forks from now on.

    Args:
        active: The engines in use; in a forked process they are replaced.
    """
    if hasattr(os, "register_at_fork") and not _watched:
        os.register_at_fork(before=_tell, after_in_child=_replace)
        # JAX says so at every fork, of commands too, and names no way out.
        warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
        _watched.append(active)


def _tell() -> None:
    # A command that is run is no process that computes, though Python may fork to start it.
    if not _said and sys._getframe(1).f_globals.get("__name__") not in ("subprocess", "pty"):
        _said.append(True)
        warn(
            f"this process is forked after keraunos has computed in it: models cannot compute in the new process. {_WAY_OUT}",
            RuntimeWarning,
        )


def _replace() -> None:
    for active in _watched:
        active[:] = [engine if isinstance(engine, _Lost) else _Lost(engine) for engine in active]
    atexit.register(_leave, getattr(sys, "last_value", None), _remembered_exit())


def _remembered_exit() -> list[Any]:
    """The status that ``sys.exit`` was given, in a list: at the end of a process nobody else knows it."""
    status: list[Any] = []
    leave = sys.exit

    def remembering(code: Any = None, /) -> NoReturn:
        status.append(code)
        leave(code)

    sys.exit = remembering
    return status


def _leave(before: Any, status: list[Any]) -> None:
    """End the process at once: the libraries' own ways to end wait for threads that are not here, or abort."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    failed = getattr(sys, "last_value", None) is not before
    code = status[-1] if status and not failed else int(failed)
    os._exit(code if isinstance(code, int) else int(code is not None))


_WITHOUT_THREADS = (
    "name",
    "to_numpy",
    "is_tensor",
    "shape",
    "dtype",
    "ndim",
    "size",
    "give_method",
    "options_left_out",
)


class _Lost:
    """Stands for an engine in a forked process; what needs no thread is still done.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        if name in _WITHOUT_THREADS:
            return getattr(self._engine, name)
        raise UsageError(
            f"this process was forked from one in which keraunos had computed, so it cannot compute ({name}): the threads "
            f"that did it are not here, and it would wait for them forever. {_WAY_OUT}"
        )

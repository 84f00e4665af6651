"""The exception tree.

::

    KeraunosError
    ├── ArgumentError      (ValueError)    an argument has a wrong value or type
    │   ├── ShapeError                     two shapes do not fit together
    │   └── UnknownNameError               a name is in no table; carries a suggestion
    ├── DataError          (ValueError)    the data given to fit, evaluate or predict
    ├── ModelFileError     (ValueError)    a file is truncated, corrupted, hostile or not ours
    ├── DownloadError      (OSError)       a file cannot be fetched, or is not the one expected
    ├── WriteError         (OSError)       a file cannot be written: a full disk, a folder of others
    └── UsageError         (RuntimeError)  a right call at a wrong time
        ├── NotBuiltError                  weights are asked for before they exist
        ├── NotCompiledError               fit or evaluate before compile
        ├── ScopeError                     a trace reads or writes what it must not
        └── TracedValueError (TypeError)   a trace asks for the value of a tensor that has none yet

Every message says what was given, what was expected and what to do.
"""

import sys
import warnings


class KeraunosError(Exception):
    """Base of every error that Keraunos raises on purpose."""


class ArgumentError(KeraunosError, ValueError):
    """An argument has a wrong value or type."""


class ShapeError(ArgumentError):
    """Two shapes do not fit together."""


class UnknownNameError(ArgumentError):
    """A name is in no table."""


class DataError(KeraunosError, ValueError):
    """The data given to ``fit``, ``evaluate`` or ``predict`` cannot be used."""


class ModelFileError(KeraunosError, ValueError):
    """A model or weights file is truncated, corrupted, hostile or not ours."""


class DownloadError(KeraunosError, OSError):
    """A file cannot be fetched, or what came is not the file expected."""


class WriteError(KeraunosError, OSError):
    """A file cannot be written; ``errno`` says why."""


class UsageError(KeraunosError, RuntimeError):
    """A right call at a wrong time."""


class NotBuiltError(UsageError):
    """Weights are asked for before they exist."""


class NotCompiledError(UsageError):
    """``fit``, ``evaluate`` or a batch method was called before ``compile``."""


class ScopeError(UsageError):
    """A trace reads or writes a Variable that it must not."""


class TracedValueError(UsageError, TypeError):
    """Code that is being compiled asks for the value of a tensor, which comes only when it runs."""


# Whose frames stand between a user's line and ours where a warning is said inside of a trace or a thread.
_BETWEEN = frozenset({"keraunos", "jax", "jaxlib", "contextlib", "functools", "threading", "concurrent"})


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Say a warning of the user's own line that led here, wherever in the library it is noticed."""
    level, frame = 1, sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(message, category, stacklevel=level)

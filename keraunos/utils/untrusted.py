"""What comes out of a file that nobody vouches for: one guard around every reader, and bounds on what a file may cost.

The guard turns whatever a parser throws into one kind of error. The bounds are
far above what honest files need for their size; who has such a file, and
trusts it, raises them for a while with ``file_limits``.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any

from keraunos.utils.errors import ArgumentError, KeraunosError, ModelFileError
from keraunos.utils.text import suggestion

__all__ = ["FileLimits", "file_limits", "guarded", "limits", "shortened"]

_LONGEST_MESSAGE = 2000


@dataclasses.dataclass(frozen=True)
class FileLimits:
    """How much a file may ask for.

    Attributes:
        config_bytes: Bytes of a config's text.
        config_values: Numbers, texts, lists and dicts in a config.
        layers: Layers of a model, the inner ones included.
        calls: Calls of layers that must be traced to learn their shapes; one more for each 600 bytes of the file.
        weights: Numbers in all weights of a model that is made of a config alone. They take memory once they are read.
        expansion: Bytes that one byte of the file may unpack to, above ``expansion_floor``.
        expansion_floor: Bytes that any file may unpack to.
    """

    config_bytes: int = 1 << 24
    config_values: int = 500_000
    layers: int = 10_000
    calls: int = 1200
    weights: int = 1 << 30
    expansion: int = 32
    expansion_floor: int = 1 << 25

    def unpacked(self, stored: int) -> int:
        """Bytes to which a file of ``stored`` bytes may unpack."""
        return self.expansion_floor + self.expansion * stored


_USUAL = FileLimits()
_limits: contextvars.ContextVar[FileLimits] = contextvars.ContextVar("file_limits", default=_USUAL)


def limits() -> FileLimits:
    """The bounds that hold here."""
    return _limits.get()


@contextlib.contextmanager
def file_limits(**changed: int) -> Iterator[FileLimits]:
    """Inside a ``with`` block, other bounds hold for what is read from files.

    Args:
        **changed: Fields of ``FileLimits`` with their new values.

    Raises:
        ArgumentError: There is no such bound, or it is no positive whole number.

    >>> with file_limits(layers=100_000) as bounds:
    ...     bounds.layers
    100000
    """
    known = {field.name for field in dataclasses.fields(FileLimits)}
    for name, value in changed.items():
        if name not in known:
            raise ArgumentError(f"file_limits: there is no bound called {name!r}.{suggestion(name, known)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"file_limits: {name} is {value!r}; expected a positive whole number.")
    token = _limits.set(dataclasses.replace(_limits.get(), **changed))
    try:
        yield _limits.get()
    finally:
        _limits.reset(token)


def advice(name: str) -> str:
    """How to raise a bound, for the end of a message."""
    return f"If you trust the file, raise the bound: with keraunos.saving.file_limits({name}=...): ..."


@contextlib.contextmanager
def guarded(what: str, remedy: str = "", error: type[KeraunosError] = ModelFileError) -> Iterator[None]:
    """Let whatever a reader raises be an ``error``; interruptions and warnings pass.

    Args:
        what: Beginning of the message, such as the name of the file and what is wrong with it.
        remedy: What to do about it.
        error: Class of the error. What is one already passes as it is.
    """
    try:
        yield
    except (error, Warning):
        raise
    except Exception as caught:
        said = shortened(reason(caught))
        raise error(f"{what} ({said}). {remedy}" if remedy else f"{what}: {said}") from caught


def reason(caught: BaseException) -> str:
    """What an exception says, with its class where that is not ours."""
    said = str(caught)
    if isinstance(caught, KeraunosError):
        return said
    return f"{type(caught).__name__}: {said}" if said else type(caught).__name__


def shortened(text: Any, longest: int = _LONGEST_MESSAGE) -> str:
    """A text, cut where it is long, that can be printed anywhere."""
    text = str(text)
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

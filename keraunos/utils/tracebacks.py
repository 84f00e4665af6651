"""What a user sees of an error: their own lines, and which layer, loss, metric or callback was at work.

A public function ends with ``except BaseException as error: tidy(error); raise``. The bare ``raise`` goes on with the
traceback that ``tidy`` has left, from which even that function's own frame is gone. On success this costs nothing.
Functions at which an error can be told say how with ``told``: they are found again among the frames of the traceback.
"""

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

from keraunos.utils.config import is_traceback_filtering_enabled
from keraunos.utils.errors import KeraunosError

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

# Packages whose frames say nothing about the user's code; and those that say nothing where the first ones call them.
_OURS = frozenset({"keraunos", "jax", "jaxlib"})
_HELPERS = frozenset({"numpy", "h5py", "optax", "opt_einsum", "scipy", "yaml", "rich"})
_STANDARD = os.path.dirname(os.__file__) + os.sep

_describers: dict[CodeType, Callable[[Mapping[str, Any]], tuple[str, str] | None]] = {}
_openers: set[CodeType] = set()
_FROM_SIZE = 20  # smaller ones stand in shapes for themselves too often


def told(describe: Callable[[Mapping[str, Any]], tuple[str, str] | None]) -> Callable[[F], F]:
    """Decorator of a function whose errors are told with what it was doing; the function itself stays as it is.

    Args:
        describe: Function of the names in the function's frame: what was at work, and what it was given, as two phrases
            such as ``"the layer 'dense'"`` and ``", given (2, 3) float32"``.
    """

    def remember(function: F) -> F:
        _describers[function.__code__] = describe  # type: ignore[attr-defined]
        return function

    return remember


def with_open_size(function: F) -> F:
    """Decorator of a function whose argument ``size`` stands for sizes that are open, which messages call ``None``."""
    _openers.add(function.__code__)  # type: ignore[attr-defined]
    return function


def entrance(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator of a public function that is not called often: of its errors a user sees their own lines."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            tidy(error)
            raise

    return call


def tidy(error: BaseException) -> None:
    """Say with an error what was at work, and take the frames that are not the user's out of its traceback.

    To be called where the error was caught, before a bare ``raise``. Inside a call of the library nothing is done: that is
    left to the function that the user called, which can tell more.
    """
    if _inside(sys._getframe(2)):
        return
    frames = list(_frames(error.__traceback__))
    if isinstance(error, Exception) and not _in_doctest():
        _tell(error, frames)
    if is_traceback_filtering_enabled():
        _hide(error, set())


# --- telling ---------------------------------------------------------------------------


def _tell(error: Exception, frames: list[FrameType]) -> None:
    size = next((f.f_locals.get("size") for f in frames if f.f_code in _openers), None)
    size = size if isinstance(size, int) and size >= _FROM_SIZE else None
    places: list[tuple[str, str]] = []
    for frame in frames:
        describe = _describers.get(frame.f_code)
        place = describe(frame.f_locals) if describe is not None else None
        if place is not None:
            places = [known for known in places if known[0] != place[0]] + [place]
    # What was raised by the library, or JAX, shows the sizes that stand for open ones.
    if size is not None and frames and _is_ours(frames[-1]) and len(error.args) == 1 and type(error.args[0]) is str:
        error.args = (_opened(error.args[0], size),)
    if not places or getattr(error, "_keraunos_told", False):
        return
    (what, given), *around = reversed(places)
    text = f"In {what}{given}{''.join(f', inside {outer}' for outer, _ in around)}."
    text = text if size is None else _opened(text, size)
    try:
        error._keraunos_told = True  # type: ignore[attr-defined]
    except AttributeError:  # a class that lets nothing be added
        return
    if not isinstance(error, KeraunosError):
        error.add_note(text)
    elif len(error.args) == 1 and not any(name in str(error) for name in re.findall(r"'(\w+)'", what)):
        error.args = (f"{error.args[0]} {text}",)


def _opened(text: str, size: int) -> str:
    return re.sub(rf"(?<![\w.]){size}(?![\w.])", "None", text)


def _inside(frame: FrameType | None) -> bool:
    """Whether a frame, or one around it in the user's program, is the library's."""
    while frame is not None and frame.f_code.co_name != "<module>":  # whoever runs the program does not count
        if _package(frame) == "keraunos":
            return True
        frame = frame.f_back
    return False


def _in_doctest() -> bool:
    """Whether a doctest is running: it compares all that is said with an error."""
    if "doctest" not in sys.modules:
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "doctest":
            return True
        frame = frame.f_back
    return False


# --- hiding ----------------------------------------------------------------------------


def _hide(error: BaseException, seen: set[int]) -> None:
    seen.add(id(error))
    error.__traceback__ = _visible(error.__traceback__, raised_here=isinstance(error, KeraunosError))
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [note for note in notes if "JAX has removed its internal frames" not in note]
    for name in ("__cause__", "__context__"):
        earlier = getattr(error, name)
        if earlier is None:
            continue
        if id(earlier) not in seen:
            _hide(earlier, seen)
        if earlier.__traceback__ is None or type(earlier).__name__ == "JaxStackTraceBeforeTransformation":
            suppressed = error.__suppress_context__  # to set a cause would set this too
            setattr(error, name, None)  # it happened inside, and was dealt with there
            error.__suppress_context__ = suppressed and name == "__context__"


def _visible(traceback: TracebackType | None, *, raised_here: bool) -> TracebackType | None:
    """A traceback without the frames of the library, of JAX, and of what these call.

    It ends with the user's line where the library or JAX raised the error, even if NumPy stands between.
    """
    kept: list[TracebackType] = []
    hidden = True
    while traceback is not None:
        frame = traceback.tb_frame
        hidden = _is_ours(frame) or (hidden and _is_helper(frame))
        if not hidden:
            kept.append(traceback)
        raised_here = raised_here or (traceback.tb_next is None and _is_ours(frame))
        traceback = traceback.tb_next
    while raised_here and kept and _is_helper(kept[-1].tb_frame):
        kept.pop()
    following: TracebackType | None = None
    for part in reversed(kept):
        following = TracebackType(following, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return following


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_ours(frame: FrameType) -> bool:
    return _package(frame) in _OURS


def _is_helper(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    standard = file.startswith((_STANDARD, "<frozen ")) and "site-packages" not in file
    return standard or _package(frame) in _HELPERS

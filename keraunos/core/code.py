"""Python functions as code in a config: written where an era did so, and run only where the caller asks.

A file is data: code in it is refused. A function that this very program wrote
is found again by its code, and no code of the file is run for that.
"""

import base64
import binascii
import contextlib
import contextvars
import json
import marshal
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

from keraunos.core.fields import plain
from keraunos.utils.errors import ModelFileError

NAME = "__lambda__"
_trusted: contextvars.ContextVar[bool] = contextvars.ContextVar("trusted_code", default=False)
# Functions that were written, by what was written; ``None`` where two different ones look the same.
_written: dict[str, Callable[..., Any] | None] = {}


@contextlib.contextmanager
def trusting(trusted: bool) -> Iterator[None]:
    """Whether code in files may be run inside a ``with`` block."""
    token = _trusted.set(trusted)
    try:
        yield
    finally:
        _trusted.reset(token)


def is_trusted() -> bool:
    """Whether the caller asked for code in files to be run."""
    return _trusted.get()


def write(function: Any) -> dict[str, Any]:
    """Config of a Python function, with its code; ``read`` finds it again in this program.

    >>> double = lambda x: 2 * x
    >>> read(write(double)) is double
    True
    """
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    parts = {
        "code": base64.b64encode(marshal.dumps(function.__code__)).decode("ascii"),
        "defaults": [_plain(value) for value in function.__defaults__ or ()] or None,
        "closure": [_plain(value) for value in cells] or None,
    }
    config = {"class_name": NAME, "config": parts}
    key = json.dumps(parts, sort_keys=True)
    known = _written.setdefault(key, function)
    if known is not None and known is not function and not _alike(known, function):
        _written[key] = None
    return config


def read(config: Any) -> Callable[..., Any] | None:
    """Function of a config if this program wrote it, else ``None``."""
    try:
        return _written.get(json.dumps(_parts(config), sort_keys=True))
    except (TypeError, ValueError):
        return None


def run(config: Any, names: Mapping[str, Any], file: str) -> Callable[..., Any]:
    """Function made from the code of a config, which the caller has asked for.

    Args:
        config: What ``write`` returned, here or in any release of Keras.
        names: Global names that the function sees.
        file: What messages call the file.

    Raises:
        ModelFileError: The code is damaged, or was compiled by another version of Python.
    """
    parts = _parts(config)
    try:
        code = marshal.loads(base64.b64decode("".join(str(parts["code"]).split()), validate=True))
        if not isinstance(code, CodeType):
            raise TypeError(f"a {type(code).__name__}")
        defaults = tuple(_back(value) for value in parts.get("defaults") or ())
        cells = tuple(CellType(_back(value)) for value in parts.get("closure") or ())
        return FunctionType(
            code, {"__builtins__": __builtins__, **names}, code.co_name, defaults or None, cells or None
        )
    except (binascii.Error, ValueError, TypeError, EOFError, KeyError, SystemError, MemoryError) as error:
        raise ModelFileError(
            f"{file}: the code of a function cannot be used ({error}). Code is good only for the version of Python that "
            "compiled it: pass the function by custom_objects instead."
        ) from None


def _parts(config: Any) -> dict[str, Any]:
    """Code, defaults and closure in any of the forms in which they were written."""
    if isinstance(config, (list, tuple)):
        config = dict(zip(("code", "defaults", "closure"), config, strict=False))
    elif isinstance(config, Mapping) and "class_name" in config:
        config = config.get("config")
    parts = dict(config) if isinstance(config, Mapping) else {}
    code = parts.get("code", parts.get("value"))
    return {"code": code, "defaults": parts.get("defaults"), "closure": parts.get("closure")}


def _plain(value: Any) -> Any:
    """A value as JSON can hold it, or what stands for it where it cannot."""
    value = plain(value)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return {"class_name": type(value).__name__, "config": getattr(value, "__name__", None)}
    return value


def _back(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _alike(one: Any, other: Any) -> bool:
    """Whether functions of the same text keep the same objects."""

    def kept(function: Any) -> list[Any]:
        return [*(function.__defaults__ or ()), *(cell.cell_contents for cell in function.__closure__ or ())]

    same_globals = one.__globals__ is other.__globals__
    return same_globals and all(
        a is b or _plain(a) == _plain(b) != _stand_in(a) for a, b in zip(kept(one), kept(other), strict=True)
    )


def _stand_in(value: Any) -> Any:
    return {"class_name": type(value).__name__, "config": getattr(value, "__name__", None)}

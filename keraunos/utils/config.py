"""The few settings that hold everywhere: float type, epsilon, image layout, home folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import suggestion

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_LAYOUTS = ("channels_last", "channels_first")
_listeners: list[Callable[[str], None]] = []
_frame_listeners: list[Callable[[bool], None]] = []
_settings: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "traceback_filtering": os.environ.get("KERAUNOS_TRACEBACK_FILTERING", "1").lower() not in ("0", "off", "false"),
}


def floatx() -> str:
    """The default float type.

    >>> floatx()
    'float32'
    """
    return str(_settings["floatx"])


def set_floatx(value: str) -> None:
    """Set the default float type: float16, bfloat16, float32 or float64."""
    if value not in _FLOATS:
        raise ArgumentError(f"floatx is {value!r}; expected one of {', '.join(_FLOATS)}.{suggestion(value, _FLOATS)}")
    _settings["floatx"] = value
    for listener in _listeners:
        listener(value)


def follow_floatx(listener: Callable[[str], None]) -> None:
    """Have a function called with the default float type, now and whenever it is set."""
    _listeners.append(listener)
    listener(floatx())


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite.

    >>> epsilon()
    1e-07
    """
    return float(_settings["epsilon"])


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisions and logarithms finite."""
    if not float(value) > 0:
        raise ArgumentError(f"epsilon is {value!r}; expected a positive number.")
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """The default image layout, ``"channels_last"`` or ``"channels_first"``.

    >>> image_data_format()
    'channels_last'
    """
    return str(_settings["image_data_format"])


def set_image_data_format(data_format: str) -> None:
    """Set the default image layout."""
    if data_format not in _LAYOUTS:
        raise ArgumentError(f"image_data_format is {data_format!r}; expected one of {', '.join(_LAYOUTS)}.")
    _settings["image_data_format"] = data_format


def is_traceback_filtering_enabled() -> bool:
    """Whether tracebacks leave out the frames of this library and of JAX.

    >>> enable_traceback_filtering()
    >>> is_traceback_filtering_enabled()
    True
    """
    return bool(_settings["traceback_filtering"])


def enable_traceback_filtering() -> None:
    """Let tracebacks leave out the frames of this library and of JAX, so that the user's own lines stand together.

    It is so unless the environment says ``KERAUNOS_TRACEBACK_FILTERING=0``.
    """
    _filter_tracebacks(True)


def disable_traceback_filtering() -> None:
    """Let tracebacks show every frame, as for a report of a fault in this library."""
    _filter_tracebacks(False)


def _filter_tracebacks(value: bool) -> None:
    _settings["traceback_filtering"] = value
    for listener in _frame_listeners:
        listener(value)


def follow_traceback_filtering(listener: Callable[[bool], None]) -> None:
    """Have a function called with whether tracebacks are filtered: whenever that is set, and now if they are not."""
    _frame_listeners.append(listener)
    if not is_traceback_filtering_enabled():
        listener(False)


def home() -> Path:
    """The folder for data sets and caches: ``KERAUNOS_HOME``, else ``~/.keraunos``."""
    return Path(os.environ.get("KERAUNOS_HOME") or Path.home() / ".keraunos")

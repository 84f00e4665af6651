"""What a person has set for Keras 1 and 2: the file ``keras.json``, and the variable ``KERAS_BACKEND``."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from keraunos import config
from keraunos.utils import spelling
from keraunos.utils.errors import KeraunosError

__all__ = ["forget", "library", "take"]

_LAYOUTS = {"tf": "channels_last", "th": "channels_first"}
_TAKEN = ("floatx", "epsilon", "image_data_format")
_library: list[str] = []
_before: dict[str, Any] = {}


def library() -> str:
    """The library that eras 1 and 2 are to compute like: ``"theano"`` or ``"cntk"`` if asked for, else TensorFlow.

    >>> library()
    'tensorflow'
    """
    asked = os.environ.get("KERAS_BACKEND") or "".join(_library)
    return asked if asked in ("theano", "cntk") else "tensorflow"


def take() -> None:
    """Let the settings of ``keras.json`` hold, as ``import keras`` did in the active era; Keras 3's do not.

    The file is looked for in ``KERAS_HOME``, else in ``~/.keras``. Each era reads its own word for the image layout.
    """
    forget()
    if not spelling.chosen():
        return
    found = _content()
    if spelling.era() == 1:
        found["image_data_format"] = _LAYOUTS.get(str(found.get("image_dim_ordering")))
    _library[:] = [str(found.get("backend"))]
    for name in _TAKEN:
        before = getattr(config, name)()
        with contextlib.suppress(KeraunosError, TypeError, ValueError):
            if found.get(name) not in (None, before):
                getattr(config, f"set_{name}")(found[name])
                _before[name] = before
    told = {name: getattr(config, name)() for name in _before}
    if library() != "tensorflow":
        told["backend"] = library()
    if told:
        spelling.note(f"settings for Keras hold: {', '.join(f'{name}={value!r}' for name, value in told.items())}")


def forget() -> None:
    """Put back what held before ``take``."""
    for name, value in _before.items():
        getattr(config, f"set_{name}")(value)
    _before.clear()
    _library.clear()


def _content() -> dict[str, Any]:
    file = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a file that cannot be read was passed over in eras 1 and 2, too
        return {}
    return dict(found) if isinstance(found, dict) else {}

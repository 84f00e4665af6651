"""A tree of arrays and plain values in one ``.npz`` file, without pickle: what a backup is written as."""

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from keraunos.utils.errors import ArgumentError, ModelFileError
from keraunos.utils.writing import write_file

_FORM = "form.json"


def write_state(path: str | os.PathLike[str], state: Any) -> None:
    """Write nested dicts, lists and tuples of arrays, numbers and texts; the file is replaced whole.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> write_state(path, {"weights": [np.arange(3)], "epoch": 2})
    >>> read_state(path)
    {'weights': [array([0, 1, 2])], 'epoch': 2}
    """
    arrays: list[np.ndarray] = []
    form = json.dumps(_form(state, arrays, "the state")).encode()
    named = {_FORM: np.frombuffer(form, np.uint8), **{str(number): array for number, array in enumerate(arrays)}}
    write_file(path, lambda file: np.savez(file, **named))  # type: ignore[arg-type]


def read_state(path: str | os.PathLike[str]) -> Any:
    """What ``write_state`` wrote.

    Raises:
        ModelFileError: The file is damaged or was not written by ``write_state``.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return _value(json.loads(file[_FORM].tobytes()), file)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelFileError(
            f"{os.fspath(path)} is damaged, or was not written by Keraunos ({error}). Delete it to begin anew."
        ) from error


def _form(value: Any, arrays: list[np.ndarray], where: str) -> Any:
    """The tree as JSON, in which ``{"array": n}`` stands for the array of that number."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {"dict": {str(key): _form(item, arrays, f"{where}[{key!r}]") for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_form(item, arrays, f"{where}[{index}]") for index, item in enumerate(value)]}
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise ArgumentError(f"{where} is a {type(value).__name__}; a backup holds arrays, numbers and texts only.")
    arrays.append(array)
    return {"array": len(arrays) - 1, "dtype": array.dtype.name}


def _value(form: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(form, dict):
        return form
    if "dict" in form:
        return {key: _value(item, arrays) for key, item in form["dict"].items()}
    if "array" in form:
        array = arrays[str(form["array"])]
        # bfloat16 and its kin come back from a file as nameless bytes.
        return array.view(_dtype(form["dtype"])) if array.dtype.kind == "V" else array
    items = [_value(item, arrays) for item in form["list" if "list" in form else "tuple"]]
    return items if "list" in form else tuple(items)


def _dtype(name: str) -> np.dtype:
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name))

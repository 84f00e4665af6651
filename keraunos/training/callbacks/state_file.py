"""A tree of arrays and plain values in one ``.npz`` file, without pickle: what a backup is written as."""

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keraunos.utils.errors import ArgumentError
from keraunos.utils.npz import bounded_zip, read_header, read_numbers
from keraunos.utils.untrusted import advice, guarded, limits
from keraunos.utils.writing import atomic_write

_FORM = "form.json"


def write_state(path: Path, state: Any, previous: Path | None = None) -> None:
    """Write nested dicts, lists and tuples of arrays, numbers and texts; the file is replaced whole.

    Args:
        path: The file.
        state: What to write.
        previous: File to which an older one is moved, once the new one is complete.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.npz"
    >>> write_state(path, {"weights": [np.arange(3)], "epoch": 2})
    >>> read_state(path)
    {'weights': [array([0, 1, 2])], 'epoch': 2}
    """
    arrays: list[np.ndarray] = []
    form = json.dumps(_form(state, arrays, "the state")).encode()
    named = {_FORM: np.frombuffer(form, np.uint8), **{str(number): array for number, array in enumerate(arrays)}}
    with atomic_write(path) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, **named)  # type: ignore[arg-type]
        if previous is not None and path.exists():
            os.replace(path, previous)


def read_state(path: str | os.PathLike[str]) -> Any:
    """What ``write_state`` wrote.

    Raises:
        ModelFileError: The file is damaged or was not written by ``write_state``.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}.")
    damaged = (f"{os.fspath(path)} is damaged, or was not written by Keraunos", "Delete it to begin anew.")
    with guarded(*damaged), bounded_zip(path) as (archive, members):
        form = _read(archive, members.pop(_FORM)).tobytes()
        if sum(form.count(mark) for mark in (b"{", b"[", b",")) > limits().config_values:
            raise ValueError(f"it is of more than {limits().config_values} values. {advice('config_values')}")
        return _value(json.loads(form), archive, members)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return read_numbers(file, *read_header(file))


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


def _value(form: Any, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Any:
    if not isinstance(form, dict):
        return form
    if "dict" in form:
        return {key: _value(item, archive, members) for key, item in form["dict"].items()}
    if "array" in form:
        array = _read(archive, members.pop(str(form["array"])))  # Each stands in one place.
        # bfloat16 and its kin come back from a file as nameless bytes.
        return array.view(_dtype(form["dtype"])) if array.dtype.kind == "V" else array
    items = [_value(item, archive, members) for item in form["list" if "list" in form else "tuple"]]
    return items if "list" in form else tuple(items)


def _dtype(name: Any) -> np.dtype:
    import ml_dtypes

    if not re.fullmatch(r"bfloat16|float\d+_\w+|u?int[24]", name):
        raise ValueError(f"numbers of the type {name!r:.80}")
    return np.dtype(getattr(ml_dtypes, name))

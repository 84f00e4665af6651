"""HDF5 files as data, as Keras 1 and 2 offered them: one array read piece by piece, and a file used as a dictionary."""

import io
import itertools
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from keraunos.eras.files import ask_to_proceed_with_overwrite
from keraunos.utils.errors import ArgumentError, UsageError
from keraunos.utils.writing import write_file

__all__ = ["H5Dict", "HDF5Matrix", "ask_to_proceed_with_overwrite", "h5dict", "load_array", "save_array"]


class HDF5Matrix:
    """Rows ``start`` to ``end`` of a data set in a file, read when they are asked for.

    ``fit`` takes it with ``shuffle="batch"`` or without shuffling, ``evaluate`` and ``predict`` as it is.

    Args:
        datapath: The file.
        dataset: Name of the data set in it.
        start: First row.
        end: Row after the last; all that are left if not given.
        normalizer: From the rows read to those returned.
    """

    refs: ClassVar[dict[str, Any]] = {}
    reads_rows = True  # fit, evaluate and predict take it for an array

    def __init__(
        self,
        datapath: Any,
        dataset: str,
        start: int = 0,
        end: int | None = None,
        normalizer: Callable[[Any], Any] | None = None,
    ) -> None:
        path = os.fspath(datapath)
        if path not in self.refs:
            self.refs[path] = h5py.File(path, "r")
        self.data = self.refs[path][dataset]
        self.start = start
        self.end = self.data.shape[0] if end is None else end
        self.normalizer = normalizer
        first = self._normalized(self.data[0:1])
        self._row_shape, self._dtype = first.shape[1:], first.dtype

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            first, last = key.start or 0, len(self) if key.stop is None else key.stop
            self._check(last - 1)
            return self._normalized(self.data[first + self.start : last + self.start])
        if isinstance(key, (int, np.integer)):
            self._check(int(key))
            return self._normalized(self.data[int(key) + self.start])
        if not np.iterable(key):
            raise TypeError(f"rows of an HDF5Matrix are numbers, slices or lists of numbers, and not {key!r}.")
        rows = np.asarray(list(key), dtype=int)
        self._check(int(rows.max(initial=0)))
        # HDF5 reads rows in the order of the file, each once.
        chosen, places = np.unique(rows, return_inverse=True)
        return self._normalized(self.data[(chosen + self.start).tolist()][places])

    def _check(self, row: int) -> None:
        if not row + self.start < self.end:
            raise IndexError(f"row {row} of an HDF5Matrix of {len(self)} rows")

    def _normalized(self, rows: Any) -> Any:
        return rows if self.normalizer is None else self.normalizer(rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the shape of one as it is returned."""
        return (len(self), *self._row_shape)

    @property
    def dtype(self) -> Any:
        """Type of the rows as they are returned."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of numbers."""
        return int(np.prod(self.shape))


class H5Dict:
    """An HDF5 file, one of its groups, or a dictionary, all used as a dictionary of arrays, texts and groups.

    Asking for a name that is not there makes a group of it, where the file may be written.

    Args:
        path: The file, the group or the dictionary.
        mode: ``"r"``, ``"w"`` or ``"a"``.
    """

    def __init__(self, path: Any, mode: str = "a") -> None:
        self.read_only = mode == "r"
        self._is_file = isinstance(path, (str, os.PathLike))
        if self._is_file and mode == "r":
            self.data: Any = h5py.File(path, mode)
        elif self._is_file:
            self.data, self._write = _in_memory(self, os.fspath(path), mode)
        elif isinstance(path, (h5py.Group, dict)):
            self.data = path
            if isinstance(path, dict) and mode == "w":
                path.clear()
        else:
            raise ArgumentError(
                f"h5dict: path is {type(path).__name__}; expected a file name, an h5py.Group or a dict."
            )

    def __setitem__(self, name: Any, value: Any) -> None:
        if self.read_only:
            raise UsageError("h5dict: cannot set an item of what was opened for reading. Open it with mode 'w' or 'a'.")
        if isinstance(self.data, dict):
            self.data[name] = value
        elif isinstance(value, (bytes, str)) or (isinstance(value, (list, tuple)) and not _numbers(value)):
            items = [value] if isinstance(value, (bytes, str)) else list(value)
            _write_texts(self.data, str(name), items, single=isinstance(value, (bytes, str)))
        else:
            self.data[name] = np.asarray(value)

    def __getitem__(self, name: Any) -> Any:
        if isinstance(self.data, dict):
            if name not in self.data and not self.read_only:
                self.data[name] = {}
            found = self.data[name]
            return self._inner(found) if isinstance(found, dict) else found
        if name in self.data.attrs or f"{name}0" in self.data.attrs:
            return _read_texts(self.data, str(name))
        if name not in self.data:
            if self.read_only:
                raise KeyError(f"there is no {name!r} in {self.data.name!r}")
            return self._inner(self.data.create_group(name))
        found = self.data[name]
        return self._inner(found) if isinstance(found, h5py.Group) else found[()]

    def _inner(self, data: Any) -> "H5Dict":
        return H5Dict(data, mode="r" if self.read_only else "a")

    def __contains__(self, name: Any) -> bool:
        return name in self.data or (not isinstance(self.data, dict) and name in self.data.attrs)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def get(self, key: Any, default: Any = None) -> Any:
        """The item of a name, or ``default``."""
        return self[key] if key in self else default  # noqa: SIM401 - what is not there would become a group

    def update(self, *args: Any) -> None:
        """Set several items."""
        for name, value in dict(*args).items():
            self[name] = value

    def keys(self) -> Any:
        """The names."""
        return self.data.keys()

    def close(self) -> None:
        """Write all, and close the file if it was opened here."""
        if isinstance(self.data, h5py.Group):
            if self._is_file and not self.read_only:
                self._write()
            elif self._is_file:
                self.data.close()
            else:
                self.data.file.flush()

    def __enter__(self) -> "H5Dict":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _in_memory(owner: Any, path: str, mode: str) -> tuple[h5py.File, Callable[[], None]]:
    """A file that is changed in memory, and the function that writes it to the disk, once, at the latest when the
    owner is no more: where a disk is full, the HDF5 library fails again on closing, and the process with it."""
    memory = io.BytesIO(Path(path).read_bytes() if mode in ("a", "r+") and os.path.exists(path) else b"")
    file = h5py.File(memory, mode)

    def write() -> None:
        file.close()
        write_file(path, memory.getbuffer())

    return file, weakref.finalize(owner, write)


h5dict = H5Dict
_LARGEST = 64512  # bytes in a header of HDF5, which attributes share


def _numbers(values: Any) -> bool:
    return len(values) == 0 or np.asarray(values).dtype.kind in "biuf"


def _write_texts(group: Any, name: str, items: list[Any], single: bool) -> None:
    """Texts as an attribute, in several parts where one would be too large for the header."""
    if single:
        group.attrs[name] = items[0]
        return
    kept = np.asarray([item.encode("utf-8") if isinstance(item, str) else item for item in items])
    parts = -(-kept.nbytes // _LARGEST)
    for number, part in enumerate(np.array_split(kept, max(parts, 1))):
        group.attrs[name if parts <= 1 else f"{name}{number}"] = part


def _read_texts(group: Any, name: str) -> Any:
    if name in group.attrs:
        found = group.attrs[name]
        return found.tolist() if hasattr(found, "tolist") else found
    parts = itertools.takewhile(lambda part: part in group.attrs, (f"{name}{number}" for number in itertools.count()))
    return [item for part in parts for item in group.attrs[part].tolist()]


def save_array(array: Any, name: Any) -> None:
    """Write an array into an HDF5 file of its own."""
    with H5Dict(name, "w") as file:
        file["data"] = np.asarray(array)


def load_array(name: Any) -> np.ndarray:
    """Read an array that ``save_array`` wrote."""
    with h5py.File(name, "r") as file:
        return file["data"][()]

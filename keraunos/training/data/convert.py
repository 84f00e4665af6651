"""Anything that holds numbers becomes NumPy arrays, or rows that are read when they are needed.

Foreign types (pandas, polars, scipy, torch, tensorflow, h5py) are known by the
module of their class and are never imported here.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.utils.config import floatx
from keraunos.utils.errors import DataError
from keraunos.utils.text import plural

_KEPT = frozenset({"bool", "int8", "int16", "int32", "uint8", "uint16", "float16", "bfloat16", "float32"})


class Rows:
    """Rows of a memory map, HDF5 data set or sparse matrix, read a few at a time.

    Args:
        read: Function ``(start, stop)`` that reads rows.
        shape: Shape of all rows together.
        dtype: Type of what ``read`` returns; ``self.dtype`` is what becomes of it.
        name: What the data are called in messages.
    """

    def __init__(self, read: Callable[[int, int], Any], shape: Sequence[int], dtype: Any, name: str) -> None:
        self._read, self._name = read, name
        self.shape = tuple(int(size) for size in shape)
        self.dtype = number_dtype(np.dtype(dtype), name)
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` as an array."""
        return as_numbers(np.asarray(self._read(start, stop)), self._name)

    def __getitem__(self, rows: slice) -> "Rows":
        start, stop, _ = rows.indices(self.shape[0])
        shape = (max(stop - start, 0), *self.shape[1:])
        return Rows(lambda low, high: self.read(start + low, start + high), shape, self.dtype, self._name)


def to_arrays(data: Any, name: str, inputs: Sequence[str] = ()) -> Any:
    """Tree of NumPy arrays and ``Rows`` from whatever a user passes as ``x``, ``y`` or ``sample_weight``.

    A dict, tuple or list of arrays is a tree of several inputs or outputs; a
    nested list of numbers is one array. 64-bit floats become the default float
    type (never less than 32 bits here: the device casts further), 64-bit and
    unsigned 32-bit integers become int32, all other types stay, and an array
    that is already right is not copied. A Series becomes a column ``(n, 1)``.

    Args:
        data: What the user passed.
        name: What it is called in messages.
        inputs: Names of the model's inputs, where known: they decide whether a
            list holds several inputs or several rows.

    Raises:
        DataError: Something is not a number, or does not fit.

    >>> to_arrays([[0, 1], [2, 3]], "x").dtype.name
    'int32'
    """
    if data is None:
        return None
    if isinstance(data, Mapping):
        if not data:
            raise DataError(f"{name} is an empty dict. Give one array for each key.")
        known = bool(inputs) and set(inputs) <= set(data)
        return {
            key: to_arrays(value, f"{name}[{key!r}]")
            for key, value in data.items()
            if not known or key in inputs or not _is_text(value)  # words beside the inputs, such as names of the rows
        }
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes, list, tuple)) and not is_array(data):
        data = list(data)  # range, array.array, deque
    if isinstance(data, (list, tuple)):
        return _from_sequence(data, name, inputs)
    return _from_array(data, name)


def _is_text(value: Any) -> bool:
    """Whether these are words, by the first of them where no type says so."""
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    if kind != "O":
        return bool(kind in "US")
    first = next(iter(np.ravel(value[:1]) if is_array(value) else value), None) if hasattr(value, "__iter__") else None
    return isinstance(first, (str, bytes))


def is_array(data: Any) -> bool:
    """Whether ``data`` is something with rows that is no Python list: an array, tensor, frame or sparse matrix."""
    if isinstance(data, (Rows, np.ndarray)):
        return len(data.shape) > 0
    if isinstance(data, type):
        return False
    if _is_sparse(data) or _reads_rows(data):
        return True
    return hasattr(data, "__array__") and len(getattr(data, "shape", (1,))) > 0


def _reads_rows(data: Any) -> bool:
    """Whether a class says of itself that slices of its objects read rows, as of an array."""
    return getattr(type(data), "reads_rows", False) is True


def holds_arrays(data: Any) -> bool:
    """Whether a list or tuple is a tree of arrays, not of numbers."""
    for item in data:
        if is_array(item) or isinstance(item, Mapping):
            return True
        if isinstance(item, (list, tuple)) and item and holds_arrays(item[:1]):
            return True
    return False


def comes_from(data: Any, *modules: str) -> bool:
    """Whether the class of ``data``, or one it inherits from, is defined in one of these packages."""
    return any(base.__module__.partition(".")[0] in modules for base in type(data).__mro__)


def number_dtype(dtype: np.dtype, name: str) -> np.dtype:
    """The type that numbers of ``dtype`` get; ``DataError`` if these are no numbers.

    >>> number_dtype(np.dtype("int64"), "x").name
    'int32'
    """
    if dtype.name in _KEPT:
        return dtype.newbyteorder("=")
    if dtype.kind == "f":
        return np.dtype("float64" if floatx() == "float64" else "float32")
    if dtype.kind in "iu":
        return np.dtype("int32")
    reason = {
        "c": "complex numbers. Give the real and the imaginary part as two columns: x.real and x.imag",
        "M": "dates. Give numbers, for example the days since the first: (x - x.min()) / np.timedelta64(1, 'D')",
        "m": "time spans. Give numbers, for example days: x / np.timedelta64(1, 'D')",
        "U": "text. Number the words or classes, for example with np.unique(x, return_inverse=True)[1]",
        "S": "text. Number the words or classes, for example with np.unique(x, return_inverse=True)[1]",
        "V": "records with several fields. Give one array for each field",
    }.get(dtype.kind, "no numbers. Convert with x.astype('float32')")
    raise DataError(f"{name} has dtype {dtype}: {reason}.")


def as_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """The array with one of the types of :func:`number_dtype`; the same object if it has that already."""
    if array.dtype.kind in "OT":
        raise DataError(_describe_objects(array, name))
    target = number_dtype(array.dtype, name)
    if array.dtype == target:
        return array
    if array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(target)
        low, high = array.min(), array.max()
        if low < limits.min or high > limits.max:
            wrong = low if low < limits.min else high
            raise DataError(
                f"{name} holds the whole number {wrong}, which does not fit into 32 bits. "
                "Convert with x.astype('float32'), or subtract an offset."
            )
    return array.astype(target)


# --- kinds of sources ---


def _from_sequence(data: Any, name: str, inputs: Sequence[str]) -> Any:
    if len(data) == 0:
        raise DataError(f"{name} is an empty {type(data).__name__}. Give at least one row.")
    single = len(inputs) == 1
    if not holds_arrays(data):
        if len(inputs) > 1 and len(data) == len(inputs):
            return [to_arrays(item, f"{name}[{index}]") for index, item in enumerate(data)]
        return _from_numbers(data, name)
    if single and len(data) == 1:
        return to_arrays(data[0], name)
    if single and not any(isinstance(item, Mapping) for item in data):
        rows = [to_arrays(item, f"{name}[{index}]") for index, item in enumerate(data)]
        if len({row.shape for row in rows}) > 1:
            raise DataError(
                f"{name} is a {type(data).__name__} of {len(rows)} arrays of unequal shapes, {rows[0].shape} first, "
                f"but the model has one of {name}. Join them, for example with np.concatenate(..., axis=-1)."
            )
        return np.stack([row.read(0, row.shape[0]) if isinstance(row, Rows) else row for row in rows])
    items = [to_arrays(item, f"{name}[{index}]") for index, item in enumerate(data)]
    if isinstance(data, list):
        return items
    return type(data)(*items) if hasattr(data, "_fields") else tuple(items)


def _from_numbers(data: Any, name: str) -> np.ndarray:
    """One array from nested lists of numbers."""
    try:
        array = np.asarray(data)
    except (ValueError, TypeError):
        lengths = [len(item) if hasattr(item, "__len__") else 0 for item in data]
        odd = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
        where = "" if odd is None else f": row 0 has {plural(lengths[0], 'item')}, row {odd} has {lengths[odd]:,}"
        raise DataError(
            f"{name} is a list of {len(data)} rows of unequal shape{where}. "
            "Make the rows equally long, for example with keraunos.utils.pad_sequences."
        ) from None
    return as_numbers(array, name)


def _from_array(data: Any, name: str) -> Any:
    if isinstance(data, Rows):
        return data
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise DataError(
            f"{name} is a masked array with {plural(int(np.ma.count_masked(data)), 'masked value')}, and a model sees the "
            f"values behind the mask. Fill them, for example with {name}.filled(0), or leave their rows out; weigh rows "
            "that shall not count with sample_weight=0."
        )
    if isinstance(data, np.memmap) and data.ndim:
        return Rows(lambda start, stop: data[start:stop], data.shape, data.dtype, name)
    if isinstance(data, np.ndarray):
        return as_numbers(np.asarray(data), name)
    if _reads_rows(data) or (comes_from(data, "h5py", "zarr") and len(getattr(data, "shape", None) or ())):
        return Rows(lambda start, stop: data[start:stop], data.shape, data.dtype, name)
    if _is_sparse(data):
        compressed = data if data.format == "csr" else data.tocsr()
        return Rows(lambda start, stop: compressed[start:stop].toarray(), data.shape, data.dtype, name)
    if comes_from(data, "pandas", "polars"):
        return _from_table(data, name)
    if comes_from(data, "torch") and hasattr(data, "detach"):
        data = data.detach().cpu()
        return as_numbers((data.float() if str(data.dtype) == "torch.bfloat16" else data).numpy(), name)
    if not hasattr(data, "__array__") and not isinstance(data, (bool, int, float, complex)):
        raise DataError(
            f"{name} is {_article(type(data).__name__)}, which holds no numbers that can be read. "
            "Give an array, a nested list, a DataFrame, a data set or a generator."
        )
    try:
        array = np.asarray(data)
    except Exception as error:
        raise DataError(
            f"{name} is {_article(type(data).__name__)} that does not convert to an array: {error}"
        ) from error
    return as_numbers(array, name)


def _is_sparse(data: Any) -> bool:
    return hasattr(data, "tocsr") and comes_from(data, "scipy")


def _from_table(data: Any, name: str) -> np.ndarray:
    """Array of a pandas or polars frame, or column of a series or index."""
    if not hasattr(data, "to_numpy"):
        raise DataError(f"{name} is {_article(type(data).__name__)}. Call .collect() first, to get its rows.")
    if not hasattr(data, "columns"):
        return _from_column(data, name)[:, None]
    columns = [(label, _from_column(column, f"{name}: column {label!r}")) for label, column in _columns_of(data)]
    if not columns:
        raise DataError(f"{name} is a {type(data).__name__} without columns. Select at least one.")
    dtypes = {column.dtype for _, column in columns}
    if len(dtypes) == 1:
        whole = data.to_numpy()
        return whole if whole.dtype in dtypes else np.stack([column for _, column in columns], axis=1)
    target = number_dtype(np.result_type(*dtypes), name)
    table = np.empty((len(data), len(columns)), dtype=target)
    for index, (_, column) in enumerate(columns):
        table[:, index] = column
    return table


def _columns_of(frame: Any) -> Iterator[tuple[Any, Any]]:
    for index, label in enumerate(frame.columns):
        yield label, frame.iloc[:, index] if hasattr(frame, "iloc") else frame.to_series(index)


def _from_column(column: Any, name: str) -> np.ndarray:
    values = column.to_numpy()
    if values.dtype.kind == "O" and getattr(column.dtype, "kind", "O") in "biuf":
        values = column.to_numpy(dtype="float64", na_value=np.nan)  # pandas' nullable columns
    return as_numbers(values, name)


# --- words ---


def _describe_objects(array: np.ndarray, name: str) -> str:
    """Why an array of Python objects cannot be used, and where the trouble is."""
    for index, value in np.ndenumerate(array):
        if isinstance(value, (bool, int, float, np.number, np.bool_)):
            continue
        where = f"row {index[0]}" if index else "item 0"
        if len(index) > 1:
            where += f", column {', '.join(str(part) for part in index[1:])}"
        if isinstance(value, (list, tuple, np.ndarray)):
            return (
                f"{name} has dtype object, with a {type(value).__name__} of its own in {where}. Make the rows equally "
                "long, for example with keraunos.utils.pad_sequences, or stack them with np.stack(list(x))."
            )
        if isinstance(value, str):
            advice = "Number the words or classes, for example with np.unique(x, return_inverse=True)[1]"
        elif value is None:
            advice = "Fill or drop what is missing"
        else:
            advice = "Convert it to numbers"
        return f"{name} has dtype {array.dtype}; {where} holds {str(value)[:40]!r}, which is no number. {advice}."
    return f"{name} has dtype object, although all items are numbers. Convert with x.astype('float32')."


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"

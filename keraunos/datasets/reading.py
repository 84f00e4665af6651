"""Reads files of data sets, and checks them, without running anything that stands in them."""

import gzip
import json
import math
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from keraunos.utils.config import home, image_data_format
from keraunos.utils.errors import DataError
from keraunos.utils.files import extract_archive, find_cached, get_file

KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
LARGEST_MEMBER = 4 << 30
_LARGEST_HEADER = 1 << 16
_Content = TypeVar("_Content")

# The shape (None for any size) and the kinds of numbers ("u" unsigned, "i" signed, "f" floating,
# "lists" for sequences of different lengths) that an array of a file must have.
Expected = Mapping[str, tuple[tuple[int | None, ...], str]]


def fetch(name: str | os.PathLike[str], origin: str, file_hash: str, subdir: str = "datasets") -> Path:
    """Path of a data-set file: in a cache folder as it is, else downloaded and checked against ``file_hash``.

    A file that is there already is judged by its content, when read, and not by
    its hash: the same arrays may be packed in many ways.
    """
    if os.path.isabs(name):
        return Path(name)
    return find_cached(os.fspath(name), subdir=subdir) or Path(
        get_file(name, origin=origin, file_hash=file_hash, cache_subdir=subdir)
    )


def read_npz(path: Path, expected: Expected) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file, each of the shape and kind expected.

    Raises:
        DataError: An array is missing, of another shape or kind, or the file is damaged or hostile.
    """

    def read() -> dict[str, np.ndarray]:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if missing := sorted(set(expected) - set(members)):
                raise _Refused(f"it has no array {missing[0]!r}; expected {', '.join(expected)}")
            return {name: _read_npy(archive, members[name], name, *expected[name]) for name in expected}

    return _guarded(path, read)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The bytes of an IDX file, packed if it ends in ``.gz`` (LeCun, Cortes, Burges, *The MNIST database*), as an array."""

    def read() -> np.ndarray:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            start = file.read(4 + 4 * dimensions)
            if start[:4] != bytes([0, 0, 8, dimensions]):
                raise _Refused(f"it begins with {start[:4].hex(' ')}; expected 00 00 08 {dimensions:02x}")
            shape = tuple(int(size) for size in np.frombuffer(start, ">u4", offset=4))
            size = math.prod(shape)
            content = file.read(min(size, LARGEST_MEMBER) + 1)
            if len(content) != size:
                raise _Refused(f"it promises {size:,} numbers of shape {shape} and has {len(content):,} or more")
            return np.frombuffer(content, np.uint8).reshape(shape).copy()

    return _guarded(path, read)


def read_pickle(path: Path) -> Any:
    """The plain data of a pickle: numbers, bytes, strings, lists, dicts and NumPy arrays; anything else is refused."""

    def read() -> Any:
        with open(path, "rb") as file:
            return _DataUnpickler(file).data()

    return _guarded(path, read)


def read_word_index(path: Path) -> dict[str, int]:
    """The JSON file that gives each word its number."""
    words = _guarded(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    right = isinstance(words, dict) and set(map(type, words.values())) <= {int}
    check(path, right, "it is no table of words and their numbers")
    return words


def cifar_folder(name: str, origin: str, file_hash: str) -> Path:
    """Folder with the batches of a CIFAR set: where Keras 3 and Keras 2 keep it, out of their archive, or fetched."""
    present = find_cached(f"{name}-target/{name}", name)
    if present is None and (archive := find_cached(f"{name}.tar.gz")):
        present = home() / "datasets" / f"{name}-target" / name
        present.parent.parent.mkdir(parents=True, exist_ok=True)
        extract_archive(archive, present.parent)
    return present or Path(get_file(f"{name}-target", origin=origin, file_hash=file_hash, extract=True)) / name


def cifar_batch(path: Path, labels: str, kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one batch, which is a pickled dict of bytes and lists."""
    content = read_pickle(path)
    check(
        path, isinstance(content, dict) and {b"data", labels.encode()} <= set(content), f"it has no data and {labels}"
    )
    images, numbers = content[b"data"], content[labels.encode()]
    right = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == (3072,)
    check(path, right, "its data is no array of bytes with 3,072 columns")
    check(path, isinstance(numbers, list) and set(map(type, numbers)) <= {int}, f"its {labels} are no list of integers")
    check(path, len(numbers) == len(images), f"{len(images):,} images have {len(numbers):,} labels")
    check(path, all(0 <= number < kinds for number in numbers), f"a label is outside 0 to {kinds - 1}")
    images = images.reshape(-1, 3, 32, 32)
    if image_data_format() == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return images, np.array(numbers, np.uint8).reshape(-1, 1)


def check(path: Path, right: bool, complaint: str) -> None:
    """Refuse a file with a sentence unless what was read is ``right``."""
    if not right:
        raise DataError(_sentence(path, complaint))


# --- arrays ---


class _Refused(Exception):
    pass


def _sentence(path: Path, complaint: str) -> str:
    return (
        f"{path.name}: not the data set expected: {complaint}. "
        f"Delete {str(path)!r}; it is downloaded again when next asked for."
    )


def _guarded(path: Path, read: Callable[[], _Content]) -> _Content:
    # Whatever goes wrong while a foreign file is read is the file's fault, and is told in one way.
    try:
        return read()
    except FileNotFoundError:
        raise
    except _Refused as error:
        raise DataError(_sentence(path, str(error))) from None
    except Exception as error:
        raise DataError(_sentence(path, f"it is damaged ({type(error).__name__}: {error})")) from error


def _read_npy(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, shape: tuple[int | None, ...], kinds: str
) -> np.ndarray:
    if member.file_size > LARGEST_MEMBER:
        raise _Refused(f"{name} has {member.file_size:,} bytes, and the limit is {LARGEST_MEMBER:,}")
    with archive.open(member) as file:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        found, fortran, dtype = read_header(file, max_header_size=_LARGEST_HEADER)
        right = len(found) == len(shape) and all(want in (None, size) for want, size in zip(shape, found, strict=True))
        if not right or dtype.kind not in ("O" if kinds == "lists" else kinds):
            raise _Refused(f"{name} is {dtype} of shape {found}; expected {_kind_text(kinds)} of shape {shape}")
        if kinds == "lists":
            return _lists(_DataUnpickler(file).data(), found[0], name)
        size = math.prod(found) * dtype.itemsize
        content = file.read(size + 1)
    if len(content) != size:
        raise _Refused(f"{name} promises {size:,} bytes and has {len(content):,} or more")
    return np.frombuffer(content, dtype).reshape(found, order="F" if fortran else "C").copy()


def _lists(content: Any, count: int, name: str) -> np.ndarray:
    if not (isinstance(content, np.ndarray) and content.dtype == object and content.shape == (count,)):
        raise _Refused(f"{name} is not an array of {count:,} lists")
    for row, item in enumerate(content):
        if not isinstance(item, list) or not set(map(type, item)) <= {int}:
            raise _Refused(f"{name}[{row}] is not a list of integers")
    return content


def _kind_text(kinds: str) -> str:
    words = {"u": "unsigned integers", "i": "integers", "f": "floating point", "lists": "lists of integers"}
    return words[kinds] if kinds in words else " or ".join(words[kind] for kind in kinds)


# --- pickles as plain data ---


class _DataUnpickler(pickle.Unpickler):
    """Runs no function but the four stand-ins below; NumPy itself never sees what the pickle says of an array."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        core = module in ("numpy.core.multiarray", "numpy._core.multiarray")
        if (module == "numpy" and name in ("ndarray", "dtype")) or (core and name == "_reconstruct"):
            return _StandIn(name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in the older protocols
            return _StandIn(name)
        raise _Refused(f"it asks for {module}.{name}, which is no data")

    def data(self) -> Any:
        return _plain(self.load())


class _StandIn:
    """What a pickle gets in place of a function; calling it notes the arguments, or turns text into bytes."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "encode":
            text, encoding = arguments
            if encoding not in ("latin1", b"latin1"):
                raise _Refused(f"it writes bytes as {encoding!r}")
            return text.encode("latin1")
        return {"dtype": _Dtype, "_reconstruct": _Array}[self.name](*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _Refused("it changes a function")


class _Dtype:
    __slots__ = ("dtype",)

    def __init__(self, code: str | bytes, *_: Any) -> None:
        name = code.decode("ascii") if isinstance(code, bytes) else str(code)
        if name not in ("O8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
            raise _Refused(f"it has numbers of type {name!r}")
        self.dtype = np.dtype(object if name == "O8" else name)

    def __setstate__(self, state: Any) -> None:
        if state[1] in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    __slots__ = ("state",)

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        _, shape, dtype, fortran, content = self.state
        if not isinstance(dtype, _Dtype):
            raise _Refused("it has an array without a type of number")
        if dtype.dtype == object:
            if shape != (len(content),):
                raise _Refused(f"it has an array of shape {shape} with {len(content):,} items")
            items = np.empty(len(content), object)
            for row, item in enumerate(content):  # one by one: lists of one length would become a second axis
                items[row] = _plain(item)
            return items
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.dtype.itemsize:
            raise _Refused(f"it has an array of shape {shape} with another number of bytes")
        return np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if fortran else "C").copy()


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.array()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (_Dtype, _StandIn)):
        raise _Refused("it has a type where data is expected")
    return value

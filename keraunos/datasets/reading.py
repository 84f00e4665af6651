"""Reads files of data sets, and checks them, without running anything that stands in them."""

import gzip
import json
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from keraunos.datasets.pickles import Refused, most_bytes, unpickled
from keraunos.utils.config import home, image_data_format
from keraunos.utils.errors import DataError
from keraunos.utils.files import extract_archive, find_cached, get_file
from keraunos.utils.npz import bounded_zip, read_header, read_numbers
from keraunos.utils.untrusted import advice, limits

KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
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
        size = path.stat().st_size
        with bounded_zip(path, expected) as (archive, members):
            if missing := sorted(set(expected) - set(members)):
                raise Refused(f"it has no array {missing[0]!r}; expected {', '.join(expected)}")
            return {name: _read_npy(archive, members[name], name, *expected[name], size) for name in expected}

    return _guarded(path, read)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The bytes of an IDX file, packed if it ends in ``.gz`` (LeCun, Cortes, Burges, *The MNIST database*), as an array."""

    def read() -> np.ndarray:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            start = file.read(4 + 4 * dimensions)
            if start[:4] != bytes([0, 0, 8, dimensions]):
                raise Refused(f"it begins with {start[:4].hex(' ')}; expected 00 00 08 {dimensions:02x}")
            shape = tuple(int(size) for size in np.frombuffer(start, ">u4", offset=4))
            count, most = math.prod(shape), limits().unpacked(path.stat().st_size)
            if count > most:
                raise Refused(f"it promises {count:,} numbers of shape {shape}. {advice('expansion')}")
            try:
                return read_numbers(file, shape, False, np.dtype(np.uint8))
            except ValueError:
                raise Refused(f"it promises {count:,} numbers of shape {shape}, and has more or fewer") from None

    return _guarded(path, read)


def read_pickle(path: Path) -> Any:
    """The plain data of a pickle: numbers, bytes, strings, lists, dicts and NumPy arrays; anything else is refused."""

    def read() -> Any:
        return unpickled(path.read_bytes())

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
    except Refused as error:
        raise DataError(_sentence(path, str(error))) from None
    except Exception as error:
        raise DataError(_sentence(path, f"it is damaged ({type(error).__name__}: {error})")) from error


def _read_npy(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, shape: tuple[int | None, ...], kinds: str, size: int
) -> np.ndarray:
    with archive.open(member) as file:
        found, fortran, dtype = read_header(file)
        right = len(found) == len(shape) and all(want in (None, has) for want, has in zip(shape, found, strict=True))
        if not right or dtype.kind not in ("O" if kinds == "lists" else kinds):
            raise Refused(
                f"{name} is {str(dtype)[:80]} of shape {found}; expected {_kind_text(kinds)} of shape {shape}"
            )
        if kinds == "lists":
            content = file.read(most_bytes(size) + 1)
            if len(content) > most_bytes(size):
                raise Refused(f"{name} has more than {most_bytes(size):,} bytes, in a file of {size:,}")
            return _lists(unpickled(content), found[0], name)
        try:
            return read_numbers(file, found, fortran, dtype)
        except ValueError as error:
            raise Refused(str(error).replace("it ", f"{name} ", 1)) from None


def _lists(content: Any, count: int, name: str) -> np.ndarray:
    if not (isinstance(content, np.ndarray) and content.dtype == object and content.shape == (count,)):
        raise Refused(f"{name} is not an array of {count:,} lists")
    for row, item in enumerate(content):
        if not isinstance(item, list) or not set(map(type, item)) <= {int}:
            raise Refused(f"{name}[{row}] is not a list of integers")
    return content


def _kind_text(kinds: str) -> str:
    words = {"u": "unsigned integers", "i": "integers", "f": "floating point", "lists": "lists of integers"}
    return words[kinds] if kinds in words else " or ".join(words[kind] for kind in kinds)

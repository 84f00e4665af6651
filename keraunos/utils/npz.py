"""Reads the arrays of ``.npz`` files within bounds: nothing is unpickled, and no header decides what is allocated.

Reference: ``numpy.lib.format``.
"""

import math
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from keraunos.utils.untrusted import advice, limits

__all__ = ["bounded_zip", "read_header", "read_numbers"]

_LONGEST_HEADER = 10_000  # bytes; NumPy's own bound
_BLOCK = 1 << 20
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@contextmanager
def bounded_zip(
    path: str | os.PathLike[str], wanted: Iterable[str] | None = None
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """A zip file, and its members by their names without ``.npy``.

    Args:
        path: The file.
        wanted: Names of those that will be read; all if not given.

    Raises:
        ValueError: They unpack to more than a file of its size may.
    """
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        chosen = members if wanted is None else [name for name in wanted if name in members]
        size, unpacked = os.fstat(file.fileno()).st_size, sum(members[name].file_size for name in chosen)
        if unpacked > limits().unpacked(size):
            raise ValueError(f"its {size:,} bytes unpack to {unpacked:,}. {advice('expansion')}")
        yield archive, members


def read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and dtype of the array at the beginning of a file.

    Raises:
        ValueError: There is no such array.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"it has version {version} of the format; expected 1.0 or 2.0")
    shape, fortran, dtype = _HEADERS[version](file, max_header_size=_LONGEST_HEADER)
    if not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 32:
        raise ValueError(f"it declares the shape {str(shape)[:200]}")
    return shape, fortran, dtype


def read_numbers(file: Any, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> np.ndarray:
    """The numbers after a header: as many as it says, and nothing behind them.

    Raises:
        ValueError: There are more or fewer, or they are no numbers.
    """
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None or dtype.kind not in "biufcV":
        raise ValueError(f"it holds {str(dtype)[:80]}, which is no number")
    size = math.prod(shape) * dtype.itemsize
    memory, received = bytearray(), 0
    # It grows with what comes, and not with what is promised.
    while received <= size and (block := file.read(min(_BLOCK, size + 1 - received))):
        memory += block
        received += len(block)
    if received != size:
        raise ValueError(f"it promises {size:,} bytes and has {received:,}{' or more' if received > size else ''}")
    return np.frombuffer(memory, dtype).reshape(shape, order="F" if fortran else "C")

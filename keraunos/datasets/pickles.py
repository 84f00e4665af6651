"""Plain data out of the pickles in which data sets come: no function runs, and no instruction decides what is allocated.

A pickle is a program for a small machine with a stack and a memory. It is read
twice: once to see that it has no instruction that data do not need, claims no
more than it has and makes no more objects than its size justifies, and then by
Python's unpickler, in which four names stand for harmless classes of ours.

Reference: Python's ``pickletools``.
"""

import io
import math
import pickle
import re
from typing import Any

import numpy as np

__all__ = ["Refused", "most_bytes", "unpickled"]


class Refused(Exception):
    """What is wrong with a pickle."""


# Instructions of a fixed length, in which all but a few bytes of a pickle of numbers are: they are skipped in one go.
_RUN = re.compile(rb"(?:[N()\]}laesutdbR\x85-\x89\x93\x94]|[Khq].|M..|[Jj]....|r..[\x00-\x03]\x00|G.{8})*+", re.DOTALL)
# Those of one or two bytes that make an object of dozens.
_MAKERS = (b"]", b"}", b"(", b"\x85", b"\x86", b"\x87", b"R")
# Instructions that say how many bytes follow, and the width of that number.
_COUNTED = {b"U": 1, b"C": 1, b"\x8c": 1, b"\x8a": 1, b"T": 4, b"B": 4, b"X": 4, b"\x8b": 4, b"\x8d": 8, b"\x8e": 8}
# Instructions followed by so many lines.
_LINES = {**dict.fromkeys((b"I", b"L", b"F", b"S", b"V", b"p", b"g"), 1), b"c": 2}
_LONGEST_NUMBER = 100
_FREE_OBJECTS = 1 << 20
_FREE_BYTES = 1 << 23


def most_bytes(size: int) -> int:
    """Bytes that a pickle may have that comes out of a file of ``size``."""
    return _FREE_BYTES + 8 * size


def unpickled(content: bytes) -> Any:
    """The plain data of a pickle: numbers, bytes, strings, lists, dicts and NumPy arrays.

    Raises:
        Refused: It is anything else, or asks for more than its size justifies.
    """
    _check(content)
    return _plain(_DataUnpickler(io.BytesIO(content), encoding="bytes").load(), {})


def _check(content: bytes) -> None:
    at = objects = 0
    while True:
        run = _RUN.match(content, at)
        assert run is not None
        start, at = at, run.end()
        objects += 1 + sum(content.count(maker, start, at) for maker in _MAKERS)
        if objects > _FREE_OBJECTS + len(content) // 16:
            raise Refused("it has more objects than a file of its size should")
        step = content[at : at + 1]
        if step == b".":
            return
        if step in _COUNTED:
            width = _COUNTED[step]
            at += 1 + width + int.from_bytes(content[at + 1 : at + 1 + width], "little")
        elif step in _LINES:
            begin = at + 1
            for _ in range(_LINES[step]):
                at = content.find(b"\n", at + 1)
                if at < 0:
                    raise Refused("it is cut short")
            line = content[begin:at]
            if step in b"ILFpg" and len(line) > _LONGEST_NUMBER:
                raise Refused("it has a number of thousands of digits")
            if step == b"p":
                _check_place(int(line), begin)
            at += 1
        elif step == b"r":
            _check_place(int.from_bytes(content[at + 1 : at + 5], "little"), at)
            at += 5
        elif step == b"\x80":
            at += 2
        elif step == b"\x95":
            at += 9
        else:
            raise Refused(f"it has the instruction {step!r}, which no data need" if step else "it is cut short")
        if at > len(content):
            raise Refused("it is cut short")


def _check_place(place: int, at: int) -> None:
    # Places in its memory are numbered from 0 on, and memory is made up to the largest.
    if place > 1 << 18 and place > at // 4:
        raise Refused(f"it uses the place {place:,} of its memory, and not those before")


class _DataUnpickler(pickle.Unpickler):
    """Runs no function but the four stand-ins below; NumPy itself never sees what the pickle says of an array."""

    def find_class(self, module: str, name: str) -> Any:
        core = module in ("numpy.core.multiarray", "numpy._core.multiarray")
        if (module == "numpy" and name in ("ndarray", "dtype")) or (core and name == "_reconstruct"):
            return _StandIn(name)
        if (module, name) in (("__builtin__", "bytes"), ("builtins", "bytes")):  # how empty ones are written there
            return _StandIn(name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in the older protocols
            return _StandIn(name)
        raise Refused(f"it asks for {module[:80]}.{name[:80]}, which is no data")


class _StandIn:
    """What a pickle gets in place of a function; calling it notes the arguments, or turns text into bytes."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "encode":
            text, encoding = arguments
            if encoding not in ("latin1", b"latin1"):
                raise Refused(f"it writes bytes as {encoding!r}")
            return text.encode("latin1")
        if self.name == "bytes" and not arguments:
            return b""
        return {"dtype": _Dtype, "_reconstruct": _Array}[self.name](*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("it changes a function")


class _Dtype:
    __slots__ = ("dtype",)

    def __init__(self, code: str | bytes, *_: Any) -> None:
        name = code.decode("ascii") if isinstance(code, bytes) else str(code)
        if name not in ("O8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
            raise Refused(f"it has numbers of type {name[:80]!r}")
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

    def array(self, known: dict[int, Any]) -> np.ndarray:
        """The array; what is in several places is made once, by its id in ``known``."""
        _, shape, dtype, fortran, content = self.state
        if not isinstance(dtype, _Dtype):
            raise Refused("it has an array without a type of number")
        if dtype.dtype == object:
            if shape != (len(content),):
                raise Refused(f"it has an array of shape {shape} with {len(content):,} items")
            items = np.empty(len(content), object)
            for row, item in enumerate(content):  # one by one: lists of one length would become a second axis
                items[row] = _plain(item, known)
            return items
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.dtype.itemsize:
            raise Refused(f"it has an array of shape {shape} with another number of bytes")
        return np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if fortran else "C").copy()


def _plain(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, (_Dtype, _StandIn)):
        raise Refused("it has a type where data is expected")
    if not isinstance(value, (_Array, dict)):
        return value
    if id(value) not in known:
        known[id(value)] = None  # where it stands inside of itself
        if isinstance(value, _Array):
            known[id(value)] = value.array(known)
        else:
            known[id(value)] = {key: _plain(item, known) for key, item in value.items()}
    return known[id(value)]

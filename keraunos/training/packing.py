"""Arrays as few flat vectors, and back.

An update of a vector costs far less than one of a thin matrix (measured on a
CPU: Adam on a (784, 10) matrix 40 µs, on the same numbers as a vector 8 µs), so
the compiled loop carries parameters and optimizer slots packed. The smallest
arrays share a vector.
"""

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.backend import K
from keraunos.core.variable import Deferred, Variable

# A larger array is a vector of its own: joining it costs two copies a step, more than it gains
# (measured, two moons: 45 µs a step with all arrays joined, 41 with none, 31 so).
_LARGE = 1 << 10


class Packing:
    """Which arrays share a vector, at which offsets.

    Args:
        variables: Variables by path.
        kind: Function of a Variable; only Variables of one kind and dtype share a vector.
        together: Whether to join at all; otherwise each array keeps its shape.
    """

    def __init__(
        self,
        variables: Mapping[str, Variable],
        kind: Callable[[Variable], Any] = lambda _: None,
        *,
        together: bool = True,
    ) -> None:
        self.together = together
        self.members: dict[str, list[str]] = {}
        self.shapes = {path: variable.shape for path, variable in variables.items()}
        self.kinds: dict[str, Any] = {}
        # Turning costs a kernel on the way in and out, which is more than it gains for the smallest.
        self._turn = {path for path, v in variables.items() if _large(v) and K.carried_transposed(v.shape)}
        for path, variable in variables.items():
            key = path if _large(variable) or not together else f"{variable.dtype}:{kind(variable)}"
            self.members.setdefault(key, []).append(path)
            self.kinds[key] = kind(variable)

    def pack(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Vectors of the arrays."""
        if not self.together:
            return dict(arrays)
        packed = {}
        for key, paths in self.members.items():
            flat = [K.reshape(self._turned(path, arrays[path]), (-1,)) for path in paths]
            packed[key] = flat[0] if len(flat) == 1 else K.concatenate(flat, 0)
        return packed

    def unpack(self, packed: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays of the vectors."""
        if not self.together:
            return dict(packed)
        arrays = {}
        for key, paths in self.members.items():
            offset = 0
            for path in paths:
                shape = self.shapes[path]
                size = math.prod(shape)
                part = packed[key] if len(paths) == 1 else packed[key][offset : offset + size]
                arrays[path] = self._turned(path, K.reshape(part, shape[::-1] if path in self._turn else shape))
                offset += size
        return arrays

    def holders(self, variables: Mapping[str, Variable]) -> dict[str, Any]:
        """What holds each vector of the Variables: a ``Pack``, or the Variable itself where nothing is joined."""
        if not self.together:
            return dict(variables)
        return {
            key: Pack([variables[path] for path in paths], [path in self._turn for path in paths])
            for key, paths in self.members.items()
        }

    def _turned(self, path: str, array: Any) -> Any:
        return K.transpose(array) if path in self._turn else array


class Pack:
    """Variables that a program sees as one vector, which is joined and cut up only where somebody else has a part.

    Args:
        variables: The Variables, in the order of the vector.
        turned: Which of them lie in it transposed.
    """

    def __init__(self, variables: Sequence[Variable], turned: Sequence[bool]) -> None:
        self._variables, self._turned = list(variables), list(turned)
        self._vector: Any = None
        self._parts: list[Any] = []

    def take(self) -> Any:
        """The vector of the present values."""
        held = [variable.held for variable in self._variables]
        if self._vector is None or not all(map(operator.is_, held, self._parts)):
            arrays = [np.asarray(K.to_numpy(variable.concrete)) for variable in self._variables]
            turned = zip(arrays, self._turned, strict=True)
            self.give(K.array(np.concatenate([(array.T if turn else array).ravel() for array, turn in turned])))
        return self._vector

    def give(self, vector: Any) -> None:
        """Let the Variables have the values of a vector; each is cut out when it is read."""
        self._vector, self._parts = vector, []
        start = 0
        for variable, turned in zip(self._variables, self._turned, strict=True):
            part = Deferred(functools.partial(_cut, vector, start, variable.shape, turned))
            self._parts.append(part)
            variable.replace(part)
            start += math.prod(variable.shape)


def _cut(vector: Any, start: int, shape: tuple[int, ...], turned: bool) -> Any:
    part = np.asarray(K.to_numpy(vector))[start : start + math.prod(shape)]
    return part.reshape(shape[::-1]).T if turned else part.reshape(shape)


def _large(variable: Variable) -> bool:
    return math.prod(variable.shape) >= _LARGE

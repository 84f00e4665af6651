"""A Variable: a named, shaped place for a tensor that training, or a layer, changes."""

import contextvars
import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keraunos.backend import K, Operand
from keraunos.backend.depth import depth
from keraunos.core.building import building
from keraunos.core.scope import current_scope
from keraunos.utils import tree
from keraunos.utils.config import floatx
from keraunos.utils.errors import ArgumentError, ShapeError

# The float type in which a layer computes; Variables are read in it (mixed precision).
autocast_dtype: contextvars.ContextVar[str | None] = contextvars.ContextVar("autocast_dtype", default=None)

# What records operations on any Variable, where a graph is being made: it returns what stands for the result.
recorder: contextvars.ContextVar[Callable[..., Any] | None] = contextvars.ContextVar("recorder", default=None)

_structure = 0
# Weights of a file with more numbers than this are not made before they are read: most get others at once.
_AT_ONCE = 1 << 10


def structure_version() -> int:
    """A number that grows whenever a Variable is made, or a layer is frozen or freed."""
    return _structure


def structure_changed() -> None:
    """Say that what was found by walking over layers may hold no longer."""
    global _structure
    _structure += 1


class Deferred:
    """A value that becomes a tensor when somebody reads it.

    Args:
        array: Function that gives it as a NumPy array.
    """

    def __init__(self, array: Callable[[], Any]) -> None:
        self.array, self.tensor = array, None


class Variable(Operand):
    """A tensor with a name that can be assigned.

    Args:
        initializer: A value, or a function ``(shape, dtype) -> array``.
        shape: Needed with a function.
        dtype: Element type; the default float type if not given.
        trainable: Whether an optimizer may change it.
        autocast: Whether a layer reads it in the layer's compute type.
        aggregation: Accepted for Keras' sake; replicas do not exist here.
        name: Last part of its path.
        regularizer: Function of the value that is added to the loss.
        constraint: Function applied to the value after each update.

    >>> v = Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]); v.numpy().tolist()
    [2.0, 3.0]
    """

    precedence = 1

    # Whether it is among the weights that are saved; the states of a stateful layer are not.
    saved = True
    # Whether a layer assigns it though it is trainable, so that no program may take it for fixed.
    assigned_in_calls = False

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: str | None = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = None,
        name: str | None = None,
        *,
        regularizer: Callable[[Any], Any] | None = None,
        constraint: Callable[[Any], Any] | None = None,
    ) -> None:
        if aggregation not in (None, "none", "mean", "sum", "only_first_replica"):
            raise ArgumentError(
                f"Variable: aggregation is {aggregation!r}; expected none, mean, sum or only_first_replica."
            )
        structure_changed()
        self.name = name or "variable"
        self.path = self.name
        self.trainable, self.autocast, self.aggregation = trainable, autocast, aggregation
        self.regularizer, self.constraint = regularizer, constraint
        if isinstance(initializer, str):
            initializer = importlib.import_module("keraunos.initializers").get(initializer)
        if callable(initializer):
            if shape is None:
                raise ArgumentError(f"Variable {self.name!r}: an initializer function needs a shape.")
            if any(size is None for size in shape):
                raise ShapeError(f"Variable {self.name!r}: shape {tuple(shape)} has an unknown size.")
            value = _initial(initializer, tuple(int(size) for size in shape), dtype or floatx())
        else:
            value = initializer
        self._value: Any
        if isinstance(value, Deferred):
            assert shape is not None
            self._value, self.dtype = value, dtype or floatx()
            self.shape = tuple(int(size) for size in shape)
            return
        self._value = _host_array(value, dtype)
        self.shape = tuple(int(size) for size in self._value.shape)
        self.dtype = str(self._value.dtype)
        if shape is not None and tuple(shape) != self.shape:
            raise ShapeError(f"Variable {self.name!r}: the initial value has shape {self.shape}, not {tuple(shape)}.")

    # --- reading -----------------------------------------------------------------

    @property
    def value(self) -> Any:
        """The tensor: of the trace that is on, else the present one."""
        scope = current_scope()
        tensor = self.concrete if scope is None else scope.read(self)
        wanted = autocast_dtype.get()
        if wanted and self.autocast and self.dtype != wanted and "float" in self.dtype:
            return K.cast(tensor, wanted)
        return tensor

    @property
    def concrete(self) -> Any:
        """The present value, whatever trace is on."""
        held = self._value
        deferred = isinstance(held, Deferred)
        if not deferred and not isinstance(held, np.ndarray):
            return held
        if deferred and held.tensor is not None:
            return held.tensor
        tensor = K.array(held.array() if deferred else held, self.dtype)
        # Inside a trace, the tensor may be a part of the trace, which must not be kept.
        if current_scope() is None and not depth().traces:
            if deferred:
                held.tensor = tensor
            else:
                self._value = tensor
        return tensor

    def numpy(self) -> Any:
        """Copy of the value as a NumPy array."""
        return np.array(K.to_numpy(self.value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(K.to_numpy(self.value), dtype)

    def __float__(self) -> float:
        return float(K.to_numpy(self.value))

    def __int__(self) -> int:
        return int(K.to_numpy(self.value))

    def __bool__(self) -> bool:
        return bool(K.to_numpy(self.value))

    # --- writing -----------------------------------------------------------------

    def assign(self, value: Any) -> Any:
        """Replace the value by one of the same shape; returns the new value."""
        if isinstance(value, Operand):
            value = value.value  # type: ignore[attr-defined]
        scope = current_scope()
        shape = np.shape(value)
        if shape != self.shape and not (shape == () and scope is None and self.shape == ()):
            raise ShapeError(
                f"the Variable {self.path!r} has shape {self.shape}; a value of shape {shape} cannot be assigned to it."
            )
        if scope is None:
            self._value = value if _matches(value, self) else _host_array(value, self.dtype)
            return self._value
        tensor = K.array(value, self.dtype) if not K.is_tensor(value) else K.cast(value, self.dtype)
        scope.write(self, tensor)
        return tensor

    @property
    def is_deferred(self) -> bool:
        """Whether nobody has read the present value yet."""
        return isinstance(self._value, Deferred) and self._value.tensor is None

    @property
    def held(self) -> Any:
        """What holds the present value: a tensor, a NumPy array, or a ``Deferred``."""
        return self._value

    def replace(self, value: Any) -> None:
        """Replace the present value by one that is known to fit, whatever trace is on."""
        self._value = value

    def assign_add(self, value: Any) -> None:
        """Add to the value."""
        self.assign(self._raw() + K.array(value, self.dtype))

    def assign_sub(self, value: Any) -> None:
        """Subtract from the value."""
        self.assign(self._raw() - K.array(value, self.dtype))

    def _raw(self) -> Any:
        scope = current_scope()
        return self.concrete if scope is None else scope.read(self)

    # --- as an operand -----------------------------------------------------------

    def operate(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Perform the operation on the values."""
        record = recorder.get()
        if record is not None:
            return record(self, operation, args, kwargs)
        return self.perform(operation, args, kwargs)

    def perform(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Perform the operation on the values, whoever records."""
        args, kwargs = tree.map(lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf, (args, kwargs))
        return getattr(K, operation)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


def _initial(initializer: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """First value; of a large weight of a model that is made of a file, what gives it when somebody reads it."""
    making = building()
    if making is not None:
        making.variable(shape)
        later = getattr(initializer, "later", None) if math.prod(shape) > _AT_ONCE else None
        array = later(shape, dtype) if later is not None else None
        if array is not None:
            return Deferred(array)
    return initializer(shape, dtype=dtype)


def _host_array(value: Any, dtype: str | None) -> Any:
    if K.is_tensor(value):
        return value if dtype is None else K.cast(value, dtype)
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        raise ArgumentError(f"a Variable holds numbers, not {array.dtype}.")
    if dtype is None:
        dtype = floatx() if array.dtype.kind == "f" else {"int64": "int32"}.get(array.dtype.name, array.dtype.name)
    if array.dtype.name != dtype:
        array = array.astype(_numpy_dtype(dtype))
    return array


def _numpy_dtype(dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return np.dtype(dtype)


def _matches(value: Any, variable: Variable) -> bool:
    return K.is_tensor(value) and K.dtype(value) == variable.dtype

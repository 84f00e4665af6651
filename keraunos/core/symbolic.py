"""Tensors that do not exist yet, the operations between them, and the shapes that follow.

A symbolic tensor is what ``Input`` and a layer called on symbolic tensors
return. Operations on it (operators, ``ops``, layers) are recorded as nodes, from
which a functional model is made.
"""

import contextlib
import contextvars
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from keraunos.backend import K, Operand
from keraunos.backend.depth import depth, plainly
from keraunos.backend.spec import TensorSpec
from keraunos.core import phase
from keraunos.core.building import building
from keraunos.core.naming import unique_name
from keraunos.core.scope import Scope, current_scope
from keraunos.core.variable import Variable, recorder
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, TracedValueError
from keraunos.utils.tracebacks import entrance, with_open_size

# Sizes tried in place of an unknown one: far apart, so that no stride maps both to one size, and with many
# divisors, so that a Reshape finds whole sizes.
_TRIAL_SIZES = (240, 1680)
# The same where values are computed, for functions that look at them.
_SEEN_SIZES = (24, 48)
_numbers = itertools.count(1)


class SymbolicTensor(Operand):
    """Shape and dtype of a tensor that a model will compute, and the node that computes it.

    Args:
        shape: Sizes, ``None`` where open; the first is the batch.
        dtype: Element type.
        name: Name of an input.
    """

    precedence = 2

    # Whether sparse matrices may be given for it, or its values come from one: a remark, values are dense.
    sparse = False

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: str = "float32",
        name: str | None = None,
        *,
        node: "Node | None" = None,
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name or unique_name("tensor")
        self.node = node
        self.users: list[Node] = []

    @property
    def spec(self) -> TensorSpec:
        """Shape and dtype."""
        return TensorSpec(self.shape, self.dtype)

    def operate(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the operation; questions about shape and dtype are answered at once."""
        if phase.inside_a_call():  # in the call of a layer that uses tensors of the graph, they stand for their values
            from keraunos.core.evaluation import computable, realized

            if computable((args, kwargs)):
                args, kwargs = realized((args, kwargs))
                return getattr(K, operation)(*args, **kwargs)
        if operation == "shape":
            return self.shape
        if operation == "dtype":
            return self.dtype
        if operation == "ndim":
            return len(self.shape)
        if operation == "is_tensor":
            return False
        if operation in ("to_numpy", "convert_to_numpy"):
            return self.__array__()
        return record(Operation(operation), args, kwargs)

    @property
    def value(self) -> Any:
        """The present value, where it follows from Variables and constants alone."""
        from keraunos.core.evaluation import bound_values, sources_of, value_of

        if current_scope() is None and sources_of([self], bound_values()):
            raise ArgumentError(
                f"the symbolic tensor {self.name!r} of shape {self.shape} has no values. Use keraunos.ops on it, or "
                "make a Model of its inputs and outputs and call that on data."
            )
        return value_of(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(K.to_numpy(self.value), dtype)

    @entrance
    def __bool__(self) -> bool:
        from keraunos.core.evaluation import sources_of

        if sources_of([self]):
            raise ArgumentError(
                f"the symbolic tensor {self.name!r} has no value to decide on. Use keraunos.ops.where or ops.cond."
            )
        return bool(K.to_numpy(self.value))

    def __iter__(self) -> Any:
        raise ArgumentError(f"the symbolic tensor {self.name!r} cannot be iterated over. Use keraunos.ops.unstack.")

    def __float__(self) -> float:
        return float(self.__array__())

    def __int__(self) -> int:
        return int(self.__array__())

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


class Operation:
    """A named operation of ``K`` as a step of a graph."""

    def __init__(self, function: str, name: str | None = None) -> None:
        self.function = function
        self.name = name or unique_name(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(K, self.function)(*args, **kwargs)

    def again(self) -> "Operation":
        """The same as another step."""
        return type(self)(self.function, self.name)


class Call(Operation):
    """A function of tensors as a step of a graph that is only computed, not saved.

    Args:
        function: The function.
        name: Name of the step.
        needs_values: Whether it looks at values, so that a program with it cannot be compiled.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None, *, needs_values: bool = False) -> None:
        super().__init__(getattr(function, "__name__", "call"), name)
        self.call, self.needs_values = function, needs_values

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def again(self) -> "Call":
        """The same as another step."""
        return Call(self.call, self.name, needs_values=self.needs_values)


class Size(SymbolicTensor):
    """A whole number, or several, that follow from the shape of a symbolic tensor.

    Where the tensor is computed it is a number of Python, so that shapes can be made of it.

    Args:
        source: The tensor.
        of: Function of the tensor's shape, a tuple of ``int``.
    """

    def __init__(self, source: SymbolicTensor, of: Callable[[tuple[int, ...]], Any]) -> None:
        trial = np.asarray(of(tuple(1 if size is None else size for size in source.shape)))
        super().__init__(trial.shape, "float32" if trial.dtype.kind == "f" else "int32")
        self.source, self.of = source, of

    def operate(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A size made of this one by arithmetic with numbers; else as of any symbolic tensor."""
        if operation in ("shape", "dtype", "ndim", "is_tensor"):
            return super().operate(operation, args, kwargs)
        numbers = [leaf for leaf in tree.leaves((args, kwargs)) if leaf is not self]
        known = (int, float, np.number, slice, str, type(None))
        sizes = all(isinstance(n, known) or (isinstance(n, Size) and n.source is self.source) for n in numbers)
        if operation not in _OF_SIZES or not sizes:
            # As a part of a shape it stays a number; as a tensor it becomes one.
            args = tuple(record(Operation("array"), (a,), {}) if isinstance(a, Size) else a for a in args)
            return record(Operation(operation), args, kwargs)

        def of(shape: tuple[int, ...]) -> Any:
            given, named = tree.map(lambda leaf: leaf.of(shape) if isinstance(leaf, Size) else leaf, (args, kwargs))
            value = _OF_SIZES[operation](*given, **named)
            return tuple(value.tolist()) if np.ndim(value) else getattr(value, "item", lambda: value)()

        return Size(self.source, of)

    def __iter__(self) -> Any:
        return iter([self[i] for i in range(self.shape[0])])  # type: ignore[arg-type]


_OF_SIZES: dict[str, Callable[..., Any]] = {
    "get_item": lambda a, b: np.asarray(a)[b],
    "cast": lambda a, dtype: np.asarray(a).astype(dtype),
    **{
        name: getattr(np, name)
        for name in (
            "add subtract multiply true_divide floor_divide mod power negative abs round floor ceil minimum maximum max "
            "min sum prod stack concatenate"
        ).split()
    },
}


class RecordedVariable(Variable):
    """A Variable whose operations are recorded as those of a symbolic tensor are, and computed when they are needed.

    Inside a trace, and while a layer is called, it is like any other.
    """

    # Neither trained nor saved, unless a layer says so.
    saved = False
    # Whether it was made of a matrix that holds zeros only implicitly.
    sparse = False

    def operate(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the operation where nothing is being computed."""
        return _recorded(self, operation, args, kwargs)


def _recorded(variable: Variable, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if operation in _ANSWERED or not recording():
        return variable.perform(operation, args, kwargs)
    return record(Operation(operation), args, kwargs)


@contextlib.contextmanager
def recording_all() -> Iterator[None]:
    """Inside a ``with`` block, operations on any Variable are recorded, as those on a ``RecordedVariable`` always are."""
    token = recorder.set(_recorded)
    try:
        yield
    finally:
        recorder.reset(token)


def is_recorded(value: Any) -> bool:
    """Whether operations on a value are recorded now, and it is no symbolic tensor."""
    kind = Variable if recorder.get() is not None else RecordedVariable
    return isinstance(value, kind) and recording()


_ANSWERED = ("shape", "dtype", "ndim", "size", "is_tensor", "to_numpy", "convert_to_numpy", "array", "wait")


def recording() -> bool:
    """Whether what is said about Variables is said for later: no trace is on, and no layer is being called."""
    return current_scope() is None and not phase.inside_a_call()


class Node:
    """One call of a layer or operation on symbolic tensors.

    Args:
        operation: What is called.
        args, kwargs: With what.
        specs: Tree of ``TensorSpec`` of what it returns.
        used: Symbolic tensors that it uses though they are not among the arguments, such as those that a function
            finds in its surroundings.
        frozen: Functions that stand for the ``call`` of layers, by their ids: those that they had at the call.
    """

    def __init__(
        self,
        operation: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        specs: Any,
        used: Iterable[SymbolicTensor] = (),
        frozen: Mapping[int, Callable[..., Any]] | None = None,
    ) -> None:
        self.operation, self.number = operation, next(_numbers)
        self.frozen = frozen or {}
        # Pairs: in a copy of a graph, the tensor that the function knows, and the one in whose place it stands.
        copies = _copies.get()
        self.used = [(tensor, copies.get(id(tensor), tensor)) for tensor in used]
        # Copies of the containers: a list of tensors may grow after a layer was called on it.
        self.args, self.kwargs = tree.map(lambda leaf: leaf, (args, kwargs))
        self.outputs = tree.map(
            lambda spec: (
                None if spec is None else SymbolicTensor(spec.shape, spec.dtype, unique_name("tensor"), node=self)
            ),
            specs,
        )
        for tensor in self.inputs:
            tensor.users.append(self)

    @property
    def given(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments, in order; of sizes, the tensors whose they are."""
        return [origin(leaf) for leaf in _in_slices((self.args, self.kwargs)) if isinstance(leaf, SymbolicTensor)]

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors that it needs: those given, and those that it uses besides."""
        return [*self.given, *(tensor for _, tensor in self.used)]

    @property
    def is_input(self) -> bool:
        """Whether this is where data enter, not something that is computed."""
        return not self.inputs and not isinstance(self.operation, Operation)


# In a copy of a graph, by the ids of its tensors, those of the copy.
_copies: contextvars.ContextVar[Mapping[int, SymbolicTensor]] = contextvars.ContextVar(
    "copies", default=MappingProxyType({})
)


@contextlib.contextmanager
def copying(copies: Mapping[int, SymbolicTensor]) -> Iterator[None]:
    """Inside a ``with`` block, functions that use tensors of a graph mean those of its copy; ``copies`` may grow."""
    token = _copies.set(copies)
    try:
        yield
    finally:
        _copies.reset(token)


def origin(tensor: Any) -> SymbolicTensor:
    """The tensor itself; of a size, the tensor whose it is."""
    return tensor.source if isinstance(tensor, Size) else tensor


def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any = None) -> Any:
    """Record a call in the graph and return its symbolic outputs."""
    used: list[SymbolicTensor] = []
    if specs is None:
        specs, used = traced(operation, args, kwargs)
    return Node(operation, args, kwargs, specs, used).outputs


class Outside:
    """The symbolic tensors that a call uses though nobody gave them to it, and what stands for them in its trace."""

    def __init__(self, size: int) -> None:
        self.size, self.since = size, next(_numbers)
        self.values: dict[int, Any] = {}
        self.tensors: list[SymbolicTensor] = []

    def stand_in(self, tensor: SymbolicTensor) -> Any:
        """A value of the tensor's form; one and the same whenever it is asked for."""
        if id(tensor) not in self.values:
            self.tensors.append(tensor)
            self.values[id(tensor)] = K.zeros([s or self.size for s in tensor.shape], tensor.dtype)
        return self.values[id(tensor)]

    def has(self, tensor: SymbolicTensor) -> bool:
        """Whether the tensor was there before the call."""
        return tensor.node is None or tensor.node.number < self.since


_outside: contextvars.ContextVar[Outside | None] = contextvars.ContextVar("outside", default=None)


def outside() -> Outside | None:
    """What is outside of the call whose result is being inferred, or ``None``."""
    return _outside.get()


@contextlib.contextmanager
def nothing_outside() -> Iterator[None]:
    """Inside a ``with`` block, a graph is made, not computed: symbolic tensors stay what they are."""
    token = _outside.set(None)
    try:
        yield
    finally:
        _outside.reset(token)


def infer(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *, seen: bool = False
) -> Any:
    """Tree of ``TensorSpec`` that a call would return; symbolic tensors and specs among the arguments stand for data.

    The call is traced without computing. Where sizes are open it is traced
    twice, with two sizes in their place; what differs is open in the result.
    With ``seen``, a function that asks for values is called on made-up ones
    instead: ones, or zeros where whole numbers are wanted.
    """
    return traced(function, args, kwargs, seen=seen)[0]


def traced(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *, seen: bool = False
) -> tuple[Any, list[SymbolicTensor]]:
    """What ``infer`` returns, and the symbolic tensors that the call uses though they are not among its arguments."""
    from keraunos.core.evaluation import realized

    arguments = (args, kwargs or {})
    stands = {
        id(stand): stand
        for leaf in _in_slices(arguments)
        if isinstance(leaf, (SymbolicTensor, TensorSpec))
        for stand in (origin(leaf),)
    }
    used: dict[int, SymbolicTensor] = {}

    def run(*tensors: Any) -> Any:
        values = dict(zip(stands, tensors, strict=True))
        filled_args, filled_kwargs = tree.map(lambda leaf: filled(leaf, values), arguments)
        with Scope(strict=False, key=lambda: K.random_key(0)) as scope:
            scope.guesses, scope.only_shapes = has_open(), True
            return realized(function(*filled_args, **filled_kwargs))

    def trial(size: int, compute: Callable[..., Any] = _shaped) -> Any:
        specs = [TensorSpec([size if s is None else s for s in stand.shape], stand.dtype) for stand in stands.values()]
        token = _outside.set(found := Outside(size))
        try:
            return compute(run, specs, size)
        finally:
            _outside.reset(token)
            used.update((id(tensor), tensor) for tensor in found.tensors)

    def has_open() -> bool:
        return any(None in tensor.shape for tensor in (*stands.values(), *used.values()))

    def by_values() -> Any:
        specs = trial(1, _computed) if not has_open() else None
        return tree.map(_agreed, *(trial(size, _computed) for size in _SEEN_SIZES)) if has_open() else specs

    try:
        if not has_open():
            specs = trial(1)
            if not has_open():
                return specs, list(used.values())
        try:
            specs = tree.map(_agreed, *(trial(size) for size in _TRIAL_SIZES))
        except TracedValueError:
            raise
        except Exception as error:
            specs = _of_other_sizes(function, trial, arguments, [*stands.values(), *used.values()], error)
        return specs, list(used.values())
    except TracedValueError:
        if seen and current_scope() is None and not depth().traces:
            # If that fails too, the first error says what is wrong.
            with contextlib.suppress(Exception):
                return by_values(), list(used.values())
        raise


def _of_other_sizes(
    function: Any, trial: Callable[[int], Any], arguments: Any, tensors: Sequence[Any], error: Exception
) -> Any:
    """Specs where an open size cannot be any: it may have to be that of another argument, or 1.

    Where it is the number of rows alone that is open, it may also be one that a function names itself, such as that of
    noise of a fixed number of rows.
    """
    if isinstance(function, Operation):
        sizes = sorted({s for leaf in tree.leaves(arguments) for s in getattr(leaf, "shape", ()) if isinstance(s, int)})
        sizes, opened = [1, *sizes], _opened
    elif building() is None and all(None not in tensor.shape[1:] for tensor in tensors):
        named = sorted({int(number) for number in re.findall(r"\d+", str(error))} - {0, *_TRIAL_SIZES}, reverse=True)
        sizes, opened = named[:8], _opened_rows
    else:
        raise error
    for size in sizes:
        try:
            found = trial(size)
        except Exception:
            continue
        return tree.map(lambda spec, size=size: spec and opened(spec, size), found)
    raise error


def filled(leaf: Any, values: Mapping[int, Any]) -> Any:
    """An argument of a recorded call with the values of tensors, by their id, in place of symbolic ones."""
    if isinstance(leaf, slice):
        return slice(*(filled(end, values) for end in (leaf.start, leaf.stop, leaf.step)))
    if isinstance(leaf, Size):
        return leaf.of(tuple(K.shape(values[id(leaf.source)])))
    return values.get(id(leaf), leaf)


@with_open_size
def _shaped(function: Callable[..., Any], specs: Sequence[TensorSpec], size: int) -> Any:
    """Specs of what a function returns, without computing."""
    return K.abstract(function, *specs)


@with_open_size
def _computed(function: Callable[..., Any], specs: Sequence[TensorSpec], size: int) -> Any:
    """The same from made-up values, for a function that looks at them."""
    with plainly():
        return tree.map(_spec_of, function(*map(_made_up, specs)))


def _made_up(spec: TensorSpec) -> Any:
    made: Callable[..., Any] = K.ones if "float" in spec.dtype else K.zeros
    return made(spec.shape, spec.dtype)


def _spec_of(leaf: Any) -> TensorSpec | None:
    return None if leaf is None else TensorSpec(K.shape(leaf), K.dtype(leaf))


def moved(leaf: Any, tensors: Mapping[int, SymbolicTensor]) -> Any:
    """An argument of a recorded call with other symbolic tensors, by the ids of those that it has."""
    if isinstance(leaf, slice):
        return slice(*(moved(end, tensors) for end in (leaf.start, leaf.stop, leaf.step)))
    if isinstance(leaf, Size) and id(leaf.source) in tensors:
        return Size(tensors[id(leaf.source)], leaf.of)
    return tensors.get(id(leaf), leaf)


def _in_slices(values: Any) -> Iterator[Any]:
    """Leaves of a tree, and the ends of the slices among them."""
    for leaf in tree.leaves(values):
        if isinstance(leaf, slice):
            yield from (leaf.start, leaf.stop, leaf.step)
        else:
            yield leaf


def _opened(spec: TensorSpec, size: int) -> TensorSpec:
    return TensorSpec([None if s == size else s for s in spec.shape], spec.dtype)


def _opened_rows(spec: TensorSpec, size: int) -> TensorSpec:
    return TensorSpec([None if s == size and axis == 0 else s for axis, s in enumerate(spec.shape)], spec.dtype)


def _agreed(first: TensorSpec | None, second: TensorSpec | None) -> TensorSpec | None:
    if first is None or second is None:
        return None
    sizes = [a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)]
    return TensorSpec(sizes, first.dtype)


def is_symbolic(values: Any) -> bool:
    """Whether any leaf is a symbolic tensor."""
    return any(isinstance(leaf, SymbolicTensor) for leaf in tree.leaves(values))


for _kind in (SymbolicTensor, Variable, RecordedVariable):
    spelling.provider().adopt(_kind)

"""Tensors that do not exist yet, the operations between them, and the shapes that follow.

A symbolic tensor is what ``Input`` and a layer called on symbolic tensors
return. Operations on it (operators, ``ops``, layers) are recorded as nodes, from
which a functional model is made.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keraunos.backend import K, Operand
from keraunos.backend.spec import TensorSpec
from keraunos.core.naming import unique_name
from keraunos.core.scope import Scope
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError

# Sizes tried in place of an unknown one: far apart, so that no stride maps both to one size, and with many
# divisors, so that a Reshape finds whole sizes.
_TRIAL_SIZES = (240, 1680)


class SymbolicTensor(Operand):
    """Shape and dtype of a tensor that a model will compute, and the node that computes it.

    Args:
        shape: Sizes, ``None`` where open; the first is the batch.
        dtype: Element type.
        name: Name of an input.
    """

    precedence = 2

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

    @property
    def spec(self) -> TensorSpec:
        """Shape and dtype."""
        return TensorSpec(self.shape, self.dtype)

    def operate(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the operation; questions about shape and dtype are answered at once."""
        if operation == "shape":
            return self.shape
        if operation == "dtype":
            return self.dtype
        if operation == "ndim":
            return len(self.shape)
        if operation == "is_tensor":
            return False
        if operation in ("to_numpy", "convert_to_numpy"):
            self.__array__()
        return record(Operation(operation), args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise ArgumentError(
            f"the symbolic tensor {self.name!r} of shape {self.shape} has no values. Use keraunos.ops on it, or make a "
            "Model of its inputs and outputs and call that on data."
        )

    def __bool__(self) -> bool:
        raise ArgumentError(
            f"the symbolic tensor {self.name!r} has no value to decide on. Use keraunos.ops.where or ops.cond."
        )

    def __iter__(self) -> Any:
        raise ArgumentError(f"the symbolic tensor {self.name!r} cannot be iterated over. Use keraunos.ops.unstack.")

    def __float__(self) -> float:
        return float(self.__array__())

    __int__ = __float__  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


class Operation:
    """A named operation of ``K`` as a step of a graph."""

    def __init__(self, function: str, name: str | None = None) -> None:
        self.function = function
        self.name = name or unique_name(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(K, self.function)(*args, **kwargs)


class Node:
    """One call of a layer or operation on symbolic tensors."""

    def __init__(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any) -> None:
        self.operation = operation
        # Copies of the containers: a list of tensors may grow after a layer was called on it.
        self.args, self.kwargs = tree.map(lambda leaf: leaf, (args, kwargs))
        self.outputs = tree.map(
            lambda spec: (
                None if spec is None else SymbolicTensor(spec.shape, spec.dtype, unique_name("tensor"), node=self)
            ),
            specs,
        )

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments, in order."""
        return [leaf for leaf in tree.leaves((self.args, self.kwargs)) if isinstance(leaf, SymbolicTensor)]


def record(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any = None) -> Any:
    """Record a call in the graph and return its symbolic outputs."""
    return Node(operation, args, kwargs, infer(operation, args, kwargs) if specs is None else specs).outputs


def infer(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Tree of ``TensorSpec`` that a call would return; symbolic tensors and specs among the arguments stand for data.

    The call is traced without computing. Where sizes are open it is traced
    twice, with two sizes in their place; what differs is open in the result.
    """
    arguments = (args, kwargs or {})
    stands = [leaf for leaf in tree.leaves(arguments) if isinstance(leaf, (SymbolicTensor, TensorSpec))]
    known = all(None not in stand.shape for stand in stands)

    def run(*tensors: Any) -> Any:
        remaining = iter(tensors)
        filled_args, filled_kwargs = tree.map(
            lambda leaf: next(remaining) if isinstance(leaf, (SymbolicTensor, TensorSpec)) else leaf, arguments
        )
        with Scope(strict=False, key=lambda: K.random_key(0)) as scope:
            scope.guesses = not known
            return function(*filled_args, **filled_kwargs)

    def trial(size: int) -> Any:
        return K.abstract(run, *(TensorSpec([s or size for s in stand.shape], stand.dtype) for stand in stands))

    if known:
        return trial(1)
    return tree.map(_agreed, *(trial(size) for size in _TRIAL_SIZES))


def _agreed(first: TensorSpec | None, second: TensorSpec | None) -> TensorSpec | None:
    if first is None or second is None:
        return None
    sizes = [a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)]
    return TensorSpec(sizes, first.dtype)


def is_symbolic(values: Any) -> bool:
    """Whether any leaf is a symbolic tensor."""
    return any(isinstance(leaf, SymbolicTensor) for leaf in tree.leaves(values))

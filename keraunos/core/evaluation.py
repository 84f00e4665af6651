"""Values and gradients of symbolic tensors: parts of a graph computed at once, or compiled as a function."""

import contextvars
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core import phase
from keraunos.core.scope import Scope, current_scope, fresh_seed, noting_reads, optimizer_writes
from keraunos.core.symbolic import Call, Node, Outside, SymbolicTensor, filled, is_symbolic, origin, outside
from keraunos.core.variable import Variable
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, ShapeError


def nodes_of(tensors: Iterable[Any], known: Iterable[int] = ()) -> list[Node]:
    """The steps that lead to tensors, each after those that it needs; not those behind the tensors with known ids."""
    done: set[int] = set(known)
    found: list[Node] = []
    # An explicit stack: a deep network would exceed Python's recursion limit.
    stack = [(origin(tensor), False) for tensor in reversed(list(tensors))]
    while stack:
        tensor, finished = stack.pop()
        node = tensor.node
        if node is None or node.is_input or id(tensor) in done or id(node) in done:
            continue
        if finished or not node.inputs:
            done.add(id(node))
            found.append(node)
        else:
            stack.append((tensor, True))
            stack += [(parent, False) for parent in reversed(node.inputs)]
    return found


def sources_of(tensors: Iterable[Any], known: Iterable[int] = ()) -> list[SymbolicTensor]:
    """The tensors that must be given a value before others can be computed: inputs and placeholders."""
    tensors, known = [origin(tensor) for tensor in tensors], set(known)
    needed = {id(tensor): tensor for tensor in tensors}
    for node in nodes_of(tensors, known):
        needed.update((id(parent), parent) for parent in node.inputs)
    return [t for key, t in needed.items() if key not in known and (t.node is None or t.node.is_input)]


def get_source_inputs(tensor: Any) -> list[SymbolicTensor]:
    """The inputs that a symbolic tensor follows from; of an input, itself.

    Args:
        tensor: A symbolic tensor, or a tree of such.

    >>> from keraunos.layers import Dense, Input
    >>> x = Input((4,))
    >>> get_source_inputs(Dense(3)(x)) == [x]
    True
    """
    return sources_of(tree.leaves(tensor))


def compute(nodes: Iterable[Node], values: dict[int, Any], *, numbered: bool = False) -> None:
    """Compute steps in order: ``values``, by the ids of tensors, hold what they begin with, and then what they make.

    Args:
        numbered: Whether a step's random numbers depend on the step alone, so that to compute it again, as a
            gradient does, gives the same.
    """
    scope = current_scope()
    for node in nodes:
        if numbered and scope is not None:
            scope.number_keys(node.number)
        args, kwargs = tree.map(lambda leaf: filled(leaf, values), (node.args, node.kwargs))
        results = perform(node, args, kwargs, values)
        for leaf, value in zip(tree.leaves(node.outputs), tree.leaves(results), strict=True):
            values[id(leaf)] = value


# By id, the values of the tensors that the step being computed uses without being given them; and by id of a layer, the
# function that stood for its ``call`` when the step was recorded.
_none: Mapping[int, Any] = MappingProxyType({})
_bound: contextvars.ContextVar[Mapping[int, Any]] = contextvars.ContextVar("bound", default=_none)
_frozen: contextvars.ContextVar[Mapping[int, Callable[..., Any]]] = contextvars.ContextVar("frozen", default=_none)


def perform(node: Node, args: Any, kwargs: Any, values: Mapping[int, Any] | None = None) -> Any:
    """What a step returns for arguments, where it is what it was when it was recorded.

    Args:
        values: By id, the values of the tensors that it uses besides; left out, they are taken from the surroundings.
    """
    if not (node.used or node.frozen):
        return node.operation(*args, **kwargs)
    bound = dict(_bound.get())
    if values is not None:
        bound.update((id(known), values[id(tensor)]) for known, tensor in node.used)
    tokens = _bound.set(bound), _frozen.set({**_frozen.get(), **node.frozen})
    try:
        results = node.operation(*args, **kwargs)
        return realized(results) if is_symbolic(results) else results
    finally:
        _frozen.reset(tokens[1])
        _bound.reset(tokens[0])


def bound_values() -> Mapping[int, Any]:
    """By id, the values of the tensors that the step being computed uses without being given them."""
    return _bound.get()


def frozen_call(layer: Any) -> Callable[..., Any] | None:
    """The function that stands for a layer's ``call`` in the step being computed, or ``None``."""
    return _frozen.get().get(id(layer))


def _known_values() -> dict[int, Any]:
    """By id, the values that symbolic tensors have in the running code."""
    values: dict[int, Any] = {}
    scope = current_scope()
    while scope is not None:
        values = {**scope.computed, **values}
        scope = scope.parent
    return {**values, **_bound.get()}


def computable(values: Any) -> bool:
    """Whether symbolic tensors among the leaves stand for values here: in a call that uses tensors from outside of it."""
    if current_scope() is None and not phase.inside_a_call():
        return False
    known, around = _known_values(), outside()
    missing = sources_of([leaf for leaf in tree.leaves(values) if isinstance(leaf, SymbolicTensor)], known)
    return all(around is not None and around.has(source) for source in missing)


def value_of(tensor: Any) -> Any:
    """The value of a symbolic tensor: in a trace that of the models called there, else the present one.

    Raises:
        ArgumentError: It depends on an input that has no value.
    """
    if not isinstance(tensor, SymbolicTensor):
        return tensor.value if isinstance(tensor, Variable) else tensor
    scope = current_scope()
    if scope is None:
        seed = fresh_seed()
        with Scope(strict=False, key=lambda: K.random_key(seed)) as scope, phase.calling(phase.fixed_training()):
            value = value_of(tensor)
        for variable, new in scope.after.items():
            variable.assign(new)
        return value
    values = _known_values()
    around = outside()
    if around is not None:
        for used in _used_from(around, tensor, values):
            values[id(used)] = around.stand_in(used)
    missing = sources_of([tensor], values)
    if missing:
        raise ArgumentError(
            f"the symbolic tensor {tensor.name!r} depends on {missing[0].name!r} of shape {missing[0].shape}, which "
            "has no value here. Make a function of it (K.function, or a Model), and call that on data."
        )
    compute(nodes_of([tensor], values), values)
    scope.computed.update(values)
    return filled(tensor, values)


def _used_from(around: Outside, tensor: SymbolicTensor, known: Mapping[int, Any]) -> list[SymbolicTensor]:
    """The tensors from outside of the running call that a tensor, made in it, follows from, if they need inputs."""
    stack, seen, found = [origin(tensor)], set(known), []
    while stack:
        leaf = stack.pop()
        if id(leaf) in seen:
            continue
        seen.add(id(leaf))
        if not around.has(leaf):
            stack += leaf.node.inputs if leaf.node is not None else []
        elif sources_of([leaf], known):
            found.append(leaf)
    return found


def realized(values: Any) -> Any:
    """The tree with the values of the symbolic tensors in it."""
    return tree.map(lambda leaf: value_of(leaf) if isinstance(leaf, SymbolicTensor) else leaf, values)


def returned(values: Any, what: str, name: str | None) -> Any:
    """What a function of the user's returned; an error where it is nothing that can be computed with."""
    if values is None or isinstance(values, (str, bytes)):
        hint = " Is there a `return`?" if values is None else ""
        raise ArgumentError(
            f"the {what} {name!r} returned {values!r}; expected a tensor, one value for each row or a single one.{hint}"
        )
    return values


class NoHistory(ArgumentError):
    """A gradient is asked for of a value of which it is not known how it was computed."""


# --- gradients ---------------------------------------------------------------------------


def gradients(loss: Any, targets: Sequence[Any]) -> list[Any]:
    """Symbolic gradients of a loss, summed over its elements, for Variables and symbolic tensors.

    Where the loss does not depend on a symbolic target, its gradient is ``None``.
    """
    loss = symbolic(loss)
    sources = sources_of([loss])
    behind = {id(leaf) for node in nodes_of([loss]) for leaf in tree.leaves(node.outputs)}
    behind |= {id(loss), *map(id, sources)}
    wanted = [t for t in targets if isinstance(t, Variable) or id(t) in behind]
    if not wanted:
        return [None] * len(targets)
    nodes = nodes_of([loss])

    def derivatives(*given: Any) -> list[Any]:
        start = {id(source): value for source, value in zip(sources, given, strict=True)}
        values = dict(start)
        with Scope(strict=False):
            compute(nodes, values, numbered=True)
        outer = current_scope()
        assert outer is not None
        points = [outer.read(t) if isinstance(t, Variable) else K.zeros_like(values[id(t)]) for t in wanted]

        def objective(points: list[Any]) -> Any:
            bound = {t: point for t, point in zip(wanted, points, strict=True) if isinstance(t, Variable)}
            moved = _Moved(start, {id(t): p for t, p in zip(wanted, points, strict=True) if t not in bound})
            with Scope(bound, strict=False):
                compute(nodes, moved, numbered=True)
            return K.sum(moved[id(loss)]), None

        return K.value_and_gradient(objective)(points)[1]  # type: ignore[no-any-return]

    specs = [TensorSpec(t.shape, t.dtype) for t in wanted]
    found = iter(Node(Call(derivatives, "gradients"), tuple(sources), {}, specs).outputs)
    return [next(found) if any(t is w for w in wanted) else None for t in targets]


def symbolic(x: Any) -> SymbolicTensor:
    """What stands for a Variable, or for a value, in a graph."""
    if isinstance(x, SymbolicTensor):
        return x
    spec = TensorSpec(tuple(x.shape), str(K.dtype(x)))
    tensor: SymbolicTensor = Node(Call(itself, "read"), (x,), {}, spec).outputs
    return tensor


class _Moved(dict[int, Any]):
    """Values of tensors to some of which a number is added, so that a derivative for it is one for the tensor."""

    def __init__(self, start: Mapping[int, Any], moves: Mapping[int, Any]) -> None:
        super().__init__()
        self.moves = moves
        for key, value in start.items():
            self[key] = value

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value + self.moves[key] if key in self.moves else value)


def itself(x: Any) -> Any:
    """The value of a Variable, or a value."""
    return x.value if isinstance(x, Variable) else x


# --- functions ---------------------------------------------------------------------------


class Program:
    """A compiled function from values of symbolic tensors to values of others, which may change Variables.

    Args:
        inputs: The tensors that are given, anywhere in a graph.
        outputs: Symbolic tensors, Variables or constants.
        updates: Pairs of a Variable and its new value, computed from the values before; objects with ``tensors`` and
            ``run(values)``, which assigns; symbolic tensors that are computed for their effect; ``None`` is left out.
    """

    def __init__(self, inputs: Sequence[SymbolicTensor], outputs: Sequence[Any], updates: Sequence[Any] = ()) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.updates = [update for update in updates if update is not None]
        known = [id(tensor) for tensor in self.inputs]
        self.wanted = [t for t in tree.leaves((self.outputs, self._updated())) if isinstance(t, SymbolicTensor)]
        missing = sources_of(self.wanted, known)
        if missing:
            raise ArgumentError(
                f"the outputs of a function depend on {missing[0].name!r} of shape {missing[0].shape}, which is not "
                "among its inputs. Add it to them."
            )
        self._nodes = nodes_of(self.wanted, known)
        self._compiled: dict[Any, tuple[Callable[..., Any], list[Variable], list[Variable]]] = {}

    def _updated(self) -> list[Any]:
        return [update.tensors if hasattr(update, "tensors") else update for update in self.updates]

    def __call__(self, values: Sequence[Any], training: bool | None = None) -> list[Any]:
        """Values of the outputs, as tensors.

        Args:
            values: One for each input.
            training: Whether layers inside train.
        """
        arrays = [K.array(value, tensor.dtype) for value, tensor in zip(values, self.inputs, strict=True)]
        if training not in self._compiled:
            self._compiled[training] = self._made(arrays, training)
        program, variables, assigned = self._compiled[training]
        results, new = program([v.concrete for v in variables], arrays, np.uint32(fresh_seed()))
        for variable, value in zip(assigned, new, strict=True):
            variable.replace(value)
        return list(results)

    def _made(self, arrays: Sequence[Any], training: bool | None) -> tuple[Any, list[Variable], list[Variable]]:
        variables: list[Variable] = []
        assigned: list[Variable] = []

        def run(held: Sequence[Any], given: Sequence[Any], seed: Any) -> Any:
            scope = Scope(dict(zip(variables, held, strict=True)), strict=False, key=lambda: K.random_key(seed))
            scope.training = training
            with scope, phase.calling(training):
                values = {id(tensor): value for tensor, value in zip(self.inputs, given, strict=True)}
                compute(self._nodes, values, numbered=True)
                results = [_read(output, values) for output in self.outputs]
                new = self.assigned(scope, values)
            assigned[:] = new
            return [K.array(result) for result in results], list(new.values())

        specs = [TensorSpec(K.shape(array), K.dtype(array)) for array in arrays]
        with noting_reads() as reads:
            K.abstract(run, [], specs, TensorSpec((), "uint32"))
        variables[:] = reads
        if any(getattr(node.operation, "needs_values", False) for node in self._nodes):
            return run, variables, assigned
        return K.compile(run), variables, assigned

    def assigned(self, scope: Scope, values: dict[int, Any]) -> dict[Variable, Any]:
        """New values of Variables after the updates, from the values of all tensors that these need."""
        new: dict[Variable, Any] = {}
        for update in self.updates:
            if isinstance(update, (tuple, list)):
                variable, value = update
                new[variable] = K.cast(K.array(_read(value, values)), variable.dtype)
                if tuple(K.shape(new[variable])) != variable.shape:
                    raise ShapeError(
                        f"the Variable {variable.path!r} has shape {variable.shape}; its update has shape "
                        f"{tuple(K.shape(new[variable]))}."
                    )
            elif hasattr(update, "run"):
                before = dict(scope.writes)
                with optimizer_writes():
                    update.run(values)
                new.update((v, x) for v, x in scope.writes.items() if before.get(v) is not x or update.keeps(v))
        return {**new, **scope.after}


def _read(output: Any, values: Mapping[int, Any]) -> Any:
    if isinstance(output, Variable):
        return output.value
    return filled(output, values) if isinstance(output, SymbolicTensor) else output

"""The graph of a functional model: which calls lead from inputs to outputs, in which order."""

from collections.abc import Callable
from typing import Any

from keraunos.core.evaluation import compute, nodes_of, sources_of
from keraunos.core.scope import current_scope
from keraunos.core.symbolic import Node, Operation, SymbolicTensor, copying, filled, moved, record
from keraunos.layers import InputLayer
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError


class Graph:
    """Calls between symbolic inputs and outputs.

    Args:
        inputs, outputs: Trees of symbolic tensors.
        owner: Name of the model, for messages.
    """

    def __init__(self, inputs: Any, outputs: Any, owner: str) -> None:
        for what, given in (("inputs", inputs), ("outputs", outputs)):
            for leaf in tree.leaves(given):
                if not isinstance(leaf, SymbolicTensor):
                    raise ArgumentError(
                        f"{owner}: {what} holds {type(leaf).__name__}; expected what Input() or a layer called on such "
                        "returns."
                    )
        self.inputs, self.outputs = inputs, outputs
        # The inputs that data are given for; the others follow from Variables and constants.
        self.fed = [leaf for leaf in tree.leaves(inputs) if not _is_computed(leaf)]
        self.nodes: list[Node] = []
        self._first_seen: dict[int, int] = {}
        known = {id(leaf) for leaf in tree.leaves(inputs)}
        done: set[int] = set()
        for leaf in tree.leaves(outputs):
            self._visit(leaf, known, done, owner)
        self.operations = self._in_order_of_depth()

    def _visit(self, tensor: SymbolicTensor, known: set[int], done: set[int], owner: str) -> None:
        # An explicit stack: a deep network would exceed Python's recursion limit.
        stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False)]
        while stack:
            tensor, finished = stack.pop()
            node = tensor.node
            if finished:
                if node is not None and id(node) not in done:
                    done.add(id(node))
                    self.nodes.append(node)
                continue
            if id(tensor) in known:
                if node is not None:
                    self._first_seen.setdefault(id(node.operation), len(self._first_seen))
                continue
            if node is None or node.is_input:
                raise ArgumentError(
                    f"{owner}: the outputs depend on the input {tensor.name!r} of shape {tensor.shape}, which is not "
                    "among the model's inputs. Add it to inputs=[...]."
                )
            if id(node) in done:
                continue
            self._first_seen.setdefault(id(node.operation), len(self._first_seen))
            stack.append((tensor, True))
            stack += [(parent, False) for parent in reversed(node.inputs)]

    def _in_order_of_depth(self) -> list[Any]:
        """Each layer and operation once, in Keras' order: farthest from the outputs first."""
        depths: dict[int, int] = {}
        levels: dict[int, int] = {}
        operations: dict[int, Any] = {}
        for node in reversed(self.nodes):
            depth = max(levels.get(id(node), 0), depths.get(id(node.operation), 0))
            depths[id(node.operation)] = levels[id(node)] = depth
            operations[id(node.operation)] = node.operation
            for parent in node.inputs:
                if parent.node is not None:
                    levels[id(parent.node)] = max(levels.get(id(parent.node), 0), depth + 1)
        for leaf in tree.leaves(self.inputs):
            if leaf.node is not None:
                operation = leaf.node.operation
                depths[id(operation)] = max(levels.get(id(leaf.node), 0), depths.get(id(operation), 0))
                operations[id(operation)] = operation
                self._first_seen.setdefault(id(operation), -1)
        order = sorted(operations, key=lambda key: (-depths[key], self._first_seen.get(key, -1)))
        self.depths = {operations[key]: depths[key] for key in order}
        return [operations[key] for key in order]

    def replayed(self, inputs: list[SymbolicTensor], call: Callable[..., Any]) -> tuple[Any, Any]:
        """Inputs and outputs of the same calls made again on other inputs, each by ``call(operation, *args, **kwargs)``."""
        values = {id(old): new for old, new in zip(tree.leaves(self.inputs), inputs, strict=True)}
        for node in self.nodes:
            args, kwargs = tree.map(lambda leaf: moved(leaf, values), (node.args, node.kwargs))
            with copying(values):
                if isinstance(node.operation, Operation):
                    results = record(node.operation.again(), args, kwargs)
                else:
                    results = call(node.operation, *args, **kwargs)
            for old, new in zip(tree.leaves(node.outputs), tree.leaves(results), strict=True):
                values[id(old)] = new
        return tree.map(lambda leaf: values[id(leaf)], (self.inputs, self.outputs))  # type: ignore[no-any-return]

    def masks(self, inputs: list[SymbolicTensor], masks: list[Any]) -> list[Any]:
        """Masks that the outputs have where the inputs are these and have such, as a flat list."""
        leaves = tree.leaves(self.inputs)
        values = {id(old): new for old, new in zip(leaves, inputs, strict=True)}
        known = {id(leaf): mask for leaf, mask in zip(leaves, masks, strict=True)}
        for node in self.nodes:
            old = tree.leaves(node.outputs)
            args, kwargs = tree.map(lambda leaf: filled(leaf, values), (node.args, node.kwargs))
            if all(a is b for a, b in zip(tree.leaves(args), tree.leaves(node.args), strict=True)):
                new = old
            else:
                used = [tensor for tensor, _ in node.used]
                specs = tree.map(_spec, node.outputs)
                with copying(values):
                    new = tree.leaves(Node(node.operation, args, kwargs, specs, used, node.frozen).outputs)
            values.update((id(a), b) for a, b in zip(old, new, strict=True))
            if isinstance(node.operation, Operation):
                continue
            before = tree.map(lambda leaf: known.get(id(leaf)), node.args[0])
            after = node.operation.compute_mask(args[0], before if _any(before) else None)
            known.update((id(leaf), mask) for leaf, mask in zip(old, _spread(after, len(old)), strict=True))
        return [known.get(id(leaf)) for leaf in tree.leaves(self.outputs)]

    @property
    def begins_inside(self) -> bool:
        """Whether an input is the output of a layer, not of ``Input``."""
        return any(
            leaf.node is not None and leaf.node.inputs and not isinstance(leaf.node.operation, InputLayer)
            for leaf in tree.leaves(self.inputs)
        )

    def run(self, inputs: Any) -> Any:
        """Outputs for values of the inputs, given as a flat list: of all, or of those that are fed."""
        leaves = tree.leaves(self.inputs)
        given = self.fed if len(inputs) == len(self.fed) else leaves
        values = {id(leaf): value for leaf, value in zip(given, inputs, strict=True)}
        if len(values) < len(leaves):
            compute(nodes_of([leaf for leaf in leaves if id(leaf) not in values]), values)
        compute(self.nodes, values)
        outputs = tree.map(lambda leaf: filled(leaf, values), self.outputs)
        scope = current_scope()
        if scope is not None:
            # Losses may be made of what is inside of the graph.
            scope.computed.update(values)
            scope.outputs += zip(tree.leaves(self.outputs), tree.leaves(outputs), strict=True)
        return outputs


def _is_computed(leaf: Any) -> bool:
    """Whether the value of an input follows from Variables and constants."""
    return leaf.node is not None and bool(leaf.node.inputs) and not sources_of([leaf])


def _any(masks: Any) -> bool:
    return any(mask is not None for mask in tree.leaves(masks))


def _spread(mask: Any, count: int) -> list[Any]:
    """The mask of each of several outputs."""
    return list(mask) if isinstance(mask, (list, tuple)) and len(mask) == count else [mask] * count


def _spec(leaf: Any) -> Any:
    return None if leaf is None else leaf.spec

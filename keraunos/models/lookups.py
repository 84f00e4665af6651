"""Which numbers of a model's data its Embeddings look up, found by following its graph back to the inputs."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from keraunos.backend import K
from keraunos.core.evaluation import compute, nodes_of
from keraunos.core.scope import Scope
from keraunos.core.symbolic import filled
from keraunos.layers import Embedding, TimeDistributed
from keraunos.layers.layer import Layer
from keraunos.training.data.lookups import Lookup, Lookups
from keraunos.utils import tree

if TYPE_CHECKING:
    from keraunos.models.model import Model

# The numbers that a layer looks up, as a function of what it is called on.
Path = Callable[[Any], Any]
# A size tried in place of an open one.
_TRIAL_SIZE = 7


def lookups(model: "Model") -> Lookups:
    """The lookups of a model; none of them is known where the model is written as a class."""
    found: list[Lookup] = []
    unknown: dict[int, Embedding] = {}
    every: dict[int, Embedding] = {id(layer): layer for layer in _tables(model)}
    if not every:
        return Lookups()
    for layer, path in _of_layer(model):
        traced = None if path is None else _traced(model, layer, path)
        if traced is None:
            unknown[id(layer)] = layer
        else:
            found += traced
    checked = frozenset(layer for key, layer in every.items() if key not in unknown)
    return Lookups(found, checked, [layer.name for layer in unknown.values()], model.fed_names)


def _tables(layer: Layer) -> list[Embedding]:
    return [part for part in layer._flatten_layers() if isinstance(part, Embedding)]


def _of_layer(layer: Any) -> Iterator[tuple[Embedding, Path | None]]:
    """The lookups inside a layer, with the way from its inputs to their numbers where it is known."""
    from keraunos.models.model import Model

    if type(layer).call is Embedding.call:
        yield layer, lambda inputs: inputs
    elif type(layer).call is TimeDistributed.call:
        for table, path in _of_layer(layer.layer):
            yield table, None if path is None else _of_steps(path)
    elif type(layer).call is Model.call and layer._graph is not None and not layer.computes_inputs:
        yield from _of_graph(layer)
    else:
        yield from ((table, None) for table in _tables(layer))


def _of_steps(path: Path) -> Path:
    return lambda inputs: path(tree.map(lambda x: K.reshape(x, (-1, *K.shape(x)[2:])), inputs))


def _of_graph(model: "Model") -> Iterator[tuple[Embedding, Path | None]]:
    graph = model._need_graph("inputs")
    inputs = tree.leaves(graph.inputs)
    for node in graph.nodes:
        if not isinstance(node.operation, Layer) or not _tables(node.operation):
            continue
        steps = nodes_of(node.inputs, [id(leaf) for leaf in inputs])
        computed = any(isinstance(step.operation, Layer) and step.operation.variables for step in steps)
        for table, path in _of_layer(node.operation):
            yield table, None if path is None or computed else _from_inputs(model, steps, node.args[0], path)


def _from_inputs(model: "Model", steps: list[Any], argument: Any, path: Path) -> Path:
    leaves = tree.leaves(model._need_graph("inputs").inputs)

    def follow(x: Any) -> Any:
        values = {id(leaf): value for leaf, value in zip(leaves, model._matched(x), strict=True)}
        compute(steps, values)
        return path(tree.map(lambda leaf: filled(leaf, values), argument))

    return follow


def _traced(model: "Model", layer: Embedding, path: Path) -> list[Lookup] | None:
    """A lookup for each input some of whose numbers are looked up as they are; else one that computes them.

    Numbers that are only moved are found by moving marks: numbers of which none is like another.
    """

    def numbers(x: Any) -> np.ndarray:
        with Scope(strict=False, key=lambda: K.random_key(0)):
            return np.asarray(K.to_numpy(path(tree.map(lambda leaf: None if leaf is None else K.array(leaf), x))))

    targets = tree.leaves(model._need_graph("inputs").inputs)
    shapes = [(1, *(_TRIAL_SIZE if size is None else size for size in target.shape[1:])) for target in targets]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    random = np.random.RandomState(0)

    def marks(added: float = 0.0) -> tuple[list[np.ndarray], np.ndarray]:
        flat = random.permutation(int(ends[-1])).astype("float32") + np.float32(1000 + added)
        parts = np.split(flat, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)], flat

    given, flat = marks()
    try:
        seen = numbers(given)
        order = np.argsort(flat)
        places = order[np.searchsorted(flat, seen, sorter=order).clip(0, len(flat) - 1)]
        others, other = marks()
        moved = np.array_equal(flat[places], seen) and np.array_equal(numbers(others), other[places])
        halves, half = marks(0.5)
        whole = moved and np.array_equal(numbers(halves), half[places])
    except Exception:  # a step that takes no such numbers; the model itself will say so, or find out when it runs
        return None
    by_itself = Lookup(layer.name, layer.input_dim, compute=numbers)
    if not moved:
        return [by_itself]
    found = []
    for source, (target, end) in enumerate(zip(targets, ends, strict=True)):
        size = int(np.prod(shapes[source]))
        columns = np.unique(places[(places >= end - size) & (places < end)]) - (end - size)
        if not len(columns):
            continue
        all_of_it = len(columns) == size
        if None in target.shape[1:] and not all_of_it:
            return [by_itself]
        exact = whole or "float" not in target.dtype
        found.append(Lookup(layer.name, layer.input_dim, source, None if all_of_it else columns, exact))
    return found

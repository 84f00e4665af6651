"""Copies of models with new weights."""

from collections.abc import Callable
from typing import Any

from keraunos.core.symbolic import is_symbolic
from keraunos.layers.layer import Layer
from keraunos.models.model import Model
from keraunos.models.sequential import Sequential
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
) -> Any:
    """Model of the same architecture with new weights.

    Args:
        model: Sequential or functional model; a subclass is copied by its config.
        input_tensors: Symbolic tensors to use as inputs.
        clone_function: Function that makes the copy of a layer.
        call_function: Function ``(layer, *args, **kwargs)`` that calls a copied layer.

    >>> from keraunos.layers import Dense, Input
    >>> copy = clone_model(Sequential([Input((2,)), Dense(3)]))
    >>> copy.count_params()
    9
    """
    if model._graph is None and not isinstance(model, Sequential):
        if input_tensors is not None or clone_function is not None:
            raise ArgumentError(
                "clone_model: input_tensors and clone_function need a Sequential or Model(inputs, outputs)."
            )
        return type(model).from_config(model.get_config())
    if input_tensors is not None and not is_symbolic(input_tensors):
        raise ArgumentError("clone_model: input_tensors are not symbolic; expected what Input() returns.")
    copies: dict[int, Any] = {}

    def copy(layer: Layer) -> Any:
        if id(layer) not in copies:
            copies[id(layer)] = clone_function(layer) if clone_function else layer.clone()
        return copies[id(layer)]

    if isinstance(model, Sequential) and input_tensors is None and call_function is None:
        clone = Sequential([copy(layer) if layer in model.layers else layer for layer in model._stack], name=model.name)
        clone.trainable = model.trainable
        return clone
    graph = model._need_graph("clone_model")
    old_inputs = tree.leaves(graph.inputs)
    new_inputs = tree.leaves(input_tensors) if input_tensors is not None else [_fresh(leaf) for leaf in old_inputs]
    values = {id(old): new for old, new in zip(old_inputs, new_inputs, strict=True)}
    for node in graph.nodes:
        args, kwargs = tree.map(lambda leaf: values.get(id(leaf), leaf), (node.args, node.kwargs))
        operation = copy(node.operation) if isinstance(node.operation, Layer) else node.operation
        call = operation if call_function is None else (lambda *a, _op=operation, **k: call_function(_op, *a, **k))
        if not isinstance(node.operation, Layer):
            from keraunos.core.symbolic import Operation, record

            results = record(Operation(operation.function, operation.name), args, kwargs)
        else:
            results = call(*args, **kwargs)
        for old, new in zip(tree.leaves(node.outputs), tree.leaves(results), strict=True):
            values[id(old)] = new
    inputs, outputs = tree.map(lambda leaf: values[id(leaf)], (graph.inputs, graph.outputs))
    return Model(inputs, outputs, name=model.name)


def _fresh(leaf: Any) -> Any:
    from keraunos.layers import Input

    return Input(batch_shape=leaf.shape, dtype=leaf.dtype, name=leaf.name)

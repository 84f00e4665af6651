"""Copies of models with new weights."""

from collections.abc import Callable
from typing import Any

from keraunos.core.symbolic import SymbolicTensor, is_symbolic
from keraunos.layers import Input
from keraunos.layers.layer import Layer
from keraunos.models.model import Model, fresh_input
from keraunos.models.sequential import Sequential
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError
from keraunos.utils.spelling import chosen
from keraunos.utils.tracebacks import entrance


@entrance
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
    if input_tensors is not None and chosen():
        # In eras 1 and 2 Variables and other tensors of the backend may be inputs.
        input_tensors = [
            leaf if isinstance(leaf, SymbolicTensor) and leaf.node is not None else Input(tensor=leaf)
            for leaf in tree.leaves(input_tensors)
        ]
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
    new_inputs = tree.leaves(input_tensors) if input_tensors is not None else [fresh_input(leaf) for leaf in old_inputs]

    def call(layer: Layer, *args: Any, **kwargs: Any) -> Any:
        return copy(layer)(*args, **kwargs) if call_function is None else call_function(copy(layer), *args, **kwargs)

    inputs, outputs = graph.replayed(new_inputs, call)
    return Model(inputs, outputs, name=model.name)

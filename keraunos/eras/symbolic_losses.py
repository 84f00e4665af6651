"""The losses that layers and models of eras 1 and 2 told between calls: tensors of the graph, one for each call and weight.

Keras 1 kept the gates of a recurrent layer apart, and regularized each by itself.
Weights of frozen layers were regularized too.
"""

import functools
from typing import Any

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core.scope import Scope
from keraunos.core.symbolic import Call, Node, infer, record, recording
from keraunos.eras import weight_lists
from keraunos.layers.layer import Layer

__all__ = ["losses", "regularization_losses"]


def losses(layer: Any) -> list[Any]:
    """What ``add_loss`` was given, what was added in each call on symbolic tensors, and the regularization of weights.

    A model tells of the calls in its own graph.
    """
    given = [loss for part in layer._flatten_layers() for loss in (*part._symbolic_losses, *part._eager_losses)]
    graph = getattr(layer, "_graph", None)
    calls = layer._nodes if graph is None else graph.nodes
    return [*given, *(loss for node in calls for loss in _of_call(node)), *regularization_losses(layer)]


def _of_call(node: Node) -> list[Any]:
    """The losses that a call of a layer adds."""
    layer = node.operation
    if not isinstance(layer, Layer) or not any(part._adds_losses for part in layer._flatten_layers()):
        return []
    if "losses" not in vars(node):
        again = Call(functools.partial(_added, layer), "losses")
        made = Node(again, node.args, node.kwargs, infer(again, node.args, node.kwargs))
        made.number = node.number  # its random numbers are those of the call
        vars(node)["losses"] = made.outputs
    return list(vars(node)["losses"])


def _added(layer: Any, *args: Any, **kwargs: Any) -> list[Any]:
    with Scope(strict=False) as scope:
        layer(*args, **kwargs)
    return [K.array(loss) for _, loss in scope.losses]


def regularization_losses(layer: Any) -> list[Any]:
    """Value of each weight's regularizer; between calls a tensor."""
    gates = weight_lists.gates(layer)
    pieces = [
        (variable, number, gates.get(id(variable), 1))
        for variable in layer.variables
        if variable.regularizer is not None
        for number in range(gates.get(id(variable), 1))
    ]
    if not recording():
        return [_regularized(*piece) for piece in pieces]
    return [record(Call(_regularized, "regularizer"), piece, {}, TensorSpec((), piece[0].dtype)) for piece in pieces]


def _regularized(variable: Any, number: int, count: int) -> Any:
    value = variable.value if count == 1 else K.split(variable.value, count, -1)[number]
    return variable.regularizer(value)

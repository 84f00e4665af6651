"""What is known of a graph's ends: how the first layers take NaN, and which activation makes an output."""

from typing import Any

from keraunos import activations
from keraunos.core.symbolic import Operation, SymbolicTensor
from keraunos.layers import Activation, Flatten, Lambda, Masking, Permute, Reshape, Softmax, TimeDistributed
from keraunos.layers.layer import Layer

# Layers that move numbers and change none.
_MOVING = (Flatten, Permute, Reshape)


def carries_nan(operation: Any) -> bool:
    """Whether NaN in the inputs of a layer is sure to be in its outputs: not where the user may take it out."""
    own = isinstance(operation, Layer) and type(operation).__module__.startswith("keraunos.layers.")
    return own and not isinstance(operation, (Lambda, Masking)) and len(operation._flatten_layers()) == 1


def final_activation(tensor: SymbolicTensor) -> tuple[str, str] | None:
    """Name of the layer that computes a tensor, and of its activation; ``None`` where nothing is sure."""
    from keraunos.models.model import Model

    node = tensor.node
    if node is None or not node.inputs or isinstance(node.operation, Operation):
        return None
    layer = node.operation.layer if type(node.operation) is TimeDistributed else node.operation
    if isinstance(layer, Model):
        found = layer.final_activations() if layer._graph is not None else {}
        return next(iter(found.values())) if len(found) == len(layer.output_names) == 1 else None
    if not type(layer).__module__.startswith("keraunos.layers."):
        return None
    if isinstance(layer, Softmax):
        return layer.name, "softmax"
    activation = getattr(layer, "activation", None)
    if isinstance(layer, _MOVING) or (isinstance(layer, Activation) and activation is activations.linear):
        return final_activation(node.inputs[0])
    # A recurrent layer ends with a product of several activations.
    if activation is None or hasattr(layer, "recurrent_activation") or hasattr(layer, "return_sequences"):
        return None
    name = getattr(activation, "__name__", "")
    return (layer.name, name) if getattr(activations, name, None) is activation else None

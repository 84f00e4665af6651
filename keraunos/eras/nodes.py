"""What layers and models of eras 1 and 2 told about their place in the graph: nodes, tensors, shapes and masks of a call."""

from collections.abc import Callable, Sequence
from typing import Any

from keraunos.core import evaluation
from keraunos.core.symbolic import Node, SymbolicTensor
from keraunos.layers import Input, InputLayer
from keraunos.layers.layer import Layer
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError

__all__ = [
    "Call",
    "add_inbound_node",
    "create_input_layer",
    "get_input_at",
    "get_input_mask_at",
    "get_input_shape_at",
    "get_output_at",
    "get_output_mask_at",
    "get_output_shape_at",
    "get_source_inputs",
    "inbound_nodes",
    "input_layers",
    "input_layers_node_indices",
    "input_layers_tensor_indices",
    "input_mask",
    "itself",
    "layer_input_shape",
    "layer_output_shape",
    "layers_by_depth",
    "outbound_nodes",
    "output_layers",
    "output_layers_node_indices",
    "output_layers_tensor_indices",
    "output_mask",
    "reset_states",
    "set_inputs",
]


class Call:
    """One call of a layer, as the class ``Node`` of Keras 1 and 2 told it.

    Args:
        node: The call.
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def outbound_layer(self) -> Any:
        """The layer that was called."""
        return self.node.operation

    @property
    def output_tensors(self) -> list[Any]:
        """What the call returned."""
        return tree.leaves(self.node.outputs)

    @property
    def input_tensors(self) -> list[Any]:
        """What the layer was called on; of an input the tensor itself."""
        return self.node.given or self.output_tensors

    @property
    def inbound_layers(self) -> list[Any]:
        """The layers whose outputs these are."""
        return [tensor.node.operation for tensor in self.node.given if tensor.node is not None]

    @property
    def node_indices(self) -> list[int]:
        """Which call of each of these layers it was."""
        nodes = [tensor.node for tensor in self.node.given if tensor.node is not None]
        return [_place(node, getattr(node.operation, "_nodes", [node])) for node in nodes]

    @property
    def tensor_indices(self) -> list[int]:
        """Which output of that call."""
        return [
            _place(tensor, tree.leaves(tensor.node.outputs)) for tensor in self.node.given if tensor.node is not None
        ]

    @property
    def input_shapes(self) -> list[Any]:
        """Shapes of the inputs."""
        return [tensor.shape for tensor in self.input_tensors]

    @property
    def output_shapes(self) -> list[Any]:
        """Shapes of the outputs."""
        return [tensor.shape for tensor in self.output_tensors]

    @property
    def input_masks(self) -> list[Any]:
        """Masks of the inputs, symbolic, or ``None``."""
        return [mask_of(tensor) for tensor in self.input_tensors]

    @property
    def output_masks(self) -> list[Any]:
        """Masks of the outputs, symbolic, or ``None``."""
        return [mask_of(tensor) for tensor in self.output_tensors]

    @property
    def arguments(self) -> dict[str, Any]:
        """Further arguments of the call."""
        return dict(self.node.kwargs)

    def get_config(self) -> dict[str, Any]:
        """Names of the layers, and places of the tensors."""
        return {
            "outbound_layer": self.outbound_layer.name,
            "inbound_layers": [layer.name for layer in self.inbound_layers],
            "node_indices": self.node_indices,
            "tensor_indices": self.tensor_indices,
        }

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Call) and self.node is other.node

    def __hash__(self) -> int:
        return id(self.node)


def _place(item: Any, items: Sequence[Any]) -> int:
    return next(number for number, other in enumerate(items) if other is item)


def mask_of(tensor: SymbolicTensor) -> Any:
    """Mask that a tensor has whenever it is computed, symbolic, or ``None``."""
    node = tensor.node
    if node is None or not node.inputs or not isinstance(node.operation, Layer):
        return None
    masks = tree.map(lambda leaf: mask_of(leaf) if isinstance(leaf, SymbolicTensor) else None, node.args[0])
    if not any(mask is not None for mask in tree.leaves(masks)):
        masks = None
    found = node.operation.compute_mask(node.args[0], masks)
    if not isinstance(found, (list, tuple)):
        return found
    return found[_place(tensor, tree.leaves(node.outputs))]


def inbound_nodes(self: Layer) -> list[Call]:
    """The calls of a layer on symbolic tensors."""
    return [Call(node) for node in self._nodes]


def outbound_nodes(self: Layer) -> list[Call]:
    """The calls of other layers on what this one returned."""
    users = [node for own in self._nodes for tensor in tree.leaves(own.outputs) for node in tensor.users]
    return [Call(node) for node in users if isinstance(node.operation, Layer)]


def _at(self: Layer, number: int, what: str) -> Call:
    nodes = inbound_nodes(self)
    if not 0 <= number < len(nodes):
        raise ArgumentError(
            f"{self.name}: {what} of call {number} is asked for, but the layer was called {len(nodes)} times on "
            "symbolic tensors; calls count from 0."
        )
    return nodes[number]


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _asked(attribute: str, what: str) -> Callable[[Layer, int], Any]:
    def ask(self: Layer, node_index: int) -> Any:
        return _one_or_all(getattr(_at(self, node_index, what), attribute))

    ask.__doc__ = f"The {what} of one of the calls of a layer, counted from 0; a list where there are several."
    return ask


get_input_at = _asked("input_tensors", "input")
get_output_at = _asked("output_tensors", "output")
get_input_shape_at = _asked("input_shapes", "input shape")
get_output_shape_at = _asked("output_shapes", "output shape")
get_input_mask_at = _asked("input_masks", "input mask")
get_output_mask_at = _asked("output_masks", "output mask")


def _of_the_only_call(attribute: str) -> Callable[[Layer], Any]:
    def read(self: Layer) -> Any:
        nodes = inbound_nodes(self)
        values = [_one_or_all(getattr(node, attribute)) for node in nodes]
        if not nodes or (len(nodes) > 1 and (attribute.endswith("masks") or any(v != values[0] for v in values))):
            raise AttributeError(
                f"{self.name}: was called {len(nodes)} times on symbolic tensors, so there is not one of this. Use "
                f"get_{attribute[:-1].replace('tensor', '').rstrip('_')}_at(number)."
            )
        return values[0]

    return read


input_mask = _of_the_only_call("input_masks")
output_mask = _of_the_only_call("output_masks")
layer_input_shape = _of_the_only_call("input_shapes")
layer_output_shape = _of_the_only_call("output_shapes")


# --- of models ---------------------------------------------------------------------------


def input_layers(self: Any) -> list[Any]:
    """The layers where data enter, in the order of the inputs."""
    return [tensor.node.operation for tensor in self.inputs]


def output_layers(self: Any) -> list[Any]:
    """The layers that make the outputs, in their order."""
    return [tensor.node.operation for tensor in self.outputs]


def _places(ends: str, what: int) -> Callable[[Any], list[int]]:
    def tell(self: Any) -> list[int]:
        found = []
        for tensor in getattr(self, ends):
            node = tensor.node
            found.append((_place(node, node.operation._nodes), _place(tensor, tree.leaves(node.outputs)))[what])
        return found

    return tell


# Of the layers where a model begins and ends: which of their calls, and which output of it.
input_layers_node_indices, input_layers_tensor_indices = _places("inputs", 0), _places("inputs", 1)
output_layers_node_indices, output_layers_tensor_indices = _places("outputs", 0), _places("outputs", 1)


def set_inputs(self: Any, inputs: Any, outputs: Any = None, training: Any = None) -> None:
    """Let a model that has no inputs yet, or whose inputs were set to ``None``, begin from others.

    Args:
        self: A model.
        inputs: Symbolic tensors, or arrays like those that will be given.
        outputs, training: Accepted; what the model returns follows from the inputs.
    """
    if self._graph is not None and self.inputs is not None:
        raise ArgumentError(f"{self.name}: Model inputs are already set. Set model.inputs = None first.")
    fresh = [x if isinstance(x, SymbolicTensor) else Input(x.shape[1:]) for x in tree.leaves(inputs)]
    if self._graph is None:
        self(fresh[0] if len(fresh) == 1 else fresh)
    else:
        self._set_graph(*self._graph.replayed(fresh, lambda layer, *args, **kwargs: layer(*args, **kwargs)))


def create_input_layer(
    self: Layer, batch_input_shape: Sequence[int | None], input_dtype: str | None = None, name: str | None = None
) -> None:
    """Call a layer on an input of its own.

    Args:
        self: A layer.
        batch_input_shape: Shape of the input, the batch first.
        input_dtype, name: Of the input.
    """
    self(Input(batch_shape=tuple(batch_input_shape), dtype=input_dtype, name=name))


def add_inbound_node(self: Layer, inbound_layers: Any, node_indices: Any = None, tensor_indices: Any = None) -> None:
    """Call a layer on what others returned.

    Args:
        self: A layer.
        inbound_layers: The other layers, or one.
        node_indices, tensor_indices: For each of them the number of its call, and the place among the outputs; the
            first if not given.
    """
    found = inbound_layers if isinstance(inbound_layers, (list, tuple)) else [inbound_layers]
    first = [0] * len(found)
    calls, places = (_as_list(numbers, first) for numbers in (node_indices, tensor_indices))
    tensors = [
        tree.leaves(_at(layer, call, "output").node.outputs)[place]
        for layer, call, place in zip(found, calls, places, strict=True)
    ]
    self(tensors[0] if len(tensors) == 1 else tensors)


def _as_list(numbers: Any, otherwise: list[int]) -> list[int]:
    """Numbers as a list."""
    return otherwise if numbers is None else list(numbers) if isinstance(numbers, (list, tuple)) else [numbers]


def itself(self: Any) -> Any:
    """The same model: before Keras 2.2 a ``Sequential`` held another one."""
    return self


def shares_layers(self: Any) -> bool:
    """Whether the list that ``layers`` returns is the model's own."""
    stack = getattr(self, "_stack", None)
    return not stack or spelling.era() == 1 or not isinstance(stack[0], InputLayer)


def layers_by_depth(self: Any) -> dict[int, list[Any]]:
    """The layers by the number of steps between them and the outputs."""
    found: dict[int, list[Any]] = {}
    for operation, depth in self._need_graph("layers_by_depth").depths.items():
        if isinstance(operation, Layer):
            found.setdefault(depth, []).append(operation)
    return found


def reset_states(self: Any) -> None:
    """Set the kept states of all stateful layers to zero."""
    for layer in self._flatten_layers():
        if layer is not self and getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
            layer.reset_states()


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list[SymbolicTensor]:
    """The inputs that a symbolic tensor follows from; of an input, itself."""
    return evaluation.get_source_inputs(tensor)

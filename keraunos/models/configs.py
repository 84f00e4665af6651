"""The config of a functional model: its layers, and which tensors each of their calls took."""

import heapq
import inspect
from collections.abc import Mapping
from typing import Any

from keraunos.backend import Engine
from keraunos.backend.depth import VERBS
from keraunos.core import registry
from keraunos.core.symbolic import Node, Operation, SymbolicTensor, record
from keraunos.layers.layer import Layer
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import snake_case, suggestion

_TENSOR = "__keras_tensor__"
# Arguments of operations that Keras counts as tensors, whatever they are.
_TENSORS = frozenset({"x", "x1", "x2", "xs", "y", "inputs", "tensors", "condition", "key", "indices"})
# Operations whose class Keras does not name after the function, and modules other than ``numpy``.
_CLASSES = {"Absolute": "abs", "TrueDivide": "divide", "NotEqual": "not_equal"}
_KERAS_MODULES = {
    "core": {"Cast", "Unstack", "Slice"},
    "math": {"Erf", "Erfinv", "Logsumexp", "Rsqrt", "TopK", "SegmentSum", "SegmentMax"},
    "nn": {
        *("Relu", "Relu6", "Sigmoid", "Softplus", "Softsign", "Silu", "LogSigmoid", "LeakyRelu", "HardSigmoid"),
        *("HardSilu", "Elu", "Selu", "Gelu", "Softmax", "LogSoftmax", "OneHot", "Celu", "TanhShrink", "SoftShrink"),
    },
}


def layer_config(layer: Any) -> dict[str, Any]:
    """Config of a layer, with the shapes that it was built for."""
    config: dict[str, Any] = registry.serialize(layer)
    if isinstance(layer, Layer) and layer.built and layer.get_build_config():
        config["build_config"] = registry.serialize(layer.get_build_config())
    return config


def graph_config(model: Any) -> dict[str, Any]:
    """Config of a model that has a graph, as Keras 3 writes it."""
    graph = model._graph
    places: dict[int, tuple[str, int]] = {}
    calls: dict[int, list[Node]] = {}
    for node in graph.nodes:
        own = calls.setdefault(id(node.operation), [])
        places[id(node)] = (node.operation.name, len(own))
        own.append(node)
    for leaf in tree.leaves(graph.inputs):
        places.setdefault(id(leaf.node) if leaf.node is not None else id(leaf), (leaf.name, 0))

    def place(leaf: SymbolicTensor) -> list[Any]:
        name, number = places[id(leaf.node) if leaf.node is not None else id(leaf)]
        outputs = tree.leaves(leaf.node.outputs) if leaf.node is not None else [leaf]
        return [name, number, next(i for i, output in enumerate(outputs) if output is leaf)]

    def end(leaf: SymbolicTensor) -> list[Any]:
        name, number, index = place(leaf)
        return [name, number + _own_call(leaf.node.operation if leaf.node is not None else None), index]

    def written(leaf: Any) -> Any:
        if not isinstance(leaf, SymbolicTensor):
            return registry.serialize(leaf)
        return {
            "class_name": _TENSOR,
            "config": {"shape": list(leaf.shape), "dtype": leaf.dtype, "keras_history": place(leaf)},
        }

    layers = []
    for operation in graph.operations:
        own = calls.get(id(operation), [])
        if isinstance(operation, Operation):
            config, own_calls = _operation_config(own[0])
        else:
            config, own_calls = layer_config(operation), [(node.args, node.kwargs) for node in own]
        nodes = [
            {"args": [_mapped(written, arg) for arg in args], "kwargs": _mapped(written, kwargs)}
            for args, kwargs in own_calls
        ]
        layers.append({**config, "name": operation.name, "inbound_nodes": nodes})
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _mapped(end, graph.inputs),
        "output_layers": _mapped(end, graph.outputs),
    }


def graph_from_config(cls: type, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
    """Model of such a config, with new weights."""
    with registry.custom_object_scope(custom_objects or {}):
        return _assemble(cls, config)


def _assemble(cls: type, config: Mapping[str, Any]) -> Any:
    operations: dict[str, Any] = {}
    outputs: dict[tuple[str, int], list[Any]] = {}
    waiting: list[tuple[str, int, Mapping[str, Any]]] = []
    for entry in config["layers"]:
        operation = _operation(entry)
        name = entry.get("name", operation.name)
        operations[name] = operation
        for number, call in enumerate(entry.get("inbound_nodes", [])):
            waiting.append((name, number, call))
        if not entry.get("inbound_nodes"):
            outputs[name, 0] = tree.leaves(operation.output)

    def tensor(value: Any) -> Any:
        name, number, index = value["config"]["keras_history"]
        return outputs[name, number][index]

    missing = [set(_needs(call)) - outputs.keys() for _, _, call in waiting]
    users: dict[tuple[str, int], list[int]] = {}
    for place, needs in enumerate(missing):
        for key in needs:
            users.setdefault(key, []).append(place)
    # In the order of the config, turn by turn, where a call stands before what it needs.
    ready = [(0, place) for place, needs in enumerate(missing) if not needs]
    while ready:
        turn, place = heapq.heappop(ready)
        name, number, call = waiting[place]
        args, kwargs = _read(call.get("args", []), tensor), _read(call.get("kwargs", {}), tensor)
        outputs[name, number] = tree.leaves(operations[name](*args, **kwargs))
        for user in users.pop((name, number), ()):
            missing[user].discard((name, number))
            if not missing[user]:
                heapq.heappush(ready, (turn + (user < place), user))
    left = next((waiting[place][0] for place, needs in enumerate(missing) if needs), None)
    if left is not None:
        raise ArgumentError(f"the config has calls whose inputs nothing computes, such as one of {left!r}.")

    def at(place: Any) -> Any:
        return outputs[place[0], place[1] - _own_call(operations[place[0]])][place[2]]

    inputs = _places(config["input_layers"], at)
    model = cls(inputs=inputs, outputs=_places(config["output_layers"], at), name=config.get("name"))
    if not config.get("trainable", True):
        model.trainable = False
    return model


def _own_call(operation: Any) -> int:
    """1 for a functional model: where a config lists inputs and outputs, Keras counts the model's own graph as a call."""
    return int(getattr(operation, "_graph", None) is not None and not hasattr(operation, "_stack"))


def _operation_config(node: Node) -> tuple[dict[str, Any], list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Config of an operation and its call: as in Keras, what is no tensor is an argument of the operation."""
    operation = node.operation
    bound = inspect.signature(getattr(Engine, operation.function)).bind(None, *node.args, **node.kwargs)
    given = dict(list(bound.arguments.items())[1:])
    call = {name: value for name, value in given.items() if name in _TENSORS}
    name = next((k for k, v in _CLASSES.items() if v == operation.function), None) or _camel_case(operation.function)
    config = {
        "module": f"keras.src.ops.{next((m for m, names in _KERAS_MODULES.items() if name in names), 'numpy')}",
        "class_name": name,
        "config": {"name": operation.name, **{k: registry.serialize(v) for k, v in given.items() if k not in call}},
        "registered_name": name,
    }
    return config, [(tuple(call.values()), {})]


def _operation(entry: Mapping[str, Any]) -> Any:
    if not str(entry.get("module") or "").startswith("keras.src.ops."):
        return registry.deserialize(dict(entry))
    settings = {name: registry.deserialize(value) for name, value in entry.get("config", {}).items()}
    name = str(entry["class_name"])
    function = _CLASSES.get(name, snake_case(name))
    known = {name for base in Engine.__mro__ for name in vars(base) if not name.startswith("_")} - set(VERBS)
    if function not in known:
        raise ArgumentError(f"there is no operation {name!r}.{suggestion(function, known)}")
    accepted = inspect.signature(getattr(Engine, function)).parameters
    own = settings.pop("name", None)
    return _Recorded(Operation(function, own), {k: v for k, v in settings.items() if k in accepted or v is not None})


def _camel_case(function: str) -> str:
    return "".join(word.capitalize() for word in function.split("_"))


class _Recorded:
    """An operation of a config, called as a layer is."""

    def __init__(self, operation: Operation, settings: dict[str, Any]) -> None:
        self.operation, self.name, self.settings = operation, operation.name, settings

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.operation.function == "get_item" and isinstance(args[-1], list):
            args = (*args[:-1], tuple(args[-1]))
        return record(self.operation, args, {**kwargs, **self.settings})


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == _TENSOR


def _needs(call: Any) -> list[tuple[str, int]]:
    if _is_tensor(call):
        name, number, _ = call["config"]["keras_history"]
        return [(name, number)]
    if isinstance(call, Mapping):
        return [key for value in call.values() for key in _needs(value)]
    if isinstance(call, list):
        return [key for value in call for key in _needs(value)]
    return []


def _read(value: Any, tensor: Any) -> Any:
    if _is_tensor(value):
        return tensor(value)
    if isinstance(value, Mapping):
        if "class_name" in value:
            return registry.deserialize(dict(value))
        return {key: _read(item, tensor) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item, tensor) for item in value]
    return value


def _mapped(function: Any, values: Any) -> Any:
    """Like ``tree.map``, with lists for tuples, as JSON will have them."""
    if isinstance(values, Mapping):
        return {key: _mapped(function, value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_mapped(function, value) for value in values]
    return function(values)


def _places(places: Any, at: Any) -> Any:
    if isinstance(places, Mapping):
        return {key: _places(place, at) for key, place in places.items()}
    if len(places) == 3 and isinstance(places[0], str) and isinstance(places[1], int):
        return at(places)
    return [_places(place, at) for place in places]

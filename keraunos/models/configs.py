"""The config of a functional model: its layers, and which tensors each of their calls took."""

from collections.abc import Mapping
from typing import Any

from keraunos.backend import Engine
from keraunos.core import registry
from keraunos.core.symbolic import Node, Operation, SymbolicTensor
from keraunos.layers.layer import Layer
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import snake_case, suggestion

_TENSOR = "__keras_tensor__"


def layer_config(layer: Any) -> dict[str, Any]:
    """Config of a layer, with the shapes that it was built for."""
    if isinstance(layer, Operation):
        words = "".join(word.capitalize() for word in layer.function.split("_"))
        return {
            "module": "keras.ops",
            "class_name": words,
            "config": {"name": layer.name, "function": layer.function},
            "registered_name": words,
        }
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
        nodes = [
            {"args": [_mapped(written, arg) for arg in node.args], "kwargs": _mapped(written, node.kwargs)}
            for node in calls.get(id(operation), [])
        ]
        layers.append({**layer_config(operation), "name": operation.name, "inbound_nodes": nodes})
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

    while waiting:
        ready = [call for call in waiting if all(key in outputs for key in _needs(call[2]))]
        if not ready:
            raise ArgumentError(
                f"the config has calls whose inputs nothing computes, such as one of {waiting[0][0]!r}."
            )
        for name, number, call in ready:
            args, kwargs = _read(call.get("args", []), tensor), _read(call.get("kwargs", {}), tensor)
            results = operations[name](*args, **kwargs)
            outputs[name, number] = tree.leaves(results)
        waiting = [call for call in waiting if (call[0], call[1]) not in outputs]

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


def _operation(entry: Mapping[str, Any]) -> Any:
    module = str(entry.get("module") or "")
    if not module.startswith(("keras.ops", "keras.src.ops")):
        return registry.deserialize(dict(entry))
    settings = entry.get("config", {})
    function = str(settings.get("function") or snake_case(str(entry["class_name"])))
    known = [name for name in vars(Engine) if not name.startswith("_")] + [
        name for base in Engine.__mro__[1:] for name in vars(base) if not name.startswith("_")
    ]
    if function not in known:
        raise ArgumentError(
            f"the config names an operation {function!r} that does not exist.{suggestion(function, known)}"
        )
    return _Recorded(Operation(function, settings.get("name")))


class _Recorded:
    """An operation of a config, called as a layer is."""

    def __init__(self, operation: Operation) -> None:
        self.operation, self.name = operation, operation.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from keraunos.core.symbolic import record

        return record(self.operation, args, kwargs)


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

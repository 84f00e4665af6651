"""Configs of models as earlier generations of Keras wrote them, and their translation to today's: data, never objects.

What stands in a file is checked after the translation, by the rules that hold
for every config: a class is looked up in the closed tables, and code is refused.
Sources: ``get_config`` and ``from_config`` of Keras 1.2.2 and 2.2.4, and files
of 2.3.1 and of TensorFlow's Keras 2.9.
"""

import base64
import binascii
import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keraunos.core import registry
from keraunos.core.registry import TABLES
from keraunos.eras import modules, translate
from keraunos.utils import spelling
from keraunos.utils.errors import KeraunosError, ModelFileError

__all__ = ["Origin", "origin", "todays_compile", "todays_model"]


class Origin(NamedTuple):
    """Who wrote a file.

    Attributes:
        era: Whose defaults and arithmetic it means.
        backend: ``"theano"``, ``"tensorflow"`` … or ``""`` where nothing tells.
        merged: Whether it is one of TensorFlow's own releases of Keras 2, which computed as Keras 3 does.
    """

    era: int
    backend: str = ""
    merged: bool = False


# Arguments that no era before the last had, or the last has not, and that do nothing at these values.
_IDLE: Mapping[str, Any] = {
    "time_major": False,
    "ragged": False,
    "virtual_batch_size": None,
    "adjustment": None,
    "fused": None,
    "experimental_autocast": True,
    "input_tensor": None,
    "keepdims": False,
    "vocabulary": None,
}
_CONTAINERS = ("Model", "Functional", "Sequential", "Network", "Container", "Graph")
_FAMILIES = (
    ("activation", "activations"),
    ("initializer", "initializers"),
    ("regularizer", "regularizers"),
    ("constraint", "constraints"),
)
# How a merging layer of era 1 did what is a class of its own today.
_MERGING = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate"}
_MARKS_OF_FIRST = frozenset(
    "nb_filter nb_row init inner_init inner_activation W_regularizer border_mode dim_ordering input_dtype "
    "dropout_W gamma_regularizer_ concat_axis pool_length subsample_length filter_length".split()
)


def origin(version: Any, backend: Any, config: Any = None) -> Origin:
    """Who wrote a file, from what it says of itself and from how its config is spelled.

    Args:
        version, backend: The file's ``keras_version`` and ``backend``, ``None`` where it has none.
        config: The config of the model, if it is known.

    >>> origin("2.2.4", "theano").era, origin("2.9.0", "tensorflow").merged
    (2, True)
    """
    text = version if isinstance(version, str) else ""
    numbers = [
        int(part) if part.isascii() and part.isdigit() and len(part) < 10 else 0
        for part in text.split("-")[0].split(".", 2)[:2]
    ]
    engine = backend if isinstance(backend, str) else ""
    if numbers and numbers[0] in (1, 2):
        return Origin(numbers[0], engine, numbers >= [2, 4] or text.endswith("-tf"))
    if text or config is None:
        return Origin(3 if text else 1, engine)
    keys = {key for _, key in _keys(config)}
    if "module" in keys or "registered_name" in keys:
        return Origin(3, engine)
    return Origin(1 if keys & _MARKS_OF_FIRST else 2, engine)


def _keys(value: Any) -> list[tuple[Any, str]]:
    found, stack = [], [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            found += [(item, str(key)) for key in item]
            stack += item.values()
        elif isinstance(item, (list, tuple)):
            stack += item
    return found


def todays_model(config: Any, written: Origin, name: str = "the config") -> Any:
    """Config of a model, or of any layer, in today's spelling; one that is today's is returned as it is.

    Args:
        config: What ``get_config`` returned, with the ``class_name``.
        written: Who wrote it.
        name: What messages call it.

    Raises:
        ModelFileError: It has not the form of such a config.

    >>> entry = {"class_name": "Dense", "config": {"output_dim": 3, "init": "zero", "bias": False, "name": "d"}}
    >>> new = todays_model(entry, Origin(1))["config"]
    >>> new["units"], new["use_bias"], "init" in new
    (3, False, False)
    """
    if written.era == spelling.MODERN or not isinstance(config, Mapping) or "class_name" not in config:
        return config
    with spelling.in_era(written.era), spelling.quiet():
        try:
            return _layer(config, written)
        except Exception as error:
            said = str(error) if isinstance(error, KeraunosError) else f"{type(error).__name__} {error}"
            raise ModelFileError(
                f"{name}: a model cannot be made, since it has not the form that Keras {written.era} wrote ({said})."
            ) from None


def todays_compile(training: Any, written: Origin) -> dict[str, Any] | None:
    """Arguments of ``compile`` from a file's ``training_config``.

    Names of losses and metrics mean what they meant in the file's era: compile in it.
    """
    if not isinstance(training, Mapping) or not isinstance(training.get("optimizer_config"), Mapping):
        return None
    try:
        return _compiled(training, written)
    except Exception as error:
        raise ModelFileError(
            f"the training_config has not the form that Keras {written.era} wrote ({error})."
        ) from None


def _compiled(training: Any, written: Origin) -> dict[str, Any]:
    known = {
        name: training[name] for name in ("loss", "metrics", "loss_weights", "weighted_metrics") if name in training
    }
    if written.era == spelling.MODERN:
        return {**known, "optimizer": dict(training["optimizer_config"])}
    with spelling.in_era(written.era), spelling.quiet():
        optimizer = _optimizer(training["optimizer_config"], written)
    mode = training.get("sample_weight_mode")
    modes = list(mode.values()) if isinstance(mode, Mapping) else mode if isinstance(mode, list) else [mode]
    if any(one not in (None, "temporal") for one in modes):
        raise ValueError(f"sample_weight_mode is {mode!r:.60}")
    weighed = {} if mode is None else {"weigh": mode}
    return {**{name: _objective(value) for name, value in known.items()}, **weighed, "optimizer": optimizer}


# --- layers and models --------------------------------------------------------------------


def _layer(entry: Any, written: Origin) -> dict[str, Any]:
    name, config = entry["class_name"], entry["config"]
    if name == "Sequential":
        made = _sequential(config, written)
    elif name in _CONTAINERS and isinstance(config, Mapping) and "layers" in config:
        made = _described("Functional", _graph(config, written), "keras")
    elif isinstance(config, Mapping) and "layers" in config and "input_layers" in config:
        made = {"class_name": name, "config": _graph(config, written)}  # of a class of the caller's own
    elif name == "Merge":
        made = _merge(dict(config))
    else:
        made = _simple(name, dict(config), written)
    return {**made, **{key: entry[key] for key in ("name",) if entry.get(key) is not None}}


def _simple(name: Any, config: dict[str, Any], written: Origin) -> dict[str, Any]:
    if name == "Lambda":
        config = _lambda(config)
    cls = _class("layers", name)
    if cls is None:
        # the caller's own, or unknown: the tables will say
        return {"class_name": name, "config": {key: _of_family(key, value) for key, value in config.items()}}
    takes_width = "input_dim" in _arguments(cls)
    for argument in ("input_dim", "input_length", "input_shape"):
        if not (argument == "input_dim" and takes_width):
            config.pop(argument, None)
    if cls.__name__ != "InputLayer":
        # The type of its inputs; numbers are converted where they come in.
        config.pop("input_dtype", None)
        if written.merged:
            config["dtype"] = _policy(config.get("dtype"))
        else:
            config.pop("dtype", None)
    for key, value in config.items():
        if isinstance(value, Mapping) and "class_name" in value and key.split("_")[-1] in ("layer", "cell"):
            config[key] = _layer(value, written)
        elif key == "cells" and isinstance(value, list):
            config[key] = [_layer(cell, written) for cell in value]
    padding = config.get("padding", config.get("border_mode"))
    spelled = _spelled(cls, config)
    if "flipped" in _arguments(cls):
        # Kernels are turned when they are read, whichever engine Keras is asked to behave like.
        spelled["flipped"] = written.backend == "theano" and cls.__name__.startswith("ConvLSTM")
    if padding == "same" and "padding" in spelled:
        spelled["padding"] = "half" if written.backend == "theano" and is_centred(spelled) else "same"
    return _described(cls.__name__, spelled, "keras.layers")


def _of_family(key: str, value: Any) -> Any:
    """An argument of a class of the caller's own: objects and activations in it mean what they meant in the file's era."""
    if not isinstance(value, Mapping) and not key.endswith("activation"):
        return value
    value = _valued(key, value)
    if not isinstance(value, Mapping) or "class_name" not in value or "module" in value:
        return value
    families = ("initializers", "regularizers", "constraints")
    found = next((f for f in families if f in TABLES and value["class_name"] in TABLES[f].members), None)
    return value if found is None else {**value, "module": f"keras.{found}"}


def is_centred(arguments: Mapping[str, Any]) -> bool:
    """Whether Theano, which put half of a window before the data, padded otherwise than others do."""
    window, steps = (
        [item for name in names for item in _flat(arguments.get(name))]
        for names in (("kernel_size", "pool_size"), ("strides",))
    )
    return any(size % 2 == 0 for size in window) or any(step != 1 for step in steps)


def _flat(value: Any) -> list[int]:
    return [item for item in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(item, int)]


def _described(name: str, config: Any, module: str) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def _class(family: str, name: Any) -> Any:
    """Class of the library that a name meant in the active era."""
    if not isinstance(name, str):
        raise ModelFileError(f"a class is named by {name!r}; expected a text.")
    try:
        found = modules.find(family, name)
    except AttributeError:
        return None
    return found if inspect.isclass(found) else None


def _arguments(cls: type) -> set[str]:
    """All arguments by name that a class and its bases take."""
    makers = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base) and base is not object]
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        name for make in makers for name, p in inspect.signature(make).parameters.items() if p.kind not in kinds
    } - {"self"}


def _spelled(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """Arguments in today's spelling, with what the active era's defaults add, and names meaning what they meant."""
    known = _arguments(cls)
    config = {key: value for key, value in config.items() if key in known or key not in _IDLE or value != _IDLE[key]}
    _, spelled = translate.arguments(spelling.owners_of(cls), (), known | {"batch_shape"}, [], config)
    if "input_shape" not in config:
        spelled.pop("input_shape", None)
    return {key: _valued(key, value) for key, value in spelled.items()}


def _valued(key: str, value: Any) -> Any:
    family = next((family for ending, family in _FAMILIES if key.endswith(ending)), None)
    if family is not None and value is not None:
        return _member(family, value)
    if isinstance(value, Mapping) and set(value) == {"type", "value"} and value["type"] == "ndarray":
        array = np.asarray(value["value"])
        return {"class_name": "__numpy__", "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    if key == "arguments" and isinstance(value, Mapping):
        return {name: _valued("", item) for name, item in value.items()}
    return value


def _member(family: str, value: Any) -> Any:
    """An activation, initializer, regularizer or constraint as it is written today."""
    if isinstance(value, Mapping):
        value = dict(value)
        if "class_name" not in value and isinstance(value.get("name"), str):
            value = {"class_name": value.pop("name"), "config": value}  # as era 1 wrote them
        if value.get("class_name") == "L1L2Regularizer":
            value["class_name"] = "L1L2"
        cls = _class(family, value.get("class_name"))
        if cls is None or not isinstance(value.get("config"), Mapping):
            return value
        return _described(cls.__name__, _spelled(cls, dict(value["config"])), f"keras.{family}")
    if not isinstance(value, str):
        return value
    if family == "activations":
        meant = translate.member(family, value)
        return getattr(meant, "__name__", value) if meant is not None else value
    if value not in TABLES[family].members and translate.member(family, value) is None:
        return value  # the caller's own
    return registry.serialize(TABLES[family].get(value))


def _sequential(config: Any, written: Origin) -> dict[str, Any]:
    name = None if isinstance(config, list) else config.get("name")
    entries = [_normal(item) for item in _stack(config)]
    if entries and entries[0]["class_name"] == "Merge":
        return _described("Functional", _branches(entries, name, written), "keras")
    made: dict[str, Any] = {"layers": [_layer(item, written) for item in entries]}
    if name is not None:
        made["name"] = name
    shape = None if isinstance(config, list) else config.get("build_input_shape")
    return _described("Sequential", {**made, **({"build_input_shape": shape} if shape else {})}, "keras")


def _stack(config: Any) -> list[Any]:
    """The layers of a Sequential, of which Keras 1 wrote nothing else."""
    return config if isinstance(config, list) else config["layers"]  # type: ignore[no-any-return]


def _normal(entry: Any) -> dict[str, Any]:
    """An entry of a stack; the first releases wrote the class as ``name`` among the arguments."""
    if "class_name" in entry:
        return dict(entry)
    config = dict(entry)
    kind, config["name"] = config["name"], config.get("custom_name")
    config.pop("custom_name", None)
    return {"class_name": kind, "config": {key: value for key, value in config.items() if value is not None}}


def _merge(config: dict[str, Any]) -> dict[str, Any]:
    """A merging layer of era 1."""
    mode, name = config.get("mode"), config.get("name")
    family = {"name": name, **({"trainable": config["trainable"]} if "trainable" in config else {})}
    if mode in _MERGING:
        axis = {"axis": config.get("concat_axis", -1)} if mode == "concat" else {}
        return _described(_MERGING[mode], {**family, **axis}, "keras.layers")
    for key in ("mode", "output_shape", "output_mask"):
        config[key] = _function(config.get(key), config.pop(f"{key}_type", "raw"))
    return {"class_name": "Merge", "config": config}


def _lambda(config: dict[str, Any]) -> dict[str, Any]:
    """A Lambda whose functions are written as today: by name, or as code."""
    for key in ("function", "output_shape", "mask"):
        if key in config:
            config[key] = _function(config[key], config.pop(f"{key}_type", "raw"))
        config.pop(f"{key}_type", None)
    config.pop("module", None)
    config.pop("output_shape_module", None)
    return {key: value for key, value in config.items() if value is not None}


def _function(value: Any, kind: Any) -> Any:
    if kind == "function":
        return {"module": "builtins", "class_name": "function", "config": value, "registered_name": "function"}
    if kind != "lambda" or not isinstance(value, (list, tuple)) or not value:
        return value
    code, *rest = value
    defaults, closure = (*rest, None, None)[:2]
    # Keras 1 wrote the bytes as characters, Keras 2 in base 64.
    try:
        code = base64.b64encode(base64.b64decode("".join(str(code).split()), validate=True)).decode()
    except (binascii.Error, ValueError):
        code = base64.b64encode(str(code).encode("raw_unicode_escape")).decode()
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}


def _policy(dtype: Any) -> Any:
    """The dtype of a layer of TensorFlow's Keras: a name, or the config of a policy."""
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    return dtype if dtype in ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16") else None


# --- graphs -------------------------------------------------------------------------------


def _tensor(name: str, call: int, index: int) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, index]}}


def _graph(config: Any, written: Origin) -> dict[str, Any]:
    entries = config["layers"]
    kinds = {entry["name"]: entry["class_name"] for entry in entries}
    ends = [_places(config[end]) for end in ("input_layers", "output_layers")]
    used = [place for entry in entries for node in entry.get("inbound_nodes", ()) for place in _inputs(node, kinds)]
    used += [place for places in ends for place in places]
    first: dict[str, int] = {}
    for place in used:
        first[place[0]] = min(place[1], first.get(place[0], place[1]))
    # A model's own graph counted as its first call.
    own = {name: int(kind in _CONTAINERS and first.get(name, 0) > 0) for name, kind in kinds.items()}

    def tensor(place: Sequence[Any]) -> dict[str, Any]:
        return _tensor(place[0], place[1] - own[place[0]], place[2])

    layers = []
    for entry in entries:
        calls = [_call(entry, node, tensor, kinds) for node in entry.get("inbound_nodes", ())]
        layers.append({**_layer(entry, written), "name": entry["name"], "inbound_nodes": calls})
    # Today, too, the graph of a functional model counts as a call where a config lists inputs and outputs.
    extra = {entry["name"]: int(entry["class_name"] == "Functional") for entry in layers}
    inputs, outputs = (
        [[name, call - own[name] + extra[name], index] for name, call, index in places] for places in ends
    )
    made = {"layers": layers, "input_layers": _bare(inputs), "output_layers": _bare(outputs)}
    return {**made, **{key: config[key] for key in ("name", "trainable") if config.get(key) is not None}}


def _places(places: Any) -> list[Any]:
    """Where inputs or outputs are: of several as a list, of one also alone."""
    if isinstance(places, Mapping):
        places = list(places.values())
    return [places] if places and isinstance(places[0], str) else list(places)


def _bare(places: list[Any]) -> Any:
    """One place alone: a list of one meant the same then, and means a list today."""
    return places[0] if len(places) == 1 else places


def _inputs(node: Any, names: Collection[str]) -> list[Any]:
    """The tensors that a call takes, by position and by name."""
    given = _listed(node)
    return [*given, *(value for place in given for value in _named(place).values() if _is_place(value, names))]


def _listed(node: Any) -> list[Any]:
    if isinstance(node, Mapping):
        raise ModelFileError("a call in the graph is written as no release of Keras 1 or 2 did.")
    return [node] if node and isinstance(node[0], str) else list(node)


def _named(place: Any) -> Mapping[str, Any]:
    return place[3] if len(place) > 3 and place[3] else {}


def _is_place(value: Any, names: Collection[str]) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and value[0] in names


def _call(entry: Any, node: Any, tensor: Any, names: Collection[str]) -> dict[str, Any]:
    places = _listed(node)
    tensors = [tensor(place) for place in places]
    kwargs = {
        key: tensor(value) if _is_place(value, names) else value
        for place in places
        for key, value in _named(place).items()
        if value is not None
    }
    cls = _class("layers", entry["class_name"])
    if len(tensors) > 1 and cls is not None and _is_recurrent(cls):
        constants = (entry.get("config") or {}).get("num_constants") or 0
        states = tensors[1 : len(tensors) - constants]
        kwargs |= {"initial_state": states} | ({"constants": tensors[-constants:]} if constants else {})
        tensors = tensors[:1]
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs}


def _is_recurrent(cls: type) -> bool:
    return "initial_state" in inspect.signature(cls.call).parameters  # type: ignore[attr-defined]


def _branches(entries: list[dict[str, Any]], name: Any, written: Origin) -> dict[str, Any]:
    """A stack of era 1 that begins with a merging layer is a graph: each branch has an input of its own."""
    merge, rest = entries[0], entries[1:]
    layers: list[dict[str, Any]] = []
    inputs: list[Any] = []
    ends: list[Any] = []
    for number, branch in enumerate(merge["config"]["layers"]):
        before = merge["config"]["layers"][:number]
        if branch in before:  # the same layers once more, not others of the same names
            ends.append(ends[before.index(branch)])
            continue
        steps = (
            [_normal(item) for item in _stack(branch["config"])] if branch["class_name"] == "Sequential" else [branch]
        )
        if steps[0]["class_name"] == "Merge":
            inner = _branches(steps, None, written)
            layers += inner["layers"]
            inputs += inner["input_layers"]
            ends.append(inner["output_layers"][0])
            continue
        shape = _shape_of(steps[0])
        source = f"{steps[0]['config'].get('name') if isinstance(steps[0]['config'], Mapping) else 'branch'}_input"
        source = source if source not in {layer["name"] for layer in layers} else f"{source}_{len(layers)}"
        config = {"batch_shape": shape, "dtype": "float32", "name": source}
        layers.append({**_described("InputLayer", config, "keras.layers"), "name": source, "inbound_nodes": []})
        inputs.append([source, 0, 0])
        ends.append(_chain(layers, steps, source, written))
    kept = {key: value for key, value in merge["config"].items() if key != "layers"}
    kept.setdefault("name", "merge_1")
    joined = {"class_name": "Merge", "config": kept}
    _chain(layers, [joined], ends, written)
    last = _chain(layers, rest, kept["name"], written) if rest else kept["name"]
    return {
        "layers": layers,
        "input_layers": inputs,
        "output_layers": [last, 0, 0],
        **({"name": name} if name else {}),
    }


def _shape_of(entry: Mapping[str, Any]) -> Any:
    config = entry["config"]
    if isinstance(config, list):
        return _shape_of(_normal(config[0]))
    if "layers" in config:
        return _shape_of(config["layers"][0])
    return config["batch_input_shape"]


def _chain(layers: list[dict[str, Any]], steps: list[dict[str, Any]], source: Any, written: Origin) -> str:
    """Append layers that follow each other; the name of the last."""
    for number, step in enumerate(steps):
        made = _layer(step, written)
        name = made["config"].get("name") or f"{made['class_name'].lower()}_{len(layers)}_{number}"
        made["config"]["name"] = name
        made["config"].pop("batch_shape", None)
        tensors = [_tensor(one, 0, 0) for one in (source if isinstance(source, list) else [source])]
        args = tensors if len(tensors) == 1 else [tensors]
        layers.append({**made, "name": name, "inbound_nodes": [{"args": args, "kwargs": {}}]})
        source = name
    return str(source)


# --- what a model was compiled with ---------------------------------------------------------


def _optimizer(config: Any, written: Origin) -> dict[str, Any]:
    name = config.get("class_name")
    cls = _class("optimizers", name)
    arguments = dict(config.get("config") or {})
    if cls is None:
        return {"class_name": name, "config": arguments}
    if not arguments.get("decay"):
        arguments.pop("decay", None)
    if written.merged:
        with spelling.in_era(spelling.MODERN):
            spelled = _spelled(cls, arguments)
    else:
        spelled = _spelled(cls, arguments)
    known = _arguments(cls)
    return _described(
        cls.__name__, {k: v for k, v in spelled.items() if k in known or v is not None}, "keras.optimizers"
    )


def _objective(value: Any) -> Any:
    """Losses, metrics and their weights; those that TensorFlow's Keras wrapped are named again."""
    if isinstance(value, list):
        return [_objective(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        return {key: _objective(item) for key, item in value.items()}
    config = value.get("config") or {}
    if value["class_name"] in ("MeanMetricWrapper", "LossFunctionWrapper") and isinstance(config.get("fn"), str):
        named = config.get("name")
        return named if named in ("accuracy", "acc", "crossentropy", "ce") else config["fn"]
    return dict(value)

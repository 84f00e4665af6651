"""Models in the form that Keras 2.2.4 wrote and reads: configs, what they were compiled with, optimizer state.

``CLASSES`` is data: the arguments that a class of that release took. What today's
class has beyond them is left out where it does nothing, and refused elsewhere.
Source: the constructors of Keras 2.2.4.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from keraunos.core import registry
from keraunos.core.registry import TABLES
from keraunos.eras import updates
from keraunos.eras.configs import is_centred
from keraunos.eras.stored import SLOTS
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

__all__ = ["architecture", "optimizer_state", "training"]

VERSION, BACKEND = "2.2.4", "tensorflow"


def _weighted(*parts: str) -> str:
    """Names of what initializes, regularizes and constrains the weights."""
    kinds = (f"{part}_{what}" for what in ("initializer", "regularizer", "constraint") for part in parts)
    return " ".join(kinds)


_KERNEL = f"activation use_bias activity_regularizer {_weighted('kernel', 'bias')}"
_PLACED = "kernel_size strides padding data_format"
_CONV = f"filters {_PLACED} dilation_rate {_KERNEL}"
_SEPARABLE = (
    f"filters {_PLACED} dilation_rate depth_multiplier activation use_bias activity_regularizer "
    f"{_weighted('depthwise', 'pointwise', 'bias')}"
)
_CELL = f"units activation use_bias dropout recurrent_dropout {_weighted('kernel', 'recurrent', 'bias')}"
_LOOP = "return_sequences return_state go_backwards stateful unroll"
_FUSED = f"units activity_regularizer return_sequences return_state stateful {_weighted('kernel', 'recurrent', 'bias')}"
_CONV_CELL = (
    f"filters {_PLACED} dilation_rate activation recurrent_activation use_bias unit_forget_bias dropout "
    f"recurrent_dropout {_weighted('kernel', 'recurrent', 'bias')}"
)
_POOL = "pool_size strides padding data_format"

CLASSES: Mapping[str, str] = {
    "InputLayer": "batch_input_shape dtype sparse",
    "Dense": f"units {_KERNEL}",
    "Activation": "activation",
    "Dropout": "rate noise_shape seed",
    **dict.fromkeys(("SpatialDropout1D", "GaussianDropout", "AlphaDropout"), "rate"),
    **dict.fromkeys(("SpatialDropout2D", "SpatialDropout3D"), "rate data_format"),
    "GaussianNoise": "stddev",
    "ActivityRegularization": "l1 l2",
    "Flatten": "data_format",
    "Reshape": "target_shape",
    "Permute": "dims",
    "RepeatVector": "n",
    "Masking": "mask_value",
    "Lambda": "function function_type output_shape output_shape_type arguments mask",
    "LeakyReLU": "alpha",
    "ELU": "alpha",
    "ReLU": "max_value negative_slope threshold",
    "PReLU": "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
    "ThresholdedReLU": "theta",
    "Softmax": "axis",
    "BatchNormalization": f"axis momentum epsilon center scale {_weighted('beta', 'gamma')} "
    "moving_mean_initializer moving_variance_initializer",
    "Embedding": f"input_dim output_dim activity_regularizer mask_zero input_length {_weighted('embeddings')}",
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _CONV),
    "Conv2DTranspose": f"{_CONV} output_padding",
    "Conv3DTranspose": f"filters {_PLACED} output_padding {_KERNEL}",
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _SEPARABLE),
    "DepthwiseConv2D": f"{_PLACED} dilation_rate depth_multiplier activation use_bias activity_regularizer "
    f"{_weighted('depthwise', 'bias')}",
    "LocallyConnected1D": f"filters kernel_size strides padding {_KERNEL}",
    "LocallyConnected2D": f"filters {_PLACED} {_KERNEL}",
    **dict.fromkeys([f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)], _POOL),
    **dict.fromkeys(
        [f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)], "data_format"
    ),
    "UpSampling1D": "size",
    "UpSampling2D": "size data_format interpolation",
    "UpSampling3D": "size data_format",
    "ZeroPadding1D": "padding",
    **dict.fromkeys(("ZeroPadding2D", "ZeroPadding3D"), "padding data_format"),
    "Cropping1D": "cropping",
    **dict.fromkeys(("Cropping2D", "Cropping3D"), "cropping data_format"),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), ""),
    "Concatenate": "axis",
    "Dot": "axes normalize",
    "SimpleRNNCell": _CELL,
    "GRUCell": f"{_CELL} recurrent_activation implementation reset_after",
    "LSTMCell": f"{_CELL} recurrent_activation unit_forget_bias implementation",
    "SimpleRNN": f"{_CELL} {_LOOP} activity_regularizer",
    "GRU": f"{_CELL} {_LOOP} activity_regularizer recurrent_activation implementation reset_after",
    "LSTM": f"{_CELL} {_LOOP} activity_regularizer recurrent_activation unit_forget_bias implementation",
    "RNN": f"cell {_LOOP} num_constants",
    "StackedRNNCells": "cells",
    "CuDNNGRU": _FUSED,
    "CuDNNLSTM": f"{_FUSED} unit_forget_bias",
    "ConvLSTM2DCell": _CONV_CELL,
    "ConvLSTM2D": f"{_CONV_CELL} {_LOOP} activity_regularizer",
    "TimeDistributed": "layer",
    "Bidirectional": "layer merge_mode num_constants",
    # Families beside the layers.
    **dict.fromkeys(("Zeros", "Ones", "NonNeg"), ""),
    "Constant": "value",
    **dict.fromkeys(("RandomNormal", "TruncatedNormal"), "mean stddev seed"),
    "RandomUniform": "minval maxval seed",
    "VarianceScaling": "scale mode distribution seed",
    "Orthogonal": "gain seed",
    "Identity": "gain",
    "L1L2": "l1 l2",
    "MaxNorm": "max_value axis",
    "UnitNorm": "axis",
    "MinMaxNorm": "min_value max_value rate axis",
    "SGD": "lr momentum decay nesterov clipnorm clipvalue",
    "RMSprop": "lr rho decay epsilon clipnorm clipvalue",
    "Adagrad": "lr decay epsilon clipnorm clipvalue",
    "Adadelta": "lr rho decay epsilon clipnorm clipvalue",
    "Adam": "lr beta_1 beta_2 decay epsilon amsgrad clipnorm clipvalue",
    "Adamax": "lr beta_1 beta_2 decay epsilon clipnorm clipvalue",
    "Nadam": "lr beta_1 beta_2 epsilon schedule_decay clipnorm clipvalue",
}
_LAYER = frozenset({"name", "trainable", "batch_input_shape", "dtype"})
# Initializers that were functions: (scale, mode, distribution) of the class that they made.
_SCALED = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "GlorotNormal": (1.0, "fan_avg", "normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "HeNormal": (2.0, "fan_in", "normal"),
    "LecunUniform": (1.0, "fan_in", "uniform"),
    "LecunNormal": (1.0, "fan_in", "normal"),
}
# Arguments of today under the names that the release had.
_OLD_NAMES = {
    "InputLayer": {"batch_shape": "batch_input_shape"},
    "LeakyReLU": {"negative_slope": "alpha"},
    **{name: {"learning_rate": "lr", "global_clipnorm": "clipnorm"} for name in SLOTS},
}
# Arguments that the release lacks and that change nothing it could do, whatever they are; so do all hidden ones.
_FREE = frozenset(
    "dtype autocast use_cudnn synchronized name seed initial_accumulator_value loss_scale_factor ema_momentum unroll "
    "output_shape zero_output_for_mask steps_as_rows masks_by_layer activity_regularizer_sum backward_layer "
    "renorm_momentum renorm_clipping optional ragged".split()
)
# Values with which an argument that the release lacks does nothing, whatever its default.
_IDLE = {"groups": (1,), "dilation_rate": (1, [1, 1], [1, 1, 1]), "data_format": ("channels_last",)}
# What the release wrote where today's config says nothing of it.
_ALWAYS = {"activity_regularizer": None, "implementation": 1, "input_length": None, "unroll": False}
_FUNCTIONS = {
    "hard_sigmoid_keras2": "hard_sigmoid", "hinge_keras2": "hinge", "squared_hinge_keras2": "squared_hinge",
    "cosine_similarity": "cosine_proximity", "kl_divergence": "kullback_leibler_divergence", "log_cosh": "logcosh",
}  # fmt: skip


# --- architecture -------------------------------------------------------------------------


def architecture(model: Any) -> dict[str, Any]:
    """Class and config of a model, with the release that it is written for."""
    return {**_entry(registry.serialize(model)), "keras_version": VERSION, "backend": BACKEND}


def _entry(config: Mapping[str, Any]) -> dict[str, Any]:
    """Class and config of a layer or model."""
    name, arguments = config["class_name"], config["config"]
    if name == "Sequential" and "layers" in arguments:
        return {"class_name": name, "config": _stack(arguments)}
    if name in ("Functional", "Model") and "layers" in arguments:
        return {"class_name": "Model", "config": _graph(arguments)}
    if "layers" in arguments and "input_layers" in arguments:
        return {"class_name": name, "config": _graph(arguments)}  # of a class of the user's own
    return {"class_name": name, "config": _arguments(config)}


def _stack(config: Mapping[str, Any]) -> dict[str, Any]:
    layers = list(config["layers"])
    shape = dtype = None
    if layers and layers[0]["class_name"] == "InputLayer":
        first = layers.pop(0)["config"]
        shape, dtype = first["batch_shape"], first["dtype"]
    entries = [_entry(layer) for layer in layers]
    if shape is not None and entries:
        head = entries[0]["config"]
        if entries[0]["class_name"] in ("Sequential", "Model"):
            head = head["layers"][0]["config"]
        if "batch_input_shape" not in head:
            rest = {key: value for key, value in head.items() if key not in ("name", "trainable")}
            kept = {key: head[key] for key in ("name", "trainable") if key in head}
            head.clear()
            head.update({**kept, "batch_input_shape": list(shape), "dtype": dtype, **rest})
        if entries[0]["class_name"] == "Embedding" and len(shape) == 2:
            entries[0]["config"]["input_length"] = shape[1]
    return {"name": config["name"], "layers": entries}


def _graph(config: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {layer["name"]: layer["class_name"] for layer in config["layers"]}
    own = {name: int(kind in ("Functional", "Model", "Sequential")) for name, kind in kinds.items()}

    def place(tensor: Mapping[str, Any]) -> list[Any]:
        name, call, index = tensor["config"]["keras_history"]
        return [name, call + own[name], index]

    layers = [
        {
            "name": layer["name"],
            **_entry(layer),
            "inbound_nodes": [_call(layer, node, place) for node in layer["inbound_nodes"]],
        }
        for layer in config["layers"]
    ]
    counted = {name: int(kind == "Functional") for name, kind in kinds.items()}
    ends = {
        key: [[name, call - counted[name] + own[name], index] for name, call, index in _listed(config[key])]
        for key in ("input_layers", "output_layers")
    }
    return {"name": config["name"], "layers": layers, **ends}


def _listed(places: Any) -> list[Any]:
    if isinstance(places, Mapping):
        places = list(places.values())
    return [places] if places and isinstance(places[0], str) else list(places)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__"


def _call(layer: Mapping[str, Any], node: Mapping[str, Any], place: Any) -> list[Any]:
    """A call as a list of the tensors that it took, each with the other arguments."""
    if str(layer.get("module")).startswith("keras.src.ops."):
        raise ArgumentError(
            f"the operation {layer['class_name']} between tensors cannot stand in a file of Keras 2. Put it into a "
            "Lambda layer, or save the model as .keras."
        )
    tensors: list[Any] = []
    kwargs = {}
    for arg in [*node["args"], *(node["kwargs"].get(name) for name in ("initial_state", "constants"))]:
        tensors += [item for item in (arg if isinstance(arg, list) else [arg]) if _is_tensor(item)]
    for key, value in node["kwargs"].items():
        if key not in ("initial_state", "constants") and value is not None:
            if _is_tensor(value):
                raise ArgumentError(f"{layer['name']}: the tensor {key} cannot stand in a file of Keras 2.")
            kwargs[key] = value
    return [[*place(tensor), kwargs] for tensor in tensors]


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an object as its class had them; those of a class of the user's stay."""
    name, arguments = config["class_name"], dict(config["config"])
    if name in _SCALED:
        scale, mode, distribution = _SCALED[name]
        return {"scale": scale, "mode": mode, "distribution": distribution, "seed": _plain_seed(arguments.get("seed"))}
    if config.get("module") is None or name not in CLASSES:
        return {key: as_written(value) for key, value in arguments.items() if key not in ("dtype", "autocast")}
    if name == "Lambda":
        arguments = _lambda(arguments)
    old = _OLD_NAMES.get(name, {})
    known = {*CLASSES[name].split(), *(_LAYER if config["module"] == "keras.layers" else ())}
    if name != "InputLayer":
        known -= {"dtype"}
    kept: dict[str, Any] = {}
    for key, value in arguments.items():
        new = str(old.get(key, key))
        if new in known:
            if new not in kept or kept[new] is None:
                kept[new] = _plain_seed(value) if key == "seed" else as_written(value)
        elif not _is_idle(name, config["module"], key, value):
            raise ArgumentError(f"{name}({key}={value!r}): Keras 2 had no such argument. Save the model as .keras.")
    if name == "InputLayer":
        kept["name"] = arguments["name"]
    kept = {**{key: value for key, value in _ALWAYS.items() if key in known}, **kept}
    if name == "Bidirectional" and "name" in kept["layer"]["config"]:
        inner = kept["layer"]["config"]
        inner["name"] = str(inner["name"]).removeprefix("forward_")
    if kept.get("padding") == "half" and not is_centred(kept):
        kept["padding"] = "same"
    elif kept.get("padding") == "half":
        # Keras 2 knew no such padding; what reads it back is Keraunos.
        spelling.note(f"{name} in a file of Keras 2: only Keraunos reads the borders of Theano's padding")
    elif kept.get("padding") == "full":
        raise ArgumentError(f"{name}: Keras 2 could not pad by {kept['padding']!r}. Save the model as .keras.")
    if config["module"] == "keras.optimizers":
        kept = {key: value for key, value in kept.items() if value is not None or not key.startswith("clip")}
        if "decay" in known:
            kept["decay"] = kept.get("decay") or 0.0
        if name == "Nadam":
            kept.setdefault("schedule_decay", 1.0)
    return kept


def _is_idle(name: str, module: str, key: str, value: Any) -> bool:
    """Whether an argument that the release lacks does nothing."""
    if value is None or key in _FREE:
        return True
    table = TABLES.get(str(module).removeprefix("keras."))
    cls = table.members.get(name) if table else None
    field = getattr(cls, "_fields", {}).get(key)
    if field is not None and field[0].hidden:
        return True
    parameters = inspect.signature(cls.__init__).parameters if cls else {}
    default = parameters[key].default if key in parameters else inspect.Parameter.empty
    value = list(value) if isinstance(value, tuple) else value
    return value in (default, *_IDLE.get(key, ()))


def _plain_seed(seed: Any) -> Any:
    return seed if isinstance(seed, int) else None


def as_written(value: Any) -> Any:
    """An argument: objects in it as class and config, functions under the names that they had."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "function":
            return value["config"]
        if value.get("class_name") == "__numpy__":
            return value["config"]["value"]
        if value.get("class_name") == "DTypePolicy":
            return value["config"]["name"]
        if "class_name" in value and "config" in value:
            return _object(value)
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_written(item) for item in value]
    return _FUNCTIONS.get(value, value) if isinstance(value, str) else value


def _object(config: Mapping[str, Any]) -> dict[str, Any]:
    name, module = config["class_name"], config.get("module")
    if module == "keras.layers" or name in ("Sequential", "Functional"):
        return _entry(config)
    arguments = _arguments(config)
    if name in ("L1", "L2") and module == "keras.regularizers":
        arguments = {"l1": 0.0, "l2": 0.0, **{key: value for key, value in arguments.items() if key in ("l1", "l2")}}
        name = "L1L2"
    if name == "VarianceScaling":
        # Of the two normal distributions the release had the one that is cut off.
        arguments["distribution"] = "uniform" if arguments["distribution"] == "uniform" else "normal"
    return {"class_name": "VarianceScaling" if name in _SCALED else name, "config": arguments}


def _lambda(arguments: dict[str, Any]) -> dict[str, Any]:
    made = {"output_shape": None, "output_shape_type": "raw", **arguments}
    for key in ("function", "output_shape"):
        value = arguments.get(key)
        if isinstance(value, Mapping):
            is_code = value.get("class_name") == "__lambda__"
            parts = value["config"]
            made[key] = [parts["code"], parts["defaults"], parts["closure"]] if is_code else parts
            made[f"{key}_type"] = "lambda" if is_code else "function"
    made.pop("mask", None)
    # Arrays among the arguments are told from lists.
    made["arguments"] = {
        key: {"type": "ndarray", "value": value["config"]["value"]}
        if isinstance(value, Mapping) and value.get("class_name") == "__numpy__"
        else value
        for key, value in (made.get("arguments") or {}).items()
    }
    return made


# --- training -----------------------------------------------------------------------------


def training(model: Any) -> dict[str, Any]:
    """What a model was compiled with."""
    given = model._compile_arguments
    optimizer = registry.serialize(model.optimizer)
    own = not type(model.optimizer).__module__.startswith("keraunos.")
    if optimizer["class_name"] not in SLOTS and not own:
        raise ArgumentError(
            f"Keras 2 had no optimizer {optimizer['class_name']}. Save the model as .keras, or pass "
            "include_optimizer=False."
        )
    return {
        "optimizer_config": {
            "class_name": optimizer["class_name"],
            "config": optimizer["config"] if own else _arguments(optimizer),
        },
        "loss": _named(given["loss"]),
        "metrics": _named(given["metrics"]) or [],
        "sample_weight_mode": given.get("weigh"),
        "loss_weights": given["loss_weights"],
    }


def optimizer_config(optimizer: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the nearest base of an optimizer had in the release; of the base of all only the limits.

    Args:
        optimizer: An object of a class of the user's.
        config: Its arguments today.
    """
    base = next(cls.__name__ for cls in type(optimizer).__mro__ if cls.__module__.startswith("keraunos."))
    if base in SLOTS:
        return _arguments({"module": "keras.optimizers", "class_name": base, "config": config})
    limits = {"clipnorm": config.get("global_clipnorm"), "clipvalue": config.get("clipvalue")}
    return {name: value for name, value in limits.items() if value is not None}


def _named(value: Any) -> Any:
    """Losses and metrics by name, as they were given."""
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    if value is None or isinstance(value, str):
        return _FUNCTIONS.get(value, value) if value else value
    if hasattr(value, "get_config") and not type(value).__module__.startswith("keraunos."):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    name = getattr(value, "__name__", None) or getattr(value, "name", None) or type(value).__name__
    return _FUNCTIONS.get(name, name)


def optimizer_state(model: Any) -> Iterator[tuple[str, Any]]:
    """Names and arrays of an optimizer's state, in the order of the release."""
    optimizer = model.optimizer
    kind = type(optimizer).__name__
    if not optimizer.built:
        return
    if updates.says_updates(optimizer) or kind not in SLOTS:
        for number, variable in enumerate(optimizer.weights):
            yield f"{kind}/{variable.name}_{number}:0", variable.numpy()
        return
    counted, slots = SLOTS[kind]
    if counted:
        yield f"{kind}/iterations:0", np.asarray(optimizer.variables[0].numpy(), np.int64)
    trained = model.trainable_variables
    number = 0
    for slot in slots:
        for variable in trained:
            held = optimizer.slots.get(slot, {}).get(variable)
            # Without momentum there were zeros, and in place of the largest squares a single number.
            shape = (1,) if slot == "velocity_hat" else variable.shape
            yield (
                f"training/{kind}/Variable{f'_{number}' if number else ''}:0",
                np.zeros(shape, "float32") if held is None else held.numpy(),
            )
            number += 1

"""A whole model in one HDF5 file: its config, its weights by layer and its optimizer's state, as before ``.keras``.

What earlier generations of Keras called or laid out otherwise is translated by
the provider of ``utils/spelling``; here stands today's form, which Keras 3
writes for paths that end in ``.h5``.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from keraunos.core.registry import TABLES
from keraunos.saving.config import check_objects, parse_json
from keraunos.saving.hdf5 import Folder, Group
from keraunos.saving.layouts import (
    Plan,
    layer_weights,
    numbered,
    plan_by_layer,
    save_by_layer,
    stored_arrays,
    stored_layers,
    text_lists,
)
from keraunos.utils import spelling
from keraunos.utils.errors import ModelFileError, warn

FORMAT = "3.15.1"


class Facts(NamedTuple):
    """What a file says of its writer.

    Attributes:
        version: Release of Keras that is named.
        backend: The engine that is named.
        suffix: What the name of each weight ends in.
        top_level: Whether weights of the model itself have a group.
        arrays: Function from a layer and its weights to their numbers, where those are stored otherwise than they are.
        ascii: Whether texts in attributes are ASCII, which older readers get as bytes, and need as such.
    """

    version: str = FORMAT
    backend: str = "jax"
    suffix: str = ""
    top_level: bool = True
    arrays: Callable[[Any, Sequence[Any]], list[Any]] | None = None
    ascii: bool = False

    def attributes(self, **texts: str) -> dict[str, Any]:
        """Texts as attributes of the file."""
        return {key: text.encode("ascii") if self.ascii else text for key, text in texts.items()}


class Contents(NamedTuple):
    """The parts of a file beside the weights.

    Attributes:
        facts: The writer.
        config: Config of the model.
        training: What it was compiled with, or ``None``.
        state: The optimizer's arrays by name, in their order.
    """

    facts: Facts
    config: Any
    training: Any = None
    state: Iterable[tuple[str, Any]] = ()


def is_whole(root: Group) -> bool:
    """Whether a file holds a config beside weights."""
    return "model_config" in root.attributes and root.group("model_weights") is not None


def read_config(root: Group, name: str, compiled: bool) -> tuple[dict[str, Any], Any]:
    """Config of the model in today's spelling, with its ``compile_config``, and who wrote it.

    Raises:
        ModelFileError: It cannot be read.
    """
    config = _json(root, "model_config", name)
    check_objects(config, name)
    files = spelling.provider().files()
    written = files.origin(root.attributes.get("keras_version"), root.attributes.get("backend"), config)
    weights = root.group("model_weights") or Group("model_weights")
    written = files.backend_of(written, [dataset.name for dataset in weights.datasets()])
    config = files.todays_model(config, written, name)
    if not isinstance(config, dict):
        raise ModelFileError(f"{name}: the config is not that of a model: it has no class_name.")
    training = _json(root, "training_config", name) if compiled and "training_config" in root.attributes else None
    arguments = files.todays_compile(training, written)
    if arguments is not None:
        arguments = {key: _placed(value, _FAMILIES[key]) for key, value in arguments.items() if key in _FAMILIES}
    return {**config, "compile_config": arguments}, written


def plan_whole(model: Any, root: Group, name: str, written: Any) -> Plan:
    """The Variables of a model and of its optimizer, with what the file holds for them."""
    weights = root.group("model_weights") or Group("model_weights")
    plan = plan_by_layer(model, weights, name, written=written, own_names=True)
    stored = root.group("optimizer_weights")
    optimizer = getattr(model, "optimizer", None)
    if stored is None or optimizer is None or not getattr(model, "compiled", False):
        return plan
    arrays = [array for _, array in stored_arrays(stored, "", name)]
    if written.era == spelling.MODERN:
        variables = list(optimizer.variables)
        if len(arrays) == 2:
            variables = variables[:2]  # saved before the first step: the number of updates and the rate
        fits = [v.shape for v in variables] == [a.shape for a in arrays]
        state = list(zip(variables, arrays, strict=True)) if fits else None
    else:
        layers = stored_layers(model, weights, name, own_names=True)
        state = spelling.provider().files().todays_state(model, layers, arrays, written)
    if state is None:
        warn(
            f"{name}: the state of the optimizer {optimizer.name!r} does not fit, so it was not loaded; training goes "
            "on with a fresh optimizer."
        )
    return [*plan, *(state or [])]


def pack_whole(model: Any, contents: Contents | None) -> Folder:
    """Folder of a model.

    Args:
        model: A built model.
        contents: What an earlier era writes beside the weights; today's form if ``None``.
    """
    assert contents is not None
    facts = contents.facts
    config = json.dumps(contents.config, allow_nan=False)
    root = Folder(attributes=facts.attributes(keras_version=facts.version, backend=facts.backend, model_config=config))
    root["model_weights"] = save_by_layer(model, facts)
    if contents.training is not None:
        root.attributes.update(facts.attributes(training_config=json.dumps(contents.training, allow_nan=False)))
        state = list(contents.state)
        if state:
            names = numbered(name for name, _ in state)
            group = root["optimizer_weights"] = Folder(attributes=text_lists("weight_names", names))
            for name, (_, array) in zip(names, state, strict=True):
                folder, _, last = name.rpartition("/")
                group.folder(folder)[last] = array
    return root


def todays_contents(config: Mapping[str, Any], optimizer: Any) -> Contents:
    """The parts of a file as Keras 3 writes them, from the config of a model with its ``compile_config``."""
    compiled = dict(config.get("compile_config") or {})
    model = {key: value for key, value in config.items() if key != "compile_config"}
    if not compiled or optimizer is None:
        return Contents(Facts(), model)
    training = {**compiled, "optimizer_config": compiled["optimizer"]}
    del training["optimizer"]
    training["loss"] = _full_names(training.get("loss"))
    state = [(variable.path, variable.numpy()) for variable in optimizer.named_variables().values()]
    return Contents(Facts(), model, training, state)


def _full_names(loss: Any) -> Any:
    """Losses by the names of their functions: of this format, real Keras does not read ``"mse"``."""
    if isinstance(loss, list):
        return [_full_names(item) for item in loss]
    if isinstance(loss, dict) and "class_name" not in loss:
        return {key: _full_names(item) for key, item in loss.items()}
    found = TABLES["losses"].members.get(loss) if isinstance(loss, str) else None
    return getattr(found, "__name__", loss)


def _json(root: Group, key: str, name: str) -> Any:
    text = root.attributes.get(key)
    if not isinstance(text, str):
        raise ModelFileError(f"{name}: the attribute {key} is not a text; the file is damaged.")
    return parse_json(text, f"{name}/{key}")


_FAMILIES = {
    "optimizer": "optimizers",
    "loss": "losses",
    "metrics": "metrics",
    "weighted_metrics": "metrics",
    "loss_weights": "losses",
    "weigh": "losses",
}


def _placed(value: Any, family: str) -> Any:
    """Configs in it with the module that this format leaves out."""
    if isinstance(value, list):
        return [_placed(item, family) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: _placed(item, family) for key, item in value.items()}
    return value if "module" in value else {"module": f"keras.{family}", **value}


__all__ = ["FORMAT", "Contents", "Facts", "is_whole", "layer_weights", "pack_whole", "plan_whole", "read_config"]

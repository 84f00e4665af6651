"""Files of models in earlier eras: the functions that ``saving`` asks for, and those that users called then."""

import os
import sys
from collections.abc import Mapping, Sequence
from types import BuiltinFunctionType
from typing import Any

import numpy as np

from keraunos import saving
from keraunos.eras import written as release
from keraunos.eras.configs import origin, todays_compile, todays_model
from keraunos.eras.stored import Made, backend_of, earlier_arrays, in_own_order, todays_arrays, todays_state
from keraunos.eras.yaml_text import read_yaml
from keraunos.saving.layouts import layer_weights
from keraunos.saving.whole import Contents, Facts
from keraunos.utils import spelling

__all__ = [
    "architecture",
    "ask_to_proceed_with_overwrite",
    "available_gpus",
    "backend_of",
    "contents",
    "facts",
    "in_own_order",
    "may_replace",
    "model_from_config",
    "model_from_yaml",
    "names_in_code",
    "optimizer_config",
    "origin",
    "preprocess_weights_for_loading",
    "todays_arguments",
    "todays_arrays",
    "todays_compile",
    "todays_model",
    "todays_state",
]

architecture = release.architecture
optimizer_config = release.optimizer_config


# --- what saving asks for -----------------------------------------------------------------


def facts() -> Facts:
    """What a file of the active era says of its writer: it can be read by Keras 2.2.4."""
    return Facts(release.VERSION, release.BACKEND, ":0", False, earlier_arrays, ascii=True)


def contents(model: Any, compiled: bool) -> Contents:
    """The parts of a whole model's file beside the weights, as Keras 2.2.4 wrote them."""
    described = release.architecture(model)
    config = {key: described[key] for key in ("class_name", "config")}
    if not compiled or model.optimizer is None:
        return Contents(facts(), config)
    return Contents(facts(), config, release.training(model), release.optimizer_state(model))


def may_replace(path: str | os.PathLike[str]) -> bool:
    """Whether a file may be written: nothing is there, or the user says so."""
    return not os.path.isfile(path) or ask_to_proceed_with_overwrite(path)


def todays_arguments(class_name: str, config: Any) -> Any:
    """Class and config of a model from what its ``get_config`` returned, in any era; ``None`` where it is today's."""
    described = {"class_name": class_name, "config": config}
    written = origin(None, None, described)
    return None if written.era == spelling.MODERN else todays_model(described, written)


def names_in_code() -> Mapping[str, Any]:
    """Names that the code of a file may use, where the caller lets it run."""
    from keraunos.eras import backend

    return {"K": backend}


# --- what users called --------------------------------------------------------------------


def ask_to_proceed_with_overwrite(filepath: Any) -> bool:
    """Ask at the terminal whether an existing file may be replaced.

    Args:
        filepath: The file.
    """
    question = f"[WARNING] {filepath} already exists - overwrite? [y/n]"
    # These eras asked through six, and programs that answer by themselves replace it there.
    moved = vars(sys.modules.get("six.moves", sys)).get("input")
    ask = input if moved is None or isinstance(moved, BuiltinFunctionType) else moved
    answer = ask(question).strip().lower()
    while answer not in ("y", "n"):
        answer = ask('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    if answer == "y":
        print("[TIP] Next time specify overwrite=True!")
    return answer == "y"


def model_from_config(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Model of a dict with ``class_name`` and ``config``, with fresh weights and not compiled.

    Args:
        config: Such a dict, of any era.
        custom_objects: Your own classes and functions by name.

    Raises:
        TypeError: It is a list: the config of a ``Sequential`` alone. Use ``Sequential.from_config``.
        ModelFileError: It is no config of a model, or names something unknown.

    >>> from keraunos import Sequential, layers
    >>> model = Sequential([layers.Input((3,)), layers.Dense(2, name="d")])
    >>> model_from_config({"class_name": "Sequential", "config": model.get_config()}).output_shape
    (None, 2)
    """
    if isinstance(config, list):
        raise TypeError("model_from_config takes a dict with class_name and config; use Sequential.from_config(list).")
    return saving.model_from_data(config, "the config", custom_objects)


def model_from_yaml(yaml_string: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True) -> Any:
    """Model with the architecture of a YAML text, with fresh weights and not compiled.

    Tags that would make objects of Python are refused; tuples and NumPy's numbers, which Keras wrote, are lists
    and numbers.

    Args:
        yaml_string: What ``to_yaml`` returned, in any release; or an open file of it.
        custom_objects: Your own classes and functions by name.
        safe_mode: As for ``load_model``.

    Raises:
        ModelFileError: The text is no config of a model, or names something unknown.
    """
    name = "the YAML text"
    text = yaml_string.read() if hasattr(yaml_string, "read") else yaml_string
    config = read_yaml(text, name)
    return saving.model_from_data(config, name, custom_objects, safe_mode, size=len(text))


def available_gpus() -> list[str]:
    """Names of GPUs that a layer of a vendor's library would need: none is needed here, so none is told."""
    return []


def preprocess_weights_for_loading(
    layer: Any,
    weights: Sequence[Any],
    original_keras_version: str | None = None,
    original_backend: str | None = None,
    reshape: bool = False,
) -> list[Any]:
    """Weights of an earlier release as those that a layer of today takes.

    Args:
        layer: A built layer.
        weights: Arrays in the release's order and layout.
        original_keras_version: The release, such as ``"1"``.
        original_backend: Its engine: Theano's kernels of convolution are mirrored.
        reshape: Whether a kernel may be given another shape.
    """
    written = origin(original_keras_version or "2.2.4", original_backend)
    stored = [Made(array.shape, [], lambda array=array: array) for array in map(np.asarray, weights)]
    return [made.read() for made in todays_arrays(layer, layer_weights(layer), stored, written, reshape)]

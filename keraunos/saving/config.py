"""Checks a model's config as pure data, before anything is built from it.

A config can only name members of the closed tables and the objects that the
caller passed. What holds code, names a foreign module, or declares sizes that
nothing backs, is refused here.
"""

import inspect
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from keraunos.core import code, registry
from keraunos.core.variable import allocation_guard
from keraunos.utils import spelling
from keraunos.utils.errors import KeraunosError, ModelFileError

MAX_BYTES = 1 << 24
MAX_DEPTH = 100
MAX_NUMBER = 2**63
MAX_ELEMENTS = 2**40
# Elements that a model may have beyond those in its file: metrics, states, optimizer slots not yet made.
SPARE_ELEMENTS = 1 << 20

# Keras' spellings of values that are no objects; ``__lambda__`` is missing on purpose.
_VALUES = {*registry.VALUES, "__keras_tensor__", "DTypePolicy"}
_CODE = {"__lambda__", "__bytes__", "__typespec__"}


def parse_json(text: str | bytes, name: str) -> Any:
    """Value of a JSON text: at most 100 levels and 16 MiB, each key once, finite numbers.

    Args:
        text: The JSON.
        name: What messages call it.

    Raises:
        ModelFileError: The text breaks one of these rules.
    """
    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{name} is a {type(text).__name__}; expected JSON text, such as to_json() returns.")
    if len(text) > MAX_BYTES:
        raise ModelFileError(f"{name} has {len(text)} bytes; a model's config has at most {MAX_BYTES}.")

    def refuse(what: str) -> NoReturn:
        raise ModelFileError(f"{name}: {what} A model's config never holds that: it is damaged or was tampered with.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            keys = [key for key, _ in pairs]
            refuse(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object.")
        return result

    def whole(digits: str) -> int:
        if len(digits) > 20 or abs(int(digits)) > MAX_NUMBER:
            refuse(f"the number {digits[:20]}… is too large.")
        return int(digits)

    def real(digits: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            refuse(f"the number {digits[:20]} is not finite.")
        return number

    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(text, object_pairs_hook=unique, parse_int=whole, parse_float=real, parse_constant=real)
    except ModelFileError:
        raise
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{name} is not valid JSON: {error}.") from None
    except (RecursionError, MemoryError):
        raise ModelFileError(f"{name} is nested deeper than {MAX_DEPTH} levels.") from None
    if any(depth > MAX_DEPTH for depth, _, _ in walk(value)):
        raise ModelFileError(f"{name} is nested deeper than {MAX_DEPTH} levels.")
    return value


def walk(value: Any) -> Iterator[tuple[int, str, Any]]:
    """Depth, nearest key and value of every dict, list and leaf; without recursion."""
    stack: list[tuple[int, str, Any]] = [(1, "", value)]
    while stack:
        depth, key, item = stack.pop()
        yield depth, key, item
        if isinstance(item, Mapping):
            stack.extend((depth + 1, str(name), child) for name, child in item.items())
        elif isinstance(item, (list, tuple)):
            stack.extend((depth + 1, key, child) for child in item)


def check_config(config: Any, name: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The config with the caller's functions named in place of code; refused unless every class in it is known.

    Args:
        config: Parsed config of a model.
        name: What messages call the file.
        custom_objects: The caller's classes and functions. A Lambda layer whose
            function was saved as code is given its function here, under the layer's name; where the caller
            trusts the file, or wrote the code in this program, the function is entered here.

    Raises:
        ModelFileError: The config names code, an unknown class, or impossible sizes.
    """
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str):
        raise ModelFileError(f"{name}: the config is not that of a model: it has no class_name.")
    custom_objects = {} if custom_objects is None else custom_objects
    config = _name_functions(config, name, custom_objects)
    with registry.custom_object_scope(custom_objects):
        for _, key, item in walk(config):
            if isinstance(item, dict) and "class_name" in item:
                _leave_out_unused(item, _check_class(item, name))
            elif isinstance(item, list) and "shape" in key:
                sizes = [size for size in item if isinstance(size, (int, float)) and size not in (0, -1)]
                if math.prod(sizes) > MAX_ELEMENTS:
                    raise ModelFileError(f"{name}: {key} is {item}, which is more than {MAX_ELEMENTS} elements.")
    return config


def unknown_classes(config: Any) -> list[str]:
    """Names in a config that only ``custom_objects`` could explain, code included."""
    found = []
    for _, _, item in walk(config):
        if isinstance(item, Mapping) and "class_name" in item:
            try:
                _check_class(item, "")
            except ModelFileError:
                found.append(str(item.get("config") if item["class_name"] == "function" else item["class_name"])[:80])
    return sorted(set(found))


@contextmanager
def bounded_allocation(elements: int, name: str) -> Iterator[None]:
    """Refuse to make Variables with more elements in all than a file can account for."""
    remaining = elements

    def take(shape: tuple[int, ...]) -> None:
        nonlocal remaining
        remaining -= math.prod(shape)
        if remaining < 0:
            raise ModelFileError(
                f"{name}: the config declares weights of shape {tuple(shape)}, but all numbers of the file together "
                "are fewer. Config and weights do not belong together."
            )

    token = allocation_guard.set(take)
    try:
        yield
    finally:
        allocation_guard.reset(token)


def _name_functions(config: Any, name: str, custom_objects: dict[str, Any]) -> Any:
    """A copy of the config in which the code of a Lambda layer is replaced by the caller's function."""
    if isinstance(config, list):
        return [_name_functions(item, name, custom_objects) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: _name_functions(item, name, custom_objects) for key, item in config.items()}
    arguments = config.get("config")
    if config.get("class_name") in _WITH_FUNCTIONS and isinstance(arguments, dict):
        layer = str(arguments.get("name"))
        for key in ("function", "output_shape", "mask", "mode", "output_mask"):
            if not _is_code(arguments.get(key), key):
                continue
            given = layer if key in ("function", "mode") else f"{layer}/{key}"
            if given not in custom_objects:
                custom_objects[given] = _function(arguments[key], name, layer, key, given, custom_objects)
            arguments[key] = {"module": "builtins", "class_name": "function", "config": given}
    return config


# Layers that take functions of the user's.
_WITH_FUNCTIONS = ("Lambda", "Merge")


def _function(value: Any, name: str, layer: str, key: str, given: str, names: Mapping[str, Any]) -> Any:
    """Function of a config's code, if this program wrote it or the caller asks for code to be run."""
    found = code.read(value)
    if found is None and code.is_trusted():
        found = code.run(value, {"np": np, **spelling.provider().files().names_in_code(), **names}, name)
    if found is None:
        raise ModelFileError(
            f"{name}: the Lambda layer {layer!r} was saved with its {key} as Python code, which Keraunos never runs "
            "from a file unless safe_mode=False asks for it; do that only where you trust its author. Or pass the "
            f"function: custom_objects={{{given!r}: ...}}."
        )
    return found


def _is_code(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return value.get("class_name") in _CODE
    # Earlier releases: [code, defaults, closure].
    return key == "function" and isinstance(value, list)


def _leave_out_unused(item: dict[str, Any], member: Any) -> None:
    """Drop arguments that are null and that our class does not have: options of another release that were not used."""
    arguments = item.get("config")
    if inspect.isclass(member) and member.__module__.startswith("keraunos.") and isinstance(arguments, dict):
        known = inspect.signature(member.__init__).parameters
        item["config"] = {key: value for key, value in arguments.items() if value is not None or key in known}


def _check_class(item: Mapping[str, Any], name: str) -> Any:
    class_name, module = item["class_name"], item.get("module")
    if not isinstance(class_name, str) or not (module is None or isinstance(module, str)):
        raise ModelFileError(f"{name}: a class is named by {class_name!r} of {module!r}; expected two texts.")
    if class_name in _CODE:
        raise ModelFileError(
            f"{name}: the config holds Python code ({class_name}), which Keraunos never runs from a file. Build the "
            "model in Python and load its weights with load_weights()."
        )
    if class_name in _VALUES or str(module).startswith("keras.src.ops."):
        return None  # Operations between tensors are looked up among the engine's when the graph is made.
    try:
        return registry.find_function(item) if class_name == "function" else registry.find_member(item)
    except KeraunosError as error:
        raise ModelFileError(f"{name}: {error}") from None

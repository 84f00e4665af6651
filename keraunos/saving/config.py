"""Checks a model's config as pure data, before anything is built from it.

A config can only name members of the closed tables and the objects that the
caller passed. What holds code, names a foreign module, or declares sizes that
nothing backs, is refused here.
"""

import functools
import inspect
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from keraunos.core import code, registry
from keraunos.utils import spelling
from keraunos.utils.errors import KeraunosError, ModelFileError
from keraunos.utils.untrusted import advice, limits, shortened

MAX_DEPTH = 100
MAX_NUMBER = 2**63
MAX_ELEMENTS = 2**40
# Initializers, regularizers, dtypes, tensors that are passed …
_OBJECTS_A_LAYER = 16
_LONGEST_NAME = 4096
_MOST_UNKNOWN = 100
_HALVES = re.compile("[\ud800-\udfff]")
# Elements that a model may have beyond those in its file: metrics, states, optimizer slots not yet made.
SPARE_ELEMENTS = 1 << 20

# Keras' spellings of values that are no objects; ``__lambda__`` is missing on purpose.
_VALUES = {*registry.VALUES, "__keras_tensor__", "DTypePolicy"}
_CODE = {"__lambda__", "__bytes__", "__typespec__"}


def parse_json(text: str | bytes, name: str) -> Any:
    """Value of a JSON text: at most 100 levels, of bounded size, each key once, finite numbers.

    Args:
        text: The JSON.
        name: What messages call it.

    Raises:
        ModelFileError: The text breaks one of these rules.
    """
    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{name} is a {type(text).__name__}; expected JSON text, such as to_json() returns.")
    check_size(text, name, "[{,")

    def refuse(what: str) -> NoReturn:
        raise ModelFileError(f"{name}: {what} A model's config never holds that: it is damaged or was tampered with.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
            refuse(f"the key {shortened(twice, 80)!r} stands twice in one object.")
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
    except RecursionError:
        raise ModelFileError(f"{name} is nested deeper than {MAX_DEPTH} levels.") from None
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(f"{name} is not valid JSON: {shortened(error)}.") from None
    if any(depth > MAX_DEPTH for depth, _, _ in walk(value)):
        raise ModelFileError(f"{name} is nested deeper than {MAX_DEPTH} levels.")
    return value


def check_size(text: str | bytes, name: str, marks: str) -> None:
    """Refuse a config's text that is too long, or has too many values: as many as there are ``marks`` in it.

    Raises:
        ModelFileError: It is.
    """
    if len(text) > limits().config_bytes:
        raise ModelFileError(
            f"{name} has {len(text)} bytes; a model's config has at most {limits().config_bytes}. "
            f"{advice('config_bytes')}"
        )
    count = sum(text.count(mark) if isinstance(text, str) else text.count(mark.encode()) for mark in marks)
    if count > limits().config_values:
        raise ModelFileError(
            f"{name} has {count} values; a model's config has at most {limits().config_values}. "
            f"{advice('config_values')}"
        )


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
    check_objects(config, name)
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
    """Names in a config that only ``custom_objects`` could explain, code included; the first hundred of them."""
    found: set[str] = set()
    seen: set[tuple[str, ...]] = set()
    for _, _, item in walk(config):
        if not isinstance(item, Mapping) or "class_name" not in item or len(found) >= _MOST_UNKNOWN:
            continue
        own = str(item.get("config") if item["class_name"] == "function" else item["class_name"])[:80]
        key = (own, *(str(item.get(part))[:200] for part in ("class_name", "module", "registered_name")))
        if key not in seen:
            seen.add(key)
            try:
                _check_class(item, "")
            except ModelFileError:
                found.add(shortened(own))
    return sorted(found)


def check_objects(config: Any, name: str) -> None:
    """Refuse names that no file could hold once more, and more objects than the largest model has.

    Raises:
        ModelFileError: There are such.
    """
    objects = 0
    for _, key, item in walk(config):
        if isinstance(item, Mapping):
            objects += "class_name" in item
            for text in item:
                _check_text(text, name, "a key")
        elif isinstance(item, str):
            _check_text(item, name, key)
    if objects > _OBJECTS_A_LAYER * limits().layers:
        raise ModelFileError(f"{name}: the config describes {objects} objects. {advice('layers')}")


def _check_text(text: Any, name: str, key: str) -> None:
    if key == "name" and isinstance(text, str) and ("\0" in text or len(text) > _LONGEST_NAME):
        raise ModelFileError(f"{name}: the name {shortened(text, 80)!r} has a NUL in it, or is too long to be a name.")
    if isinstance(text, str) and not text.isascii() and _HALVES.search(text):
        raise ModelFileError(f"{name}: {shortened(key, 80)} {shortened(text, 80)!r} holds half a character.")


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
        known = _parameters(member)  # type: ignore[arg-type]
        item["config"] = {key: value for key, value in arguments.items() if value is not None or key in known}


@functools.lru_cache(maxsize=1024)
def _parameters(member: Any) -> Mapping[str, Any]:
    return inspect.signature(member.__init__).parameters


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

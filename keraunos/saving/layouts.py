"""Where each Variable of a model is found in a weights file, in Keras 3's layout and in the one before it.

Loading is planned before it is done: a plan pairs every Variable with a dataset
of its own shape, and nothing is read or assigned unless the whole plan stands.
"""

import re
from collections.abc import Iterable, Iterator, MutableMapping
from itertools import count, takewhile
from typing import Any

import numpy as np

from keraunos.core.registry import TABLES
from keraunos.core.stateful import Stateful
from keraunos.core.variable import Variable
from keraunos.saving.hdf5 import Dataset, Folder, Group
from keraunos.utils import spelling
from keraunos.utils.errors import ModelFileError, UsageError, warn
from keraunos.utils.text import plural, snake_case

MAX_ATTRIBUTE = 64_512  # Bytes of an attribute in HDF5's object header; longer lists are cut into numbered parts.
# Of each Variable, a dataset of its shape, or an array made of datasets: both have ``shape`` and ``read()``.
Plan = list[tuple[Variable, Any]]


# --- Keras 3: groups named by attribute, or by class and counter in a container ---------


def save_state(model: Any) -> Folder:
    """Weights and optimizer state of a model as Keras 3 lays them out.

    Each object's own Variables are ``<path>/vars/0``, ``1`` …; a path is made of
    attribute names, and of class names with a counter inside lists.
    """
    root = Folder()
    for path, item in objects(model):
        store = root.folder("/".join([*path, "vars"]))
        if isinstance(getattr(item, "name", None), str):
            store.attributes["name"] = item.name
        if _says(item, "save_assets"):
            raise UsageError(
                f"{item.name}: save_assets() of {type(item).__name__} writes files beside the weights, which are not kept. "
                "Return such data from get_config()."
            )
        if _says(item, "save_own_variables"):
            item.save_own_variables(_Written(store))
            continue
        for index, variable in enumerate(own_variables(item)):
            store[str(index)] = variable.numpy()
    return root


def _says(item: Any, name: str) -> bool:
    """Whether the class of a layer or optimizer is the user's own, and has a method itself."""
    owner = next((cls for cls in type(item).__mro__ if name in vars(cls)), type(None))
    return owner.__module__.split(".")[0] not in ("keraunos", "builtins")


class _Written(MutableMapping[str, Any]):
    """What ``save_own_variables`` writes into: arrays by name."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __setitem__(self, name: str, value: Any) -> None:
        self._folder[str(name)] = np.asarray(getattr(value, "value", value))

    def __getitem__(self, name: str) -> Any:
        return self._folder[name]

    def __delitem__(self, name: str) -> None:
        del self._folder[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._folder)

    def __len__(self) -> int:
        return len(self._folder)


class _Read:
    """The arrays of one layer in a file, which its own ``load_own_variables`` takes: a pair of a plan."""

    def __init__(self, item: Any, group: Group) -> None:
        self._item = item
        self._datasets = {name: child for name, child in group.children.items() if isinstance(child, Dataset)}

    def read(self) -> dict[str, Any]:
        """The arrays by name."""
        return {name: dataset.read() for name, dataset in self._datasets.items()}

    def assign(self, arrays: dict[str, Any]) -> None:
        """Hand them over."""
        self._item.load_own_variables(arrays)


def plan_state(model: Any, root: Group, name: str, *, skip_mismatch: bool = False, by_name: bool = False) -> Plan:
    """The Variables of a model and their datasets in a file of Keras 3's layout.

    Args:
        model: What to load into; it must be built.
        root: The file's tree.
        name: What messages call the file.
        skip_mismatch: Whether to leave out, with a warning, what does not fit.
        by_name: Whether to match top-level layers by name and ignore the rest.

    Raises:
        ModelFileError: Something does not fit.
    """
    _rename_old_groups(root)
    plan: Plan = []
    problems: list[str] = []
    known: set[str] = set()
    for path, item in _named_objects(model, root) if by_name else objects(model):
        folder = "/".join([*path, "vars"])
        known.add(folder)
        group = root.group(folder) or Group(folder)
        if _says(item, "load_own_variables"):
            own = _Read(item, group)
            plan.append((own, own))  # type: ignore[arg-type]
            continue
        variables = own_variables(item)
        stored = sum(isinstance(child, Dataset) for child in group.children.values())
        if stored == len(variables):
            plan.extend(_pair(item, variables, group, problems))
        elif not _is(item, "optimizers"):
            problems.append(f"{_count_problem(item, variables, stored)} (at {folder})")
        elif stored == len(getattr(item, "rate_and_count", ())) > 0:
            # It was saved before its first step: there is no other state to go on from.
            plan.extend(_pair(item, item.rate_and_count, group, problems))
        elif stored and item.built:
            warn(
                f"{name}: the optimizer {item.name!r} has {len(variables)} Variables and the file {stored} for it, so "
                "its state was not loaded; training goes on with a fresh optimizer."
            )
    for place in sorted({dataset.name.rpartition("/")[0] for dataset in root.datasets()} - known):
        # Optimizers are compiled, not built, and early releases of Keras 3 saved the state of seeds.
        if not by_name and "optimizer" not in place.split("/") and "seed_generator" not in place.split("/"):
            problems.append(f"the file holds weights at {place}, where the model has no layer")
    _settle(problems, name, skip_mismatch)
    return plan


def objects(item: Any, path: tuple[str, ...] = (), seen: set[int] | None = None) -> Iterator[tuple[list[str], Any]]:
    """Every layer and optimizer of a model, each once, with the path that Keras 3 gives it."""
    seen = set() if seen is None else seen
    if id(item) in seen:
        return
    seen.add(id(item))
    yield list(path), item
    for attribute, value in _attributes(item):
        yield from _contained(value, (*path, attribute), seen)


def own_variables(item: Any) -> list[Variable]:
    """An object's own Variables in Keras' order: trainable ones first, an optimizer's as it lists them."""
    if _is(item, "optimizers"):
        return list(item.variables)
    own = [part for _, part in item.parts() if isinstance(part, Variable) and part.saved]
    return sorted(own, key=lambda variable: not variable.trainable)


def _contained(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[list[str], Any]]:
    if isinstance(value, Stateful):
        if not _is(value, "metrics"):
            yield from objects(value, path, seen)
    elif isinstance(value, (list, tuple, dict)):
        counts: dict[str, int] = {}
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, Stateful):
                name = snake_case(getattr(part, "keras_place", (None, type(part).__name__))[1])
            elif isinstance(part, (list, tuple, dict)):
                name = "container"
            else:
                continue
            counts[name] = counts.get(name, -1) + 1
            yield from _contained(part, (*path, f"{name}_{counts[name]}" if counts[name] else name), seen)


def _attributes(item: Any) -> Iterator[tuple[str, Any]]:
    """Attributes that may hold parts, private ones last; the layers of a graph model before all."""
    found = {key: value for key, value in vars(item).items() if key not in item._not_parts | _LAYERS_AGAIN}
    for key in ("layers", "optimizer"):
        value = getattr(item, key, None)
        if isinstance(value, (list, Stateful)):
            found[key] = value
    first = "layers" if getattr(item, "_graph", None) is not None else None
    for key in sorted(found, key=lambda key: (key != first, key.startswith("_"), key)):
        if _SAFE.fullmatch(key) is None:
            raise ModelFileError(f"the attribute {key!r} of {item.name!r} cannot be the name of a group; rename it.")
        yield key, found[key]


# Where a model keeps what ``layers`` shows.
_LAYERS_AGAIN = frozenset({"_graph_layers", "_stack"})
_SAFE = re.compile(r"\w[\w .:\-]*")


def _is(item: Any, table: str) -> bool:
    return table in TABLES and isinstance(item, TABLES[table].base)


def _pair(item: Any, variables: list[Variable], group: Group, problems: list[str]) -> Plan:
    plan: Plan = []
    for index, variable in enumerate(variables):
        dataset = group.children.get(str(index))
        if not isinstance(dataset, Dataset):
            problems.append(f"{group.name}/{index} is missing for the weight {variable.path!r}")
        elif dataset.shape != variable.shape:
            problems.append(_shape_problem(item, variable, dataset))
        else:
            plan.append((variable, dataset))
    return plan


def _count_problem(item: Any, variables: list[Variable], stored: int) -> str:
    return f"the layer {item.name!r} has {plural(len(variables), 'weight')}, but the file holds {stored} for it"


def _shape_problem(item: Any, variable: Variable, dataset: Dataset) -> str:
    return (
        f"the weight {variable.path!r} of the layer {item.name!r} has shape {variable.shape}, but the file holds shape "
        f"{dataset.shape} for it"
    )


def _settle(problems: list[str], name: str, skip_mismatch: bool) -> None:
    if not problems:
        return
    more = f" There are {len(problems) - 1} more such places." if len(problems) > 1 else ""
    if skip_mismatch:
        warn(
            f"{name}: Skipping loading of some weights due to mismatch here: {problems[0]}; it was left as it is.{more}"
        )
        return
    raise ModelFileError(
        f"{name}: {problems[0]}.{more} Nothing was loaded, but the saved weights can be: build a model of their shape "
        "and number, or pass skip_mismatch=True to load what fits."
    )


def _named_objects(model: Any, root: Group) -> Iterator[tuple[list[str], Any]]:
    """The parts of those top-level layers whose name the file knows, with the path that the file gives them."""
    places = {}
    for key, group in getattr(root.group("layers"), "children", {}).items():
        store = group.children.get("vars") if isinstance(group, Group) else None
        if isinstance(store, Group) and isinstance(store.attributes.get("name"), str):
            places[store.attributes["name"]] = ("layers", key)
    seen: set[int] = set()
    for layer in model.layers:
        if layer.name in places:
            yield from objects(layer, places[layer.name], seen)


def _rename_old_groups(group: Group) -> None:
    """Keras 2.12 and 2.13 called the group of layers otherwise."""
    old = group.children.pop("_layer_checkpoint_dependencies", None)
    if isinstance(old, Group):
        group.children["layers"] = _moved(old, f"{group.name}/layers".lstrip("/"))
    for child in group.children.values():
        if isinstance(child, Group):
            _rename_old_groups(child)


def _moved(node: Group | Dataset, name: str) -> Group | Dataset:
    node.name = name
    for key, child in getattr(node, "children", {}).items():
        _moved(child, f"{name}/{key}")
    return node


# --- before Keras 3: groups named by layer, weights in the order of an attribute ---------


def save_by_layer(model: Any, facts: Any) -> Folder:
    """Weights of a model as Keras 1 and 2 lay them out: a group a layer, ``layer_names`` and ``weight_names``.

    Args:
        model: A built model.
        facts: The writer: see ``whole.Facts``.
    """
    root = Folder(attributes=facts.attributes(backend=facts.backend, keras_version=facts.version))
    root.attributes.update(text_lists("layer_names", [layer.name for layer in model.layers]))
    groups = [(layer.name, layer_weights(layer)) for layer in model.layers]
    if facts.top_level:
        groups.append(("top_level_model_weights", own_variables(model)))
    for name, variables in groups:
        if name in root or name in (".", ".."):
            raise ModelFileError(
                f"the layer name {name!r} cannot be used in an .h5 file; give each layer a name of its own."
            )
        names = [f"{path}{facts.suffix}" for path in numbered(variable.path for variable in variables)]
        group = root.folder(name)
        group.attributes.update(text_lists("weight_names", names))
        layer = next((layer for layer in model.layers if layer.name == name), model)
        arrays = facts.arrays(layer, variables) if facts.arrays else [variable.numpy() for variable in variables]
        for path, array in zip(names, arrays, strict=True):
            folder, _, last = path.rpartition("/")
            group.folder(folder)[last] = array
    return root


def plan_by_layer(
    model: Any,
    root: Group,
    name: str,
    *,
    skip_mismatch: bool = False,
    by_name: bool = False,
    reshape: bool = False,
    written: Any = None,
    own_names: bool = False,
) -> Plan:
    """The Variables of a model and their arrays in a file of the layout before Keras 3.

    Args:
        model, root, name, skip_mismatch, by_name: As for ``plan_state``.
        reshape: Whether a kernel of convolution with as many numbers may get another shape.
        written: Who wrote the file, where that is known from elsewhere.
        own_names: Whether the model was made from the file's own config, so that equal names mean equal layers.
    """
    files = spelling.provider().files()
    if written is None:
        written = files.origin(root.attributes.get("keras_version"), root.attributes.get("backend"))
    plan: Plan = []
    problems: list[str] = []
    pairs = [
        (layer, layer_weights(layer), arrays)
        for layer, arrays in stored_layers(model, root, name, by_name=by_name, own_names=own_names)
    ]
    if "top_level_model_weights" in root.children:
        pairs.append((model, own_variables(model), stored_arrays(root, "top_level_model_weights", name)))
    names = [weight for _, _, arrays in pairs for weight, _ in arrays]
    written = files.backend_of(written, names)
    for layer, variables, named in pairs:
        arrays = [array for _, array in files.in_own_order(layer, variables, named, written)]
        if written.era != spelling.MODERN:
            arrays = files.todays_arrays(layer, variables, arrays, written, reshape)
        if len(variables) != len(arrays):
            expects = f"expects {plural(len(variables), 'weight')}"
            problems.append(f"the layer {layer.name!r} {expects}, but the saved file holds {len(arrays)} for it")
            continue
        hint = _TRAINABLE if _are_permuted(layer, variables, arrays) else ""
        for variable, array in zip(variables, arrays, strict=True):
            if tuple(variable.shape) == tuple(array.shape):
                plan.append((variable, array))
            else:
                problems.append(f"{_shape_problem(layer, variable, array)}{hint}")
    _settle(problems, name, skip_mismatch)
    return plan


_TRAINABLE = (
    "; the weights of a model's frozen layers are stored behind the others: set trainable of its layers as it was when the "
    "file was written"
)


def _are_permuted(layer: Any, variables: list[Variable], arrays: list[Any]) -> bool:
    """Whether a layer with layers inside gets arrays of the shapes of its weights, in another order."""
    inner = any(isinstance(part, Stateful) and not isinstance(part, Variable) for _, part in layer.parts())
    mine, given = [tuple(v.shape) for v in variables], [tuple(a.shape) for a in arrays]
    return inner and mine != given and sorted(mine) == sorted(given)


def stored_layers(
    model: Any, root: Group, name: str, *, by_name: bool = False, own_names: bool = False
) -> list[tuple[Any, list[tuple[str, Dataset]]]]:
    """Layers of a model that have weights, each with the names and arrays that a file has for it."""
    stored = {layer: stored_arrays(root, layer, name) for layer in _text_list(root, "layer_names", name)}
    filled = {layer: arrays for layer, arrays in stored.items() if arrays}
    layers = [layer for layer in model.layers if layer_weights(layer)]
    if by_name or (own_names and {layer.name for layer in layers} == set(filled)):
        return [(layer, filled[layer.name]) for layer in layers if layer.name in filled]
    if len(filled) != len(layers):
        raise ModelFileError(
            f"{name}: the file holds weights for {plural(len(filled), 'layer')}, but the model has {len(layers)} with "
            f"weights; one cannot load weights of {len(filled)} layers into a model with {len(layers)} layers. Build the "
            "model as it was when saved, or pass by_name=True to load the layers of equal name."
        )
    return list(zip(layers, filled.values(), strict=True))


def is_by_layer(root: Group) -> bool:
    """Whether a file has the layout before Keras 3."""
    return "layer_names" in root.attributes or "layer_names0" in root.attributes


def layer_weights(layer: Any) -> list[Variable]:
    """Weights of a layer in the order of this layout: trainable ones, then the others."""
    return [v for v in (*layer.trainable_variables, *layer.non_trainable_variables) if v.saved]


def stored_arrays(root: Group, layer: str, name: str) -> list[tuple[str, Dataset]]:
    """Names and arrays of a layer's group; of the root itself for an empty name."""
    # Before Keras 3 a layer's name could have slashes in it.
    group = root.group(layer)
    if group is None:
        raise ModelFileError(f"{name}: the file lists the layer {layer!r} but has no group for it; it is damaged.")
    arrays = []
    for weight in _text_list(group, "weight_names", name):
        dataset = group.dataset(weight)
        if dataset is None:
            raise ModelFileError(
                f"{name}: the weight {weight!r} of the layer {layer!r} is missing; the file is damaged."
            )
        arrays.append((weight, dataset))
    return arrays


def numbered(names: Iterable[str]) -> list[str]:
    """The names, those that are there already with a number behind."""
    taken: dict[str, None] = {}
    for name in names:
        free = (f"{name}_{number}" for number in count(1))
        taken[name if name not in taken else next(other for other in free if other not in taken)] = None
    return list(taken)


def _text_list(group: Group, key: str, name: str) -> list[str]:
    parts_of_it = takewhile(group.attributes.__contains__, (f"{key}{index}" for index in count()))
    parts = [group.attributes[part] for part in ([key] if key in group.attributes else parts_of_it)]
    texts = [text for part in parts for text in (part if isinstance(part, list) else [part])]
    if not all(isinstance(text, str) for text in texts):
        raise ModelFileError(f"{name}: the attribute {key} of {group.name or 'the file'!r} is not a list of names.")
    return texts


def text_lists(key: str, texts: Iterable[str]) -> dict[str, Any]:
    """An attribute that holds texts, or numbered parts of it where it would be too long for HDF5."""
    array = np.array([text.encode("utf-8") for text in texts])
    if array.nbytes <= MAX_ATTRIBUTE:
        return {key: array}
    rows = MAX_ATTRIBUTE // array.itemsize
    if not rows:
        raise ModelFileError(f"a name of {array.itemsize} bytes cannot stand in an HDF5 file; {MAX_ATTRIBUTE} can.")
    return {f"{key}{index}": array[start : start + rows] for index, start in enumerate(range(0, len(array), rows))}

"""Models on disk: ``.keras`` archives, weights in HDF5, configs in JSON; a file is data and never runs code.

Loading has two phases: everything is read and checked as pure data, then the
model is built from the closed tables and gets its weights. A file that breaks a
rule raises ``ModelFileError``; half a model is never returned.
"""

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from inspect import isfunction
from pathlib import Path
from typing import Any

from keraunos.core import registry
from keraunos.core.building import Building, counted
from keraunos.core.code import trusting
from keraunos.core.registry import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from keraunos.core.registry import deserialize as deserialize_keras_object
from keraunos.core.registry import serialize as serialize_keras_object
from keraunos.saving.archive import MEMBERS, read_archive, read_bytes, write_archive
from keraunos.saving.config import (
    SPARE_ELEMENTS,
    check_config,
    check_objects,
    parse_json,
    unknown_classes,
    walk,
)
from keraunos.saving.hdf5 import Group, hdf5_image, read_hdf5, write_hdf5
from keraunos.saving.layouts import Plan, is_by_layer, objects, plan_by_layer, plan_state, save_by_layer, save_state
from keraunos.saving.whole import FORMAT, Facts, is_whole, pack_whole, plan_whole, read_config, todays_contents
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, ModelFileError
from keraunos.utils.modules import offer
from keraunos.utils.tracebacks import entrance
from keraunos.utils.untrusted import FileLimits, file_limits, guarded, limits
from keraunos.utils.writing import write_file

__all__ = [
    "CustomObjectScope",
    "FileLimits",
    "custom_object_scope",
    "deserialize_keras_object",
    "file_limits",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "inspect",
    "load_model",
    "load_weights",
    "model_from_data",
    "model_from_json",
    "reduce_model",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
    "to_json",
]
offer(__name__)

CustomObjectScope = custom_object_scope
PathLike = str | os.PathLike[str]
# Adam with averages keeps four arrays a weight; a file saved before training holds none of them.
_ARRAYS_A_WEIGHT = 8


@entrance
def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Write architecture, weights, compile arguments and optimizer state to a file.

    The file takes the place of an older one only when it is complete, and real
    Keras 3 reads it. With Keras 1 or 2 chosen as the era, an HDF5 file is one that
    Keras 2.2.4 reads.

    Args:
        model: A model.
        filepath: Path that ends in ``.keras``, or in ``.h5`` or ``.hdf5`` (the format before it); or an open
            ``h5py.File`` or ``h5py.Group``, which gets the content of an HDF5 file.
        overwrite: Whether an existing file may be replaced.
        include_optimizer: Whether to write the compile arguments and the optimizer's state.

    Raises:
        ArgumentError: The path has another ending, or exists while ``overwrite`` is false.
        WriteError: The system refuses, as where the disk is full; an older file is as it was then.

    >>> import keraunos, tempfile
    >>> model = keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2)])
    >>> path = Path(tempfile.mkdtemp()) / "model.keras"
    >>> save_model(model, path)
    >>> load_model(path).count_params()
    8
    """
    if _is_open(filepath):
        write_hdf5(filepath, _whole(model, include_optimizer))
        return
    path = _target(filepath, (".keras", ".h5", ".hdf5"), overwrite, "save_weights() writes .weights.h5 and .h5 files.")
    if path is None:
        return
    if path.name.endswith(".keras"):
        members = _members(model, include_optimizer)
        write_file(path, lambda file: write_archive(file, members))
    else:
        write_file(path, hdf5_image(_whole(model, include_optimizer)))


@entrance
def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,  # noqa: A002
    safe_mode: bool = True,
) -> Any:
    """Model of a file, with its weights and, where it was compiled, its optimizer's state.

    A ``.keras`` archive of Keras 3, or an HDF5 file of any release since 1.0.

    Args:
        filepath: Path of the file; or an open ``h5py.File`` or ``h5py.Group``, or a binary stream.
        custom_objects: Your own classes and functions by name. The function of a
            Lambda layer that was saved as code is looked up under the layer's name.
        compile: Whether to compile the model as it was.
        safe_mode: With ``False``, the Python code of Lambda layers in the file is run where no function was passed
            for it. Such code can do all that you can, so ask for it only with files whose author you trust.

    Raises:
        ModelFileError: The file is missing, damaged, hostile, or names something unknown.

    >>> load_model("none.keras")
    Traceback (most recent call last):
        ...
    keraunos.utils.errors.ModelFileError: there is no file none.keras. Check the path; the working folder is ...
    """
    registry.fill_tables()
    data, name, inner = _content(filepath)
    with trusting(safe_mode is False), guarded(f"{name} cannot be read"):
        return _unpack(data, name, custom_objects, compile, inner)


@entrance
def save_weights(model: Any, filepath: PathLike, overwrite: bool = True) -> None:
    """Write the weights of a model to an HDF5 file.

    Args:
        model: A built model.
        filepath: Path that ends in ``.weights.h5`` (Keras 3's layout, with the
            optimizer's state) or in ``.h5`` or ``.hdf5`` (the layout before it, by layer name).
        overwrite: Whether an existing file may be replaced.

    Raises:
        ArgumentError: The path has another ending, exists while ``overwrite`` is
            false, or the model is not built.
        WriteError: The system refuses, as where the disk is full; an older file is as it was then.

    >>> import keraunos, tempfile
    >>> model = keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2, name="only")])
    >>> path = Path(tempfile.mkdtemp()) / "model.weights.h5"
    >>> save_weights(model, path)
    >>> list(inspect(path, verbose=False)["weights"])
    ['layers/dense/vars/0', 'layers/dense/vars/1']
    """
    path = _target(filepath, (".h5", ".hdf5"), overwrite, "save() writes whole models to .keras files.")
    if path is None:
        return
    _require_built(model, "save")
    facts = spelling.provider().files().facts() if spelling.chosen() else None
    modern = path.name.endswith(".weights.h5") and facts is None
    folder = save_state(model) if modern else save_by_layer(model, facts or Facts())
    write_file(path, hdf5_image(folder))


@entrance
def load_weights(
    model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, reshape: bool = False
) -> None:
    """Load weights into a model from HDF5 (either layout, of any release) or from a ``.keras`` file.

    Nothing changes unless every weight of the model has its counterpart of the
    same shape, ``skip_mismatch`` and ``by_name`` apart.

    Args:
        model: A built model.
        filepath: Path of the file.
        skip_mismatch: Whether to load what fits and warn about the rest.
        by_name: Whether to load only layers whose name is in the file, wherever they stand.
        reshape: Whether the kernel of a convolution may be given the shape that the layer wants, where the file
            holds as many numbers in another one.

    Raises:
        ModelFileError: The file is missing or damaged, or its weights do not fit.

    >>> import keraunos, tempfile
    >>> one, other = (
    ...     keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2)]) for _ in range(2)
    ... )
    >>> path = Path(tempfile.mkdtemp()) / "model.h5"
    >>> save_weights(one, path)
    >>> load_weights(other, path)
    >>> bool((one.get_weights()[0] == other.get_weights()[0]).all())
    True
    """
    _require_built(model, "load")
    data, name, place = _content(filepath)
    with guarded(f"{name} is damaged: its weights cannot be read"):
        size = len(data)
        if data[:2] == b"PK":
            data, name = read_archive(data, name, ["model.weights.h5"])["model.weights.h5"], f"{name}/model.weights.h5"
        root = _group(read_hdf5(data, name, size), place, name)
        inner = root.group("model_weights")
        if inner is not None and is_by_layer(inner):
            root = inner
        if is_by_layer(root):
            options = {"skip_mismatch": skip_mismatch, "by_name": by_name, "reshape": reshape}
            plan = plan_by_layer(model, root, name, **options)
        else:
            plan = plan_state(model, root, name, skip_mismatch=skip_mismatch, by_name=by_name)
        _assign(plan)


def to_json(model: Any, **options: Any) -> str:
    """JSON text of a model's architecture, as Keras 3 writes it; weights are not in it.

    Args:
        model: A model.
        **options: Passed to ``json.dumps``, such as ``indent``.

    >>> import keraunos
    >>> text = to_json(keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2)]))
    >>> model_from_json(text).output_shape
    (None, 2)
    """
    if spelling.chosen():
        return _text(model, spelling.provider().files().architecture(model), **options)
    return _text(model, _config_of(model, False), **options)


@entrance
def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True) -> Any:
    """Model with the architecture of a JSON text, with fresh weights and not compiled.

    Args:
        json_string: What ``to_json`` returned, here or in any release of Keras since 1.0.
        custom_objects: Your own classes and functions by name.
        safe_mode: As for ``load_model``.

    Raises:
        ModelFileError: The text is no config of a model, or names something unknown.

    >>> model_from_json('{"class_name": "system", "module": "os", "config": {}}')
    Traceback (most recent call last):
        ...
    keraunos.utils.errors.ModelFileError: the JSON text: the class 'system' of module 'os' is not built in, ...
    """
    name = "the JSON text"
    return model_from_data(parse_json(json_string, name), name, custom_objects, safe_mode, size=len(json_string))


def model_from_data(
    config: Any,
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    *,
    size: int = 1 << 22,
) -> Any:
    """Model with the architecture of a config of any era, with fresh weights and not compiled.

    Args:
        config: Plain data; it is checked as that of a file.
        name: What messages call it.
        custom_objects, safe_mode: As for ``load_model``.
        size: Bytes of the text that it was, on which its bounds depend.
    """
    registry.fill_tables()
    with trusting(safe_mode is False), guarded(f"{name} cannot be read"):
        check_objects(config, name)
        if isinstance(config, dict):
            files = spelling.provider().files()
            written = files.origin(config.get("keras_version"), config.get("backend"), config)
            config = files.todays_model(config, written, name)
        return _build(config, name, custom_objects, size, compiled=False)


def inspect(filepath: PathLike, verbose: bool = True) -> dict[str, Any]:
    """What a ``.keras`` or ``.h5`` file contains; nothing is built from it.

    Args:
        filepath: Path of the file.
        verbose: Whether to print it too.

    Returns:
        ``format``, ``metadata``, ``config``, ``weights`` (shape and dtype by path),
        ``parameters`` (their number, optimizer state apart) and ``custom_objects``
        (names that loading needs from the caller).

    >>> import keraunos, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.h5"
    >>> save_weights(keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2)]), path)
    >>> inspect(path, verbose=False)["parameters"]
    8
    """
    registry.fill_tables()
    name, data = str(filepath), read_bytes(filepath)
    with guarded(f"{name} cannot be read"):
        content = _inspected(name, data)
        report = _report(name, content)
    if verbose:
        print(report)
    return content


def _inspected(name: str, data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = {"format": "HDF5 weights", "metadata": {}, "config": None, "custom_objects": []}
    size = len(data)
    if data[:2] == b"PK":
        members = read_archive(data, name)
        content["format"] = "Keras archive"
        content["config"] = parse_json(members["config.json"], f"{name}/config.json")
        content["metadata"] = parse_json(members.get("metadata.json", b"{}"), f"{name}/metadata.json")
        content["custom_objects"] = unknown_classes(content["config"])
        data = members["model.weights.h5"]
    datasets = list(read_hdf5(data, name, size).datasets())
    content["weights"] = {part.name: (part.shape, str(part.dtype)) for part in datasets}
    content["parameters"] = sum(part.size for part in datasets if not part.name.startswith("optimizer"))
    return content


def reduce_model(model: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What a model's ``__reduce__`` returns: pickling and copying go through the ``.keras`` format.

    The user's own classes and functions travel with it by reference, as pickle does.
    """
    parts = [item for _, item in objects(model)]
    values = [value for item in parts for value in vars(item).values()]
    values += tree.leaves(getattr(model, "_compile_arguments", None) or {})
    known = {id(member) for table in registry.TABLES.values() for member in table.members.values()}
    own: list[Any] = [*(type(item) for item in parts), *(type(value) for value in values), *filter(isfunction, values)]
    own = [
        item
        for item in own
        if item.__name__.isidentifier() and id(item) not in known and (isfunction(item) or hasattr(item, "get_config"))
    ]
    own = [item for item in own if not item.__module__.startswith("keraunos.")]
    return _restore, (_pack(model), {item.__name__: item for item in own})


# --- the archive -------------------------------------------------------------------------


def _pack(model: Any) -> bytes:
    archive = io.BytesIO()
    write_archive(archive, _members(model, include_optimizer=True))
    return archive.getvalue()


def _members(model: Any, include_optimizer: bool) -> dict[str, bytes | memoryview]:
    compiled = include_optimizer and getattr(model, "compiled", False)
    folder, config = save_state(model), _config_of(model, compiled)
    metadata: dict[str, Any] = {"keras_version": FORMAT, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    if compiled:
        # Real Keras reads no more of this file than the version.
        metadata["keraunos"] = model.get_counters()
    else:
        folder.pop("optimizer", None)
    contents = (json.dumps(metadata).encode(), _text(model, config).encode(), hdf5_image(folder))
    return dict(zip(MEMBERS, contents, strict=True))


def _config_of(model: Any, compiled: bool) -> dict[str, Any]:
    with registry.shared_objects():
        config: dict[str, Any] = registry.serialize(model)
    config["compile_config"] = model.get_compile_config() if compiled else {}
    numbers = Counter(item["shared_object_id"] for _, _, item in walk(config) if _is_numbered(item))
    for _, _, item in walk(config):
        if _is_numbered(item) and numbers[item["shared_object_id"]] == 1:
            del item["shared_object_id"]
    return config


def _is_numbered(item: Any) -> bool:
    return isinstance(item, dict) and "shared_object_id" in item


def _text(model: Any, config: Any, **options: Any) -> str:
    try:
        return json.dumps(config, allow_nan=False, **options)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{model.name}: the config cannot be written as JSON ({error}). Give your class a get_config() that "
            "returns plain, finite values."
        ) from None


def _whole(model: Any, include_optimizer: bool) -> Any:
    """The content of an HDF5 file, in the form of the active era."""
    _require_built(model, "save")
    compiled = include_optimizer and getattr(model, "compiled", False)
    if spelling.chosen():
        return pack_whole(model, spelling.provider().files().contents(model, compiled))
    optimizer = model.optimizer if compiled else None
    return pack_whole(model, todays_contents(_config_of(model, compiled), optimizer))


def _unpack(data: bytes, name: str, custom_objects: Mapping[str, Any] | None, compiled: bool, place: str = "") -> Any:
    size = len(data)
    if data[:8] == b"\x89HDF\r\n\x1a\n":
        root = _group(read_hdf5(data, name, size), place, name)
        if not is_whole(root):
            raise ModelFileError(
                f"{name} is an HDF5 file, not a .keras archive, and holds no model. Build the model in Python and load "
                "its weights from the file with load_weights()."
            )
        config, written = read_config(root, name, compiled)
        model = _build(config, name, custom_objects, size, _elements(root), compiled=compiled, era=written.era)
        with guarded(f"{name} is damaged: its arrays do not fit each other"):
            _assign(plan_whole(model, root, name, written))
        return model
    members = read_archive(data, name)
    config = parse_json(members["config.json"], f"{name}/config.json")
    metadata = parse_json(members.get("metadata.json", b"{}"), f"{name}/metadata.json")
    root = read_hdf5(members["model.weights.h5"], f"{name}/model.weights.h5", size)
    check_objects(config, name)
    model = _build(config, name, custom_objects, size, _elements(root), compiled=compiled)
    with guarded(f"{name} is damaged: its arrays do not fit each other"):
        _assign(plan_state(model, root, name))
    state = metadata.get("keraunos") if isinstance(metadata, dict) else None
    if isinstance(state, dict) and getattr(model, "compiled", False):
        with guarded(f"{name}: the model cannot be made from its config"):
            model.set_counters(state)
    return model


def _elements(root: Group) -> int:
    """Numbers that a model may have in its Variables, for those that its file holds."""
    return _ARRAYS_A_WEIGHT * sum(dataset.size for dataset in root.datasets()) + SPARE_ELEMENTS


def _build(
    config: Any,
    name: str,
    custom_objects: Mapping[str, Any] | None,
    size: int,
    elements: int | None = None,
    *,
    compiled: bool,
    era: int | None = None,
) -> Any:
    """Model of a config.

    Args:
        config, name, custom_objects: As for ``model_from_data``.
        size: Bytes of the file.
        elements: Numbers that its Variables may have; as many as the bound says where the file holds no weights.
        compiled: Whether to compile it.
        era: In whose sense names of losses and metrics are meant, if not in the active one's.
    """
    custom_objects = dict(custom_objects or {})
    if isinstance(config, dict) and not compiled:
        config = {**config, "compile_config": None}
    config = check_config(config, name, custom_objects)
    bound = {"elements": limits().weights, "bound": "weights"} if elements is None else {"elements": elements}
    making = Building(name, size, custom=bool(custom_objects), **bound)  # type: ignore[arg-type]
    with (
        guarded(f"{name}: the model cannot be made from its config"),
        counted(making),
        registry.shared_objects(),
        spelling.quiet(era or spelling.MODERN),
    ):
        model = registry.deserialize(config, custom_objects)
        if config.get("compile_config"):
            with registry.custom_object_scope(custom_objects), spelling.in_era(era or spelling.era()):
                model.compile_from_config(config["compile_config"])
                if model.optimizer is not None:
                    model.optimizer.build(model.trainable_variables)
    if not hasattr(model, "layers"):
        raise ModelFileError(f"{name}: the config is that of a {type(model).__name__}, which is not a model.")
    return model


def _assign(plan: Plan) -> None:
    arrays = [dataset.read() for _, dataset in plan]
    for (variable, _), array in zip(plan, arrays, strict=True):
        variable.assign(array)


def _restore(data: bytes, custom_objects: Mapping[str, Any]) -> Any:
    registry.fill_tables()
    with guarded("the pickled model cannot be read"):
        return _unpack(data, "the pickled model", custom_objects, True)


# --- paths and the report ----------------------------------------------------------------


def _is_open(filepath: Any) -> bool:
    """Whether it is an open ``h5py.File`` or ``h5py.Group``, or such a file's look-alike."""
    return hasattr(filepath, "create_dataset") and hasattr(filepath, "attrs")


def _content(filepath: Any) -> tuple[bytes, str, str]:
    """Bytes of a file, what messages call it, and the group in it that is meant."""
    if _is_open(filepath):
        filepath.file.flush()
        return bytes(filepath.file.id.get_file_image()), str(filepath.file.filename), str(filepath.name)
    if hasattr(filepath, "read") and not isinstance(filepath, (str, os.PathLike)):
        content = filepath.read()
        if not isinstance(content, bytes):
            raise ModelFileError("the stream gives text; open the file in binary mode.")
        return content, str(getattr(filepath, "name", "the stream")), ""
    return read_bytes(filepath), str(filepath), ""


def _group(root: Group, place: str, name: str) -> Group:
    group = root.group(place)
    if group is None:
        raise ModelFileError(f"{name}: there is no group {place!r}.")
    return group


def _target(filepath: PathLike, endings: tuple[str, ...], overwrite: bool, advice: str) -> Path | None:
    """The path, if it may be written; ``None`` where the user was asked and wants to keep what is there."""
    path = Path(filepath)
    if spelling.chosen():
        return path if overwrite or spelling.provider().files().may_replace(path) else None
    if not path.name.endswith(endings):
        raise ArgumentError(f"the path {str(path)!r} must end in {' or '.join(endings)}. {advice}")
    if path.exists() and not overwrite:
        raise ArgumentError(f"{path} exists already. Pass overwrite=True to replace it, or choose another path.")
    return path


def _require_built(model: Any, verb: str) -> None:
    if not getattr(model, "built", True):
        raise ArgumentError(
            f"{model.name}: the model has no weights yet, so there is nothing to {verb}. Call it on data, or build(), "
            "first."
        )


def _report(name: str, content: Mapping[str, Any]) -> str:
    lines = [f"{name}: {content['format']}"]
    version = content["metadata"].get("keras_version") if isinstance(content["metadata"], dict) else None
    if version:
        lines.append(f"  format of Keras {version}, saved {content['metadata'].get('date_saved')}")
    if isinstance(content["config"], dict):
        layers = [item for _, _, item in walk(content["config"]) if isinstance(item, dict) and "build_config" in item]
        lines.append(f"  {content['config'].get('class_name')} with {len(layers)} built layers")
    lines.append(f"  {content['parameters']:,} parameters in {len(content['weights'])} arrays (optimizer's included)")
    lines += [f"  {path}  {shape} {dtype}" for path, (shape, dtype) in content["weights"].items()]
    if content["custom_objects"]:
        lines.append(f"  needs custom_objects: {', '.join(content['custom_objects'])}")
    return "\n".join(lines)

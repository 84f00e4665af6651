"""The public names: each is there, says what it does, and is called as in Keras 3."""

import importlib
import inspect
import operator
from types import ModuleType
from typing import Any

import keras
import pytest

import keraunos
from keraunos.core import registry
from keraunos.utils import absent
from keraunos.utils.errors import UnknownNameError

NAMESPACES = ["", *(f".{name}" for name in keraunos._MODULES)]

# Arguments of Keras that are not offered, and why.
NOT_OFFERED = {
    "quantization_config": "quantized layers are no part of the library",
    "ragged": "ragged tensors are TensorFlow's",
    "sparse": "tensors are dense; sparse matrices are taken as data",
    "record_history": "it serves Keras' own tracing",
    "synchronization": "it serves TensorFlow's distribution",
    "synchronized": "it serves TensorFlow's distribution",
    "aggregation": "it serves TensorFlow's distribution",
    "layout": "it serves Keras' own distribution",
}
# What is still missing of single names; a test sees to it that this list does not outlive its entries.
GAPS = {
    "CustomObjectScope": "custom_objects",
    "Embedding": "weights",
    "clone_model": "recursive",
    "custom_object_scope": "custom_objects",
    "deserialize_keras_object": "safe_mode",
    "dtype_policies.serialize": "dtype_policy",
    "get_registered_name": "obj",
    "get_registered_object": "module_objects",
    "layers.serialize": "layer",
    "ops.cumprod": "dtype",
    "ops.cumsum": "dtype",
    "ops.max": "initial",
    "ops.min": "initial",
    "ops.multi_hot": "num_classes",
    "ops.prod": "dtype",
    "ops.segment_sum": "num_segments sorted",
    "ops.take_along_axis": "axis",
    "ops.top_k": "sorted",
    "ops.where": "x1 x2",
    "save_model": "zipped",
    "save_weights": "max_shard_size",
    "serialize_keras_object": "obj",
}
# Arguments that every member of a family takes, by name only; Keras puts them anywhere.
BY_NAME = {"name", "dtype", "trainable", "activity_regularizer"}


def names(namespace: str) -> list[str]:
    try:
        module = importlib.import_module(f"keraunos{namespace}")
    except ImportError:
        return []  # the test of the name of the module itself fails, and not the collection of all
    public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    return sorted(name for name in public if not name.startswith("__"))


def pairs() -> list[tuple[str, str]]:
    return [(namespace, name) for namespace in NAMESPACES for name in names(namespace)]


EVERY_NAME = pytest.mark.parametrize(
    "namespace, name", pairs(), ids=[f"keraunos{namespace}.{name}" for namespace, name in pairs()]
)


def ours(namespace: str, name: str) -> Any:
    return getattr(importlib.import_module(f"keraunos{namespace}"), name)


def theirs(namespace: str, name: str) -> Any:
    module = keras
    for part in filter(None, namespace.split(".")):
        module = getattr(module, part, None)
    return getattr(module, name, None)


@EVERY_NAME
def test_a_public_name_is_there_and_documented(namespace, name):
    thing = ours(namespace, name)
    if callable(thing) or isinstance(thing, ModuleType):
        assert inspect.getdoc(thing), f"keraunos{namespace}.{name} has no docstring"
        assert not isinstance(thing, ModuleType) or thing.__name__.startswith("keraunos.")


def parameters(thing: Any) -> list[inspect.Parameter]:
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in inspect.signature(thing).parameters.values() if p.kind not in variable]


def plain(default: Any) -> Any:
    """Defaults that mean the same are equal: 1 and (1, 1), "zeros" and "Zeros"."""
    if inspect.isfunction(default):
        return default.__name__
    if isinstance(default, (list, tuple)) and default:
        items = [plain(item) for item in default]
        return items[0] if all(item == items[0] for item in items) else items
    return default.lower() if isinstance(default, str) else default


def differences(thing: Any, peer: Any) -> list[str]:
    """Arguments of Keras that are missing, stand elsewhere, or have another default."""
    wanted = {p.name: p for p in parameters(peer) if p.name not in NOT_OFFERED}
    given = {p.name: p for p in parameters(thing)}
    order = [argument for argument in given if argument in wanted and argument not in BY_NAME]
    right = [p.name for p in wanted.values() if p.kind is not p.KEYWORD_ONLY and p.name in order]
    missing = [argument for argument in wanted if argument not in given]
    moved = [argument for argument, place in zip(right, order, strict=False) if argument != place]
    other = [
        name
        for name, p in wanted.items()
        # What Keras requires may have a default here.
        if name in given and p.default is not p.empty and plain(given[name].default) != plain(p.default)
    ]
    return [*missing, *moved, *other]


@EVERY_NAME
def test_a_name_of_keras_is_called_as_in_keras(namespace, name):
    thing, peer = ours(namespace, name), theirs(namespace, name)
    if callable(thing) and callable(peer):
        known = GAPS.get(f"{namespace}.{name}".lstrip("."), GAPS.get(name, ""))
        assert sorted(differences(thing, peer)) == sorted(known.split())


def test_only_names_of_keras_stand_in_the_table_of_gaps():
    found = {name for _, name in pairs()} | {f"{namespace}.{name}".lstrip(".") for namespace, name in pairs()}
    assert set(GAPS) <= found


def test_an_operation_is_called_by_the_names_of_its_arguments():
    ops = keraunos.ops
    assert ops.multiply(x1=2.0, x2=3.0) == 6
    assert ops.reshape(newshape=(2, 1), x=ops.ones((2,))).shape == (2, 1)
    assert ops.sum(x=ops.ones((2, 3)), axis=1, keepdims=True).tolist() == [[3], [3]]
    assert ops.matmul(2 * ops.ones((1, 2)), x2=ops.ones((2, 1))).tolist() == [[4]]
    assert list(inspect.signature(ops.expand_dims).parameters) == ["x", "axis"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("layer", "layers"), ("Modell", "Model"), ("callbacks.EarlyStop", "EarlyStopping"), ("plots.model", "model_graph"),
        ("utils.to_catgorical", "to_categorical"), ("layers.Dens", "Dense"), ("losses.mean_square_error", "mean_squared_error"),
        ("optimizers.adamm", "Adam"), ("datasets.mnst", "mnist"), ("applications.VGG", "VGG16"), ("ops.matmull", "matmul"),
        ("preprocessing.txt", "text"), ("models.load_mode", "load_model"), ("random.unifrm", "uniform"),
        ("config.floatxx", "floatx"),
        ("saving.load_modell", "load_model"), ("initializers.HeNorml", "HeNormal"), ("preprocessing.image.load_im", "load_img"),
    ],
)  # fmt: skip
def test_a_misspelled_name_of_any_module_is_answered_with_the_right_one(path, meant):
    module, _, name = f"keraunos.{path}".rpartition(".")
    with pytest.raises(
        AttributeError, match=rf"^module '{module}' has no attribute '{name}'. Did you mean '{meant}'\?$"
    ):
        operator.attrgetter(path)(keraunos)


def test_what_is_like_nothing_gets_no_silly_answer():
    for path in ("layers.Zzzz", "regularizers.l3", "losses.__wrapped__"):
        with pytest.raises(AttributeError, match=f"has no attribute '{path.rpartition('.')[2]}'.$"):
            operator.attrgetter(path)(keraunos)


@pytest.mark.parametrize("module", absent.NAMES)
def test_names_of_keras_that_are_not_there_yet_are_said_to_be_so(module):
    here = importlib.import_module(f"keraunos.{module}".rstrip("."))
    for name in absent.NAMES[module].split():
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'. Keras 3 has it, Keraunos not yet.$"):
            getattr(here, name)
    with pytest.raises(UnknownNameError, match="no layer called 'TextVectorization'. Keras 3 has it, Keraunos not yet"):
        registry.TABLES["layers"].lookup("TextVectorization")

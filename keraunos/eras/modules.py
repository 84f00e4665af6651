"""Which modules ``import keras`` finds, of every era, and where their names come from: data, and the look-up in it.

A name that Keraunos does not have is not there under ``keras`` either, and its
absence is said in plain words. Sources: the packages of Keras 1.2.2, 2.2.4 and
3.15.1, and what scripts import.
"""

import importlib
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import keraunos
from keraunos.core.registry import TABLES
from keraunos.eras import table
from keraunos.utils import absent, spelling
from keraunos.utils.text import suggestion

# Packages under which the modules are found.
ROOTS = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
VERSIONS = {1: "1.2.2", 2: "2.2.4", 3: "3.15.1"}
TENSORFLOW_VERSIONS = {1: "1.0.0", 2: "1.12.0", 3: "2.20.0"}


class Module(NamedTuple):
    """A module of Keras.

    Attributes:
        name: Its name behind ``keras.``; ``""`` is ``keras`` itself.
        sources: Modules of Keraunos where its names are looked up, in order.
        names: Names that it has; all public ones of its sources if empty.
        others: Names that mean something else there, as ``"name=module:attribute"``, or ``"name@12=…"`` for eras.
        today: What it is called today, where that is not its name.
        last: The last era that had it.
    """

    name: str
    sources: str = ""
    names: str = ""
    others: str = ""
    today: str = ""
    last: int = 3


class Names(NamedTuple):
    """Names of a module, and the last era that had them."""

    module: str
    last: int
    names: str


def _moved(names: str, sources: str, today: str, last: int = 2, prefix: str = "", others: str = "") -> list[Module]:
    return [Module(f"{prefix}{name}", sources, others=others, today=today, last=last) for name in names.split()]


# What scripts took out of the modules of the graph.
_GRAPHS = (
    "Container=models:Model Network=models:Model Node=eras.nodes:Call get_source_inputs=eras.nodes:get_source_inputs "
    "to_list=eras.utilities:to_list object_list_uid=eras.utilities:object_list_uid"
)

# What modules of Keras 1 and 2 imported themselves, and ``import *`` of them so brings.
_STARRED = "K@12=eras.backend: np@12=eras.backend:np"

_BARS = "Progbar@1=eras.display:Era1Bar Progbar@2=eras.display:Era2Bar"
_SERIALIZE = "serialize@12=eras.functions:serialize"

MODULES = (
    Module(
        "", "keraunos",
        "Callback DTypePolicy Initializer Input InputSpec KerasTensor Layer Loss Metric Model Optimizer Regularizer "
        "Sequential Variable",
        "version=eras.modules:version",
    ),
    Module("activations", "activations", others=f"get@2=eras.functions:get_activation {_STARRED}"),
    Module(
        "initializers", "initializers", others=f"_compute_fans=eras.fans:fans_keras2 {_STARRED} {_SERIALIZE}"
    ),
    Module(
        "callbacks", "callbacks",
        others=f"{_STARRED} BaseLogger=eras.callbacks:BaseLogger TensorBoard@12=eras.callbacks:TensorBoard",
    ),
    Module(
        "optimizers", "optimizers",
        others="deserialize=eras.functions:deserialize_optimizer optimizer_from_config=eras.functions:optimizer_from_config "
        f"clip_norm=eras.functions:clip_norm {_STARRED} {_SERIALIZE}",
    ),
    *(
        Module(name, name)
        for name in (
            "dtype_policies ops random saving"
        ).split()
    ),
    *(Module(name, name, others=f"{_STARRED} {_SERIALIZE}") for name in "constraints layers losses metrics regularizers".split()),
    Module(
        "utils", "utils",
        others=f"{_BARS} " + " ".join(
            f"{name}=eras.{place}:{name}"
            for place, names in (
                ("hdf5_data", "HDF5Matrix h5dict"),
                ("enqueuers", "GeneratorEnqueuer OrderedEnqueuer"),
                ("nodes", "get_source_inputs"),
                ("several_devices", "multi_gpu_model"),
                (
                    "utilities",
                    "CustomObjectScope convert_all_kernels_in_model custom_object_scope print_summary",
                ),
            )
            for name in names.split()
        ),
    ),
    Module("backend", "eras.backend", others="_BACKEND=eras.backend:_BACKEND"),
    Module("backend.common", "eras.backend", today="keras.backend", last=2),
    *_moved("cntk_backend", "eras.backend", "keras.backend", prefix="backend."),
    Module(
        "backend.tensorflow_backend", "eras.backend", others="_get_available_gpus=eras.files:available_gpus",
        today="keras.backend", last=2,
    ),
    Module("backend.theano_backend", "eras.theano_backend eras.backend", today="keras.backend", last=2),
    Module("config", "config", others="backend=eras.backend:backend"),
    # Scripts import Input from here, since Keras 1 and 2 imported it there themselves.
    Module(
        "models", "models layers",
        others="model_from_config=eras.files:model_from_config model_from_yaml=eras.files:model_from_yaml",
    ),
    Module("applications", "applications"),
    *(
        Module(f"applications.{name}", f"applications.{name}")
        for name in "densenet inception_resnet_v2 inception_v3 mobilenet mobilenet_v2 nasnet resnet resnet_v2 "
        "vgg16 vgg19 xception".split()
    ),
    Module(
        "applications.resnet50", "applications.resnet50",
        others="conv_block=eras.networks:conv_block identity_block=eras.networks:identity_block",
    ),
    Module(
        "applications.imagenet_utils", "applications.imagenet_utils", "decode_predictions preprocess_input",
        "_obtain_input_shape=applications.imagenet_utils:obtain_input_shape "
        "obtain_input_shape=applications.imagenet_utils:obtain_input_shape",
    ),
    Module("applications.mobilenetv2", "applications.mobilenet_v2", today="keras.applications.mobilenet_v2", last=2),
    Module("datasets"),
    *(
        Module(f"datasets.{name}", f"datasets.{name}")
        for name in "boston_housing california_housing fashion_mnist imdb mnist reuters".split()
    ),
    *(
        Module(f"datasets.{name}", f"datasets.{name}", others="load_batch=eras.functions:load_batch")
        for name in ("cifar10", "cifar100")
    ),
    Module("datasets.cifar", others="load_batch=eras.functions:load_batch", last=2),
    Module(
        "mixed_precision", "",
        others="DTypePolicy=dtype_policies:DTypePolicy Policy=dtype_policies:DTypePolicy "
        "dtype_policy=config:dtype_policy global_policy=config:dtype_policy "
        "set_dtype_policy=config:set_dtype_policy set_global_policy=config:set_dtype_policy",
    ),
    Module("optimizers.schedules", "schedules"),
    Module("optimizers.legacy", "optimizers", today="keras.optimizers", last=2),
    Module("ops.nn", "ops"),
    Module("ops.numpy", "ops"),
    Module("preprocessing"),
    Module("preprocessing.image", "preprocessing.image"),
    Module("preprocessing.text", "preprocessing.text", last=2),
    Module(
        "preprocessing.sequence", "preprocessing.sequence",
        others="_remove_long_seq=preprocessing.sequence:_remove_long_seq",
    ),
    *_moved(
        "core convolutional convolutional_recurrent cudnn_recurrent pooling local recurrent embeddings merge noise normalization "
        "advanced_activations wrappers",
        "layers", "keras.layers", prefix="layers.", others=_STARRED,
    ),
    Module("legacy"),
    Module("legacy.layers", "layers", today="keras.layers", last=2),
    Module("engine", "layers models saving", others=_GRAPHS),
    *_moved("topology base_layer input_layer", "layers models saving", "keras.layers", prefix="engine.", others=_GRAPHS),
    Module(
        "engine.training", "models layers saving eras.data_checks",
        others="slice_X=eras.functions:slice_X GeneratorEnqueuer=eras.enqueuers:GeneratorEnqueuer",
        today="keras.models", last=2,
    ),
    *_moved("training_utils", "eras.data_checks", "keras.models", prefix="engine."),
    Module(
        "engine.training_generator", today="keras.models", last=2,
        others=" ".join(f"{name}_generator=eras.functions:{name}_generator" for name in ("fit", "evaluate", "predict")),
    ),
    *_moved("sequential network", "models layers saving", "keras.models", prefix="engine.", others=_GRAPHS),
    Module(
        "engine.saving", "models layers saving",
        others="model_from_config=eras.files:model_from_config model_from_yaml=eras.files:model_from_yaml "
        f"preprocess_weights_for_loading=eras.files:preprocess_weights_for_loading {_GRAPHS}",
        today="keras.saving", last=2,
    ),
    Module("wrappers"),
    Module("wrappers.scikit_learn", "eras.wrappers", last=2),
    Module("objectives", "losses", today="keras.losses", last=1),
    Module("initializations", "eras.initializations", today="keras.initializers", last=1),
    *_moved("np_utils conv_utils layer_utils", "eras.utilities utils", "keras.utils", prefix="utils."),
    *_moved("generic_utils", "eras.utilities utils", "keras.utils", prefix="utils.", others=_BARS),
    Module(
        "utils.data_utils", "utils eras.enqueuers", today="keras.utils", last=2,
        others="_hash_file=eras.enqueuers:_hash_file _extract_archive=eras.enqueuers:_extract_archive",
    ),
    *_moved("io_utils", "eras.hdf5_data", "keras.utils", prefix="utils."),
    *_moved("vis_utils", "utils", "keras.utils", prefix="utils."),
    Module(
        "utils.multi_gpu_utils", "eras.several_devices", today="keras.utils", last=2,
        others="_get_available_devices=eras.several_devices:_get_available_devices "
        "_normalize_device_name=eras.several_devices:_normalize_device_name",
    ),
    Module("utils.test_utils", "eras.layer_checks", last=2),
    Module(
        "utils.visualize_util", "utils", "model_to_dot", "plot=utils:plot_model", today="keras.utils.plot_model", last=1
    ),
)  # fmt: skip

# What tells the era of a script that imports it, though Keraunos has it in every era.
ENDED = (
    Names(
        "layers", 1,
        "AtrousConv1D AtrousConv2D Deconvolution2D Deconvolution3D Highway MaxoutDense Merge ParametricSoftplus SReLU "
        "TimeDistributedDense merge",
    ),
    Names("metrics", 1, "fbeta_score fmeasure matthews_correlation precision recall"),
    Names("layers", 2, "ConvLSTM2DCell ConvRNN2D LocallyConnected1D LocallyConnected2D ThresholdedReLU"),
    Names("preprocessing.image", 2, "ImageDataGenerator"),
    Names("preprocessing.sequence", 2, "TimeseriesGenerator make_sampling_table skipgrams"),
    Names("utils", 2, "HDF5Matrix multi_gpu_model"),
    Names("models", 2, "model_from_config model_from_yaml"),
    Names("callbacks", 2, "BaseLogger"),
)  # fmt: skip

# What an error says the era of. Names in no row here are unknown to every era, or to this table.
ABSENT = (
    Names("optimizers", 2, "TFOptimizer"),
)  # fmt: skip

BY_NAME = {module.name: module for module in MODULES}


def version() -> str:
    """The release of Keras whose names and defaults the active era has.

    >>> version()
    '3.15.1'
    """
    return VERSIONS[spelling.era()]


def children(name: str) -> Iterator[str]:
    """Names of the modules directly inside a module."""
    prefix = f"{name}." if name else ""
    for other in BY_NAME:
        rest = other.removeprefix(prefix)
        if other and other.startswith(prefix) and rest and "." not in rest:
            yield rest


def public(name: str, older: bool = False) -> list[str]:
    """What a module offers under the names of its sources, its inner modules among them.

    Args:
        name: The module's name behind ``keras.``.
        older: Whether to add names that have another today.

    >>> public("mixed_precision")[:2]
    ['DTypePolicy', 'Policy']
    """
    row = BY_NAME[name]
    names = {*children(name), *(own for own, _ in _others(row)), *row.names.split()}
    if not row.names:
        for source in row.sources.split():
            names |= set(_public(_module(source)))
            if older:
                names |= {alias.old for alias in table.ALIASES if alias.module == source}
                names |= set(_public(_module("eras.layers"))) if source == "layers" else set()
    return sorted(names)


def find(name: str, attribute: str) -> Any:
    """What an attribute of a module of Keras is, in the active era.

    Args:
        name: The module's name behind ``keras.``.
        attribute: Name in it, today's or an earlier one; not that of an inner module.

    Raises:
        AttributeError: Keraunos has no such thing; the message names the era that had it, or what may be meant.

    >>> find("layers.core", "Dense").__name__
    'Dense'
    """
    row = BY_NAME[name]
    for own, place in _others(row):
        if own == attribute:
            module, _, member = place.partition(":")
            return getattr(_module(module), member) if member else _module(module)
    for source in row.sources.split():
        here = _module(source)
        if attribute in (row.names.split() or _public(here)):
            return _as_returned(source, attribute, _of_era(source, attribute) or getattr(here, attribute))
        if not row.names and not attribute.startswith("_") and source != "eras.backend":
            older = spelling.provider().attribute(source, attribute)
            if older is not None:
                return _as_returned(source, attribute, older)
    raise AttributeError(absence(name, attribute))


def absence(name: str, attribute: str) -> str:
    """Why a module has no such name, in one sentence.

    >>> absence("", "distillation")
    'keras.distillation of Keras 3 is not in Keraunos.'
    >>> absence("layers", "Dens")
    "keras.layers.Dens is not in Keraunos. Did you mean 'Dense'?"
    """
    path = ".".join(filter(None, ("keras", name, attribute)))
    main = name.partition(".")[0]
    for row in ABSENT:
        if row.module in (name, main) and attribute in row.names.split():
            return f"{path} of Keras {row.last} is not in Keraunos."
    if any(absent.absence(module, attribute) for module in (name, main)):
        return f"{path} of Keras 3 is not in Keraunos."
    if not name and attribute in keraunos.__all__:
        return f"{path} is no name of Keras. Keraunos' own is keraunos.{attribute}: import keraunos."
    near = suggestion(attribute, public(name), whole=False) if name in BY_NAME else ""
    return f"{path} is not in Keraunos.{near}"


def _others(row: Module) -> Iterator[tuple[str, str]]:
    """Names that mean something else in a module in the active era, and where that stands."""
    for pair in row.others.split():
        own, _, place = pair.partition("=")
        own, _, eras = own.partition("@")
        if not eras or str(spelling.era()) in eras:
            yield own, place


def _module(source: str) -> ModuleType:
    return importlib.import_module("keraunos" if source == "keraunos" else f"keraunos.{source}")


def _public(module: ModuleType) -> Collection[str]:
    declared = vars(module).get("__all__")
    if declared is not None:
        return set(declared)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and value.__module__.startswith("keraunos.")
    }


def _as_returned(source: str, name: str, member: Any) -> Any:
    """A metric as a function that returns what the active era's did: one number for a batch, or one for a row."""
    if source != "metrics" or not spelling.chosen():
        return member
    from keraunos.eras import arithmetic

    return arithmetic.as_returned(name, member)


def _of_era(source: str, name: str) -> Any:
    """What the name means in the active era, where that is not what it means today."""
    return spelling.provider().member(source, name) if spelling.chosen() and source in TABLES else None

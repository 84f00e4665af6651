"""Helpers that everything else may use, and the public ``keraunos.utils`` names.

The public names that need more than Python and NumPy are looked up when they
are first used; nothing in this package imports what stands above it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keraunos.utils.modules import offer

if TYPE_CHECKING:  # the names that are found when they are first used
    from keraunos.core.evaluation import get_source_inputs
    from keraunos.core.registry import (
        custom_object_scope,
        get_custom_objects,
        get_registered_name,
        get_registered_object,
        register_keras_serializable,
    )
    from keraunos.core.registry import custom_object_scope as CustomObjectScope
    from keraunos.core.registry import deserialize as deserialize_keras_object
    from keraunos.core.registry import serialize as serialize_keras_object
    from keraunos.core.session import clear_session, is_keras_tensor, set_random_seed
    from keraunos.plots import model_to_dot, plot_model
    from keraunos.utils.files import get_file
    from keraunos.utils.numerical import (
        normalize,
        pack_x_y_sample_weight,
        pad_sequences,
        to_categorical,
        unpack_x_y_sample_weight,
    )
    from keraunos.utils.progress import Progbar
    from keraunos.utils.sequence import PyDataset
    from keraunos.utils.sequence import PyDataset as Sequence

_NAMES = {
    "CustomObjectScope": "keraunos.core.registry:custom_object_scope",
    "Progbar": "keraunos.utils.progress",
    "PyDataset": "keraunos.utils.sequence",
    "Sequence": "keraunos.utils.sequence:PyDataset",
    "clear_session": "keraunos.core.session",
    "custom_object_scope": "keraunos.core.registry",
    "deserialize_keras_object": "keraunos.core.registry:deserialize",
    "get_custom_objects": "keraunos.core.registry",
    "get_file": "keraunos.utils.files",
    "get_registered_name": "keraunos.core.registry",
    "get_registered_object": "keraunos.core.registry",
    "get_source_inputs": "keraunos.core.evaluation",
    "is_keras_tensor": "keraunos.core.session",
    "model_to_dot": "keraunos.plots",
    "normalize": "keraunos.utils.numerical",
    "pack_x_y_sample_weight": "keraunos.utils.numerical",
    "pad_sequences": "keraunos.utils.numerical",
    "plot_model": "keraunos.plots",
    "register_keras_serializable": "keraunos.core.registry",
    "serialize_keras_object": "keraunos.core.registry:serialize",
    "set_random_seed": "keraunos.core.session",
    "to_categorical": "keraunos.utils.numerical",
    "unpack_x_y_sample_weight": "keraunos.utils.numerical",
}

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "is_keras_tensor",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
    "unpack_x_y_sample_weight",
]


def _found(name: str) -> Any:
    if name not in _NAMES:
        return None
    module, _, attribute = _NAMES[name].partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


offer(__name__, _found)

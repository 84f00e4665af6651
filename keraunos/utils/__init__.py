"""Helpers that everything else may use, and the public ``keraunos.utils`` names.

The public names that need more than Python and NumPy are looked up when they
are first used; nothing in this package imports what stands above it.
"""

import importlib
from typing import Any

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

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'keraunos.utils' has no attribute {name!r}")
    module, _, attribute = _NAMES[name].partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value

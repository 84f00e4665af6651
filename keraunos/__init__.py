"""Keraunos: the network library that Keras tutorials promised.

Names are resolved when they are first used, so that ``import keraunos`` loads
neither the engine nor any other large library.
"""

import importlib
from typing import Any

from keraunos.utils import spelling

__version__ = "0.1.0"

_MODULES = (
    "activations", "applications", "callbacks", "config", "constraints", "datasets", "dtype_policies", "initializers",
    "layers", "losses", "metrics", "models", "ops", "optimizers", "plots", "preprocessing", "random", "regularizers", "saving",
    "utils",
)  # fmt: skip
_NAMES = {
    "Callback": "keraunos.callbacks",
    "DTypePolicy": "keraunos.core.dtypes",
    "Initializer": "keraunos.initializers",
    "Input": "keraunos.layers",
    "InputSpec": "keraunos.layers",
    "KerasTensor": "keraunos.core.symbolic:SymbolicTensor",
    "KeraunosError": "keraunos.utils.errors",
    "Layer": "keraunos.layers",
    "Loss": "keraunos.losses",
    "Metric": "keraunos.metrics",
    "Model": "keraunos.models",
    "Optimizer": "keraunos.optimizers",
    "Regularizer": "keraunos.regularizers",
    "Sequential": "keraunos.models",
    "Variable": "keraunos.core.variable",
    "install_as_keras": "keraunos.eras.install",
    "load_ipython_extension": "keraunos.eras.notebook",
    "uninstall_keras": "keraunos.eras.install",
    "unload_ipython_extension": "keraunos.eras.notebook",
    "value_and_gradients": "keraunos.core.gradient",
}

spelling.provide("keraunos.eras.translate")

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"keraunos.{name}")
    if name in _NAMES:
        module, _, attribute = _NAMES[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'keraunos' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

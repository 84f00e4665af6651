"""Keraunos: the network library that Keras tutorials promised.

Names are resolved when they are first used, so that ``import keraunos`` loads
neither the engine nor any other large library.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keraunos.utils import spelling
from keraunos.utils.modules import offer

if TYPE_CHECKING:  # the names that are found when they are first used
    from keraunos import (
        activations,
        applications,
        callbacks,
        config,
        constraints,
        datasets,
        dtype_policies,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        plots,
        preprocessing,
        random,
        regularizers,
        saving,
        utils,
    )
    from keraunos.callbacks import Callback
    from keraunos.core.dtypes import DTypePolicy
    from keraunos.core.gradient import value_and_gradients
    from keraunos.core.symbolic import SymbolicTensor as KerasTensor
    from keraunos.core.variable import Variable
    from keraunos.eras.install import install_as_keras, uninstall_keras
    from keraunos.eras.notebook import load_ipython_extension, unload_ipython_extension
    from keraunos.initializers import Initializer
    from keraunos.layers import Input, InputSpec, Layer
    from keraunos.losses import Loss
    from keraunos.metrics import Metric
    from keraunos.models import Model, Sequential
    from keraunos.optimizers import Optimizer
    from keraunos.regularizers import Regularizer
    from keraunos.utils.errors import KeraunosError

__version__ = "0.1.0"

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

__all__ = [
    "Callback",
    "DTypePolicy",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "KeraunosError",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "applications",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "install_as_keras",
    "layers",
    "load_ipython_extension",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "plots",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "uninstall_keras",
    "unload_ipython_extension",
    "utils",
    "value_and_gradients",
]

_MODULES = tuple(name for name in __all__ if name not in _NAMES and name != "__version__")


def _found(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"keraunos.{name}")
    if name in _NAMES:
        module, _, attribute = _NAMES[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
        globals()[name] = value
        return value
    return None


offer(__name__, _found)

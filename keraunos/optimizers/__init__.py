"""Optimizers: from gradients to new parameters."""

from collections.abc import Mapping
from typing import Any

from keraunos import schedules
from keraunos.optimizers.algorithms import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop
from keraunos.optimizers.base import LearningRate, Optimizer, table
from keraunos.optimizers.transformations import OptaxOptimizer
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError
from keraunos.utils.tracebacks import entrance

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LearningRate",
    "Nadam",
    "OptaxOptimizer",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]


@entrance
def get(identifier: Any) -> Any:
    """Optimizer that a name, a config, a class, an optimizer or an optax transformation means.

    >>> get("rmsprop").rho
    0.9
    """
    if isinstance(identifier, str):
        identifier = _known_name(identifier)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, tuple) and callable(getattr(identifier, "update", None)) and hasattr(identifier, "init"):
        return OptaxOptimizer(identifier)
    found = table.get(identifier)
    if found is not None and not isinstance(found, Optimizer):
        raise ArgumentError(f"expected an optimizer: a name, a config, or an object; not a {type(found).__name__}.")
    return found


def serialize(optimizer: Any) -> Any:
    """Config of an optimizer, as Keras 3 writes it."""
    return table.serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Optimizer that a config, or a name, describes."""
    if isinstance(config, dict) and "class_name" in config:
        config = {**config, "class_name": _known_name(str(config["class_name"]))}
    return table.deserialize(config, custom_objects)


def _known_name(name: str) -> str:
    # Names of optimizers are accepted in any case: "SGD", "sgd", "RMSProp".
    return name if name in table.members or name.lower() not in table.members else name.lower()


spelling.offer_older(__name__)

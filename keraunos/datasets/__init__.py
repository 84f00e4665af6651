"""Data sets: three that are here at once, and the eight of Keras, fetched when first asked for.

Every module has ``load_data()``, which returns ``(x_train, y_train), (x_test, y_test)``.

>>> (x_train, y_train), (x_test, y_test) = iris.load_data()
>>> x_train.shape, x_test.shape
((120, 4), (30, 4))
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from keraunos.utils.modules import offer

if TYPE_CHECKING:
    from keraunos.datasets import (
        boston_housing,
        california_housing,
        cifar10,
        cifar100,
        digits,
        fashion_mnist,
        imdb,
        iris,
        mnist,
        moons,
        reuters,
    )

__all__ = [
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "imdb",
    "iris",
    "mnist",
    "moons",
    "reuters",
]


def _found(name: str) -> ModuleType | None:
    return importlib.import_module(f"{__name__}.{name}") if name in __all__ else None


offer(__name__, _found)

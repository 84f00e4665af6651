"""Texts, sequences and images made into arrays, as the tutorials of every generation do it."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from keraunos.utils.modules import offer

if TYPE_CHECKING:
    from keraunos.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]


def _found(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module 'keraunos.preprocessing' has no attribute {name!r}")
    return importlib.import_module(f"keraunos.preprocessing.{name}")


offer(__name__, _found)

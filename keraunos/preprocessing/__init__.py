"""Texts, sequences and images made into arrays, as the tutorials of every generation do it."""

import importlib
from types import ModuleType

__all__ = ["image", "sequence", "text"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module 'keraunos.preprocessing' has no attribute {name!r}")
    return importlib.import_module(f"keraunos.preprocessing.{name}")

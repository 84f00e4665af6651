"""Texts, sequences and images made into arrays, as the tutorials of every generation do it."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from keraunos.utils.modules import offer

if TYPE_CHECKING:
    from keraunos.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]


def _found(name: str) -> ModuleType | None:
    return importlib.import_module(f"keraunos.preprocessing.{name}") if name in __all__ else None


offer(__name__, _found)

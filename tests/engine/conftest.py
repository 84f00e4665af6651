"""The engines that the conformance suite is run on."""

import importlib.util
from typing import Any

import pytest

from keraunos.backend import current_engine

HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore = [] if HAS_TORCH else ["torch_engine.py"]


def make(name: str) -> Any:
    """The engine of that name, or a skipped test."""
    if name == "jax":
        return current_engine()
    if not HAS_TORCH:
        pytest.skip("PyTorch is not installed: pip install keraunos[torch]")
    from engine.torch_engine import TorchEngine

    return TorchEngine()


@pytest.fixture(scope="session", params=["jax", "torch"])
def engine(request: Any) -> Any:
    """Each engine in turn."""
    return make(request.param)

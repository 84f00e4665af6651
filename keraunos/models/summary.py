"""The table that ``summary()`` prints."""

from typing import Any


def print_summary(model: Any, *_: Any) -> None:
    """Print the layers."""
    for layer in model.layers:
        print(layer.name, type(layer).__name__, layer.count_params() if layer.built else "?")

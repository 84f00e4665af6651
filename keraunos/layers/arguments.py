"""Annotations for the arguments of layers: what a user may give, and how a config writes it.

A layer declares its arguments with them, and names need no further handling::

    class Dense(Layer):
        units: PositiveInt                                    # from core.fields
        activation: Activation = None                         # "relu", a function, a config, None -> a function
        kernel_initializer: Initializer = "glorot_uniform"    # -> an initializer
        kernel_regularizer: Regularizer = None                # -> a regularizer, or None
        kernel_constraint: Constraint = None                  # -> a constraint, or None

    class Conv(Layer):
        padding: Padding = "valid"                            # "valid" or "same", in any case
        padding: CausalPadding = "valid"                      # "causal" too, as Conv1D allows
        data_format: DataFormat = None                        # None -> the configured layout

After construction ``self.activation`` is always callable (``linear`` for
``None``), and ``get_config`` gives what Keras 3 writes.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np

from keraunos import activations, constraints, initializers, regularizers
from keraunos.core.fields import Converted, Field, choice
from keraunos.utils.config import image_data_format

__all__ = [
    "Activation",
    "CausalPadding",
    "Constraint",
    "DataFormat",
    "Initializer",
    "Padding",
    "Regularizer",
    "WidePadding",
]

_layout = choice("channels_last", "channels_first", None)


def _data_format(value: Any) -> str:
    return _layout(value) or image_data_format()


def _among(*today: str) -> Callable[[Any], Any]:
    """One of today's paddings, or an older one, which messages do not advertise."""
    choose = choice(*today)

    def convert(value: Any) -> Any:
        return value if value in ("full", "half") else choose(value)

    return convert


# A name, an object or function, a config, or nothing.
_Named = str | Callable[..., Any] | Mapping[str, Any] | None
Activation = Annotated[Converted[Callable[..., Any], _Named], Field(activations.get, activations.serialize)]
Initializer = Annotated[
    Converted[Callable[..., Any], _Named | np.ndarray], Field(initializers.get, initializers.serialize)
]
Regularizer = Annotated[Converted[Callable[..., Any] | None, _Named], Field(regularizers.get, regularizers.serialize)]
Constraint = Annotated[Converted[Callable[..., Any] | None, _Named], Field(constraints.get, constraints.serialize)]
DataFormat = Annotated[Converted[str, str | None], Field(_data_format)]
Padding = Annotated[str, Field(choice("valid", "same"))]
# "full" and "half" are the words of an engine that Keras had before; see ``windows.pads_of``.
WidePadding = Annotated[str, Field(_among("valid", "same"))]
CausalPadding = Annotated[str, Field(_among("valid", "same", "causal"))]

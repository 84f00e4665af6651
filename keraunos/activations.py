"""Activations: the elementwise and normalizing functions between layers."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from keraunos.backend import K
from keraunos.core.registry import Table
from keraunos.utils import spelling
from keraunos.utils.tracebacks import entrance

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

F = TypeVar("F", bound=Callable[..., Any])

table: Table[Any] = Table("activations", "activation", object, functions=True)


def _activation(*aliases: str) -> Callable[[F], F]:
    """Enter a function into the table; lists of numbers become tensors on the way in."""

    def enter(function: F) -> F:
        @spelling.spelled
        @functools.wraps(function)
        def activation(x: Any, *args: Any, **kwargs: Any) -> Any:
            return function(K.array(x) if isinstance(x, (list, tuple)) else x, *args, **kwargs)

        return cast(F, table.register(*aliases)(activation))

    return enter


# --- rectifiers -----------------------------------------------------------------------


@_activation()
def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """``max(x, 0)``; in general ``x`` above the threshold, ``negative_slope * (x - threshold)`` below it.

    Args:
        x: Tensor.
        negative_slope: Slope below the threshold.
        max_value: Largest value returned, or ``None``.
        threshold: Where the slope changes.

    Reference: Nair, Hinton 2010, "Rectified Linear Units Improve Restricted Boltzmann Machines".

    >>> relu([-1.0, 2.0]).tolist(), relu([-1.0, 8.0], 0.5, max_value=6).tolist()
    ([0.0, 2.0], [-0.5, 6.0])
    """
    positive = K.where(K.greater(x, threshold), x, K.zeros_like(x)) if threshold else K.relu(x)
    if max_value is not None:
        positive = K.clip(positive, 0, max_value)
    return positive - negative_slope * K.relu(threshold - x) if negative_slope else positive


@_activation()
def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``.

    >>> relu6([-1.0, 2.0, 8.0]).tolist()
    [0.0, 2.0, 6.0]
    """
    return K.relu6(x)


@_activation()
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """``x`` where positive, else ``negative_slope * x`` (Maas, Hannun, Ng 2013).

    >>> leaky_relu([-1.0, 2.0], 0.5).tolist()
    [-0.5, 2.0]
    """
    return K.leaky_relu(x, negative_slope)


@_activation()
def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where positive, else ``alpha * (exp(x) - 1)`` (Clevert, Unterthiner, Hochreiter 2016).

    >>> elu([0.0, 2.0]).tolist()
    [0.0, 2.0]
    """
    return K.elu(x, alpha)


@_activation()
def selu(x: Any) -> Any:
    """``1.0507 * x`` where positive, else ``1.7581 * (exp(x) - 1)``.

    Keeps mean 0 and variance 1 from layer to layer where weights come from
    ``LecunNormal`` (Klambauer et al. 2017, "Self-Normalizing Neural Networks").

    >>> selu([0.0, 1.0]).round(4).tolist()
    [0.0, 1.0506999492645264]
    """
    return K.selu(x)


@_activation()
def celu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where positive, else ``alpha * (exp(x / alpha) - 1)`` (Barron 2017).

    >>> celu([0.0, 2.0], 0.5).tolist()
    [0.0, 2.0]
    """
    return K.celu(x, alpha)


# --- smooth rectifiers ----------------------------------------------------------------


@_activation()
def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``.

    >>> softplus([0.0]).round(4).tolist()
    [0.6930999755859375]
    """
    return K.softplus(x)


@_activation()
def sparse_plus(x: Any) -> Any:
    """0 up to -1, ``x`` from 1 on, ``(x + 1)**2 / 4`` between.

    >>> sparse_plus([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.25, 2.0]
    """
    return K.sparse_plus(x)


@_activation()
def squareplus(x: Any, b: float = 4) -> Any:
    """``(x + sqrt(x**2 + b)) / 2`` (Barron 2021).

    >>> squareplus([0.0]).tolist()
    [1.0]
    """
    return K.squareplus(x, b)


@_activation("swish")
def silu(x: Any) -> Any:
    """``x * sigmoid(x)``, also called swish (Ramachandran, Zoph, Le 2017).

    >>> silu([0.0]).tolist()
    [0.0]
    """
    return K.silu(x)


@_activation("hard_swish")
def hard_silu(x: Any) -> Any:
    """``x * hard_sigmoid(x)``, also called hard swish (Howard et al. 2019).

    >>> hard_silu([-3.0, 3.0]).tolist()
    [0.0, 3.0]
    """
    return K.hard_silu(x)


@_activation()
def gelu(x: Any, approximate: bool = False) -> Any:
    """``x`` times the standard normal distribution function of ``x`` (Hendrycks, Gimpel 2016).

    Args:
        x: Tensor.
        approximate: Whether to use ``0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3)))``.

    >>> gelu([0.0]).tolist()
    [0.0]
    """
    return K.gelu(x, approximate)


@_activation()
def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))`` (Misra 2019).

    >>> mish([0.0]).tolist()
    [0.0]
    """
    return K.mish(x)


# --- sigmoids -------------------------------------------------------------------------


@_activation()
def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``.

    >>> sigmoid([0.0]).tolist()
    [0.5]
    """
    return K.sigmoid(x)


@_activation()
def log_sigmoid(x: Any) -> Any:
    """``log(1 / (1 + exp(-x)))``.

    >>> log_sigmoid([0.0]).round(4).tolist()
    [-0.6930999755859375]
    """
    return K.log_sigmoid(x)


@_activation()
def hard_sigmoid(x: Any) -> Any:
    """``x / 6 + 0.5`` limited to [0, 1].

    >>> hard_sigmoid([-3.0, 0.0, 3.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return K.hard_sigmoid(x)


@_activation()
def sparse_sigmoid(x: Any) -> Any:
    """``(x + 1) / 2`` limited to [0, 1] (Blondel, Martins, Niculae 2019).

    >>> sparse_sigmoid([-1.0, 0.0, 1.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return K.sparse_sigmoid(x)


@_activation()
def tanh(x: Any) -> Any:
    """Hyperbolic tangent.

    >>> tanh([0.0]).tolist()
    [0.0]
    """
    return K.tanh(x)


@_activation()
def hard_tanh(x: Any) -> Any:
    """``x`` limited to [-1, 1].

    >>> hard_tanh([-2.0, 0.5, 2.0]).tolist()
    [-1.0, 0.5, 1.0]
    """
    return K.hard_tanh(x)


@_activation()
def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``.

    >>> softsign([-1.0, 0.0]).tolist()
    [-0.5, 0.0]
    """
    return K.softsign(x)


# --- shrinkage and thresholds ---------------------------------------------------------


@_activation()
def tanh_shrink(x: Any) -> Any:
    """``x - tanh(x)``.

    >>> tanh_shrink([0.0]).tolist()
    [0.0]
    """
    return K.tanh_shrink(x)


@_activation()
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """``x`` moved towards 0 by the threshold, 0 where that would pass 0.

    >>> soft_shrink([-2.0, 0.25]).tolist()
    [-1.5, 0.0]
    """
    return K.soft_shrink(x, threshold)


@_activation()
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """``x`` where ``|x|`` exceeds the threshold, else 0.

    >>> hard_shrink([-2.0, 0.25]).tolist()
    [-2.0, 0.0]
    """
    return K.hard_shrink(x, threshold)


@_activation()
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """``x`` where it exceeds the threshold, else the default value.

    >>> threshold([-2.0, 3.0], 1.0, 9.0).tolist()
    [9.0, 3.0]
    """
    return K.threshold(x, threshold, default_value)


# --- over an axis ---------------------------------------------------------------------


@_activation()
def softmax(x: Any, axis: Any = -1) -> Any:
    """``exp(x) / sum(exp(x))`` over an axis, or several.

    Args:
        x: Tensor.
        axis: Axis over which the values sum to 1.

    Raises:
        ShapeError: One axis, before Keras 3; in Keras 1 also more than three.

    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    if spelling.chosen():
        spelling.provider().check_softmax(len(K.shape(K.array(x) if isinstance(x, (list, tuple)) else x)))
    return K.softmax(x, axis)


@_activation()
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """``x - log(sum(exp(x)))`` over an axis.

    >>> log_softmax([[0.0, 0.0]]).round(4).tolist()
    [[-0.6930999755859375, -0.6930999755859375]]
    """
    return K.log_softmax(x, axis)


@_activation()
def sparsemax(x: Any, axis: int = -1) -> Any:
    """The nearest point to ``x`` whose elements are 0 or more and sum to 1 (Martins, Astudillo 2016).

    >>> sparsemax([[0.0, 0.0, 5.0]]).tolist()
    [[0.0, 0.0, 1.0]]
    """
    return K.sparsemax(x, axis)


@_activation()
def glu(x: Any, axis: int = -1) -> Any:
    """First half of an axis times the sigmoid of its second half (Dauphin et al. 2017).

    >>> glu([[4.0, 0.0]]).tolist()
    [[2.0]]
    """
    return K.glu(x, axis)


# --- plain ----------------------------------------------------------------------------


@_activation()
def linear(x: Any) -> Any:
    """``x``.

    >>> linear(3.0)
    3.0
    """
    return x


@_activation()
def exponential(x: Any) -> Any:
    """``exp(x)``.

    >>> exponential([0.0]).tolist()
    [1.0]
    """
    return K.exp(x)


swish = silu
hard_swish = hard_silu


# --- by name --------------------------------------------------------------------------


@entrance
def get(identifier: Any) -> Any:
    """Function that a name, a config or a callable means; ``linear`` for ``None``.

    >>> get("relu") is relu, get(None) is linear
    (True, True)
    """
    return linear if identifier is None else table.get(identifier)


def serialize(activation: Any) -> Any:
    """Name of an activation function, or the config of an object that serves as one."""
    return table.serialize(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Activation that a name or a config describes."""
    return table.deserialize(config, custom_objects)


spelling.offer_older(__name__)

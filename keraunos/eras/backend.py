"""``keras.backend as K`` of eras 1 and 2: its functions of tensors, made of today's operations.

Every function takes arrays, Variables, the tensors of a compiled step, and
symbolic tensors, as ``keraunos.ops`` does. What ``ops`` has under the same name
with the same arguments is taken from there. Reference: the signatures of
``keras.backend`` in Keras 1.2.2 and 2.2.4.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from typing import cast as typed

import numpy as np

from keraunos import ops, random
from keraunos.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from keraunos.core.scope import current_scope
from keraunos.core.session import clear_session, is_keras_tensor
from keraunos.core.variable import Variable
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

F = TypeVar("F", bound=Callable[..., Any])
Axes = int | Sequence[int] | None

# Operations of ``keraunos.ops`` that are called as they were.
SAME = (
    "abs cos equal exp greater greater_equal less less_equal log logsumexp max maximum mean min minimum not_equal prod "
    "sigmoid sign sin softmax softplus softsign square std stop_gradient sum tanh transpose var"
).split()
# Other names, of era 1.
RENAMED = {"lesser": "less", "lesser_equal": "less_equal"}
_LAYOUTS = {"th": "channels_first", "tf": "channels_last"}

__all__ = [
    "all", "any", "arange", "argmax", "argmin", "backend", "batch_dot", "batch_flatten", "batch_get_value",
    "batch_set_value", "bias_add", "binary_crossentropy", "cast", "cast_to_floatx", "categorical_crossentropy",
    "clear_session", "clip", "concatenate", "constant", "conv1d", "conv2d", "conv3d", "count_params", "cumprod",
    "cumsum", "dot", "dropout", "dtype", "elu", "epsilon", "eval", "expand_dims", "eye", "flatten", "floatx",
    "gather", "get_value", "hard_sigmoid", "identity", "image_data_format", "image_dim_ordering", "in_top_k",
    "int_shape", "is_keras_tensor", "l2_normalize", "ndim", "one_hot", "ones", "ones_like", "permute_dimensions",
    "pool2d", "pow", "random_binomial", "random_normal", "random_normal_variable", "random_uniform",
    "random_uniform_variable", "relu", "repeat", "repeat_elements", "reshape", "resize_images", "reverse", "round",
    "set_epsilon", "set_floatx", "set_image_data_format", "set_image_dim_ordering", "set_value", "shape",
    "sparse_categorical_crossentropy", "spatial_2d_padding", "sqrt", "squeeze", "stack", "switch",
    "temporal_padding", "tile", "truncated_normal", "update", "update_add", "update_sub", "variable", "zeros",
    "zeros_like", *SAME, *RENAMED,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in SAME or name in RENAMED:
        return getattr(ops, RENAMED.get(name, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _also(**names: str) -> Callable[[F], F]:
    """Let arguments be given by era 1's names as well: ``_also(std="stddev")``."""

    def wrap(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old in names.keys() & kwargs.keys():
                if names[old] in kwargs:
                    raise ArgumentError(f"{function.__name__}: {old} and {names[old]} are the same argument; give one.")
                kwargs[names[old]] = kwargs.pop(old)
                spelling.note(f"{old} is called {names[old]} since Keras 2")
            if "data_format" in kwargs:
                kwargs["data_format"] = _LAYOUTS.get(kwargs["data_format"], kwargs["data_format"])
            return function(*args, **kwargs)

        return typed(F, call)

    return wrap


# --- settings -----------------------------------------------------------------------------


def backend() -> str:
    """Name of the library underneath: ``"tensorflow"`` in eras 1 and 2, since scripts choose by it; else the engine's.

    >>> backend()
    'jax'
    """
    from keraunos.backend import current_engine

    return "tensorflow" if spelling.chosen() else current_engine().name


def image_dim_ordering() -> str:
    """Era 1's word for the image layout: ``"tf"`` for channels last, ``"th"`` for channels first.

    >>> image_dim_ordering()
    'tf'
    """
    return "tf" if image_data_format() == "channels_last" else "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Set the image layout by era 1's word, ``"tf"`` or ``"th"``."""
    if dim_ordering not in _LAYOUTS:
        raise ArgumentError(f"set_image_dim_ordering: {dim_ordering!r} is no layout; expected 'tf' or 'th'.")
    spelling.note("set_image_dim_ordering is called set_image_data_format since Keras 2")
    set_image_data_format(_LAYOUTS[dim_ordering])


# --- variables and values -----------------------------------------------------------------


def variable(value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A Variable with a value.

    >>> get_value(variable([1, 2])).tolist()
    [1.0, 2.0]
    """
    return Variable(np.asarray(get_value(value)), dtype=dtype or floatx(), name=name, constraint=constraint)


def constant(value: Any, dtype: str | None = None, shape: Sequence[int] | None = None, name: str | None = None) -> Any:
    """A tensor with a value, repeated to a shape where one is given."""
    tensor = ops.convert_to_tensor(value, dtype or floatx())
    return tensor if shape is None else ops.broadcast_to(tensor, shape)


def get_value(x: Any) -> Any:
    """NumPy value of a tensor or Variable; numbers and arrays are returned as they are."""
    return np.array(ops.convert_to_numpy(x)) if hasattr(x, "shape") and hasattr(x, "dtype") else x


eval = get_value  # noqa: A001


def set_value(x: Any, value: Any) -> None:
    """Give a Variable a value: ``set_value(model.optimizer.learning_rate, 0.01)``.

    >>> rate = variable(0.1); set_value(rate, 0.5); float(rate)
    0.5
    """
    if not isinstance(x, Variable):
        raise ArgumentError(f"set_value: a {type(x).__name__} cannot be changed; expected a Variable.")
    x.assign(np.asarray(get_value(value), x.dtype))


def batch_get_value(tensors: Iterable[Any]) -> list[Any]:
    """NumPy values of several tensors or Variables."""
    return [get_value(tensor) for tensor in tensors]


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Give Variables values, as pairs ``(variable, value)``."""
    for x, value in tuples:
        set_value(x, value)


def update(x: Variable, new_x: Any) -> Any:
    """Give a Variable a new value, inside a compiled step too; returns the value."""
    return x.assign(new_x)


def update_add(x: Variable, increment: Any) -> Any:
    """Add to a Variable."""
    return x.assign(x + increment)


def update_sub(x: Variable, decrement: Any) -> Any:
    """Subtract from a Variable."""
    return x.assign(x - decrement)


def zeros(shape: Sequence[int], dtype: str | None = None, name: str | None = None) -> Any:
    """Zeros: a Variable, or inside a compiled step a tensor.

    >>> zeros((2, 3)).shape
    (2, 3)
    """
    return _made(ops.zeros(shape, dtype or floatx()), name)


def ones(shape: Sequence[int], dtype: str | None = None, name: str | None = None) -> Any:
    """Ones: a Variable, or inside a compiled step a tensor."""
    return _made(ops.ones(shape, dtype or floatx()), name)


def eye(size: int, dtype: str | None = None, name: str | None = None) -> Any:
    """Identity matrix: a Variable, or inside a compiled step a tensor."""
    return _made(ops.eye(size, dtype=dtype or floatx()), name)


def zeros_like(x: Any, dtype: str | None = None, name: str | None = None) -> Any:
    """Zeros of the shape of ``x``."""
    return ops.zeros_like(x, dtype)


def ones_like(x: Any, dtype: str | None = None, name: str | None = None) -> Any:
    """Ones of the shape of ``x``."""
    return ops.ones_like(x, dtype)


def identity(x: Any, name: str | None = None) -> Any:
    """The same values in another tensor."""
    return x * 1


def arange(start: Any, stop: Any = None, step: int = 1, dtype: str = "int32") -> Any:
    """Evenly spaced numbers.

    >>> arange(1, 7, 2).tolist()
    [1, 3, 5]
    """
    return ops.arange(start, stop, step, dtype)


def shape(x: Any) -> Any:
    """Sizes of a tensor; ``None`` where a symbolic one is open."""
    return ops.shape(x)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """Sizes of a tensor as a tuple; ``None`` where a symbolic one is open."""
    return tuple(ops.shape(x))


def ndim(x: Any) -> int:
    """Number of axes."""
    return len(int_shape(x))


def dtype(x: Any) -> str:
    """Name of the element type."""
    return str(ops.dtype(x))


def count_params(x: Any) -> int:
    """Number of elements."""
    return int(np.prod(typed(Any, int_shape(x))))


def cast(x: Any, dtype: str) -> Any:
    """Elements converted to another type."""
    return ops.cast(x, dtype)


def cast_to_floatx(x: Any) -> Any:
    """A NumPy array of the default float type."""
    return np.asarray(x, floatx())


# --- elements -----------------------------------------------------------------------------


def relu(x: Any, alpha: Any = 0.0, max_value: Any = None, threshold: Any = 0.0) -> Any:
    """``x`` above the threshold, at most ``max_value``; ``alpha * (x - threshold)`` below.

    >>> relu(np.array([-1.0, 2.0, 9.0]), alpha=0.5, max_value=6.0).tolist()
    [-0.5, 2.0, 6.0]
    """
    above = x if max_value is None else ops.minimum(x, max_value)
    return ops.where(ops.greater_equal(x, threshold), above, alpha * (x - threshold))


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    return ops.elu(x, alpha)


def hard_sigmoid(x: Any) -> Any:
    """``0.2 * x + 0.5``, from 0 to 1; Keras 3 means another function by this name."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Elements moved into a range."""
    return ops.clip(x, min_value, max_value)


def pow(x: Any, a: Any) -> Any:  # noqa: A001
    """``x`` to the power of ``a``."""
    return ops.power(x, a)


def round(x: Any) -> Any:  # noqa: A001
    """The nearest whole number, of two the even one."""
    return ops.round(x)


def sqrt(x: Any) -> Any:
    """Square root; of numbers below 0, which rounding may leave, it is 0."""
    return ops.sqrt(ops.maximum(x, 0.0))


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One value or the other, element by element; each may be a function without arguments."""
    one, other = (choice() if callable(choice) else choice for choice in (then_expression, else_expression))
    condition = ops.cast(condition, "bool")
    while ndim(condition) < ndim(one):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, one, other)


# --- along axes ---------------------------------------------------------------------------


def any(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Whether any element is not 0."""
    return ops.any(ops.cast(x, "bool"), axis, keepdims)


def all(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Whether no element is 0."""
    return ops.all(ops.cast(x, "bool"), axis, keepdims)


def argmax(x: Any, axis: int = -1) -> Any:
    """Place of the largest element along an axis."""
    return ops.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Place of the smallest element along an axis."""
    return ops.argmin(x, axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    """Sums of all elements so far."""
    return ops.cumsum(x, axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """Products of all elements so far."""
    return ops.cumprod(x, axis)


def l2_normalize(x: Any, axis: Axes = None) -> Any:
    """``x`` divided by the root of its sum of squares along an axis."""
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis, True), 1e-12))


# --- products -----------------------------------------------------------------------------


def dot(x: Any, y: Any) -> Any:
    """Product over the last axis of ``x`` and the last but one of ``y``."""
    return ops.dot(x, y)


def batch_dot(x: Any, y: Any, axes: int | Sequence[int] | None = None) -> Any:
    """Row by row, the product over one axis of ``x`` and one of ``y``; a result of one axis gets a second.

    >>> batch_dot(np.ones((5, 2, 3)), np.ones((5, 3, 4))).shape
    (5, 2, 4)
    """
    counts = ndim(x), ndim(y)
    if axes is None:
        axes = counts[0] - 1, max(counts[1] - 2, 1)
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    over = [axis % count for axis, count in zip(pair, counts, strict=True)]
    letters = iter("cdefghijklm")
    words = [["b", *itertools.islice(letters, count - 1)] for count in counts]
    for word, axis in zip(words, over, strict=True):
        word[axis] = "a"
    rest = [letter for word in words for letter in word[1:] if letter != "a"]
    formula = f"{''.join(words[0])},{''.join(words[1])}->b{''.join(rest)}"
    result = ops.einsum(formula, x, y)
    return result if rest else ops.expand_dims(result, -1)


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """A bias for each channel added."""
    if (data_format or image_data_format()) == "channels_first" and ndim(bias) == 1 and ndim(x) > 2:
        bias = ops.reshape(bias, (-1, *[1] * (ndim(x) - 2)))
    return x + bias


# --- shapes -------------------------------------------------------------------------------


def reshape(x: Any, shape: Sequence[int]) -> Any:
    """Elements in another shape; one size may be -1."""
    return ops.reshape(x, shape)


def flatten(x: Any) -> Any:
    """All elements in one axis."""
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    """All axes but the first in one.

    >>> batch_flatten(np.ones((2, 3, 4))).shape
    (2, 12)
    """
    sizes = int_shape(x)[1:]
    return ops.reshape(x, (-1, int(np.prod(typed(Any, sizes)))))


@_also(dim="axis")
def expand_dims(x: Any, axis: int = -1) -> Any:
    """One more axis, of size 1."""
    return ops.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """Without an axis of size 1."""
    return ops.squeeze(x, axis)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """Axes in another order."""
    return ops.transpose(x, pattern)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Tensors one behind the other along an axis, the last by default."""
    return ops.concatenate(list(tensors), axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Tensors along a new axis."""
    return ops.stack(list(x), axis)


def repeat(x: Any, n: int) -> Any:
    """Rows ``(samples, features)`` repeated as steps: ``(samples, n, features)``."""
    return ops.repeat(ops.expand_dims(x, 1), n, 1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each element repeated along an axis."""
    return ops.repeat(x, rep, axis)


def tile(x: Any, n: int | Sequence[int]) -> Any:
    """The whole tensor repeated along its axes."""
    return ops.tile(x, [n] if isinstance(n, int) else list(n))


def reverse(x: Any, axes: int | Sequence[int]) -> Any:
    """Axes backwards."""
    return ops.flip(x, axes)


def gather(reference: Any, indices: Any) -> Any:
    """Rows by their numbers."""
    return ops.take(reference, indices, 0)


@_also(nb_classes="num_classes")
def one_hot(indices: Any, num_classes: int) -> Any:
    """Class numbers as rows of zeros with one 1."""
    return ops.one_hot(indices, num_classes)


def temporal_padding(x: Any, padding: Any = (1, 1)) -> Any:
    """Zeros before and after sequences ``(samples, steps, features)``."""
    before, after = (padding, padding) if isinstance(padding, int) else padding
    return ops.pad(x, [(0, 0), (before, after), (0, 0)])


@_also(dim_ordering="data_format")
def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around images."""
    sides = [(side, side) if isinstance(side, int) else tuple(side) for side in padding]
    first = (data_format or image_data_format()) == "channels_first"
    return ops.pad(x, [(0, 0), (0, 0), *sides] if first else [(0, 0), *sides, (0, 0)])


@_also(dim_ordering="data_format")
def resize_images(x: Any, height_factor: int, width_factor: int, data_format: str | None = None) -> Any:
    """Images enlarged by repeating each pixel."""
    height = 2 if (data_format or image_data_format()) == "channels_first" else 1
    return ops.repeat(ops.repeat(x, height_factor, height), width_factor, height + 1)


# --- losses -------------------------------------------------------------------------------


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Crossentropy of each row; in era 1 the output is the first argument."""
    return ops.categorical_crossentropy(*_by_era(target, output), from_logits=from_logits)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Crossentropy of each row with a class number; in era 1 the output is the first argument."""
    return ops.sparse_categorical_crossentropy(*_by_era(target, output), from_logits=from_logits)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Crossentropy of each element; in era 1 the output is the first argument."""
    return ops.binary_crossentropy(*_by_era(target, output), from_logits=from_logits)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the right class is among the ``k`` largest."""
    return ops.in_top_k(targets, predictions, k)


# --- convolutions and pools -----------------------------------------------------------------


@_also(border_mode="padding", stride="strides")
def conv1d(
    x: Any, kernel: Any, strides: int = 1, padding: str = "valid", data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:  # fmt: skip
    """Convolution of sequences; ``padding`` may be ``"causal"``."""
    if padding == "causal":
        x, padding = temporal_padding(x, (dilation_rate * (ops.shape(kernel)[0] - 1), 0)), "valid"
    return ops.conv(x, kernel, strides, padding, data_format or image_data_format(), dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format", filter_dilation="dilation_rate")
def conv2d(
    x: Any, kernel: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """Convolution of images."""
    return ops.conv(x, kernel, strides, padding, data_format or image_data_format(), dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format")
def conv3d(
    x: Any, kernel: Any, strides: Any = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:  # fmt: skip
    """Convolution of volumes."""
    return ops.conv(x, kernel, strides, padding, data_format or image_data_format(), dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format")
def pool2d(
    x: Any, pool_size: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:  # fmt: skip
    """Largest value, or mean (``pool_mode="avg"``), of the windows of images."""
    if pool_mode not in ("max", "avg"):
        raise ArgumentError(f"pool2d: pool_mode is {pool_mode!r}; expected 'max' or 'avg'.")
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    return pool(x, pool_size, strides, padding, data_format or image_data_format())


# --- random numbers -----------------------------------------------------------------------


@_also(std="stddev")
def random_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Normal numbers, new ones at every step."""
    return random.normal(shape, mean, stddev, dtype, seed)


@_also(low="minval", high="maxval")
def random_uniform(
    shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Uniform numbers, new ones at every step."""
    return random.uniform(shape, minval, maxval, dtype, seed)


@_also(std="stddev")
def truncated_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Normal numbers within two standard deviations of the mean, new ones at every step."""
    return random.truncated_normal(shape, mean, stddev, dtype, seed)


def random_binomial(shape: Sequence[int], p: Any = 0.0, dtype: str | None = None, seed: int | None = None) -> Any:
    """Ones with probability ``p``, zeros else."""
    return random.binomial(shape, 1, p, dtype, seed)


def random_normal_variable(
    shape: Sequence[int], mean: float, scale: float, dtype: str | None = None, name: str | None = None,
    seed: int | None = None,
) -> Variable:  # fmt: skip
    """A Variable with normal numbers; ``scale`` is their standard deviation."""
    return Variable(random.normal(shape, mean, scale, dtype, seed), name=name)


def random_uniform_variable(
    shape: Sequence[int], low: float, high: float, dtype: str | None = None, name: str | None = None,
    seed: int | None = None,
) -> Variable:  # fmt: skip
    """A Variable with uniform numbers."""
    return Variable(random.uniform(shape, low, high, dtype, seed), name=name)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """A share of the elements set to 0, the others enlarged to make up for it."""
    return random.dropout(x, level, noise_shape, seed)


# --- helpers ------------------------------------------------------------------------------


def _made(tensor: Any, name: str | None) -> Any:
    # A compiled step must not read a Variable that no layer holds.
    return Variable(tensor, name=name) if current_scope() is None else tensor


def _by_era(target: Any, output: Any) -> tuple[Any, Any]:
    return (output, target) if spelling.era() == 1 else (target, output)

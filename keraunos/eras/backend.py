"""``keras.backend as K`` of eras 1 and 2: its functions of tensors, made of today's operations.

Every function takes arrays, Variables, the tensors of a compiled step, and
symbolic tensors, as ``keraunos.ops`` does. What ``ops`` has under the same name
with the same arguments is taken from there. Reference: the signatures of
``keras.backend`` in Keras 1.2.2 and 2.2.4.
"""

import builtins
import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from typing import cast as typed

import numpy as np

from keraunos import ops, random
from keraunos.backend import give_method
from keraunos.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from keraunos.core import phase, session
from keraunos.core.scope import current_scope
from keraunos.core.symbolic import Call, Operation, RecordedVariable, Size, SymbolicTensor, record, recording
from keraunos.core.variable import Variable
from keraunos.eras import settings
from keraunos.eras.ctc import ctc_batch_cost, ctc_decode, ctc_label_dense_to_sparse
from keraunos.eras.graphs import (
    ElementType,
    drawn,
    foldl,
    foldr,
    function,
    get_session,
    gradients,
    in_test_phase,
    in_train_phase,
    is_placeholder,
    learning_phase,
    learning_phase_scope,
    map_fn,
    moving_average_update,
    name_scope,
    placeholder,
    print_tensor,
    recorded,
    rnn,
    set_learning_phase,
    set_session,
    update,
    update_add,
    update_sub,
)
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, ShapeError

F = TypeVar("F", bound=Callable[..., Any])
Axes = int | Sequence[int] | None

# Operations of ``keraunos.ops`` that are called as they were.
SAME = (
    "abs cos equal exp greater greater_equal less less_equal log logsumexp max maximum mean min minimum not_equal prod "
    "sigmoid sign sin softmax softplus softsign square std sum tanh transpose var"
).split()
# Other names, of era 1.
RENAMED = {"lesser": "less", "lesser_equal": "less_equal"}
_LAYOUTS = {"th": "channels_first", "tf": "channels_last"}
# Arguments of era 1 that told Theano what the tensors say themselves.
_SHAPES = {"image_shape", "filter_shape", "volume_shape"}

__all__ = [
    "all", "any", "arange", "argmax", "argmin", "asymmetric_spatial_2d_padding", "asymmetric_temporal_padding",
    "atrous_conv2d", "backend", "batch_dot", "batch_flatten", "batch_get_value", "batch_normalization",
    "batch_set_value", "bias_add", "binary_crossentropy", "cast", "cast_to_floatx", "categorical_crossentropy",
    "clear_session", "clip", "concatenate", "constant", "conv1d", "conv2d", "conv2d_transpose", "conv3d",
    "conv3d_transpose", "count_params", "ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse", "cumprod",
    "cumsum", "deconv2d", "depthwise_conv2d", "dot", "dropout", "dtype", "elu", "epsilon", "eval", "expand_dims",
    "eye", "flatten", "floatx", "foldl", "foldr", "function", "gather", "get_session", "get_uid", "get_value",
    "get_variable_shape", "gradients", "hard_sigmoid", "identity", "image_data_format", "image_dim_ordering",
    "in_test_phase", "in_top_k", "in_train_phase", "int_shape", "is_keras_tensor", "is_placeholder", "is_sparse",
    "is_tensor", "l2_normalize", "learning_phase", "learning_phase_scope", "legacy_weight_ordering", "local_conv1d",
    "local_conv2d",
    "manual_variable_initialization", "map_fn", "moving_average_update", "name_scope", "ndim",
    "normalize_batch_in_training", "normalize_data_format", "one_hot", "ones", "ones_like", "permute_dimensions",
    "placeholder", "pool2d", "pool3d", "pow", "print_tensor", "random_binomial", "random_normal",
    "random_normal_variable", "random_uniform", "random_uniform_variable", "relu", "repeat", "repeat_elements",
    "reset_uids", "reshape", "resize_images", "resize_volumes", "reverse", "rnn", "round", "separable_conv1d",
    "separable_conv2d", "set_epsilon", "set_floatx", "set_image_data_format", "set_image_dim_ordering",
    "set_learning_phase", "set_legacy_weight_ordering", "set_session", "set_value", "shape", "slice",
    "sparse_categorical_crossentropy", "spatial_2d_padding", "spatial_3d_padding", "sqrt", "squeeze", "stack",
    "stop_gradient", "switch", "temporal_padding", "tile", "to_dense", "truncated_normal", "update", "update_add",
    "update_sub", "variable", "zeros", "zeros_like", *SAME, *RENAMED,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _OF_NUMBERS:
        return _first_of_numbers(name)
    if name in SAME or name in RENAMED:
        return getattr(ops, RENAMED.get(name, name))
    if name == "_BACKEND":
        return backend()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Operations that parts of shapes are computed with. Inside of a layer's call sizes are plain numbers, and stay such.
_OF_NUMBERS = "abs max maximum min minimum prod square sum".split()


@functools.cache
def _first_of_numbers(name: str) -> Callable[..., Any]:
    operation, of_numbers = getattr(ops, name), getattr(np, name)

    @functools.wraps(operation)
    def call(*args: Any, **kwargs: Any) -> Any:
        return of_numbers(*args, **kwargs).tolist() if _numbers(args) else operation(*args, **kwargs)

    return call


def _numbers(values: Any) -> bool:
    """Whether these are plain numbers, and what is made of them shall be one: where something is being computed."""
    return not recording() and builtins.all(isinstance(leaf, (int, float, np.number)) for leaf in tree.leaves(values))


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
            for dropped in _SHAPES & kwargs.keys():
                del kwargs[dropped]
            return function(*args, **kwargs)

        return typed(F, call)

    return wrap


# --- settings -----------------------------------------------------------------------------


def backend() -> str:
    """Name of the library underneath: today the engine's.

    In eras 1 and 2, since scripts choose by it, what the settings for Keras ask for, else ``"tensorflow"``.

    >>> backend()
    'jax'
    """
    from keraunos.backend import current_engine

    if not spelling.chosen():
        return current_engine().name
    return settings.library()


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


def normalize_data_format(value: Any) -> str:
    """The layout that a word means, of era 1 too; ``None`` is the one that is set.

    >>> normalize_data_format("th")
    'channels_first'
    """
    if value in (None, "default"):
        return image_data_format()
    layout = _LAYOUTS.get(value, value) if isinstance(value, str) else value
    if layout not in _LAYOUTS.values():
        raise ArgumentError(f"data_format is {value!r}; expected 'channels_first' or 'channels_last'.")
    return str(layout)


def clear_session() -> None:
    """Start automatic names again, and let layers be told whether they train."""
    session.clear_session()
    reset_uids()
    phase.fix_training(None)


def manual_variable_initialization(value: bool) -> None:
    """Accepted: every Variable has a value from the beginning."""


def legacy_weight_ordering() -> bool:
    """Whether era 1 listed weights as the versions before it did: never here."""
    return False


def set_legacy_weight_ordering(value: bool) -> None:
    """Accepted; files of any order of weights are read."""
    if not isinstance(value, bool):
        raise ArgumentError(f"set_legacy_weight_ordering: value is {value!r}; expected True or False.")


_uids: dict[str, int] = {}


def get_uid(prefix: str = "") -> int:
    """A number, one more than the last one for the same prefix.

    >>> reset_uids(); get_uid("layer"), get_uid("layer"), get_uid("model")
    (1, 2, 1)
    """
    _uids[prefix] = _uids.get(prefix, 0) + 1
    return _uids[prefix]


def reset_uids() -> None:
    """Let ``get_uid`` begin with 1 again."""
    _uids.clear()


# --- variables and values -----------------------------------------------------------------


def variable(value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A Variable with a value; sparse matrices become dense.

    In a layer it is a weight where the layer says so (``trainable_weights``), else a number that may be changed.
    What is computed from it between two calls is computed when it is asked for, as from a symbolic tensor.

    >>> get_value(variable([1, 2])).tolist()
    [1.0, 2.0]
    """
    if dtype not in (None, "bfloat16"):
        np.dtype(dtype)  # a TypeError where there is no such type
    sparse = hasattr(value, "toarray")
    value = value.toarray() if sparse else get_value(value)
    made = RecordedVariable(np.asarray(value), None, dtype or floatx(), False, name=name, constraint=constraint)
    made.sparse = sparse
    made.dtype = ElementType(made.dtype, "_ref")
    return made


def constant(value: Any, dtype: str | None = None, shape: Sequence[int] | None = None, name: str | None = None) -> Any:
    """A tensor with a value, repeated to a shape where one is given."""
    tensor = ops.convert_to_tensor(value, dtype or floatx())
    return tensor if shape is None else ops.broadcast_to(tensor, shape)


def get_value(x: Any) -> Any:
    """NumPy value of a tensor or Variable; numbers and arrays are returned as they are.

    A symbolic tensor has one if it follows from Variables and constants alone.
    """
    return np.array(ops.convert_to_numpy(x)) if hasattr(x, "shape") and hasattr(x, "dtype") else x


eval = get_value  # noqa: A001


def set_value(x: Any, value: Any) -> None:
    """Give a Variable a value: ``set_value(model.optimizer.learning_rate, 0.01)``.

    >>> rate = variable(0.1); set_value(rate, 0.5); float(rate)
    0.5
    """
    if not isinstance(x, Variable):
        raise ArgumentError(
            f"set_value: a {type(x).__name__} cannot be changed; expected a Variable. The learning rate is none where an "
            "optimizer was given a schedule, such as ExponentialDecay: it follows from the number of steps. Give "
            "optimizer.learning_rate another schedule, or compile with a number."
        )
    x.assign(np.asarray(get_value(value), x.dtype))


def batch_get_value(tensors: Iterable[Any]) -> list[Any]:
    """NumPy values of several tensors or Variables."""
    return [get_value(tensor) for tensor in tensors]


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Give Variables values, as pairs ``(variable, value)``."""
    for x, value in tuples:
        set_value(x, value)


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


def get_variable_shape(x: Any) -> tuple[int | None, ...]:
    """Sizes of a Variable."""
    return int_shape(x)


def is_keras_tensor(x: Any) -> bool:
    """Whether a layer, not an operation, made a symbolic tensor."""
    if not is_tensor(x):
        raise ArgumentError(f"is_keras_tensor: a {type(x).__name__} is no tensor; expected a tensor or a Variable.")
    if not isinstance(x, SymbolicTensor):
        return False
    # A placeholder was one in Keras 1 alone.
    return spelling.era() == 1 if x.node is None else not isinstance(x.node.operation, Operation)


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor, a Variable, or a symbolic tensor."""
    return isinstance(x, (SymbolicTensor, Variable)) or bool(ops.is_tensor(x))


def is_sparse(tensor: Any) -> bool:
    """Whether a tensor was declared, or made of a matrix, that holds zeros only implicitly; values here are dense."""
    return bool(getattr(tensor, "sparse", False))


def to_dense(tensor: Any) -> Any:
    """The same values, declared dense."""
    return identity(tensor) if is_sparse(tensor) else tensor


def stop_gradient(variables: Any) -> Any:
    """The same values, regarded as constant by ``gradients``; of a list, each."""
    return tree.map(ops.stop_gradient, variables)


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
    numbers = (start, stop, step)
    if builtins.any(isinstance(n, Size) for n in numbers):
        return record(Call(ops.arange), (*numbers, dtype), {})
    start, stop, step = (int(n) if is_tensor(n) else n for n in numbers)
    if spelling.chosen() and recording():  # as a Variable it keeps 64 bits
        return variable(np.arange(0, start, step) if stop is None else np.arange(start, stop, step), dtype)
    return ops.arange(start, stop, step, dtype)


def shape(x: Any) -> Any:
    """Sizes of a tensor; of a symbolic one, whole numbers that are known when it is computed."""
    return Size(x, lambda sizes: sizes) if isinstance(x, SymbolicTensor) else ops.shape(x)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """Sizes of a tensor as a tuple; ``None`` where a symbolic one is open."""
    return tuple(ops.shape(x))


def ndim(x: Any) -> int:
    """Number of axes."""
    return len(int_shape(x))


def dtype(x: Any) -> str:
    """Name of the element type; of a Variable the one that it was made with."""
    return str(x.dtype if isinstance(x, (Variable, SymbolicTensor)) else ops.dtype(x))


def count_params(x: Any) -> int:
    """Number of elements."""
    return int(np.prod(typed(Any, int_shape(x))))


def cast(x: Any, dtype: str) -> Any:
    """Elements converted to another type."""
    return np.asarray(x).astype(dtype)[()] if _numbers(x) else ops.cast(x, dtype)


def cast_to_floatx(x: Any) -> Any:
    """A NumPy array of the default float type."""
    return np.asarray(x, floatx())


# --- elements -----------------------------------------------------------------------------


def relu(x: Any, alpha: Any = 0.0, max_value: Any = None, threshold: Any = 0.0) -> Any:
    """``x`` above the threshold, at most ``max_value``; ``alpha * (x - threshold)`` below.

    >>> relu(np.array([-1.0, 2.0, 9.0]), alpha=0.5, max_value=6.0).tolist()
    [-0.5, 2.0, 6.0]
    """
    above = x if max_value is None else ops.clip(x, 0.0, max_value)
    return ops.where(ops.greater_equal(x, threshold), above, alpha * (x - threshold))


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    return ops.elu(x, alpha)


def hard_sigmoid(x: Any) -> Any:
    """``0.2 * x + 0.5``, from 0 to 1; Keras 3 means another function by this name."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Elements moved into a range; where its ends are numbers the wrong way round, into the lower one."""
    if builtins.all(isinstance(end, (int, float)) for end in (min_value, max_value)):
        max_value = builtins.max(min_value, max_value)
    return ops.clip(x, min_value, max_value)


def pow(x: Any, a: Any) -> Any:  # noqa: A001
    """``x`` to the power of ``a``."""
    return ops.power(x, a)


def round(x: Any) -> Any:  # noqa: A001
    """The nearest whole number, of two the even one."""
    return np.round(x).tolist() if _numbers(x) else ops.round(x)


def sqrt(x: Any) -> Any:
    """Square root; of numbers below 0, which rounding may leave, it is 0."""
    return ops.sqrt(ops.maximum(x, 0.0))


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One value or the other, element by element; each may be a function without arguments."""
    one, other = (choice() if callable(choice) else choice for choice in (then_expression, else_expression))
    condition = ops.cast(condition, "bool")
    if ndim(condition) > ndim(one):
        raise ArgumentError(f"switch: the condition has {ndim(condition)} axes, the values have {ndim(one)}.")
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
    if counts == (2, 2):  # of matrices, any pair of axes
        return ops.expand_dims(ops.sum((x if pair[0] == pair[1] else ops.transpose(x)) * y, pair[1]), 1)
    if counts[0] <= counts[1] > 3 and spelling.chosen() and settings.library() != "theano":
        return _matrices_dot(x, y, pair)
    over = [axis % count for axis, count in zip(pair, counts, strict=True)]
    letters = iter("cdefghijklm")
    words = [["b", *itertools.islice(letters, count - 1)] for count in counts]
    for word, axis in zip(words, over, strict=True):
        word[axis] = "a"
    rest = [letter for word in words for letter in word[1:] if letter != "a"]
    formula = f"{''.join(words[0])},{''.join(words[1])}->b{''.join(rest)}"
    result = ops.einsum(formula, x, y)
    return result if rest else ops.expand_dims(result, -1)


def _matrices_dot(x: Any, y: Any, axes: Sequence[int]) -> Any:
    """``batch_dot`` of more than three axes as on TensorFlow: all but the last two count rows, on both sides."""
    missing = ndim(y) - ndim(x)
    for _ in range(missing):
        x = ops.expand_dims(x, -1)
    if axes[0] != ndim(x) - 1:
        x = ops.swapaxes(x, -2, -1)
    if axes[1] == ndim(y) - 1:
        y = ops.swapaxes(y, -2, -1)
    result = ops.matmul(x, y)
    return ops.squeeze(result, tuple(range(ndim(x) - missing - 1, ndim(x) - 1))) if missing else result


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """A bias for each channel added."""
    if ndim(bias) not in (1, ndim(x) - 1):
        raise ArgumentError(f"bias_add: the bias has {ndim(bias)} axes; expected 1, or {ndim(x) - 1} as a row has.")
    if normalize_data_format(data_format) == "channels_first" and ndim(x) > 2:
        if ndim(bias) == 1:
            bias = ops.reshape(bias, (-1, *[1] * (ndim(x) - 2)))
        else:
            # As the releases do: the numbers in the order in which they are given, not turned.
            sizes: Any = int_shape(bias)
            bias = ops.reshape(bias, (sizes[-1], *sizes[:-1]))
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
    if _numbers(tensors):
        return np.concatenate(list(tensors), axis)
    joined = ops.concatenate(list(tensors), axis)
    if isinstance(joined, SymbolicTensor):
        joined.sparse = builtins.all(is_sparse(tensor) for tensor in tensors)
    return joined


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Tensors along a new axis."""
    if _numbers(x):
        return np.stack(list(x), axis)
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


def asymmetric_temporal_padding(x: Any, left_pad: int = 1, right_pad: int = 1) -> Any:
    """Zeros before and after sequences, as era 1 called it."""
    return temporal_padding(x, (left_pad, right_pad))


@_also(dim_ordering="data_format")
def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around images."""
    return _padded(x, padding, data_format)


@_also(dim_ordering="data_format")
def spatial_3d_padding(x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around volumes."""
    return _padded(x, padding, data_format)


@_also(dim_ordering="data_format")
def asymmetric_spatial_2d_padding(
    x: Any, top_pad: int = 1, bottom_pad: int = 1, left_pad: int = 1, right_pad: int = 1,
    data_format: str | None = None,
) -> Any:  # fmt: skip
    """Zeros around images, as era 1 called it."""
    return _padded(x, ((top_pad, bottom_pad), (left_pad, right_pad)), data_format)


@_also(dim_ordering="data_format", X="x")
def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str | None = None, interpolation: str = "nearest"
) -> Any:
    """Images enlarged by repeating each pixel, or (``"bilinear"``) by straight lines from each to the next.

    A line begins at its pixel, not at the pixel's middle; behind the last one its value goes on.
    """
    if interpolation not in ("nearest", "bilinear"):
        raise ArgumentError(f"resize_images: interpolation is {interpolation!r}; expected 'nearest' or 'bilinear'.")
    enlarge = ops.repeat if interpolation == "nearest" else _along_lines
    first = 2 if normalize_data_format(data_format) == "channels_first" else 1
    return enlarge(enlarge(x, int(height_factor), first), int(width_factor), first + 1)


@_also(dim_ordering="data_format", X="x")
def resize_volumes(
    x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str | None = None
) -> Any:
    """Volumes enlarged by repeating each voxel."""
    first = 2 if normalize_data_format(data_format) == "channels_first" else 1
    for axis, factor in enumerate((depth_factor, height_factor, width_factor), first):
        x = ops.repeat(x, int(factor), axis)
    return x


@recorded
def _along_lines(x: Any, factor: int, axis: int) -> Any:
    x = ops.convert_to_tensor(x)
    size = ops.shape(x)[axis]
    place = np.arange(size * factor) / factor
    left = place.astype("int32")
    share = (place - left).astype("float32").reshape(-1, *[1] * (ndim(x) - 1 - axis))
    near, far = ops.take(x, left, axis), ops.take(x, np.minimum(left + 1, size - 1), axis)
    return near + (far - near) * share


@recorded
def slice(x: Any, start: Any, size: Any) -> Any:  # noqa: A001
    """A block: from ``start`` along each axis, as many entries as ``size`` says; -1 are all that follow."""
    begins, counts = (np.asarray(get_value(n)).tolist() for n in (start, size))
    if len(begins) != ndim(x) or len(counts) != ndim(x):
        raise ArgumentError(f"slice: x has {ndim(x)} axes, start has {len(begins)} numbers and size {len(counts)}.")
    key = (builtins.slice(b, None if c == -1 else b + c) for b, c in zip(begins, counts, strict=True))
    return ops.get_item(x, tuple(key))


# --- losses -------------------------------------------------------------------------------


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Crossentropy of each row; in era 1 the output is the first argument."""
    return ops.categorical_crossentropy(*_by_era(target, output), from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Crossentropy of each row with a class number; in era 1 the output is the first argument."""
    target, output = _by_era(target, output)
    if ndim(target) == ndim(output) and target.shape[axis] == 1:
        target = ops.squeeze(target, axis)
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Crossentropy of each element; in era 1 the output is the first argument."""
    return ops.binary_crossentropy(*_by_era(target, output), from_logits=from_logits)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the right class is among the ``k`` largest."""
    return ops.in_top_k(targets, predictions, k)


# --- normalization ------------------------------------------------------------------------


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: Any = -1, epsilon: float = 1e-3
) -> Any:
    """``(x - mean) / sqrt(var + epsilon) * gamma + beta``; in era 1 epsilon comes sixth.

    Args:
        x: Tensor.
        mean, var, beta, gamma: In a shape that goes with ``x``, or of one axis, ``axis`` of ``x``; ``None`` for no
            ``beta`` or ``gamma``.
        axis: The axis of features.
        epsilon: Keeps the root above 0.
    """
    if isinstance(axis, float):
        axis, epsilon = -1, axis
    place = [1] * ndim(x)
    place[axis] = -1

    def along(part: Any) -> Any:
        return ops.reshape(part, place) if ndim(part) == 1 and axis not in (-1, ndim(x) - 1) else part

    outputs = (x - along(mean)) / ops.sqrt(along(var) + epsilon)
    outputs = outputs if gamma is None else outputs * along(gamma)
    return outputs if beta is None else outputs + along(beta)


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """``x`` normalized by its own mean and variance over axes, the mean, and the variance.

    ``reduction_axes`` may be Theano's ``"per-activation"``, which is the axis of samples.
    """
    axes = [0] if isinstance(reduction_axes, str) else list(reduction_axes)
    mean, var = ops.mean(x, axes), ops.var(x, axes)
    kept = [1 if axis in axes else size or -1 for axis, size in enumerate(int_shape(x))]

    def wide(part: Any) -> Any:
        return ops.reshape(part, kept) if part is not None and kept.count(-1) < 2 else part

    return batch_normalization(x, wide(mean), wide(var), wide(beta), wide(gamma), -1, epsilon), mean, var


# --- convolutions and pools -----------------------------------------------------------------


@_also(border_mode="padding", stride="strides")
def conv1d(
    x: Any, kernel: Any, strides: int = 1, padding: str = "valid", data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:  # fmt: skip
    """Convolution of sequences; ``padding`` may be ``"causal"``."""
    layout = normalize_data_format(data_format)
    if padding == "causal":
        pad = (dilation_rate * (ops.shape(kernel)[0] - 1), 0)
        x = ops.pad(x, [(0, 0), (0, 0), pad] if layout == "channels_first" else [(0, 0), pad, (0, 0)])
        padding = "valid"
    return ops.conv(x, kernel, strides, padding, layout, dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format", filter_dilation="dilation_rate")
def conv2d(
    x: Any, kernel: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """Convolution of images; in era 1 kernels for channels first are ``(filters, channels, rows, columns)``."""
    layout = normalize_data_format(data_format)
    return ops.conv(x, _kernel(kernel, layout), strides, _border(padding), layout, dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format")
def conv3d(
    x: Any, kernel: Any, strides: Any = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:  # fmt: skip
    """Convolution of volumes; kernels as for ``conv2d``."""
    layout = normalize_data_format(data_format)
    return ops.conv(x, _kernel(kernel, layout), strides, _border(padding), layout, dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format")
def atrous_conv2d(x: Any, kernel: Any, rate: int = 1, padding: str = "valid", data_format: str | None = None) -> Any:
    """Convolution of images with windows whose entries lie ``rate`` apart, as era 1 called it."""
    return conv2d(x, kernel, (1, 1), padding, data_format, (rate, rate))


def conv2d_transpose(
    x: Any, kernel: Any, output_shape: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str | None = None, dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """The gradient of a convolution of images for its inputs.

    Args:
        x: Images.
        kernel: ``(rows, columns, filters of the result, channels of x)``.
        output_shape: The result's whole shape.
        strides, padding, dilation_rate: Those of the convolution.
        data_format: The layout.
    """
    return _transposed(x, kernel, output_shape, strides, padding, data_format, dilation_rate)


def conv3d_transpose(
    x: Any, kernel: Any, output_shape: Any, strides: Any = (1, 1, 1), padding: str = "valid",
    data_format: str | None = None,
) -> Any:  # fmt: skip
    """The same for volumes."""
    return _transposed(x, kernel, output_shape, strides, padding, data_format, (1, 1, 1))


@_also(border_mode="padding", dim_ordering="data_format")
def deconv2d(
    x: Any, kernel: Any, output_shape: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str | None = None,
) -> Any:  # fmt: skip
    """``conv2d_transpose`` as era 1 called it; the kernel is that of a ``conv2d`` from ``x``."""
    layout = normalize_data_format(data_format)
    kernel = ops.transpose(_kernel(kernel, layout), (0, 1, 3, 2))
    return _transposed(x, kernel, output_shape, strides, padding, layout, (1, 1))


def depthwise_conv2d(
    x: Any, depthwise_kernel: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """Convolution of each channel by itself; the kernel is ``(rows, columns, channels, filters of each)``."""
    layout = normalize_data_format(data_format)
    return ops.depthwise_conv(x, depthwise_kernel, strides, _border(padding), layout, dilation_rate)


def separable_conv1d(
    x: Any, depthwise_kernel: Any, pointwise_kernel: Any, strides: Any = 1, padding: str = "valid",
    data_format: str | None = None, dilation_rate: Any = 1,
) -> Any:  # fmt: skip
    """Convolution of each channel of sequences by itself, then of all channels at each step."""
    layout = normalize_data_format(data_format)
    kernels = depthwise_kernel, pointwise_kernel
    return ops.separable_conv(x, *kernels, strides, _border(padding), layout, dilation_rate)


@_also(border_mode="padding", dim_ordering="data_format")
def separable_conv2d(
    x: Any, depthwise_kernel: Any, pointwise_kernel: Any, strides: Any = (1, 1), padding: str = "valid",
    data_format: str | None = None, dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    """Convolution of each channel of images by itself, then of all channels at each place."""
    layout = normalize_data_format(data_format)
    kernels = depthwise_kernel, pointwise_kernel
    return ops.separable_conv(x, *kernels, strides, _border(padding), layout, dilation_rate)


@recorded
def local_conv1d(inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: str | None = None) -> Any:
    """Convolution of sequences ``(samples, steps, features)`` with other weights at each place.

    The kernel is ``(places, window * features, filters)``; the result ``(samples, places, filters)``.
    """
    normalize_data_format(data_format)
    inputs, kernel = ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel)
    window, stride = (n if isinstance(n, int) else n[0] for n in (kernel_size, strides))
    place = np.arange(ops.shape(kernel)[0])[:, None] * stride + np.arange(window)
    windows = ops.take(inputs, place, 1)  # (samples, places, window, features)
    windows = ops.reshape(windows, (-1, len(place), ops.shape(kernel)[1]))
    return ops.einsum("bpi,pif->bpf", windows, kernel)


@recorded
def local_conv2d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, output_shape: Any, data_format: str | None = None
) -> Any:
    """Convolution of images with other weights at each place.

    The kernel is ``(places, entries of a window, filters)``, places row by row. An entry is a channel of a pixel: for
    channels last all channels of a pixel follow each other, for channels first all pixels of a channel.
    """
    first = normalize_data_format(data_format) == "channels_first"
    inputs, kernel = ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel)
    places = [
        np.arange(count)[:, None] * stride + np.arange(window)
        for count, stride, window in zip(output_shape, strides, kernel_size, strict=True)
    ]
    rows = 2 if first else 1
    windows = ops.take(inputs, places[0], rows)
    windows = ops.take(windows, places[1], rows + 2)  # places and window of rows, then of columns
    windows = ops.transpose(windows, (0, 2, 4, 1, 3, 5) if first else (0, 1, 3, 2, 4, 5))
    outputs = ops.einsum("bpi,pif->bpf", ops.reshape(windows, (-1, ops.shape(kernel)[0], ops.shape(kernel)[1])), kernel)
    outputs = ops.reshape(outputs, (-1, *output_shape, ops.shape(kernel)[2]))
    return ops.transpose(outputs, (0, 3, 1, 2)) if first else outputs


@_also(border_mode="padding", dim_ordering="data_format")
def pool2d(
    x: Any, pool_size: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:  # fmt: skip
    """Largest value, or mean (``pool_mode="avg"``), of the windows of images."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode)


@_also(border_mode="padding", dim_ordering="data_format")
def pool3d(
    x: Any, pool_size: Any, strides: Any = (1, 1, 1), padding: str = "valid", data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:  # fmt: skip
    """The same for volumes."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode)


# --- random numbers -----------------------------------------------------------------------


@_also(std="stddev")
@drawn
def random_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Normal numbers, new ones at every step."""
    return random.normal(shape, mean, stddev, dtype, _seed(seed))


@_also(low="minval", high="maxval")
@drawn
def random_uniform(
    shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Uniform numbers, new ones at every step."""
    return random.uniform(shape, minval, maxval, dtype, _seed(seed))


@_also(std="stddev")
@drawn
def truncated_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Normal numbers within two standard deviations of the mean, new ones at every step."""
    return random.truncated_normal(shape, mean, stddev, dtype, _seed(seed))


@drawn
def random_binomial(shape: Sequence[int], p: Any = 0.0, dtype: str | None = None, seed: int | None = None) -> Any:
    """Ones with probability ``p``, zeros else."""
    return random.binomial(shape, 1, p, dtype, _seed(seed))


def random_normal_variable(
    shape: Sequence[int], mean: float, scale: float, dtype: str | None = None, name: str | None = None,
    seed: int | None = None,
) -> Variable:  # fmt: skip
    """A Variable with normal numbers; ``scale`` is their standard deviation."""
    return variable(random.normal(shape, mean, scale, dtype, seed), dtype, name)


def random_uniform_variable(
    shape: Sequence[int], low: float, high: float, dtype: str | None = None, name: str | None = None,
    seed: int | None = None,
) -> Variable:  # fmt: skip
    """A Variable with uniform numbers."""
    return variable(random.uniform(shape, low, high, dtype, seed), dtype, name)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """A share of the elements set to 0, the others enlarged to make up for it."""
    if not 0 <= level < 1:
        raise ArgumentError(f"dropout: level is {level!r}; expected a number from 0 to 1 (1 not included).")
    return _dropped(x, level, noise_shape, seed)


@recorded
def _dropped(x: Any, level: float, noise_shape: Any, seed: int | None) -> Any:
    return random.dropout(x, level, noise_shape, _seed(seed))


# --- helpers ------------------------------------------------------------------------------


def _made(tensor: Any, name: str | None) -> Any:
    # A compiled step must not read a Variable that no layer holds.
    return variable(tensor, dtype(tensor), name) if current_scope() is None else tensor


def _seed(seed: int | None) -> int | None:
    """A seed for numbers drawn now; where a graph is run, each run draws its own."""
    return seed if current_scope() is None else None


def _padded(x: Any, padding: Any, data_format: str | None) -> Any:
    sides = [(side, side) if isinstance(side, int) else tuple(side) for side in padding]
    first = normalize_data_format(data_format) == "channels_first"
    return ops.pad(x, [(0, 0), (0, 0), *sides] if first else [(0, 0), *sides, (0, 0)])


def _border(padding: str) -> str:
    """A border mode, of era 1 too."""
    if padding not in ("valid", "same", "half"):
        raise ArgumentError(f"padding is {padding!r}; expected 'valid' or 'same'.")
    return "same" if padding == "half" else padding


def _kernel(kernel: Any, layout: str) -> Any:
    """A kernel ``(window, channels, filters)``; era 1 had another order for channels first."""
    if spelling.era() != 1 or layout != "channels_first":
        return kernel
    return ops.transpose(kernel, (*range(2, ndim(kernel)), 1, 0))


@recorded
def _transposed(
    x: Any, kernel: Any, output_shape: Any, strides: Any, padding: str, data_format: str | None, dilation_rate: Any
) -> Any:
    layout = normalize_data_format(data_format)
    sizes = tuple(output_shape)[2:] if layout == "channels_first" else tuple(output_shape)[1:-1]
    return ops.conv_transpose(
        x, kernel, strides, _border(padding), None, layout, dilation_rate, tuple(int(size) for size in sizes)
    )


def _pooled(x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None, pool_mode: str) -> Any:
    if pool_mode not in ("max", "avg"):
        raise ArgumentError(f"pool_mode is {pool_mode!r}; expected 'max' or 'avg'.")
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    return pool(x, pool_size, strides, _border(padding), normalize_data_format(data_format))


def _by_era(target: Any, output: Any) -> tuple[Any, Any]:
    return (output, target) if spelling.era() == 1 else (target, output)


def dimshuffle(x: Any, *pattern: Any) -> Any:
    """Theano's method of tensors: axes in another order, ``"x"`` for a new one of size 1; one left out must have size 1.

    >>> import numpy as np
    >>> dimshuffle(np.ones((2, 1, 3)), 2, "x", 0).shape
    (3, 1, 2)
    """
    if len(pattern) == 1 and isinstance(pattern[0], (tuple, list)):
        pattern = tuple(pattern[0])
    kept = [axis for axis in pattern if axis != "x"]
    sizes = tuple(x.shape)
    if not {*kept} <= {*range(len(sizes))} or len({*kept}) < len(kept):
        raise ArgumentError(f"dimshuffle: the pattern {pattern} does not fit a tensor of shape {sizes}.")
    left = [axis for axis in range(len(sizes)) if axis not in kept]
    if builtins.any(sizes[axis] != 1 for axis in left):
        raise ShapeError(f"dimshuffle: the pattern {pattern} leaves out axes of shape {sizes} that are longer than 1.")
    if left:
        x = ops.squeeze(x, tuple(left))
    x = ops.transpose(x, [sorted(kept).index(axis) for axis in kept])
    for place, axis in enumerate(pattern):
        x = ops.expand_dims(x, place) if axis == "x" else x
    return x


give_method("dimshuffle", dimshuffle)

"""What follows from the primitives: each derived operation, on each engine, against NumPy and SciPy."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
import scipy.special
from engine import oracles
from engine.checks import Case, assert_matches, check, check_gradient, titles

from keraunos.backend.derived import DerivedOperations
from keraunos.utils.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(1)
X = (2 * RNG.normal(size=(2, 3))).astype("float32")
Y = RNG.normal(size=(2, 3)).astype("float32")
CUBE = RNG.normal(size=(2, 3, 4)).astype("float32")
POSITIVE = RNG.uniform(0.2, 3, (2, 3)).astype("float32")
FAR = np.array([-200.0, -30.0, -1.0, 0.0, 1.0, 30.0, 200.0], "float32")
EDGES = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], "float32")
EVERYWHERE = np.concatenate([FAR, EDGES])
INTEGERS = np.array([[3, -2, 0], [7, 1, -5]], "int32")
TRUTHS = np.array([[True, False, True], [False, False, True]])
ODD = np.array([0.0, np.inf, -np.inf, np.nan, 1.5], "float32")
EMPTY = np.zeros((0, 3), "float32")

CASES: list[Case] = []
TESTED: set[str] = set()


def case(
    operation: str, *args: Any, oracle: Any = None, gives: Any = None, tolerance: Any = 1e-5, smooth: bool = False,
    **kwargs: Any,
) -> None:  # fmt: skip
    """Enter one case; the oracle is NumPy's function of the same name unless given, ``gives`` the dtype if not its."""
    CASES.append(Case(operation, args, kwargs, oracle or getattr(np, operation), gives, tolerance, smooth))


def about(*names: str) -> Any:
    """Say which operations a test function is about."""

    def enter(function: Any) -> Any:
        TESTED.update(names)
        return function

    return enter


# --- conversion and creation -----------------------------------------------------------------

case("convert_to_tensor", X, oracle=np.asarray)
case("convert_to_tensor", [1, 2], "float32", oracle=np.asarray)
for name in ("zeros", "ones"):
    case(name, (2, 3), gives="float32")
    case(name, (), "int32")
    case(name, [0, 2], dtype="bool")
for name in ("zeros_like", "ones_like"):
    case(name, X)
    case(name, INTEGERS)
    case(name, TRUTHS)
    case(name, INTEGERS, dtype="float32")
case("full_like", X, 2)
case("full_like", INTEGERS, 2.5, dtype="float32")
for k in (0, 1, -1, 5):
    case("eye", 2, 4, k, "int32")
    case("tri", 2, 4, k, dtype="bool")
    for name in ("tril", "triu"):
        case(name, CUBE, k, smooth=k == 1)
case("eye", 3)
case("tri", 3)
case("tril", INTEGERS)
case("triu", INTEGERS, k=1)
case("identity", 3)
case("identity", 2, "int32")
case("linspace", 0, 1, 5)
case("linspace", 2.0, -1.0, 4, endpoint=False)
case("linspace", 3, 7, num=1)
case("linspace", X, Y, 3, smooth=True)
case("linspace", X, 0.0, 3, axis=-1)
case("linspace", 0, 1, 3, retstep=True)
case("linspace", 0, 1, 3, dtype="float16", tolerance=1e-3)

# --- elementwise -----------------------------------------------------------------------------

case("absolute", X, smooth=True)
case("square", X, smooth=True)
case("square", INTEGERS)
case("reciprocal", POSITIVE, smooth=True)
case("rsqrt", POSITIVE, oracle=lambda x: 1 / np.sqrt(x), smooth=True)
case("true_divide", X, POSITIVE, smooth=True)
case("true_divide", INTEGERS, 2)


def safe_quotient(x1: Any, x2: Any) -> Any:
    x1, x2 = np.broadcast_arrays(np.asarray(x1, np.result_type(x1, "float32")), x2)
    return np.divide(x1, x2, out=np.zeros(x2.shape, x1.dtype), where=x2 != 0)


case("divide_no_nan", X, POSITIVE, oracle=safe_quotient, smooth=True)
case("divide_no_nan", X, np.array([0, 2, 0], "float32"), oracle=safe_quotient)
case("divide_no_nan", 1.0, np.array([0, 2, 0], "float32"), oracle=safe_quotient)
case("divide_no_nan", INTEGERS, np.array([0, 2, 0], "int32"), oracle=safe_quotient)
for name in ("log2", "log10"):
    case(name, POSITIVE, smooth=True)
case("clip", X, -1, 1)
case("clip", X, -0.7, 0.6, smooth=True)
case("clip", INTEGERS, -1, 2)
case("clip", X, Y, 10.0)
case("clip", X, x_min=0.0, x_max=1.0, oracle=lambda x, x_min, x_max: np.clip(x, x_min, x_max))
case("isinf", ODD)
case("isinf", INTEGERS)
case("logical_xor", TRUTHS, TRUTHS[::-1])
case("logical_xor", INTEGERS, TRUTHS)
case("logaddexp", X, Y, smooth=True)
case("logaddexp", FAR, -FAR)
case("logaddexp", np.full(2, -np.inf, "float32"), np.array([0, -np.inf], "float32"))
case("logaddexp", np.full(1, np.inf, "float32"), np.array([0], "float32"))

# --- reductions ------------------------------------------------------------------------------

for name in ("mean", "var", "std", "amax", "amin"):
    for axis in (None, 0, -1, (0, 2)):
        case(name, CUBE, axis=axis, keepdims=axis == 0, smooth=axis == -1)
for name in ("mean", "var", "std"):
    case(name, INTEGERS, axis=1)
    case(name, CUBE.astype("float16"), axis=1, tolerance=5e-3)
case("mean", TRUTHS, 0)
case("var", X + 1000, axis=1, tolerance=1e-3)
case("moments", CUBE, [0, 1], oracle=lambda x, axes: (x.mean((0, 1)), x.var((0, 1))))
case("moments", CUBE, -1, keepdims=True, oracle=lambda x, axes, keepdims: (x.mean(-1, keepdims=True), x.var(-1, keepdims=True)))  # fmt: skip  # noqa: E501
for axis in (None, 0, -1):
    case("count_nonzero", INTEGERS, axis=axis)
case("count_nonzero", TRUTHS)
for axis in (None, 0, (0, 2)):
    case("logsumexp", CUBE, axis=axis, oracle=scipy.special.logsumexp, smooth=axis == 0)
    case("logsumexp", CUBE, axis=axis, keepdims=True, oracle=scipy.special.logsumexp)
case("logsumexp", 100 * FAR, oracle=scipy.special.logsumexp)
case("logsumexp", np.full((2, 2), -np.inf, "float32"), 1, oracle=scipy.special.logsumexp)
case("logsumexp", np.array([1.0, np.inf], "float32"), oracle=scipy.special.logsumexp)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    if axis is None and ord is None:
        return np.sqrt(np.sum(np.square(x), keepdims=keepdims))
    return np.linalg.norm(x, ord, axis, keepdims)


case("norm", CUBE, oracle=norm, smooth=True)
case("norm", X, "fro", oracle=norm)
for order in (None, 1, 2, 3, 2.5, math.inf, -math.inf, 0):
    case("norm", CUBE, order, 1, oracle=norm, smooth=order == 3)
case("norm", CUBE, ord=2, axis=-1, keepdims=True, oracle=norm)
case("norm", CUBE, axis=(0, 2), oracle=norm)
for order in (1, -1, math.inf, -math.inf):
    case("norm", X, order, oracle=norm, tolerance=1e-4)
for axes in ((0, 2), (2, 0)):
    case("norm", CUBE, 1, axes, oracle=norm)
    case("norm", CUBE, math.inf, axes, keepdims=True, oracle=norm)
case("norm", INTEGERS, axis=1, oracle=norm)
case("norm", INTEGERS, 1, axis=1, oracle=norm)
for order in (1, 2, 3):
    case("normalize", X, order=order, oracle=lambda x, order: x / np.linalg.norm(x, order, -1, True), smooth=True)
case("normalize", X, 0, oracle=lambda x, axis: x / np.linalg.norm(x, 2, axis, True))
case("normalize", np.zeros((1, 2), "float32"), oracle=lambda x: x)

# --- shape -----------------------------------------------------------------------------------

for axis in (0, 1, -1, (0, 2), (-1, 0)):
    case("expand_dims", X, axis, smooth=axis == 1)
case("squeeze", CUBE[:, :1, :1])
case("squeeze", CUBE[:, :1, :1], 1)
case("squeeze", CUBE[:, :1, :1], axis=(-1, 1))
case("ravel", CUBE)
case("ravel", np.asarray(2.0, "float32"))
case("swapaxes", CUBE, 0, -1, smooth=True)
case("moveaxis", CUBE, 0, -1)
case("moveaxis", CUBE, (0, 2), (1, 0), smooth=True)
case("moveaxis", CUBE, [-1, 0], [0, 1])
for axis in (0, 1, -1):
    case("stack", [X, Y], axis, oracle=lambda xs, axis: np.stack(xs, axis))
    case("unstack", CUBE, axis=axis, oracle=lambda x, axis: [np.take(x, i, axis) for i in range(x.shape[axis])])
case("stack", (X,), oracle=np.stack)
case("split", CUBE, 2)
case("split", CUBE, 4, axis=-1)
case("split", CUBE, [1, 2], 1)
case("split", CUBE, [0, 3, 3], axis=-1)
case("split", CUBE, (-1,), axis=2)
case("split", EMPTY, 2)
case("hstack", [X, Y], oracle=np.hstack)
case("hstack", [X[0], Y[0, :1]], oracle=np.hstack)
case("vstack", [X, Y], oracle=np.vstack)
case("vstack", [X[0], Y], oracle=np.vstack)
case("tile", X, 2)
case("tile", X, (2, 1))
case("tile", X, [2, 1, 3], smooth=True)
case("tile", CUBE, (2,))
case("tile", X, (0, 1))
for shift, axis in ((1, None), (-1, 0), (5, 1), (2, -1), (0, 0)):
    case("roll", X, shift, axis=axis, smooth=shift == 5)
case("roll", CUBE, (1, 2), axis=(0, -1))
for k in (0, 1, -2):
    case("diag", X[0], k)
    case("diag", CUBE[0], k=k, smooth=k == 1)
    case("trace", CUBE[0], offset=k)
    case("trace", CUBE, k, 0, 2, smooth=k == 0)
case("trace", INTEGERS)
case("diag", X, 7)
case("meshgrid", X[0], Y[:, 0])
case("meshgrid", X[0], Y[:, 0], indexing="ij")
case("meshgrid", X[0], Y[:, 0], CUBE[0, 0])
case("meshgrid", X[0])

# --- products --------------------------------------------------------------------------------

case("dot", X, Y.T, smooth=True)
case("dot", X[0], Y[0])
case("dot", CUBE, RNG.normal(size=4).astype("float32"))
case("dot", CUBE, RNG.normal(size=(2, 4, 5)).astype("float32"))
case("dot", X, 2.0)
case("dot", INTEGERS, INTEGERS.T)
case("tensordot", CUBE, CUBE, 3)
case("tensordot", CUBE, RNG.normal(size=(3, 4, 2)).astype("float32"), smooth=True)
case("tensordot", CUBE, CUBE, axes=[[0, 1], [0, 1]])
case("tensordot", CUBE, CUBE, (-1, 2))
case("tensordot", X, Y, 0)
case("outer", X, Y)
case("outer", X[0], Y[0], smooth=True)

# --- activations, each from its formula ------------------------------------------------------


def where(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y).astype(np.result_type(x))


def sigmoid(x: Any) -> Any:
    return scipy.special.expit(x)


def softplus(x: Any) -> Any:
    return np.logaddexp(x, 0).astype(x.dtype)


def elu(x: Any, alpha: float = 1.0) -> Any:
    return where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x: Any, axis: Any = -1) -> Any:
    return scipy.special.softmax(x, axis)


def gelu(x: Any, approximate: bool = True) -> Any:
    if not approximate:
        return x * scipy.special.ndtr(x)
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0, 1)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Projection onto the simplex by bisection of the threshold."""
    low, high = x.min(axis, keepdims=True) - 1.0, x.max(axis, keepdims=True)
    for _ in range(80):
        middle = (low + high) / 2
        over = np.maximum(x - middle, 0).sum(axis, keepdims=True) > 1
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.maximum(x - high, 0).astype(x.dtype)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, negative_slope=0.2: where(x > 0, x, negative_slope * x),
    "sigmoid": sigmoid,
    "softplus": softplus,
    "log_sigmoid": lambda x: -softplus(-x),
    "softsign": lambda x: x / (1 + abs(x)),
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "elu": elu,
    "selu": lambda x: 1.05070098735548049342 * elu(x, 1.67326324235437728481),
    "celu": lambda x, alpha=1.0: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha),
    "gelu": gelu,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "hard_swish": lambda x: x * hard_sigmoid(x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_shrink": lambda x, threshold=0.5: where(abs(x) > threshold, x, 0),
    "soft_shrink": lambda x, threshold=0.5: np.sign(x) * np.maximum(abs(x) - threshold, 0),
    "squareplus": lambda x, b=4: (x + np.sqrt(x**2 + b)) / 2,
    "sparse_plus": lambda x: where(x <= -1, 0 * x, where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "mish": lambda x: x * np.tanh(softplus(x)),
}
for name, function in ACTIVATIONS.items():
    case(name, EVERYWHERE, oracle=function)
    case(name, X, oracle=function, smooth=True)
case("gelu", X.astype("float16"), oracle=gelu, gives="float16", tolerance=2e-2)
case("selu", X.astype("float16"), oracle=ACTIVATIONS["selu"], gives="float16", tolerance=2e-2)
case("leaky_relu", X, 0.05, oracle=ACTIVATIONS["leaky_relu"], smooth=True)
case("elu", X, alpha=0.3, oracle=elu, smooth=True)
case("celu", X, 0.3, oracle=ACTIVATIONS["celu"], smooth=True)
case("gelu", X, approximate=False, oracle=gelu, smooth=True)
case("hard_shrink", X, 1.0, oracle=ACTIVATIONS["hard_shrink"])
case("soft_shrink", X, 1.0, oracle=ACTIVATIONS["soft_shrink"])
case("squareplus", X, 1.0, oracle=ACTIVATIONS["squareplus"])
case("threshold", EDGES, 0.5, -7.0, oracle=lambda x, t, d: where(x > t, x, np.float32(d)))
for axis in (0, -1, 1, (0, 2)):
    for name in ("softmax", "log_softmax"):
        case(name, CUBE, axis=axis, oracle=getattr(scipy.special, name), smooth=axis == 1)
case("softmax", 10 * FAR, oracle=softmax)
case("log_softmax", 10 * FAR, oracle=scipy.special.log_softmax)
for axis in (-1, 0, 1):
    case("sparsemax", CUBE, axis=axis, oracle=sparsemax, smooth=axis == 1)
case("sparsemax", FAR, oracle=sparsemax)
case("glu", CUBE, oracle=lambda x: x[..., :2] * sigmoid(x[..., 2:]), smooth=True)
case("glu", CUBE, 0, oracle=lambda x, axis: x[:1] * sigmoid(x[1:]))

# --- convolutions made of one -----------------------------------------------------------------

IMAGES, KERNEL = RNG.normal(size=(2, 4, 3, 2)).astype("float32"), RNG.normal(size=(3, 2, 3, 2)).astype("float32")
SQUARE = RNG.normal(size=(3, 3, 3, 2)).astype("float32")
for transposed in (
    {},
    {"padding": "same"},
    {"strides": 2},
    {"strides": (2, 3), "padding": "same"},
    {"strides": 3, "output_padding": (2, 0)},
    {"strides": 2, "output_padding": 1, "padding": "same"},
    {"dilation_rate": 2},
    {"strides": 2, "padding": "same", "output_size": (7, 6)},
):
    case("conv_transpose", IMAGES, KERNEL, oracle=oracles.conv_transpose, smooth=True, **transposed)
for padding in ("valid", "same"):  # with more padding than places, and with less
    case(
        "conv_transpose", IMAGES, RNG.normal(size=(5, 5, 4, 2)).astype("float32"), padding=padding, smooth=True,
        oracle=oracles.conv_transpose,
    )  # fmt: skip
case(
    "conv_transpose", np.moveaxis(IMAGES, -1, 1), SQUARE, 2, data_format="channels_first", oracle=oracles.conv_transpose
)
case("conv_transpose", IMAGES[:, 0], SQUARE[0], 2, oracle=oracles.conv_transpose)
case(
    "conv_back", IMAGES, KERNEL, (9, 6), (2, 2), ((0, 0), (0, 0)), "channels_last", (1, 1), smooth=True,
    oracle=lambda gradient, kernel, sizes, *_: oracles.conv_transpose(gradient, kernel, 2, output_size=sizes),
)  # fmt: skip
APART = RNG.normal(size=(3, 2, 2, 3)).astype("float32")
for options in ({}, {"strides": 2, "padding": "same"}, {"dilation_rate": (1, 2), "padding": "same"}):
    case("depthwise_conv", IMAGES, APART, oracle=oracles.depthwise_conv, smooth=True, **options)
    case(
        "separable_conv", IMAGES, APART, RNG.normal(size=(1, 1, 6, 4)).astype("float32"),
        oracle=oracles.separable_conv, smooth=True, **options,
    )  # fmt: skip


# --- for networks ----------------------------------------------------------------------------

LABELS = np.array([[0, 2, 1], [5, -1, 2]], "int32")


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: str = "float32") -> Any:
    hot = np.stack([x == number for number in range(num_classes)], axis)
    return hot.astype(dtype)


case("one_hot", LABELS, 3, oracle=one_hot)
case("one_hot", LABELS, 3, axis=1, oracle=one_hot)
case("one_hot", LABELS, num_classes=4, axis=0, dtype="int32", oracle=one_hot)
case("one_hot", LABELS.astype("float32"), 3, dtype="bool", oracle=one_hot)
case("one_hot", 1, 3, oracle=lambda x, n: np.eye(n, dtype="float32")[x])
case("multi_hot", LABELS, 3, oracle=lambda x, n: one_hot(x, n).max(1))
case("multi_hot", LABELS[0], 4, oracle=lambda x, n: one_hot(x, n).max(0))
PROBABILITIES = softmax(Y).astype("float32")
TARGETS = softmax(X).astype("float32")


def crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    if from_logits:
        return -np.sum(target * scipy.special.log_softmax(output, axis), axis)
    output = output / output.sum(axis, keepdims=True)
    return -np.sum(target * np.log(np.clip(output, 1e-7, 1 - 1e-7)), axis)


def sparse_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    hot = one_hot(target, output.shape[axis], axis, output.dtype)
    return crossentropy(hot, output, from_logits, axis)


def binary(target: Any, output: Any, from_logits: bool = False) -> Any:
    if from_logits:
        return (np.logaddexp(0, output) - target * output).astype(output.dtype)
    output = np.clip(output, 1e-7, 1 - 1e-7)
    return -(target * np.log(output) + (1 - target) * np.log1p(-output))


case("categorical_crossentropy", TARGETS, PROBABILITIES, oracle=crossentropy, smooth=True)
case("categorical_crossentropy", TARGETS, 3 * PROBABILITIES, oracle=crossentropy)
case("categorical_crossentropy", TARGETS, Y, True, oracle=crossentropy, smooth=True)
case("categorical_crossentropy", TARGETS, PROBABILITIES, axis=0, oracle=crossentropy)
case("categorical_crossentropy", np.eye(2, dtype="float32"), np.eye(2, dtype="float32")[::-1], oracle=crossentropy, tolerance=1e-4)  # fmt: skip  # noqa: E501
for target in (np.array([2, 0], "int32"), np.array([1.0, 1.0], "float32")):
    case("sparse_categorical_crossentropy", target, PROBABILITIES, oracle=sparse_crossentropy)
    case("sparse_categorical_crossentropy", target, Y, from_logits=True, oracle=sparse_crossentropy)
case("sparse_categorical_crossentropy", np.array([0, 1, 1], "int32"), PROBABILITIES, axis=0, oracle=sparse_crossentropy)
case("binary_crossentropy", TARGETS, PROBABILITIES, oracle=binary, smooth=True)
case("binary_crossentropy", TARGETS, X, from_logits=True, oracle=binary, smooth=True)
case("binary_crossentropy", np.zeros(7, "float32"), FAR, True, oracle=binary)
case("binary_crossentropy", np.array([0, 1], "float32"), np.array([1, 0], "float32"), oracle=binary, tolerance=0.2)
SCORES = np.array([[0.1, 0.6, 0.3], [0.5, 0.5, 0.2], [np.nan, 0.1, 0.2]], "float32")


def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    own = predictions[np.arange(len(targets)), targets.astype(int)]
    return ((predictions > own[:, None]).sum(-1) < k) & np.isfinite(own)


for k in (1, 2, 3):
    for targets in (np.array([1, 0, 0], "int32"), np.array([0, 2, 1], "int32")):
        case("in_top_k", targets, SCORES, k, oracle=in_top_k)

ALL_CASES = pytest.mark.parametrize("case", CASES, ids=titles(CASES))


@ALL_CASES
def test_an_operation_agrees_with_its_oracle(engine, case):
    check(engine, case, tensors=True)


def test_operations_take_numpy_arrays_as_well(engine):
    first = {given.operation: given for given in reversed(CASES)}
    for given in first.values():
        check(engine, given, tensors=False)


SMOOTH = [given for given in CASES if given.smooth]


@pytest.mark.parametrize("case", SMOOTH, ids=titles(SMOOTH))
def test_a_gradient_agrees_with_finite_differences(engine, case):
    check_gradient(engine, case)


def test_every_derived_operation_has_a_test():
    names = {name for name, _ in inspect.getmembers(DerivedOperations, inspect.isfunction) if not name.startswith("_")}
    assert names - {given.operation for given in CASES} - TESTED == set()


@about("convert_to_numpy", "ndim", "size")
def test_questions_have_python_answers(engine):
    tensor = engine.array(CUBE)
    assert engine.ndim(tensor) == engine.ndim(CUBE) == 3
    assert engine.size(tensor) == engine.size(CUBE) == 24
    assert engine.size(engine.array(1.0)) == 1
    np.testing.assert_array_equal(engine.convert_to_numpy(tensor), CUBE)


@about("random_truncated_normal")
def test_a_truncated_normal_stays_within_two_deviations(engine):
    values = engine.to_numpy(engine.random_truncated_normal(engine.random_key(4), (20000,)))
    assert np.abs(values).max() <= 2
    assert abs(values.mean()) < 0.03
    assert abs(values.var() - 0.7737) < 0.02  # 1 - 4 * density(2) / (distribution(2) - distribution(-2))
    np.testing.assert_array_equal(
        values, engine.to_numpy(engine.random_truncated_normal(engine.random_key(4), (20000,)))
    )
    assert engine.dtype(engine.random_truncated_normal(engine.random_key(4), (2,), "float16")) == "float16"


@about("fori_loop", "vectorized_map")
def test_loops_under_keras_names(engine):
    assert int(engine.fori_loop(1, 5, lambda i, value: value * i, engine.array(1))) == 24
    assert_matches(engine, engine.vectorized_map(engine.sum, engine.array(CUBE)), CUBE.sum((1, 2)))


STEPS, ROWS, UNITS = 5, 3, 4
RECURRENT = {
    "kernel": 0.7 * RNG.normal(size=(UNITS, 3 * UNITS)),
    "inputs": RNG.normal(size=(STEPS, ROWS, 2 * UNITS)),
    "extras": RNG.normal(size=(STEPS, ROWS, UNITS)),
    "bias": RNG.normal(size=(3 * UNITS,)),
    "first": RNG.normal(size=(ROWS, UNITS)),
    "second": RNG.normal(size=(ROWS, UNITS)),
    "slope": np.asarray(1.3),
}
VALID = RNG.integers(0, 2, (STEPS, ROWS)).astype(bool)


def gates(of, slope):
    """A cell of two states and three sums, one of them beyond the inputs, with a number from outside."""

    def cell(sums: Any, sides: Any, states: Any) -> Any:
        other = of.tanh(sums[1]) * states[1] + of.sin(sums[0]) * sides[0] * slope
        return [of.tanh(other) * of.cos(sums[2]), other]

    return cell


def recurrence_by_hand(values, mask, reverse):
    firsts, states = np.zeros((STEPS, ROWS, UNITS)), [values["first"], values["second"]]
    cell = gates(np, values["slope"])
    for t in reversed(range(STEPS)) if reverse else range(STEPS):
        sums = states[0] @ values["kernel"] + values["bias"]
        sums[:, : 2 * UNITS] += values["inputs"][t]
        new = cell(np.split(sums, 3, -1), [values["extras"][t]], states)
        states = new if mask is None else [np.where(mask[t][:, None], n, o) for n, o in zip(new, states, strict=True)]
        firsts[t] = states[0]
    return states, firsts


@about("recurrence")
@pytest.mark.parametrize("unroll", [1, 2])
@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_a_recurrence_and_its_gradient(engine, masked, reverse, every, unroll):
    mask = VALID if masked else None
    weights = np.random.default_rng(2).normal(size=(STEPS + 2, ROWS, UNITS)).astype("float32")

    def weighed(states: Any, firsts: Any, of: Any) -> Any:
        parts = [of.sum(state * of.array(weight)) for state, weight in zip(states, weights, strict=False)]
        return sum(parts) + (of.sum(firsts * of.array(weights[2:])) if every else 0)

    def objective(values: Any) -> Any:
        valid = None if mask is None else engine.array(mask)
        states = [values["first"], values["second"]]
        found = engine.recurrence(
            gates(engine, values["slope"]), values["kernel"], values["inputs"], states, values["extras"],
            values["bias"], valid, every, reverse, unroll,
        )  # fmt: skip
        return weighed(*found, engine), found

    def by_hand(values: Any) -> float:
        return float(weighed(*recurrence_by_hand(values, mask, reverse), np))

    tensors = {name: engine.array(value) for name, value in RECURRENT.items()}
    (_, (states, firsts)), gradient = engine.value_and_gradient(objective)(tensors)
    wanted_states, wanted = recurrence_by_hand(RECURRENT, mask, reverse)
    assert_matches(engine, list(states), wanted_states)
    if every:
        assert_matches(engine, firsts, wanted)
    else:
        assert firsts is None
    for name, value in RECURRENT.items():
        direction = np.random.default_rng(3).normal(size=value.shape)
        moved = [by_hand({**RECURRENT, name: value + step * direction}) for step in (1e-5, -1e-5)]
        slope = np.sum(engine.to_numpy(gradient[name]).astype("float64") * direction)
        np.testing.assert_allclose(slope, (moved[0] - moved[1]) / 2e-5, rtol=1e-3, atol=1e-3, err_msg=name)


def test_a_recurrence_needs_no_bias_extras_or_steps(engine):
    kernel, states = engine.array(np.eye(UNITS, dtype="float32")), [engine.ones((ROWS, UNITS))]

    def cell(sums: Any, sides: Any, states: Any) -> Any:
        assert sides == []
        return [sums[0] * 2]

    for steps in (0, 3):
        last, firsts = engine.recurrence(cell, kernel, engine.zeros((steps, ROWS, UNITS)), states, every=True)
        assert_matches(engine, last[0], np.full((ROWS, UNITS), 2.0**steps))
        assert engine.shape(firsts) == (steps, ROWS, UNITS)


def test_kinks_and_far_values_have_finite_gradients(engine):
    for name in ACTIVATIONS:
        _, gradient = engine.value_and_gradient(lambda x, name=name: (engine.sum(getattr(engine, name)(x)), None))(
            engine.array(EVERYWHERE)
        )
        assert np.isfinite(engine.to_numpy(gradient)).all(), name


def test_equals_share_the_gradient_of_logaddexp(engine):
    _, gradient = engine.value_and_gradient(lambda x: (engine.sum(engine.logaddexp(x, engine.flip(x))), None))(
        engine.array([1.0, 1.0])
    )
    np.testing.assert_allclose(engine.to_numpy(gradient), 1)
    _, gradient = engine.value_and_gradient(lambda x: (engine.sum(engine.logaddexp(x, 1.0)), None))(engine.ones((2,)))
    np.testing.assert_allclose(engine.to_numpy(gradient), 0.5)


def test_divide_no_nan_has_a_finite_gradient(engine):
    _, gradient = engine.value_and_gradient(lambda x: (engine.sum(engine.divide_no_nan(1.0, x)), None))(
        engine.array([0.0, 2.0])
    )
    np.testing.assert_allclose(engine.to_numpy(gradient), [0, -0.25])


def test_misuse_is_refused(engine):
    with pytest.raises(ShapeError, match="split: an axis of size 3 has no 2 equal parts"):
        engine.split(engine.array(X), 2, 1)
    for order in ("nuc", 2, 3):
        with pytest.raises(ArgumentError, match=f"norm: ord is {order!r} over 2 axes; expected"):
            engine.norm(engine.array(X), order)
    for axis in (-1, (0,), None):
        with pytest.raises(
            ArgumentError, match="norm: ord='fro' is a norm of matrices, over two axes, but the axes are"
        ):
            engine.norm(engine.array(CUBE), "fro", axis)
    with pytest.raises(ShapeError, match=r"squeeze: axis 1 of shape \(2, 3\) has size 3, not 1"):
        engine.squeeze(engine.array(X), 1)

"""What every engine must do: each primitive and verb of the protocol against NumPy and SciPy.

A new engine is held to this file by adding its name in ``conftest.py``.
"""

import inspect
from typing import Any

import numpy as np
import pytest
import scipy.special
from engine import oracles
from engine.checks import Case, assert_matches, check, check_gradient, titles

from keraunos.backend import Engine
from keraunos.backend.spec import TensorSpec
from keraunos.utils import tree

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3)).astype("float32")
CUBE = RNG.normal(size=(2, 3, 4)).astype("float32")
UNIT = RNG.uniform(-0.9, 0.9, (2, 3)).astype("float32")
POSITIVE = RNG.uniform(0.2, 3, (2, 3)).astype("float32")
INTEGERS = np.array([[3, -2, 0], [7, 1, -5]], "int32")
COUNTS = np.array([[3, 2, 1], [7, 1, 5]], "int32")
TRUTHS = np.array([[True, False, True], [False, False, True]])
TIES = np.array([[1, 3, 3, 0], [2, 2, 2, 2]], "float32")
EMPTY = np.zeros((0, 3), "float32")
SCALAR = np.asarray(0.5, "float32")
ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5], "float32")
HALF = X.astype("float16")
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], "float32")

CASES: list[Case] = []
VERBS_TESTED: set[str] = set()


def case(
    operation: str, *args: Any, oracle: Any = None, gives: Any = None, tolerance: Any = 1e-5, smooth: bool = False,
    **kwargs: Any,
) -> None:  # fmt: skip
    """Enter one case; the oracle is NumPy's function of the same name unless given, ``gives`` the dtype if not its."""
    CASES.append(Case(operation, args, kwargs, oracle or getattr(np, operation), gives, tolerance, smooth))


def verb(*names: str) -> Any:
    """Say which methods a test function is about."""

    def enter(function: Any) -> Any:
        VERBS_TESTED.update(names)
        return function

    return enter


# --- creation ----------------------------------------------------------------------------

case("array", X, oracle=lambda x: x)
case("array", X.astype("float64"), oracle=lambda x: x)
case("array", [[1.0, 2.0], [3.0, 4.0]], oracle=np.array, gives="float32")
case("array", [1, 2], oracle=np.array, gives="int32")
case("array", [], oracle=np.array)
case("array", 3, oracle=np.array)
case("array", 3.5, oracle=np.array)
case("array", True, oracle=np.array)
case("array", np.arange(3, dtype="uint8"), oracle=np.array)
case("array", np.float64(2.5), oracle=np.array)
case("array", INTEGERS, "float32", oracle=np.array)
case("array", X, dtype="float16", oracle=lambda x, dtype: x.astype(dtype), tolerance=1e-3)
case("cast", X, "int32", oracle=lambda x, dtype: x.astype(dtype))
case("cast", INTEGERS, "float32", oracle=lambda x, dtype: x.astype(dtype))
case("cast", INTEGERS, "bool", oracle=lambda x, dtype: x.astype(dtype))
case("cast", TRUTHS, "float32", oracle=lambda x, dtype: x.astype(dtype))
case("cast", 2, "float32", oracle=lambda x, dtype: np.asarray(x, dtype))
case("full", (2, 3), 1.5)
case("full", (2,), 7)
case("full", (), True)
case("full", (0, 2), 0.0, "float16")
case("full", [2, 1], 3, dtype="float32")
case("full", (2, 3), np.arange(3, dtype="float32"))
case("arange", 5)
case("arange", 0)
case("arange", 2, 8, 3)
case("arange", 5, 0, -2)
case("arange", 3.0)
case("arange", 0.0, 1.0, 0.25)
case("arange", 1, 4, dtype="float32")
case("arange", 5, 2)

# --- elementwise, one argument -----------------------------------------------------------

ONE = {
    "abs": (np.abs, X), "sign": (np.sign, X), "negative": (np.negative, X), "exp": (np.exp, X), "expm1": (np.expm1, X),
    "log": (np.log, POSITIVE), "log1p": (np.log1p, POSITIVE), "sqrt": (np.sqrt, POSITIVE), "sin": (np.sin, X),
    "cos": (np.cos, X), "tan": (np.tan, UNIT), "arcsin": (np.arcsin, UNIT), "arccos": (np.arccos, UNIT),
    "arctan": (np.arctan, X), "sinh": (np.sinh, X), "cosh": (np.cosh, X), "tanh": (np.tanh, X),
    "erf": (scipy.special.erf, X), "erfinv": (scipy.special.erfinv, UNIT), "floor": (np.floor, X),
    "ceil": (np.ceil, X), "round": (np.round, X), "isnan": (np.isnan, X), "isfinite": (np.isfinite, X),
    "logical_not": (np.logical_not, TRUTHS),
}  # fmt: skip
for name, (function, sample) in ONE.items():
    case(name, sample, oracle=function, smooth=sample.dtype == "float32" and name not in ("isnan", "isfinite"))
    if name in ("abs", "exp", "erf", "round", "isnan"):  # one way of each kind is enough for the rarer forms
        case(name, sample[:0], oracle=function)
        case(name, np.asarray(sample[0, 0]), oracle=function)
    if name in ("abs", "exp", "erf", "sqrt", "tanh"):
        case(name, sample.astype("float16"), oracle=function, gives="float16", tolerance=5e-3)
for name in ("abs", "sign", "negative"):
    case(name, INTEGERS)
for name in ("exp", "sin", "tanh", "arctan"):
    case(name, INTEGERS)
case("sqrt", COUNTS)
case("log", COUNTS)
case("expm1", np.array([1e-7, -1e-7], "float32"), tolerance=1e-12)
case("log1p", np.array([1e-7, -1e-7], "float32"), tolerance=1e-12)
case("isnan", ODD)
case("isfinite", ODD)
case("isfinite", INTEGERS)
case("logical_not", INTEGERS)
case("round", HALVES)
case("round", np.array([1.234, -5.678], "float32"), 1)
case("round", np.array([1.234, -5.678], "float32"), decimals=2)
case("erf", np.array([-np.inf, np.inf, 0], "float32"), oracle=scipy.special.erf)
case("erfinv", np.array([0.9999, -0.9999, 0], "float32"), oracle=scipy.special.erfinv, tolerance=1e-4)

# --- elementwise, two or three arguments -------------------------------------------------

ROW, COLUMN = POSITIVE[0], POSITIVE[:, :1]
for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2"):
    case(name, X, POSITIVE, smooth=True)
    case(name, COLUMN, ROW, smooth=True)
    case(name, X, 2.0)
    case(name, 2, POSITIVE)
for name in ("add", "divide", "maximum"):
    case(name, X, SCALAR)
    case(name, EMPTY, ROW)
    case(name, HALF, 2.0, gives="float16", tolerance=5e-3)
for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
    case(name, INTEGERS, COUNTS)
    case(name, INTEGERS, 2)
    case(name, INTEGERS, 0.5)
    case(name, INTEGERS, X, gives="float32")
case("power", POSITIVE, X, smooth=True)
case("power", X, 2, smooth=True)
case("power", 2.0, X)
case("power", INTEGERS, 2)
case("power", POSITIVE, -0.5)
for name in ("floor_divide", "mod"):
    case(name, 4 * X, POSITIVE)
    case(name, 4 * X, -1.5)
    case(name, INTEGERS, 2)
    case(name, INTEGERS, -3)
    case(name, INTEGERS, COUNTS)
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    case(name, INTEGERS, COUNTS)
    case(name, X, 0)
    case(name, 1, INTEGERS)
    case(name, ODD, ODD)
case("less", INTEGERS, X)
case("equal", COUNTS, COUNTS[:, :1])
case("equal", TRUTHS, True)
for name in ("logical_and", "logical_or"):
    case(name, TRUTHS, TRUTHS[::-1])
    case(name, TRUTHS, INTEGERS)
    case(name, TRUTHS, True)
case("where", TRUTHS, X, POSITIVE)
case("where", TRUTHS, X, 0.0)
case("where", TRUTHS[:, :1], X, ROW)
case("where", X > 0, 1, INTEGERS)
case("where", TRUTHS, INTEGERS, 0.5)
case("where", TRUTHS, 1.0, 0.0)

# --- reductions and order ----------------------------------------------------------------


def reduced(function: Any) -> Any:
    """NumPy's reduction, which knows axes as a tuple but not as a list."""
    return lambda x, axis=None, keepdims=False: function(
        x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims
    )


for name in ("sum", "prod", "max", "min", "any", "all"):
    given = CUBE > 0 if name in ("any", "all") else CUBE
    for options in ({}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": [0, -1]}, {"axis": (1,)}):
        wanted = reduced(getattr(np, name))
        smooth = options == {"axis": -1} and name in ("sum", "prod", "max", "min")
        case(name, given, **options, oracle=wanted, smooth=smooth)
        if name in ("sum", "max", "any"):
            case(name, given, **options, keepdims=True, oracle=wanted)
    case(name, np.asarray(given[0, 0, 0]), oracle=wanted)
    case(name, np.zeros((3, 0), given.dtype), axis=0, oracle=wanted)
for name in ("sum", "prod", "any", "all"):
    case(name, np.zeros((3, 0), "bool" if name in ("any", "all") else "float32"), axis=1)
    case(name, INTEGERS, -1)
for name in ("max", "min"):
    case(name, INTEGERS, 0)
    case(name, HALF, gives="float16")
case("sum", TRUTHS, 0)
case("sum", HALF, gives="float16", tolerance=5e-3)
case("max", ODD)
for name in ("argmax", "argmin"):
    for axis in (None, 0, -1):
        case(name, CUBE, axis=axis)
        case(name, TIES, axis=axis, keepdims=True)
    case(name, INTEGERS, axis=1)
for name in ("cumsum", "cumprod"):
    for axis in (None, 0, -1):
        case(name, X, axis=axis, smooth=axis == -1)
    case(name, INTEGERS, axis=1)
    case(name, EMPTY, axis=0)
case("cumsum", TRUTHS, axis=1)
for axis in (0, -1):
    case("sort", CUBE, axis=axis, smooth=axis == 0)
    case("argsort", CUBE, axis=axis)
case("sort", INTEGERS)
case("argsort", TIES, oracle=lambda x: np.argsort(x, -1, kind="stable"))
case("argsort", INTEGERS)


def largest(x: Any, k: int) -> Any:
    order = np.argsort(-x, -1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


for k in (1, 3):
    case("top_k", CUBE, k, oracle=largest)
    case("top_k", TIES, k, oracle=largest)
case("top_k", INTEGERS, k=2, oracle=largest)

# --- shape -------------------------------------------------------------------------------

case("reshape", CUBE, (6, 4), smooth=True)
case("reshape", CUBE, [-1, 2])
case("reshape", CUBE, (24,))
case("reshape", SCALAR, (1, 1))
case("reshape", EMPTY, (3, 0))
case("transpose", CUBE, smooth=True)
case("transpose", CUBE, (1, 2, 0))
case("transpose", CUBE, axes=[0, -1, 1])
case("broadcast_to", X[:, None], (2, 4, 3), smooth=True)
case("broadcast_to", SCALAR, (2,))
case("broadcast_to", X, [5, 2, 3])
for axis in (0, -1):
    case("concatenate", [X, POSITIVE], axis, oracle=lambda xs, axis: np.concatenate(xs, axis))
case("concatenate", (X, X[:, :1], X[:, :0]), axis=1, oracle=lambda xs, axis: np.concatenate(xs, axis))
case("concatenate", [INTEGERS, X], oracle=np.concatenate, gives="float32")
case("concatenate", [EMPTY, X], oracle=np.concatenate)


def padded(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    return np.pad(x, pad_width, mode, **({} if constant_values is None else {"constant_values": constant_values}))


case("pad", X, 1, oracle=padded)
case("pad", X, ((0, 2), (1, 0)), oracle=padded, smooth=True)
case("pad", X, ((0, 2), (1, 0)), constant_values=-3.5, oracle=padded)
case("pad", INTEGERS, ((1, 1), (0, 0)), constant_values=9, oracle=padded)
case("pad", EMPTY, ((1, 0), (0, 0)), oracle=padded)
for mode in ("reflect", "symmetric", "edge"):
    case("pad", CUBE, ((1, 0), (0, 2), (2, 1)), mode, oracle=padded, smooth=True)
case("flip", CUBE)
case("flip", CUBE, 0)
case("flip", CUBE, axis=(0, -1))
case("repeat", X, 2)
case("repeat", X, 3, axis=0, smooth=True)
case("repeat", X, 2, axis=-1)
PICKS = np.array([[1, 0], [1, 1]], "int32")
for key in (
    0, -1, slice(1, None), slice(None, None, 2), slice(None, None, -1), slice(-1, 0, -2), None, Ellipsis, (0, 1), (..., -1),
    (slice(None), None, 1), (..., None), (slice(None), slice(2, 0, -1), 0), (1, ..., slice(None, None, -1)), PICKS,
    (slice(None), PICKS), (PICKS, PICKS[0]), (slice(0, 0),),
):  # fmt: skip
    case("get_item", CUBE, key, oracle=lambda x, key: x[key])
FAR = np.array([[0, 2], [-1, 1]], "int32")


def clipped_take(x: Any, indices: Any, axis: Any = None) -> Any:
    size = x.size if axis is None else x.shape[axis]
    return np.take(x, np.clip(np.where(np.asarray(indices) < 0, indices + size, indices), 0, size - 1), axis)


for indices in (FAR, np.array([5, 99, -99], "int32"), np.array([], "int32"), np.array(1, "int32"), 0):
    case("take", CUBE, indices, oracle=clipped_take)
    case("take", CUBE, indices, axis=1, oracle=clipped_take)
    case("take", CUBE, indices, axis=-1, oracle=clipped_take)
case("take_along_axis", X, np.array([[2, 0], [1, -1]], "int32"), oracle=lambda x, i: np.take_along_axis(x, i, -1))
case("take_along_axis", CUBE, np.array([[[0, 1, 0, 1]]], "int32"), axis=0, oracle=np.take_along_axis)
case("take_along_axis", CUBE, np.argsort(CUBE, 1).astype("int32"), 1)


def block(x: Any, starts: Any, shape: Any) -> Any:
    starts = [int(np.clip(a, 0, size - n)) for a, n, size in zip(starts, shape, x.shape, strict=True)]
    return x[tuple(slice(a, a + n) for a, n in zip(starts, shape, strict=True))]


def replaced(x: Any, starts: Any, updates: Any) -> Any:
    out = x.copy()
    block(out, starts, updates.shape)[...] = updates
    return out


case("slice", CUBE, (0, 1, 2), (2, 2, 1), oracle=block)
case("slice", X, (np.array(1, "int32"), np.array(0, "int32")), (1, 3), oracle=block)
case("slice", X, (9, 1), (1, 3), oracle=block)
case("slice_update", CUBE, (0, 1, 2), np.ones((2, 2, 1), "float32"), oracle=replaced, smooth=True)
case("slice_update", X, (np.array(1, "int32"), np.array(0, "int32")), POSITIVE[:1], oracle=replaced)
case("slice_update", X, (9, 0), POSITIVE[:1], oracle=replaced)


def summed(data: Any, ids: Any, count: int) -> Any:
    out = np.zeros((count, *data.shape[1:]), data.dtype)
    for row, number in zip(data, ids, strict=True):
        if 0 <= number < count:
            out[number] += row
    return out


case("segment_sum", CUBE, np.array([2, 0], "int32"), 4, oracle=summed, smooth=True)
case("segment_sum", np.arange(5, dtype="float32"), np.array([1, 1, 0, 7, -1], "int32"), 2, oracle=summed)

# --- products ----------------------------------------------------------------------------

VECTOR = X[0]
case("matmul", X, X.T, smooth=True)
case("matmul", CUBE, RNG.normal(size=(4, 5)).astype("float32"))
case("matmul", CUBE, RNG.normal(size=(1, 4, 2)).astype("float32"), smooth=True)
case("matmul", X, VECTOR)
case("matmul", VECTOR, X.T)
case("matmul", VECTOR, VECTOR)
case("matmul", INTEGERS, COUNTS.T)
case("matmul", INTEGERS, X.T, gives="float32")
case("matmul", EMPTY, X.T)
case("einsum", "ij,kj->ik", X, POSITIVE, smooth=True)
case("einsum", "bij,bkj->bki", CUBE, CUBE)
case("einsum", "ij->j", X)
case("einsum", "i,j->ij", VECTOR, X[:, 0])
case("einsum", "...j,jk->...k", CUBE, RNG.normal(size=(4, 2)).astype("float32"))


def noise(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("float32")


for rank in (1, 2, 3):
    sizes, window = (7, 6, 5)[:rank], (3, 2, 2)[:rank]
    images, weights = noise(2, *sizes, 4), noise(*window, 4, 6)
    for options in (
        {"strides": 2}, {"padding": "same"}, {"padding": "same", "strides": 2}, {"padding": "same", "dilation_rate": 2},
        {"padding": [(2, 1)] * rank},
        {"padding": [(2, 0)] * rank, "strides": (2, 1, 2)[:rank], "dilation_rate": (1, 2, 1)[:rank]},
    ):  # fmt: skip
        case(
            "conv", images, weights, **options, oracle=oracles.conv, smooth=rank < 3 and options == {"padding": "same"}
        )
    case("conv", images, noise(*window, 2, 6), padding="same", oracle=oracles.conv, smooth=rank == 2)  # two groups
    case("conv", images, noise(*window, 1, 8), strides=2, oracle=oracles.conv)  # a group a channel
    first = np.moveaxis(images, -1, 1)
    case("conv", first, weights, 1, "same", "channels_first", oracle=oracles.conv)
    case("conv", first, noise(*window, 2, 4), data_format="channels_first", strides=2, oracle=oracles.conv)
    for name in ("max_pool", "average_pool"):
        pool = getattr(oracles, name)
        for options in (
            {"pool_size": 2}, {"pool_size": 2, "padding": "same"}, {"pool_size": 3, "strides": 2},
            {"pool_size": 3, "strides": 2, "padding": "same"}, {"pool_size": window, "strides": 1, "padding": "same"},
        ):  # fmt: skip
            case(name, images, **options, oracle=pool, smooth=rank == 2)
        case(name, first, 2, padding="same", data_format="channels_first", oracle=pool)
case("max_pool", -np.abs(noise(1, 5, 2)), 2, padding="same", oracle=oracles.max_pool)  # padding never wins
case("conv", noise(0, 5, 2), noise(3, 2, 4), oracle=oracles.conv)

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


def test_every_abstract_method_has_a_test():
    names = {name for name, value in inspect.getmembers(Engine) if getattr(value, "__isabstractmethod__", False)}
    assert names - {given.operation for given in CASES} - VERBS_TESTED == set()


def test_an_engine_says_its_name(engine):
    assert engine.name in ("jax", "torch")


# --- tensors -----------------------------------------------------------------------------


@verb("to_numpy", "is_tensor", "shape", "dtype")
def test_a_tensor_tells_what_it_is(engine):
    tensor = engine.array(CUBE)
    assert engine.is_tensor(tensor)
    assert not engine.is_tensor(CUBE)
    assert not engine.is_tensor(1.0)
    assert engine.shape(tensor) == (2, 3, 4)
    assert type(engine.shape(tensor)) is tuple
    assert engine.shape(CUBE) == (2, 3, 4)
    assert engine.shape(2.0) == engine.shape(engine.array(2.0)) == ()
    assert engine.dtype(tensor) == "float32"
    assert engine.dtype(TRUTHS) == "bool"
    assert engine.dtype(engine.array(np.zeros(2, "uint8"))) == "uint8"
    values = engine.to_numpy(tensor)
    assert isinstance(values, np.ndarray)
    np.testing.assert_array_equal(values, CUBE)
    np.testing.assert_array_equal(engine.to_numpy(CUBE), CUBE)


def test_a_tensor_is_a_copy(engine):
    mutable = X.copy()
    tensor = engine.array(mutable)
    mutable[:] = 0
    np.testing.assert_array_equal(engine.to_numpy(tensor), X)


def test_array_stacks_lists_of_tensors(engine):
    assert_matches(engine, engine.array([engine.array(X[0]), engine.array(X[1])]), X)
    assert_matches(engine, engine.array([engine.array(1.0), 2]), np.array([1.0, 2.0]))


def test_a_tensor_has_pythons_operators(engine):
    x, y = engine.array(X), engine.array(POSITIVE)
    for result, expected in (
        (x + y, X + POSITIVE), (1 - x, 1 - X), (2 * x, 2 * X), (x / 2, X / 2), (1 / y, 1 / POSITIVE), (-x, -X),
        (x**2, X**2), (x // 0.5, X // 0.5), (x % y, X % POSITIVE), (x < y, X < POSITIVE), (x >= 0, X >= 0),
        (~(x > 0), ~(X > 0)), (x @ y.T, X @ POSITIVE.T), (x[:, None], X[:, None]), (x[0, 1:], X[0, 1:]),
        (abs(x), abs(X)),
    ):  # fmt: skip
        assert_matches(engine, result, expected)
    assert float(x[0, 0]) == float(X[0, 0])
    assert bool(y[0, 0] > 0)
    assert len(x) == 2
    assert x.shape == (2, 3)


def test_a_python_number_does_not_widen_a_tensor(engine):
    half, whole = engine.array(HALF), engine.array(INTEGERS)
    assert engine.dtype(half * 2.0) == engine.dtype(engine.add(half, 1)) == "float16"
    assert engine.dtype(whole * 2) == engine.dtype(engine.multiply(2, whole)) == "int32"
    assert engine.dtype(engine.maximum(engine.array(1), 0)) == "int32"


# --- gradients that formulas leave open -------------------------------------------------------


def gradient_of(engine: Any, function: Any, x: Any) -> Any:
    _, gradient = engine.value_and_gradient(lambda x: (engine.sum(function(x)), None))(engine.array(x))
    return engine.to_numpy(gradient)


def test_the_first_of_equals_has_the_gradient_of_max_pool(engine):
    x = np.array([2, 2, 2, 1, 3, 3], "float32").reshape(1, 6, 1)
    found = gradient_of(engine, lambda x: engine.max_pool(x, 2), x)
    np.testing.assert_array_equal(found.ravel(), [1, 0, 1, 0, 1, 0])
    square = gradient_of(engine, lambda x: engine.max_pool(x, 2), np.zeros((1, 2, 2, 1), "float32"))
    np.testing.assert_array_equal(square.ravel(), [1, 0, 0, 0])


def test_equals_share_the_gradient_of_max_and_maximum(engine):
    np.testing.assert_allclose(gradient_of(engine, lambda x: engine.max(x, -1), TIES)[1], 0.25)
    np.testing.assert_allclose(gradient_of(engine, lambda x: engine.maximum(x, 1.0), np.ones(2, "float32")), 0.5)


def test_gradients_at_kinks(engine):
    zero = np.zeros(1, "float32")
    for name, slope in (("relu", 0), ("sign", 0), ("sigmoid", 0.25), ("softplus", 0.5), ("round", 0)):
        assert gradient_of(engine, getattr(engine, name), zero) == slope, name


def test_where_keeps_the_branch_not_taken_out_of_the_gradient(engine):
    x = np.array([-1.0, 2.0], "float32")
    found = gradient_of(engine, lambda x: engine.where(x > 0, engine.square(x), 0.0), x)
    np.testing.assert_array_equal(found, [0, 4])


def test_take_adds_the_gradients_of_repeated_rows(engine):
    found = gradient_of(engine, lambda x: engine.take(x, np.array([1, 1, 0], "int32"), 0), X)
    np.testing.assert_array_equal(found, [[1, 1, 1], [2, 2, 2]])


# --- random numbers ----------------------------------------------------------------------


@verb("random_key", "random_uniform", "random_normal")
@pytest.mark.parametrize(
    "name, mean, variance, fourth", [("random_uniform", 0.5, 1 / 12, 1 / 80), ("random_normal", 0, 1, 3)]
)
def test_random_numbers_have_their_moments_and_repeat(engine, name, mean, variance, fourth):
    draw = getattr(engine, name)
    first = engine.to_numpy(draw(engine.random_key(1), (100, 200)))
    assert first.shape == (100, 200)
    assert first.dtype == "float32"
    assert abs(first.mean() - mean) < 0.03
    assert abs(first.var() - variance) < 0.04 * variance
    assert abs(((first - mean) ** 4).mean() - fourth) < 0.1 * fourth
    np.testing.assert_array_equal(first, engine.to_numpy(draw(engine.random_key(1), (100, 200))))
    other = engine.to_numpy(draw(engine.random_key(2), (100, 200)))
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.03
    if name == "random_uniform":
        assert first.min() >= 0
        assert first.max() < 1
    assert engine.dtype(draw(engine.random_key(1), (2,), "float16")) == "float16"
    assert engine.shape(draw(engine.random_key(1), ())) == ()
    assert engine.shape(draw(engine.random_key(1), [0, 2])) == (0, 2)


@verb("fold_in")
def test_keys_folded_with_different_numbers_are_independent(engine):
    key = engine.random_key(2**32 - 1)
    numbers = [0, 1, 2, 2**31, 2**32 - 1]
    drawn = [engine.to_numpy(engine.random_normal(engine.fold_in(key, np.uint32(n)), (4000,))) for n in numbers]
    drawn.append(engine.to_numpy(engine.random_normal(key, (4000,))))
    for row, values in enumerate(np.corrcoef(drawn) - np.eye(len(drawn))):
        assert np.abs(values).max() < 0.07, row
    again = engine.random_normal(engine.fold_in(key, engine.array(1)), (4000,))
    np.testing.assert_array_equal(engine.to_numpy(again), drawn[1])


def masks(engine: Any, count: int = 64, shape: tuple[int, ...] = (32, 64)) -> np.ndarray:
    """Uniform numbers as the layers of a model get them: by seed, step, and number of the request in the step."""

    def draw(seed: Any, step: Any, number: Any) -> Any:
        key = engine.fold_in(engine.fold_in(engine.random_key(seed), step), number)
        return engine.random_uniform(key, shape)

    run = engine.compile(lambda seed, step, number: draw(seed, step, number))
    drawn = [[engine.to_numpy(run(np.uint32(5), np.uint32(i), np.uint32(j))) for j in (1, 2)] for i in range(count)]
    return np.asarray(drawn, "float64")  # (step, layer, row, column)


def surprise(counts: Any) -> float:
    """By how many deviations the chi-squared statistic of counts of equally likely cases misses its mean."""
    counts = np.asarray(counts, "float64").ravel()
    expected, freedom = counts.sum() / counts.size, counts.size - 1
    return float((np.sum((counts - expected) ** 2 / expected) - freedom) / np.sqrt(2 * freedom))


def test_uniform_numbers_fill_all_cells_alike(engine):
    """Single numbers, and pairs of neighbours in a row, in a column, in two layers and in two steps."""
    drawn = masks(engine)
    assert abs(surprise(np.bincount((drawn * 256).astype(int).ravel(), minlength=256))) < 4
    # The last digits are as random as the first.
    assert abs(surprise(np.bincount((drawn * 2**23).astype(int).ravel() % 256, minlength=256))) < 4
    for axis in range(4):
        one, next_one = (np.moveaxis(drawn, axis, 0)[rows] for rows in (slice(None, -1), slice(1, None)))
        pairs = (one * 16).astype(int) * 16 + (next_one * 16).astype(int)
        assert abs(surprise(np.bincount(pairs.ravel(), minlength=256))) < 4, axis


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_masks_have_their_mean_and_variance_and_nothing_in_common(engine, rate):
    kept = (masks(engine) >= rate) - (1 - rate)
    scale = np.sqrt(rate * (1 - rate))
    assert abs(kept.mean()) < 4 * scale / np.sqrt(kept.size)
    # Each column's count over all rows and steps is binomial: neither too even nor too uneven.
    for axes in ((0, 1, 2), (0, 1, 3), (2, 3)):
        sums = kept.sum(axes) / scale / np.sqrt(np.prod([kept.shape[axis] for axis in axes]))
        assert abs(sums.var() - 1) < 5 * np.sqrt(2 / sums.size), axes
    for axis in range(4):
        for lag in {1, kept.shape[axis] // 2}:
            one, other = np.moveaxis(kept, axis, 0)[:-lag], np.moveaxis(kept, axis, 0)[lag:]
            assert abs((one * other).mean()) < 4.5 * scale**2 / np.sqrt(one.size), (axis, lag)


def test_numbers_of_half_precision_stay_below_one(engine):
    drawn = engine.to_numpy(engine.random_uniform(engine.random_key(2), (200, 500), "float16")).astype("float64")
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.005


def test_keys_may_be_computed_and_carried(engine):
    def draws(seed: Any) -> Any:
        def body(number: Any, carry: Any) -> Any:
            key, total = carry
            return key, total + engine.random_uniform(engine.fold_in(key, number), (3,))

        return engine.loop(body, (engine.random_key(seed), engine.zeros((3,))), 0, 4)[1]

    key = engine.random_key(7)
    expected = sum(engine.to_numpy(engine.random_uniform(engine.fold_in(key, n), (3,))) for n in range(4))
    np.testing.assert_allclose(engine.to_numpy(engine.compile(draws)(np.uint32(7))), expected, rtol=1e-6)


# --- verbs -------------------------------------------------------------------------------


@verb("compile", "wait")
def test_compile_takes_trees_of_arrays_and_numbers(engine):
    def function(values: Any, scale: Any, nothing: Any) -> Any:
        assert nothing is None
        assert engine.is_tensor(values["a"])
        return {"sum": values["a"] + values["b"][0] * scale, "pair": (values["b"][0], None)}

    compiled = engine.compile(function)
    for scale in (2.0, 3.0, np.float32(4)):
        result = engine.wait(compiled({"a": X, "b": [engine.array(POSITIVE)]}, scale, None))
        assert set(result) == {"sum", "pair"}
        assert result["pair"][1] is None
        assert_matches(engine, result["sum"], X + POSITIVE * scale)
    other = compiled({"a": X[:1], "b": [POSITIVE[:1]]}, 2, None)
    assert_matches(engine, other["sum"], X[:1] + POSITIVE[:1] * 2)


def test_compile_sees_whole_numbers_and_truths_as_such(engine):
    dtypes: list[str] = []

    def function(*args: Any) -> Any:
        dtypes[:] = [engine.dtype(a) for a in args]
        return args

    results = engine.compile(function)(1, 1.5, True, np.int64(1), np.arange(2.0))
    assert dtypes == ["int32", "float32", "bool", "int32", "float32"]
    assert_matches(engine, results[0], np.array(1))


@verb("loop")
def test_loop_has_bounds_that_may_be_computed(engine):
    def body(number: Any, carry: Any) -> Any:
        return {"sum": carry["sum"] + number, "last": engine.cast(number, "float32")}

    run = engine.compile(
        lambda start, stop: engine.loop(body, {"sum": engine.array(0), "last": engine.array(-1.0)}, start, stop)
    )
    for start, stop in ((0, 5), (2, 4), (3, 3), (5, 2)):
        result = run(start, stop)
        assert int(result["sum"]) == sum(range(start, stop))
        assert float(result["last"]) == (stop - 1 if stop > start else -1)


@verb("scan")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, 2, 5])
def test_scan_carries_and_collects(engine, reverse, unroll):
    def step(carry: Any, x: Any) -> Any:
        total = carry[0] * 0.5 + x["a"] * x["b"][0]
        return (total, carry[1] + 1), {"total": total, "none": None}

    xs = {"a": engine.array(CUBE), "b": (engine.array(np.arange(2.0)),)}
    carry, ys = engine.scan(step, (engine.zeros((3, 4)), engine.array(0)), xs, reverse=reverse, unroll=unroll)
    total, expected = np.zeros((3, 4)), np.zeros((2, 3, 4))
    for row in (1, 0) if reverse else (0, 1):
        total = total * 0.5 + CUBE[row] * row
        expected[row] = total
    assert_matches(engine, carry, (total, np.array(2)))
    assert ys["none"] is None
    assert_matches(engine, ys["total"], expected)


def test_scan_without_inputs_or_outputs(engine):
    carry, ys = engine.scan(lambda c, x: (c * 2, None if x is None else x), engine.array(1.0), length=5)
    assert float(carry) == 32
    assert ys is None
    carry, ys = engine.scan(lambda c, x: (c + 1, c), engine.array(0), None, 3)
    assert_matches(engine, ys, np.arange(3))
    carry, ys = engine.scan(lambda c, x: (c + 1, x[0]), engine.array(0), engine.zeros((0, 3)))
    assert int(carry) == 0
    assert engine.shape(ys) == (0,)


def test_scan_has_a_gradient(engine):
    def function(x: Any) -> Any:
        carry, ys = engine.scan(lambda c, row: (c * row, c), engine.array(1.0), x)
        return carry + engine.sum(ys), None

    (value, _), gradient = engine.value_and_gradient(function)(engine.array([2.0, 3.0, 4.0]))
    assert float(value) == 24 + 1 + 2 + 6
    np.testing.assert_allclose(engine.to_numpy(gradient), [12 + 1 + 3, 8 + 2, 6])


@verb("cond")
@pytest.mark.parametrize("compiled", [False, True])
def test_cond_chooses(engine, compiled):
    def function(x: Any) -> Any:
        return engine.cond(engine.sum(x) > 0, lambda x, y: (x + y, None), lambda x, y: (x - y, None), x, 10.0)[0]

    run = engine.compile(function) if compiled else function
    np.testing.assert_allclose(engine.to_numpy(run(engine.array([1.0, 2.0]))), [11, 12])
    np.testing.assert_allclose(engine.to_numpy(run(engine.array([1.0, -2.0]))), [-9, -12])


@verb("value_and_gradient")
def test_value_and_gradient_of_a_tree_with_auxiliary_results(engine):
    def function(values: Any) -> Any:
        product = values["x"] * values["inner"]["y"][0]
        return engine.sum(product), {"product": product, "names": (None, engine.array(1))}

    values = {"x": engine.array(X), "inner": {"y": [engine.array(POSITIVE)]}, "unused": engine.array(ROW)}
    (value, auxiliary), gradient = engine.value_and_gradient(function)(values)
    np.testing.assert_allclose(float(value), np.sum(X * POSITIVE), rtol=1e-5)
    assert_matches(engine, auxiliary["product"], X * POSITIVE)
    assert auxiliary["names"][0] is None
    assert_matches(engine, gradient, {"x": POSITIVE, "inner": {"y": [X]}, "unused": np.zeros_like(ROW)})


def test_value_and_gradient_of_what_does_not_depend_on_its_argument(engine):
    (value, _), gradient = engine.value_and_gradient(lambda x: (engine.array(3.0), None))(engine.array(X))
    assert float(value) == 3
    assert_matches(engine, gradient, np.zeros_like(X))


def test_a_gradient_of_a_gradient(engine):
    def inner(x: Any) -> Any:
        return engine.sum(x**3), None

    def outer(x: Any) -> Any:
        _, slope = engine.value_and_gradient(inner)(x)
        return engine.sum(slope * slope), None

    (value, _), gradient = engine.value_and_gradient(outer)(engine.array(X))
    np.testing.assert_allclose(float(value), np.sum(9 * X**4), rtol=1e-4)
    np.testing.assert_allclose(engine.to_numpy(gradient), 36 * X**3, rtol=1e-4, atol=1e-5)


@verb("stop_gradient")
def test_stop_gradient_makes_a_constant(engine):
    (value, _), gradient = engine.value_and_gradient(lambda x: (engine.sum(x * engine.stop_gradient(x)), None))(
        engine.array(X)
    )
    np.testing.assert_allclose(float(value), np.sum(X * X), rtol=1e-5)
    assert_matches(engine, gradient, X)


@verb("abstract")
def test_a_magnitude_has_no_slope_at_zero(engine):
    _, slopes = engine.value_and_gradient(lambda x: (engine.sum(engine.abs(x)), None))(
        engine.array([-2.0, -0.0, 0.0, 3.0])
    )
    np.testing.assert_array_equal(engine.to_numpy(slopes), [-1, 0, 0, 1])


def test_abstract_tells_shapes_and_dtypes(engine):
    def function(values: Any, y: Any) -> Any:
        return {"product": engine.matmul(values["x"], y), "best": (engine.argmax(y, -1), None), "same": values["x"] > 0}

    found = engine.abstract(function, {"x": TensorSpec((4, 3))}, TensorSpec((3, 7), "float16"))
    assert found["product"].shape == (4, 7)
    assert found["best"] == (TensorSpec((3,), "int32"), None)
    assert found["same"] == TensorSpec((4, 3), "bool")
    assert engine.abstract(lambda: engine.zeros((2,))) == TensorSpec((2,))


@verb("vectorize")
def test_vectorize_maps_a_leading_axis(engine):
    def function(values: Any, shift: Any) -> Any:
        return {"sum": engine.sum(values["x"]) + shift, "x": values["x"] * 2}

    result = engine.vectorize(function)({"x": engine.array(CUBE)}, engine.array([10.0, 20.0]))
    assert_matches(engine, result, {"sum": CUBE.sum((1, 2)) + np.array([10, 20]), "x": CUBE * 2})
    result = engine.vectorize(function, (0, None))({"x": engine.array(CUBE)}, engine.array(5.0))
    assert_matches(engine, result["sum"], CUBE.sum((1, 2)) + 5)
    result = engine.vectorize(lambda x: engine.sum(x, -1), 1)(engine.array(CUBE))
    assert_matches(engine, result, np.moveaxis(CUBE, 1, 0).sum(-1))


def test_vectorize_gives_each_row_its_random_numbers(engine):
    keys = engine.vectorize(lambda n: engine.random_uniform(engine.fold_in(engine.random_key(3), n), (4,)))
    rows = engine.to_numpy(keys(engine.arange(3)))
    for n in range(3):
        one = engine.random_uniform(engine.fold_in(engine.random_key(3), n), (4,))
        np.testing.assert_array_equal(rows[n], engine.to_numpy(one))


def test_trees_keep_their_form_through_every_verb(engine):
    from keraunos.training.step import Carry

    carry = Carry({"b": X, "a": X[0]}, {}, {"slots": {}}, {}, 0)
    returned = engine.compile(lambda carry: engine.loop(lambda i, c: c, carry, 0, 2))(carry)
    assert isinstance(returned, Carry)
    assert set(returned.params) == {"a", "b"}
    assert len(tree.leaves(returned)) == len(tree.leaves(carry))
    assert returned.fixed is None

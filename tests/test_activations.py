"""Activations: values and gradients against Keras, signatures, names, symbolic tensors."""

import functools
import inspect
import json

import numpy as np
import pytest

from keraunos import activations
from keraunos.backend import K
from keraunos.core.variable import Variable
from keraunos.utils.errors import UnknownNameError

NAMES = sorted(activations.table.public)
CASES = [(name, {}) for name in NAMES if name != "threshold"] + [
    ("threshold", {"threshold": 0.3, "default_value": -1.0}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"max_value": 6}),
    ("relu", {"threshold": 0.5}),
    ("relu", {"negative_slope": 0.1, "max_value": 1.5, "threshold": 0.5}),
    ("leaky_relu", {"negative_slope": 0.4}),
    ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 0.5}),
    ("gelu", {"approximate": True}),
    ("squareplus", {"b": 2}),
    ("hard_shrink", {"threshold": 0.2}),
    ("soft_shrink", {"threshold": 0.2}),
    ("softmax", {"axis": 0}),
    ("softmax", {"axis": (0, 1)}),
    ("log_softmax", {"axis": 0}),
    ("sparsemax", {"axis": 0}),
    ("glu", {"axis": 0}),
]
IDS = [f"{name}{arguments or ''}" for name, arguments in CASES]
POINTS = np.random.default_rng(0).normal(size=(4, 6)).astype("float32") * 3
CORNERS = np.array([[-6, -3, -1, -0.5, -0.0, 0.0], [0.3, 0.5, 1, 1.5, 3, 6]], "float32")
FAR = np.array([[-1e4, -100, -50, 50, 100, 1e4]] * 2, "float32")


def values_and_slopes(function, arguments, *inputs):
    """For each input the values, and the gradient of their weighted sum."""

    def objective(x):
        values = function(x, **arguments)
        weights = np.linspace(0.5, 1.5, values.size).astype("float32")
        return K.sum(K.ravel(values) * weights), values

    def both(*xs):
        found = [K.value_and_gradient(objective)(x) for x in xs]
        return [(values, slope) for (_, values), slope in found]

    return [tuple(map(np.asarray, pair)) for pair in K.compile(both)(*inputs)]


@functools.cache
def ours_at(case):
    name, arguments = CASES[case]
    return values_and_slopes(getattr(activations, name), arguments, POINTS, CORNERS, np.zeros((2, 4), "float32"), FAR)


def test_all_functions_of_keras_are_here():
    keras = pytest.importorskip("keras")
    public = {name for name in dir(keras.activations) if not name.startswith("_")}
    ours = set(activations.__all__)
    assert ours == public
    assert len(ours) == 35


@pytest.mark.parametrize(
    "name", [name for name in activations.__all__ if name not in ("get", "serialize", "deserialize")]
)
def test_signature_is_that_of_keras(name):
    keras = pytest.importorskip("keras")

    def outline(function):
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]

    assert outline(getattr(activations, name)) == outline(getattr(keras.activations, name))


@pytest.mark.parametrize("case", [n for n, (name, _) in enumerate(CASES) if name != "sparsemax"], ids=IDS.__getitem__)
def test_values_and_gradients_equal_those_of_keras(case):
    keras = pytest.importorskip("keras")
    name, arguments = CASES[case]
    (ours, slope), (ours_at_corners, _), *_ = ours_at(case)
    oracle = getattr(keras.activations, name)
    (expected, direction), (expected_at_corners, _) = values_and_slopes(oracle, arguments, POINTS, CORNERS)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours_at_corners, expected_at_corners, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slope, direction, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", range(len(CASES)), ids=IDS.__getitem__)
def test_gradients_are_finite_at_zero_at_the_corners_and_far_out(case):
    _, corners, zeros, far = ours_at(case)
    for _, slope in (corners, zeros) if CASES[case][0] == "exponential" else (corners, zeros, far):
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("axis", [-1, 0])
def test_sparsemax_is_the_projection_onto_the_simplex(axis):
    # Keras 3.15.1 adds up all partial sums of the support where Martins & Astudillo (2016),
    # algorithm 1, take the last; its rows do not sum to 1 (golden case act29_sparsemax).
    x = np.moveaxis(POINTS.astype("float64"), axis, -1)
    low, high = x.min(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(100):
        level = (low + high) / 2
        too_low = np.maximum(x - level, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(too_low, level, low), np.where(too_low, high, level)
    ((ours, _),) = values_and_slopes(activations.sparsemax, {"axis": axis}, POINTS)
    np.testing.assert_allclose(ours, np.moveaxis(np.maximum(x - low, 0), -1, axis), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_name_goes_to_the_function_and_back(name):
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function
    assert activations.deserialize({"module": "builtins", "class_name": "function", "config": name}) is function


def test_aliases_resolve():
    assert activations.get("swish") is activations.silu is activations.swish
    assert activations.get("hard_swish") is activations.hard_silu is activations.hard_swish
    assert activations.get(None) is activations.linear


def test_lists_and_variables_are_accepted():
    assert activations.relu([-10, -5, 0.0, 5, 10], negative_slope=0.5).tolist() == [-5, -2.5, 0, 5, 10]
    assert activations.relu(Variable([-1.0, 2.0])).tolist() == [0, 2]


def test_the_users_own_function_goes_through():
    def cube(x):
        return x**3

    assert activations.get(cube) is cube
    assert activations.deserialize(activations.serialize(cube), {"cube": cube}) is cube


def test_unknown_name_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match=r"there is no activation called 'rleu'. Did you mean 'relu'"):
        activations.get("rleu")


def test_golden_values(shared):
    with np.load(shared("golden/k3/values.npz")) as stored:
        arrays = dict(stored)
    cases = json.loads(shared("golden/k3/values.json").read_text())["cases"]
    golden = [case for case in cases if case["kind"] == "activation" and case["name"] != "sparsemax"]
    assert len(golden) > 100

    def everything():
        return [getattr(activations, case["name"])(arrays[f"x/{case['x']}"], **case["kwargs"]) for case in golden]

    for case, values in zip(golden, K.compile(everything)(), strict=True):
        np.testing.assert_allclose(values, arrays[case["value"]], rtol=1e-5, atol=1e-6, err_msg=case["id"])

"""Constraints: values against Keras, configs, and what is refused."""

import json

import numpy as np
import pytest

from keraunos import constraints
from keraunos.backend import K
from keraunos.core.variable import Variable
from keraunos.utils.errors import ArgumentError, UnknownNameError

CASES = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.7}),
    ("MaxNorm", {"max_value": 1, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 0.3, "max_value": 0.8, "rate": 0.5, "axis": 1}),
]
WEIGHT = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


def test_every_constraint_of_keras_is_here():
    assert set(constraints.table.public) == {name for name, _ in CASES}


@pytest.mark.parametrize("name, arguments", CASES)
def test_values_equal_those_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    expected = getattr(keras.constraints, name)(**arguments)(WEIGHT)
    np.testing.assert_allclose(getattr(constraints, name)(**arguments)(K.array(WEIGHT)), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name, arguments", CASES)
def test_config_round_trip_and_the_form_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    config = constraints.serialize(getattr(constraints, name)(**arguments))
    assert config == keras.constraints.serialize(getattr(keras.constraints, name)(**arguments))
    again = constraints.deserialize(json.loads(json.dumps(config)))
    np.testing.assert_array_equal(again(K.array(WEIGHT)), getattr(constraints, name)(**arguments)(K.array(WEIGHT)))


@pytest.mark.parametrize("alias, name", [
    ("max_norm", "MaxNorm"), ("non_neg", "NonNeg"), ("unit_norm", "UnitNorm"), ("min_max_norm", "MinMaxNorm"),
])  # fmt: skip
def test_aliases_resolve(alias, name):
    assert type(constraints.get(alias)).__name__ == name


def test_none_stays_none_and_functions_and_variables_go_through():
    assert constraints.get(None) is None
    assert constraints.get(K.abs) is K.abs
    assert constraints.NonNeg()(Variable([-1.0, 1.0])).tolist() == [0, 1]
    assert constraints.Constraint()(3.0) == 3.0


def test_zero_weights_stay_zero():
    for name in constraints.table.public:
        assert not np.asarray(getattr(constraints, name)()(K.zeros((2, 2)))).any()


@pytest.mark.parametrize("make, error, words", [
    (lambda: constraints.MaxNorm(-1), ArgumentError, r"MaxNorm: max_value is -1; expected a number, 0 or more"),
    (lambda: constraints.UnitNorm("rows"), ArgumentError, r"axis is 'rows'; expected the number of an axis, or a list"),
    (lambda: constraints.MinMaxNorm(rate=2), ArgumentError, r"MinMaxNorm: rate is 2; expected a number from 0 to 1"),
    (lambda: constraints.get("maxnrom"), UnknownNameError, r"no constraint called 'maxnrom'. Did you mean 'max_norm'"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_words(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_golden_values(shared):
    with np.load(shared("golden/k3/values.npz")) as stored:
        arrays = dict(stored)
    cases = json.loads(shared("golden/k3/values.json").read_text())["cases"]
    golden = [case for case in cases if case["kind"] == "constraint"]
    assert golden

    def everything():
        return [getattr(constraints, case["name"])(**case["kwargs"])(arrays[f"x/{case['x']}"]) for case in golden]

    for case, values in zip(golden, K.compile(everything)(), strict=True):
        np.testing.assert_allclose(values, arrays[case["value"]], rtol=1e-5, atol=1e-7, err_msg=case["id"])

"""Regularizers: values and gradients against Keras, configs, and what is refused."""

import json

import numpy as np
import pytest

from keraunos import regularizers
from keraunos.backend import K
from keraunos.core.variable import Variable
from keraunos.utils.errors import ArgumentError, ShapeError, UnknownNameError

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.2}),
    ("L1L2", {"l1": 0.2, "l2": 0.3}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.4, "mode": "columns"}),
]
MATRIX = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def test_every_regularizer_of_keras_is_here():
    assert set(regularizers.table.public) == {name for name, _ in CASES}


@pytest.mark.parametrize("name, arguments", CASES)
def test_penalty_and_gradient_equal_those_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    ours, oracle = getattr(regularizers, name)(**arguments), getattr(keras.regularizers, name)(**arguments)
    (value, _), slope = K.compile(K.value_and_gradient(lambda w: (ours(w), ())))(MATRIX)
    (expected, _), direction = K.compile(K.value_and_gradient(lambda w: (oracle(w), ())))(MATRIX)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(slope, direction, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, arguments", CASES)
def test_config_round_trip_and_the_form_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    config = regularizers.serialize(getattr(regularizers, name)(**arguments))
    expected = keras.regularizers.serialize(getattr(keras.regularizers, name)(**arguments))
    assert {**config, "config": None} == {**expected, "config": None}
    assert config["config"].keys() == expected["config"].keys()
    for key, value in expected["config"].items():  # Keras keeps some factors as float32 tensors
        assert config["config"][key] == (value if isinstance(value, str) else pytest.approx(value))
    again = regularizers.deserialize(json.loads(json.dumps(config)))
    assert float(again(K.array(MATRIX))) == float(getattr(regularizers, name)(**arguments)(K.array(MATRIX)))


@pytest.mark.parametrize("alias, name", [
    ("l1", "L1"), ("l2", "L2"), ("l1_l2", "L1L2"), ("L1L2", "L1L2"),
    ("orthogonal_regularizer", "OrthogonalRegularizer"),
])  # fmt: skip
def test_aliases_resolve(alias, name):
    assert type(regularizers.get(alias)).__name__ == name


def test_none_stays_none_and_functions_and_variables_go_through():
    assert regularizers.get(None) is None
    assert regularizers.get(K.sum) is K.sum
    assert float(regularizers.L2(1.0)(Variable([3.0]))) == 9.0


def test_a_class_written_for_keras_works():
    class Squares(regularizers.Regularizer):
        def __init__(self, factor=0.5):
            self.factor = factor

        def __call__(self, x):
            return self.factor * K.sum(K.square(x))

        def get_config(self):
            return {"factor": self.factor}

    again = regularizers.deserialize(regularizers.serialize(Squares(2.0)), {"Squares": Squares})
    assert float(again(K.array([2.0]))) == 8.0


def test_none_as_factor_means_the_default():
    assert regularizers.L1(None).l1 == 0.01
    assert regularizers.L1L2(None, None).get_config() == {"l1": 0.0, "l2": 0.0}


@pytest.mark.parametrize("make, error, words", [
    (lambda: regularizers.L1(-1), ArgumentError, r"L1: l1 is -1; expected a number, 0 or more"),
    (lambda: regularizers.L2(float("inf")), ArgumentError, r"L2: l2 is inf; expected a finite number, 0 or more"),
    (lambda: regularizers.L2("big"), ArgumentError, r"L2: l2 is 'big'; expected a number"),
    (lambda: regularizers.OrthogonalRegularizer(mode="row"), ArgumentError, r"mode is 'row'; .* Did you mean 'rows'"),
    (lambda: regularizers.OrthogonalRegularizer()(K.array([1.0])), ShapeError, r"a matrix, not a tensor of"),
    (lambda: regularizers.Regularizer()(1.0), ArgumentError, r"Regularizer does not define __call__\(self, x\)"),
    (lambda: regularizers.get("l1l"), UnknownNameError, r"there is no regularizer called 'l1l'. Did"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_words(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_golden_values(shared):
    with np.load(shared("golden/k3/values.npz")) as stored:
        arrays = dict(stored)
    cases = json.loads(shared("golden/k3/values.json").read_text())["cases"]
    golden = [case for case in cases if case["kind"] == "regularizer"]
    assert golden
    for case in golden:
        value = regularizers.table.lookup(case["name"])(**case["kwargs"])(arrays[f"x/{case['x']}"])
        np.testing.assert_allclose(value, case["value"], rtol=1e-5, atol=1e-7, err_msg=case["id"])

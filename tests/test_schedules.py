"""Schedules: values against Keras, at restarts against the formula, inside a compiled loop, configs, refusals."""

import json

import numpy as np
import pytest

from keraunos import schedules
from keraunos.backend import K
from keraunos.core.variable import Variable
from keraunos.utils.errors import ArgumentError

CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 7], "values": [0.1, 0.05, 0.01]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 8}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "end_learning_rate": 0.02, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 10, "warmup_target": 0.1, "warmup_steps": 4}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 10, "warmup_target": 0.1}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.5}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 3, "t_mul": 1.5, "alpha": 0.2}),
]
IDS = [f"{name}{sorted(set(arguments) - {'initial_learning_rate'})}" for name, arguments in CASES]


def test_every_schedule_of_keras_is_here():
    assert set(schedules.table.public) == {name for name, _ in CASES}


@pytest.mark.parametrize("name, arguments", CASES, ids=IDS)
def test_values_equal_those_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    ours, oracle = getattr(schedules, name)(**arguments), getattr(keras.optimizers.schedules, name)(**arguments)
    steps = np.arange(25, dtype="int32")
    values, expected = (np.asarray(K.compile(K.vectorize(schedule))(steps)) for schedule in (ours, oracle))
    # At a restart Keras' float32 logarithms may round to either side; the formula decides below.
    clear = [step for step in steps if name != "CosineDecayRestarts" or step not in (9, 12, 14, 21)]
    np.testing.assert_allclose(values[clear], expected[clear], rtol=1e-5, atol=1e-7)
    assert float(ours(5)) == pytest.approx(expected[5], rel=1e-5)
    assert float(ours(Variable(np.int32(5)))) == pytest.approx(expected[5], rel=1e-5)


@pytest.mark.parametrize("first, factor", [(4, 2.0), (10, 2.0), (3, 3.0), (5, 1.0), (8, 1.5)])
def test_each_restart_falls_on_its_step(first, factor):
    schedule = schedules.CosineDecayRestarts(1.0, first, t_mul=factor)
    start, length = 0.0, float(first)
    for _ in range(4):
        start, length = start + length, length * factor
        if start == int(start):
            assert float(schedule(int(start))) == pytest.approx(1.0, abs=1e-5)
            assert float(schedule(int(start) - 1)) < 0.5


def test_a_schedule_works_inside_a_compiled_loop():
    schedule = schedules.CosineDecay(0.1, 10, warmup_target=0.2, warmup_steps=3)
    total = K.compile(lambda: K.loop(lambda step, total: total + schedule(step), K.zeros(()), 0, 12))()
    assert float(total) == pytest.approx(sum(float(schedule(step)) for step in range(12)), rel=1e-5)


@pytest.mark.parametrize("name, arguments", CASES, ids=IDS)
def test_config_round_trip_and_the_form_of_keras(name, arguments):
    keras = pytest.importorskip("keras")
    config = schedules.serialize(getattr(schedules, name)(**arguments))
    oracle = getattr(keras.optimizers.schedules, name)(**arguments)
    assert config == keras.optimizers.schedules.serialize(oracle)
    again = schedules.deserialize(json.loads(json.dumps(config)))
    assert float(again(5)) == float(getattr(schedules, name)(**arguments)(5))


def test_a_class_written_for_keras_works():
    class Mine(schedules.LearningRateSchedule):
        def __init__(self, initial_learning_rate):
            self.initial_learning_rate = initial_learning_rate

        def __call__(self, step):
            return self.initial_learning_rate / (step + 1)

        def get_config(self):
            return {"initial_learning_rate": self.initial_learning_rate}

    again = schedules.deserialize(schedules.serialize(Mine(0.5)), {"Mine": Mine})
    assert float(again(4)) == pytest.approx(0.1)


@pytest.mark.parametrize("make, words", [
    (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), r"ExponentialDecay: decay_steps is 0; expected"),
    (lambda: schedules.CosineDecayRestarts(0.1, -1), r"first_decay_steps is -1; expected a positive number"),
    (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), r"1 boundaries separate 2 values, but 1 values were given"),
    (lambda: schedules.LearningRateSchedule()(0), r"LearningRateSchedule does not define __call__\(self, step\)"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_words(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()

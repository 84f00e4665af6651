"""What ran once before Keras 3, when a graph was made or a model compiled, keeps what its names meant then."""

# ruff: noqa: B023 — that functions meet loop variables is the point

import functools

import numpy as np
import pytest

import keraunos
from keraunos.core.frozen import frozen
from keraunos.eras import backend as K
from keraunos.layers import Dense, Input, Lambda, Layer, TimeDistributed
from keraunos.utils import spelling

X = np.array([[10.0, 20.0, 30.0]])


@pytest.fixture(params=[1, 2])
def era(request):
    with spelling.in_era(request.param):
        yield request.param


def program(text, **names):
    """Names of a script, whose variables are global."""
    namespace = {"__name__": "__main__", "Input": Input, "Lambda": Lambda, "Layer": Layer, "K": K, **names}
    exec(compile(text, "script.py", "exec"), namespace)
    return namespace


def first_values(inputs, outputs):
    return [float(values[0, 0]) for values in keraunos.Model(inputs, outputs).predict(X)]


def test_each_lambda_of_a_loop_has_its_own_slice(era):
    inputs = Input((3,))
    outputs = []
    for k in range(3):
        outputs.append(Lambda(lambda x: x[:, k : k + 1])(inputs))
    assert first_values(inputs, outputs) == [10, 20, 30]


@pytest.mark.parametrize(
    "made",
    [
        "def cut(x): return x[:, k:k + 1]\nfor k in range(3): outputs.append(Lambda(cut)(inputs))",
        "def start(): return k\nfor k in range(3): outputs.append(Lambda(lambda x: x[:, start():start() + 1])(inputs))",
        "cut = Lambda(lambda x: x[:, k:k + 1])\nfor k in range(3): outputs.append(cut(inputs))",
        "for k in range(3):\n"
        "    class Cut(Layer):\n"
        "        def call(self, x): return x[:, k:k + 1]\n"
        "    outputs.append(Cut()(inputs))",
        "def act(x): return x[:, :1] * k\nfor k in (1, 2, 3):\n    act_now = act\n"
        "    outputs.append(Lambda(lambda x: act_now(x))(inputs))\nact_now = None",
    ],
)
def test_global_variables_are_kept_too(era, made):
    names = program(f"inputs = Input((3,))\noutputs = []\n{made}\nk = 7")
    assert first_values(names["inputs"], names["outputs"]) == [10, 20, 30]


def test_functions_inside_of_wrappers_and_of_the_backend_are_kept(era):
    inputs = Input((3, 1))
    wrapped, mapped = [], []
    for k in (1.0, 2.0):
        wrapped.append(TimeDistributed(Lambda(lambda x: x * k))(inputs))
        mapped.append(K.map_fn(lambda row: row * k, inputs))
    values = keraunos.Model(inputs, wrapped).predict(X[..., None])
    assert [float(v[0, 0, 0]) for v in values] == [10, 20]
    assert [float(v[0, 0, 0]) for v in K.function([inputs], mapped)([X[..., None]])] == [10, 20]


def test_losses_and_metrics_keep_what_was_there_at_compile(era):
    model = keraunos.Sequential([Input((3,)), Lambda(lambda x: x)])
    weight = 1.0

    def loss(y_true, y_pred):
        return weight * K.mean(y_pred - y_true, axis=-1)

    def metric(y_true, y_pred):
        return weight * K.mean(y_pred)

    model.compile("sgd", loss, metrics=[metric])
    weight = 5.0
    assert model.test_on_batch(X, 0 * X) == pytest.approx([20.0, 20.0])
    assert model.metrics_names == ["loss", "metric"]


def test_today_the_last_value_counts_for_all():
    inputs = Input((3,))
    outputs = []
    for k in range(3):
        outputs.append(Lambda(lambda x: x[:, k : k + 1])(inputs))
    assert [float(v[0, 0]) for v in keraunos.Model(inputs, outputs).predict(X, verbose=0)] == [30, 30, 30]


class Holder:
    def method(self, x):
        return x


def test_only_functions_that_use_variables_are_copied():
    offset = 1

    def plain(x):
        return np.abs(x)

    def counts(x):
        nonlocal offset
        offset += 1
        return x + offset

    def again(x):
        return x if x > 10 else again(x + offset)

    for function in (plain, counts, np.abs, abs, Dense, Holder().method, None, 3, functools.partial(plain)):
        assert frozen(function) is function
    kept, partial = frozen(again), frozen(functools.partial(again, 5))
    assert (kept.__name__, kept.__doc__, kept.__defaults__) == ("again", None, None)
    offset = 4
    assert (again(5), kept(5), partial()) == (13, 11, 11)

"""Debugging: steps as plain Python, what a traceback shows, and what is said with an error."""

import doctest
import math
import pdb
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import jax
import numpy as np
import pytest

import keraunos
from keraunos import Model, Sequential, callbacks, config, layers, metrics, ops, optimizers
from keraunos.layers import Dense, Input
from keraunos.utils.errors import ArgumentError, ShapeError, TracedValueError

HERE = Path(__file__)
X = np.linspace(-1, 1, 24, dtype="float32").reshape(6, 4)
Y = X[:, :1] * 2


@pytest.fixture(autouse=True)
def as_users_see_it():
    before = config.is_traceback_filtering_enabled()
    config.enable_traceback_filtering()
    yield
    (config.enable_traceback_filtering if before else config.disable_traceback_filtering)()


class Looking(layers.Layer):
    """Looks at its inputs in every way, and decides by them."""

    seen: list = []

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        outputs = inputs * self.scale
        total = float(outputs.sum())
        assert f"{outputs.mean():.3f}" == f"{total / math.prod(outputs.shape):.3f}"
        np.testing.assert_allclose(np.asarray(outputs).sum(), total, atol=1e-5)
        assert outputs.tolist()[0][0] == outputs[0, 0].item()
        assert math.isclose(float(str(outputs[0, 0])), outputs[0, 0], rel_tol=1e-5)
        assert repr(outputs).startswith("Array(")
        assert self.scale.numpy().shape == self.scale.shape
        Looking.seen.append(total)
        return outputs if total > 1e6 or outputs.max() > -1e6 else -outputs


class Written(Model):
    """The same as a class."""

    def __init__(self, *parts):
        super().__init__()
        self.stack = list(parts)

    def call(self, inputs):
        for part in self.stack:
            inputs = part(inputs)
        return inputs


def looking_loss(y_true, y_pred):
    Looking.seen.append(float(y_pred.mean()))
    return ops.mean((y_true - y_pred) ** 2) if bool((y_pred > -1e6).all()) else 0.0


def looking_metric(y_true, y_pred):
    Looking.seen.append(float(y_true.sum()))
    return ops.mean(y_pred)


def compiled(model, loss="mse", **options):
    model.compile(optimizers.SGD(0.1), loss, **options)
    return model


def run_all(model):
    """What every method gives that runs steps."""
    fitted = model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, validation_data=(X[:2], Y[:2]))
    return {
        **fitted.history,
        "evaluate": model.evaluate(X, Y, batch_size=4, verbose=0),
        "predict": model.predict(X, batch_size=4, verbose=0),
        "train_on_batch": model.train_on_batch(X[:4], Y[:4]),
        "test_on_batch": model.test_on_batch(X[:4], Y[:4]),
        "predict_on_batch": model.predict_on_batch(X[:4]),
        "weights": model.get_weights(),
    }


def assert_alike(one, other, tolerance=1e-5):
    assert one.keys() == other.keys()
    for name in one:
        for a, b in zip(
            np.atleast_1d(one[name]) if name != "weights" else one[name],
            other[name] if name == "weights" else np.atleast_1d(other[name]),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


# --- steps as plain Python -------------------------------------------------------------------


@pytest.mark.parametrize("as_class", [False, True])
def test_layers_losses_and_metrics_see_values_in_every_method(as_class):
    parts = [Looking(), Dense(1, kernel_initializer="ones")]
    model = Written(*parts) if as_class else Sequential([Input((4,)), *parts])
    compiled(model, looking_loss, metrics=[looking_metric], run_eagerly=True)
    Looking.seen.clear()
    results = run_all(model)
    assert np.isfinite(results["loss"]).all()
    assert len(Looking.seen) > 20

    class Plain(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return inputs * self.scale

    keraunos.utils.clear_session()
    other = Sequential([Input((4,)), Plain(), Dense(1, kernel_initializer="ones")])
    compiled(
        other,
        lambda t, p: ops.mean((t - p) ** 2),
        metrics=[metrics.MeanMetricWrapper(lambda t, p: ops.mean(p), "looking_metric")],
    )
    assert_alike(results, run_all(other))


def test_the_numbers_are_those_of_compiled_steps_where_chance_masks_and_padding_take_part():
    ids = np.array([[1, 2, 0], [2, 0, 0], [1, 1, 2], [2, 2, 0], [1, 0, 0]])

    def trained(run_eagerly):
        keraunos.utils.set_random_seed(3)
        parts = [Input((3,)), layers.Embedding(3, 4, mask_zero=True), layers.LSTM(3), layers.Dropout(0.5), Dense(1)]
        model = compiled(Sequential(parts), metrics=["mae"], run_eagerly=run_eagerly)
        history = model.fit(ids, Y[:5], batch_size=2, epochs=2, verbose=0, sample_weight=np.arange(5.0)).history
        return {
            **history,
            "evaluate": model.evaluate(ids, Y[:5], batch_size=2, verbose=0),
            "weights": model.get_weights(),
        }

    assert_alike(trained(False), trained(True))


class Generating(Model):
    """A step of one's own over two parts that have no weights yet, each with an optimizer."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Dense(3, kernel_initializer="ones"), Dense(1, kernel_initializer="ones")
        self.first_optimizer, self.second_optimizer = optimizers.SGD(0.1), optimizers.Adam(0.01)
        self.mean = metrics.Mean(name="own")
        self.looks = False

    def call(self, inputs):
        return self.second(self.first(inputs))

    def train_step(self, data):
        x, y = data
        for part, optimizer in ((self.first, self.first_optimizer), (self.second, self.second_optimizer)):
            variables = part.trainable_variables
            loss, gradients = keraunos.value_and_gradients(
                lambda: ops.mean((y - self(x, training=True)) ** 2), variables
            )
            optimizer.apply(gradients, variables)
            if self.looks:
                assert float(loss) >= 0
                assert all(np.isfinite(gradient).all() for gradient in gradients)
        self.mean.update_state(loss)
        return {"own": self.mean.result()}


def test_a_step_of_ones_own_sees_values_and_computes_what_the_compiled_one_does():
    results = []
    for run_eagerly in (False, True):
        model = Generating()
        model.compile(run_eagerly=run_eagerly)
        model.looks = run_eagerly
        history = model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history
        results.append({**history, "weights": model.get_weights()})
    assert_alike(*results)


class Counting(layers.Layer):
    """A cell that looks at each step."""

    state_size = 2

    def __init__(self):
        super().__init__()
        self.sums = []

    def call(self, inputs, states):
        new = states[0] + inputs
        self.sums.append(float(new.sum()))
        return new, [new]


def test_loops_and_conditions_are_those_of_python():
    cell = Counting()
    model = compiled(Sequential([Input((3, 2)), layers.RNN(cell)]), run_eagerly=True)
    cell.sums.clear()
    x = np.arange(6.0).reshape(1, 3, 2)
    assert model.predict(x, verbose=0).tolist() == [[6.0, 9.0]]
    assert cell.sums == [1.0, 6.0, 15.0]

    def chosen(x):
        return ops.cond(ops.sum(x) > 0, lambda: x * float(x.max()), lambda: x)

    model = compiled(Sequential([Input((2,)), layers.Lambda(chosen)]), run_eagerly=True)
    assert model.predict(np.array([[1.0, 3.0]]), verbose=0).tolist() == [[3.0, 9.0]]


def test_nothing_is_compiled_after_the_first_steps(caplog):
    parts = [
        layers.Reshape((4, 1)),
        layers.Conv1D(2, 2),
        layers.BatchNormalization(),
        layers.GRU(2),
        layers.Dropout(0.5),
    ]
    model = compiled(Sequential([Input((4,)), *parts, Dense(1)]), run_eagerly=True)
    model.fit(X, Y, batch_size=3, epochs=2, verbose=0)
    with jax.log_compiles():
        model.fit(X, Y, batch_size=3, epochs=2, verbose=0)
    assert [record for record in caplog.records if "Compiling" in record.getMessage()] == []


def test_a_debugger_stops_inside_a_layer_with_values(monkeypatch):
    stops = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stops.append(float(sys._getframe(1).f_locals["inputs"].sum())))

    class Stopping(layers.Layer):
        def call(self, inputs):
            breakpoint()
            return inputs * 2.0

    model = compiled(Written(Stopping(), Dense(1)), run_eagerly=True)
    model.fit(X, Y, batch_size=6, verbose=0)
    assert stops
    assert all(stop == pytest.approx(float(X.sum()), abs=1e-5) for stop in stops)


def test_it_may_be_switched_between_two_calls():
    model = compiled(Sequential([Input((4,)), Looking(), Dense(1)]))
    with pytest.raises(TracedValueError):
        model.predict(X, verbose=0)
    model.run_eagerly = True
    assert model.predict(X, verbose=0).shape == (6, 1)
    model.run_eagerly = False
    with pytest.raises(TracedValueError):
        model.predict(X, verbose=0)


def test_a_step_that_fails_changes_nothing():
    def loss(y_true, y_pred):
        if float(y_true.sum()) > 0:
            raise RuntimeError("enough")
        return ops.mean((y_true - y_pred) ** 2)

    model = compiled(Sequential([Input((4,)), layers.BatchNormalization(), Dense(1)]), loss, run_eagerly=True)
    model.train_on_batch(X, -np.ones((6, 1)))
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="enough"):
        model.train_on_batch(X, np.ones((6, 1)))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- what an error shows and says --------------------------------------------------------------


class Wrong(layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(3, 2))

    def call(self, inputs):
        return inputs @ self.kernel


class Adding(layers.Layer):
    def call(self, inputs):
        return inputs + ops.ones((7,))


class Asking(layers.Layer):
    def call(self, inputs):
        if ops.sum(inputs) > 0:
            return inputs
        return -inputs


class Raising(layers.Layer):
    error = KeyError("mine")

    def call(self, inputs):
        raise self.error


def misspelled(y_true, y_pred):
    return opps.mean(y_true - y_pred)  # noqa: F821


class OwnOptimizer(optimizers.Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        misspelled(gradient, variable)


class OwnMetric(metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return misspelled(0, 0)


class Failing(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise self.error


def batches(error):
    yield X, Y
    raise error


def fitted(*parts, loss="mse", data=(X, Y), **options):
    model = compiled(Written(*parts, Dense(1)), loss, **options.pop("compile", {}))
    return model.fit(*data, verbose=0, **options)


# A program, what it raises, and words of the message and the notes.
PROGRAMS = {
    "a wrong product": (lambda: fitted(Wrong()), TypeError, ["the layer 'wrong' (Wrong), given float32 (None, 4)"]),
    "a wrong product in a graph": (
        lambda: Sequential([Input((4,)), Wrong()]), TypeError, ["the layer 'wrong' (Wrong), given float32 (None, 4)"],
    ),
    "a wrong product on data": (lambda: Wrong()(X), TypeError, ["the layer 'wrong' (Wrong), given float32 (6, 4)"]),
    "a wrong sum": (lambda: fitted(Adding()), ValueError, ["[(None, 4), (7,)]", "inside the model 'written' (Written)"]),
    "a wrong sum inside of layers": (
        lambda: Written(Written(Adding()))(X), ValueError, ["'adding' (Adding), given float32 (6, 4), inside the model"],
    ),
    "a wrong name in a loss": (
        lambda: fitted(loss=misspelled), NameError, ["the loss 'misspelled', given y_true float32 (6, 1) and y_pred"],
    ),
    "a wrong name in a metric": (
        lambda: fitted(compile={"metrics": [misspelled]}), NameError, ["the metric 'misspelled', given y_true float32 (6, 1)"],
    ),
    "a condition": (
        lambda: fitted(Asking()), TracedValueError,
        ["`if`", "ops.where", "ops.cond", "run_eagerly=True", "shape () and type bool", "the layer 'asking' (Asking)"],
    ),
    "a condition when predicting": (
        lambda: Sequential([Input((4,)), Asking()]).predict(X, verbose=0), TracedValueError, ["ops.cond", "'asking'"],
    ),
    "a number of Python": (
        lambda: fitted(loss=lambda t, p: float(ops.sum(t)) * ops.mean(p)), TracedValueError, ["float() of a tensor of shape ()"],
    ),
    "NumPy": (lambda: fitted(loss=lambda t, p: np.sort(p)), TracedValueError, ["NumPy, given a tensor", "keraunos.ops"]),
    "a mask as an index": (
        lambda: fitted(loss=lambda t, p: ops.mean(p[t > 0])), TracedValueError, ["x[mask], given a tensor of shape (6, 1)"],
    ),
    "a count": (
        lambda: fitted(loss=lambda t, p: sum(ops.mean(p) for _ in range(ops.cast(ops.max(t), "int32")))),
        TracedValueError, ["whole number", "ops.fori_loop"],
    ),
    "a shape made of values": (
        lambda: Sequential([Input((4,)), layers.Lambda(lambda x: ops.zeros((ops.cast(ops.max(x), "int32"), 4)))]).predict(
            X, verbose=0
        ),
        TracedValueError, ["a shape that holds a tensor", "x.shape", "the layer 'lambda'"],
    ),
    "a wrong name in a regularizer": (
        lambda: fitted(Dense(2, kernel_regularizer=lambda w: misspelled(w, w))),
        NameError, ["the regularizer of", "kernel', given float32 (4, 2)"],
    ),
    "a wrong name in an optimizer": (
        lambda: OwnOptimizer(0.1).apply([X], [keraunos.Variable(X)]), NameError, ["the optimizer", "(OwnOptimizer)"],
    ),
    "a wrong name in the result of a metric": (
        lambda: fitted(compile={"metrics": [OwnMetric(name="own")]}), NameError, ["the metric 'own'"],
    ),
    "an operation": (lambda: ops.matmul(X, X), TypeError, ["contracting"]),
    "an operator": (lambda: keraunos.Variable(X) @ X, TypeError, ["contracting"]),
    "an argument of a layer": (lambda: Dense(2, activaton="relu"), ArgumentError, ["'activation'"]),
    "an argument of fit": (lambda: fitted(epoch=2), ArgumentError, ["'epochs'"]),
    "a shape": (lambda: Sequential([Input((4,)), layers.Conv2D(2, 2)]), ShapeError, ["conv2d", "(None, 4)"]),
    "a shape inside a class": (lambda: fitted(layers.Conv2D(2, 2)), ShapeError, ["conv2d", "(None, 4)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_error_names_what_was_at_work_and_shows_the_lines_of_the_user_alone(name):
    program, kind, words = PROGRAMS[name]
    with pytest.raises(kind) as caught:
        program()
    told = "".join(traceback.format_exception(caught.value))
    for word in words:
        assert word in told
    ours = {frame.filename for frame in traceback.extract_tb(caught.tb)}
    assert ours == {str(HERE)}
    assert "JAX has removed" not in told
    assert "another exception" not in told


def test_the_last_line_shown_is_where_it_went_wrong():
    with pytest.raises(TypeError) as caught:
        fitted(Wrong())
    assert traceback.extract_tb(caught.tb)[-1].line == "return inputs @ self.kernel"


def test_it_is_the_same_in_a_program_that_is_run():
    """There all code is of one module, and says so by the name of that."""
    lines = [
        "from keraunos import Model, layers",
        "class Own(layers.Layer):",
        "    def call(self, inputs):",
        "        return inputs[:, :3] + inputs",
        "class Outer(Model):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.own = Own()",
        "    def call(self, inputs):",
        "        return self.own(inputs)",
        "Outer().predict(X, verbose=0)",
    ]
    with pytest.raises(TypeError) as caught:
        exec(compile("\n".join(lines), "program.py", "exec"), {"__name__": "__main__", "X": X})
    assert caught.value.__notes__ == [
        "In the layer 'own' (Own), given float32 (None, 4), inside the model 'outer' (Outer)."
    ]
    shown = traceback.extract_tb(caught.tb)
    assert [(frame.filename, frame.lineno) for frame in shown[1:]] == [("program.py", n) for n in (11, 10, 4)]


@pytest.mark.parametrize(
    "where", ["a layer", "a layer that runs eagerly", "a loss", "a callback", "a generator", "Ctrl-C"]
)
def test_an_exception_of_the_user_arrives_as_it_was_raised(where):
    class Own(Exception):
        """Takes two arguments, so that nobody can make it again from its text."""

        def __init__(self, first, second):
            super().__init__(first, second)

    error = KeyboardInterrupt() if where == "Ctrl-C" else Own(1, {"two": 2})
    try:
        raise ValueError("why")
    except ValueError as earlier_error:
        earlier = error.__cause__ = earlier_error
    Raising.error = Failing.error = error

    def loss(y_true, y_pred):
        raise error

    with pytest.raises(type(error)) as caught:
        if where.startswith("a layer"):
            fitted(Raising(), compile={"run_eagerly": "eagerly" in where})
        elif where == "a loss":
            fitted(loss=loss)
        elif where == "a generator":
            fitted(data=(batches(error),))
        else:
            fitted(callbacks=[Failing()])
    assert caught.value is error
    assert error.__cause__ is earlier
    lines = traceback.extract_tb(caught.tb)
    assert {frame.filename for frame in lines} == {str(HERE)}
    assert lines[-1].line in ("raise self.error", "raise error")


def test_an_error_in_a_thread_of_the_user_is_told_there():
    told = []
    before, threading.excepthook = threading.excepthook, lambda arguments: told.append(arguments.exc_value)
    try:
        thread = threading.Thread(target=lambda: fitted(Wrong()))
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before
    assert "the layer 'wrong'" in told[0].__notes__[0]
    assert traceback.extract_tb(told[0].__traceback__)[-1].line == "return inputs @ self.kernel"


def test_a_debugger_that_comes_later_finds_the_users_frame():
    with pytest.raises(TypeError) as caught:
        fitted(Wrong())
    debugger = pdb.Pdb()
    debugger.reset()
    debugger.setup(None, caught.tb)
    assert debugger.curframe.f_code.co_name == "call"
    assert debugger.curframe.f_locals["inputs"].shape[1] == 4


def test_every_frame_is_shown_where_that_is_asked_for():
    config.disable_traceback_filtering()
    assert not config.is_traceback_filtering_enabled()
    with pytest.raises(TypeError) as caught:
        fitted(Wrong())
    files = [frame.filename for frame in traceback.extract_tb(caught.tb)]
    assert sum("keraunos" in Path(file).parts for file in files) > 10
    assert any("jax" in Path(file).parts for file in files)
    assert "the layer 'wrong'" in caught.value.__notes__[0]


def test_the_environment_can_ask_for_it():
    code = "from keraunos import config; print(config.is_traceback_filtering_enabled())"
    for value, expected in (("0", "False"), ("1", "True")):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"KERAUNOS_TRACEBACK_FILTERING": value, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == expected


def test_a_doctest_sees_the_message_alone():
    text = ">>> layer(rows)\nTraceback (most recent call last):\nKeyError: 'mine'\n"
    Raising.error = KeyError("mine")
    test = doctest.DocTestParser().get_doctest(text, {"layer": Raising(), "rows": X}, "own", None, None)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_what_asks_for_a_value_is_still_an_error_of_jax():
    with pytest.raises(jax.errors.TracerBoolConversionError):
        fitted(Asking())
    with pytest.raises(jax.errors.TracerArrayConversionError):
        fitted(loss=lambda t, p: np.sort(p))


def test_a_tensor_that_was_kept_is_told_to_be_a_variable():
    kept = []

    class Keeping(layers.Layer):
        def call(self, inputs):
            kept.append(ops.mean(inputs))
            return inputs + kept[0]

    with pytest.raises(TracedValueError, match="keep it in a Variable"):
        fitted(Keeping())


def test_a_product_over_few_numbers_is_refused_where_shapes_do_not_fit():
    """It is a sum of outer products, which would leave the rest out."""
    for rows in (1, 2, 3):

        class Few(layers.Layer):
            rows_of_kernel = rows

            def build(self, input_shape):
                self.kernel = self.add_weight(name="kernel", shape=(self.rows_of_kernel, 2))

            def call(self, inputs):
                return inputs @ self.kernel

        with pytest.raises(TypeError, match="contracting"):
            Sequential([Input((4,)), Few()])

"""compile, fit, evaluate, predict: what they compute, and what they refuse."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import keraunos
from keraunos import callbacks, layers, losses, metrics, optimizers
from keraunos.layers import Dense, Dropout, Input
from keraunos.models import Model, Sequential
from keraunos.training.interrupt import patiently, uninterrupted
from keraunos.utils.errors import ArgumentError, DataError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype("float32")
Y = (X.sum(1) > 0).astype("float32")


def small(dropout=0.3, **options):
    keraunos.utils.set_random_seed(5)
    model = Sequential([Input((4,)), Dense(6, "relu"), Dropout(dropout), Dense(1, "sigmoid")])
    model.compile(**{"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["accuracy"], **options})
    return model


def state(model):
    return [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


class EveryBatch(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.last = batch, logs


# --- the numbers do not depend on how the loop is cut ---------------------------------------


def test_verbosity_callbacks_and_chunks_change_no_bit(capsys, monkeypatch):
    results = []
    for options, chunk in (
        ({"verbose": 0}, 10.0),
        ({"verbose": 0}, 0.0),
        ({"verbose": 1}, 0.001),
        ({"verbose": 2}, 0.1),
        ({"verbose": 0, "callbacks": [EveryBatch()]}, 0.1),
    ):
        monkeypatch.setattr("keraunos.training.running._CHUNK_SECONDS", chunk)
        model = small()
        history = model.fit(X, Y, epochs=3, batch_size=16, **options)
        results.append((state(model), history.history))
    for other in results[1:]:
        assert_same(results[0][0], other[0])
        assert results[0][1] == other[1]


class Rows(metrics.Metric):
    """A user's metric: its class and its ``reset_state`` are no concern of the library."""

    def __init__(self, name="rows", **kwargs):
        super().__init__(name=name, **kwargs)
        self.rows = self.add_variable((), "zeros", name="rows")
        self.resets = 0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.rows.assign(self.rows + 1.0)

    def result(self):
        return self.rows

    def reset_state(self):
        super().reset_state()
        self.resets += 1


@pytest.mark.parametrize(
    "options, run",
    [
        ({}, {}),
        ({"optimizer": "sgd", "metrics": []}, {"batch_size": 70}),
        ({}, {"initial_epoch": 2}),
        ({}, {"steps_per_epoch": 1}),
        ({}, {"shuffle": False}),
        ({}, {"shuffle": "batch"}),
        ({}, {"validation_split": 0.2}),
        ({}, {"sample_weight": np.linspace(0, 1, 70, dtype="float32")}),
        ({"metrics": ["accuracy", metrics.AUC(name="auc")]}, {}),
        ({"metrics": [Rows()]}, {}),
    ],
)
def test_epochs_that_nobody_watches_are_those_that_a_callback_sees(options, run):
    """Small epochs run several to a call where no callback looks between them."""
    results = []
    for watching in ([], [callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)]):
        model = small(**options)
        history = model.fit(X, Y, **{"batch_size": 16, "epochs": 6, "verbose": 0, "callbacks": watching, **run})
        model.fit(X[:40], Y[:40], batch_size=16, epochs=2, verbose=0, callbacks=watching)
        results.append((state(model), history.history, model.get_counters()))
    assert_same(results[0][0], results[1][0])
    assert results[0][1:] == results[1][1:]


def test_a_users_metric_is_reset_at_every_epoch():
    rows = Rows()
    model = small(metrics=[rows])
    assert model.fit(X, Y, batch_size=16, epochs=4, verbose=0).history["rows"] == [5.0] * 4
    assert rows.resets == 4


def test_a_seed_makes_a_run_repeat_and_numpys_seed_does_too():
    runs = []
    for seed in (keraunos.utils.set_random_seed, keraunos.utils.set_random_seed, np.random.seed):
        seed(11)
        model = Sequential([Input((4,)), Dense(6, "relu"), Dropout(0.5), Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=2, verbose=0)
        runs.append(state(model))
    assert_same(runs[0], runs[1])
    assert_same(runs[0], runs[2])
    np.random.seed(12)
    model = Sequential([Input((4,)), Dense(6, "relu"), Dropout(0.5), Dense(1)])
    assert not np.array_equal(runs[0][0], model.get_weights()[0])


def test_two_fits_of_one_epoch_equal_one_of_two():
    once, twice = small(), small()
    once.fit(X, Y, epochs=2, verbose=0)
    twice.fit(X, Y, epochs=1, verbose=0)
    twice.fit(X, Y, epochs=1, verbose=0)
    assert_same(state(once), state(twice))


def test_run_eagerly_computes_the_same():
    compiled, eager = small(), small(run_eagerly=True)
    compiled.fit(X[:20], Y[:20], epochs=2, batch_size=8, verbose=0)
    eager.fit(X[:20], Y[:20], epochs=2, batch_size=8, verbose=0)
    for a, b in zip(state(compiled), state(eager), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


# --- the short last batch -------------------------------------------------------------------


@pytest.mark.parametrize("coupled", [False, True])
def test_the_short_last_batch_is_a_batch_of_its_own_size(coupled):
    """70 rows in steps of 32: the last step has 6, and its loss is their mean."""
    keraunos.utils.set_random_seed(0)
    extra = [layers.BatchNormalization()] if coupled else []
    model = Sequential([Input((4,)), *extra, Dense(1, kernel_initializer="ones")])
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mae"])
    by_hand = Sequential(
        [Input((4,)), *([layers.BatchNormalization()] if coupled else []), Dense(1, kernel_initializer="ones")]
    )
    by_hand.compile(optimizers.SGD(0.1), "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=32, shuffle=False, verbose=0).history
    values = [by_hand.train_on_batch(X[i : i + 32], Y[i : i + 32]) for i in (0, 32, 64)]
    for a, b in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    sizes = np.array([32, 32, 6])
    np.testing.assert_allclose(history["loss"][0], (sizes * [v[0] for v in values]).sum() / 70, rtol=1e-5)
    np.testing.assert_allclose(history["mae"][0], (sizes * [v[1] for v in values]).sum() / 70, rtol=1e-5)


def test_a_batch_larger_than_the_data_is_one_step():
    model = small(dropout=0.0, optimizer=optimizers.SGD(0.1))
    by_hand = small(dropout=0.0, optimizer=optimizers.SGD(0.1))
    model.fit(X, Y, batch_size=1000, shuffle=False, verbose=0)
    by_hand.train_on_batch(X, Y)
    for a, b in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_epoch_metrics_are_those_of_the_whole_epoch_not_means_of_batches():
    model = small(
        metrics=[metrics.Precision(name="p"), metrics.AUC(name="auc"), metrics.F1Score(threshold=0.5, name="f")]
    )
    model.fit(X, Y, epochs=2, verbose=0)
    whole = model.evaluate(X, Y, batch_size=70, verbose=0)
    parts = model.evaluate(X, Y, batch_size=7, verbose=0)
    for a, b in zip(whole[1:], parts[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# --- arguments of compile and fit -----------------------------------------------------------


def test_validation_split_takes_the_last_rows():
    model = small(dropout=0.0, optimizer=optimizers.SGD(0.0))
    history = model.fit(X, Y, validation_split=0.2, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(X[56:], Y[56:], verbose=0)[0], rel=1e-6)
    assert history["loss"][0] == pytest.approx(model.evaluate(X[:56], Y[:56], verbose=0)[0], rel=1e-5)


def test_validation_freq_and_initial_epoch():
    model = small()
    history = model.fit(X, Y, epochs=6, initial_epoch=2, validation_data=(X, Y), validation_freq=2, verbose=0)
    assert history.epoch == [2, 3, 4, 5]
    assert len(history.history["val_loss"]) == 2
    assert len(history.history["loss"]) == 4


def test_sample_and_class_weights_multiply_the_rows_losses():
    weights = RNG.uniform(0.5, 2, 70).astype("float32")
    model = small(dropout=0.0, optimizer=optimizers.SGD(0.0), weighted_metrics=["mae"])
    predictions = model.predict(X, verbose=0)[:, 0]
    rows = -(Y * np.log(predictions) + (1 - Y) * np.log(1 - predictions))
    both = weights * np.where(Y == 1, 3.0, 0.5)
    logs = model.fit(X, Y, sample_weight=weights, class_weight={0: 0.5, 1: 3.0}, verbose=0).history
    assert logs["loss"][0] == pytest.approx((rows * both).mean(), rel=1e-4)
    assert logs["mae"][0] == pytest.approx((np.abs(predictions - Y) * both).sum() / both.sum(), rel=1e-4)
    assert logs["accuracy"][0] == pytest.approx(((predictions > 0.5) == Y).mean(), rel=1e-5)


def test_several_outputs_have_losses_weights_and_metrics_by_name():
    inputs = Input((4,))
    model = Model(inputs, [Dense(1, name="a")(inputs), Dense(3, activation="softmax", name="b")(inputs)])
    labels = np.arange(70) % 3
    model.compile(
        optimizers.SGD(0.0),
        loss={"a": "mse", "b": "sparse_categorical_crossentropy"},
        loss_weights={"a": 2.0, "b": 0.5},
        metrics={"a": ["mae"], "b": ["accuracy"]},
    )
    logs = model.evaluate(X, [Y, labels], verbose=0, return_dict=True)
    assert set(logs) == {"loss", "a_loss", "b_loss", "a_mae", "b_accuracy"}
    assert logs["loss"] == pytest.approx(2 * logs["a_loss"] + 0.5 * logs["b_loss"], rel=1e-5)
    history = model.fit(X, {"a": Y, "b": labels}, verbose=0).history
    assert history["loss"][0] == pytest.approx(logs["loss"], rel=1e-4)


def test_the_learning_rate_is_readable_and_settable_and_nothing_is_compiled_again(monkeypatch):
    model = small(dropout=0.0, optimizer=optimizers.SGD(0.5))
    model.fit(X, Y, verbose=0)
    assert float(model.optimizer.learning_rate) == 0.5
    from keraunos.backend import current_engine

    compiled = []
    engine = current_engine()
    original = engine._compiled
    monkeypatch.setattr(engine, "_compiled", lambda lowered: compiled.append(1) or original(lowered))
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(X, Y, epochs=2, verbose=0)
    assert_same(before, model.get_weights())
    assert not compiled


def test_one_program_serves_data_of_similar_size():
    from keraunos.backend import current_engine

    model = small()
    model.fit(X[:64], Y[:64], verbose=0)
    programs = len(current_engine()._programs)
    model.fit(X[:60], Y[:60], epochs=2, verbose=0)
    model.fit(X[:57], Y[:57], verbose=0)
    assert len(current_engine()._programs) == programs


def test_an_identical_model_is_not_compiled_again():
    from keraunos.backend import current_engine

    small().fit(X, Y, verbose=0)
    programs = set(current_engine()._programs)
    small().fit(X, Y, verbose=0)
    assert set(current_engine()._programs) == programs


def test_any_optax_transformation_is_an_optimizer():
    optax = pytest.importorskip("optax")
    ours = small(dropout=0.0, optimizer=optimizers.SGD(0.1, momentum=0.9))
    theirs = small(dropout=0.0, optimizer=optax.sgd(0.1, momentum=0.9))
    ours.fit(X, Y, epochs=2, verbose=0)
    theirs.fit(X, Y, epochs=2, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        (lambda: optimizers.Adam(0.01, clipnorm=0.1), 5),
        (lambda: optimizers.AdamW(0.01, weight_decay=0.1), 5),
        (lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), momentum=0.9), 5),
        (lambda: optimizers.Adam(0.01, gradient_accumulation_steps=2), 6),
        (lambda: optimizers.RMSprop(0.01, use_ema=True, ema_overwrite_frequency=3), 6),
        (lambda: optimizers.Nadam(0.01, global_clipnorm=0.5), 5),
    ],
)
def test_the_packed_compiled_step_equals_apply_on_variables(optimizer, steps):
    compiled, eager = small(dropout=0.0, optimizer=optimizer()), small(dropout=0.0, optimizer=optimizer())
    compiled.fit(X[:16], Y[:16], batch_size=16, epochs=steps, verbose=0, shuffle=False)
    for _ in range(steps):
        _, gradients = (
            keraunos.value_and_gradients(
                lambda: eager.compute_loss(X[:16], Y[:16, None], eager(X[:16], training=True)),
                eager.trainable_variables,
            )
            if eager._objectives.resolved
            else (eager.evaluate(X[:16], Y[:16], verbose=0), None)
        )
        if gradients is None:
            _, gradients = keraunos.value_and_gradients(
                lambda: eager.compute_loss(X[:16], Y[:16, None], eager(X[:16], training=True)),
                eager.trainable_variables,
            )
        eager.optimizer.apply(gradients, eager.trainable_variables)
    eager.optimizer.finalize_variable_values(eager.trainable_variables)
    for a, b in zip(compiled.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_constraints_and_regularizers_act_in_the_compiled_loop():
    keraunos.utils.set_random_seed(0)
    model = Sequential([Input((4,)), Dense(3, kernel_constraint="non_neg", kernel_regularizer="l2"), Dense(1)])
    model.compile("sgd", "mse")
    loss = model.fit(X, Y, batch_size=70, verbose=0).history["loss"][0]
    assert (model.get_weights()[0] >= 0).all()
    plain = Sequential.from_config(model.get_config())
    assert loss > 0
    assert len(plain.losses) == 1


def test_train_on_batch_test_on_batch_and_predict_on_batch():
    model = small(dropout=0.0)
    before = model.test_on_batch(X, Y)
    assert model.train_on_batch(X, Y)[0] == pytest.approx(before[0], rel=1e-5)
    assert model.test_on_batch(X, Y)[0] < before[0]
    assert model.predict_on_batch(X[:3]).shape == (3, 1)
    assert set(model.train_on_batch(X, Y, return_dict=True)) == {"loss", "accuracy"}


def test_history_keeps_epochs_values_and_params():
    history = small().fit(X, Y, epochs=2, batch_size=32, validation_data=(X, Y), verbose=0)
    assert history.epoch == [0, 1]
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert {"epochs": 2, "steps": 3}.items() <= history.params.items()
    assert all(isinstance(value, float) for values in history.history.values() for value in values)


def test_a_callback_that_sets_weights_is_obeyed():
    model = small()
    target = [np.zeros_like(w) for w in model.get_weights()]

    class Zero(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights(target)

    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Zero()])
    assert_same(target, model.get_weights())


def test_a_layer_that_a_callback_freezes_stays_as_it_is_and_one_set_free_moves():
    model, seen = small(dropout=0.0), []

    def toggle(epoch, logs):
        seen.append(model.layers[0].get_weights()[0])
        model.layers[0].trainable = epoch != 0

    model.fit(X, Y, epochs=3, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=toggle)])
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[1], seen[2])


def test_a_weight_that_is_frozen_by_itself_stays_as_it_is():
    model = small(dropout=0.0)
    model.fit(X, Y, epochs=1, verbose=0)
    model.layers[0].kernel.trainable = False
    kernel, bias = model.layers[0].kernel.numpy(), model.layers[0].bias.numpy()
    model.fit(X, Y, epochs=1, verbose=0)
    assert np.array_equal(kernel, model.layers[0].kernel.numpy())
    assert not np.array_equal(bias, model.layers[0].bias.numpy())


def test_a_weight_frozen_by_itself_between_two_evaluations_changes_no_value():
    model = small(dropout=0.0)
    before = model.evaluate(X, Y, verbose=0)
    model.layers[0].kernel.trainable = False
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), before, rtol=1e-6)


def test_a_layer_exchanged_between_two_fits_is_the_one_that_is_trained():
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.head, self.spare = Dense(1), Dense(1)

        def call(self, x):
            return self.head(x) + 0.0 * self.spare(x)

    model = Two()
    model.compile(optimizers.SGD(0.1), "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    model.head, model.spare = model.spare, model.head
    before = [model.head.kernel.numpy(), model.spare.kernel.numpy()]
    model.fit(X, Y, epochs=1, verbose=0)
    assert not np.array_equal(before[0], model.head.kernel.numpy())
    assert np.array_equal(before[1], model.spare.kernel.numpy())


def test_an_option_of_the_optimizer_that_a_callback_sets_is_obeyed():
    results = []
    for momentum in (0.0, 0.9):
        model = small(dropout=0.0, optimizer=optimizers.SGD(0.1, momentum=0.5))

        def set_momentum(epoch, logs, model=model, momentum=momentum):
            model.optimizer.momentum = momentum

        model.fit(X, Y, epochs=3, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=set_momentum)])
        results.append(model.get_weights()[0])
    assert not np.allclose(*results)


def test_a_learning_rate_that_is_a_function_is_asked_at_every_epoch():
    asked = []

    def rate():
        asked.append(0.1)
        return 0.1

    model = small(dropout=0.0, optimizer=optimizers.SGD(rate))
    model.fit(X, Y, batch_size=70, epochs=5, verbose=0)
    assert len(asked) >= 5
    plain = small(dropout=0.0, optimizer=optimizers.SGD(0.1))
    plain.fit(X, Y, batch_size=70, epochs=5, verbose=0)
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_stop_training_in_a_batch_ends_the_epoch():
    seen = []

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 1

    small().fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[Stop()])
    assert seen == [0, 1]


# --- interruption ---------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises; a program that a shell started in the background is told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs Unix signals")
def test_ctrl_c_stops_at_once_and_leaves_the_model_usable(ctrl_c):
    big_x, big_y = np.tile(X, (300, 1)), np.tile(Y, 300)
    model = small()
    model.fit(big_x, big_y, epochs=1, verbose=0)
    pressed = []

    def press():
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.7, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(big_x, big_y, epochs=100_000, verbose=0)
    timer.join()
    assert np.isfinite(model.evaluate(X, Y, verbose=0)[0])
    weights = state(model)
    model.fit(X, Y, verbose=0)
    assert len(weights) == len(state(model))


def presses(count: int, release: threading.Event) -> None:
    """Press Ctrl-C so often, and after that let the call end."""
    for _ in range(count):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
    release.set()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs Unix signals")
def test_a_first_ctrl_c_in_a_long_step_is_obeyed_when_its_results_are_written(ctrl_c, capsys):
    release, written = threading.Event(), []

    def call():
        threading.Thread(target=presses, args=(1, release)).start()
        release.wait()
        return 7

    result = patiently(call)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        written.append(result)
    assert written == [7]
    assert "stopping when this step ends. Press it again to stop at once." in capsys.readouterr().err
    with uninterrupted():
        pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs Unix signals")
def test_a_second_ctrl_c_does_not_wait_for_the_step(ctrl_c):
    never, ended = threading.Event(), threading.Event()

    def call():
        threading.Thread(target=presses, args=(2, threading.Event())).start()
        never.wait()
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        patiently(call)
    assert not ended.is_set()
    never.set()
    ended.wait()
    with uninterrupted():
        pass


def test_what_goes_wrong_in_a_long_step_is_raised_where_it_was_asked_for():
    def call():
        raise FloatingPointError("inside")

    with pytest.raises(FloatingPointError, match="inside"):
        patiently(call)


# --- forked processes -----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_says_that_it_cannot_compute_and_ends():
    program = """
import multiprocessing, os, subprocess, sys
import numpy as np, keraunos
model = keraunos.Sequential([keraunos.layers.Input((4,)), keraunos.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.ones((8, 4)), np.ones(8), verbose=0)
subprocess.run(["true"], preexec_fn=lambda: None)
print("quiet", file=sys.stderr, flush=True)
def work(queue=None):
    model.predict(np.ones((8, 4)), verbose=0)
for status, act in ((1, work), (3, lambda: sys.exit(3)), (0, lambda: None), (5, lambda: os._exit(5))):
    child = os.fork()
    if not child:
        act()
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status, flush=True)
else:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    print(process.exitcode == 1)
    model.predict(np.ones((8, 4)), verbose=0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["True"] * 5, done.stderr
    before, _, after = done.stderr.partition("quiet\n")
    assert before == ""
    assert after.count("RuntimeWarning: this process is forked after keraunos has computed in it") == 1
    said = "UsageError: this process was forked from one in which keraunos had computed"
    assert after.count(said) == 2
    assert "multiprocessing.get_context('spawn')" in after


# --- what is refused ------------------------------------------------------------------------


def test_metrics_in_the_place_of_loss_weights_are_refused():
    model = small()
    model.compile("sgd", "mse", ["accuracy"])
    with pytest.raises(ArgumentError, match="loss_weights is 'accuracy'; expected a number.*by name, metrics="):
        model.fit(X, Y, verbose=0)


def test_unknown_names_are_refused_at_compile_with_a_suggestion():
    model = Sequential([Input((4,)), Dense(1)])
    for arguments, words in (
        ({"optimizer": "adm", "loss": "mse"}, "'adm'.*Did you mean 'adam'"),
        (
            {"optimizer": "adam", "loss": "binary_crosentropy"},
            "'binary_crosentropy'.*Did you mean 'binary_crossentropy'",
        ),
        ({"optimizer": "adam", "loss": "mse", "metrics": ["acuracy"]}, "'acuracy'.*Did you mean 'accuracy'"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            model.compile(**arguments)
    with pytest.raises(UnknownNameError, match="'rleu'.*Did you mean 'relu'"):
        Dense(1, activation="rleu")


def test_integer_labels_against_one_hot_outputs_and_the_reverse():
    wide = Sequential([Input((4,)), Dense(3, activation="softmax")])
    labels = np.arange(70) % 3
    wide.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ArgumentError, match="sparse_categorical_crossentropy"):
        wide.fit(X, labels, verbose=0)
    wide.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ArgumentError, match="categorical_crossentropy"):
        wide.fit(X, np.eye(3)[labels], verbose=0)


def test_labels_outside_the_classes_are_named():
    model = Sequential([Input((4,)), Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(DataError, match="3"):
        model.fit(X, np.arange(70) % 4, verbose=0)


def test_a_softmax_over_one_unit_is_warned_of():
    model = Sequential([Input((4,)), Dense(1, activation="softmax")])
    model.compile("sgd", "binary_crossentropy")
    with pytest.warns(UserWarning, match="softmax over one unit is always 1.*activation='sigmoid'"):
        model.fit(X, Y, verbose=0)


def test_a_wrong_input_width_is_refused_before_anything_changes():
    model = small()
    before = model.get_weights()
    with pytest.raises(ArgumentError, match=r"has shape \(None, 3\), but the model takes \(None, 4\)"):
        model.fit(X[:, :3], Y, verbose=0)
    assert_same(before, model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": 1.5}, "epochs is 1.5; expected a whole number"),
        ({"epochs": -1}, "epochs is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"verbose": 7}, "verbose is 7; expected 'auto', 0"),
        ({"validation_split": 1.0}, "validation_split is 1.0"),
        ({"validation_data": (1, 2, 3, 4)}, "validation_data is a tuple of 4 items"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
    ],
)
def test_bad_arguments_of_fit_are_named(arguments, words):
    with pytest.raises((ArgumentError, DataError), match=words):
        small().fit(X, Y, **{"verbose": 0, **arguments})


def test_compile_lists_that_do_not_match_the_outputs():
    inputs = Input((4,))
    model = Model(inputs, [Dense(1, name="a")(inputs), Dense(1, name="b")(inputs)])
    model.compile("sgd", loss={"a": "mse", "c": "mse"})
    with pytest.raises(ArgumentError, match=r"loss has the key 'c', but the outputs are \['a', 'b'\]"):
        model.fit(X, [Y, Y], verbose=0)
    model.compile("sgd", loss=["mse", "mse", "mse"])
    with pytest.raises(ArgumentError, match="loss has 3 entries for 2 outputs"):
        model.fit(X, [Y, Y], verbose=0)


def test_a_model_without_a_loss_says_so():
    model = Sequential([Input((4,)), Dense(1)])
    model.compile("sgd")
    with pytest.raises(ArgumentError, match="there is nothing to minimize"):
        model.fit(X, Y, verbose=0)


# --- memory ---------------------------------------------------------------------------------


def test_models_built_and_trained_again_and_again_are_freed():
    import gc
    import weakref

    references = []
    for _ in range(3):
        model = small()
        model.fit(X, Y, verbose=0)
        model.predict(X, verbose=0)
        references.append(weakref.ref(model))
    del model
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_a_loss_object_and_a_metric_object_may_be_used_by_two_models():
    loss = losses.MeanSquaredError()
    first, second = small(loss=loss), small(loss=loss)
    first.fit(X, Y, verbose=0)
    second.fit(X, Y, verbose=0)
    assert_same(state(first), state(second))


def test_a_list_of_callbacks_made_by_hand_still_gives_a_history():
    model = small()
    history = model.fit(X, Y, verbose=0, epochs=2, callbacks=callbacks.CallbackList([], model=model))
    assert len(history.history["loss"]) == 2

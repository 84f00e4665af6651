"""Callbacks: against those of Keras 3.15.1 on scripted runs, and one by one where ours do more."""

import json
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from keraunos.training.callbacks import (
    BackupAndRestore,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
    tensorboard,
)
from keraunos.training.callbacks.callback_list import plain_logs
from keraunos.training.callbacks.state_file import read_state, write_state
from keraunos.utils.errors import ArgumentError, ModelFileError, UsageError


class Optimizer:
    def __init__(self, learning_rate=0.5):
        self.learning_rate = learning_rate
        self.iterations = 0


class FakeModel:
    """What callbacks use of a model; the weights count the epochs."""

    name, built, metrics = "fake", True, ()

    def __init__(self):
        self.optimizer = Optimizer()
        self.stop_training = False
        self.saved = []
        self.epochs_done = 0
        self._initial_epoch = None
        self.history = None

    def get_weights(self):
        return [np.array([self.epochs_done], "float32")]

    def set_weights(self, weights):
        self.epochs_done = int(weights[0][0])

    def save(self, path, overwrite=True):
        self.saved.append(("model", path))

    def save_weights(self, path, overwrite=True):
        self.saved.append(("weights", path))

    def to_json(self):
        return '{"class_name": "Sequential"}'

    @property
    def weights(self):
        return [types.SimpleNamespace(path="dense/kernel", numpy=lambda: np.arange(6.0).reshape(2, 3))]

    def get_state_tree(self):
        return {"variables": {"w": self.get_weights()[0]}, "counters": {"seed": np.int64(7)}}

    def set_state_tree(self, state):
        self.set_weights([state["variables"]["w"]])


def run(model, callbacks, script, steps=0):
    """A run of ``fit``, of which the script holds the logs of every epoch."""
    listing = CallbackList(callbacks, add_history=True, model=model, verbose=0, epochs=len(script), steps=steps)
    drive(model, listing, script, steps)
    return listing


def drive(model, listing, script, steps=0):
    model.stop_training = False
    listing.on_train_begin()
    logs = {}
    for epoch in range(model._initial_epoch or 0, len(script)):
        listing.on_epoch_begin(epoch)
        logs = script[epoch]
        for batch in range(steps):
            listing.on_train_batch_begin(batch)
            model.optimizer.iterations += 1
            listing.on_train_batch_end(batch, logs)
        model.epochs_done += 1
        listing.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    listing.on_train_end(logs)


def losses(*values, name="val_loss"):
    return [{"loss": 1.0, name: value} for value in values]


# --- the same runs as Keras ------------------------------------------------------------


def _both(ours, theirs, script, capsys, steps=0):
    """What our callback and that of Keras do in the same run."""
    keras = pytest.importorskip("keras")
    results = []
    for make, container in ((ours, CallbackList), (theirs, keras.callbacks.CallbackList)):
        model = FakeModel()
        history = (History if container is CallbackList else keras.callbacks.History)()
        drive(
            model, container([make(), history], model=model, verbose=0, epochs=len(script), steps=steps), script, steps
        )
        rates = [round(rate, 6) for rate in history.history.get("learning_rate", [])]
        results.append(
            {
                "epochs": history.epoch,
                "keys": list(history.history),
                "rates": rates,
                "rate": round(model.optimizer.learning_rate, 6),
                "weights": model.epochs_done,
                "saved": model.saved,
                "text": capsys.readouterr().out,
            }
        )
    return results


def _walk(seed, epochs=25):
    rng = np.random.default_rng(seed)
    return losses(*(1 + np.cumsum(rng.choice([-0.05, 0.02, 0.0], epochs))).round(3).tolist())


EARLY = [
    {},
    {"patience": 2},
    {"patience": 2, "restore_best_weights": True, "verbose": 1},
    {"patience": 3, "min_delta": 0.04, "restore_best_weights": True, "verbose": 1},
    {"patience": 2, "mode": "max", "verbose": 1},
    {"patience": 2, "baseline": 0.9, "restore_best_weights": True, "verbose": 1},
    {"patience": 1, "start_from_epoch": 6, "restore_best_weights": True, "verbose": 1},
    {"patience": 50, "restore_best_weights": True, "verbose": 1},
]


@pytest.mark.parametrize("arguments", EARLY, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_early_stopping_acts_like_that_of_keras(arguments, seed, capsys):
    keras = pytest.importorskip("keras")
    ours, theirs = _both(
        lambda: EarlyStopping(**arguments),
        lambda: keras.callbacks.EarlyStopping(**arguments),
        _walk(seed),
        capsys,
    )
    assert ours == theirs


PLATEAU = [
    {"patience": 1},
    {"patience": 2, "factor": 0.5, "verbose": 1},
    {"patience": 1, "cooldown": 3, "verbose": 1, "factor": 0.5},
    {"patience": 1, "min_lr": 0.1, "factor": 0.5, "verbose": 1},
    {"patience": 2, "min_delta": 0.1, "mode": "max", "factor": 0.9},
]


@pytest.mark.parametrize("arguments", PLATEAU, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_rate_falls_on_a_plateau_like_that_of_keras(arguments, seed, capsys):
    keras = pytest.importorskip("keras")
    ours, theirs = _both(
        lambda: ReduceLROnPlateau(**arguments),
        lambda: keras.callbacks.ReduceLROnPlateau(**arguments),
        _walk(seed),
        capsys,
    )
    assert ours == theirs


CHECKPOINTS = [
    {"filepath": "m.keras"},
    {"filepath": "m-{epoch:02d}-{val_loss:.2f}.keras", "verbose": 1},
    {"filepath": "w{epoch}.weights.h5", "save_weights_only": True, "save_best_only": True, "verbose": 1},
    {"filepath": "m.h5", "save_best_only": True, "mode": "max", "verbose": 1},
    {"filepath": "m.keras", "save_best_only": True, "initial_value_threshold": 0.95, "verbose": 1},
    {"filepath": "m{epoch}-{batch}.keras", "save_freq": 4, "verbose": 1},
]


@pytest.mark.parametrize("arguments", CHECKPOINTS, ids=str)
def test_checkpoints_are_saved_like_those_of_keras(arguments, capsys, tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    ours, theirs = _both(
        lambda: ModelCheckpoint(**arguments),
        lambda: keras.callbacks.ModelCheckpoint(**arguments),
        _walk(3, 7),
        capsys,
        steps=3,
    )
    assert ours["saved"]
    assert ours == theirs


@pytest.mark.parametrize("verbose", [0, 1])
def test_the_rate_is_scheduled_like_that_of_keras(verbose, capsys):
    keras = pytest.importorskip("keras")

    def halve(epoch, rate):
        return rate / 2 if epoch % 2 else rate

    ours, theirs = _both(
        lambda: LearningRateScheduler(halve, verbose),
        lambda: keras.callbacks.LearningRateScheduler(halve, verbose),
        _walk(1, 4),
        capsys,
    )
    assert ours == theirs
    assert ours["rates"] == [0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0])
def test_an_invalid_loss_stops_like_keras(value, capsys):
    keras = pytest.importorskip("keras")
    script = [{"loss": 0.5}, {"loss": value}, {"loss": 0.5}]
    ours, theirs = _both(TerminateOnNaN, keras.callbacks.TerminateOnNaN, script, capsys, steps=1)
    assert ours == theirs


@pytest.mark.parametrize("arguments", [{}, {"separator": ";"}, {"append": True}], ids=str)
def test_a_csv_file_has_the_bytes_of_keras(arguments, capsys, tmp_path):
    keras = pytest.importorskip("keras")
    script = [
        {"loss": 0.5, "acc": 0.1},
        {"loss": 0.25, "acc": 0.2, "val_loss": 3.0},
        {"acc": np.float32(0.1), "loss": np.array([1.0, 2.0])},
    ]
    paths = [tmp_path / name for name in ("ours.csv", "theirs.csv")]
    for _ in range(2):
        _both(
            lambda: CSVLogger(paths[0], **arguments),
            lambda: keras.callbacks.CSVLogger(paths[1], **arguments),
            script,
            capsys,
        )
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(paths[0].read_text().splitlines()) == (7 if arguments.get("append") else 4)


# --- the base class and the list --------------------------------------------------------


def test_callbacks_have_every_hook_of_keras():
    keras = pytest.importorskip("keras")
    hooks = {name for name in dir(keras.callbacks.Callback) if not name.startswith("_")}
    assert hooks <= set(dir(Callback))
    assert all(name in vars(CallbackList) for name in hooks if name.startswith("on_"))


def test_constructors_take_the_arguments_of_keras():
    import inspect

    import keras

    for kind in (
        EarlyStopping,
        ModelCheckpoint,
        LearningRateScheduler,
        CSVLogger,
        TerminateOnNaN,
        BackupAndRestore,
        TensorBoard,
        Callback,
        CallbackList,
    ):
        theirs = inspect.signature(getattr(keras.callbacks, kind.__name__)).parameters
        ours = inspect.signature(kind).parameters
        # An argument of our own may be given by name alone.
        same = [p for p in ours.values() if p.kind is not p.KEYWORD_ONLY]
        assert [(p.name, p.default) for p in same] == [(p.name, p.default) for p in theirs.values()]


def test_a_checkpoint_is_made_every_few_epochs(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.keras", every_epochs=2)
    _classifier().fit(*_data(), epochs=5, verbose=0, callbacks=[checkpoint])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.keras", "4.keras"]
    with pytest.raises(ArgumentError, match="ModelCheckpoint: every_epochs is 0; expected a positive whole number"):
        ModelCheckpoint("best.keras", every_epochs=0)


def test_a_callback_works_without_calling_the_base_constructor():
    class Careless(Callback):
        def __init__(self):
            self.seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append((epoch, logs["loss"], self.model.name, self.params["epochs"]))

    callback = Careless()
    run(FakeModel(), callback, [{"loss": 1.0}, {"loss": 2.0}])
    assert callback.seen == [(0, 1.0, "fake", 2), (1, 2.0, "fake", 2)]


def test_batch_hooks_have_an_older_name():
    class Older(Callback):
        def __init__(self):
            self.seen = []

        def on_batch_begin(self, batch, logs=None):
            self.seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            self.seen.append(("end", batch))

    callback = Older()
    run(FakeModel(), callback, [{"loss": 1.0}], steps=2)
    assert callback.seen == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_what_a_callback_writes_into_logs_reaches_those_after_it():
    class Writer(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = epoch * 10

    listing = run(FakeModel(), [Writer()], losses(1.0, 2.0))
    assert listing.history.history["mine"] == [0, 10]


def test_the_model_can_be_set_as_an_attribute():
    callback = Callback()
    callback.model = "a model"
    assert callback.model == "a model"


def test_logs_become_flat_sorted_python_numbers():
    logs = plain_logs({"b": np.float32(0.5), "a": {"d": np.array(2), "c": 1}, "outputs": {"y": 1}, "word": "x"})
    assert list(logs) == ["c", "d", "b", "outputs", "word"]
    assert [type(value) for value in logs.values()] == [float, float, float, dict, str]


def test_nested_lists_and_gaps_of_callbacks_are_accepted():
    listing = CallbackList([[History()], None, (EarlyStopping(),)])
    assert [type(callback) for callback in listing.callbacks] == [History, EarlyStopping]


def test_default_callbacks_are_added_once():
    mine = History()
    listing = CallbackList([mine], add_history=True, add_progbar=True)
    assert listing.history is mine
    assert [type(callback) for callback in listing.callbacks] == [History, ProgbarLogger]


def test_a_callback_can_be_appended():
    model, callback = FakeModel(), EarlyStopping()
    listing = CallbackList([], model=model, epochs=3)
    listing.append(callback)
    assert (listing.callbacks, callback.model, callback.params) == ([callback], model, {"epochs": 3})


def test_a_class_instead_of_a_callback_is_refused():
    with pytest.raises(ArgumentError, match=r"the class EarlyStopping; make an object of it: EarlyStopping\(\.\.\.\)"):
        CallbackList([EarlyStopping])


@pytest.mark.parametrize(
    ("wrong", "hint"), [(print, "Wrap a function: LambdaCallback"), ("early", "See keraunos.callbacks")]
)
def test_what_is_no_callback_is_refused(wrong, hint):
    with pytest.raises(ArgumentError, match=f"is no Callback. {hint}"):
        CallbackList([wrong])


@pytest.mark.parametrize(
    ("hook", "meant"), [("on_epoch_start", "on_epoch_begin"), ("on_train_batch_ends", "on_train_batch_end")]
)
def test_a_misspelled_hook_is_pointed_out(hook, meant):
    kind = type("Mine", (Callback,), {hook: lambda self, *args: None})
    with pytest.warns(
        UserWarning, match=f"Mine.{hook} is no hook of a callback and is never called. Did you mean '{meant}'"
    ):
        CallbackList([kind()])


def test_an_object_with_some_hooks_will_do():
    class Foreign:
        params = model = epochs = None

        def set_model(self, model):
            self.model = model

        def set_params(self, params):
            self.params = params

        def on_epoch_end(self, epoch, logs=None):
            self.epochs = epoch + 1

    foreign = Foreign()
    run(FakeModel(), foreign, losses(1.0, 2.0), steps=1)
    assert foreign.epochs == 2
    assert not CallbackList(foreign).watches_batches("train")


# --- who watches -------------------------------------------------------------------------


def _with(hook):
    return type("Mine", (Callback,), {hook: lambda self, *args, **kwargs: None})()


@pytest.mark.parametrize(
    ("callback", "modes"),
    [
        (Callback(), ""),
        (_with("on_epoch_end"), ""),
        (_with("on_test_begin"), ""),
        (_with("on_progress"), ""),
        (_with("on_train_batch_begin"), "train"),
        (_with("on_batch_end"), "train"),
        (_with("on_test_batch_end"), "test"),
        (_with("on_predict_batch_begin"), "predict"),
        (LambdaCallback(on_epoch_end=print), ""),
        (LambdaCallback(on_train_batch_end=print), "train"),
        (LambdaCallback(on_test_batch_begin=print), "test"),
        (ProgbarLogger(), ""),
        (History(), ""),
        (EarlyStopping(), ""),
        (TerminateOnNaN(), "train"),
        (ModelCheckpoint("m.keras"), ""),
        (ModelCheckpoint("m.keras", save_freq=3), "train"),
        (BackupAndRestore("b"), ""),
        (BackupAndRestore("b", save_freq=3), "train"),
        (TensorBoard(), ""),
        (TensorBoard(update_freq="batch"), "train"),
    ],
)
def test_only_callbacks_of_batches_ask_for_single_steps(callback, modes):
    listing = CallbackList([callback])
    assert [mode for mode in ("train", "test", "predict") if listing.watches_batches(mode)] == modes.split()


def test_a_subclass_of_a_checkpoint_with_a_batch_hook_asks_for_single_steps():
    class Mine(ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            pass

    assert Mine("m.keras").watches_batches("train")


def test_progress_is_reported_to_those_who_watch():
    seen = []
    listing = CallbackList([LambdaCallback(on_progress=lambda *args: seen.append(args)), History()])
    assert listing.watches_progress
    listing.on_progress("train", 12, {"loss": np.float32(0.5)})
    assert seen == [("train", 12, {"loss": 0.5})]
    assert not CallbackList([History()]).watches_progress


def test_the_progress_bar_watches_when_it_is_drawn():
    watches = [CallbackList(add_progbar=True, verbose=v, epochs=1, steps=3).watches_progress for v in (1, 2)]
    assert watches == [True, False]


# --- small ones ----------------------------------------------------------------------------


def test_functions_become_a_callback():
    seen = []
    hooks = (
        "on_train_begin",
        "on_epoch_begin",
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_epoch_end",
        "on_train_end",
    )
    callback = LambdaCallback(**{hook: lambda *args, hook=hook, logs=None: seen.append(hook) for hook in hooks})
    run(FakeModel(), callback, losses(1.0), steps=1)
    assert tuple(seen) == hooks


def test_a_function_for_no_hook_is_refused():
    with pytest.raises(ArgumentError, match="'on_epoch_finish' is no hook of a callback. Did you mean 'on_epoch_"):
        LambdaCallback(on_epoch_finish=print)
    with pytest.raises(ArgumentError, match="'zzz' is no hook of a callback. Known are: on_batch_begin"):
        LambdaCallback(zzz=print)
    with pytest.raises(ArgumentError, match="on_epoch_end is 3; expected a function"):
        LambdaCallback(on_epoch_end=3)


def test_history_is_the_models_own():
    model = FakeModel()
    listing = run(model, [], losses(1.0, 0.5))
    assert model.history is listing.history
    assert (model.history.epoch, model.history.history["val_loss"]) == ([0, 1], [1.0, 0.5])
    assert model.history.params == {"verbose": 0, "epochs": 2, "steps": 0}


def test_validation_inside_fit_is_silent(capsys):
    listing = CallbackList(add_progbar=True, verbose=1, epochs=1, steps=3)
    listing.on_train_begin()
    listing.on_epoch_begin(0)
    listing.on_test_begin()
    listing.on_progress("test", 3, {"loss": 1.0})
    listing.on_test_end({"loss": 1.0})
    assert capsys.readouterr().out == ""
    listing.on_epoch_end(0, {"loss": 0.5})
    listing.on_train_end()
    listing.on_test_begin()
    listing.on_test_end({"loss": 1.0})
    assert capsys.readouterr().out.count("3/3") == 2


def test_predictions_are_shown_without_values(capsys):
    listing = CallbackList(add_progbar=True, verbose=1, epochs=1, steps=3)
    listing.on_predict_begin()
    listing.on_predict_batch_end(2, {"outputs": np.zeros((2, 2))})
    listing.on_predict_end()
    text = re.sub(r"\x1b\[\d+m|\x08|━", "", capsys.readouterr().out)
    assert re.fullmatch(r"(\r3/3  \d+s \d+\ws/step *){2}\n", text)


def test_csv_rows_need_a_beginning(tmp_path):
    with pytest.raises(UsageError, match="on_epoch_end was called before on_train_begin"):
        CSVLogger(tmp_path / "log.csv").on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(ArgumentError, match="separator is ';;'; expected one character"):
        CSVLogger("log.csv", separator=";;")


# --- monitors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [EarlyStopping, ReduceLROnPlateau, lambda m: ModelCheckpoint("m.keras", m, save_best_only=True)]
)
def test_a_monitor_that_is_not_there_is_named_with_those_that_are(make):
    callback = make("val_los")
    callback.set_model(FakeModel())
    callback.on_epoch_begin(0)
    with pytest.warns(UserWarning, match="Available metrics are: loss,val_loss.*Did you mean 'val_loss'"):
        callback.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})


def test_a_monitor_of_validation_asks_for_validation_data():
    callback = EarlyStopping()
    with pytest.warns(
        UserWarning, match="`val_loss` which is not available.*: loss. Pass validation_data or validation_split"
    ):
        callback.on_epoch_end(0, {"loss": 1.0})


@pytest.mark.parametrize(
    ("monitor", "stops"), [("val_accuracy", 2), ("dense_accuracy", 2), ("val_error", 1), ("a_loss", 1)]
)
def test_the_direction_is_that_of_the_metric(monitor, stops):
    model = FakeModel()
    model.metrics = [
        types.SimpleNamespace(name="accuracy", direction="up"),
        types.SimpleNamespace(name="error", direction="down"),
    ]
    listing = run(model, EarlyStopping(monitor), losses(0.1, 0.2, 0.1, name=monitor))
    assert listing.history.epoch[-1] == stops


def test_an_unknown_direction_is_asked_for():
    model = FakeModel()
    model.metrics = [types.SimpleNamespace(name="mine", direction=None)]
    with pytest.raises(ArgumentError, match="monitor='val_mine'.*Pass mode='max' or mode='min'"):
        run(model, EarlyStopping("val_mine"), losses(1.0, name="val_mine"))


def test_an_unknown_mode_falls_back_to_auto():
    with pytest.warns(
        UserWarning, match="EarlyStopping mode 'mx' is unknown, fallback to auto mode. Did you mean 'max'"
    ):
        assert EarlyStopping(mode="mx").mode == "auto"


@pytest.mark.parametrize("wrong", ["0.1", float("nan")])
def test_a_wrong_min_delta_is_refused(wrong):
    with pytest.raises(ArgumentError, match="EarlyStopping: min_delta is .*; expected a number"):
        EarlyStopping(min_delta=wrong)


def test_nan_is_never_the_best_value():
    model = FakeModel()
    callback = EarlyStopping(patience=3, restore_best_weights=True)
    run(model, callback, losses(float("nan"), 2.0, 1.0, float("nan")))
    assert (callback.best, callback.best_epoch, model.epochs_done) == (1.0, 2, 3)


def test_a_factor_of_one_is_refused():
    with pytest.raises(ArgumentError, match="factor is 1.5; a learning rate is reduced by a factor below 1"):
        ReduceLROnPlateau(factor=1.5)


def test_a_schedule_may_take_the_epoch_alone():
    model = FakeModel()
    run(model, LearningRateScheduler(lambda epoch: 1.0 / (epoch + 1)), losses(1.0, 1.0))
    assert model.optimizer.learning_rate == 0.5


def test_an_error_inside_a_schedule_is_not_hidden():
    def broken(epoch, rate):
        return rate + None

    with pytest.raises(TypeError, match="unsupported operand"):
        run(FakeModel(), LearningRateScheduler(broken), losses(1.0))


@pytest.mark.parametrize("wrong", [None, "0.1", float("nan"), [0.1]])
def test_a_schedule_returns_a_number(wrong):
    with pytest.raises(ArgumentError, match="The output of the `schedule` function should be a float. Got: "):
        run(FakeModel(), LearningRateScheduler(lambda epoch, rate: wrong), losses(1.0))
    with pytest.raises(ArgumentError, match="schedule is 0.1; expected a function of epoch and learning rate"):
        LearningRateScheduler(0.1)


def test_an_invalid_loss_may_raise():
    with pytest.raises(UsageError, match="NaN or Inf loss encountered at batch 0. Loss value: nan"):
        run(FakeModel(), TerminateOnNaN(raise_error=True), [{"loss": float("nan")}], steps=2)


# --- checkpoints --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filepath": "m.weights"}, "'m.weights'; a file of a model must end in .keras or .h5"),
        ({"filepath": "m.keras", "save_weights_only": True}, "'m.keras'; a file of weights must end in .h5 or .hdf5"),
        ({"filepath": "m.keras", "save_freq": "batch"}, "save_freq is 'batch'; expected 'epoch' or a positive number"),
        ({"filepath": "m.keras", "save_freq": 0}, "save_freq is 0; expected 'epoch'"),
    ],
)
def test_a_wrong_checkpoint_is_refused(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        ModelCheckpoint(**arguments)


def test_a_path_with_an_unknown_value_is_refused():
    with pytest.raises(
        ArgumentError, match="asks for 'val_los', which is not among the values epoch, loss, val_loss. Did you mean"
    ):
        run(FakeModel(), ModelCheckpoint("{val_los}.keras"), losses(1.0))


def test_a_checkpoint_over_a_folder_is_refused(tmp_path):
    (tmp_path / "m.keras").mkdir()
    with pytest.raises(ArgumentError, match="m.keras' is a folder; give the name of a file"):
        run(FakeModel(), ModelCheckpoint(tmp_path / "m.keras"), losses(1.0))


def test_a_checkpoint_makes_its_folder(tmp_path):
    run(FakeModel(), ModelCheckpoint(tmp_path / "deep" / "er" / "m.keras"), losses(1.0))
    assert (tmp_path / "deep" / "er").is_dir()


def test_a_monitor_that_is_no_number_is_saved_anyway():
    model = FakeModel()
    with pytest.warns(UserWarning, match="only when `monitor` is a scalar value"):
        run(model, ModelCheckpoint("m.keras", save_best_only=True), [{"val_loss": np.zeros(2)}])
    assert model.saved == [("model", "m.keras")]


# --- backup -----------------------------------------------------------------------------------


class Killed(Exception):
    pass


def _kill_at(epoch):
    def hook(number, logs=None):
        if number == epoch:
            raise Killed

    return LambdaCallback(on_epoch_begin=hook)


def test_a_killed_run_goes_on_with_all_that_it_knew(tmp_path):
    script = losses(1.0, 0.5, 0.6, 0.7, 0.8, 0.4)
    whole, stopping = FakeModel(), EarlyStopping(patience=3, restore_best_weights=True)
    run(whole, stopping, script)
    with pytest.raises(Killed):
        run(
            FakeModel(),
            [BackupAndRestore(tmp_path), EarlyStopping(patience=3, restore_best_weights=True), _kill_at(3)],
            script,
        )
    model, again = FakeModel(), EarlyStopping(patience=3, restore_best_weights=True)
    listing = run(model, [BackupAndRestore(tmp_path), again], script)
    assert listing.history.epoch == [3, 4]
    assert (again.best_epoch, again.stopped_epoch) == (stopping.best_epoch, stopping.stopped_epoch) == (1, 4)
    assert model.epochs_done == whole.epochs_done == 2


def test_a_backup_is_removed_at_the_end_but_files_of_others_stay(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    run(FakeModel(), BackupAndRestore(tmp_path / "b"), losses(1.0))
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["notes.txt"]
    run(FakeModel(), BackupAndRestore(tmp_path / "c"), losses(1.0))
    assert not (tmp_path / "c").exists()


def test_a_backup_can_be_kept(tmp_path):
    model = FakeModel()
    run(model, BackupAndRestore(tmp_path, delete_checkpoint=False), losses(1.0, 1.0))
    assert model._initial_epoch is None
    assert read_state(tmp_path / "latest.npz")["epoch"] == 2


def test_backups_can_be_made_every_few_batches(tmp_path):
    with pytest.raises(Killed):
        run(FakeModel(), [BackupAndRestore(tmp_path, save_freq=3), _kill_at(1)], losses(1.0, 1.0), steps=4)
    assert read_state(tmp_path / "latest.npz")["epoch"] == 0


def _killed_with_two(tmp_path):
    with pytest.raises(Killed):
        run(FakeModel(), [BackupAndRestore(tmp_path, double_checkpoint=True), _kill_at(3)], losses(*[1.0] * 5))


def test_a_damaged_backup_gives_way_to_the_one_before(tmp_path):
    _killed_with_two(tmp_path)
    (tmp_path / "latest.npz").write_bytes((tmp_path / "latest.npz").read_bytes()[:200])
    with pytest.warns(UserWarning, match="latest.npz is damaged.*Going on from the backup before"):
        listing = run(FakeModel(), BackupAndRestore(tmp_path), losses(*[1.0] * 5))
    assert listing.history.epoch == [2, 3, 4]


def test_a_lost_backup_gives_way_to_the_one_before(tmp_path):
    _killed_with_two(tmp_path)
    (tmp_path / "latest.npz").unlink()
    assert run(FakeModel(), BackupAndRestore(tmp_path), losses(*[1.0] * 5)).history.epoch == [2, 3, 4]


@pytest.mark.parametrize(
    "damage", [lambda b: b[:100], lambda b: b"", lambda b: b[:150] + b"?" + b[151:], lambda b: b"PK" + b[5:]]
)
def test_a_damaged_backup_alone_is_refused(tmp_path, damage):
    write_state(tmp_path / "latest.npz", FakeModel().get_state_tree())
    (tmp_path / "latest.npz").write_bytes(damage((tmp_path / "latest.npz").read_bytes()))
    with pytest.raises(ModelFileError, match="latest.npz is damaged, or was not written by Keraunos .*Delete it"):
        run(FakeModel(), BackupAndRestore(tmp_path), losses(1.0))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"v": np.zeros(5)},
            r"is of another model: variables/v of shape \(5,\) against variables/w of shape \(1,\). Give",
        ),
        ({"v": np.zeros(1), "b": np.zeros(2)}, r"another model: variables/b of shape \(2,\) against counters/seed"),
        ({}, r"another model: counters/seed of shape \(\) against variables/w of shape \(1,\)"),
    ],
)
def test_a_backup_of_another_model_is_refused(tmp_path, variables, words):
    state = {"variables": variables, "counters": {"seed": np.int64(7)}}
    write_state(tmp_path / "latest.npz", {"epoch": 1, "model": state, "others": []})
    with pytest.raises(ArgumentError, match=words):
        run(FakeModel(), BackupAndRestore(tmp_path), losses(1.0))


def test_a_backup_needs_a_folder():
    with pytest.raises(ArgumentError, match="backup_dir is empty; give the path of a folder"):
        BackupAndRestore("")
    with pytest.raises(ArgumentError, match="BackupAndRestore: save_freq is -1; expected 'epoch'"):
        BackupAndRestore("b", save_freq=-1)


def test_a_state_comes_back_from_its_file_as_it_was(tmp_path):
    import ml_dtypes

    state = {
        "a/b": np.arange(6, dtype="float32").reshape(2, 3),
        "half": np.array([1.5, 2.5], ml_dtypes.bfloat16),
        "more": [1, 2.5, None, True, "text", (np.int64(3), float("inf"))],
        "empty": {},
    }
    write_state(tmp_path / "s.npz", state)
    back = read_state(tmp_path / "s.npz")
    assert list(back) == list(state)
    np.testing.assert_array_equal(back["a/b"], state["a/b"])
    np.testing.assert_array_equal(back["half"], state["half"])
    assert back["half"].dtype == ml_dtypes.bfloat16
    assert back["more"][:5] == state["more"][:5]
    assert back["more"][5] == (3, float("inf"))


def test_a_state_of_objects_is_refused(tmp_path):
    with pytest.raises(
        ArgumentError, match=r"the state\['f'\]\[1\] is a object; a backup holds arrays, numbers and texts"
    ):
        write_state(tmp_path / "s.npz", {"f": [1, object()]})
    assert not list(tmp_path.iterdir())


# --- TensorBoard -------------------------------------------------------------------------------


def _events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def _scalars(events, tag):
    from tensorboard.util.tensor_util import make_ndarray

    return [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]


def test_epochs_are_written_for_tensorboard(tmp_path):
    callback = TensorBoard(tmp_path, histogram_freq=2, write_steps_per_second=True)
    run(FakeModel(), callback, losses(0.5, 0.25, 0.125), steps=2)
    train, validation = _events(tmp_path / "train"), _events(tmp_path / "validation")
    assert _scalars(train, "epoch_loss") == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert _scalars(train, "epoch_learning_rate") == [(0, 0.5), (1, 0.5), (2, 0.5)]
    assert all(pace > 0 for _, pace in _scalars(train, "epoch_steps_per_second"))
    assert _scalars(validation, "epoch_loss") == [(0, 0.5), (1, 0.25), (2, 0.125)]
    assert [event.step for event in train.Tensors("dense/kernel/histogram")] == [0, 2]
    assert train.PluginTagToContent("scalars").keys() >= {"epoch_loss"}
    assert train.Tensors("keras")[0].tensor_proto.string_val[0] == b'{"class_name": "Sequential"}'
    assert "tensorflow" not in sys.modules


def test_a_rate_that_cannot_be_read_is_left_out(tmp_path):
    class Fixed:
        @property
        def learning_rate(self):
            raise UsageError("fixed")

    model = FakeModel()
    model.optimizer = Fixed()
    run(model, TensorBoard(tmp_path), losses(0.5))
    assert "epoch_learning_rate" not in _events(tmp_path / "train").Tags()["tensors"]


def test_a_histogram_has_thirty_buckets_and_every_finite_weight(tmp_path):
    from tensorboard.util.tensor_util import make_ndarray

    model = FakeModel()
    callback = TensorBoard(tmp_path, histogram_freq=1)
    run(model, callback, losses(0.5))
    buckets = make_ndarray(_events(tmp_path / "train").Tensors("dense/kernel/histogram")[0].tensor_proto)
    assert buckets.shape == (30, 3)
    assert (buckets[0, 0], buckets[-1, 1], buckets[:, 2].sum()) == (0, 5, 6)


def test_batches_are_written_for_tensorboard(tmp_path):
    run(FakeModel(), TensorBoard(tmp_path, update_freq=3, write_graph=False), losses(0.5, 0.5), steps=4)
    train = _events(tmp_path / "train")
    assert [step for step, _ in _scalars(train, "batch_loss")] == [3, 6]
    assert "keras" not in train.Tags()["tensors"]


def test_evaluations_are_written_for_tensorboard(tmp_path):
    model = FakeModel()
    model.optimizer.iterations = 40
    listing = CallbackList(TensorBoard(tmp_path), model=model, steps=1)
    listing.on_test_begin()
    listing.on_test_end({"loss": 0.5})
    assert _scalars(_events(tmp_path / "validation"), "evaluation_loss_vs_iterations") == [(40, 0.5)]


def test_a_model_that_cannot_be_written_as_json_is_trained_all_the_same(tmp_path):
    model = FakeModel()
    model.to_json = lambda: json.dumps({"f": print})
    with pytest.warns(UserWarning, match="the model cannot be written as JSON, so no graph is shown"):
        run(model, TensorBoard(tmp_path), losses(0.5))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"write_images": True}, "write_images is True, but this is not supported. Weights as pictures"),
        ({"profile_batch": 2}, "profile_batch is 2, but this is not supported. Use the engine's own profiler"),
        ({"embeddings_freq": 1}, "embeddings_freq is 1, but this is not supported. The projector"),
        ({"embeddings_metadata": "x"}, "embeddings_metadata is 'x', but this is not supported"),
        ({"update_freq": "step"}, "update_freq is 'step'; expected 'epoch', 'batch' or a number of batches"),
        ({"update_freq": 0}, "update_freq is 0; expected"),
        ({"histogram_freq": -1}, "histogram_freq is -1; expected a number of epochs, or 0"),
    ],
)
def test_what_tensorboard_cannot_do_is_refused(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        TensorBoard(**arguments)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(tensorboard, "_packages", [])
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(UsageError, match="the package tensorboard.*Install it: pip install tensorboard"):
        TensorBoard()


# --- in a real fit ------------------------------------------------------------------------------

ALL_HOOKS = sorted(name for name in dir(Callback) if name.startswith("on_") and name != "on_progress")


def _recorder(base, log, hooks):
    def record(name):
        def hook(self, *args, logs=None):
            *position, logs = (*args, logs) if "_batch_" in name else args
            log.append((name, *position, sorted(logs)))

        return hook

    return type("Recorder", (base,), {name: record(name) for name in hooks})()


def _data(rows=12):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 3)).astype("float32"), rng.integers(0, 2, (rows, 1)).astype("float32")


def _hooks_of(library, base, hooks):
    log = []
    x, y = _data()
    model = library.Sequential([library.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    recorder = _recorder(base, log, hooks)
    model.fit(x, y, batch_size=4, epochs=2, validation_data=(x[:7], y[:7]), verbose=0, callbacks=[recorder])
    model.evaluate(x, y, batch_size=5, verbose=0, callbacks=[recorder])
    model.predict(x, batch_size=7, verbose=0, callbacks=[recorder])
    return log


def test_hooks_are_called_as_keras_calls_them():
    import keraunos

    keras = pytest.importorskip("keras")
    hooks = [name for name in ALL_HOOKS if not name.startswith("on_batch")]
    assert _hooks_of(keraunos, Callback, hooks) == _hooks_of(keras, keras.callbacks.Callback, hooks)


def test_without_batch_hooks_the_others_come_in_the_same_order():
    import keraunos

    every = [name for name in ALL_HOOKS if not name.startswith("on_batch")]
    few = [name for name in every if "_batch_" not in name]
    assert _hooks_of(keraunos, Callback, few) == [
        call for call in _hooks_of(keraunos, Callback, every) if "_batch_" not in call[0]
    ]


def _classifier(seed=3):
    import keraunos

    keraunos.utils.set_random_seed(seed)
    layers = [keraunos.layers.Dense(4, activation="tanh"), keraunos.layers.Dropout(0.5), keraunos.layers.Dense(1)]
    model = keraunos.Sequential([keraunos.Input((3,)), *layers])
    model.compile(keraunos.optimizers.Adam(0.1), "mse")
    return model


KILLED = """
import os, signal, sys
from test_callbacks import _classifier, _data
from keraunos.training.callbacks import BackupAndRestore, LambdaCallback, ReduceLROnPlateau
def kill(epoch, logs=None):
    if epoch == 4:
        os.kill(os.getpid(), signal.SIGKILL)
plateau = ReduceLROnPlateau("loss", patience=1, min_delta=9)
callbacks = [BackupAndRestore(sys.argv[1]), plateau, LambdaCallback(on_epoch_begin=kill)]
_classifier().fit(*_data(), batch_size=4, epochs=7, verbose=0, callbacks=callbacks)
"""


def test_a_run_that_was_killed_hard_ends_with_the_same_weights(tmp_path):
    whole, resumed = _classifier(), _classifier(seed=4)
    plateau = [ReduceLROnPlateau("loss", patience=1, min_delta=9) for _ in range(2)]
    expected = whole.fit(*_data(), batch_size=4, epochs=7, verbose=0, callbacks=plateau[:1])
    program = [sys.executable, "-W", "error", "-c", KILLED, str(tmp_path)]
    done = subprocess.run(program, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    history = resumed.fit(
        *_data(), batch_size=4, epochs=7, verbose=0, callbacks=[BackupAndRestore(tmp_path), plateau[1]]
    )
    assert history.epoch == [4, 5, 6]
    assert history.history["loss"] == expected.history["loss"][4:]
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate) < 0.1
    assert resumed.fit(*_data(), epochs=1, verbose=0).epoch == [0]


def test_early_stopping_restores_the_weights_of_a_real_model():
    model = _classifier()
    kept = {}
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.update({epoch: model.get_weights()}))
    scripted = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(value=[3.0, 1.0, 2.0, 2.0][epoch]))
    stopping = EarlyStopping("value", patience=2, mode="min", restore_best_weights=True)
    history = model.fit(*_data(), epochs=9, verbose=0, callbacks=[keep, scripted, stopping])
    assert history.epoch == [0, 1, 2, 3]
    for ours, theirs in zip(model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_scheduled_rate_is_obeyed():
    model = _classifier()
    before = model.get_weights()
    history = model.fit(*_data(), epochs=2, verbose=0, callbacks=LearningRateScheduler(lambda epoch, rate: 0.0))
    assert history.history["learning_rate"] == [0.0, 0.0]
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_checkpoint_of_a_real_model_can_be_loaded(tmp_path):
    from keraunos.saving import load_model

    model = _classifier()
    model.fit(*_data(), epochs=2, verbose=0, callbacks=ModelCheckpoint(tmp_path / "{epoch}.keras"))
    again = load_model(tmp_path / "2.keras")
    np.testing.assert_array_equal(again.predict(_data()[0], verbose=0), model.predict(_data()[0], verbose=0))


def test_the_accuracy_of_a_real_model_is_maximized():
    import keraunos

    x, y = _data()
    model = keraunos.Sequential([keraunos.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy", keraunos.metrics.AUC(name="auc"), "mae"])
    followers = [EarlyStopping(name, patience=9) for name in ("accuracy", "auc", "mae", "loss")]
    model.fit(x, y, epochs=2, verbose=0, callbacks=followers)
    assert [follower.improves(1.0, 0.0) for follower in followers] == [True, True, False, False]


def test_a_real_model_is_written_for_tensorboard(tmp_path):
    model = _classifier()
    model.fit(*_data(), epochs=1, verbose=0, callbacks=TensorBoard(tmp_path, 1, update_freq="batch"))
    train = _events(tmp_path / "train")
    histograms = [f"{weight.path}/histogram" for weight in model.weights]
    assert {"epoch_loss", "batch_loss", "keras", *histograms} <= set(train.Tags()["tensors"])
    assert len(histograms) == 4


def test_a_real_fit_prints_the_frames_of_keras(capsys):
    model = _classifier()
    x, y = _data()
    model.fit(x, y, batch_size=4, epochs=2, validation_data=(x, y))
    text = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    time, number = r"\d+(s|ms|us)", r"\d\.\d{4}(e-\d\d)?"
    first = rf"\r\d/3 ━{{20}} {time} {time}/step - loss: {number} *"
    frame = rf"(\x08+\r\d/3 ━{{20}} {time} {time}/step - loss: {number} *)*"
    last = rf"\x08+\r3/3 ━{{20}} {time} {time}/step - loss: {number} - val_loss: {number} *\n"
    assert re.fullmatch("".join(f"Epoch {epoch}/2\n{first}{frame}{last}" for epoch in (1, 2)), text), repr(text)

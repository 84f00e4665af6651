"""Callbacks as Keras 1 and 2 had them: patience, names of files, printed epochs, what they are handed."""

import json

import numpy as np
import pytest

from keraunos import callbacks, layers, models
from keraunos.eras import backend as K
from keraunos.eras.callbacks import BaseLogger
from keraunos.eras.install import install_as_keras, uninstall_keras
from keraunos.utils import spelling
from keraunos.utils.errors import DataError
from keraunos.utils.spelling import in_era


class Dummy:
    """What a callback needs of a model."""

    stop_training = False
    weights = None
    saved: list

    def __init__(self):
        self.saved = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path):
        self.saved.append(path)


def run(era, callback, values, monitor="val_loss"):
    """Epochs that a callback lets pass."""
    callback.model = Dummy()
    with in_era(era):
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            callback.model.weights = epoch
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, {monitor: value})
            if callback.model.stop_training:
                break
        callback.on_train_end()
    return epoch + 1


def made(era, name, *args, **kwargs):
    with in_era(era):
        return getattr(callbacks, name)(*args, **kwargs)


@pytest.mark.parametrize("era, patience, epochs", [(1, 0, 2), (2, 0, 2), (1, 1, 3), (2, 1, 2), (1, 2, 4), (2, 2, 3)])
def test_keras_1_waited_one_epoch_more(era, patience, epochs):
    assert run(era, made(era, "EarlyStopping", patience=patience), [1.0] * 9) == epochs


@pytest.mark.parametrize("values, epochs", [([0.55, 0.76, 0.81, 0.81], 4), ([0.55, 0.74, 0.81, 0.81], 2)])
def test_a_baseline_was_the_best_value_to_begin_with(values, epochs):
    stop = made(2, "EarlyStopping", monitor="val_acc", baseline=0.75, patience=2)
    assert run(2, stop, values, "val_acc") == epochs


def test_weights_were_gone_back_to_where_the_run_was_stopped(capsys):
    stop = made(2, "EarlyStopping", patience=2, restore_best_weights=True, verbose=1)
    assert run(2, stop, [0.2, 0.1, 0.15, 0.15]) == 4
    assert stop.model.weights == 1
    said = "Restoring model weights from the end of the best epoch\nEpoch 00004: early stopping\n"
    assert capsys.readouterr().out == said
    stop = made(2, "EarlyStopping", patience=5, restore_best_weights=True)
    run(2, stop, [0.2, 0.1, 0.15])
    assert stop.model.weights == 2


@pytest.mark.parametrize(
    "era, files, said",
    [
        (1, ["w00.h5", "w01.h5"], "Epoch 00001: val_loss improved from 2.00000 to 1.00000, saving model to w01.h5"),
        (2, ["w01.h5", "w02.h5"], "Epoch 00002: val_loss improved from 2.00000 to 1.00000, saving model to w02.h5"),
    ],
)
def test_a_checkpoint_counts_and_speaks_as_it_did(era, files, said, capsys):
    checkpoint = made(era, "ModelCheckpoint", "w{epoch:02d}.h5", save_best_only=True, verbose=1)
    run(era, checkpoint, [2.0, 1.0, 1.5])
    assert checkpoint.model.saved == files
    out = capsys.readouterr().out
    assert said in out
    assert "improved from inf to 2.00000" in out
    assert "finished" not in out


def test_a_checkpoint_had_any_name():
    assert made(2, "ModelCheckpoint", "weights.best").filepath == "weights.best"
    with pytest.raises(ValueError, match=r"must end in \.keras"):
        callbacks.ModelCheckpoint("weights.best")


@pytest.mark.parametrize("era, epoch", [(1, 3), (2, 2)])
def test_a_plateau_is_waited_out_as_it_was(era, epoch):
    with in_era(era):
        model = models.Sequential([layers.Dense(1, input_shape=(2,))])
        model.compile("sgd", "mse")
        plateau = callbacks.ReduceLROnPlateau(factor=0.5, patience=2)
    plateau.model, rates = model, []
    with in_era(era):
        plateau.on_train_begin()
        for number in range(4):
            plateau.on_epoch_end(number, {"val_loss": 1.0})
            rates.append(float(model.optimizer.learning_rate))
    assert [rate < 0.009 for rate in rates].index(True) == epoch


@pytest.mark.parametrize("name, upward", [("val_acc", True), ("val_fmeasure", True), ("val_mine", False)])
def test_the_direction_of_a_value_was_known_by_its_name(name, upward):
    stop = made(2, "EarlyStopping", monitor=name, patience=1)
    assert run(2, stop, [0.5, 0.6, 0.7, 0.8], name) == (4 if upward else 2)


def test_callbacks_find_the_validation_data():
    x, y = np.zeros((4, 2), "float32"), np.ones((4, 1), "float32")
    seen = callbacks.LambdaCallback()
    with in_era(2):
        model = models.Sequential([layers.Dense(1, input_shape=(2,))])
        model.compile("sgd", "mse")
        model.fit(x, y, validation_data=(x, y), callbacks=[seen], verbose=0)
    assert seen.validation_data[0] is x
    assert seen.validation_data[1] is y
    assert seen.validation_data[2].tolist() == [1, 1, 1, 1]


def test_a_base_logger_takes_means_by_the_size_of_batches():
    logger = BaseLogger(stateful_metrics=["count"])
    logger.set_params({"metrics": ["loss", "count"]})
    logger.on_epoch_begin(0)
    logger.on_batch_end(0, {"size": 3, "loss": 1.0, "count": 5})
    logger.on_batch_end(1, {"size": 1, "loss": 5.0, "count": 9})
    logs = {}
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0, "count": 9}


@pytest.mark.parametrize("as_json", [True, False])
def test_a_monitor_far_away_is_told_of_every_epoch(as_json, monkeypatch):
    class Requests:
        class exceptions:
            RequestException = OSError

        sent: list = []

        @classmethod
        def post(cls, url, headers=None, **body):
            cls.sent.append((url, body))
            if headers == "fail":
                raise OSError

    monkeypatch.setitem(__import__("sys").modules, "requests", Requests)
    monitor = callbacks.RemoteMonitor(send_as_json=as_json)
    monitor.on_epoch_end(3, {"loss": np.float32(0.5)})
    url, body = Requests.sent[-1]
    assert url == "http://localhost:9000/publish/epoch/end/"
    assert (body["json"] if as_json else json.loads(body["data"]["data"])) == {"epoch": 3, "loss": 0.5}
    monitor.headers = "fail"
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor root server"):
        monitor.on_epoch_end(4)


def test_weights_are_pictures_and_outputs_tables_for_the_projector(tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("PIL")
    x, y = np.zeros((4, 2), "float32"), np.ones((4, 3), "float32")
    keras = install_as_keras(2)
    try:
        model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(2,), name="dense")])
        model.compile("sgd", "mse")
        board = keras.callbacks.TensorBoard(
            str(tmp_path),
            1,
            write_images=True,
            write_grads=True,
            embeddings_freq=1,
            embeddings_layer_names=["dense"],
            embeddings_data=x,
        )
        model.fit(x, y, validation_data=(x, y), callbacks=[board], verbose=0)
        with pytest.raises(DataError, match="validation_data must be provided"):
            model.fit(x, y, callbacks=[keras.callbacks.TensorBoard(str(tmp_path), 1)], verbose=0)
        with pytest.raises(DataError, match="embeddings_data must be provided"):
            model.fit(x, y, callbacks=[keras.callbacks.TensorBoard(str(tmp_path), embeddings_freq=1)], verbose=0)
    finally:
        uninstall_keras()
    assert np.allclose(np.loadtxt(tmp_path / "dense.tsv"), model.predict(x, verbose=0))
    assert 'tensor_path: "dense.tsv"' in (tmp_path / "projector_config.pbtxt").read_text()
    written = b"".join(file.read_bytes() for file in (tmp_path / "train").iterdir())
    assert written.count(b"\x89PNG") == 2
    assert written.count(b"dense/kernel/gradient") == written.count(b"dense/bias/gradient") == 1
    assert callbacks.TensorBoard is not type(board)


def test_an_optimizer_of_the_users_own_has_its_rate_under_the_name_of_the_era():
    class Own:
        lr = K.variable(1.0)

    class Holder:
        optimizer = Own()

    with in_era(2):
        with pytest.warns(UserWarning, match="`epsilon` argument is deprecated"):
            plateau = callbacks.ReduceLROnPlateau(patience=1, factor=0.5, epsilon=1e-3)
        plateau.model = Holder()
        for epoch, loss in enumerate([1.0, 2.0]):
            plateau.on_epoch_end(epoch, {"val_loss": loss})
    assert (plateau.min_delta, float(Own.lr.numpy())) == (1e-3, 0.5)


def test_files_for_tensorboard_are_closed_where_training_ends_in_an_error(tmp_path):
    def stumble(epoch, logs):
        raise RuntimeError("stumbled")

    model = models.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    board = callbacks.TensorBoard(tmp_path)
    with pytest.raises(RuntimeError, match="stumbled"):
        model.fit(
            np.ones((3, 2)), np.ones(3), callbacks=[board, callbacks.LambdaCallback(on_epoch_end=stumble)], verbose=0
        )
    assert board._writers == {}


def test_auto_says_that_it_takes_a_value_it_does_not_know_for_an_error(caplog):
    spelling.forget_notes()
    for name, said in (("val_precision", True), ("val_rmse", False), ("val_acc", False)):
        caplog.clear()
        callback = callbacks.EarlyStopping(monitor=name, patience=3)
        run(2, callback, [1.0, 2.0], name)
        assert callback.best == (2.0 if name == "val_acc" else 1.0)
        notes = [record.getMessage() for record in caplog.records if "takes" in record.getMessage()]
        assert bool(notes) == said
        assert all("pass mode='max'" in note for note in notes)

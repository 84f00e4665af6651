"""Models and weights written and read back: by us, by real Keras 3, and by us from real Keras."""

import contextlib
import copy
import errno
import io
import json
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import keraunos
from keraunos import layers, saving
from keraunos.saving.hdf5 import read_hdf5
from keraunos.training.callbacks.state_file import write_state
from keraunos.utils.errors import ArgumentError, ModelFileError, UsageError, WriteError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # those of real Keras

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(12, 2)).astype("float32")


def dense(k: Any = keraunos) -> Any:
    stack = [k.layers.Input((4,)), k.layers.Dense(5, activation="relu"), k.layers.Dense(2)]
    return k.Sequential(stack)


def same_weights(one: Any, other: Any) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(first, second) for first, second in pairs)


def predictions(model: Any, inputs: Any) -> list[np.ndarray]:
    outputs = model(inputs)
    values = (
        outputs if isinstance(outputs, (list, tuple)) else outputs.values() if isinstance(outputs, dict) else [outputs]
    )
    return [np.asarray(value) for value in values]


# --- the same models in Keras' words, for either library -------------------------------------


def images(k: Any) -> Any:
    layer = k.layers
    return k.Sequential([
        layer.Input((8, 8, 2)),
        layer.Conv2D(3, 3, padding="same", strides=2, kernel_regularizer="l2"),
        layer.BatchNormalization(),
        layer.LeakyReLU(0.1),
        layer.MaxPooling2D(2),
        layer.UpSampling2D(2),
        layer.ZeroPadding2D(1),
        layer.PReLU(),
        layer.SpatialDropout2D(0.2),
        layer.GlobalAveragePooling2D(),
        layer.Dense(3, activation="softmax", kernel_initializer=k.initializers.HeNormal(seed=3)),
    ])  # fmt: skip


def sequences(k: Any) -> Any:
    layer = k.layers
    return k.Sequential([
        layer.Input((6,), dtype="int32"),
        layer.Embedding(9, 4, mask_zero=True),
        layer.Bidirectional(layer.LSTM(3, return_sequences=True, dropout=0.1)),
        layer.GRU(3, return_sequences=True, reset_after=True),
        layer.SimpleRNN(3, return_sequences=True, go_backwards=True),
        layer.TimeDistributed(layer.Dense(2, activation="tanh")),
        layer.LayerNormalization(),
        layer.RNN([layer.LSTMCell(2), layer.GRUCell(3)]),
        layer.Dense(2),
    ])  # fmt: skip


def small(k: Any) -> Any:
    layer = k.layers
    return k.Sequential([
        layer.Input((4, 3)),
        layer.Permute((2, 1)),
        layer.Conv1D(4, 2, dilation_rate=2, padding="causal"),
        layer.AveragePooling1D(1),
        layer.ELU(),
        layer.GaussianNoise(0.1),
        layer.Flatten(),
        layer.Dropout(0.5),
        layer.RepeatVector(2),
        layer.Reshape((4, 6)),
        layer.Activation("swish"),
        layer.Softmax(),
        layer.ReLU(max_value=1.0),
    ])  # fmt: skip


def graph(k: Any) -> Any:
    layer = k.layers
    a, b = layer.Input((4,), name="a"), layer.Input((4,), name="b")
    shared = layer.Dense(3, activation="tanh", name="shared")
    inner_input = layer.Input((3,))
    inner = k.Model(inner_input, layer.Dense(2, name="deep")(inner_input), name="inner")
    stack = k.Sequential([layer.Input((3,)), layer.Dense(2), layer.BatchNormalization()], name="stack")
    left, right = shared(a), shared(b)
    merged = layer.Concatenate()([inner(left), stack(right), inner(right)])
    summed = layer.Add()([left, right])
    return k.Model([a, b], [layer.Dense(2, name="one")(merged), layer.Dot(1, name="two")([summed, left])], name="graph")


def operators(k: Any) -> Any:
    inputs = k.layers.Input((4,))
    hidden = k.layers.Dense(3)(inputs)
    return k.Model(inputs, k.ops.relu(hidden * 2.0 + 1.0) - hidden / 4.0)


def functions(k: Any) -> Any:
    inputs = k.layers.Input((4,))
    hidden = k.layers.Dense(3)(inputs)
    hidden = k.ops.concatenate([k.ops.abs(hidden), k.ops.softmax(hidden, axis=-1), hidden[:, 1:]], axis=-1)
    return k.Model(inputs, k.ops.mean(k.ops.reshape(hidden, (-1, 2, 4)), axis=1, keepdims=True) ** 2)


def dicts(k: Any) -> Any:
    inputs = {"a": k.layers.Input((4,), name="a"), "b": k.layers.Input((4,), name="b")}
    return k.Model(inputs, {"out": k.layers.Dense(2, name="out")(k.layers.Subtract()([inputs["a"], inputs["b"]]))})


def frozen(k: Any) -> Any:
    model = dense(k)
    model.layers[0].trainable = False
    return model


def stateful(k: Any) -> Any:
    layer = k.layers
    return k.Sequential([layer.Input(batch_shape=(12, 4, 1)), layer.LSTM(2, stateful=True), layer.Dense(2)])


def inputs_of(name: str) -> Any:
    draw = np.random.default_rng(5)
    return {
        "images": draw.normal(size=(2, 8, 8, 2)).astype("float32"),
        "sequences": np.array([[1, 2, 3, 4, 0, 0], [5, 6, 7, 8, 1, 2]], "int32"),
        "small": draw.normal(size=(2, 4, 3)).astype("float32"),
        "graph": [X, X[::-1].copy()],
        "dicts": {"a": X, "b": X[::-1].copy()},
    }.get(name, X)


MODELS: list[Callable[[Any], Any]] = [dense, images, sequences, small, graph, dicts, frozen]


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_real_keras_reads_our_archive(make: Any, keras: Any, tmp_path: Path) -> None:
    ours = make(keraunos)
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    for mine, real in zip(*(predictions(m, inputs_of(make.__name__)) for m in (ours, theirs)), strict=True):
        np.testing.assert_allclose(mine, real, atol=1e-6)


@pytest.mark.parametrize("make", [dense, images, sequences, small, graph, frozen], ids=lambda make: make.__name__)
def test_real_keras_reads_our_model_in_hdf5(make: Any, keras: Any, tmp_path: Path) -> None:
    ours = make(keraunos)
    ours.compile("adam", "mse")
    ours.optimizer.build(ours.trainable_variables)
    ours.save(tmp_path / "m.h5")
    theirs = keras.models.load_model(tmp_path / "m.h5")
    for mine, real in zip(*(predictions(m, inputs_of(make.__name__)) for m in (ours, theirs)), strict=True):
        np.testing.assert_allclose(mine, real, atol=1e-6)


@pytest.mark.parametrize("make", [dense, images, sequences, graph], ids=lambda make: make.__name__)
def test_we_read_a_model_in_hdf5_of_real_keras(make: Any, keras: Any, tmp_path: Path) -> None:
    theirs = make(keras)
    theirs.compile("adam", "mse", metrics=["mae"])
    theirs.save(tmp_path / "m.h5")
    ours = saving.load_model(tmp_path / "m.h5")
    assert ours.compiled
    for mine, real in zip(*(predictions(m, inputs_of(make.__name__)) for m in (ours, theirs)), strict=True):
        np.testing.assert_allclose(mine, real, atol=1e-6)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_we_read_an_archive_of_real_keras(make: Any, keras: Any, tmp_path: Path) -> None:
    theirs = make(keras)
    theirs.save(tmp_path / "m.keras")
    ours = saving.load_model(tmp_path / "m.keras")
    for mine, real in zip(*(predictions(m, inputs_of(make.__name__)) for m in (ours, theirs)), strict=True):
        np.testing.assert_allclose(mine, real, atol=1e-6)
    again = saving.model_from_json(theirs.to_json())
    assert again.count_params() == theirs.count_params()


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("make", [dense, images, sequences, graph, frozen], ids=lambda make: make.__name__)
def test_weights_files_go_both_ways(make: Any, ending: str, keras: Any, tmp_path: Path) -> None:
    ours, theirs = make(keraunos), make(keras)
    ours.save_weights(tmp_path / f"ours{ending}")
    theirs.load_weights(tmp_path / f"ours{ending}")
    assert same_weights(ours, theirs)
    theirs.set_weights([weight + 1 for weight in theirs.get_weights()])
    if ending == ".h5":
        theirs.save(tmp_path / "theirs.h5")  # Real Keras 3 writes this layout only as part of a whole model.
    else:
        theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / f"theirs{ending}")
    assert same_weights(ours, theirs)


@pytest.mark.parametrize("make", [dense, images, sequences, stateful, graph], ids=lambda make: make.__name__)
def test_our_hdf5_tree_is_that_of_real_keras(make: Any, keras: Any, tmp_path: Path) -> None:
    trees = []
    for name, k in (("ours", keraunos), ("theirs", keras)):
        model = make(k)
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        with h5py.File(tmp_path / f"{name}.weights.h5") as file:
            found: dict[str, Any] = {}
            file.visititems(lambda path, item, found=found: found.update({path: getattr(item, "shape", None)}))
            trees.append(found)
    assert trees[0] == trees[1]


@pytest.mark.parametrize("make", [operators, functions], ids=lambda make: make.__name__)
def test_operations_on_symbolic_tensors_are_saved(make: Any, keras: Any, tmp_path: Path) -> None:
    model = make(keraunos)
    model.save(tmp_path / "ours.keras")
    np.testing.assert_array_equal(saving.load_model(tmp_path / "ours.keras")(X), model(X))
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "ours.keras")(X), model(X), atol=1e-6)
    theirs = make(keras)
    theirs.save(tmp_path / "theirs.keras")
    np.testing.assert_allclose(saving.load_model(tmp_path / "theirs.keras")(X), theirs(X), atol=1e-6)


def test_files_of_the_collection_predict_as_recorded(shared: Callable[[str], Path]) -> None:
    folder = shared("golden/k3/files")
    unknown = {"attention", "sepconv", "lambda_"}
    for path in sorted(folder.glob("*.keras")):
        if path.stem in unknown:
            continue
        with np.load(folder / f"{path.stem}.npz") as stored:
            recorded = dict(stored)
        model = saving.load_model(path, compile=False)
        inputs = [recorded[name] for name in recorded if name.startswith("x")]
        found = predictions(model, inputs if len(inputs) > 1 else inputs[0])
        for index, output in enumerate(found):
            np.testing.assert_allclose(output, recorded[f"y{index}"], atol=1e-6, err_msg=path.stem)
        for ending in (".weights.h5", ".h5"):
            before = model.get_weights()
            model.set_weights([0 * weight for weight in before])
            model.load_weights(folder / f"{path.stem}{ending}")
            assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)), path.stem


def test_our_reader_of_hdf5_agrees_with_h5py(shared: Callable[[str], Path]) -> None:
    def compare(group: Any, real: h5py.Group) -> int:
        assert set(group.children) == set(real)
        assert set(group.attributes) == set(real.attrs)
        count = 0
        for name, child in group.children.items():
            if hasattr(child, "children"):
                count += compare(child, real[name])
            else:
                np.testing.assert_array_equal(child.read(), real[name][()])
                count += 1
        return count

    paths = sorted(shared("golden").rglob("*.h5"))[::5]
    total = 0
    for path in paths:
        with h5py.File(path) as file:
            total += compare(read_hdf5(path.read_bytes(), str(path)), file)
    assert total > 100


# --- training goes on where it stopped ------------------------------------------------------


def trained(optimizer: Any = "adam", epochs: int = 0) -> Any:
    keraunos.utils.set_random_seed(3)
    model = keraunos.Sequential([
        layers.Input((4,)), layers.Dense(6, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3),
        layers.Dense(2),
    ])  # fmt: skip
    model.compile(optimizer() if callable(optimizer) else optimizer, "mse", metrics=["mae"])
    if epochs:
        model.fit(X, Y, epochs=epochs, batch_size=5, verbose=0)
    return model


def averaged() -> Any:
    schedule = keraunos.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    return keraunos.optimizers.SGD(
        schedule, momentum=0.9, clipnorm=1.0, weight_decay=0.01, gradient_accumulation_steps=2
    )


@pytest.mark.parametrize("optimizer", ["adam", "nadam", averaged])
def test_two_and_two_epochs_are_four_bit_for_bit(optimizer: Any, tmp_path: Path) -> None:
    whole = trained(optimizer, epochs=4)
    trained(optimizer, epochs=2).save(tmp_path / "half.keras")
    np.random.seed(99)
    half = saving.load_model(tmp_path / "half.keras")
    history = half.fit(X, Y, epochs=4, initial_epoch=2, batch_size=5, verbose=0)
    assert history.epoch == [2, 3]
    assert same_weights(whole, half)
    for one, other in zip(whole.optimizer.variables, half.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_real_keras_goes_on_from_our_optimizer_state(keras: Any, tmp_path: Path) -> None:
    ours = dense()
    ours.compile(keraunos.optimizers.Adam(0.05), "mse")
    ours.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    for model in (ours, theirs):
        model.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    for mine, real in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, real, atol=1e-5)


def test_we_go_on_from_the_optimizer_state_of_real_keras(keras: Any, tmp_path: Path) -> None:
    theirs = dense(keras)
    theirs.compile(
        keras.optimizers.RMSprop(0.05, momentum=0.5), "mse", metrics=["mae", keras.metrics.MeanSquaredError()]
    )
    theirs.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    theirs.save(tmp_path / "m.keras")
    ours = saving.load_model(tmp_path / "m.keras")
    assert int(ours.optimizer.iterations) == 2
    for model in (ours, theirs):
        model.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    for mine, real in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, real, atol=1e-5)
    wanted = theirs.evaluate(X, Y, verbose=0, return_dict=True)
    assert ours.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(wanted, abs=1e-5)


def test_a_changed_learning_rate_is_kept(tmp_path: Path) -> None:
    model = trained(epochs=1)
    model.optimizer.learning_rate = 0.25
    model.save(tmp_path / "m.keras")
    assert float(saving.load_model(tmp_path / "m.keras").optimizer.learning_rate) == 0.25


def test_compile_false_gives_a_model_that_is_not_compiled(tmp_path: Path) -> None:
    trained(epochs=1).save(tmp_path / "m.keras")
    model = saving.load_model(tmp_path / "m.keras", compile=False)
    assert not model.compiled
    np.testing.assert_array_equal(model(X).shape, (12, 2))


def test_include_optimizer_false_leaves_compilation_out(tmp_path: Path) -> None:
    trained(epochs=1).save(tmp_path / "m.keras", include_optimizer=False)
    assert not saving.load_model(tmp_path / "m.keras").compiled
    content = saving.inspect(tmp_path / "m.keras", verbose=False)
    assert not any(path.startswith("optimizer") for path in content["weights"])


def test_a_model_trained_by_optax_is_saved_without_it(tmp_path: Path) -> None:
    optax = pytest.importorskip("optax")
    model = dense()
    model.compile(optax.sgd(0.1), "mse")
    with pytest.raises(UsageError, match="include_optimizer=False"):
        model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.keras", include_optimizer=False)
    assert same_weights(model, saving.load_model(tmp_path / "m.keras"))
    assert saving.model_from_json(model.to_json()).count_params() == model.count_params()


def test_compile_arguments_of_several_outputs_come_back(tmp_path: Path) -> None:
    model = graph(keraunos)
    model.compile(
        "sgd", {"one": "mse", "two": keraunos.losses.Huber(0.5)}, loss_weights={"one": 1.0, "two": 0.5},
        metrics={"one": ["mae", keraunos.metrics.RootMeanSquaredError(name="rms")]},
    )  # fmt: skip
    data, targets = [X, X[::-1].copy()], [Y, Y[:, :1]]
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras")
    assert again.evaluate(data, targets, verbose=0) == model.evaluate(data, targets, verbose=0)


# --- the user's own classes and functions -------------------------------------------------------


class Scale(layers.Layer):
    def __init__(self, factor: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.shift = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="shift")

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor + self.shift

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Net(keraunos.Model):
    def __init__(self, width: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = layers.Dense(width)
        self.blocks = [layers.Dense(2), [layers.Dense(2), Scale()]]
        self._hidden = {"a": layers.Dense(2)}

    def call(self, inputs: Any) -> Any:
        outputs = self.first(inputs)
        for layer in (self.blocks[0], *self.blocks[1], self._hidden["a"]):
            outputs = layer(outputs)
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def distance(y_true: Any, y_pred: Any) -> Any:
    return keraunos.ops.mean(keraunos.ops.abs(y_true - y_pred), axis=-1)


def custom_model() -> Any:
    return keraunos.Sequential([layers.Input((4,)), Scale(3.0), layers.Dense(2, activation=twice)])


def twice(x: Any) -> Any:
    return 2 * x


def test_own_classes_and_functions_come_by_custom_objects(tmp_path: Path) -> None:
    model = custom_model()
    model.compile("adam", distance, metrics=[distance])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    own = {"Scale": Scale, "twice": twice, "distance": distance}
    again = saving.load_model(tmp_path / "m.keras", custom_objects=own)
    np.testing.assert_array_equal(again(X), model(X))
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    for name in own:
        rest = {key: value for key, value in own.items() if key != name}
        with pytest.raises(ModelFileError, match=f"'{name}'.*custom_objects={{'{name}': ...}}"):
            saving.load_model(tmp_path / "m.keras", custom_objects=rest)
    assert saving.inspect(tmp_path / "m.keras", verbose=False)["custom_objects"] == ["Scale", "distance", "twice"]


def test_registered_classes_are_found() -> None:
    @keraunos.saving.register_keras_serializable(package="tests")
    class Registered(Scale):
        pass

    model = keraunos.Sequential([layers.Input((4,)), Registered(5.0)])
    again = saving.model_from_json(model.to_json())
    assert isinstance(again.layers[0], Registered)
    assert again.layers[0].factor == 5.0


def test_a_class_of_ones_own_with_a_builtin_name_is_not_mistaken(tmp_path: Path) -> None:
    class Dense(Scale):
        pass

    keraunos.Sequential([layers.Input((4,)), Dense()]).save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match="'Dense' is not built in"):
        saving.load_model(tmp_path / "m.keras")
    model = saving.load_model(tmp_path / "m.keras", custom_objects={"Dense": Dense})
    assert isinstance(model.layers[0], Dense)


def test_a_function_with_a_builtin_name_is_refused_when_saving(tmp_path: Path) -> None:
    def relu(x: Any) -> Any:
        return -x

    model = keraunos.Sequential([layers.Input((4,)), layers.Dense(2, activation=relu)])
    with pytest.raises(ArgumentError, match="your function 'relu' has the name of a built-in one.*Rename it"):
        model.save(tmp_path / "m.keras")


def test_a_subclass_keeps_weights_and_config(tmp_path: Path) -> None:
    model = Net(width=5)
    model(X)
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert {"first", "blocks", "_hidden"} - set(file) <= {"_hidden"}
        assert set(file["blocks"]) == {"dense", "container"}
    other = Net(width=5)
    with pytest.raises(ArgumentError, match="has no weights yet, so there is nothing to load"):
        other.load_weights(tmp_path / "m.weights.h5")
    other(X)
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other(X), model(X))
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", custom_objects={"Net": Net, "Scale": Scale})
    assert again.width == 5
    np.testing.assert_array_equal(again(X), model(X))


def test_a_subclass_has_the_tree_of_real_keras(keras: Any, tmp_path: Path) -> None:
    def build(k: Any) -> Any:
        class Plain(k.Model):
            def __init__(self) -> None:
                super().__init__()
                self.z = k.layers.Dense(2)
                self.blocks = [k.layers.Dense(3), [k.layers.Dense(4), k.layers.Dense(4)], {"a": k.layers.Dense(2)}]
                self._p = k.layers.Dense(2)
                self.d = {"k": k.layers.Dense(5)}
                self.al = self.z

            def call(self, x: Any) -> Any:
                parts = (self.z, self.blocks[0], *self.blocks[1], self.blocks[2]["a"], self._p, self.d["k"])
                for part in parts:
                    x = part(x)
                return x

        model = Plain()
        model(X)
        return model

    ours, theirs = build(keraunos), build(keras)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(ours(X), theirs(X), atol=1e-6)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.set_weights([0 * weight for weight in theirs.get_weights()])
    theirs.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(ours(X), theirs(X), atol=1e-6)


def test_one_layer_in_two_models_stays_one(tmp_path: Path) -> None:
    layer = layers.Dense(4)
    first = keraunos.Sequential([layers.Input((4,)), layer], name="first")
    second = keraunos.Sequential([layers.Input((4,)), layer], name="second")
    inputs = layers.Input((4,))
    model = keraunos.Model(inputs, second(first(inputs)))
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(X), model(X))
    assert again.count_params() == model.count_params() == 20


# --- weights that do not fit ----------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_another_shape_is_named_and_nothing_changes(ending: str, tmp_path: Path) -> None:
    dense().save_weights(tmp_path / f"m{ending}")
    other = keraunos.Sequential([layers.Input((4,)), layers.Dense(5, name="wide"), layers.Dense(3, name="last")])
    before = other.get_weights()
    message = r"'last/kernel' of the layer 'last' has shape \(5, 3\), but the file holds shape \(5, 2\)"
    with pytest.raises(ModelFileError, match=message):
        other.load_weights(tmp_path / f"m{ending}")
    assert all(np.array_equal(a, b) for a, b in zip(before, other.get_weights(), strict=True))
    with pytest.warns(UserWarning, match="it was left as it is. There are 1 more such places"):
        other.load_weights(tmp_path / f"m{ending}", skip_mismatch=True)
    assert not np.array_equal(before[0], other.get_weights()[0])
    assert np.array_equal(before[2], other.get_weights()[2])


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_by_name_loads_layers_of_equal_name_only(ending: str, tmp_path: Path) -> None:
    source = keraunos.Sequential([layers.Input((4,)), layers.Dense(5, name="body"), layers.Dense(2, name="head")])
    source.save_weights(tmp_path / f"m{ending}")
    target = keraunos.Sequential([
        layers.Input((4,)), layers.Dense(4, name="new"), layers.Dense(5, name="body"), layers.Dense(7, name="other"),
    ])  # fmt: skip
    before = target.get_weights()
    target.load_weights(tmp_path / f"m{ending}", by_name=True)
    after = target.get_weights()
    assert np.array_equal(after[2], source.get_weights()[0])
    assert all(np.array_equal(before[i], after[i]) for i in (0, 1, 4, 5))


def test_by_name_refuses_another_shape(tmp_path: Path) -> None:
    keraunos.Sequential([layers.Input((4,)), layers.Dense(5, name="body")]).save_weights(tmp_path / "m.h5")
    target = keraunos.Sequential([layers.Input((4,)), layers.Dense(6, name="body")])
    with pytest.raises(ModelFileError, match="'body' has shape"):
        target.load_weights(tmp_path / "m.h5", by_name=True)


@pytest.mark.parametrize(
    ("ending", "match"),
    [
        (".weights.h5", "the model has no layer|but the file holds 0 for it"),
        (".h5", "holds weights for 2 layers, but the model"),
    ],
)
def test_another_number_of_layers_is_named(ending: str, match: str, tmp_path: Path) -> None:
    dense().save_weights(tmp_path / f"m{ending}")
    for widths in ([5], [5, 2, 2]):
        other = keraunos.Sequential([layers.Input((4,)), *(layers.Dense(width) for width in widths)])
        with pytest.raises(ModelFileError, match=match):
            other.load_weights(tmp_path / f"m{ending}")


def test_weights_are_read_from_an_archive(tmp_path: Path) -> None:
    model, other = dense(), dense()
    model.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    assert same_weights(model, other)


def test_another_optimizer_is_left_fresh_with_a_warning(tmp_path: Path) -> None:
    trained("adam", epochs=1).save_weights(tmp_path / "m.weights.h5")
    other = trained("sgd", epochs=1)
    with pytest.warns(UserWarning, match="training goes on with a fresh optimizer"):
        other.load_weights(tmp_path / "m.weights.h5")


def test_long_lists_of_names_are_cut_into_parts(keras: Any, tmp_path: Path) -> None:
    def build(k: Any) -> Any:
        names = [f"{'long' * 60}_{number}" for number in range(270)]
        return k.Sequential([k.layers.Input((1,)), *(k.layers.Dense(1, name=name) for name in names)])

    model = build(keraunos)
    model.save_weights(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert "layer_names" not in file.attrs
        assert "layer_names1" in file.attrs
    other = build(keraunos)
    other.load_weights(tmp_path / "m.h5")
    assert same_weights(model, other)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_other_types_of_weights_come_back(dtype: str, tmp_path: Path) -> None:
    model = keraunos.Sequential([layers.Input((4,)), layers.Dense(2, dtype=dtype)])
    for ending in (".weights.h5", ".h5"):
        other = keraunos.Sequential([layers.Input((4,)), layers.Dense(2, dtype=dtype)])
        model.save_weights(tmp_path / f"m{ending}")
        other.load_weights(tmp_path / f"m{ending}")
        assert same_weights(model, other)
    model.save(tmp_path / "m.keras")
    assert same_weights(model, saving.load_model(tmp_path / "m.keras"))


# --- files ---------------------------------------------------------------------------------------


def test_wrong_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"must end in .keras or .h5 or .hdf5. save_weights\(\) writes"):
        dense().save(tmp_path / "m.pkl")
    with pytest.raises(ArgumentError, match=r"must end in .h5 or .hdf5. save\(\) writes whole models"):
        dense().save_weights(tmp_path / "m.keras")
    dense().save_weights(tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match=r"is an HDF5 file, not a .keras archive.*load_weights\(\)"):
        saving.load_model(tmp_path / "m.h5")


def test_an_existing_file_is_kept_where_asked(tmp_path: Path) -> None:
    for name in ("m.keras", "m.weights.h5"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(ArgumentError, match="exists already. Pass overwrite=True"):
            (dense().save if name == "m.keras" else dense().save_weights)(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_text() == "precious"


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file can grow beyond ``room`` bytes, as if no more were free."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("room", [0, 1000, 1500])
def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path, room: int) -> None:
    model = dense()
    ways = [(model.save, "m.keras"), (model.save, "m.h5"), (model.save_weights, "w.weights.h5")]
    ways += [(model.save_weights, "w.h5"), (lambda path: write_state(path, model.get_state_tree()), "state.npz")]
    for save, name in ways:
        (tmp_path / name).write_bytes(b"old")
        with (
            full_disk(room),
            pytest.raises(WriteError, match=f"{name}.* File too large. The file that was there is as"),
        ):
            save(tmp_path / name)
        with full_disk(room), pytest.raises(WriteError, match="File too large. Free some space") as caught:
            save(tmp_path / f"new_{name}")
        assert caught.value.errno == errno.EFBIG
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"old" for _, name in ways}


def test_a_full_disk_does_not_end_the_process_later(tmp_path: Path) -> None:
    """The HDF5 library, where it writes a file itself, fails once more when the process ends."""
    program = f"""
import resource, keraunos
from keraunos.utils.errors import WriteError
model = keraunos.Sequential([keraunos.layers.Input((100,)), keraunos.layers.Dense(100)])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))
for save, name in ((model.save, "m.h5"), (model.save_weights, "w.h5"), (model.save_weights, "w.weights.h5")):
    try:
        save({str(tmp_path)!r} + "/" + name)
    except WriteError:
        print("told")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "told\n" * 3, "")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_told_by_the_name_of_the_file(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    with pytest.raises(WriteError, match=r"cannot write '.*/m.keras': Permission denied. You may not write there"):
        dense().save(tmp_path / "m.keras")


def test_a_model_without_weights_is_not_saved_as_weights(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="has no weights yet, so there is nothing to save"):
        keraunos.Sequential([layers.Dense(2)]).save_weights(tmp_path / "m.weights.h5")


def test_a_model_that_was_never_built_is_saved_and_loaded(tmp_path: Path) -> None:
    keraunos.Sequential([layers.Dense(2)]).save(tmp_path / "m.keras")
    model = saving.load_model(tmp_path / "m.keras")
    assert not model.built
    assert model(X).shape == (12, 2)


def test_inspect_tells_the_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = trained(epochs=1)
    model.save(tmp_path / "m.keras")
    content = saving.inspect(tmp_path / "m.keras")
    assert content["format"] == "Keras archive"
    assert content["parameters"] == model.count_params()
    assert content["weights"]["layers/dense/vars/0"] == ((4, 6), "float32")
    assert content["config"]["class_name"] == "Sequential"
    printed = capsys.readouterr().out
    assert f"{model.count_params()} parameters" in printed
    assert "layers/dense/vars/0" in printed
    model.save_weights(tmp_path / "m.h5")
    assert saving.inspect(tmp_path / "m.h5", verbose=False)["parameters"] == model.count_params()


def test_the_archive_has_three_members_stored(tmp_path: Path) -> None:
    dense().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        assert [(info.filename, info.compress_type) for info in file.infolist()] == [
            ("metadata.json", 0), ("config.json", 0), ("model.weights.h5", 0),
        ]  # fmt: skip
        assert json.loads(file.read("metadata.json"))["keras_version"].startswith("3.")
        assert "layers/dense/vars" in h5py.File(io.BytesIO(file.read("model.weights.h5")))


def test_json_of_a_model_comes_back() -> None:
    model = graph(keraunos)
    again = saving.model_from_json(model.to_json(indent=1))
    again.set_weights(model.get_weights())
    for one, other in zip(predictions(model, [X, X]), predictions(again, [X, X]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_values_that_are_not_plain_are_refused_in_json() -> None:
    class Odd(Scale):
        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": float("nan")}

    with pytest.raises(ArgumentError, match="cannot be written as JSON.*plain, finite values"):
        keraunos.Sequential([layers.Input((4,)), Odd()]).to_json()


def test_pickle_and_deepcopy_go_through_the_safe_format() -> None:
    model = custom_model()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    for again in (pickle.loads(pickle.dumps(dense())), copy.deepcopy(dense())):
        assert again.count_params() == dense().count_params()
    function, (data, own) = saving.reduce_model(model)
    assert data[:2] == b"PK"
    assert own == {"Scale": Scale, "twice": twice}
    again = function(data, own)
    np.testing.assert_array_equal(again(X), model(X))
    assert same_weights(again, model)


def test_states_are_not_among_the_weights() -> None:
    model = stateful(keraunos)
    assert [weight.shape for weight in model.get_weights()] == [(1, 8), (2, 8), (8,), (2, 2), (2,)]

"""Files that we write for Keras 2.2.4: the very ones that it wrote itself, where it wrote the model that we read."""

import io
import json

import h5py
import numpy as np
import pytest
from laws import layer_cases
from recorded import GOLDEN

import keraunos
from keraunos import layers, models, saving
from keraunos.eras.files import model_from_config, model_from_yaml
from keraunos.eras.written import CLASSES
from keraunos.eras.yaml_text import read_yaml
from keraunos.utils.errors import ArgumentError, ModelFileError
from keraunos.utils.spelling import in_era

FOLDER = GOLDEN / "k224" / "files"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))
# Python's byte code is not that of 2018.
WITH_CODE = "lambda_"
X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def arrays(group):
    """The arrays of a group in the order of its list of names."""
    return [group[text(name)][()] for name in group.attrs["weight_names"]]


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(np.float32(value)) if isinstance(value, float) else value


@pytest.mark.parametrize("name", [name for name in NAMES if name != WITH_CODE])
def test_a_model_of_keras_2_is_written_as_it_was(name, tmp_path):
    with in_era(2):
        model = saving.load_model(FOLDER / f"{name}.h5")
        model.save(tmp_path / "ours.h5")
    with h5py.File(FOLDER / f"{name}.h5") as theirs, h5py.File(tmp_path / "ours.h5") as ours:
        assert ours.attrs.keys() == theirs.attrs.keys()
        # Readers of the time got these as bytes, and decoded them.
        for file in (ours, theirs):
            types = {h5py.h5a.open(file.id, key.encode()).get_type().get_cset() for key in file.attrs}
            assert types == {h5py.h5t.CSET_ASCII}
        for key in ("model_config", "training_config"):
            assert rounded(json.loads(text(ours.attrs[key]))) == rounded(json.loads(text(theirs.attrs[key])))
        assert ours.keys() == theirs.keys()
        weights = [file["model_weights"] for file in (ours, theirs)]
        for key in ("keras_version", "backend", "layer_names"):
            assert np.array_equal(*(np.asarray(group.attrs[key]).astype(str) for group in weights))
        groups = [[*(group[text(layer)] for layer in group.attrs["layer_names"])] for group in weights]
        if "optimizer_weights" in theirs:
            groups = [[*those, file["optimizer_weights"]] for those, file in zip(groups, (ours, theirs), strict=True)]
            names = [list(map(text, group[-1].attrs["weight_names"])) for group in groups]
            assert names[0] == names[1]
        for mine, other in zip(*groups, strict=True):
            for found, expected in zip(arrays(mine), arrays(other), strict=True):
                if "optimizer" in mine.name and not found.any():
                    continue  # without momentum, Keras 2 kept it all the same, and made no use of it
                assert found.dtype == expected.dtype
                np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=mine.name)


@pytest.mark.parametrize("name", [name for name in NAMES if name != WITH_CODE])
def test_texts_of_keras_2_are_written_as_they_were(name):
    with in_era(2):
        config = json.loads((FOLDER / f"{name}.json").read_text())
        model = saving.model_from_json(json.dumps(config))
        assert rounded(json.loads(model.to_json())) == rounded(config)
        assert rounded(read_yaml(model.to_yaml(), "ours")) == rounded(config)
        assert model_from_yaml(model.to_yaml()).output_shape == model.output_shape


def network():
    inputs = layers.Input((6, 4))
    hidden = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(inputs)
    hidden = layers.TimeDistributed(layers.Dense(5, activation="hard_sigmoid", kernel_regularizer="l2"))(hidden)
    hidden = layers.BatchNormalization()(layers.Conv1D(4, 3, padding="same")(hidden))
    hidden = layers.LeakyReLU()(layers.Add()([hidden, layers.Dense(4)(hidden)]))
    return keraunos.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling1D()(hidden)))


@pytest.mark.parametrize("era", [1, 2])
def test_a_model_comes_back_from_our_own_file_with_its_compilation(era, tmp_path):
    with in_era(era):
        model = network()
        model.compile("adam", "mse", metrics=["accuracy"], loss_weights=[2.0])
        model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / "model.h5")
        again = saving.load_model(tmp_path / "model.h5")
    x = np.random.default_rng(0).normal(size=(8, 6, 4)).astype("float32")
    assert np.array_equal(model(x), again(x))
    assert again.optimizer.get_config()["epsilon"] == model.optimizer.get_config()["epsilon"]
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam"])
def test_training_goes_on_from_our_own_file(optimizer, tmp_path):
    with in_era(2):
        model = keraunos.Sequential([layers.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)])
        model.compile(optimizer, "mse")
        model.train_on_batch(X, X[:, :2])
        model.save(tmp_path / "model.h5")
        again = saving.load_model(tmp_path / "model.h5")
        losses = [(model.train_on_batch(X, X[:, :2]), again.train_on_batch(X, X[:, :2])) for _ in range(2)]
    np.testing.assert_allclose(*zip(*losses, strict=True), rtol=1e-5)
    # The averages of a batch normalization begin anew after loading, as in Keras 2 itself.
    for one, other in zip(model.trainable_variables, again.trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)


def simple(**options):
    model = keraunos.Sequential([layers.Input((3,)), layers.Dense(2, name="only", **options)])
    model.compile("sgd", "mse")
    return model


def test_files_are_written_into_open_files_and_groups_and_read_from_there(tmp_path):
    model = simple()
    with h5py.File(tmp_path / "m.h5", "w") as file:
        model.save(file)
        model.save(file)
        model.save(file.create_group("inner/one"))
        assert np.array_equal(saving.load_model(file)(X), model(X))
        assert np.array_equal(saving.load_model(file["inner/one"])(X), model(X))
    with h5py.File("nowhere", "w", driver="core", backing_store=False) as file:
        model.save(file)
        assert np.array_equal(saving.load_model(file)(X), model(X))
        file.flush()
        image = file.id.get_file_image()
    assert np.array_equal(saving.load_model(io.BytesIO(image))(X), model(X))


@pytest.mark.parametrize("answer, kept", [("y", False), ("n", True)])
def test_eras_1_and_2_ask_before_a_file_is_replaced(answer, kept, tmp_path, monkeypatch, capsys):
    path = tmp_path / "weights"
    path.write_text("precious")
    answers = iter(["what?", answer])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    with in_era(2):
        simple().save_weights(path, overwrite=False)
    assert (path.read_bytes() == b"precious") == kept


def test_a_path_of_any_ending_is_hdf5_in_eras_1_and_2(tmp_path):
    with in_era(1):
        model = simple()
        model.save(tmp_path / "model.model")
        model.save_weights(tmp_path / "weights.bin")
        again = saving.load_model(tmp_path / "model.model")
        again.load_weights(tmp_path / "weights.bin")
        assert np.array_equal(again(X), model(X))
        model.save(tmp_path / "m.keras")
    assert np.array_equal(saving.load_model(tmp_path / "m.keras")(X), model(X))


def test_what_keras_2_had_not_is_refused_by_name(tmp_path):
    with in_era(2):
        model = keraunos.Sequential([layers.Input((4, 6)), layers.Conv1D(4, 2, groups=2)])
        with pytest.raises(ArgumentError, match="Conv1D.groups=2.: Keras 2 had no such argument"):
            model.save(tmp_path / "m.h5")
        model = simple()
        model.compile("adamw", "mse")
        with pytest.raises(ArgumentError, match="Keras 2 had no optimizer AdamW"):
            model.save(tmp_path / "m.h5")
        model.save(tmp_path / "m.h5", include_optimizer=False)
        inputs = layers.Input((3,))
        with pytest.raises(ArgumentError, match="between tensors cannot stand in a file of Keras 2"):
            keraunos.Model(inputs, inputs * 2).save(tmp_path / "m.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]


def test_a_kernel_is_reshaped_where_asked(tmp_path):
    with in_era(2):
        model = keraunos.Sequential([layers.Input((1, 1, 2)), layers.Flatten(), layers.Dense(3, name="d")])
        model.save_weights(tmp_path / "w.h5")
        other = keraunos.Sequential([layers.Input((1, 1, 2)), layers.Conv2D(3, 1, name="d")])
        with pytest.raises(ValueError, match="has shape .* but the saved .* shape"):
            other.load_weights(tmp_path / "w.h5")
        other.load_weights(tmp_path / "w.h5", by_name=True, reshape=True)
        assert np.array_equal(np.ravel(other.get_weights()[0]), np.ravel(model.get_weights()[0]))


def twice(x):
    return 2 * x


@pytest.mark.parametrize("function", [lambda x: 2 * x, twice])
def test_this_program_finds_its_own_functions_again_and_another_refuses_them(function, tmp_path):
    with in_era(2):
        model = keraunos.Sequential([layers.Input((3,)), layers.Lambda(function, name="own")])
        model.save(tmp_path / "m.h5")
        assert saving.load_model(tmp_path / "m.h5").layers[0].function is function
        assert saving.model_from_json(model.to_json()).layers[0].function is function
        assert model_from_yaml(model.to_yaml()).layers[0].function is function
    from keraunos.core import code

    known, before = dict(code._written), code._written
    before.clear()
    try:
        with in_era(2):
            text = model.to_json()
            before.clear()
            for read in (saving.model_from_json, model_from_yaml):
                with pytest.raises(ValueError, match="Lambda layer 'own' .* never runs"):
                    read(text)
                np.testing.assert_array_equal(read(text, safe_mode=False)(X), 2 * X)
                np.testing.assert_array_equal(read(text, {"own": lambda x: 3 * x})(X), 3 * X)
    finally:
        before.update(known)


def test_functions_of_one_text_with_other_objects_are_not_mistaken():
    from keraunos.core import code

    made = [(lambda x, kept=kept: x, kept) for kept in (object(), object())]
    configs = [code.write(function) for function, _ in made]
    assert configs[0] == configs[1]
    assert code.read(configs[0]) is None


def test_a_config_is_read_as_it_was_got_in_any_era():
    with in_era(2):
        model = simple()
        again = model_from_config({"class_name": "Sequential", "config": model.get_config()})
        assert again.output_shape == (None, 2)
        with pytest.raises(TypeError, match="Sequential.from_config"):
            model_from_config([])
    stack = [{"class_name": "Dense", "config": {"output_dim": 2, "batch_input_shape": [None, 3], "init": "zero"}}]
    assert keraunos.Sequential.from_config(stack).output_shape == (None, 2)


def test_branches_of_a_stack_of_keras_1_become_a_graph():
    def branch(name):
        dense = {"output_dim": 2, "batch_input_shape": [None, 3], "init": "one", "name": name, "activation": "linear"}
        return {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": dense}]}

    for mode, expected in (("sum", [[12.0, 12.0]]), ("concat", [[6.0, 6.0, 6.0, 6.0]]), ("mul", [[36.0, 36.0]])):
        merge = {"class_name": "Merge", "config": {"layers": [branch("a"), branch("b")], "mode": mode, "name": "m"}}
        after = {"class_name": "Activation", "config": {"activation": "relu", "name": "r"}}
        model = saving.model_from_json(
            json.dumps({"class_name": "Sequential", "config": [merge, after], "keras_version": "1.2.2"})
        )
        data = np.array([[1.0, 2.0, 3.0]], "float32")
        np.testing.assert_array_equal(model([data, data]), expected)


@pytest.mark.parametrize("kind, options", [("LSTM", {}), ("GRU", {"reset_after": True})])
@pytest.mark.parametrize("fused_first", [True, False])
def test_weights_go_between_a_recurrence_and_its_twin_on_a_gpu(kind, options, fused_first, tmp_path):
    with in_era(2):
        plain = getattr(layers, kind)(3, recurrent_activation="sigmoid", **options)
        pair = [
            keraunos.Sequential([layers.Input((5, 2)), made]) for made in (getattr(layers, f"CuDNN{kind}")(3), plain)
        ]
        source, target = pair if fused_first else pair[::-1]
        draw = np.random.default_rng(0)
        source.set_weights([draw.normal(size=array.shape) for array in source.get_weights()])
        source.save_weights(tmp_path / "w.h5")
        target.load_weights(tmp_path / "w.h5")
        source.load_weights(tmp_path / "w.h5")
        x = draw.normal(size=(4, 5, 2)).astype("float32")
        np.testing.assert_allclose(source(x), target(x), atol=1e-5)
    if fused_first:
        with h5py.File(tmp_path / "w.h5") as file:
            name = source.layers[0].name
            kernel = file[name][text(file[name].attrs["weight_names"][0])][()]
        # The numbers of each gate's transpose, row by row, in the shape of the kernel.
        gates = np.split(kernel, 4 if kind == "LSTM" else 3, axis=1)
        own = np.split(source.get_weights()[0], len(gates), axis=1)
        for stored, ours in zip(gates, own, strict=True):
            np.testing.assert_array_equal(stored.ravel(), ours.T.ravel())


WRITTEN = [
    case
    for case in layer_cases.CASES
    if case.layer.__name__ in CLASSES
    and not case.several
    and case.layer is not layers.InputLayer
    and case.arguments.keys() <= set(CLASSES[case.layer.__name__].split())
]


@pytest.mark.parametrize("case", WRITTEN, ids=[case.name for case in WRITTEN])
def test_every_layer_is_written_for_keras_2_and_read_again(case):
    known = CLASSES[case.layer.__name__].split()
    more = {"activity_regularizer": "l1"} if "activity_regularizer" in known else {}
    with in_era(2):
        inputs = layers.Input(case.shapes[1:], dtype="int32" if case.below else "float32")
        model = keraunos.Model(inputs, case.make(**more)(inputs))
        text = model.to_json()
        again = saving.model_from_json(text)
        assert again.to_json() == text
    (entry,) = json.loads(text)["config"]["layers"][1:]
    assert set(entry["config"]) <= {*known, "name", "trainable", "batch_input_shape", "dtype"}
    # A Default of the era is not written, and is there again.
    assert again.layers[1].activity_regularizer_sum


@pytest.mark.parametrize(("window", "padding"), [(3, "same"), (2, "half")])
def test_theanos_padding_is_written_as_the_same_where_it_is(window, padding, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with in_era(1):
        model = keraunos.Sequential(
            [layers.Convolution2D(1, window, window, border_mode="same", input_shape=(4, 4, 1))]
        )
        model.save(tmp_path / "model.h5")
        again = saving.load_model(tmp_path / "model.h5")
    assert (
        json.loads(h5py.File(tmp_path / "model.h5").attrs["model_config"])["config"]["layers"][0]["config"]["padding"]
        == padding
    )
    x = np.linspace(-1, 1, 16, dtype="float32").reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


# --- models inside of models, frozen or free ----------------------------------------------


def nested(frozen, widths=(4, 4), names=("one", "between", "two")):
    inputs = layers.Input((4,))
    x = layers.Dense(widths[0], name=names[0])(inputs)
    x = layers.BatchNormalization(name=names[1])(x)
    inner = models.Model(inputs, layers.Dense(widths[1], name=names[2], activation="tanh")(x), name="inner")
    for name in frozen:
        inner.get_layer(name).trainable = False
    outer = layers.Input((4,))
    return models.Model(outer, inner(outer))


def filled(model):
    model.set_weights([np.random.RandomState(i).rand(*w.shape) for i, w in enumerate(model.get_weights())])
    return model


@pytest.mark.parametrize("era", [1, 2])
@pytest.mark.parametrize("written, read", [(["one"], []), ([], ["one", "between"]), (["between"], ["two"])])
def test_names_say_whose_weights_a_nested_models_are_whatever_is_frozen(tmp_path, era, written, read):
    x = np.random.RandomState(0).rand(5, 4)
    with in_era(era):
        model = filled(nested(written))
        model.save_weights(tmp_path / "nested.h5")
        again = nested(read)
        again.load_weights(tmp_path / "nested.h5")
        assert np.allclose(again.predict(x), model.predict(x), atol=1e-6)


def test_where_names_differ_a_message_names_what_was_frozen(tmp_path):
    with in_era(2):
        filled(nested(["one"], widths=(3, 5))).save_weights(tmp_path / "nested.h5")
        again = nested([], widths=(3, 5), names=("three", "four", "five"))
        with pytest.raises(ModelFileError, match="set trainable of its layers as it was when the file was written"):
            again.load_weights(tmp_path / "nested.h5")
        same = nested(["three"], widths=(3, 5), names=("three", "four", "five"))
        same.load_weights(tmp_path / "nested.h5")

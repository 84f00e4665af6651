"""Utilities of Keras 1 and 2 that today's Keras has no more, and the wrapper for scikit-learn."""

import numpy as np
import pytest

from keraunos import layers, models, utils
from keraunos.eras import (
    data_checks,
    enqueuers,
    fans,
    functions,
    hdf5_data,
    initializations,
    layer_checks,
    several_devices,
    utilities,
    wrappers,
)
from keraunos.eras.install import install_as_keras, uninstall_keras
from keraunos.utils.errors import ArgumentError, DataError, NotBuiltError, ShapeError, UnknownNameError, UsageError
from keraunos.utils.spelling import in_era

KEPT = {"utils": "custom_object_scope GeneratorEnqueuer HDF5Matrix OrderedEnqueuer multi_gpu_model print_summary",
        "utils.generic_utils": "Progbar func_dump get_from_module has_arg slice_arrays to_list",
        "utils.np_utils": "to_categorical normalize probas_to_classes convert_kernel conv_output_length",
        "utils.conv_utils": "normalize_tuple deconv_length", "utils.layer_utils": "print_summary count_params",
        "utils.io_utils": "HDF5Matrix h5dict save_array", "utils.data_utils": "get_file validate_file _hash_file",
        "utils.test_utils": "layer_test keras_test get_test_data", "utils.multi_gpu_utils": "multi_gpu_model",
        "engine.topology": "Container get_source_inputs to_list", "engine": "Input Layer get_source_inputs Model",
        "optimizers": "SGD deserialize clip_norm", "regularizers": "L1L2Regularizer WeightRegularizer",
        "engine.training_utils": "make_batches standardize_weights", "engine.training": "Model slice_X make_batches",
        "wrappers.scikit_learn": "KerasClassifier KerasRegressor BaseWrapper", "callbacks": "BaseLogger RemoteMonitor",
        "preprocessing.image": "ImageDataGenerator Iterator", "preprocessing.text": "Tokenizer one_hot",
        "preprocessing.sequence": "pad_sequences skipgrams TimeseriesGenerator"}  # fmt: skip
RNG = np.random.default_rng(4)
X = RNG.normal(size=(24, 3)).astype("float32")
LABELS = np.array(["no", "yes"])[(X.sum(1) > 0).astype(int)]


class Numbers(utils.Sequence):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return index * getattr(self, "factor", 1)

    def on_epoch_end(self):
        self.factor = 10


@pytest.mark.parametrize("era", [1, 2, 3])
@pytest.mark.parametrize("module", KEPT)
def test_the_old_modules_have_their_names(module, era):
    keras = install_as_keras(era)
    try:
        here = __import__(f"{keras.__name__}.{module}", fromlist=["*"])
        assert all(callable(getattr(here, name)) for name in KEPT[module].split())
    finally:
        uninstall_keras()


# --- scikit-learn ---------------------------------------------------------------------------


def network(width=2, loss="sparse_categorical_crossentropy"):
    model = models.Sequential([layers.Input((3,)), layers.Dense(width, activation="softmax")])
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def line(rate="sgd"):
    model = models.Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile(rate, "mse")
    return model


def test_a_classifier_works_in_a_search_and_in_a_chain():
    selection = pytest.importorskip("sklearn.model_selection")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
    classifier = wrappers.KerasClassifier(network, epochs=1, verbose=0)
    search = selection.GridSearchCV(classifier, {"width": [2, 3], "batch_size": [12]}, cv=2)
    search.fit(X, LABELS)
    assert set(search.best_params_) == {"width", "batch_size"}
    assert set(search.predict(X)) <= {"no", "yes"}
    chain = pipeline.make_pipeline(scaler(), classifier)
    chain.fit(X, LABELS)
    assert chain.predict_proba(X).shape == (24, 2)
    assert 0 <= chain.score(X, LABELS) <= 1


def test_a_regressor_works_in_a_cross_validation():
    selection = pytest.importorskip("sklearn.model_selection")
    scores = selection.cross_val_score(wrappers.KerasRegressor(line, epochs=1, verbose=0), X, X.sum(1), cv=2)
    assert (scores < 0).all()
    with in_era(1):
        regressor = wrappers.KerasRegressor(line, nb_epoch=1, verbose=0)
        regressor.fit(X, X.sum(1))
        assert regressor.score(X, X.sum(1)) > 0
        assert regressor.predict(X).shape == (24,)


def test_a_classifier_takes_rows_of_truth_and_a_network_of_one_output():
    rows = utils.to_categorical(LABELS == "yes")
    classifier = wrappers.KerasClassifier(network, loss="categorical_crossentropy", verbose=0)
    classifier.fit(X, rows, sample_weight=np.ones(24))
    assert classifier.score(X, rows) == pytest.approx(classifier.score(X, (LABELS == "yes").astype(int)))

    def one():
        model = models.Sequential([layers.Input((3,)), layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        return model

    single = wrappers.KerasClassifier(one, verbose=0)
    single.fit(X, LABELS)
    assert (single.predict(X).shape, single.predict_proba(X).shape) == ((24, 1), (24, 2))
    with pytest.raises(UsageError, match=r"not configured to compute accuracy; it has loss"):
        single.score(X, LABELS)


def test_a_wrapper_says_what_is_wrong():
    with pytest.raises(ArgumentError, match="depth is not a legal parameter"):
        wrappers.KerasClassifier(network, depth=3)
    with pytest.raises(ArgumentError, match="build_fn is missing"):
        wrappers.KerasRegressor()
    with pytest.raises(NotBuiltError, match="has no model yet"):
        wrappers.KerasRegressor(line).predict(X)
    with pytest.raises(ShapeError, match="Invalid shape for y"):
        wrappers.KerasClassifier(network).fit(X, np.zeros((24, 2, 2)))

    class Own(wrappers.KerasRegressor):
        def __call__(self, rate="sgd"):
            return line(rate)

    assert Own(rate="adam").set_params(epochs=3).get_params()["epochs"] == 3


# --- data ahead and in files ---------------------------------------------------------------


def test_batches_come_ahead_in_order_epoch_after_epoch():
    enqueuer = enqueuers.OrderedEnqueuer(Numbers())
    with pytest.raises(UsageError, match="is not running"):
        next(enqueuer.get())
    enqueuer.start(2, max_queue_size=3)
    batches = enqueuer.get()
    assert [next(batches) for _ in range(8)] == [0, 1, 2, 3, 0, 10, 20, 30]
    enqueuer.stop()
    assert not enqueuer.is_running()


def test_a_generator_ends_and_its_error_is_raised():
    def broken():
        yield 1
        raise KeyError("inside")

    enqueuer = enqueuers.GeneratorEnqueuer(iter([1, 2, 3]), pickle_safe=False)
    enqueuer.start(workers=2)
    assert sorted(enqueuer.get()) == [1, 2, 3]
    enqueuer = enqueuers.GeneratorEnqueuer(broken())
    enqueuer.start()
    with pytest.raises(KeyError, match="inside"):
        list(enqueuer.get())


def test_an_hdf5_matrix_is_read_as_an_array(tmp_path):
    hdf5_data.save_array(X, tmp_path / "x.h5")
    matrix = hdf5_data.HDF5Matrix(tmp_path / "x.h5", "data", start=4, end=20, normalizer=lambda rows: rows * 2)
    assert (matrix.shape, matrix.ndim, matrix.size, matrix.dtype) == ((16, 3), 2, 48, np.float32)
    assert (matrix[[5, 1, 5]] == X[[9, 5, 9]] * 2).all()
    assert (matrix[2:4] == X[6:8] * 2).all()
    assert (matrix[np.int64(3)] == X[7] * 2).all()
    for beyond in (16, slice(10, 17), [3, 16]):
        with pytest.raises(IndexError):
            matrix[beyond]
    with pytest.raises(TypeError, match="rows of an HDF5Matrix are numbers"):
        matrix[None]
    model = line()
    found = model.predict(matrix, verbose=0)
    assert np.allclose(found, model.predict(X[4:20] * 2, verbose=0), atol=1e-5)
    assert (hdf5_data.load_array(tmp_path / "x.h5") == X).all()


@pytest.mark.parametrize("kind", ["file", "dict"])
def test_an_hdf5_file_is_used_as_a_dictionary(tmp_path, kind):
    place = {} if kind == "dict" else tmp_path / "d.h5"
    with hdf5_data.h5dict(place, "w") as file:
        file["word"] = "abc"
        file["words"] = [b"one", b"three"]
        file["many"] = ["x" * 100] * 2000
        file["group"]["inner"]["x"] = X
    with hdf5_data.h5dict(place, "r") as file:
        assert file["word"] == "abc"
        assert file["words"] == [b"one", b"three"]
        assert len(file["many"]) == 2000
        assert "group" in file
        assert (file["group"]["inner"]["x"] == X).all()
        assert file.get("gone", 3) == 3
        with pytest.raises(UsageError, match="cannot set an item"):
            file["new"] = 1
        with pytest.raises(KeyError):
            file["gone"]


def test_replacing_a_file_asks_first(monkeypatch, capsys):
    answers = iter(["maybe", "y", "n"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert hdf5_data.ask_to_proceed_with_overwrite("a.h5")
    assert "overwrite=True" in capsys.readouterr().out
    assert not hdf5_data.ask_to_proceed_with_overwrite("a.h5")


def test_who_answers_in_place_of_a_user_replaces_the_function_of_six(monkeypatch):
    monkeypatch.setattr(pytest.importorskip("six.moves"), "input", lambda question: "y")
    assert hdf5_data.ask_to_proceed_with_overwrite("a.h5")


def test_a_file_has_its_checksum(tmp_path):
    (tmp_path / "a").write_text("abc")
    assert enqueuers.validate_file(tmp_path / "a", "900150983cd24fb0d6963f7d28e17f72")
    assert not enqueuers.validate_file(tmp_path / "a", "0" * 64)


# --- small helpers --------------------------------------------------------------------------


def test_functions_come_back_from_text():
    factor = 3

    def times(x, offset=1):
        return factor * x + offset

    again = utilities.func_load(utilities.func_dump(times))
    assert again(2) == 7
    assert utilities.func_load(list(utilities.func_dump(lambda x: x + 1)))(1) == 2


def test_custom_objects_are_listed_while_they_are_known():
    before = dict(utils.get_custom_objects())
    with utilities.custom_object_scope({"Mine": dict}, {"Yours": list}):
        assert len(utils.get_custom_objects()) == len(before) + 2
        assert utilities.get_from_module("Mine", {}, "object", instantiate=True) == {}
    assert utils.get_custom_objects() == before
    with pytest.raises(UnknownNameError, match="Invalid object: Mine"):
        utilities.get_from_module("Mine", {}, "object")
    assert utilities.get_from_module({"name": "dict", "a": 1}, {"dict": dict}, "object") == {"a": 1}


def test_scores_of_predictions():
    assert utilities.probas_to_classes(np.array([[0.2], [0.7]])).tolist() == [0, 1]
    assert utilities.probas_to_classes(np.array([[0.2, 0.8], [0.7, 0.3]])).tolist() == [1, 0]
    assert utilities.accuracy([1, 2, 3], [1, 2, 4]) == pytest.approx(2 / 3)
    assert utilities.multiclass_logloss(np.array([[0.5, 0.5]]), [2]) == pytest.approx(np.log(2))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_kernel_turns_by_half_a_turn(rank):
    kernel = RNG.normal(size=(3,) * rank + (2, 4))
    turned = utilities.convert_kernel(kernel)
    assert (turned == np.flip(kernel, tuple(range(rank)))).all()
    with in_era(1):
        first = utilities.convert_kernel(kernel, dim_ordering="th")
    assert (first == np.flip(kernel, tuple(range(2, rank + 2)))).all()
    with pytest.raises(ShapeError, match="Invalid kernel shape"):
        utilities.convert_kernel(np.zeros((2, 2)))


def test_all_kernels_of_a_model_turn():
    model = models.Sequential([layers.Input((5, 5, 1)), layers.Conv2D(1, (2, 3)), layers.Flatten(), layers.Dense(1)])
    before = [np.array(weight) for weight in model.get_weights()]
    utilities.convert_all_kernels_in_model(model)
    after = model.get_weights()
    assert (after[0] == before[0][::-1, ::-1]).all()
    assert (after[2] == before[2]).all()
    dense = model.layers[-1]
    utilities.convert_dense_weights_data_format(dense, (1, 4, 3), "channels_first")
    expected = before[2].reshape(4, 3, 1).transpose(2, 0, 1).reshape(-1, 1)
    assert (dense.get_weights()[0] == expected).all()
    assert utilities.count_total_params(model.layers) == (6 + 1 + 12 + 1, 0)


def test_several_devices_are_needed_for_several_devices():
    with pytest.raises(ArgumentError, match="call `multi_gpu_model` with `gpus >= 2`"):
        several_devices.multi_gpu_model(line(), gpus=1)
    with pytest.raises(ArgumentError, match="this machine only has"):
        several_devices.multi_gpu_model(line(), gpus=4096)


def test_data_are_checked_as_they_were():
    assert data_checks.standardize_input_data({"a": [1, 2]}, ["a"], [(None, 1)])[0].tolist() == [[1], [2]]
    with pytest.raises(DataError, match='No data provided for "b"'):
        data_checks.standardize_input_data({"a": [1]}, ["b"])
    with pytest.raises(DataError, match=r"expected a to have shape \(None, 4\), but got array with shape \(24, 3\)"):
        data_checks.standardize_input_data([X], ["a"], [(None, 4)])
    weights = data_checks.standardize_weights(utils.to_categorical([0, 1, 1]), class_weight={0: 1.0, 1: 0.5})
    assert weights.tolist() == [1.0, 0.5, 0.5]
    assert data_checks.standardize_weights(np.zeros((2, 3, 1)), sample_weight_mode="temporal").shape == (2, 3)
    with pytest.raises(DataError, match="must contain all classes in the data"):
        data_checks.standardize_weights(np.array([0, 1]), class_weight={0: 1.0})
    assert sorted(data_checks.batch_shuffle(np.arange(7), 3).tolist()) == list(range(7))
    assert data_checks.standardize_single_array(np.arange(3)).shape == (3, 1)
    assert data_checks.check_num_samples([X]) == 24
    with pytest.raises(ArgumentError, match="If steps is set, the `batch_size` must be None"):
        data_checks.check_num_samples([X], batch_size=3, steps=2)
    assert data_checks.collect_metrics({"a": "acc"}, ["a", "b"]) == [["acc"], []]
    assert data_checks.standardize_class_weights({"a": {0: 1}}, ["a", "b"]) == [{0: 1}, None]


@pytest.mark.parametrize("case", [(layers.Dense, {"units": 2}), (layers.Dropout, {"rate": 0.5})])
def test_a_layer_is_put_through_its_paces(case):
    assert layer_checks.layer_test(*case, input_shape=(2, 3)).shape[0] == 2
    with pytest.raises(AssertionError):
        layer_checks.layer_test(*case, input_shape=(2, 3), expected_output=np.full((2, 3), 1e6))
    with pytest.raises(ArgumentError, match="Give one of them"):
        layer_checks.layer_test(*case)


def test_a_gradient_is_limited_and_an_optimizer_read():
    assert functions.clip_norm(np.array([3.0, 4.0]), 1.0, 5.0).tolist() == pytest.approx([0.6, 0.8])
    assert functions.clip_norm(np.array([0.3, 0.4]), 1.0, 0.5).tolist() == pytest.approx([0.3, 0.4])
    config = {"class_name": "SGD", "config": {"learning_rate": 0.5}}
    with in_era(2):
        assert float(functions.deserialize_optimizer(config).learning_rate) == 0.5
    assert config["class_name"] == "sgd"
    assert float(functions.optimizer_from_config(config).learning_rate) == 0.5
    assert initializations.get_fans((16, 8, 3, 3)) == fans.fans_keras2((3, 3, 8, 16)) == (72, 144)


def test_random_data_tell_their_classes():
    with in_era(1):
        (x, y), (more, _) = layer_checks.get_test_data(nb_train=60, nb_test=10, input_shape=(40,), nb_class=3)
    assert (x.shape, y.shape, more.shape) == ((60, 40), (60,), (10, 40))
    assert np.abs(x.mean(1) - y).max() < 0.6


def test_random_targets_are_drawn_beside_their_inputs():
    np.random.seed(3)
    (x, y), (_, last) = layer_checks.get_test_data(3, 1, (2, 2), (2,), classification=False)
    np.random.seed(3)
    rows = [[np.random.normal(centre, 0.7, size) for size in ((2, 2), (2,))] for centre in np.random.random(4).tolist()]
    np.testing.assert_allclose(x, [row[0] for row in rows[:3]], rtol=1e-6)
    np.testing.assert_allclose([*y, *last], [row[1] for row in rows], rtol=1e-6)

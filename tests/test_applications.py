"""Published networks: layers, shapes and numbers are those of Keras, and their weights are found, checked and loaded."""

import importlib
import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keraunos
from keraunos import applications
from keraunos.applications import imagenet_utils, network
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, DataError, DownloadError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "applications.json").read_text())
# One of each family, small enough to be made in every run.
SMALL = ("MobileNet", "MobileNetV2", "ResNet50", "ResNet50V2", "Xception", "InceptionV3", "DenseNet121")


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    """The empty ``models`` folder of a cache, and no folder of Keras."""
    monkeypatch.setenv("KERAUNOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home" / "models"


def ends(model) -> list:
    """Parameters, number of layers, and the names of some of them all along."""
    names = [layer.name for layer in model.layers]
    return [model.count_params(), len(names), names[1:-1:40]]


@pytest.mark.parametrize("name", SMALL)
def test_a_network_has_the_layers_of_keras(name):
    assert ends(getattr(applications, name)(weights=None)) == GOLDEN[name]


def test_every_name_is_there():
    for name in applications.__all__:
        thing = getattr(applications, name)
        assert inspect.ismodule(thing) or inspect.getdoc(thing)
    with pytest.raises(
        AttributeError, match="module 'keraunos.applications' has no attribute 'VGG17'. Did you mean 'VGG1"
    ):
        applications.VGG17  # noqa: B018


@pytest.mark.parametrize("name", GOLDEN["scores"])
def test_with_the_same_weights_the_features_are_those_of_keras(name):
    alpha = {} if name == "VGG16" else {"alpha": 0.35}
    options = {"weights": None, "include_top": False, "pooling": "max", "input_shape": (32, 32, 3), **alpha}
    model, numbers = getattr(applications, name)(**options), np.random.default_rng(0)
    model.set_weights(
        [
            numbers.uniform(0.02, 0.06, w.shape) if w.path.endswith("variance") else numbers.normal(0, 0.05, w.shape)
            for w in model.weights
        ]
    )
    features = model.predict(numbers.normal(size=(1, 32, 32, 3)).astype("float32"), verbose=0)[0]
    places, values = zip(*GOLDEN["scores"][name], strict=True)
    np.testing.assert_allclose(features[list(places)], values, rtol=1e-4)


@pytest.mark.parametrize(
    "era, last",
    [(1, ["activation_49", "avg_pool", "flatten_1", "fc1000"]), (2, ["add_16", "activation_49", "avg_pool", "fc1000"])],
)
def test_an_era_has_its_own_names_of_layers(era, last):
    with spelling.in_era(era):
        names = [layer.name for layer in applications.ResNet50(weights=None).layers]
    assert names[-4:] == last
    assert {"conv1", "bn_conv1", "res2a_branch2a", "bn5c_branch2c", "res3a_branch1"} < set(names)


def test_the_first_inception_normalized_after_the_activation():
    with spelling.in_era(1):
        model = applications.InceptionV3(None, None, None, (75, 75, 3))
        assert model.layers[1].get_config()["activation"] == "relu"
    names = [type(layer).__name__ for layer in model.layers]
    assert "Activation" not in names
    assert names.count("Conv2D") == names.count("BatchNormalization") == 94


# --- weights ---


def test_weights_come_from_the_published_address_and_from_a_cache(models, monkeypatch):
    asked = []
    monkeypatch.setattr(network, "get_file", lambda name, address, **options: asked.append((name, address, options)))
    network.Weights("https://a.org/w{top}.h5", ("1", "2")).fetched(False)
    assert asked == [("w_notop.h5", "https://a.org/w_notop.h5", {"cache_subdir": "models", "file_hash": "2"})]
    asked.clear()
    monkeypatch.setattr(network, "get_file", lambda name, address, **options: asked.append(address) or "nothing.h5")
    for era in (1, 2, 3):
        with spelling.in_era(era), pytest.raises(keraunos.KeraunosError, match="nothing.h5"):
            applications.MobileNet(input_shape=(128, 128, 3), alpha=0.25)
    github = "https://github.com/fchollet/deep-learning-models/releases/download/v0.6/mobilenet_2_5_128_tf.h5"
    google = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/mobilenet_2_5_128_tf.h5"
    assert asked == [github, github, google]


def test_a_file_of_weights_in_the_cache_is_loaded_and_another_one_is_not(models):
    with spelling.in_era(1):
        options = {"include_top": False, "input_shape": (32, 32, 3)}
        made = applications.VGG16(weights=None, **options)
        made.save_weights(models / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
        # No checksum was published for this one until later.
        loaded = applications.VGG16(weights="imagenet", **options)
        np.testing.assert_array_equal(loaded.get_weights()[0], made.get_weights()[0])
        assert np.any(made.get_weights()[0] != applications.VGG16(weights=None, **options).get_weights()[0])


def test_a_path_of_weights_is_loaded(tmp_path):
    options = {"include_top": False, "input_shape": (32, 32, 3), "alpha": 0.25}
    made = applications.MobileNet(weights=None, **options)
    made.save_weights(tmp_path / "mine.weights.h5")
    loaded = applications.MobileNet(weights=tmp_path / "mine.weights.h5", **options)
    np.testing.assert_array_equal(loaded.get_weights()[0], made.get_weights()[0])


@pytest.mark.parametrize(
    "options, words",
    [
        ({"weights": "imagenets"}, "weights is 'imagenets'; expected None for random ones, 'imagenet', or the path"),
        ({"classes": 10}, "classes is 10, but the classifier trained on ImageNet has 1000"),
        ({"classifier_activation": "relu"}, "classifier_activation is 'relu'; a classifier with trained weights has"),
        ({"weights": None, "pooling": "mean"}, "pooling is 'mean'; expected None, 'avg' or 'max'"),
        ({"weights": None, "input_shape": (16, 16, 3)}, "the network needs at least 32 rows and columns"),
        ({"weights": None, "input_shape": (32, 32)}, "expected three sizes, such as .224, 224, 3."),
        ({"input_shape": (32, 32, 3)}, "the network's top was trained on .224, 224, 3."),
        ({"weights": None, "input_shape": (None, None, 3)}, "with include_top=True all three sizes must be known"),
        ({"include_top": False, "input_shape": (64, 64, 1)}, "ImageNet's weights want 3 channels"),
        ({"width": 3}, "VGG16: unknown argument 'width'"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(options, words):
    with pytest.raises(ArgumentError, match=words):
        applications.VGG16(**options)


def test_a_network_stands_on_a_tensor():
    x = keraunos.Input((32, 32, 3))
    model = applications.VGG16(weights=None, include_top=False, input_tensor=keraunos.layers.ReLU()(x))
    assert model.input is x
    assert model.layers[1].name == "re_lu"


# --- images and classes ---


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_images_are_prepared_as_by_keras(mode, data_format, batch):
    shape = (4, 5, 3) if data_format == "channels_last" else (3, 4, 5)
    x = np.random.default_rng(0).uniform(0, 255, (*batch, *shape)).astype("float32")
    wanted = keras.applications.imagenet_utils.preprocess_input(x.copy(), data_format, mode)
    tensor = imagenet_utils.preprocess_input(keraunos.ops.array(x), data_format, mode)
    np.testing.assert_allclose(tensor, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(imagenet_utils.preprocess_input(x.copy(), data_format, mode), wanted)


def test_an_array_of_floats_is_written_over_and_one_of_whole_numbers_is_not():
    x = np.full((1, 2, 2, 3), 255.0)
    assert imagenet_utils.preprocess_input(x, mode="tf") is x
    assert x.max() == 1
    whole = np.full((1, 2, 2, 3), 255)
    assert imagenet_utils.preprocess_input(whole, mode="tf").max() == 1
    assert whole.max() == 255
    with pytest.raises(ArgumentError, match="mode is 'tensorflow'; expected 'caffe', 'tf' or 'torch'"):
        imagenet_utils.preprocess_input(x, mode="tensorflow")


@pytest.mark.parametrize("module", ["resnet50", "resnet_v2", "densenet", "mobilenet_v2", "vgg19"])
def test_a_module_prepares_images_in_its_own_way(module):
    x = np.random.default_rng(0).uniform(0, 255, (1, 2, 2, 3)).astype("float32")
    ours = importlib.import_module(f"keraunos.applications.{module}").preprocess_input(x.copy())
    theirs = getattr(keras.applications, module).preprocess_input(x.copy())
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_scores_become_names_of_classes(models, monkeypatch):
    path = models / "imagenet_class_index.json"
    path.write_text(json.dumps({str(i): [f"n{i:08}", f"class {i}"] for i in range(1000)}))
    monkeypatch.setattr(imagenet_utils, "_CLASS_NAMES_HASH", None)
    scores = np.zeros((1, 1000))
    scores[0, 3], scores[0, 5] = 0.75, 0.25
    assert imagenet_utils.decode_predictions(scores, top=2) == [
        [("n00000003", "class 3", 0.75), ("n00000005", "class 5", 0.25)]
    ]
    with pytest.raises(DataError, match="the scores have shape .1, 10."):
        imagenet_utils.decode_predictions(np.zeros((1, 10)))


def test_names_that_cannot_be_fetched_are_said_so(models, monkeypatch):
    monkeypatch.setitem(imagenet_utils._CLASS_NAMES, 3, "file:///nowhere/index.json")
    with pytest.raises(DownloadError, match="cannot be fetched"):
        imagenet_utils.decode_predictions(np.zeros((1, 1000)))

"""Names and arguments that scripts of Keras 1 and 2 found in places where nobody meant to offer them."""

import pickle

import numpy as np
import pytest

import keraunos
from keraunos import layers, schedules
from keraunos.eras import backend as K
from keraunos.eras.detect import detect
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ShapeError

X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")


@pytest.fixture(params=[1, 2])
def era(request):
    keraunos.install_as_keras(era=request.param)
    yield request.param
    keraunos.uninstall_keras()


def test_show_accuracy_is_accepted_wherever_keras_1_took_it():
    with spelling.in_era(1):
        model = keraunos.Sequential([layers.Input((2,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=1, verbose=0, show_accuracy=True)
        assert model.evaluate(X, Y, verbose=0, show_accuracy=True) > 0
        assert model.train_on_batch(X, Y, accuracy=True) > 0
        assert model.test_on_batch(X, Y, accuracy=True) > 0
        model.fit_generator(iter([(X, Y)] * 9), 4, 1, verbose=0, show_accuracy=True)
        assert model.evaluate_generator(iter([(X, Y)] * 9), 4, show_accuracy=True) > 0


def test_a_rate_that_a_schedule_gives_is_not_set(era):
    model = keraunos.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile(keraunos.optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.9)), "mse")
    with pytest.raises(ArgumentError, match="cannot be changed.*given a schedule, such as ExponentialDecay"):
        K.set_value(model.optimizer.lr, 0.5)
    model.compile(keraunos.optimizers.SGD(0.1), "mse")
    K.set_value(model.optimizer.lr, 0.5)
    assert K.get_value(model.optimizer.lr) == 0.5


@pytest.mark.parametrize(
    "module", "regularizers constraints initializers layers layers.core activations losses metrics callbacks".split()
)
def test_a_star_brings_the_backend_and_numpy_along(era, module):
    names = {}
    exec(f"from keras.{module} import *", names)
    assert names["K"].epsilon() == 1e-8 or names["K"].epsilon() == 1e-7
    assert names["np"] is np


def test_today_a_star_brings_what_a_module_offers():
    keraunos.install_as_keras(era=3)
    names = {}
    exec("from keras.regularizers import *", names)
    keraunos.uninstall_keras()
    assert not {"K", "np"} & set(names)
    assert "L2" in names


@pytest.mark.parametrize("name, key", [("cifar10", "labels"), ("cifar100", "fine_labels")])
def test_a_batch_of_cifar_is_read_from_either_module(era, tmp_path, name, key):
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({b"data": np.zeros((2, 3072), "uint8"), key.encode(): [3, 1]}))
    names = {}
    exec(f"from keras.datasets.{name} import load_batch", names)
    images, labels = names["load_batch"](path, label_key=key)
    assert (images.shape, labels) == ((2, 3, 32, 32), [3, 1])


def test_residual_blocks_are_made_by_themselves(era):
    names = {}
    exec("from keras.applications.resnet50 import conv_block, identity_block", names)
    inputs = layers.Input((8, 8, 6))
    same = keraunos.Model(inputs, names["identity_block"](inputs, 3, [2, 3, 6], stage=2, block="b"))
    smaller = keraunos.Model(inputs, names["conv_block"](inputs, 3, [2, 3, 5], stage=3, block="a", strides=(2, 2)))
    assert smaller.output_shape == (None, 4, 4, 5)
    assert {"res2b_branch2a", "bn2b_branch2c"} <= {layer.name for layer in same.layers}
    assert {"res3a_branch1", "bn3a_branch1"} <= {layer.name for layer in smaller.layers}
    same.set_weights(
        [0 * w if "kernel" in v.path else w for v, w in zip(same.weights, same.get_weights(), strict=True)]
    )
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 6)).astype("float32")
    np.testing.assert_array_equal(same.predict(x, verbose=0), np.maximum(x, 0))
    assert detect("from keras.applications.resnet50 import conv_block").era == 2


def test_masks_are_attributes_of_tensors():
    embedding = layers.Embedding(9, 4, mask_zero=True)
    assert embedding(np.array([[1, 2, 0]]))._keras_mask.tolist() == [[True, True, False]]
    inputs = layers.Input((3,), dtype="int32")
    mask = embedding(inputs)._keras_mask
    model = keraunos.Model(inputs, mask)
    assert model.predict(np.array([[1, 0, 2]]), verbose=0).tolist() == [[True, False, True]]
    assert layers.Dense(2)(layers.Input((3,)))._keras_mask is None
    assert detect("print(x._keras_mask)").marks == ()


def test_a_variable_takes_the_name_of_an_initializer():
    variable = keraunos.Variable("uniform", shape=(200,))
    assert variable.shape == (200,)
    assert 0.03 < np.abs(variable.numpy()).max() <= 0.05
    with pytest.raises(ArgumentError, match="unifrom"):
        keraunos.Variable("unifrom", shape=(2,))


def test_tensors_are_shuffled_as_in_theano(era):
    x = np.arange(6.0).reshape(2, 1, 3)
    expected = x[:, 0].T[:, None, :]
    assert np.array_equal(K.variable(x).dimshuffle(2, "x", 0), expected)
    assert np.array_equal(keraunos.ops.array(x).dimshuffle((2, "x", 0)), expected)
    inputs = layers.Input((1, 3))
    shuffled = layers.Lambda(lambda t: t.dimshuffle(0, 2, "x") + t.sum(axis=1).dimshuffle(0, 1, "x"))(inputs)
    for outputs in (shuffled, inputs.dimshuffle(0, 2, "x") * 2):
        got = keraunos.Model(inputs, outputs).predict(x, verbose=0)
        np.testing.assert_array_equal(got, 2 * x.transpose(0, 2, 1))
    for pattern, words in (((0, 3), "does not fit"), ((0, 0, 1), "does not fit"), ((1, 2), "leaves out axes")):
        with pytest.raises((ArgumentError, ShapeError), match=words):
            K.dimshuffle(inputs, *pattern)

"""Layers taken off a model, and other outputs given to it, as posts on features of a published network do."""

import copy

import numpy as np
import pytest

import keraunos
from keraunos.layers import Dense, Input
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

X = np.random.default_rng(0).random((2, 4)).astype("float32")


@pytest.fixture(params=[1, 2])
def era(request):
    with spelling.in_era(request.param):
        yield request.param


def functional():
    inputs = Input((4,))
    return keraunos.Model(inputs, Dense(7, name="predictions")(Dense(6, name="features")(inputs)))


def stack():
    return keraunos.Sequential([Input((4,)), Dense(5), Dense(6), Dense(7)])


def by_hand(layers):
    values = X
    for layer in layers:
        kernel, bias = layer.get_weights()
        values = values @ kernel + bias
    return values


def test_a_layer_taken_out_of_the_list_is_no_longer_the_last(era):
    model = functional()
    taken = model.layers.pop()
    assert [layer.name for layer in model.layers][1:] == ["features"]
    features = keraunos.Model(model.inputs, model.layers[-1].output)
    np.testing.assert_allclose(features.predict(X), by_hand(model.layers[1:]), rtol=1e-4)
    # The model itself computes what it computed, and no longer has the layer's weights.
    np.testing.assert_allclose(model.predict(X), by_hand([*model.layers[1:], taken]), rtol=1e-4)
    assert len(model.get_weights()) == 2
    assert model.count_params() == 30
    lines = []
    model.summary(print_fn=lines.append)
    assert not any("predictions" in line for line in lines)


def test_what_is_set_as_outputs_is_returned(era):
    model = functional()
    before = model.predict(X).shape
    model.layers.pop()
    model.outputs = [model.layers[-1].output]
    model.layers[-1].outbound_nodes = []
    np.testing.assert_allclose(model.predict(X), by_hand(model.layers[1:]), rtol=1e-4)
    assert (before, model.output_shape) == ((2, 7), (None, 6))
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, np.ones((2, 6))) > 0
    with pytest.raises(ArgumentError, match="depend on the input"):
        model.outputs = Dense(2)(Input((3,)))


def test_the_list_of_a_stack_was_its_own_in_keras_1_alone():
    for era, left in ((1, 2), (2, 3)):
        with spelling.in_era(era):
            model = stack()
            if era == 1:
                model.layers.pop()
            else:
                with pytest.warns(UserWarning, match=r"model.layers is a copy, .*model.pop\(\)"):
                    model.layers.pop()
            assert len(model.layers) == left
            assert model.predict(X).shape == (2, 7)


def test_the_layers_below_one_taken_off_have_one_output(era):
    model = stack()
    model.pop()
    further = keraunos.Model(model.input, Dense(2)(model.layers[-1].output))
    assert further.predict(X).shape == (2, 2)
    assert len(further.layers) == 4
    np.testing.assert_allclose(model.predict(X), by_hand(model.layers), rtol=1e-4)
    model.add(Dense(3))
    np.testing.assert_allclose(model.predict(X), by_hand(model.layers), rtol=1e-4)
    for _ in range(3):
        model.pop()
    assert not model.layers
    assert not model.built


def test_today_the_list_is_a_copy_and_outputs_stay():
    model = functional()
    with pytest.warns(UserWarning, match="model.layers is a copy, and the model keeps the layer"):
        model.layers.pop()
    for change in (list.reverse, list.clear):
        change(model.layers)
    assert len(model.layers) == 3
    with pytest.raises(ArgumentError, match=r"outputs cannot be exchanged since Keras 3. Make a Model\(model.inputs"):
        model.outputs = [model.layers[1].output]
    assert type(copy.copy(model.layers)) is list

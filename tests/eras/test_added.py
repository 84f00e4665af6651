"""Losses, updates and masks that layers and models of eras 1 and 2 tell between calls."""

import numpy as np
import pytest

from keraunos import models
from keraunos.eras import backend as K
from keraunos.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Input,
    Layer,
    Masking,
    SimpleRNN,
    TimeDistributed,
)
from keraunos.utils.spelling import in_era

ROWS = np.arange(12.0).reshape(6, 2) - 5


@pytest.fixture(autouse=True, params=[1, 2])
def _era(request):
    with in_era(request.param):
        yield


def test_what_is_added_between_calls_is_told_by_its_inputs():
    inputs, layer = Input((2,)), Dense(1)
    layer.add_update("step", inputs=inputs)
    layer.add_update(["always"], inputs=None)
    layer.add_loss(3, inputs=inputs)
    layer.add_loss(4)
    assert (layer.get_updates_for(inputs), layer.get_updates_for(None)) == (["step"], ["always"])
    assert (layer.get_losses_for(inputs), layer.get_losses_for(None)) == ([3], [4])
    assert layer.updates == ["step", "always"]
    layer.trainable = False
    assert layer.updates == []


def test_losses_of_outputs_are_symbolic_tensors_of_the_model():
    inputs = Input((2,))
    inner = models.Sequential([Dense(2, input_shape=(2,), activity_regularizer="l1"), Activation("relu")])
    outer = models.Model(inputs, inner(inputs))
    weights = [np.eye(2), np.ones(2)]
    inner.set_weights(weights)
    for model in (inner, outer):
        (loss,) = model.losses
        expected = 0.01 * np.abs(ROWS + 1).sum()
        np.testing.assert_allclose(K.function(model.inputs, [loss])([ROWS])[0], expected, rtol=1e-5)
        assert model.get_losses_for(model.inputs) == [loss]
        assert model.get_losses_for(None) == []
        assert model.losses == [loss]


def test_losses_of_a_layer_of_the_users_own_are_told():
    class Penalty(Layer):
        def call(self, x):
            self.add_loss(K.mean(x), inputs=x)
            return x

    inputs = Input((2,))
    model = models.Model(inputs, Penalty()(inputs))
    np.testing.assert_allclose(K.function([inputs], model.losses)([ROWS])[0], ROWS.mean(), rtol=1e-5)


def test_statistics_are_updated_one_by_one_unless_the_layer_only_predicts():
    inputs = Input((2,))
    layer = BatchNormalization(momentum=0.5)
    model = models.Model(inputs, layer(inputs))
    assert len(model.updates) == 2
    K.function([inputs, K.learning_phase()], model.outputs, updates=model.updates[:1])([ROWS, 1])
    mean, variance = model.get_weights()[2:]
    assert mean[1] > 0
    np.testing.assert_allclose(variance, [1, 1])
    model.trainable = False
    assert model.updates == []
    fixed = BatchNormalization()
    fixed(inputs, training=False)
    assert fixed.updates == []


def test_a_layer_without_masks_refuses_one():
    model = models.Sequential([Conv2D(1, (2, 2), input_shape=(3, 3, 1))])
    assert model.layers[0].compute_mask([model.input], [None]) is None
    with pytest.raises(TypeError, match="does not support masking"):
        model.layers[0].compute_mask(model.input, np.ones((2, 3)))


def test_a_model_tells_the_masks_of_its_outputs():
    words = Input((4,), dtype="int32")
    embedded = Embedding(9, 2, mask_zero=True)(words)
    model = models.Model(words, [embedded, SimpleRNN(2)(embedded)])
    fresh = Input((4,), dtype="int32")
    first, second = model.compute_mask(fresh, None)
    assert second is None
    np.testing.assert_array_equal(K.function([fresh], [first])([[[1, 0, 2, 0]]])[0], [[True, False, True, False]])
    plain = models.Model(words, embedded)
    assert plain.compute_mask([words], [None]).shape == (None, 4)
    passing = models.Sequential([Masking(input_shape=(4, 1)), TimeDistributed(Dense(1))])
    assert passing.compute_mask(passing.inputs) is not None


def test_whether_the_phase_counts_is_told_through_models_and_fixed_calls():
    inputs = Input((2,))
    dropped = models.Model(inputs, Dropout(0.5)(inputs))
    assert dropped(Input((2,)))._uses_learning_phase
    told = models.Model(inputs, Dropout(0.5)(inputs, training=True))
    assert not told.uses_learning_phase
    assert not told(Input((2,)))._uses_learning_phase


def test_layers_are_listed_by_their_distance_from_the_outputs():
    inputs = Input((2,))
    first, last = Dense(2), Dense(1)
    model = models.Model(inputs, last(first(inputs)))
    assert model.layers_by_depth == {2: [model.layers[0]], 1: [first], 0: [last]}


def test_a_layer_freed_after_compile_is_warned_of_in_keras_2(recwarn):
    model = models.Sequential([Dense(1, input_shape=(2,), trainable=False)])
    model.compile("sgd", "mse")
    model.layers[0].trainable = True
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights"), in_era(2):
        model.train_on_batch(ROWS, ROWS[:, :1])
    with in_era(1):
        model.train_on_batch(ROWS, ROWS[:, :1])
    assert not recwarn.list

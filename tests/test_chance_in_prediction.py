"""Layers that draw random numbers in ``predict`` and ``evaluate`` too: new ones for each batch, the same ones for a seed."""

import numpy as np
import pytest

import keraunos as keras
from keraunos import layers
from keraunos.utils import spelling

X = np.ones((40, 30), "float32")


def kept(layer, seed=0):
    """A model of a layer that stays on."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((30,))
    return keras.Model(inputs, layer(inputs, training=True))


def drawn(model):
    """Five batches of eight rows, predicted in every way."""
    both = model.predict(X[:16], batch_size=8, verbose=0)
    return [
        model.predict(X[:8], verbose=0),
        model.predict(X[:8], verbose=0),
        both[:8],
        both[8:],
        model.predict_on_batch(X[:8]),
    ]


@pytest.mark.parametrize("layer", [layers.Dropout(0.5), layers.GaussianNoise(1.0)], ids=lambda layer: layer.name)
def test_each_batch_gets_random_numbers_of_its_own_which_follow_from_the_seed(layer):
    first, again, other = drawn(kept(layer)), drawn(kept(layer)), drawn(kept(layer, 1))
    assert len({batch.tobytes() for batch in [*first, *other]}) == 10
    np.testing.assert_array_equal(first, again)
    assert abs(np.mean(first) - 1) < 0.1


def test_a_short_last_batch_and_evaluate_get_their_own_too():
    model = kept(layers.Dropout(0.5))
    batches = model.predict(X, batch_size=16, verbose=0)
    assert len({rows.tobytes() for rows in batches.reshape(5, 8, 30)}) == 5
    model.compile("sgd", "mse")
    assert len({model.evaluate(X, 0 * X, verbose=0, batch_size=8) for _ in range(6)}) > 2


def test_training_and_models_without_chance_do_not_notice_it():
    weights = []
    for predictions in (0, 3):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((30,)), layers.Dropout(0.5), layers.Dense(1)])
        model.compile("sgd", "mse")
        for _ in range(predictions):
            model.predict(X, verbose=0)
        model.fit(X, X[:, :1], epochs=2, verbose=0)
        assert model._batches_drawn == 0
        weights.append(model.get_weights()[0])
    np.testing.assert_array_equal(*weights)


def test_the_learning_phase_of_earlier_eras_turns_dropout_on_in_predict():
    with spelling.in_era(2):
        from keraunos.eras import backend as K

        model = keras.Sequential([keras.Input((30,)), layers.Dropout(0.5)])
        with K.learning_phase_scope(1):
            on = {model.predict(X[:8]).tobytes() for _ in range(3)}
            assert int(K.learning_phase()) == 1
        off = {model.predict(X[:8]).tobytes() for _ in range(3)}
        assert len(on) == 3
        assert off == {X[:8].tobytes()}

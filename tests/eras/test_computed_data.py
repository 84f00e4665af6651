"""Models of eras 1 and 2 that compute inputs or targets themselves, from Variables, so that no data are given for them."""

import numpy as np
import pytest

from keraunos import models
from keraunos.eras import backend as K
from keraunos.layers import Dense, Input, SimpleRNN
from keraunos.utils.errors import ArgumentError, DataError
from keraunos.utils.spelling import in_era

ROWS = np.arange(12.0).reshape(6, 2) / 10
TARGETS = ROWS.sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _era():
    with in_era(2):
        yield


def doubling(inputs):
    """A model of one unit with weights 2 and 2."""
    return models.Model(inputs, Dense(1, kernel_initializer=lambda *_, **__: np.full((2, 1), 2.0))(inputs))


def test_a_model_on_a_variable_is_trained_and_asked_without_inputs():
    held = K.variable(ROWS)
    model = doubling(Input(tensor=held))
    model.compile("sgd", "mse")
    expected = np.mean((2 * TARGETS - TARGETS) ** 2)
    np.testing.assert_allclose(model.test_on_batch(None, TARGETS), expected, rtol=1e-5)
    np.testing.assert_allclose(model.evaluate([], TARGETS, batch_size=6, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(None), 2 * TARGETS, rtol=1e-5)
    np.testing.assert_allclose(model.predict(None, steps=2), np.tile(2 * TARGETS, (2, 1)), rtol=1e-5)
    K.set_value(held, ROWS * 0)
    np.testing.assert_allclose(model.predict_on_batch(None), 0 * TARGETS, atol=1e-6)
    with pytest.raises(DataError, match="x is given, but the model computes all of its inputs"):
        model.predict(ROWS)
    with pytest.raises(DataError, match="do not say where an epoch ends"):
        model.predict(None)


def test_only_the_other_inputs_are_given():
    held, other = Input(tensor=K.variable(ROWS)), Input((2,), name="other")
    unit = Dense(1, kernel_initializer="ones")
    model = models.Model([held, other], [unit(held), unit(other)])
    for given in (ROWS * 3, {"other": ROWS * 3}):
        first, second = model.predict(given, batch_size=6)
        np.testing.assert_allclose(first, TARGETS, rtol=1e-5)
        np.testing.assert_allclose(second, 3 * TARGETS, rtol=1e-5)


def test_a_loss_of_tensors_alone_needs_no_data_at_all():
    model = doubling(Input(tensor=K.variable(ROWS)))
    model.add_loss(K.mean(model.output))
    model.compile("sgd", loss=None)

    def nothing():
        while True:
            yield None, None

    history = model.fit(None, None, steps_per_epoch=2, epochs=1, validation_steps=1, verbose=0).history
    # Of two steps of 0.01 the gradient is the mean row (and 1 for the bias); the first step's loss is 2 * mean(TARGETS).
    step = 0.01 * (np.sum(ROWS.mean(axis=0) ** 2) + 1)
    np.testing.assert_allclose(history["loss"], [2 * TARGETS.mean() - step / 2], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], [2 * TARGETS.mean() - 2 * step], rtol=1e-5)
    found = model.evaluate_generator(nothing(), steps=2)
    np.testing.assert_allclose(found, 2 * TARGETS.mean() - 2 * step, rtol=1e-5)


@pytest.mark.parametrize("given", [lambda t: t, lambda t: [t], lambda t: {"unit": t}], ids=["one", "list", "dict"])
def test_targets_may_be_held_by_a_variable(given):
    inputs = Input((2,))
    model = models.Model(inputs, Dense(1, kernel_initializer="zeros", name="unit")(inputs))
    model.compile("sgd", "mse", target_tensors=given(K.variable(TARGETS)))
    np.testing.assert_allclose(model.test_on_batch(ROWS, None), np.mean(TARGETS**2), rtol=1e-5)
    with pytest.raises(DataError, match="leaves 0 to be given"):
        model.train_on_batch(ROWS, TARGETS)


def test_targets_that_are_placeholders_or_left_out_are_given():
    inputs = Input((2,))
    outputs = [Dense(1, kernel_initializer="zeros", name=name)(inputs) for name in ("a", "b", "c")]
    model = models.Model(inputs, outputs)
    model.compile("sgd", "mse", target_tensors={"a": K.variable(TARGETS), "b": K.placeholder((None, 1))})
    expected = [np.mean(TARGETS**2) * factor for factor in (1, 4, 9)]
    for y in ([2 * TARGETS, 3 * TARGETS], {"b": 2 * TARGETS, "c": 3 * TARGETS}):
        np.testing.assert_allclose(model.test_on_batch(ROWS, y), [sum(expected), *expected], rtol=1e-5)


def test_a_copy_may_begin_from_a_variable():
    inputs = Input((2,))
    model = models.clone_model(models.Model(inputs, Dense(1)(inputs)), input_tensors=K.variable(ROWS))
    model.set_weights([np.ones((2, 1)), np.zeros(1)])
    np.testing.assert_allclose(model.predict(None, steps=1), TARGETS, rtol=1e-5)


def two_outputs():
    inputs = Input((2,))
    return models.Model(inputs, [Dense(1, name="a")(inputs), Dense(1, name="b")(inputs)])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"loss": ["mse"]}, ArgumentError, "one entry per model output. The model has 2 outputs"),
        ({"loss": []}, ArgumentError, "one entry per model output"),
        ({"loss": {"c": "mse"}}, ArgumentError, "Unknown entry 'c' in the loss dictionary"),
        ({"loss": None}, ArgumentError, "has no loss to optimize"),
        ({"loss_weights": (1.0, 1.0)}, TypeError, "Could not interpret loss_weights"),
        ({"loss_weights": [1.0]}, ArgumentError, "you passed loss_weights"),
        ({"sample_weight_mode": ["temporal"]}, ArgumentError, "you passed sample_weight_mode"),
        ({"sample_weight_mode": {"a": "temporal"}}, ArgumentError, "Output 'b' missing"),
        ({"target_tensors": {"c": None}}, ArgumentError, "Unknown entry 'c'"),
        ({"target_tensors": 3}, TypeError, "target_tensors is 3"),
    ],
)
def test_what_does_not_fit_the_outputs_is_refused_at_once(arguments, error, match):
    with pytest.raises(error, match=match):
        two_outputs().compile("sgd", **{"loss": "mse", **arguments})


def test_one_tensor_is_not_the_target_of_two_outputs():
    with pytest.raises(ArgumentError, match="you passed a single tensor"):
        two_outputs().compile("sgd", "mse", target_tensors=K.variable(TARGETS))


def test_weights_of_another_rank_and_classes_without_weight_are_refused():
    model = two_outputs()
    model.compile("sgd", "mse")
    y = [TARGETS, TARGETS]
    with pytest.raises(TypeError, match="should be a list or a dict"):
        model.train_on_batch(ROWS, y, sample_weight=(None, np.ones(6)))
    with pytest.raises(DataError, match="b: sample_weight has shape"):
        model.train_on_batch(ROWS, y, sample_weight=[None, np.ones((6, 2))])
    model.compile("sgd", "mse", sample_weight_mode=[None, "temporal"])
    with pytest.raises(DataError, match="b: weights of steps need targets with a time axis"):
        model.train_on_batch(ROWS, y, sample_weight=[None, np.ones(6)])
    with pytest.raises(DataError, match="must contain all classes in the data"):
        model.fit(ROWS, [np.arange(6), np.arange(6)], epochs=0, class_weight={"a": {0: 1.0}})


def test_a_file_keeps_what_sample_weights_are_for(tmp_path):
    model = models.Sequential([SimpleRNN(1, return_sequences=True, input_shape=(3, 1))])
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    model.save(tmp_path / "model.h5")
    x, weights = np.ones((2, 3, 1)), np.array([[1.0, 0.0, 0.0]] * 2)
    loaded = models.load_model(tmp_path / "model.h5")
    given = [one.test_on_batch(x, x, sample_weight=weights) for one in (model, loaded)]
    np.testing.assert_allclose(*given, rtol=1e-5)
    with pytest.raises(DataError, match="sample_weight has shape"):
        loaded.test_on_batch(x, x, sample_weight=weights[:, 0])

"""Ways of training that Keras 1 and 2 had: metrics of several values, outputs without a loss."""

import numpy as np

from keraunos import layers, models
from keraunos.backend import K
from keraunos.utils.spelling import in_era

X = np.random.default_rng(2).normal(size=(12, 3)).astype("float32")


def two_outputs():
    inputs = layers.Input((3,))
    first = layers.Dense(2, name="first")(inputs)
    return models.Model(inputs, [first, layers.Dense(2, name="second")(first)])


def test_a_metric_may_return_several_values_by_name():
    def powers(y_true, y_pred):
        error = K.mean(K.square(y_true - y_pred))
        return {"squared": error**2, "cubed": error**3}

    with in_era(1):
        model = two_outputs()
        model.compile("sgd", "mse", metrics=[powers])
        found = model.test_on_batch(X, [X[:, :2], X[:, :2]])
    values = dict(zip(model.metrics_names, found, strict=True))
    assert len(values) == 7
    for name in ("first", "second"):
        loss = values[f"{name}_loss"]
        assert np.isclose(values[f"{name}_squared"], loss**2)
        assert np.isclose(values[f"{name}_cubed"], loss**3)


def test_an_output_without_a_loss_needs_no_targets():
    with in_era(2):
        model = two_outputs()
        model.compile("sgd", {"second": "mse"}, metrics=["mae"])
        alone = model.test_on_batch(X, X[:, :2])
        listed = model.test_on_batch(X, [X[:, :2]])
    error = model.predict_on_batch(X)[1] - X[:, :2]
    assert np.isclose(alone[0], np.mean(error**2))
    assert np.allclose(alone, listed)

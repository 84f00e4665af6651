"""Tensors of the graph that functions use without being given them: in a Lambda, a layer's ``call``, a loss, a metric."""

# ruff: noqa: B023 — that functions meet loop variables is the point

import contextlib

import numpy as np
import pytest

import keraunos as keras
from keraunos import layers, ops
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ScopeError

X = np.random.default_rng(0).random((6, 3)).astype("float32")


@pytest.fixture(params=[2, 3])
def era(request):
    np.random.seed(5)
    with spelling.in_era(request.param) if request.param < 3 else contextlib.nullcontext():
        yield request.param


@pytest.fixture
def branch():
    """An input, a Dense layer's output, and the values of that for ``X``."""
    inputs = keras.Input((3,))
    dense = layers.Dense(3, bias_initializer="ones")
    outputs = dense(inputs)
    kernel, bias = dense.get_weights()
    return inputs, outputs, X @ kernel + bias


def predicted(inputs, outputs, x=X):
    return keras.Model(inputs, outputs).predict(x, verbose=0)


def test_a_lambda_uses_a_tensor_of_the_graph_and_trains_what_it_comes_from(era, branch):
    inputs, z, values = branch
    model = keras.Model(inputs, layers.Lambda(lambda t: t + 2 * z)(inputs))
    np.testing.assert_allclose(model.predict(X, verbose=0), X + 2 * values, rtol=1e-4, atol=1e-5)
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0, epochs=1)
    assert len(before) == 2
    assert not np.allclose(before[0], model.get_weights()[0])


def test_such_a_model_is_called_inside_another_and_cloned(era, branch):
    inputs, z, values = branch
    model = keras.Model(inputs, layers.Lambda(lambda t: t * z)(inputs))
    other = keras.Input((3,))
    np.testing.assert_allclose(predicted(other, model(other)), X * values, rtol=1e-4, atol=1e-5)
    clone = keras.models.clone_model(model)
    clone.set_weights([2 * weight for weight in model.get_weights()])
    np.testing.assert_allclose(clone.predict(X, verbose=0), X * 2 * values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(X, verbose=0), X * values, rtol=1e-4, atol=1e-5)


def test_a_layer_uses_tensors_of_the_graph_in_its_call(era, branch):
    inputs, z, values = branch

    class Joined(layers.Layer):
        def build(self, input_shape):
            self.dense = layers.Dense(2)
            self.dense.build((None, 6))

        def call(self, t):
            assert ops.shape(z)[0] == ops.shape(t)[0]
            return self.dense(ops.concatenate([t, ops.reshape(z, ops.shape(t))], -1))

    joined = Joined()
    outputs = joined(inputs)
    kernel, bias = joined.dense.get_weights()
    np.testing.assert_allclose(
        predicted(inputs, outputs), np.concatenate([X, values], 1) @ kernel + bias, rtol=1e-4, atol=1e-5
    )
    assert outputs.shape == (None, 2)


def test_losses_and_metrics_use_tensors_of_the_graph(era, branch):
    inputs, z, values = branch

    def loss(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), -1) + ops.mean(ops.square(z), -1)

    def size(y_true, y_pred):
        return ops.mean(ops.square(z), -1)

    class Adding(layers.Layer):
        def call(self, t):
            self.add_loss(ops.mean(ops.square(z - t)))
            self.add_loss(ops.mean(ops.square(t), -1))  # one a row: they are summed
            return t

    outputs = Adding()(z)
    model = keras.Model(inputs, layers.Lambda(lambda t: t * 2)(Adding()(inputs)))
    assert outputs.shape == (None, 3)
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[size])
    squares = np.square(values).mean()
    total = np.square(X).mean() + squares + np.square(values - X).mean() + np.square(X).mean(-1).sum()
    history = model.fit(X, X, batch_size=6, epochs=1, verbose=0).history
    np.testing.assert_allclose([history["loss"][0], history["size"][0]], [total, squares], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.evaluate(X, X, verbose=0, batch_size=6), [total, squares], rtol=1e-4, atol=1e-5)


def test_a_tensor_of_another_input_is_asked_for(branch):
    _, z, _ = branch
    other = keras.Input((3,))
    outputs = layers.Lambda(lambda t: t + z)(other)
    with pytest.raises(ArgumentError, match="depend on the input 'input.*which is not among the model's inputs"):
        keras.Model(other, outputs)
    with pytest.raises(ArgumentError, match="has no value here"):
        layers.Lambda(lambda t: t + z)(X)


def test_a_function_keeps_the_tensor_that_a_name_meant(era):
    inputs = hidden = keras.Input((3,))
    for _ in range(3):
        hidden = layers.Lambda(lambda t: t + hidden)(hidden)
    np.testing.assert_allclose(predicted(inputs, hidden), 8 * X, rtol=1e-6)


def test_a_lambda_may_call_a_network_where_nothing_is_trained(branch):
    inputs, z, values = branch
    network = keras.Model(inputs, z)
    other = keras.Input((3,))
    model = keras.Model(other, layers.Lambda(lambda t: network(t))(other))
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(X, verbose=0), values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.evaluate(X, X, verbose=0), np.square(values - X).mean(), rtol=1e-4, atol=1e-5)
    network.set_weights([2 * weight for weight in network.get_weights()])
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * values, rtol=1e-4, atol=1e-5)
    with pytest.raises(ScopeError, match="but no layer, metric or optimizer of it holds that Variable"):
        model.fit(X, X, verbose=0)


def test_noise_may_have_the_number_of_rows_of_a_batch(era):
    inputs = keras.Input((4,))
    noisy = layers.Lambda(lambda t: t + keras.random.normal((3, 4), stddev=0.0) + np.arange(3.0)[:, None])(inputs)
    assert noisy.shape == (None, 4)
    got = predicted(inputs, noisy, np.zeros((3, 4), "float32"))
    np.testing.assert_array_equal(got, np.repeat([[0.0], [1.0], [2.0]], 4, 1))
    with pytest.raises(Exception, match=r"\(None, 4\), \(3, 5\)"):
        layers.Lambda(lambda t: t + np.zeros((3, 5)))(inputs)

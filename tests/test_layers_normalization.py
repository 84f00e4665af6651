"""BatchNormalization and LayerNormalization: statistics, freezing, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.utils.errors import ArgumentError, ShapeError

X = np.random.default_rng(1).normal(3, 2, (50, 4)).astype("float32")


def test_a_training_batch_comes_out_normalized() -> None:
    y = np.asarray(layers.BatchNormalization()(X, training=True))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(0), 1, atol=1e-2)


def test_the_averages_follow_the_batches() -> None:
    layer = layers.BatchNormalization(momentum=0.75)
    layer(X, training=True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.75 + 0.25 * X.var(0), rtol=1e-5)


def test_without_training_the_averages_are_used_and_stay() -> None:
    layer = layers.BatchNormalization(epsilon=0.0)
    np.testing.assert_allclose(layer(X), X, rtol=1e-6)
    assert not layer.moving_mean.numpy().any()


def test_a_frozen_layer_uses_the_averages_even_while_training() -> None:
    layer = layers.BatchNormalization(trainable=False, epsilon=0.0)
    np.testing.assert_allclose(layer(X, training=True), X, rtol=1e-6)
    assert not layer.moving_mean.numpy().any()


def test_masked_steps_do_not_count() -> None:
    x = np.array([[[1.0], [3.0], [500.0]]], "float32")
    y = np.asarray(layers.BatchNormalization(epsilon=0.0)(x, training=True, mask=np.array([[True, True, False]])))
    np.testing.assert_allclose(y[0, :2, 0], [-1, 1], atol=1e-4)


def test_a_mask_of_another_rank_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"the mask has shape \(2, 3, 4\), but inputs of shape \(2, 3, 4\) need one axis"
    ):
        layers.BatchNormalization()(np.ones((2, 3, 4)), training=True, mask=np.ones((2, 3, 4), bool))


def test_sixteen_bits_do_not_overflow() -> None:
    y = layers.BatchNormalization(dtype="mixed_float16")(np.array([[3e4], [-3e4]]), training=True)
    np.testing.assert_allclose(np.asarray(y, "float32"), [[1], [-1]], atol=1e-2)


def test_renorm_starts_at_the_averages() -> None:
    layer = layers.BatchNormalization(renorm=True, epsilon=0.0)
    y = np.asarray(layer(X, training=True))
    np.testing.assert_allclose(y, X, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.BatchNormalization(axis="x"), "BatchNormalization: axis is 'x'; expected a whole number"),
        (lambda: layers.BatchNormalization(axis=[1, 2]), "expected one whole number"),
        (
            lambda: layers.BatchNormalization(momentum=2),
            "BatchNormalization: momentum is 2; expected a number from 0 to 1",
        ),
        (lambda: layers.BatchNormalization(epsilon=-1), "epsilon is -1; expected a number, 0 or more"),
        (lambda: layers.BatchNormalization(synchronized=True), "synchronized is True; expected one of False"),
        (lambda: layers.BatchNormalization(renorm_clipping={"max": 1}), "keys among rmin, rmax and dmax"),
        (lambda: layers.BatchNormalization(renorm_clipping={"rmin": 2, "rmax": 1}), "expected rmin to be at most rmax"),
        (lambda: layers.LayerNormalization(axis=[]), "LayerNormalization: axis is .*expected a whole number"),
        (lambda: layers.LayerNormalization(axis=1.5), "axis is 1.5; expected a whole number, or a list of them"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("layer", [layers.BatchNormalization(axis=3), layers.LayerNormalization(axis=3)])
def test_an_axis_that_is_not_there_is_named(layer: Any) -> None:
    with pytest.raises(ShapeError, match=r"axis 3 of the inputs must have a known size, but their shape is \(50, 4\)"):
        layer(X)


def test_other_channels_than_built_for_are_refused() -> None:
    layer = layers.BatchNormalization(name="norm")
    layer(X)
    with pytest.raises(ShapeError, match="norm: inputs have 5 features, but the layer was built for 4"):
        layer(np.ones((2, 5)))


def test_rms_scaling_subtracts_no_mean() -> None:
    x = np.array([[1.0, 3.0]], "float32")
    layer = layers.LayerNormalization(rms_scaling=True, epsilon=0.0)
    np.testing.assert_allclose(layer(x), x / x.std(), rtol=1e-6)
    assert [weight.name for weight in layer.weights] == ["gamma"]


def test_layers_follow_the_axes_whatever_their_order() -> None:
    x = np.random.default_rng(2).normal(size=(2, 3, 4)).astype("float32")
    one, other = layers.LayerNormalization(axis=[1, 2]), layers.LayerNormalization(axis=(-1, 1))
    np.testing.assert_array_equal(one(x), other(x))
    assert one.gamma.shape == other.gamma.shape == (3, 4)


@pytest.mark.parametrize("shape", [(1, 0, 10), (0, 10), (None, 0, 10)])
def test_a_size_of_zero_is_no_open_size(shape: Any) -> None:
    tensor = layers.Input(batch_shape=shape)
    assert layers.LayerNormalization()(tensor).shape == shape
    assert layers.Dense(4)(tensor + 1).shape == (*shape[:-1], 4)

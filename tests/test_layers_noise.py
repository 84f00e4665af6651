"""Dropout, its relatives and penalties: the statistics while training, and repeatable chance."""

from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.core.scope import reset_seeds
from keraunos.utils.errors import ArgumentError, ShapeError

MANY = np.ones((200, 300), "float32")


def trained(layer: Any, x: Any = MANY) -> Any:
    return np.asarray(layer(x, training=True))


def test_dropout_loses_a_share_and_keeps_the_mean() -> None:
    y = trained(layers.Dropout(0.25))
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.01)


def test_dropout_of_everything_gives_zeros() -> None:
    assert not trained(layers.Dropout(1.0)).any()


@pytest.mark.parametrize("make", [layers.Dropout, layers.GaussianNoise, layers.GaussianDropout, layers.AlphaDropout])
def test_a_rate_of_zero_changes_nothing(make: Any) -> None:
    np.testing.assert_array_equal(trained(make(0.0)), MANY)


def test_each_call_draws_anew() -> None:
    layer = layers.Dropout(0.5, seed=1)
    assert (trained(layer) != trained(layer)).any()


def test_a_seed_repeats() -> None:
    reset_seeds()
    first = trained(layers.Dropout(0.5, seed=1))
    reset_seeds()
    np.testing.assert_array_equal(trained(layers.Dropout(0.5, seed=1)), first)


def test_numpys_seed_repeats_layers_without_one() -> None:
    np.random.seed(4)
    first = trained(layers.GaussianNoise(1.0))
    np.random.seed(4)
    np.testing.assert_array_equal(trained(layers.GaussianNoise(1.0)), first)


def test_a_noise_shape_is_shared_along_its_axes_of_size_one() -> None:
    y = trained(layers.Dropout(0.5, noise_shape=(None, 1)))
    assert (y == y[:, :1]).all()
    assert 0.3 < np.mean(y[:, 0] == 0) < 0.7


@pytest.mark.parametrize(
    ("make", "shape", "axes"),
    [
        (lambda: layers.SpatialDropout1D(0.5), (20, 6, 10), (1,)),
        (lambda: layers.SpatialDropout2D(0.5), (20, 4, 5, 10), (1, 2)),
        (lambda: layers.SpatialDropout2D(0.5, "channels_first"), (20, 10, 4, 5), (2, 3)),
        (lambda: layers.SpatialDropout3D(0.5), (20, 2, 3, 2, 10), (1, 2, 3)),
    ],
)
def test_spatial_dropout_loses_whole_channels(make: Any, shape: Any, axes: Any) -> None:
    y = trained(make(), np.ones(shape))
    np.testing.assert_array_equal(y.min(axes), y.max(axes))
    assert 0.3 < np.mean(y == 0) < 0.7


def test_gaussian_noise_has_its_deviation() -> None:
    noise = trained(layers.GaussianNoise(0.3)) - MANY
    assert (noise.mean(), noise.std()) == (pytest.approx(0, abs=0.01), pytest.approx(0.3, abs=0.01))


def test_gaussian_dropout_has_the_variance_of_dropout() -> None:
    y = trained(layers.GaussianDropout(0.2))
    assert (y.mean(), y.var()) == (pytest.approx(1, abs=0.01), pytest.approx(0.2 / 0.8, abs=0.01))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    y = trained(layers.AlphaDropout(0.3), np.random.default_rng(0).normal(size=(300, 300)).astype("float32"))
    assert (y.mean(), y.var()) == (pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.03))


def test_an_activity_penalty_is_divided_by_the_batch() -> None:
    layer = layers.ActivityRegularization(l1=0.1, l2=0.5)
    layer(np.array([[1.0, -2.0], [3.0, 0.0]]))
    assert [float(loss) for loss in layer.losses] == [pytest.approx((0.1 * 6 + 0.5 * 14) / 2)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dropout(1.5), "Dropout: rate is 1.5; expected a number from 0 to 1"),
        (lambda: layers.SpatialDropout1D(-0.1), "SpatialDropout1D: rate is -0.1; expected a number from 0 to 1"),
        (lambda: layers.GaussianDropout(1.0), r"GaussianDropout: rate is 1.0; expected a number from 0 to 1 \(1 not"),
        (lambda: layers.AlphaDropout(1), r"AlphaDropout: rate is 1; expected a number from 0 to 1 \(1 not included\)"),
        (lambda: layers.GaussianNoise(-1), "GaussianNoise: stddev is -1; expected a number, 0 or more"),
        (lambda: layers.Dropout(0.5, seed="x"), "Dropout: seed is 'x'; expected a whole number, or None"),
        (lambda: layers.Dropout(0.5, noise_shape=3), "noise_shape is 3; expected a list with a positive whole number"),
        (lambda: layers.Dropout(0.5, noise_shape=(0, 1)), "expected a list with a positive whole number or None"),
        (
            lambda: layers.ActivityRegularization(-1.0),
            "ActivityRegularization: l1 is -1.0; expected a number, 0 or more",
        ),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("noise_shape", [(None, 2), (None, 1, 1)])
def test_a_noise_shape_must_fit(noise_shape: Any) -> None:
    with pytest.raises(ShapeError, match=r"noise_shape is .*, which does not fit inputs of shape \(200, 300\)"):
        trained(layers.Dropout(0.5, noise_shape))

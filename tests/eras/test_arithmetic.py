"""The parameters that hold the arithmetic of earlier releases, and what of it files keep."""

import json

import numpy as np
import pytest

from keraunos import initializers, layers, losses, metrics, optimizers, regularizers, saving
from keraunos.backend import K
from keraunos.core.variable import Variable
from keraunos.eras import arithmetic
from keraunos.models import Sequential
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ShapeError


def moved(optimizer, gradients):
    """Where a weight that starts at 0 goes."""
    weight, path = Variable([0.0]), []
    for gradient in gradients:
        optimizer.apply([np.array([gradient])], [weight])
        path.append(weight.numpy().item())
    return path


# --- optimizers ---------------------------------------------------------------------------


def test_decay_divides_the_rate_by_one_plus_decay_times_updates():
    optimizer = optimizers.SGD(1.0, decay=0.5)
    np.testing.assert_allclose(moved(optimizer, [1, 1, 1]), [-1, -1 - 1 / 1.5, -1 - 1 / 1.5 - 1 / 2], rtol=1e-6)
    assert float(optimizer.learning_rate) == 1.0


def test_the_rate_may_be_set_while_it_decays():
    optimizer = optimizers.SGD(1.0, decay=1.0)
    moved(optimizer, [1])
    optimizer.learning_rate = 4.0
    weight = Variable([0.0])
    optimizer.build([weight])
    optimizer.apply([np.array([1.0])], [weight])
    assert weight.numpy().item() == -2.0


def test_decay_counts_updates_where_gradients_are_accumulated():
    optimizer = optimizers.SGD(1.0, decay=1.0, gradient_accumulation_steps=2)
    assert moved(optimizer, [1, 1, 1, 1]) == [0, -1, -1, -1.5]


def test_decay_works_in_the_compiled_loop_and_on_an_optimizer_written_for_keras():
    class Plain(optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, gradient * learning_rate)

    x, y = np.arange(20.0, dtype="float32").reshape(10, 2) / 20, np.ones((10, 1), "float32")
    weights = []
    for optimizer in (optimizers.SGD(0.1, decay=0.2), Plain(0.1, decay=0.2)):
        model = Sequential([layers.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
        model.compile(optimizer, "mse")
        model.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    kernel, bias = np.ones((2, 1)), np.zeros(1)
    for step in range(4):
        rows = slice(0, 5) if step % 2 == 0 else slice(5, 10)
        error = 2 * (x[rows] @ kernel + bias - y[rows]) / 5
        rate = 0.1 / (1 + 0.2 * step)
        kernel, bias = kernel - rate * x[rows].T @ error, bias - rate * error.sum(0)
    for found in weights:
        np.testing.assert_allclose(found[0], kernel, rtol=1e-5)
        np.testing.assert_allclose(found[1], bias, rtol=1e-4)


def test_epsilon_may_stand_outside_the_root():
    # One step from 0 with a gradient of 3: v is (1 - rho) * 9 = 9, a is 9.
    assert moved(optimizers.RMSprop(1.0, rho=0, epsilon=1.0, epsilon_inside=False), [3]) == [pytest.approx(-3 / 4)]
    assert moved(optimizers.Adagrad(1.0, 0.0, epsilon=1.0, epsilon_inside=False), [3]) == [pytest.approx(-3 / 4)]
    assert moved(optimizers.Adagrad(1.0, 0.0, epsilon=1.0), [3]) == [pytest.approx(-3 / 10**0.5)]


def test_the_norm_is_limited_before_the_elements():
    weight = Variable([0.0, 0.0])
    optimizers.SGD(1.0, global_clipnorm=1.0, clipvalue=0.7).apply([np.array([3.0, 4.0])], [weight])
    np.testing.assert_allclose(weight.numpy(), [-0.6, -0.7], rtol=1e-6)
    with pytest.raises(ArgumentError, match=r"clipnorm and global_clipnorm are both set; choose one"):
        optimizers.SGD(clipnorm=1.0, global_clipnorm=1.0)


def test_no_epsilon_means_that_of_the_config():
    assert optimizers.Adam(epsilon=None).epsilon == 1e-7


HIDDEN = [
    (optimizers.SGD, "decay", 0.5),
    (optimizers.RMSprop, "epsilon_inside", False),
    (optimizers.Adagrad, "epsilon_inside", False),
    (optimizers.Nadam, "schedule_decay", 0.004),
    (initializers.Identity, "tiled", True),
    (layers.LSTMCell, "gates_apart", True),
    (layers.BatchNormalization, "unbiased_variance", True),
    (layers.BatchNormalization, "debiased_averages", True),
    (metrics.MeanSquaredError, "by_batch", True),
]


@pytest.mark.parametrize("member, argument, value", HIDDEN, ids=lambda part: getattr(part, "__name__", str(part)))
def test_what_keras_3_does_not_know_stands_in_a_config_only_where_it_is_used(member, argument, value):
    needed = {"units": 2} if member is layers.LSTMCell else {}
    assert argument not in member(**needed).get_config()
    made = member(**needed, **{argument: value})
    assert made.get_config()[argument] == value
    assert getattr(type(made).from_config(made.get_config()), argument) == value


def test_what_keras_3_does_not_know_is_given_by_name_only():
    with pytest.raises(ArgumentError, match=r"RMSprop takes at most 5 positional arguments, but 6 were given"):
        optimizers.RMSprop(0.1, 0.9, 0.0, 1e-7, False, False)


# --- losses and metrics -------------------------------------------------------------------

VALUES = np.array([[1.0, 3.0], [2.0, 4.0], [5.0, 7.0], [9.0, 9.0]])
WEIGHTS, MASK = np.array([0.5, 0.0, 2.0, 1.0]), np.array([[1, 1], [1, 0], [0, 1], [1, 1]])


def reduced(values=VALUES, weights=None, mask=None, rows=None):
    return float(losses.reduce_weighted(values, weights, mask, "mean_over_nonzero_weights", rows))


def by_hand(values, weights=None, mask=None):
    if mask is not None:
        values = values * mask / mask.mean()
    if weights is None:
        return values.mean()
    values = values.mean(tuple(range(weights.ndim, values.ndim)))
    return (values * weights / (weights != 0).mean()).mean()


@pytest.mark.parametrize("weights", [None, WEIGHTS, np.outer(WEIGHTS, [1.0, 0.5])], ids=["none", "rows", "steps"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_the_divisor_counts_the_weights_that_are_not_zero(weights, mask):
    assert reduced(VALUES, weights, mask) == pytest.approx(by_hand(VALUES, weights, mask), rel=1e-6)
    padded = [np.concatenate([part, part[:2] * np.nan if part is VALUES else part[:2]]) for part in (VALUES,)]
    longer = [None if part is None else np.concatenate([part, part[:2]]) for part in (weights, mask)]
    assert reduced(padded[0], *longer, rows=[1, 1, 1, 1, 0, 0]) == pytest.approx(reduced(VALUES, weights, mask))


def test_weights_that_are_all_zero_give_zero():
    assert reduced(VALUES, np.zeros(4)) == 0
    assert reduced(VALUES, None, np.zeros((4, 2))) == 0


def test_a_loss_keeps_the_name_of_its_reduction():
    loss = losses.MeanSquaredError(reduction="mean_over_nonzero_weights")
    again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
    y, p = [[0.0], [0.0]], [[1.0], [3.0]]
    assert float(again(y, p, [0.0, 2.0])) == float(loss(y, p, [0.0, 2.0])) == 18.0


def test_a_users_function_is_reduced_as_the_era_did():
    with spelling.in_era(2):
        loss = losses.as_loss(lambda y, p: K.mean(K.abs(y - p), -1))
    assert float(loss(np.zeros((2, 1)), np.ones((2, 1)), np.array([0.0, 3.0]))) == 3.0


def test_a_metric_by_batch_weighs_batches_by_their_rows():
    metric = metrics.MeanMetricWrapper(lambda y, p: K.max(p), name="largest", by_batch=True)
    metric.update_state(np.zeros((3, 1)), np.array([[1.0], [5.0], [2.0]]))
    metric.update_state(np.zeros((1, 1)), np.array([[1.0]]))
    assert float(metric.result()) == 4.0


def test_a_users_metric_has_the_value_of_its_era_where_the_last_batch_is_short():
    x, y = np.arange(6.0, dtype="float32")[:, None], np.zeros((6, 1), "float32")

    def largest(y_true, y_pred):
        return K.max(y_pred)

    found = {}
    for era in (2, 3):
        with spelling.in_era(era):
            model = Sequential([layers.Input((1,)), layers.Activation("linear")])
            model.compile("sgd", "mse", metrics=[largest])
            found[era] = model.evaluate(x, y, batch_size=4, verbose=0)[1]
    assert found == {2: pytest.approx((4 * 3 + 2 * 5) / 6), 3: pytest.approx((3 + 5) / 2)}


def test_the_loss_decided_what_accuracy_means():
    x, y = np.array([[0.9, 0.6, 0.1]], "float32"), np.array([[1.0, 0.0, 0.0]], "float32")
    found = {}
    for era in (2, 3):
        with spelling.in_era(era):
            model = Sequential([layers.Input((3,)), layers.Activation("linear")])
            model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
            found[era] = model.evaluate(x, y, verbose=0)[1]
    assert found == {2: pytest.approx(2 / 3), 3: 1.0}


def test_binary_accuracy_rounded_so_that_minus_one_is_neither_class():
    y, p = [[0.0], [0.0], [1.0]], [[-0.9], [0.2], [0.8]]
    assert float(metrics.BinaryAccuracy()(y, p)) == pytest.approx(1.0)
    assert float(metrics.BinaryAccuracy(threshold=None)(y, p)) == pytest.approx(2 / 3)


def test_a_weighted_metric_is_named_apart_from_a_plain_one():
    model = Sequential([layers.Input((1,)), layers.Activation("linear")])
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae", "mse"])
    x, y = np.array([[1.0], [3.0]]), np.zeros((2, 1))
    logs = model.evaluate(x, y, sample_weight=np.array([1.0, 0.0]), verbose=0, return_dict=True)
    assert (logs["mae"], logs["weighted_mae"], logs["mse"]) == (2.0, 1.0, 1.0)


# --- layers -------------------------------------------------------------------------------


@pytest.mark.parametrize("summed", [False, True])
def test_an_activity_regularizer_may_be_summed_over_the_batch(summed):
    layer = layers.Activation("linear", activity_regularizer="l2", activity_regularizer_sum=summed)
    model = Sequential([layers.Input((1,)), layer])
    model.compile("sgd", "mse")
    x = np.arange(1.0, 6.0, dtype="float32")[:, None]
    parts = [(x[:3] ** 2).sum() / (1 if summed else 3), (x[3:] ** 2).sum() / (1 if summed else 2)]
    expected = 0.01 * (3 * parts[0] + 2 * parts[1]) / 5
    assert model.evaluate(x, x, batch_size=3, verbose=0) == pytest.approx(expected, rel=1e-5)
    config = layer.get_config()
    assert config.get("activity_regularizer_sum", False) is summed
    assert layers.Activation.from_config(config).activity_regularizer_sum is summed


def test_a_sum_that_nothing_uses_is_not_written():
    assert "activity_regularizer_sum" not in layers.Dense(1, activity_regularizer_sum=True).get_config()


@pytest.mark.parametrize(("fixed", "joint"), [(False, True), (True, False)])
def test_steps_may_be_rows_of_one_batch_unless_its_size_is_fixed(fixed, joint):
    x = np.array([[[1.0], [2.0]], [[3.0], [8.0]]], "float32")
    layer = layers.TimeDistributed(layers.BatchNormalization(epsilon=1e-9), steps_as_rows=True)
    layer.build((2 if fixed else None, 2, 1))
    axes = (0, 1) if joint else (0,)
    expected = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    np.testing.assert_allclose(K.to_numpy(layer(x, training=True)), expected, rtol=1e-5)
    assert layers.TimeDistributed.from_config(layer.get_config()).steps_as_rows


@pytest.mark.parametrize("era", [1, 2])
def test_both_regularizers_by_name_had_factors_before_keras_3(era):
    with spelling.in_era(era):
        assert layers.Dense(1, kernel_regularizer="l1_l2").kernel_regularizer.get_config() == {"l1": 0.01, "l2": 0.01}
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.0, "l2": 0.0}


def test_moving_averages_without_bias_start_from_the_first_batch():
    x = np.array([[1.0], [3.0], [8.0]], "float32")
    layer = layers.BatchNormalization(momentum=0.9, debiased_averages=True)
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [4.0], rtol=1e-5)
    layer(x + 1, training=True)
    # 0.1 * (0.9 * 4 + 5) / (1 - 0.81)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [0.1 * (0.9 * 4 + 5) / 0.19], rtol=1e-5)
    assert len(layer.weights) == 4


def test_a_moving_variance_may_be_that_of_the_population():
    x = np.array([[1.0], [3.0], [8.0]], "float32")
    layer = layers.BatchNormalization(momentum=0.0, unbiased_variance=True)
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_variance.numpy(), [x.var() * 3 / (2 - 1e-3)], rtol=1e-5)


# --- initializers -------------------------------------------------------------------------


@pytest.mark.parametrize("member, gates", [(layers.LSTM, 4), (layers.GRU, 3)])
def test_the_gates_of_keras_1_were_drawn_one_by_one(member, gates):
    with spelling.in_era(1):
        layer = member(output_dim=10, inner_init="glorot_uniform")
    layer.build((None, 5, 20))
    for weight, inputs in ((layer.cell.kernel, 20), (layer.cell.recurrent_kernel, 10)):
        limit = np.sqrt(6 / (inputs + 10))
        assert 0.9 * limit < np.abs(weight.numpy()).max() <= limit
    together = member(10)
    together.build((None, 5, 20))
    assert np.abs(together.cell.kernel.numpy()).max() <= np.sqrt(6 / (20 + 10 * gates))
    assert "gates_apart" not in together.get_config()
    assert type(layer).from_config(layer.get_config()).gates_apart


def test_an_identity_may_be_tiled():
    tiled = initializers.Identity(gain=2.0, tiled=True)
    assert tiled((4, 2)).tolist() == [[2, 0], [0, 2], [2, 0], [0, 2]]
    with pytest.raises(ShapeError, match=r"Identity: a weight of shape \(2, 3\) is not made of squares"):
        tiled((2, 3))


# --- files --------------------------------------------------------------------------------


@pytest.mark.parametrize("era", [1, 2])
def test_a_model_of_an_era_is_the_same_when_it_is_loaded_today(era, tmp_path):
    x = np.random.default_rng(0).normal(size=(10, 4, 3)).astype("float32")
    y = np.random.default_rng(1).integers(0, 2, (10, 1)).astype("float32")
    with spelling.in_era(era):
        model = Sequential(
            [
                layers.LSTM(3, input_shape=(4, 3)),
                layers.BatchNormalization(),
                layers.Dense(2, activation="hard_sigmoid", activity_regularizer="l2", kernel_initializer="he_normal"),
                layers.Dense(1),
            ]
        )
        optimizer = optimizers.RMSprop(lr=0.01, decay=0.1, clipnorm=1.0)
        model.compile(optimizer, "hinge", metrics=["squared_hinge", "cosine_proximity"])
        model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
        expected = model.predict(x, verbose=0), model.evaluate(x, y, batch_size=4, verbose=0)[0]
    model.save(tmp_path / "m.keras")
    loaded = saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected[0], rtol=1e-6)
    np.testing.assert_allclose(loaded.evaluate(x, y, batch_size=4, verbose=0)[0], expected[1], rtol=1e-5)
    for member in (model, loaded):
        member.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    for ours, theirs in zip(loaded.get_weights()[:3], model.get_weights()[:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_what_eras_computed_is_found_by_its_own_name_in_every_era():
    for name, member in arithmetic.NAMED.items():
        assert spelling.provider().member("losses", name) in (member, None)
    assert losses.get("hinge_keras2") is arithmetic.hinge_keras2
    assert losses.get("hinge") is losses.hinge
    for era in (1, 2):
        with spelling.in_era(era):
            assert losses.get("hinge") is arithmetic.hinge_keras2


def test_the_losses_of_eras_let_a_short_batch_be_padded():
    of_batches = {"precision", "recall", "fbeta_score", "fscore", "f1score"}  # one number for all rows
    for name, members in {**arithmetic.LOSSES, **arithmetic.METRICS}.items():
        for era, member in members.items():
            row_wise = losses.is_row_wise(losses.as_loss(member), (None, 3))
            assert row_wise == (name not in of_batches), (name, era)


# The largest first value of uniform numbers of variance 2 / (inputs + outputs), as Keras 1.2.2 counted them.
@pytest.mark.parametrize(
    "make, shape, weight, inputs, outputs",
    [
        (lambda: layers.LocallyConnected1D(8, 3), (None, 10, 4), "kernel", 768**0.5, 768**0.5),  # (8, 12, 8)
        (lambda: layers.LocallyConnected2D(8, 3), (None, 5, 5, 4), "kernel", 2592**0.5, 2592**0.5),  # (9, 36, 8)
        (lambda: layers.Conv1D(8, 3), (None, 10, 4), "kernel", 4 * 8, 3 * 4 * 8),  # (3, 1, 4, 8), as Theano's
        (lambda: layers.Conv2D(8, 3), (None, 9, 9, 4), "kernel", 9 * 4, 9 * 8),
        (lambda: layers.Conv3D(8, 3), (None, 9, 9, 9, 4), "kernel", 9 * 4, 9 * 8),  # two axes of the window
        (
            lambda: layers.Conv3D(8, 3, data_format="channels_first"),
            (None, 4, 9, 9, 9), "kernel", 27 * 4, 27 * 8,
        ),
        (lambda: layers.SReLU(), (None, 40), "a_left", 40**0.5, 40**0.5),
        (lambda: layers.SReLU(), (None, 5, 9), "a_left", 5, 9),
        (lambda: layers.SReLU(), (None, 5, 4, 6), "a_left", 120**0.5, 120**0.5),
        (lambda: layers.MaxoutDense(6), (None, 5), "kernel", 120**0.5, 120**0.5),  # (4, 5, 6)
        (lambda: Owner((40,)), (None, 3), "weight", 40**0.5, 40**0.5),
        (lambda: Owner((2, 3, 4, 5)), (None, 3), "weight", 3 * 20, 2 * 20),  # taken for one of Theano's
    ],
)  # fmt: skip
def test_first_values_of_a_layer_are_scaled_as_in_keras_1(make, shape, weight, inputs, outputs):
    with spelling.in_era(1):
        layer = make()
        layer.build(shape)
    values, limit = vars(layer)[weight].numpy(), (6 / (inputs + outputs)) ** 0.5
    assert 0.9 * limit < np.abs(values).max() <= limit * (1 + 1e-6)


class Owner(layers.Layer):
    """A layer of a user's, with a weight of a shape."""

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = shape

    def build(self, input_shape):
        self.weight = self.add_weight(self.shape, initializer="glorot_uniform", name="weight")


def test_vectors_of_keras_2_are_scaled_by_the_root_of_their_size():
    with spelling.in_era(2):
        layer = layers.PReLU(alpha_initializer="glorot_uniform")
        layer.build((None, 40))
    assert 0.9 * 0.6887 < np.abs(layer.alpha.numpy()).max() <= 0.6888
    today = layers.PReLU(alpha_initializer="glorot_uniform")
    today.build((None, 40))
    assert np.abs(today.alpha.numpy()).max() <= 0.2739


def test_an_orthogonal_kernel_of_keras_1_has_its_first_axis_against_all_others():
    with spelling.in_era(1):
        layer = layers.Conv2D(8, (2, 3), kernel_initializer="orthogonal")
        layer.build((None, 9, 9, 4))
        theano = layers.Conv2D(8, (2, 3), kernel_initializer="orthogonal", data_format="channels_first")
        theano.build((None, 4, 9, 9))
    rows = layer.kernel.numpy().reshape(2, -1)
    filters = theano.kernel.numpy().reshape(-1, 8)
    np.testing.assert_allclose(rows @ rows.T, 1.21 * np.eye(2), atol=1e-5)
    np.testing.assert_allclose(filters.T @ filters, 1.21 * np.eye(8), atol=1e-5)

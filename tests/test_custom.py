"""A user's own layers, losses, metrics, callbacks and steps, written as Keras' documentation shows."""

import numpy as np
import pytest

import keraunos as keras
from keraunos import layers, ops
from keraunos.utils.errors import ScopeError


def data(rows=64, features=4):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype("float32")
    return x, (x.sum(1, keepdims=True) > 0).astype("float32")


class Linear(keras.layers.Layer):
    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True, name="w"
        )
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True, name="b")

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units})
        return config


class ComputeSum(keras.layers.Layer):
    def __init__(self, input_dim):
        super().__init__()
        self.total = self.add_weight(initializer="zeros", shape=(input_dim,), trainable=False)

    def call(self, inputs):
        self.total.assign_add(ops.sum(inputs, axis=0))
        return self.total


class ActivityRegularizationLayer(keras.layers.Layer):
    def __init__(self, rate=1e-2):
        super().__init__()
        self.rate = rate

    def call(self, inputs):
        self.add_loss(self.rate * ops.mean(inputs))
        return inputs


class CustomDropout(keras.layers.Layer):
    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs, training=None):
        if training:
            return keras.random.dropout(inputs, rate=self.rate, seed=self.seed_generator)
        return inputs


class MLPBlock(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.linear_1 = Linear(8)
        self.linear_2 = Linear(1)

    def call(self, inputs):
        return self.linear_2(keras.activations.relu(self.linear_1(inputs)))


def test_a_custom_layer_trains_in_the_compiled_loop():
    x, y = data()
    model = keras.Sequential([Linear(8, name="own"), layers.Activation("relu"), Linear(1)])
    model.compile(optimizer="adam", loss="mse")
    history = model.fit(x, y, epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert [v.path for v in model.layers[0].weights] == ["own/w", "own/b"]


def test_nested_custom_layers_expose_the_inner_weights():
    block = MLPBlock()
    block(np.ones((3, 64)))
    assert len(block.weights) == 4
    assert len(block.trainable_weights) == 4


def test_a_layer_with_state_adds_up_over_eager_calls_and_compiled_predictions():
    layer = ComputeSum(2)
    assert np.allclose(layer(np.ones((2, 2))), [2, 2])
    assert np.allclose(layer(np.ones((2, 2))), [4, 4])
    assert len(layer.non_trainable_weights) == 1
    assert layer.trainable_weights == []


def test_add_loss_enters_the_training_loss():
    x, y = data()
    inputs = keras.Input((4,))
    outputs = layers.Dense(1)(ActivityRegularizationLayer(10.0)(layers.ReLU()(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    expected = float(np.mean((np.asarray(model(x)) - y) ** 2) + 10.0 * np.maximum(x, 0).mean())
    assert model.fit(x, y, batch_size=64, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert len(model.losses) >= 0


def test_custom_dropout_with_a_seed_generator_drops_only_in_training():
    layer = CustomDropout(0.5)
    x = np.ones((4, 50), "float32")
    assert np.array_equal(layer(x), x)
    first, second = layer(x, training=True), layer(x, training=True)
    assert set(np.unique(first)) == {0.0, 2.0}
    assert not np.array_equal(first, second)


def test_a_custom_loss_function_and_class_train():
    x, y = data()

    def custom_mean_squared_error(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    class CustomMSE(keras.losses.Loss):
        def __init__(self, regularization_factor=0.1, name="custom_mse"):
            super().__init__(name=name)
            self.regularization_factor = regularization_factor

        def call(self, y_true, y_pred):
            mse = ops.mean(ops.square(y_true - y_pred), axis=-1)
            reg = ops.mean(ops.square(0.5 - y_pred), axis=-1)
            return mse + reg * self.regularization_factor

    losses = {}
    for name, loss in {"function": custom_mean_squared_error, "class": CustomMSE(), "built in": "mse"}.items():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        model.compile(optimizer="sgd", loss=loss)
        losses[name] = model.fit(x, y, epochs=2, batch_size=24, verbose=0).history["loss"]
    assert losses["function"] == pytest.approx(losses["built in"], rel=1e-5)
    assert losses["class"][0] > losses["built in"][0]


class CategoricalTruePositives(keras.metrics.Metric):
    def __init__(self, name="categorical_true_positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_variable(shape=(), name="ctp", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.reshape(ops.argmax(y_pred, axis=1), (-1, 1))
        values = ops.cast(y_true, "int32") == ops.cast(y_pred, "int32")
        values = ops.cast(values, "float32")
        if sample_weight is not None:
            values = ops.multiply(values, ops.cast(sample_weight, "float32"))
        self.true_positives.assign_add(ops.sum(values))

    def result(self):
        return self.true_positives.value

    def reset_state(self):
        self.true_positives.assign(0)


def test_a_custom_metric_counts_over_the_whole_epoch():
    x, y = data(50)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=[CategoricalTruePositives()])
    model.fit(x, y, epochs=2, verbose=0, batch_size=16)
    expected = (model.predict(x, verbose=0).argmax(1) == y[:, 0]).sum()
    assert model.evaluate(x, y, verbose=0, batch_size=16)[1] == expected


def test_a_custom_callback_sees_every_hook_and_is_obeyed():
    x, y = data()
    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append("train begin")

        def on_train_batch_end(self, batch, logs=None):
            seen.append(f"batch {batch} {sorted(logs)}")

        def on_epoch_end(self, epoch, logs=None):
            seen.append(f"epoch {epoch} {sorted(logs)}")
            self.model.optimizer.learning_rate = 0.0
            self.before = self.model.get_weights()
            if epoch == 1:
                self.model.stop_training = True

    recorder = Recorder()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    history = model.fit(x, y, epochs=9, batch_size=32, verbose=0, callbacks=[recorder])
    assert seen == [
        "train begin",
        "batch 0 ['loss', 'mae']",
        "batch 1 ['loss', 'mae']",
        "epoch 0 ['loss', 'mae']",
        "batch 0 ['loss', 'mae']",
        "batch 1 ['loss', 'mae']",
        "epoch 1 ['loss', 'mae']",
    ]
    assert history.epoch == [0, 1]
    assert history.history["loss"][1] == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-5)


class OwnStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        return self.dense(inputs)

    def train_step(self, data):
        x, y = data

        def loss_fn():
            return ops.mean(ops.square(y - self(x, training=True)))

        loss, gradients = keras.value_and_gradients(loss_fn, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self):
        return [self.loss_tracker]


def test_a_custom_train_step_equals_the_built_in_one():
    x, y = data()
    keras.utils.set_random_seed(3)
    own = OwnStep()
    own.compile(optimizer="adam")
    own.fit(x, y, epochs=3, verbose=0, shuffle=False)
    keras.utils.set_random_seed(3)
    stock = keras.Sequential([layers.Dense(1)])
    stock.compile(optimizer="adam", loss="mse")
    history = stock.fit(x, y, epochs=3, verbose=0, shuffle=False)
    for a, b in zip(own.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert own.fit(x, y, verbose=0).history["loss"][0] < history.history["loss"][0]


def test_a_custom_train_step_may_extend_the_stock_one():
    class Extended(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def train_step(self, data):
            return {**super().train_step(data), "extra": ops.array(7.0)}

    x, y = data()
    model = Extended()
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    logs = model.fit(x, y, verbose=0, epochs=2).history
    assert logs["extra"] == [7.0, 7.0]
    assert logs["loss"][1] < logs["loss"][0]
    assert "mae" in logs


def test_two_optimizers_in_one_train_step_move_their_own_weights():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(2), layers.Dense(1)

        def compile(self, first_optimizer, second_optimizer):
            super().compile(loss="mse")
            self.first_optimizer, self.second_optimizer = first_optimizer, second_optimizer

        def call(self, inputs):
            return self.second(self.first(inputs))

        def train_step(self, data):
            x, y = data
            for layer, optimizer in ((self.first, self.first_optimizer), (self.second, self.second_optimizer)):
                loss, gradients = keras.value_and_gradients(
                    lambda: self.compute_loss(x, y, self(x, training=True)), layer.trainable_variables
                )
                optimizer.apply(gradients, layer.trainable_variables)
            return {"loss": loss}

    x, y = data()
    model = Pair()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.0))
    model.fit(x, y, verbose=0, epochs=1)
    before = model.second.get_weights()
    losses = model.fit(x, y, verbose=0, epochs=4).history["loss"]
    assert losses[-1] < losses[0]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.second.get_weights(), strict=True))
    assert int(model.first_optimizer.iterations) == 10


def test_an_overridden_compute_loss_is_used():
    class OwnLoss(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.abs(y_pred - 5.0))

    x, y = data()
    model = OwnLoss()
    model.compile(optimizer=keras.optimizers.Adam(0.1))
    model.fit(x, y, epochs=60, verbose=0)
    assert abs(model.predict(x, verbose=0).mean() - 5) < 1


def test_a_variable_that_no_layer_holds_is_named():
    stray = keras.Variable([1.0], name="stray")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1), layers.Lambda(lambda t: t * stray)])
    model.compile(optimizer="sgd", loss="mse")
    with pytest.raises(ScopeError, match="'stray' is used while the model 'sequential.*' is compiled, but no layer"):
        model.fit(*data(), verbose=0)


class Halving(layers.Layer):
    """Halves its trained weight in every call, then multiplies by it."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(), name="w", initializer="ones")

    def call(self, inputs):
        self.w.assign(self.w * 0.5)
        return inputs * self.w


def test_a_trained_weight_that_a_layer_assigns_keeps_the_value_and_the_optimizer_goes_on_from_it():
    model = keras.Sequential([keras.Input((1,)), Halving()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.full((4, 1), 2.0, "float32")
    model.fit(x, 0 * x, batch_size=4, verbose=0)
    # w = 1/2, the loss (2 w)^2, its slope for that w 8 w = 4
    assert model.get_weights()[0] == pytest.approx(0.5 - 0.1 * 4.0)
    assert model.predict(x[:1], verbose=0) == pytest.approx(2 * 0.05)
    assert model.evaluate(x, 0 * x, verbose=0) == pytest.approx((2 * 0.025) ** 2)
    assert model.get_weights()[0] == pytest.approx(0.025)


def test_a_frozen_weight_that_is_assigned_in_training_alone_is_named():
    class Trained(Halving):
        def call(self, inputs, training=False):
            return super().call(inputs) if training else inputs * self.w

    model = keras.Sequential([keras.Input((4,)), Trained(name="wrong", trainable=False), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ScopeError, match="trainable Variable 'wrong/w' of a frozen layer is assigned while"):
        model.fit(*data(), verbose=0)


def test_a_metric_that_a_layer_makes_in_build_counts_what_its_call_enters():
    class Watched(layers.Layer):
        def build(self, input_shape):
            self.seen = keras.metrics.Mean(name="seen")

        def call(self, inputs):
            self.seen.update_state(ops.mean(inputs))
            return inputs

    x, y = data(20)
    model = keras.Sequential([keras.Input((4,)), Watched(), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, y, batch_size=10, epochs=2, verbose=0, validation_data=(x[:5], y[:5])).history
    assert history["seen"] == pytest.approx([x.mean()] * 2, abs=1e-6)
    assert history["val_seen"] == pytest.approx([x[:5].mean()] * 2, abs=1e-6)
    assert model.evaluate(x[:10], y[:10], verbose=0, return_dict=True)["seen"] == pytest.approx(x[:10].mean(), abs=1e-6)
    assert model.predict(x, verbose=0).shape == (20, 1)

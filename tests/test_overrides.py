"""What a subclass overrides takes part in training, evaluation, prediction and loading, in each era that had it."""

import jax
import numpy as np
import pytest

import keraunos as keras
from keraunos import layers, ops
from keraunos.utils.errors import DataError, UsageError


def data(rows=20):
    x = np.random.RandomState(0).rand(rows, 3).astype("float32")
    return x, x[:, :1] * 2


def compiled(kind=keras.Model, optimizer=None, **options):
    """A linear model of a class, its weights all 1."""
    inputs = keras.Input((3,))
    model = kind(inputs, layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")(inputs))
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mse", **options)
    return model


# --- steps of a model ---------------------------------------------------------------------


def test_compute_loss_with_a_tracker_of_its_own_and_a_metrics_property():
    class Own(keras.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.tracker = keras.metrics.Mean(name="mine")

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = ops.mean((y_pred - y) ** 2) + sum(self.losses)
            self.tracker.update_state(loss)
            return loss

        def reset_metrics(self):
            self.tracker.reset_state()

        @property
        def metrics(self):
            return [self.tracker]

    x, y = data()
    model = compiled(Own, keras.optimizers.SGD(0.0))
    expected = float(np.mean((x.sum(1, keepdims=True) + 1 - y) ** 2))
    history = model.fit(x, y, batch_size=10, epochs=2, verbose=0).history
    assert history == {"mine": pytest.approx([expected] * 2, rel=1e-5)}
    assert model.evaluate(x, y, verbose=0, return_dict=True) == {"mine": pytest.approx(expected, rel=1e-5)}


def test_values_that_compute_metrics_adds_are_logged():
    class Own(keras.Model):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "extra": ops.mean(y_pred)}

    x, y = data()
    model = compiled(Own, metrics=["mae"])
    plain = compiled(metrics=["mae"])
    history = model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0, validation_data=(x, y)).history
    expected = plain.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0, validation_data=(x, y)).history
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5)
    # Values of the last batch, as of any log that is no metric: two rows.
    assert history["val_extra"][-1] == pytest.approx(model.predict(x[18:], verbose=0).mean(), rel=1e-5)
    assert set(model.evaluate(x, y, verbose=0, return_dict=True)) == {"loss", "mae", "extra"}


def test_get_metrics_result_and_reset_metrics_are_asked():
    resets = []

    class Own(keras.Model):
        def get_metrics_result(self):
            results = super().get_metrics_result()
            return {**results, "double": 2 * results["loss"]}

        def reset_metrics(self):
            resets.append(1)
            super().reset_metrics()

    x, y = data()
    model = compiled(Own)
    history = model.fit(x, y, batch_size=10, epochs=3, verbose=0).history
    assert np.allclose(history["double"], 2 * np.array(history["loss"]))
    assert len(resets) >= 3


class Stateless(keras.Model):
    """Steps of the state and the data, as Keras' guide to JAX writes them."""

    def compute_loss_and_updates(self, trainable, others, x, y, training=False):
        y_pred, others = self.stateless_call(trainable, others, x, training=training)
        return self.compute_loss(x, y, y_pred), (y_pred, others)

    def train_step(self, state, data):
        trainable, others, optimizer, metrics = state
        x, y = data
        gradients = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (loss, (y_pred, others)), slopes = gradients(trainable, others, x, y, training=True)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, slopes, trainable)
        new, logs = [], {}
        for metric in self.metrics:
            own = metrics[len(new) : len(new) + len(metric.variables)]
            arguments = (loss,) if metric.name == "loss" else (y, y_pred)
            own = metric.stateless_update_state(own, *arguments)
            logs[metric.name] = metric.stateless_result(own)
            new += own
        return logs, (trainable, others, optimizer, new)

    def test_step(self, state, data):
        trainable, others, metrics = state
        x, y = data
        y_pred, others = self.stateless_call(trainable, others, x, training=False)
        loss, _ = self.stateless_compute_loss(trainable, others, metrics, x, y, y_pred)
        return {"loss": loss, "three": 3.0}, (trainable, others, metrics)

    def predict_step(self, state, data):
        trainable, others = state
        outputs, others = self.stateless_call(trainable, others, data, training=False)
        return 2 * outputs, others


def stateless():
    inputs = keras.Input((3,))
    outputs = layers.Dense(1, kernel_initializer="ones")(layers.BatchNormalization()(inputs))
    model = Stateless(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    return model


def test_steps_that_take_and_return_the_state_train_as_in_keras_on_jax():
    x, y = data()
    model = stateless()
    history = model.fit(x, y, batch_size=6, epochs=3, shuffle=False, verbose=0).history
    # Keras 3.15.1 on JAX, the same program.
    assert history["loss"] == pytest.approx([1.47439, 0.24586, 0.13424], abs=2e-5)
    assert history["mae"] == pytest.approx([1.06478, 0.37372, 0.30010], abs=2e-5)
    assert model.get_weights()[2].tolist() == pytest.approx([0.0513, 0.0545, 0.0595], abs=1e-4)
    assert model.evaluate(x, y, verbose=0, return_dict=True) == {
        "loss": pytest.approx(0.191056, abs=1e-5), "three": 3.0,
    }  # fmt: skip
    assert model.predict(x[:3], verbose=0).ravel() == pytest.approx([1.86890, 1.85542, 1.89335], abs=1e-4)
    assert model.predict(x, batch_size=7, verbose=0).sum() == pytest.approx(36.7367, abs=1e-3)


def test_a_step_that_takes_the_state_and_returns_another_is_told_so():
    class Short(Stateless):
        def train_step(self, state, data):
            return {"loss": 0.0}, state[:3]

    class Logs(Stateless):
        def train_step(self, state, data):
            return {"loss": 0.0}

    x, y = data()
    inputs = keras.Input((3,))
    for kind, message in ((Short, "returned a state of 3 groups"), (Logs, "returned a dict; a step that takes")):
        model = kind(inputs, layers.Dense(1)(inputs))
        model.compile("sgd", "mse")
        with pytest.raises(DataError, match=message):
            model.fit(x, y, verbose=0)


class Networks(keras.Model):
    """Two networks that only the step calls, as every guide to GANs has it."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([layers.Dense(3)])
        self.critic = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(1)])

    def compile(self, critic_optimizer, generator_optimizer, loss):
        super().compile()
        self.critic_optimizer, self.generator_optimizer, self.loss_of = critic_optimizer, generator_optimizer, loss
        self.tracker = keras.metrics.Mean(name="critic_loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, x):
        rows = ops.shape(x)[0]
        latent = keras.random.normal((rows, 2))
        made = self.generator(latent)

        def of_critic():
            real = self.loss_of(ops.ones((rows, 1)), self.critic(x))
            return real + self.loss_of(ops.zeros((rows, 1)), self.critic(made))

        loss, gradients = keras.value_and_gradients(of_critic, self.critic.trainable_variables)
        self.critic_optimizer.apply(gradients, self.critic.trainable_variables)
        _, gradients = keras.value_and_gradients(
            lambda: self.loss_of(ops.ones((rows, 1)), self.critic(self.generator(latent))),
            self.generator.trainable_variables,
        )
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        self.tracker.update_state(loss)
        return {"critic_loss": self.tracker.result()}


def test_a_model_of_networks_that_its_step_calls_needs_no_call():
    x, _ = data(10)
    model = Networks()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy(True))
    history = model.fit(x, batch_size=4, epochs=2, verbose=0).history
    assert list(history) == ["critic_loss"]
    assert np.isfinite(history["critic_loss"]).all()
    before = [w.copy() for w in model.generator.get_weights() + model.critic.get_weights()]
    model.fit(x, batch_size=4, verbose=0)
    after = model.generator.get_weights() + model.critic.get_weights()
    assert len(after) == 6
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


# --- optimizers ---------------------------------------------------------------------------


class HalfApply(keras.optimizers.SGD):
    def apply(self, grads, trainable_variables=None):
        super().apply([g * 0.5 for g in grads], trainable_variables)


class HalfGradientsAlone(keras.optimizers.SGD):
    def apply(self, grads):
        super().apply([g * 0.5 for g in grads])


class HalfApplyGradients(keras.optimizers.SGD):
    def apply_gradients(self, grads_and_vars):
        return super().apply_gradients([(g * 0.5, v) for g, v in grads_and_vars])


class HalfStatelessApply(keras.optimizers.SGD):
    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        return super().stateless_apply(optimizer_variables, [g * 0.5 for g in grads], trainable_variables)


class HalfUpdateStep(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * 0.5, variable, learning_rate)


@pytest.mark.parametrize(
    "kind", [HalfApply, HalfGradientsAlone, HalfApplyGradients, HalfStatelessApply, HalfUpdateStep]
)
def test_an_optimizer_that_applies_gradients_in_its_own_way_is_asked(kind):
    x, y = data()
    model, plain = compiled(optimizer=kind(0.1)), compiled(optimizer=keras.optimizers.SGD(0.05))
    for each in (model, plain):
        each.fit(x, y, batch_size=7, epochs=2, shuffle=False, verbose=0)
    for ours, expected in zip(model.get_weights(), plain.get_weights(), strict=True):
        assert np.allclose(ours, expected, atol=1e-6)
    assert int(model.optimizer.iterations) == 6


# --- layers and files -----------------------------------------------------------------------


class Halved(layers.Layer):
    """Every second column; its shapes are said by the class, and its weight is kept under a name of its own."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(), name="w", initializer="ones")

    def call(self, inputs):
        return inputs[:, ::2] * self.w

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.claimed)

    claimed = 2

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["own"] = 2 * np.asarray(self.w.numpy())

    def load_own_variables(self, store):
        self.w.assign(np.asarray(store["own"]) + 1.0)


def test_a_layer_writes_and_reads_its_weights_in_its_own_way(tmp_path):
    model = keras.Sequential([keras.Input((3,)), Halved()])
    model.layers[0].w.assign(3.0)
    model.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras", custom_objects={"Halved": Halved})
    assert again.layers[0].w.numpy() == 7.0


def test_sizes_that_call_leaves_open_are_those_that_the_class_says():
    class Open(layers.Layer):
        def call(self, inputs):
            return ops.reshape(inputs, (-1, ops.shape(inputs)[-1]))

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 3)

    x = keras.Input((None, 3), batch_size=2)
    assert Open()(keras.Input((None,))).shape == (None, 3)
    assert layers.Dense(2)(Open()(keras.Input((None,)))).shape == (None, 2)
    assert x.shape == (2, None, 3)


def test_a_shape_that_call_contradicts_is_said_and_does_not_count():
    class Wrong(Halved):
        claimed = 5

    with pytest.warns(UserWarning, match=r"of Wrong says \(None, 5\), but call returns shape \(None, 2\)"):
        assert Wrong()(keras.Input((3,))).shape == (None, 2)


def test_a_graph_of_a_class_of_ones_own_is_saved_and_loaded_with_its_methods(tmp_path):
    class Own(keras.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

        def predict_step(self, data):
            return 2 * super().predict_step(data)

    x, _ = data()
    model = compiled(Own)
    model.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras", custom_objects={"Own": Own})
    assert isinstance(again, Own)
    assert np.allclose(again.predict(x, verbose=0), 2 * (x.sum(1, keepdims=True) + 1), atol=1e-5)
    assert list(again.get_config()) == list(model.get_config())


def test_a_model_may_keep_its_loss_under_that_name():
    class Own(keras.Model):
        def prepare(self, loss):
            self.loss = loss
            return self

    inputs = keras.Input((3,))
    model = Own(inputs, layers.Dense(1)(inputs)).prepare("mine")
    assert model.loss == "mine"
    model.compile("sgd", "mse")
    assert model.loss == "mse"


def test_a_metric_that_is_reset_under_its_earlier_name_is_asked():
    class Ones(keras.metrics.Metric):
        def __init__(self, name="ones", **kwargs):
            super().__init__(name=name, **kwargs)
            self.total = self.add_weight(name="total", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(1.0)

        def result(self):
            return self.total

        def reset_states(self):
            super().reset_states()
            self.total.assign_add(10.0)

    x, y = data()
    assert compiled(metrics=[Ones()]).fit(x, y, batch_size=10, epochs=2, verbose=0).history["ones"] == [12.0, 12.0]


# --- what nothing would ask -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, instead",
    [
        ("make_train_function", "train_step"),
        ("_make_predict_function", "predict_step"),
        ("make_test_function", "test_step"),
    ],
)
def test_a_model_says_before_training_which_method_would_not_be_called(name, instead):
    kind = type("Own", (keras.Model,), {name: lambda self, force=False: None})
    with pytest.raises(UsageError, match=rf"Own.{name}\(\) would never be called: .* Override {instead}\(\)"):
        compiled(kind)


def test_an_optimizer_of_an_earlier_era_says_before_training_that_nothing_asks_it():
    class Earlier(keras.optimizers.SGD):
        def get_updates(self, loss, params):
            return []

    class Both(Earlier):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate)

    with pytest.raises(UsageError, match="Earlier says its updates as optimizers did before Keras 3"):
        compiled(optimizer=Earlier())
    assert compiled(optimizer=Both()).compiled


def test_assets_that_no_file_keeps_are_refused_where_a_model_is_saved(tmp_path):
    class Own(layers.Dense):
        def save_assets(self, folder):
            raise AssertionError

    model = keras.Sequential([keras.Input((3,)), Own(1)])
    with pytest.raises(UsageError, match=r"save_assets\(\) of Own writes files beside the weights"):
        model.save(tmp_path / "own.keras")

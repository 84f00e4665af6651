"""The seam is honest: models train on a second engine, through the ordinary API, to the same numbers as on JAX."""

import numpy as np
import pytest
from engine.conftest import make

import keraunos
from keraunos import callbacks, layers, losses, metrics, optimizers
from keraunos.backend import K, use_engine
from keraunos.models import Model, Sequential

RNG = np.random.default_rng(0)
ROWS = 22  # with batches of 8, the last has 6


@pytest.fixture(scope="module")
def torch_engine():
    return make("torch")


def dense():
    return Sequential([layers.Input((5,)), layers.Dense(6, "relu"), layers.Dense(3, "softmax")])


def convolutional():
    return Sequential(
        [
            layers.Input((7, 6, 2)),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(4, 2, groups=2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, "softmax"),
        ]
    )


def normalized():
    return Sequential(
        [
            layers.Input((5,)),
            layers.Dense(4, use_bias=False, kernel_regularizer="l2"),
            layers.BatchNormalization(momentum=0.8),
            layers.Activation("gelu"),
            layers.LayerNormalization(),
            layers.Dense(3, "softmax", kernel_constraint="max_norm"),
        ]
    )


def recurrent():
    return Sequential(
        [
            layers.Input((4,), dtype="int32"),
            layers.Embedding(6, 3, mask_zero=True),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.GRU(3),
            layers.Dense(3, "softmax"),
        ]
    )


def functional():
    first, second = layers.Input((5,), name="first"), layers.Input((5,), name="second")
    shared = layers.Dense(4, "elu")
    joined = layers.Concatenate()([shared(first), shared(second) * 0.5])
    return Model([first, second], layers.Dense(3, "softmax")(joined + K.square(joined)))


def labels():
    return RNG.integers(0, 3, ROWS)


def noise(*shape):
    return RNG.normal(size=(ROWS, *shape)).astype("float32")


DATA = {
    dense: (noise(5), labels()),
    convolutional: (noise(7, 6, 2), labels()),
    normalized: (noise(5), labels()),
    recurrent: (RNG.integers(0, 6, (ROWS, 4)), labels()),
    functional: ([noise(5), noise(5)], labels()),
}


def adam():
    return optimizers.Adam(0.02, clipnorm=1.0)


def sgd():
    return optimizers.SGD(0.1, momentum=0.9, nesterov=True)


def trained(build, optimizer, engine=None, **options):
    """Weights, losses, metrics and predictions after two epochs."""
    if engine is not None:
        with use_engine(engine):
            return trained(build, optimizer, **options)
    keraunos.utils.clear_session()
    keraunos.utils.set_random_seed(3)
    x, y = DATA[build]
    model = build()
    chosen = ["accuracy", metrics.SparseTopKCategoricalAccuracy(2)]
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=chosen, **options)
    history = model.fit(x, y, batch_size=8, epochs=2, validation_split=0.25, verbose=0).history
    return {
        "weights": {v.path: v.numpy() for v in model.weights},
        "optimizer": {f"{i}:{v.path}": v.numpy() for i, v in enumerate(model.optimizer.variables)},
        "history": {name: np.array(values) for name, values in history.items()},
        "evaluated": model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True),
        "predicted": {"all": model.predict(x, batch_size=8, verbose=0)},
    }


def assert_close(first, second, tolerance=1e-5):
    for part in first:
        assert list(first[part]) == list(second[part])
        for name, value in first[part].items():
            np.testing.assert_allclose(
                value, second[part][name], rtol=tolerance, atol=tolerance, err_msg=f"{part} {name}"
            )


BOTH = [(build, adam) for build in DATA] + [(build, sgd) for build in (dense, normalized)]


@pytest.mark.parametrize("build, optimizer", BOTH, ids=lambda part: part.__name__)
def test_a_model_trains_to_the_same_numbers(torch_engine, build, optimizer):
    assert_close(trained(build, optimizer), trained(build, optimizer, torch_engine))


def test_what_is_trained_is_a_tensor_of_the_engine_in_use(torch_engine):
    with use_engine(torch_engine):
        model = dense()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(*DATA[dense], verbose=0)
        assert {type(v.value).__module__ for v in [*model.weights, *model.optimizer.variables]} == {"torch"}


def test_running_eagerly_changes_no_number_on_either_engine(torch_engine):
    compiled = trained(dense, adam)
    assert_close(compiled, trained(dense, adam, run_eagerly=True))
    assert_close(compiled, trained(dense, adam, torch_engine, run_eagerly=True))


def results(engine, function):
    """What the function returns on JAX and on the other engine."""
    keraunos.utils.clear_session()
    keraunos.utils.set_random_seed(3)
    first = function()
    with use_engine(engine):
        keraunos.utils.clear_session()
        keraunos.utils.set_random_seed(3)
        return first, function()


def test_weights_class_weights_and_single_batches_agree(torch_engine):
    x, y = DATA[dense]

    def run():
        model = dense()
        model.compile("rmsprop", losses.SparseCategoricalCrossentropy(), weighted_metrics=["accuracy"])
        model.fit(x, y, batch_size=8, sample_weight=np.linspace(0, 2, ROWS), class_weight={0: 1, 1: 2, 2: 3}, verbose=0)
        return [
            *model.get_weights(), *model.train_on_batch(x[:5], y[:5]), *model.test_on_batch(x[:5], y[:5]),
            model.predict_on_batch(x[:5]),
        ]  # fmt: skip

    for first, second in zip(*results(torch_engine, run), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


def test_callbacks_and_a_generator_agree(torch_engine):
    x, y = DATA[dense]

    def run():
        model = dense()
        model.compile("sgd", "sparse_categorical_crossentropy")
        slower = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
        stop = callbacks.EarlyStopping("loss", min_delta=10)
        batches = ((x[i : i + 8], y[i : i + 8]) for _ in range(4) for i in (0, 8, 16))
        model.fit(batches, steps_per_epoch=3, epochs=4, callbacks=[slower, stop], verbose=0)
        return [*model.get_weights(), float(model.optimizer.learning_rate)]

    first, second = results(torch_engine, run)
    assert first[-1] == pytest.approx(0.01 / 4)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


class Doubled(layers.Layer):
    """A user's layer with a state of its own."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs, training=None):
        if training:
            self.seen.assign_add(1.0)
        return 2 * inputs * self.scale


class OwnStep(Model):
    """A user's model with a step of its own."""

    def __init__(self):
        super().__init__()
        self.doubled, self.dense = Doubled(), layers.Dense(3)

    def call(self, inputs, training=None):
        return K.softmax(self.dense(self.doubled(inputs, training=training)))

    def train_step(self, data):
        return {**super().train_step(data), "extra": K.mean(self.doubled.scale)}


def test_a_users_layer_and_train_step_agree(torch_engine):
    x, y = DATA[dense]

    def run():
        model = OwnStep()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        assert float(model.doubled.seen) == 6
        return [*model.get_weights(), *history["loss"], *history["accuracy"], *history["extra"]]

    for first, second in zip(*results(torch_engine, run), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


def test_dropout_repeats_by_seed_and_stops_after_training(torch_engine):
    x, y = DATA[dense]

    def run():
        keraunos.utils.set_random_seed(1)
        model = Sequential([layers.Input((5,)), layers.Dropout(0.5), layers.GaussianNoise(0.1), layers.Dense(3)])
        model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        kernel, bias = model.get_weights()
        np.testing.assert_allclose(model.predict(x, verbose=0), x @ kernel + bias, rtol=1e-4, atol=1e-5)
        return kernel

    with use_engine(torch_engine):
        np.testing.assert_array_equal(run(), run())


def test_a_saved_model_goes_from_one_engine_to_the_other(torch_engine, tmp_path):
    x, y = DATA[normalized]
    with use_engine(torch_engine):
        model = normalized()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=8, verbose=0)
        model.save(tmp_path / "model.keras")
        expected = model.predict(x, verbose=0)
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        continued = model.get_weights()
    model = keraunos.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    for first, second in zip(model.get_weights(), continued, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)

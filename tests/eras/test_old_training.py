"""Ways of training that Keras 1 and 2 had: metrics of several values, outputs without a loss."""

import numpy as np
import pytest

from keraunos import callbacks, layers, models
from keraunos.backend import K
from keraunos.preprocessing import image, text
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError
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


def test_images_of_a_generator_train_in_the_units_of_their_time():
    pytest.importorskip("scipy")
    images, labels = np.random.default_rng(3).uniform(0, 255, (10, 4, 4, 1)), np.eye(2)[np.arange(10) % 2]
    counted = []

    def network():
        model = models.Sequential([layers.Flatten(input_shape=(4, 4, 1)), layers.Dense(2, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy")
        return model

    def flow(**options):
        return image.ImageDataGenerator(rescale=1 / 255, horizontal_flip=True).flow(
            images, labels, batch_size=4, **options
        )

    count = callbacks.LambdaCallback(on_batch_end=lambda batch, logs: counted.append(logs["size"]))
    with in_era(1):
        network().fit_generator(flow(), samples_per_epoch=10, nb_epoch=2, verbose=0, callbacks=[count])
    with in_era(2):
        model = network()
        model.fit_generator(
            flow(), steps_per_epoch=3, validation_data=flow(shuffle=False), verbose=0, callbacks=[count]
        )
        alone = image.ImageDataGenerator().flow(images, batch_size=4, shuffle=False)
        assert model.predict_generator(alone, steps=3).shape == (10, 2)
    assert counted[:6] == [4, 4, 2] * 2
    assert sorted(counted[6:]) == [2, 4, 4]  # Keras 2 shuffled the batches themselves


def test_counted_words_train():
    texts, labels = ["good film", "bad film", "good good", "bad bad plot"], np.array([1, 0, 1, 0])
    with in_era(1):
        tokenizer = text.Tokenizer(nb_words=6)
        tokenizer.fit_on_texts(texts)
        model = models.Sequential([layers.Dense(1, input_dim=6, activation="sigmoid")])
        model.compile("adam", "binary_crossentropy", metrics=["fmeasure"])
        history = model.fit(tokenizer.texts_to_matrix(texts, "freq"), labels, nb_epoch=2, verbose=0).history
        assert set(history) == {"loss", "fmeasure"}
        assert model.predict_classes(tokenizer.texts_to_matrix(texts), verbose=0).shape == (4, 1)


def test_a_generator_without_a_number_of_steps_is_refused():
    def endless():
        while True:
            yield X, X[:, :1]

    with in_era(2):
        model = models.Sequential([layers.Dense(1, input_shape=(3,))])
        model.compile("sgd", "mse")
        for call in (model.fit_generator, model.evaluate_generator, model.predict_generator):
            with pytest.raises(ArgumentError, match="is only valid for a `keras.utils.Sequence`"):
                call(endless())
        with pytest.raises(ArgumentError, match="`validation_steps=None` is only valid"):
            model.fit_generator(endless(), 1, validation_data=endless())
        with pytest.warns(UserWarning, match="may duplicate your data"):
            model.fit_generator(endless(), 1, verbose=0, workers=2, use_multiprocessing=True)


@pytest.mark.parametrize("era", [1, 2])
def test_class_weights_in_a_list_are_those_of_the_outputs_and_numbers_in_it_count_for_nothing(era, caplog):
    x = np.random.RandomState(0).rand(12, 3)
    labels = np.arange(12) % 3
    weights, log3 = {0: 1.0, 1: 2.0, 2: 3.0}, float(np.log(3))
    with in_era(era):

        def losses(class_weight, outputs=1):
            inputs = layers.Input((3,))
            made = [layers.Dense(3, activation="softmax", kernel_initializer="zeros")(inputs) for _ in range(outputs)]
            model = models.Model(inputs, made)
            model.compile("sgd", "categorical_crossentropy")
            y = [np.eye(3)[labels]] * outputs
            return model.fit(
                x, y if outputs > 1 else y[0], batch_size=12, epochs=1, verbose=0, class_weight=class_weight
            ).history["loss"][0]

        assert losses([weights]) == pytest.approx(2 * log3, rel=1e-5)
        assert losses([weights, None], outputs=2) == pytest.approx(3 * log3, rel=1e-5)
        assert losses([None]) == pytest.approx(log3, rel=1e-5)
        spelling.forget_notes()
        for numbers in ([1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0])):
            assert losses(numbers) == pytest.approx(log3, rel=1e-5)
        assert "give a dict {class: weight}" in caplog.text

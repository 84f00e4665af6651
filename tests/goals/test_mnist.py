"""Goal: on the handwritten digits of MNIST, networks become as good as their tutorials say."""

import numpy as np
import pytest

import keraunos
from keraunos.layers import Activation, Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from keraunos.models import Sequential
from keraunos.optimizers import Adam
from keraunos.schedules import CosineDecay


@pytest.fixture
def mnist(shared):
    keraunos.utils.set_random_seed(1)
    with np.load(shared("data/mnist.npz")) as file:
        images = [file[name].astype("float32") / 255 for name in ("x_train", "x_test")]
        labels = [file[name] for name in ("y_train", "y_test")]
    return images[0], labels[0], images[1], labels[1]


def test_softmax_regression_reaches_92_5_percent_in_10_epochs(mnist):
    x_train, y_train, x_test, y_test = mnist
    x_train, x_test = x_train.reshape(-1, 784), x_test.reshape(-1, 784)
    y_train, y_test = (keraunos.utils.to_categorical(y, 10) for y in (y_train, y_test))
    model = Sequential(name="FC1")
    model.add(Input((784,)))
    model.add(Dense(10, name="D1"))
    model.add(Activation("softmax", name="Output"))
    model.compile(loss="categorical_crossentropy", optimizer=Adam(learning_rate=0.001), metrics=["accuracy"])
    fitted = model.fit(x_train, y_train, batch_size=32, epochs=10, validation_data=(x_test, y_test), verbose=0)
    history = fitted.history
    # Adam's rate is constant, so the accuracy still goes up and down by some tenths of a percent when it has arrived.
    assert max(history["val_accuracy"]) >= 0.925
    assert history["val_accuracy"][-1] > 0.92
    assert history["val_loss"][-1] < 0.28  # 0.264 in the tutorial
    assert history["accuracy"][-1] > 0.925  # 0.931 in the tutorial


def test_a_small_convolutional_net_reaches_98_5_percent_in_3_epochs(mnist):
    x_train, y_train, x_test, y_test = mnist
    model = Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(16, 5, strides=2, activation="relu"),
            Conv2D(32, 3, activation="relu"),
            MaxPooling2D(2),
            Flatten(),
            Dropout(0.2),
            Dense(10, activation="softmax"),
        ]
    )
    optimizer = Adam(learning_rate=CosineDecay(0.004, decay_steps=3 * 938))
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    model.fit(x_train[..., None], y_train, batch_size=64, epochs=3, verbose=0)
    accuracy = model.evaluate(x_test[..., None], y_test, verbose=0, return_dict=True)["accuracy"]
    assert accuracy >= 0.985

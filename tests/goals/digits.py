"""Trains a network on the digits of MNIST, in a process of its own, and prints what it reached: ``digits.py NET FILE``."""

import json
import sys

import numpy as np

import keraunos
from keraunos.layers import Activation, Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from keraunos.models import Sequential
from keraunos.optimizers import Adam
from keraunos.schedules import CosineDecay


def softmax(x_train, y_train, x_test, y_test):
    x_train, x_test = x_train.reshape(-1, 784), x_test.reshape(-1, 784)
    y_train, y_test = (keraunos.utils.to_categorical(y, 10) for y in (y_train, y_test))
    model = Sequential(name="FC1")
    model.add(Input((784,)))
    model.add(Dense(10, name="D1"))
    model.add(Activation("softmax", name="Output"))
    model.compile(loss="categorical_crossentropy", optimizer=Adam(learning_rate=0.001), metrics=["accuracy"])
    fitted = model.fit(x_train, y_train, batch_size=32, epochs=10, validation_data=(x_test, y_test), verbose=0)
    return fitted.history


def convolution(x_train, y_train, x_test, y_test):
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
    return model.evaluate(x_test[..., None], y_test, verbose=0, return_dict=True)


if __name__ == "__main__":
    keraunos.utils.set_random_seed(1)
    with np.load(sys.argv[2]) as file:
        images = [file[name].astype("float32") / 255 for name in ("x_train", "x_test")]
        labels = [file[name] for name in ("y_train", "y_test")]
    print(
        json.dumps(
            {"softmax": softmax, "convolution": convolution}[sys.argv[1]](images[0], labels[0], images[1], labels[1])
        )
    )

"""Keraunos, and Keras 3 on each of its backends: the same code, as a user of ``fit`` writes it."""

import os
from typing import Any

from workloads import Workload

from contestants.job import Job

LOSSES = {"mse": "mse", "binary": "binary_crossentropy", "sparse": "sparse_categorical_crossentropy"}


def keraunos(workload: Workload) -> Job:
    import keraunos as library

    return Kerases(library, workload, {})


def keras(workload: Workload, backend: str) -> Job:
    os.environ["KERAS_BACKEND"] = backend
    import keras as library

    return Kerases(library, workload, settings(backend, workload, script=False))


def settings(backend: str, workload: Workload, script: bool) -> dict[str, Any]:
    """The arguments of ``compile`` with which a backend was fastest, of those tried; none is its default.

    On JAX the steps of one execution are written out one after the other, which makes each faster and compiling
    slower: 10 steps of W1 take 15 s to compile, so a script of few epochs is better off without. On TensorFlow they
    are a loop that compiles once. PyTorch takes no more than one.
    """
    if backend == "jax":
        dense = all(kind in ("dense", "dropout") for kind, *_ in workload.layers)
        if not dense or (script and not workload.epochs >= 100):
            return {}
        return {"steps_per_execution": workload.steps if workload.steps < 30 else 10}
    if backend == "tensorflow":
        return {"jit_compile": False, "steps_per_execution": min(workload.steps, 100)}
    return {}


class Kerases(Job):
    def __init__(self, library: Any, workload: Workload, settings: dict[str, Any]) -> None:
        self.workload = workload
        keras, layers = library, library.layers
        optimizer = {
            "sgd": lambda: keras.optimizers.SGD(0.01),
            "adam": lambda: keras.optimizers.Adam(0.001),
            "adadelta": lambda: keras.optimizers.Adadelta(1.0),
        }[workload.optimizer]()
        x = inputs = keras.Input(workload.shape)
        for kind, *given in workload.layers:
            if kind == "positions":
                x = positions(library)(given[0], workload.shape[0], given[1])(x)
            elif kind == "transformer":
                heads, width, feed_forward, rate = given
                attended = attention(library)(heads, width)(x, x)
                x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dropout(rate)(attended))
                mapped = layers.Dense(width)(layers.Dense(feed_forward, activation="relu")(x))
                x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dropout(rate)(mapped))
            else:
                x = {
                    "dense": lambda units, activation: layers.Dense(units, activation=activation),
                    "dropout": layers.Dropout,
                    "flatten": layers.Flatten,
                    "conv": lambda filters: layers.Conv2D(filters, 3, activation="relu"),
                    "pool": lambda: layers.MaxPooling2D(2),
                    "embedding": layers.Embedding,
                    "lstm": layers.LSTM,
                    "average": layers.GlobalAveragePooling1D,
                }[kind](*given)(x)
        self.model = keras.Model(inputs, x)
        self.model.compile(optimizer=optimizer, loss=LOSSES[workload.loss], metrics=["accuracy"], **settings)
        self.callback = keras.callbacks.LambdaCallback

    def fit(self, x: Any, y: Any, epochs: int) -> list[float]:
        kept: list[float] = []
        callbacks = []
        if self.workload.callback:
            callbacks.append(self.callback(on_epoch_end=lambda epoch, logs: kept.append(logs["loss"])))
        history = self.model.fit(
            x, y, batch_size=self.workload.batch, epochs=epochs, verbose=0, callbacks=callbacks
        ).history
        return [history["loss"][-1], history["accuracy"][-1]]

    def predict(self, x: Any) -> Any:
        return self.model.predict(x, batch_size=self.workload.batch, verbose=0)

    def evaluate(self, x: Any, y: Any) -> list[float]:
        return self.model.evaluate(x, y, batch_size=self.workload.batch, verbose=0)


def positions(library: Any) -> Any:
    """A layer of the user's own: the embedding of each word plus that of its place."""

    class Positions(library.layers.Layer):
        def __init__(self, words: int, length: int, width: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.words = library.layers.Embedding(words, width)
            self.places = library.layers.Embedding(length, width)

        def call(self, x: Any) -> Any:
            return self.words(x) + self.places(library.ops.arange(x.shape[-1]))

    return Positions


def attention(library: Any) -> Any:
    """``MultiHeadAttention``; Keraunos has none yet, and so does the same in a layer of the user's own."""
    if hasattr(library.layers, "MultiHeadAttention"):
        return library.layers.MultiHeadAttention
    ops = library.ops

    class Attention(library.layers.Layer):
        def __init__(self, heads: int, width: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.heads, self.width = heads, width
            self.project = [library.layers.Dense(heads * width) for _ in range(3)]

        def build(self, shape: Any) -> None:
            self.join = library.layers.Dense(shape[-1])

        def call(self, x: Any, values: Any) -> Any:
            length = x.shape[1]
            q, k, v = (ops.reshape(dense(x), (-1, length, self.heads, self.width)) for dense in self.project)
            weight = ops.softmax(ops.einsum("blhd,bmhd->bhlm", q, k) / self.width**0.5)
            return self.join(
                ops.reshape(ops.einsum("bhlm,bmhd->blhd", weight, v), (-1, length, self.heads * self.width))
            )

    return Attention

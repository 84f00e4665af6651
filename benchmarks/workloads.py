"""The tasks that are timed: a network and its data, described once for every contestant.

All rows are multiples of the batch, so that nobody has a short last batch to treat.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

# Files of real data that may lie beside the repository; without them, data of the same shape are made up.
DATA = Path(__file__).parents[2] / "shared" / "data"
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Workload:
    """A network and its data.

    Attributes:
        shape: Shape of a row.
        layers: What a row goes through:
            ``("dense", units, activation)``, ``("dropout", rate)``, ``("flatten",)``,
            ``("conv", filters)`` (3 x 3, relu), ``("pool",)`` (maximum of 2 x 2),
            ``("embedding", words, width)``, ``("positions", words, width)`` (words and their places),
            ``("lstm", units)`` (the last output),
            ``("transformer", heads, width, feed_forward, rate)`` (attention and feed-forward, each with dropout, a
            sum with its input and a normalization after it) and ``("average",)`` over the places.
        loss: ``"mse"``, ``"binary"`` (one sigmoid unit) or ``"sparse"`` (softmax, whole numbers as labels).
        optimizer: ``"sgd"`` (rate 0.01), ``"adam"`` (rate 0.001) or ``"adadelta"`` (rate 1, as Keras 1 had it).
        make: Makes the data; says whether they are real.
        epochs: Epochs of the call of ``fit`` that is timed, and of the script.
        callback: Whether something is called at the end of each epoch.
        figures: What is timed: ``"epoch"``, or ``"predict"`` and ``"evaluate"`` of all rows, or ``"row"``, the
            prediction of one row.
        script: Whether a script of the user's is timed too, from its start to its exit.
    """

    title: str
    shape: tuple[int, ...]
    layers: tuple[tuple[Any, ...], ...]
    loss: str
    optimizer: str
    make: Callable[[int], tuple[Pair, bool]]
    rows: int
    batch: int
    epochs: int = 1
    callback: bool = False
    figures: tuple[str, ...] = ("epoch",)
    script: bool = False

    @property
    def steps(self) -> int:
        return self.rows // self.batch


# --- data ------------------------------------------------------------------------------------


def _xor(rows: int) -> tuple[Pair, bool]:
    x = np.random.default_rng(0).uniform(1, 10, (rows, 2)) * np.random.default_rng(1).choice([-1, 1], (rows, 2))
    return (x.astype("float32"), (x[:, 0] * x[:, 1] > 0).astype("float32")[:, None]), True


def _moons(rows: int) -> tuple[Pair, bool]:
    random = np.random.default_rng(0)
    angle, y = random.uniform(0, np.pi, rows), random.integers(0, 2, rows)
    x = np.where(y, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)]).T
    return ((x + random.normal(0, 0.2, x.shape)).astype("float32"), y.astype("float32")[:, None]), True


def _iris(rows: int) -> tuple[Pair, bool]:
    from keraunos.datasets import iris

    x, y = (np.concatenate(parts) for parts in zip(*iris.load_data(), strict=True))
    return (x[:rows].astype("float32"), y[:rows].astype("int32")), True


def _covertype(rows: int) -> tuple[Pair, bool]:
    if (file := DATA / "covtype.npz").exists():
        with np.load(file) as data:
            x, y = data["X"].astype("float32"), data["y"].astype("int32") - 1
        chosen = np.random.default_rng(0).permutation(len(x))[:rows]
        x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
        return (np.ascontiguousarray(x[chosen]), y[chosen]), True
    return _taught((rows, 54), 7), False


def _mnist_rows(rows: int) -> tuple[Pair, bool]:
    (x, y), real = _mnist(rows)
    return (x.reshape(rows, -1), y), real


def _mnist(rows: int) -> tuple[Pair, bool]:
    if (file := DATA / "mnist.npz").exists():
        with np.load(file) as data:
            x, y = data["x_train"][:rows], data["y_train"][:rows]
        return ((x / np.float32(255))[..., None].astype("float32"), y.astype("int32")), True
    return _taught((rows, 28, 28, 1), 10), False


def _taught(shape: tuple[int, ...], classes: int) -> Pair:
    """Random rows, and what a random linear map says of them."""
    random = np.random.default_rng(0)
    x = random.random(shape, dtype=np.float32)
    return x, ((x.reshape(len(x), -1) - 0.5) @ random.normal(size=(x[0].size, classes))).argmax(1).astype("int32")


def _reviews(words: int, length: int, as_float: bool) -> Callable[[int], tuple[Pair, bool]]:
    def make(rows: int) -> tuple[Pair, bool]:
        if real := (file := DATA / "imdb.npz").exists():
            from keraunos.datasets import imdb

            (texts, y), _ = imdb.load_data(str(file), num_words=words)
            x, y = np.zeros((rows, length), "int32"), np.asarray(y[:rows])
            for row, text in zip(x, texts, strict=False):
                row[-min(len(text), length) :] = text[-length:]
        else:
            random = np.random.default_rng(0)
            x = np.minimum(random.zipf(1.3, (rows, length)), words - 1).astype("int32")
            y = x.mean(1) > np.median(x.mean(1))
        return (x, y.astype("float32")[:, None] if as_float else y.astype("int32")), real

    return make


# --- the workloads ---------------------------------------------------------------------------


def dense(*units: int, activation: str) -> tuple[tuple[Any, ...], ...]:
    return tuple(("dense", unit, activation) for unit in units)


_COVERTYPE = (("dense", 64, "relu"), ("dropout", 0.5), ("dense", 32, "relu"), ("dropout", 0.5), ("dense", 7, "softmax"))

WORKLOADS = {
    "W0": Workload(
        "xor, 2-4-2-1", (2,), dense(4, 2, 1, activation="tanh"), "mse", "sgd", _xor,
        rows=800, batch=40, epochs=250, script=True,
    ),
    "W1": Workload(
        "covertype, 54-64-32-7 with dropout", (54,), _COVERTYPE, "sparse", "adam", _covertype,
        rows=16_000, batch=32, epochs=5, script=True,
    ),
    "W2": Workload(
        "MNIST softmax, 784-10", (784,), (("dense", 10, "softmax"),), "sparse", "adam", _mnist_rows,
        rows=16_000, batch=32, epochs=5, script=True,
    ),
    "W3": Workload(
        "moons, 2-25-50-50-25-1", (2,), (*dense(25, 50, 50, 25, activation="relu"), ("dense", 1, "sigmoid")),
        "binary", "sgd", _moons, rows=896, batch=32, epochs=200, callback=True, script=True,
    ),
    "W4": Workload(
        "MNIST, one convolution", (28, 28, 1), (("conv", 32), ("flatten",), ("dense", 10, "softmax")),
        "sparse", "adadelta", _mnist, rows=2_560, batch=128, epochs=2,
    ),
    "W5": Workload(
        "MNIST, two convolutions", (28, 28, 1),
        (("conv", 32), ("conv", 64), ("pool",), ("dropout", 0.25), ("flatten",),
         ("dense", 128, "relu"), ("dropout", 0.5), ("dense", 10, "softmax")),
        "sparse", "adadelta", _mnist, rows=640, batch=128, epochs=2,
    ),
    "W6": Workload(
        "IMDB, LSTM", (80,), (("embedding", 20_000, 128), ("lstm", 128), ("dense", 1, "sigmoid")),
        "binary", "adam", _reviews(20_000, 80, True), rows=640, batch=32, epochs=2,
    ),
    "W7": Workload(
        "IMDB, transformer block", (80,),
        (("positions", 20_000, 32), ("transformer", 2, 32, 32, 0.1), ("average",), ("dropout", 0.1),
         ("dense", 20, "relu"), ("dropout", 0.1), ("dense", 2, "softmax")),
        "sparse", "adam", _reviews(20_000, 80, False), rows=1_280, batch=32, epochs=2,
    ),
    "W8": Workload(
        "predict and evaluate, network of W1", (54,), _COVERTYPE, "sparse", "adam", _covertype,
        rows=32_000, batch=32, figures=("predict", "evaluate"),
    ),
    "W8 conv": Workload(
        "predict and evaluate, network of W4", (28, 28, 1), (("conv", 32), ("flatten",), ("dense", 10, "softmax")),
        "sparse", "adadelta", _mnist, rows=6_400, batch=128, figures=("predict", "evaluate"),
    ),
    "W9": Workload(
        "predict of one row, network of W1", (54,), _COVERTYPE, "sparse", "adam", _covertype,
        rows=320, batch=32, figures=("row",),
    ),
    "iris": Workload(
        "iris, 4-3", (4,), (("dense", 3, "softmax"),), "sparse", "sgd", _iris,
        rows=150, batch=5, epochs=15, script=True, figures=(),
    ),
}  # fmt: skip


def shortened(workload: Workload) -> Workload:
    """Two batches and two epochs: whether it runs, not how fast."""
    return replace(workload, rows=2 * workload.batch, epochs=2)


def prepare(folder: Path, names: list[str]) -> dict[str, bool]:
    """Writes the data of the workloads; says of each whether they are real."""
    real = {}
    for name in names:
        (x, y), real[name] = WORKLOADS[name].make(WORKLOADS[name].rows)
        np.savez(folder / f"{name}.npz", x=x, y=y)
    return real


if __name__ == "__main__":
    print(json.dumps(prepare(Path(sys.argv[1]), sys.argv[2:])))

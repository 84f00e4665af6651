"""The tasks that are timed: made-up data, and a network described once for every contestant.

All rows are multiples of the batch, so that nobody has a short last batch to treat.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A network and its data.

    Attributes:
        shape: Shape of a row.
        layers: ``("dense", units, activation)``, ``("dropout", rate)``, ``("conv", filters)`` (3 x 3, relu),
            ``("pool",)`` (2 x 2) and ``("flatten",)``.
        loss: ``"mse"``, ``"binary"`` or ``"sparse"``.
        optimizer: ``"sgd"`` (rate 0.01) or ``"adam"`` (rate 0.001).
        epochs: Epochs that are timed.
    """

    title: str
    shape: tuple[int, ...]
    layers: tuple[tuple[Any, ...], ...]
    loss: str
    optimizer: str
    rows: int
    batch: int
    epochs: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and targets that the network can learn; the same at every call."""
        random = np.random.default_rng(0)
        if self.loss == "sparse":
            x = random.random((self.rows, *self.shape), dtype=np.float32)
            teacher = random.normal(size=(int(np.prod(self.shape)), self.layers[-1][1]))
            return x, ((x.reshape(self.rows, -1) - 0.5) @ teacher).argmax(1).astype("int32")
        if self.loss == "mse":
            x = random.uniform(-10, 10, (self.rows, 2)).astype("float32")
            return x, (x[:, 0] * x[:, 1] > 0).astype("float32")[:, None]
        angle, y = random.uniform(0, np.pi, self.rows), random.integers(0, 2, self.rows)
        x = np.where(y, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)]).T
        return (x + random.normal(0, 0.2, x.shape)).astype("float32"), y.astype("float32")[:, None]


def dense(*units: int, activation: str) -> tuple[tuple[Any, ...], ...]:
    return tuple(("dense", unit, activation) for unit in units)


WORKLOADS = {
    "xor": Workload(
        "xor net, 2-4-2-1 tanh", (2,), dense(4, 2, 1, activation="tanh"), "mse", "sgd", rows=800, batch=40, epochs=250
    ),
    "moons": Workload(
        "two moons, 2-25-50-50-25-1", (2,),
        (*dense(25, 50, 50, 25, activation="relu"), ("dense", 1, "sigmoid")),
        "binary", "sgd", rows=960, batch=32, epochs=100,
    ),
    "covertype": Workload(
        "54-128-64-7 with dropout", (54,),
        (("dense", 128, "relu"), ("dropout", 0.3), ("dense", 64, "relu"), ("dropout", 0.3), ("dense", 7, "softmax")),
        "sparse", "adam", rows=20_000, batch=160, epochs=10,
    ),
    "softmax": Workload(
        "softmax regression, 784-10", (784,), (("dense", 10, "softmax"),), "sparse", "adam",
        rows=12_800, batch=32, epochs=10,
    ),
    "convnet": Workload(
        "convolutional net, 28x28 images", (28, 28, 1),
        (("conv", 16), ("pool",), ("conv", 32), ("pool",), ("flatten",), ("dense", 10, "softmax")),
        "sparse", "adam", rows=3_200, batch=64, epochs=3,
    ),
}  # fmt: skip

"""One contestant trains one workload: ``contestants.py NAME WORKLOAD EPOCHS``; the times are printed as JSON.

Each does what its users do: the two Kerases call ``fit`` without progress bar, PyTorch runs step by
step, and the loop in JAX is one compiled program an epoch. All of them shuffle every
epoch and keep the epoch's loss and accuracy.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import WORKLOADS, Workload

# Epochs before the clock starts: compiling, and finding the pace.
WARM_UP = 3
# Trains a number of epochs, and returns the loss of the last.
Train = Callable[[int], float]


def keraunos(workload: Workload, x: Any, y: Any) -> Train:
    import keraunos as library

    return _fit(library, workload, x, y)


def keras(workload: Workload, x: Any, y: Any) -> Train:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras as library

    return _fit(library, workload, x, y)


def _fit(library: Any, workload: Workload, x: Any, y: Any) -> Train:
    layers = library.layers
    made = {
        "dense": lambda units, activation: layers.Dense(units, activation=activation),
        "dropout": layers.Dropout,
        "conv": lambda filters: layers.Conv2D(filters, 3, activation="relu"),
        "pool": lambda: layers.MaxPooling2D(2),
        "flatten": layers.Flatten,
    }
    model = library.Sequential(
        [library.Input(workload.shape), *(made[kind](*given) for kind, *given in workload.layers)]
    )
    losses = {"mse": "mse", "binary": "binary_crossentropy", "sparse": "sparse_categorical_crossentropy"}
    model.compile(optimizer=workload.optimizer, loss=losses[workload.loss], metrics=["accuracy"])

    def train(epochs: int) -> float:
        history = model.fit(x, y, batch_size=workload.batch, epochs=epochs, verbose=0)
        return float(history.history["loss"][-1])

    return train


def pytorch(workload: Workload, x: Any, y: Any) -> Train:
    import torch
    from torch import nn

    activations = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Identity, "softmax": nn.Identity}
    parts: list[Any] = []
    shape = workload.shape if len(workload.shape) == 1 else (workload.shape[-1], *workload.shape[:-1])
    for kind, *given in workload.layers:
        if kind == "dense":
            parts += [nn.Linear(shape[0], given[0]), activations[given[1]]()]
            shape = (given[0],)
        elif kind == "dropout":
            parts.append(nn.Dropout(given[0]))
        elif kind == "conv":
            parts += [nn.Conv2d(shape[0], given[0], 3), nn.ReLU()]
            shape = (given[0], shape[1] - 2, shape[2] - 2)
        elif kind == "pool":
            parts.append(nn.MaxPool2d(2))
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        else:
            parts.append(nn.Flatten())
            shape = (int(np.prod(shape)),)
    model = nn.Sequential(*parts)
    # The activation of the last layer is inside these losses, as PyTorch advises.
    loss_of = {"mse": nn.MSELoss, "binary": nn.BCEWithLogitsLoss, "sparse": nn.CrossEntropyLoss}[workload.loss]()
    make = {"sgd": lambda p: torch.optim.SGD(p, 0.01), "adam": lambda p: torch.optim.Adam(p, 0.001)}
    optimizer = make[workload.optimizer](model.parameters())
    inputs = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if x.ndim == 4 else x)
    targets = torch.from_numpy(y).long() if workload.loss == "sparse" else torch.from_numpy(y)
    cut = 0.0 if workload.loss == "binary" else 0.5

    def train(epochs: int) -> float:
        model.train()
        for _ in range(epochs):
            total, right = torch.zeros(()), torch.zeros(())
            for rows in torch.randperm(workload.rows).split(workload.batch):
                wanted = targets[rows]
                optimizer.zero_grad()
                outputs = model(inputs[rows])
                loss = loss_of(outputs, wanted)
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    total += loss
                    guess = outputs.argmax(1) if workload.loss == "sparse" else (outputs > cut).float()
                    right += (guess == wanted).float().mean()
            steps = workload.rows // workload.batch
            mean, _ = total.item() / steps, right.item() / steps
        return mean

    return train


def jax(workload: Workload, x: Any, y: Any) -> Train:
    import jax
    import jax.numpy as jnp
    from jax import lax

    random = np.random.default_rng(1)
    params, shape = [], workload.shape
    for kind, *given in workload.layers:
        if kind == "dense":
            limit = np.sqrt(6 / (shape[0] + given[0]))
            params.append(
                (random.uniform(-limit, limit, (shape[0], given[0])).astype("float32"), np.zeros(given[0], "f"))
            )
            shape = (given[0],)
        elif kind == "conv":
            limit = np.sqrt(6 / (9 * (shape[-1] + given[0])))
            size = (3, 3, shape[-1], given[0])
            params.append((random.uniform(-limit, limit, size).astype("float32"), np.zeros(given[0], "f")))
            shape = (shape[0] - 2, shape[1] - 2, given[0])
        elif kind == "pool":
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
    # The activation of the last layer is inside these two losses.
    activations = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": lambda x: x, "softmax": lambda x: x}

    def forward(params: Any, x: Any, key: Any) -> Any:
        weights = iter(params)
        for number, (kind, *given) in enumerate(workload.layers):
            if kind == "dense":
                kernel, bias = next(weights)
                x = activations[given[1]](x @ kernel + bias)
            elif kind == "dropout":
                kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - given[0], x.shape)
                x = jnp.where(kept, x / (1 - given[0]), 0)
            elif kind == "conv":
                kernel, bias = next(weights)
                x = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
                x = jax.nn.relu(x + bias)
            elif kind == "pool":
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            else:
                x = x.reshape(len(x), -1)
        return x

    def objective(params: Any, x: Any, y: Any, key: Any) -> Any:
        out = forward(params, x, key)
        if workload.loss == "mse":
            return ((out - y) ** 2).mean(), ((out > 0.5) == y).mean()
        if workload.loss == "binary":
            return (jax.nn.softplus(out) - out * y).mean(), ((out > 0) == y).mean()
        chosen = jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1)
        return -chosen.mean(), (out.argmax(1) == y).mean()

    def step(carry: Any, rows: Any, x: Any, y: Any, key: Any) -> Any:
        params, first, second, count, total, right = carry
        count = count + 1
        key = jax.random.fold_in(key, count)
        (loss, accuracy), gradient = jax.value_and_grad(objective, has_aux=True)(params, x[rows], y[rows], key)
        if workload.optimizer == "sgd":
            params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)
        else:
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
            rate = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), params, first, second)
        return params, first, second, count, total + loss, right + accuracy

    @jax.jit
    def epoch(carry: Any, order: Any, x: Any, y: Any, key: Any) -> Any:
        return lax.scan(lambda carry, rows: (step(carry, rows, x, y, key), None), carry, order)[0]

    one_step, steps = jax.jit(step), workload.rows // workload.batch
    # The compiler's convolution is slow inside a loop on a CPU, so this network is better off step by step.
    by_steps = any(kind == "conv" for kind, *_ in workload.layers) and jax.default_backend() == "cpu"
    x, y, key, zero = jnp.asarray(x), jnp.asarray(y), jax.random.key(0), jnp.zeros(())
    empty = jax.tree.map(np.zeros_like, params) if workload.optimizer == "adam" else ()
    carry: Any = (params, empty, empty, zero, zero, zero)

    def train(epochs: int) -> float:
        nonlocal carry
        for _ in range(epochs):
            order = random.permutation(workload.rows).reshape(steps, workload.batch)
            carry = (*carry[:4], zero, zero)
            if by_steps:
                for rows in order:
                    carry = one_step(carry, rows, x, y, key)
            else:
                carry = epoch(carry, order, x, y, key)
            loss, _ = float(carry[4]) / steps, float(carry[5]) / steps
        return loss

    return train


CONTESTANTS = {"keraunos": keraunos, "keras": keras, "pytorch": pytorch, "jax": jax}


def main(name: str, workload_name: str, epochs: int) -> None:
    workload = WORKLOADS[workload_name]
    began = time.perf_counter()
    train = CONTESTANTS[name](workload, *workload.data())
    train(WARM_UP)
    first = time.perf_counter() - began
    began = time.perf_counter()
    loss = train(epochs)
    print(json.dumps({"epoch": (time.perf_counter() - began) / epochs, "first": first, "loss": loss}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""JAX without a library: one compiled call a step, and one compiled loop an epoch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workloads import Workload

from contestants.job import Job

RATES = {"sgd": 0.01, "adam": 0.001, "adadelta": 1.0}


def by_step(workload: Workload) -> Job:
    return Jax(workload, loop=False)


def by_epoch(workload: Workload) -> Job:
    return Jax(workload, loop=True)


class Jax(Job):
    def __init__(self, workload: Workload, loop: bool) -> None:
        self.workload, self.random = workload, np.random.default_rng(1)
        params = parameters(workload, self.random)
        zeros = jax.tree.map(np.zeros_like, params)
        slots = {"sgd": (), "adam": (zeros, zeros), "adadelta": (zeros, zeros)}[workload.optimizer]
        zero = jnp.zeros(())
        self.carry: Any = jax.device_put((params, slots, zero, zero, zero))
        self.key = jax.random.key(0)
        step = make_step(workload)

        def epoch(carry: Any, order: Any, x: Any, y: Any, key: Any) -> Any:
            return lax.scan(lambda carry, rows: (step(carry, rows, x, y, key), None), carry, order)[0]

        self.loop = loop
        # Both give their carry away, so that the update may happen in place.
        self.run = jax.jit(epoch if loop else step, donate_argnums=0)
        forward = make_forward(workload)
        self.outputs = jax.jit(lambda params, x: activate(workload, forward(params, x, None)))
        self.scores = jax.jit(lambda params, x, y: score(workload, forward(params, x, None), y))

    def fit(self, x: Any, y: Any, epochs: int) -> list[float]:
        x, y, zero = jnp.asarray(x), jnp.asarray(y), np.float32(0)
        kept = []
        for _ in range(epochs):
            order = self.random.permutation(self.workload.rows).astype("int32").reshape(self.workload.steps, -1)
            carry = (*self.carry[:3], zero, zero)
            for rows in [order] if self.loop else order:
                carry = self.run(carry, rows, x, y, self.key)
            self.carry = carry
            kept.append([float(carry[3]) / self.workload.steps, float(carry[4]) / self.workload.steps])
        return kept[-1]

    def predict(self, x: Any) -> Any:
        batches = range(0, len(x), self.workload.batch)
        outputs = [self.outputs(self.carry[0], x[start : start + self.workload.batch]) for start in batches]
        return np.concatenate(outputs) if len(outputs) > 1 else np.asarray(outputs[0])

    def evaluate(self, x: Any, y: Any) -> list[float]:
        batches = range(0, len(x), self.workload.batch)
        scores = [
            self.scores(self.carry[0], x[start : start + self.workload.batch], y[start : start + self.workload.batch])
            for start in batches
        ]
        return np.asarray(scores).mean(0).tolist()


def parameters(workload: Workload, random: np.random.Generator) -> list[Any]:
    """Initial weights, a list of arrays for each layer that has any."""

    def uniform(*shape: int) -> np.ndarray:
        limit = np.sqrt(6 / (np.prod(shape[:-1]) + shape[-1]))
        return random.uniform(-limit, limit, shape).astype("float32")

    params, shape = [], workload.shape
    for kind, *given in workload.layers:
        if kind == "dense":
            params.append([uniform(shape[-1], given[0]), np.zeros(given[0], "f")])
            shape = (*shape[:-1], given[0])
        elif kind == "conv":
            params.append([uniform(3, 3, shape[-1], given[0]), np.zeros(given[0], "f")])
            shape = (shape[0] - 2, shape[1] - 2, given[0])
        elif kind == "pool":
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind == "embedding":
            params.append([uniform(*given)])
            shape = (shape[0], given[1])
        elif kind == "positions":
            params.append([uniform(*given), uniform(shape[0], given[1])])
            shape = (shape[0], given[1])
        elif kind == "lstm":
            bias = np.zeros(4 * given[0], "f")
            params.append([uniform(shape[-1], 4 * given[0]), uniform(given[0], 4 * given[0]), bias])
            shape = (given[0],)
        elif kind == "transformer":
            heads, width, feed_forward, _ = given
            inner = heads * width
            sizes = [(width, 3 * inner), (inner, width), (width, feed_forward), (feed_forward, width)]
            params.append(
                [array for size in sizes for array in (uniform(*size), np.zeros(size[1], "f"))]
                + [np.ones(width, "f"), np.zeros(width, "f"), np.ones(width, "f"), np.zeros(width, "f")]
            )
        elif kind == "average":
            shape = shape[1:]
    return params


def make_forward(workload: Workload) -> Callable[[Any, Any, Any], Any]:
    # The activation of the last layer is inside the loss.
    activations = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": lambda x: x, "softmax": lambda x: x}

    def dropped(x: Any, rate: float, key: Any, number: int) -> Any:
        if key is None:
            return x
        kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - rate, x.shape)
        return jnp.where(kept, x / (1 - rate), 0)

    def lstm(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        def turn(carry: Any, projected: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(projected + h @ recurrent, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zero = jnp.zeros((len(x), len(recurrent)))
        return lax.scan(turn, (zero, zero), jnp.swapaxes(x @ kernel + bias, 0, 1))[0][0]

    def normalized(x: Any, scale: Any, offset: Any) -> Any:
        centered = x - x.mean(-1, keepdims=True)
        return centered * lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-6) * scale + offset

    def transformer(x: Any, weights: Any, heads: int, rate: float, key: Any, number: int) -> Any:
        project, b1, join, b2, wide, b3, narrow, b4, s1, o1, s2, o2 = weights
        parts = (x @ project + b1).reshape(*x.shape[:2], 3, heads, -1)
        q, k, v = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        weight = jax.nn.softmax(jnp.einsum("blhd,bmhd->bhlm", q, k) / np.sqrt(q.shape[-1]))
        attended = jnp.einsum("bhlm,bmhd->blhd", weight, v).reshape(*x.shape[:2], -1) @ join + b2
        x = normalized(x + dropped(attended, rate, key, number), s1, o1)
        mapped = jax.nn.relu(x @ wide + b3) @ narrow + b4
        return normalized(x + dropped(mapped, rate, key, number + 100), s2, o2)

    def forward(params: Any, x: Any, key: Any) -> Any:
        weights = iter(params)
        for number, (kind, *given) in enumerate(workload.layers):
            if kind == "dense":
                kernel, bias = next(weights)
                x = activations[given[1]](x @ kernel + bias)
            elif kind == "dropout":
                x = dropped(x, given[0], key, number)
            elif kind == "conv":
                kernel, bias = next(weights)
                x = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
                x = jax.nn.relu(x + bias)
            elif kind == "pool":
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            elif kind == "flatten":
                x = x.reshape(len(x), -1)
            elif kind == "embedding":
                x = next(weights)[0][x]
            elif kind == "positions":
                words, places = next(weights)
                x = words[x] + places
            elif kind == "lstm":
                x = lstm(x, *next(weights))
            elif kind == "transformer":
                x = transformer(x, next(weights), given[0], given[3], key, number)
            elif kind == "average":
                x = x.mean(1)
        return x

    return forward


def activate(workload: Workload, out: Any) -> Any:
    return {"mse": lambda x: x, "binary": jax.nn.sigmoid, "sparse": jax.nn.softmax}[workload.loss](out)


def score(workload: Workload, out: Any, y: Any) -> Any:
    """Loss and accuracy of a batch."""
    if workload.loss == "mse":
        return ((out - y) ** 2).mean(), ((out > 0.5) == y).mean()
    if workload.loss == "binary":
        return (jax.nn.softplus(out) - out * y).mean(), ((out > 0) == y).mean()
    chosen = jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1)
    return -chosen.mean(), (out.argmax(1) == y).mean()


def make_step(workload: Workload) -> Callable[..., Any]:
    forward, rate = make_forward(workload), RATES[workload.optimizer]

    def objective(params: Any, x: Any, y: Any, key: Any) -> Any:
        return score(workload, forward(params, x, key), y)

    def update(params: Any, slots: Any, gradient: Any, count: Any) -> Any:
        if workload.optimizer == "sgd":
            return jax.tree.map(lambda p, g: p - rate * g, params, gradient), slots
        first, second = slots
        if workload.optimizer == "adam":
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
            scale = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            params = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + 1e-7), params, first, second)
            return params, (first, second)
        first = jax.tree.map(lambda a, g: 0.95 * a + 0.05 * g * g, first, gradient)
        delta = jax.tree.map(lambda g, a, d: g * jnp.sqrt((d + 1e-7) / (a + 1e-7)), gradient, first, second)
        second = jax.tree.map(lambda d, u: 0.95 * d + 0.05 * u * u, second, delta)
        return jax.tree.map(lambda p, u: p - rate * u, params, delta), (first, second)

    def step(carry: Any, rows: Any, x: Any, y: Any, key: Any) -> Any:
        params, slots, count, total, right = carry
        count = count + 1
        key = jax.random.fold_in(key, count.astype("uint32"))
        (loss, accuracy), gradient = jax.value_and_grad(objective, has_aux=True)(params, x[rows], y[rows], key)
        params, slots = update(params, slots, gradient, count)
        return params, slots, count, total + loss, right + accuracy

    return step

"""Flax NNX with optax, and scikit-learn's networks where they apply."""

from typing import Any

import numpy as np
from workloads import Workload

from contestants.job import Job

SKLEARN_LAYERS = {"dense", "dropout"}


def flax(workload: Workload) -> Job:
    return Flax(workload)


def sklearn(workload: Workload) -> Job | None:
    """Nothing but dense layers of one activation, Adam or SGD; it has no dropout, and so does less in W1."""
    return SkLearn(workload) if {kind for kind, *_ in workload.layers} <= SKLEARN_LAYERS else None


class Flax(Job):
    """A step at a time, with graph and state of the model found once, as Flax's page on performance advises."""

    def __init__(self, workload: Workload) -> None:
        import jax
        import jax.numpy as jnp
        import optax
        from flax import nnx

        self.workload, self.random, self.nnx, self.jnp = workload, np.random.default_rng(1), nnx, jnp
        self.model = flax_network(workload)
        make = {
            "sgd": lambda: optax.sgd(0.01),
            "adam": lambda: optax.adam(0.001),
            "adadelta": lambda: optax.adadelta(1.0, 0.95, 1e-7),
        }
        self.optimizer = nnx.Optimizer(self.model, make[workload.optimizer](), wrt=nnx.Param)

        def score(outputs: Any, y: Any) -> Any:
            if workload.loss == "mse":
                return ((outputs - y) ** 2).mean(), ((outputs > 0.5) == y).mean()
            if workload.loss == "binary":
                return optax.sigmoid_binary_cross_entropy(outputs, y).mean(), ((outputs > 0) == y).mean()
            loss = optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()
            return loss, (outputs.argmax(1) == y).mean()

        def objective(model: Any, x: Any, y: Any) -> Any:
            return score(model(x), y)

        @nnx.jit
        def step(model: Any, optimizer: Any, sums: Any, x: Any, y: Any, rows: Any) -> Any:
            (loss, right), gradient = nnx.value_and_grad(objective, has_aux=True)(model, x[rows], y[rows])
            optimizer.update(model, gradient)
            return sums + jnp.stack([loss, right])

        def activate(outputs: Any) -> Any:
            return {"mse": lambda x: x, "binary": jax.nn.sigmoid, "sparse": jax.nn.softmax}[workload.loss](outputs)

        self.step = step
        self.outputs = nnx.jit(lambda model, x: activate(model(x)))
        self.scores = nnx.jit(lambda model, x, y: score(model(x), y))

    def fit(self, x: Any, y: Any, epochs: int) -> list[float]:
        x, y = self.jnp.asarray(x), self.jnp.asarray(y)
        self.model.train()
        step = self.nnx.cached_partial(self.step, self.model, self.optimizer)
        kept = []
        for _ in range(epochs):
            order = self.random.permutation(self.workload.rows).astype("int32").reshape(self.workload.steps, -1)
            sums: Any = np.zeros(2, "f")
            for rows in order:
                sums = step(sums, x, y, rows)
            kept.append((np.asarray(sums) / self.workload.steps).tolist())
        return kept[-1]

    def predict(self, x: Any) -> Any:
        self.model.eval()
        outputs = self.nnx.cached_partial(self.outputs, self.model)
        batch = self.workload.batch
        return np.concatenate([outputs(x[start : start + batch]) for start in range(0, len(x), batch)])

    def evaluate(self, x: Any, y: Any) -> list[float]:
        self.model.eval()
        scores, batch = self.nnx.cached_partial(self.scores, self.model), self.workload.batch
        starts = range(0, len(x), batch)
        of = [scores(x[start : start + batch], y[start : start + batch]) for start in starts]
        return np.asarray(of).mean(0).tolist()


def flax_network(workload: Workload) -> Any:
    import jax.numpy as jnp
    from flax import nnx

    rngs = nnx.Rngs(0)
    # The activation of the last layer is inside the loss.
    activations = {"relu": [nnx.relu], "tanh": [nnx.tanh], "sigmoid": [], "softmax": []}

    class Positions(nnx.Module):
        def __init__(self, words: int, length: int, width: int) -> None:
            self.words, self.places = nnx.Embed(words, width, rngs=rngs), nnx.Embed(length, width, rngs=rngs)
            self.length = length

        def __call__(self, x: Any) -> Any:
            return self.words(x) + self.places(jnp.arange(self.length))

    class Transformer(nnx.Module):
        def __init__(self, heads: int, width: int, feed_forward: int, rate: float) -> None:
            self.attention = nnx.MultiHeadAttention(
                heads, width, heads * width, decode=False, deterministic=True, rngs=rngs
            )
            self.wide, self.narrow = (
                nnx.Linear(width, feed_forward, rngs=rngs),
                nnx.Linear(feed_forward, width, rngs=rngs),
            )
            self.first, self.second = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
            self.dropout = nnx.Dropout(rate, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            x = self.first(x + self.dropout(self.attention(x)))
            return self.second(x + self.dropout(self.narrow(nnx.relu(self.wide(x)))))

    class LastOfLSTM(nnx.Module):
        def __init__(self, width: int, units: int) -> None:
            self.lstm = nnx.RNN(nnx.OptimizedLSTMCell(width, units, rngs=rngs))

        def __call__(self, x: Any) -> Any:
            return self.lstm(x)[:, -1]

    parts: list[Any] = []
    shape = workload.shape
    for kind, *given in workload.layers:
        if kind == "dense":
            parts += [nnx.Linear(shape[-1], given[0], rngs=rngs), *activations[given[1]]]
            shape = (*shape[:-1], given[0])
        elif kind == "dropout":
            parts.append(nnx.Dropout(given[0], rngs=rngs))
        elif kind == "conv":
            parts += [nnx.Conv(shape[-1], given[0], (3, 3), padding="VALID", rngs=rngs), nnx.relu]
            shape = (shape[0] - 2, shape[1] - 2, given[0])
        elif kind == "pool":
            parts.append(lambda x: nnx.max_pool(x, (2, 2), (2, 2)))
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            parts.append(lambda x: x.reshape(len(x), -1))
            shape = (int(np.prod(shape)),)
        elif kind == "embedding":
            parts.append(nnx.Embed(*given, rngs=rngs))
            shape = (shape[0], given[1])
        elif kind == "positions":
            parts.append(Positions(given[0], shape[0], given[1]))
            shape = (shape[0], given[1])
        elif kind == "lstm":
            parts.append(LastOfLSTM(shape[-1], given[0]))
            shape = (given[0],)
        elif kind == "transformer":
            parts.append(Transformer(*given))
        elif kind == "average":
            parts.append(lambda x: x.mean(1))
            shape = shape[1:]
    return nnx.Sequential(*parts)


class SkLearn(Job):
    """One call of ``fit`` trains all epochs; of an epoch it keeps the loss alone, which is all it computes."""

    def __init__(self, workload: Workload) -> None:
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        units = [given[0] for kind, *given in workload.layers if kind == "dense"]
        activation = next(given[1] for kind, *given in workload.layers if kind == "dense")
        kind = MLPRegressor if workload.loss == "mse" else MLPClassifier
        settings = {"batch_size": workload.batch, "n_iter_no_change": 10**9, "tol": 0.0, "alpha": 0.0}
        if workload.optimizer == "sgd":
            settings |= {"solver": "sgd", "learning_rate_init": 0.01, "momentum": 0.0}
        self.make = lambda epochs: kind(
            hidden_layer_sizes=tuple(units[:-1]),
            activation=activation if activation in ("relu", "tanh") else "identity",
            max_iter=epochs,
            **settings,
        )
        self.model: Any = None
        self.workload = workload

    def fit(self, x: Any, y: Any, epochs: int) -> list[float]:
        import warnings

        self.model = self.make(epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.fit(x, y.ravel())
        return [float(self.model.loss_), 0.0]

    def predict(self, x: Any) -> Any:
        if self.workload.loss == "mse":
            return self.model.predict(x)
        return self.model.predict_proba(x)

    def evaluate(self, x: Any, y: Any) -> list[float]:
        from sklearn.metrics import log_loss

        # Labels that it was not trained on have no column.
        outputs = np.zeros((len(x), int(y.max()) + 1))
        outputs[:, self.model.classes_] = self.predict(x)
        return [log_loss(y, outputs, labels=np.arange(outputs.shape[1])), float((outputs.argmax(1) == y).mean())]

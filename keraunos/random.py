"""Random tensors (``keras.random``): the same in eager and compiled code, governed by one seed.

``seed`` may be an ``int`` (the same numbers at every call), a
:class:`SeedGenerator` (new numbers at every call, repeatable from the start),
or ``None`` (new numbers, governed by ``keraunos.utils.set_random_seed``).
"""

import math
from collections.abc import Sequence
from typing import Any

from keraunos.backend import K
from keraunos.core.scope import current_scope, fresh_seed, next_key
from keraunos.utils.config import floatx
from keraunos.utils.modules import offer

__all__ = [
    "SeedGenerator", "binomial", "categorical", "dropout", "normal", "randint", "shuffle", "truncated_normal", "uniform",
]  # fmt: skip
offer(__name__)


class SeedGenerator:
    """A source of different random numbers that repeats from its seed.

    Args:
        seed: A whole number; taken from NumPy's global generator if not given.
        name: Accepted for Keras' sake.

    >>> generator = SeedGenerator(1)
    >>> bool((normal((3,), seed=generator) == normal((3,), seed=generator)).all())
    False
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **_: Any) -> None:
        self.seed = fresh_seed() if seed is None else int(seed)
        self.name = name
        self._eager_draws = 0

    def next_key(self) -> Any:
        """A key that was not given before."""
        if current_scope() is not None:
            return next_key(self.seed)
        self._eager_draws += 1
        return K.fold_in(K.random_key(self.seed), self._eager_draws)

    def get_config(self) -> dict[str, Any]:
        """The seed."""
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SeedGenerator":
        """Generator of a config."""
        return cls(**config)


def normal(shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: Any = None) -> Any:
    """Normal numbers.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    return K.random_normal(_key(seed), shape, dtype or floatx()) * stddev + mean


def uniform(
    shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: str | None = None, seed: Any = None
) -> Any:
    """Uniform numbers from ``minval`` to ``maxval`` (not included).

    >>> bool((uniform((9,), 2.0, 3.0, seed=1) >= 2.0).all())
    True
    """
    dtype = dtype or floatx()
    if "int" in dtype:
        return randint(shape, minval, maxval, dtype, seed)
    return K.random_uniform(_key(seed), shape, dtype) * (maxval - minval) + minval


def randint(shape: Sequence[int], minval: int, maxval: int, dtype: str = "int32", seed: Any = None) -> Any:
    """Whole numbers from ``minval`` to ``maxval`` (not included).

    >>> sorted(set(randint((99,), 0, 3, seed=1).tolist()))
    [0, 1, 2]
    """
    numbers = K.floor(K.random_uniform(_key(seed), shape, "float32") * (maxval - minval))
    # A product just below the width may round up to it.
    return K.cast(K.minimum(numbers, maxval - minval - 1) + minval, dtype)


def truncated_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None, seed: Any = None
) -> Any:
    """Normal numbers within two standard deviations of the mean.

    >>> bool((abs(truncated_normal((99,), seed=1)) <= 2).all())
    True
    """
    return K.random_truncated_normal(_key(seed), shape, dtype or floatx()) * stddev + mean


def categorical(logits: Any, num_samples: int, dtype: str = "int32", seed: Any = None) -> Any:
    """Classes drawn with the probabilities ``softmax(logits)``, shape ``(batch, num_samples)``.

    Reference: the Gumbel-max trick (Gumbel 1954).

    >>> categorical([[0.0, 99.0]], 3, seed=1).tolist()
    [[1, 1, 1]]
    """
    logits = K.array(logits)
    batch, classes = K.shape(logits)
    tiny = 1.1754944e-38
    draws = K.random_uniform(_key(seed), (batch, num_samples, classes), "float32")
    gumbel = -K.log(-K.log(K.maximum(draws, tiny)))
    return K.cast(K.argmax(K.expand_dims(logits, 1) + gumbel, -1), dtype)


def binomial(shape: Sequence[int], counts: int, probabilities: Any, dtype: str | None = None, seed: Any = None) -> Any:
    """Numbers of successes in ``counts`` trials.

    >>> binomial((2,), 5, 1.0, seed=1).tolist()
    [5.0, 5.0]
    """
    trials = K.random_uniform(_key(seed), (int(counts), *shape), "float32")
    return K.sum(K.cast(trials < probabilities, dtype or floatx()), 0)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Inputs with a share ``rate`` set to 0, the others divided by ``1 - rate``.

    >>> sorted(set(dropout(K.ones((99,)), 0.5, seed=1).tolist()))
    [0.0, 2.0]
    """
    shape = K.shape(inputs)
    if noise_shape is not None:
        shape = tuple(s if n is None else n for s, n in zip(shape, noise_shape, strict=True))
    keep = K.random_uniform(_key(seed), shape, "float32") >= rate
    return K.where(keep, inputs / max(1.0 - rate, math.ulp(0.0)), K.zeros_like(inputs)) if rate < 1 else inputs * 0


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """Entries along an axis in random order.

    >>> sorted(shuffle(K.arange(4), seed=1).tolist())
    [0, 1, 2, 3]
    """
    order = K.argsort(K.random_uniform(_key(seed), (K.shape(x)[axis],), "float32"))
    return K.take(x, order, axis)


def _key(seed: Any) -> Any:
    if seed is None:
        return next_key()
    return seed.next_key() if isinstance(seed, SeedGenerator) else K.random_key(int(seed))

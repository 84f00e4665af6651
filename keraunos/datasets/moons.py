"""Two moons: points on two half circles that hold each other; generated, in any number."""

import numpy as np

from keraunos.datasets.preparing import Pair, split
from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer

__all__ = ["load_data"]
offer(__name__)


def load_data(samples: int = 1000, noise: float = 0.1, test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Points ``(cos t, sin t)`` of class 0 and ``(1 - cos t, 1/2 - sin t)`` of class 1, ``t`` from 0 to pi.

    Args:
        samples: Number of points, at least 2; half of them are in each class.
        noise: Standard deviation of what is added to both coordinates, at least 0.
        test_split: Fraction to test with, at least 0 and below 1.
        seed: Seed of the noise and of the shuffle.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float32 points of shape (n, 2) and int32 classes of shape (n,).

    Raises:
        ArgumentError: An argument is out of its range.

    >>> (x_train, y_train), (x_test, y_test) = load_data(samples=10, noise=0)
    >>> x_train.shape, np.bincount([*y_train, *y_test]).tolist()
    ((8, 2), [5, 5])
    """
    if samples < 2:
        raise ArgumentError(f"samples is {samples!r}; expected at least 2, one of each class.")
    if not noise >= 0:
        raise ArgumentError(f"noise is {noise!r}; expected a standard deviation of at least 0.")
    upper, lower = np.linspace(0, np.pi, samples - samples // 2), np.linspace(0, np.pi, samples // 2)
    x = np.concatenate(
        [np.stack([np.cos(upper), np.sin(upper)], 1), np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], 1)]
    )
    x += np.random.RandomState(seed).normal(0, noise, x.shape)
    y = np.repeat(np.array([0, 1], np.int32), [len(upper), len(lower)])
    return split(x.astype(np.float32), y, test_split, seed)

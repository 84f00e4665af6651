"""Iris: 150 flowers of three species and four lengths of each (Fisher, 1936); inside the package."""

import csv
from pathlib import Path

import numpy as np

from keraunos.datasets.preparing import Pair, split
from keraunos.utils.modules import offer

__all__ = ["get_label_names", "load_data"]
offer(__name__)

_FILE = Path(__file__).parent / "data" / "iris.csv"
_SPECIES = ("setosa", "versicolor", "virginica")


def load_data(test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Lengths and widths of sepal and petal in centimetres, and the species, 0 to 2.

    Args:
        test_split: Fraction to test with, at least 0 and below 1.
        seed: Seed of the shuffle.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: float32 arrays of shape (n, 4) (sepal length,
        sepal width, petal length, petal width) and int32 species of shape (n,).

    Raises:
        ArgumentError: ``test_split`` is out of range.

    >>> (x_train, y_train), (x_test, y_test) = load_data(test_split=0)
    >>> x_train.shape, [get_label_names()[species] for species in y_train[:3]]
    ((150, 4), ['setosa', 'setosa', 'versicolor'])
    """
    with open(_FILE, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    x = np.array([row[:4] for row in rows], np.float32)
    y = np.array([_SPECIES.index(row[4]) for row in rows], np.int32)
    return split(x, y, test_split, seed)


def get_label_names() -> tuple[str, ...]:
    """The three species, in the order of their numbers.

    >>> get_label_names()
    ('setosa', 'versicolor', 'virginica')
    """
    return _SPECIES

"""Shuffles and splits arrays, and cuts sequences of word numbers, as the loaders of Keras do."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keraunos.utils.errors import ArgumentError

Pair = tuple[np.ndarray, np.ndarray]


def split(x: np.ndarray, y: np.ndarray, test_split: float, seed: int) -> tuple[Pair, Pair]:
    """Shuffle rows by ``seed``; the last ``test_split`` of them are the test set."""
    return cut(*shuffled(x, y, np.random.RandomState(seed)), test_split)


def shuffled(x: np.ndarray, y: np.ndarray, random: np.random.RandomState) -> Pair:
    """Rows of both arrays in one random order."""
    order = np.arange(len(x))
    random.shuffle(order)
    return x[order], y[order]


def cut(x: np.ndarray, y: np.ndarray, test_split: float) -> tuple[Pair, Pair]:
    """Rows to train on, and the last ``test_split`` of all (at least 0, below 1) to test with."""
    if not 0 <= test_split < 1:
        raise ArgumentError(f"test_split is {test_split!r}; expected a fraction of at least 0 and below 1.")
    row = int(len(x) * (1 - test_split))
    return (x[:row], y[:row]), (x[row:], y[row:])


def shift(sequences: Iterable[list[int]], start_char: int | None, index_from: int | None) -> list[list[int]]:
    """Word numbers raised by ``index_from``, behind the mark ``start_char`` of a beginning unless it is None."""
    offset = index_from or 0
    start = [] if start_char is None else [start_char]
    return [[*start, *(word + offset for word in sequence)] for sequence in sequences]


def shorter(sequences: list[list[int]], labels: np.ndarray, maxlen: int | None) -> tuple[list[list[int]], np.ndarray]:
    """The sequences with fewer than ``maxlen`` words, and their labels; all where ``maxlen`` is None."""
    if not maxlen:
        return sequences, labels
    kept = [row for row, sequence in enumerate(sequences) if len(sequence) < maxlen]
    if not kept:
        shortest = min(map(len, sequences))
        raise ArgumentError(
            f"maxlen is {maxlen}, and the shortest sequence has {shortest} words: none is left. Raise it."
        )
    return [sequences[row] for row in kept], labels[kept]


def limit(sequences: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None) -> list[list[int]]:
    """Words outside ``skip_top <= word < num_words`` become ``oov_char``, or go where that is None."""
    if not num_words:
        # The largest number is itself left out, as in Keras.
        num_words = max(max(sequence, default=0) for sequence in sequences)
    if oov_char is None:
        return [[word for word in sequence if skip_top <= word < num_words] for sequence in sequences]
    return [[word if skip_top <= word < num_words else oov_char for word in sequence] for sequence in sequences]


def ragged(sequences: Sequence[Any]) -> np.ndarray:
    """One-dimensional array of lists, even where all lists have one length."""
    array = np.empty(len(sequences), object)
    for row, sequence in enumerate(sequences):
        array[row] = sequence
    return array

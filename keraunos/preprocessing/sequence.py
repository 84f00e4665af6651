"""Sequences made into batches: padding, pairs of neighbouring words, windows over a series."""

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer
from keraunos.utils.numerical import pad_sequences
from keraunos.utils.sequence import PyDataset

__all__ = [
    "TimeseriesGenerator",
    "make_sampling_table",
    "pad_sequences",
    "skipgrams",
    "timeseries_generator_from_json",
]
offer(__name__)

_EULER = 0.577  # the constant of Euler and Mascheroni, with as many digits as Keras takes


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """How probably ``skipgrams`` keeps the word of each rank, ``min(1, sqrt(t / f(rank)))``.

    f follows Zipf's law, 1 / f = rank (log rank + γ) + 1/2 − 1/(12 rank), and t is ``sampling_factor``.
    (T. Mikolov et al., "Distributed representations of words and phrases and their compositionality", 2013.)

    Output shape: ``(size,)``

    Args:
        size: Words there are, with word 0, which has the value of rank 1.
        sampling_factor: t, above 0; smaller means that frequent words are kept more seldom.

    >>> make_sampling_table(3)
    array([0.00315225, 0.00315225, 0.00547597])
    """
    rank = np.maximum(np.arange(size), 1)
    inverse = rank * (np.log(rank) + _EULER) + 0.5 - 1 / (12 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words: those that stand near one another, labelled 1, and some drawn at random, labelled 0.

    Random numbers come from Python's generator, ``random``.

    Args:
        sequence: Numbers of words; 0 is no word.
        vocabulary_size: Largest number plus one.
        window_size: How many words to either side are near.
        negative_samples: Drawn pairs for each near pair, 0 or more.
        shuffle: Whether the pairs are shuffled.
        categorical: Whether labels are ``[0, 1]`` and ``[1, 0]`` in place of 1 and 0.
        sampling_table: How probably each word is kept: see ``make_sampling_table``.
        seed: Seed of the shuffling.

    Returns:
        Pairs, and their labels.

    >>> skipgrams([1, 2, 3], 4, window_size=1, negative_samples=0, shuffle=False)
    ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])
    """
    near, far = ([0, 1], [1, 0]) if categorical else (1, 0)
    couples = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        first, last = max(0, place - window_size), min(len(sequence), place + window_size + 1)
        couples += [[word, sequence[other]] for other in range(first, last) if other != place and sequence[other]]
    labels: list[Any] = [near] * len(couples)
    if negative_samples > 0:
        drawn = int(len(couples) * negative_samples)
        words = [word for word, _ in couples]
        random.shuffle(words)
        couples += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(drawn)]
        labels += [far] * drawn
    if shuffle:
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for items in (couples, labels):
            random.seed(seed)
            random.shuffle(items)
    return couples, labels


class TimeseriesGenerator(PyDataset):
    """Batches of windows over a series, each with the target at its end.

    Window i holds ``data[i - length : i : sampling_rate]`` and has ``targets[i]``.

    Output shape: ``(batch, length / sampling_rate, ...)`` and ``(batch, ...)``

    Args:
        data: The series, ``(time, ...)``.
        targets: A target for each time.
        length: Times that a window reaches over.
        sampling_rate: Times from one entry of a window to the next.
        stride: Times from one window to the next.
        start_index, end_index: First and last time used; all if not given.
        shuffle: Whether windows are drawn at random.
        reverse: Whether the latest time stands first.
        batch_size: Windows in a batch.

    Raises:
        ArgumentError: Data and targets differ in length, or nothing is left between ``start_index`` and ``end_index``.

    >>> series = np.arange(6)
    >>> windows, targets = TimeseriesGenerator(series, series, length=3)[0]
    >>> windows.tolist(), targets.tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], [3.0, 4.0, 5.0])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ArgumentError(
                f"TimeseriesGenerator: data has {len(data)} times, but targets has {len(targets)}; "
                "expected one target for each time."
            )
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if self.start_index > self.end_index:
            raise ArgumentError(
                f"TimeseriesGenerator: `start_index+length={self.start_index} > end_index={self.end_index}` "
                "is disallowed, as no time is left to end a window at. Give a shorter length."
            )

    def __len__(self) -> int:
        return -(-(self.end_index - self.start_index + 1) // (self.batch_size * self.stride))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            ends = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            ends = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        data, targets = np.asarray(self.data), np.asarray(self.targets)
        times = ends[:, None] + np.arange(-self.length, 0, self.sampling_rate)
        windows = data[times].astype("float64") if data.dtype.kind in "biuf" else data[times]
        chosen = targets[ends].astype("float64") if targets.dtype.kind in "biuf" else targets[ends]
        return windows[:, ::-1] if self.reverse else windows, chosen

    def get_config(self) -> dict[str, Any]:
        """Arguments; the series and its targets as JSON texts."""
        series = {name: _json(name, getattr(self, name)) for name in ("data", "targets")}
        names = ("length", "sampling_rate", "stride", "end_index", "shuffle", "reverse", "batch_size")
        arguments = {name: getattr(self, name) for name in names}
        return {**series, "start_index": self.start_index - self.length, **arguments}

    def to_json(self, **kwargs: Any) -> str:
        """All of it as a JSON text, which ``timeseries_generator_from_json`` reads; ``kwargs`` are for ``json.dumps``."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _json(name: str, values: Any) -> str:
    try:
        return json.dumps(values.tolist() if hasattr(values, "tolist") else values)
    except TypeError:
        raise ArgumentError(f"TimeseriesGenerator: {name} is not made of numbers that JSON can hold.") from None


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """``TimeseriesGenerator`` that ``TimeseriesGenerator.to_json`` wrote.

    >>> text = TimeseriesGenerator([1, 2, 3], [1, 2, 3], length=1).to_json()
    >>> timeseries_generator_from_json(text)[0][1]
    array([2., 3.])
    """
    config = json.loads(json_string)["config"]
    series = {name: np.asarray(json.loads(config[name])) for name in ("data", "targets")}
    return TimeseriesGenerator(**{**config, **series})


def _remove_long_seq(maxlen: int, seq: Sequence[Any], label: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Sequences shorter than ``maxlen``, and their labels."""
    kept = [place for place, sequence in enumerate(seq) if len(sequence) < maxlen]
    return [seq[place] for place in kept], [label[place] for place in kept]

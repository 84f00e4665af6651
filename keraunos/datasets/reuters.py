"""Reuters: 11,228 newswires of 46 topics, as lists of word numbers (from Reuters-21578, Lewis, 1997)."""

import numpy as np

from keraunos.datasets.preparing import Pair, cut, limit, ragged, shift, shorter, shuffled
from keraunos.datasets.reading import KERAS_FILES, check, fetch, read_npz, read_word_index
from keraunos.utils.modules import offer
from keraunos.utils.spelling import spelled

__all__ = ["get_label_names", "get_word_index", "load_data"]
offer(__name__)

_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


@spelled
def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Pair, Pair]:
    """Newswires and the number of their topic; ``get_label_names`` has the topics.

    Args:
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.
        num_words: Words with this number or a higher one become ``oov_char``; None keeps all but the rarest.
        skip_top: Words with a lower number become ``oov_char``.
        maxlen: Only newswires shorter than this are kept; None keeps all.
        test_split: Fraction to test with, at least 0 and below 1.
        seed: Seed of the shuffle.
        start_char: Put before every newswire; None for nothing.
        oov_char: Stands for words left out; None drops them.
        index_from: Added to every word number, so that 0 is free for padding.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists of integers, and int64 topics, 0 to 45.

    Raises:
        ArgumentError: No newswire is shorter than ``maxlen``, or ``test_split`` is out of range.
        DownloadError: The file is not in a cache and cannot be fetched.
        DataError: The file holds something else.
    """
    file = fetch(path, KERAS_FILES + "reuters.npz", _HASH)
    data = read_npz(file, {"x": ((None,), "lists"), "y": ((None,), "iu")})
    x, y = data["x"], data["y"]
    check(file, len(x) == len(y), f"{len(x):,} newswires have {len(y):,} topics")
    x, y = shuffled(x, y, np.random.RandomState(seed))
    sequences, y = shorter(shift(x, start_char, index_from), y, maxlen)
    return cut(ragged(limit(sequences, num_words, skip_top, oov_char)), y, test_split)


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The number of each word, 1 for the most frequent; ``load_data`` adds ``index_from`` to it.

    Args:
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.
    """
    return read_word_index(fetch(path, KERAS_FILES + "reuters_word_index.json", _INDEX_HASH))


def get_label_names() -> tuple[str, ...]:
    """The 46 topics, in the order of their numbers.

    >>> get_label_names()[3]
    'earn'
    """
    return tuple(_TOPICS.split())

"""IMDB: 50,000 film reviews, liked or not, as lists of word numbers (Maas and others, 2011)."""

import numpy as np

from keraunos.datasets.preparing import Pair, limit, ragged, shift, shorter, shuffled
from keraunos.datasets.reading import KERAS_FILES, check, fetch, read_npz, read_word_index
from keraunos.utils.modules import offer
from keraunos.utils.spelling import spelled

__all__ = ["get_word_index", "load_data"]
offer(__name__)

_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_INDEX_HASH = "bfafd718b763782e994055a2d397834f"


@spelled
def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Pair, Pair]:
    """25,000 reviews to train on and 25,000 to test with; 1 stands for liked, 0 for not.

    Words are numbered by how often they occur, so ``num_words=10_000`` keeps the
    most frequent ones. The file holds a pickle; it is read as data, and what is
    not a list of integers is refused.

    Args:
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.
        num_words: Words with this number or a higher one become ``oov_char``; None keeps all but the rarest.
        skip_top: Words with a lower number become ``oov_char``.
        maxlen: Only reviews shorter than this are kept; None keeps all.
        seed: Seed of the shuffle.
        start_char: Put before every review; None for nothing.
        oov_char: Stands for words left out; None drops them.
        index_from: Added to every word number, so that 0 is free for padding.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: arrays of lists of integers, and int64 labels.

    Raises:
        ArgumentError: No review is shorter than ``maxlen``.
        DownloadError: The file is not in a cache and cannot be fetched.
        DataError: The file holds something else.
    """
    file = fetch(path, KERAS_FILES + "imdb.npz", _HASH)
    reviews, labels = ((None,), "lists"), ((None,), "iu")
    data = read_npz(file, {"x_train": reviews, "y_train": labels, "x_test": reviews, "y_test": labels})
    random = np.random.RandomState(seed)
    parts = []
    for part in ("train", "test"):
        x, y = data[f"x_{part}"], data[f"y_{part}"]
        check(file, len(x) == len(y), f"{len(x):,} reviews have {len(y):,} labels")
        x, y = shuffled(x, y, random)
        parts.append(shorter(shift(x, start_char, index_from), y, maxlen))
    (x_train, y_train), (x_test, y_test) = parts
    sequences = limit(x_train + x_test, num_words, skip_top, oov_char)
    cut = len(x_train)
    return (ragged(sequences[:cut]), y_train), (ragged(sequences[cut:]), y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The number of each word, 1 for the most frequent; ``load_data`` adds ``index_from`` to it.

    Args:
        path: Name of the file in the ``datasets`` folder of a cache, or an absolute path.
    """
    return read_word_index(fetch(path, KERAS_FILES + "imdb_word_index.json", _INDEX_HASH))

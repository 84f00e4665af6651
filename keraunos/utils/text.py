"""Small pieces of English for messages: suggestions, plurals, lists, names."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from keraunos.utils.tree import leaves

# How alike two names are, from 0 to 1, of which one is taken for the other misspelled. "TextVectorization" and
# "BatchNormalization", which share an ending, are .63 alike; "rleu" and "relu" .75. In a short name one exchange of two
# letters counts for more: "pgn" and "png" are .67 alike.
_ALIKE, _SHORT, _SHORT_ALIKE = 0.72, 5, 0.6
# Letters of a name that may stand for a longer one that begins with it.
_BEGINNING = 3
# More names than so many are not listed.
_LISTED = 60


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """The known name that another is most likely meant to be: misspelled, or cut off; ``None`` where none is near.

    >>> nearest("EarlyStop", ["EarlyStopping", "History"]), nearest("VGG", ["VGG16", "VGG19"]), nearest("zzz", ["relu"])
    ('EarlyStopping', 'VGG16', None)
    """
    given, names = str(name), sorted({str(candidate) for candidate in known})
    # A class is rather taken for a class, and a function or module for one of those.
    alike = [candidate for candidate in names if candidate[:1].isupper() == given[:1].isupper()]
    return _nearest(given, alike) or _nearest(given, names)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    given, lowered = name.lower(), {candidate.lower(): candidate for candidate in known}
    longer = [other for other in lowered if other.startswith(given)]
    if longer and len(given) >= _BEGINNING:
        return lowered[min(longer, key=lambda other: (len(other), other))]
    near = difflib.get_close_matches(given, lowered, n=1, cutoff=_SHORT_ALIKE if len(given) <= _SHORT else _ALIKE)
    return lowered[near[0]] if near else None


def suggestion(name: Any, known: Iterable[str], *, whole: bool = True) -> str:
    """`` Did you mean 'x'?``, or the whole list where nothing is near, if it is short and ``whole`` asks for it.

    >>> suggestion("rleu", ["relu", "tanh"])
    " Did you mean 'relu'?"
    >>> suggestion("zzz", ["relu", "tanh"])
    ' Known are: relu, tanh.'
    """
    known = sorted({str(candidate) for candidate in known})
    near = nearest(name, known)
    if near is not None:
        return f" Did you mean {near!r}?"
    return f" Known are: {', '.join(known)}." if known and whole and len(known) <= _LISTED else ""


def plural(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``.

    >>> plural(1, "row"), plural(2, "row")
    ('1 row', '2 rows')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def snake_case(name: str, small: str = "a-z") -> str:
    """``Conv2D`` becomes ``conv2d``, ``LayerNormalization`` becomes ``layer_normalization``.

    ``small`` are the characters that continue a word which begins with a capital.

    >>> [snake_case(name) for name in ("Conv2D", "SimpleRNN", "LayerNormalization", "PReLU")]
    ['conv2d', 'simple_rnn', 'layer_normalization', 'p_re_lu']
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(f"(.)([A-Z][{small}]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def batch_text(shape: Any) -> str:
    """The shape of a batch of rows, however many these are.

    >>> batch_text((32, 7))
    '(None, 7)'
    """
    return shape_text((None, *tuple(shape)[1:]))


def shape_text(shape: Any) -> str:
    """A shape as Python writes it, without NumPy's wrappers.

    >>> shape_text((None, 7))
    '(None, 7)'
    """
    return str(tuple(None if size is None else int(size) for size in shape))


def given_text(values: Any) -> str:
    """How a message goes on to say which arrays were given; at most four are named.

    >>> import numpy as np
    >>> given_text((np.zeros((2, 3), "float32"), None)), given_text((None, 3))
    (', given float32 (2, 3)', '')
    """
    arrays = [leaf for leaf in leaves(values) if hasattr(leaf, "shape") and hasattr(leaf, "dtype")]
    shown = [f"{getattr(leaf.dtype, 'name', leaf.dtype)} {shape_text(leaf.shape)}" for leaf in arrays[:4]]
    more = ["…"] if len(arrays) > len(shown) else []
    return f", given {', '.join([*shown, *more])}" if shown else ""

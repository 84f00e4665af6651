"""Small pieces of English for messages: suggestions, plurals, lists, names."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from keraunos.utils.tree import leaves


def suggestion(name: Any, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?``, or the whole list where nothing is near.

    >>> suggestion("rleu", ["relu", "tanh"])
    " Did you mean 'relu'?"
    >>> suggestion("zzz", ["relu", "tanh"])
    ' Known are: relu, tanh.'
    """
    known = sorted({str(candidate) for candidate in known})
    lowered = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1)
    if near:
        return f" Did you mean {lowered[near[0]]!r}?"
    return f" Known are: {', '.join(known)}." if known else ""


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

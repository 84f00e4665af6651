"""What holds for the whole program: the random seed, automatic names."""

import random
from typing import Any

import numpy as np

from keraunos.core.naming import reset_names
from keraunos.core.scope import reset_seeds
from keraunos.core.symbolic import SymbolicTensor
from keraunos.utils.errors import ArgumentError


def set_random_seed(seed: int) -> None:
    """Make everything that follows repeat bit for bit.

    Seeds Python's and NumPy's global generators; all seeds of Keraunos come
    from NumPy's, so ``np.random.seed`` alone does the same for models.

    Args:
        seed: From 0 to 2**32 - 1.

    >>> set_random_seed(7)
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ArgumentError(f"set_random_seed: seed is {seed!r}; expected a whole number from 0 to 2**32 - 1.")
    random.seed(int(seed))
    np.random.seed(int(seed))
    reset_seeds()


def clear_session(free_memory: bool = True) -> None:
    """Start automatic names (``dense``, ``dense_1`` …) again.

    Models are plain objects and are freed like any other; there is no hidden
    graph to clear.
    """
    reset_names()


def is_keras_tensor(x: Any) -> bool:
    """Whether ``x`` is a symbolic tensor.

    >>> is_keras_tensor(1.0)
    False
    """
    return isinstance(x, SymbolicTensor)

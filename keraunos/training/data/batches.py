"""What the trainer consumes: an epoch as a few blocks of rows, and the laws of their order."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from keraunos.utils.errors import warn
from keraunos.utils.text import plural

# A number, or a function that says it when an order is drawn: a restored run takes over the seed of the old one.
Seed = int | Callable[[], int]
# Function ``((x, y, sample_weight), where)`` that raises an error for wrong data.
Inspector = Callable[[tuple[Any, Any, Any], str], None]


@dataclass
class Block:
    """A piece of an epoch, run by one compiled program.

    Attributes:
        data: Trees ``(x, y, sample_weight)`` of NumPy arrays; ``y`` and
            ``sample_weight`` may be ``None``. All leaves share the leading
            size, which is at least ``rows``: blocks that are read piece by
            piece are filled up with zeros to one size, so that one program
            serves them all.
        order: Row numbers (int32) in the order to visit; ``None`` means 0 to
            ``rows - 1``.
        rows: How many rows to visit.
        batch_size: Rows of a step; the last step may be shorter.
    """

    data: tuple[Any, Any, Any]
    order: np.ndarray | None
    rows: int
    batch_size: int


class Batches(ABC):
    """One data source, cut into blocks epoch by epoch.

    Attributes:
        spec: Trees ``(x, y, sample_weight)`` of ``TensorSpec``, first size ``None``.
        batch_size: Rows of a full step.
        rows: Rows of an epoch; ``None`` where unknown.
        steps: Steps of an epoch; ``None`` where unknown until the data ran out once.
        resident: Whether every epoch is one block with the same arrays.
    """

    spec: tuple[Any, Any, Any]
    batch_size: int
    rows: int | None
    steps: int | None
    resident: bool = False
    _inspector: Inspector | None = None

    def inspect(self, inspector: Inspector) -> None:
        """Let a function look at all data, at once or, where they come batch by batch, before each of them is used.

        Args:
            inspector: Function ``(data, where)`` that raises an error for wrong data; ``where`` begins its message.
        """
        self._inspector = inspector

    @abstractmethod
    def sample(self) -> tuple[Any, Any, Any]:
        """Trees ``(x, y, sample_weight)`` of all rows where these are at hand, else of the first batch."""

    def orders(self, epoch: int, count: int) -> np.ndarray | None:
        """Orders of the rows in up to ``count`` epochs from ``epoch`` on; ``None`` where only ``blocks`` says them."""
        return None

    @abstractmethod
    def blocks(self, epoch: int) -> Iterator[Block]:
        """The blocks of epoch number ``epoch``, counted from 0."""

    def close(self) -> None:
        """End the background thread, if there is one."""
        return None


def generator(seed: Seed, epoch: int, purpose: int = 0) -> np.random.Generator:
    """Random numbers that depend on seed, epoch and purpose only (Philox 4x64, Salmon et al. 2011).

    >>> int(generator(1, 2).integers(100)) == int(generator(1, 2).integers(100))
    True
    """
    seed = seed() if callable(seed) else seed
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, epoch], dtype="uint64")
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, purpose]))


def shuffled_starts(rows: int, size: int, seed: Seed, epoch: int, *, short_last: bool) -> np.ndarray:
    """First rows of consecutive pieces of ``size`` rows, in shuffled order.

    With ``short_last`` the last piece keeps its place when it is short.
    """
    starts = np.arange(0, rows, size)
    movable = len(starts) - 1 if short_last and rows % size else len(starts)
    starts[:movable] = generator(seed, epoch).permutation(starts[:movable])
    return starts


def portion(epoch: int, steps: int | None, available: int) -> tuple[int, int, int]:
    """Which steps epoch ``epoch`` takes: ``(pass, first, last)``.

    Without ``steps`` every epoch is one pass over all ``available`` steps.
    With it, an epoch goes on where the one before stopped; the last epoch of a
    pass may be short, and the next starts the data again.

    >>> [portion(epoch, 2, 5) for epoch in range(4)]
    [(0, 0, 2), (0, 2, 4), (0, 4, 5), (1, 0, 2)]
    """
    if steps is None:
        return epoch, 0, available
    epochs_in_pass = -(-available // steps)
    number, part = divmod(epoch, epochs_in_pass)
    return number, part * steps, min((part + 1) * steps, available)


def warn_if_short(seen: int, steps: int | None) -> None:
    """Warn when an epoch had fewer steps than were asked for."""
    if steps is not None and seen < steps:
        warn(
            f"the data ran out after {seen} of {plural(steps, 'step')}, so this epoch ends early. Give fewer steps, "
            "or a data set or generator that yields enough batches for all epochs."
        )

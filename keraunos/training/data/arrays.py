"""Batches from arrays: whole in memory, or read in blocks from a file.

Shuffling in memory is a permutation of all rows, drawn anew from (seed, epoch)
for every epoch. From a file, rows are read in consecutive pieces, a sixteenth of
a block long; the pieces are shuffled over the whole file, and the rows are
shuffled within each block of sixteen pieces. ``shuffle="batch"`` shuffles
batches and leaves the rows of a batch together.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from keraunos.backend.spec import TensorSpec
from keraunos.training.data.ahead import END, ReadAhead
from keraunos.training.data.batches import (
    Batches,
    Block,
    Inspector,
    Seed,
    generator,
    portion,
    shuffled_starts,
    warn_if_short,
)
from keraunos.training.data.convert import Rows
from keraunos.training.data.weights import Weighting
from keraunos.utils import tree

BLOCK_BYTES = 32 << 20  # of a block that is read from a file; about three are in memory at a time
_PIECES = 16  # shuffled pieces in a block

Range = tuple[int, int]


class ResidentBatches(Batches):
    """Arrays that stay in memory: one block an epoch.

    Args:
        data: Trees ``(x, y, sample_weight)`` of arrays with ``rows`` rows.
        rows: Rows of the arrays.
        batch_size: Rows of a step.
        shuffle: ``True``, ``False`` or ``"batch"``.
        steps: Steps of an epoch; ``None`` for all rows.
        seed: Seed of the order, or a function that says it when an order is drawn.
    """

    resident = True

    def __init__(
        self, data: tuple[Any, Any, Any], rows: int, batch_size: int, shuffle: bool | str, steps: int | None, seed: Seed
    ) -> None:
        self.batch_size = min(batch_size, rows)
        self.spec = tree.map(spec_of, data)
        self._data, self._all_rows, self._shuffle, self._limit, self._seed = data, rows, shuffle, steps, seed
        self._all_steps = -(-rows // self.batch_size)
        self._origin: int | None = None  # the epoch that was asked for first: with steps, the data begin there
        self.steps = min(steps or self._all_steps, self._all_steps)
        self.rows = min(rows, self.steps * self.batch_size)

    def inspect(self, inspector: Inspector) -> None:
        inspector(self._data, "")

    def sample(self) -> tuple[Any, Any, Any]:
        return self._data

    def blocks(self, epoch: int) -> Iterator[Block]:
        number, first, last = self._portion(epoch)
        start, stop = first * self.batch_size, min(last * self.batch_size, self._all_rows)
        order = self._order(number)
        if order is not None:
            order = order[start:stop]
        elif start:
            order = np.arange(start, stop, dtype="int32")
        yield Block(self._data, order, stop - start, self.batch_size)

    def orders(self, epoch: int, count: int) -> np.ndarray | None:
        if self._limit is not None or not self.resident:
            return None
        if not self._shuffle:
            return np.broadcast_to(np.arange(self._all_rows, dtype="int32"), (count, self._all_rows))
        return np.stack([self._order(number) for number in range(epoch, epoch + count)])  # type: ignore[misc]

    def _portion(self, epoch: int) -> tuple[int, int, int]:
        self._origin = epoch if self._origin is None else self._origin
        number, first, last = portion(epoch - self._origin, self._limit, self._all_steps)
        warn_if_short(last - first, self._limit)
        return self._origin + number, first, last

    def _order(self, number: int) -> np.ndarray | None:
        if self._shuffle == "batch":
            size = self.batch_size
            starts = shuffled_starts(self._all_rows, size, self._seed, number, short_last=True)
            order = (starts[:, None] + np.arange(size)).ravel()[: self._all_rows]
        elif self._shuffle:
            order = generator(self._seed, number).permutation(self._all_rows)
        else:
            return None
        return order.astype("int32")


class FileBatches(ResidentBatches):
    """Rows that are read in blocks of bounded size by a background thread.

    Args: as for :class:`ResidentBatches`, and
        weighting: Function ``(y, sample_weight) -> sample_weight`` for each block.
    """

    resident = False

    def __init__(self, *args: Any, weighting: Weighting | None = None) -> None:
        super().__init__(*args)
        self._weighting = weighting
        if weighting is not None:
            targets, weights = self.spec[1:]
            ones = tree.map(lambda _: TensorSpec((None,), "float32"), targets)
            self.spec = (*self.spec[:2], ones if weights is None else weights)
        arrays = [leaf for leaf in tree.leaves(self._data) if leaf is not None]
        row_bytes = sum(int(np.prod(leaf.shape[1:])) * leaf.dtype.itemsize for leaf in arrays)
        batches = max(BLOCK_BYTES // max(row_bytes * self.batch_size, 1), 1)
        self._block_rows = min(batches, self.steps or batches) * self.batch_size
        self._ahead: ReadAhead | None = None

    def inspect(self, inspector: Inspector) -> None:
        self._inspector = inspector

    def sample(self) -> tuple[Any, Any, Any]:
        return tree.map(lambda leaf: gather(leaf, [(0, self.batch_size)], self.batch_size), self._data)  # type: ignore[no-any-return]

    def blocks(self, epoch: int) -> Iterator[Block]:
        number, first, last = self._portion(epoch)
        self.close()
        self._ahead = ahead = ReadAhead(self._read(epoch, number, first * self.batch_size, last * self.batch_size))
        try:
            while (block := ahead.get()) is not END:
                yield block
                del block
        finally:
            ahead.close()

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _read(self, epoch: int, number: int, start: int, stop: int) -> Iterator[Block]:
        within = generator(self._seed, epoch, purpose=1)
        for ranges in cut(self._ranges(number), start, min(stop, self._all_rows), self._block_rows):
            x, y, sample_weight = tree.map(lambda leaf: gather(leaf, ranges, self._block_rows), self._data)  # noqa: B023
            if self._weighting is not None:
                sample_weight = self._weighting(y, sample_weight)
            rows = sum(high - low for low, high in ranges)
            if self._inspector is not None:
                self._inspect_ranges((x, y, sample_weight), ranges, self._inspector)
            order = within.permutation(rows).astype("int32") if self._shuffle is True else None
            yield Block((x, y, sample_weight), order, rows, self.batch_size)

    @staticmethod
    def _inspect_ranges(data: Any, ranges: list[Range], inspector: Inspector) -> None:
        at = 0
        for low, high in ranges:
            stop = at + high - low
            part = tree.map(lambda leaf: None if leaf is None else leaf[at:stop], data)  # noqa: B023
            inspector(part, f"of the rows from {low:,} on, ")
            at = stop

    def _ranges(self, number: int) -> Iterator[Range]:
        """All rows as consecutive ranges, in the order of reading."""
        rows = self._all_rows
        if not self._shuffle:
            return iter([(0, rows)])
        batch = self._shuffle == "batch"
        size = self.batch_size if batch else max(self._block_rows // _PIECES, 1)
        starts = shuffled_starts(rows, size, self._seed, number, short_last=batch)
        return ((int(start), min(int(start) + size, rows)) for start in starts)


def cut(ranges: Iterator[Range], start: int, stop: int, size: int) -> Iterator[list[Range]]:
    """Rows ``start`` to ``stop`` of the joined ranges, in groups of ``size`` rows; the last may be smaller.

    >>> list(cut(iter([(4, 8), (0, 4)]), 1, 8, 5))
    [[(5, 8), (0, 2)], [(2, 4)]]
    """
    group: list[Range] = []
    room, seen = size, 0
    for low, high in ranges:
        at, end = max(low, low + start - seen), min(high, low + stop - seen)
        seen += high - low
        while at < end:
            taken = min(end - at, room)
            group.append((at, at + taken))
            at, room = at + taken, room - taken
            if room == 0:
                yield group
                group, room = [], size
    if group:
        yield group


def gather(leaf: np.ndarray | Rows | None, ranges: list[Range], size: int) -> np.ndarray | None:
    """The rows of the ranges, joined and filled up with zeros to ``size`` rows."""
    if leaf is None:
        return None
    joined = np.zeros((size, *leaf.shape[1:]), dtype=leaf.dtype)
    piece = max(size // _PIECES, 1)  # what is read before it is converted must stay small
    at = 0
    for start, stop in ranges:
        for low in range(start, stop, piece):
            high = min(low + piece, stop)
            joined[at : at + high - low] = leaf.read(low, high) if isinstance(leaf, Rows) else leaf[low:high]
            at += high - low
    return joined


def spec_of(leaf: Any) -> TensorSpec | None:
    """Shape, without the number of rows, and type of an array."""
    return None if leaf is None else TensorSpec((None, *leaf.shape[1:]), leaf.dtype.name)


def load_small(parts: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """The same trees, with ``Rows`` read into memory if all of them together fit into one block."""
    lazy = [leaf for leaf in tree.leaves(parts) if isinstance(leaf, Rows)]
    if sum(rows.nbytes for rows in lazy) > BLOCK_BYTES:
        return parts
    return tree.map(lambda leaf: leaf.read(0, leaf.shape[0]) if isinstance(leaf, Rows) else leaf, parts)

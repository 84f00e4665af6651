"""Batches from sources that yield them ready: generators, ``PyDataset``, ``tf.data``, torch loaders.

One background thread draws and converts; consecutive batches of one shape are
joined into a block of several steps, so that the compiled loop has work. The
rule: take what is there; only if nothing was there, wait 50 ms from the first
batch on for more. A block holds at most 8 MB or 256 steps.

With ``steps`` exactly so many batches are drawn for an epoch, and the next
epoch goes on where this one stopped.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, count
from typing import Any

import numpy as np

from keraunos.training.data.ahead import END, ReadAhead
from keraunos.training.data.arrays import spec_of
from keraunos.training.data.batches import Batches, Block, Seed, generator, warn_if_short
from keraunos.training.data.checks import check_rows
from keraunos.training.data.convert import Rows, comes_from, is_array, to_arrays
from keraunos.training.data.weights import Weighting, class_weighting, spread
from keraunos.utils import tree
from keraunos.utils.errors import DataError
from keraunos.utils.numerical import unpack_x_y_sample_weight
from keraunos.utils.tracebacks import told

JOIN_BYTES = 8 << 20
JOIN_STEPS = 256
JOIN_SECONDS = 0.05


def is_stream(x: Any) -> bool:
    """Whether ``x`` yields batches, rather than being an array or a tree of arrays."""
    if is_array(x) or isinstance(x, (dict, list, tuple, str, bytes, type)):
        return False
    return hasattr(x, "__next__") or is_indexed(x) or (hasattr(x, "__iter__") and not hasattr(x, "__getitem__"))


def is_indexed(x: Any) -> bool:
    """Whether ``x`` is a ``PyDataset``, or looks like one."""
    own = hasattr(x, "__getitem__") and (hasattr(type(x), "num_batches") or hasattr(x, "__len__"))
    return own and not isinstance(x, Sequence) and not hasattr(x, "keys")


def kind_of(x: Any) -> str:
    """What a source is called in messages."""
    if is_indexed(x):
        return f"a PyDataset ({type(x).__name__})"
    if comes_from(x, "torch"):
        return "a torch DataLoader"
    if comes_from(x, "tensorflow"):
        return "a tf.data.Dataset"
    return f"a {type(x).__name__}"


class StreamBatches(Batches):
    """Blocks of joined batches from a source that yields batches.

    Args:
        x: The source.
        shuffle: Whether a ``PyDataset`` is visited in shuffled order.
        steps: Steps of an epoch; ``None`` for as many as there are.
        class_weight: Class weights, applied batch by batch.
        seed: Seed of the order, or a function that says it when an order is drawn.
        inputs: Names of the model's inputs, where known.
        outputs: Names of the model's outputs, where known.
        purpose: ``"predict"`` wants only the inputs; other than ``"fit"``,
            every epoch begins the data anew, if that is possible.
    """

    rows = None

    def __init__(
        self,
        x: Any,
        shuffle: bool = False,
        steps: int | None = None,
        class_weight: Any = None,
        seed: Seed = 0,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        purpose: str = "fit",
    ) -> None:
        self._kind, self._limit, self._purpose = kind_of(x), steps, purpose
        self._inputs, self._outputs = inputs, outputs
        self._weighting: Weighting | None = None
        self._ahead: ReadAhead | None = None
        self._source: Any = Indexed(x, shuffle, seed) if is_indexed(x) else Iterated(x)
        available = self._source.steps
        if available is None and steps is None and self._source.endless:
            raise DataError(f"x is {self._kind} without an end. Say how many steps an epoch has: steps_per_epoch.")
        self.steps = available if steps is None else min(steps, available or steps)

        self._drawn, self._form = 0, ""
        self._iterator: Iterator[Any] | None = None
        raw = self._peek()
        first: tuple[Any, Any, Any] = self._standard(raw)
        if class_weight is not None:
            self._weighting = class_weighting(class_weight, first[1], outputs, whole=False)
            first = self._standard(raw)
        self._form = _form(first)
        self._first = first
        self._drawn = 0
        self.spec = tree.map(spec_of, first)
        self.batch_size = rows_of(first)

    def blocks(self, epoch: int) -> Iterator[Block]:
        self._stop()
        self._source.begin()
        seen = 0
        resumed = self._iterator is not None
        if self._iterator is None:
            self._iterator = self._source.open(epoch)
        for attempt in (0, 1):
            self._ahead = ahead = ReadAhead(
                map(self._standard, self._iterator),
                count=self._limit,
                most_items=self._source.ahead,
                most_bytes=JOIN_BYTES,
                size=bytes_of,
            )
            try:
                for block in self._joined(ahead):
                    seen += -(-block.rows // block.batch_size)
                    yield block
            except GeneratorExit:
                if self._source.rewinds:
                    self._iterator = None  # an epoch that was left in the middle begins anew
                raise
            finally:
                ahead.close()
            if seen or attempt or not (resumed and self._source.rewinds):
                break
            self._iterator = self._source.open(epoch)  # the last epoch took exactly the rest
        if self._source.rewinds and (ahead.exhausted or self._purpose != "fit"):
            self._iterator = None
        if self._limit is None and self.steps is None:
            self.steps = seen
        warn_if_short(seen, self._limit or (None if seen else self.steps or 1))
        self._source.end()

    def sample(self) -> tuple[Any, Any, Any]:
        return self._first

    def close(self) -> None:
        self._stop()
        if self._source.rewinds:
            self._iterator = None

    def _stop(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _peek(self) -> Any:
        """The first batch, without losing it."""
        if isinstance(self._source, Indexed):
            return self._source.peek()
        iterator = self._source.open(0)
        first = next(iterator, END)
        if first is END:
            raise DataError(f"x is {self._kind} that yields nothing. Give a new one, with at least one batch.")
        self._iterator = chain([first], iterator)
        return first

    def _standard(self, item: Any) -> tuple[Any, Any, Any]:
        """Trees of arrays from what the source yields."""
        self._drawn += 1
        where = f"batch {self._drawn} of {self._kind}: "
        try:
            x, y, sample_weight = unpack_x_y_sample_weight(item)
        except DataError as error:
            raise DataError(where + str(error)) from None
        if self._purpose == "predict":
            y = sample_weight = None
        x = _dense(to_arrays(x, where + "x", self._inputs))
        y = _dense(to_arrays(y, where + "y"))
        sample_weight = spread(y, _dense(to_arrays(sample_weight, where + "sample_weight")), self._outputs)
        check_rows(x, y, sample_weight, where)
        if self._weighting is not None:
            sample_weight = self._weighting(y, sample_weight)
        batch = (x, y, sample_weight)
        if self._inspector is not None:
            self._inspector(batch, where)
        if self._form not in ("", _form(batch)):
            raise DataError(f"{where}it has {_form(batch)}; the first one had {self._form}. Yield all in one form.")
        return batch

    def _joined(self, ahead: ReadAhead) -> Iterator[Block]:
        size = self.batch_size
        while True:
            wait = 0.0 if ahead.ready else JOIN_SECONDS
            batch = ahead.get()
            if batch is END:
                return
            deadline = time.monotonic() + wait
            rows = rows_of(batch)
            size = max(size, rows)
            row_bytes = max(bytes_of(batch) // rows, 1)
            room = min(max(JOIN_BYTES // (row_bytes * size), 1), JOIN_STEPS, self._limit or JOIN_STEPS)
            group = [batch]
            while rows == size and len(group) < room:
                following = ahead.peek(max(deadline - time.monotonic(), 0))
                if following is END or not _alike(following, batch) or rows_of(following) > size:
                    break
                group.append(ahead.get())
                rows = rows_of(group[-1])  # a short batch ends the block
            yield _block(group, size, room)


class Iterated:
    """A source that is iterated over: a generator, or anything with ``__iter__``."""

    ahead = JOIN_STEPS

    def __init__(self, x: Any) -> None:
        self._x = x
        self.rewinds = not hasattr(x, "__next__")
        self.steps: int | None = None
        self.endless = False
        if hasattr(x, "cardinality"):  # tf.data: -1 is endless, -2 unknown
            known = int(np.asarray(x.cardinality()))
            self.steps, self.endless = (known if known >= 0 else None), known == -1
        elif self.rewinds and hasattr(x, "__len__"):
            try:
                self.steps = len(x)
            except TypeError:  # a torch loader over an iterable without length
                self.steps = None

    def open(self, epoch: int) -> Iterator[Any]:
        """Iterator over the batches."""
        return self._x.as_numpy_iterator() if hasattr(self._x, "as_numpy_iterator") else iter(self._x)

    def begin(self) -> None:
        """Nothing to tell the source before an epoch."""

    def end(self) -> None:
        """Nothing to tell the source after an epoch."""


class Indexed:
    """A source whose batches have numbers: ``PyDataset``."""

    rewinds = True

    def __init__(self, x: Any, shuffle: bool, seed: Seed) -> None:
        self._x, self._shuffle, self._seed = x, shuffle, seed
        self._workers = int(getattr(x, "workers", 1) or 1)
        self.ahead = max(int(getattr(x, "max_queue_size", 10) or 10), 1)
        self.steps = self._length()
        self.endless = self.steps is None
        self._peeked: list[Any] = []
        if self.steps == 0:
            raise DataError(f"x is {kind_of(x)} with 0 batches. Give at least one.")

    def peek(self) -> Any:
        """The first batch, which is not asked for again in the first epoch."""
        self._peeked = [self.item(0)]
        return self._peeked[0]

    @told(lambda names: (f"{type(names['self']._x).__name__}[{names['index']}]", ""))
    def item(self, index: int) -> Any:
        """Batch number ``index``."""
        return self._peeked.pop() if index == 0 and self._peeked else self._x[index]

    def open(self, epoch: int) -> Iterator[Any]:
        """Iterator over the batches of a pass, in the order of (seed, epoch)."""
        length = self._length()
        indices: Any = count() if length is None else range(length)
        if self._shuffle and length is not None:
            indices = generator(self._seed, epoch).permutation(length).tolist()
        return map(self.item, indices) if self._workers < 2 else _pooled(self.item, indices, self._workers, self.ahead)

    def begin(self) -> None:
        """Tell the source that an epoch begins."""
        told = getattr(self._x, "on_epoch_begin", None)
        if told is not None:
            told()
            if not told.__module__.startswith("keraunos."):
                self._peeked.clear()  # it may yield something else from now on

    def end(self) -> None:
        """Tell the source that an epoch is over."""
        getattr(self._x, "on_epoch_end", lambda: None)()

    def _length(self) -> int | None:
        if hasattr(type(self._x), "num_batches"):
            number = self._x.num_batches
            return None if number is None else int(number)
        return len(self._x)


def rows_of(batch: Any) -> int:
    """Rows of a batch."""
    return int(next(leaf for leaf in tree.leaves(batch) if leaf is not None).shape[0])


def bytes_of(batch: Any) -> int:
    """Bytes of a batch."""
    return sum(leaf.nbytes for leaf in tree.leaves(batch) if leaf is not None)


def _pooled(make: Callable[[int], Any], indices: Any, workers: int, most: int) -> Iterator[Any]:
    """``make(index)`` in several threads, in order, at most ``most`` at a time."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="keraunos-worker")
    pending: deque[Future[Any]] = deque()
    try:
        for index in indices:
            pending.append(pool.submit(make, index))
            if len(pending) >= max(most, workers):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _block(group: list[Any], size: int, room: int) -> Block:
    """One block from batches, filled up with zeros to ``room`` steps of ``size`` rows."""
    rows = sum(rows_of(batch) for batch in group)
    if len(group) == 1 and rows == size * room:
        return Block(group[0], None, rows, size)

    def join(*leaves: Any) -> Any:
        if leaves[0] is None:
            return None
        joined = np.zeros((size * room, *leaves[0].shape[1:]), leaves[0].dtype)
        at = 0
        for leaf in leaves:
            joined[at : at + len(leaf)] = leaf
            at += len(leaf)
        return joined

    return Block(tree.map(join, *group), None, rows, size)


def _alike(one: Any, other: Any) -> bool:
    return all(
        a is None or (a.shape[1:], a.dtype) == (b.shape[1:], b.dtype)
        for a, b in zip(tree.leaves(one), tree.leaves(other), strict=True)
    )


def _dense(data: Any) -> Any:
    return tree.map(lambda leaf: leaf.read(0, leaf.shape[0]) if isinstance(leaf, Rows) else leaf, data)


def _form(batch: Any) -> str:
    """Names of the arrays of a batch."""
    named = tree.paths(dict(zip(("x", "y", "sample_weight"), batch, strict=True)))
    return ", ".join(path[0] + "".join(f"[{key!r}]" for key in path[1:]) for path, leaf in named if leaf is not None)

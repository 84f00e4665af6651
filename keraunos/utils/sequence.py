"""Data sets that compute one batch at a time: the base class to inherit from."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from keraunos.utils.errors import ArgumentError, UsageError


class PyDataset:
    """Batches by number: ``dataset[i]`` is ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``.

    A subclass defines ``__getitem__``, and either ``__len__`` (batches in an
    epoch) or the property ``num_batches`` (``None``: endless, then ``fit``
    needs ``steps_per_epoch``). While a model trains, batches are made ahead in
    the background, and ``fit(shuffle=True)`` visits them in another order every
    epoch. Calling ``super().__init__()`` is not needed.

    Args:
        workers: Threads that make batches at the same time, 1 or more. Threads
            share memory, so ``__getitem__`` must not change the data set.
        use_multiprocessing: Accepted; the workers are threads in any case,
            because a forked process and a compiled program do not mix.
        max_queue_size: Batches that may be ready ahead, 1 or more.

    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 2
    ...     def __getitem__(self, index):
    ...         return [[index]], [[index * index]]
    >>> list(Squares())
    [([[0]], [[0]]), ([[1]], [[1]])]
    """

    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        if not max_queue_size >= 1:
            raise ArgumentError(f"max_queue_size is {max_queue_size!r}; expected a whole number of at least 1.")
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Batch number ``index``."""
        raise UsageError(f"{type(self).__name__} has no __getitem__. Define it to return batch number index.")

    def __iter__(self) -> Iterator[Any]:
        batches = self.num_batches
        for index in count() if batches is None else range(batches):
            yield self[index]

    @property
    def num_batches(self) -> int | None:
        """Batches in an epoch; ``None`` if there is no end."""
        length = getattr(self, "__len__", None)
        if length is None:
            raise UsageError(
                f"{type(self).__name__} does not say how many batches it has. Define __len__, "
                "or a property num_batches, which returns None for an endless data set."
            )
        return int(length())

    def on_epoch_begin(self) -> None:
        """Called before the first batch of every epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of every epoch."""


Sequence = PyDataset

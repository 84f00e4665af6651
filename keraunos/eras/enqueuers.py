"""Batches made ahead in the background for a loop of one's own, as Keras 1 and 2 offered it, and checksums of files."""

import random
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from keraunos.utils.errors import ArgumentError, UsageError
from keraunos.utils.files import extract_archive, file_digest
from keraunos.utils.spelling import spelled

__all__ = ["GeneratorEnqueuer", "OrderedEnqueuer", "SequenceEnqueuer", "validate_file"]


class SequenceEnqueuer:
    """Makes batches ahead: ``start``, take them from ``get()``, and ``stop``.

    Args:
        sequence: Where batches come from.
        use_multiprocessing: Accepted; the workers are threads in any case, because a forked process and a compiled
            program do not mix.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self.workers = 0
        self.stop_signal: threading.Event | None = None
        self._most = 10

    def is_running(self) -> bool:
        """Whether ``start`` was called, and ``stop`` not yet."""
        return self.stop_signal is not None and not self.stop_signal.is_set()

    @spelled
    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begin.

        Args:
            workers: Threads.
            max_queue_size: Batches that may be ready ahead, 1 or more.
        """
        self.workers = workers
        self._most = max(max_queue_size, 1)
        self.stop_signal = threading.Event()

    def stop(self, timeout: float | None = None) -> None:
        """End; batches that are not taken are lost."""
        if self.stop_signal is not None:
            self.stop_signal.set()

    def get(self) -> Iterator[Any]:
        """The batches."""
        if not self.is_running():
            raise UsageError(f"{type(self).__name__} is not running. Call start() before get().")
        ready: deque[Future[Any]] = deque()
        pool = ThreadPoolExecutor(max(self.workers, 1))
        try:
            for job in self._jobs(pool):
                if job is not None:
                    ready.append(job)
                while ready and (job is None or len(ready) >= self._most):
                    batch = ready.popleft().result()
                    if not self.is_running():
                        return
                    if batch is not None:
                        yield batch
        finally:
            self.stop()
            pool.shutdown(wait=False, cancel_futures=True)

    def _jobs(self, pool: ThreadPoolExecutor) -> Iterator[Future[Any] | None]:
        """Jobs in order; ``None`` asks that all before be taken first."""
        raise UsageError(f"{type(self).__name__} has no _jobs. Use OrderedEnqueuer or GeneratorEnqueuer.")


class OrderedEnqueuer(SequenceEnqueuer):
    """Batches of a ``Sequence`` in order, epoch after epoch, without end.

    Args:
        sequence, use_multiprocessing: As for ``SequenceEnqueuer``.
        shuffle: Whether every epoch has an order of its own.

    >>> from keraunos.utils import Sequence
    >>> class Numbers(Sequence):
    ...     def __len__(self):
    ...         return 2
    ...     def __getitem__(self, index):
    ...         return index
    >>> enqueuer = OrderedEnqueuer(Numbers())
    >>> enqueuer.start()
    >>> batches = enqueuer.get()
    >>> [next(batches) for _ in range(3)]
    [0, 1, 0]
    >>> enqueuer.stop()
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _jobs(self, pool: ThreadPoolExecutor) -> Iterator[Future[Any] | None]:
        order = list(range(len(self.sequence)))
        while self.is_running():
            if self.shuffle:
                random.shuffle(order)
            for number in order:
                yield pool.submit(self.sequence.__getitem__, number)
            yield None
            self.sequence.on_epoch_end()


class GeneratorEnqueuer(SequenceEnqueuer):
    """Batches of a generator, which is asked for one at a time.

    Args:
        sequence: The generator.
        use_multiprocessing: As for ``SequenceEnqueuer``.
        wait_time, random_seed: Accepted; nothing waits, and there are no other processes to seed.
    """

    @spelled
    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, wait_time: Any = None, random_seed: int | None = None
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        self._lock = threading.Lock()
        self._end = False

    def _jobs(self, pool: ThreadPoolExecutor) -> Iterator[Future[Any] | None]:
        while self.is_running() and not self._end:
            yield pool.submit(self._next)
        yield None

    def _next(self) -> Any:
        with self._lock:
            try:
                return next(self.sequence)
            except StopIteration:
                self._end = True
                return None


def validate_file(fpath: Any, file_hash: str, algorithm: str = "auto", chunk_size: int = 65535) -> bool:
    """Whether a file has a checksum, SHA-256 or MD5; ``"auto"`` judges by its length."""
    kind = ("sha256" if len(file_hash) == 64 else "md5") if algorithm == "auto" else algorithm
    return file_digest(fpath, kind) == file_hash


def _hash_file(fpath: Any, algorithm: str = "sha256", chunk_size: int = 65535) -> str:
    if algorithm not in ("sha256", "md5"):
        raise ArgumentError(f"algorithm is {algorithm!r}; expected 'sha256' or 'md5'.")
    return file_digest(fpath, algorithm)


def _extract_archive(file_path: Any, path: Any = ".", archive_format: Any = "auto") -> bool:
    extract_archive(file_path, path, archive_format)
    return True

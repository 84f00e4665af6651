"""Reading ahead: one background thread, a bounded store, and a clean end."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from keraunos.utils.tracebacks import told

END = object()  # what get returns after the last item, and peek also where none came in time


class ReadAhead:
    """Items of an iterator, drawn by a background thread until the store is full.

    The thread ends after the last item, after ``count`` items, after an error
    (which ``get`` then raises), and on ``close``. One item more than the
    store holds may be in the making.

    Args:
        items: Where the items come from; it stays usable after ``close``.
        count: How many items to draw at most; ``None`` for all.
        most_items: How many items the store holds.
        most_bytes: How many bytes the store holds (one item always fits).
        size: Bytes of an item.
    """

    def __init__(
        self,
        items: Iterator[Any],
        *,
        count: int | None = None,
        most_items: int = 1,
        most_bytes: float = float("inf"),
        size: Callable[[Any], int] = lambda item: 0,
    ) -> None:
        self.exhausted = False
        self._items, self._count = items, count
        self._most_items, self._most_bytes, self._size = most_items, most_bytes, size
        self._store: deque[Any] = deque()
        self._bytes = 0
        self._error: BaseException | None = None
        self._done = self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._draw, name="keraunos-data", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether ``get`` would return at once."""
        return bool(self._store) or self._done

    def get(self) -> Any:
        """The next item, ``END`` after the last one; raises what the source raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._store or self._done)
            if self._store:
                item = self._store.popleft()
                self._bytes -= self._size(item)
                self._changed.notify_all()
                return item
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return END

    def peek(self, seconds: float) -> Any:
        """The next item without taking it, ``END`` if there is none or it does not come within so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._store or self._done, seconds)
            return self._store[0] if self._store else END

    def close(self) -> None:
        """Stop the thread, at the latest when its present item is made."""
        with self._changed:
            self._closed = True
            self._store.clear()
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=0.1)  # it is a daemon: a slow source must not hold up Ctrl-C

    @told(lambda names: (f"batch {names.get('drawn', 0) + 1:,} of the data", ""))
    def _draw(self) -> None:
        drawn = 0
        try:
            while not self._closed and (self._count is None or drawn < self._count):
                item = next(self._items, END)
                if item is END:
                    self.exhausted = True
                    break
                drawn += 1
                if not self._put(item):
                    break
                del item  # a block must not live on while the next one is made
        except BaseException as error:  # get raises it
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _put(self, item: Any) -> bool:
        size = self._size(item)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(size))
            if self._closed:
                return False
            self._store.append(item)
            self._bytes += size
            self._changed.notify_all()
            return True

    def _has_room(self, size: int) -> bool:
        return not self._store or (len(self._store) < self._most_items and self._bytes + size <= self._most_bytes)

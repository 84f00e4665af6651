"""Callbacks of Keras 1 and 2 that today's Keras has no more."""

from collections.abc import Iterable
from typing import Any

from keraunos.callbacks import Callback

__all__ = ["BaseLogger"]


class BaseLogger(Callback):
    """Means of the values of the batches, by their sizes, entered in the values of the epoch.

    ``fit`` does this itself; a loop of one's own may use it.

    Args:
        stateful_metrics: Names of values that are not averaged, but taken as they are at the end.
    """

    seen: float = 0
    totals: dict[str, Any]

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.totals = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            kept = name in self.stateful_metrics
            self.totals[name] = value if kept else self.totals.get(name, 0.0) + value * size

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name in (self.params or {}).get("metrics", ()) if logs is not None else ():
            if logs is not None and name in self.totals:
                kept = name in self.stateful_metrics
                logs[name] = self.totals[name] if kept else self.totals[name] / (self.seen or 1)

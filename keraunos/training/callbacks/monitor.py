"""What callbacks that follow one value share: its direction, what an improvement is, and where it is missing."""

import math
import operator
from collections.abc import Callable as Function
from collections.abc import Mapping
from typing import Any

from keraunos.training.callbacks.base import Callback
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, warn
from keraunos.utils.spelling import Logs, spelled
from keraunos.utils.text import suggestion


class MonitorCallback(Callback):
    """Base of callbacks that follow one value of ``logs``.

    Args:
        monitor: Name of the value.
        mode: ``"min"``, ``"max"``, or ``"auto"``: a loss or an error is minimized, an accuracy maximized.
        baseline: Best value to begin with.
        min_delta: Smallest change that counts as an improvement.

    Raises:
        ArgumentError: ``min_delta`` is no number. Later: ``"auto"`` does not know the direction of ``monitor``.
    """

    @spelled
    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in ("auto", "min", "max"):
            message = (
                f"{name} mode {mode!r} is unknown, fallback to auto mode.{suggestion(mode, ('auto', 'min', 'max'))}"
            )
            warn(message)
            mode = "auto"
        if isinstance(min_delta, (str, bool)) or not math.isfinite(min_delta):
            raise ArgumentError(f"{name}: min_delta is {min_delta!r}; expected a number.")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best: float | None = baseline
        self.monitor_op: Function[[float, float], bool] | None = None

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether ``value`` is better than ``reference`` by more than ``min_delta``.

        NaN is never better, and anything else is better than NaN or nothing.
        """
        if self.monitor_op is None:
            upward = self.mode == "max" or (self.mode == "auto" and self._direction() == "up")
            self.monitor_op = operator.gt if upward else operator.lt
        if math.isnan(value):
            return False
        if reference is None or math.isnan(reference):
            return True
        margin = self.min_delta if self.monitor_op is operator.gt else -self.min_delta
        return self.monitor_op(value - margin, reference)

    def find(self, logs: Mapping[str, Any] | None, sentence: str) -> Any:
        """The monitored value; where it is missing ``None`` and a warning: the sentence, and what there is."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            available = list(logs or {})
            hint = suggestion(self.monitor, available, whole=False)
            if self.monitor.startswith("val_") and not any(key.startswith("val_") for key in available):
                hint = " Pass validation_data or validation_split to fit."
            warn(f"{sentence} Available metrics are: {','.join(available)}.{hint}")
        return value

    def _direction(self) -> str:
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return "down"
        metrics = Logs({metric.name: metric for metric in getattr(self.model, "metrics", None) or () if metric.name})
        ends = [metric for known, metric in metrics.items() if name.endswith(f"_{known}")]
        for metric in [metrics[name]] if name in metrics else ends:
            direction = getattr(metric, "direction", None)
            if direction in ("up", "down"):
                return str(direction)
        if spelling.chosen():
            return spelling.provider().direction(self.monitor)
        raise ArgumentError(
            f"{type(self).__name__} received monitor={self.monitor!r}, and it is not known whether a high or a low "
            f"value of it is good. Pass mode='max' or mode='min'."
        )

"""Progress bars and epoch lines as Keras 1.2.2 and Keras 2.2.4 write them.

A bar counts samples where their number is known, else steps. Its lines do not
depend on how often it is redrawn, except one: Keras 1 leaves the bar of
``evaluate`` and ``predict`` as it stands, without an end of line, where the
last batch comes less than a hundredth of a second after a redraw.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from keraunos.utils.progress import Display, Format, Progbar, is_terminal, write

__all__ = ["Era1Bar", "Era1Display", "Era1Format", "Era2Bar", "Era2Display", "Era2Format"]


_COUNTERS = ("batch", "size")


# --- Keras 2 -------------------------------------------------------------------------------


class Era2Format(Format):
    """The pieces of a progress line, as Keras 2.2.4 writes them.

    >>> text = Era2Format()
    >>> text.bar(32, 100, 30), text.eta(75.4), text.elapsed(3.6), text.rate(0.0123, "step")
    (' 32/100 [========>.....................]', 'ETA: 1:15', '4s', '12ms/step')
    """

    def bar(self, current: int, target: int | None, width: int) -> str:
        """Count and bar."""
        count = self.count(current, target)
        if not target:
            return count
        filled = int(width * (current / target))
        bar = "=" * (filled - 1) + ("=" if current >= target else ">") * (filled > 0)
        return f"{count} [{bar:.<{width}}]"

    def eta(self, seconds: float) -> str:
        """Seconds still to go."""
        return f"ETA: {super().eta(seconds)}"

    def rate(self, seconds: float, unit: str) -> str:
        """Duration of one step."""
        return super().rate(seconds, unit) if seconds else f"0us/{unit}"

    def bar_line(self, bar: str, clock: str, rate: str, values: Mapping[str, str]) -> str:
        """The line that ``verbose=1`` redraws; how long a step took is said at the end."""
        times = clock if clock.startswith("ETA") else f"{clock} {rate}"
        return f"{bar} - {times}{self.listing(values)}"

    def final_line(self, count: str, clock: str, rate: str, values: Mapping[str, str]) -> str:
        """The line that ``verbose=2`` prints at the end."""
        return f" - {clock}{self.listing(values)}"


class Era2Bar(Progbar):
    """The ``Progbar`` of Keras 2.2.4; arguments as of ``Progbar``.

    >>> bar = Era2Bar(3, verbose=2)
    >>> bar.update(3, [("loss", 0.5)])
     - 0s - loss: 0.5000
    """

    format: ClassVar[Format] = Era2Format()

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
    ) -> None:
        super().__init__(target, width, verbose, interval, stateful_metrics, stateless_metrics)

    def _record(self, name: str, value: Any, steps: int, finalize: bool) -> None:
        # The last value is one of the averaged ones here, and an update that adds no step adds no value.
        if steps or isinstance(value, str) or name in self.stateful_metrics or self.stateless_metrics is not None:
            super()._record(name, value, steps, False)
        else:
            self._values.setdefault(name, (0.0, 0))

    def _redraws(self) -> bool:
        return is_terminal() or "ipykernel" in sys.modules

    def _seconds_per_step(self, current: int, now: float) -> float:
        return (now - self._start) / current if current else 0


class Era2Display(Display):
    """What a person saw of one ``fit``, ``evaluate`` or ``predict`` in Keras 2.2.4.

    Args:
        params: ``verbose``, ``epochs``, ``steps``, ``samples``, ``batch_size``, ``do_validation``,
            ``validation_samples``, ``metrics`` (the order of the values) and ``mode``
            (``"train"``, ``"test"`` or ``"predict"``); what is missing is unknown.
    """

    bar: ClassVar[type[Progbar]] = Era2Bar
    comes_first: ClassVar[bool] = True

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._in_fit = params.get("mode", "train") == "train"
        self._names = params.get("metrics")
        target, size = params.get("samples"), params.get("batch_size")
        if not target or not size:
            target, size = params.get("steps"), 1
        self._size: int = size
        validation = params.get("do_validation") and params.get("validation_samples")
        self._sizes = (params["samples"], validation) if validation and params.get("samples") else None
        # Beside a fit, 2 is as silent as 0.
        silent = {} if self._in_fit or params.get("verbose") != 2 else {"verbose": 0}
        super().__init__({**params, **silent, "steps": target})

    def begin_fit(self) -> None:
        """Say how many samples there are, where some are for validation."""
        if self.verbose and self._in_fit and self._sizes:
            write("Train on {} samples, validate on {} samples\n".format(*self._sizes))

    def begin(self) -> None:
        """Start an epoch, an evaluation or a prediction."""
        super().begin()
        self._sums: Counter[str] = Counter()

    def epoch_header(self, epoch: int) -> None:
        """Print the heading of an epoch, which counts from 0, even of a single one."""
        if self.verbose:
            write(self.bar.format.epoch(epoch, self.epochs) + "\n")

    def update(self, step: int, values: Mapping[str, Any] | None = None) -> None:
        """Show that ``step`` steps are done; of the last one, ``finish`` does."""
        values, count = self._so_far(values or {}), step * self._size
        if not self.target or count < self.target:
            super().update(count, self._shown(values))

    def finish(self, values: Mapping[str, Any] | None = None) -> None:
        """Show the final values."""
        super().finish(self._shown(values))

    def _so_far(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        # Hooks of batches are told the values of one batch, with its size; a bar shows means.
        if "size" not in values:
            return values
        rows = values["size"]
        self._sums.update({"size": rows, **{name: values[name] * rows for name in values if name not in _COUNTERS}})
        return {name: total / self._sums["size"] for name, total in self._sums.items() if name not in _COUNTERS}

    def _shown(self, values: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if not self._in_fit or not values:
            return {}
        if not self._names:
            return values
        return {name: values[name] for name in self._names if name in values}


# --- Keras 1 -------------------------------------------------------------------------------


class Era1Format(Era2Format):
    """The pieces of a progress line, as Keras 1.2.2 writes them: whole seconds, and no pace.

    >>> text = Era1Format()
    >>> text.eta(75.4), text.elapsed(3.6), text.bar_line("1/9 [>..]", "ETA: 3s", "", {"loss": "0.5000"})
    ('ETA: 75s', '3s', '1/9 [>..] - ETA: 3s - loss: 0.5000')
    """

    def eta(self, seconds: float) -> str:
        """Seconds still to go."""
        return f"ETA: {int(seconds)}s"

    def elapsed(self, seconds: float) -> str:
        """Seconds that a whole run took."""
        return f"{int(seconds)}s"

    def bar_line(self, bar: str, clock: str, rate: str, values: Mapping[str, str]) -> str:
        """The line that ``verbose=1`` redraws."""
        return f"{bar} - {clock}{self.listing(values)}"

    def final_line(self, count: str, clock: str, rate: str, values: Mapping[str, str]) -> str:
        """The line that ``verbose=2`` prints at the end."""
        return f"{clock}{self.listing(values)}"


class Era1Bar(Era2Bar):
    """The ``Progbar`` of Keras 1.2.2: ``Progbar(target, width, verbose, interval)``.

    >>> bar = Era1Bar(3, verbose=2)
    >>> bar.update(3, [("loss", 0.5)])
    0s - loss: 0.5000
    """

    format: ClassVar[Format] = Era1Format()

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.01,
        stateless_metrics: Iterable[str] | None = None,
    ) -> None:
        super().__init__(target, width, verbose, interval, None, stateless_metrics)

    def update(  # type: ignore[override]
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        force: bool = False,
        *,
        finalize: bool | None = None,
    ) -> None:
        """Show that ``current`` steps are done.

        Args:
            current: Steps done so far.
            values: Pairs of name and value.
            force: Draw even if the last redraw was a moment ago.
            finalize: Whether this is the last update; by default when the target is reached.
        """
        if force or finalize:
            self._drawn = -math.inf
        super().update(current, values, finalize)

    def _is_due(self, now: float, finalize: bool) -> bool:
        return now - self._drawn >= self.interval

    def _redraws(self) -> bool:
        return True


class Era1Display(Era2Display):
    """What a person saw of one ``fit``, ``evaluate`` or ``predict`` in Keras 1.2.2; arguments as of ``Era2Display``."""

    bar: ClassVar[type[Progbar]] = Era1Bar
    comes_first: ClassVar[bool] = False
    interval: ClassVar[float] = 0.01

    def finish(self, values: Mapping[str, Any] | None = None) -> None:
        """Show the final values; beside a fit only where the last redraw is not a moment ago."""
        if self._in_fit or self.target is None:
            super().finish(values)
        else:
            self._bar.update(self.target)


DISPLAYS: Mapping[int, type[Display]] = {1: Era1Display, 2: Era2Display}

"""The progress bar and the lines that ``fit``, ``evaluate`` and ``predict`` print.

``Format`` holds the pieces of text, ``Progbar`` puts them into a line, and
``Display`` decides when a line is drawn. A display of another generation is a
subclass of ``Display`` (with its own ``Format``) that the active era brings;
``choose_display`` puts one of your own in place of today's.
"""

import math
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

__all__ = [
    "Display",
    "Format",
    "Progbar",
    "choose_display",
    "is_terminal",
    "new_display",
    "redraw_interval",
    "write",
]

_ESCAPE = re.compile(r"\x1b\[\d+m")
_BOLD, _GREEN, _GREY, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Format:
    """The pieces of a progress line, as Keras 3 writes them.

    >>> text = Format()
    >>> text.count(7, 120), text.eta(75.4), text.rate(0.0123, "step"), text.value(0.25), text.value(2e-5)
    ('  7/120', '1:15', '12ms/step', '0.2500', '2.0000e-05')
    """

    def count(self, current: int, target: int | None) -> str:
        """Steps done, of how many."""
        return f"{current:{len(str(target))}d}/{target}" if target else f"{current:7d}/Unknown"

    def bar(self, current: int, target: int | None, width: int) -> str:
        """Count and bar."""
        if not target:
            return self.count(current, target)
        filled = int(width * (current / target))
        done = f"{_GREEN}{'━' * filled}{_PLAIN}" if filled > 0 else ""
        return f"{_BOLD}{self.count(current, target)}{_PLAIN} {done}{_GREY}{'━' * (width - filled)}{_PLAIN}"

    def eta(self, seconds: float) -> str:
        """Seconds still to go."""
        whole = int(seconds)
        if seconds > 3600:
            return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
        return f"{whole // 60}:{whole % 60:02d}" if seconds > 60 else f"{whole}s"

    def elapsed(self, seconds: float) -> str:
        """Seconds that a whole run took."""
        return f"{seconds:.0f}s"

    def rate(self, seconds: float, unit: str) -> str:
        """Duration of one step."""
        if seconds >= 1 or seconds == 0:
            return f"{seconds:.0f}s/{unit}"
        return f"{seconds * 1e3:.0f}ms/{unit}" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/{unit}"

    def value(self, number: float) -> str:
        """A loss or metric: four decimals, or an exponent where these would hide it."""
        return f"{number:.4f}" if abs(number) > 1e-3 else f"{number:.4e}"

    def line_value(self, number: float) -> str:
        """As ``value``, for ``verbose=2``, where Keras writes negative numbers with an exponent too."""
        return f"{number:.4f}" if number > 1e-3 else f"{number:.4e}"

    def bar_line(self, bar: str, clock: str, rate: str, values: Mapping[str, str]) -> str:
        """The line that ``verbose=1`` redraws."""
        return f"{bar} {_BOLD}{clock}{_PLAIN} {rate}{self.listing(values)}"

    def final_line(self, count: str, clock: str, rate: str, values: Mapping[str, str]) -> str:
        """The line that ``verbose=2`` prints at the end."""
        return f"{count} - {clock} - {rate}{self.listing(values)}"

    def listing(self, values: Mapping[str, str]) -> str:
        """Names and values at the end of a line."""
        return "".join(f" - {name}: {text}" for name, text in values.items())

    def epoch(self, epoch: int, epochs: int) -> str:
        """Heading of an epoch, which counts from 0."""
        return f"Epoch {epoch + 1}/{epochs}"


class Progbar:
    """A progress bar on standard output.

    Args:
        target: Steps expected; ``None`` if unknown.
        width: Characters of the bar.
        verbose: 0 silent, 1 a bar, 2 one line at the end.
        interval: Seconds between two redraws, at least.
        stateful_metrics: Names of values that are shown as given; all others are averaged over the steps.
        stateless_metrics: Names of values that are averaged; all others are shown as given.
        unit_name: What a step is called.

    Raises:
        ArgumentError: Both ``stateful_metrics`` and ``stateless_metrics`` are given.

    >>> bar = Progbar(3, verbose=2)
    >>> bar.target
    3
    """

    format: ClassVar[Format] = Format()

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ArgumentError("Progbar takes stateful_metrics or stateless_metrics, not both; leave one of them out.")
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._values: dict[str, tuple[Any, int]] = {}
        self._seen = self._width_before = 0
        self._start = time.time()
        self._drawn = -math.inf
        self._after_first: float | None = None

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that ``current`` steps are done.

        Args:
            current: Steps done so far.
            values: Pairs of name and value.
            finalize: Whether this is the last update; by default when the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._record(name, value, current - self._seen, finalize)
        self._seen = current
        now = time.time()
        pace = self._seconds_per_step(current, now)
        if self.verbose == 1:
            if not self._is_due(now, finalize):
                return
            self._draw(current, now, pace, finalize)
        elif self.verbose == 2 and finalize and self.target:
            count, clock = self.format.count(current, self.target), self.format.elapsed(now - self._start)
            rate = self.format.rate(pace, self.unit_name)
            write(self.format.final_line(count, clock, rate, self._texts(self.format.line_value)) + "\n")
        self._drawn = now

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that ``n`` more steps are done."""
        self.update(self._seen + n, values)

    def _record(self, name: str, value: Any, steps: int, finalize: bool) -> None:
        averaged = (
            name not in self.stateful_metrics if self.stateless_metrics is None else name in self.stateless_metrics
        )
        if not averaged or finalize or isinstance(value, str):
            self._values[name] = (value, 1)
            return
        steps = max(steps, 1)
        total, count = self._values.get(name, (0.0, 0))
        self._values[name] = (total + value * steps, count + steps)

    def _is_due(self, now: float, finalize: bool) -> bool:
        return finalize or now - self._drawn >= self.interval

    def _texts(self, number: Any) -> dict[str, str]:
        return {
            name: total if isinstance(total, str) else number(float(np.mean(total)) / max(count, 1))
            for name, (total, count) in self._values.items()
        }

    def _draw(self, current: int, now: float, pace: float, finalize: bool) -> None:
        if self.target and not finalize:
            clock = self.format.eta(pace * (self.target - current))
        else:
            clock = self.format.elapsed(now - self._start)
        bar = self.format.bar(current, self.target, self.width)
        rate = self.format.rate(pace, self.unit_name)
        line = self.format.bar_line(bar, clock, rate, self._texts(self.format.value))
        width = len(_ESCAPE.sub("", line))
        back = "\b" * self._width_before + "\r" if self._redraws() else "\n"
        write(back + line + " " * (self._width_before - width) + ("\n" if finalize else ""))
        self._width_before = width

    def _redraws(self) -> bool:
        # Keras goes back to the start of the line in pipes too, on POSIX.
        return is_terminal() or os.name == "posix" or "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ

    def _seconds_per_step(self, current: int, now: float) -> float:
        # The first step is left out where it was seen on its own: it contains the compilation.
        if not current:
            return 0
        if self._after_first is not None and current > 1:
            return (now - self._after_first) / (current - 1)
        if current == 1:
            self._after_first = now
        return (now - self._start) / current


class Display:
    """What a person sees of one ``fit``, ``evaluate`` or ``predict``.

    The order of calls is, in ``fit``, ``begin_fit`` once; then ``begin``, in
    ``fit`` ``epoch_header``, ``update`` any number of times, ``finish``; once an
    epoch, or once.

    Args:
        params: What ``Callback.set_params`` received: ``verbose``, ``epochs``, ``steps``.
    """

    bar: ClassVar[type[Progbar]] = Progbar
    # Whether it speaks before the callbacks that the user passed.
    comes_first: ClassVar[bool] = False
    # Seconds between two redraws that a bar leaves by itself; ``update`` has a pace of its own.
    interval: ClassVar[float] = 0

    def __init__(self, params: Mapping[str, Any]) -> None:
        verbose = params.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.epochs = params.get("epochs") or 1
        self.target = params.get("steps")
        self.begin()

    @property
    def watches_progress(self) -> bool:
        """Whether ``update`` makes a difference."""
        return self.verbose == 1 or (self.verbose > 0 and self.target is None)

    def begin_fit(self) -> None:
        """Say what a fit is about to do; Keras 3 says nothing."""

    def begin(self) -> None:
        """Start an epoch, an evaluation or a prediction."""
        self._bar = self.bar(self.target, verbose=self.verbose, interval=self.interval, stateless_metrics=())
        self._seen, self._started, self._due = 0, time.time(), -math.inf

    def epoch_header(self, epoch: int) -> None:
        """Print the heading of an epoch, which counts from 0."""
        if self.verbose and self.epochs > 1:
            write(self.bar.format.epoch(epoch, self.epochs) + "\n")

    def update(self, step: int, values: Mapping[str, Any] | None = None) -> None:
        """Show that ``step`` steps are done, unless the last redraw was a moment ago."""
        self._seen, now = step, time.time()
        if self.verbose == 1 and now >= self._due:
            self._bar.update(step, (values or {}).items(), finalize=False)
            self._due = now + redraw_interval(now - self._started)

    def finish(self, values: Mapping[str, Any] | None = None) -> None:
        """Show the final values."""
        if self.target is None:
            # The first run tells how many steps there are; later epochs show a bar.
            self.target = self._bar.target = self._seen
        self._bar.update(self.target, (values or {}).items(), finalize=True)


_display: list[type[Display]] = [Display]


def new_display(params: Mapping[str, Any]) -> Display:
    """A display of the active era; in today's, of the kind that was chosen last.

    >>> new_display({"verbose": 0}).watches_progress
    False
    """
    return (spelling.provider().display_class() if spelling.chosen() else _display[0])(params)


def choose_display(display: type[Display]) -> type[Display]:
    """Show progress with another class from now on; returns the class before.

    >>> choose_display(choose_display(Display)) is Display
    True
    """
    before, _display[0] = _display[0], display
    return before


def redraw_interval(elapsed: float) -> float:
    """Seconds until the next redraw is worth it.

    On a terminal 0.1, in a notebook 0.2 (each redraw travels to a browser).
    Into a file or pipe, where redraws stay, ever rarer: an epoch of an hour
    leaves 170 of them.
    """
    if "ipykernel" in sys.modules:
        return 0.2
    return 0.1 if is_terminal() else max(0.1, elapsed / 20)


def write(text: str) -> None:
    """Write to standard output at once; ``=`` stands for the bar where the encoding has no ``━``."""
    stream = sys.stdout
    if stream is None:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "utf-8"
        stream.write(text.replace("━", "=").encode(encoding, errors="ignore").decode(encoding))
    stream.flush()


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return bool(getattr(sys.stdout, "isatty", lambda: False)())

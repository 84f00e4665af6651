"""Learning curves: the losses and metrics of every epoch."""

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keraunos import metrics as known_metrics
from keraunos.plots import figures
from keraunos.utils.errors import ArgumentError, UnknownNameError
from keraunos.utils.text import suggestion

_NAMES = {"acc": "accuracy", "mse": "mean squared error", "mae": "mean absolute error", "auc": "AUC"}


def history(h: Any, path: Any = None, metrics: Sequence[str] | None = None) -> Any:
    """Draw the losses and metrics of a training, one panel each, over the epochs from 1.

    The validation's curve is dashed. A ring marks the best epoch: the one of the
    smallest loss or error, of the greatest accuracy; by the validation where there is one.

    Args:
        h: What ``fit`` returns, a model that was trained, or a dict of lists by name.
        path: File to write, such as ``"history.png"``; ``None`` for none.
        metrics: Names of the panels, without ``val_``; all if not given, the loss first.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ArgumentError: Nothing was recorded, or a name is unknown.

    >>> figure = history({"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.6, 0.7]})
    >>> figure.axes[0].get_title(loc="left"), figure.axes[0].get_xlabel()
    ('loss', 'epoch')
    """
    values, epochs, model = _recorded(h)
    names = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    names.sort(key=lambda name: name != "loss")
    for name in metrics if metrics is not None else ():
        if name not in names:
            raise UnknownNameError(f"history: nothing was recorded under {name!r}.{suggestion(name, names)}")
    names = list(metrics) if metrics is not None else names
    columns = len(names) if len(names) <= 3 else 2 if len(names) == 4 else 3
    lines = math.ceil(len(names) / columns)
    figure = figures.new_figure(max(4.0 * columns, 5.0), 3.2 * lines)
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(lines, columns, place)
        draw_curves(axes, name, values, epochs, model, legend=place == 1)
    figures.save(figure, path)
    return figure


def draw_curves(
    axes: Any,
    name: str,
    values: Mapping[str, Any],
    epochs: Sequence[int],
    model: Any = None,
    legend: bool = True,
    last: int = 0,
) -> None:
    """Draw the curves of one name, of training and validation, into axes that reach at least to the epoch ``last``."""
    curves = [key for key in (name, f"val_{name}") if key in values]
    for key in curves:
        validation = key != name
        numbers = np.asarray(values[key], float)
        axes.plot(
            _epochs_of(numbers, epochs),
            numbers,
            color=figures.PALETTE[validation],
            linestyle="--" if validation else "-",
            linewidth=1.8,
            marker="o" if len(numbers) == 1 else None,
            label="validation" if validation else "training",
        )
    _mark_best(axes, np.asarray(values[curves[-1]], float), epochs, _direction(name, model))
    axes.set_title(_NAMES.get(name.lower(), name.replace("_", " ")), fontsize=11, color=figures.INK, loc="left")
    axes.set_xlabel("epoch", fontsize=10, color=figures.INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(epochs) == 1:
        axes.set_xticks(list(epochs))
    margin = min(0.9, 0.03 * (epochs[-1] - epochs[0]) + 0.05)
    axes.set_xlim(epochs[0] - margin, max(epochs[-1], last) + margin)
    if name == "learning_rate":
        axes.set_yscale("log")
    axes.grid(axis="y", color=figures.LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    figures.quiet(axes)
    if len(curves) > 1 and legend:
        axes.legend(frameon=False, fontsize=9, labelcolor=figures.INK)


def _mark_best(axes: Any, numbers: Any, epochs: Sequence[int], better: Any) -> None:
    if better is None or len(numbers) < 2 or not np.isfinite(numbers).any():
        return
    best = 0
    for index, value in enumerate(numbers):
        if not np.isfinite(numbers[best]) or better(value, numbers[best]):
            best = index
    epoch = _epochs_of(numbers, epochs)[best]
    axes.plot(
        [epoch], [numbers[best]], "o", markersize=8, markerfacecolor="none", markeredgecolor=figures.INK, zorder=4
    )
    axes.text(
        1, 1.0, f"best {_readable(numbers[best])}, epoch {epoch}",
        transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5, color=figures.GREY,
    )  # fmt: skip


def _readable(value: float) -> str:
    return f"{value:.4g}"


def _direction(name: str, model: Any) -> Any:
    """Which of two values is better, as a function; ``None`` where nothing says it."""
    if name == "loss" or name.endswith("_loss"):
        return operator.lt
    metrics = [
        m for m in getattr(model, "metrics", None) or () if m.name and (name == m.name or name.endswith(f"_{m.name}"))
    ]
    member = metrics[-1] if metrics else known_metrics.table.members.get(name)
    return {"up": operator.gt, "down": operator.lt}.get(getattr(member, "direction", None) or "")


def _epochs_of(numbers: Any, epochs: Sequence[int]) -> list[int]:
    # With validation_freq a curve has fewer values than epochs: it ends at the last, in equal steps.
    stride = max(1, len(epochs) // max(len(numbers), 1))
    return list(epochs)[stride - 1 :: stride][: len(numbers)]


def _recorded(h: Any) -> tuple[Mapping[str, Any], list[int], Any]:
    """Values by name, numbers of the epochs from 1, and the model where it is known."""
    model = getattr(h, "model", None)
    if not isinstance(h, Mapping) and hasattr(getattr(h, "history", None), "history"):
        model, h = h, h.history
    values = h if isinstance(h, Mapping) else getattr(h, "history", None)
    if not isinstance(values, Mapping):
        raise ArgumentError(
            f"history: {type(h).__name__} given; expected what fit returns, or a dict of lists by name."
        )
    values = {name: list(numbers) for name, numbers in values.items() if np.size(numbers)}
    if not values:
        raise ArgumentError("history: nothing was recorded. Call fit with at least one epoch first.")
    count = max(map(len, values.values()))
    recorded = [int(epoch) + 1 for epoch in getattr(h, "epoch", ())]
    return values, recorded if len(recorded) == count else list(range(1, count + 1)), model

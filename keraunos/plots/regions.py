"""Decision boundaries: what a classifier of two features says everywhere in the plane."""

from typing import Any

import numpy as np

from keraunos.plots import figures
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import plural, shape_text


def decision_boundary(
    model: Any,
    x: Any,
    y: Any,
    path: Any = None,
    resolution: int = 200,
    *,
    class_names: Any = None,
    feature_names: Any = None,
    title: str | None = None,
    threshold: float | None = None,
) -> Any:
    """Draw where a classifier of two features changes its mind, how sure it is, and the data on top.

    One sigmoid output shows the probability of class 1, a softmax the
    probability of the likeliest class; one tanh or linear output shows its value.

    Args:
        model: A model of two inputs; its ``predict`` is called once.
        x: Points, of shape ``(n, 2)``.
        y: Their classes: whole numbers, or one-hot rows of shape ``(n, classes)``; for one output also -1 and 1.
        path: File to write, such as ``"boundary.png"``; ``None`` for none.
        resolution: Points of the grid along each axis, at least 2.
        class_names: Names of the classes, in order.
        feature_names: Names of the two axes; those of a data frame's columns if not given.
        title: Text above the picture.
        threshold: Output of a single unit above which a point belongs to class 1. If not given: 0.5, or 0 where the
            labels are -1 and 1 or the loss is a hinge; logits are turned into probabilities first.

    Returns:
        A matplotlib ``Figure``.

    Raises:
        ArgumentError: There are not two features, or the labels or outputs are not those of classes.

    Example: ``decision_boundary(model, x_test, y_test, "moons.png", class_names=["upper", "lower"])``
    """
    figure = figures.new_figure(5.6, 4.4)
    draw_regions(figure, figure.add_subplot(), model, x, y, resolution, class_names, feature_names, threshold)
    if title:
        figure.suptitle(title, fontsize=11, color=figures.INK)
    figures.save(figure, path)
    return figure


def draw_regions(
    figure: Any,
    axes: Any,
    model: Any,
    x: Any,
    y: Any,
    resolution: int = 200,
    class_names: Any = None,
    feature_names: Any = None,
    threshold: float | None = None,
) -> None:
    """Draw what ``decision_boundary`` shows into axes of a figure."""
    points, features = _points(model, x, feature_names)
    labels, known = _labels(y, len(points))
    if isinstance(resolution, bool) or not isinstance(resolution, (int, np.integer)) or resolution < 2:
        raise ArgumentError(f"decision_boundary: resolution is {resolution!r}; expected a whole number of at least 2.")
    view = _view(points)
    across, up = (np.linspace(low, high, resolution, dtype="float32") for low, high in view)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    outputs = np.asarray(model.predict(grid, batch_size=4096, verbose=0))
    if outputs.shape[0] != len(grid) or outputs.size not in (len(grid), len(grid) * outputs.shape[-1]):
        raise ArgumentError(
            f"decision_boundary: the model {model.name!r} makes outputs of shape {shape_text((None, *outputs.shape[1:]))}; "
            "expected one row of classes a point: (None, 1) or (None, classes)."
        )
    outputs = outputs.reshape(resolution, resolution, -1)
    classes = max(outputs.shape[-1], 2)
    if len(known) > classes or (outputs.shape[-1] > 1 and not 0 <= known.min() <= known.max() < classes):
        raise ArgumentError(
            f"decision_boundary: y has the classes {known.tolist()[:8]}, but the model tells {classes} classes apart. "
            "Give the classes that the model was trained on."
        )
    names = [str(name) for name in class_names] if class_names is not None else []
    if names and len(names) != classes:
        raise ArgumentError(f"decision_boundary: {plural(len(names), 'class name')} given for {classes} classes.")

    if outputs.shape[-1] == 1:
        values, ends = _one_output_means(model, outputs[..., 0], known)
        order = known if len(known) == 2 else np.array([-1, 1] if known.min() < 0 else [0, 1])
        middle = sum(ends) / 2 if threshold is None else float(threshold)
        _one_output(figure, axes, across, up, values, ends, middle, names[1] if names else f"class {order[1]}")
    else:
        order = np.arange(classes)
        _many_outputs(axes, across, up, outputs)
    _draw_points(axes, points, labels, order, names)
    axes.set(xlim=view[0], ylim=view[1])
    axes.set_xlabel(features[0], fontsize=10, color=figures.INK)
    axes.set_ylabel(features[1], fontsize=10, color=figures.INK)
    figures.quiet(axes)


# --- what is drawn -------------------------------------------------------------------------


def _one_output(
    figure: Any, axes: Any, across: Any, up: Any, values: Any, ends: Any, threshold: float, of: str
) -> None:
    colours = figures.needed("matplotlib.colors")
    tones = [_lightened(colour_of(0)), "#FFFFFF", _lightened(colour_of(1))]
    span = max(ends[1] - threshold, threshold - ends[0])
    chances = ends == (0, 1) and values.min() >= 0 and values.max() <= 1
    shades = axes.imshow(
        values, origin="lower", aspect="auto", extent=_extent(across, up), interpolation="bilinear",
        cmap=colours.LinearSegmentedColormap.from_list("classes", tones),
        norm=colours.TwoSlopeNorm(threshold, *((0, 1) if chances else (threshold - span, threshold + span))),
    )  # fmt: skip
    if values.min() < threshold < values.max():
        axes.contour(across, up, values, levels=[threshold], colors=figures.INK, linewidths=1.4)
    bar = figure.colorbar(shades, ax=axes, fraction=0.05, pad=0.02, extend="neither" if chances else "both")
    bar.set_label(f"probability of {of}" if chances else "output", fontsize=9, color=figures.INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=figures.GREY, labelcolor=figures.INK, labelsize=8)


def _many_outputs(axes: Any, across: Any, up: Any, outputs: Any) -> None:
    chances = outputs.astype(float)
    if chances.min() < -1e-3 or not np.allclose(chances.sum(-1), 1, atol=1e-2):  # a softmax is still to come
        chances = np.exp(chances - chances.max(-1, keepdims=True))
        chances /= chances.sum(-1, keepdims=True)
    count = chances.shape[-1]
    winners = chances.argmax(-1)
    sure = (chances.max(-1) - 1 / count) / (1 - 1 / count)
    tones = np.array([figures.needed("matplotlib.colors").to_rgb(colour_of(index)) for index in range(count)])[winners]
    axes.imshow(
        1 - (1 - tones) * (0.12 + 0.5 * sure[..., None]), origin="lower", aspect="auto", extent=_extent(across, up),
        interpolation="nearest",
    )  # fmt: skip
    for index in np.unique(winners):
        others = np.delete(chances, index, axis=-1).max(-1)
        lead = chances[..., index] - others
        # A boundary between two classes is drawn once, from the side of the smaller number.
        lead = np.where(winners < index, -np.abs(lead), lead)
        if lead.min() < 0 < lead.max():
            axes.contour(across, up, lead, levels=[0], colors=figures.INK, linewidths=1.2)


def _draw_points(axes: Any, points: Any, labels: Any, order: Any, names: Any) -> None:
    size = float(np.clip(4000 / max(len(points), 1), 8, 32))
    for index, value in enumerate(order):
        mine = points[labels == value]
        if len(mine):
            axes.scatter(
                *mine.T, s=size, color=colour_of(index), marker="os^Dv*"[index % 6], edgecolor="white", linewidth=0.6,
                label=names[index] if names else f"class {value}", zorder=3,
            )  # fmt: skip
    # Above the picture, where it hides nothing.
    axes.legend(
        fontsize=9, labelcolor=figures.INK, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(order), 4),
        borderaxespad=0.2, handletextpad=0.2, columnspacing=1.2, borderpad=0.2,
    )  # fmt: skip


def colour_of(index: int) -> str:
    """Colour of a class."""
    return figures.PALETTE[index % len(figures.PALETTE)]


def _lightened(colour: str) -> Any:
    return tuple(1 - 0.62 * (1 - part) for part in figures.needed("matplotlib.colors").to_rgb(colour))


def _extent(across: Any, up: Any) -> tuple[float, float, float, float]:
    wide, high = (across[1] - across[0]) / 2, (up[1] - up[0]) / 2
    return across[0] - wide, across[-1] + wide, up[0] - high, up[-1] + high


def _view(points: Any) -> list[tuple[float, float]]:
    lows, highs = points.min(0), points.max(0)
    margins = np.where(highs > lows, 0.12 * (highs - lows), 1.0)
    return [(float(low - m), float(high + m)) for low, high, m in zip(lows, highs, margins, strict=True)]


# --- what is read --------------------------------------------------------------------------


def _points(model: Any, x: Any, names: Any) -> tuple[Any, Any]:
    if names is None:
        names = [str(column) for column in getattr(x, "columns", ())]
    points = np.asarray(x, dtype="float32")
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ArgumentError(
            f"decision_boundary: x has shape {shape_text(points.shape)}; expected (n, 2), a plane has two axes. "
            "Choose two columns and train a model on those: x[:, :2]."
        )
    shape = model.input_shape if getattr(model, "_graph", None) is not None else (None, 2)
    if isinstance(shape, (list, dict)) or tuple(shape)[1:] != (2,):
        raise ArgumentError(
            f"decision_boundary: the model {model.name!r} takes {shape}, but a plane has two axes: expected (None, 2)."
        )
    if not np.isfinite(points).all():
        raise ArgumentError("decision_boundary: x holds NaN or infinite values. Leave those rows out.")
    names = list(names) or ["feature 1", "feature 2"]
    if len(names) != 2:
        raise ArgumentError(f"decision_boundary: {plural(len(names), 'feature name')} given; expected 2.")
    return points, names


def _labels(y: Any, count: int) -> tuple[Any, Any]:
    """Class of every point, and the classes that occur."""
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(-1)
    labels = labels.reshape(-1)
    if len(labels) != count:
        raise ArgumentError(f"decision_boundary: x has {plural(count, 'row')}, but y has {len(labels)}.")
    if not (np.issubdtype(labels.dtype, np.number) or labels.dtype == bool) or not np.array_equal(
        labels, np.round(labels)
    ):
        raise ArgumentError(
            f"decision_boundary: y holds {labels[:3].tolist()}; expected classes: whole numbers, or one-hot rows."
        )
    labels = labels.astype(int)
    return labels, np.unique(labels)


def _one_output_means(model: Any, values: Any, known: Any) -> tuple[Any, tuple[int, int]]:
    """The outputs, as probabilities where they are logits, and what the two classes are trained to give."""
    loss = getattr(model, "loss", None)
    if getattr(loss, "from_logits", False):
        return 1 / (1 + np.exp(-np.clip(values.astype(float), -60, 60))), (0, 1)
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if known.min() < 0 or "hinge" in str(name).lower():
        return values, (-1, 1)
    return values, (0, 1)

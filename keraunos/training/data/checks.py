"""Checks of data before anything is touched, each with a sentence that says what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.training.data.convert import Rows, holds_arrays, is_array
from keraunos.utils import tree
from keraunos.utils.errors import DataError
from keraunos.utils.text import plural


def check_whole(value: Any, argument: str) -> int:
    """``value`` as an ``int`` of at least 1, such as a batch size or a number of steps."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not whole or value < 1:
        hint = "" if whole else f" Round it: {argument}=math.ceil({value!r})." if isinstance(value, float) else ""
        raise DataError(f"{argument} is {value!r}; expected a whole number of at least 1.{hint}")
    return int(value)


def check_shuffle(shuffle: Any) -> bool | str:
    """``shuffle`` as ``True``, ``False`` or ``"batch"``."""
    if isinstance(shuffle, str):
        if shuffle != "batch":
            raise DataError(f"shuffle is {shuffle!r}; expected True, False or 'batch' (batches keep their rows).")
        return shuffle
    return bool(shuffle)


def check_rows(x: Any, y: Any, sample_weight: Any, where: str = "") -> int:
    """How many rows all arrays have.

    Args:
        x: Tree of arrays; so are ``y`` and ``sample_weight``, or ``None``.
        where: What the message begins with, such as ``"batch 3: "``.

    Raises:
        DataError: An array has another number of rows, none, or no rows at all.
    """
    first: tuple[str, int] | None = None
    for part, label in ((x, "x"), (y, "y"), (sample_weight, "sample_weight")):
        for path, array in tree.paths(part):
            if array is None:
                continue
            name = label + "".join(f"[{key!r}]" for key in path)
            if not array.shape:
                raise DataError(
                    f"{where}{name} is a single number; expected an array with one row for each sample. "
                    "A data source must yield batches, not samples."
                )
            rows = array.shape[0]
            if rows == 0:
                raise DataError(f"{where}{name} is empty: its shape is {tuple(array.shape)}. Give at least one row.")
            first = first or (name, rows)
            if rows != first[1]:
                raise DataError(
                    f"{where}{first[0]} has {plural(first[1], 'row')}, but {name} has {plural(rows, 'row')}. "
                    f"Give each row of {first[0]} one row of {name}{_transposed(array, first[1])}."
                )
    if first is None:
        raise DataError(f"{where}x holds no arrays. Give the inputs of the model.")
    return first[1]


def check_pair(x: Any, y: Any, inputs: Sequence[str], purpose: str) -> None:
    """Refuse ``fit((x, y))``, where ``fit(x, y)`` is meant."""
    if (
        y is None
        and purpose in ("fit", "evaluate")
        and isinstance(x, (tuple, list))
        and len(x) in (2, 3)
        and len(inputs) == 1
        and holds_arrays(x)
    ):
        arguments = ("x", "y", "sample_weight")[: len(x)]
        raise DataError(
            f"x is a {type(x).__name__} of {len(x)} arrays and y is missing, but the model has one input. "
            f"Give them as arguments of their own: {purpose}({', '.join(arguments)})."
        )


def not_finite(data: Any, label: str) -> list[str]:
    """NaN and infinite values in a tree of arrays, with the rows and columns where they are, in words.

    >>> not_finite(np.array([[1.0, np.nan]]), "x")
    ['x has 1 row with NaN (column 1)']
    """
    found = []
    for path, array in tree.paths(data):
        name = label + "".join(f"[{key!r}]" for key in path)
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):
                if not np.isfinite(array.sum()):  # one cheap pass; the exact search only where it pays
                    found += _not_finite(array, name)
    return found


def check_weights(sample_weight: Any, where: str = "") -> None:
    """Refuse sample weights that are NaN or infinite; ``where`` begins the message."""
    for path, weight in tree.paths(sample_weight):
        if weight is None or isinstance(weight, Rows) or np.isfinite(weight).all():
            continue
        name = "sample_weight" + "".join(f"[{key!r}]" for key in path)
        row = int(np.argwhere(~np.isfinite(weight))[0][0])
        raise DataError(
            f"{where}{name}: row {row} holds {weight[row] if weight.ndim == 1 else 'NaN or an infinite value'}, and the "
            "loss would be NaN. Give finite numbers: 0 leaves a row out."
        )


def check_labels(
    y: Any,
    classes: int,
    loss_name: str = "sparse_categorical_crossentropy",
    output_name: str = "",
    ignore_class: int | None = None,
    *,
    weight: Any = None,
    where: str = "",
) -> None:
    """Raise if ``y`` holds anything but whole numbers from 0 to ``classes - 1``.

    Rows that are read piece by piece from a file are not checked.

    Args:
        y: Labels of one output.
        classes: Width of the output.
        loss_name: Loss that needs the labels, for the message.
        output_name: Output that they belong to, for the message.
        ignore_class: One more value that is allowed.
        weight: Weights of the rows, or of the labels: those of 0 may be anything.
        where: What the message begins with, such as ``"batch 3: "``.

    >>> check_labels(np.array([0, 1, 2]), 3)
    """
    if y is None or isinstance(y, Rows):
        return
    values = np.asarray(y)
    if weight is not None and not isinstance(weight, Rows) and weight.shape == values.shape[: weight.ndim]:
        values = values[weight != 0]
    if values.dtype.kind == "f":
        values = values[~((values >= 0) & (values < classes) & (values == np.floor(values)))]
    elif values.size and values.min() >= 0 and values.max() < classes:
        return
    wrong = np.unique(values)
    wrong = wrong[~((wrong >= 0) & (wrong < classes) & (wrong == np.floor(wrong)))]
    if ignore_class is not None:
        wrong = wrong[wrong != ignore_class]
    if not wrong.size:
        return
    shown = ", ".join(f"{value:g}" for value in wrong[:5]) + (", …" if len(wrong) > 5 else "")
    owner = f"output {output_name!r}: " if output_name else ""
    if wrong.tolist() == [classes] and 0 not in np.asarray(y):
        advice = "The classes seem to be counted from 1: subtract 1 from y"
    elif (np.isfinite(wrong) & (wrong != np.floor(wrong))).any():
        advice = "Labels must be whole numbers"
    elif wrong.max() < 0:
        advice = "Number the classes from 0. Labels that shall not count need a loss with ignore_class, or a sample weight of 0"
    elif not np.isfinite(wrong).all():
        advice = "Drop the rows without a label"
    else:
        advice = f"Number the classes from 0, or give the output {int(wrong.max()) + 1} units"
    raise DataError(
        f"{where}{owner}y holds the {'label' if len(wrong) == 1 else 'labels'} {shown}, but {loss_name} over "
        f"{classes:,} {'class' if classes == 1 else 'classes'} "
        f"expects whole numbers from 0 to {classes - 1}. {advice}."
    )


def refuse_with_stream(kind: str, y: Any, sample_weight: Any, batch_size: Any, shuffle: Any, indexed: bool) -> None:
    """Refuse arguments that a source of ready batches brings itself."""
    if y is not None:
        raise DataError(
            f"x is {kind}, which brings its targets itself, but y is given too. Let it yield (x, y) and leave y out."
        )
    if sample_weight is not None:
        raise DataError(
            f"x is {kind}, which brings its sample weights itself, but sample_weight is given too. "
            "Let it yield (x, y, sample_weight) and leave sample_weight out."
        )
    if batch_size is not None:
        raise DataError(
            f"x is {kind}, which yields ready batches, but batch_size={batch_size} is given too. "
            "Set the batch size where the batches are made and leave batch_size out."
        )
    if shuffle == "batch" and not indexed:
        raise DataError(
            f"x is {kind}, which yields its batches in its own order, but shuffle='batch' is given too. "
            "Shuffle where the batches are made and leave shuffle out."
        )


def check_target(y: Any, sample_weight: Any) -> None:
    """Refuse a ``y`` or ``sample_weight`` that holds no rows, such as a generator or a text."""
    for value, name in ((y, "y"), (sample_weight, "sample_weight")):
        if value is None or is_array(value) or isinstance(value, (Mapping, list, tuple)):
            continue
        if hasattr(value, "__next__") or (hasattr(value, "__iter__") and not hasattr(value, "__len__")):
            raise DataError(
                f"{name} is a {type(value).__name__}, but x is not. Give one generator as x, which yields (x, y)."
            )


def _not_finite(array: np.ndarray, name: str) -> list[str]:
    found = []
    for test, what in ((np.isnan, "with NaN"), (np.isinf, "with infinite values")):
        bad = test(array)
        rows = int(bad.reshape(len(array), -1).any(axis=1).sum())
        if not rows:
            continue
        text = f"{name} has {plural(rows, 'row')} {what}"
        if array.ndim == 2:
            columns = np.flatnonzero(bad.any(axis=0))
            shown = ", ".join(map(str, columns[:10])) + (", …" if len(columns) > 10 else "")
            text += f" ({'column' if len(columns) == 1 else 'columns'} {shown})"
        found.append(text)
    return found


def _transposed(array: Any, rows: int) -> str:
    return " (its last size fits: perhaps it is transposed)" if len(array.shape) == 2 and array.shape[1] == rows else ""

"""Sample weights: their place beside several outputs, and weights that follow from classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.training.data.convert import Rows
from keraunos.utils import tree
from keraunos.utils.errors import DataError
from keraunos.utils.text import plural, suggestion

Weighting = Callable[[Any, Any], Any]


def spread(y: Any, sample_weight: Any, outputs: Sequence[str] = ()) -> Any:
    """``sample_weight`` as a tree like ``y``: one array for all outputs is repeated, a missing one is all ones.

    Args:
        y: Tree of targets.
        sample_weight: Array, or dict or list with one array for each output.
        outputs: Names of the outputs, in the order of a list ``y``.
    """
    if sample_weight is None:
        return None
    if y is None:
        raise DataError("sample_weight is given, but y is not. Sample weights weigh the loss of each row of y.")
    sample_weight = tree.map(_flat, sample_weight)
    if not tree.is_nested(sample_weight):
        return tree.map(lambda _: sample_weight, y)
    if not tree.is_nested(y):
        if len(sample_weight) == 1:
            return tree.leaves(sample_weight)[0]
        raise DataError(
            f"sample_weight has {plural(len(sample_weight), 'part')}, but y is one array. Give one array of weights."
        )
    if isinstance(sample_weight, Mapping):
        names = list(y) if isinstance(y, Mapping) else list(outputs)
        if not names:
            raise DataError(
                f"sample_weight is a dict, but y is a {type(y).__name__}. Give both in the same form: both as dicts."
            )
        _refuse_unknown("sample_weight", sample_weight, names)
        given = [sample_weight.get(name) for name in names]
    else:
        given = list(sample_weight)
    targets = tree.leaves(y)
    if len(given) != len(targets):
        raise DataError(
            f"sample_weight has {plural(len(given), 'part')}, but y has {len(targets)}. "
            "Give one array of weights for each output, with None for an output that has none."
        )
    pairs = zip(targets, given, strict=True)
    return tree.unflatten(y, [np.ones(t.shape[0], "float32") if w is None else w for t, w in pairs])


def class_weighting(class_weight: Any, y: Any, outputs: Sequence[str] = (), *, whole: bool = True) -> Weighting:
    """Function ``(y, sample_weight) -> sample_weight`` that multiplies by the weight of each row's class.

    Args:
        class_weight: ``{class: weight}`` with classes as int, float or text of
            one; ``"balanced"`` for ``rows / (classes * rows of the class)``;
            or one of these for each output, as a dict by its name or a list in order, with ``None`` for an output that
            has none. Classes that are not named weigh 1.
        y: Tree of targets: whole-number labels ``(n,)`` or ``(n, 1)``, or
            one-hot rows ``(n, classes)``.
        outputs: Names of the outputs, in the order of a list ``y``.
        whole: Whether ``y`` is all of the data, which ``"balanced"`` needs.

    Reference: ``"balanced"`` is the rule of King and Zeng, 2001, "Logistic
    Regression in Rare Events Data", as in scikit-learn.

    >>> class_weighting({0: 1.0, 1: 5.0}, np.array([1]))(np.array([0, 1, 1]), None).tolist()
    [1.0, 5.0, 5.0]
    """
    if y is None:
        raise DataError("class_weight is given, but y is not. Class weights need the labels in y.")
    single = not tree.is_nested(y)
    names: list[Any] = list(y) if isinstance(y, Mapping) else list(outputs)
    if isinstance(class_weight, (list, tuple)):
        if not any(part is None or isinstance(part, (Mapping, str)) for part in class_weight):
            raise _no_table(class_weight)
        count = len(tree.leaves(y))
        if len(class_weight) != count:
            raise DataError(
                f"class_weight has {plural(len(class_weight), 'part')}, but y has {plural(count, 'output')}. Give one dict "
                "{class: weight} for each output, with None for an output that has none."
            )
        names = list(outputs) if len(outputs) == count else names or list(range(count))
        class_weight = {name: part for name, part in zip(names, class_weight, strict=True) if part is not None}
        if not class_weight:
            return lambda y, sample_weight: sample_weight
    per_output = isinstance(class_weight, Mapping) and any(
        isinstance(value, Mapping) or value == "balanced" for value in class_weight.values()
    )
    if single:
        if per_output:
            _refuse_unknown("class_weight", class_weight, names)
            if len(class_weight) > 1:
                raise DataError(
                    f"class_weight names {len(class_weight)} outputs, but y is one array. "
                    "Give one dict {class: weight}."
                )
            class_weight = next(iter(class_weight.values()))
        given = [class_weight]
    else:
        if not per_output or not names:
            known = f" The outputs are: {', '.join(map(str, names))}." if names else " Give y as a dict of outputs."
            raise DataError(
                "class_weight is one dict of classes, but y has "
                f"{plural(len(tree.leaves(y)), 'output')}. Say which output it is for: "
                f"class_weight={{output: {{class: weight}}}}.{known}"
            )
        _refuse_unknown("class_weight", class_weight, names)
        given = [class_weight.get(name) for name in (y if isinstance(y, Mapping) else names)]
    tables = [
        None if item is None else _table(item, target, whole)
        for item, target in zip(given, tree.leaves(y), strict=True)
    ]

    def weigh(y: Any, sample_weight: Any) -> Any:
        targets = tree.leaves(y)
        weights = [None] * len(targets) if sample_weight is None else tree.leaves(sample_weight)
        return tree.unflatten(y, [_multiply(*each) for each in zip(tables, targets, weights, strict=True)])

    return weigh


def _no_table(class_weight: Any) -> DataError:
    return DataError(f"class_weight is {class_weight!r}; expected a dict {{class: weight}} or 'balanced'.")


def _table(class_weight: Any, target: Any, whole: bool) -> dict[int, float]:
    if isinstance(class_weight, str) and class_weight != "balanced":
        raise DataError(f"class_weight is {class_weight!r}.{suggestion(class_weight, ['balanced'])}")
    if isinstance(class_weight, str):
        if not whole:
            raise DataError(
                "class_weight='balanced' needs all labels at once, but the data come batch by batch. "
                "Give the weights as a dict: {class: weight}."
            )
        return _balanced(target)
    if not isinstance(class_weight, Mapping):
        raise _no_table(class_weight)
    table = {}
    for key, value in class_weight.items():
        try:
            label, weight = float(key), float(value)
        except (TypeError, ValueError):
            raise DataError(
                f"class_weight holds {key!r}: {value!r}; expected whole-number classes as in y, and numbers as weights."
            ) from None
        if label != int(label) or not 0 <= weight < float("inf"):
            raise DataError(
                f"class_weight holds {key!r}: {value!r}; expected a whole-number class and a weight of at least 0."
            )
        table[int(label)] = weight
    return table


def _balanced(target: Any) -> dict[int, float]:
    size = 1 << 16
    counts: dict[int, int] = {}
    for start in range(0, target.shape[0], size):
        stop = min(start + size, target.shape[0])
        piece = target.read(start, stop) if isinstance(target, Rows) else target[start:stop]
        for label, count in zip(*np.unique(_labels(piece), return_counts=True), strict=True):
            counts[int(label)] = counts.get(int(label), 0) + int(count)
    return {label: target.shape[0] / (len(counts) * count) for label, count in counts.items()}


def _multiply(table: dict[int, float] | None, target: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    if table is None:
        return np.ones(target.shape[0], "float32") if weight is None else weight
    labels, where = np.unique(_labels(target), return_inverse=True)
    factors = np.array([table.get(int(label), 1.0) for label in labels], "float32")[where.ravel()]
    return factors if weight is None else weight * factors.reshape(-1, *[1] * (weight.ndim - 1))


def _labels(target: np.ndarray) -> np.ndarray:
    """Class of each row."""
    if target.ndim == 2 and target.shape[1] > 1:
        return target.argmax(axis=1)
    if target.size != target.shape[0]:
        raise DataError(
            f"class_weight needs one class for each row, but y has shape {target.shape}. "
            "Give sample_weight instead, with one weight for each step or pixel."
        )
    return np.rint(target.reshape(-1)).astype("int64")


def _flat(weight: Any) -> Any:
    """One weight a row is ``(n,)``, also where it came as a column."""
    return weight[:, 0] if isinstance(weight, np.ndarray) and weight.ndim == 2 and weight.shape[1] == 1 else weight


def _refuse_unknown(argument: str, given: Mapping[Any, Any], names: Sequence[Any]) -> None:
    for key in given:
        if names and key not in names:
            raise DataError(f"{argument} names the output {key!r}.{suggestion(key, names)}")

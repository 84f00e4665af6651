"""What can be seen to be wrong before a model runs on data: errors where nothing right can follow, else warnings.

Losses and metrics of the user's own are not judged: they may read anything into their targets.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keraunos import losses, metrics
from keraunos.training.data.checks import check_labels, check_weights, not_finite
from keraunos.training.data.lookups import Lookups
from keraunos.training.objectives import Objectives
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, DataError, warn

# How far outside of 0 to 1 labels of a probability may lie: noise, and labels softened by hand, do.
_SOFT = 0.25
# Numbers of a target that are looked at; of more, evenly spaced rows.
_ENOUGH = 1 << 23
# Rows that a model is called on at once, to find the one that it cannot take.
_ROWS_TRIED = 128

_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
_ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
_SPARSE = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
_REGRESSION = (
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
    "huber", "log_cosh",
)  # fmt: skip
# Activations whose values are probabilities, and those that are below 0 somewhere.
_PROBABILITIES = ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax", "sparsemax")
_SIGNED = (
    "linear", "tanh", "hard_tanh", "elu", "selu", "celu", "leaky_relu", "silu", "hard_silu", "gelu", "mish", "softsign",
    "tanh_shrink", "soft_shrink", "hard_shrink", "log_sigmoid", "log_softmax",
)  # fmt: skip
_UNBOUNDED = ("relu", "relu6", "softplus", "sparse_plus", "squareplus", "exponential")


class Inspection:
    """What is looked at in the data of one model.

    Args:
        lookups: Which numbers of the inputs are looked up in tables.
        objectives: Resolved losses and metrics; ``None`` for a prediction.
        outputs: Specs of the outputs.
    """

    def __init__(self, lookups: Lookups, objectives: Objectives | None = None, outputs: Any = None) -> None:
        self._lookups, self._objectives = lookups, objectives
        self._labelled: list[tuple[str, int, Any]] = []
        if objectives is not None:
            specs = dict(zip(objectives.names, tree.leaves(outputs), strict=False))
            for name, loss in objectives.losses.items():
                classes = specs[name].shape[getattr(loss, "axis", None) or -1] if name in specs else None
                if losses.built_in(loss) in _SPARSE and classes:
                    self._labelled.append((name, classes, loss))

    def errors(self, data: tuple[Any, Any, Any], where: str = "") -> None:
        """Raise ``DataError`` for data that cannot be used; ``where`` begins the message."""
        x, y, sample_weight = data
        if self._lookups.known:
            self._lookups.check(x, where)
        if sample_weight is not None:
            check_weights(sample_weight, where)
        if self._labelled and self._objectives is not None:
            targets, weights = _by_name(self._objectives, y), _by_name(self._objectives, sample_weight)
            for name, classes, loss in self._labelled:
                ignored = getattr(loss, "ignore_class", None)
                check_labels(
                    targets.get(name), classes, loss.name, name, ignored, weight=weights.get(name), where=where
                )

    def warnings(self, data: tuple[Any, Any, Any], *, carries_nan: bool) -> bool:
        """Warn of data from which nothing sensible is learned; whether they hold NaN.

        Args:
            data: ``(x, y, sample_weight)``.
            carries_nan: Whether NaN in ``x`` is sure to reach the loss.
        """
        assert self._objectives is not None
        x, y, _ = data
        own = [name for name, loss in self._objectives.losses.items() if losses.built_in(loss) is not None]
        targets = _by_name(self._objectives, y)
        judged = {name: target for name, target in targets.items() if name in own and target is not None}
        found = not_finite(x, "x") if carries_nan and own else []
        found += not_finite(y if len(judged) == len(targets) else judged, "y") if judged else []
        if found:
            warn(
                f"{'; '.join(found)}. The loss becomes NaN with them. "
                "Drop or fill these values, for example with np.nan_to_num(x)."
            )
        for name, target in judged.items():
            warn_of_targets(self._objectives, name, _looked_at(target))
        return bool(found)


def warn_of_targets(objectives: Objectives, name: str, target: np.ndarray) -> None:
    """Warn where the targets of an output cannot be what its built-in loss and metrics take them for."""
    loss = objectives.losses[name]
    kind, label = losses.built_in(loss), objectives.label(name)
    if kind in _BINARY:
        low, high = float(target.min()), float(target.max())
        if low < -_SOFT or high > 1 + _SOFT:
            warn(f"{label}: y holds {low if low < -_SOFT else high:g}, but labels are from 0 to 1. {_scaled(target)}")
    elif kind in _ONE_HOT and getattr(loss, "axis", -1) in (-1, None):
        _warn_of_rows(label, target)
    elif kind in _REGRESSION and target.dtype.kind != "b":
        exact = (target == 0) | (target == 1)
        if not exact.all():
            for metric in (*objectives.metrics[name], *objectives.weighted[name]):
                if _counts_labels(metric):
                    value = target[~exact].flat[0]
                    warn(
                        f"{label}: the metric {metric.name!r} counts labels that are right, 0 or 1, but y holds "
                        f"{value:g} and the loss measures distances. Use a metric of distances, such as 'mae' or "
                        "keraunos.metrics.R2Score(), or for classes a loss of classes."
                    )


def warn_of_outputs(objectives: Objectives, activations: Mapping[str, tuple[str, str]]) -> None:
    """Warn where a loss of probabilities gets none, or a loss of logits gets probabilities.

    Args:
        objectives: Resolved losses.
        activations: For outputs of which they are known: name of the layer and of its activation.
    """
    for name, loss in objectives.losses.items():
        kind = losses.built_in(loss)
        if name not in activations or kind not in (*_BINARY, *_ONE_HOT, *_SPARSE, "kl_divergence"):
            continue
        layer, activation = activations[name]
        label = objectives.label(name)
        right = "sigmoid" if kind in _BINARY else "softmax"
        if getattr(loss, "from_logits", False):
            if activation in _PROBABILITIES:
                warn(
                    f"{label}: from_logits=True, but {layer!r} ends with the activation {activation!r}, so its outputs are "
                    f"probabilities already and would pass a second {right}. Leave from_logits out, or the activation."
                )
        elif activation in _SIGNED or (activation in _UNBOUNDED and kind in _BINARY):
            logits = (
                f", or from_logits=True in the loss where it gives {right} its inputs"
                if kind != "kl_divergence"
                else ""
            )
            warn(
                f"{label}: the loss takes probabilities, but {layer!r} ends with the activation {activation!r}, whose values "
                f"are none. Use activation={right!r}{logits}."
            )


def refuse_lookups(model: Any, x: Any, method: str) -> None:
    """Raise ``DataError`` for the first row of ``x`` in which the model looks up a number that is no row of its table.

    For models whose numbers are not known before they run: outside of a compiled program the layer itself refuses them.
    """

    def refused(start: int, stop: int) -> ArgumentError | None:
        part = tree.map(lambda leaf: None if leaf is None else leaf[start:stop], x)
        try:
            model(part, training=False)
        except ArgumentError as error:
            return error
        return None

    rows = len(next(leaf for leaf in tree.leaves(x) if leaf is not None))
    start, stop = 0, 0
    error = None
    while error is None and stop < rows:
        start, stop = stop, min(stop + _ROWS_TRIED, rows)
        error = refused(start, stop)
    if error is None:
        return
    while stop - start > 1:
        middle = (start + stop) // 2
        found = refused(start, middle)
        start, stop, error = (start, middle, found) if found is not None else (middle, stop, error)
    raise DataError(f"{method}: NaN came out. In row {start} of x: {refused(start, stop) or error}")


def _by_name(objectives: Objectives, y: Any) -> dict[str, Any]:
    return dict(y) if isinstance(y, Mapping) else dict(zip(objectives.names, tree.leaves(y), strict=False))


def _looked_at(target: Any) -> np.ndarray:
    array = np.asarray(target)
    return array if array.size <= _ENOUGH else array[:: -(-array.size // _ENOUGH)]


def _scaled(target: np.ndarray) -> str:
    """What to do about labels that are none of a probability."""
    low, high = float(target.min()), float(target.max())
    whole = target.dtype.kind in "iu" or not (target != np.floor(target)).any()
    if low == -1 and high == 1:
        return "Give (y + 1) / 2; or use loss='hinge' and activation='tanh'."
    if low >= 0 and high == 255:
        return "Divide y by 255."
    if low >= 0 and whole:
        classes = int(high) + 1
        return (
            f"For {classes} classes end the model with {classes} units and a softmax, and use "
            "loss='sparse_categorical_crossentropy'."
        )
    return "Scale them, or use a loss of distances such as 'mse'."


def _warn_of_rows(label: str, target: np.ndarray) -> None:
    if target.ndim < 2:
        return
    rows = target.reshape(-1, target.shape[-1])
    sums = rows.sum(axis=-1, dtype="float64")
    odd = np.abs(sums - 1) > 0.01
    if not odd.any():
        return
    rows, sums = rows[odd], sums[odd]
    entries = (rows != 0).sum(axis=-1)
    # Rows of zeros leave a place out, and one entry of any size weighs its row, as returns do in policy gradients.
    one = entries == 1
    weighed = one.any() and len(np.unique(sums[one])) > 2
    wrong = (entries > 1) | (one & (not weighed))
    if not wrong.any():
        return
    total, several = float(sums[wrong][0]), bool((entries > 1)[wrong].any())
    advice = "Divide y by its largest value."
    if several and np.isin(rows, (0, 1)).all():
        advice = "For several classes at once use loss='binary_crossentropy' and a sigmoid."
    elif several:
        advice = "Divide each row by its sum."
    warn(f"{label}: a row of y sums to {total:g}, but one-hot labels, and probabilities, sum to 1. {advice}")


def _counts_labels(metric: Any) -> bool:
    """Whether a metric of the library's compares labels with thresholded outputs, or ranks by them."""
    counted = (metrics.Accuracy, metrics.BinaryAccuracy, metrics.AUC, metrics.Precision, metrics.Recall)
    return isinstance(metric, counted)

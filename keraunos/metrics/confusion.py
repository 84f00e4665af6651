"""Metrics that count hits and misses at thresholds: precision, recall, and areas under curves."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, SupportsFloat, SupportsIndex

import numpy as np

from keraunos.backend import K
from keraunos.core.fields import (
    Converted,
    Declared,
    Dtype,
    Field,
    Name,
    NonNegativeInt,
    PositiveInt,
    Rate,
    choice,
    real,
)
from keraunos.losses import squeeze_or_expand_to_same_rank
from keraunos.metrics.base import Metric, table
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text

# What a class outside the likeliest k is predicted with: below every threshold.
_NOT_PREDICTED = -1e10


def _thresholds(value: Any) -> Any:
    many = isinstance(value, (list, tuple, np.ndarray))
    numbers = [real(0, 1)(item) for item in (value if many else [value])] if value is not None else None
    return numbers if many or numbers is None else numbers[0]


def _optional(convert: Any) -> Any:
    return lambda value: None if value is None else convert(value)


def _upper_choice(*allowed: str) -> Any:
    convert = choice(*(name.lower() for name in allowed))
    return lambda value: convert(value).upper()


def _weights(value: Any) -> Any:
    return None if value is None else np.asarray(value, "float32").tolist()


Thresholds = Annotated[Converted[Any, SupportsFloat | Sequence[SupportsFloat] | np.ndarray | None], Field(_thresholds)]
ClassId = Annotated[
    Converted[int | None, SupportsIndex | None], Field(_optional(NonNegativeInt.__metadata__[0].convert))
]
TopK = Annotated[Converted[int | None, SupportsIndex | None], Field(_optional(PositiveInt.__metadata__[0].convert))]


class _Confusion(Metric, Declared):
    """Base: sums of weights of true and false positives and negatives at thresholds.

    ``y_true`` holds labels 0 and 1 in the shape of ``y_pred``. Integer labels
    beside several outputs, ``(batch,)`` against ``(batch, classes)``, are one-hot
    encoded first (Keras wants them encoded).
    """

    row_wise = True
    #: Which of tp, fp, tn, fn are kept, by the name of the Variable.
    kept: ClassVar[Mapping[str, str]] = {}

    def _levels(self) -> Sequence[float]:
        """The thresholds."""
        given = getattr(self, "thresholds", None)
        top_k = getattr(self, "top_k", None)
        default = 0.5 if top_k is None else _NOT_PREDICTED
        return np.atleast_1d(default if given is None else given).tolist()

    def setup(self) -> None:
        """Make the sums."""
        self.levels = self._levels()
        for name in self.kept:
            setattr(self, name, self.add_variable((len(self.levels),), dtype=self.dtype, name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Labels 0 and 1, ``(batch, ...)``, or integer labels.
            y_pred: Probabilities, ``(batch, ...)``.
            sample_weight: Weights, ``(batch,)`` or in the shape of the labels.
        """
        self._add(self._prepared(y_true, y_pred, sample_weight))

    row_wise = True

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        top_k, class_id = getattr(self, "top_k", None), getattr(self, "class_id", None)
        y_true, y_pred, weight = paired(self.name, y_true, y_pred, sample_weight, self.dtype)
        if top_k is not None:
            y_pred = _only_top(y_pred, top_k, self.name)
        if class_id is not None:
            if len(K.shape(y_pred)) < 2 or class_id >= K.shape(y_pred)[-1]:
                raise ShapeError(
                    f"{self.name}: class_id is {class_id}, but the outputs have shape {shape_text(K.shape(y_pred))}. "
                    "Give an index of their last axis."
                )
            y_true, y_pred, weight = (x[..., class_id : class_id + 1] for x in (y_true, y_pred, weight))
        return y_true, y_pred, weight

    def _add(self, prepared: tuple[Any, Any, Any], *, by_label: bool = False) -> None:
        true, false, tp, fp = at_thresholds(*prepared, self.levels, by_label=by_label)
        found = {"tp": tp, "fp": fp, "tn": K.sum(false, 0) - fp, "fn": K.sum(true, 0) - tp}
        for name, kind in self.kept.items():
            variable = getattr(self, name)
            variable.assign(variable + K.reshape(found[kind], variable.shape))

    def _single(self, values: Any) -> Any:
        return values[0] if len(self.levels) == 1 else values


class _Count(_Confusion):
    """Base of the four counts.

    Args:
        thresholds: Probability above which the prediction is 1, 0.5 if not given;
            or several, for as many results.
        name: Name in logs.
        dtype: As in ``Metric``.
    """

    def result(self) -> Any:
        """The sum of weights; one for each threshold where several were given."""
        return self._single(self.accumulator.value)


@table.register("tp")
class TruePositives(_Count):
    """How many labels 1 are predicted as 1, weighted.

    Args:
        thresholds: Probability above which the prediction is 1, 0.5 if not given;
            or several, for as many results.
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(TruePositives()([0, 1, 1, 1], [0.0, 0.4, 0.9, 0.8]))
    2.0
    """

    kept = {"accumulator": "tp"}
    direction = "up"
    thresholds: Thresholds = None
    name: Name = None
    dtype: Dtype = None


@table.register("fp")
class FalsePositives(_Count):
    """How many labels 0 are predicted as 1, weighted; arguments as in ``TruePositives``."""

    kept = {"accumulator": "fp"}
    direction = "down"
    thresholds: Thresholds = None
    name: Name = None
    dtype: Dtype = None


@table.register("tn")
class TrueNegatives(_Count):
    """How many labels 0 are predicted as 0, weighted; arguments as in ``TruePositives``."""

    kept = {"accumulator": "tn"}
    direction = "up"
    thresholds: Thresholds = None
    name: Name = None
    dtype: Dtype = None


@table.register("fn")
class FalseNegatives(_Count):
    """How many labels 1 are predicted as 0, weighted; arguments as in ``TruePositives``."""

    kept = {"accumulator": "fn"}
    direction = "down"
    thresholds: Thresholds = None
    name: Name = None
    dtype: Dtype = None


@table.register()
class Precision(_Confusion):
    """``TP / (TP + FP)``: the share of predictions of 1 that are right.

    Integer labels beside several outputs are one-hot encoded; all classes are
    counted together then.

    Args:
        thresholds: Probability above which the prediction is 1, 0.5 if not given;
            or several, for as many results.
        top_k: Instead of a threshold: the ``k`` likeliest classes are predicted.
        class_id: Index of the only output that counts.
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(Precision()([0, 0, 1, 1], [1.0, 1.0, 1.0, 1.0]))
    0.5
    """

    kept = {"true_positives": "tp", "false_positives": "fp"}
    direction = "up"
    thresholds: Thresholds = None
    top_k: TopK = None
    class_id: ClassId = None
    name: Name = None
    dtype: Dtype = None

    def result(self) -> Any:
        """Precision; 0 where nothing was predicted as 1."""
        return self._single(_ratio(self.true_positives, self.false_positives))


@table.register()
class Recall(_Confusion):
    """``TP / (TP + FN)``: the share of labels 1 that are found; arguments as in ``Precision``.

    >>> float(Recall()([0, 1, 1], [1.0, 0.0, 1.0]))
    0.5
    """

    kept = {"true_positives": "tp", "false_negatives": "fn"}
    direction = "up"
    thresholds: Thresholds = None
    top_k: TopK = None
    class_id: ClassId = None
    name: Name = None
    dtype: Dtype = None

    def result(self) -> Any:
        """Recall; 0 where there is no label 1."""
        return self._single(_ratio(self.true_positives, self.false_negatives))


# --- one quantity where another is large enough -------------------------------------------


class _AtThreshold(_Confusion):
    """Base: the best of one ratio over the thresholds at which another reaches a value."""

    kept = {
        "true_positives": "tp",
        "false_positives": "fp",
        "true_negatives": "tn",
        "false_negatives": "fn",
    }
    direction = "up"
    given: ClassVar[str]
    wanted: ClassVar[str]

    def _levels(self) -> Sequence[float]:
        count = self.num_thresholds
        return [0.5] if count == 1 else np.linspace(0.0, 1.0, count).tolist()

    def _ratio_of(self, name: str) -> Any:
        first, second = {
            "sensitivity": ("true_positives", "false_negatives"),
            "recall": ("true_positives", "false_negatives"),
            "specificity": ("true_negatives", "false_positives"),
            "precision": ("true_positives", "false_positives"),
        }[name]
        return _ratio(getattr(self, first), getattr(self, second))

    def result(self) -> Any:
        """The best value; 0 where no threshold is good enough."""
        enough = K.greater_equal(self._ratio_of(self.given), getattr(self, self.given))
        return K.max(K.where(enough, self._ratio_of(self.wanted), 0.0))


@table.register()
class SensitivityAtSpecificity(_AtThreshold):
    """The best ``TP / (TP + FN)`` at a threshold where ``TN / (TN + FP)`` is at least ``specificity``.

    Args:
        specificity: 0 to 1.
        num_thresholds: How many thresholds, evenly from 0 to 1, are tried.
        class_id: Index of the only output that counts.
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    given, wanted = "specificity", "sensitivity"
    specificity: Rate
    num_thresholds: PositiveInt = 200
    class_id: ClassId = None
    name: Name = None
    dtype: Dtype = None


@table.register()
class SpecificityAtSensitivity(_AtThreshold):
    """The best ``TN / (TN + FP)`` at a threshold where ``TP / (TP + FN)`` is at least ``sensitivity``.

    Args:
        sensitivity: 0 to 1.
        num_thresholds, class_id, name, dtype: As in ``SensitivityAtSpecificity``.
    """

    given, wanted = "sensitivity", "specificity"
    sensitivity: Rate
    num_thresholds: PositiveInt = 200
    class_id: ClassId = None
    name: Name = None
    dtype: Dtype = None


@table.register()
class PrecisionAtRecall(_AtThreshold):
    """The best ``TP / (TP + FP)`` at a threshold where ``TP / (TP + FN)`` is at least ``recall``.

    Args:
        recall: 0 to 1.
        num_thresholds, class_id, name, dtype: As in ``SensitivityAtSpecificity``.
    """

    given, wanted = "recall", "precision"
    recall: Rate
    num_thresholds: PositiveInt = 200
    class_id: ClassId = None
    name: Name = None
    dtype: Dtype = None


@table.register()
class RecallAtPrecision(_AtThreshold):
    """The best ``TP / (TP + FN)`` at a threshold where ``TP / (TP + FP)`` is at least ``precision``.

    Args:
        precision: 0 to 1.
        num_thresholds, class_id, name, dtype: As in ``SensitivityAtSpecificity``.
    """

    given, wanted = "precision", "recall"
    precision: Rate
    num_thresholds: PositiveInt = 200
    class_id: ClassId = None
    name: Name = None
    dtype: Dtype = None


# --- areas ------------------------------------------------------------------------------


@table.register()
class AUC(_Confusion):
    """Area under the curve of ``TP / (TP + FN)`` over ``FP / (FP + TN)`` (or of precision over recall).

    The curve is known at the thresholds only: the area is an approximation, the
    better the more of them there are near the predictions.

    Args:
        num_thresholds: How many, evenly from 0 to 1; 2 or more.
        curve: ``"ROC"``, ``"PR"`` (precision over recall) or ``"PRGAIN"``.
        summation_method: ``"interpolation"`` (trapezia; for PR the formula of Davis &
            Goadrich), ``"minoring"`` or ``"majoring"`` (lower or upper steps).
        name: Name in logs.
        dtype: As in ``Metric``.
        thresholds: Instead of even ones: values in [0, 1]; both ends are added.
        multi_label: Whether each column is a task of its own, whose areas are averaged.
        num_labels: Number of columns, known early.
        label_weights: Weight of each column.
        from_logits: Whether predictions are logits.

    Reference: Davis & Goadrich, "The Relationship Between Precision-Recall and ROC
    Curves", 2006; Flach & Kull, "Precision-Recall-Gain Curves", 2015.

    >>> float(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
    0.75
    """

    kept = {
        "true_positives": "tp",
        "false_positives": "fp",
        "true_negatives": "tn",
        "false_negatives": "fn",
    }
    direction = "up"
    num_thresholds: PositiveInt = 200
    curve: Annotated[str, Field(_upper_choice("ROC", "PR", "PRGAIN"))] = "ROC"
    summation_method: Annotated[str, Field(choice("interpolation", "majoring", "minoring"))] = "interpolation"
    name: Name = None
    dtype: Dtype = None
    thresholds: Thresholds = None
    multi_label: bool = False
    num_labels: Annotated[
        Converted[int | None, SupportsIndex | None], Field(_optional(PositiveInt.__metadata__[0].convert))
    ] = None
    label_weights: Annotated[Any, Field(_weights)] = None
    from_logits: bool = False

    def setup(self) -> None:
        """Make the sums, where the number of columns does not matter or is known."""
        if self.thresholds is None and self.num_thresholds < 2:
            raise ArgumentError(f"AUC: num_thresholds is {self.num_thresholds}; expected a whole number, 2 or more.")
        if self.num_labels is not None and not self.multi_label:
            raise ArgumentError(f"AUC: num_labels is {self.num_labels}; it needs multi_label=True.")
        inner = np.linspace(0.0, 1.0, self.num_thresholds)[1:-1] if self.thresholds is None else self.thresholds
        # Predictions of exactly 0 and 1 must lie between the ends.
        self.levels = [-epsilon(), *np.sort(np.atleast_1d(inner)).tolist(), 1.0 + epsilon()]
        self.num_thresholds = len(self.levels)
        if not self.multi_label or self.num_labels:
            self._make(() if not self.multi_label else (self.num_labels,))

    def _make(self, columns: tuple[Any, ...]) -> None:
        for name in self.kept:
            setattr(self, name, self.add_variable((len(self.levels), *columns), dtype=self.dtype, name=name))

    def build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        """Make the sums for each column."""
        if "true_positives" in self.__dict__:
            return
        if len(y_pred_shape) != 2:
            raise ShapeError(
                f"{self.name}: the outputs have shape {shape_text(y_pred_shape)}. With multi_label=True they must be "
                "(batch, labels)."
            )
        self._make((y_pred_shape[1],))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in; arguments as in ``Precision``."""
        self.build(K.shape(y_true), K.shape(y_pred))
        y_pred = K.sigmoid(K.cast(K.array(y_pred), self.dtype)) if self.from_logits else y_pred
        y_true, y_pred, weight = self._prepared(y_true, y_pred, sample_weight)
        if self.label_weights is not None and not self.multi_label:
            weight = weight * K.array(self.label_weights, self.dtype)
        self._add((y_true, y_pred, weight), by_label=self.multi_label)

    row_wise = True

    def result(self) -> Any:
        """The area; of several columns their weighted mean."""
        self._need_state("true_positives")
        tp, fp = self.true_positives.value, self.false_positives.value
        tn, fn = self.true_negatives.value, self.false_negatives.value
        if self.curve == "PR" and self.summation_method == "interpolation":
            area = K.sum(_interpolated(tp, fp, fn), 0)
        else:
            x, y = self._points(tp, fp, tn, fn)
            low, high = K.minimum(y[:-1], y[1:]), K.maximum(y[:-1], y[1:])
            heights = {"interpolation": (low + high) / 2.0, "minoring": low, "majoring": high}[self.summation_method]
            area = K.sum((x[:-1] - x[1:]) * heights, 0)
        if not self.multi_label:
            return area
        if self.label_weights is None:
            return K.mean(area)
        weights = K.array(self.label_weights, self.dtype)
        return K.divide_no_nan(K.sum(area * weights), K.sum(weights))

    def _points(self, tp: Any, fp: Any, tn: Any, fn: Any) -> tuple[Any, Any]:
        if self.curve == "ROC":
            return _ratio(fp, tn), _ratio(tp, fn)
        if self.curve == "PR":
            return _ratio(tp, fn), _ratio(tp, fp)
        odds = K.divide_no_nan(tp + fn, tn + fp)
        none = K.equal(tp, 0)
        recall_gain = K.where(none, 0.0, 1.0 - odds * K.divide_no_nan(fn, tp))
        return K.maximum(recall_gain, 0.0), K.where(none, 1.0, 1.0 - odds * K.divide_no_nan(fp, tp))

    def get_config(self) -> dict[str, Any]:
        """Arguments as plain data."""
        return {**super().get_config(), **({} if self.thresholds is None else {"thresholds": self.levels[1:-1]})}


# --- helpers ----------------------------------------------------------------------------


def paired(name: str, y_true: Any, y_pred: Any, sample_weight: Any, dtype: str) -> tuple[Any, Any, Any]:
    """Labels, predictions and weights in one shape; integer labels of many classes are one-hot encoded."""
    y_true, y_pred = K.array(y_true), K.cast(K.array(y_pred), dtype)
    shape = K.shape(y_pred)
    labels = (
        K.shape(y_true)[:-1] if len(K.shape(y_true)) == len(shape) and K.shape(y_true)[-1] == 1 else K.shape(y_true)
    )
    if len(shape) > 1 and shape[-1] > 1 and tuple(labels) == tuple(shape[:-1]):
        y_true = K.one_hot(K.reshape(y_true, shape[:-1]), shape[-1], dtype=dtype)
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, K.cast(y_true, dtype))
    shape = K.shape(y_pred)
    if tuple(shape) != tuple(K.shape(y_true)):
        raise ShapeError(
            f"{name}: y has shape {shape_text(K.shape(y_true))}, the outputs {shape_text(shape)}. The two must be "
            "equal, or y must hold one integer label for each row of outputs."
        )
    if sample_weight is None:
        return y_true, y_pred, K.ones_like(y_pred)
    weight = K.cast(K.array(sample_weight), dtype)
    own = K.shape(weight)
    if own == shape[: len(own)]:
        weight = K.reshape(weight, (*own, *[1] * (len(shape) - len(own))))
    elif len(own) == len(shape) + 1 and own[-1] == 1:
        weight = K.squeeze(weight, -1)
    try:
        np.broadcast_shapes(K.shape(weight), shape)
    except ValueError:
        raise ShapeError(
            f"{name}: sample_weight has shape {shape_text(own)}, which does not fit the labels of shape "
            f"{shape_text(shape)}. Give one weight for each row, or one for each value."
        ) from None
    return y_true, y_pred, K.broadcast_to(weight, shape)


def at_thresholds(
    y_true: Any, y_pred: Any, weight: Any, levels: Sequence[float], *, by_label: bool = False
) -> tuple[Any, Any, Any, Any]:
    """Weights of labels 1 and 0, ``(values, labels)``, and sums of both above each threshold, ``(levels, labels)``."""
    labels = K.shape(y_pred)[-1] if by_label else 1
    y_true, y_pred, weight = (K.reshape(x, (-1, labels)) for x in (y_true, y_pred, weight))
    positive = K.not_equal(y_true, 0)
    true, false = K.where(positive, weight, 0.0), K.where(positive, 0.0, weight)
    both = K.concatenate([true, false], 1)
    even = np.arange(len(levels)) / max(len(levels) - 1, 1)
    if len(levels) < 3 or not np.allclose(levels, even, atol=epsilon()):
        # (levels, values, labels) of truths, summed over the values.
        above = K.greater(y_pred[None], K.array(np.asarray(levels, "float32"), K.dtype(y_pred))[:, None, None])
        above = K.concatenate([above, above], 2)
        sums = K.sum(K.where(above, both[None], 0.0), 1)
    else:
        # Evenly spaced thresholds: each value goes into its bucket, and sums run from the top.
        # Bucket 0 holds what is above no threshold.
        last = len(levels) - 1
        bucket = K.ceil(K.clip(y_pred, 0.0, 1.0) * last)
        bucket = K.maximum(bucket, 1.0) if levels[0] < 0 else bucket
        bucket = K.cast(bucket, "int32")
        column = K.arange(2 * labels)[None, :]
        index = K.concatenate([bucket, bucket], 1) * (2 * labels) + column
        size = (last + 2) * 2 * labels
        sums = K.reshape(K.segment_sum(K.ravel(both), K.ravel(index), size), (last + 2, 2 * labels))
        sums = K.flip(K.cumsum(K.flip(sums[1:], 0), 0), 0)
    return true, false, sums[:, :labels], sums[:, labels:]


def _only_top(y_pred: Any, k: int, name: str) -> Any:
    """Predictions with all but the ``k`` largest of each row below every threshold."""
    classes = K.shape(y_pred)[-1]
    if k > classes:
        raise ShapeError(f"{name}: top_k is {k}, but the outputs have {classes} classes. Give {classes} or less.")
    _, index = K.top_k(y_pred, k)
    chosen = K.sum(K.one_hot(index, classes, dtype=K.dtype(y_pred)), -2)
    return K.where(K.greater(chosen, 0), y_pred, _NOT_PREDICTED)


def _ratio(part: Any, rest: Any) -> Any:
    """``part / (part + rest)``, and 0 where both are 0."""
    return K.divide_no_nan(part, part + rest)


def _interpolated(tp: Any, fp: Any, fn: Any) -> Any:
    """Areas between neighbouring points of a precision-recall curve, whose true positives grow evenly."""
    positives = tp + fp
    gained, slope_base = tp[:-1] - tp[1:], positives[:-1] - positives[1:]
    slope = K.divide_no_nan(gained, K.maximum(slope_base, 0.0))
    intercept = tp[1:] - slope * positives[1:]
    both = K.logical_and(K.greater(positives[:-1], 0), K.greater(positives[1:], 0))
    ratio = K.where(both, K.divide_no_nan(positives[:-1], K.maximum(positives[1:], 0.0)), 1.0)
    return K.divide_no_nan(slope * (gained + intercept * K.log(ratio)), tp[1:] + fn[1:])

"""Accuracies: the share of rows, or steps, whose label is met."""

from typing import Annotated, Any, SupportsFloat

from keraunos.backend import K
from keraunos.core.fields import Converted, Dtype, Field, Name, PositiveInt, real
from keraunos.losses import squeeze_or_expand_to_same_rank
from keraunos.metrics.base import table
from keraunos.metrics.reductions import MeanMetricWrapper, metric_function
from keraunos.utils.config import floatx
from keraunos.utils.errors import ShapeError
from keraunos.utils.text import shape_text


@metric_function
def accuracy(y_true: Any, y_pred: Any) -> Any:
    """``y_true == y_pred``, elementwise, as 0 and 1.

    >>> accuracy([1, 2], [1, 3]).tolist()
    [1.0, 0.0]
    """
    y_pred = K.array(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(K.cast(K.array(y_true), K.dtype(y_pred)), y_pred)
    return K.cast(K.equal(y_true, y_pred), floatx())


@metric_function
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float | None = 0.5) -> Any:
    """``y_true == (y_pred > threshold)``, elementwise, as 0 and 1.

    Args:
        y_true: Labels 0 and 1, ``(batch, ..., d)``.
        y_pred: Probabilities of the same shape.
        threshold: Probability above which the prediction is 1; ``None`` to round to the nearest whole number.

    >>> binary_accuracy([[1], [1]], [[0.7], [0.3]]).tolist()
    [[1.0], [0.0]]
    """
    y_true, y_pred = squeeze_or_expand_to_same_rank(K.array(y_true), K.array(y_pred))
    if threshold is None:
        return K.cast(K.equal(K.cast(y_true, K.dtype(y_pred)), K.round(y_pred)), floatx())
    return K.cast(K.equal(y_true, K.cast(K.greater(y_pred, threshold), K.dtype(y_true))), floatx())


@metric_function
def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """``argmax(y_true) == argmax(y_pred)`` over the last axis, as 0 and 1.

    Args:
        y_true: One-hot labels, ``(batch, ..., classes)``.
        y_pred: Probabilities or logits of the same shape.

    >>> categorical_accuracy([[0, 1], [0, 1]], [[0.2, 0.8], [0.9, 0.1]]).tolist()
    [1.0, 0.0]
    """
    y_true, y_pred = K.array(y_true), K.array(y_pred)
    _same_rows("categorical_accuracy", K.shape(y_true)[:-1], y_true, y_pred)
    return K.cast(K.equal(K.argmax(y_true, -1), K.argmax(y_pred, -1)), floatx())


@metric_function
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """``y_true == argmax(y_pred)`` over the last axis, as 0 and 1.

    Args:
        y_true: Integer labels, ``(batch, ...)`` or ``(batch, ..., 1)``.
        y_pred: Probabilities or logits, ``(batch, ..., classes)``.

    >>> sparse_categorical_accuracy([1, 1], [[0.2, 0.8], [0.9, 0.1]]).tolist()
    [1.0, 0.0]
    """
    labels, y_pred = _labels("sparse_categorical_accuracy", y_true, y_pred)
    return K.cast(K.equal(labels, K.argmax(y_pred, -1)), floatx())


@metric_function
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Whether ``argmax(y_true)`` is among the ``k`` likeliest classes, as 0 and 1.

    Args:
        y_true: One-hot labels, ``(batch, ..., classes)``.
        y_pred: Probabilities or logits of the same shape.
        k: How many classes are looked at.

    >>> top_k_categorical_accuracy([[0, 1, 0]], [[0.5, 0.4, 0.1]], k=2).tolist()
    [1.0]
    """
    y_true, y_pred = K.array(y_true), K.array(y_pred)
    _same_rows("top_k_categorical_accuracy", K.shape(y_true)[:-1], y_true, y_pred)
    return K.cast(K.in_top_k(K.argmax(y_true, -1), y_pred, k), floatx())


@metric_function
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """Whether ``y_true`` is among the ``k`` likeliest classes, as 0 and 1.

    Args:
        y_true: Integer labels, ``(batch, ...)`` or ``(batch, ..., 1)``.
        y_pred: Probabilities or logits, ``(batch, ..., classes)``; or class ids, likeliest first.
        k: How many classes are looked at.
        from_sorted_ids: Whether ``y_pred`` holds ids.

    >>> sparse_top_k_categorical_accuracy([2, 1], [[0.5, 0.4, 0.1], [0.5, 0.4, 0.1]], k=2).tolist()
    [0.0, 1.0]
    """
    labels, y_pred = _labels("sparse_top_k_categorical_accuracy", y_true, y_pred)
    if from_sorted_ids:
        ids = K.cast(y_pred[..., :k], "int32")
        return K.cast(K.any(K.equal(K.expand_dims(labels, -1), ids), -1), floatx())
    return K.cast(K.in_top_k(labels, y_pred, k), floatx())


@table.register("acc")
class Accuracy(MeanMetricWrapper):
    """Share of values where ``y_true == y_pred``; ``compile`` understands "accuracy" by the shapes.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    fn = staticmethod(accuracy)
    direction = "up"
    name: Name = "accuracy"
    dtype: Dtype = None


@table.register()
class BinaryAccuracy(MeanMetricWrapper):
    """Share of values where ``y_true == (y_pred > threshold)``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        threshold: Probability above which the prediction is 1; ``None`` to round to the nearest whole number.

    >>> float(BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]]))
    0.75
    """

    fn = staticmethod(binary_accuracy)
    direction = "up"
    name: Name = "binary_accuracy"
    dtype: Dtype = None
    threshold: Annotated[Converted[float | None, SupportsFloat | None], Field(real(optional=True))] = 0.5


@table.register()
class CategoricalAccuracy(MeanMetricWrapper):
    """Share of rows where the likeliest class is the one-hot label's.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
    """

    fn = staticmethod(categorical_accuracy)
    direction = "up"
    name: Name = "categorical_accuracy"
    dtype: Dtype = None


@table.register()
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Share of rows where the likeliest class is the integer label.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
    """

    fn = staticmethod(sparse_categorical_accuracy)
    direction = "up"
    name: Name = "sparse_categorical_accuracy"
    dtype: Dtype = None


@table.register()
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """Share of rows whose one-hot label is among the ``k`` likeliest classes.

    Args:
        k: How many classes are looked at.
        name: Name in logs.
        dtype: As in ``Metric``.
    """

    fn = staticmethod(top_k_categorical_accuracy)
    direction = "up"
    k: PositiveInt = 5
    name: Name = "top_k_categorical_accuracy"
    dtype: Dtype = None


@table.register()
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """Share of rows whose integer label is among the ``k`` likeliest classes.

    Args:
        k: How many classes are looked at.
        name: Name in logs.
        dtype: As in ``Metric``.
        from_sorted_ids: Whether ``y_pred`` holds class ids, likeliest first.
    """

    fn = staticmethod(sparse_top_k_categorical_accuracy)
    direction = "up"
    k: PositiveInt = 5
    name: Name = "sparse_top_k_categorical_accuracy"
    dtype: Dtype = None
    from_sorted_ids: bool = False


def _labels(name: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_true, y_pred = K.cast(K.array(y_true), "int32"), K.array(y_pred)
    if len(K.shape(y_true)) == len(K.shape(y_pred)) and K.shape(y_true)[-1] == 1:
        y_true = K.squeeze(y_true, -1)
    _same_rows(name, K.shape(y_true), y_true, y_pred)
    return y_true, y_pred


def _same_rows(name: str, rows: Any, y_true: Any, y_pred: Any) -> None:
    if tuple(rows) != tuple(K.shape(y_pred)[:-1]):
        kind = "integer labels" if name.startswith("sparse") else "one-hot labels"
        other = name.removeprefix("sparse_") if name.startswith("sparse") else f"sparse_{name}"
        raise ShapeError(
            f"{name}: y has shape {shape_text(K.shape(y_true))}, the outputs {shape_text(K.shape(y_pred))}. It needs "
            f"{kind}, one for each row of outputs; for the other kind use {other!r}."
        )

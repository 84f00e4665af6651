"""Losses as metrics: their exact mean over the rows of an epoch."""

from typing import Annotated, Any, SupportsIndex

from keraunos import losses
from keraunos.backend import K
from keraunos.core.fields import Axes, Converted, Dtype, Field, Name, Rate
from keraunos.metrics.base import table
from keraunos.metrics.reductions import MeanMetricWrapper, metric_function

Label = Annotated[
    Converted[int | None, SupportsIndex | None], Field(lambda value: None if value is None else int(value))
]


@metric_function
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``sum(y_true * y_pred) / (|y_true| * |y_pred|)`` along an axis: 1 where the directions agree.

    >>> cosine_similarity([[0.0, 1.0]], [[0.0, 5.0]]).tolist()
    [1.0]
    """
    return -losses.cosine_similarity(y_true, y_pred, axis)


@table.register("mse", "MSE")
class MeanSquaredError(MeanMetricWrapper):
    """Mean of ``(y_true - y_pred)**2``; see ``losses.mean_squared_error``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    fn = staticmethod(losses.mean_squared_error)
    direction = "down"
    name: Name = "mean_squared_error"
    dtype: Dtype = None


@table.register("mae", "MAE")
class MeanAbsoluteError(MeanMetricWrapper):
    """Mean of ``|y_true - y_pred|``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.mean_absolute_error)
    direction = "down"
    name: Name = "mean_absolute_error"
    dtype: Dtype = None


@table.register("mape", "MAPE")
class MeanAbsolutePercentageError(MeanMetricWrapper):
    """Mean of ``100 * |y_true - y_pred| / |y_true|``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.mean_absolute_percentage_error)
    direction = "down"
    name: Name = "mean_absolute_percentage_error"
    dtype: Dtype = None


@table.register("msle", "MSLE")
class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """Mean of ``(log(1 + y_true) - log(1 + y_pred))**2``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.mean_squared_logarithmic_error)
    direction = "down"
    name: Name = "mean_squared_logarithmic_error"
    dtype: Dtype = None


@table.register("logcosh", "log_cosh")
class LogCoshError(MeanMetricWrapper):
    """Mean of ``log(cosh(y_pred - y_true))``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.log_cosh)
    direction = "down"
    name: Name = "logcosh"
    dtype: Dtype = None


@table.register()
class CosineSimilarity(MeanMetricWrapper):
    """Mean cosine of the angle between ``y_true`` and ``y_pred``: 1 where they agree.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        axis: Axis of the vectors.

    >>> float(CosineSimilarity()([[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]]))
    0.5
    """

    fn = staticmethod(cosine_similarity)
    direction = "up"
    name: Name = "cosine_similarity"
    dtype: Dtype = None
    axis: Axes = -1


@table.register()
class Hinge(MeanMetricWrapper):
    """Mean of ``max(1 - y_true * y_pred, 0)``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.hinge)
    direction = "down"
    name: Name = "hinge"
    dtype: Dtype = None


@table.register()
class SquaredHinge(MeanMetricWrapper):
    """Mean of ``max(1 - y_true * y_pred, 0)**2``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.squared_hinge)
    direction = "down"
    name: Name = "squared_hinge"
    dtype: Dtype = None


@table.register()
class CategoricalHinge(MeanMetricWrapper):
    """Mean of ``max(1 + best wrong score - right score, 0)``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.categorical_hinge)
    direction = "down"
    name: Name = "categorical_hinge"
    dtype: Dtype = None


@table.register("kld", "KLD")
class KLDivergence(MeanMetricWrapper):
    """Mean of ``sum(y_true * log(y_true / y_pred))``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.kl_divergence)
    direction = "down"
    name: Name = "kl_divergence"
    dtype: Dtype = None


@table.register()
class Poisson(MeanMetricWrapper):
    """Mean of ``y_pred - y_true * log(y_pred)``; arguments as in ``MeanSquaredError``."""

    fn = staticmethod(losses.poisson)
    direction = "down"
    name: Name = "poisson"
    dtype: Dtype = None


@table.register("bce", "BCE")
class BinaryCrossentropy(MeanMetricWrapper):
    """Mean of ``-(y * log(p) + (1 - y) * log(1 - p))``; see ``losses.binary_crossentropy``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: How far labels are moved towards 1/2, 0 to 1.
    """

    fn = staticmethod(losses.binary_crossentropy)
    direction = "down"
    name: Name = "binary_crossentropy"
    dtype: Dtype = None
    from_logits: bool = False
    label_smoothing: Rate = 0


@table.register()
class CategoricalCrossentropy(MeanMetricWrapper):
    """Mean of ``-sum(y * log(p))`` for one-hot labels; see ``losses.categorical_crossentropy``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: Share of each label that is spread over all classes, 0 to 1.
        axis: Axis of the classes.
    """

    fn = staticmethod(losses.categorical_crossentropy)
    direction = "down"
    name: Name = "categorical_crossentropy"
    dtype: Dtype = None
    from_logits: bool = False
    label_smoothing: Rate = 0
    axis: Axes = -1


@table.register()
class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Mean of ``-log(p[y])`` for integer labels; see ``losses.sparse_categorical_crossentropy``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        from_logits: Whether ``y_pred`` holds logits.
        ignore_class: Label of values that do not count. (Keras leaves them out only
            where sample weights are given, and counts them as 0 otherwise.)
        axis: Axis of the classes.
    """

    fn = staticmethod(losses.sparse_categorical_crossentropy)
    direction = "down"
    name: Name = "sparse_categorical_crossentropy"
    dtype: Dtype = None
    from_logits: bool = False
    ignore_class: Label = None
    axis: Axes = -1

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        """Which labels are not ``ignore_class``."""
        if self.ignore_class is None:
            return None
        labels = K.cast(K.array(y_true), "int32")
        if len(K.shape(labels)) == len(K.shape(y_pred)):
            labels = K.squeeze(labels, self.axis)
        return K.not_equal(labels, self.ignore_class)

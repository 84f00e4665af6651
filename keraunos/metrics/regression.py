"""Metrics of regression that are no mean of rows: root mean square, R2, correlations."""

from typing import Annotated, Any

import numpy as np

from keraunos.backend import K
from keraunos.core.fields import Axes, Declared, Dtype, Field, Name, NonNegativeInt, choice
from keraunos.losses import squeeze_or_expand_to_same_rank
from keraunos.metrics.base import Metric, table
from keraunos.metrics.reductions import Mean, MeanMetricWrapper, metric_function
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ShapeError
from keraunos.utils.text import shape_text


@metric_function
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``cov(y_true, y_pred) / (std(y_true) * std(y_pred))`` along an axis.

    >>> pearson_correlation([[1.0, 2.0, 4.0]], [[2.0, 4.0, 8.0]]).round(4).tolist()
    [1.0]
    """
    x, y = _floats(y_true, y_pred)
    x, y = x - K.mean(x, axis, True), y - K.mean(y, axis, True)
    return K.mean(x / K.std(x, axis, True) * (y / K.std(y, axis, True)), axis)


@metric_function
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``2 cov(y_true, y_pred) / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred))**2)`` along an axis.

    Reference: Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", 1989.

    >>> concordance_correlation([[1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0]]).round(4).tolist()
    [0.5714...]
    """
    x, y = _floats(y_true, y_pred)
    apart = K.square(K.mean(x, axis) - K.mean(y, axis))
    covariance = K.mean((x - K.mean(x, axis, True)) * (y - K.mean(y, axis, True)), axis)
    return 2.0 * covariance / (K.var(x, axis) + K.var(y, axis) + apart + epsilon())


@table.register("rmse", "RMSE")
class RootMeanSquaredError(Mean, Declared):
    """``sqrt(mean((y_true - y_pred)**2))`` over everything that was seen.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(RootMeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.5
    """

    row_wise = True
    direction = "down"
    name: Name = "root_mean_squared_error"
    dtype: Dtype = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in; arguments as in ``MeanMetricWrapper``."""
        y_true, y_pred = _floats(y_true, y_pred, self.dtype)
        super().update_state(K.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        """The root."""
        return K.sqrt(super().result())


class _Moments(Metric, Declared):
    """Base of metrics of means, spreads and residuals for each column, exact over all rows.

    Batches are merged by the formula of Chan et al., "Updating Formulae and a
    Pairwise Algorithm for Computing Sample Variances", 1979; a difference of sums
    of squares would lose its digits in float32.
    """

    _STATE = ("weights", "mean_true", "mean_pred", "spread_true", "spread_pred", "together", "residual")

    def build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        """Make the sums for each column."""
        if "weights" not in self.__dict__:
            columns = tuple(y_pred_shape[1:])
            for name in self._STATE:
                setattr(self, name, self.add_variable(columns, dtype=self.dtype, name=name))

    def _merge(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        weight = K.ones((K.shape(y_true)[0],), self.dtype) if sample_weight is None else sample_weight
        weight = K.cast(K.array(weight), self.dtype)
        if len(K.shape(weight)) < len(K.shape(y_true)):
            weight = K.reshape(weight, (*K.shape(weight), *[1] * (len(K.shape(y_true)) - len(K.shape(weight)))))
        weight = K.broadcast_to(weight, K.shape(y_true))
        x, y = (K.where(K.equal(weight, 0), 0.0, values) for values in (y_true, y_pred))
        count = K.sum(weight, 0)
        mean_x, mean_y = (K.divide_no_nan(K.sum(weight * values, 0), count) for values in (x, y))
        dx, dy = mean_x - self.mean_true, mean_y - self.mean_pred
        total = self.weights + count
        share = K.divide_no_nan(count, total)
        shift = self.weights * share
        self.spread_true.assign(self.spread_true + K.sum(weight * K.square(x - mean_x), 0) + dx * dx * shift)
        self.spread_pred.assign(self.spread_pred + K.sum(weight * K.square(y - mean_y), 0) + dy * dy * shift)
        self.together.assign(self.together + K.sum(weight * (x - mean_x) * (y - mean_y), 0) + dx * dy * shift)
        self.residual.assign(self.residual + K.sum(weight * K.square(x - y), 0))
        self.mean_true.assign(self.mean_true + dx * share)
        self.mean_pred.assign(self.mean_pred + dy * share)
        self.weights.assign(total)


@table.register("r2", "R2")
class R2Score(_Moments):
    """``1 - sum((y_true - y_pred)**2) / sum((y_true - mean(y_true))**2)``, exact over all rows.

    Args:
        class_aggregation: ``"uniform_average"``, ``"variance_weighted_average"``, or
            ``None`` for one score a column.
        num_regressors: Number of input features for the adjusted score; 0 for the
            plain one, which is also given where there are too few rows.
        name: Name in logs.
        dtype: As in ``Metric``.

    Raises:
        ShapeError: The inputs are not ``(batch, columns)``.

    >>> float(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]).round(4))
    0.5714...
    """

    row_wise = True
    direction = "up"
    class_aggregation: Annotated[str | None, Field(choice("uniform_average", "variance_weighted_average", None))] = (
        "uniform_average"
    )
    num_regressors: NonNegativeInt = 0
    name: Name = "r2_score"
    dtype: Dtype = None

    def setup(self) -> None:
        self.num_samples = self.add_variable((), dtype=self.dtype, name="num_samples")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in one batch, ``(batch, columns)`` or ``(batch,)``; weights ``(batch,)``."""
        y_true, y_pred = _columns(self.name, *_floats(y_true, y_pred, self.dtype))
        self.build(K.shape(y_true), K.shape(y_pred))
        self._merge(y_true, y_pred, sample_weight)
        if sample_weight is None:
            seen: Any = K.shape(y_true)[0]
        else:
            seen = K.sum(K.cast(K.not_equal(K.array(sample_weight), 0), self.dtype))
            seen = seen if len(K.shape(sample_weight)) == 1 else seen / (K.size(sample_weight) // K.shape(y_true)[0])
        self.num_samples.assign(self.num_samples + seen * K.shape(y_true)[1])

    def result(self) -> Any:
        """The score; 0 for a column whose truth does not vary."""
        self._need_state("weights")
        scores = 1.0 - self.residual / self.spread_true
        scores = K.where(K.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = K.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = K.sum(self.spread_true * scores) / K.sum(self.spread_true)
        if not self.num_regressors:
            return scores
        n, p = self.num_samples, float(self.num_regressors)
        adjusted = 1.0 - K.divide_no_nan((1.0 - scores) * (n - 1.0), n - p - 1.0)
        return K.where(K.less(p, n - 1.0), adjusted, scores)


class _Correlation(MeanMetricWrapper, _Moments):
    """A correlation along an axis of each row, averaged; or, along the batch axis, over all rows of the epoch."""

    row_wise = True

    def _over_rows(self, shape: Any) -> bool:
        return isinstance(self.axis, int) and self.axis % max(len(shape), 1) == 0

    def build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        """Make the sums for each column, where the correlation is over the rows."""
        if self._over_rows(y_pred_shape):
            super().build(y_true_shape, y_pred_shape)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in; arguments as in ``MeanMetricWrapper``."""
        y_true, y_pred = _floats(y_true, y_pred, self.dtype)
        if not self._over_rows(K.shape(y_pred)):
            return super().update_state(y_true, y_pred, sample_weight)
        self.build(K.shape(y_true), K.shape(y_pred))
        return self._merge(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        """Mean of the correlations of all rows, or of all columns."""
        return K.mean(self._of_columns()) if "together" in self.__dict__ else super().result()

    def _of_columns(self) -> Any:
        return K.divide_no_nan(self.together, K.sqrt(self.spread_true * self.spread_pred))


@table.register("pearson")
class PearsonCorrelation(_Correlation):
    """``cov(y_true, y_pred) / (std(y_true) * std(y_pred))``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        axis: -1 for the mean of the correlations within each row; 0 for that of each
            column over all rows of the epoch. (Keras averages over batches.)

    >>> float(PearsonCorrelation(axis=0)([[0.0], [1.0], [4.0]], [[0.0], [2.0], [8.0]]).round(4))
    1.0
    """

    fn = staticmethod(pearson_correlation)
    direction = "up"
    name: Name = "pearson_correlation"
    dtype: Dtype = None
    axis: Axes = -1


@table.register("concordance")
class ConcordanceCorrelation(_Correlation):
    """``2 cov(y_true, y_pred) / (var(y_true) + var(y_pred) + (mean(y_true) - mean(y_pred))**2)``.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.
        axis: As in ``PearsonCorrelation``.
    """

    fn = staticmethod(concordance_correlation)
    direction = "up"
    name: Name = "concordance_correlation"
    dtype: Dtype = None
    axis: Axes = -1

    def _of_columns(self) -> Any:
        apart = K.square(self.mean_true - self.mean_pred) * self.weights
        return 2.0 * self.together / (self.spread_true + self.spread_pred + apart + epsilon() * self.weights)


def _floats(y_true: Any, y_pred: Any, dtype: str | None = None) -> tuple[Any, Any]:
    y_pred = K.array(y_pred)
    dtype = dtype or (K.dtype(y_pred) if "float" in K.dtype(y_pred) else "float32")
    return squeeze_or_expand_to_same_rank(K.cast(K.array(y_true), dtype), K.cast(y_pred, dtype))


def _columns(name: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    if len(K.shape(y_true)) == len(K.shape(y_pred)) == 1:
        y_true, y_pred = y_true[:, None], y_pred[:, None]
    if len(K.shape(y_pred)) != 2 or not np.array_equal(K.shape(y_true), K.shape(y_pred)):
        raise ShapeError(
            f"{name}: y has shape {shape_text(K.shape(y_true))}, the outputs {shape_text(K.shape(y_pred))}. It needs "
            "two equal shapes (batch, columns): flatten both."
        )
    return y_true, y_pred

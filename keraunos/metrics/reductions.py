"""Means and sums over everything that was seen, and means of functions of rows."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar

import numpy as np

from keraunos import losses
from keraunos.backend import K
from keraunos.core.evaluation import realized, returned
from keraunos.core.fields import Declared, plain
from keraunos.core.scope import current_scope, get_mask
from keraunos.losses import loss_class_of, merge_mask, refuse_unknown, squeeze_or_expand_to_same_rank
from keraunos.metrics.base import Metric, table
from keraunos.utils import spelling
from keraunos.utils.errors import ShapeError
from keraunos.utils.text import shape_text

# Functions by name that a MeanMetricWrapper may hold: what a config can name.
functions: dict[str, Callable[..., Any]] = {
    name: member for name, member in losses.table.public.items() if not isinstance(member, type)
}

# Means over the last axis. For vectors that is the batch, so rows are made columns first.
_MEANS = frozenset(
    {
        losses.mean_squared_error,
        losses.mean_absolute_error,
        losses.mean_absolute_percentage_error,
        losses.mean_squared_logarithmic_error,
        losses.huber,
        losses.log_cosh,
        losses.hinge,
        losses.squared_hinge,
        losses.poisson,
        losses.binary_crossentropy,
        losses.binary_focal_crossentropy,
    }
)


def metric_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that lets a config name a metric function."""
    functions[function.__name__] = function
    return function


@table.register()
class Sum(Metric):
    """``sum(values * sample_weight)`` over everything that was seen.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> total = Sum()
    >>> total.update_state([1.0, 3.0]); total.update_state([5.0], sample_weight=[2.0])
    >>> float(total.result())
    14.0
    """

    row_wise = True

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), dtype=self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values, ``(batch, ...)``, times weights."""
        values, _ = per_row(values, sample_weight, K.sum, self.dtype, self.name)
        self.total.assign(self.total + K.sum(values))

    row_wise = True

    def result(self) -> Any:
        """The sum."""
        return self.total.value


@table.register()
class Mean(Metric):
    """``sum(values * sample_weight) / sum(sample_weight)`` over everything that was seen.

    Args:
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0, 5.0, 7.0], sample_weight=[1, 1, 0, 0])
    >>> float(mean.result())
    2.0
    """

    row_wise = True

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), dtype=self.dtype, name="total")
        self.count = self.add_variable((), dtype=self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in values, ``(batch, ...)``: the mean over the further axes counts once for each row."""
        values, weight = per_row(values, sample_weight, K.mean, self.dtype, self.name)
        count = K.sum(weight) if weight is not None else K.shape(values)[0] if K.shape(values) else 1
        self.total.assign(self.total + K.sum(values))
        self.count.assign(self.count + count)

    def result(self) -> Any:
        """The mean; 0 where nothing was seen."""
        return K.divide_no_nan(self.total, self.count)


class LastValue(Metric):
    """What a function with a memory of its own, ``stateful``, said of the last batch.

    Such a function is a layer whose ``__call__(y_true, y_pred)`` changes its Variables, and whose ``reset_states``
    sets them back before an epoch.

    Args:
        fn: The function.
        name: Name in logs.
        dtype: As in ``Metric``.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.fn = fn
        self.last = self.add_variable((), name="last")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in; weights count for nothing."""
        self.last.assign(K.cast(realized(self.fn(y_true, y_pred)), self.last.dtype))

    def result(self) -> Any:
        """The last value."""
        return self.last.value

    def reset_state(self) -> None:
        """Forget all batches."""
        self.last.assign(np.zeros((), "float32"))
        self.fn.reset_states()  # type: ignore[attr-defined]


@table.register()
class MeanMetricWrapper(Mean, Declared):
    """Mean over all rows of ``fn(y_true, y_pred, **kwargs)``, exact for the epoch.

    Args:
        fn: Function that returns one value a row, or a step.
        name: Name in logs.
        dtype: As in ``Metric``.
        by_batch: Whether each batch gives one value, ``mean(v * weight) / mean(weight != 0)``,
            and the epoch their mean, weighted by the batches' rows; by default each row, or
            each unit of weight, counts the same in the whole epoch.
        **kwargs: Further arguments of ``fn``.

    >>> metric = MeanMetricWrapper(losses.mean_squared_error, name="mse")
    >>> float(metric([[0.0], [1.0]], [[1.0], [1.0]]))
    0.5
    """

    #: The function, for a subclass whose fields are its arguments.
    fn: ClassVar[Callable[..., Any] | None] = None
    _: KW_ONLY
    by_batch: bool = False

    @spelling.spelled
    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        name: str | None = None,
        dtype: Any = None,
        *,
        by_batch: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(self, fn, kwargs)
        super().__init__(name=name, dtype=dtype)
        self.by_batch = bool(by_batch)
        if fn is not None:
            self.fn = fn
            self._given = kwargs
            if loss_class_of(fn) is not None:
                self.direction = "down"
        if type(self).update_state is MeanMetricWrapper.update_state:
            self.row_wise = self._of_rows()

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``fn`` is given besides ``y_true`` and ``y_pred``."""
        own = {name: getattr(self, name) for name in self._fields if name not in ("name", "dtype")}
        return {**own, **getattr(self, "_given", {})}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Truth, ``(batch, ...)``.
            y_pred: Predictions, ``(batch, ...)``; time steps that their mask hides do not count.
            sample_weight: Weights, ``(batch,)`` or in the shape of the function's values.
        """
        mask = get_mask(y_pred)
        if self.fn in _MEANS and len(K.shape(y_true)) == len(K.shape(y_pred)) == 1:
            y_true, y_pred = K.array(y_true)[:, None], K.array(y_pred)[:, None]
        values = realized(returned(self.fn(y_true, y_pred, **self.arguments), "metric", self.name))
        weight = merge_mask(sample_weight, mask, self.dtype)
        if self.by_batch:
            # Zeros in the weight leave out padding rows, and steps that are masked, as well.
            value = losses.reduce_weighted(values, weight, None, "mean_over_nonzero_weights", dtype=self.dtype)
            super().update_state(value, self._rows(y_pred))
            return
        super().update_state(values, merge_mask(weight, self.valid(y_true, y_pred), self.dtype))

    def valid(self, y_true: Any, y_pred: Any) -> Any:
        """Mask of the values that count, or ``None`` where all do."""
        return None

    def _of_rows(self) -> bool:
        name = getattr(self.fn, "__name__", "")
        known = functions.get(name) is self.fn and losses.row_wise_arguments(name, self.arguments)
        return known or getattr(self.fn, "row_wise", False)

    def get_config(self) -> dict[str, Any]:
        """Arguments as plain data; the function by its name."""
        config = super().get_config()
        if self.by_batch:
            config["by_batch"] = True
        if "fn" in self.__dict__:
            config.update(fn=table.serialize(self.fn), **plain(self._given))
        return config

    def _rows(self, y_pred: Any) -> Any:
        """How many rows of a batch are real."""
        scope = current_scope()
        if scope is not None and scope.rows is not None:
            return K.sum(scope.rows)
        return float(K.shape(y_pred)[0]) if K.shape(y_pred) else 1.0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MeanMetricWrapper":
        """Metric with the arguments of a config."""
        if "fn" in config:
            fn = config["fn"]
            name = fn.get("config") if isinstance(fn, dict) else fn
            config = {**config, "fn": functions[name] if name in functions else table.deserialize(fn)}
        return cls(**config)


def per_row(
    values: Any, sample_weight: Any, reduce: Callable[..., Any], dtype: str, name: str = "metric"
) -> tuple[Any, Any]:
    """Weighted values, one for each row, and the weights of the rows (``None`` where there are none).

    Further axes are reduced: those that the weights do not have first, the others
    after the product. A value of weight 0 is left out even if it is NaN.
    """
    values = K.cast(K.array(values), dtype)
    weight = None
    if sample_weight is not None:
        weight = K.cast(K.array(sample_weight), dtype)
        values, weight = squeeze_or_expand_to_same_rank(values, weight)
        rank = len(K.shape(weight))
        if len(K.shape(values)) > rank:
            values = reduce(values, axis=tuple(range(rank, len(K.shape(values)))))
        shape = K.shape(values)
        if rank > len(shape) or any(a not in (1, b) for a, b in zip(K.shape(weight), shape, strict=False)):
            raise ShapeError(
                f"{name}: sample_weight has shape {shape_text(K.shape(sample_weight))}, which does not fit the values "
                f"of shape {shape_text(shape)}. Give one weight for each row, or one for each value."
            )
        weight = K.broadcast_to(weight, shape)
        values = K.where(K.equal(weight, 0), 0.0, values * weight)
        if rank > 1:
            weight = reduce(weight, axis=tuple(range(1, rank)))
    if len(K.shape(values)) > 1:
        values = reduce(values, axis=tuple(range(1, len(K.shape(values)))))
    return values, weight

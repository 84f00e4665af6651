"""Losses: how far predictions are from the truth, row by row, and how rows become one number.

A loss function takes ``(y_true, y_pred)`` and returns one value a row, or a step.
A loss class holds the function's arguments and reduces the values, with sample
weights and masks, to the scalar that training lowers.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np

from keraunos.backend import K
from keraunos.core import dtypes
from keraunos.core.evaluation import realized, returned
from keraunos.core.fields import (
    Axes,
    Configurable,
    Declared,
    Dtype,
    Factors,
    Field,
    Name,
    NonNegativeReal,
    Rate,
    choice,
    plain,
)
from keraunos.core.naming import unique_name
from keraunos.core.registry import Table
from keraunos.core.scope import get_mask
from keraunos.utils import spelling, tree
from keraunos.utils.config import epsilon, floatx
from keraunos.utils.errors import ArgumentError, ShapeError, UsageError, warn
from keraunos.utils.text import plural, shape_text, snake_case, suggestion
from keraunos.utils.tracebacks import entrance

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]

# Stands for the logarithm of 0 where the sum of logarithms must stay finite, so that gradients do too.
_NEVER = -1e5
# Smaller than any term of a log-sum-exp, and finite.
_ABSENT = -1e30

_reduction = choice(
    "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "mean_over_nonzero_weights", "none", None
)


Reduction = Annotated[str | None, Field(_reduction)]


# --- the base ---------------------------------------------------------------------------


class Loss(Configurable):
    """Base of the losses: ``reduction(call(y_true, y_pred) * sample_weight)``.

    A subclass defines ``call(self, y_true, y_pred)``, which returns one value a
    row (or a step) of the batch.

    Args:
        name: Name in messages; the class's own in snake case if not given.
        reduction: ``"sum_over_batch_size"`` or ``"mean"`` (sum of the weighted
            values divided by their number), ``"sum"``,
            ``"mean_with_sample_weight"`` (divided by the sum of the weights),
            ``"mean_over_nonzero_weights"`` (divided by the number of weights that are not 0),
            ``"none"`` or ``None`` (all values).
        dtype: Float type of the computation; the default float type if not given.

    Raises:
        ArgumentError: Unknown reduction.

    >>> class Quartic(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return K.mean((y_true - y_pred) ** 4, -1)
    >>> float(Quartic()([[1.0], [2.0]], [[1.0], [4.0]]))
    8.0
    """

    #: Whether the values of a row depend on that row alone (padding rows hold zeros, or copies of
    #: real rows), so that a short batch may be padded. Unknown for a user's ``call``, hence False.
    row_wise = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "call" in cls.__dict__ and "row_wise" not in cls.__dict__:
            cls.row_wise = False

    @spelling.spelled
    def __init__(self, *, name: str | None = None, reduction: Any = "sum_over_batch_size", dtype: Any = None) -> None:
        self.name = name or unique_name(snake_case(type(self).__name__))
        try:
            self.reduction = _reduction(reduction)
        except ArgumentError as error:
            raise ArgumentError(f"{type(self).__name__}: reduction is {reduction!r}; {error}") from None
        self.dtype = computing_dtype(dtype)

    @entrance
    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, mask: Any = None, rows: Any = None
    ) -> Any:
        """Reduced loss.

        Args:
            y_true: Truth, in the shape that ``call`` expects.
            y_pred: Predictions, ``(batch, ...)``.
            sample_weight: Weights, ``(batch,)`` or in the shape of the values.
            mask: Which values count; the mask that ``y_pred`` carries if not given.
            rows: ``(batch,)`` of 0 and 1: which rows are real, see ``reduce_weighted``.
        """
        masks = [get_mask(y_pred) if mask is None and not tree.is_nested(y_pred) else mask]
        y_true, y_pred = _tensors(y_true, self.dtype), _tensors(y_pred, self.dtype)
        values = returned(self.call(y_true, y_pred), "loss", self.name)
        masks = [m for m in (*masks, self.valid(y_true, y_pred, values)) if m is not None]
        both = K.logical_and(K.cast(masks[0], "bool"), masks[1]) if len(masks) == 2 else masks[0] if masks else None
        return reduce_weighted(values, sample_weight, both, self.reduction, rows, dtype=self.dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Values before reduction, ``(batch, ...)``."""
        raise UsageError(f"{type(self).__name__} does not define call(self, y_true, y_pred).")

    def valid(self, y_true: Any, y_pred: Any, values: Any) -> Any:
        """Mask of the values that count, or ``None`` where all do."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Arguments as plain data."""
        config = {"name": self.name, "reduction": self.reduction, **super().get_config()}
        if config.get("dtype") == floatx():
            del config["dtype"]
        return config

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


table: Table[Loss] = Table("losses", "loss", Loss, functions=True)


@table.register()
class LossFunctionWrapper(Loss, Declared):
    """``reduction(fn(y_true, y_pred, **kwargs) * sample_weight)``: a loss function as a ``Loss``.

    Args:
        fn: Function of ``(y_true, y_pred, **kwargs)`` that returns one value a row.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.
        **kwargs: Further arguments of ``fn``.

    >>> float(LossFunctionWrapper(huber, delta=2.0)([[0.0]], [[4.0]]))
    6.0
    """

    #: The function, for a subclass whose fields are its arguments.
    fn: ClassVar[Callable[..., Any] | None] = None

    @spelling.spelled
    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        reduction: Any = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(self, fn, kwargs)
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if fn is not None:
            self.fn = fn
            self._given = kwargs
        if type(self).call is LossFunctionWrapper.call:
            known = loss_class_of(self.fn) is not None
            self.row_wise = getattr(self.fn, "row_wise", False) or (
                known and row_wise_arguments(self.fn.__name__, self.arguments)  # type: ignore[union-attr]
            )

    @property
    def arguments(self) -> dict[str, Any]:
        """What ``fn`` is given besides ``y_true`` and ``y_pred``."""
        own = {name: getattr(self, name) for name in self._fields if name not in ("reduction", "name", "dtype")}
        return {**own, **getattr(self, "_given", {})}

    row_wise = True

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """``fn``, after an axis of size one at the end of one of the two has been evened out."""
        if not tree.is_nested(y_true) and not tree.is_nested(y_pred):
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        # A function may be made of symbolic tensors inside of the model, such as the means of a variational encoder.
        return realized(self.fn(y_true, y_pred, **self.arguments))

    def get_config(self) -> dict[str, Any]:
        """Arguments as plain data; the function by its name."""
        config = super().get_config()
        if "fn" in self.__dict__:
            config.update(fn=table.serialize(self.fn), **plain(self._given))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LossFunctionWrapper":
        """Loss with the arguments of a config."""
        if "fn" in config:
            config = {**config, "fn": table.deserialize(config["fn"])}
        return cls(**config)


# --- regression -------------------------------------------------------------------------


@table.register("mse", "MSE")
def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """``mean((y_true - y_pred)**2)`` over the last axis.

    Args:
        y_true: Truth, ``(batch, ..., d)``.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape ``(batch, ...)``.

    Raises:
        ShapeError: The two shapes do not fit together.

    >>> mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
    [2.5]
    """
    y_true, y_pred = _pair("mean_squared_error", y_true, y_pred)
    return K.mean(K.square(y_true - y_pred), -1)


@table.register("mae", "MAE")
def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """``mean(|y_true - y_pred|)`` over the last axis; arguments as in ``mean_squared_error``.

    >>> mean_absolute_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
    [1.5]
    """
    y_true, y_pred = _pair("mean_absolute_error", y_true, y_pred)
    return K.mean(K.abs(y_true - y_pred), -1)


@table.register("mape", "MAPE")
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """``100 * mean(|y_true - y_pred| / max(|y_true|, epsilon))`` over the last axis, in per cent.

    >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 5.0]]).tolist()
    [37.5]
    """
    y_true, y_pred = _pair("mean_absolute_percentage_error", y_true, y_pred)
    return 100.0 * K.mean(K.abs((y_true - y_pred) / K.maximum(K.abs(y_true), epsilon())), -1)


@table.register("msle", "MSLE")
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """``mean((log(1 + y_true) - log(1 + y_pred))**2)`` over the last axis; negative values count as 0.

    >>> mean_squared_logarithmic_error([[0.0]], [[0.0]]).tolist()
    [0.0]
    """
    y_true, y_pred = _pair("mean_squared_logarithmic_error", y_true, y_pred)
    difference = K.log(K.maximum(y_pred, epsilon()) + 1.0) - K.log(K.maximum(y_true, epsilon()) + 1.0)
    return K.mean(K.square(difference), -1)


@table.register()
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``-sum(y_true * y_pred) / (|y_true| * |y_pred|)`` along an axis: -1 where the directions agree.

    Args:
        y_true: Truth, ``(batch, ..., d)``.
        y_pred: Predictions of the same shape.
        axis: Axis of the vectors. A vector of zeros gives 0.

    >>> cosine_similarity([[0.0, 1.0]], [[0.0, 5.0]]).tolist()
    [-1.0]
    """
    y_true, y_pred = _pair("cosine_similarity", y_true, y_pred)
    return -K.sum(K.normalize(y_true, axis) * K.normalize(y_pred, axis), axis)


@table.register()
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """``mean(e**2 / 2 where |e| <= delta, else delta * |e| - delta**2 / 2)`` over the last axis.

    Args:
        y_true: Truth, ``(batch, ..., d)``.
        y_pred: Predictions of the same shape.
        delta: Error at which the square turns into a line, more than 0.

    Reference: Huber, "Robust Estimation of a Location Parameter", 1964.

    >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
    [1.5]
    """
    y_true, y_pred = _pair("huber", y_true, y_pred)
    error = K.abs(y_pred - y_true)
    return K.mean(K.where(K.less_equal(error, delta), 0.5 * error * error, delta * error - 0.5 * delta * delta), -1)


@table.register("logcosh")
def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """``mean(log(cosh(y_pred - y_true)))`` over the last axis: about ``e**2 / 2``, then ``|e| - log(2)``.

    >>> log_cosh([[1.0]], [[1.0]]).tolist()
    [0.0]
    """
    y_true, y_pred = _pair("log_cosh", y_true, y_pred)
    error = y_pred - y_true
    return K.mean(error + K.softplus(-2.0 * error) - math.log(2.0), -1)


# --- hinges -----------------------------------------------------------------------------


@table.register()
def hinge(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0))`` over the last axis.

    Args:
        y_true: Labels -1 and 1, ``(batch, ..., d)``; labels 0 and 1 are converted.
        y_pred: Predictions of the same shape.

    >>> hinge([[-1.0, 1.0]], [[0.5, 3.0]]).tolist()
    [0.75]
    """
    y_true, y_pred = _pair("hinge", y_true, y_pred)
    return K.mean(K.maximum(1.0 - _signs(y_true) * y_pred, 0.0), -1)


@table.register()
def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0)**2)`` over the last axis; arguments as in ``hinge``.

    >>> squared_hinge([[0.0, 1.0]], [[0.5, 3.0]]).tolist()
    [1.125]
    """
    y_true, y_pred = _pair("squared_hinge", y_true, y_pred)
    return K.mean(K.square(K.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), -1)


@table.register()
def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """``max(1 + max((1 - y_true) * y_pred) - sum(y_true * y_pred), 0)`` over the last axis.

    Args:
        y_true: One-hot labels, ``(batch, ..., classes)``.
        y_pred: Scores of the same shape.

    >>> categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]]).tolist()
    [0.75]
    """
    y_true, y_pred = _pair("categorical_hinge", y_true, y_pred)
    own, other = K.sum(y_true * y_pred, -1), K.max((1.0 - y_true) * y_pred, -1)
    return K.maximum(other - own + 1.0, 0.0)


# --- probabilities ----------------------------------------------------------------------


@table.register("kld", "KLD")
def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """``sum(y_true * log(y_true / y_pred))`` over the last axis; both are limited to [epsilon, 1].

    Args:
        y_true: Probabilities, ``(batch, ..., classes)``.
        y_pred: Probabilities of the same shape.

    Reference: Kullback & Leibler, "On Information and Sufficiency", 1951.

    >>> kl_divergence([[0.5, 0.5]], [[0.5, 0.5]]).tolist()
    [0.0]
    """
    y_true, y_pred = (K.clip(y, epsilon(), 1.0) for y in _pair("kl_divergence", y_true, y_pred))
    return K.sum(y_true * K.log(y_true / y_pred), -1)


@table.register()
def poisson(y_true: Any, y_pred: Any) -> Any:
    """``mean(y_pred - y_true * log(y_pred))`` over the last axis.

    Args:
        y_true: Counts, ``(batch, ..., d)``.
        y_pred: Rates of the same shape, more than 0.

    >>> poisson([[2.0]], [[1.0]]).round(5).tolist()
    [1.0]
    """
    y_true, y_pred = _pair("poisson", y_true, y_pred)
    return K.mean(y_pred - y_true * K.log(y_pred + epsilon()), -1)


@table.register("bce", "BCE")
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """``mean(-(y * log(p) + (1 - y) * log(1 - p)))`` over an axis.

    Args:
        y_true: Labels 0 and 1, ``(batch, ..., d)``.
        y_pred: Probabilities of the same shape, or their logits.
        from_logits: Whether ``y_pred`` holds logits; more exact than a sigmoid before.
        label_smoothing: How far labels are moved towards 1/2, 0 to 1.
        axis: Axis of the mean.

    >>> binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]]).round(4).tolist()
    [0.6931...]
    """
    y_true, y_pred = _pair("binary_crossentropy", y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, 2)
    return K.mean(K.binary_crossentropy(y_true, y_pred, from_logits), axis)


@table.register()
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """``mean((1 - q)**gamma * binary_crossentropy)`` with ``q`` the probability of the true label.

    Args:
        y_true: Labels 0 and 1, ``(batch, ..., d)``.
        y_pred: Probabilities of the same shape, or their logits.
        apply_class_balancing: Whether label 1 weighs ``alpha`` and label 0 ``1 - alpha``.
        alpha: Weight of label 1, 0 to 1.
        gamma: How much easy rows fade, 0 or more.
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: How far labels are moved towards 1/2, 0 to 1.
        axis: Axis of the mean.

    Reference: Lin et al., "Focal Loss for Dense Object Detection", 2017.

    >>> binary_focal_crossentropy([[1.0]], [[0.5]]).round(4).tolist()
    [0.1733...]
    """
    y_true, y_pred = _pair("binary_focal_crossentropy", y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, 2)
    y_pred = K.sigmoid(y_pred) if from_logits else y_pred
    own = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    values = K.power(1.0 - own, gamma) * K.binary_crossentropy(y_true, y_pred)
    if apply_class_balancing:
        values = (y_true * alpha + (1.0 - y_true) * (1.0 - alpha)) * values
    return K.mean(values, axis)


@table.register()
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """``-sum(y * log(p))`` along an axis.

    Args:
        y_true: One-hot labels, or probabilities, ``(batch, ..., classes)``.
        y_pred: Probabilities of the same shape (divided by their sum first), or logits.
        from_logits: Whether ``y_pred`` holds logits; more exact than a softmax before.
        label_smoothing: Share of each label that is spread over all classes, 0 to 1;
            over as many as the last axis has, as in Keras.
        axis: Axis of the classes.

    Raises:
        ShapeError: ``y_true`` holds integer labels, or another number of classes.

    >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4).tolist()
    [0.6931...]
    """
    y_true, y_pred = _pair("categorical_crossentropy", y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, y_true.shape[-1])
    return K.categorical_crossentropy(y_true, y_pred, from_logits, axis)


@table.register()
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """``-sum(alpha * (1 - p)**gamma * y * log(p))`` along an axis.

    Args:
        y_true: One-hot labels, ``(batch, ..., classes)``.
        y_pred: Probabilities of the same shape, or their logits.
        alpha: Weight of all classes, or one for each.
        gamma: How much easy rows fade, 0 or more.
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: Share of each label that is spread over all classes, 0 to 1.
        axis: Axis of the classes.

    Reference: Lin et al., "Focal Loss for Dense Object Detection", 2017.

    >>> categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4).tolist()
    [0.0433...]
    """
    y_true, y_pred = _pair("categorical_focal_crossentropy", y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, y_true.shape[-1])
    y_pred = K.softmax(y_pred, axis) if from_logits else y_pred
    p = K.clip(y_pred / K.sum(y_pred, axis, True), epsilon(), 1.0 - epsilon())
    alpha = K.array(alpha, K.dtype(p)) if isinstance(alpha, (list, tuple)) else alpha
    return -K.sum(K.power(1.0 - p, gamma) * alpha * y_true * K.log(p), axis)


@table.register()
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """``-log(p[y])`` along an axis.

    Args:
        y_true: Integer labels, ``(batch, ...)`` or ``(batch, ..., 1)``.
        y_pred: Probabilities, ``(batch, ..., classes)``, or their logits.
        from_logits: Whether ``y_pred`` holds logits; more exact than a softmax before.
        ignore_class: Label whose values are 0, and which the loss class does not count.
        axis: Axis of the classes.

    Raises:
        ShapeError: ``y_true`` is one-hot, or has not one label a row.

    >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]]).round(4).tolist()
    [0.6931...]
    """
    y_true, y_pred = _labels("sparse_categorical_crossentropy", y_true, y_pred, axis)
    if ignore_class is None:
        return K.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis)
    valid = K.not_equal(y_true, ignore_class)
    values = K.sparse_categorical_crossentropy(K.where(valid, y_true, 0), y_pred, from_logits, axis)
    return K.where(valid, values, 0.0)


@table.register()
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Any:
    """``(1 - p[y]**q) / q``: between cross-entropy (q near 0) and absolute error (q near 1).

    Args:
        y_true: Integer labels, ``(batch, ...)`` or ``(batch, ..., 1)``.
        y_pred: Probabilities, ``(batch, ..., classes)``.
        q: Between 0 and 1; the larger, the less wrong labels matter.

    Reference: Zhang & Sabuncu, "Generalized Cross Entropy Loss for Training Deep
    Neural Networks with Noisy Labels", 2018.

    >>> categorical_generalized_cross_entropy([1], [[0.75, 0.25]]).tolist()
    [1.0]
    """
    y_true, y_pred = _labels("categorical_generalized_cross_entropy", y_true, y_pred, -1)
    p = K.sum(K.one_hot(y_true, y_pred.shape[-1], dtype=K.dtype(y_pred)) * y_pred, -1)
    return (1.0 - K.power(p, q)) / q


# --- regions, pairs and sequences -------------------------------------------------------


@table.register()
def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """``1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))`` over axes.

    Args:
        y_true: Labels 0 and 1, ``(batch, ...)``.
        y_pred: Probabilities of the same shape.
        axis: Axes of the sums; all, the batch too, if not given.

    Reference: Milletari et al., "V-Net", 2016 (without the squares).

    >>> float(dice([[1.0, 1.0]], [[1.0, 0.0]]).round(4))
    0.3333...
    """
    y_true, y_pred = _pair("dice", y_true, y_pred)
    both = K.sum(y_true * y_pred, axis)
    return 1.0 - 2.0 * both / (K.sum(y_true, axis) + K.sum(y_pred, axis) + epsilon())


@table.register()
def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """``1 - TP / (TP + alpha * A + beta * B)``, A the sum of ``y_true * (1 - y_pred)``, B the converse.

    Args:
        y_true: Labels 0 and 1, ``(batch, ...)``.
        y_pred: Probabilities of the same shape.
        alpha: Weight of what is missed, 0 or more. (Keras' text calls it the false
            positives'; its arithmetic, which is followed here, is this one.)
        beta: Weight of what is wrongly found, 0 or more.
        axis: Axes of the sums; all, the batch too, if not given.

    Reference: Salehi et al., "Tversky Loss Function for Image Segmentation", 2017.

    >>> float(tversky([[1.0, 1.0]], [[1.0, 0.0]]).round(4))
    0.3333...
    """
    y_true, y_pred = _pair("tversky", y_true, y_pred)
    both = K.sum(y_true * y_pred, axis)
    missed, extra = K.sum((1.0 - y_pred) * y_true, axis), K.sum(y_pred * (1.0 - y_true), axis)
    return 1.0 - both / (both + alpha * missed + beta * extra + epsilon())


@table.register()
def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> Any:
    """``softplus(LSE(gamma * a_n * (d_n)) + LSE(-gamma * a_p * (d_p)))`` over the pairs of each row.

    With cosine distance ``s = max(1 - u @ v, 0)`` to rows of the same class (p)
    and of others (n): ``a_p = margin + s``, ``d_p = margin - s``,
    ``a_n = max(1 + margin - s, 0)``, ``d_n = 1 - margin - s``.

    Args:
        y_true: Integer labels, ``(batch,)`` or ``(batch, 1)``.
        y_pred: Embeddings of length 1, ``(batch, d)``.
        ref_labels: Labels of the rows to compare with; ``y_true`` if not given.
        ref_embeddings: Embeddings of those rows; ``y_pred`` if not given.
        remove_diagonal: Whether a row is not compared with itself.
        gamma: Scale of the similarities.
        margin: Relaxation, 0 to 1.

    Reference: Sun et al., "Circle Loss", 2020.

    >>> circle([0, 1], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [0.0, 0.0]
    """
    y_pred = _float(y_pred)
    _check("circle", _shape(y_true), _shape(y_pred))
    y_true = K.cast(K.array(y_true), "int32")
    others = y_pred if ref_embeddings is None else K.array(ref_embeddings, K.dtype(y_pred))
    other_labels = y_true if ref_labels is None else K.cast(K.array(ref_labels), "int32")
    distance = K.maximum(1.0 - y_pred @ K.transpose(others), 0.0)
    same = K.equal(K.reshape(y_true, (-1, 1)), K.reshape(other_labels, (1, -1)))
    different = K.logical_not(same)
    if remove_diagonal:
        same = K.logical_and(same, K.logical_not(K.eye(*distance.shape, dtype="bool")))
    near = -gamma * (margin + distance) * (margin - distance)
    far = gamma * K.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    return K.softplus(K.logsumexp(K.where(same, near, _ABSENT), 1) + K.logsumexp(K.where(different, far, _ABSENT), 1))


@table.register()
def ctc(y_true: Any, y_pred: Any) -> Any:
    """``-log P(labels)``, summed over all ways to align the labels with the time steps.

    The forward recursion in logarithms over the labels with blanks between:
    ``alpha[t, s] = p[t, z_s] * (alpha[t-1, s] + alpha[t-1, s-1] + alpha[t-1, s-2])``,
    the last term only where ``z_s`` is no blank and not ``z_{s-2}``.

    Args:
        y_true: Labels from 1, ``(batch, labels)``, padded at the end with 0, which is the blank.
        y_pred: Logits, ``(batch, time, classes)``, with the blank as class 0.

    Reference: Graves et al., "Connectionist Temporal Classification", 2006.

    >>> ctc([[1]], [[[0.0, 0.0]]]).round(4).tolist()
    [0.6931...]
    """
    y_pred = _float(y_pred)
    _check("ctc", _shape(y_true), _shape(y_pred))
    labels = K.cast(K.array(y_true), "int32")
    batch, time, _ = y_pred.shape
    states = 2 * labels.shape[1] + 1
    # States alternate: blank, label, blank, label, ..., blank.
    extended = K.reshape(K.stack([K.zeros_like(labels), labels], -1), (batch, -1))
    extended = K.pad(extended, ((0, 0), (0, 1)))
    before = K.pad(extended, ((0, 0), (2, 0)))[:, :states]
    skip = K.where(K.logical_and(K.not_equal(extended, 0), K.not_equal(extended, before)), 0.0, _NEVER)
    index = K.broadcast_to(extended[:, None, :], (batch, time, states))
    emitted = K.transpose(K.take_along_axis(K.log_softmax(y_pred), index, -1), (1, 0, 2))

    def step(alpha: Any, emission: Any) -> tuple[Any, None]:
        one = K.pad(alpha, ((0, 0), (1, 0)), constant_values=_NEVER)[:, :states]
        two = K.pad(alpha, ((0, 0), (2, 0)), constant_values=_NEVER)[:, :states] + skip
        return K.maximum(K.logaddexp(K.logaddexp(alpha, one), two) + emission, _NEVER), None

    start = K.where(K.equal(K.arange(states), 0), 0.0, _NEVER) + K.zeros((batch, states), K.dtype(y_pred))
    alpha, _ = K.scan(step, start, emitted)
    length = K.sum(K.cast(K.not_equal(labels, 0), "int32"), -1)[:, None]
    last = K.take_along_axis(alpha, 2 * length, -1)[:, 0]
    last_label = K.take_along_axis(alpha, K.maximum(2 * length - 1, 0), -1)[:, 0]
    last_label = K.where(K.equal(length[:, 0], 0), _NEVER, last_label)
    return -K.logaddexp(last, last_label)


# --- the functions as classes -----------------------------------------------------------


@table.register()
class MeanSquaredError(LossFunctionWrapper):
    """``mean((y_true - y_pred)**2)``; see ``mean_squared_error`` and, for the arguments, ``Loss``.

    >>> float(MeanSquaredError()([[0.0, 1.0]], [[1.0, 3.0]]))
    2.5
    """

    fn = staticmethod(mean_squared_error)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "mean_squared_error"
    dtype: Dtype = None


@table.register()
class MeanAbsoluteError(LossFunctionWrapper):
    """``mean(|y_true - y_pred|)``; see ``mean_absolute_error`` and, for the arguments, ``Loss``."""

    fn = staticmethod(mean_absolute_error)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "mean_absolute_error"
    dtype: Dtype = None


@table.register()
class MeanAbsolutePercentageError(LossFunctionWrapper):
    """``100 * mean(|y_true - y_pred| / |y_true|)``; see ``mean_absolute_percentage_error`` and ``Loss``."""

    fn = staticmethod(mean_absolute_percentage_error)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "mean_absolute_percentage_error"
    dtype: Dtype = None


@table.register()
class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """``mean((log(1 + y_true) - log(1 + y_pred))**2)``; see ``mean_squared_logarithmic_error`` and ``Loss``."""

    fn = staticmethod(mean_squared_logarithmic_error)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "mean_squared_logarithmic_error"
    dtype: Dtype = None


@table.register()
class CosineSimilarity(LossFunctionWrapper):
    """``-cos(angle between y_true and y_pred)``; see ``cosine_similarity`` and ``Loss``.

    Args:
        axis: Axis of the vectors.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.
    """

    fn = staticmethod(cosine_similarity)
    axis: Axes = -1
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "cosine_similarity"
    dtype: Dtype = None


@table.register()
class Huber(LossFunctionWrapper):
    """Square for errors up to ``delta``, a line beyond; see ``huber`` and ``Loss``.

    Args:
        delta: Error at which the square turns into a line, 0 or more.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.

    >>> float(Huber(delta=2.0)([[0.0]], [[4.0]]))
    6.0
    """

    fn = staticmethod(huber)
    delta: NonNegativeReal = 1.0
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "huber_loss"
    dtype: Dtype = None


@table.register()
class LogCosh(LossFunctionWrapper):
    """``mean(log(cosh(y_pred - y_true)))``; see ``log_cosh`` and, for the arguments, ``Loss``."""

    fn = staticmethod(log_cosh)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "log_cosh"
    dtype: Dtype = None


@table.register()
class Hinge(LossFunctionWrapper):
    """``mean(max(1 - y_true * y_pred, 0))``; see ``hinge`` and, for the arguments, ``Loss``."""

    fn = staticmethod(hinge)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "hinge"
    dtype: Dtype = None


@table.register()
class SquaredHinge(LossFunctionWrapper):
    """``mean(max(1 - y_true * y_pred, 0)**2)``; see ``squared_hinge`` and, for the arguments, ``Loss``."""

    fn = staticmethod(squared_hinge)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "squared_hinge"
    dtype: Dtype = None


@table.register()
class CategoricalHinge(LossFunctionWrapper):
    """``max(1 + best wrong score - right score, 0)``; see ``categorical_hinge`` and ``Loss``."""

    fn = staticmethod(categorical_hinge)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "categorical_hinge"
    dtype: Dtype = None


@table.register()
class KLDivergence(LossFunctionWrapper):
    """``sum(y_true * log(y_true / y_pred))``; see ``kl_divergence`` and, for the arguments, ``Loss``."""

    fn = staticmethod(kl_divergence)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "kl_divergence"
    dtype: Dtype = None


@table.register()
class Poisson(LossFunctionWrapper):
    """``mean(y_pred - y_true * log(y_pred))``; see ``poisson`` and, for the arguments, ``Loss``."""

    fn = staticmethod(poisson)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "poisson"
    dtype: Dtype = None


@table.register()
class BinaryCrossentropy(LossFunctionWrapper):
    """``mean(-(y * log(p) + (1 - y) * log(1 - p)))``; see ``binary_crossentropy`` and ``Loss``.

    Args:
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: How far labels are moved towards 1/2, 0 to 1.
        axis: Axis of the mean.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.

    >>> round(float(BinaryCrossentropy()([[1.0, 0.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    fn = staticmethod(binary_crossentropy)
    from_logits: bool = False
    label_smoothing: Rate = 0.0
    axis: Axes = -1
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "binary_crossentropy"
    dtype: Dtype = None


@table.register()
class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Binary cross-entropy in which easy rows fade; see ``binary_focal_crossentropy`` and ``Loss``.

    Args:
        apply_class_balancing: Whether label 1 weighs ``alpha`` and label 0 ``1 - alpha``.
        alpha: Weight of label 1, 0 to 1.
        gamma: How much easy rows fade, 0 or more.
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: How far labels are moved towards 1/2, 0 to 1.
        axis: Axis of the mean.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.
    """

    fn = staticmethod(binary_focal_crossentropy)
    apply_class_balancing: bool = False
    alpha: Rate = 0.25
    gamma: NonNegativeReal = 2.0
    from_logits: bool = False
    label_smoothing: Rate = 0.0
    axis: Axes = -1
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "binary_focal_crossentropy"
    dtype: Dtype = None


@table.register()
class CategoricalCrossentropy(LossFunctionWrapper):
    """``-sum(y * log(p))`` for one-hot labels; see ``categorical_crossentropy`` and ``Loss``.

    Args:
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: Share of each label that is spread over all classes, 0 to 1.
        axis: Axis of the classes.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.

    >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
    0.6931
    """

    fn = staticmethod(categorical_crossentropy)
    from_logits: bool = False
    label_smoothing: Rate = 0.0
    axis: Axes = -1
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "categorical_crossentropy"
    dtype: Dtype = None


@table.register()
class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Cross-entropy in which easy rows fade; see ``categorical_focal_crossentropy`` and ``Loss``.

    Args:
        alpha: Weight of all classes, or one for each.
        gamma: How much easy rows fade, 0 or more.
        from_logits: Whether ``y_pred`` holds logits.
        label_smoothing: Share of each label that is spread over all classes, 0 to 1.
        axis: Axis of the classes.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.
    """

    fn = staticmethod(categorical_focal_crossentropy)
    alpha: Factors = 0.25
    gamma: NonNegativeReal = 2.0
    from_logits: bool = False
    label_smoothing: Rate = 0.0
    axis: Axes = -1
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "categorical_focal_crossentropy"
    dtype: Dtype = None


@table.register()
class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """``-log(p[y])`` for integer labels; see ``sparse_categorical_crossentropy`` and ``Loss``.

    Args:
        from_logits: Whether ``y_pred`` holds logits.
        ignore_class: Label of values that do not count, such as 255 or -1.
        reduction: As in ``Loss``.
        axis: Axis of the classes.
        name: As in ``Loss``.
        dtype: As in ``Loss``.

    >>> round(float(SparseCategoricalCrossentropy()([1, 0], [[0.5, 0.5], [1.0, 0.0]])), 4)
    0.3466
    """

    fn = staticmethod(sparse_categorical_crossentropy)
    from_logits: bool = False
    ignore_class: int | None = None
    reduction: Reduction = "sum_over_batch_size"
    axis: Axes = -1
    name: Name = "sparse_categorical_crossentropy"
    dtype: Dtype = None

    def valid(self, y_true: Any, y_pred: Any, values: Any) -> Any:
        """Which labels are not ``ignore_class``."""
        if self.ignore_class is None:
            return None
        y_true, _ = _labels("sparse_categorical_crossentropy", y_true, y_pred, self.axis)
        return K.not_equal(y_true, self.ignore_class)


@table.register()
class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """``(1 - p[y]**q) / q`` for integer labels; see ``categorical_generalized_cross_entropy`` and ``Loss``.

    Args:
        q: Between 0 and 1; the larger, the less wrong labels matter.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.

    Raises:
        ArgumentError: ``q`` is not between 0 and 1.
    """

    fn = staticmethod(categorical_generalized_cross_entropy)
    q: Rate = 0.5
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "categorical_generalized_cross_entropy"
    dtype: Dtype = None

    def setup(self) -> None:
        if not 0 < self.q < 1:
            raise ArgumentError(f"{type(self).__name__}: q is {self.q:g}; expected a number between 0 and 1.")


@table.register()
class CTC(LossFunctionWrapper):
    """``-log P(labels)`` over all alignments; see ``ctc`` and, for the arguments, ``Loss``."""

    fn = staticmethod(ctc)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "ctc"
    dtype: Dtype = None


@table.register()
class Dice(LossFunctionWrapper):
    """One minus twice the overlap over the sum of both; see ``dice`` and ``Loss``.

    Args:
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        axis: Axes of the sums; all, the batch too, if not given.
        dtype: As in ``Loss``.
    """

    fn = staticmethod(dice)
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "dice"
    axis: Axes = None
    dtype: Dtype = None


@table.register()
class Tversky(LossFunctionWrapper):
    """One minus the overlap over a weighted union; see ``tversky`` and ``Loss``.

    Args:
        alpha: Weight of what is missed, 0 or more.
        beta: Weight of what is wrongly found, 0 or more.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        axis: Axes of the sums; all, the batch too, if not given.
        dtype: As in ``Loss``.
    """

    fn = staticmethod(tversky)
    alpha: NonNegativeReal = 0.5
    beta: NonNegativeReal = 0.5
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "tversky"
    axis: Axes = None
    dtype: Dtype = None


@table.register()
class Circle(LossFunctionWrapper):
    """Pairs of one class near, of different classes far; see ``circle`` and ``Loss``.

    Rows whose value is 0 (no partner, or separated already) do not count in a mean.

    Args:
        gamma: Scale of the similarities.
        margin: Relaxation, 0 to 1.
        remove_diagonal: Whether a row is not compared with itself.
        reduction: As in ``Loss``.
        name: As in ``Loss``.
        dtype: As in ``Loss``.
    """

    fn = staticmethod(circle)
    gamma: NonNegativeReal = 80.0
    margin: Rate = 0.4
    remove_diagonal: bool = True
    reduction: Reduction = "sum_over_batch_size"
    name: Name = "circle"
    dtype: Dtype = None

    def valid(self, y_true: Any, y_pred: Any, values: Any) -> Any:
        """Which values are more than 0."""
        return K.greater(values, 0)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kl_divergence
logcosh = log_cosh


# --- by name ----------------------------------------------------------------------------


@entrance
def get(identifier: Any) -> Any:
    """Loss of a name, a config, a class, or the loss itself; a name in snake case gives the function.

    >>> get("mse") is mean_squared_error
    True
    """
    return table.get(identifier)


def serialize(loss: Any) -> Any:
    """Config of a loss, as Keras 3 writes it; the name of a function."""
    return table.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Loss that a config, or a name, describes."""
    return table.deserialize(name, custom_objects)


def resolve(identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> Any:
    """The ``Loss`` that ``compile(loss=identifier)`` means; ``"crossentropy"`` is chosen by the shapes.

    >>> resolve("crossentropy", (None, 1), (None, 10)).name
    'sparse_categorical_crossentropy'
    """
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        binary, sparse = label_kind(y_true_shape, y_pred_shape)
        identifier = f"{'binary' if binary else 'sparse_categorical' if sparse else 'categorical'}_crossentropy"
    return as_loss(identifier)


def as_loss(identifier: Any, name: str | None = None) -> Any:
    """A ``Loss`` of anything that ``get`` accepts: a function is wrapped, under its own name or ``name``.

    >>> as_loss("mse")
    <MeanSquaredError name=mse>
    """
    loss = get(identifier)
    if loss is None or isinstance(loss, Loss):
        return loss
    name = name or (identifier if isinstance(identifier, str) else getattr(loss, "__name__", type(loss).__name__))
    known = loss_class_of(loss)
    return LossFunctionWrapper(loss, name=name) if known is None else known(name=name)


def is_row_wise(loss: Any, y_pred_shape: Sequence[int | None] | None = None) -> bool:
    """Whether padding rows may be added to a batch and left out by ``rows`` without changing the loss.

    A mean over the last axis of outputs of rank 1 is a mean over the batch: not row-wise.

    >>> is_row_wise("mse"), is_row_wise("mse", (None,)), is_row_wise("circle"), is_row_wise(lambda y, p: p)
    (True, False, False, False)
    """
    loss = as_loss(loss)
    if y_pred_shape is not None and len(y_pred_shape) < 2:
        return False
    return bool(loss is None or loss.row_wise)


# --- from values to one number ----------------------------------------------------------


def reduce_weighted(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
    rows: Any = None,
    dtype: str | None = None,
) -> Any:
    """Weighted values as one number.

    Args:
        values: Values of a loss, ``(batch, ...)``.
        sample_weight: Weights: ``(batch,)``, the leading axes of the values, or
            any shape that broadcasts to theirs.
        mask: Truths in the same shapes: which values count. In a mean they are
            weighted by total / valid, so that it is over the valid ones.
        reduction: As in ``Loss``.
        rows: ``(batch,)`` of 0 and 1: which rows are real; the others only pad a
            short batch. The result is that of the real rows alone, whatever the
            padding rows hold; without reduction their values are 0.
        dtype: Float type of the result; that of the values if not given.

    Raises:
        ArgumentError: Unknown reduction, or ``rows`` with values that have no rows.
        ShapeError: Weights, mask or rows do not fit the values.

    >>> float(reduce_weighted([1.0, 3.0], [1.0, 3.0]))
    5.0
    >>> float(reduce_weighted([1.0, 3.0], [1.0, 3.0], reduction="mean_with_sample_weight"))
    2.5
    >>> float(reduce_weighted([1.0, 3.0], [0.0, 3.0], reduction="mean_over_nonzero_weights"))
    9.0
    >>> float(reduce_weighted([1.0, 3.0, 99.0], rows=[1, 1, 0]))
    2.0
    """
    reduction = _reduction(reduction)
    values = K.array(values, dtype)
    values = values if "float" in K.dtype(values) else K.cast(values, floatx())
    dtype = K.dtype(values)
    if rows is not None:
        rows = K.cast(K.array(rows), dtype)
        batch = _shape(rows)[0] if _shape(rows) else None
        if not _shape(values) or _shape(values)[0] != batch:
            raise ArgumentError(
                f"rows has shape {shape_text(_shape(rows))}, but the loss values have shape "
                f"{shape_text(_shape(values))}: this loss has no value for each row, so a batch cannot be padded."
            )
    if reduction == "mean_over_nonzero_weights":
        return _mean_over_nonzero_weights(values, sample_weight, mask, rows)
    weight = merge_mask(sample_weight, mask, dtype, reduction, rows)
    if weight is not None:
        values, weight = _fitted(values, weight)
        values = values * weight
    if rows is not None:
        # Not a product: what padding rows hold may be infinite or NaN.
        values = K.where(K.greater(_along(rows, values), 0), values, 0.0)
    shape = _shape(values)
    if reduction in (None, "none") or shape in ((), (0,)):
        return values
    total = K.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weight is not None:
        has_rows = rows is not None and _shape(weight)[:1] == shape[:1]
        return K.divide_no_nan(total, K.sum(_zero_padding(weight, rows) if has_rows else weight))
    if rows is None:
        return total / math.prod(shape)
    return K.divide_no_nan(total, K.sum(rows) * math.prod(shape[1:]))


def _mean_over_nonzero_weights(values: Any, sample_weight: Any, mask: Any, rows: Any) -> Any:
    """``mean(v * weight) / mean(weight != 0)`` with ``v = values * mask / mean(mask)``, all means over the real rows.

    Where the weights have fewer axes than the values, ``v`` is averaged over the others first.
    """
    dtype = K.dtype(values)

    def mean(tensor: Any) -> Any:
        if rows is None:
            return K.mean(tensor)
        return K.divide_no_nan(K.sum(_zero_padding(tensor, rows)), K.sum(rows) * math.prod(_shape(tensor)[1:]))

    if mask is not None:
        mask = K.cast(K.cast(K.array(mask), "bool"), dtype)
        values, fitted = _fitted(values, mask)
        values = K.divide_no_nan(K.where(K.equal(fitted, 0), 0.0, values), mean(mask))
    if sample_weight is None:
        return mean(values)
    weight = K.cast(K.array(sample_weight), dtype)
    values, weight = squeeze_or_expand_to_same_rank(values, weight)
    further = tuple(range(len(_shape(weight)), len(_shape(values))))
    values, weight = _fitted(K.mean(values, further) if further else values, weight)
    nonzero = mean(K.cast(K.not_equal(weight, 0), dtype))
    return K.divide_no_nan(mean(K.where(K.equal(weight, 0), 0.0, values * weight)), nonzero)


def merge_mask(
    sample_weight: Any, mask: Any, dtype: str | None = None, reduction: str | None = "sum", rows: Any = None
) -> Any:
    """Sample weights in which masked entries are 0; ``None`` where there is neither.

    For a mean, the others are multiplied by total / valid, see ``reduce_weighted``.
    """
    dtype = dtype or floatx()
    weight = None if sample_weight is None else K.cast(K.array(sample_weight), dtype)
    if mask is None:
        return weight
    mask = K.cast(K.cast(K.array(mask), "bool"), dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        total: Any = math.prod(_shape(mask))
        if rows is not None:
            mask = _zero_padding(mask, rows)
            total = K.sum(rows) * (total // max(_shape(mask)[0], 1))
        mask = mask * K.divide_no_nan(K.cast(total, dtype), K.sum(mask))
    if weight is None:
        return mask
    mask, weight = _fitted(mask, weight, "mask")
    return weight * mask


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Even out a last axis of size one where the ranks differ by one.

    The longer loses its last axis if that has size one; a vector beside a
    column becomes a column instead.

    >>> [y.shape for y in squeeze_or_expand_to_same_rank(K.zeros((5,)), K.zeros((5, 1)))]
    [(5, 1), (5, 1)]
    """
    shape1, shape2 = _shape(x1), _shape(x2)
    if len(shape1) == len(shape2) + 1 and shape1[-1] == 1:
        if len(shape2) == 1 and expand_rank_1:
            return x1, K.expand_dims(x2, -1)
        return K.squeeze(x1, -1), x2
    if len(shape2) == len(shape1) + 1 and shape2[-1] == 1:
        if len(shape1) == 1 and expand_rank_1:
            return K.expand_dims(x1, -1), x2
        return x1, K.squeeze(x2, -1)
    return x1, x2


def _along(weight: Any, values: Any) -> Any:
    """Weights of the leading axes, with axes of size one for the others."""
    missing = len(_shape(values)) - len(_shape(weight))
    if missing > 0 and _shape(weight) and _shape(weight) == _shape(values)[: len(_shape(weight))]:
        return K.reshape(weight, (*_shape(weight), *[1] * missing))
    return weight


def _zero_padding(weight: Any, rows: Any) -> Any:
    return K.where(K.greater(_along(rows, weight), 0), weight, 0.0)


def _fitted(values: Any, weight: Any, what: str = "loss values") -> tuple[Any, Any]:
    values, weight = squeeze_or_expand_to_same_rank(values, weight)
    weight = _along(weight, values)
    if what == "mask":  # a mask of rows beside weights of steps
        values = _along(values, weight)
    try:
        np.broadcast_shapes(_shape(values), _shape(weight))
    except ValueError:
        raise ShapeError(
            f"sample_weight or mask has shape {shape_text(_shape(weight))}, which does not fit the {what} of shape "
            f"{shape_text(_shape(values))}. Give one weight for each row, {shape_text(_shape(values)[:1])}, or one for "
            "each value."
        ) from None
    return values, weight


# --- shapes -----------------------------------------------------------------------------

_ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
_INTEGER = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")


def check_shapes(
    loss: Any,
    y_true_shape: Sequence[int | None],
    y_pred_shape: Sequence[int | None],
    name: str | None = None,
    *,
    axis: int = -1,
) -> None:
    """Refuse shapes that a built-in loss cannot pair; a loss of the user's own is not judged.

    Args:
        loss: Name, function or ``Loss``.
        y_true_shape: Shape of the truth; ``None`` where a size is open.
        y_pred_shape: Shape of the outputs.
        name: How the message begins; the loss's name if not given.
        axis: Axis of the classes, for a name or function.

    Raises:
        ShapeError: One-hot labels against a loss for integers or the reverse,
            or sizes that differ.

    >>> check_shapes("mse", (None, 3), (None, 5))
    Traceback (most recent call last):
        ...
    keraunos.utils.errors.ShapeError: mean_squared_error: y has shape (None, 3), the outputs (None, 5). ...
    """
    loss = get(loss) if isinstance(loss, str) else loss
    if isinstance(loss, Loss):
        axis, given = getattr(loss, "axis", axis), getattr(loss, "fn", None)
    else:
        given = loss
    if given is not None and loss_class_of(given) is not None:
        _check(given.__name__, y_true_shape, y_pred_shape, name, -1 if axis is None else axis, strict=True)


def built_in(loss: Any) -> str | None:
    """Name of the function of the library's that a loss computes; ``None`` for one of the user's own.

    >>> built_in(BinaryCrossentropy()), built_in(lambda y_true, y_pred: 0.0)
    ('binary_crossentropy', None)
    """
    if isinstance(loss, Loss) and type(loss).call is not LossFunctionWrapper.call:
        return None
    function = getattr(loss, "fn", None) if isinstance(loss, Loss) else loss
    return None if function is None or loss_class_of(function) is None else str(function.__name__)


def label_kind(y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None]) -> tuple[bool, bool]:
    """Whether labels are of two classes with one output, and whether they are integers of many classes.

    >>> label_kind((None, 1), (None, 1)), label_kind((None,), (None, 5)), label_kind((None, 5), (None, 5))
    ((True, False), (False, True), (False, False))
    """
    columns = y_pred_shape[-1] if len(y_pred_shape) > 1 else 1
    binary = columns == 1
    fewer = len(y_true_shape) < len(y_pred_shape) or (bool(y_true_shape) and y_true_shape[-1] == 1)
    return binary, not binary and fewer


def _check(
    kind: str, y_true: Any, y_pred: Any, name: str | None = None, axis: Any = -1, *, strict: bool = False
) -> None:
    """Refuse a pair of shapes; ``strict`` refuses those too that only broadcast, as in a loss of a model."""
    y_true, y_pred = tuple(y_true), tuple(y_pred)
    axis = axis if isinstance(axis, int) else -1
    fault = _fault(kind, y_true, y_pred, axis, strict)
    if fault:
        raise ShapeError(f"{name or kind}: y has shape {shape_text(y_true)}, the outputs {shape_text(y_pred)}. {fault}")
    if kind in _ONE_HOT and y_pred and y_pred[axis] == 1:
        warn(
            f"{name or kind}: the outputs {shape_text(y_pred)} have one class, so nothing can be learned. "
            "For two classes use loss='binary_crossentropy' and a sigmoid.",
            SyntaxWarning,
        )


def _fault(kind: str, y_true: tuple[Any, ...], y_pred: tuple[Any, ...], axis: int, strict: bool) -> str | None:
    """What is wrong with a pair of shapes and what to do, or ``None``."""
    if kind == "ctc":
        fits = len(y_true) == 2 and len(y_pred) == 3 and _fit(y_true[:1], y_pred[:1])
        return None if fits else "CTC needs labels (batch, labels), padded with 0, and logits (batch, time, classes)."
    if kind == "circle":
        fits = len(y_pred) == 2 and (len(y_true) == 1 or y_true[1:] == (1,)) and _fit(y_true[:1], y_pred[:1])
        return None if fits else "Circle loss needs one integer label, and one vector, for each row."
    classes = y_pred[axis] if len(y_pred) > (axis if axis >= 0 else -axis - 1) else None
    if kind in _INTEGER:
        if not y_pred:
            return "The outputs need an axis of classes."
        wanted = tuple(np.delete(np.array(y_pred, object), axis))
        squeezed = len(y_true) == len(y_pred) and y_true[axis] == 1
        if _fit(tuple(np.delete(np.array(y_true, object), axis)) if squeezed else y_true, wanted):
            return None
        if len(y_true) == len(y_pred) and _fit(y_true, y_pred) and kind.startswith("sparse"):
            return "One-hot labels need loss='categorical_crossentropy'; or turn them into integers with y.argmax(-1)."
        return f"Integer labels must have the shape {shape_text(wanted)}, one for each set of {classes} outputs."
    if _paired(y_true, y_pred, strict=strict or kind in _ONE_HOT + _BINARY):
        return None
    integers = len(y_true) == len(y_pred) - 1 or (len(y_true) == len(y_pred) and y_true[-1:] == (1,))
    if kind in _ONE_HOT and integers and classes != 1:
        return (
            "Integer labels need loss='sparse_categorical_crossentropy'; "
            f"or one-hot them with to_categorical(y, {classes})."
        )
    if kind in _BINARY and integers and classes not in (1, None):
        return (
            "It needs one label for each output. For one label a row, end the model with 1 unit and a sigmoid; "
            f"for {classes} classes use loss='sparse_categorical_crossentropy' and a softmax."
        )
    if (len(y_true), len(y_pred)) in ((1, 2), (2, 1)):
        columns, units = (y_true[1:] or (1,))[0], (y_pred[1:] or (1,))[0]
        return f"The two must be equal: give the last layer {plural(columns, 'unit')}, or y {plural(units, 'column')}."
    if len(y_true) != len(y_pred):
        longer = "outputs have" if len(y_pred) > len(y_true) else "labels have"
        return f"The two must be equal, but the {longer} more axes: flatten or pool them, or check return_sequences."
    if y_true[:-1] == y_pred[:-1] and None not in (y_true[-1], y_pred[-1]):
        sizes = f"give the last layer {plural(y_true[-1], 'unit')}, or y {plural(y_pred[-1], 'column')}"
        return f"The two must be equal: {sizes}."
    return "The two must be equal."


def _fit(shape1: tuple[Any, ...], shape2: tuple[Any, ...]) -> bool:
    return len(shape1) == len(shape2) and all(a == b or None in (a, b) for a, b in zip(shape1, shape2, strict=True))


def _paired(y_true: tuple[Any, ...], y_pred: tuple[Any, ...], strict: bool) -> bool:
    """Whether two shapes are equal, once a last axis of size one is evened out; or broadcast, unless strict."""
    if len(y_true) == len(y_pred) + 1 and y_true[-1] == 1:
        y_true = y_true[:-1]
    elif len(y_pred) == len(y_true) + 1 and y_pred[-1] == 1:
        y_pred = y_pred[:-1]
    if _fit(y_true, y_pred):
        return True
    if strict or () in (y_true, y_pred):
        return not strict
    return len(y_true) == len(y_pred) and all(
        a == b or None in (a, b) or 1 in (a, b) for a, b in zip(y_true, y_pred, strict=True)
    )


# --- helpers ----------------------------------------------------------------------------


def computing_dtype(dtype: Any) -> str:
    """Name of the type that a loss or metric computes in: of a name, a NumPy dtype or a policy."""
    if dtype in ("int", "float"):
        return "int32" if dtype == "int" else floatx()
    return floatx() if dtype is None else dtypes.get(dtype).compute_dtype


def refuse_unknown(owner: Any, fn: Any, kwargs: Mapping[str, Any]) -> None:
    """Error where a wrapper has no function, or has ``kwargs`` though its class declares its arguments."""
    if not callable(fn if fn is not None else owner.fn):
        raise ArgumentError(f"{type(owner).__name__}: fn is {fn!r}; expected a function of (y_true, y_pred).")
    for name in kwargs if owner._fields else ():
        raise ArgumentError(f"{type(owner).__name__}: unknown argument {name!r}.{suggestion(name, owner._fields)}")


def loss_class_of(function: Any) -> Any:
    """Class of a built-in loss function, or ``None``."""
    if not inspect.isfunction(function) or table.public.get(function.__name__) is not function:
        return None
    return next(
        member
        for member in table.public.values()
        if inspect.isclass(member) and member.__dict__.get("fn") and member.fn is function
    )


def row_wise_arguments(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a built-in function with these arguments treats each row alone."""
    axis = arguments.get("axis", None if name in ("dice", "tversky") else -1)
    axes = axis if isinstance(axis, (list, tuple)) else (axis,)
    return name != "circle" and (axis == -1 or all(a is not None and a > 0 for a in axes))


def _shape(x: Any) -> tuple[Any, ...]:
    return tuple(K.shape(x))


def _float(x: Any) -> Any:
    x = K.array(x)
    return x if "float" in K.dtype(x) else K.cast(x, floatx())


def _tensors(structure: Any, dtype: str) -> Any:
    """Tensors of a type; a list of numbers is one tensor, other containers keep their form."""
    numbers = isinstance(structure, (list, tuple)) and all(np.isscalar(leaf) for leaf in tree.leaves(structure))
    if numbers or not tree.is_nested(structure):
        return K.cast(K.array(structure), dtype)
    return tree.map(lambda leaf: leaf if leaf is None else K.cast(K.array(leaf), dtype), structure)


def _pair(kind: str, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as floats of one type and rank, checked."""
    y_pred = _float(y_pred)
    y_true = K.cast(K.array(y_true), K.dtype(y_pred))
    _check(kind, _shape(y_true), _shape(y_pred))
    return squeeze_or_expand_to_same_rank(y_true, y_pred)


def _labels(kind: str, y_true: Any, y_pred: Any, axis: int) -> tuple[Any, Any]:
    """Labels as integers without the axis of classes, and probabilities as floats, checked."""
    y_pred = _float(y_pred)
    y_true = K.cast(K.array(y_true), "int32")
    _check(kind, _shape(y_true), _shape(y_pred), axis=axis)
    if len(_shape(y_true)) == len(_shape(y_pred)):
        y_true = K.squeeze(y_true, axis)
    return y_true, y_pred


def _signs(y_true: Any) -> Any:
    """Labels 0 and 1 as -1 and 1; others as they are."""
    binary = K.all(K.logical_or(K.equal(y_true, 0), K.equal(y_true, 1)))
    return K.where(binary, 2.0 * y_true - 1.0, y_true)


def _smoothed(y_true: Any, label_smoothing: float, classes: int) -> Any:
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes if label_smoothing else y_true


spelling.offer_older(__name__)

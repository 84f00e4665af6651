"""Metrics: numbers about an epoch, exact over all its rows, whatever the batches were."""

from collections.abc import Mapping, Sequence
from typing import Any

from keraunos import losses
from keraunos.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    label_kind,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from keraunos.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from keraunos.metrics.base import Metric, table
from keraunos.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from keraunos.metrics.fscore import F1Score, FBetaScore
from keraunos.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from keraunos.metrics.of_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from keraunos.metrics.reductions import LastValue, Mean, MeanMetricWrapper, Sum
from keraunos.metrics.regression import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    R2Score,
    RootMeanSquaredError,
    concordance_correlation,
    pearson_correlation,
)
from keraunos.utils import spelling
from keraunos.utils.tracebacks import entrance

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

# A loss that has no metric class of its own is still a metric by its name.
for _name, _member in losses.table.members.items():
    if not isinstance(_member, type):
        table.members.setdefault(_name, _member)

# Names that mean one class or another by the shapes of labels and outputs.
_BY_SHAPE: Mapping[str, tuple[type[Metric], type[Metric], type[Metric]]] = {
    "accuracy": (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy),
    "crossentropy": (BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy),
    "top_k": (SparseTopKCategoricalAccuracy, SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy),
}
_BY_SHAPE = {
    **_BY_SHAPE,
    "acc": _BY_SHAPE["accuracy"],
    "ce": _BY_SHAPE["crossentropy"],
    "top_k_accuracy": _BY_SHAPE["top_k"],
}
table.members.setdefault("top_k", TopKCategoricalAccuracy)
table.members.setdefault("top_k_accuracy", TopKCategoricalAccuracy)


@entrance
def get(identifier: Any) -> Any:
    """Metric of a name, a config, a class, or the metric or function itself.

    >>> get("mse")
    <MeanSquaredError name=mean_squared_error>
    """
    return table.get(identifier)


def serialize(metric: Any) -> Any:
    """Config of a metric, as Keras 3 writes it."""
    return table.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Metric that a config, or a name, describes."""
    return table.deserialize(config, custom_objects)


def resolve(
    identifier: Any, y_true_shape: Sequence[int | None], y_pred_shape: Sequence[int | None], loss: Any = None
) -> Metric:
    """The ``Metric`` that ``compile(metrics=[identifier])`` means; a name becomes the metric's.

    ``"accuracy"``, ``"crossentropy"`` and ``"top_k"`` depend on the shapes, or
    on the ``loss`` where one is given: binary crossentropy makes them binary
    whatever the number of outputs, and only the sparse one makes them sparse.
    ``"f1"`` is the mean over classes, or of class 1 where there is one output.

    >>> resolve("accuracy", (None, 1), (None, 10))
    <SparseCategoricalAccuracy name=accuracy>
    """
    if not isinstance(identifier, str):
        metric = get(identifier)
        if isinstance(metric, Metric):
            return metric
        name = getattr(metric, "__name__", None) or getattr(metric, "name", type(metric).__name__)
        kind = (
            LastValue if getattr(metric, "stateful", False) and hasattr(metric, "reset_states") else MeanMetricWrapper
        )
        return kind(metric, name=name)
    binary, sparse = label_kind(y_true_shape, y_pred_shape)
    if loss is not None:
        function = getattr(loss, "fn", loss)
        binary = binary or function is binary_crossentropy
        sparse = function is sparse_categorical_crossentropy
    if identifier.lower() in _BY_SHAPE:
        metric = _BY_SHAPE[identifier.lower()][0 if binary else 1 if sparse else 2]()
    elif identifier == "f1":
        metric = F1Score(average="macro", threshold=0.5 if binary else None)
    else:
        metric = get(identifier)
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric)
    metric.name = spelling.provider().metric_name(identifier, metric) if spelling.chosen() else identifier
    return metric


spelling.offer_older(__name__)

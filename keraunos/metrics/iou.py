"""Intersection over union, for segmentation: from a confusion matrix over the epoch."""

from collections.abc import Sequence
from typing import Annotated, Any, SupportsIndex

import numpy as np

from keraunos.backend import K
from keraunos.core.fields import Converted, Declared, Field, Name, PositiveInt, Real
from keraunos.metrics.base import Metric, table
from keraunos.metrics.of_losses import Label
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError, ShapeError, warn
from keraunos.utils.text import shape_text

Ids = Annotated[
    Converted[list[int], Sequence[SupportsIndex] | np.ndarray], Field(lambda value: [int(number) for number in value])
]
Counts = Annotated[Converted[str, Any], Field(lambda value: "int32" if value is None else value)]


class _IoUBase(Metric, Declared):
    """Base: the matrix of truth against prediction, and the mean ratio of the wanted classes."""

    row_wise = True
    direction = "up"
    # What a variant that has no such argument uses. No annotations: these are not arguments.
    num_classes = 2
    ignore_class = None
    sparse_y_true = True
    sparse_y_pred = True
    axis = -1

    def setup(self) -> None:
        """Make the matrix."""
        largest = max(self._wanted(), default=0)
        if largest >= self.num_classes or min(self._wanted(), default=0) < 0:
            raise ArgumentError(
                f"{type(self).__name__}: target_class_ids has {largest}, but there are {self.num_classes} classes. "
                f"Give ids from 0 to {self.num_classes - 1}."
            )
        self.total_cm = self.add_variable(
            (self.num_classes, self.num_classes), dtype=self.dtype, name="total_confusion_matrix"
        )

    def _wanted(self) -> list[int]:
        return getattr(self, "target_class_ids", None) or list(range(self.num_classes))

    def _labels(self, values: Any, sparse: bool) -> Any:
        return K.cast(K.array(values) if sparse else K.argmax(K.array(values), self.axis), "int32")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Integer labels, or one-hot ones where the class says so.
            y_pred: Integer labels, or scores of the classes.
            sample_weight: Weights, ``(batch,)`` or in the shape of the labels. With
                the integer ``dtype`` (the default) they are cut to whole numbers, as
                in Keras; ``dtype="float32"`` keeps fractions.
        """
        self._enter(self._labels(y_true, self.sparse_y_true), self._labels(y_pred, self.sparse_y_pred), sample_weight)

    row_wise = True

    def _enter(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        if K.size(y_true) != K.size(y_pred):
            raise ShapeError(
                f"{self.name}: y has labels of shape {shape_text(K.shape(y_true))}, the outputs of shape "
                f"{shape_text(K.shape(y_pred))}. The two must be equal; scores of classes need sparse_y_pred=False."
            )
        weight = K.ravel(self._weights(sample_weight, K.shape(y_true)))
        y_true, y_pred = K.ravel(y_true), K.ravel(y_pred)
        classes = self.num_classes
        known = K.logical_and(
            K.logical_and(K.greater_equal(y_true, 0), K.less(y_true, classes)),
            K.logical_and(K.greater_equal(y_pred, 0), K.less(y_pred, classes)),
        )
        if self.ignore_class is not None:
            known = K.logical_and(known, K.not_equal(y_true, self.ignore_class))
        cell = K.where(known, y_true * classes + y_pred, 0)
        counts = K.segment_sum(K.where(known, weight, K.zeros_like(weight)), cell, classes * classes)
        self.total_cm.assign(self.total_cm + K.reshape(counts, (classes, classes)))

    def _weights(self, sample_weight: Any, shape: tuple[int, ...]) -> Any:
        if sample_weight is None:
            return K.ones(shape, self.dtype)
        if "int" in self.dtype and isinstance(sample_weight, (list, np.ndarray)):
            given = np.asarray(sample_weight)
            if given.dtype.kind == "f" and not np.array_equal(given, np.floor(given)):
                warn(
                    f"{self.name}: sample_weight has fractions, which the dtype {self.dtype!r} cuts off. "
                    "Make the metric with dtype='float32'."
                )
        weight = K.cast(K.array(sample_weight), self.dtype)
        own = K.shape(weight)
        if own == shape[: len(own)]:
            weight = K.reshape(weight, (*own, *[1] * (len(shape) - len(own))))
        elif K.size(weight) == np.prod(shape):
            return weight
        elif any(a not in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False)) or len(own) > len(shape):
            raise ShapeError(
                f"{self.name}: sample_weight has shape {shape_text(own)}, which does not fit the labels of shape "
                f"{shape_text(shape)}. Give one weight for each row, or one for each label."
            )
        return K.broadcast_to(weight, shape)

    def result(self) -> Any:
        """Mean over the wanted classes that occur, of ``TP / (TP + FP + FN)``."""
        matrix = self.total_cm.value
        hits = K.diag(matrix)
        either = K.sum(matrix, 0) + K.sum(matrix, 1) - hits
        wanted = K.array(np.array(self._wanted(), "int32"))
        hits, either = (K.cast(K.take(values, wanted, 0), "float32") for values in (hits, either))
        occurs = K.greater(either, 1e-9)
        ratio = K.where(occurs, hits / (either + epsilon()), 0.0)
        return K.sum(ratio) / (K.sum(K.cast(occurs, "float32")) + epsilon())


@table.register("iou")
class IoU(_IoUBase):
    """``TP / (TP + FP + FN)``, averaged over some of the classes.

    Args:
        num_classes: Number of classes.
        target_class_ids: Classes that are averaged.
        name: Name in logs.
        dtype: Type of the counts; whole numbers if not given.
        ignore_class: Label of values that do not count.
        sparse_y_true: Whether ``y_true`` holds integers; scores of classes otherwise.
        sparse_y_pred: The same of ``y_pred``.
        axis: Axis of the classes in scores.

    >>> float(IoU(2, [0])([0, 0, 1, 1], [0, 1, 0, 1]).round(4))
    0.3333...
    """

    num_classes: PositiveInt
    target_class_ids: Ids
    name: Name = None
    dtype: Counts = None
    ignore_class: Label = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1


@table.register()
class BinaryIoU(_IoUBase):
    """IoU of two classes, from probabilities of the second.

    Args:
        target_class_ids: Classes that are averaged: ``(0, 1)``, ``(0,)`` or ``(1,)``.
        threshold: Probability from which on the prediction is class 1.
        name: Name in logs.
        dtype: Type of the counts; whole numbers if not given.

    >>> float(BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]).round(4))
    0.3333...
    """

    target_class_ids: Ids = (0, 1)
    threshold: Real = 0.5
    name: Name = None
    dtype: Counts = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in: labels 0 and 1, and probabilities."""
        above = K.greater_equal(K.cast(K.array(y_pred), "float32"), self.threshold)
        super().update_state(y_true, K.cast(above, "int32"), sample_weight)

    row_wise = True


@table.register("mean_iou")
class MeanIoU(_IoUBase):
    """``TP / (TP + FP + FN)``, averaged over all classes that occur.

    Args:
        num_classes: Number of classes.
        name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: As in ``IoU``.

    >>> float(MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1]).round(4))
    0.3333...
    """

    num_classes: PositiveInt
    name: Name = None
    dtype: Counts = None
    ignore_class: Label = None
    sparse_y_true: bool = True
    sparse_y_pred: bool = True
    axis: int = -1


@table.register("one_hot_iou")
class OneHotIoU(_IoUBase):
    """IoU of one-hot labels and scores of the classes, averaged over some of the classes.

    Args:
        num_classes: Number of classes.
        target_class_ids: Classes that are averaged.
        name, dtype, ignore_class, sparse_y_pred, axis: As in ``IoU``.
    """

    sparse_y_true = False
    num_classes: PositiveInt
    target_class_ids: Ids
    name: Name = None
    dtype: Counts = None
    ignore_class: Label = None
    sparse_y_pred: bool = False
    axis: int = -1


@table.register("one_hot_mean_iou")
class OneHotMeanIoU(_IoUBase):
    """IoU of one-hot labels and scores of the classes, averaged over all classes that occur.

    Args:
        num_classes: Number of classes.
        name, dtype, ignore_class, sparse_y_pred, axis: As in ``IoU``.
    """

    sparse_y_true = False
    num_classes: PositiveInt
    name: Name = None
    dtype: Counts = None
    ignore_class: Label = None
    sparse_y_pred: bool = False
    axis: int = -1

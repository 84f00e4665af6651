"""Functions and classes of earlier eras that compute what no parameter of today's can.

Formulas are those of Keras 1.2.2 and 2.2.4, written anew. Whatever stands here
is found by its own name, such as ``hard_sigmoid_keras2``, in every era, so that
a file that names it can be read.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from keraunos import activations, initializers, losses, metrics, regularizers  # noqa: F401 (they fill the tables)
from keraunos.backend import K
from keraunos.core.fields import NonNegativeReal
from keraunos.core.registry import TABLES
from keraunos.utils import spelling
from keraunos.utils.config import epsilon, floatx
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text

F = TypeVar("F", bound=Callable[..., Any])


def _by_rows(function: F) -> F:
    """Mark a function whose value for a row depends on that row alone, so that a short batch may be padded."""
    function.row_wise = True  # type: ignore[attr-defined]
    return function


# --- losses -------------------------------------------------------------------------------


@_by_rows
def cosine_proximity_keras1(y_true: Any, y_pred: Any) -> Any:
    """``-mean(y_true * y_pred) / (|y_true| * |y_pred|)`` over the last axis; since Keras 2 a sum.

    >>> cosine_proximity_keras1([[0.0, 1.0]], [[0.0, 5.0]]).tolist()
    [-0.5]
    """
    return losses.cosine_similarity(y_true, y_pred) / float(K.shape(K.array(y_pred))[-1])


@_by_rows
def hinge_keras2(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0))`` over the last axis; labels 0 and 1 are not converted.

    >>> hinge_keras2([[0.0, 1.0]], [[3.0, 0.5]]).tolist()
    [0.75]
    """
    y_pred = K.array(y_pred)
    return K.mean(K.maximum(1.0 - K.cast(K.array(y_true), K.dtype(y_pred)) * y_pred, 0.0), -1)


@_by_rows
def squared_hinge_keras2(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0)**2)`` over the last axis; labels 0 and 1 are not converted.

    >>> squared_hinge_keras2([[0.0, 1.0]], [[3.0, 0.5]]).tolist()
    [0.625]
    """
    y_pred = K.array(y_pred)
    return K.mean(K.square(K.maximum(1.0 - K.cast(K.array(y_true), K.dtype(y_pred)) * y_pred, 0.0)), -1)


# --- metrics of Keras 1: one number for a batch, whose mean over the batches is shown --------


def matthews_correlation(y_true: Any, y_pred: Any) -> Any:
    """Correlation of two yes-or-no answers, from −1 to 1: ``(tp tn − fp fn) / sqrt(all four sums)``, of one batch.

    >>> float(matthews_correlation(K.array([1.0, 0.0]), K.array([0.9, 0.2]))).__round__(3)
    1.0
    """
    truth, guess = _answers(y_true), _answers(y_pred)
    tp, tn = K.sum(truth * guess), K.sum((1 - truth) * (1 - guess))
    fp, fn = K.sum((1 - truth) * guess), K.sum(truth * (1 - guess))
    return (tp * tn - fp * fn) / (K.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) + epsilon())


def precision_keras1(y_true: Any, y_pred: Any) -> Any:
    """Part of the positive answers of one batch that are right.

    >>> float(precision_keras1(K.array([1.0, 0.0]), K.array([1.0, 1.0]))).__round__(3)
    0.5
    """
    return K.sum(_answers(_floats(y_true) * _floats(y_pred))) / (K.sum(_answers(y_pred)) + epsilon())


def recall_keras1(y_true: Any, y_pred: Any) -> Any:
    """Part of the positive truths of one batch that are found.

    >>> float(recall_keras1(K.array([1.0, 1.0]), K.array([1.0, 0.0]))).__round__(3)
    0.5
    """
    return K.sum(_answers(_floats(y_true) * _floats(y_pred))) / (K.sum(_answers(y_true)) + epsilon())


def fbeta_score_keras1(y_true: Any, y_pred: Any, beta: float = 1) -> Any:
    """``(1 + β²) p r / (β² p + r)`` of the precision and recall of one batch; 0 where nothing is positive.

    >>> float(fbeta_score_keras1(K.array([1.0, 1.0]), K.array([1.0, 0.0]))).__round__(3)
    0.667
    """
    if beta < 0:
        raise ArgumentError(f"fbeta_score: beta is {beta}; expected 0 (precision alone) or more.")
    p, r = precision_keras1(y_true, y_pred), recall_keras1(y_true, y_pred)
    return (1 + beta**2) * p * r / (beta**2 * p + r + epsilon())


def fmeasure(y_true: Any, y_pred: Any) -> Any:
    """``fbeta_score`` with β = 1."""
    return fbeta_score_keras1(y_true, y_pred)


def _floats(values: Any) -> Any:
    return K.cast(K.array(values), floatx())


def _answers(values: Any) -> Any:
    return K.round(K.clip(_floats(values), 0.0, 1.0))


def as_returned(name: str, member: Any) -> Any:
    """A metric's function that returns what the active era's returned when it was called.

    Keras 1 returned one number for a batch. Keras 2 returned one for a row, and for the metrics ``top_k`` one for
    a batch.
    """
    if inspect.isclass(member) and (name.islower() or name.isupper()):
        member = getattr(member, "fn", None) or member  # "mse" and "MSE" were functions
    if not inspect.isfunction(member) or name in ("get", "serialize", "deserialize"):
        return member
    whole = spelling.era() == 1 or "top_k" in name
    if not whole and name != "binary_accuracy":
        return member

    @functools.wraps(member)
    def call(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        values = member(y_true, y_pred, *args, **kwargs)
        return K.mean(values) if whole else K.mean(values, -1)

    return call


# --- activations --------------------------------------------------------------------------


def hard_sigmoid_keras2(x: Any) -> Any:
    """``x / 5 + 0.5`` limited to [0, 1]; since Keras 3 the slope is 1/6.

    >>> hard_sigmoid_keras2([-2.5, 1.0]).tolist()
    [0.0, 0.7]
    """
    x = K.array(x) if isinstance(x, (list, tuple)) else x
    return K.clip(0.2 * x + 0.5, 0.0, 1.0)


# --- regularizers -------------------------------------------------------------------------


class EigenvalueRegularizer(regularizers.Regularizer):
    """``k`` times the largest singular value of a matrix ``x``, after nine steps of the power method.

    The value is the root of the Rayleigh quotient of ``x.T @ x`` at the vector that
    nine products with it make of a vector of ones.

    Args:
        k: Factor, 0 or more.

    Raises:
        ShapeError: The tensor is not a matrix.

    >>> float(EigenvalueRegularizer(0.5)(K.array([[4.0, 0.0], [0.0, 0.0]])))
    2.0
    """

    k: NonNegativeReal

    def __call__(self, x: Any) -> Any:
        if len(K.shape(x)) != 2:
            raise ShapeError(f"EigenvalueRegularizer needs a matrix, not a tensor of shape {shape_text(K.shape(x))}.")
        square = K.matmul(K.transpose(x), x)
        vector = K.ones((K.shape(square)[0], 1), K.dtype(x))
        for _ in range(9):
            vector = K.matmul(square, vector)
        quotient = K.sum(K.matmul(square, vector) * vector) / K.sum(K.square(vector))
        return self.k * K.sqrt(quotient)


# --- by name and era ----------------------------------------------------------------------

# What a name means in an era, where it does not mean today's member (or another name of it).
LOSSES: dict[str, dict[int, Any]] = {
    "cosine_proximity": {1: cosine_proximity_keras1},
    "cosine": {1: cosine_proximity_keras1},
    "hinge": {1: hinge_keras2, 2: hinge_keras2},
    "squared_hinge": {1: squared_hinge_keras2, 2: squared_hinge_keras2},
}
METRICS: dict[str, dict[int, Any]] = {
    "precision": {1: precision_keras1},
    "recall": {1: recall_keras1},
    "fbeta_score": {1: fbeta_score_keras1},
    "fscore": {1: fmeasure},
    "f1score": {1: fmeasure},
    # Today's metric of this name is positive where the directions agree; the loss, as Keras 2 had it, is negative.
    "cosine_proximity": {1: cosine_proximity_keras1, 2: losses.cosine_similarity},
    "cosine": {1: cosine_proximity_keras1, 2: losses.cosine_similarity},
    "hinge": {1: hinge_keras2, 2: hinge_keras2},
    "squared_hinge": {1: squared_hinge_keras2, 2: squared_hinge_keras2},
}
ACTIVATIONS: dict[str, dict[int, Any]] = {
    "hard_sigmoid": {1: hard_sigmoid_keras2, 2: hard_sigmoid_keras2},
}
# Objects without a seed keep nothing, so one serves all.
INITIALIZERS: dict[str, dict[int, Any]] = {
    "glorot_normal": {1: initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal")},
    "he_normal": {1: initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")},
}
REGULARIZERS: dict[str, dict[int, Any]] = {
    "EigenvalueRegularizer": {1: EigenvalueRegularizer},
}
CONSTRAINTS: dict[str, dict[int, Any]] = {}

FAMILIES = {
    "losses": LOSSES, "metrics": METRICS, "activations": ACTIVATIONS, "initializers": INITIALIZERS,
    "regularizers": REGULARIZERS, "constraints": CONSTRAINTS,
}  # fmt: skip

# Members by the names that our files keep, and the families in which they are found.
_OWN: tuple[tuple[Any, str], ...] = (
    (cosine_proximity_keras1, "losses metrics"),
    (hinge_keras2, "losses metrics"),
    (squared_hinge_keras2, "losses metrics"),
    (matthews_correlation, "metrics"),
    (precision_keras1, "metrics"),
    (recall_keras1, "metrics"),
    (fbeta_score_keras1, "metrics"),
    (fmeasure, "metrics"),
    (hard_sigmoid_keras2, "activations"),
    (EigenvalueRegularizer, "regularizers"),
)
NAMED: dict[str, Any] = {member.__name__: member for member, _ in _OWN}
for _member, _families in _OWN:
    for _family in _families.split():
        TABLES[_family].alias(_member.__name__, _member)

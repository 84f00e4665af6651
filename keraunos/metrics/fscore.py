"""F scores: precision and recall in one number, for each class or averaged."""

from typing import Annotated, Any, SupportsFloat

from keraunos.backend import K
from keraunos.core.fields import Converted, Declared, Dtype, Field, Name, choice, real
from keraunos.metrics.base import Metric, table
from keraunos.metrics.confusion import paired
from keraunos.utils.config import epsilon
from keraunos.utils.errors import ArgumentError


def _positive(value: Any) -> float:
    number: float = real(0)(value)
    if number == 0:
        raise ArgumentError("expected a number above 0.")
    return number


def _threshold(value: Any) -> float | None:
    number = real(0, 1, optional=True)(value)
    if number == 0:
        raise ArgumentError("expected a number above 0 and at most 1.")
    return number  # type: ignore[no-any-return]


Average = Annotated[str | None, Field(choice(None, "micro", "macro", "weighted"))]
Positive = Annotated[Converted[float, SupportsFloat], Field(_positive)]
Threshold = Annotated[Converted[float | None, SupportsFloat | None], Field(_threshold)]


@table.register("fbeta", "fbeta_score")
class FBetaScore(Metric, Declared):
    """``(1 + b**2) * precision * recall / (b**2 * precision + recall)``, from counts over the epoch.

    ``y_true`` is one-hot, ``(batch, classes)``, or holds integer labels,
    ``(batch,)`` or ``(batch, 1)`` (Keras wants them one-hot).

    Args:
        average: ``None`` for one score a class; ``"micro"`` (all classes in one count),
            ``"macro"`` (mean over classes), ``"weighted"`` (by the number of labels).
        beta: Weight of recall against precision, more than 0.
        threshold: Probability above which a class is predicted; if not given, the
            likeliest class is. A model with one output needs one, such as 0.5.
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> score = FBetaScore(beta=2.0, threshold=0.5)
    >>> score([[1, 0], [1, 1]], [[0.2, 0.1], [0.7, 0.8]]).round(2).tolist()
    [0.5600..., 1.0]
    """

    row_wise = True
    direction = "up"
    average: Average = None
    beta: Positive = 1.0
    threshold: Threshold = None
    name: Name = "fbeta_score"
    dtype: Dtype = None

    def build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        """Make the counts of each class."""
        if "true_positives" in self.__dict__:
            return
        columns = (1,) if len(y_pred_shape) < 2 else (y_pred_shape[-1],)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            shape = () if self.average == "micro" else columns
            setattr(self, name, self.add_variable(shape, dtype=self.dtype, name=name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: One-hot, several-hot or integer labels.
            y_pred: Probabilities, ``(batch, classes)``.
            sample_weight: Weights, ``(batch,)``.
        """
        self.build(K.shape(y_true), K.shape(y_pred))
        y_true, y_pred, weight = paired(self.name, y_true, y_pred, sample_weight, self.dtype)
        if len(K.shape(y_pred)) == 1:
            y_true, y_pred, weight = y_true[:, None], y_pred[:, None], weight[:, None]
        if self.threshold is None:
            likeliest = K.greater_equal(y_pred, K.max(y_pred, -1, True))
            found = K.logical_and(likeliest, K.greater(K.abs(y_pred), 1e-9))
        else:
            found = K.greater(y_pred, self.threshold)
        found = K.cast(found, self.dtype)
        axes = None if self.average == "micro" else tuple(range(len(K.shape(y_pred)) - 1))
        for name, hits in (
            ("true_positives", found * y_true),
            ("false_positives", found * (1.0 - y_true)),
            ("false_negatives", (1.0 - found) * y_true),
            ("intermediate_weights", y_true),
        ):
            variable = getattr(self, name)
            variable.assign(variable + K.sum(K.where(K.equal(weight, 0), 0.0, hits * weight), axes))

    row_wise = True

    def result(self) -> Any:
        """The score: one for each class where ``average`` is ``None``."""
        self._need_state("true_positives")
        hits = self.true_positives
        precision = hits / (hits + self.false_positives + epsilon())
        recall = hits / (hits + self.false_negatives + epsilon())
        square = self.beta**2
        score = (1.0 + square) * precision * recall / (square * precision + recall + epsilon())
        if self.average == "weighted":
            share = self.intermediate_weights / (K.sum(self.intermediate_weights) + epsilon())
            return K.sum(score * share)
        return score if self.average is None else K.mean(score)


@table.register("f1")
class F1Score(FBetaScore):
    """``2 * precision * recall / (precision + recall)``; see ``FBetaScore``.

    Args:
        average: As in ``FBetaScore``.
        threshold: As in ``FBetaScore``.
        name: Name in logs.
        dtype: As in ``Metric``.

    >>> float(F1Score(average="macro")([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]).round(4))
    1.0
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments as plain data."""
        return {key: value for key, value in super().get_config().items() if key != "beta"}

"""Small array helpers that scripts call before ``fit``: one-hot labels, padding, scaling, packing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keraunos.utils.errors import ArgumentError, DataError
from keraunos.utils.spelling import spelled
from keraunos.utils.text import plural, suggestion

_SIDES = ("pre", "post")


@spelled
def to_categorical(x: Any, num_classes: int | None = None, *, dtype: Any = "float64", flat: bool = False) -> np.ndarray:
    """One-hot rows of whole numbers: ``result[..., k] = 1`` where ``x == k``, else 0.

    Input shape:  any; a last axis of size one is dropped
    Output shape: ``(*shape, num_classes)``

    Args:
        x: Classes, whole numbers from 0 to ``num_classes - 1``.
        num_classes: Width of the rows; the largest class plus one by default.
        dtype: Type of the rows.
        flat: Whether all axes of ``x`` become one, as in Keras 1.2.2.

    Raises:
        ArgumentError: A class is negative, not below ``num_classes``, a fraction, or a text.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    labels = _whole_labels(np.asarray(x))
    if labels.size == 0 and not num_classes:
        raise ArgumentError("to_categorical: x is empty, so the number of classes is unknown. Give num_classes.")
    if flat:
        labels = labels.ravel()
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    width = int(num_classes or labels.max() + 1)
    wrong = np.unique(labels[(labels < 0) | (labels >= width)])
    if wrong.size:
        raise ArgumentError(
            f"to_categorical: x holds the class {wrong[0]}; expected whole numbers from 0 to {width - 1}. "
            "Number the classes from 0, for example with np.unique(x, return_inverse=True)[1]."
        )
    result = np.zeros((labels.size, width), dtype)
    result[np.arange(labels.size), labels.ravel()] = 1
    return result.reshape(*labels.shape, width)


def _whole_labels(given: np.ndarray) -> np.ndarray:
    try:
        numbers = given.astype("float64") if given.dtype.kind in "OUS" else given
        with np.errstate(invalid="ignore"):
            labels = numbers.astype("int64")
        odd = given[labels != numbers]
    except (TypeError, ValueError):
        odd = given.ravel()
    if odd.size:
        raise ArgumentError(
            f"to_categorical: x holds {odd.flat[0]!s:.40}, which is no whole number. Number the classes first: "
            "names, x = np.unique(x, return_inverse=True)."
        )
    return labels


@spelled
def normalize(x: Any, axis: int = -1, order: float = 2) -> np.ndarray:
    """Scale to norm one along an axis: ``x / norm(x)``; where the norm is zero, ``x`` stays.

    Args:
        x: Numbers of any shape.
        axis: Axis along which the norm is taken. (Keras divides along the last
            axis when this is 0; here 0 is the first axis.)
        order: 1, 2, ``numpy.inf`` or any other order of ``numpy.linalg.norm``.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    x = np.asarray(x)
    norm = np.asarray(np.linalg.norm(x, order, axis, keepdims=True))
    return x / np.where(norm == 0, 1, norm)


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """One array from sequences of unequal length: short ones are filled with ``value``, long ones cut.

    Output shape: ``(len(sequences), maxlen, ...)``

    Args:
        sequences: Sequences of numbers, or of arrays of one shape.
        maxlen: Length of every row; the longest sequence by default.
        dtype: Type of the result; ``object`` for texts.
        padding: Where to fill, ``"pre"`` or ``"post"``.
        truncating: Where to cut, ``"pre"`` or ``"post"``.
        value: What to fill with.

    Raises:
        ArgumentError: Something is no sequence, two items differ in shape, or
            ``value`` does not fit ``dtype``.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
    array([[0, 1],
           [2, 3],
           [5, 6]], dtype=int32)
    """
    for argument, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise ArgumentError(f"pad_sequences: {argument} is {side!r}.{suggestion(side, _SIDES)}")
    if not hasattr(sequences, "__len__"):
        raise ArgumentError(
            f"pad_sequences: sequences is {type(sequences).__name__}; expected a list of sequences. "
            "Turn an iterator into a list first."
        )
    for position, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ArgumentError(
                f"pad_sequences: item {position} is {sequence!r}; expected a sequence. "
                "A single sequence goes into a list: pad_sequences([sequence])."
            )
    if isinstance(value, str) and np.dtype(dtype).kind not in "OUS":
        raise ArgumentError(f"pad_sequences: value is the text {value!r}, but dtype is {dtype}. Give dtype=object.")

    item_shape = next((np.asarray(sequence).shape[1:] for sequence in sequences if len(sequence)), ())
    if maxlen is None:
        maxlen = max((len(sequence) for sequence in sequences), default=0)
    result = np.full((len(sequences), maxlen, *item_shape), value, dtype=dtype)
    for position, sequence in enumerate(sequences):
        kept = sequence[:maxlen] if truncating == "post" else sequence[max(len(sequence) - maxlen, 0) :]
        if len(kept) == 0:
            continue
        kept = np.asarray(kept, dtype=dtype)
        if kept.shape[1:] != item_shape:
            raise ArgumentError(
                f"pad_sequences: items of sequence {position} have shape {kept.shape[1:]}, but those before have "
                f"{item_shape}. Give every item the same shape."
            )
        if padding == "post":
            result[position, : len(kept)] = kept
        else:
            result[position, maxlen - len(kept) :] = kept
    return result


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """What a data source yields: ``x``, ``(x, y)`` or ``(x, y, sample_weight)``.

    >>> pack_x_y_sample_weight(1), pack_x_y_sample_weight(1, 2)
    (1, (1, 2))
    """
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """``(x, y, sample_weight)`` of what a data source yields; ``None`` for what is missing.

    Raises:
        DataError: ``data`` has none or more than three parts.

    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise DataError(
            f"the data has {plural(len(data), 'part')}; expected x, (x,), (x, y) or (x, y, sample_weight). "
            "Several inputs or outputs go into a tuple or dict of their own: ((x1, x2), y)."
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight

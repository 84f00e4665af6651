"""Checks of data and cuts into batches that Keras 1 and 2 kept in ``keras.engine``, and scripts borrowed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos import config
from keraunos.backend import K
from keraunos.eras.utilities import slice_arrays, slice_X, to_list
from keraunos.utils.errors import ArgumentError, DataError
from keraunos.utils.text import shape_text

__all__ = [
    "batch_shuffle",
    "check_array_length_consistency",
    "check_array_lengths",
    "check_loss_and_target_compatibility",
    "check_num_samples",
    "collect_metrics",
    "iter_sequence_infinite",
    "make_batches",
    "slice_X",
    "slice_arrays",
    "standardize_class_weights",
    "standardize_input_data",
    "standardize_sample_or_class_weights",
    "standardize_sample_weights",
    "standardize_single_array",
    "standardize_weights",
    "weighted_masked_objective",
    "weighted_objective",
]  # fmt: skip


def make_batches(size: int, batch_size: int) -> list[tuple[int, int]]:
    """First row of each batch, and the row after its last.

    >>> make_batches(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(first, min(size, first + batch_size)) for first in range(0, size, batch_size)]


def batch_shuffle(index_array: Any, batch_size: int) -> np.ndarray:
    """Numbers of rows with the batches in another order; a short last batch stays last."""
    whole = len(index_array) // batch_size * batch_size
    batches = np.array(index_array[:whole]).reshape(-1, batch_size)
    np.random.shuffle(batches)
    return np.append(batches.ravel(), index_array[whole:])


def check_array_length_consistency(inputs: Any, targets: Any, weights: Any = None) -> None:
    """Refuse inputs, targets and weights that differ in their rows."""

    def rows(arrays: Any) -> set[int]:
        return {0} if arrays is None else {0 if array is None else len(array) for array in arrays}

    kinds = (("inputs", rows(inputs)), ("targets", rows(targets)), ("sample weights", rows(weights)))
    for kind, lengths in kinds:
        if len(lengths) > 1:
            raise DataError(f"All {kind} should have the same number of samples; got {sorted(lengths)}.")
    (_, x), (_, y), (_, w) = kinds
    if x and y and x != y:
        raise DataError(
            f"Input arrays should have the same number of samples as target arrays; got {min(x)} and {min(y)}."
        )
    if y and w and y != w:
        raise DataError(f"There are {min(w)} sample weights for {min(y)} targets; expected one for each.")


check_array_lengths = check_array_length_consistency
_SAME_SHAPE = ("mean_squared_error", "binary_crossentropy", "categorical_crossentropy")


def check_loss_and_target_compatibility(
    targets: Sequence[Any], loss_fns: Sequence[Any], output_shapes: Sequence[Sequence[int | None]]
) -> None:
    """Refuse targets whose shape a loss cannot compare with its output."""
    for target, loss, shape in zip(targets, loss_fns, output_shapes, strict=False):
        name = getattr(loss, "__name__", loss)
        if target is None or name not in _SAME_SHAPE:
            continue
        if name == "categorical_crossentropy" and target.shape[-1] == 1:
            raise DataError(
                f"You are passing a target array of shape {shape_text(target.shape)} while using as loss `{name}`, which "
                "expects rows of 0 and 1. Convert whole numbers with to_categorical, or use "
                "`sparse_categorical_crossentropy`."
            )
        if any(real is not None and given != real for given, real in zip(target.shape[1:], shape[1:], strict=False)):
            raise DataError(
                f"A target array with shape {shape_text(target.shape)} was passed for an output of shape "
                f"{shape_text(shape)} while using as loss `{name}`. "
                "This loss expects targets to have the same shape as the output."
            )


def standardize_input_data(
    data: Any,
    names: Sequence[str],
    shapes: Any = None,
    check_batch_axis: bool = True,
    exception_prefix: str = "",
) -> list[Any]:
    """Data as a list of arrays, one for each name, of the shapes that are expected.

    Args:
        data: An array, a list of them, or a dict by name; ``None`` stands for none.
        names: Names of the inputs or outputs.
        shapes: Shape of each, or ``None``.
        check_batch_axis: Whether the first axis is checked too.
        exception_prefix: What the data are called in messages.
    """
    what = f"checking {exception_prefix}".strip()
    if not names:
        if data is not None and len(data):
            raise DataError(f"Error when {what}: expected no data, but got {len(data)} arrays.")
        return []
    if data is None:
        return [None] * len(names)
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise DataError(f'No data provided for "{missing[0]}". Need data for each key in: {list(names)}')
        data = [data[name] for name in names]
    arrays = [None if array is None else np.asarray(array) for array in to_list(data)]
    if len(arrays) != len(names):
        arrays = [np.asarray(data)] if len(names) == 1 else arrays
    if len(arrays) != len(names):
        raise DataError(f"Error when {what}: expected {len(names)} arrays, but got {len(arrays)}.")
    arrays = [array[:, None] if array is not None and array.ndim == 1 else array for array in arrays]
    for name, array, shape in zip(names, arrays, shapes or [None] * len(names), strict=True):
        if array is None or shape is None:
            continue
        first = 0 if check_batch_axis else 1
        pairs = zip(array.shape[first:], shape[first:], strict=False)
        if array.ndim != len(shape) or any(real and given != real for given, real in pairs):
            raise DataError(
                f"Error when {what}: expected {name} to have shape {shape_text(shape)}, "
                f"but got array with shape {shape_text(array.shape)}."
            )
    return arrays


def standardize_single_array(x: Any) -> Any:
    """An array with at least two axes, of a row or more."""
    return x if x is None or np.ndim(x) != 1 else np.expand_dims(x, 1)


def check_num_samples(
    ins: Any, batch_size: int | None = None, steps: int | None = None, steps_name: str = "steps"
) -> Any:
    """Rows of some arrays; ``None`` where batches are counted instead."""
    if steps is not None and batch_size is not None:
        raise ArgumentError(f"If {steps_name} is set, the `batch_size` must be None.")
    if not ins and steps is None:
        raise DataError(f"There are no arrays to count the rows of; give {steps_name}.")
    return int(ins[0].shape[0]) if ins and hasattr(ins[0], "shape") else None


def standardize_sample_or_class_weights(x_weight: Any, output_names: Sequence[str], weight_type: str) -> list[Any]:
    """Weights as a list, one entry for each output."""
    if x_weight is None or len(x_weight) == 0:
        return [None] * len(output_names)
    if isinstance(x_weight, list) and len(x_weight) == len(output_names):
        return x_weight
    if isinstance(x_weight, Mapping) and (len(output_names) > 1 or output_names[0] in x_weight):
        return [x_weight.get(name) for name in output_names]
    if len(output_names) == 1:
        return [x_weight]
    raise ArgumentError(
        f"`{weight_type}` is {type(x_weight).__name__} for {len(output_names)} outputs; expected a list with an entry for "
        "each, or a dict by name."
    )


def standardize_class_weights(class_weight: Any, output_names: Sequence[str]) -> list[Any]:
    """Class weights as a list, one entry for each output."""
    return standardize_sample_or_class_weights(class_weight, output_names, "class_weight")


def standardize_sample_weights(sample_weight: Any, output_names: Sequence[str]) -> list[Any]:
    """Sample weights as a list, one entry for each output."""
    return standardize_sample_or_class_weights(sample_weight, output_names, "sample_weight")


def standardize_weights(
    y: Any, sample_weight: Any = None, class_weight: Any = None, sample_weight_mode: str | None = None
) -> np.ndarray:
    """Weight of each row, or with ``"temporal"`` of each step, of some targets."""
    if sample_weight_mode not in (None, "temporal"):
        raise ArgumentError(f"sample_weight_mode should be None or 'temporal'. Found: {sample_weight_mode}")
    axes = 1 if sample_weight_mode is None else 2
    if axes == 2 and y.ndim < 3:
        raise DataError(f"weights of steps need targets with a time axis, and not of shape {shape_text(y.shape)}.")
    if sample_weight is not None:
        if np.ndim(sample_weight) != axes or np.shape(sample_weight) != y.shape[:axes]:
            raise DataError(
                f"sample_weight has shape {shape_text(np.shape(sample_weight))}; expected {shape_text(y.shape[:axes])}."
            )
        return np.asarray(sample_weight)
    if isinstance(class_weight, Mapping):
        if y.ndim > 2:
            raise DataError("`class_weight` not supported for 3+ dimensional targets.")
        classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
        missing = sorted({one for one in classes.tolist() if one not in class_weight})
        if missing:
            raise DataError(f"`class_weight` must contain all classes in the data; {missing} are not in it.")
        return np.array([class_weight[one] for one in classes.tolist()])
    return np.ones(y.shape[:axes], config.floatx())


def weighted_masked_objective(fn: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """A loss that heeds weights and a mask: the mean over the rows, and over what neither hides."""
    if fn is None:
        return None

    def weighted(y_true: Any, y_pred: Any, weights: Any, mask: Any = None) -> Any:
        values = fn(y_true, y_pred)
        if mask is not None:
            shown = K.cast(mask, config.floatx())
            values = values * shown / K.mean(shown)
        if weights is not None:
            axes = tuple(range(len(K.shape(weights)), len(K.shape(values))))
            values = (K.mean(values, axes) if axes else values) * weights
            values = values / K.mean(K.cast(K.not_equal(weights, 0), config.floatx()))
        return K.mean(values)

    return weighted


weighted_objective = weighted_masked_objective


def collect_metrics(metrics: Any, output_names: Sequence[str]) -> list[list[Any]]:
    """Metrics of each output, from a list for all or a dict by name."""
    if not metrics:
        return [[] for _ in output_names]
    if isinstance(metrics, Mapping):
        return [to_list(metrics.get(name, [])) for name in output_names]
    if not isinstance(metrics, list):
        raise TypeError(f"Type of `metrics` argument not understood. Expected a list or dictionary, found: {metrics}")
    return [list(metrics) for _ in output_names]


def iter_sequence_infinite(seq: Any) -> Any:
    """The batches of a ``Sequence``, again and again."""
    while True:
        yield from (seq[number] for number in range(len(seq)))

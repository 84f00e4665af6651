"""Any source of training data as one protocol: an epoch is a few blocks of rows.

``make_batches`` takes whatever ``fit``, ``evaluate`` and ``predict`` take and
returns :class:`Batches`; the trainer knows nothing else of data.
"""

import inspect
import math
from collections.abc import Sequence
from typing import Any

from keraunos.training.data.arrays import FileBatches, ResidentBatches, load_small
from keraunos.training.data.batches import Batches, Block, Seed
from keraunos.training.data.checks import (
    check_labels,
    check_pair,
    check_rows,
    check_shuffle,
    check_target,
    check_whole,
    refuse_with_stream,
)
from keraunos.training.data.convert import Rows, comes_from, to_arrays
from keraunos.training.data.streams import StreamBatches, is_indexed, is_stream, kind_of
from keraunos.training.data.weights import class_weighting, spread
from keraunos.utils import tree
from keraunos.utils.errors import DataError
from keraunos.utils.text import plural

__all__ = ["Batches", "Block", "check_labels", "make_batches", "split_validation", "unpack_validation_data"]

_DEFAULT_BATCH_SIZE = 32


def make_batches(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = True,
    steps: int | None = None,
    class_weight: Any = None,
    seed: Seed = 0,
    names: Sequence[str] = (),
    outputs: Sequence[str] = (),
    purpose: str = "fit",
) -> Batches:
    """Batches of any source, checked before anything is touched.

    Args:
        x: Arrays, nested lists, frames, sparse matrices, tensors, memory maps,
            HDF5 data sets, or dicts, tuples and lists of these; or a source of
            batches: a generator, ``PyDataset``, ``tf.data.Dataset``, torch
            ``DataLoader`` or any other iterable.
        y: Targets, unless ``x`` yields them.
        sample_weight: Weight of each row, or a dict or list with one array for
            each output.
        batch_size: Rows of a step, 1 or more; 32 by default. For a source of
            batches it is refused, and ignored for the purpose ``"evaluate"``.
        shuffle: Whether to visit the rows in an order of (seed, epoch), or
            ``"batch"`` to shuffle batches; only for the purpose ``"fit"``. A
            generator or loader keeps its own order.
        steps: Steps of an epoch; the next epoch goes on where one stopped.
        class_weight: ``{class: weight}``, ``"balanced"``, or one for each output.
        seed: Seed of the order, or a function that says it when an order is drawn.
        names: Names of the model's inputs, where known.
        outputs: Names of the model's outputs, where known.
        purpose: ``"fit"``, ``"evaluate"`` or ``"predict"``.

    Raises:
        DataError: The data cannot be used; the message says why, and what to do.

    >>> batches = make_batches([[0.0], [1.0], [2.0]], [0, 1, 1], batch_size=2, shuffle=False)
    >>> batches.steps, batches.spec[0]
    (2, TensorSpec((None, 1), 'float32'))
    """
    shuffle = check_shuffle(shuffle)
    if batch_size is not None:
        batch_size = check_whole(batch_size, "batch_size")
    if steps is not None:
        steps = check_whole(steps, "steps_per_epoch" if purpose == "fit" else "steps")
    _refuse_no_data(x)
    if is_stream(x):
        indexed = is_indexed(x)
        # fit passes its own batch size on to the validation data, which may be ready batches
        refuse_with_stream(
            kind_of(x), y, sample_weight, None if purpose == "evaluate" else batch_size, shuffle, indexed
        )
        shuffled = bool(shuffle) and purpose == "fit" and indexed
        return StreamBatches(x, shuffled, steps, class_weight, seed, names, outputs, purpose)

    check_pair(x, y, names, purpose)
    check_target(y, sample_weight)
    x, y = to_arrays(x, "x", names), to_arrays(y, "y", outputs)
    sample_weight = spread(y, to_arrays(sample_weight, "sample_weight"), outputs)
    rows = check_rows(x, y, sample_weight)
    x, y, sample_weight = load_small((x, y, sample_weight))
    weighting = None if class_weight is None else class_weighting(class_weight, y, outputs)
    if batch_size is None:
        batch_size = _DEFAULT_BATCH_SIZE if steps is None else math.ceil(rows / steps)
    options = (rows, batch_size, shuffle if purpose == "fit" else False, steps, seed)
    if any(isinstance(leaf, Rows) for leaf in tree.leaves((x, y, sample_weight))):
        return FileBatches((x, y, sample_weight), *options, weighting=weighting)
    if weighting is not None:
        sample_weight = weighting(y, sample_weight)
    return ResidentBatches((x, y, sample_weight), *options)


def split_validation(
    x: Any, y: Any, sample_weight: Any, fraction: float, names: Sequence[str] = ()
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """``(x, y, sample_weight)`` to train on and to validate on: the last ``fraction`` of the rows validates.

    Args:
        x: Arrays; so are ``y`` and ``sample_weight``, or ``None``.
        fraction: Between 0 and 1, both excluded.
        names: Names of the model's inputs, where known.

    Raises:
        DataError: ``x`` is no array, or one part would be empty.

    >>> train, validation = split_validation([[1], [2], [3], [4]], [0, 1, 0, 1], None, 0.25)
    >>> validation[0].tolist(), validation[1].tolist()
    ([[4]], [1])
    """
    if not 0 < fraction < 1:
        raise DataError(f"validation_split is {fraction!r}; expected a number between 0 and 1, such as 0.2.")
    _refuse_no_data(x)
    if is_stream(x):
        raise DataError(
            f"validation_split needs arrays, but x is {kind_of(x)}, whose last rows are not known. "
            "Give validation_data instead."
        )
    check_pair(x, y, names, "fit")
    check_target(y, sample_weight)
    parts = (to_arrays(x, "x", names), to_arrays(y, "y"), to_arrays(sample_weight, "sample_weight"))
    rows = check_rows(*parts)
    middle = math.floor(rows * (1.0 - fraction))
    if middle in (0, rows):
        raise DataError(
            f"validation_split={fraction} of {plural(rows, 'row')} leaves one part empty. "
            "Give more rows, or another fraction."
        )

    def cut(start: int, stop: int) -> Any:
        return tree.map(lambda leaf: None if leaf is None else leaf[start:stop], parts)

    return cut(0, middle), cut(middle, rows)


def unpack_validation_data(validation_data: Any) -> tuple[Any, Any, Any]:
    """``(x, y, sample_weight)`` of what was given as ``validation_data``.

    Args:
        validation_data: ``(x,)``, ``(x, y)``, ``(x, y, sample_weight)``, or a
            source of batches.

    Raises:
        DataError: It is none of these.

    >>> unpack_validation_data(([1], [2]))
    ([1], [2], None)
    """
    if is_stream(validation_data):
        return validation_data, None, None
    if not isinstance(validation_data, (tuple, list)):
        given = f"a {type(validation_data).__name__}"
    elif not 1 <= len(validation_data) <= 3:
        given = f"a {type(validation_data).__name__} of {plural(len(validation_data), 'item')}"
    else:
        x, y, sample_weight = (*validation_data, None, None)[:3]
        return x, y, sample_weight
    raise DataError(
        f"validation_data is {given}; expected (x, y), (x, y, sample_weight) or a data set. "
        "Several inputs go into a list or dict of their own: ([x1, x2], y)."
    )


def _refuse_no_data(x: Any) -> None:
    if x is None:
        raise DataError("x is None. Give the inputs of the model.")
    if isinstance(x, (str, bytes, bool, int, float, complex)):
        raise DataError(f"x is {x!r:.40}; expected an array, a nested list, a DataFrame, a data set or a generator.")
    if inspect.isroutine(x) or isinstance(x, type):
        raise DataError(
            f"x is the {'class' if isinstance(x, type) else 'function'} {x.__name__}. "
            f"Call it, and give what it returns: {x.__name__}()."
        )
    if comes_from(x, "torch") and hasattr(x, "__getitem__") and not hasattr(x, "detach"):
        raise DataError(
            f"x is a torch data set ({type(x).__name__}), which gives single samples. "
            "Wrap it: torch.utils.data.DataLoader(x, batch_size=32)."
        )

"""Inputs and targets that a model computes itself, from Variables and constants: data hold marks of rows in their place.

So every step has rows that can be counted, weighed and joined, whether or not anything is given for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keraunos.training.data.streams import is_stream
from keraunos.utils import tree
from keraunos.utils.errors import DataError
from keraunos.utils.numerical import unpack_x_y_sample_weight
from keraunos.utils.text import plural

# The key of the marks where no input is given.
ROWS = ":rows"


def completed(
    x: Any,
    y: Any,
    *,
    own_rows: int | None = None,
    own_targets: Sequence[str] = (),
    outputs: Sequence[str] = (),
    steps: int | None = None,
) -> tuple[Any, Any]:
    """``x`` and ``y`` with marks of rows in place of what the model computes; of a source of batches, batch by batch.

    Args:
        x, y: As they were given; ``None``, or an empty list or dict, where all is computed.
        own_rows: Rows of a step, where the model computes all of its inputs.
        own_targets: Names of the outputs whose targets are computed.
        outputs: Names of all outputs that have a target.
        steps: Steps of an epoch, where they are known.

    Raises:
        DataError: Something is given for what is computed, or it is not known where an epoch ends.

    >>> completed(None, None, own_rows=2, steps=3)[0][ROWS].shape
    (6,)
    """
    if is_stream(x):
        return _each(x, own_rows, own_targets, outputs), y
    if own_rows is not None:
        if not _is_empty(x):
            raise DataError("x is given, but the model computes all of its inputs itself. Give x=None.")
        if _rows(y) is None and steps is None:
            raise DataError(
                "the model computes its inputs itself, so the data do not say where an epoch ends. Give the number of "
                "steps: steps_per_epoch for fit, steps for evaluate and predict, validation_steps for a validation."
            )
        x = {ROWS: _marks(_rows(y) or own_rows * (steps or 1))}
    if own_targets:
        y = _with_targets(x, y, own_targets, outputs)
    return x, y


def _each(x: Any, own_rows: int | None, own_targets: Sequence[str], outputs: Sequence[str]) -> Iterator[Any]:
    for item in x:
        inputs, targets, weights = unpack_x_y_sample_weight(item)
        made = completed(
            inputs, targets, own_rows=own_rows, own_targets=own_targets, outputs=outputs, steps=1
        )  # fmt: skip
        yield (*made, weights)


def _with_targets(x: Any, y: Any, own_targets: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
    fed = [name for name in outputs if name not in own_targets]
    if isinstance(y, Mapping):
        given = dict(y)
    else:
        parts = [] if y is None else [y] if not isinstance(y, (list, tuple)) or len(fed) == 1 != len(y) else list(y)
        if len(parts) != len(fed):
            raise DataError(
                f"{plural(len(parts), 'array')} given as y, but of the outputs {list(outputs)} the targets of "
                f"{list(own_targets)} are computed by the model itself, which leaves {len(fed)} to be given."
            )
        given = dict(zip(fed, parts, strict=True))
    twice = [name for name in given if name in own_targets]
    if twice:
        raise DataError(f"y is given for {twice[0]!r}, whose target the model computes itself. Leave it out.")
    return {**given, **{name: _marks(_rows(x) or 1) for name in own_targets}}


def _marks(rows: int) -> np.ndarray:
    return np.zeros(rows, "bool")


def _is_empty(data: Any) -> bool:
    return data is None or (isinstance(data, (list, tuple, dict)) and not data)


def _rows(data: Any) -> int | None:
    """Rows of the first array."""
    leaves = [leaf for leaf in tree.leaves(data) if leaf is not None] if not _is_empty(data) else []
    shape = getattr(leaves[0], "shape", None) if leaves else None
    return int(shape[0]) if shape else len(leaves[0]) if leaves and hasattr(leaves[0], "__len__") else None

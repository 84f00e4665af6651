"""Numbers of rows of a table, checked before a model looks them up.

A compiled program cannot raise an error, so a number outside of the table would be some other row, or NaN.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from keraunos.utils import tree
from keraunos.utils.errors import DataError
from keraunos.utils.text import plural

# Rows whose numbers are computed at a time, where they must be computed.
_ROWS_AT_A_TIME = 4096


class Lookup(NamedTuple):
    """Which numbers of the data a layer looks up.

    Attributes:
        layer: Name of the layer.
        size: Rows of its table.
        source: Place of the array among the inputs; ``None`` where the numbers are computed.
        columns: Which numbers of a row of that array; ``None`` for all.
        whole: Whether fractions are refused: nothing rounds them on their way.
        compute: Function of the inputs that gives the numbers.
    """

    layer: str
    size: int
    source: int | None = None
    columns: np.ndarray | None = None
    whole: bool = True
    compute: Callable[[Any], np.ndarray] | None = None


class Lookups(NamedTuple):
    """What is known of a model's lookups.

    Attributes:
        known: Those whose numbers follow from the data alone.
        checked: The layers of which these are all lookups.
        open: Names of the other layers, which find out when they run.
        names: Names of the inputs, in order.
    """

    known: Sequence[Lookup] = ()
    checked: frozenset[Any] = frozenset()
    open: Sequence[str] = ()
    names: Sequence[str] = ()

    def check(self, x: Any, where: str = "") -> None:
        """Raise ``DataError`` for the first number that is no row of its table; ``where`` begins the message."""
        for lookup in self.known:
            if lookup.source is None:
                self._check_computed(lookup, x, where)
                continue
            name, array = self._array(x, lookup.source)
            if array is not None:
                _check(lookup, array.reshape(len(array), -1), f"{where}{name}", array.ndim == 2)

    def _array(self, x: Any, source: int) -> tuple[str, np.ndarray | None]:
        """The array of an input, and what it is called."""
        if isinstance(x, dict):
            name = self.names[source] if source < len(self.names) else None
            return f"x[{name!r}]", x.get(name)
        leaves = tree.leaves(x)
        name = f"x[{source}]" if len(leaves) > 1 else "x"
        return name, leaves[source] if source < len(leaves) else None

    def _check_computed(self, lookup: Lookup, x: Any, where: str) -> None:
        assert lookup.compute is not None
        rows = len(next(leaf for leaf in tree.leaves(x) if leaf is not None))
        for start in range(0, rows, _ROWS_AT_A_TIME):
            stop = min(start + _ROWS_AT_A_TIME, rows)
            part = tree.map(lambda leaf: None if leaf is None else leaf[start:stop], x)  # noqa: B023
            numbers = lookup.compute(part).reshape(stop - start, -1)
            _check(lookup, numbers, f"{where}what the model computes of x", False, first=start)


def _check(lookup: Lookup, numbers: np.ndarray, name: str, columns_told: bool, first: int = 0) -> None:
    """Check ``(rows, columns)`` of numbers."""
    chosen = numbers if lookup.columns is None else numbers[:, lookup.columns]
    if not chosen.size:
        return
    if chosen.dtype.kind == "V":  # bfloat16
        chosen = chosen.astype("float32")
    integers = chosen.dtype.kind in "iub"
    # A fraction that something rounds on its way may lie a part of one below the first row.
    rounded = integers or not lookup.whole
    least, high = (0 if integers or lookup.whole else np.nextafter(np.float32(-1), 0)), chosen.max()
    if chosen.min() >= least and high < lookup.size and (rounded or (chosen == np.floor(chosen)).all()):
        return
    valid = (chosen >= least) & (chosen < lookup.size) & (rounded or chosen == np.floor(chosen))
    row, column = map(int, np.argwhere(~valid)[0])
    value = chosen[row, column]
    column = column if lookup.columns is None else int(lookup.columns[column])
    place = f"row {first + row}" + (f", column {column}" if columns_told else "")
    wrong = int((~valid).sum())
    more = f" ({plural(wrong, 'number')} of this kind)" if wrong > 1 else ""
    raise DataError(
        f"{name}: {place} holds {value:g}{more}, but {lookup.layer!r} looks up rows 0 to {lookup.size - 1} "
        f"(input_dim={lookup.size}). {_advice(value, high, lookup.size)}"
    )


def _advice(value: Any, high: Any, size: int) -> str:
    if not np.isfinite(value):
        return "Fill or drop what is missing."
    if value != np.floor(value):
        return "Convert the data to whole numbers, or use a Dense layer for measurements."
    if value < 0:
        return "Number the rows from 0; a place without an entry is 0, with mask_zero=True."
    return f"Make the table larger (input_dim={int(high) + 1}), or correct the data."

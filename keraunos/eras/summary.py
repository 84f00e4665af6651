"""The tables that ``summary()`` prints in Keras 1.2.2 and Keras 2.2.4.

Both have columns of fixed width, in which what is too long is cut; a layer
with several inputs takes a line for each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from keraunos.eras.table import SHOWN_CLASSES
from keraunos.models.summary import Link, Row, is_chain, rows, totals
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError
from keraunos.utils.spelling import provider

__all__ = ["PRINTERS", "print_summary_1", "print_summary_2"]

_HEADERS = ("Layer (type)", "Output Shape", "Param #", "Connected to")
_GRAPH_ENDS = (0.33, 0.55, 0.67, 1.0)


def print_summary_1(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table of Keras 1.2.2: 100 characters wide, with the column "Connected to" for every model.

    The arguments are those of ``Model.summary``. The last three came after these
    releases: the layers inside models are set in, and what is trained is told in a further column.
    """
    listed = rows(model, expand_nested, layer_range)
    _print(
        model, listed, SHOWN_CLASSES[1], line_length or 100, positions or _GRAPH_ENDS, print_fn, True, show_trainable
    )


def print_summary_2(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table of Keras 2.2.4: 65 characters wide for a chain, else 98 with the column "Connected to".

    Arguments as of ``print_summary_1``.
    """
    provider().compiling().warn_of_discrepancy(model)
    linked = not is_chain(model)
    default, ends = (98, _GRAPH_ENDS) if linked else (65, (0.45, 0.85, 1.0))
    listed = rows(model, expand_nested, layer_range)
    _print(model, listed, SHOWN_CLASSES[2], line_length or default, positions or ends, print_fn, linked, show_trainable)


def _print(
    model: Any,
    listed: list[Row],
    shown_as: Mapping[str, str],
    length: int,
    positions: Sequence[float],
    print_fn: Callable[[str], Any] | None,
    linked: bool,
    show_trainable: bool,
) -> None:
    say = print if print_fn is None else print_fn
    ends = [int(length * end) if positions[-1] <= 1 else int(end) for end in positions]
    headers = _HEADERS if linked else _HEADERS[:3]
    if len(ends) < len(headers):
        raise ArgumentError(f"summary: positions has {len(ends)} ends of columns, but the table has {len(headers)}.")
    if show_trainable:
        headers, ends, length = (*headers, "Trainable"), [*ends, ends[-1] + 11], length + 11
    say("_" * length)
    say(_line(headers, ends))
    say("=" * length)
    for number, row in enumerate(listed, 1):
        cells = ["  " * row.depth + f"{row.name} ({_kind(row, shown_as)})", _shape(row), str(row.params or 0)]
        links = [_origin(link) for link in row.links]
        if linked:
            cells.append(links[0] if links else "")
        if show_trainable:
            cells.append("" if row.trainable is None else "Y" if row.trainable else "N")
        say(_line(cells, ends))
        for link in links[1:] if linked else ():
            say(_line(["", "", "", link], ends))
        say(("=" if number == len(listed) else "_") * length)
    counts = totals(model)
    trained, fixed = counts["Trainable"][0], counts["Non-trainable"][0]
    for name, count in {"Total": trained + fixed, "Trainable": trained, "Non-trainable": fixed}.items():
        say(f"{name} params: {count:,}")
    say("_" * length)


def _line(cells: Iterable[str], ends: Sequence[int]) -> str:
    """Cells cut or filled up to their columns; all but the last keep a blank at the end."""
    widths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
    *before, last = [f"{cell:<{width}}"[:width] for cell, width in zip(cells, widths, strict=False)]
    return " ".join([*(cell[:-1] for cell in before), last])


def _kind(row: Row, shown_as: Mapping[str, str]) -> str:
    # A user's own class keeps its name.
    ours = type(row.layer).__module__.startswith("keraunos.")
    return shown_as.get(row.kind, row.kind) if ours else row.kind


def _shape(row: Row) -> str:
    graph = getattr(row.layer, "_graph", None)
    results = [node.outputs for node in getattr(row.layer, "_nodes", row.calls)] + ([graph.outputs] if graph else [])
    if len({str([leaf.shape for leaf in tree.leaves(result)]) for result in results}) > 1:
        return "multiple"
    if row.shapes is None:
        return "?"
    return str(row.shapes[0] if len(row.shapes) == 1 else row.shapes)


def _origin(link: Link) -> str:
    # A model made of symbolic tensors counts as its own first call.
    own = getattr(link.source, "_graph", None) is not None
    return f"{link.source.name}[{link.call + own}][{link.output}]"


PRINTERS: Mapping[int, Callable[..., None]] = {1: print_summary_1, 2: print_summary_2}

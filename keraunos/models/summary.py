"""The table that ``summary()`` prints: its rows as data, and their rendering as Keras 3 shows it."""

import math
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keraunos.core.symbolic import _TRIAL_SIZES, Node
from keraunos.layers.layer import Layer, _map_shapes
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, KeraunosError

# Colours of the terminal's 256 that Keras 3 uses.
_NUMBER, _OPEN, _CLASS, _FROZEN = 34, 45, 33, 9


class Link(NamedTuple):
    """Where an input of a call comes from: the layer or operation, which of its calls, which of the outputs."""

    source: Any
    call: int
    output: int


class Row(NamedTuple):
    """One layer or operation, as any display needs it."""

    layer: Any
    depth: int  # how many models it is nested in
    shapes: list[tuple[int | None, ...]] | None  # of the outputs; None where not known yet
    params: int | None  # None where not built yet
    trainable: bool | None  # None where it has no weights
    calls: list[Node]  # in the graph of its model
    links: list[Link]  # of all inputs of these calls

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.layer.name)

    @property
    def kind(self) -> str:
        """Class of the layer as Keras calls it: ``Functional`` for a plain ``Model``, ``Add`` for a ``+``."""
        if isinstance(self.layer, Layer):
            kind = type(self.layer).__name__
            return "Functional" if kind == "Model" else kind
        return "".join(word.capitalize() for word in self.layer.function.split("_"))


def rows(model: Any, expand_nested: bool = False, layer_range: Sequence[str] | None = None) -> list[Row]:
    """The layers of a model, in order."""
    layers = _listed(model)
    first, last = _bounds([layer.name for layer in layers], layer_range)
    return [row for layer in layers[first:last] for row in _rows_of(model, layer, 0, expand_nested)]


def totals(model: Any) -> dict[str, tuple[int, int]]:
    """Numbers of parameters and of bytes: trainable, non-trainable and, once built, of the optimizer."""
    # What is not saved, such as the state of a stateful layer, is no parameter.
    fixed = [variable for variable in model.non_trainable_variables if variable.saved]
    groups = {"Trainable": model.trainable_variables, "Non-trainable": fixed}
    if getattr(model.optimizer, "built", False):
        groups["Optimizer"] = model.optimizer.variables
    return {name: (_count(variables), _bytes(variables)) for name, variables in groups.items()}


def is_chain(model: Any) -> bool:
    """Whether every layer takes the output of the one before, so that no column need say so."""
    graph = model._graph
    if graph is None or hasattr(model, "_stack"):
        return True
    taken = [id(node.operation) for node in graph.nodes]
    single = all(len(node.inputs) == 1 for node in graph.nodes) and len(tree.leaves(graph.inputs)) == 1
    sources = [id(node.inputs[0]) for node in graph.nodes if node.inputs]
    return single and len(set(taken)) == len(taken) and len(set(sources)) == len(sources)


def print_summary(model: Any, *args: Any, **options: Any) -> None:
    """Print the table of the active era; the arguments are those of ``print_table``."""
    renderer = spelling.provider().summary_printer() if spelling.chosen() else print_table
    renderer(model, *args, **options)


def print_table(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table as Keras 3 does; see ``Model.summary``."""
    from rich.console import Console

    table = _table(model, rows(model, expand_nested, layer_range), line_length, positions, show_trainable)
    plain: dict[str, Any] = {} if print_fn is None else {"force_terminal": False, "color_system": None}
    console = Console(highlight=False, **plain)
    if print_fn is not None:
        console.begin_capture()
    console.print(f'[bold]Model: "{_escaped(model.name)}"[/]')
    console.print(table)
    counts = totals(model)
    everything = (sum(count for count, _ in counts.values()), sum(size for _, size in counts.values()))
    for name, (count, size) in {"Total": everything, **counts}.items():
        console.print(f"[bold] {name} params: [/]{_coloured(f'{count:,}')} ({readable_size(size)})")
    if print_fn is not None:
        print_fn(console.end_capture())


def readable_size(size: float) -> str:
    """Bytes in the unit that fits.

    >>> readable_size(268), readable_size(13568)
    ('268.00 B', '13.25 KB')
    """
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


# --- the table -----------------------------------------------------------------------------


def _table(model: Any, listed: list[Row], line_length: Any, positions: Any, show_trainable: bool) -> Any:
    from rich.table import Column, Table

    chain = is_chain(model)
    headers = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
    default, ends = 88, list(positions or (0.45, 0.80, 1.0))
    if not chain:
        headers.append(("Connected to", "left"))
        default, ends = 108, list(positions or (0.3, 0.56, 0.74, 1.0))
    if show_trainable:
        headers.append(("Trainable", "center"))
        default, ends = default + 12, [end * 0.90 for end in ends] + [1.0]
    width = line_length or min(default, shutil.get_terminal_size().columns - 4)
    stops = [int(end * width) for end in ends]
    widths = [stop - start for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
    if min(widths) < 4:
        raise ArgumentError(f"summary: a line of {width} characters is too short for {len(widths)} columns.")
    columns = [
        Column(name, justify=side, width=size)  # type: ignore[arg-type]
        for (name, side), size in zip(headers, widths, strict=True)
    ]
    table = Table(*columns, width=width, show_lines=True)
    for row in listed:
        cells = [_name_cell(row), _shape_cell(row), _params_cell(row)]
        if not chain:
            cells.append(_parents_cell(row))
        if show_trainable:
            mark = "-" if row.trainable is None else _coloured("Y") if row.trainable else _coloured("N", _FROZEN)
            cells.append(f"[bold]{mark}[/]")
        table.add_row(*cells)
    return table


def _name_cell(row: Row) -> str:
    prefix = "   " * row.depth + "└ " if row.depth else ""
    return f"{_escaped(prefix + row.name)} ({_coloured(row.kind, _CLASS)})"


def _shape_cell(row: Row) -> str:
    if row.shapes is None:
        return "?"
    texts = [
        "(" + ", ".join(_coloured(s, _OPEN if s is None else _NUMBER) for s in shape) + ")" for shape in row.shapes
    ]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]".replace("[(", "\\[(", 1)


def _params_cell(row: Row) -> str:
    return f"{_coloured(0)} (unbuilt)" if row.params is None else _coloured(f"{row.params:,}")


def _parents_cell(row: Row) -> str:
    links = [f"{_escaped(link.source.name)}[{_coloured(link.call)}][{_coloured(link.output)}]" for link in row.links]
    return "-" if row.depth else ", ".join(links) or "-"


def _coloured(text: Any, colour: int = _NUMBER) -> str:
    return f"[color({colour})]{_escaped(str(text))}[/]"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


# --- the data ------------------------------------------------------------------------------


def _listed(model: Any) -> list[Any]:
    if model._graph is not None and not hasattr(model, "_stack"):
        # Before Keras 3 layers could be taken out of the list, though the graph needs them.
        kept = model._graph_layers
        return [part for part in model._graph.operations if part in kept or not isinstance(part, Layer)]
    return list(model.layers)


def _rows_of(model: Any, layer: Any, depth: int, expand_nested: bool) -> list[Row]:
    is_layer = isinstance(layer, Layer)
    calls = _calls(model, layer)
    row = Row(
        layer=layer,
        depth=depth,
        shapes=_output_shapes(layer, calls),
        params=(layer.count_params() if layer.built else None) if is_layer else 0,
        trainable=layer.trainable if is_layer and layer.weights else None,
        calls=calls,
        links=[_link(model, leaf) for call in calls for leaf in call.inputs],
    )
    found = [row]
    if expand_nested and getattr(layer, "layers", None):
        for inner in layer.layers:
            found += _rows_of(layer, inner, depth + 1, expand_nested)
    return found


def _output_shapes(layer: Any, calls: list[Node]) -> list[tuple[int | None, ...]] | None:
    nodes = calls or list(getattr(layer, "_nodes", ()))
    if nodes:
        return [leaf.shape for leaf in tree.leaves(nodes[-1].outputs) if leaf is not None]
    shapes: dict[str, Any] | None = getattr(layer, "get_build_config", dict)()
    if not shapes:
        return None
    try:
        result = layer.compute_output_shape(_map_shapes(_with_open_batch, next(iter(shapes.values()))))
    except (KeraunosError, TypeError, ValueError, StopIteration):
        return None
    nested = any(isinstance(part, (list, tuple)) for part in result)
    return [tuple(shape) for shape in result] if nested else [tuple(result)]


def _with_open_batch(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    # A layer that was built while shapes were inferred has seen a size that stands for an open one.
    return (None, *shape[1:]) if shape and shape[0] in _TRIAL_SIZES else shape


def _calls(model: Any, layer: Any) -> list[Node]:
    graph = getattr(model, "_graph", None)
    return [] if graph is None else [node for node in graph.nodes if node.operation is layer]


def _link(model: Any, leaf: Any) -> Link:
    if leaf.node is None:
        return Link(leaf, 0, 0)
    # A layer that other models share counts its calls there too.
    siblings = getattr(leaf.node.operation, "_nodes", None) or _calls(model, leaf.node.operation)
    number = next((i for i, sibling in enumerate(siblings) if sibling is leaf.node), 0)
    output = next(i for i, part in enumerate(tree.leaves(leaf.node.outputs)) if part is leaf)
    return Link(leaf.node.operation, number, output)


def _count(variables: Sequence[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _bytes(variables: Sequence[Any]) -> int:
    def width(dtype: str) -> int:
        digits = re.search(r"\d+$", dtype)
        return int(digits.group()) // 8 if digits else 1

    return sum(math.prod(variable.shape) * width(variable.dtype) for variable in variables)


def _bounds(names: list[str], layer_range: Sequence[str] | None) -> tuple[int, int]:
    if layer_range is None:
        return 0, len(names)
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ArgumentError(f"summary: layer_range is {layer_range!r}; expected two names or patterns of layers.")
    firsts, lasts = ([i for i, name in enumerate(names) if re.match(pattern, name)] for pattern in layer_range)
    if not firsts or not lasts:
        raise ArgumentError(f"summary: no layer matches layer_range {list(layer_range)!r}. The layers are {names}.")
    low, high = min(firsts[0], lasts[0]), max(firsts[-1], lasts[-1])
    return (firsts[0], lasts[-1] + 1) if firsts[0] <= lasts[-1] else (low, high + 1)

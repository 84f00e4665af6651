"""What a picture of a model shows: boxes for its layers, what they say, and which are connected."""

from dataclasses import dataclass, field
from typing import Any

from keraunos.models import Model
from keraunos.models.summary import Row, rows
from keraunos.utils import tree

# Colours of the boxes' heads, dark enough for white letters.
_INPUT, _WEIGHTS, _PLAIN, _FROZEN = "#006B4F", "#005B96", "#5B6770", "#A84300"


@dataclass(frozen=True)
class Options:
    """What the boxes say."""

    shapes: bool = True
    dtype: bool = False
    names: bool = True
    activations: bool = False
    trainable: bool = False
    nested: bool = False


@dataclass
class Box:
    """A layer: its key, its head, the lines below, and the model inside, if that is opened."""

    key: str
    kind: str
    name: str
    lines: list[str]
    colour: str
    inside: "Chart | None" = None


@dataclass
class Chart:
    """The boxes of one model in the order of its layers, and what flows between them.

    Attributes:
        edges: Number of a box, which of its outputs, number of the box that takes it, as which of its inputs.
        entries: Numbers of the boxes that take the model's inputs.
        exits: Numbers of the boxes that make the model's outputs, and which of theirs.
        connected: Whether the connections are known; those of a model written as a class are not.
    """

    boxes: list[Box] = field(default_factory=list)
    edges: list[tuple[int, int, int, int]] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    exits: list[tuple[int, int]] = field(default_factory=list)
    connected: bool = True

    def ends(self, source: int, output: int, target: int, place: int) -> tuple[Box, Box]:
        """The boxes between which a connection is drawn: in an opened model, those that make or take the value."""
        first, last = self.boxes[source], self.boxes[target]
        while first.inside is not None and first.inside.exits:
            index, output = first.inside.exits[min(output, len(first.inside.exits) - 1)]
            first = first.inside.boxes[index]
        while last.inside is not None and last.inside.entries:
            index = last.inside.entries[min(place, len(last.inside.entries) - 1)]
            last, place = last.inside.boxes[index], 0
        return first, last


def chart_of(model: Any, options: Options) -> Chart:
    """The chart of a model; one written as a class is a single box unless it is opened."""
    if _is_class(model) and not options.nested:
        return Chart([Box("0", type(model).__name__, str(model.name) if options.names else "", [], _WEIGHTS)])
    return _opened(model, options, "")


def _opened(model: Any, options: Options, prefix: str) -> Chart:
    listed = rows(model)
    chart = Chart([_box(row, options, f"{prefix}{number}") for number, row in enumerate(listed)])
    graph = model._graph
    if graph is None:
        chart.connected = not _is_class(model)
        if chart.connected and listed:
            chart.edges = [(number, 0, number + 1, 0) for number in range(len(listed) - 1)]
            chart.entries, chart.exits = [0], [(len(listed) - 1, 0)]
        return chart
    numbers = {id(row.layer): number for number, row in enumerate(listed)}
    takers: dict[int, int] = {}  # of what is not listed: the Input of a Sequential
    for number, row in enumerate(listed):
        links = iter(row.links)
        for call in row.calls:
            for place, _ in enumerate(call.inputs):
                link = next(links)
                source = numbers.get(id(link.source))
                if source is None:
                    takers.setdefault(id(link.source), number)
                elif (edge := (source, link.output, number, place)) not in chart.edges:
                    chart.edges.append(edge)
    for leaf in tree.leaves(graph.inputs):
        maker = id(leaf if leaf.node is None else leaf.node.operation)
        if maker in numbers or maker in takers:
            chart.entries.append(numbers.get(maker, takers.get(maker, 0)))
    for leaf in tree.leaves(graph.outputs):
        if leaf.node is not None and id(leaf.node.operation) in numbers:
            made = [id(part) for part in tree.leaves(leaf.node.outputs)]
            chart.exits.append((numbers[id(leaf.node.operation)], made.index(id(leaf))))
    return chart


def _box(row: Row, options: Options, key: str) -> Box:
    box = Box(key, row.kind, row.name if options.names else "", _lines(row, options), _colour(row))
    if options.nested and isinstance(row.layer, Model) and row.layer.layers:
        box.inside = _opened(row.layer, options, f"{key}.")
    return box


def _lines(row: Row, options: Options) -> list[str]:
    lines = []
    nodes = row.calls or getattr(row.layer, "_nodes", [])
    if options.shapes:
        taken = _text(leaf.shape for leaf in row.calls[-1].inputs) if row.calls else ""
        made = "?" if row.shapes is None else _text(row.shapes)
        lines.append(f"{taken} → {made}" if taken else made)
    if options.dtype:
        types = [leaf.dtype for leaf in tree.leaves(nodes[-1].outputs) if leaf is not None] if nodes else []
        lines.append(", ".join(dict.fromkeys(types)) or "?")
    activation = getattr(row.layer, "activation", None)
    if options.activations and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', None) or type(activation).__name__}")
    if options.trainable and row.trainable is not None:
        lines.append("trainable" if row.trainable else "frozen")
    return lines


def _text(shapes: Any) -> str:
    return ", ".join(str(tuple(shape)) for shape in shapes)


def _colour(row: Row) -> str:
    if row.kind == "InputLayer":
        return _INPUT
    return _PLAIN if row.params == 0 else _FROZEN if row.trainable is False else _WEIGHTS


def _is_class(model: Any) -> bool:
    return model._graph is None and not hasattr(model, "_stack")

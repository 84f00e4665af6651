"""A chart of a model as a drawing, without Graphviz: boxes with heads, and smooth arrows between them."""

import itertools
from dataclasses import dataclass, field
from typing import NamedTuple

from keraunos.plots import figures
from keraunos.plots.chart import Box, Chart
from keraunos.plots.drawing import Curve, Drawing, Rectangle, Words, text_width
from keraunos.plots.layout import Layout, Point, arrange

_SIZE, _SMALL = 12.0, 11.0
_PADDING, _LINE, _HEAD, _MARGIN, _LOOP = 10.0, 16.0, 25.0, 14.0, 40.0
_INSIDE = "#F6F7F9"
_ROOM = 1.15  # where Helvetica is not installed, letters may be wider


def sketch(chart: Chart, direction: str) -> Drawing:
    """The drawing of a chart whose values flow in a direction, such as ``"TB"``."""
    measured = _measure(chart, direction)
    canvas = _Canvas(direction)
    _paint(measured, (_MARGIN, _MARGIN), canvas)
    things = [*canvas.frames, *canvas.arrows, *canvas.boxes]
    return Drawing(measured.width + 2 * _MARGIN, measured.height + 2 * _MARGIN, things)


class _Measured(NamedTuple):
    """A chart with the sizes of its boxes, where they go, and the measures of the models inside."""

    chart: Chart
    sizes: list[tuple[float, float]]
    layout: Layout
    inside: dict[int, "_Measured"]
    width: float
    height: float


@dataclass
class _Canvas:
    """What was painted, from back to front, and where each box came to lie: left, top, width, height."""

    direction: str
    frames: list[Rectangle | Words] = field(default_factory=list)
    arrows: list[Curve] = field(default_factory=list)
    boxes: list[Rectangle | Words] = field(default_factory=list)
    places: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)

    @property
    def sideways(self) -> bool:
        return self.direction in ("LR", "RL")


def _measure(chart: Chart, direction: str) -> _Measured:
    inside = {i: _measure(box.inside, direction) for i, box in enumerate(chart.boxes) if box.inside is not None}
    sizes = [_size(box, inside.get(i)) for i, box in enumerate(chart.boxes)]
    pairs = [(source, target) for source, _, target, _ in chart.edges]
    if not chart.connected:  # one below the other, without arrows
        pairs = [(i, i + 1) for i in range(len(chart.boxes) - 1)]
    layout = arrange(sizes, pairs, direction)
    room = _LOOP if any(target <= source for source, target in pairs) else 0.0
    sideways = direction in ("LR", "RL")
    width, height = layout.width + (0 if sideways else room), layout.height + (room if sideways else 0)
    return _Measured(chart, sizes, layout, inside, width, height)


def _size(box: Box, inside: _Measured | None) -> tuple[float, float]:
    head = _ROOM * _head_width(box) + 2 * _PADDING
    if inside is not None:
        return max(inside.width + 2 * _MARGIN, head), inside.height + _HEAD + _MARGIN + 4
    body = _ROOM * max((text_width(line, _SMALL) for line in box.lines), default=0.0) + 2 * _PADDING
    return max(head, body, 90.0), _HEAD + (len(box.lines) * _LINE + 7 if box.lines else 0)


def _paint(measured: _Measured, corner: Point, canvas: _Canvas) -> None:
    for number, (box, (x, y), (width, height)) in enumerate(
        zip(measured.chart.boxes, measured.layout.centres, measured.sizes, strict=True)
    ):
        left, top = corner[0] + x - width / 2, corner[1] + y - height / 2
        canvas.places[box.key] = (left, top, width, height)
        if number in measured.inside:
            inner = measured.inside[number]
            canvas.frames.append(Rectangle(left, top, width, height, _INSIDE, figures.GREY, dashed=True))
            # An arrow that passes the title goes behind it.
            behind = Rectangle(left + _PADDING - 3, top + 4, _ROOM * _head_width(box) + 6, _HEAD - 8, _INSIDE, radius=0)
            canvas.boxes += [behind, _head(box, left, top, figures.INK)]
            _paint(inner, (left + (width - inner.width) / 2, top + _HEAD + 4), canvas)
        else:
            canvas.boxes += _box(box, left, top, width, height)
    _connect(measured, corner, canvas)


def _box(box: Box, left: float, top: float, width: float, height: float) -> list[Rectangle | Words]:
    painted: list[Rectangle | Words] = [
        Rectangle(left, top, width, height, "white", box.colour),
        Rectangle(left, top, width, _HEAD, box.colour, box.colour),
    ]
    if box.lines:  # the head is round above and straight below
        painted.append(Rectangle(left, top + _HEAD / 2, width, _HEAD / 2, box.colour, box.colour, radius=0))
    painted.append(_head(box, left, top, "white"))
    for number, line in enumerate(box.lines):
        base = top + _HEAD + 15 + number * _LINE
        painted.append(Words(left + width / 2, base, line, _SMALL, centred=True))
    return painted


def _head(box: Box, left: float, top: float, colour: str) -> Words:
    return Words(left + _PADDING, top + 17, box.name, _SIZE, colour, strong=box.kind)


def _head_width(box: Box) -> float:
    return text_width(box.kind, _SIZE, bold=True) + text_width(f"  {box.name}", _SIZE)


# --- arrows --------------------------------------------------------------------------------


def _connect(measured: _Measured, corner: Point, canvas: _Canvas) -> None:
    chart = measured.chart
    routes: dict[tuple[str, str], tuple[tuple[int, int], Box, Box]] = {}
    for source, output, target, place in chart.edges:
        first, last = chart.ends(source, output, target, place)
        routes.setdefault((first.key, last.key), ((source, target), first, last))
    across = 1 if canvas.sideways else 0
    arriving: dict[str, list[tuple[float, list[Point]]]] = {}
    for pair, first, last in routes.values():
        if pair[1] <= pair[0]:
            canvas.arrows.append(_back(measured, corner, canvas, first, last))
            continue
        bends = [(corner[0] + x, corner[1] + y) for x, y in measured.layout.bends.get(pair, ())]
        points = [_side(canvas, first, leaving=True), *bends]
        arriving.setdefault(last.key, []).append((points[-1][across], points))
    for key, found in arriving.items():
        end = _side(canvas, key, leaving=False)
        room = canvas.places[key][2 + across]
        step = min(18.0, 0.6 * room / len(found))
        # Arrows reach a box side by side, in the order in which they come.
        for number, (_, points) in enumerate(sorted(found)):
            shift = (number - (len(found) - 1) / 2) * step
            tip = (end[0], end[1] + shift) if canvas.sideways else (end[0] + shift, end[1])
            canvas.arrows.append(Curve(points[0], _smooth([*points, tip], canvas.sideways)))


def _side(canvas: _Canvas, box: Box | str, leaving: bool) -> Point:
    """The middle of the side on which values leave or reach a box."""
    left, top, width, height = canvas.places[box if isinstance(box, str) else box.key]
    if canvas.sideways:
        return (left + width if leaving == (canvas.direction == "LR") else left), top + height / 2
    return left + width / 2, (top + height if leaving == (canvas.direction == "TB") else top)


def _smooth(points: list[Point], sideways: bool) -> list[tuple[Point, ...]]:
    """Curves through points, along the flow at each of them; straight where two points lie behind one another."""
    pieces: list[tuple[Point, ...]] = []
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        if (y == to_y) if sideways else (x == to_x):
            pieces.append(((to_x, to_y),))
        elif sideways:
            middle = (x + to_x) / 2
            pieces.append(((middle, y), (middle, to_y), (to_x, to_y)))
        else:
            middle = (y + to_y) / 2
            pieces.append(((x, middle), (to_x, middle), (to_x, to_y)))
    return pieces


def _back(measured: _Measured, corner: Point, canvas: _Canvas, first: Box, last: Box) -> Curve:
    """An arrow to an earlier box, or to the same, around all boxes."""
    one, two = canvas.places[first.key], canvas.places[last.key]
    alone = first is last
    if canvas.sideways:
        out = _LOOP + (one[1] + one[3] if alone else corner[1] + measured.layout.height)
        start, end = (one[0] + one[2] * 0.7, one[1] + one[3]), (two[0] + two[2] * 0.3, two[1] + two[3])
        return Curve(start, [((start[0], out), (end[0], out), end)])
    out = _LOOP + (one[0] + one[2] if alone else corner[0] + measured.layout.width)
    start, end = (one[0] + one[2], one[1] + one[3] * 0.7), (two[0] + two[2], two[1] + two[3] * 0.3)
    return Curve(start, [((out, start[1]), (out, end[1]), end)])

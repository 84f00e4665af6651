"""Drawings made of boxes, words and curves, written as SVG by hand or painted by matplotlib."""

from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from keraunos.plots import figures

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
# Widths of Helvetica's letters, in thousandths of its size: exact where lines are full of them, else a mean.
_WIDTHS = {
    **dict.fromkeys("ijl'|", 222), **dict.fromkeys("ft.,:;!/\\[]() I", 278), **dict.fromkeys("r-", 333),
    **dict.fromkeys("ckvxyzsJ", 500), **dict.fromkeys("mwM", 833), **dict.fromkeys("W→@%", 1000),
    **dict.fromkeys("ABCDEGHKNOPQRSUVXY", 700),
}  # fmt: skip


class Rectangle(NamedTuple):
    """A box with round corners; ``left`` and ``top`` in points."""

    left: float
    top: float
    width: float
    height: float
    fill: str
    line: str = "none"
    dashed: bool = False
    radius: float = 5.0


class Words(NamedTuple):
    """A line of text with its foot at ``base``, that begins at ``x``, in bold letters first, or is centred there."""

    x: float
    base: float
    text: str
    size: float = 12.0
    colour: str = figures.INK
    centred: bool = False
    strong: str = ""


class Curve(NamedTuple):
    """A path: a start, then groups of one (line) or three (Bézier) points; with an arrow at its end."""

    start: tuple[float, float]
    pieces: list[tuple[tuple[float, float], ...]]
    colour: str = figures.GREY


class Drawing(NamedTuple):
    """Things in the order in which they are painted."""

    width: float
    height: float
    things: list[Rectangle | Words | Curve]


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of a line of text in points.

    >>> text_width("ill", 10)
    6.66
    """
    return sum(_WIDTHS.get(letter, 556) for letter in text) * size / 1000 * (1.07 if bold else 1)


def to_svg(drawing: Drawing, title: str) -> str:
    """The drawing as a file's text; sharp at any size, and its words can be searched."""
    width, height = _number(drawing.width), _number(drawing.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT}" role="img">',
        f"<title>{_clean(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for thing in drawing.things:
        if isinstance(thing, Rectangle):
            left, top, wide, high, radius = map(_number, (*thing[:4], thing.radius))
            dash = ' stroke-dasharray="5 4"' if thing.dashed else ""
            parts.append(
                f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" rx="{radius}" fill="{thing.fill}" '
                f'stroke="{thing.line}"{dash}/>'
            )
        elif isinstance(thing, Words):
            # One element holds both, so that they fit whatever font there is.
            strong = f'<tspan font-weight="bold">{_clean(thing.strong)}</tspan>  ' if thing.strong else ""
            anchor = ' text-anchor="middle"' if thing.centred else ""
            place = f'x="{_number(thing.x)}" y="{_number(thing.base)}" font-size="{_number(thing.size)}"'
            parts.append(
                f'<text {place} fill="{thing.colour}"{anchor} xml:space="preserve">{strong}{_clean(thing.text)}</text>'
            )
        else:
            steps = [f"M{_pair(thing.start)}"]
            steps += [("L" if len(piece) == 1 else "C") + " ".join(map(_pair, piece)) for piece in thing.pieces]
            parts.append(f'<path d="{" ".join(steps)}" fill="none" stroke="{thing.colour}" stroke-width="1.4"/>')
            points = " ".join(map(_pair, _arrow(thing)))
            parts.append(f'<polygon points="{points}" fill="{thing.colour}"/>')
    return "\n".join([*parts, "</svg>", ""])


def to_figure(drawing: Drawing) -> Any:
    """The drawing as a matplotlib figure, for formats other than SVG."""
    patches, path = figures.needed("matplotlib.patches"), figures.needed("matplotlib.path")
    figure = figures.new_figure(drawing.width / 72, drawing.height / 72)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
    axes.axis("off")
    for order, thing in enumerate(drawing.things):
        if isinstance(thing, Rectangle):
            axes.add_patch(
                patches.FancyBboxPatch(
                    thing[:2], thing.width, thing.height, boxstyle=f"round,pad=0,rounding_size={thing.radius}",
                    facecolor=thing.fill, edgecolor=thing.line, linestyle="--" if thing.dashed else "-", linewidth=1,
                    zorder=order,
                )
            )  # fmt: skip
        elif isinstance(thing, Words):
            # matplotlib's own letters are wider than Helvetica's, bold ones even more; "$" must not begin a formula.
            after = thing.x + (
                text_width(thing.strong, thing.size, bold=True) + 0.56 * thing.size if thing.strong else 0
            )
            for x, text, weight, share in ((thing.x, thing.strong, "bold", 0.8), (after, thing.text, "normal", 0.86)):
                axes.text(
                    x, thing.base, text, fontsize=thing.size * share, fontweight=weight, fontfamily="DejaVu Sans",
                    color=thing.colour, ha="center" if thing.centred else "left", parse_math=False, zorder=order,
                )  # fmt: skip
        else:
            points = [thing.start, *(point for piece in thing.pieces for point in piece)]
            codes = [1, *(code for piece in thing.pieces for code in ([2] if len(piece) == 1 else [4, 4, 4]))]
            line = path.Path(points, codes)
            axes.add_patch(
                patches.PathPatch(line, facecolor="none", edgecolor=thing.colour, linewidth=1.4, zorder=order)
            )
            axes.add_patch(patches.Polygon(_arrow(thing), facecolor=thing.colour, edgecolor="none", zorder=order))
    return figure


def _arrow(curve: Curve, length: float = 8.0, width: float = 6.5) -> list[tuple[float, float]]:
    points = [curve.start, *(point for piece in curve.pieces for point in piece)]
    (x, y) = tip = points[-1]
    before = next((point for point in reversed(points[:-1]) if point != tip), (x, y - 1))
    distance = ((x - before[0]) ** 2 + (y - before[1]) ** 2) ** 0.5
    dx, dy = (x - before[0]) / distance, (y - before[1]) / distance
    foot = x - dx * length, y - dy * length
    return [
        tip,
        (foot[0] - dy * width / 2, foot[1] + dx * width / 2),
        (foot[0] + dy * width / 2, foot[1] - dx * width / 2),
    ]


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _pair(point: tuple[float, float]) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _clean(text: str) -> str:
    # XML has no place for control characters, whatever their spelling.
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))

"""Pictures of a model's layers and of what flows between them."""

import html
import shutil
import subprocess
from pathlib import Path
from typing import Any

from keraunos.models import Model
from keraunos.plots import figures
from keraunos.plots.chart import Chart, Options, chart_of
from keraunos.plots.drawing import to_figure, to_svg
from keraunos.plots.sketch import sketch
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import suggestion
from keraunos.utils.tracebacks import entrance
from keraunos.utils.writing import on_disk, write_file

_DIRECTIONS = ("TB", "BT", "LR", "RL")


def model_graph(
    model: Any,
    path: Any = None,
    show_shapes: bool = True,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> "ModelGraph":
    """Draw the layers of a model and their connections: by Graphviz where ``dot`` is installed, else by itself.

    Layers with weights are blue, without weights grey, inputs green. A model
    written as a class is one box; ``expand_nested`` shows the layers in it.

    Args:
        model: A model; a Sequential need not be built.
        path: File to write, by its ending: ``.svg``, ``.png``, ``.pdf``, or ``.dot`` for Graphviz' text; ``None`` for none.
        show_shapes: Whether to show the shapes of inputs and outputs.
        show_dtype: Whether to show the types of the outputs.
        show_layer_names: Whether to show the layers' names beside their classes.
        rankdir: Direction of the flow: ``"TB"`` (from top to bottom), ``"BT"``, ``"LR"`` or ``"RL"``.
        expand_nested: Whether to show the layers inside models.
        show_layer_activations: Whether to show the layers' activations.
        show_trainable: Whether to show which layers are trained.

    Returns:
        A ``ModelGraph``, which a notebook shows as a picture.

    Raises:
        ArgumentError: ``model`` is no model, or a direction or a format is unknown.

    >>> from keraunos.layers import Dense, Input
    >>> from keraunos.models import Sequential
    >>> graph = model_graph(Sequential([Input((4,)), Dense(3, name="last")]))
    >>> "last" in graph.svg
    True
    """
    options = Options(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    graph = ModelGraph(model, options, rankdir)
    if path is not None:
        graph.write(path)
    return graph


@entrance
def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> "ModelGraph":
    """Draw a model into a file, with Keras' arguments; ``model_graph`` is the shorter way.

    Neither Graphviz nor pydot is needed; without Graphviz, formats other than SVG need matplotlib.

    Args:
        model: A model.
        to_file: File to write; its ending says the format, PNG if it has none.
        show_shapes, show_dtype, show_layer_names, rankdir, expand_nested: As in ``model_graph``.
        dpi: Dots per inch of a PNG.
        show_layer_activations, show_trainable: As in ``model_graph``.
        splines: How Graphviz draws connections, such as ``"ortho"``, ``"spline"`` or ``"line"``.

    Returns:
        A ``ModelGraph``, which a notebook shows as a picture.
    """
    graph = model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, False, show_layer_activations,
        show_trainable, splines, **kwargs,
    )  # fmt: skip
    to_file = Path(to_file)
    graph.write(to_file, to_file.suffix[1:] or "png")
    return graph


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> "ModelGraph":
    """A model as text for Graphviz, with Keras' arguments.

    What is returned has the methods of a pydot graph that are used with it:
    ``to_string()``, ``create(prog="dot", format="svg")`` and ``write(path, format=...)``.

    Args:
        model: A model.
        show_shapes, show_dtype, show_layer_names, rankdir, expand_nested: As in ``model_graph``.
        dpi: Dots per inch of a PNG.
        subgraph: Accepted for Keras' sake; a nested model is drawn by ``expand_nested``.
        show_layer_activations, show_trainable: As in ``model_graph``.
        splines: How Graphviz draws connections, such as ``"ortho"``, ``"spline"`` or ``"line"``.

    Raises:
        ArgumentError: An argument is unknown.

    >>> from keraunos.layers import Dense, Input
    >>> from keraunos.models import Sequential
    >>> model_to_dot(Sequential([Input((4,)), Dense(3, name="last")])).to_string().splitlines()[0]
    'digraph {'
    """
    known = "show_shapes show_dtype show_layer_names rankdir expand_nested dpi show_layer_activations show_trainable splines"
    for name in kwargs:
        raise ArgumentError(f"the model's graph has no argument {name!r}.{suggestion(name, known.split())}")
    options = Options(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, expand_nested)
    return ModelGraph(model, options, rankdir, dpi, splines)


class ModelGraph:
    """The picture of a model: as SVG, as Graphviz' text, or as a file of another format.

    Attributes:
        dot: Graphviz' text.
        drawing: The picture as laid out without Graphviz.
    """

    def __init__(
        self, model: Any, options: Options | None = None, rankdir: str = "TB", dpi: int = 200, splines: str = "spline"
    ) -> None:
        if not isinstance(model, Model):
            raise ArgumentError(f"{model!r} is no model. Give a Sequential or a Model to draw.")
        if rankdir not in _DIRECTIONS:
            raise ArgumentError(f"rankdir is {rankdir!r}.{suggestion(rankdir, _DIRECTIONS)}")
        chart = chart_of(model, options or Options())
        self.name, self.dpi = str(model.name), dpi
        self.dot = _dot_text(chart, rankdir, dpi, splines)
        self.drawing = sketch(chart, rankdir)

    @property
    def svg(self) -> str:
        """The picture as SVG text: by Graphviz where it is installed."""
        made = _graphviz(self.dot, "svg")
        return to_svg(self.drawing, self.name) if made is None else made.decode("utf-8")

    def to_string(self) -> str:
        """Graphviz' text."""
        return self.dot

    def create(self, prog: str = "dot", format: str = "png") -> bytes:  # noqa: A002
        """The picture as the bytes of a file.

        Args:
            prog: Graphviz' program, where installed.
            format: ``"svg"``, ``"png"``, ``"pdf"`` and so on; ``"dot"`` for Graphviz' text.
        """
        kind = format.lower()
        if kind in ("dot", "gv", "raw"):
            return self.dot.encode("utf-8")
        made = _graphviz(self.dot, kind, prog)
        if made is not None:
            return made
        if kind == "svg":
            return to_svg(self.drawing, self.name).encode("utf-8")
        return figures.encoded(to_figure(self.drawing), kind, self.dpi)

    def write(self, path: Any, format: str | None = None) -> None:  # noqa: A002
        """Write a file, in the format of its ending if none is given."""
        path = Path(path)
        content = self.create(format=format or path.suffix[1:] or "svg")
        with on_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)

    def _repr_svg_(self) -> str:
        return self.svg


# --- Graphviz ------------------------------------------------------------------------------


def _dot_text(chart: Chart, rankdir: str, dpi: int, splines: str) -> str:
    lines = [
        "digraph {",
        f'  graph [rankdir={rankdir}, dpi={int(dpi)}, splines="{_quoted(splines)}", fontname="Helvetica", compound=true];',
        '  node [shape=plain, fontname="Helvetica"];',
        f'  edge [color="{figures.GREY}", arrowsize=0.8];',
    ]
    _dot_boxes(chart, lines, "  ")
    _dot_edges(chart, lines)
    return "\n".join([*lines, "}", ""])


def _dot_boxes(chart: Chart, lines: list[str], indent: str) -> None:
    for box in chart.boxes:
        if box.inside is not None:
            title = _quoted(f"{box.kind} {box.name}".strip())
            lines.append(f'{indent}subgraph "cluster_{_quoted(box.key)}" {{')
            lines.append(f'{indent}  label="{title}"; style=dashed; color="{figures.GREY}"; labeljust=l;')
            _dot_boxes(box.inside, lines, indent + "  ")
            lines.append(f"{indent}}}")
            continue
        name = f" {html.escape(box.name)}" if box.name else ""
        cells = (
            f'<tr><td bgcolor="{box.colour}"><font color="white"><b>{html.escape(box.kind)}</b>{name}</font></td></tr>'
        )
        cells += "".join(f"<tr><td>{html.escape(line)}</td></tr>" for line in box.lines)
        table = (
            f'<table border="0" cellborder="1" cellspacing="0" cellpadding="6" color="{figures.GREY}">{cells}</table>'
        )
        lines.append(f'{indent}"{_quoted(box.key)}" [label=<{table}>];')


def _dot_edges(chart: Chart, lines: list[str]) -> None:
    for source, output, target, place in chart.edges:
        first, last = chart.ends(source, output, target, place)
        line = f'  "{_quoted(first.key)}" -> "{_quoted(last.key)}";'
        if line not in lines:
            lines.append(line)
    for box in chart.boxes:
        if box.inside is not None:
            _dot_edges(box.inside, lines)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _graphviz(text: str, kind: str, program: str = "dot") -> bytes | None:
    """What Graphviz makes of a text; ``None`` where it is missing or fails."""
    where = shutil.which(program)
    if where is None:
        return None
    try:
        # The text goes in by a pipe: no name of a layer ever reaches a command line.
        made = subprocess.run(
            [where, f"-T{kind}"], input=text.encode("utf-8"), capture_output=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return made.stdout or None

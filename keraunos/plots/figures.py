"""What all figures share: how they are made and written, and colours that everyone can tell apart."""

import functools
import io
from pathlib import Path
from typing import Any

from keraunos.utils.errors import ArgumentError, KeraunosError
from keraunos.utils.text import suggestion
from keraunos.utils.writing import on_disk, write_file

# Okabe and Ito, "Color universal design", 2008, without black and yellow: told apart with any colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, GREY, LIGHT = "#222222", "#666666", "#DDDDDD"


class MissingPlotsError(KeraunosError, ImportError):
    """A library that only pictures need is not installed."""


def needed(module: str) -> Any:
    """Import ``matplotlib`` or ``PIL``, or say how to install them."""
    try:
        return __import__(module, fromlist=["_"])
    except ImportError as error:
        library = module.partition(".")[0].replace("PIL", "pillow")
        raise MissingPlotsError(
            f"pictures need {library}, which is not installed. Run: pip install keraunos[plots]"
        ) from error


def new_figure(width: float, height: float) -> Any:
    """An empty figure of a size in inches, which no window and no global list knows."""
    figure = needed("matplotlib.figure").Figure(
        figsize=(width, height), dpi=100, layout="constrained", facecolor="white"
    )
    needed("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    # A notebook shows what has this method, even where matplotlib's own set-up has not run.
    figure._repr_png_ = functools.partial(png, figure)
    return figure


def png(figure: Any, dpi: int = 100) -> bytes:
    """The figure as a PNG file."""
    return encoded(figure, "png", dpi)


def encoded(figure: Any, kind: str, dpi: int = 150) -> bytes:
    """The figure as the bytes of a file, such as ``"png"`` or ``"pdf"``: for equal figures the same ones, but in SVG."""
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ArgumentError(f"a picture cannot be written as {kind!r}.{suggestion(kind, known)}")
    # Neither the date nor the version of matplotlib goes into the file.
    undated: dict[str, dict[str, None]] = {
        "png": {"Software": None},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=undated.get(kind))
    return buffer.getvalue()


def save(figure: Any, path: Any, dpi: int = 150) -> None:
    """Write a figure to a file whose ending says the format, making its folder; to none where there is no path."""
    if path is not None:
        path = Path(path)
        content = encoded(figure, path.suffix[1:].lower() or "png", dpi)
        with on_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


def quiet(axes: Any) -> None:
    """Take away what carries no data: the box around the axes, the ticks' black."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=GREY, labelcolor=INK, labelsize=9)

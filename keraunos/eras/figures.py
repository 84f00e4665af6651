"""Figures that a script shows, saved to a folder instead of opened in windows."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keraunos.eras.after_import import after_import
from keraunos.utils import spelling


class Figures:
    """The figures of a run.

    Attributes:
        folder: Where they are saved; it is made when the first one is.
        saved: The files, in order.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.saved: list[Path] = []
        self._undo: list[Callable[[], None]] = []
        backend = os.environ.get("MPLBACKEND")
        os.environ["MPLBACKEND"] = "Agg"  # read when matplotlib is imported

        def put_back() -> None:
            os.environ.pop("MPLBACKEND", None)
            if backend is not None:
                os.environ["MPLBACKEND"] = backend

        self._undo.append(put_back)
        self._undo.append(after_import({"matplotlib": self._settle, "matplotlib.pyplot": self._take_over}))

    def save_open(self) -> None:
        """Save every open figure that holds something, and close all."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        for number in pyplot.get_fignums():
            self.save(pyplot.figure(number))
        pyplot.close("all")

    def save(self, figure: Any) -> None:
        """Save one figure, unless it is empty."""
        if len(figure.get_children()) < 2:  # the background alone
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"figure-{len(self.saved) + 1:02}.png"
        figure.savefig(file, bbox_inches="tight")
        self.saved.append(file)

    def finish(self) -> None:
        """Save what is still open, say once where the figures are, and give matplotlib its functions back."""
        self.save_open()
        if self.saved:
            many = f"{len(self.saved)} figures were" if len(self.saved) > 1 else "1 figure was"
            spelling.note(f"{many} saved in {self.folder}{os.sep}")
        while self._undo:
            self._undo.pop()()

    def _settle(self, matplotlib: Any) -> None:
        """Draw into memory, and leave it so when the script asks for a backend with windows."""
        if "matplotlib.pyplot" in sys.modules:
            matplotlib.use("Agg")
        self._set(matplotlib, "use", lambda *_, **__: None)

    def _take_over(self, pyplot: Any) -> None:
        figures, switch = self, pyplot.switch_backend

        def show_all(*_: Any, **__: Any) -> None:
            figures.save_open()

        def show(figure: Any, *_: Any, **__: Any) -> None:
            figures.save(figure)
            pyplot.close(figure)

        self._set(pyplot, "show", show_all)
        self._set(pyplot, "switch_backend", lambda *_, **__: switch("Agg"))
        self._set(sys.modules["matplotlib.figure"].Figure, "show", show)
        # After plt.savefig a window would be drawn again; there is none, and drawing is most of the work.
        canvas = importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg
        self._set(canvas, "draw_idle", lambda *_, **__: None)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        original = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, original))


def figures_to(folder: str | Path) -> Figures:
    """From now on ``plt.show()`` saves every open figure in a folder, as ``figure-01.png`` and so on, and closes it.

    Args:
        folder: Made when the first figure is saved.

    Returns:
        What counts them; call its ``finish()`` at the end.
    """
    return Figures(folder)

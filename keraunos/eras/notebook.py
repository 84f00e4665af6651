"""``%load_ext keraunos``: in a notebook, ``import keras`` means Keraunos, and cells tell which era they are of."""

from pathlib import Path
from typing import Any

from keraunos.eras.detect import detect
from keraunos.eras.documents import Block
from keraunos.eras.install import install_as_keras, uninstall_keras
from keraunos.utils import spelling

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """What ``%load_ext keraunos`` calls: installs the alias modules, and looks at each cell before it runs.

    Once a cell is spelled as in an earlier era, that era's defaults hold, and
    one line says so; an era that ``install_as_keras(era)`` chose before stays.

    Args:
        ipython: IPython's shell.
    """
    install_as_keras()
    if not spelling.chosen() and id(ipython) not in _watching:
        _watching[id(ipython)] = watch = _Watch(ipython)
        ipython.events.register("pre_run_cell", watch)


def unload_ipython_extension(ipython: Any) -> None:
    """What ``%unload_ext keraunos`` calls: takes the alias modules away again.

    Args:
        ipython: IPython's shell.
    """
    watch = _watching.pop(id(ipython), None)
    if watch is not None:
        ipython.events.unregister("pre_run_cell", watch)
    uninstall_keras()


_watching: dict[int, "_Watch"] = {}


class _Watch:
    """Keeps the cells that ran, and the era that they tell together."""

    def __init__(self, ipython: Any) -> None:
        self._ipython = ipython
        self._cells: list[Block] = []

    def __call__(self, info: Any) -> None:
        number = self._ipython.execution_count
        self._cells.append(Block(info.raw_cell or "", 1, "cell", f"notebook, cell {number}"))
        found = detect(self._cells, Path.cwd())
        if found.era != spelling.era():
            spelling.note(found.text)
            install_as_keras(found.era)

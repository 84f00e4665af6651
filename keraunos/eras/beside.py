"""Finds the modules of a program's own that lie beside it, without importing them."""

import ast
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from keraunos.eras import modules
from keraunos.eras.documents import Block

# A program's own modules are few and small; whatever is more is a library.
_MOST_MODULES, _MOST_BYTES = 200, 1_000_000


def modules_beside(trees: Iterable[ast.Module], folder: Path) -> Iterator[tuple[Block, ast.Module]]:
    """The modules in a folder that a program there imports, and those that they import, each once, with their text.

    Args:
        trees: The program.
        folder: Where it lies, and Python looks first.
    """
    seen: set[Path] = set()
    waiting = [file for tree in trees for file in _imported(tree, folder, None)]
    while waiting and len(seen) < _MOST_MODULES:
        file = waiting.pop(0)
        if file in seen:
            continue
        seen.add(file)
        try:
            if file.stat().st_size > _MOST_BYTES:
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
            with warnings.catch_warnings():  # they wait until the module is imported
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (OSError, SyntaxError, ValueError):
            continue
        yield Block(text, 1, "module", str(file)), tree
        waiting += _imported(tree, folder, file)


def _imported(tree: ast.Module, folder: Path, file: Path | None) -> Iterator[Path]:
    """Files that the imports of a program, or of the module in a file, name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(folder, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            start = folder if not node.level else file and file.parents[min(node.level, len(file.parents)) - 1]
            parts = node.module.split(".") if node.module else []
            if start is not None:
                yield from _files(start, parts, node.level > 0)
                for alias in node.names:
                    yield from _files(start, [*parts, alias.name], node.level > 0)


def _files(folder: Path, parts: list[str], inner: bool = False) -> Iterator[Path]:
    """The files of a dotted name: of the packages on the way, and of the module."""
    if not inner and parts and parts[0] in modules.ROOTS:
        return
    for part in parts:
        module = folder / f"{part}.py"
        folder /= part
        for file in (folder / "__init__.py", module):
            if file.is_file():
                yield file
                break

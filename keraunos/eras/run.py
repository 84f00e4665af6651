"""``python -m keraunos run``: runs a script, notebook or post of any era as if Keraunos were its Keras."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from keraunos.eras import settings
from keraunos.eras import shims as offered
from keraunos.eras.detect import detect
from keraunos.eras.documents import Document, read_document
from keraunos.eras.figures import figures_to
from keraunos.eras.install import install_as_keras, is_installed, uninstall_keras
from keraunos.eras.running_blocks import run_document
from keraunos.utils import spelling


def run(
    script: str | Path,
    arguments: Sequence[str] = (),
    *,
    era: int | None = None,
    shims: bool = True,
    figures: str | Path | None = None,
    seed: int | None = 0,
    quiet: bool = False,
) -> int:
    """Run a program as ``__main__``, with Keraunos under the names of Keras; returns its exit status.

    Args:
        script: A script ``.py``, a notebook ``.ipynb``, or a post ``.md`` or ``.txt``, whose blocks run in order.
        arguments: What the program finds in ``sys.argv`` behind its name.
        era: Whose defaults hold: 1, 2 or 3; told from the program's spelling if not given.
        shims: Whether to offer what old scripts need besides Keras, and to save shown figures.
        figures: Folder for figures that are shown; if not given, the program's name with ``-figures`` behind it.
        seed: With what Python's and NumPy's generators begin, so that a run repeats bit for bit; ``None`` for a fresh
            beginning. A program that seeds them itself is not affected.
        quiet: Whether to say nothing about spellings, defaults and shims.

    Raises:
        ArgumentError: There is no such file, or it is of another kind.
        KeyboardInterrupt: The run was interrupted.
    """
    document = read_document(script)
    spelling.forget_notes()
    library = os.environ.get("KERAS_BACKEND")
    with ExitStack() as after, _notes(quiet):
        if era is not None:
            spelling.note(f"Keras {era} (as chosen)")
        _install(_told(document) if era is None else era, shims, after)
        if library and not (spelling.chosen() and settings.library() == library):
            spelling.note(f"KERAS_BACKEND={library} is ignored: it is for real Keras")
        after.callback(_say_used)
        shown = None
        if shims or figures:
            shown = figures_to(figures or f"{document.path.stem}-figures")
            after.callback(shown.finish)
        if seed is not None:
            _seed(seed)
        result = run_document(document, arguments, shown.save_open if shown and document.kind != "script" else None)
        sys.stdout.flush()
    return result.exit_code


def _told(document: Document) -> int:
    """The era that the document's spelling tells, said in one line."""
    found = detect(document.blocks, document.path.parent)
    spelling.note(found.text)
    return found.era


def _install(era: int, shims: bool, after: ExitStack) -> None:
    before = spelling.era() if is_installed() else None
    install_as_keras(era, shims)
    after.callback(uninstall_keras if before is None else lambda: install_as_keras(before))


def _say_used() -> None:
    labels = [shim.label for shim in offered.used()]
    if labels:
        spelling.note(f"offered besides Keras, unless --no-shims: {', '.join(labels)}")


def _seed(seed: int) -> None:
    from keraunos.core.session import clear_session, set_random_seed

    clear_session()
    set_random_seed(seed)


@contextmanager
def _notes(quiet: bool) -> Iterator[None]:
    logger = logging.getLogger("keraunos.eras")
    before = logger.disabled
    logger.disabled = quiet or before
    try:
        yield
    finally:
        logger.disabled = before

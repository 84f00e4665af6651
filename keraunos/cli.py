"""The command line: ``keraunos run``, ``keraunos demo`` and ``keraunos info``, or ``python -m keraunos run`` and so on."""

import argparse
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from keraunos import __version__
from keraunos.utils.errors import ArgumentError, KeraunosError
from keraunos.utils.text import suggestion


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 well done, 1 not possible, 130 interrupted; for ``run``, the program's.

    Args:
        arguments: What stands behind ``keraunos``; that of this process if not given.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    if not given:
        parser.print_help()
        return 0
    if not given[0].startswith("-") and given[0] not in _COMMANDS:
        parser.error(_no_command(given[0]))
    chosen = parser.parse_args(given)
    try:
        if chosen.command == "info":
            for name, value in info():
                print(f"{name:<14} {value}")
        elif chosen.command == "run":
            return _run(chosen)
        else:
            from keraunos import demo

            demo.run(chosen.out)
    except KeraunosError as error:
        print(f"keraunos: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nkeraunos: interrupted", file=sys.stderr)
        return 130
    return 0


def info() -> Iterator[tuple[str, str]]:
    """Versions, engine, device and folders, as a report of a bug needs them.

    >>> dict(info())["engine"]
    'jax'
    """
    from keraunos.backend import K, current_engine
    from keraunos.utils import config

    yield "keraunos", __version__
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} processors"
    yield "engine", current_engine().name
    device = getattr(K.zeros(()), "device", "unknown")
    yield "device", str(getattr(device, "device_kind", device))
    left_out = current_engine().options_left_out()
    if left_out:
        yield "compiled", f"without {', '.join(left_out)}, which this release of the engine lacks"
    yield "float type", config.floatx()
    for library in ("jax", "jaxlib", "numpy", "h5py", "rich", "matplotlib", "pillow", "pandas"):
        yield library, _version(library)
    home = config.home()
    yield "home", f"{home} (from KERAUNOS_HOME)" if os.environ.get("KERAUNOS_HOME") else str(home)
    for name, folder in (("data sets", home / "datasets"), ("programs", home / "programs")):
        yield name, f"{folder} ({_size(folder)})"


def _run(chosen: argparse.Namespace) -> int:
    from keraunos.eras.run import run

    try:
        return run(
            chosen.script,
            chosen.arguments,
            era=chosen.era,
            shims=chosen.shims,
            figures=chosen.figures,
            seed=chosen.seed,
            quiet=chosen.quiet,
        )
    except ArgumentError as error:  # about the file; errors of the program are told by its traceback
        print(f"keraunos: {error}", file=sys.stderr)
        return 2


def _seed(text: str) -> int | None:
    if text == "random":
        return None
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; expected a number from 0 to 2**32 - 1, or 'random'")
    return int(text)


_COMMANDS = ("demo", "run", "info")


def _no_command(word: str) -> str:
    """What to say where the first word names no command: the one that was meant, if it can be told."""
    if Path(word).suffix in (".py", ".ipynb", ".md", ".txt"):
        return f"to run a program, say so: keraunos run {word}"
    meant = suggestion(word, _COMMANDS, whole=False)
    return f"there is no command {word!r}.{meant} The commands are {', '.join(map(repr, _COMMANDS))}."


def _parser() -> argparse.ArgumentParser:
    as_module = Path(sys.argv[0]).name == "__main__.py"
    parser = argparse.ArgumentParser(
        prog="python -m keraunos" if as_module else "keraunos", description="Keraunos, a neural-network library."
    )
    parser.add_argument("--version", action="version", version=f"keraunos {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="train four networks on real data, with pictures")
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("keraunos-demo"),
        metavar="FOLDER",
        help="where to write the pictures and the saved model (default: %(default)s)",
    )
    run = commands.add_parser(
        "run",
        help="run a script, notebook or post written for any generation of Keras",
        description="Run a program with Keraunos in place of Keras. Options stand before the program; what stands "
        "behind it belongs to the program.",
        allow_abbrev=False,
    )
    run.add_argument(
        "--era",
        type=int,
        choices=(1, 2, 3),
        help="the generation of Keras whose defaults, arithmetic and display hold (default: told from the spelling)",
    )
    run.add_argument(
        "--no-shims",
        dest="shims",
        action="store_false",
        help="offer nothing of what other libraries have dropped since, and let figures be shown",
    )
    run.add_argument(
        "--figures", metavar="FOLDER", help="where to save figures that are shown (default: the name with -figures)"
    )
    run.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="seed of Python's and NumPy's random numbers before the program starts, so that a run repeats bit for "
        "bit (default: %(default)s); 'random' for a fresh one each time",
    )
    run.add_argument("--quiet", action="store_true", help="say nothing about spellings, defaults and what is offered")
    run.add_argument("script", help="a file ending in .py, .ipynb, .md or .txt")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments of the program")
    commands.add_parser("info", help="print versions, engine, device and folders")
    return parser


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _size(folder: Path) -> str:
    """Size of all files of a folder, in megabytes."""
    if not folder.is_dir():
        return "not there yet"
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:.1f} MB"

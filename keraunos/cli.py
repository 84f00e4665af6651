"""The command line: ``python -m keraunos demo`` and ``python -m keraunos info``."""

import argparse
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from keraunos.utils.errors import KeraunosError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 well done, 1 not possible, 130 interrupted.

    Args:
        arguments: What stands behind ``python -m keraunos``; that of this process if not given.
    """
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "info":
            for name, value in info():
                print(f"{name:<14} {value}")
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

    yield "keraunos", _version("keraunos")
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} processors"
    yield "engine", current_engine().name
    device = getattr(K.zeros(()), "device", "unknown")
    yield "device", str(getattr(device, "device_kind", device))
    yield "float type", config.floatx()
    for library in ("jax", "numpy", "h5py", "rich", "matplotlib", "pillow", "pandas"):
        yield library, _version(library)
    home = config.home()
    yield "home", f"{home} (from KERAUNOS_HOME)" if os.environ.get("KERAUNOS_HOME") else str(home)
    for name, folder in (("data sets", home / "datasets"), ("programs", home / "programs")):
        yield name, f"{folder} ({_size(folder)})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m keraunos", description="Keraunos, a neural-network library.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="train four networks on real data, with pictures")
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("keraunos-demo"),
        metavar="FOLDER",
        help="where to write the pictures and the saved model (default: %(default)s)",
    )
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

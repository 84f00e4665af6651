"""How time and memory grow with the rows: ``scaling.py [--quick] [--out FOLDER]``; a picture and the figures as JSON.

A network 10-32-1 trains on 10,000 to 10,000,000 rows in memory, which shall take time in proportion to the rows, and
on as many rows that lie on disk or come from a generator, which shall need no more memory for more rows. Each
measurement is a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
BATCH, WIDTH = 100, 10
SOURCES = {"arrays": "arrays in memory", "memmap": "np.memmap", "hdf5": "HDF5 data sets", "generator": "a generator"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="no more than 100,000 rows")
    parser.add_argument("--out", type=Path, help="folder of the results; docs, and with --quick build/benchmark")
    chosen = parser.parse_args()
    sizes = [10**4, 10**5] if chosen.quick else [10**4, 10**5, 10**6, 10**7]
    found: dict[str, list[dict[str, float]]] = {source: [] for source in SOURCES}
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            for source in SOURCES:
                command = [sys.executable, __file__, "measure", source, str(rows), folder]
                result = subprocess.run(command, capture_output=True, text=True)
                if result.returncode:
                    raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
                figures = json.loads(result.stdout.splitlines()[-1])
                found[source].append({"rows": rows, **figures})
                told = f"{1000 * figures['epoch']:10.1f} ms an epoch, {figures['memory'] / 2**20:6.0f} MiB"
                print(f"{rows:>10,} rows, {SOURCES[source]:<18}{told}", file=sys.stderr, flush=True)
    out = chosen.out or HERE.parent / ("build/benchmark" if chosen.quick else "docs")
    out.mkdir(parents=True, exist_ok=True)
    (out / "scaling.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draw(found, out / "scaling.png")
    return 0


def measure(source: str, rows: int, folder: Path) -> dict[str, float]:
    """Seconds of an epoch, and the peak of memory that is the process's own, without pages of files."""
    with Peak() as peak:
        import keraunos

        model = keraunos.Sequential(
            [keraunos.Input((WIDTH,)), keraunos.layers.Dense(32, "relu"), keraunos.layers.Dense(1)]
        )
        model.compile("sgd", "mse")
        given = SOURCE[source](rows, folder)
        model.fit(**given, epochs=1, verbose=0)
        epochs = max(1, 10**6 // rows)
        began = time.perf_counter()
        model.fit(**given, epochs=epochs, verbose=0)
        seconds = (time.perf_counter() - began) / epochs
    return {"epoch": seconds, "memory": peak.bytes}


def arrays(rows: int, folder: Path) -> dict[str, Any]:
    x, y = next(pieces(rows, rows))
    return {"x": x, "y": y, "batch_size": BATCH}


def memmap(rows: int, folder: Path) -> dict[str, Any]:
    shapes = {"x": (rows, WIDTH), "y": (rows, 1)}
    given = {}
    for place, (name, shape) in enumerate(shapes.items()):
        written = np.memmap(folder / f"{name}{rows}", "float32", "w+", shape=shape)
        start = 0
        for piece in pieces(rows, 10_000):
            written[start : start + 10_000] = piece[place]
            start += 10_000
        written.flush()
        del written
        given[name] = np.memmap(folder / f"{name}{rows}", "float32", "r", shape=shape)
    return {**given, "batch_size": BATCH}


def hdf5(rows: int, folder: Path) -> dict[str, Any]:
    import h5py

    file = h5py.File(folder / f"{rows}.h5", "w")
    x, y = file.create_dataset("x", (rows, WIDTH), "f"), file.create_dataset("y", (rows, 1), "f")
    for start, piece in zip(range(0, rows, 10_000), pieces(rows, 10_000), strict=True):
        x[start : start + 10_000], y[start : start + 10_000] = piece
    return {"x": x, "y": y, "batch_size": BATCH}


def generator(rows: int, folder: Path) -> dict[str, Any]:
    def endless() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            yield from pieces(rows, BATCH)

    return {"x": endless(), "steps_per_epoch": rows // BATCH}


SOURCE = {"arrays": arrays, "memmap": memmap, "hdf5": hdf5, "generator": generator}


def pieces(rows: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    for _ in range(0, rows, size):
        x = random.standard_normal((size, WIDTH), dtype="float32")
        yield x, x[:, :1] - x[:, 1:2]


class Peak:
    """Watches the memory of this process that no file backs; pages of mapped files can be dropped at any time."""

    def __enter__(self) -> "Peak":
        self.bytes, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        status = Path("/proc/self/status")
        if not status.exists():
            raise SystemExit("scaling.py reads /proc/self/status, which this system does not have.")
        while not self._done.wait(0.02):
            line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
            self.bytes = max(self.bytes, 1024 * int(line.split()[1]))


def draw(found: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Two panels over the rows: seconds of an epoch, with the line of proportion, and peak of memory."""
    from keraunos.plots import figures

    figure = figures.new_figure(10, 4)
    titles = {"epoch": "seconds of an epoch", "memory": "peak of memory, MiB"}
    for place, (key, title) in enumerate(titles.items(), 1):
        axes = figure.add_subplot(1, 2, place)
        for color, (source, points) in zip(figures.PALETTE, found.items(), strict=False):
            scale = 1 if key == "epoch" else 2**20
            values = [point[key] / scale for point in points]
            axes.plot([point["rows"] for point in points], values, "o-", color=color, label=SOURCES[source])
        if key == "epoch":
            last = found["arrays"][-1]
            rows = [point["rows"] for point in found["arrays"]]
            proportion = [last["epoch"] * count / last["rows"] for count in rows]
            axes.plot(rows, proportion, "--", color=figures.GREY, label="in proportion")
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xscale("log")
        axes.set_xlabel("rows")
        axes.set_title(title, fontsize=11)
        axes.grid(color=figures.LIGHT)
        axes.set_axisbelow(True)
        axes.legend(frameon=False, fontsize=8)
        figures.quiet(axes)
    figures.save(figure, path)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    else:
        sys.exit(main())

"""Compares Keraunos with what could be used in its place: ``run.py [--quick] [--only NAMES] [--against NAMES]``.

Every run is a process of its own; the contestants take turns, so that a slow
minute of the machine hits all of them. Reported are medians: of the seconds of an
epoch when everything is compiled, and of the seconds of the whole process, the
first time (nothing compiled is on disk) and again.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workloads import WORKLOADS

HERE = Path(__file__).parent
TITLES = {
    "keraunos": "Keraunos",
    "keras": "Keras on JAX",
    "pytorch": "PyTorch, step by step",
    "jax": "JAX, loop by hand",
}
MODULES = {"keraunos": "keraunos", "keras": "keras", "pytorch": "torch", "jax": "jax"}
LONGEST = 900  # seconds of one process


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two runs of two epochs: whether it runs, not how fast")
    parser.add_argument("--only", default="", help="workloads, with commas between them; all if not given")
    parser.add_argument("--against", default="", help="contestants, with commas between them; all if not given")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each contestant (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder of the results; docs, and with --quick build/benchmark")
    chosen = parser.parse_args()
    names = _chosen(parser, "workload", chosen.only, list(WORKLOADS))
    against = _chosen(parser, "contestant", chosen.against, [name for name in MODULES if name != "keraunos"])
    present = ["keraunos", *(name for name in against if importlib.util.find_spec(MODULES[name]) is not None)]
    report: dict[str, Any] = {"machine": machine(), "quick": chosen.quick, "workloads": {}}
    for name in names:
        runs = measure(name, present, 2 if chosen.quick else chosen.repeats, chosen.quick)
        report["workloads"][name] = {contestant: summary(of) for contestant, of in runs.items()}
    text = table(report)
    print(text)
    folder = chosen.out or HERE.parent / ("build/benchmark" if chosen.quick else "docs")
    write(report, text, folder)
    return 0


def _chosen(parser: argparse.ArgumentParser, kind: str, given: str, known: list[str]) -> list[str]:
    names = [name for name in given.split(",") if name]
    for name in names:
        if name not in known:
            parser.error(f"there is no {kind} {name!r}; known are {', '.join(known)}")
    return names or known


def measure(name: str, present: list[str], repeats: int, quick: bool) -> dict[str, list[dict[str, float]]]:
    """Times of all runs of a workload, by contestant."""
    runs: dict[str, list[dict[str, float]]] = {contestant: [] for contestant in present}
    with tempfile.TemporaryDirectory() as home:
        for number in range(repeats):
            for contestant in present:
                runs[contestant].append(run_once(contestant, name, 2 if quick else WORKLOADS[name].epochs, home))
                last = runs[contestant][-1]
                times = f"{1000 * last['epoch']:9.2f} ms an epoch, {last['process']:6.2f} s in all"
                print(
                    f"{name:<10} {number + 1}/{repeats} {TITLES[contestant]:<22} {times}", file=sys.stderr, flush=True
                )
    return runs


def run_once(contestant: str, name: str, epochs: int, home: str) -> dict[str, float]:
    """One process. Its own folder of compiled programs is empty at first, and kept for the later runs."""
    command = [sys.executable, str(HERE / "contestants.py"), contestant, name, str(epochs)]
    began = time.perf_counter()
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=LONGEST, env={**os.environ, "KERAUNOS_HOME": home}
    )
    seconds = time.perf_counter() - began
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
    return {**json.loads(result.stdout.splitlines()[-1]), "process": seconds}


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Medians, with the single times beside them."""
    return {
        "epoch_seconds": statistics.median(run["epoch"] for run in runs),
        "process_seconds_first": runs[0]["process"],
        "process_seconds_again": statistics.median(run["process"] for run in runs[1:] or runs),
        "loss": statistics.median(run["loss"] for run in runs),
        "runs": runs,
    }


def machine() -> dict[str, Any]:
    """What the times depend on."""
    processor, memory = platform.processor(), ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
        memory = f"{int(Path('/proc/meminfo').read_text().split()[1]) / 2**20:.0f} GiB"
    return {
        "date": datetime.date.today().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "processors": os.cpu_count(),
        "memory": memory,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("keraunos", "jax", "keras", "torch", "numpy")},
    }


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


# --- the report ------------------------------------------------------------------------------


def table(report: dict[str, Any]) -> str:
    """The report as a page."""
    facts = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    described = [
        f"{facts['processor']}, {facts['processors']} processors, {facts['memory']}, {facts['system']};",
        f"Python {facts['python']}, {versions};",
        f"{facts['date']}, load at the start {facts['load']}.",
    ]
    lines = ["# Benchmark", ""]
    if report["quick"]:
        lines += ["**A quick run: it shows that everything runs. Its figures mean nothing.**", ""]
    lines += [
        "Made by `make bench`; [performance](performance.md) says what is measured.",
        "Medians; in brackets, how many times as long as Keraunos.",
        "", *described, "",
    ]  # fmt: skip
    for name, of in report["workloads"].items():
        workload = WORKLOADS[name]
        count = len(of["keraunos"]["runs"])
        epochs = f"{2 if report['quick'] else workload.epochs} epochs timed"
        lines += [
            f"## {name}: {workload.title}", "",
            f"{workload.rows:,} rows, batches of {workload.batch}, {workload.optimizer}; {count} runs, {epochs}.", "",
            "| | an epoch, compiled | whole process, first | whole process, again | last loss |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]  # fmt: skip
        for contestant, row in of.items():
            cells = [
                f"{scale * row[key]:.{digits}f} {unit} ({row[key] / of['keraunos'][key]:.2f})"
                for key, scale, unit, digits in (
                    ("epoch_seconds", 1000, "ms", 2),
                    ("process_seconds_first", 1, "s", 2),
                    ("process_seconds_again", 1, "s", 2),
                )
            ]
            lines.append(f"| {TITLES[contestant]} | {' | '.join(cells)} | {row['loss']:.4f} |")
        lines.append("")
    missing = [title for name, title in TITLES.items() if any(name not in of for of in report["workloads"].values())]
    if missing:
        lines += [f"Not installed or not chosen, and so left out: {'; '.join(missing)}.", ""]
    return "\n".join(lines)


def write(report: dict[str, Any], text: str, folder: Path) -> None:
    """``benchmark.json``, ``benchmark.md`` and, where matplotlib is installed, ``benchmark.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("matplotlib") is not None:
        draw(report, folder / "benchmark.png")
        text += "\n![Times relative to Keraunos](benchmark.png)\n"
    (folder / "benchmark.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "benchmark.md").write_text(text, encoding="utf-8")
    print(f"written to {folder}/benchmark.json and benchmark.md", file=sys.stderr)


def draw(report: dict[str, Any], path: Path) -> None:
    """Dots: how many times as long as Keraunos, on a scale of powers of two."""
    from keraunos.plots import figures

    kinds = {"epoch_seconds": "an epoch, compiled", "process_seconds_again": "whole process, again"}
    names = list(report["workloads"])
    figure = figures.new_figure(9.5, 1.2 + 0.55 * len(names))
    for place, (key, title) in enumerate(kinds.items(), 1):
        axes = figure.add_subplot(1, 2, place)
        for color, contestant in zip(figures.PALETTE, TITLES, strict=False):
            points = [
                (of[contestant][key] / of["keraunos"][key], number)
                for number, of in enumerate(report["workloads"].values())
                if contestant in of
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o", color=color, label=TITLES[contestant], markersize=8)
        axes.set_xscale("log", base=2)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("times as long as Keraunos")
        axes.grid(axis="x", color=figures.LIGHT)
        axes.set_axisbelow(True)
        figures.quiet(axes)
    axes.legend(frameon=False, fontsize=8)
    figures.save(figure, path)


if __name__ == "__main__":
    sys.exit(main())

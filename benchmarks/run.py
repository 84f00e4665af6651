"""Compares Keraunos with what could be used in its place: ``run.py [--quick] [--only NAMES] [--against NAMES]``.

Every run is a process of its own; the contestants take turns, so that a slow minute of the machine hits all of them.
Reported are medians: of the seconds of an epoch, or of a call, when everything is compiled; of the seconds of a whole
script, with nothing compiled on disk and again; and of the peak of memory.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from report import TITLES, machine, page, write
from scripts import script
from targets import AGAINST
from workloads import WORKLOADS, shortened

HERE = Path(__file__).parent
LIBRARIES = {
    "keraunos": ("keraunos",),
    "keras-jax": ("keras", "jax"),
    "keras-tensorflow": ("keras", "tensorflow"),
    "keras-torch": ("keras", "torch"),
    "torch": ("torch",),
    "torch-compile": ("torch",),
    "jax-step": ("jax",),
    "jax-epoch": ("jax",),
    "flax": ("flax", "optax"),
    "sklearn": ("sklearn",),
    "floor": ("numpy", "threadpoolctl"),
}
# The loop by hand takes 5 s for a step of W5.
QUICK = ("jax-step", "floor")
LONGEST = 300  # seconds of one process
# A run is repeated if it can decide a target: by Keraunos itself, and by whoever of those that the targets name did not
# take too many times as long as the quickest of its group, or as Keraunos, in the first round.
GROUPS = {"Keraunos": ("keraunos",), **AGAINST}
BEHIND, FAR_BEHIND = 1.5, 20
Runs = dict[str, list[dict[str, Any]]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two batches, two epochs: whether it runs, not how fast")
    parser.add_argument("--only", default="", help="workloads, with commas between them; all if not given")
    parser.add_argument("--against", default="", help="contestants, with commas between them; all if not given")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contestant (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder of the results; docs, and with --quick build/benchmark")
    chosen = parser.parse_args()
    names = _chosen(parser, "workload", chosen.only, list(WORKLOADS))
    against = _chosen(parser, "contestant", chosen.against, [name for name in TITLES if name != "keraunos"])
    if chosen.quick and not chosen.against:
        against = list(QUICK)
    missing = {name: [part for part in LIBRARIES[name] if importlib.util.find_spec(part) is None] for name in against}
    present = ["keraunos", *(name for name in against if not missing[name])]
    repeats = 1 if chosen.quick else chosen.repeats
    report: dict[str, Any] = {"machine": machine(), "quick": chosen.quick, "repeats": repeats, "import": {}}
    report |= {"missing": {name: parts for name, parts in missing.items() if parts}, "warm": {}, "script": {}}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        # A child makes the data, because a process is charged for the memory of the parent that starts it.
        prepared = start([sys.executable, str(HERE / "workloads.py"), folder, *names], {})
        if "failed" in prepared:
            raise SystemExit(f"the data cannot be made: {prepared['failed']}")
        report["real"] = json.loads(prepared["printed"].splitlines()[-1])
        for library in ("numpy", "keraunos"):
            runs = [
                start([sys.executable, "-c", f"import {library}"], {})["seconds"]
                for _ in range(1 if chosen.quick else 7)
            ]
            report["import"][library] = statistics.median(runs)
        for name in names:
            for kind, measure in (("warm", warm), ("script", scripts)):
                if runs := rounds(name, kind, measure, present, repeats, Path(folder), chosen.quick):
                    report[kind][name] = runs
    report["minutes"] = round((time.perf_counter() - began) / 60, 1)
    text = page(report)
    print(text)
    write(report, text, chosen.out or HERE.parent / ("build/benchmark" if chosen.quick else "docs"))
    return 0


def _chosen(parser: argparse.ArgumentParser, kind: str, given: str, known: list[str]) -> list[str]:
    names = [name for name in given.split(",") if name]
    for name in names:
        if name not in known:
            parser.error(f"there is no {kind} {name!r}; known are {', '.join(known)}")
    return names or known


def rounds(
    name: str, kind: str, measure: Any, present: list[str], repeats: int, folder: Path, quick: bool
) -> dict[str, dict[str, Any]]:
    """Medians of all runs of a workload, by contestant."""
    runs: Runs = {}
    for number in range(repeats):
        for contestant in present if number == 0 else worth_repeating(runs):
            run = measure(contestant, name, folder, quick)
            if run is None:
                continue
            runs.setdefault(contestant, []).append(run)
            told = ", ".join(f"{key} {1000 * seconds:.2f} ms" for key, seconds in run.get("figures", {}).items())
            peak = f"{run['memory'] / 2**20:5.0f} MiB" if "memory" in run else run.get("failed", "")
            print(
                f"{name:<8} {kind:<6} {number + 1}/{repeats} {TITLES[contestant]:<26} {told}, {peak}",
                file=sys.stderr,
                flush=True,
            )
    return {contestant: summary(of) for contestant, of in runs.items()}


def worth_repeating(runs: Runs) -> list[str]:
    """The contestants that may decide a target, by their first runs."""
    first = {name: next(iter(of[0]["figures"].values())) for name, of in runs.items() if of[0].get("figures")}
    worth = []
    for group in GROUPS.values():
        times = {name: first[name] for name in group if name in first}
        most = min(BEHIND * min(times.values(), default=0), FAR_BEHIND * first.get("keraunos", float("inf")))
        worth += [name for name, seconds in times.items() if seconds <= most]
    return worth


def warm(contestant: str, name: str, folder: Path, quick: bool) -> dict[str, Any] | None:
    """Times of a process that trains, or predicts, when all is compiled."""
    if not WORKLOADS[name].figures or (contestant == "sklearn" and not plain(name)):
        return None
    command = [sys.executable, str(HERE / "one.py"), contestant, name, str(folder / f"{name}.npz")]
    home = folder / f"warm-{contestant}"
    ran = start([*command, *(["--quick"] if quick else [])], caches(contestant, home))
    if "failed" in ran:
        return {"failed": ran["failed"]}
    return {**json.loads(ran["printed"].splitlines()[-1]), "memory": ran["memory"], "process": ran["seconds"]}


def plain(name: str) -> bool:
    """Whether scikit-learn has such a network."""
    return all(kind in ("dense", "dropout") for kind, *_ in WORKLOADS[name].layers)


def scripts(contestant: str, name: str, folder: Path, quick: bool) -> dict[str, Any] | None:
    """Seconds of a script from its start to its exit, with an empty cache of compiled programs, and with its own."""
    workload = shortened(WORKLOADS[name]) if quick else WORKLOADS[name]
    text = script(contestant, workload) if workload.script else None
    if text is None:
        return None
    path = folder / f"{name}-{contestant}.py"
    path.write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as home:
        ran = [
            start([sys.executable, str(path), str(folder / f"{name}.npz")], caches(contestant, Path(home)))
            for _ in range(2)
        ]
    if failed := [run["failed"] for run in ran if "failed" in run]:
        return {"failed": failed[0]}
    figures = {"empty": ran[0]["seconds"], "filled": ran[1]["seconds"]}
    return {"figures": figures, "memory": ran[1]["memory"], "loss": float(ran[1]["printed"].split()[0])}


def caches(contestant: str, home: Path) -> dict[str, str]:
    """Where each contestant keeps compiled programs, by its documented settings; TensorFlow has no such place."""
    if contestant == "keraunos":
        return {"KERAUNOS_HOME": str(home)}
    if contestant in ("keras-jax", "jax-step", "jax-epoch", "flax"):
        return {
            "JAX_COMPILATION_CACHE_DIR": str(home),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return {"TORCHINDUCTOR_CACHE_DIR": str(home)}


def start(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Runs a process to its end: its seconds, its peak of memory, and what it printed; or why it failed."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(command, stdout=printed, stderr=errors, env={**kept, **environment})
        timer = threading.Timer(LONGEST, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        seconds = time.perf_counter() - began
        printed.seek(0)
        errors.seek(0)
        if process.returncode:
            last = errors.read().decode(errors="replace").strip().splitlines() or ["nothing was said"]
            return {"failed": f"{last[-1][:300]} (exit {process.returncode})"}
        # Linux counts in KiB, macOS in bytes.
        memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"seconds": seconds, "memory": memory, "printed": printed.read().decode()}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, with the single runs beside them."""
    if failed := [run["failed"] for run in runs if "failed" in run]:
        return {"failed": failed[0]}
    row: dict[str, Any] = {key: statistics.median(run["figures"][key] for run in runs) for key in runs[0]["figures"]}
    row["memory"] = statistics.median(run["memory"] for run in runs)
    if runs[0].get("loss") is not None:
        row["loss"] = statistics.median(run["loss"] for run in runs)
    return {**row, "runs": runs}


if __name__ == "__main__":
    sys.exit(main())

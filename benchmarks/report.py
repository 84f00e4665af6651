"""The report of a benchmark as a page, a picture and JSON."""

import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from targets import judged
from workloads import WORKLOADS

TITLES = {
    "keraunos": "Keraunos",
    "keras-jax": "Keras on JAX",
    "keras-tensorflow": "Keras on TensorFlow",
    "keras-torch": "Keras on PyTorch",
    "torch": "PyTorch",
    "torch-compile": "PyTorch, torch.compile",
    "jax-step": "JAX by hand, a call a step",
    "jax-epoch": "JAX by hand, a loop an epoch",
    "flax": "Flax NNX with optax",
    "sklearn": "scikit-learn",
    "floor": "floor",
}
FIGURES = {
    "epoch": "an epoch",
    "predict": "predict",
    "evaluate": "evaluate",
    "row": "a call for one row",
    "empty": "script, empty cache",
    "filled": "script, filled cache",
    "memory": "peak memory",
}


def machine() -> dict[str, Any]:
    """What the times depend on."""
    processor, memory = platform.processor(), ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
        memory = f"{int(Path('/proc/meminfo').read_text().split()[1]) / 2**20:.0f} GiB"
    libraries = "keraunos jax keras tensorflow-cpu torch flax optax scikit-learn numpy"
    return {
        "date": datetime.date.today().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor,
        "processors": os.cpu_count(),
        "memory": memory,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in libraries.split()},
    }


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def page(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    facts = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines = ["# Benchmark", ""]
    if report["quick"]:
        lines += ["**A quick run: it shows that everything runs. Its figures mean nothing.**", ""]
    made_up = [name for name, real in report["real"].items() if not real]
    lines += [
        "Made by `make bench`; [performance](performance.md) says what is measured, and how.",
        "Medians; in brackets, how many times as much as Keraunos.", "",
        f"{facts['processor']}, {facts['processors']} processors, {facts['memory']}, {facts['system']};",
        f"Python {facts['python']}, {versions};",
        f"{facts['date']}, load at the start {facts['load']}; {report['repeats']} rounds"
        + (f", {report['minutes']} minutes." if "minutes" in report else "."),
        f"`import keraunos` takes {report['import']['keraunos']:.2f} s from start to exit of Python, "
        f"`import numpy` {report['import']['numpy']:.2f} s.",
        *([f"Made-up data, for want of the real files: {', '.join(made_up)}."] if made_up else []), "",
    ]  # fmt: skip
    lines += _targets(report)
    for name in report["real"]:
        if name in report["warm"] or name in report["script"]:
            lines += _workload(report, name)
    if report["missing"]:
        told = [f"{TITLES[name]} ({', '.join(parts)} not installed)" for name, parts in report["missing"].items()]
        lines += [f"Left out: {'; '.join(told)}.", ""]
    return "\n".join(lines)


def _targets(report: dict[str, Any]) -> list[str]:
    rows = list(judged(report))
    if not rows:
        return []
    reached = sum(row[-1] for row in rows)
    lines = [
        "## The targets", "",
        f"{reached} of {len(rows)} are reached. Each is a ratio of medians: how many times as long the fastest of the "
        "others takes,", "or, for memory, which share of its peak Keraunos needs.", "",
        "| workload | figure | against | target | measured | |", "| --- | --- | --- | ---: | ---: | --- |",
    ]  # fmt: skip
    for workload, figure, against, ratio, bound, good in rows:
        sign = "≤" if figure == "memory" else "≥"
        missing = ratio / bound if figure == "memory" else bound / ratio
        verdict = "reached" if good else f"missed by a factor of {missing:.2f}"
        lines.append(f"| {workload} | {FIGURES[figure]} | {against} | {sign} {bound:g} | {ratio:.2f} | {verdict} |")
    return [*lines, ""]


def _workload(report: dict[str, Any], name: str) -> list[str]:
    workload = WORKLOADS[name]
    warm, script = report["warm"].get(name, {}), report["script"].get(name, {})
    facts = f"{workload.rows:,} rows, batches of {workload.batch}, {workload.optimizer}"
    if "epoch" in workload.figures or workload.script:
        facts += f"; {workload.epochs} epochs a call" if not report["quick"] else ""
    lines = [f"## {name}: {workload.title}", "", f"{facts}.", ""]
    columns = [(warm, figure) for figure in (*workload.figures, "memory") if warm]
    columns += [(script, figure) for figure in ("empty", "filled", "memory") if script]
    titles = [
        FIGURES[figure] + (" of the script" if of is script and figure == "memory" else "") for of, figure in columns
    ]
    lines += [f"| | {' | '.join(titles)} | last loss | runs |", f"| --- |{' ---: |' * (len(titles) + 2)}"]
    for contestant in TITLES:
        rows = [of.get(contestant) for of in (warm, script)]
        if not any(rows):
            continue
        failed = next((row["failed"] for row in rows if row and "failed" in row), None)
        if failed:
            lines.append(f"| {TITLES[contestant]} |{' |' * len(columns)} | failed: {failed.replace('|', '/')} |")
            continue
        cells = [_cell(of, contestant, figure) for of, figure in columns]
        loss = next((f"{row['loss']:.4f}" for row in rows if row and "loss" in row), "")
        runs = max(len(row["runs"]) for row in rows if row)
        lines.append(f"| {TITLES[contestant]} | {' | '.join(cells)} | {loss} | {runs} |")
    return [*lines, ""]


def _cell(rows: dict[str, Any], contestant: str, figure: str) -> str:
    value, ours = rows.get(contestant, {}).get(figure), rows.get("keraunos", {}).get(figure)
    if value is None or (contestant == "floor" and figure == "memory"):
        return ""
    ratio = f" ({value / ours:.2f})" if ours else ""
    if figure == "memory":
        return f"{value / 2**20:.0f} MiB{ratio}"
    if figure in ("empty", "filled"):
        return f"{value:.2f} s{ratio}"
    return (f"{1e6 * value:.0f} µs" if value < 1e-3 else f"{1000 * value:.2f} ms") + ratio


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

    rows = [
        [(name, figure, of) for name, of in report["warm"].items() for figure in WORKLOADS[name].figures],
        [(name, figure, of) for figure in ("empty", "filled") for name, of in report["script"].items()],
    ]
    figure = figures.new_figure(11, 1.6 + 0.36 * max(map(len, rows)))
    for place, (lines, title) in enumerate(zip(rows, ("compiled", "whole script"), strict=True), 1):
        axes = figure.add_subplot(1, 2, place)
        for number, contestant in enumerate(TITLES):
            points = [
                (of[contestant][key] / of["keraunos"][key], line)
                for line, (_, key, of) in enumerate(lines)
                if key in of.get(contestant, {}) and key in of.get("keraunos", {})
            ]
            if points:
                color = "black" if contestant == "floor" else figures.PALETTE[number % len(figures.PALETTE)]
                marker = "|" if contestant == "floor" else "os"[number >= len(figures.PALETTE)]
                axes.plot(*zip(*points, strict=True), marker, color=color, label=TITLES[contestant], markersize=7)
        axes.set_xscale("log", base=2)
        axes.set_yticks(range(len(lines)), [f"{name}  {FIGURES[key]}" for name, key, _ in lines], fontsize=8)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("times as long as Keraunos")
        axes.grid(axis="x", color=figures.LIGHT)
        axes.set_axisbelow(True)
        figures.quiet(axes)
        if place == 1:
            handles = axes.get_legend_handles_labels()
            figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figures.save(figure, path)

"""One contestant and one workload when all is compiled: ``one.py CONTESTANT WORKLOAD DATA``; prints the times as JSON.

With ``--epochs N`` nothing is timed: it prints the loss after so many epochs, the same number for a slow and a fast one.
"""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from workloads import WORKLOADS, shortened

# Calls are repeated for so long, and their median is taken.
SECONDS = 1.5
SLOW = 10.0  # seconds of one epoch; who is slower is timed for one epoch only

# Family (a file of contestants/), maker, arguments.
CONTESTANTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "keraunos": ("kerases", "keraunos", ()),
    "keras-jax": ("kerases", "keras", ("jax",)),
    "keras-tensorflow": ("kerases", "keras", ("tensorflow",)),
    "keras-torch": ("kerases", "keras", ("torch",)),
    "torch": ("torches", "eager", ()),
    "torch-compile": ("torches", "compiled", ()),
    "jax-step": ("jaxes", "by_step", ()),
    "jax-epoch": ("jaxes", "by_epoch", ()),
    "flax": ("others", "flax", ()),
    "sklearn": ("others", "sklearn", ()),
    "floor": ("floor", "floor", ()),
}


def main(name: str, workload_name: str, data: str, quick: bool, only: int = 0) -> dict[str, Any]:
    workload = shortened(WORKLOADS[workload_name]) if quick else WORKLOADS[workload_name]
    with np.load(data) as file:
        x, y = file["x"][: workload.rows], file["y"][: workload.rows]
    np.random.seed(0)  # Keraunos draws its seeds there
    family, maker, given = CONTESTANTS[name]
    made = getattr(importlib.import_module(f"contestants.{family}"), maker)(workload, *given)
    if name == "floor":
        return {"figures": made}
    if only:
        return {"loss": made.fit(x, y, only)[0]}
    last, epochs = None, workload.epochs
    if "epoch" in workload.figures:
        began = time.perf_counter()
        last = made.fit(x, y, 1)
        if time.perf_counter() - began > SLOW:
            epochs = 1
        elif not quick:
            made.fit(x, y, 1)
    calls: dict[str, Callable[[], Any]] = {
        "epoch": lambda: made.fit(x, y, epochs),
        "predict": lambda: made.predict(x),
        "evaluate": lambda: made.evaluate(x, y),
        "row": lambda: made.predict(x[:1]),
    }
    figures: dict[str, float] = {}
    for figure in workload.figures:
        if figure != "epoch":
            made.fit(x[: workload.batch], y[: workload.batch], 1)
            calls[figure]()
        seconds, result = timed(calls[figure], 0 if quick else SECONDS)
        figures[figure] = seconds / (epochs if figure == "epoch" else 1)
        last = result if figure in ("epoch", "evaluate") else last
    return {"figures": figures, "loss": None if last is None else last[0]}


def timed(call: Callable[[], Any], seconds: float) -> tuple[float, Any]:
    """Median of the times of as many calls as fit into the seconds, and what the last call returned."""
    times: list[float] = []
    while not times or sum(times) + times[-1] < seconds:
        began = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - began)
    return statistics.median(times), result


if __name__ == "__main__":
    only = int(sys.argv[sys.argv.index("--epochs") + 1]) if "--epochs" in sys.argv else 0
    print(json.dumps(main(*sys.argv[1:4], quick="--quick" in sys.argv, only=only)))

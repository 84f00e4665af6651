"""What was to be reached, and whether it is: ratios of medians, computed from the report of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

AGAINST = {
    "Keras": ("keras-jax", "keras-tensorflow", "keras-torch"),
    "PyTorch": ("torch", "torch-compile"),
    "JAX loop by hand": ("jax-epoch",),
}
SCRIPTS = ("W0", "W1", "W2", "W3", "iris")
NETWORKS = ("W0", "W1", "W2", "W3", "W4", "W5", "W6", "W7")


@dataclass(frozen=True)
class Target:
    """Keraunos is so many times as fast as the fastest of the others, or needs that share of its memory."""

    part: str
    figure: str
    workloads: tuple[str, ...]
    against: str
    bound: float


def _each(part: str, figure: str, workloads: tuple[str, ...], *bounds: float) -> list[Target]:
    return [Target(part, figure, workloads, against, bound) for against, bound in zip(AGAINST, bounds, strict=False)]


TARGETS = [
    *_each("warm", "epoch", ("W0",), 15, 15, 1.2),
    *_each("warm", "epoch", ("W3",), 10, 15, 1.2),
    *_each("warm", "epoch", ("W1", "W2"), 8, 6, 1.5),
    *_each("warm", "epoch", ("W4", "W5"), 1.5, 1, 1.5),
    *_each("warm", "epoch", ("W6", "W7"), 1.5, 1, 1),
    *_each("script", "empty", SCRIPTS, 3, 2),
    *_each("script", "filled", SCRIPTS, 5, 3),
    *_each("warm", "row", ("W9",), 20, 1),
    *_each("warm", "memory", NETWORKS, 0.7, 1),
]


def judged(report: dict[str, Any]) -> Iterator[tuple[str, str, str, float, float, bool]]:
    """Of each target and workload in the report: workload, figure, against whom, ratio, bound, whether it is reached."""
    for target in TARGETS:
        for workload in target.workloads:
            rows = report[target.part].get(workload, {})
            ours = rows.get("keraunos", {}).get(target.figure)
            others = [name for name in AGAINST[target.against] if target.figure in rows.get(name, {})]
            if ours is None or not others:
                continue
            if target.figure == "memory":
                # Compared with the one that is the fastest, and not with the one that needs the least.
                ratio = ours / rows[min(others, key=lambda name: rows[name]["epoch"])]["memory"]
                yield workload, "memory", target.against, ratio, target.bound, ratio <= target.bound
            else:
                ratio = min(rows[name][target.figure] for name in others) / ours
                yield workload, target.figure, target.against, ratio, target.bound, ratio >= target.bound

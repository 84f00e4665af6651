"""Every form of convolution beside PyTorch's: ``convolutions.py [--only WORD] [--rounds 3] [--out FILE]``.

Of each case one training step of the layer alone: the output, and both gradients, which are used so that none is left out.
Ours run several steps in one compiled loop, as in ``fit``; PyTorch's run one after the other. Each library has a process
of its own, in turn, and the table shows the median over rounds: milliseconds of a step, and how many times as long ours
take.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """Shapes are channels last; ``kernel`` is the window, and of a transposed convolution ``back`` is true."""

    batch: int
    sizes: tuple[int, ...]
    channels: int
    filters: int
    window: tuple[int, ...]
    strides: int = 1
    padding: str = "same"
    dilation: int = 1
    groups: int = 1
    back: bool = False

    def __str__(self) -> str:
        by = "×".join(map(str, self.window))
        at = "×".join(map(str, self.sizes))
        more = [f"strides {self.strides}"] * (self.strides > 1) + [f"dilation {self.dilation}"] * (self.dilation > 1)
        more += [f"{self.groups} groups"] * (self.groups > 1) + [self.padding]
        kind = "transposed " if self.back else ""
        return f"{kind}{self.channels} to {self.filters}, {by} on {at}, {', '.join(more)}, batch {self.batch}"


CASES = [
    # one axis
    Case(32, (100,), 16, 32, (3,)), Case(32, (400,), 50, 64, (5,), padding="valid"), Case(32, (128,), 64, 64, (3,), dilation=4),
    Case(16, (64,), 256, 256, (9,)), Case(32, (100,), 32, 16, (5,), back=True), Case(32, (100,), 32, 32, (5,), groups=32),
    # two axes: first layers, middles, ends
    Case(32, (28, 28), 1, 32, (3, 3), padding="valid"), Case(32, (32, 32), 3, 32, (3, 3)),
    Case(8, (64, 64), 3, 32, (7, 7), strides=2), Case(32, (26, 26), 32, 64, (3, 3), padding="valid"),
    Case(32, (14, 14), 64, 64, (3, 3)), Case(32, (7, 7), 256, 256, (3, 3)), Case(32, (14, 14), 64, 128, (3, 3), strides=2),
    Case(32, (14, 14), 128, 128, (1, 1)), Case(16, (28, 28), 16, 16, (11, 11)), Case(32, (3, 3), 192, 192, (5, 5)),
    Case(32, (5, 5), 128, 128, (5, 5), padding="valid"), Case(16, (28, 28), 32, 32, (3, 3), dilation=2),
    Case(16, (28, 28), 32, 64, (3, 3), groups=4), Case(32, (28, 28), 32, 32, (3, 3), groups=32),
    Case(32, (14, 14), 128, 128, (3, 3), groups=128, strides=2),
    # two axes, transposed
    Case(100, (3, 3), 384, 192, (5, 5), padding="valid", back=True), Case(32, (3, 3), 384, 192, (5, 5), back=True),
    Case(32, (7, 7), 192, 96, (5, 5), strides=2, back=True), Case(32, (14, 14), 64, 32, (3, 3), strides=2, back=True),
    Case(32, (14, 14), 96, 1, (5, 5), strides=2, back=True), Case(32, (1, 1), 100, 128, (4, 4), padding="valid", back=True),
    Case(32, (28, 28), 32, 1, (3, 3), back=True), Case(32, (28, 28), 32, 32, (3, 3), back=True),
    # three axes
    Case(4, (16, 16, 16), 8, 16, (3, 3, 3)), Case(4, (8, 8, 8), 32, 32, (3, 3, 3), padding="valid"),
    Case(4, (8, 8, 8), 32, 16, (3, 3, 3), strides=2, back=True),
]  # fmt: skip


def ours(case: Case) -> Callable[[int], None]:
    """A function that makes a number of steps."""
    import keraunos  # noqa: F401  (sets up the engine)
    from keraunos.backend import K

    rank = len(case.sizes)
    x = np.random.default_rng(0).standard_normal((case.batch, *case.sizes, case.channels), "float32")
    if case.back:
        kernel = np.random.default_rng(1).standard_normal((*case.window, case.filters, case.channels), "float32")
    else:
        kernel = np.random.default_rng(1).standard_normal(
            (*case.window, case.channels // case.groups, case.filters), "float32"
        )

    def output(values: Any) -> Any:
        inputs, kernel = values
        if case.back:
            return K.conv_transpose(inputs, kernel, case.strides, case.padding)
        strides, dilation = (case.strides,) * rank, (case.dilation,) * rank
        if case.groups == case.channels > 1:
            depth = K.reshape(kernel, (*case.window, case.channels, case.filters // case.groups))
            return K.depthwise_conv(inputs, depth, strides, case.padding, dilation_rate=dilation)
        return K.conv(inputs, kernel, strides, case.padding, dilation_rate=dilation)

    def loss(values: Any) -> Any:
        y = output(values)
        return K.sum(y * y), None

    def step(_: Any, values: Any) -> Any:
        _, gradients = K.value_and_gradient(loss)(values)
        return [value - 1e-12 * gradient for value, gradient in zip(values, gradients, strict=True)]

    program = K.compile(lambda count, values: K.loop(step, values, 0, count))
    values = [K.array(x), K.array(kernel)]

    def run(count: int) -> None:
        K.wait(program(np.int32(count), values))

    return run


def torches(case: Case) -> Callable[[int], None]:
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    rank = len(case.sizes)
    x = torch.randn(case.batch, case.channels, *case.sizes, requires_grad=True)
    kernel = torch.randn(
        *((case.channels, case.filters) if case.back else (case.filters, case.channels // case.groups)),
        *case.window,
        requires_grad=True,
    )
    same = [((size - 1) * case.dilation) // 2 if case.padding == "same" else 0 for size in case.window]
    extra = [case.strides - 1 if case.padding == "same" and size % 2 else 0 for size in case.window]

    def run(count: int) -> None:
        for _ in range(count):
            if case.back:
                function = getattr(functional, f"conv_transpose{rank}d")
                y = function(x, kernel, stride=case.strides, padding=same, output_padding=extra)
            else:
                function = getattr(functional, f"conv{rank}d")
                y = function(x, kernel, stride=case.strides, padding=same, dilation=case.dilation, groups=case.groups)
            (y * y).sum().backward()
            with torch.no_grad():
                for value in (x, kernel):
                    value -= 1e-12 * value.grad
                    value.grad = None

    return run


def measure(library: str, cases: list[Case]) -> None:
    """Print milliseconds of a step of each case, as JSON, a line each."""
    for case in cases:
        run = {"keraunos": ours, "torch": torches}[library](case)
        run(1)
        begun = time.perf_counter()
        run(1)
        count = max(1, min(200, int(0.2 / (time.perf_counter() - begun))))
        took = []
        for _ in range(3):
            begun = time.perf_counter()
            run(count)
            took.append((time.perf_counter() - begun) / count)
        print(json.dumps(1000 * min(took)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose words hold this text")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each library (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file for the table, in Markdown")
    parser.add_argument("--measure", choices=("keraunos", "torch"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    cases = [case for case in CASES if chosen.only in str(case)]
    if chosen.measure:
        measure(chosen.measure, cases)
        return 0
    found: dict[str, list[list[float]]] = {"keraunos": [], "torch": []}
    for _ in range(chosen.rounds):
        for library, figures in found.items():
            command = [sys.executable, __file__, "--measure", library, "--only", chosen.only]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            figures.append([json.loads(line) for line in said.splitlines()])
    medians = {library: [statistics.median(row) for row in zip(*rows, strict=True)] for library, rows in found.items()}
    lines = ["| case | Keraunos, ms | PyTorch, ms | ratio |", "| --- | ---: | ---: | ---: |"]
    for case, mine, theirs in zip(cases, medians["keraunos"], medians["torch"], strict=True):
        lines.append(f"| {case} | {mine:.2f} | {theirs:.2f} | {mine / theirs:.2f} |")
    print("\n".join(lines))
    if chosen.out:
        chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

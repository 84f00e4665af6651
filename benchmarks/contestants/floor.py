"""What nobody can go below: the multiplications of a workload by a BLAS, and the bytes that must move by copies.

Each layer multiplies forward, and once more for the gradient of its weights and of its inputs. Numbers move when a
batch is gathered, when a layer writes its outputs and their gradients, and when the optimizer reads and writes
parameters, gradients and its own state. Functions such as tanh are not counted, nor is any call from Python:
products of small matrices are timed many in one call.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from workloads import Workload

# Numbers read and written for each parameter by an update, gradient included.
MOVED = {"sgd": 3, "adam": 7, "adadelta": 7}
# A product: how many of them, rows, inner size, columns.
Product = tuple[int, int, int, int]


def floor(workload: Workload) -> dict[str, float]:
    """Seconds of each figure."""
    forward, backward, outputs, parameters = described(workload, workload.batch)
    row = int(np.prod(workload.shape))
    moved = 2 * workload.batch * row + 2 * outputs + MOVED[workload.optimizer] * parameters
    step = sum(map(multiplying, forward + backward)) + copying(moved)
    batch = sum(map(multiplying, forward)) + copying(outputs + workload.batch * row)
    single, _, few, _ = described(workload, 1)
    known = {
        "epoch": step * workload.steps,
        "predict": batch * workload.steps,
        "evaluate": batch * workload.steps,
        "row": sum(map(multiplying, single)) + copying(few + row),
    }
    return {figure: known[figure] for figure in workload.figures}


def described(workload: Workload, batch: int) -> tuple[list[Product], list[Product], int, int]:
    """Products forward and backward, numbers put out by the layers, and parameters."""
    forward: list[Product] = []
    backward: list[Product] = []
    outputs = parameters = 0
    shape: Any = workload.shape

    def multiply(many: int, rows: int, inner: int, columns: int, weights: bool = True) -> None:
        nonlocal parameters
        # Nobody asks for the gradient of the data.
        first = not forward
        forward.append((many, rows, inner, columns))
        backward.append((many, inner, rows, columns))
        if not first or not weights:
            backward.append((many, rows, columns, inner))
        if weights:
            parameters += (inner + 1) * columns

    for kind, *given in workload.layers:
        if kind == "dense":
            multiply(1, batch, shape[-1], given[0])
            shape = (given[0],)
        elif kind == "conv":
            inner, shape = 9 * shape[-1], (shape[0] - 2, shape[1] - 2, given[0])
            multiply(1, batch * shape[0] * shape[1], inner, given[0])
        elif kind == "pool":
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind in ("embedding", "positions"):
            words, width = given
            parameters += (words + (shape[0] if kind == "positions" else 0)) * width
            shape = (shape[0], width)
        elif kind == "lstm":
            length, units = shape[0], given[0]
            multiply(1, batch * length, shape[1], 4 * units)
            multiply(length, batch, units, 4 * units, weights=False)
            parameters += units * 4 * units
            shape = (units,)
        elif kind == "transformer":
            heads, width, feed_forward, _ = given
            length = shape[0]
            multiply(1, batch * length, width, 3 * heads * width)
            multiply(batch * heads, length, width, length, weights=False)
            multiply(batch * heads, length, length, width, weights=False)
            multiply(1, batch * length, heads * width, width)
            multiply(1, batch * length, width, feed_forward)
            multiply(1, batch * length, feed_forward, width)
            parameters += 4 * width
        elif kind == "average":
            shape = shape[1:]
        outputs += batch * int(np.prod(shape))
    return forward, backward, outputs, parameters


def multiplying(product: Product) -> float:
    """Seconds of the products."""
    many, rows, inner, columns = product
    # Products of a few microseconds are timed together, so that the call from Python does not count.
    stacked = many if many > 1 else max(1, min(64, 2_000_000 // (rows * inner * columns)))
    a, b = np.ones((stacked, rows, inner), "f"), np.ones((stacked, inner, columns), "f")
    out = np.empty((stacked, rows, columns), "f")

    def products() -> Any:
        return np.matmul(a, b, out)

    # On all threads the many small products of W7 once took 36 times as long as usual; the better of both is the floor.
    with threadpool_limits(1):
        alone = _median(products)
    return min(alone, _median(products)) * many / stacked


def copying(numbers: int) -> float:
    """Seconds to read half of the float32 numbers and write as many."""
    source = np.ones(max(1, numbers // 2), "f")
    target = np.empty_like(source)
    return _median(lambda: np.copyto(target, source))


def _median(call: Callable[[], Any], seconds: float = 0.05) -> float:
    times: list[float] = []
    call()
    while len(times) < 5 or sum(times) < seconds:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)

"""Where the boxes of a directed graph go: in layers, with few crossings and short, smooth connections.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981: give each box a layer, put bends where a
connection passes a layer, order each layer by the means of its neighbours, and
move everything as near to its neighbours as the boxes' widths allow.
"""

import bisect
import itertools
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]

_SWEEPS = 12
_BEND_WIDTH = 14.0


class Layout(NamedTuple):
    """Centres of the boxes, points that each connection passes, and the size of the whole."""

    centres: list[Point]
    bends: dict[tuple[int, int], list[Point]]
    width: float
    height: float


def arrange(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    direction: str = "TB",
    gap: tuple[float, float] = (26.0, 34.0),
) -> Layout:
    """Place boxes of given sizes along a direction.

    Connections that lead from a box to an earlier one, or to itself, do not
    influence the places.

    Args:
        sizes: Width and height of every box, in the order of the flow.
        edges: Pairs of numbers of boxes.
        direction: ``"TB"`` (from top to bottom), ``"BT"``, ``"LR"`` or ``"RL"``.
        gap: Least distance between neighbours in a layer, and between layers.

    >>> arrange([(40, 20), (40, 20)], [(0, 1)]).centres
    [(20.0, 10.0), (20.0, 64.0)]
    >>> arrange([(40, 20), (40, 20)], [(0, 1)], "LR").centres
    [(20.0, 10.0), (94.0, 10.0)]
    """
    if not sizes:
        return Layout([], {}, 0.0, 0.0)
    sideways = direction in ("LR", "RL")
    if sideways:
        sizes = [(height, width) for width, height in sizes]
    forward = sorted({(a, b) for a, b in edges if a < b})
    levels = _levels(len(sizes), forward)
    chains, levels, links = _with_bends(forward, levels)
    widths = [width for width, _ in sizes] + [_BEND_WIDTH] * (len(levels) - len(sizes))
    layers = _ordered(levels, links)
    across = _placed(layers, links, widths, gap[0])
    down, height = _depths(layers, sizes, gap[1])

    left = min(x - width / 2 for x, width in zip(across, widths, strict=True))
    width = max(x + width / 2 for x, width in zip(across, widths, strict=True)) - left
    turn = {
        "TB": lambda x, y: (x, y), "BT": lambda x, y: (x, height - y),
        "LR": lambda x, y: (y, x), "RL": lambda x, y: (height - y, x),
    }[direction]  # fmt: skip
    centres = [turn(across[i] - left, down[levels[i]][0]) for i in range(len(sizes))]
    bends = {
        edge: [turn(across[i] - left, y) for i in chain for y in (down[levels[i]][1], down[levels[i]][2])]
        for edge, chain in chains.items()
    }
    return Layout(centres, bends, *((height, width) if sideways else (width, height)))


def _levels(count: int, forward: Sequence[tuple[int, int]]) -> list[int]:
    """Layer of every box, as late as its followers allow, so that an input stands beside what takes it."""
    distance = [0] * count
    for start, end in sorted(forward, reverse=True):
        distance[start] = max(distance[start], distance[end] + 1)
    return [max(distance) - steps for steps in distance]


def _with_bends(
    forward: Sequence[tuple[int, int]], levels: Sequence[int]
) -> tuple[dict[tuple[int, int], list[int]], list[int], list[tuple[int, int]]]:
    """Connections as chains through every layer between; each bend is a further, narrow box."""
    levels = list(levels)
    links: list[tuple[int, int]] = []
    chains: dict[tuple[int, int], list[int]] = {}
    for start, end in forward:
        chain = list(range(len(levels), len(levels) + levels[end] - levels[start] - 1))
        levels += range(levels[start] + 1, levels[end])
        chains[start, end] = chain
        links += zip([start, *chain], [*chain, end], strict=True)
    return chains, levels, links


def _neighbours(count: int, links: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for start, end in links:
        above[end].append(start)
        below[start].append(end)
    return above, below


def _ordered(levels: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The layers, each in the order with the fewest crossings that was met."""
    above, below = _neighbours(len(levels), links)
    layers = [[i for i, level in enumerate(levels) if level == wanted] for wanted in range(max(levels) + 1)]
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        neighbours = below if sweep % 2 else above
        for layer in reversed(layers) if sweep % 2 else layers:
            place = {i: position for other in layers for position, i in enumerate(other)}
            layer.sort(key=lambda i: (_mean([place[j] for j in neighbours[i]], place[i]), place[i]))
        count = _crossings(layers, below)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    return best


def _crossings(layers: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(layers):
        place = {i: position for position, i in enumerate(lower)}
        ends = [place[j] for i in upper for j in sorted(below[i], key=place.__getitem__)]
        met: list[int] = []
        for end in ends:
            total += len(met) - bisect.bisect_right(met, end)
            bisect.insort(met, end)
    return total


def _placed(
    layers: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], widths: Sequence[float], gap: float
) -> list[float]:
    """Horizontal centres: by turns, every layer moves as near to its neighbours above or below as its order allows."""
    above, below = _neighbours(len(widths), links)
    centres = [0.0] * len(widths)
    for sweep in range(_SWEEPS):
        upward = sweep % 2 == 1
        for layer in reversed(layers) if upward else layers:
            near = below if upward else above
            wanted = [_mean([centres[j] for j in near[i]], centres[i]) for i in layer]
            offsets = [0.0]
            for left, right in itertools.pairwise(layer):
                offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2 + gap)
            steps = _increasing([want - offset for want, offset in zip(wanted, offsets, strict=True)])
            for i, step, offset in zip(layer, steps, offsets, strict=True):
                centres[i] = step + offset
    return centres


def _increasing(values: Sequence[float]) -> list[float]:
    """The nearest sequence, in least squares, that never falls: neighbours that would swap share their mean.

    >>> _increasing([3.0, 1.0, 5.0])
    [2.0, 2.0, 5.0]
    """
    pools: list[list[float]] = []
    for value in values:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count = pools.pop()
            total = pools[-1][1] + count
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * count) / total, total]
    return [mean for mean, count in pools for _ in range(int(count))]


def _depths(
    layers: Sequence[Sequence[int]], sizes: Sequence[tuple[float, float]], gap: float
) -> tuple[list[tuple[float, float, float]], float]:
    """Centre, top and bottom of every layer, and the height of all."""
    top, found = 0.0, []
    for layer in layers:
        height = max((sizes[i][1] for i in layer if i < len(sizes)), default=0.0)
        found.append((top + height / 2, top, top + height))
        top += height + gap
    return found, top - gap


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default

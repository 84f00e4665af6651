"""Convolution, pooling and padding written plainly in NumPy, one output element at a time."""

import itertools
import math
from typing import Any

import numpy as np


def _each(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


def _pads(padding: Any, sizes: Any, extents: Any, strides: Any) -> list[tuple[int, int]]:
    if padding == "valid":
        return [(0, 0) for _ in sizes]
    if padding == "same":
        totals = [max((math.ceil(n / s) - 1) * s + e - n, 0) for n, e, s in zip(sizes, extents, strides, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return list(padding)


def _last(x: Any, data_format: Any) -> Any:
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def _back(x: Any, data_format: Any) -> Any:
    return np.moveaxis(x, -1, 1) if data_format == "channels_first" else x


def conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Cross-correlation."""
    x = _last(inputs, data_format)
    rank = x.ndim - 2
    strides, dilation = _each(strides, rank), _each(dilation_rate, rank)
    window = kernel.shape[:rank]
    extents = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    x = np.pad(x, [(0, 0), *_pads(padding, x.shape[1:-1], extents, strides), (0, 0)])
    sizes = [(n - e) // s + 1 for n, e, s in zip(x.shape[1:-1], extents, strides, strict=True)]
    per_group, filters = kernel.shape[-2:]
    groups = x.shape[-1] // per_group
    out = np.zeros((x.shape[0], *sizes, filters), x.dtype)
    for place in itertools.product(*map(range, sizes)):
        cut = tuple(slice(p * s, p * s + e, d) for p, s, e, d in zip(place, strides, extents, dilation, strict=True))
        seen = x[(slice(None), *cut)]
        for f in range(filters):
            first = f // (filters // groups) * per_group
            out[(slice(None), *place, f)] = np.sum(
                seen[..., first : first + per_group] * kernel[..., f], axis=tuple(range(1, rank + 2))
            )
    return _back(out, data_format)


def conv_transpose(
    inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1, output_size=None
):
    """The adjoint of ``conv``: each entry of the inputs is added to the window of the output that it was made from."""
    x = _last(inputs, data_format)
    window, (filters, _) = kernel.shape[:-2], kernel.shape[-2:]
    strides, dilation, extra = (
        _each(v, len(window)) if v is not None else None for v in (strides, dilation_rate, output_padding)
    )
    extents = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    if output_size is not None:
        sizes = list(output_size)
    elif extra is not None:
        less = [2 * (e // 2) if padding == "same" else 0 for e in extents]
        sizes = [
            (n - 1) * s + e + p - c for n, s, e, p, c in zip(x.shape[1:-1], strides, extents, extra, less, strict=True)
        ]
    elif padding == "same":
        sizes = [n * s for n, s in zip(x.shape[1:-1], strides, strict=True)]
    else:
        sizes = [max(n * s, (n - 1) * s + e) for n, s, e in zip(x.shape[1:-1], strides, extents, strict=True)]
    pads = _pads(padding, sizes, extents, strides)
    wide = np.zeros((x.shape[0], *(n + sum(p) for n, p in zip(sizes, pads, strict=True)), filters), x.dtype)
    for place in np.ndindex(*x.shape[1:-1]):
        for entry in np.ndindex(*window):
            at = tuple(p * s + e * d for p, s, e, d in zip(place, strides, entry, dilation, strict=True))
            wide[(slice(None), *at)] += x[(slice(None), *place)] @ kernel[entry].T
    return _back(wide[(slice(None), *(slice(a, a + n) for (a, _), n in zip(pads, sizes, strict=True)))], data_format)


def depthwise_conv(inputs, kernel, **options):
    """A convolution of each channel, one after the other."""
    axis = 1 if options.get("data_format") == "channels_first" else -1
    channels = range(kernel.shape[-2])
    parts = [conv(np.take(inputs, [c], axis), kernel[..., [c], :], **options) for c in channels]
    return np.concatenate(parts, axis)


def separable_conv(inputs, depthwise_kernel, pointwise_kernel, **options):
    """The same, and then a product of all channels at each place."""
    return conv(
        depthwise_conv(inputs, depthwise_kernel, **options), pointwise_kernel, data_format=options.get("data_format")
    )


def _pool(reduce, inputs, pool_size, strides, padding, data_format):
    x = _last(inputs, data_format)
    rank = x.ndim - 2
    size = _each(pool_size, rank)
    strides = size if strides is None else _each(strides, rank)
    pads = _pads(padding, x.shape[1:-1], size, strides)
    counts = [(n + sum(p) - w) // s + 1 for n, p, w, s in zip(x.shape[1:-1], pads, size, strides, strict=True)]
    out = np.zeros((x.shape[0], *counts, x.shape[-1]), x.dtype)
    for place in itertools.product(*map(range, counts)):
        starts = [p * s - pad[0] for p, s, pad in zip(place, strides, pads, strict=True)]
        cut = tuple(slice(max(start, 0), start + w) for start, w in zip(starts, size, strict=True))
        out[(slice(None), *place)] = reduce(x[(slice(None), *cut)], axis=tuple(range(1, rank + 1)))
    return _back(out, data_format)


def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """Largest element of each window, padding left out."""
    return _pool(np.max, inputs, pool_size, strides, padding, data_format)


def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    """Mean of each window, padding left out."""
    return _pool(np.mean, inputs, pool_size, strides, padding, data_format)

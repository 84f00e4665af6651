"""Pooling without the slow forms of a CPU: no reduction over windows, and no scatter in the gradient."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from keraunos.backend.jax.windows import channels_last, offsets_of, padded, padding_of, per_axis, shifted

Axes = tuple[int, ...]


def max_pool(
    inputs: Any,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Largest element of each window; see ``Engine.max_pool``."""
    inputs = jnp.asarray(inputs)
    lowest = -jnp.inf if jnp.issubdtype(inputs.dtype, jnp.floating) else jnp.iinfo(inputs.dtype).min
    inputs, window, strides, restore, _ = _prepared(inputs, pool_size, strides, padding, data_format, lowest)
    return restore(_largest(inputs, window, strides))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _largest(inputs: Any, window: Axes, strides: Axes) -> Any:
    return _largest_and_place(inputs, window, strides)[0]


def _largest_and_place(inputs: Any, window: Axes, strides: Axes) -> tuple[Any, Any]:
    """The largest of each window and the number of its entry, the first of equals."""
    parts = shifted(inputs, window, strides, (1,) * len(window))
    best = next(parts)
    place = jnp.zeros(best.shape, "uint8" if math.prod(window) <= 256 else "int32")
    for number, part in enumerate(parts, 1):
        place = jnp.where(part > best, jnp.asarray(number, place.dtype), place)
        best = jnp.where(part > best, part, best)
    return best, place


def _largest_forward(inputs: Any, window: Axes, strides: Axes) -> Any:
    best, place = _largest_and_place(inputs, window, strides)
    return best, (place, jnp.zeros((0, *inputs.shape[1:]), inputs.dtype))


def _largest_backward(window: Axes, strides: Axes, saved: Any, gradient: Any) -> Any:
    place, like = saved
    return (_spread(gradient, window, strides, like.shape[1:-1], place),)


_largest.defvjp(_largest_forward, _largest_backward)


def average_pool(
    inputs: Any,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Mean of each window without its padding; see ``Engine.average_pool``."""
    inputs = jnp.asarray(inputs)
    padded_inputs, window, strides, restore, spatial = _prepared(inputs, pool_size, strides, padding, data_format, 0)
    total = _total(padded_inputs, window, strides)
    if padding == "valid":
        return restore(total / math.prod(window))
    ones = jnp.ones((1, *spatial, 1), total.dtype)
    counts = _total(_prepared(ones, pool_size, strides, padding, "channels_last", 0)[0], window, strides)
    return restore(total / counts)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _total(inputs: Any, window: Axes, strides: Axes) -> Any:
    return sum(shifted(inputs, window, strides, (1,) * len(window)))


def _total_forward(inputs: Any, window: Axes, strides: Axes) -> Any:
    return _total(inputs, window, strides), jnp.zeros((0, *inputs.shape[1:]), inputs.dtype)


def _total_backward(window: Axes, strides: Axes, like: Any, gradient: Any) -> Any:
    return (_spread(gradient, window, strides, like.shape[1:-1]).astype(like.dtype),)


_total.defvjp(_total_forward, _total_backward)


def _spread(gradient: Any, window: Axes, strides: Axes, sizes: Axes, place: Any = None) -> Any:
    """Each gradient at the entries of its window in inputs of these sizes, or at one of them only."""
    if window == strides:
        return _spread_apart(gradient, window, sizes, place)
    total: Any = 0
    for number, offsets in enumerate(offsets_of(window, (1,) * len(window))):
        part = gradient if place is None else jnp.where(place == number, gradient, 0)
        around = [
            (offset, size - offset - (count - 1) * stride - 1, stride - 1)
            for offset, size, count, stride in zip(offsets, sizes, gradient.shape[1:-1], strides, strict=True)
        ]
        total = total + lax.pad(part, jnp.zeros((), part.dtype), [(0, 0, 0), *around, (0, 0, 0)])
    return total


def _spread_apart(gradient: Any, window: Axes, sizes: Axes, place: Any) -> Any:
    """Likewise where windows do not overlap: every input has one window, so that nothing is added up."""
    batch, *counts, channels = gradient.shape
    each = tuple(2 * axis + 2 for axis in range(len(window)))

    def widened(x: Any) -> Any:
        return jnp.expand_dims(x, each)

    if place is not None:
        number = jnp.arange(math.prod(window), dtype=place.dtype).reshape(window)
        number = number.reshape([part for size in window for part in (1, size)] + [1])
        gradient = jnp.where(widened(place) == number, widened(gradient), 0)
    shape = (batch, *(part for pair in zip(counts, window, strict=True) for part in pair), channels)
    apart = jnp.broadcast_to(gradient if place is not None else widened(gradient), shape)
    apart = apart.reshape(batch, *(count * size for count, size in zip(counts, window, strict=True)), channels)
    return padded(apart, tuple((0, size - have) for size, have in zip(sizes, apart.shape[1:-1], strict=True)))


def _prepared(
    inputs: Any, pool_size: Any, strides: Any, padding: Any, data_format: Any, fill: Any
) -> tuple[Any, Axes, Axes, Any, Axes]:
    """Inputs with their channels last and their padding, the window, the strides, the way back, and the sizes."""
    rank = inputs.ndim - 2
    window = per_axis(pool_size, rank)
    strides = window if strides is None else per_axis(strides, rank)
    inputs, restore = channels_last(inputs, data_format)
    spatial = inputs.shape[1:-1]
    return padded(inputs, padding_of(padding, spatial, window, strides), fill), window, strides, restore, spatial

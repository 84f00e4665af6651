"""What the layers with spatial axes share: a number for each axis, and whether a window fits the inputs."""

from collections.abc import Sequence
from typing import Any

from keraunos.backend import K
from keraunos.core.fields import per_axis
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import batch_text


def numbers(layer: Any, argument: str, *, least: int = 1) -> tuple[int, ...]:
    """The argument of a layer as one whole number for each of its ``rank`` spatial axes."""
    value = getattr(layer, argument)
    try:
        return per_axis(value, layer.rank, least=least)
    except ArgumentError as error:
        raise ArgumentError(f"{type(layer).__name__}: {argument} is {value!r}; {error}") from None


def pairs(layer: Any, argument: str) -> tuple[tuple[int, int], ...]:
    """The argument of a layer as (before, after) for each spatial axis: one number, one for each axis, or pairs."""
    value = getattr(layer, argument)
    items = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * layer.rank
    if layer.rank == 1 and len(items) == 2:
        items = [items]
    try:
        if len(items) != layer.rank:
            raise ArgumentError("")
        found = [per_axis(item, 2, least=0) for item in items]
    except ArgumentError:
        each = "a pair (before, after)" if layer.rank == 1 else f"{layer.rank} of them, or {layer.rank} pairs"
        raise ArgumentError(
            f"{type(layer).__name__}: {argument} is {value!r}; expected a whole number, 0 or more, or {each}."
        ) from None
    return tuple((before, after) for before, after in found)


def channel_axis(data_format: str) -> int:
    """Axis of the channels."""
    return -1 if data_format == "channels_last" else 1


def spatial_axes(rank: int, data_format: str) -> tuple[int, ...]:
    """The spatial axes of inputs with ``rank`` of them."""
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank))


def pads_of(layer: Any, inputs: Any, window: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """What ``K.conv`` takes for the padding of a layer; a window of valid padding is checked against the inputs.

    Beside valid and same, a layer may know ``"causal"`` (all zeros before), ``"full"`` (every place where window and
    inputs overlap), and ``"half"``: same, with half of a window before even where less would do.
    """
    padding = layer.padding
    if padding == "valid":
        check_window(layer, inputs, window, "window (kernel_size, with its dilation)")
    if padding == "causal":
        return ((window[0] - 1, 0),)
    if padding == "full":
        return tuple((extent - 1, extent - 1) for extent in window)
    if padding == "half":
        return centred(layer, inputs, window, strides, [extent // 2 for extent in window])
    return padding


def centred(layer: Any, inputs: Any, window: Any, strides: Any, before: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Pads for as many windows as same padding has, of which the first begins at a given distance."""
    sizes = [K.shape(inputs)[axis] for axis in spatial_axes(layer.rank, layer.data_format)]
    return tuple(
        (first, (-(-size // stride) - 1) * stride + extent - size - first)
        for size, extent, stride, first in zip(sizes, window, strides, before, strict=True)
    )


def extents(window: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """How far a window with its gaps reaches along each axis."""
    return tuple((size - 1) * rate + 1 for size, rate in zip(window, dilation, strict=True))


def check_window(layer: Any, inputs: Any, window: tuple[int, ...], what: str) -> None:
    """Raise ``ShapeError`` where a window without padding is larger than the inputs, of which a shape may stand here."""
    shape = K.shape(inputs) if hasattr(inputs, "shape") else tuple(inputs)
    layout = getattr(layer, "layout", layer.data_format)
    sizes = tuple(shape[axis] for axis in spatial_axes(layer.rank, layout))
    if any(extent > size for extent, size in zip(window, sizes, strict=True)):
        raise ShapeError(
            f"{layer.name}: the {what} covers {_across(window)}, but the inputs of shape {batch_text(shape)} are only "
            f'{_across(sizes)} ({layout}). Make it smaller, use padding="same", or remove an earlier layer '
            "that shrinks the inputs."
        )


def _across(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes) + (
        " step" if tuple(sizes) == (1,) else " steps" if len(sizes) == 1 else ""
    )

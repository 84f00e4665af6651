"""What the layers with spatial axes share: a number for each axis, and whether a window fits the inputs."""

from collections.abc import Sequence
from typing import Any

from keraunos.backend import K
from keraunos.core.fields import per_axis
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text


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


def check_window(layer: Any, inputs: Any, window: tuple[int, ...], what: str) -> None:
    """Raise ``ShapeError`` where a window without padding is larger than the inputs."""
    shape = K.shape(inputs)
    sizes = tuple(shape[axis] for axis in spatial_axes(layer.rank, layer.data_format))
    if any(extent > size for extent, size in zip(window, sizes, strict=True)):
        raise ShapeError(
            f"{layer.name}: the {what} covers {_across(window)}, but the inputs of shape {shape_text(shape)} are only "
            f'{_across(sizes)} ({layer.data_format}). Make it smaller, use padding="same", or remove an earlier layer '
            "that shrinks the inputs."
        )


def _across(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes) + (
        " step" if tuple(sizes) == (1,) else " steps" if len(sizes) == 1 else ""
    )

"""Layers of several inputs: sums, products, extremes, concatenation, dot products; each also as a function."""

import itertools
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, SupportsIndex

import numpy as np

from keraunos.backend import K
from keraunos.core.fields import Converted, Field, Wholes
from keraunos.core.symbolic import SymbolicTensor
from keraunos.layers.layer import LAYERS, Layer
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import chosen
from keraunos.utils.text import shape_text


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _axis(value: Any) -> int:
    if not _is_int(value):
        raise ArgumentError("expected a whole number.")
    return int(value)


def _dot_axes(value: Any) -> int | tuple[int, int]:
    pair = [value, value] if _is_int(value) else value
    if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(_is_int(axis) for axis in pair):
        raise ArgumentError("expected a whole number, or a pair of them: one axis of each input.")
    if 0 in pair:
        raise ArgumentError("axis 0 is the batch, which stays; expected axes from 1.")
    return int(value) if _is_int(value) else (int(pair[0]), int(pair[1]))


Axis = Annotated[Converted[int, SupportsIndex], Field(_axis)]
DotAxes = Annotated[Converted[int | tuple[int, int], Wholes], Field(_dot_axes)]


class Merge(Layer):
    """Base: one output from a list of inputs, number by number.

    Inputs with fewer axes get axes of size 1 after the batch; sizes of 1 are
    repeated as NumPy does. A step is real in the output where it is real in
    any input; if an input has no mask, the output has none.

    Input shape:  a list of ``(batch, ...)``
    Output shape: the broadcast shape
    """

    batch_coupled = False
    supports_masking = True

    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list) or not all(isinstance(shape, tuple) for shape in input_shape):
            raise ShapeError(
                f"{self.name}: takes a list of inputs, but one input of shape {shape_text(input_shape)} was given. "
                f"Write {type(self).__name__}()([a, b])."
            )
        self.check_count(input_shape)

    def check_count(self, inputs: Sequence[Any]) -> None:
        """Raise ``ShapeError`` where there are more inputs than the layer merges, or fewer."""
        least = max(self.least, 2) if chosen() else self.least
        wanted = f"exactly {self.most}" if self.most else f"at least {least}"
        if len(inputs) < least or (self.most and len(inputs) > self.most):
            raise ShapeError(f"{self.name}: takes {wanted} inputs, but {len(inputs)} were given.")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if not isinstance(inputs, (list, tuple)):
            self.build(tuple(K.shape(inputs)))
        self.check_count(inputs)
        self.check([K.shape(x) for x in inputs])
        rank = max(K.ndim(x) for x in inputs)
        aligned = [K.expand_dims(x, range(1, 1 + rank - K.ndim(x))) if K.ndim(x) < rank else x for x in inputs]
        masks = mask if mask is not None else [None] * len(aligned)
        wide = [None if m is None else _like(m, x) for m, x in zip(masks, aligned, strict=True)]
        return self.merge(aligned, wide)

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        """Compute the output of inputs of one rank, and masks of their shapes (or ``None``)."""
        output = inputs[0]
        for x in inputs[1:]:
            output = self.pair(output, x)
        return output

    def pair(self, x1: Any, x2: Any) -> Any:
        """Merge two inputs."""
        raise ArgumentError(f"{self.name}: the class {type(self).__name__} defines neither merge() nor pair().")

    def check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise ``ShapeError`` where shapes cannot be broadcast to one."""
        rank = max(map(len, shapes))
        for first, second in itertools.pairwise(shapes):
            for a, b in zip(_widened(first, rank), _widened(second, rank), strict=True):
                if a != b and 1 not in (a, b):
                    raise ShapeError(
                        f"{self.name}: inputs of shapes {_open(first)} and {_open(second)} do not fit together: "
                        f"sizes {a} and {b} differ, and neither is 1."
                    )

    def check_masks(self, inputs: Any, mask: Any) -> None:
        """Raise ``ArgumentError`` where masks are no list of one for each input."""
        if mask is None:
            return
        for what, given in (("inputs", inputs), ("mask", mask)):
            if not isinstance(given, (list, tuple)):
                raise ArgumentError(f"{self.name}: {what} is a {type(given).__name__}; expected a list, as of a merge.")
        if len(mask) != len(inputs):
            raise ArgumentError(
                f"{self.name}: {len(mask)} masks were given for {len(inputs)} inputs; give one for each."
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        self.check_masks(inputs, mask)
        if mask is None or any(part is None for part in mask):
            return None
        merged = mask[0]
        for part in mask[1:]:
            merged = K.logical_or(merged, part)
        return merged


@LAYERS.register()
class Add(Merge):
    """Sum of the inputs.

    >>> Add().compute_output_shape([(None, 3), (None, 3)])
    (None, 3)
    """

    def pair(self, x1: Any, x2: Any) -> Any:
        return x1 + x2


@LAYERS.register()
class Subtract(Merge):
    """First input minus the second.

    >>> Subtract().compute_output_shape([(None, 3), (None, 3)])
    (None, 3)
    """

    least = most = 2

    def pair(self, x1: Any, x2: Any) -> Any:
        return x1 - x2


@LAYERS.register()
class Multiply(Merge):
    """Product of the inputs; a masked step counts as 1, and where all are masked the output is 0.

    >>> Multiply().compute_output_shape([(None, 3), (None, 3)])
    (None, 3)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        output = super().merge(
            [x if m is None else K.where(m, x, 1) for x, m in zip(inputs, masks, strict=True)], masks
        )
        if any(m is None for m in masks):
            return output
        some = masks[0]
        for m in masks[1:]:
            some = K.logical_or(some, m)
        return K.where(some, output, 0)

    def pair(self, x1: Any, x2: Any) -> Any:
        return x1 * x2


@LAYERS.register()
class Average(Merge):
    """Mean of the inputs.

    >>> Average().compute_output_shape([(None, 3), (None, 3)])
    (None, 3)
    """

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return super().merge(inputs, masks) / len(inputs)

    def pair(self, x1: Any, x2: Any) -> Any:
        return x1 + x2


class Extreme(Merge):
    """Base of ``Maximum`` and ``Minimum``, in which a masked step gives way to the other input."""

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        output, real = inputs[0], masks[0]
        for x, mask in zip(inputs[1:], masks[1:], strict=True):
            other = x if mask is None else K.where(mask, x, output)
            output = output if real is None else K.where(real, output, other)
            real = None if mask is None or real is None else K.logical_or(real, mask)
            output = self.pair(output, other)
        return output


@LAYERS.register()
class Maximum(Extreme):
    """Largest of the inputs.

    >>> Maximum().compute_output_shape([(None, 3), (None, 3)])
    (None, 3)
    """

    def pair(self, x1: Any, x2: Any) -> Any:
        return K.maximum(x1, x2)


@LAYERS.register()
class Minimum(Extreme):
    """Smallest of the inputs.

    >>> Minimum().compute_output_shape([(None, 3), (None, 3)])
    (None, 3)
    """

    def pair(self, x1: Any, x2: Any) -> Any:
        return K.minimum(x1, x2)


@LAYERS.register()
class Concatenate(Merge):
    """Inputs one after the other along an axis.

    Input shape:  a list of shapes that differ only on that axis
    Output shape: their sizes there added up

    Args:
        axis: The axis.

    >>> Concatenate().compute_output_shape([(None, 3), (None, 2)])
    (None, 5)
    """

    axis: Axis = -1

    def check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise ``ShapeError`` where shapes differ elsewhere than on the axis."""
        for second in shapes[1:]:
            first = shapes[0]
            if (
                not -len(first) <= self.axis < len(first)
                or len(first) != len(second)
                or any(
                    a != b
                    for axis, (a, b) in enumerate(zip(first, second, strict=True))
                    if axis != self.axis % len(first)
                )
            ):
                raise ShapeError(
                    f"{self.name}: inputs of shapes {_open(first)} and {_open(second)} cannot be joined on axis "
                    f"{self.axis}: all other sizes must be equal."
                )

    def merge(self, inputs: list[Any], masks: list[Any]) -> Any:
        return K.concatenate(inputs, self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        self.check_masks(inputs, mask)
        if mask is None or all(part is None for part in mask):
            return None
        wide = [
            K.ones_like(x, "bool") if part is None else _like(part, x) for part, x in zip(mask, inputs, strict=True)
        ]
        return K.any(K.concatenate(wide, self.axis), -1)


@LAYERS.register()
class Dot(Merge):
    """For each sample, the sum of products of two inputs along one axis of each.

    Input shape:  a list of two: ``(batch, ...)`` and ``(batch, ...)``
    Output shape: ``(batch, other sizes of the first, other sizes of the second)``; ``(batch, 1)`` of two vectors

    Args:
        axes: Axis of both inputs, or a pair: one of each. Their sizes are equal.
        normalize: Whether to divide both by their length along the axes first:
            the output is the cosine of the angle.

    >>> Dot((2, 1)).compute_output_shape([(None, 5, 3), (None, 3, 4)])
    (None, 5, 4)
    """

    axes: DotAxes
    normalize: bool = False

    least = most = 2

    def check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise ``ShapeError`` where the axes are of different sizes."""
        first, second = shapes
        a, b = self._axes_of(first, second)
        if not (0 < a < len(first) and 0 < b < len(second)) or first[a] != second[b]:
            sizes = [shape[axis] if axis < len(shape) else "missing" for shape, axis in ((first, a), (second, b))]
            raise ShapeError(
                f"{self.name}: inputs of shapes {_open(first)} and {_open(second)} cannot be multiplied along axes "
                f"{a} and {b}: the sizes there are {sizes[0]} and {sizes[1]}."
            )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        self.check([K.shape(x) for x in inputs])
        x, y = inputs
        a, b = self._axes_of(K.shape(x), K.shape(y))
        if self.normalize:
            x, y = K.normalize(x, a), K.normalize(y, b)
        letters = iter("bcdefghijklmnopqrstuvw")
        left = ["z" if axis == a else "a" if axis == 0 else next(letters) for axis in range(K.ndim(x))]
        right = ["z" if axis == b else "a" if axis == 0 else next(letters) for axis in range(K.ndim(y))]
        kept = "".join(letter for letter in left + right[1:] if letter != "z")
        output = K.einsum(f"{''.join(left)},{''.join(right)}->{kept}", x, y)
        return K.expand_dims(output, 1) if K.ndim(output) == 1 else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def _axes_of(self, first: Any, second: Any) -> tuple[int, int]:
        a, b = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        return a % len(first) if a < 0 else a, b % len(second) if b < 0 else b


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Sum of the inputs; see ``Add``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """First input minus the second; see ``Subtract``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Product of the inputs; see ``Multiply``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Mean of the inputs; see ``Average``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Largest of the inputs; see ``Maximum``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Smallest of the inputs; see ``Minimum``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """Inputs one after the other along an axis; see ``Concatenate``."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: Any = -1, **kwargs: Any) -> Any:
    """Sum of products along one axis of each input; see ``Dot``."""
    return Dot(axes, **kwargs)(inputs)


# --- helpers -------------------------------------------------------------------------


def _like(mask: Any, x: Any) -> Any:
    """A mask in the shape of its tensor."""
    mask = K.cast(mask, "bool")
    if K.ndim(mask) < K.ndim(x):
        mask = K.expand_dims(mask, range(K.ndim(mask), K.ndim(x)))
    elif isinstance(mask, SymbolicTensor):
        return mask  # it may be computed where its tensor is not
    return K.logical_and(mask, K.ones_like(x, "bool"))


def _widened(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:])


def _open(shape: tuple[int, ...]) -> str:
    return shape_text((None, *shape[1:]))

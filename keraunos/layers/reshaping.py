"""Layers that only rearrange: Flatten, Reshape, Permute, RepeatVector."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, SupportsIndex

from keraunos.backend import K
from keraunos.core.fields import Converted, Field, PositiveInt, per_axis
from keraunos.layers.arguments import DataFormat
from keraunos.layers.layer import LAYERS, InputSpec, Layer
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.text import shape_text


def _target(value: Any) -> tuple[int, ...]:
    sizes = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    sizes = [-1 if size in (None, -1) else size for size in sizes]
    if sizes.count(-1) > 1:
        raise ArgumentError("expected at most one -1, because only one size can follow from the others.")
    given = iter(per_axis([size for size in sizes if size != -1], len(sizes) - sizes.count(-1)))
    return tuple(-1 if size == -1 else next(given) for size in sizes)


def _permutation(value: Any) -> tuple[int, ...]:
    axes = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    if sorted(map(str, axes)) != sorted(str(axis + 1) for axis in range(len(axes))):
        raise ArgumentError(f"expected each of 1 to {len(axes)} once, in the new order; the batch, axis 0, stays.")
    return tuple(int(axis) for axis in axes)


Target = Annotated[Converted[tuple[int, ...], SupportsIndex | Iterable[SupportsIndex | None]], Field(_target)]
Permutation = Annotated[Converted[tuple[int, ...], SupportsIndex | Iterable[SupportsIndex]], Field(_permutation)]


@LAYERS.register()
class Flatten(Layer):
    """All numbers of a sample on one axis.

    Input shape:  ``(batch, ...)``
    Output shape: ``(batch, product of the other sizes)``

    Args:
        data_format: ``"channels_first"`` if the channels come first; they are
            moved last before flattening, so that a model gives the same
            whatever the layout.

    >>> Flatten().compute_output_shape((None, 4, 4, 2))
    (None, 32)
    """

    data_format: DataFormat = None

    batch_coupled = False

    def setup(self) -> None:
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        batch, *sizes = K.shape(inputs)
        if self.data_format == "channels_first" and len(sizes) > 1:
            inputs = K.moveaxis(inputs, 1, -1)
        return K.reshape(inputs, (batch, math.prod(sizes)))


@LAYERS.register()
class Reshape(Layer):
    """The same numbers of each sample, in another shape.

    Input shape:  ``(batch, ...)``
    Output shape: ``(batch, *target_shape)``

    Args:
        target_shape: Sizes without the batch; one may be -1 and follows from the others.

    Raises:
        ShapeError: the inputs have another number of elements.

    >>> Reshape((2, -1)).compute_output_shape((None, 12))
    (None, 2, 6)
    """

    target_shape: Target

    batch_coupled = False

    def call(self, inputs: Any) -> Any:
        batch, *sizes = K.shape(inputs)
        have, known = math.prod(sizes), math.prod(size for size in self.target_shape if size != -1)
        if have != known and (-1 not in self.target_shape or have % known):
            raise ShapeError(
                f"{self.name}: inputs of shape {shape_text((None, *sizes))} have {have} numbers a sample, which do not "
                f"fill the target_shape {shape_text(self.target_shape)} of {known}"
                f"{' times a whole number' if -1 in self.target_shape else ''}. Change one of the two."
            )
        return K.reshape(inputs, (batch, *(have // known if size == -1 else size for size in self.target_shape)))


@LAYERS.register()
class Permute(Layer):
    """Axes of each sample in another order.

    Input shape:  ``(batch, ...)``
    Output shape: the same sizes in the order of ``dims``

    Args:
        dims: Number of the old axis at each new place, counted from 1; the batch is not counted.

    >>> Permute((2, 1)).compute_output_shape((None, 10, 64))
    (None, 64, 10)
    """

    dims: Permutation

    batch_coupled = False

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return K.transpose(inputs, (0, *self.dims))


@LAYERS.register()
class RepeatVector(Layer):
    """Each sample's vector ``n`` times, as a sequence.

    Input shape:  ``(batch, features)``
    Output shape: ``(batch, n, features)``

    Args:
        n: How often.

    >>> RepeatVector(3).compute_output_shape((None, 32))
    (None, 3, 32)
    """

    n: PositiveInt

    batch_coupled = False

    def setup(self) -> None:
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        return K.repeat(K.expand_dims(inputs, 1), self.n, 1)

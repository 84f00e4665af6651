"""How many inputs and outputs an initializer of eras 1 and 2 sees, and which axis of a weight it takes for the first.

Keras 2 took the root of the size for both where a weight has one axis, or more than five. Keras 1 did so with three axes
too, and took a kernel of four or five axes for one of Theano's, ``(outputs, inputs, *window)``, unless a layer said
that its data have the channels last.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from keraunos.utils import spelling


class Seen(NamedTuple):
    """A weight as its release laid it out.

    Args:
        axes: For each axis that it had there, the axis here; ``None`` for one of size 1.
        ordering: ``"th"`` where kernels were taken for ``(outputs, inputs, *window)``, else ``"tf"``.
    """

    axes: tuple[int | None, ...]
    ordering: str


_seen: ContextVar[Callable[[int], Seen] | None] = ContextVar("seen", default=None)


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """Inputs and outputs of a weight, as the active era counted them."""
    if spelling.era() == 2:
        return fans_keras2(shape)
    seen = _of(len(shape))
    return fans_keras1([1 if axis is None else shape[axis] for axis in seen.axes], seen.ordering)


def first_axis(rank: int) -> int | None:
    """The axis of a weight that came first in its release, where that decides; ``None`` where today's rule holds."""
    if spelling.era() != 1 or _seen.get() is None or rank == 2:
        return None
    return _of(rank).axes[0]


def fans_keras2(shape: Sequence[int], data_format: str = "channels_last") -> tuple[float, float]:
    """Inputs and outputs of a weight in Keras 2.

    >>> fans_keras2((3, 3, 8, 16)), fans_keras2((16,))
    ((72, 144), (4.0, 4.0))
    """
    return _fans(shape, (3, 4, 5), data_format == "channels_first", len(shape) - 2)


def fans_keras1(shape: Sequence[int], dim_ordering: str = "th") -> tuple[float, float]:
    """Inputs and outputs of a weight in Keras 1, which counted two axes of a window where the channels are last.

    >>> fans_keras1((16, 8, 3, 3)), fans_keras1((2, 4, 8)), fans_keras1((2, 3, 4, 8, 16), "tf")
    ((72, 144), (8.0, 8.0), (48, 96))
    """
    return _fans(shape, (4, 5), dim_ordering == "th", 2)


def _fans(shape: Sequence[int], kernels: tuple[int, ...], first: bool, window: int) -> tuple[float, float]:
    shape = tuple(int(size) for size in shape)
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) not in kernels:
        return math.sqrt(math.prod(shape)), math.sqrt(math.prod(shape))
    size = math.prod(shape[2:] if first else shape[:window])
    return (shape[1] * size, shape[0] * size) if first else (shape[-2] * size, shape[-1] * size)


def _of(rank: int) -> Seen:
    seen = _seen.get()
    return Seen(tuple(range(rank)), "tf") if seen is None else seen(rank)


@contextlib.contextmanager
def seen_as(seen: Callable[[int], Seen]) -> Iterator[None]:
    """Let weights that are drawn inside a ``with`` block be seen as a function of their rank says."""
    token = _seen.set(seen)
    try:
        yield
    finally:
        _seen.reset(token)


def as_given(ordering: str) -> Callable[[int], Seen]:
    """The weight as it is, of one ordering."""
    return lambda rank: Seen(tuple(range(rank)), ordering)


def first_values(layer: Any, initializer: Any) -> Any:
    """An initializer for the weights of a layer, which sees them as they were laid out in Keras 1."""
    if spelling.era() != 1 or not callable(initializer):
        return initializer

    def draw(shape: Sequence[int], dtype: Any = None) -> Any:
        with seen_as(lambda rank: _in_layer(layer, rank)):
            return initializer(shape, dtype=dtype)

    return draw


def _in_layer(layer: Any, rank: int) -> Seen:
    from keraunos.layers.convolution import Conv1D, Convolving
    from keraunos.layers.convolutional_recurrent import ConvLSTMCell
    from keraunos.layers.local import LocallyConnected
    from keraunos.layers.transposed import ConvTranspose

    axes: tuple[int | None, ...] = tuple(range(rank))
    told = isinstance(layer, Convolving) and not isinstance(layer, LocallyConnected)
    if not (told or isinstance(layer, ConvLSTMCell)) or rank != layer.rank + 2:
        return Seen(axes, "th")
    if isinstance(layer, Conv1D):
        return Seen((0, None, 1, 2), "th")  # a window of one column; nothing told that its channels are last
    *window, inputs, outputs = axes
    if isinstance(layer, ConvTranspose):
        inputs, outputs = outputs, inputs
    if layer.data_format == "channels_first":
        return Seen((outputs, inputs, *window), "th")
    return Seen((*window, inputs, outputs), "tf" if told else "th")

"""The lists of arrays that ``get_weights`` gave and ``set_weights`` took in Keras 1, and those of today.

Keras 1.2.2 kept the gates of a recurrent layer apart, a convolution over time as
one over images of one row, and kernels with the filters first where the images
had their channels first. Everything else was as it is today.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from keraunos.layers.convolution import Conv, Conv1D
from keraunos.layers.convolutional_recurrent import ConvLSTMCell
from keraunos.layers.recurrent import CellLayer, GatedCell, GRUCell, LSTMCell, SimpleRNNCell
from keraunos.layers.separable import SeparableConv
from keraunos.layers.transposed import ConvTranspose
from keraunos.utils import spelling

__all__ = ["earlier", "gates", "today"]

Arrays = list[Any]

# In which order Keras 1 listed the gates; numbers are places in today's kernels.
_GATES = {LSTMCell: (0, 2, 1, 3), ConvLSTMCell: (0, 2, 1, 3), GRUCell: (0, 1, 2)}


def gates(layer: Any) -> dict[int, int]:
    """Of each weight, by its id, into how many gates the active era cut it; not those that it left whole.

    >>> gates(None)
    {}
    """
    if spelling.era() != 1:
        return {}
    around = _around(layer)
    return {
        id(variable): len(order)
        for part in layer._flatten_layers()
        for order in (_gates(part, around.get(id(part))),)
        if order is not None
        for variable in part._weights_added
    }


class _Form(NamedTuple):
    """How the weights of one layer were listed: how many arrays, and the ways there and back."""

    size: int
    earlier: Callable[[Arrays], Arrays]
    today: Callable[[Arrays], Arrays]


def earlier(layer: Any, arrays: Sequence[Any]) -> Arrays:
    """Arrays in today's form, in the form of the active era.

    >>> from keraunos.layers import Conv1D
    >>> earlier(Conv1D(2, 3), [np.zeros((3, 4, 2))])[0].shape
    (3, 4, 2)
    """
    if spelling.era() != 1:
        return list(arrays)
    rest = iter(arrays)
    return [
        array for form, variables in _forms(layer) for array in form.earlier(list(itertools.islice(rest, variables)))
    ]


def today(layer: Any, arrays: Sequence[Any]) -> Arrays:
    """Arrays in the form of the active era, in today's; those that are in today's already, or fit neither, stay."""
    arrays = list(arrays)
    if spelling.era() != 1 or len(arrays) != sum(form.size for form, _ in _forms(layer)):
        return arrays
    rest = iter(arrays)
    try:
        found = [array for form, _ in _forms(layer) for array in form.today(list(itertools.islice(rest, form.size)))]
    except (ValueError, IndexError):
        return arrays
    shapes = [variable.shape for variable in layer.weights]
    fits = [np.shape(array) for array in found] == shapes
    return found if fits else arrays


def _forms(layer: Any) -> Iterator[tuple[_Form, int]]:
    """Form of each part that has weights of its own, in the order of the weights, and how many those are."""
    owners: dict[int, Any] = {}
    around = _around(layer)
    for part in layer._flatten_layers():
        for _, variable in part.parts():
            if hasattr(variable, "saved"):
                owners.setdefault(id(variable), part)
    for _, group in itertools.groupby(layer.weights, lambda variable: id(owners[id(variable)])):
        variables = list(group)
        part = owners[id(variables[0])]
        yield _form(part, around.get(id(part)), len(variables)), len(variables)


def _around(layer: Any) -> dict[int, Any]:
    """By the id of a cell, the layer that runs it."""
    return {id(part.cell): part for part in layer._flatten_layers() if isinstance(part, CellLayer)}


def _gates(cell: Any, around: Any) -> tuple[int, ...] | None:
    """In which order the gates of a cell were listed, where they were kept apart."""
    if isinstance(cell, SimpleRNNCell) or getattr(around, "implementation", 0) == 2:
        return None
    return next((gates for kind, gates in _GATES.items() if isinstance(cell, kind)), None)


def _form(part: Any, around: Any, count: int) -> _Form:
    if isinstance(part, GatedCell):
        return _recurrent(part, around, count)
    if not isinstance(part, (Conv, ConvTranspose, SeparableConv)):
        return _Form(count, list, list)
    if isinstance(part, Conv1D):
        return _of_kernels(count, 1, lambda kernel: kernel[:, None], lambda kernel: kernel[:, 0])
    there, back = _layout(part.rank, part.data_format)
    if isinstance(part, ConvTranspose):  # its kernel was that of a convolution from its inputs to its outputs
        return _of_kernels(
            count,
            1,
            lambda kernel: there(np.swapaxes(kernel, -1, -2)),
            lambda kernel: np.swapaxes(back(kernel), -1, -2),
        )
    return _of_kernels(count, 2 if isinstance(part, SeparableConv) else 1, there, back)


def _of_kernels(count: int, kernels: int, there: Callable[[Any], Any], back: Callable[[Any], Any]) -> _Form:
    return _Form(
        count,
        lambda arrays: [*map(there, arrays[:kernels]), *arrays[kernels:]],
        lambda arrays: [*map(back, map(np.asarray, arrays[:kernels])), *arrays[kernels:]],
    )


def _layout(rank: int, data_format: str | None) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Kernels with filters and channels first, where the images have their channels first; and the way back."""
    if data_format != "channels_first":
        return _same, _same
    window = tuple(range(rank))
    return (
        lambda kernel: kernel.transpose((rank + 1, rank, *window)),
        lambda kernel: kernel.transpose((*(axis + 2 for axis in window), 1, 0)),
    )


def _same(kernel: Any) -> Any:
    return kernel


def _recurrent(cell: Any, around: Any, count: int) -> _Form:
    order = _gates(cell, around)
    if order is None or count != 3:
        return _Form(count, list, list)
    there, back = _layout(cell.rank, cell.data_format) if isinstance(cell, ConvLSTMCell) else (_same, _same)

    def apart(arrays: Arrays) -> Arrays:
        kernels = [np.split(array, len(order), -1) for array in arrays]
        # The bias has neither a window nor channels.
        return [
            part if number == 2 else there(part)
            for gate in order
            for number, part in enumerate(gates[gate] for gates in kernels)
        ]

    def together(arrays: Arrays) -> Arrays:
        by_gate = {gate: arrays[3 * place : 3 * place + 3] for place, gate in enumerate(order)}
        return [
            np.concatenate(
                [np.asarray(by_gate[g][n]) if n == 2 else back(np.asarray(by_gate[g][n])) for g in range(len(order))],
                -1,
            )
            for n in range(3)
        ]

    return _Form(3 * len(order), apart, together)

"""Arrays in files of earlier generations of Keras, and what our weights and optimizer slots are of them.

An array of ours may be made of several (the gates of Keras 1), turned (its
kernels with channels first) or mirrored (Theano convolved, where everybody else
correlates). Nothing is read to find that out: an array that is not there yet has
a shape and ``read()``, as a dataset of a file has.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import numpy as np

from keraunos.core.stateful import Stateful
from keraunos.eras import updates
from keraunos.eras.configs import Origin

__all__ = ["Made", "Stored", "backend_of", "earlier_arrays", "in_own_order", "todays_arrays", "todays_state"]


class Stored(Protocol):
    """An array in a file, or one that is made of such."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    def read(self) -> Any:
        """Its numbers."""


class Made(NamedTuple):
    """An array made of others when it is read."""

    shape: tuple[int, ...]
    parts: Sequence[Stored]
    make: Callable[..., Any]

    def read(self) -> Any:
        """The numbers."""
        return self.make(*(part.read() for part in self.parts))


def _joined(parts: Sequence[Stored]) -> Stored:
    """Side by side along the last axis."""
    shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
    return Made(shape, parts, lambda *arrays: np.concatenate(arrays, -1))


def _turned(part: Stored, order: Sequence[int]) -> Stored:
    return Made(tuple(part.shape[axis] for axis in order), [part], lambda array: array.transpose(order))


def _mirrored(part: Stored) -> Stored:
    """A kernel whose spatial axes, all but the last two, run backward."""
    backward = (slice(None, None, -1),) * (len(part.shape) - 2)
    return Made(part.shape, [part], lambda array: array[backward])


def _reshaped(part: Stored, shape: tuple[int, ...]) -> Stored:
    return Made(shape, [part], lambda array: array.reshape(shape))


# Gates of Keras 1, each with its own arrays, in today's order. It stored i, c, f, o and z, r, h.
_GATES = {
    **dict.fromkeys(("LSTM", "LSTMCell", "ConvLSTM2D", "ConvLSTM2DCell"), (0, 2, 1, 3)),
    **dict.fromkeys(("GRU", "GRUCell"), (0, 1, 2)),
}
# Layers whose kernels Theano mirrored.
_CONVOLVED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D", "ConvLSTM2DCell")


def backend_of(written: Origin, names: Sequence[str]) -> Origin:
    """Who wrote a file, told from the names of its weights where it does not say: TensorFlow's end in ``:0``.

    >>> backend_of(Origin(1), ["dense_1_W", "dense_1_b"]).backend
    'theano'
    """
    if written.backend or not names:
        return written
    return written._replace(backend="tensorflow" if any(name.endswith(":0") for name in names) else "theano")


def todays_arrays(
    layer: Any, variables: Sequence[Any], stored: Sequence[Any], written: Origin, reshape: bool = False
) -> list[Any]:
    """What the file holds for the given weights of a layer, in our order and layout.

    Args:
        layer: A layer, or a model used as one.
        variables: Its weights in the file's order: trainable ones, then the others.
        stored: The file's arrays for it.
        written: Who wrote them.
        reshape: Whether a kernel of as many numbers may get another shape.
    """
    made: list[Any] = []
    rest = list(stored)
    for owner, own in _by_owner(layer, variables):
        count = _arrays_of(owner, own, rest, written)
        taken, rest = rest[:count], rest[count:]
        arrays = _converted(owner, own, taken, written) if len(taken) == count else taken
        if reshape and arrays and own and _is_kernel(owner) and math.prod(arrays[0].shape) == math.prod(own[0].shape):
            arrays = [_reshaped(arrays[0], tuple(own[0].shape)), *arrays[1:]]
        made += arrays
    return [*made, *rest]


def in_own_order(
    layer: Any, variables: Sequence[Any], named: Sequence[tuple[str, Any]], written: Origin
) -> list[tuple[str, Any]]:
    """The file's arrays for a layer in the order of its weights, where their names say which inner layer has them.

    A model inside of another one stored the weights of its frozen layers behind the others, so that their order depends
    on what was frozen when the file was written. Where a name says nothing, the order stays.
    """
    runs = _by_owner(layer, variables)
    chains = {id(owner): names for owner, names in _owners(layer)}
    queues: dict[int, list[tuple[str, Any]]] = {id(owner): [] for owner, _ in runs}
    if len(queues) < 2:
        return list(named)
    for name, array in named:
        owner = _owner_of(name, {key: chains.get(key, ()) for key in queues})
        if owner is None:
            return list(named)
        queues[owner].append((name, array))
    if not all(queues.values()):
        return list(named)
    ordered = []
    for owner, own in runs:
        queue = queues[id(owner)]
        count = _arrays_of(owner, own, [array for _, array in queue], written)
        ordered += queue[:count]
        del queue[:count]
    return [*ordered, *(pair for queue in queues.values() for pair in queue)]


def _owner_of(name: str, chains: Mapping[int, Sequence[str]]) -> int | None:
    """The one inner layer that the name of a weight tells of, by its own name or that of a layer around it."""
    places = name.split("/")[:-1]
    if not places:  # Keras 1 wrote "dense_1_W"
        words = name.split("_")
        begins = ("_".join(words[:count]) for count in range(len(words) - 1, 0, -1))
        places = next(([begin] for begin in begins if any(begin in names for names in chains.values())), [])
    left = list(chains)
    for place in places:
        left = [key for key in left if place in chains[key]] or left
    told = any(place in names for place in places for names in chains.values())
    return left[0] if told and len(left) == 1 else None


def _owners(layer: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """A layer and those inside of it, each with the names of the layers around it and its own."""
    yield layer, names
    for _, part in layer.parts():
        if isinstance(part, Stateful) and hasattr(part, "parts"):
            yield from _owners(part, (*names, str(getattr(part, "name", ""))))


def _by_owner(layer: Any, variables: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
    """The weights in runs of one innermost layer each."""
    owners: dict[int, Any] = {}
    stack, seen = [layer], set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        for _, part in item.parts():
            if isinstance(part, Stateful):
                stack.append(part)
            else:
                owners.setdefault(id(part), item)
    runs = groupby(variables, lambda variable: id(owners.get(id(variable), layer)))
    return [(owners.get(id(own[0]), layer), own) for own in (list(run) for _, run in runs)]


def _arrays_of(owner: Any, own: Sequence[Any], rest: Sequence[Any], written: Origin) -> int:
    """How many arrays of the file the weights of one layer take."""
    gates = _GATES.get(type(owner).__name__)
    if written.era == 1 and gates and rest and own and rest[0].shape[-1:] != tuple(own[0].shape[-1:]):
        return len(gates) * len(own)
    return len(own)


def _is_kernel(owner: Any) -> bool:
    return type(owner).__name__ in _CONVOLVED


def _converted(owner: Any, own: Sequence[Any], stored: Sequence[Any], written: Origin) -> list[Any]:
    kind = type(owner).__name__
    arrays = list(stored)
    if len(arrays) > len(own):
        gates = _GATES[kind]
        arrays = [_joined([arrays[len(own) * gate + part] for gate in gates]) for part in range(len(own))]
    if not arrays or not own:
        return arrays
    kernels = 2 if kind.startswith("ConvLSTM2D") else 1
    first = getattr(owner, "data_format", None) == "channels_first"
    for place in range(min(kernels, len(arrays)) if _is_kernel(owner) else 0):
        if arrays[place].shape and len(own[place].shape) > 2:
            # A layer that convolves as Theano did takes its kernels as they are.
            mirrored = (written.backend == "theano") != bool(getattr(owner, "flipped", False))
            arrays[place] = _kernel(kind, arrays[place], tuple(own[place].shape), first, written.era, mirrored)
    if written.era == 1 and kind.startswith("SeparableConv2D") and first:
        arrays[:2] = [_turned(array, (2, 3, 1, 0)) if len(array.shape) == 4 else array for array in arrays[:2]]
    if kind in _RECURRENT and len(arrays) == 3:
        arrays = _from_fused(_RECURRENT[kind], own, arrays)
    return arrays


def _kernel(kind: str, kernel: Any, shape: tuple[int, ...], first: bool, era: int, mirrored: bool) -> Any:
    """A kernel of convolution as (spatial axes, inputs, outputs)."""
    rank = len(kernel.shape)
    if era == 1:
        if kind == "Conv1D" and rank == 4:
            if kernel.shape[1] != 1 or (kernel.shape[3] == 1 and kernel.shape[0] == shape[2] != kernel.shape[3]):
                kernel = _turned(kernel, (2, 3, 1, 0))  # before 1.1: (filters, inputs, length, 1)
            kernel = _reshaped(kernel, (kernel.shape[0], *kernel.shape[2:]))
        elif kind == "Conv2DTranspose" and rank == 4:
            kernel = _turned(kernel, (2, 3, 0, 1) if first else (0, 1, 3, 2))
        elif first and rank > 3:
            kernel = _turned(kernel, (*range(2, rank), 1, 0))
    if mirrored:
        kernel = _mirrored(kernel)
    if kernel.shape != shape and len(kernel.shape) == 4 and tuple(kernel.shape[axis] for axis in (3, 2, 0, 1)) == shape:
        kernel = _turned(kernel, (3, 2, 0, 1))
    return kernel


# Layers that a GPU's own recurrence had twins of, and their gates.
_RECURRENT = {
    **dict.fromkeys(("LSTM", "LSTMCell", "CuDNNLSTM", "CuDNNLSTMCell"), 4),
    **dict.fromkeys(("GRU", "GRUCell", "CuDNNGRU", "CuDNNGRUCell"), 3),
}


def _from_fused(gates: int, own: Sequence[Any], arrays: list[Any]) -> list[Any]:
    """Weights of a recurrence with two biases, as a GPU's own was stored, for the layer that takes them.

    Such a file has the kernel of each gate transposed, and laid out by columns.
    """
    units = arrays[1].shape[0] if arrays[1].shape else 0
    both, wanted = 2 * gates * units, tuple(own[2].shape)
    if arrays[2].shape == (gates * units,) and wanted == (both,) and gates == 4:
        return [*arrays[:2], Made(wanted, arrays[2:], lambda array: np.tile(0.5 * array, 2))]
    if arrays[2].shape == (2, gates * units) and wanted == (both,):
        return [*arrays[:2], _reshaped(arrays[2], wanted)]
    if arrays[2].shape != (both,) or not units or len(arrays[0].shape) != 2:
        return arrays
    kernels = [Made(array.shape, [array], functools.partial(turned_gates, gates=gates)) for array in arrays[:2]]
    if wanted == (gates * units,) and gates == 4:
        return [*kernels, Made(wanted, arrays[2:], lambda array: array.reshape(2, -1).sum(0))]
    return [*kernels, _reshaped(arrays[2], wanted if math.prod(wanted) == both else (both,))]


def turned_gates(kernels: Any, gates: int, back: bool = False) -> Any:
    """Kernels of gates side by side, each read as if its numbers were those of its transpose; ``back`` undoes it."""
    parts = np.split(kernels, gates, axis=-1)
    if back:
        return np.concatenate([part.T.reshape(part.shape) for part in parts], -1)
    return np.concatenate([part.reshape(part.shape[::-1]).T for part in parts], -1)


def earlier_arrays(layer: Any, variables: Sequence[Any]) -> list[Any]:
    """Numbers of a layer's weights as Keras 2.2.4 stored them."""
    made = []
    for owner, own in _by_owner(layer, variables):
        arrays = [variable.numpy() for variable in own]
        kind = type(owner).__name__
        if kind.startswith("CuDNN") and len(arrays) > 1:
            arrays[:2] = [turned_gates(array, _RECURRENT[kind], back=True) for array in arrays[:2]]
        if getattr(owner, "flipped", False) and arrays:
            kernels = 2 if kind.startswith("ConvLSTM2D") else 1
            arrays[:kernels] = [
                array[(slice(None, None, -1),) * (array.ndim - 2)] if array.ndim > 2 else array
                for array in arrays[:kernels]
            ]
        made += arrays
    return made


# --- optimizers ---------------------------------------------------------------------------

# The slots of an optimizer in the order in which eras 1 and 2 stored them, all weights of one slot side by side, and
# whether the number of updates came first.
SLOTS: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    "SGD": (True, ("momentum",)),
    "RMSprop": (False, ("velocity",)),
    "Adagrad": (False, ("accumulator",)),
    "Adadelta": (False, ("accumulated_grad", "accumulated_delta_var")),
    "Adam": (True, ("momentum", "velocity", "velocity_hat")),
    "Adamax": (True, ("momentum", "norm")),
    "Nadam": (True, ("momentum", "velocity")),
}


def todays_state(
    model: Any, layers: Sequence[tuple[Any, Sequence[tuple[str, Any]]]], stored: Sequence[Any], written: Origin
) -> list[tuple[Any, Any]] | None:
    """The state of a model's optimizer, each Variable with what the file holds for it; ``None`` where they do not fit.

    Args:
        model: The compiled model, whose optimizer is built.
        layers: Layers with weights, and the names and arrays that the file has for each.
        stored: The optimizer's arrays in the file's order.
        written: Who wrote them.
    """
    optimizer = model.optimizer
    if updates.says_updates(optimizer) or type(optimizer).__name__ not in SLOTS:
        if updates.says_updates(optimizer):
            updates.step_of(model)  # which makes the state
        own = list(optimizer.weights)
        fits = [tuple(a.shape) for a in stored] == [v.shape for v in own]
        return list(zip(own, stored, strict=True)) if fits else None
    counted, slots = SLOTS[type(optimizer).__name__]
    written = backend_of(written, [name for _, named in layers for name, _ in named])
    trained = [[variable for variable in layer.trainable_variables if variable.saved] for layer, _ in layers]
    named = [
        [name for name, _ in own[: _count(layer, variables, [array for _, array in own], written)]]
        for (layer, own), variables in zip(layers, trained, strict=True)
    ]
    names = [name for own in named for name in own]
    rest = list(stored)
    pairs: list[tuple[Any, Any]] = []
    if counted or written.merged:
        if not rest or rest[0].shape != ():
            return None
        pairs.append((optimizer.variables[0], _whole(rest.pop(0))))
    # Keras 1 handed the weights to the optimizer sorted by name.
    order = sorted(range(len(names)), key=names.__getitem__) if written.era == 1 else range(len(names))
    for slot in slots:
        arrays, rest = rest[: len(names)], rest[len(names) :]
        if slot not in optimizer.slots:
            continue
        if len(arrays) != len(names):
            return None
        by_place = [array for _, array in sorted(zip(order, arrays, strict=True), key=lambda pair: pair[0])]
        for (layer, _), own, variables in zip(layers, named, trained, strict=True):
            mine, by_place = by_place[: len(own)], by_place[len(own) :]
            made = todays_arrays(layer, variables, mine, written)
            if len(made) != len(variables):
                return None
            pairs += [(optimizer.slots[slot][variable], array) for variable, array in zip(variables, made, strict=True)]
    pairs += _products(optimizer, pairs)
    fitting = all(tuple(array.shape) == tuple(variable.shape) for variable, array in pairs)
    return pairs if fitting else None


def _count(layer: Any, variables: Sequence[Any], stored: Sequence[Any], written: Origin) -> int:
    """How many of a layer's arrays in the file make the given weights, the first it has."""
    rest = list(stored)
    for owner, own in _by_owner(layer, variables):
        rest = rest[_arrays_of(owner, own, rest, written) :]
    return len(stored) - len(rest)


def _whole(count: Any) -> Made:
    """The number of updates, which era 1 kept as a real number."""
    return Made((), [count], lambda value: np.clip(np.nan_to_num(np.rint(value)), 0, 2**31 - 1).astype(np.int32))


def _products(optimizer: Any, pairs: Sequence[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Nadam's product of momenta, which no file holds: it follows from the number of updates."""
    holder = optimizer.scalars.get("momentum_product")
    if holder is None or not pairs:
        return

    def product(count: Any) -> Any:
        steps = np.arange(1, min(int(count), 100_000) + 1, dtype=np.float64)
        return np.float32(np.prod(momentum(optimizer, steps)))

    yield holder, Made((), [pairs[0][1]], product)


def momentum(optimizer: Any, steps: Any) -> Any:
    """Nadam's momentum at each step, from 1."""
    decay = getattr(optimizer, "schedule_decay", 0.004)
    return optimizer.beta_1 * (1.0 - 0.5 * 0.96 ** (steps * decay))

"""What the compiled calls of a model share: found once, and not again while the model stays as it is.

Walking over layers, metrics and slots takes longer than a small epoch (measured:
1.6 ms against 0.2 ms), so the walk happens once a run.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from keraunos.backend import K
from keraunos.core.variable import Variable, structure_version
from keraunos.training.interrupt import patiently
from keraunos.training.packing import Pack, Packing
from keraunos.training.step import Carry, Held
from keraunos.utils import tree


class Numbers(NamedTuple):
    """What is new at every compiled call, handed over one by one: to cut them out of a vector takes a kernel each."""

    first: Any  # epochs ``first`` to ``last`` of those whose orders are there,
    last: Any
    start: Any  # and of each of them the steps ``start`` to ``stop``
    stop: Any
    total: Any  # rows of an epoch
    seed: Any
    step: Any  # steps that the model has made

    def scalars(self) -> list[Any]:
        """The numbers as arrays."""
        return [np.array(number, "int32") for number in self]

    @classmethod
    def of(cls, scalars: Any) -> "Numbers":
        """The numbers of a trace, from ``scalars``."""
        numbers = cls(*scalars)
        return numbers._replace(seed=K.cast(numbers.seed, "uint32"), step=K.cast(numbers.step, "uint32"))


class Plan:
    """The Variables of a mode in the order in which a program gets them.

    Args:
        mode: ``"train"``, ``"test"`` or ``"predict"``.
        held: The Variables by path.
        slots: Tree of the optimizer's Variables; a function stands for a number that is asked for at each call.
        pads: Whether a short last batch may be filled up.
        resets: Whether the metrics begin anew inside the program; otherwise their owner does it.
        objectives: What was compiled.
        packing: How parameters and slots are joined, where the library trains them.
    """

    def __init__(
        self,
        mode: str,
        held: Held,
        slots: dict[str, Any],
        *,
        pads: bool,
        resets: bool,
        objectives: Any,
        packing: Packing | None = None,
    ) -> None:
        self.mode, self.held, self.pads, self.objectives, self.packing = mode, held, pads, objectives, packing
        self.paths = tuple(map(tuple, (held.params, held.state, held.fixed, held.metrics)))
        self.initial = {path: K.array(v.numpy()) for path, v in held.metrics.items()} if resets else None
        params: dict[str, Any] = held.params
        if packing is not None:
            params = packing.holders(params)
            slots = {**slots, "slots": {name: packing.holders(slot) for name, slot in slots["slots"].items()}}
        self._form = (params, held.state, slots, held.metrics)
        self._moving = tree.leaves(self._form)
        self._fixed = list(held.fixed.values())
        self.asks = not all(isinstance(holder, (Variable, Pack)) for holder in self._moving)
        self._version = structure_version()
        self._flags = self._trainable()

    def holds(self, objectives: Any) -> bool:
        """Whether nothing has changed that the plan depends on."""
        same = self.objectives is objectives and self._version == structure_version()
        return same and self._flags == self._trainable()

    def _trainable(self) -> list[Any]:
        groups = (self.held.params, self.held.state, self.held.fixed)
        return [variable.trainable for group in groups for variable in group.values()]

    def variables(self) -> list[Variable]:
        """The Variables that a program may change, then those that it only reads."""
        return [holder for holder in (*self._moving, *self._fixed) if isinstance(holder, Variable)]

    def take(self, fresh: bool = False) -> tuple[list[Any], list[Any]]:
        """Present values: of what a program changes, with metrics that begin anew if ``fresh``, and of what it reads."""
        moving = [_value(holder) for holder in self._moving]
        if fresh and self.initial:
            moving[-len(self.initial) :] = self.initial.values()
        return moving, [variable.concrete for variable in self._fixed]

    def give(self, arrays: Sequence[Any]) -> None:
        """Store what a program returned."""
        for holder, array in zip(self._moving, arrays, strict=True):
            if isinstance(holder, Variable):
                holder.replace(array)
            elif isinstance(holder, Pack):
                holder.give(array)

    def of_fixed(self, arrays: Sequence[Any]) -> dict[str, Any]:
        """Arrays of what a program only reads, by path."""
        return dict(zip(self.held.fixed, arrays, strict=True))

    def carry(self, moving: Sequence[Any], step: Any) -> Carry:
        """The carry of a trace, from the arrays that ``take`` gave."""
        params, state, slots, metrics = tree.unflatten(self._form, moving)
        return Carry(params, state, slots, metrics, step)

    def arrays(self, carry: Carry) -> list[Any]:
        """The arrays of a carry, in the order of ``take``."""
        return tree.leaves(tree.map(lambda _, leaf: leaf, self._form, tuple(carry[: len(self._form)])))


def _value(holder: Any) -> Any:
    if isinstance(holder, Variable):
        return holder.concrete
    return holder.take() if isinstance(holder, Pack) else np.float32(holder())


# Seconds of a call from which on it is worth a thread of its own, so that Ctrl-C need not wait for it.
_SLOW = 0.5


class Compiled:
    """A program of a plan for data of one form, called with flat lists, so that a call looks nothing up.

    Args:
        function: Pure function ``(moving, fixed, data, orders, scalars) -> (arrays, results)``;
            ``results`` is a dict.
        plan: The plan whose arrays it gets.
        data: Tree of tensors.
        orders, scalars: As ``function`` takes them.
    """

    def __init__(self, function: Callable[..., Any], plan: Plan, data: Any, orders: Any, scalars: Any) -> None:
        moving, fixed = plan.take()
        self._count, self._names = len(moving), list[str]()
        form, end = tree.map(lambda leaf: None if leaf is None else True, data), len(moving) + len(fixed)

        def flat(leaves: Sequence[Any]) -> list[Any]:
            rows, numbers = iter(leaves[end : -len(scalars) - 1]), leaves[-len(scalars) :]
            given = tree.map(lambda mark: None if mark is None else next(rows), form)
            arrays, results = function(
                leaves[: self._count], leaves[self._count : end], given, leaves[-len(scalars) - 1], numbers
            )
            self._names = list(results)
            return [*arrays, *results.values()]

        self._program = K.specialize(flat, [*moving, *fixed, *self.leaves(data), orders, *scalars])
        self._is_slow = True  # until it is known

    @staticmethod
    def leaves(data: Any) -> list[Any]:
        """The tensors of a tree."""
        return [leaf for leaf in tree.leaves(data) if leaf is not None]

    def __call__(
        self, taken: tuple[list[Any], list[Any]], data: Sequence[Any], orders: Any, scalars: Any
    ) -> tuple[Sequence[Any], Any]:
        """New arrays of the plan, and the results as NumPy arrays."""
        moving, fixed = taken
        given = [*moving, *fixed, *data, orders, *scalars]
        if self._is_slow:
            began = time.perf_counter()
            flat = patiently(functools.partial(self._program, given))
            self._is_slow = time.perf_counter() - began > _SLOW
        else:
            flat = self._program(given)
        results = {name: np.asarray(K.to_numpy(x)) for name, x in zip(self._names, flat[self._count :], strict=True)}
        return flat[: self._count], results

"""Outputs for the rows of one batch: no loop, no walk over layers, nothing but what the answer needs.

Whoever asks for single rows waits for each answer. Measured for one row and a network of 784-10: 0.7 ms by way of the
loop that serves many batches, 0.02 ms by this one.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keraunos.backend import K, current_engine
from keraunos.core.scope import current_scope
from keraunos.core.variable import Variable, structure_version
from keraunos.training.interrupt import uninterrupted
from keraunos.training.plan import Numbers, Plan
from keraunos.utils import spelling, tree

if TYPE_CHECKING:
    from keraunos.training.running import Running

# Up to so many rows are filled up to a power of two, so that they share six programs.
_FEW = 32


class OneBatch:
    """The outputs of a model for inputs of one shape and type, compiled.

    Args:
        model: The model.
        plan: Its plan for prediction.
        inputs: Tree of arrays, with as many rows as ``capacity`` says.
    """

    def __init__(self, model: "Running", plan: Plan, inputs: Any) -> None:
        self._model, self._engine = model, current_engine()
        self._follow(plan)
        self._form: Any = None
        self._written: list[int] = []
        self._counted: tuple[Any, ...] = ()
        run = model._prediction(plan, None)
        moving, fixed = plan.take()
        places = (len(moving), len(moving) + len(fixed))

        def flat(leaves: Sequence[Any]) -> list[Any]:
            before = list(leaves[: places[0]])
            data = tree.unflatten(inputs, leaves[places[1] : -2])
            numbers = Numbers(0, 1, 0, 1, 0, *leaves[-2:])
            arrays, outputs = run(before, list(leaves[places[0] : places[1]]), (data,), numbers)
            self._form = tree.map(lambda leaf: None if leaf is None else True, outputs)
            self._written = [i for i, (old, new) in enumerate(zip(before, arrays, strict=True)) if new is not old]
            shown = [K.array(leaf) for leaf in tree.leaves(outputs) if leaf is not None]
            return [*shown, *(arrays[i] for i in self._written)]

        self._program = K.specialize(flat, [*moving, *fixed, *tree.leaves(inputs), *self._numbers()])
        self._draws = "predict" in vars(model).get("_drawing", ())

    def _follow(self, plan: Plan) -> None:
        self._variables, self._objectives, self._version = plan.variables(), plan.objectives, structure_version()
        self._places = [
            (vars(layer), name, value)
            for layer in self._model._flatten_layers()
            for name, value in vars(layer).items()
            if isinstance(value, Variable)
        ]

    def serves(self, plan: Plan) -> bool:
        """Whether the program is right for a plan, which it then takes up: the same Variables at the same places."""
        mine, before = self._identities(), dict(vars(self))
        self._follow(plan)
        if self._engine is current_engine() and mine == self._identities():
            return True
        # Whoever still has this program must go on to see that it is out of date.
        vars(self).update(before)
        return False

    def _identities(self) -> list[Any]:
        places = [(id(place), name, id(variable)) for place, name, variable in self._places]
        return [*map(id, self._variables), *places]

    def holds(self) -> bool:
        """Whether nothing has changed since the plan was made, so that no check needs to be made again."""
        if self._version != structure_version() or self._objectives is not self._model._objectives:
            return False
        for place, name, variable in self._places:
            if place.get(name) is not variable:
                return False
        return self._engine is current_engine() and current_scope() is None and not spelling.chosen()

    def outputs(self, inputs: Sequence[Any], rows: int) -> Any:
        """Outputs of the first rows as NumPy arrays of the caller's own."""
        values = [variable.concrete for variable in self._variables]
        results = self._program([*values, *inputs, *self._numbers()])
        if self._draws:
            self._model._count_drawn("predict", 1)
        if self._written:
            with uninterrupted():
                for place, value in zip(self._written, results[-len(self._written) :], strict=True):
                    self._variables[place].replace(value)
        if self._form is True:
            return self._own(results[0], rows)
        given = iter(results)
        return tree.map(lambda leaf: None if leaf is None else self._own(next(given), rows), self._form)

    def _own(self, tensor: Any, rows: int) -> Any:
        array = np.array(self._engine.to_numpy(tensor))
        return array if len(array) == rows else array[:rows]

    def _numbers(self) -> Any:
        """Seed and step on the device; the same ones unless each batch gets random numbers of its own."""
        now = (self._model.__dict__.get("_seed"), self._model._batches_drawn)
        if self._counted[:2] != now:
            seed, step = self._model._seed_now(), now[1]
            self._counted = (seed, step, [K.array(np.array(number, "int32")) for number in (seed, step)])
        return self._counted[2]


class Ready:
    """``OneBatch`` for data of one form that were checked before.

    Args:
        batch: Its program.
        rows: Rows of the data.
        capacity: Rows of the program.
        given: The data as they were given; later ones have the same shapes and types.
    """

    def __init__(self, batch: OneBatch, rows: int, capacity: int, given: Any) -> None:
        self._batch, self._rows, self._capacity = batch, rows, capacity
        self._as_it_is = type(given) is np.ndarray and rows == capacity and given.dtype != np.float64
        self.holds = batch.holds

    def __call__(self, inputs: Any) -> Any:
        """Outputs for data."""
        if self._as_it_is:
            return self._batch.outputs((inputs,), self._rows)
        return self._batch.outputs([filled(leaf, self._capacity) for leaf in tree.leaves(inputs)], self._rows)


class Watched:
    """``Ready`` for a model that looks up rows of tables.

    Args:
        ready: What predicts.
        before: Function that refuses inputs.
        after: Function of inputs and outputs that refuses outputs.
    """

    def __init__(self, ready: Ready, before: Callable[[Any], None], after: Callable[[Any, Any], None]) -> None:
        self._ready, self._before, self._after = ready, before, after
        self.holds = ready.holds

    def __call__(self, inputs: Any) -> Any:
        """Outputs for data."""
        self._before(inputs)
        outputs = self._ready(inputs)
        self._after(inputs, outputs)
        return outputs


def capacity_of(rows: int, plan: Plan) -> int:
    """How many rows a program for so many should have."""
    return 1 << (rows - 1).bit_length() if plan.pads and rows <= _FEW else rows


def filled(leaf: Any, capacity: int) -> Any:
    """An array with rows of zeros added, in the type in which models get it."""
    if leaf.dtype == np.float64:
        leaf = leaf.astype("float32")
    if len(leaf) == capacity:
        return leaf
    return np.concatenate([leaf, np.zeros((capacity - len(leaf), *leaf.shape[1:]), leaf.dtype)])

"""Steps one by one as plain Python, for debugging: what ``run_eagerly`` asks for.

Nothing is traced or compiled. A step is ``train_step``, ``test_step`` or ``predict_step`` as anybody may call it, on
tensors that have values, and a loop in it is one of Python (see ``backend.depth``).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from keraunos.backend import K
from keraunos.backend.depth import plainly
from keraunos.backend.spec import TensorSpec
from keraunos.core import phase
from keraunos.core.scope import Scope
from keraunos.core.variable import Variable, structure_version
from keraunos.training.interrupt import uninterrupted
from keraunos.training.running import METHODS, by_epoch, collect
from keraunos.training.step import call_step
from keraunos.utils import tree
from keraunos.utils.errors import DataError


class Stepwise:
    """The part of a trainer that runs steps as plain Python; see ``Trainer`` for what a user calls."""

    _steps_made: int

    def _run_plainly(
        self, mode: str, batches: Any, callbacks: Any, epoch: int, parts: list[Any] | None
    ) -> list[dict[str, Any]]:
        """``_run``, step after step as the code stands, so that all of it may look at values and stop in a debugger."""
        if mode != "predict":
            self.reset_metrics()
        parts = [] if parts is None else parts
        logs: dict[str, Any] = {}
        done = seen = 0
        pads = self._pads(mode)
        for block in batches.blocks(epoch):
            order = np.arange(block.rows) if block.order is None else block.order
            for start in range(0, block.rows, block.batch_size):
                index = order[start : min(start + block.batch_size, block.rows)]
                rows = len(index)
                getattr(callbacks, f"on_{mode}_batch_begin")(done, self._of_batch(mode, done, rows))
                earlier, batch_logs = logs, {}
                results = self._step_plainly(mode, block.data, index, block.batch_size if pads else rows)
                if mode == "predict":
                    collect(parts, results, rows)
                    batch_logs = {"outputs": parts[-1]}
                else:
                    logs = by_epoch(results, None)[0]
                    batch_logs = self._of_batch(mode, done, rows, logs, earlier, seen)
                done, seen = done + 1, seen + rows
                getattr(callbacks, f"on_{mode}_batch_end")(done - 1, batch_logs)
                if self.stop_training and mode == "train":
                    return [logs]
        if done == 0:
            raise DataError(f"{METHODS[mode]}: the data gave no batch.")
        return [logs]

    def _whole_plainly(self, mode: str, block: Any) -> Any:
        """``_whole``, as the code stands."""
        if mode != "predict":
            self.reset_metrics()
        results = self._step_plainly(mode, block.data, np.arange(block.rows), block.rows)
        return results if mode == "predict" else by_epoch(results, None)[0]

    def _step_plainly(self, mode: str, data: Any, index: Any, capacity: int) -> Any:
        """One step on the rows of an index: its logs or outputs.

        The step is ``train_step``, ``test_step`` or ``predict_step`` as anybody may call it. A Scope gives it the random
        numbers that the compiled step would get, and keeps what it assigns until it is over; so an error, or a debugger
        that is left, changes nothing. Rows are filled up to ``capacity`` as they are there.
        """
        rows = None
        if len(index) < capacity:
            rows = K.array((np.arange(capacity) < len(index)).astype("float32"))
            index = np.concatenate([index, np.repeat(index[-1:], capacity - len(index))])
        x, y, weight = tree.map(lambda leaf: None if leaf is None else K.rows(leaf[index], capacity), data)
        for variable in self.named_variables().values():
            variable.concrete  # noqa: B018  (made a tensor once, not at each of its uses)
        seed, number = (K.cast(count, "uint32") for count in (self._seed_now(), self._step_number(mode)))
        with (
            plainly(),
            Scope(
                key=lambda: K.fold_in(K.random_key(seed), number), strict=False, owner=f"the model {self.name!r}"
            ) as scope,
        ):
            scope.rows, scope.checked = rows, self._lookups_of(mode).checked
            if mode == "predict":
                results = self.step_method(mode)(x)
            elif self._owns(mode):
                results = call_step(self.step_method(mode), (x, y, weight))
            else:
                results = getattr(self, f"{mode}_step")((x, y, weight))
                results = {name: getattr(value, "value", value) for name, value in results.items()}
            results = K.wait(results)
        with uninterrupted():
            for variable, value in scope.writes.items():
                if self._keeps(mode, variable):
                    variable.replace(value)
            if mode == "train":
                self._steps_made += 1
            elif scope.drew:
                self._draws_in(mode)
                self._count_drawn(mode, 1)
        return results

    def _keeps(self, mode: str, variable: Variable) -> bool:
        """Whether what a step assigned to a Variable stays: of layers told to train while nothing is trained, no statistics."""
        if mode == "train" or not phase.fixed_training() or self._owns(mode) or not variable.saved:
            return True
        return any(variable is state for metric in self.metrics for state in metric.variables)

    # --- before the first step -----------------------------------------------------------

    def _outputs_plainly(self, batches: Any) -> Any:
        """Specs of the outputs, without a trace: those of the graph, else of the outputs for a first batch."""
        declared = self.declared_outputs()
        if declared is not None:
            return declared
        programs, key = self.__dict__.setdefault("_programs", {}), ("outputs seen", str(batches.spec[0]))
        if key not in programs or not self.built:
            outputs, rows = self._trial(lambda x, *_: self._forward(x), batches)
            programs[key] = tree.map(lambda leaf: _open_spec(leaf, rows), outputs)
        return programs[key]

    def declared_outputs(self) -> Any:
        """Specs of the outputs, where a graph says them, else ``None``."""
        return None

    def _rehearse_plainly(self, mode: str, batches: Any) -> None:
        """Run a step of the user's once where it has layers that have no weights yet, so that it finds all of them."""
        while not all(layer.built for layer in self._flatten_layers()):
            before = structure_version()
            try:
                self._trial(lambda *data: call_step(self.step_method(mode), data), batches)
                return
            except Exception:
                # A step may list the weights of layers before it calls them for the first time, and so builds them.
                if structure_version() == before:
                    raise

    def _trial(self, function: Callable[..., Any], batches: Any) -> tuple[Any, int]:
        """What a function returns for the rows of a first batch, and how many they are; what it assigns is forgotten."""
        parts = [leaf for leaf in tree.leaves(batches.sample()) if leaf is not None]
        rows = min(len(parts[0]), batches.batch_size)
        data = tree.map(lambda leaf: None if leaf is None else K.rows(leaf[:rows], rows), batches.sample())
        with plainly(), Scope(strict=False, key=lambda: K.random_key(0)):
            return function(*data), rows


def _open_spec(leaf: Any, rows: int) -> TensorSpec:
    """Spec of an output, whose first size is open where it is the number of rows."""
    shape = tuple(K.shape(leaf))
    return TensorSpec((None, *shape[1:]) if shape[:1] == (rows,) else shape, K.dtype(leaf))

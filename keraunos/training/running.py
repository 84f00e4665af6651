"""How the steps of an epoch run: chunks of compiled calls between which the Variables hold the truth.

Before each call the carry is *taken* from the Variables, after it is *given*
back; so whatever a callback assigns is obeyed, and an interruption leaves the
weights of the last finished call.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core.scope import fresh_seed
from keraunos.core.symbolic import infer
from keraunos.core.variable import Variable
from keraunos.metrics import Mean
from keraunos.training.interrupt import uninterrupted
from keraunos.training.packing import Packing
from keraunos.training.step import Batch, Carry, Held, many, own_step, predict_step, test_step, train_step
from keraunos.utils import spelling, tree
from keraunos.utils.errors import DataError

# Seconds that one compiled call should last: short enough for Ctrl-C and a live display.
_CHUNK_SECONDS = 0.1
# Blocks below this many bytes are filled up to a rounded number of rows, so that data sets of
# similar sizes (folds, validation, tests) share one program.
_ROUND_UP_BELOW = 1 << 26


_METHODS = {"train": "fit", "test": "evaluate", "predict": "predict"}


class Running:
    """The part of a trainer that runs steps; see ``Trainer`` for what a user calls."""

    if TYPE_CHECKING:  # what the trainer and the layer below it provide

        def __getattr__(self, name: str) -> Any: ...

    @property
    def _on_device(self) -> dict[Any, Any]:
        return self.__dict__.setdefault("_device_blocks", {})

    def _run(
        self, mode: str, batches: Any, callbacks: Any, epoch: int, parts: list[Any] | None = None
    ) -> dict[str, Any]:
        """All steps of one epoch; returns the logs, and appends outputs to ``parts``."""
        if mode != "predict":
            self.reset_metrics()
        every_batch = callbacks.watches_batches(mode) or getattr(self, "run_eagerly", False)
        held, padded = self._held(mode), self._pads(mode)
        parts = [] if parts is None else parts
        logs: dict[str, Any] = {}
        done = seen = 0
        for block in batches.blocks(epoch):
            steps = math.ceil(block.rows / block.batch_size)
            # A short last batch that may not be filled up runs through a program of its own.
            full = steps if padded else block.rows // block.batch_size
            data, order, capacity = self._place(block, batches.resident)
            program = self._program(mode, block, held, capacity) if full else None
            outputs = self._output_buffers(block, data, capacity) if mode == "predict" and full else None
            start = 0
            while start < steps and not (self.stop_training and every_batch and mode == "train"):
                exact = start >= full
                # The first call of an epoch makes one step, so that a display has something to show at once.
                single = every_batch or (done == 0 and callbacks.watches_progress)
                stop = steps if exact else min(full, start + (1 if single else self._pace(program)))
                if every_batch:
                    rows = min(block.batch_size, block.rows - start * block.batch_size)
                    getattr(callbacks, f"on_{mode}_batch_begin")(done, self._of_batch(mode, done, rows))
                began = time.perf_counter()
                if exact:
                    _collect(parts, outputs, full * block.batch_size)
                    outputs = None
                    index = order[full * block.batch_size : block.rows]
                    tail = tree.map(lambda leaf, rows=index: None if leaf is None else leaf[rows], block.data)
                    results = self._exact(mode, held, tail, block)
                    if mode == "predict":
                        _collect(parts, results, len(index))
                else:
                    assert program is not None
                    buffers = () if outputs is None else (outputs,)
                    carry, results = K.wait(
                        program(
                            self._take(held, mode), *buffers, data, order, start, stop, block.rows, self._seed_now()
                        )
                    )
                    self._give(held, carry, mode)
                    outputs = results if mode == "predict" else None
                    self._keep_pace(program, stop - start, time.perf_counter() - began)
                done += stop - start
                start = stop
                if mode != "predict":
                    earlier, logs = logs, plain_logs(results)
                if every_batch:
                    batch_logs = (
                        {"outputs": _rows_of_outputs(parts, outputs, block, start)}
                        if mode == "predict"
                        else self._of_batch(mode, done - 1, rows, logs, earlier, seen)
                    )
                    seen += rows
                    getattr(callbacks, f"on_{mode}_batch_end")(done - 1, batch_logs)
                elif callbacks.watches_progress:
                    callbacks.on_progress(mode, done, logs)
            _collect(parts, outputs, block.rows)
            if self.stop_training and mode == "train":
                break
        if done == 0:
            raise DataError(f"{_METHODS[mode]}: the data gave no batch.")
        return logs

    def _of_batch(
        self, mode: str, number: int, rows: int, logs: Any = None, earlier: Any = None, seen: int = 0
    ) -> dict[str, Any]:
        """What a hook of one batch is told: today the values of the epoch so far, if there are any yet."""
        if not spelling.chosen() or mode == "predict":
            return logs or {}
        means = [metric.name for metric in self.metrics if isinstance(metric, Mean)]
        return spelling.provider().batch_logs(number, rows, logs or {}, earlier or {}, seen, means)

    def _pace(self, program: Any) -> int:
        """Steps that one call should make."""
        return int(self.__dict__.setdefault("_paces", {}).get(id(program), 1))

    def _keep_pace(self, program: Any, steps: int, seconds: float) -> None:
        """Learn the pace from a call; the first call of a program also compiles, and so says little."""
        target = int(steps * _CHUNK_SECONDS / max(seconds, 1e-6))
        pace = self._pace(program)
        if steps >= pace or target < pace:
            self._paces[id(program)] = max(1, min(8 * pace, target))

    def _seed_now(self) -> Any:
        if "_seed" not in self.__dict__:
            self._seed = fresh_seed()
        return np.uint32(self._seed)

    def _exact(self, mode: str, held: Held, data: Any, block: Any) -> Any:
        """One step on rows of exactly this number: its logs or outputs."""
        program = self._program(f"{mode}_exact", block, held)
        carry, results = K.wait(program(self._take(held, mode), data, self._seed_now()))
        self._give(held, carry, mode)
        return results

    def _place(self, block: Any, resident: bool) -> tuple[Any, Any, int]:
        """The block's rows on the device, its order, and the number of rows it is filled up to."""
        rows = len(next(leaf for leaf in tree.leaves(block.data) if leaf is not None))
        size = sum(leaf.nbytes for leaf in tree.leaves(block.data) if leaf is not None)
        capacity = _rounded(rows) if size < _ROUND_UP_BELOW else rows
        key = tuple(id(leaf) for leaf in tree.leaves(block.data))
        if resident and key in self._on_device:
            data = self._on_device[key]
        else:
            data = tree.map(lambda leaf: None if leaf is None else K.array(_filled(leaf, capacity)), block.data)
            if resident:
                self._on_device[key] = data
        order = np.arange(block.rows, dtype="int32") if block.order is None else np.asarray(block.order, "int32")
        length = math.ceil(max(capacity, len(order)) / block.batch_size) * block.batch_size
        return data, np.concatenate([order, np.full(length - len(order), order[-1], "int32")]), capacity

    def _output_buffers(self, block: Any, data: Any, capacity: int) -> Any:
        """Empty arrays for the outputs of a whole block."""
        length = math.ceil(capacity / block.batch_size) * block.batch_size
        batch = tree.map(lambda leaf: TensorSpec((block.batch_size, *leaf.shape[1:]), K.dtype(leaf)), data[0])
        specs = self._outputs_of(self.predict_step, batch)
        return tree.map(lambda spec: K.zeros((length, *spec.shape[1:]), spec.dtype), specs)

    def _outputs_of(self, method: Callable[[Any], Any], specs: Any) -> Any:
        """Specs of what a method returns for specs; traced once, like the programs."""
        programs = self.__dict__.setdefault("_programs", {})
        key = ("outputs", method.__name__, str(specs))
        if key not in programs or not self.built:
            programs[key] = infer(method, (specs,))
        return programs[key]

    # --- programs ----------------------------------------------------------------------

    def _program(self, kind: str, block: Any, held: Held, capacity: int | None = None) -> Callable[..., Any]:
        """Compiled program of a kind; made anew when what it depends on has changed."""
        mode, _, exact = kind.partition("_")
        key = (
            kind,
            None if exact else block.batch_size,
            capacity,
            tuple(held.params),
            id(self._objectives),
            *self._training_key(mode),
        )
        programs = self.__dict__.setdefault("_programs", {})
        if key not in programs:
            function = self._own_program if self._owns(mode) else self._stock_program
            program = function(mode, bool(exact), held, block.batch_size)
            programs[key] = program if getattr(self, "run_eagerly", False) else K.compile(program)
        return programs[key]  # type: ignore[no-any-return]

    def _training_key(self, mode: str) -> tuple[Any, ...]:
        return self.optimizer.program_key if mode == "train" and self.optimizer is not None else ()

    def _stock_program(self, mode: str, exact: bool, held: Held, batch_size: int) -> Callable[..., Any]:
        if mode == "predict":
            return self._prediction(exact, held, batch_size)
        packing = self._packing(held.params) if mode == "train" else None

        def run(carry: Carry, data: Any, *rest: Any) -> Any:
            seed = rest[-1]
            if packing is not None:
                carry = _packed(packing, carry)

            def step(carry: Carry, batch: Batch) -> Carry:
                if packing is not None:
                    return train_step(self, held, packing, carry, batch, seed)
                return test_step(self, held, carry, batch, seed)

            if exact:
                carry = step(carry, Batch(*data))
            else:
                carry = many(step, batch_size, padded=self._pads(mode))(carry, data, *rest[:-1])
            if packing is not None:
                carry = _unpacked(packing, carry)
            with held.scope(carry, seed):
                results = self.get_metrics_result()
            return carry, results

        return run

    def _prediction(self, exact: bool, held: Held, batch_size: int) -> Callable[..., Any]:
        def run_exact(carry: Carry, data: Any, seed: Any) -> Any:
            return predict_step(self, held, carry, Batch(data[0], None, None, None), seed)

        def run(carry: Carry, outputs: Any, data: Any, order: Any, start: Any, stop: Any, total: Any, seed: Any) -> Any:
            def step(values: Any, batch: Batch) -> Any:
                carry, outputs, position = values
                carry, new = predict_step(self, held, carry, batch, seed)
                outputs = tree.map(
                    lambda buffer, rows: K.slice_update(buffer, (position,) + (0,) * (K.ndim(buffer) - 1), rows),
                    outputs,
                    new,
                )
                return carry, outputs, position + batch_size

            values = (carry, outputs, K.cast(start * batch_size, "int32"))
            carry, outputs, _ = many(step, batch_size, padded=False)(values, data, order, start, stop, total)
            return carry, outputs

        return run_exact if exact else run

    def _own_program(self, mode: str, exact: bool, held: Held, batch_size: int) -> Callable[..., Any]:
        """Program around a ``train_step`` or ``test_step`` that a subclass defines."""
        method = getattr(self, f"{mode}_step")
        if mode == "predict":
            return self._prediction(exact, held, batch_size)

        def run(carry: Carry, data: Any, *rest: Any) -> Any:
            seed = rest[-1]

            def step(values: Any, batch: Batch) -> Any:
                return own_step(method, held, values[0], batch, seed, trains=mode == "train")

            if exact:
                carry, logs = step((carry, None), Batch(*data))
            else:
                batch = tree.map(
                    lambda leaf: None if leaf is None else K.take(leaf, K.zeros((batch_size,), "int32"), 0), data
                )
                specs = infer(
                    lambda carry, batch: step((carry, None), Batch(*batch))[1], (_specs(carry), _specs(batch))
                )
                empty = tree.map(lambda spec: K.zeros(spec.shape, spec.dtype), specs)
                carry, logs = many(step, batch_size, padded=False)((carry, empty), data, *rest[:-1])
            return carry, logs

        return run

    def _owns(self, mode: str) -> bool:
        """Whether a subclass defines the step of a mode."""
        return bool(self._overrides(f"{mode}_step"))

    def _packing(self, params: dict[str, Variable]) -> Packing:
        return Packing(params, self.optimizer.decays, together=self.optimizer.packable)

    def _pads(self, mode: str) -> bool:
        """Whether a short last batch may be filled up: every part must treat rows one by one."""
        if self._owns(mode):
            return False
        layers = self._flatten_layers()  # type: ignore[attr-defined]
        if any(_couples(layer, mode) for layer in layers):
            return False
        if mode == "predict":
            return True
        plain = all(not self._overrides(name) for name in ("compute_loss", "compute_metrics", "metrics"))
        return plain and not self._own_metrics() and self._need_compile("fit").row_wise

    # --- taking and giving -----------------------------------------------------------

    def _held(self, mode: str = "predict") -> Held:
        variables = self.named_variables()  # type: ignore[attr-defined]
        trainable = {id(v) for v in self.trainable_variables} if mode == "train" else set()  # type: ignore[attr-defined]
        params = {path: v for path, v in variables.items() if id(v) in trainable}
        state = {path: v for path, v in variables.items() if id(v) not in trainable}
        metrics = {}
        if mode != "predict":
            metrics = {f"{i}/{j}": v for i, m in enumerate(self.metrics) for j, v in enumerate(m.variables)}
        if self._owns(mode):
            known = {id(v) for v in (*params.values(), *state.values(), *metrics.values())}
            for number, variable in enumerate(self._further_variables()):
                if id(variable) not in known:
                    state[f":{number}"] = variable
        return Held(params, state, metrics, f"the model {self.name!r}")  # type: ignore[attr-defined]

    def _further_variables(self) -> Iterator[Variable]:
        """Variables of optimizers and other helpers that a custom step may use."""
        for layer in self._flatten_layers():  # type: ignore[attr-defined]
            for value in vars(layer).values():
                for leaf in tree.leaves(value):
                    if isinstance(leaf, Variable):
                        yield leaf
                    elif hasattr(leaf, "variables") and not isinstance(leaf, Running):
                        yield from leaf.variables

    def _take(self, held: Held, mode: str) -> Carry:
        def values(variables: dict[str, Variable]) -> dict[str, Any]:
            return {path: variable.concrete for path, variable in variables.items()}

        slots = {}
        if mode == "train" and not self._owns(mode):
            slots = self.optimizer.state({variable: path for path, variable in held.params.items()})
        step = np.uint32(self.__dict__.get("_steps_made", 0))
        return Carry(values(held.params), values(held.state), slots, values(held.metrics), step)

    def _give(self, held: Held, carry: Carry, mode: str) -> None:
        with uninterrupted():
            for variables, arrays in (
                (held.params, carry.params),
                (held.state, carry.state),
                (held.metrics, carry.metrics),
            ):
                for path, variable in variables.items():
                    variable.assign(arrays[path])
            if mode == "train":
                if not self._owns(mode):
                    self.optimizer.set_state(carry.slots, {variable: path for path, variable in held.params.items()})
                self._steps_made = int(K.to_numpy(carry.step))


# --- helpers -------------------------------------------------------------------------------


def _packed(packing: Packing, carry: Carry) -> Carry:
    slots = {**carry.slots, "slots": {name: packing.pack(arrays) for name, arrays in carry.slots["slots"].items()}}
    return carry._replace(params=packing.pack(carry.params), slots=slots)


def _unpacked(packing: Packing, carry: Carry) -> Carry:
    slots = {**carry.slots, "slots": {name: packing.unpack(arrays) for name, arrays in carry.slots["slots"].items()}}
    return carry._replace(params=packing.unpack(carry.params), slots=slots)


def _couples(layer: Any, mode: str) -> bool:
    """Whether a row's output in this mode may depend on other rows, or the layer adds to the loss."""
    if getattr(layer, "activity_regularizer", None) is not None:
        return True
    if isinstance(layer, Running) and type(layer).__module__.split(".")[0] == "keraunos":
        return False
    if layer.batch_coupled is None:
        return True
    return bool(layer.batch_coupled) and (mode == "train" or bool(getattr(layer, "stateful", False)))


def plain_logs(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs as Python numbers (arrays where a metric has several values)."""
    values = {name: np.asarray(K.to_numpy(value)) for name, value in logs.items()}
    return {name: value.item() if value.ndim == 0 else value for name, value in values.items()}


def _specs(values: Any) -> Any:
    return tree.map(lambda leaf: None if leaf is None else TensorSpec(K.shape(leaf), K.dtype(leaf)), values)


def _collect(parts: list[Any], outputs: Any, rows: int) -> None:
    if outputs is not None and rows:
        parts.append(tree.map(lambda leaf: np.asarray(K.to_numpy(leaf))[:rows], outputs))


def _rows_of_outputs(parts: list[Any], outputs: Any, block: Any, stop: int) -> Any:
    """Outputs of the last batch that ran."""
    if outputs is None:
        return parts[-1]
    rows = slice((stop - 1) * block.batch_size, min(stop * block.batch_size, block.rows))
    return tree.map(lambda leaf: np.asarray(K.to_numpy(leaf))[rows], outputs)


def _filled(leaf: Any, capacity: int) -> Any:
    if len(leaf) == capacity:
        return leaf
    return np.concatenate([leaf, np.zeros((capacity - len(leaf), *leaf.shape[1:]), leaf.dtype)])


def _rounded(rows: int) -> int:
    """The number of rows, rounded up to three binary digits."""
    unit = 1 << max(0, rows.bit_length() - 3)
    return -(-rows // unit) * unit

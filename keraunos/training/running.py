"""How the steps of an epoch run: chunks of compiled calls between which the Variables hold the truth.

Before each call the carry is *taken* from the Variables, after it is *given*
back; so whatever a callback assigns is obeyed, and an interruption leaves the
weights of the last finished call.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core import phase
from keraunos.core.scope import fresh_seed
from keraunos.core.symbolic import RecordedVariable, infer
from keraunos.core.variable import Variable, structure_version
from keraunos.metrics import Mean
from keraunos.training.data.lookups import Lookups
from keraunos.training.interrupt import uninterrupted
from keraunos.training.packing import Packing
from keraunos.training.plan import Compiled, Numbers, Plan
from keraunos.training.stateless import takes_state, with_state
from keraunos.training.step import Batch, Carry, Held, many, own_step, predict_step, test_step, train_step
from keraunos.utils import spelling, tree
from keraunos.utils.errors import DataError

# Seconds that one compiled call should last: short enough for Ctrl-C and a live display.
_CHUNK_SECONDS = 0.1
# Blocks below this many bytes are filled up to a rounded number of rows, so that data sets of
# similar sizes (folds, validation, tests) share one program.
_ROUND_UP_BELOW = 1 << 26
# Row numbers of which the orders of several epochs are laid out at once, so that small epochs can
# run in one call (measured: a call costs as much as 15 steps of a small network).
_ROWS_AHEAD = 1 << 15
_EPOCHS_AHEAD = 64


METHODS = {"train": "fit", "test": "evaluate", "predict": "predict"}


class Running:
    """The part of a trainer that runs steps; see ``Trainer`` for what a user calls."""

    _steps_made = 0
    _batches_drawn = 0  # of those that were not trained on, how many asked for random numbers

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run one by one as plain Python, for debugging; may be set."""
        return bool(self.__dict__.get("_run_eagerly", False))

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        self._run_eagerly = bool(value)
        self.__dict__.get("_programs", {}).clear()

    @property
    def own_rows(self) -> int | None:
        """Rows of a batch where no input is given, since the model computes all of them; else ``None``."""
        return None

    @property
    def has_call(self) -> bool:
        """Whether the model itself computes outputs."""
        return True

    @property
    def computes_inputs(self) -> bool:
        """Whether the model computes some of its inputs itself."""
        return False

    @property
    def _on_device(self) -> dict[Any, Any]:
        return self.__dict__.setdefault("_device_blocks", {})

    def _run(
        self, mode: str, batches: Any, callbacks: Any, epoch: int, parts: list[Any] | None = None, left: int = 1
    ) -> list[dict[str, Any]]:
        """All steps of an epoch, or of several of the ``left`` ones where nobody looks between them.

        Returns the logs of each epoch, and appends outputs to ``parts``.
        """
        if self.run_eagerly:
            return self._run_plainly(mode, batches, callbacks, epoch, parts)
        plan = self._plan(mode)
        every_batch = callbacks.watches_batches(mode)
        alone = every_batch or callbacks.watches_progress or callbacks.watches_epochs
        if mode != "predict" and plan.initial is None:
            self.reset_metrics()
        parts = [] if parts is None else parts
        finished: list[dict[str, Any]] = []
        logs: dict[str, Any] = {}
        done = seen = 0
        for block in self._blocks(batches, epoch):
            steps = math.ceil(block.rows / block.batch_size)
            # A short last batch that may not be filled up runs through a program of its own.
            full = steps if plan.pads else block.rows // block.batch_size
            placed = self._place(plan, block, batches, epoch, left if full == steps else 1)
            count = 1 if alone else placed.epochs
            program = self._program(plan, block, placed) if full else None
            outputs = self._output_buffers(block, placed) if mode == "predict" and full else None
            whole = start = 0  # epochs that are complete, and steps of the next one
            while whole < count and not (self.stop_training and every_batch and mode == "train"):
                exact = start >= full
                # The first call of an epoch makes one step, so that a display has something to show at once.
                single = every_batch or (done == 0 and callbacks.watches_progress)
                pace = 1 if single else self._pace(program)
                stop = steps if exact else min(full, start + pace)
                last = min(whole + pace // steps, count) if start == 0 and pace > steps else whole + 1
                if every_batch:
                    rows = min(block.batch_size, block.rows - start * block.batch_size)
                    getattr(callbacks, f"on_{mode}_batch_begin")(done, self._of_batch(mode, done, rows))
                fresh = start == 0 and (whole > 0 or done == 0)
                numbers = Numbers(
                    placed.first + whole,
                    placed.first + last,
                    start,
                    stop,
                    block.rows,
                    self._seed_now(),
                    self._step_number(mode),
                )
                began = time.perf_counter()
                if exact:
                    collect(parts, outputs, full * block.batch_size)
                    outputs = None
                    index = placed.rows[full * block.batch_size : block.rows]
                    tail = tree.map(lambda leaf, rows=index: None if leaf is None else leaf[rows], block.data)
                    results = self._exact(plan, tail, block, numbers, fresh)
                    if mode == "predict":
                        collect(parts, results, len(index))
                else:
                    assert program is not None
                    if isinstance(program, Compiled):
                        arrays, results = program(plan.take(fresh), placed.leaves, placed.orders, numbers.scalars())
                    else:
                        buffers = () if outputs is None else (outputs,)
                        arrays, results = program(
                            *plan.take(fresh), placed.data, placed.orders, numbers.scalars(), *buffers
                        )
                        results = K.wait(results)
                    self._give(plan, arrays, (stop - start) * (last - whole))
                    outputs = results if mode == "predict" else None
                    self._keep_pace(program, (stop - start) * (last - whole), time.perf_counter() - began)
                done += stop - start
                if mode != "predict":
                    earlier = logs
                    of_epochs = by_epoch(results, None if exact else range(numbers.first, numbers.last))
                    logs = of_epochs[-1]
                    finished += of_epochs if stop == steps else []
                start, whole = (stop, whole) if stop < steps else (0, last)
                if every_batch:
                    batch_logs = (
                        {"outputs": _rows_of_outputs(parts, outputs, block, stop)}
                        if mode == "predict"
                        else self._of_batch(mode, done - 1, rows, logs, earlier, seen)
                    )
                    seen += rows
                    getattr(callbacks, f"on_{mode}_batch_end")(done - 1, batch_logs)
                elif callbacks.watches_progress:
                    callbacks.on_progress(mode, done, logs)
            collect(parts, outputs, block.rows)
            if self.stop_training and mode == "train":
                break
        if done == 0:
            raise DataError(f"{METHODS[mode]}: the data gave no batch.")
        return finished if count > 1 else [logs]

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

    def _seed_now(self) -> int:
        if "_seed" not in self.__dict__:
            self._seed = fresh_seed()
        return int(self._seed)

    def _step_number(self, mode: str) -> int:
        """The number from which, with the seed, the random numbers of the next step follow."""
        return self._steps_made if mode == "train" else self._batches_drawn

    def _draws_in(self, mode: str) -> None:
        """Remember that a mode asks for random numbers: each of its batches shall get its own."""
        self.__dict__.setdefault("_drawing", set()).add(mode)

    def _count_drawn(self, mode: str, batches: int) -> None:
        if mode in self.__dict__.get("_drawing", ()):
            self._batches_drawn += batches

    def _exact(self, plan: Plan, data: Any, block: Any, numbers: Numbers, fresh: bool) -> Any:
        """One step on rows of exactly this number: its logs or outputs."""
        program = self._program(plan, block)
        arrays, results = program(*plan.take(fresh), data, numbers.scalars())
        results = K.wait(results)
        self._give(plan, arrays, 1)
        return results

    def _whole(self, mode: str, block: Any) -> Any:
        """A block as one step: its logs or outputs."""
        if self.run_eagerly:
            return self._whole_plainly(mode, block)
        plan = self._plan(mode)
        if mode != "predict" and plan.initial is None:
            self.reset_metrics()
        numbers = Numbers(0, 1, 0, 1, block.rows, self._seed_now(), self._step_number(mode))
        results = self._exact(plan, block.data, block, numbers, fresh=True)
        return results if mode == "predict" else by_epoch(results, None)[0]

    def _blocks(self, batches: Any, epoch: int) -> Any:
        """The blocks of an epoch; the one of an epoch whose order lies on the device already is not made again."""
        placed = self._on_device.get("orders")
        if placed is not None and placed.ahead > 1 and placed.serves(batches, self._seed_now(), epoch, placed.ahead):
            return [placed.block]
        return batches.blocks(epoch)

    def _place(self, plan: Plan, block: Any, batches: Any, epoch: int, left: int) -> "Placed":
        """The rows of a block on the device, and the order in which this epoch and some later ones visit them."""
        rows = len(next(leaf for leaf in tree.leaves(block.data) if leaf is not None))
        size = sum(leaf.nbytes for leaf in tree.leaves(block.data) if leaf is not None)
        capacity = _rounded(rows) if size < _ROUND_UP_BELOW else rows
        key = tuple(id(leaf) for leaf in tree.leaves(block.data))
        if batches.resident and key in self._on_device:
            data = self._on_device[key]
        else:
            data = tree.map(lambda leaf: None if leaf is None else K.rows(leaf, capacity), block.data)
            if batches.resident:
                self._on_device[key] = data
        length = math.ceil(max(capacity, block.rows) / block.batch_size) * block.batch_size
        ahead = 1
        if plan.initial is not None and plan.mode == "train" and not plan.asks:
            ahead = max(1, min(_ROWS_AHEAD // length, _EPOCHS_AHEAD))
        placed = self._on_device.get("orders")
        if placed is not None and placed.serves(batches, self._seed_now(), epoch, ahead):
            return placed.at(epoch)  # type: ignore[no-any-return]
        orders = batches.orders(epoch, min(left, ahead)) if ahead > 1 else None
        if orders is None:
            orders = np.arange(block.rows, dtype="int32") if block.order is None else block.order
            orders = np.asarray(orders, "int32")[None]
        laid = np.zeros((ahead, length), "int32")
        laid[: len(orders), : block.rows] = orders
        laid[: len(orders), block.rows :] = orders[:, -1:]
        origin = (batches, self._seed_now(), epoch)
        leaves = Compiled.leaves(data)
        form = tuple((leaf.shape, K.dtype(leaf)) for leaf in leaves)
        placed = Placed(block, data, leaves, form, K.array(laid), laid[0], capacity, ahead, 0, len(orders), origin)
        if batches.resident and (ahead > 1 or block.order is None):
            self._on_device["orders"] = placed
        return placed

    def _output_buffers(self, block: Any, placed: "Placed") -> Any:
        """Empty arrays for the outputs of a whole block."""
        length = math.ceil(placed.capacity / block.batch_size) * block.batch_size
        batch = tree.map(lambda leaf: TensorSpec((block.batch_size, *leaf.shape[1:]), K.dtype(leaf)), placed.data[0])
        specs = self._outputs_of(self.step_method("predict"), batch)
        return tree.map(lambda spec: K.zeros((length, *spec.shape[1:]), spec.dtype), specs)

    def _outputs_of(self, method: Callable[[Any], Any], specs: Any) -> Any:
        """Specs of what a method returns for specs; traced once, like the programs."""
        programs = self.__dict__.setdefault("_programs", {})
        key = ("outputs", method.__name__, str(specs))
        if key not in programs or not self.built:
            programs[key] = infer(method, (specs,))
        return programs[key]

    # --- programs ----------------------------------------------------------------------

    def _program(self, plan: Plan, block: Any, placed: "Placed | None" = None) -> Callable[..., Any]:
        """Compiled program of many steps, or of one if nothing is placed; made anew when what it depends on has changed."""
        size = None if placed is None else block.batch_size
        key = (
            plan.mode,
            size,
            None if placed is None else (placed.capacity, placed.ahead, placed.form),
            plan.paths,
            id(self._objectives),
            *self._training_key(plan.mode),
        )
        programs = self.__dict__.setdefault("_programs", {})
        if key not in programs:
            if plan.mode == "predict":
                program = self._prediction(plan, size)
            elif placed is None:
                program = self._single(plan)
            else:
                program = self._several(plan, block.batch_size, placed.ahead)
            if placed is None or plan.mode == "predict":
                programs[key] = K.compile(program)
            else:
                numbers = Numbers(*[0] * len(Numbers._fields))
                programs[key] = Compiled(program, plan, placed.data, placed.orders, numbers.scalars())
        return programs[key]  # type: ignore[no-any-return]

    def _training_key(self, mode: str) -> tuple[Any, ...]:
        of_optimizer = self.optimizer.program_key if mode == "train" and self.optimizer is not None else ()
        return phase.fixed_training(), *of_optimizer

    def _single(self, plan: Plan) -> Callable[..., Any]:
        """Program of one step on the rows that it is given."""

        def run(moving: Any, fixed: Any, data: Any, scalars: Any) -> Any:
            numbers = Numbers.of(scalars)
            step = self._step(plan, fixed, numbers.seed)
            carry, logs = step((plan.carry(moving, numbers.step), None), Batch(*data))
            return plan.arrays(carry), self._logs(plan, carry, fixed, numbers, logs)

        return run

    def _several(self, plan: Plan, batch_size: int, ahead: int) -> Callable[..., Any]:
        """Program of many steps of one epoch, or of all steps of some epochs; results have an axis of epochs."""

        def run(moving: Any, fixed: Any, data: Any, orders: Any, scalars: Any) -> Any:
            numbers = Numbers.of(scalars)
            step = self._step(plan, fixed, numbers.seed)
            steps = many(step, batch_size, padded=plan.pads)

            def epoch(number: Any, values: Any) -> Any:
                carry, logs, results = values
                if plan.initial is not None and ahead > 1:
                    # ``take`` has seen to the first of them.
                    begins = K.greater(number, numbers.first)
                    fresh = {path: K.where(begins, plan.initial[path], x) for path, x in carry.metrics.items()}
                    carry = carry._replace(metrics=fresh)
                order = K.reshape(K.slice(orders, (number, 0), (1, K.shape(orders)[1])), (-1,))
                carry, logs = steps((carry, logs), data, order, numbers.start, numbers.stop, numbers.total)
                new = self._logs(plan, carry, fixed, numbers, logs)
                return carry, logs, {name: _put(results[name], number, new[name]) for name in new}

            carry = plan.carry(moving, numbers.step)
            logs = self._empty_logs(step, carry, data, batch_size) if self._owns(plan.mode) else None
            shapes = self._logs(plan, carry, fixed, numbers, logs)
            results = {name: K.zeros((ahead, *K.shape(value)), K.dtype(value)) for name, value in shapes.items()}
            values = (carry, logs, results)
            values = epoch(numbers.first, values) if ahead == 1 else K.loop(epoch, values, numbers.first, numbers.last)
            return plan.arrays(values[0]), values[2]

        return run

    def _step(self, plan: Plan, fixed: Any, seed: Any) -> Callable[..., Any]:
        """A step on ``(carry, logs)``; ``logs`` are those of a step that a subclass defines, else ``None``."""
        mode, held, values = plan.mode, plan.held, plan.of_fixed(fixed)

        def step(carry_and_logs: Any, batch: Batch) -> Any:
            carry, logs = carry_and_logs
            carry = carry._replace(fixed=values)
            if self._owns(mode):
                carry, logs = own_step(self, self.step_method(mode), held, carry, batch, seed, trains=mode == "train")
            elif mode == "train":
                assert plan.packing is not None
                carry = train_step(self, held, plan.packing, carry, batch, seed)
            else:
                carry = test_step(self, held, carry, batch, seed)
            return carry._replace(fixed=None), logs

        return step

    def _logs(self, plan: Plan, carry: Carry, fixed: Any, numbers: Numbers, logs: Any) -> dict[str, Any]:
        if self._owns(plan.mode):
            return logs  # type: ignore[no-any-return]
        params = carry.params if plan.packing is None else plan.packing.unpack(carry.params)
        carry = carry._replace(params=params, fixed=plan.of_fixed(fixed))
        with plan.held.scope(carry, numbers.seed):
            results = self.get_metrics_result()
            return {name: K.array(getattr(value, "value", value)) for name, value in results.items()}

    def _empty_logs(self, step: Callable[..., Any], carry: Carry, data: Any, batch_size: int) -> Any:
        batch = tree.map(lambda leaf: None if leaf is None else K.take(leaf, K.zeros((batch_size,), "int32"), 0), data)
        specs = infer(lambda carry, batch: step((carry, None), Batch(*batch))[1], (_specs(carry), _specs(batch)))
        return tree.map(lambda spec: K.zeros(spec.shape, spec.dtype), specs)

    def _prediction(self, plan: Plan, batch_size: int | None) -> Callable[..., Any]:
        """Program that fills ``outputs`` batch by batch, or without a batch size predicts the rows it is given."""

        def run_exact(moving: Any, fixed: Any, data: Any, scalars: Any) -> Any:
            numbers = Numbers.of(scalars)
            carry, outputs = predict(numbers, fixed)(plan.carry(moving, numbers.step), Batch(data[0], None, None))
            return plan.arrays(carry), outputs

        def run(moving: Any, fixed: Any, data: Any, orders: Any, scalars: Any, outputs: Any) -> Any:
            numbers = Numbers.of(scalars)

            def step(values: Any, batch: Batch) -> Any:
                carry, outputs, position = values
                carry, new = predict(numbers, fixed)(carry, batch)
                outputs = tree.map(lambda buffer, rows: _put_rows(buffer, position, rows), outputs, new)
                return carry, outputs, position + batch_size

            values = (plan.carry(moving, numbers.step), outputs, numbers.start * batch_size)
            steps = many(step, batch_size, padded=False)  # type: ignore[arg-type]
            carry, outputs, _ = steps(values, data, orders[0], numbers.start, numbers.stop, numbers.total)
            return plan.arrays(carry), outputs

        def predict(numbers: Numbers, fixed: Any) -> Callable[[Carry, Batch], Any]:
            values = plan.of_fixed(fixed)

            def step(carry: Carry, batch: Batch) -> Any:
                carry, outputs = predict_step(self, plan.held, carry._replace(fixed=values), batch, numbers.seed)
                return carry._replace(fixed=None), outputs

            return step

        return run_exact if batch_size is None else run

    def _owns(self, mode: str) -> bool:
        """Whether the step of a mode runs as a method, in ordinary style.

        A subclass defines it; or it has to call what the library's own, pure step has no place for: a
        ``compute_metrics`` that returns further values, or an optimizer that applies gradients in its own way.
        """
        if self._overrides(f"{mode}_step"):
            return True
        if mode == "predict":
            return False
        by_optimizer = mode == "train" and (getattr(self.optimizer, "applies_itself", False) or self._step_of_era())
        return bool(by_optimizer) or bool(self._overrides("compute_metrics"))

    def _step_of_era(self) -> Any:
        """The training step where an optimizer of an earlier era says it itself."""
        return spelling.provider().compiling().own_step(self) if spelling.chosen() and self.optimizer else None

    def step_method(self, mode: str) -> Callable[[Any], Any]:
        """The step of a mode as a method of the data alone."""
        method: Callable[..., Any] = getattr(self, f"{mode}_step")
        said = self._step_of_era() if mode == "train" and not self._overrides("train_step") else None
        if said is not None:
            return said  # type: ignore[no-any-return]
        return with_state(self, mode, method) if takes_state(method) else method

    def _pads(self, mode: str) -> bool:
        """Whether a short last batch may be filled up: every part must treat rows one by one."""
        if self._owns(mode) or self.computes_inputs or (mode != "predict" and self._own_targets()):
            return False
        layers = self._flatten_layers()  # type: ignore[attr-defined]
        trains = mode == "train" or phase.fixed_training() or any(map(_told_to_train, layers))
        if any(_couples(layer, bool(trains)) for layer in layers):
            return False
        if mode != "predict" and any(layer._symbolic_losses for layer in layers):
            return False
        if mode == "predict":
            return True
        plain = not any(map(self._overrides, ("compute_loss", "metrics", "get_metrics_result", "track_loss")))
        return plain and not self._own_metrics() and self._need_compile("fit").row_wise

    # --- taking and giving -----------------------------------------------------------

    def _plan(self, mode: str) -> Plan:
        """The plan of a mode; ``_forget_plans`` when a run begins, since layers may have been exchanged."""
        plans = self.__dict__.setdefault("_programs", {})
        plan = plans.get(("plan", mode))
        if plan is None or not plan.holds(self._objectives):
            plan = plans[("plan", mode)] = self._new_plan(mode)
        return plan  # type: ignore[no-any-return]

    def _forget_plans(self) -> None:
        for mode in METHODS:
            self.__dict__.get("_programs", {}).pop(("plan", mode), None)

    def _new_plan(self, mode: str) -> Plan:
        held = self._held(mode)
        resets = mode != "predict" and not self._owns(mode) and not self._overrides("reset_metrics")
        resets = resets and all(_library(metric) for metric in self.metrics)
        if resets:
            self.reset_metrics()
        slots: dict[str, Any] = {}
        packing = None
        if mode == "train" and not self._owns(mode):
            self.optimizer.extend(held.params.values())
            slots = self.optimizer.holders({variable: path for path, variable in held.params.items()})
            packing = Packing(held.params, self.optimizer.decays, together=self.optimizer.packable)
        return Plan(
            mode, held, slots, pads=self._pads(mode), resets=resets, objectives=self._objectives, packing=packing
        )

    def _held(self, mode: str) -> Held:
        """The Variables by path: those that a mode trains, those that it may change, and those that it only reads."""
        variables = self.named_variables()  # type: ignore[attr-defined]
        owns = self._owns(mode)
        trainable = {id(v) for v in self._trained_variables()} if mode == "train" else set()
        params = {path: v for path, v in variables.items() if id(v) in trainable}
        others = {path: v for path, v in variables.items() if id(v) not in trainable}
        # Here no optimizer is at work on these, and few layers assign a trainable Variable.
        fixed = {path: v for path, v in others.items() if v.trainable and not owns and not v.assigned_in_calls}
        state = {path: v for path, v in others.items() if path not in fixed}
        mine = {id(v) for v in variables.values()}
        for number, variable in enumerate(self.__dict__.get("_borrowed", ())):
            lent = mode != "train" or spelling.chosen() or isinstance(variable, RecordedVariable)
            if lent and id(variable) not in mine:
                (fixed if variable.trainable else state)[f":borrowed/{number}"] = variable
        # Metrics of layers are updated in every call of theirs. What ``metrics`` of a subclass leaves out is counted
        # nevertheless, though nobody is shown it.
        counted = self._own_metrics() if mode == "predict" else [*self.metrics, *self._compiled_metrics()]
        unique = {id(metric): metric for metric in counted}.values()
        metrics = {f"{i}/{j}": v for i, m in enumerate(unique) for j, v in enumerate(m.variables)}
        if owns:
            known = {id(v) for v in (*params.values(), *state.values(), *metrics.values())}
            for number, variable in enumerate(self._further_variables()):
                if id(variable) not in known:
                    state[f":{number}"] = variable
        owner = f"the model {self.name!r}"  # type: ignore[attr-defined]
        return Held(params, state, metrics, fixed, owner, self._lookups_of(mode).checked)

    def lookups(self) -> Lookups:
        """Which numbers of the data layers look up, as far as it is known."""
        return Lookups()

    def final_activations(self) -> dict[str, tuple[str, str]]:
        """Of outputs of which they are known: the name of the layer that ends them, and of its activation."""
        return {}

    @property
    def carries_nan(self) -> bool:
        """Whether it is known that NaN in an input reaches the outputs: nothing on the way takes it out."""
        return False

    def _lookups_of(self, mode: str) -> Lookups:
        """The lookups of a mode's steps; of a step of the user's own, none is known."""
        programs = self.__dict__.setdefault("_programs", {})
        version, graph, found = programs.get("lookups", (None, None, None))
        if version != structure_version() or graph is not self.__dict__.get("_graph"):
            found = self.lookups()
            programs["lookups"] = structure_version(), self.__dict__.get("_graph"), found
        if found.known and self._owns(mode):
            return Lookups(open=[layer.name for layer in found.checked] + list(found.open))
        return found  # type: ignore[no-any-return]

    def _trained_variables(self) -> list[Variable]:
        """The Variables that training changes."""
        trained = self.__dict__.get("_trained")
        return list(self.trainable_variables if trained is None else trained)  # type: ignore[attr-defined]

    def _further_variables(self) -> Iterator[Variable]:
        """Variables of optimizers and other helpers that a custom step may use."""
        for layer in self._flatten_layers():  # type: ignore[attr-defined]
            for attribute, value in vars(layer).items():
                if attribute in layer._not_parts and attribute != "optimizer":
                    continue
                for leaf in tree.leaves(value):
                    if isinstance(leaf, Variable):
                        yield leaf
                    elif hasattr(leaf, "variables") and not isinstance(leaf, Running):
                        yield from leaf.variables

    def _give(self, plan: Plan, arrays: Any, steps: int) -> None:
        with uninterrupted():
            plan.give(arrays)
            if plan.mode == "train":
                self._steps_made += steps
            else:
                self._count_drawn(plan.mode, steps)


class Placed(NamedTuple):
    """A block on the device."""

    block: Any
    data: Any
    leaves: list[Any]  # of the data
    form: Any  # their shapes and types
    orders: Any  # row numbers of each step, by epoch, filled up to whole batches
    rows: Any  # those of the first epoch, as NumPy array
    capacity: int  # rows that the data are filled up to
    ahead: int  # epochs that ``orders`` has room for
    first: int  # where in ``orders`` the epoch at hand is
    epochs: int  # how many are there from it on
    origin: tuple[Any, int, int]  # the batches, the seed and the epoch that the orders begin with

    def serves(self, batches: Any, seed: int, epoch: int, ahead: int) -> bool:
        """Whether the order of an epoch is among these."""
        mine, drawn_with, begin = self.origin
        same = mine is batches and drawn_with == seed and self.ahead == ahead
        return same and (ahead == 1 or begin <= epoch < begin + self.first + self.epochs)

    def at(self, epoch: int) -> "Placed":
        """The same for one of the epochs."""
        first = epoch - self.origin[2] if self.ahead > 1 else 0
        return self._replace(first=first, epochs=self.first + self.epochs - first)


# --- helpers -------------------------------------------------------------------------------


def _told_to_train(layer: Any) -> bool:
    """Whether a call in the graph says that the layer trains, whatever the model does."""
    names = layer._call_signature().names
    told = ((dict(zip(names, node.args, strict=False)) | node.kwargs).get("training") for node in layer._nodes)
    return any(training if isinstance(training, int) else training is not None for training in told)


def _couples(layer: Any, trains: bool) -> bool:
    """Whether a row's output may depend on other rows, or the layer adds to the loss."""
    if getattr(layer, "activity_regularizer", None) is not None:
        return True
    if isinstance(layer, Running) and type(layer).__module__.split(".")[0] == "keraunos":
        return False
    if layer.batch_coupled is None:
        return True
    return bool(layer.batch_coupled) and (
        trains or bool(getattr(layer, "coupled_in_prediction", getattr(layer, "stateful", False)))
    )


def _library(metric: Any) -> bool:
    """Whether a metric is the library's own, so that ``reset_state`` does nothing but assign constants."""
    return type(metric).__module__.split(".")[0] == "keraunos"


def by_epoch(results: dict[str, Any], epochs: Any) -> list[dict[str, Any]]:
    """Logs of each epoch as numbers, from arrays with an axis of epochs, or without one."""
    values = {name: np.asarray(K.to_numpy(value)) for name, value in results.items()}
    if epochs is None:
        return [plain_logs(values)]
    return [plain_logs({name: value[epoch] for name, value in values.items()}) for epoch in epochs]


def _put(buffer: Any, number: Any, value: Any) -> Any:
    """The buffer with a value at a place of its first axis."""
    if K.shape(buffer)[0] == 1:
        return K.expand_dims(value, 0)
    return _put_rows(buffer, number, K.expand_dims(value, 0))


def _put_rows(buffer: Any, position: Any, rows: Any) -> Any:
    return K.slice_update(buffer, (position,) + (0,) * (K.ndim(buffer) - 1), rows)


def plain_logs(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs as Python numbers (arrays where a metric has several values)."""
    return {name: value.item() if np.ndim(value) == 0 else np.asarray(value) for name, value in logs.items()}


def _specs(values: Any) -> Any:
    return tree.map(lambda leaf: None if leaf is None else TensorSpec(K.shape(leaf), K.dtype(leaf)), values)


def collect(parts: list[Any], outputs: Any, rows: int) -> None:
    """Append the first rows of outputs, where there are any, to the parts as NumPy arrays."""
    if outputs is not None and rows:
        parts.append(tree.map(lambda leaf: np.asarray(K.to_numpy(leaf))[:rows], outputs))


def _rows_of_outputs(parts: list[Any], outputs: Any, block: Any, stop: int) -> Any:
    """Outputs of the last batch that ran."""
    if outputs is None:
        return parts[-1]
    rows = slice((stop - 1) * block.batch_size, min(stop * block.batch_size, block.rows))
    return tree.map(lambda leaf: np.asarray(K.to_numpy(leaf))[rows], outputs)


def _rounded(rows: int) -> int:
    """The number of rows, rounded up to three binary digits."""
    unit = 1 << max(0, rows.bit_length() - 3)
    return -(-rows // unit) * unit

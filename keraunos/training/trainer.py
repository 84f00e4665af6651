"""The shell that a user drives: compile, fit, evaluate, predict, and single batches.

Everything here is plain Python around compiled calls. Before each call the
carry is *taken* from the Variables, after it is *given* back; so whatever a
callback assigns is obeyed, and an interruption leaves the weights of the last
finished call.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, SupportsFloat, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from keraunos import optimizers
from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core import phase, registry
from keraunos.core.evaluation import value_of
from keraunos.core.gradient import value_and_gradients
from keraunos.core.scope import Scope, current_scope, fresh_seed, noting_reads
from keraunos.core.symbolic import infer
from keraunos.core.variable import structure_changed, structure_version
from keraunos.training import data as data_sources
from keraunos.training.callbacks import Callback, CallbackList, History, TerminateOnNaN
from keraunos.training.computed import completed
from keraunos.training.data.streams import is_stream
from keraunos.training.inspection import Inspection, refuse_lookups, warn_of_outputs
from keraunos.training.objectives import Objectives
from keraunos.training.one_batch import OneBatch, Ready, Watched, capacity_of, filled
from keraunos.training.running import METHODS, Running
from keraunos.training.stateless import takes_state
from keraunos.training.stepwise import Stepwise
from keraunos.training.unasked import refuse_unasked
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, DataError, NotCompiledError, UsageError, warn
from keraunos.utils.spelling import spelled
from keraunos.utils.text import plural
from keraunos.utils.tracebacks import tidy, told

# What training goes on from beside the Variables.
F = TypeVar("F", bound=Callable[..., Any])
_COUNTERS = ("seed", "steps_made", "epochs_made", "batches_drawn")


# A name or a function (a loss or metric is one), or several by place or by output.
Functions = str | Callable[..., Any] | Sequence[Any] | Mapping[str, Any] | None


class Transformation(Protocol):
    """An optimizer of optax, as far as it must be known here."""

    @property
    def init(self) -> Callable[..., Any]:
        """Makes the state."""

    @property
    def update(self) -> Callable[..., Any]:
        """Makes the changes."""


def _as_compiled(method: F) -> F:
    """A method that runs while each layer is frozen or free as it was when the model was compiled."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._flags_of_compile():
            return method(self, *args, **kwargs)

    return cast(F, call)


class Trainer(Stepwise, Running):
    """Training of a Stateful that is callable: ``compile``, ``fit``, ``evaluate``, ``predict``."""

    optimizer: Any = None
    stop_training = False
    _stepping = False
    _objectives: Objectives | None = None

    # --- compile -----------------------------------------------------------------

    @spelled
    def compile(
        self,
        optimizer: str | optimizers.Optimizer | Transformation | Mapping[str, Any] = "rmsprop",
        loss: Functions = None,
        loss_weights: SupportsFloat | Sequence[Any] | Mapping[str, Any] | None = None,
        metrics: Functions = None,
        weighted_metrics: Functions = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        *,
        targets: Any = None,
        weigh: Any = None,
    ) -> None:
        """Say how to train.

        Args:
            optimizer: Name, object, or any optax transformation.
            loss: Name, function or object; a list or dict for several outputs.
            loss_weights: Factors of the outputs' losses.
            metrics: Names, functions or objects; not weighted by sample weights.
            weighted_metrics: The same, weighted by sample and class weights.
            run_eagerly: Run step by step as plain Python, for debugging: tensors have values to look at, in layers,
                losses, metrics and steps of one's own. The numbers are those of compiled steps.
            steps_per_execution, jit_compile, auto_scale_loss: Accepted for Keras'
                sake. Many steps always run as one compiled program.
            targets: Variables, or tensors that follow from such, that are the targets of outputs, so that none are
                given to ``fit``: one for each output, in a list or dict; placeholders stand for what is given.
            weigh: What a sample weight is for: a row (``None``) or a time step (``"temporal"``); one for all outputs,
                or a list or dict of them. Nothing is checked where it is not given.
        """
        if self._stepping:
            raise UsageError(
                "compile() was called between two batches of fit(), by a callback. Call it between two epochs, in "
                "on_epoch_begin or on_epoch_end, or set model.optimizer.learning_rate, which holds at once."
            )
        objectives = Objectives(loss, loss_weights, metrics, weighted_metrics, targets)
        if spelling.chosen() and getattr(self, "_graph", None) is not None:
            spelling.provider().compiling().check_compile(self, objectives, weigh)
        made = optimizers.get(optimizer)
        refuse_unasked(self, made)
        self.optimizer = made
        self._objectives = objectives
        self.run_eagerly = run_eagerly
        self._compile_arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            **({} if targets is None else {"targets": targets}),
            **({} if weigh is None else {"weigh": weigh}),
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        self.stop_training = False
        # Before Keras 3, a layer frozen or freed later changed nothing until the model was compiled again.
        self._trained = self.trainable_variables if spelling.chosen() and self.built else None  # type: ignore[attr-defined]
        settles = spelling.compile_settles() and not spelling.chosen()
        self._flags = [(layer, layer.trainable) for layer in self._flatten_layers()] if settles else []  # type: ignore[attr-defined]
        self._programs: dict[Any, Any] = {}
        self._paces: dict[int, int] = {}
        self._seed = fresh_seed()
        self._steps_made = 0
        self._epochs_made = 0
        self._batches_drawn = 0

    @contextlib.contextmanager
    def _flags_of_compile(self) -> Iterator[None]:
        """Inside, each layer is frozen or free as when the model was compiled, where ``compile`` settles that."""
        differ = [
            (layer, layer.trainable) for layer, flag in self.__dict__.get("_flags", ()) if layer.trainable != flag
        ]
        if not differ:
            yield
            return
        for layer, flag in differ:
            layer._trainable = not flag
        structure_changed()
        try:
            yield
        finally:
            for layer, flag in differ:
                layer._trainable = flag
            structure_changed()

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of ``compile`` as plain data; the optimizer as it is now."""
        if not self.compiled:
            return {}
        resolved = {"optimizer": self.optimizer, "loss": self._need_compile("get_compile_config").given[0]}
        plain = {name: value for name, value in self._compile_arguments.items() if name not in ("targets", "weigh")}
        config: dict[str, Any] = registry.serialize({**plain, **resolved})
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what ``get_compile_config`` returned; a class with a ``compile`` of its own is not compiled."""
        if self._overrides("compile"):
            warn(
                f"{self.name}: is not compiled, since the class {type(self).__name__} has a compile() of its own, whose "  # type: ignore[attr-defined]
                "arguments no file holds. Call it, or give the class get_compile_config() and compile_from_config(config)."
            )
            return
        self.compile(**registry.deserialize(dict(config)))

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called."""
        return self._objectives is not None

    @property
    def loss(self) -> Any:
        """The loss as given to ``compile``; a subclass may keep something else under this name until then."""
        return self._compile_arguments["loss"] if self.compiled else self.__dict__.get("_own_loss")

    @loss.setter
    def loss(self, value: Any) -> None:
        self._own_loss = value
        if self.compiled:
            self._compile_arguments["loss"] = value

    def _need_compile(self, method: str) -> Objectives:
        if self._objectives is None:
            raise NotCompiledError(
                f"{method}() needs a compiled model. Call compile(optimizer=..., loss=...) first, for example "
                'model.compile(optimizer="adam", loss="mse").'
            )
        return self._objectives

    # --- what a subclass may override ----------------------------------------------

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Loss of a batch: that of ``compile``, plus regularization and ``add_loss``."""
        loss = self._need_compile("compute_loss").loss(y, y_pred, sample_weight)
        for extra in self.losses:  # type: ignore[attr-defined]
            extra = K.sum(extra) if getattr(extra, "ndim", 0) else extra
            loss = extra if loss is None else loss + extra
        if loss is None:
            raise ArgumentError(
                f"{self.name}: there is nothing to minimize. "  # type: ignore[attr-defined]
                "Pass a loss to compile(), or call add_loss() in a layer."
            )
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Enter a batch into the metrics and return their values."""
        self._need_compile("compute_metrics").update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training, for subclasses that extend it."""
        x, y, sample_weight = _unpack(data)

        def objective() -> Any:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss = self.batch_loss(x, y, y_pred, sample_weight, training=True)
            return self.optimizer.scale_loss(loss), (y_pred, loss, self._values_for_metrics())

        variables = self._trained_variables()
        (_, (y_pred, loss, used)), gradients = value_and_gradients(objective, variables)
        scope = current_scope()
        if scope is not None:
            scope.computed.update(zip(map(id, self._need_compile("fit").used), used, strict=True))
        self.optimizer.take_step(gradients, variables)
        self.track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation, for subclasses that extend it."""
        x, y, sample_weight = _unpack(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = self.batch_loss(x, y, y_pred, sample_weight, training=False)
        self.track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Outputs for a batch."""
        return self(data, training=False)  # type: ignore[operator]

    def stateless_compute_loss(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        metrics_variables: Sequence[Any],
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple[list[Any], list[Any], list[Any]]]:
        """``compute_loss`` for given values of all Variables: the loss, and the new values; changes nothing."""
        groups = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)  # type: ignore[attr-defined]
        given = (trainable_variables, non_trainable_variables, metrics_variables)
        values = {v: x for group, own in zip(groups, given, strict=True) for v, x in zip(group, own, strict=True)}
        with Scope(values, strict=False) as scope:
            loss = self.batch_loss(x, y, y_pred, sample_weight, training=training)
        trainable, others, metrics = ([scope.writes.get(v, values[v]) for v in group] for group in groups)
        return loss, (trainable, others, metrics)

    def batch_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, *, training: bool) -> Any:
        """``compute_loss``, with those of its arguments that an override takes."""
        arguments = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight, "training": training}
        accepted = inspect.signature(self.compute_loss).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
            arguments = {name: value for name, value in arguments.items() if name in accepted}
        return self.compute_loss(**arguments)

    def _overrides(self, name: str) -> bool:
        """Whether a subclass has a method of its own under a name."""
        return getattr(type(self), name) is not getattr(Trainer, name)

    def track_loss(self, loss: Any, x: Any) -> None:
        """Enter a batch's loss into the epoch's."""
        self._need_compile("fit").track(loss, x)

    # --- metrics -----------------------------------------------------------------

    @property
    def metrics(self) -> list[Any]:
        """The loss tracker, the metrics of ``compile``, and metrics that are attributes."""
        compiled = self._compiled_metrics()
        return [*compiled, *(m for m in self._own_metrics() if all(m is not known for known in compiled))]

    @property
    def metrics_variables(self) -> list[Any]:
        """The Variables of the metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def _compiled_metrics(self) -> list[Any]:
        return self._objectives.all_metrics if self._objectives is not None else []

    def _own_metrics(self) -> list[Any]:
        from keraunos.metrics import Metric

        found: list[Any] = []
        for layer in self._flatten_layers():  # type: ignore[attr-defined]
            for attribute, value in vars(layer).items():
                if isinstance(value, (Metric, list, tuple, dict)) and attribute not in layer._not_parts:
                    found += [leaf for leaf in tree.leaves(value) if isinstance(leaf, Metric) and leaf not in found]
        return found

    @property
    def metrics_names(self) -> list[str]:
        """Names of the metrics, in the order of ``evaluate``."""
        names = [metric.name for metric in self.metrics]
        return spelling.provider().names_to_extend(self, names) if spelling.chosen() and self.compiled else names

    @told(lambda names: (f"the metric {names['metric'].name!r}", "") if "metric" in names else None)
    def get_metrics_result(self) -> dict[str, Any]:
        """Value of each metric."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        return results

    def reset_metrics(self) -> None:
        """Start every metric again."""
        for metric in self.metrics:
            metric.reset_state()

    # --- fit -----------------------------------------------------------------------

    @spelled
    @_as_compiled
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Callback | Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        Args:
            x: Inputs: arrays, frames, lists, dicts by input name, generators, datasets.
            y: Targets; ``None`` where ``x`` brings them.
            batch_size: Rows of a step; 32 if not given.
            epochs: Number of the last epoch.
            verbose: 0 silent, 1 (or ``"auto"``) a progress bar, 2 a line an epoch.
            callbacks: Objects whose hooks are called.
            validation_split: Fraction of the last rows kept for validation.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or a dataset.
            shuffle: Whether rows come in a new order every epoch; ``"batch"`` shuffles batches.
            class_weight: Weight of each class, or ``"balanced"``.
            sample_weight: Weight of each row.
            initial_epoch: Epoch to start at.
            steps_per_epoch: Steps of an epoch; needed for endless generators.
            validation_steps, validation_batch_size: The same for validation.
            validation_freq: Validate every so many epochs, or after the listed ones.

        Returns:
            ``History``: ``.history`` holds the epoch values of every log.
        """
        self._need_compile("fit")
        epochs, initial_epoch = _whole(epochs, "epochs", 0), _whole(initial_epoch, "initial_epoch", 0)
        _check_verbose(verbose)
        if not 0 <= float(validation_split) < 1:
            raise ArgumentError(
                f"fit: validation_split is {validation_split!r}; expected a number from 0 to 1 (1 not included)."
            )
        _check_frequency(validation_freq)
        if self.optimizer is None and not self._overrides("train_step"):
            raise _no_optimizer("fit")
        split = bool(validation_split) and validation_data is None
        if split:
            (x, y, sample_weight), validation_data = data_sources.split_validation(
                x, y, sample_weight, validation_split, self._names("fed")
            )
        batches = self._batches(
            x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, steps=steps_per_epoch,
            class_weight=class_weight, purpose="fit",
        )  # fmt: skip
        validation = None
        if validation_data is None and validation_steps is not None and self.own_rows is not None:
            validation_data = (None,)  # it is made of what the model computes, as the training is
        if validation_data is None and validation_steps:
            raise ArgumentError(
                f"fit: validation_steps is {validation_steps!r}, but there are no data to validate on. Give validation_data "
                "or validation_split, or leave validation_steps out."
            )
        if validation_data is not None:
            vx, vy, vw = data_sources.unpack_validation_data(validation_data)
            validation = self._batches(
                vx, vy, vw, batch_size=validation_batch_size or batch_size, shuffle=False, steps=validation_steps,
                # Before Keras 3, rows were weighted by their classes before some were split off.
                class_weight=class_weight if split and spelling.chosen() else None, purpose="evaluate",
            )  # fmt: skip
        warned_of_data = self._prepare(batches, train=True)
        if validation is not None:
            self._prepare(validation)
        container = self._callbacks("train", callbacks, verbose, batches, epochs, validation)
        if validation is not None and spelling.chosen():
            spelling.provider().hand_validation_data(container.callbacks, (vx, vy, vw))
        history = container.history
        if history is None:
            history = History()
            container.append(history)
        self.stop_training = False
        logs: dict[str, Any] = {}
        try:
            objectives = self._need_compile("fit")
            container.on_train_begin()
            # A callback that restores an interrupted run says where to go on.
            initial_epoch = self.__dict__.pop("_initial_epoch", None) or initial_epoch
            warned = warned_of_data
            ahead: list[dict[str, Any]] = []  # logs of epochs that ran in one call, nobody looking
            for epoch in range(initial_epoch, epochs):
                container.on_epoch_begin(epoch)
                if objectives is not self._objectives:
                    objectives = self._prepare_again(batches, validation)
                left = epochs - epoch if validation is None else 1
                ahead = ahead or self._run_epochs("train", batches, container, self._epochs_made, left=left)
                logs = ahead.pop(0)
                self._epochs_made += 1
                if not warned and self._look_at_loss("train", batches, logs):
                    warned = True
                    _warn_of_nan(epoch, container)
                if validation is not None and _validates(epoch, validation_freq):
                    container.on_test_begin()
                    results = self._run_epochs("test", validation, container, 0)[0]
                    self._look_at_loss("test", validation, results)
                    container.on_test_end(results)
                    logs = {**logs, **{f"val_{name}": value for name, value in results.items()}}
                container.on_epoch_end(epoch, self._shown(logs))
                if self.stop_training:
                    break
        except BaseException:
            container.release()
            raise
        finally:
            batches.close()
            if validation is not None:
                validation.close()
            self._on_device.clear()
        if hasattr(self.optimizer, "finalize_variable_values") and epochs > 0:
            self.optimizer.finalize_variable_values(self._trained_variables())
        container.on_train_end(logs)
        return history

    @overload
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, float]: ...
    @overload
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any: ...
    @spelled
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data: a list in the order of ``metrics_names``, or a dict.

        A model without metrics gives the loss alone.
        """
        self._need_compile("evaluate")
        _check_verbose(verbose)
        batches = self._batches(
            x, y, sample_weight, batch_size=batch_size, shuffle=False, steps=steps, purpose="evaluate"
        )
        self._prepare(batches)
        container = self._callbacks("test", callbacks, verbose, batches)
        try:
            container.on_test_begin()
            logs = self._run("test", batches, container, 0)[0]
            self._look_at_loss("test", batches, logs)
            container.on_test_end(logs)
        finally:
            batches.close()
            self._on_device.clear()
        return dict(sorted(logs.items())) if return_dict else self._in_order(logs)

    @spelled
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> NDArray[Any] | Any:
        """Outputs for data, as NumPy arrays."""
        if verbose == 0 and callbacks is None and steps is None:
            ready = self._ready(x, batch_size)
            if ready is not None:
                return ready(x)
        _check_verbose(verbose)
        batches = self._batches(x, None, None, batch_size=batch_size, shuffle=False, steps=steps, purpose="predict")
        self._prepare(batches, predict=True)
        container = self._callbacks("predict", callbacks, verbose, batches)
        parts: list[Any] = []
        try:
            container.on_predict_begin()
            if batches.resident and batches.rows <= batches.batch_size and not self.run_eagerly:
                outputs = self._one_batch(batches, x, batch_size, container)
                container.on_predict_end()
                return outputs
            self._run("predict", batches, container, 0, parts)
            container.on_predict_end()
        finally:
            batches.close()
            self._on_device.clear()
        if not parts:
            raise DataError("predict: the data has no rows.")
        # A copy even of one part: what a program returned may be read, but not written.
        joined = tree.map(lambda *arrays: np.concatenate(arrays), *parts)
        self._refuse_nan("predict", batches.sample()[0] if batches.resident else None, joined)
        return joined

    # --- single batches ------------------------------------------------------------

    @spelled
    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step of training on one batch; returns like ``evaluate``."""
        self._need_compile("train_on_batch")
        if self.optimizer is None and not self._overrides("train_step"):
            raise _no_optimizer("train_on_batch")
        with self._flags_of_compile():
            return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    @spelled
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch; returns like ``evaluate``."""
        self._need_compile("test_on_batch")
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def predict_on_batch(self, x: Any) -> NDArray[Any] | Any:
        """Outputs for one batch, as NumPy arrays."""
        try:
            ready = self._ready(x, None)
            return self._predicted_at_once(x) if ready is None else ready(x)
        except BaseException as error:
            tidy(error)
            raise

    def _predicted_at_once(self, x: Any) -> Any:
        batches = self._batches(x, None, None, batch_size=None, shuffle=False, whole=True, purpose="predict")
        self._prepare(batches, predict=True)
        if batches.resident and not self.run_eagerly:
            return self._one_batch(batches, x, None)
        block = next(iter(batches.blocks(0)))
        outputs = tree.map(lambda leaf: np.array(K.to_numpy(leaf)), self._whole("predict", block))
        self._refuse_nan("predict", block.data[0], outputs)
        return outputs

    def _refuse_nan(self, mode: str, x: Any, values: Any) -> None:
        """Raise an error where values are NaN since a layer looked up a number that only it could know."""
        layers = self._lookups_of(mode).open
        if not layers or not any(np.isnan(leaf).any() for leaf in tree.leaves(values)):
            return
        if x is not None:
            refuse_lookups(self, x, METHODS[mode])
        else:
            warn(
                f"{METHODS[mode]}: NaN came out. A number that is no row of its table gives it, and what "
                f"{', '.join(map(repr, layers))} looked up is not known: call the model on a batch, which names it."
            )

    def _ready(self, x: Any, batch_size: Any) -> Ready | Watched | None:
        """What predicts such an array at once, if one was predicted before and nothing has changed since."""
        if type(x) is not np.ndarray:
            return None
        ready = self.__dict__.get("_programs", {}).get(("ready", x.shape, x.dtype, batch_size))
        return ready if ready is not None and ready.holds() else None

    def _one_batch(self, batches: Any, x: Any, batch_size: Any, callbacks: Any = None) -> Any:
        """Outputs for checked data of a single batch."""
        inputs, plan = next(iter(batches.blocks(0))).data[0], self._plan("predict")
        capacity = capacity_of(batches.rows, plan)
        key = (
            "one batch",
            phase.fixed_training(),
            str(tree.map(lambda leaf: (capacity, *leaf.shape[1:], leaf.dtype.name), inputs)),
        )
        batch = self._programs.get(key)
        if batch is None or not batch.serves(plan):
            example = tree.map(lambda leaf: filled(leaf, capacity), inputs)
            batch = self._programs[key] = OneBatch(self, plan, example)
        exact = Ready(batch, batches.rows, capacity, x)
        ready: Ready | Watched = exact
        lookups = self._lookups_of("predict")
        if lookups.known or lookups.open:
            ready = Watched(exact, lookups.check, lambda inputs, outputs: self._refuse_nan("predict", inputs, outputs))
        same = type(x) is np.ndarray and type(inputs) is np.ndarray and x.shape == inputs.shape
        if same and (x.dtype == inputs.dtype or x.dtype == np.float64):
            self._programs[("ready", x.shape, x.dtype, batch_size)] = ready
        if callbacks is None:
            return ready(inputs)
        watched = callbacks.watches_batches("predict")
        if watched:
            callbacks.on_predict_batch_begin(0, self._of_batch("predict", 0, batches.rows))
        outputs = ready(inputs)
        if watched:
            callbacks.on_predict_batch_end(0, {"outputs": outputs})
        elif callbacks.watches_progress:
            callbacks.on_progress("predict", 1, {})
        return outputs

    def _on_batch(self, mode: str, x: Any, y: Any, sample_weight: Any, class_weight: Any, return_dict: bool) -> Any:
        batches = self._batches(
            x, y, sample_weight, batch_size=None, shuffle=False, class_weight=class_weight, whole=True,
            purpose="fit" if mode == "train" else "evaluate",
        )  # fmt: skip
        self._prepare(batches, train=mode == "train", whole=True)
        block = next(iter(batches.blocks(0)))
        logs = self._whole(mode, block)
        self._look_at_loss(mode, batches, logs)
        return dict(sorted(logs.items())) if return_dict else self._in_order(logs)

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """Log values as a list in the order of the metrics; one value alone."""
        names = [name for name in self.metrics_names if name in logs]
        values = [logs[name] for name in (*names, *(n for n in logs if n not in names))]
        if spelling.chosen():
            return spelling.provider().compiling().as_shown(values)
        return values[0] if len(values) == 1 else values

    def _look_at_loss(self, mode: str, batches: Any, logs: Mapping[str, Any]) -> bool:
        """Whether the loss is NaN; an error where it is so since a number was looked up that is no row of a table."""
        loss = logs.get("loss")
        if not isinstance(loss, float) or loss == loss:
            return False
        self._refuse_nan(mode, batches.sample()[0] if batches.resident else None, loss)
        return True

    # --- running ---------------------------------------------------------------------

    def _run_epochs(self, *args: Any, **options: Any) -> list[dict[str, Any]]:
        """``_run`` inside of ``fit``, in which nothing may be compiled anew."""
        self._stepping = True
        try:
            return self._run(*args, **options)
        finally:
            self._stepping = False

    def _batches(self, x: Any, y: Any, sample_weight: Any, *, whole: bool = False, **options: Any) -> Any:
        if spelling.chosen() and options.get("class_weight") is not None:
            names = self._names("output")
            options["class_weight"] = (
                spelling.provider().compiling().todays_class_weight(options["class_weight"], names)
            )
        class_weight = options.get("class_weight")
        if spelling.chosen() and not is_stream(x) and (sample_weight is not None or class_weight):
            weights = spelling.provider().compiling().checked_weights
            sample_weight = weights(self, y, sample_weight, class_weight)
        own_targets = () if options["purpose"] == "predict" else [*self._own_targets()]
        if self.own_rows is not None or own_targets:
            x, y = completed(
                x, y, own_rows=self.own_rows, own_targets=own_targets, outputs=self._targeted() if own_targets else (),
                steps=1 if whole else options.get("steps"),
            )  # fmt: skip
            if self.own_rows is not None and options["batch_size"] is None and not is_stream(x):
                options["batch_size"] = self.own_rows
        if whole:
            options["batch_size"] = _leading_size(x)
        if spelling.chosen() and sample_weight is not None and options.get("class_weight") is not None:
            spelling.note("class_weight counted for nothing beside sample_weight before Keras 3")
            options["class_weight"] = None
        return data_sources.make_batches(
            x, y, sample_weight, seed=lambda: self.__dict__.get("_seed", 0), names=self._names("fed"),
            outputs=self._names("output"), **options,
        )  # fmt: skip

    def _own_targets(self) -> dict[str, Any]:
        """The targets that the model computes itself, by output."""
        return {} if self._objectives is None else self._objectives.own_targets(self._names("output"))

    def _targeted(self) -> list[str]:
        """Names of the outputs that have a target."""
        objectives = self._need_compile("fit")
        return [name for name, loss in objectives.by_output(self._names("output")).items() if loss is not None]

    def _callbacks(
        self, mode: str, callbacks: Any, verbose: Any, batches: Any, epochs: int = 1, validation: Any = None
    ) -> CallbackList:
        """The callbacks as one, with a display unless silent; a list that a user made stays as it is."""
        if isinstance(callbacks, CallbackList):
            return callbacks
        shown = {"verbose": _verbosity(verbose), "epochs": epochs, "steps": batches.steps}
        if spelling.chosen():
            names = [] if mode == "predict" else list(self._shown(dict.fromkeys(self.metrics_names)))
            facts = {
                **shown,
                "mode": mode,
                "samples": batches.rows,
                "batch_size": batches.batch_size,
                "do_validation": validation is not None,
                "validation_samples": None if validation is None else validation.rows,
                "metrics": names if validation is None else [*names, *(f"val_{name}" for name in names)],
            }
            shown = spelling.provider().run_params(facts)
        return CallbackList(
            callbacks, add_history=mode == "train", add_progbar=verbose not in (0, False), model=self, **shown
        )

    def _shown(self, logs: dict[str, Any]) -> dict[str, Any]:
        """Logs in the order in which the active era shows them."""
        if spelling.chosen():
            return spelling.provider().log_order(logs, self.metrics_names)
        return dict(sorted(logs.items()))

    def _names(self, what: str) -> tuple[str, ...]:
        return tuple(getattr(self, f"{what}_names", None) or ())

    # --- preparing -----------------------------------------------------------------------

    def _prepare(self, batches: Any, *, train: bool = False, predict: bool = False, whole: bool = False) -> bool:
        """Build what is not built, and refuse what does not fit, before anything changes.

        Returns whether it was warned of NaN in the data.
        """
        self._forget_plans()
        x_spec, y_spec, _ = batches.spec
        x_spec, y_spec = self._of_fixed_size(x_spec), self._of_fixed_size(y_spec)
        mode = "train" if train else "predict" if predict else "test"
        warned = False
        if not self._steps_alone(mode):
            if self.run_eagerly:
                outputs = self._outputs_plainly(batches)
            else:
                with noting_reads() as reads:
                    outputs = self._outputs_of(self._forward, x_spec)
                self._borrow(reads)
            if predict:
                batches.inspect(Inspection(self._lookups_of(mode)).errors)
                return False
            warned = self._inspect(mode, batches, y_spec, outputs, whole)
        if train and spelling.chosen():
            spelling.provider().compiling().warn_of_discrepancy(self)
        if train and (not self._overrides("train_step") or takes_state(self.train_step)):
            trained = self._trained_variables()
            if not trained and not spelling.chosen() and self.weights:  # type: ignore[attr-defined]
                warn(
                    f"{self.name}: all of its weights are frozen, so training changes none of them. Set trainable = True, "  # type: ignore[attr-defined]
                    "and compile again; a model inside of another one can be frozen there and free where it is trained."
                )
            self.optimizer.build(trained)
        if self.run_eagerly:
            if self._owns(mode):
                self._rehearse_plainly(mode, batches)
            return warned
        if y_spec is not None and spelling.chosen() and not self._owns("train"):
            with noting_reads() as reads:
                infer(self._loss_alone, (x_spec, y_spec))
            self._borrow(reads)
        if self._owns(mode):
            data = tuple(part for part in batches.spec if part is not None)
            self._rehearse(self.step_method(mode), data if len(data) > 1 else data[0], batches.batch_size)
        return warned

    def _prepare_again(self, batches: Any, validation: Any) -> Objectives:
        """Go on with what a callback compiled between two epochs."""
        if self.optimizer is None and not self._overrides("train_step"):
            raise _no_optimizer("fit")
        self._prepare(batches, train=True)
        if validation is not None:
            self._prepare(validation)
        return self._need_compile("fit")

    def _inspect(self, mode: str, batches: Any, y_spec: Any, outputs: Any, whole: bool) -> bool:
        """Match losses with outputs, and judge the data by both; whether it was warned of NaN in the data."""
        objectives = self._need_compile("fit")
        first = not objectives.resolved
        if first:
            names = getattr(self, "output_names", None) or ["output_1"]
            objectives.resolve(names, y_spec, outputs)
            _warn_of_lonely_softmax(self, outputs)
            warn_of_outputs(objectives, self.final_activations())
        inspection = Inspection(self._lookups_of(mode), objectives, outputs)
        batches.inspect(inspection.errors)
        # Warnings are for the run as a whole: of single batches, the first one after compile is looked at.
        if mode != "train" or (whole and not first) or self._owns("train"):
            return False
        return inspection.warnings(batches.sample(), carries_nan=self.carries_nan)

    def _steps_alone(self, mode: str) -> bool:
        """Whether nothing asks for the outputs of the model itself: its step is a subclass's own, and it has no ``call``.

        As in a GAN, whose step calls the networks inside of it.
        """
        return self._overrides(f"{mode}_step") and not self.has_call

    def _of_fixed_size(self, spec: Any) -> Any:
        """Specs of batches; of the size that the inputs of the model have, or its own targets, where that is fixed."""
        inputs = (getattr(self, "_graph", None) and self.inputs) or ()  # type: ignore[attr-defined]
        tensors = [*inputs, *self._own_targets().values()]
        size = next((leaf.shape[0] for leaf in tensors if leaf.shape[0] is not None), None)
        if size is None or spec is None:
            return spec
        return tree.map(lambda leaf: leaf and TensorSpec((size, *leaf.shape[1:]), leaf.dtype), spec)

    def _forward(self, x: Any) -> Any:
        return self(x, training=False)  # type: ignore[operator]

    def _values_for_metrics(self) -> list[Any]:
        """In a trace, the values of the symbolic tensors that metrics use."""
        return [value_of(tensor) for tensor in self._need_compile("fit").used]

    def _loss_alone(self, x: Any, y: Any) -> Any:
        return self._need_compile("fit").loss(y, self._forward(x), None)

    def _borrow(self, variables: Sequence[Any]) -> None:
        """Remember Variables that the model uses and does not hold, such as those of a network that a Lambda calls.

        Their values are handed to the programs like those of its own. Today they are refused where it trains, since
        they would not be trained.
        """
        borrowed = self.__dict__.setdefault("_borrowed", [])
        borrowed += [variable for variable in variables if variable not in borrowed]

    def _rehearse(self, method: Callable[[Any], Any], data: Any, rows: int) -> None:
        """Trace a custom step once on a number of rows, so that the optimizers and layers it uses make their Variables."""
        trial = tree.map(lambda spec: TensorSpec([size or rows for size in spec.shape], spec.dtype), data)
        while True:
            before = structure_version()
            try:
                with noting_reads() as reads:
                    infer(lambda data: _numbers(method(data)), (trial,))
                self._borrow(reads)
                return
            except Exception:
                # A step may list the weights of layers before it calls them for the first time, and so builds them.
                if structure_version() == before:
                    raise

    # --- state ---------------------------------------------------------------------------

    def get_state_tree(self) -> dict[str, Any]:
        """Everything that training goes on from, as NumPy arrays: weights, optimizer, metrics, seed, counters."""
        variables = self.named_variables()  # type: ignore[attr-defined]
        optimizer = self.optimizer.variables if self.optimizer is not None else []
        return {
            "variables": {path: v.numpy() for path, v in variables.items()},
            "optimizer": {str(i): v.numpy() for i, v in enumerate(optimizer)},
            "metrics": {f"{i}/{j}": v.numpy() for i, m in enumerate(self.metrics) for j, v in enumerate(m.variables)},
            "counters": {name: np.int64(value) for name, value in self.get_counters().items()},
        }

    def get_counters(self) -> dict[str, int]:
        """The seed of training, and how far it has come; with the Variables, all that training goes on from."""
        return {name: int(self.__dict__.get(f"_{name}", 0)) for name in _COUNTERS}

    def set_counters(self, counters: Mapping[str, Any]) -> None:
        """Go back to what ``get_counters`` returned."""
        for name in _COUNTERS:
            value = counters.get(name, 0)
            if not 0 <= int(value) < 2**31:
                raise ArgumentError(f"the counter {name!r} is {value!r}; expected a whole number from 0 to 2**31 - 1.")
            setattr(self, f"_{name}", int(value))

    def set_state_tree(self, state: dict[str, Any]) -> None:
        """Go back to a state that ``get_state_tree`` returned."""
        variables = self.named_variables()  # type: ignore[attr-defined]
        missing = set(variables) ^ set(state["variables"])
        if missing:
            raise ArgumentError(
                f"the state belongs to another model: {plural(len(missing), 'weight')} differ, "
                f"such as {min(missing)!r}."
            )
        for path, variable in variables.items():
            variable.assign(state["variables"][path])
        if self.optimizer is not None and state.get("optimizer"):
            self.optimizer.build(self._trained_variables())
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(state["optimizer"][str(i)])
        for i, metric in enumerate(self.metrics):
            for j, variable in enumerate(metric.variables):
                if f"{i}/{j}" in state.get("metrics", {}):
                    variable.assign(state["metrics"][f"{i}/{j}"])
        if state.get("counters"):
            self.set_counters(state["counters"])


# --- helpers -------------------------------------------------------------------------------


def _unpack(data: Any) -> tuple[Any, Any, Any]:
    if not isinstance(data, tuple):
        return data, None, None
    return (*data, None, None)[:3] if len(data) < 3 else data  # type: ignore[return-value]


def _numbers(logs: Any) -> Any:
    return (
        {name: K.array(getattr(value, "value", value)) for name, value in logs.items()}
        if isinstance(logs, dict)
        else {}
    )


def _leading_size(x: Any) -> int:
    first: Any = next((leaf for leaf in (tree.leaves(x) if isinstance(x, (dict, tuple)) else [x])), None)
    if isinstance(first, list):
        first = first[0] if first and hasattr(first[0], "shape") else first
    shape = getattr(first, "shape", None)
    size = (shape[0] if shape else 0) if shape is not None else len(first) if hasattr(first, "__len__") else 0
    return max(int(size), 1)


def _whole(value: Any, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"fit: {name} is {value!r}; expected a whole number, {least} or more.")
    return int(value)


def _check_verbose(verbose: Any) -> None:
    if verbose not in ("auto", 0, 1, 2):
        raise ArgumentError(
            f"verbose is {verbose!r}; expected 'auto', 0 (silent), 1 (a progress bar) or 2 (a line an epoch)."
        )


def _verbosity(verbose: Any) -> int:
    return 1 if verbose == "auto" else int(verbose)


def _no_optimizer(method: str) -> NotCompiledError:
    return NotCompiledError(
        f"{method}: the model was compiled with optimizer=None, so nothing can train it. Give an optimizer, for example "
        'model.compile(optimizer="adam", loss="mse").'
    )


def _check_frequency(frequency: Any) -> None:
    epochs = [frequency] if np.ndim(frequency) == 0 and not isinstance(frequency, (set, frozenset)) else list(frequency)
    if not all(isinstance(epoch, (int, np.integer)) and epoch >= 1 for epoch in epochs):
        raise ArgumentError(
            f"fit: validation_freq is {frequency!r}; expected a whole number, 1 or more, or a list of epochs, counted from 1."
        )


def _validates(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, (int, np.integer)):
        return (epoch + 1) % int(frequency) == 0
    return epoch + 1 in frequency


def _warn_of_nan(epoch: int, callbacks: CallbackList) -> None:
    """Say where the loss became NaN, unless somebody is there who stops then."""
    if not any(isinstance(callback, TerminateOnNaN) for callback in callbacks.callbacks):
        warn(
            f"{spelling.epoch_name(epoch)}: the loss is NaN, and so are the weights from now on. Try a smaller learning rate "
            "or clipnorm=1.0 in the optimizer; look for NaN in the data, and for logarithms, roots and divisions of 0 in "
            "losses and layers of your own. The callback TerminateOnNaN() stops there."
        )


def _warn_of_lonely_softmax(model: Any, outputs: Any) -> None:
    for layer in model._flatten_layers():
        name = getattr(getattr(layer, "activation", None), "__name__", "")
        if name == "softmax" and getattr(layer, "units", None) == 1:
            warn(
                f"{layer.name}: a softmax over one unit is always 1, so nothing can be learned. Use "
                "activation='sigmoid' with loss='binary_crossentropy', or one unit for each class."
            )

"""Outputs × losses × weights × metrics: what ``compile`` was told, resolved once the outputs are known."""

import contextlib
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keraunos import losses as loss_functions
from keraunos import metrics as metric_functions
from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core.evaluation import realized, sources_of, value_of
from keraunos.core.frozen import frozen
from keraunos.core.scope import current_scope, get_mask
from keraunos.core.symbolic import infer, is_symbolic, traced
from keraunos.core.variable import Variable
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, DataError
from keraunos.utils.text import given_text, plural, suggestion
from keraunos.utils.tracebacks import told


class Objectives:
    """Losses and metrics of a compiled model, by output.

    Args:
        loss, loss_weights, metrics, weighted_metrics, targets: As given to ``compile``: one
            for all outputs, a list in their order, or a dict by their names.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, targets: Any = None) -> None:
        if spelling.chosen():
            # Functions ran once, at compile: they keep what the names in them meant.
            loss, metrics, weighted_metrics = tree.map(_frozen, (loss, metrics, weighted_metrics))
            # Files keep what a name means in this era, whichever one is active when they are read.
            loss = tree.map(_loss, loss)
        self.given = (loss, loss_weights, metrics, weighted_metrics)
        self.targets = targets
        self.tracker = metric_functions.Mean(name="loss")
        self.output_trackers: dict[str, Any] = {}
        self.losses: dict[str, Any] = {}
        self.weights: dict[str, Any] = {}
        self.metrics: dict[str, list[Any]] = {}
        self.weighted: dict[str, list[Any]] = {}
        self.names: list[str] = []
        self._used: list[Any] = []  # symbolic tensors that the functions of metrics use besides targets and outputs
        # Before Keras 3 tensors and names could be added to the metrics of a compiled model.
        self.tensors: list[Any] = []
        self.names_of_tensors: list[str] = []
        self._of_tensors: list[Any] = []
        self.resolved = False
        _check_names(loss, metrics, weighted_metrics)

    # --- resolving ---------------------------------------------------------------

    def resolve(self, names: Sequence[str], y_specs: Any, output_specs: Any) -> None:
        """Match what was given with the outputs; ``*_specs`` are trees of ``TensorSpec``."""
        _, loss_weights, metrics, weighted_metrics = self.given
        outputs = _by_name(output_specs, names, "outputs")
        names = list(outputs)
        many = len(names) > 1
        per_output = self.by_output(names)
        self.losses = {name: _loss(per_output[name]) for name in names if per_output[name] is not None}
        self.names = names
        own = {name: TensorSpec(t.shape, str(t.dtype)) for name, t in self.own_targets(names).items()}
        targets = {**self._given(y_specs), **own}
        for name, function in self.losses.items():
            if targets.get(name) is None:
                raise _no_target(name)
            loss_functions.check_shapes(function, targets[name].shape, outputs[name].shape, self.label(name))
        self.weights = {
            n: _factor(w) for n, w in _spread(loss_weights, names, "loss_weights", many, nested=False).items()
        }
        self.output_trackers = (
            {name: metric_functions.Mean(name=f"{name}_loss") for name in names if name in self.losses} if many else {}
        )
        for attribute, given in (("metrics", metrics), ("weighted", weighted_metrics)):
            spread = _spread(given, names, attribute, many, nested=True)
            taken = {name: [m.name for m in self.metrics.get(name, ())] for name in names}
            weighs = attribute == "weighted"
            resolved = {
                name: [
                    self._metric(m, name, targets.get(name), outputs[name], many, taken[name] if weighs else None)
                    for m in _each(_as_list(spread[name]), targets.get(name), outputs[name])
                ]
                for name in names
            }
            setattr(self, attribute, resolved)
        self._used = [
            tensor
            for name in names
            for metric in (*self.metrics[name], *self.weighted[name])
            for tensor in _used_by(metric, targets.get(name), outputs[name])
        ]
        # Of outputs without a second axis, the mean over the last one is a mean over the batch.
        self._of_rows = all(len(outputs[name].shape) > 1 for name in names)
        self.resolved = True

    def label(self, name: str) -> str:
        """What messages call the loss of an output."""
        function = _name(self.losses[name])
        return f"{name}: {function}" if len(self.names) > 1 else function

    def by_output(self, names: Sequence[str]) -> dict[str, Any]:
        """What was given as the loss of each output."""
        return _spread(self.given[0], names, "loss", len(names) > 1, nested=False)

    def own_targets(self, names: Sequence[str]) -> dict[str, Any]:
        """The targets that are computed, by output; of placeholders, values are given as of any target."""
        if self.targets is None:
            return {}
        spread = _spread(self.targets, names, "targets", len(names) > 1, nested=False)
        return {name: t for name, t in spread.items() if t is not None and not (is_symbolic(t) and sources_of([t]))}

    def _targets(self, y: Any) -> dict[str, Any]:
        """Targets by output."""
        return {**self._given(y), **{name: value_of(t) for name, t in self.own_targets(self.names).items()}}

    def _given(self, y: Any) -> dict[str, Any]:
        """What was given as targets, by output; as many as there are losses belong to the outputs that have one."""
        given = 1 if not isinstance(y, (list, tuple, Mapping)) else len(tree.leaves(y))
        some = not isinstance(y, Mapping) and given == len(self.losses) != len(self.names)
        return _by_name(y, list(self.losses) if some else self.names, "y", optional=True)

    def _metric(
        self, given: Any, name: str, target: TensorSpec | None, output: TensorSpec, many: bool, taken: Any
    ) -> Any:
        """Metric of a name, function or object, named after its output where there are several.

        A weighted one is named apart from the plain ones, whose names are ``taken``.
        """
        prefix = f"{name}_" if many else ""
        shape = output.shape if target is None else target.shape
        # Before Keras 3, which asks the shapes, the loss decided what "accuracy" means.
        loss = self.losses.get(name) if spelling.chosen() else None
        metric = metric_functions.resolve(given, shape, output.shape, loss)
        apart = taken is not None and (spelling.chosen() or f"{prefix}{metric.name}" in taken)
        if apart and not metric.name.startswith(("weighted_", f"{prefix}weighted_")):
            metric.name = f"weighted_{metric.name}"
        if prefix and not metric.name.startswith(prefix):
            metric.name = f"{prefix}{metric.name}"
        metric.build(shape, output.shape)
        return metric

    @property
    def row_wise(self) -> bool:
        """Whether every loss and metric is known to treat rows one by one."""
        members = [*self.losses.values(), *self.compiled_metrics]
        return (
            self._of_rows
            and not self.tensors
            and all(_library(member) and getattr(member, "row_wise", False) for member in members)
        )

    @property
    def compiled_metrics(self) -> list[Any]:
        """The metrics given to ``compile``, output by output."""
        return [m for name in self.names for m in (*self.metrics[name], *self.weighted[name])]

    @property
    def all_metrics(self) -> list[Any]:
        """Trackers of the losses, then the metrics."""
        return [self.tracker, *self.output_trackers.values(), *self.compiled_metrics, *self._metrics_of_tensors()]

    @property
    def used(self) -> list[Any]:
        """Symbolic tensors that metrics need besides targets and outputs."""
        return [*self._used, *self.tensors]

    def _metrics_of_tensors(self) -> list[Any]:
        for number, tensor in enumerate(self.tensors):
            if number == len(self._of_tensors):
                self._of_tensors.append(metric_functions.Mean())
            named = number < len(self.names_of_tensors)
            self._of_tensors[number].name = self.names_of_tensors[number] if named else tensor.name
        return self._of_tensors

    # --- computing ---------------------------------------------------------------

    @told(lambda names: _told_member("loss", names.get("function"), names))
    def loss(self, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        """Weighted sum of the outputs' losses, or ``None`` where no output has one."""
        rows = _rows()
        outputs = _by_name(y_pred, self.names, "outputs")
        targets = self._targets(y)
        weights = _weights_by_name(sample_weight, self.names)
        total = None
        for name, function in self.losses.items():
            if targets.get(name) is None:
                raise _no_target(name)
            extra = {} if rows is None else {"rows": rows}
            mask = get_mask(outputs[name])
            if mask is not None:
                extra["mask"] = mask
            value = function(targets[name], outputs[name], sample_weight=weights.get(name), **extra)
            if name in self.output_trackers:
                self.output_trackers[name].update_state(value, sample_weight=_count(outputs[name], rows))
            weight = self.weights[name]
            value = value if weight == 1.0 else value * weight
            total = value if total is None else total + value
        return total

    def track(self, loss: Any, batch_x: Any) -> None:
        """Enter a batch's loss into the epoch's, weighted by the number of rows."""
        first = next(leaf for leaf in tree.leaves(batch_x) if leaf is not None)
        self.tracker.update_state(loss, sample_weight=_count(first, _rows()))

    @told(lambda names: _told_member("metric", names.get("metric"), names))
    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Enter a batch into every metric."""
        rows = _rows()
        outputs = _by_name(y_pred, self.names, "outputs")
        targets = self._targets(y)
        weights = _weights_by_name(sample_weight, self.names)
        for metric, tensor in zip(self._metrics_of_tensors(), self.tensors, strict=True):
            metric.update_state(value_of(tensor), sample_weight=_count(next(iter(outputs.values())), rows))
        for name in self.names:
            if targets.get(name) is None:
                continue
            mask = get_mask(outputs[name])
            plain = _combined(None, rows, mask)
            for metric in self.metrics[name]:
                metric.update_state(targets[name], outputs[name], **({} if plain is None else {"sample_weight": plain}))
            weighted = _combined(weights.get(name), rows, mask)
            for metric in self.weighted[name]:
                metric.update_state(
                    targets[name], outputs[name], **({} if weighted is None else {"sample_weight": weighted})
                )


def _no_target(name: str) -> DataError:
    return DataError(
        f"the output {name!r} has a loss, but no y was given for it. Pass y to fit() or evaluate(), or compile with "
        "loss=None for it."
    )


def _rows() -> Any:
    scope = current_scope()
    return None if scope is None else scope.rows


def _count(tensor: Any, rows: Any) -> Any:
    return float(K.shape(tensor)[0]) if rows is None else K.sum(rows)


def _combined(weight: Any, rows: Any, mask: Any) -> Any:
    """Product of the weights that are there; a mask of time steps has one axis more than rows."""
    if mask is not None:
        mask = K.cast(mask, "float32")
        if rows is not None:
            mask = mask * K.reshape(rows, (-1, *(1,) * (K.ndim(mask) - 1)))
        if weight is not None:
            weight = K.array(weight)
            weight = K.reshape(weight, (*K.shape(weight), *(1,) * (K.ndim(mask) - K.ndim(weight))))
            return weight * mask
        return mask
    if rows is None or weight is None:
        return weight if rows is None else rows
    return weight * K.reshape(rows, (-1, *(1,) * (K.ndim(weight) - 1)))


# --- matching what was given with the outputs --------------------------------------------


def _by_name(values: Any, names: Sequence[str], what: str, *, optional: bool = False) -> dict[str, Any]:
    """Values of the outputs by name, from one value, a list in order, or a dict."""
    if values is None and optional:
        return {}
    if isinstance(values, Mapping):
        if what == "outputs":
            return dict(values)
        unknown = [key for key in values if key not in names]
        if unknown:
            raise DataError(
                f"{what} has the key {unknown[0]!r}, but the outputs are {list(names)}.{suggestion(unknown[0], names)}"
            )
        return dict(values)
    flat = [values] if not isinstance(values, (list, tuple)) else tree.leaves(values)
    if what == "outputs" and len(names) != len(flat):
        names = [f"output_{i + 1}" for i in range(len(flat))]
    if len(flat) != len(names):
        raise DataError(
            f"{plural(len(flat), 'array')} given as {what}, but the model has {plural(len(names), 'output')}: "
            f"{list(names)}."
        )
    return dict(zip(names, flat, strict=True))


def _weights_by_name(sample_weight: Any, names: Sequence[str]) -> dict[str, Any]:
    if sample_weight is None:
        return {}
    if isinstance(sample_weight, (Mapping, list, tuple)):
        return _by_name(sample_weight, names, "sample_weight")
    return dict.fromkeys(names, sample_weight)


def _spread(given: Any, names: Sequence[str], what: str, many: bool, *, nested: bool) -> dict[str, Any]:
    """What was given for each output."""
    if isinstance(given, Mapping) and not _is_config(given):
        unknown = [key for key in given if key not in names]
        if unknown:
            raise ArgumentError(
                f"compile: {what} has the key {unknown[0]!r}, but the outputs are {list(names)}."
                f"{suggestion(unknown[0], names)}"
            )
        return {name: given.get(name) for name in names}
    if isinstance(given, (list, tuple)):
        if not many:
            return {names[0]: list(given)} if nested else {names[0]: _single(given, what)}
        if (
            nested
            and not any(isinstance(item, (list, tuple)) or item is None for item in given)
            and (spelling.chosen() or len(given) != len(names))  # before Keras 3 a list was for every output
        ):
            return {name: list(given) for name in names}
        if len(given) != len(names):
            raise ArgumentError(
                f"compile: {what} has {len(given)} entries for {plural(len(names), 'output')} {list(names)}."
            )
        return dict(zip(names, given, strict=True))
    return dict.fromkeys(names, given)


def _single(given: Sequence[Any], what: str) -> Any:
    if len(given) != 1:
        raise ArgumentError(f"compile: {what} has {len(given)} entries, but the model has 1 output.")
    return given[0]


def _as_list(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def _used_by(metric: Any, target: TensorSpec | None, output: TensorSpec) -> list[Any]:
    """The symbolic tensors that the function of a metric finds in its surroundings."""
    if target is None or _library(metric) or not hasattr(metric, "fn"):
        return []
    with contextlib.suppress(Exception):  # What is wrong with it is said where it is computed.
        return traced(lambda y_true, y_pred: realized(metric.fn(y_true, y_pred)), (target, output))[1]
    return []


def _each(given: list[Any], target: TensorSpec | None, output: TensorSpec) -> list[Any]:
    """Metrics; a function that returns several by name, as Keras 1 let it, stands for each of them."""
    if not spelling.chosen() or target is None:
        return given
    return [part for metric in given for part in _parts(metric, target, output)]


def _parts(metric: Any, target: TensorSpec, output: TensorSpec) -> list[Any]:
    if not inspect.isfunction(metric) or metric.__module__.startswith("keraunos."):
        return [metric]
    returned: Any = None
    with contextlib.suppress(Exception):  # What is wrong with it is said where it is computed.
        returned = infer(metric, (target, output))
    return [_part(metric, name) for name in returned] if isinstance(returned, Mapping) else [metric]


def _part(metric: Any, name: str) -> Any:
    def part(y_true: Any, y_pred: Any) -> Any:
        return metric(y_true, y_pred)[name]

    part.__name__ = name
    return part


def _factor(weight: Any) -> Any:
    """Weight of an output's loss: a number, or a Variable that a callback may change."""
    if isinstance(weight, Variable):
        return weight
    try:
        return 1.0 if weight is None else float(weight)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"compile: loss_weights is {weight!r}; expected a number for each output. Metrics are given by name, "
            "metrics=[...]: by position they come fourth."
        ) from None


def _frozen(given: Any) -> Any:
    return frozen(given) if inspect.isroutine(given) or isinstance(given, functools.partial) else given


def _loss(given: Any) -> Any:
    return loss_functions.as_loss(given)


def _check_names(loss: Any, metrics: Any, weighted_metrics: Any) -> None:
    """Unknown names fail at ``compile``, not at the first batch."""
    for given in _single_ones(loss):
        if isinstance(given, str):
            loss_functions.get(given)
        elif not callable(given) and not isinstance(given, Mapping):
            raise ArgumentError(
                f"compile: loss holds {given!r}; expected a name such as 'mse', a function of (y_true, y_pred), or a Loss."
            )
    for given in _single_ones([metrics, weighted_metrics]):
        if isinstance(given, str):
            metric_functions.resolve(given, (None, 1), (None, 1))
        elif not callable(given) and not isinstance(given, (Mapping, metric_functions.Metric)):
            raise ArgumentError(
                f"compile: metrics hold {given!r}; expected a name such as 'mae', a function of (y_true, y_pred), or a "
                "Metric."
            )


def _single_ones(given: Any) -> Iterator[Any]:
    """Each loss or metric in lists and dicts by output; a dict with a class name is the config of one."""
    if isinstance(given, (list, tuple)) or (isinstance(given, Mapping) and not _is_config(given)):
        for part in given.values() if isinstance(given, Mapping) else given:
            yield from _single_ones(part)
    elif given is not None:
        yield given


def _is_config(given: Any) -> bool:
    return isinstance(given, Mapping) and "class_name" in given and "config" in given


def _told_member(kind: str, member: Any, names: Mapping[str, Any]) -> tuple[str, str] | None:
    """How errors name the loss or metric of an output."""
    if member is None:
        return None
    given = (names["targets"].get(names["name"]), names["outputs"].get(names["name"]))
    of_output = f" of the output {names['name']!r}" if len(names["self"].names) > 1 else ""
    arrays = given_text(given[:1]).replace(", given ", ", given y_true ") + given_text(given[1:]).replace(
        ", given ", " and y_pred "
    )
    return f"the {kind} {_name(member)!r}{of_output}", arrays


def _name(function: Any) -> str:
    return str(getattr(function, "name", None) or type(function).__name__)


def _library(member: Any) -> bool:
    """Whether a loss or metric, and the function it wraps, are the library's own."""
    function = getattr(member, "fn", None) or getattr(member, "_fn", None)
    modules = [type(member).__module__, *([function.__module__] if function is not None else [])]
    return all(str(module).split(".")[0] == "keraunos" for module in modules)

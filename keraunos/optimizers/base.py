"""Optimizers: from gradients to new parameters.

An optimizer is its elementwise ``update``; clipping, weight decay, gradient
accumulation, the moving average of the weights and the bookkeeping of state
are written once, in :meth:`Optimizer.step`, a pure function that the compiled
loop calls. :meth:`Optimizer.apply` is the same step on Variables.
"""

import contextlib
import functools
import inspect
import operator
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, SupportsFloat, cast

import numpy as np

from keraunos import initializers, schedules
from keraunos.backend import K
from keraunos.core import registry
from keraunos.core.fields import Converted, Declared, Field, Name, real, whole
from keraunos.core.naming import unique_name
from keraunos.core.registry import Table
from keraunos.core.scope import Scope, optimizer_writes
from keraunos.core.stateful import Stateful
from keraunos.core.variable import Variable
from keraunos.utils import spelling, tree
from keraunos.utils.config import epsilon, floatx
from keraunos.utils.errors import ArgumentError, ModelFileError, UsageError, warn
from keraunos.utils.text import plural, shape_text, snake_case
from keraunos.utils.tracebacks import entrance, told

Tensor = Any
Key = Hashable
Tensors = Mapping[Any, Tensor]

_AVERAGE, _ACCUMULATOR = "average", "gradient_accumulator"


def _learning_rate(value: Any) -> Any:
    if isinstance(value, dict):
        value = schedules.deserialize(value)
    if callable(value):
        return value
    try:
        return real(0)(value)
    except ArgumentError:
        raise ArgumentError(
            "expected a number, a schedule, or a function without arguments; a number is 0 or more."
        ) from None


def _epsilon(value: Any) -> Any:
    return epsilon() if value is None else real(0)(value)


LearningRate = Annotated[Converted[Any, SupportsFloat | Callable[..., Any] | Mapping[str, Any]], Field(_learning_rate)]
_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "weight_decay": real(0, optional=True),
    "clipnorm": real(0, optional=True),
    "clipvalue": real(0, optional=True),
    "global_clipnorm": real(0, optional=True),
    "use_ema": bool,
    "ema_momentum": real(0, 1),
    "ema_overwrite_frequency": whole(1),
    "loss_scale_factor": real(0, optional=True),
    "gradient_accumulation_steps": whole(2),
    "decay": real(0, optional=True),
}
# Options that Keras 3 does not know; a config holds them only where they are set.
_HIDDEN_OPTIONS = ("decay",)


def _built_once(build: Callable[..., None]) -> Callable[..., None]:
    """A subclass's ``build`` that does nothing for the variables it was built for, and begins anew for others."""

    @functools.wraps(build)
    def once(self: Any, variables: Sequence[Variable]) -> None:
        present = self._trainable_variables
        if self.built and len(present) == len(variables) and all(map(lambda a, b: a is b, present, variables)):
            return
        self._added = []
        build(self, list(variables))

    return once


if TYPE_CHECKING:

    class _Arguments(Stateful, Declared):
        """What every optimizer takes; see ``core.fields``."""

        learning_rate: LearningRate = 0.001
        _: KW_ONLY
        weight_decay: float | None = None
        clipnorm: float | None = None
        clipvalue: float | None = None
        global_clipnorm: float | None = None
        use_ema: bool = False
        ema_momentum: float = 0.99
        ema_overwrite_frequency: int | None = None
        loss_scale_factor: float | None = None
        gradient_accumulation_steps: int | None = None
        decay: float | None = None
        name: Name = None

else:
    _Arguments = Stateful


class Optimizer(_Arguments):
    """Base of the optimizers.

    An optimizer of this library declares its arguments, the names of its slots
    (state of the shape of a parameter) and an elementwise ``update``. An
    optimizer written for Keras 3 (``build``, ``add_variable_from_reference``,
    ``update_step``) works too.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        weight_decay: Each step first takes ``weight_decay * learning_rate * w`` off each weight; ``None`` for none.
        clipnorm: Largest norm of the gradient of one weight; ``None`` or 0 for no limit.
        clipvalue: Largest magnitude of a gradient's element; ``None`` or 0 for no limit.
        global_clipnorm: Largest norm of all gradients together; ``None`` or 0 for no limit.
            With ``clipvalue`` as well, the norm is limited first, then the elements.
        use_ema: Whether a moving average of the weights is kept; it replaces them when training ends.
        ema_momentum: Share of the old average in the new one, 0 to 1.
        ema_overwrite_frequency: Updates after which the average replaces the weights; ``None`` for only at the end.
        loss_scale_factor: Factor of the loss, by which gradients are divided again; helps 16-bit floats.
        gradient_accumulation_steps: Steps whose mean gradient makes one update, 2 or more; ``None`` for one.
        decay: The rate of the update that follows ``t`` others is ``rate / (1 + decay * t)``; ``None`` or 0 for
            the rate itself. ``learning_rate`` does not change. A schedule, ``InverseTimeDecay``, says the same.
        name: Name.

    Raises:
        ArgumentError: A value out of its range, or ways of clipping that do not go together.

    >>> class Signs(Optimizer):
    ...     learning_rate: LearningRate = 0.1
    ...     def update(self, gradient, parameter, slots, rate, step):
    ...         return parameter - rate * K.sign(gradient), {}
    >>> weight = Variable([1.0, 2.0])
    >>> Signs(0.5).apply([np.array([3.0, -3.0])], [weight])
    >>> weight.numpy().tolist()
    [0.5, 2.5]
    """

    _not_parts: ClassVar[frozenset[str]] = frozenset({"_trainable_variables", "_excluded", "_key"})

    # Whether the rate has to be given here; a class of an earlier era may keep it itself.
    needs_rate: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "learning_rate" in cls.__dict__ and "learning_rate" in cls._fields:
            # The field has given its default to the constructor; the property below must show again.
            del cls.learning_rate
        if "build" in cls.__dict__:
            cls.build = _built_once(cls.build)  # type: ignore[method-assign]

    @spelling.spelled
    def __init__(
        self,
        learning_rate: Any = None,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        decay: float | None = None,
        name: str | None = None,
    ) -> None:
        given = locals()
        owner = type(self).__name__
        self.name = name or unique_name(snake_case(owner))
        free = learning_rate is None and not self.needs_rate
        rates = {} if free else {"learning_rate": _learning_rate}
        self._rate: Any = self.__dict__.get("_rate")
        for option, convert in {**rates, **_OPTIONS}.items():
            try:
                setattr(self, option, convert(given[option]))
            except ArgumentError as error:
                raise ArgumentError(f"{owner}: {option} is {given[option]!r}; {error}") from None
        clipping = [
            option for option in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, option) is not None
        ]
        if len(clipping) > 1 and clipping != ["clipvalue", "global_clipnorm"]:
            raise ArgumentError(f"{owner}: {' and '.join(clipping)} are both set; choose one of them.")
        self._iterations = self._named(Variable(np.int32(0), trainable=False, name="iteration"))
        self._keep_rate()
        self.built = False
        self._trainable_variables: list[Variable] = []
        self._slots: dict[str, dict[Variable, Variable]] = {}
        self._scalars: dict[str, Variable] = {}
        self._added: list[Variable] = []
        self._excluded: tuple[list[Variable], tuple[str, ...]] = ([], ())
        self._key: tuple[list[Any], tuple[Any, ...]] = ([], ())

    # --- the mathematics: what a subclass defines --------------------------------

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Names of the own slots; those of one group are stored side by side for each weight."""
        return ()

    @property
    def scalar_names(self) -> tuple[str, ...]:
        """Names of the own state that belongs to no weight."""
        return ()

    def initial_slot(self, slot_name: str, parameter: Any) -> Any:
        """First value of a slot of a parameter (anything with shape and dtype), as a NumPy array."""
        return initializers.Zeros()(parameter.shape, str(parameter.dtype))

    def initial_scalar(self, scalar_name: str) -> float:
        """First value of a scalar."""
        return 0.0

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: dict[str, Tensor], rate: Tensor, step: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """New parameter and slots; elementwise, so that many small parameters can be updated as one vector.

        Args:
            gradient: Gradient, clipped.
            parameter: Parameter, decayed.
            slots: Own slots of the parameter by name; the scalars too.
            rate: Learning rate, in 32 bits or more.
            step: Number of updates made before this one.
        """
        raise ArgumentError(f"{type(self).__name__} defines neither update() nor update_step().")

    def update_scalars(self, scalars: dict[str, Tensor], step: Tensor) -> dict[str, Tensor]:
        """New scalars, before the parameters are updated."""
        return scalars

    # --- one step, pure ----------------------------------------------------------

    @property
    def packable(self) -> bool:
        """Whether several parameters may be given to ``step`` as one flat vector."""
        return not self.clipnorm and not self._keras_style

    @told(lambda names: (f"the optimizer {names['self'].name!r} ({type(names['self']).__name__})", ""))
    def step(
        self,
        gradients: Tensors,
        parameters: Tensors,
        state: Mapping[str, Any],
        decayed: Collection[Key] | None = None,
    ) -> tuple[dict[Any, Tensor], dict[str, Any]]:
        """New parameters and state; changes nothing.

        Args:
            gradients: Gradient by key. A parameter without one stays as it is.
            parameters: Parameter by key: a path, a Variable, or the name of a pack.
            state: ``iterations``, ``learning_rate`` (none for a schedule), ``scalars`` by
                name, and ``slots`` by name and key, as :meth:`state` returns them.
            decayed: Keys that weight decay applies to; ``None`` for all.
        """
        if self.loss_scale_factor:
            gradients = {key: gradient / self.loss_scale_factor for key, gradient in gradients.items()}
        slots: Any = {name: dict(slot) for name, slot in state["slots"].items()}
        iterations, every = state["iterations"], self.gradient_accumulation_steps
        updates = iterations if every is None else K.floor_divide(iterations, every)
        moving: tuple[Any, Any, Any] = (dict(parameters), slots, dict(state["scalars"]))
        if every is None:
            new, slots, scalars = self._advance(gradients, *moving, state, updates, decayed)
        else:
            due = K.equal(K.mod(iterations + 1, every), 0)
            sums = {key: gradient + slots[_ACCUMULATOR][key] for key, gradient in gradients.items()}
            means = {key: total / every for key, total in sums.items()}
            advanced = self._advance(means, *moving, state, updates, decayed)
            new, slots, scalars = tree.map(functools.partial(K.where, due), advanced, moving)
            for key, total in sums.items():
                slots[_ACCUMULATOR][key] = K.where(due, K.zeros_like(total), total)
        if self.use_ema:
            new, slots[_AVERAGE] = self._averaged(new, slots[_AVERAGE], updates)
        return new, {**state, "iterations": iterations + 1, "scalars": scalars, "slots": slots}

    def _advance(
        self, gradients: Tensors, parameters: Any, slots: Any, scalars: Any, state: Any, updates: Any, decayed: Any
    ) -> tuple[Any, Any, Any]:
        rate = self._rate_at(state)
        if self.decay:
            rate = rate / (1 + self.decay * K.cast(updates, K.dtype(rate)))
        gradients = self.limited(gradients)
        if self.weight_decay is not None:
            decayed = parameters.keys() if decayed is None else decayed
            parameters = {
                key: K.cast(w - w * self.weight_decay * _wide(rate, w), K.dtype(w))
                if key in gradients and key in decayed
                else w
                for key, w in parameters.items()
            }
        return self._updated(gradients, parameters, slots, scalars, state, rate, updates)

    def _updated(
        self, gradients: Tensors, parameters: Any, slots: Any, scalars: Any, state: Any, rate: Any, updates: Any
    ) -> tuple[Any, Any, Any]:
        if self._keras_style:
            return self._updated_by_steps(gradients, parameters, slots, scalars, state, rate)
        parameters, slots = dict(parameters), {name: dict(slot) for name, slot in slots.items()}
        scalars = self.update_scalars(scalars, updates)
        names = [name for group in self.slot_groups for name in group]
        for key, gradient in gradients.items():
            dtype = K.dtype(parameters[key])
            own = {**scalars, **{name: slots[name][key] for name in names}}
            new, own = self.update(K.cast(gradient, dtype), parameters[key], own, _wide(rate, parameters[key]), updates)
            parameters[key] = K.cast(new, dtype)
            for name in names:
                slots[name][key] = K.cast(own[name], K.dtype(slots[name][key]))
        return parameters, slots, scalars

    @contextlib.contextmanager
    def unlimited(self) -> Iterator[None]:
        """Inside, gradients are taken as they are: they were limited before."""
        self._limits = False
        try:
            yield
        finally:
            del self._limits

    _limits = True

    def limited(self, gradients: Tensors) -> Tensors:
        """Gradients whose norms and elements are as large as they may be."""
        if not self._limits:
            return gradients
        if self.clipnorm:
            return {key: _clip_by_norm(gradient, self.clipnorm) for key, gradient in gradients.items()}
        if self.global_clipnorm and gradients:
            norm = K.sqrt(functools.reduce(K.add, (K.sum(K.square(gradient)) for gradient in gradients.values())))
            # An infinite norm makes every gradient NaN, where a plain quotient would hide it as 0.
            scale = self.global_clipnorm * K.minimum(1 / norm, 1 / self.global_clipnorm) + (norm - norm)
            gradients = {key: gradient * scale for key, gradient in gradients.items()}
        if self.clipvalue:
            return {key: K.clip(gradient, -self.clipvalue, self.clipvalue) for key, gradient in gradients.items()}
        return gradients

    def _averaged(self, parameters: Any, averages: Any, updates: Any) -> tuple[Any, Any]:
        momentum = K.where(K.equal(updates, 0), 0.0, self.ema_momentum)
        averages = {
            key: K.cast(momentum * average + (1 - momentum) * parameters[key], K.dtype(average))
            for key, average in averages.items()
        }
        if self.ema_overwrite_frequency:
            due = K.equal(K.mod(updates + 1, self.ema_overwrite_frequency), 0)
            parameters = {key: K.where(due, averages[key], w) for key, w in parameters.items()}
        return parameters, averages

    # --- the learning rate -------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The rate as a Variable; the present value where a schedule or a function gives it. May be set."""
        if self._rate is None:
            raise AttributeError(f"{type(self).__name__} was made without a learning rate")
        made = isinstance(self._rate, Variable) or not hasattr(self, "_iterations")
        return self._rate if made else self._rate_at(present(self._rate_holders()))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value) or not hasattr(self, "_iterations"):
            self._rate = value
        elif self._rate is None:
            self._rate = value
            self._keep_rate()
        elif isinstance(self._rate, Variable):
            self._rate.assign(value if K.is_tensor(value) else _learning_rate(value))
        else:
            raise UsageError(
                f"{self.name}: the learning rate comes from {_described(self._rate)}, so it cannot be set to a number. "
                f"Set it to another schedule, or compile with {type(self).__name__}(learning_rate={value!r})."
            )

    def _keep_rate(self) -> None:
        """Hold a rate that is a number in a Variable."""
        if self._rate is not None and not callable(self._rate) and not isinstance(self._rate, Variable):
            rate = np.asarray(self._rate, np.float64)
            self._rate = self._named(Variable(rate, dtype=floatx(), trainable=False, name="learning_rate"))

    def _rate_at(self, state: Mapping[str, Any]) -> Any:
        if isinstance(self._rate, schedules.LearningRateSchedule):
            return self._rate(state["iterations"])
        return state.get("learning_rate")

    def _rate_holders(self) -> dict[str, Any]:
        given = self._rate is None or isinstance(self._rate, schedules.LearningRateSchedule)
        return {"iterations": self._iterations, **({} if given else {"learning_rate": self._rate})}

    @property
    def iterations(self) -> Any:
        """Number of updates made: a Variable, or a tensor where gradients are accumulated."""
        every = self.gradient_accumulation_steps
        return self._iterations if every is None else K.floor_divide(self._iterations, every)

    @iterations.setter
    def iterations(self, variable: Variable) -> None:
        self._iterations = variable

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss times ``loss_scale_factor``; ``step`` divides the gradients by it again."""
        return loss * self.loss_scale_factor if self.loss_scale_factor else loss

    # --- state in Variables ------------------------------------------------------

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the state for trainable variables; state of those that it was built for before is kept."""
        self._trainable_variables = list(variables)
        kept, self._slots = self._slots, {}
        for name in self.slot_names:
            mine = kept.get(name, {})
            self._slots[name] = {
                variable: mine[variable] if variable in mine else self._slot(name, variable) for variable in variables
            }
        for name in self.scalar_names:
            if name not in self._scalars:
                dtype = variables[0].dtype if variables else floatx()
                value = np.asarray(self.initial_scalar(name), np.float32)
                # Keras gives this one no name; ours follow, so that files of one open in the other.
                self._scalars[name] = Variable(value, dtype=dtype, trainable=False, name="variable")
        self.built = True

    def extend(self, variables: Iterable[Variable]) -> None:
        """Make the state for those trainable variables that have none yet, such as ones just set free."""
        known = set(self._trainable_variables)
        new = [variable for variable in variables if variable not in known]
        if new:
            self.build([*self._trainable_variables, *new])

    @property
    def slot_names(self) -> tuple[str, ...]:
        """Names of all slots: average and accumulator where asked for, then the own ones."""
        return tuple(name for group in self._groups for name in group)

    @property
    def _groups(self) -> list[tuple[str, ...]]:
        common = [(_AVERAGE,)] * self.use_ema + [(_ACCUMULATOR,)] * (self.gradient_accumulation_steps is not None)
        return [*common, *self.slot_groups]

    @property
    def variables(self) -> list[Variable]:
        """All state, in the order in which Keras 3 stores it."""
        slots = [
            self._slots[name][variable]
            for group in (self._groups if self.built else ())
            for variable in self._trainable_variables
            for name in group
        ]
        return [*self.rate_and_count, *slots, *self._scalars.values(), *self._added]

    @property
    def rate_and_count(self) -> list[Variable]:
        """All state before the first step: the number of steps, and the learning rate where it is a number."""
        return [self._iterations, *([self._rate] if isinstance(self._rate, Variable) else [])]

    def named_variables(self, prefix: str = "", _seen: set[int] | None = None) -> dict[str, Variable]:
        """All state under its path, such as ``adam/dense_kernel_momentum``."""
        named: dict[str, Variable] = {}
        for variable in self.variables:
            if _seen is None or id(variable) not in _seen:
                path = unused(f"{prefix or self.name + '/'}{variable.name}", named)
                variable.path, named[path] = path, variable
        if _seen is not None:
            _seen.update(map(id, named.values()))
        return named

    def holders(self, keys: Mapping[Variable, Key] | None = None) -> dict[str, Any]:
        """What holds the state that ``step`` takes: Variables, and a learning rate that is a function itself.

        With ``keys``, slots of Variables without one (such as frozen ones) are left out.
        """
        slots = {
            name: {
                variable if keys is None else keys[variable]: slot
                for variable, slot in slots.items()
                if keys is None or variable in keys
            }
            for name, slots in self._slots.items()
        }
        return {**self._rate_holders(), "scalars": self.scalars, "slots": slots}

    def state(self, keys: Mapping[Variable, Key] | None = None) -> dict[str, Any]:
        """Present state as ``step`` takes it, with slots by ``keys[variable]``, by default by Variable."""
        return present(self.holders(keys))

    def set_state(self, state: Mapping[str, Any], keys: Mapping[Variable, Key] | None = None) -> None:
        """Store what ``step`` returned."""
        self._iterations.assign(state["iterations"])
        for name, scalar in self.scalars.items():
            scalar.assign(state["scalars"][name])
        for name, slots in self._slots.items():
            for variable, slot in slots.items():
                slot.assign(state["slots"][name][variable if keys is None else keys[variable]])

    @property
    def slots(self) -> dict[str, dict[Variable, Variable]]:
        """The Variable of each slot, by the slot's name and the trainable variable."""
        return self._slots

    @property
    def scalars(self) -> dict[str, Variable]:
        """The Variables of state that is no slot, by the names that they have in ``step``'s state."""
        return {**self._scalars, **{f"added_{number}": variable for number, variable in enumerate(self._added)}}

    @property
    def program_key(self) -> tuple[Any, ...]:
        """What a compiled step has fixed of this optimizer; where it changes, compile again."""
        names = [*_OPTIONS, *(name for name in self._fields if name != "learning_rate")]
        rate = "variable" if isinstance(self._rate, Variable) else id(self._rate)
        values = [self._rate, self._excluded, *(getattr(self, name) for name in names)]
        known, key = self._key
        # Writing the values out takes as long as a small epoch, so it is done only where one is another than before.
        if len(known) != len(values) or any(map(operator.is_not, known, values)):
            excluded = (tuple(map(id, self._excluded[0])), self._excluded[1])
            key = (type(self), rate, repr(values[2:]), excluded)
            self._key = (values, key)
        return key

    def _slot(self, name: str, variable: Variable) -> Variable:
        value = self.initial_slot(name, variable)
        slot = Variable(value, dtype=variable.dtype, trainable=False, name=f"{variable.path.replace('/', '_')}_{name}")
        return self._named(slot)

    def _named(self, variable: Variable) -> Variable:
        variable.path = f"{self.name}/{variable.name}"
        return variable

    # --- on Variables ------------------------------------------------------------

    @entrance
    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Variable] | None = None) -> None:
        """Update Variables from their gradients, then apply their constraints.

        Args:
            grads: A gradient for each variable, or ``None`` where there is none.
            trainable_variables: The variables; by default those that the optimizer was built for.
        """
        if trainable_variables is None and not self.built:
            raise UsageError(
                f"{self.name}: gradients were given without variables. Call apply(grads, variables), "
                "or build(variables) before."
            )
        gradients = list(grads)
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if len(gradients) != len(variables):
            raise ArgumentError(
                f"{self.name}: {plural(len(gradients), 'gradient')} for {plural(len(variables), 'variable')}; "
                "give one for each, in the same order."
            )
        if not gradients:
            return
        if not self.built:
            self.build(variables)
        known = set(self._trainable_variables)
        unknown = [variable.path for variable in variables if variable not in known]
        if unknown:
            raise ArgumentError(
                f"{self.name} was built for other variables than {', '.join(unknown)}. Build it for all variables "
                "before the first step, or make another optimizer."
            )
        present = {v: K.array(g) for v, g in zip(variables, gradients, strict=True) if g is not None}
        if not present:
            raise ArgumentError(f"{self.name}: none of the variables has a gradient. Does the loss depend on them?")
        missing = [variable.path for variable in variables if variable not in present]
        if missing:
            message = f"{self.name}: no gradient for {', '.join(missing)}. Does the loss depend on them?"
            warn(message)
        everything = {variable: variable.value for variable in self._trainable_variables}
        decayed = {variable for variable in everything if self.decays(variable)}
        parameters, state = self.step(present, everything, self.state(), decayed)
        with optimizer_writes():
            for variable, value in parameters.items():
                if variable in present and variable.constraint is not None:
                    value = variable.constraint(value)
                if value is not everything[variable]:
                    variable.assign(value)
        self.set_state(state)

    @property
    def applies_itself(self) -> bool:
        """Whether a subclass applies gradients in its own way, which a step of training has to call."""
        return any(map(self._overrides, ("apply", "apply_gradients", "stateless_apply")))

    @property
    def has_own_update(self) -> bool:
        """Whether a subclass of a user's says itself how a weight changes, as a function or in place."""
        owners = [next(cls for cls in type(self).__mro__ if name in vars(cls)) for name in ("update", "update_step")]
        return any(owner.__module__.split(".")[0] != "keraunos" for owner in owners)

    def _overrides(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(Optimizer, name)

    def take_step(self, gradients: Sequence[Any], variables: Sequence[Variable]) -> None:
        """Update Variables by the outermost method that a subclass has of its own."""
        if self._overrides("stateless_apply"):
            own = self.variables
            values = ([v.value for v in own], list(gradients), [v.value for v in variables])
            trained, state = self.stateless_apply(*values)
            with optimizer_writes():
                for variable, value in zip([*variables, *own], [*trained, *state], strict=True):
                    variable.assign(value)
        elif self._overrides("apply_gradients"):
            self.apply_gradients(list(zip(gradients, variables, strict=True)))
        elif len(inspect.signature(self.apply).parameters) == 1:
            self.apply(gradients)
        else:
            self.apply(gradients, variables)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """``apply`` on pairs of gradient and variable; returns the count of steps."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def stateless_apply(
        self, optimizer_variables: Sequence[Tensor], grads: Sequence[Tensor], trainable_variables: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """New values of the trainable variables and of the optimizer's; changes nothing."""
        if not self.built:
            raise UsageError(f"{self.name}: call build(trainable_variables) before stateless_apply.")
        own, trained = self.variables, self._trainable_variables
        for what, given, expected in (
            ("optimizer_variables", optimizer_variables, own),
            ("trainable_variables", trainable_variables, trained),
        ):
            if len(given) != len(expected):
                raise ArgumentError(f"{self.name}: {what} has {len(given)} values; expected {len(expected)}.")
        values = dict(zip([*trained, *own], [*trainable_variables, *optimizer_variables], strict=True))
        with Scope(values, strict=False, owner=self.name) as scope:
            self.apply(grads)
            return [scope.read(variable) for variable in trained], [scope.read(variable) for variable in own]

    def finalize_variable_values(self, trainable_variables: Iterable[Variable]) -> None:
        """Put the moving averages in place of the weights, where averages are kept."""
        if self.use_ema and self.built:
            with optimizer_writes():
                for variable in trainable_variables:
                    if variable in self._slots[_AVERAGE]:
                        variable.assign(self._slots[_AVERAGE][variable].value)

    def exclude_from_weight_decay(
        self, var_list: Sequence[Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Name variables that weight decay leaves alone.

        Args:
            var_list: The variables themselves.
            var_names: Patterns; a variable is left alone if one occurs in its name, such as ``"bias"``.
        """
        self._excluded = (list(var_list or ()), tuple(var_names or ()))

    def decays(self, variable: Variable) -> bool:
        """Whether weight decay applies to a variable."""
        listed, patterns = self._excluded
        return not any(variable is other for other in listed) and not any(re.search(p, variable.name) for p in patterns)

    # --- shown, saved ------------------------------------------------------------

    def __repr__(self) -> str:
        """Name, learning rate, and the arguments that are not as by default."""
        usual = {**inspect.signature(Optimizer).parameters, **inspect.signature(type(self)).parameters}
        known = isinstance(self._rate, Variable)
        rate = f"{float(self._rate):.6g}" if known else getattr(self._rate, "__name__", None) or repr(self._rate)
        shown = {"name": self.name, "learning_rate": rate}
        for name in (*self._fields, *_OPTIONS):
            value = getattr(self, name)
            if name != "learning_rate" and (name not in usual or value != usual[name].default):
                shown[name] = repr(value)
        return f"<{type(self).__name__} {', '.join(f'{name}={value}' for name, value in shown.items())}>"

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain data; of a subclass in an earlier era those that the class had then."""
        if spelling.chosen() and not type(self).__module__.startswith("keraunos."):
            return spelling.provider().files().optimizer_config(self, self._config())
        return self._config()

    def _config(self) -> dict[str, Any]:
        rate = self._rate
        options = [option for option in _OPTIONS if option not in _HIDDEN_OPTIONS or getattr(self, option)]
        own = [name for name in self._fields if name != "learning_rate" and self._writes(name)]
        return {
            "name": self.name,
            "learning_rate": float(rate) if isinstance(rate, Variable) else registry.serialize(rate),
            **{option: getattr(self, option) for option in options},
            **{name: self._fields[name][0].export(getattr(self, name)) for name in own},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Optimizer with the arguments of a config, without its state."""
        with registry.custom_object_scope(custom_objects or {}):
            return cls(**config)

    def save_own_variables(self, store: Any) -> None:
        """Write the state into a mapping under ``"0"``, ``"1"`` …, as Keras 3 does."""
        for number, variable in enumerate(self.variables):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read the state back; a store of another length is skipped with a warning."""
        if len(store.keys()) == len(self.rate_and_count):
            # It was saved before its first step: there is no other state to go on from.
            for number, variable in enumerate(self.rate_and_count):
                variable.assign(np.asarray(store[str(number)]))
            return
        if len(store.keys()) != len(self.variables):
            warn(
                f"{self.name}: the state is not loaded, because {plural(len(store.keys()), 'array')} were saved and "
                f"the optimizer has {plural(len(self.variables), 'variable')}. Training starts with fresh state."
            )
            return
        self._load([np.asarray(store[str(number)]) for number in range(len(self.variables))], ModelFileError)

    def _load(self, values: list[Any], error: type[Exception], variables: Sequence[Variable] | None = None) -> None:
        variables = self.variables if variables is None else variables
        if len(values) != len(variables):
            raise error(
                f"{self.name}: {plural(len(values), 'array')} for {plural(len(variables), 'variable')}. "
                "Build the optimizer for the same variables before."
            )
        for variable, value in zip(variables, values, strict=True):
            if np.shape(value) != variable.shape:
                raise error(
                    f"{self.name}: {variable.path} has shape {shape_text(variable.shape)}, "
                    f"but the value has shape {shape_text(np.shape(value))}."
                )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    # --- optimizers written for Keras 3 ------------------------------------------

    @property
    def _keras_style(self) -> bool:
        return type(self).update_step is not Optimizer.update_step

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Update one variable and its state in place; a Keras 3 optimizer overrides it instead of ``update``."""
        slots = {name: self._slots[name][variable] for group in self.slot_groups for name in group}
        values = {name: holder.value for name, holder in {**self._scalars, **slots}.items()}
        rate, gradient = _wide(learning_rate, variable), K.cast(gradient, variable.dtype)
        updates = K.array(K.cast(self.iterations, "int32"))
        parameter, values = self.update(gradient, variable.value, values, rate, updates)
        self.assign(variable, parameter)
        for name, slot in slots.items():
            self.assign(slot, values[name])

    def _updated_by_steps(
        self, gradients: Tensors, parameters: Any, slots: Any, scalars: Any, state: Any, rate: Any
    ) -> tuple[Any, Any, Any]:
        """Run ``update_step`` on Variables that a Scope binds to the values given."""
        by_path = {variable.path: variable for variable in self._trainable_variables}
        of_key = {key: key if isinstance(key, Variable) else by_path[cast(str, key)] for key in parameters}
        key_of = {variable: key for key, variable in of_key.items()}
        scalars = self.update_scalars(scalars, state["iterations"])
        values = {variable: parameters[key] for key, variable in of_key.items()}
        values[self._iterations] = state["iterations"]
        if isinstance(self._rate, Variable):
            values[self._rate] = state["learning_rate"]
        values.update({holder: scalars[name] for name, holder in self.scalars.items()})
        for name, holders in self._slots.items():
            values.update(
                {slot: slots[name][key_of[variable]] for variable, slot in holders.items() if variable in key_of}
            )
        with Scope(values, strict=False, owner=self.name) as scope, optimizer_writes():
            for key, gradient in gradients.items():
                self.update_step(gradient, of_key[key], rate)
            parameters = {key: scope.read(variable) for key, variable in of_key.items()}
            scalars = {name: scope.read(holder) for name, holder in self.scalars.items()}
            slots = {
                name: {key: scope.read(self._slots[name][of_key[key]]) for key in slot} for name, slot in slots.items()
            }
        return parameters, slots, scalars

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: str | None = None,
        aggregation: str | None = None,
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """New state of a shape; ``aggregation`` and ``layout`` are accepted for Keras' sake."""
        made = Variable(initializers.get(initializer), tuple(shape), dtype or floatx(), False, name=name or "variable")
        self._added.append(self._named(made))
        return made

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """New state of the shape and dtype of a variable."""
        full = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, name=full)

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """New state for each variable: a list, or one list for each of several names."""
        names = [name] if isinstance(name, str) else list(name)
        initial = list(initializer) if isinstance(initializer, (list, tuple)) else [initializer] * len(names)
        if len(initial) != len(names):
            raise ArgumentError(f"{self.name}: {plural(len(initial), 'initializer')} for {plural(len(names), 'name')}.")
        rows = [
            [self.add_variable_from_reference(variable, n, i) for n, i in zip(names, initial, strict=True)]
            for variable in trainable_variables
        ]
        lists = tuple([row[column] for row in rows] for column in range(len(names)))
        return lists[0] if isinstance(name, str) else lists

    def assign(self, variable: Variable, value: Tensor) -> None:
        """Give a variable a new value, inside ``update_step``."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Tensor) -> None:
        """Add to a variable, inside ``update_step``."""
        variable.assign(variable.value + value)

    def assign_sub(self, variable: Variable, value: Tensor) -> None:
        """Subtract from a variable, inside ``update_step``."""
        variable.assign(variable.value - value)

    def _get_variable_index(self, variable: Variable) -> int:
        # Keras' documentation uses it in its example of a custom optimizer.
        return next(number for number, other in enumerate(self._trainable_variables) if other is variable)


table: Table[Optimizer] = Table("optimizers", "optimizer", Optimizer)


# --- helpers --------------------------------------------------------------------------


def present(holders: Any) -> Any:
    """Present values of a tree of holders."""
    return tree.map(lambda h: h.value if isinstance(h, Variable) else K.array(h(), floatx()), holders)


def _wide(rate: Tensor, parameter: Any) -> Tensor:
    # 16-bit parameters are updated in 32 bits: there, a beta of 0.999 would round to 1.
    return K.cast(rate, "float64" if str(parameter.dtype) == "float64" else "float32")


def _clip_by_norm(gradient: Tensor, limit: float) -> Tensor:
    square = K.sum(K.square(gradient))
    # The root's slope at 0 is infinite, so a zero gradient takes the root of 1 instead.
    norm = K.where(K.greater(square, 0), K.sqrt(K.where(K.greater(square, 0), square, 1.0)), square)
    return gradient * limit / K.maximum(norm, limit)


def _described(rate: Any) -> str:
    kind = "the schedule" if isinstance(rate, schedules.LearningRateSchedule) else "the function"
    return f"{kind} {getattr(rate, '__name__', type(rate).__name__)}"


def unused(name: str, taken: Collection[str]) -> str:
    """A name, with a number where it is taken."""
    if name not in taken:
        return name
    return next(f"{name}_{number}" for number in range(1, len(taken) + 2) if f"{name}_{number}" not in taken)

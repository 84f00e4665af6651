"""Learning-rate schedules: functions from the number of updates made to the learning rate of the next one."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, SupportsFloat

from keraunos.backend import K
from keraunos.core.fields import Converted, Declared, Field, NonNegativeReal, Real, real
from keraunos.core.registry import Table
from keraunos.utils.config import floatx
from keraunos.utils.errors import ArgumentError
from keraunos.utils.modules import offer

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]
offer(__name__)


class LearningRateSchedule(Declared):
    """Base of the schedules; a subclass defines ``__call__(self, step)`` with ``K`` or ``ops``.

    ``step`` counts updates from 0 and is a tensor inside a compiled step, so a
    schedule decides with ``where``, not with ``if``.

    >>> class Halves(LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 ** K.cast(step, "float32")
    >>> float(Halves()(2))
    0.25
    """

    def __call__(self, step: Any) -> Any:
        """Learning rate of update number ``step``."""
        raise ArgumentError(f"{type(self).__name__} does not define __call__(self, step).")

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self._fields if name != "name"}
        return f"<{' '.join([type(self).__name__, ', '.join(f'{name}={value}' for name, value in values.items())]).strip()}>"


table: Table[LearningRateSchedule] = Table("optimizers.schedules", "learning-rate schedule", LearningRateSchedule)


def _positive(value: Any) -> Any:
    if real()(value) <= 0:
        raise ArgumentError("expected a positive number.")
    return value


_Steps = Annotated[Converted[float, SupportsFloat], Field(_positive)]
_OptionalReal = Annotated[Converted[float | None, SupportsFloat | None], Field(real(optional=True))]
_Numbers = Annotated[Converted[list[float], Sequence[SupportsFloat]], Field(list)]


@table.register()
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: Rate at step 0.
        decay_steps: Steps in which the rate is multiplied by ``decay_rate`` once; positive.
        decay_rate: The factor.
        staircase: Whether the exponent is rounded down, so that the rate falls in jumps.
        name: Name.

    >>> float(ExponentialDecay(0.8, 10, 0.5)(20))
    0.20000000298023224
    """

    initial_learning_rate: Real
    decay_steps: _Steps
    decay_rate: Real
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __call__(self, step: Any) -> Any:
        return self.initial_learning_rate * K.power(self.decay_rate, _periods(step, self.decay_steps, self.staircase))


@table.register()
class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Args:
        initial_learning_rate: Rate at step 0.
        decay_steps: Steps in which the denominator grows by ``decay_rate``; positive.
        decay_rate: Growth of the denominator.
        staircase: Whether ``step / decay_steps`` is rounded down.
        name: Name.

    >>> float(InverseTimeDecay(1.0, 10, 0.5)(20))
    0.5
    """

    initial_learning_rate: Real
    decay_steps: _Steps
    decay_rate: Real
    staircase: bool = False
    name: str = "InverseTimeDecay"

    def __call__(self, step: Any) -> Any:
        return self.initial_learning_rate / (1 + self.decay_rate * _periods(step, self.decay_steps, self.staircase))


@table.register()
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` where ``i`` is the number of boundaries that ``step`` has passed.

    Args:
        boundaries: Steps after which the next value holds, ascending.
        values: Rates; one more than boundaries.
        name: Name.

    Raises:
        ArgumentError: The two lengths do not fit.

    >>> schedule = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.25])
    >>> [float(schedule(step)) for step in (0, 10, 11, 21)]
    [1.0, 1.0, 0.5, 0.25]
    """

    boundaries: _Numbers
    values: _Numbers
    name: str = "PiecewiseConstant"

    def setup(self) -> None:
        """Check the lengths."""
        if len(self.boundaries) != len(self.values) - 1:
            raise ArgumentError(
                f"PiecewiseConstantDecay: {len(self.boundaries)} boundaries separate {len(self.boundaries) + 1} "
                f"values, but {len(self.values)} values were given."
            )

    def __call__(self, step: Any) -> Any:
        rate = K.full((), self.values[0], floatx())
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = K.where(K.greater(step, boundary), value, rate)
        return rate


@table.register()
class PolynomialDecay(LearningRateSchedule):
    """``(initial - end) * (1 - step / decay_steps) ** power + end``, then ``end``.

    Args:
        initial_learning_rate: Rate at step 0.
        decay_steps: Steps until ``end_learning_rate`` is reached; positive.
        end_learning_rate: Last rate.
        power: Exponent; 1 is a straight line.
        cycle: Whether to start again with two, three … times the steps, instead of staying at the end.
        name: Name.

    >>> float(PolynomialDecay(1.0, 10, 0.0)(5))
    0.5
    """

    initial_learning_rate: Real
    decay_steps: _Steps
    end_learning_rate: Real = 0.0001
    power: Real = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __call__(self, step: Any) -> Any:
        step = K.cast(step, floatx())
        length = self.decay_steps * (K.maximum(K.ceil(step / self.decay_steps), 1.0) if self.cycle else 1.0)
        left = 1 - K.minimum(step, length) / length
        return (self.initial_learning_rate - self.end_learning_rate) * K.power(
            left, self.power
        ) + self.end_learning_rate


@table.register()
class CosineDecay(LearningRateSchedule):
    """``initial * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``, after a linear warm-up if asked.

    Args:
        initial_learning_rate: Rate at step 0.
        decay_steps: Steps of the decay, the warm-up not included; positive.
        alpha: Last rate as a fraction of the highest.
        name: Name.
        warmup_target: Rate at the end of the warm-up, from which the decay starts; ``None`` for no warm-up.
        warmup_steps: Steps of the warm-up.

    Reference: Loshchilov, Hutter 2016, "SGDR: Stochastic Gradient Descent with Warm Restarts".

    >>> float(CosineDecay(1.0, 10)(10))
    0.0
    """

    initial_learning_rate: Real
    decay_steps: _Steps
    alpha: Real = 0.0
    name: str = "CosineDecay"
    warmup_target: _OptionalReal = None
    warmup_steps: NonNegativeReal = 0

    def __call__(self, step: Any) -> Any:
        step, first, peak = K.cast(step, floatx()), self.initial_learning_rate, self.warmup_target
        if peak is None:
            return first * _cosine(K.minimum(step / self.decay_steps, 1.0), self.alpha)
        warm = first + (peak - first) * step / max(self.warmup_steps, 1)
        decayed = peak * _cosine(K.clip((step - self.warmup_steps) / self.decay_steps, 0.0, 1.0), self.alpha)
        return K.where(K.less(step, self.warmup_steps), warm, decayed)


@table.register()
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after the other, each ``t_mul`` times as long and ``m_mul`` times as high as the last.

    Args:
        initial_learning_rate: Rate at step 0.
        first_decay_steps: Steps of the first decay; positive.
        t_mul: Factor of the length at each restart.
        m_mul: Factor of the height at each restart.
        alpha: Lowest rate as a fraction of the initial one.
        name: Name.

    Reference: Loshchilov, Hutter 2016, "SGDR: Stochastic Gradient Descent with Warm Restarts".

    >>> float(CosineDecayRestarts(1.0, 10, m_mul=0.5)(10))
    0.5
    """

    initial_learning_rate: Real
    first_decay_steps: _Steps
    t_mul: Real = 2.0
    m_mul: Real = 1.0
    alpha: Real = 0.0
    name: str = "SGDRDecay"

    def __call__(self, step: Any) -> Any:
        done = K.cast(step, floatx()) / self.first_decay_steps
        if self.t_mul == 1:
            restarts = K.floor(done)
            done = done - restarts
        else:
            # After n restarts the steps sum to (t^n - 1) / (t - 1). The small number keeps the
            # rounding of the logarithms from missing a restart at the very step where it falls.
            restarts = K.floor(K.log(1 + done * (self.t_mul - 1)) / math.log(self.t_mul) + 1e-6)
            length = K.power(self.t_mul, restarts)
            done = (done - (length - 1) / (self.t_mul - 1)) / length
        return self.initial_learning_rate * _cosine(done, self.alpha, K.power(self.m_mul, restarts))


# --- by name --------------------------------------------------------------------------


def serialize(learning_rate_schedule: Any) -> Any:
    """Config of a schedule, as Keras 3 writes it."""
    return table.serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Schedule that a config describes.

    >>> deserialize(serialize(CosineDecay(0.5, 10))).decay_steps
    10
    """
    return table.deserialize(config, custom_objects)


# --- helpers --------------------------------------------------------------------------


def _periods(step: Any, decay_steps: float, staircase: bool) -> Any:
    periods = K.cast(step, floatx()) / decay_steps
    return K.floor(periods) if staircase else periods


def _cosine(done: Any, alpha: float, height: Any = 1.0) -> Any:
    return (1 - alpha) * height * (0.5 * (1 + K.cos(math.pi * done))) + alpha

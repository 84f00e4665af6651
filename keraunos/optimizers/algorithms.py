"""The optimizers: each is the elementwise update of one algorithm."""

from dataclasses import KW_ONLY
from typing import Annotated, Any, SupportsFloat

from keraunos import initializers
from keraunos.backend import K
from keraunos.core.fields import Converted, Field, HiddenFlag, NonNegativeReal, Rate, real
from keraunos.optimizers.base import LearningRate, Optimizer, table
from keraunos.utils.config import epsilon


def _epsilon(value: Any) -> Any:
    return epsilon() if value is None else real(0)(value)


_Epsilon = Annotated[Converted[float, SupportsFloat | None], Field(_epsilon)]
_HiddenReal = Annotated[Converted[float, SupportsFloat], Field(real(0), hidden=True)]


@table.register()
class SGD(Optimizer):
    """``w - rate * g``; with momentum ``m = momentum * m - rate * g`` and ``w + m``.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        momentum: Share of the last movement that goes on, 0 to 1.
        nesterov: Whether to look ahead: ``w + momentum * m - rate * g``.

    The other arguments are those of :class:`Optimizer`.
    Reference: Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum".

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> SGD(0.5).apply([np.array([1.0])], [weight]); weight.numpy().tolist()
    [0.5]
    """

    learning_rate: LearningRate = 0.01
    momentum: Rate = 0.0
    nesterov: bool = False

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum",),) if self.momentum else ()

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        if not self.momentum:
            return parameter - rate * gradient, slots
        m = self.momentum * slots["momentum"] - rate * gradient
        movement = self.momentum * m - rate * gradient if self.nesterov else m
        return parameter + movement, {"momentum": m}


@table.register("rmsprop")
class RMSprop(Optimizer):
    """``w - rate * g / sqrt(v + epsilon)`` with ``v = rho * v + (1 - rho) * g**2``.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        rho: Share of the old mean square in the new one, 0 to 1.
        momentum: Share of the last movement that goes on, 0 to 1.
        epsilon: Added to the mean square; ``None`` for ``config.epsilon()``.
        centered: Whether the square of the mean gradient is subtracted from ``v`` (variance, not mean square).
        epsilon_inside: Whether epsilon is added under the root; else ``w - rate * g / (sqrt(v) + epsilon)``.

    The other arguments are those of :class:`Optimizer`.
    Reference: Tieleman, Hinton 2012, "Lecture 6.5 - rmsprop"; Graves 2013 for ``centered``.

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> RMSprop(0.1, rho=0.0).apply([np.array([4.0])], [weight]); weight.numpy().round(4).tolist()
    [0.8999999761581421]
    """

    learning_rate: LearningRate = 0.001
    rho: Rate = 0.9
    momentum: NonNegativeReal = 0.0
    epsilon: _Epsilon = 1e-7
    centered: bool = False
    _: KW_ONLY
    epsilon_inside: HiddenFlag = True

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("velocity",), *[("momentum",)] * (self.momentum > 0), *[("average_gradient",)] * self.centered)

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        new = {"velocity": self.rho * slots["velocity"] + (1 - self.rho) * K.square(gradient)}
        variance = new["velocity"]
        if self.centered:
            new["average_gradient"] = self.rho * slots["average_gradient"] + (1 - self.rho) * gradient
            variance = variance - K.square(new["average_gradient"])
        movement = rate * gradient / _root(variance, self.epsilon, self.epsilon_inside)
        if self.momentum > 0:
            movement = new["momentum"] = self.momentum * slots["momentum"] + movement
        return parameter - movement, new


@table.register()
class Adam(Optimizer):
    """``w - rate * m' / (sqrt(v') + epsilon)``; ``m`` and ``v`` are moving means of ``g`` and ``g**2``.

    ``m'`` and ``v'`` are ``m`` and ``v`` without their bias towards 0; epsilon is
    added to the root of ``v``, before the correction.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        beta_1: Share of the old mean in the new one, 0 to 1.
        beta_2: The same for the mean square.
        epsilon: Keeps the quotient finite; ``None`` for ``config.epsilon()``.
        amsgrad: Whether the largest ``v`` so far takes the place of ``v``.

    The other arguments are those of :class:`Optimizer`.
    Reference: Kingma, Ba 2015, "Adam"; Reddi, Kale, Kumar 2018 for ``amsgrad``.

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> Adam(0.5).apply([np.array([3.0])], [weight]); weight.numpy().round(4).tolist()
    [0.5]
    """

    learning_rate: LearningRate = 0.001
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999
    epsilon: _Epsilon = 1e-7
    amsgrad: bool = False

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"), *[("velocity_hat",)] * self.amsgrad)

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        count = K.cast(step + 1, K.dtype(rate))
        rate = rate * K.sqrt(1 - K.power(self.beta_2, count)) / (1 - K.power(self.beta_1, count))
        m = slots["momentum"] + (1 - self.beta_1) * (gradient - slots["momentum"])
        v = slots["velocity"] + (1 - self.beta_2) * (K.square(gradient) - slots["velocity"])
        new = {"momentum": m, "velocity": v}
        if self.amsgrad:
            v = new["velocity_hat"] = K.maximum(slots["velocity_hat"], v)
        return parameter - rate * m / (K.sqrt(v) + self.epsilon), new


@table.register("adamw")
class AdamW(Adam):
    """Adam with weight decay: ``w - rate * weight_decay * w`` before each update.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        weight_decay: Share of each weight, times the rate, that each step takes off.
        beta_1: As for :class:`Adam`.
        beta_2: As for :class:`Adam`.
        epsilon: As for :class:`Adam`.
        amsgrad: As for :class:`Adam`.

    Reference: Loshchilov, Hutter 2019, "Decoupled Weight Decay Regularization".

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> AdamW(0.5, 0.1).apply([np.array([0.0])], [weight]); weight.numpy().round(4).tolist()
    [0.949999988079071]
    """

    learning_rate: LearningRate = 0.001
    weight_decay: NonNegativeReal = 0.004
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999
    epsilon: _Epsilon = 1e-7
    amsgrad: bool = False


@table.register()
class Adadelta(Optimizer):
    """``w - rate * g * sqrt(d + epsilon) / sqrt(a + epsilon)``; ``a``, ``d`` are mean squares of gradient and movement.

    Args:
        learning_rate: A number, a schedule, or a function without arguments; the paper has 1.
        rho: Share of the old mean squares in the new ones, 0 to 1.
        epsilon: Keeps the quotient finite and the first step from being 0; ``None`` for ``config.epsilon()``.

    The other arguments are those of :class:`Optimizer`.
    Reference: Zeiler 2012, "ADADELTA".

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> Adadelta(1.0, 0.0, 1.0).apply([np.array([0.0])], [weight]); weight.numpy().tolist()
    [1.0]
    """

    learning_rate: LearningRate = 0.001
    rho: Rate = 0.95
    epsilon: _Epsilon = 1e-7

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulated_grad", "accumulated_delta_var"),)

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        a = self.rho * slots["accumulated_grad"] + (1 - self.rho) * K.square(gradient)
        delta = K.sqrt(slots["accumulated_delta_var"] + self.epsilon) * gradient / K.sqrt(a + self.epsilon)
        d = self.rho * slots["accumulated_delta_var"] + (1 - self.rho) * K.square(delta)
        return parameter - rate * delta, {"accumulated_grad": a, "accumulated_delta_var": d}


@table.register()
class Adagrad(Optimizer):
    """``w - rate * g / sqrt(a + epsilon)`` with ``a`` the sum of all squared gradients.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        initial_accumulator_value: What ``a`` starts from, 0 or more.
        epsilon: Keeps the quotient finite; ``None`` for ``config.epsilon()``.
        epsilon_inside: Whether epsilon is added under the root; else ``w - rate * g / (sqrt(a) + epsilon)``.

    The other arguments are those of :class:`Optimizer`.
    Reference: Duchi, Hazan, Singer 2011, "Adaptive Subgradient Methods".

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> Adagrad(0.5, 0.0).apply([np.array([3.0])], [weight]); weight.numpy().round(4).tolist()
    [0.5]
    """

    learning_rate: LearningRate = 0.001
    initial_accumulator_value: NonNegativeReal = 0.1
    epsilon: _Epsilon = 1e-7
    _: KW_ONLY
    epsilon_inside: HiddenFlag = True

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulator",),)

    def initial_slot(self, slot_name: str, parameter: Any) -> Any:
        if slot_name == "accumulator":
            return initializers.Constant(self.initial_accumulator_value)(parameter.shape, str(parameter.dtype))
        return super().initial_slot(slot_name, parameter)

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        a = slots["accumulator"] + K.square(gradient)
        return parameter - rate * gradient / _root(a, self.epsilon, self.epsilon_inside), {"accumulator": a}


@table.register()
class Adamax(Optimizer):
    """``w - rate * m' / (u + epsilon)`` with ``u = max(beta_2 * u, |g|)`` and ``m'`` as in :class:`Adam`.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        beta_1: Share of the old mean in the new one, 0 to 1.
        beta_2: Factor of the old largest magnitude, 0 to 1.
        epsilon: Keeps the quotient finite; ``None`` for ``config.epsilon()``.

    The other arguments are those of :class:`Optimizer`.
    Reference: Kingma, Ba 2015, "Adam", section 7.1.

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> Adamax(0.5).apply([np.array([3.0])], [weight]); weight.numpy().round(4).tolist()
    [0.5]
    """

    learning_rate: LearningRate = 0.001
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999
    epsilon: _Epsilon = 1e-7

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "norm"),)

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        count = K.cast(step + 1, K.dtype(rate))
        m = slots["momentum"] + (1 - self.beta_1) * (gradient - slots["momentum"])
        u = K.maximum(self.beta_2 * slots["norm"], K.abs(gradient))
        return parameter - rate * m / ((1 - K.power(self.beta_1, count)) * (u + self.epsilon)), {
            "momentum": m,
            "norm": u,
        }


@table.register()
class Nadam(Optimizer):
    """Adam with Nesterov's momentum: ``m'`` looks one step ahead.

    ``mu(t) = beta_1 * (1 - 0.96**(t * schedule_decay) / 2)``, ``P(t)`` is the product of all ``mu`` so far,
    ``m' = mu(t+1) * m / (1 - P(t+1)) + (1 - mu(t)) * g / (1 - P(t))``, and
    ``w - rate * m' / (sqrt(v') + epsilon)``.

    Args:
        learning_rate: A number, a schedule, or a function without arguments.
        beta_1: Limit of the momentum, 0 to 1.
        beta_2: Share of the old mean square in the new one, 0 to 1.
        epsilon: Keeps the quotient finite; ``None`` for ``config.epsilon()``.
        schedule_decay: How fast the momentum nears its limit; the paper has 0.004.

    The other arguments are those of :class:`Optimizer`.
    Reference: Dozat 2016, "Incorporating Nesterov Momentum into Adam".

    >>> import numpy as np
    >>> from keraunos import Variable
    >>> weight = Variable([1.0])
    >>> Nadam(0.5, beta_1=0.0).apply([np.array([3.0])], [weight]); weight.numpy().round(4).tolist()
    [0.5]
    """

    learning_rate: LearningRate = 0.001
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999
    epsilon: _Epsilon = 1e-7
    _: KW_ONLY
    schedule_decay: _HiddenReal = 1.0

    @property
    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    @property
    def scalar_names(self) -> tuple[str, ...]:
        return ("momentum_product",)

    def initial_scalar(self, scalar_name: str) -> float:
        return 1.0

    def update_scalars(self, scalars: dict[str, Any], step: Any) -> dict[str, Any]:
        product = scalars["momentum_product"]
        return {**scalars, "momentum_product": product * self._mu(K.cast(step + 1, K.dtype(product)))}

    def update(self, gradient: Any, parameter: Any, slots: Any, rate: Any, step: Any) -> tuple[Any, Any]:
        count, dtype = K.cast(step + 1, K.dtype(rate)), K.dtype(rate)
        mu, ahead, product = self._mu(count), self._mu(count + 1), K.cast(slots["momentum_product"], dtype)
        beta_1, beta_2 = K.array(self.beta_1, dtype), K.array(self.beta_2, dtype)
        m = slots["momentum"] + (1 - beta_1) * (gradient - slots["momentum"])
        v = slots["velocity"] + (1 - beta_2) * (K.square(gradient) - slots["velocity"])
        m_hat = ahead * m / (1 - product * ahead) + (1 - mu) * gradient / (1 - product)
        v_hat = v / (1 - K.power(beta_2, count))
        return parameter - rate * m_hat / (K.sqrt(v_hat) + self.epsilon), {"momentum": m, "velocity": v}

    def _mu(self, count: Any) -> Any:
        return self.beta_1 * (1 - 0.5 * K.power(0.96, count * self.schedule_decay))


def _root(square: Any, epsilon: float, inside: bool) -> Any:
    # A variance, as the difference of two means, may come out a little below 0.
    return K.sqrt(square + epsilon) if inside else K.sqrt(K.maximum(square, 0.0)) + epsilon

"""Callbacks that steer a run: stop it, or set the learning rate."""

import inspect
import math
from collections.abc import Callable as Function
from typing import Any, ClassVar

import numpy as np

from keraunos.core.variable import Variable
from keraunos.training.callbacks.base import Callback
from keraunos.training.callbacks.monitor import MonitorCallback
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, UsageError
from keraunos.utils.progress import write
from keraunos.utils.spelling import spelled


class EarlyStopping(MonitorCallback):
    """Stop when a value has not improved for ``patience`` epochs.

    Args:
        monitor: Name of the value.
        min_delta: Smallest change that counts as an improvement.
        patience: Epochs without improvement after which to stop.
        verbose: 1 prints what is done.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        baseline: Value to beat; epochs that do not count as epochs without improvement.
        restore_best_weights: Whether to go back to the weights of the best epoch at the end.
        start_from_epoch: Epochs at the beginning that do not count.
        baseline_first: Whether ``baseline`` is the best value to begin with, and weights are gone back to only where
            the run is stopped, as in Keras 2.2.4.
        late: Whether one epoch more is waited, as in Keras 1.2.2.

    Attributes:
        stopped_epoch: The epoch that was the last, from 0; 0 if the run was not stopped.
        best: The best value.
        best_epoch: The epoch of the best value.

    >>> EarlyStopping(patience=3).monitor
    'val_loss'
    """

    memory: ClassVar[tuple[str, ...]] = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    @spelled
    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        *,
        baseline_first: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        _check_counts("EarlyStopping", patience=patience, start_from_epoch=start_from_epoch)
        self.baseline_first, self.late = baseline_first, late
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.baseline if self.baseline_first else None
        self.best_weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None and not self.baseline_first:
            # Some weights must be there to restore, even if no epoch ever improves.
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        if self.baseline_first:
            self._count(epoch, current)
            return
        self.wait += 1
        if self.improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _count(self, epoch: int, current: float) -> None:
        if self.improves(current, self.best):
            self.best, self.best_epoch, self.wait = current, epoch, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait - self.late >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.restore_best_weights:
                if self.verbose > 0:
                    write("Restoring model weights from the end of the best epoch\n")
                self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            write(f"{spelling.epoch_name(self.stopped_epoch)}: early stopping\n")
        if self.baseline_first:
            return
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                write(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.\n")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: dict[str, Any] | None) -> Any:
        """The monitored value in ``logs``, or ``None`` with a warning."""
        return self.find(logs, f"Early stopping conditioned on metric `{self.monitor}` which is not available.")


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by ``factor`` when a value has not improved for ``patience`` epochs.

    Args:
        monitor: Name of the value.
        factor: Multiplier of the learning rate, below 1.
        patience: Epochs without improvement.
        verbose: 1 prints what is done.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        min_delta: Smallest change that counts as an improvement.
        cooldown: Epochs after a reduction that do not count.
        min_lr: Lowest learning rate.
        late: Whether one epoch more is waited, as in Keras 1.2.2.

    Raises:
        ArgumentError: ``factor`` is 1 or more.

    >>> ReduceLROnPlateau(factor=0.5).patience
    10
    """

    memory: ClassVar[tuple[str, ...]] = ("wait", "cooldown_counter", "best")

    @spelled
    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        *,
        late: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        _check_counts("ReduceLROnPlateau", patience=patience, cooldown=cooldown, min_lr=min_lr, factor=factor)
        if factor >= 1.0:
            raise ArgumentError(
                f"ReduceLROnPlateau: factor is {factor}; a learning rate is reduced by a factor below 1."
            )
        self.factor, self.min_lr, self.patience = factor, min_lr, patience
        self.verbose, self.cooldown, self.late = verbose, cooldown, late
        self.on_train_begin()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        logs[spelling.shown("learning_rate")] = _rate(self.model.optimizer)
        current = self.find(
            logs, f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available."
        )
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait - self.late >= self.patience:
                self._reduce(epoch)
                self.wait = self.wait or int(self.late)  # 1.2.2 counts the epoch of a reduction too

    def in_cooldown(self) -> bool:
        """Whether a reduction was so recent that epochs do not count."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch: int) -> None:
        rate = _rate(self.model.optimizer)
        if rate <= np.float32(self.min_lr):
            return
        rate = max(rate * self.factor, self.min_lr)
        _set_rate(self.model.optimizer, rate)
        if self.verbose > 0:
            write(f"\n{spelling.epoch_name(epoch)}: ReduceLROnPlateau reducing learning rate to {rate}.\n")
        self.cooldown_counter, self.wait = self.cooldown, 0


class LearningRateScheduler(Callback):
    """Set the learning rate before every epoch.

    Args:
        schedule: Function of the epoch (from 0) and the learning rate, or of the epoch alone.
        verbose: 1 prints the new learning rate.

    Raises:
        ArgumentError: ``schedule`` is no function, or returned no number.

    >>> LearningRateScheduler(lambda epoch, rate: rate * 0.9).verbose
    0
    """

    @spelled
    def __init__(self, schedule: Function[..., Any], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise ArgumentError(
                f"LearningRateScheduler: schedule is {schedule!r}; expected a function of epoch and learning rate."
            )
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        optimizer = self.model.optimizer
        arguments = (epoch, _rate(optimizer))
        rate = self.schedule(*arguments[: self._arity()])
        if np.ndim(rate) != 0 or not _is_real(rate):
            raise ArgumentError(f"The output of the `schedule` function should be a float. Got: {rate}")
        if not rate >= 0:
            raise ArgumentError(
                f"LearningRateScheduler: schedule gave {rate} for {spelling.epoch_name(epoch)}; a learning rate is 0 or more."
            )
        _set_rate(optimizer, rate if isinstance(rate, float) else float(rate))
        if self.verbose > 0:
            write(f"\n{spelling.epoch_name(epoch)}: LearningRateScheduler setting learning rate to {rate}.\n")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs[spelling.shown("learning_rate")] = _rate(self.model.optimizer)

    def _arity(self) -> int:
        try:
            inspect.signature(self.schedule).bind(0, 0.0)
        except TypeError:
            return 1
        except ValueError:
            pass  # A builtin without a signature.
        return 2


class TerminateOnNaN(Callback):
    """Stop at the first batch after which the loss is NaN or infinite.

    Looking at every batch costs speed on small networks; ``EarlyStopping``
    looks once an epoch.

    Args:
        raise_error: Raise instead of stopping in good order.

    Raises:
        UsageError: The loss is not finite, and ``raise_error`` is set.

    >>> TerminateOnNaN().raise_error
    False
    """

    @spelled
    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise UsageError(f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training.")
        write(f"Batch {batch}: Invalid loss, terminating training\n")
        self.model.stop_training = True


def _check_counts(owner: str, **given: Any) -> None:
    for name, value in given.items():
        if not _is_real(value) or not value >= 0:
            raise ArgumentError(f"{owner}: {name} is {value!r}; expected a number, 0 or more.")


def _is_real(value: Any) -> bool:
    if value is None or isinstance(value, (str, bool, complex)):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _rate(optimizer: Any) -> float:
    return float(getattr(optimizer, _name_of_rate(optimizer)))


def _set_rate(optimizer: Any, rate: float) -> None:
    name = _name_of_rate(optimizer)
    held = getattr(optimizer, name)
    if isinstance(held, Variable):
        held.assign(rate)
    else:
        setattr(optimizer, name, rate)


def _name_of_rate(optimizer: Any) -> str:
    """Where an optimizer keeps its learning rate; one of the user's own may have the name of the active era alone."""
    return "learning_rate" if hasattr(optimizer, "learning_rate") else spelling.shown("learning_rate")

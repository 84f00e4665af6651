"""The base class of callbacks, with every hook that one may override."""

from collections.abc import Callable as Function
from typing import Any, ClassVar, TypeVar

from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import suggestion

F = TypeVar("F", bound=Function[..., Any])

_RUNS = ("train", "test", "predict")
BATCH_HOOKS: dict[str, tuple[str, ...]] = {mode: (f"on_{mode}_batch_begin", f"on_{mode}_batch_end") for mode in _RUNS}
BATCH_HOOKS["train"] += ("on_batch_begin", "on_batch_end")
HOOKS = frozenset(
    ["on_epoch_begin", "on_epoch_end", "on_progress"]
    + [f"on_{mode}_{edge}" for mode in _RUNS for edge in ("begin", "end")]
    + [hook for hooks in BATCH_HOOKS.values() for hook in hooks]
)


def on_demand(hook: F) -> F:
    """Decorator: this batch hook alone does not ask for single steps; ``watches_batches`` of its class decides."""
    hook.on_demand = True  # type: ignore[attr-defined]
    return hook


class Callback:
    """Base of callbacks: objects whose methods ``fit``, ``evaluate`` and ``predict`` call on their way.

    Override the hooks of interest. ``logs`` holds plain numbers by name:
    nothing at the beginnings; at the end of a batch the values so far in this
    epoch; at the end of an epoch its values and, under ``val_`` names, those of
    the validation. A value written into ``logs`` by ``on_epoch_end`` reaches
    the callbacks after it, the history and the display.

    Many steps run in one compiled program. A callback that overrides a hook of
    single batches is called for every batch, at the price of speed;
    ``on_progress`` is called about ten times a second at no price.

    Attributes:
        model: The model at work.
        params: ``verbose``, ``epochs`` and ``steps`` of the run.
        memory: Names of the attributes that ``BackupAndRestore`` keeps, so that
            this callback goes on where it stopped.

    >>> class Greeting(Callback):
    ...     def on_epoch_begin(self, epoch, logs=None):
    ...         print("epoch", epoch)
    >>> Greeting().on_epoch_begin(0)
    epoch 0
    """

    memory: ClassVar[tuple[str, ...]] = ()
    params: Any = None
    _model: Any = None

    def __init__(self) -> None:
        self.params = None
        self._model = None

    @property
    def model(self) -> Any:
        """The model at work."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive ``verbose``, ``epochs`` and ``steps``."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model."""
        self._model = model

    def watches_batches(self, mode: str) -> bool:
        """Whether this callback must see every batch of ``"train"``, ``"test"`` or ``"predict"``."""
        return any(overrides(self, hook) for hook in BATCH_HOOKS[mode])

    @property
    def watches_progress(self) -> bool:
        """Whether this callback wants ``on_progress``."""
        return overrides(self, "on_progress")

    def on_progress(self, mode: str, step: int, logs: dict[str, Any] | None = None) -> None:
        """Called from time to time between steps: ``step`` steps of this epoch or run are done."""

    # --- training ---

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called once before the first epoch."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called once after the last epoch, with the values of that epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before each epoch, which counts from 0."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after each epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before each batch of training, which counts from 0."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after each batch of training."""
        self.on_batch_end(batch, logs=logs)

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Another name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Another name of ``on_train_batch_end``."""

    # --- evaluation, and validation inside fit ---

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before an evaluation or validation."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after an evaluation or validation, with its values."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before each batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after each batch of an evaluation."""

    # --- prediction ---

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before a prediction."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before each batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after each batch of a prediction, with its ``outputs``."""


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: Function of ``epoch, logs``.
        on_epoch_end: Function of ``epoch, logs``.
        on_train_begin: Function of ``logs``.
        on_train_end: Function of ``logs``.
        on_train_batch_begin: Function of ``batch, logs``.
        on_train_batch_end: Function of ``batch, logs``.
        **hooks: Functions for any other hook of ``Callback``, by its name.

    Raises:
        ArgumentError: A name is no hook, or a value is no function.

    >>> shout = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    >>> shout.on_epoch_end(3, {"loss": 0.5})
    3 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Function[..., Any] | None = None,
        on_epoch_end: Function[..., Any] | None = None,
        on_train_begin: Function[..., Any] | None = None,
        on_train_end: Function[..., Any] | None = None,
        on_train_batch_begin: Function[..., Any] | None = None,
        on_train_batch_end: Function[..., Any] | None = None,
        **hooks: Function[..., Any] | None,
    ) -> None:
        super().__init__()
        hooks.update(
            on_epoch_begin=on_epoch_begin,
            on_epoch_end=on_epoch_end,
            on_train_begin=on_train_begin,
            on_train_end=on_train_end,
            on_train_batch_begin=on_train_batch_begin,
            on_train_batch_end=on_train_batch_end,
        )
        for name, function in hooks.items():
            if name not in HOOKS:
                raise ArgumentError(f"LambdaCallback: {name!r} is no hook of a callback.{suggestion(name, HOOKS)}")
            if function is not None and not callable(function):
                raise ArgumentError(f"LambdaCallback: {name} is {function!r}; expected a function.")
            if function is not None:
                setattr(self, name, function)


def overrides(callback: Any, hook: str) -> bool:
    """Whether a callback has something of its own to do at a hook."""
    if hook in getattr(callback, "__dict__", {}):
        return True
    method = getattr(type(callback), hook, None)
    return method not in (None, getattr(Callback, hook)) and not getattr(method, "on_demand", False)

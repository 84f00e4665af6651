"""Several callbacks called as one, with logs in plain numbers."""

import contextlib
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from keraunos.training.callbacks.base import BATCH_HOOKS, HOOKS, Callback, overrides
from keraunos.training.callbacks.report import History, ProgbarLogger
from keraunos.utils import spelling, tree
from keraunos.utils.errors import ArgumentError, warn
from keraunos.utils.spelling import Logs
from keraunos.utils.tracebacks import told


def _told_hook(names: Mapping[str, Any]) -> tuple[str, str] | None:
    """How errors name the hook of a callback."""
    method = names.get("method")
    if method is None:
        return None
    owner = getattr(method, "__self__", None)  # none where a function was given as the hook
    return f"{names['hook']} of {'a callback' if owner is None else f'the callback {type(owner).__name__!r}'}", ""


def _to_all(hook: str) -> Any:
    """Method of ``CallbackList`` that calls one hook of every callback."""
    batch_hook, numbered = "batch" in hook, "batch" in hook or "epoch" in hook

    @told(_told_hook)
    def call_numbered(self: "CallbackList", number: int, logs: Any = None) -> None:
        numbers = plain_logs(logs)
        for method in self._methods(hook):
            method(number, logs=numbers) if batch_hook else method(number, numbers)

    @told(_told_hook)
    def call_plain(self: "CallbackList", logs: Any = None) -> None:
        numbers = plain_logs(logs)
        for method in self._methods(hook):
            method(numbers)

    call: Any = call_numbered if numbered else call_plain
    call.__name__, call.__doc__ = hook, getattr(Callback, hook).__doc__
    return call


class CallbackList(Callback):
    """Several callbacks as one: each hook calls that of every callback, in order.

    Args:
        callbacks: Callbacks; nested lists are flattened, ``None`` is left out.
        add_history: Add a ``History`` where there is none.
        add_progbar: Add a ``ProgbarLogger`` where there is none.
        model: The model at work.
        **params: ``verbose``, ``epochs``, ``steps``: handed to ``Callback.set_params``.

    Raises:
        ArgumentError: Something that is no callback, or a class instead of an object.

    >>> [type(callback).__name__ for callback in CallbackList(add_history=True, add_progbar=True).callbacks]
    ['History', 'ProgbarLogger']
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Any] = [_checked(item) for item in tree.leaves(callbacks) if item is not None]
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(callback, ProgbarLogger) for callback in self.callbacks):
            logger = ProgbarLogger()
            self.callbacks.insert(0 if logger.display.comes_first else len(self.callbacks), logger)
        # What keeps or restores the state of all others must be the last to speak.
        self.callbacks.sort(key=lambda callback: getattr(callback, "speaks_last", False))
        self.set_model(model)
        self.set_params(params)

    @property
    def history(self) -> History | None:
        """The ``History`` among the callbacks."""
        return next((callback for callback in self.callbacks if isinstance(callback, History)), None)

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        self.callbacks.append(_checked(callback))
        if self.model is not None:
            callback.set_model(self.model)
        callback.set_params(self.params)

    def release(self) -> None:
        """Let callbacks close what they hold open, where training ended in an error."""
        for callback in self.callbacks:
            getattr(callback, "_release", lambda: None)()

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks if params else ():
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        if model is None:
            return
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)
            if getattr(callback, "speaks_last", False):
                callback.others = [other for other in self.callbacks if other is not callback]

    def watches_batches(self, mode: str) -> bool:
        return any(
            callback.watches_batches(mode)
            if isinstance(callback, Callback)
            else any(hasattr(callback, hook) for hook in BATCH_HOOKS[mode])
            for callback in self.callbacks
        )

    @property
    def watches_epochs(self) -> bool:
        """Whether any callback but the history sees the epochs begin or end."""
        own = (callback for callback in self.callbacks if type(callback) is not History)
        return any(
            overrides(callback, hook) if isinstance(callback, Callback) else hasattr(callback, hook)
            for callback in own
            for hook in ("on_epoch_begin", "on_epoch_end")
        )

    @property
    def watches_progress(self) -> bool:
        return any(getattr(callback, "watches_progress", False) for callback in self.callbacks)

    def on_progress(self, mode: str, step: int, logs: dict[str, Any] | None = None) -> None:
        numbers = plain_logs(logs)
        for callback in self.callbacks:
            if getattr(callback, "watches_progress", False):
                callback.on_progress(mode, step, numbers)

    def _methods(self, hook: str) -> list[Any]:
        return [getattr(callback, hook) for callback in self.callbacks if hasattr(callback, hook)]

    on_train_begin = _to_all("on_train_begin")
    on_train_end = _to_all("on_train_end")
    on_epoch_begin = _to_all("on_epoch_begin")
    on_epoch_end = _to_all("on_epoch_end")
    on_train_batch_begin = _to_all("on_train_batch_begin")
    on_train_batch_end = _to_all("on_train_batch_end")
    on_batch_begin = _to_all("on_batch_begin")
    on_batch_end = _to_all("on_batch_end")
    on_test_begin = _to_all("on_test_begin")
    on_test_end = _to_all("on_test_end")
    on_test_batch_begin = _to_all("on_test_batch_begin")
    on_test_batch_end = _to_all("on_test_batch_end")
    on_predict_begin = _to_all("on_predict_begin")
    on_predict_end = _to_all("on_predict_end")
    on_predict_batch_begin = _to_all("on_predict_batch_begin")
    on_predict_batch_end = _to_all("on_predict_batch_end")


def plain_logs(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Logs as callbacks get them: a new flat dict, sorted by name, of Python numbers where possible.

    It answers to the names of other eras too.

    >>> import numpy as np
    >>> plain_logs({"loss": np.float32(0.5), "accuracy": {"b": 1, "a": 0.25}})
    {'a': 0.25, 'b': 1.0, 'loss': 0.5}
    """
    plain = Logs()
    items = (logs or {}).items()
    for name, value in items if spelling.chosen() else sorted(items):
        if isinstance(value, Mapping) and name != "outputs":
            plain.update(plain_logs(value))
            continue
        plain[name] = value
        whole = spelling.chosen() and type(value) is int  # the number and the size of a batch
        if not isinstance(value, str) and not whole and not getattr(value, "ndim", 0):
            with contextlib.suppress(TypeError, ValueError):
                plain[name] = float(value)
    return plain


def _checked(callback: Any) -> Any:
    if inspect.isclass(callback):
        raise ArgumentError(
            f"callbacks holds the class {callback.__name__}; make an object of it: {callback.__name__}(...)."
        )
    if not isinstance(callback, Callback) and not hasattr(callback, "set_model"):
        hint = "Wrap a function: LambdaCallback(on_epoch_end=...)." if callable(callback) else "See keraunos.callbacks."
        raise ArgumentError(f"callbacks holds {callback!r}, which is no Callback. {hint}")
    for name in dir(type(callback)):
        if name.startswith("on_") and name not in HOOKS:
            near = difflib.get_close_matches(name.replace("start", "begin"), HOOKS, n=1, cutoff=0.9)
            if near:
                kind = type(callback).__name__
                message = f"{kind}.{name} is no hook of a callback and is never called. Did you mean {near[0]!r}?"
                warn(message)
    return callback

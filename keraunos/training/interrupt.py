"""Ctrl-C between two compiled calls, not in the middle of writing their results; and in the middle of long ones."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

# Of a first Ctrl-C in a long call, which is obeyed once the results of the call are written.
_waiting: list[tuple[Any, ...]] = []


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is left."""
    previous = _handler()
    if previous is None:
        yield
        return
    pressed: list[Any] = []
    signal.signal(signal.SIGINT, lambda *arguments: pressed.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        pressed += _waiting
        _waiting.clear()
        if pressed:
            previous(*pressed[-1])


def patiently(call: Callable[[], Any]) -> Any:
    """Result of a call that may take long, such that a second Ctrl-C does not wait for it.

    Python hears of Ctrl-C only between two instructions of its own. So the call is made by another thread, while this
    one waits. A first Ctrl-C is obeyed when the call has ended and its results are written, which is after the next
    block that is ``uninterrupted``. A second one ends the wait; the call goes on unseen, and nobody gets its results.
    """
    previous = _handler()
    if previous is None:
        return call()
    _waiting.clear()
    ended = threading.Event()
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)
        ended.set()

    def press(*arguments: Any) -> None:
        _waiting.append(arguments)
        if len(_waiting) == 1:
            print(
                "\nCtrl-C: stopping when this step ends. Press it again to stop at once.", file=sys.stderr, flush=True
            )
            return
        _waiting.clear()
        previous(*arguments)

    signal.signal(signal.SIGINT, press)
    try:
        threading.Thread(target=work, name="keraunos step", daemon=True).start()
        ended.wait()
    finally:
        signal.signal(signal.SIGINT, previous)
    if errors:
        _waiting.clear()
        raise errors[0]
    return results[0]


def _handler() -> Callable[..., Any] | None:
    """What is done at Ctrl-C; ``None`` where it is not this thread's to say, or nothing of Python's."""
    if threading.current_thread() is not threading.main_thread():
        return None
    previous = signal.getsignal(signal.SIGINT)
    return previous if callable(previous) else None

"""The engine in use, and ``K``, through which everything else computes.

``K.<name>`` is the engine's operation of that name. It also accepts operands:
objects that stand for a tensor. A Variable is replaced by its value; a symbolic
tensor records the operation in its graph instead of computing it. So the
functional API, eager code and compiled code share one declaration of each
operation.
"""

import contextlib
import gc
import importlib
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from keraunos.backend import forks
from keraunos.backend.depth import VERBS, deeper
from keraunos.backend.engine import Engine
from keraunos.backend.operand import Operand
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError
from keraunos.utils.text import suggestion
from keraunos.utils.tracebacks import tidy

__all__ = ["Engine", "K", "Operand", "current_engine", "use_engine"]

_ENGINES = {"jax": "keraunos.backend.jax:JaxEngine"}
_active: list[Engine] = []
_methods: dict[str, Any] = {}
_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def current_engine() -> Engine:
    """The engine in use; the first call imports it (``KERAUNOS_ENGINE``, default ``jax``)."""
    if not _active:
        name = os.environ.get("KERAUNOS_ENGINE", "jax")
        if name not in _ENGINES:
            raise ArgumentError(f"KERAUNOS_ENGINE is {name!r}.{suggestion(name, _ENGINES)}")
        module, _, attribute = _ENGINES[name].partition(":")
        before = np.random.get_state()
        with _uncollected():
            _active.append(getattr(importlib.import_module(module), attribute)())
        for method in _methods.items():
            _active[-1].give_method(*method)
        forks.watch(_active)
        np.random.set_state(before)  # importing JAX draws from it, and a script may have seeded it before
    return _active[-1]


def give_method(name: str, function: Callable[..., Any]) -> None:
    """Let tensors have a further method, of the engine in use and of one that is imported later."""
    _methods[name] = function
    for engine in _active:
        engine.give_method(name, function)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Import a large library without collecting garbage meanwhile, and take what is there then out of collection.

    Measured with JAX: its import takes 0.30 instead of 0.40 s, and the end of the process, which would go through
    all of its objects once more, 0.03 instead of 0.15 s. Objects in a reference cycle that are alive at this moment are
    not collected later on; among them must be no file that only its collection would write to the end.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
    streams = (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__)
    standard = {id(part) for stream in streams for part in (stream, getattr(stream, "buffer", None))}
    files = [item for item in gc.get_objects() if isinstance(item, _FILES) and id(item) not in standard]
    if not any(not file.closed and file.writable() for file in files):
        gc.freeze()


@contextlib.contextmanager
def use_engine(other: Engine) -> Iterator[Engine]:
    """Compute with another engine inside a ``with`` block.

    Models built outside keep values of their own engine, so build and use a
    model inside one block.
    """
    current_engine()
    _active.append(other)
    try:
        yield other
    finally:
        del _active[len(_active) - 1 - _active[::-1].index(other)]  # of several entries, its own


class _Facade:
    """Looks an operation up on the engine in use, and lets operands take part."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if not hasattr(Engine, name):
            known = [known for known in dir(Engine) if not known.startswith("_")]
            raise AttributeError(f"there is no operation {name!r}.{suggestion(name, known)}")

        declared = getattr(Engine, name)
        arguments = list(inspect.signature(declared).parameters.values())[1:]
        required = [a.name for a in arguments if a.default is a.empty and a.kind is a.POSITIONAL_OR_KEYWORD]

        def operation(*args: Any, **kwargs: Any) -> Any:
            # An engine may call what an operation works on otherwise: given by name, it is handed on by place.
            while kwargs and len(args) < len(required) and required[len(args)] in kwargs:
                args = (*args, kwargs.pop(required[len(args)]))
            if name in VERBS:
                args = tuple(deeper(a, name) if callable(a) else a for a in args)
            try:
                operands = [leaf for leaf in tree.leaves((args, kwargs)) if isinstance(leaf, Operand)]
                if not operands:
                    return getattr(current_engine(), name)(*args, **kwargs)
                chief = max(operands, key=lambda operand: operand.precedence)
                return chief.operate(name, args, kwargs)
            except BaseException as error:
                tidy(error)
                raise

        operation.__name__ = operation.__qualname__ = name
        operation.__doc__ = declared.__doc__
        operation.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
        setattr(self, name, operation)
        return operation


K: Engine = cast(Engine, _Facade())

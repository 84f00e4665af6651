"""Copies of functions that keep what the names in them mean now, for graphs of functions that ran once, when they were made."""

import builtins
import dis
import functools
import sys
import sysconfig
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_OURS = str(Path(__file__).resolve().parents[1])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def frozen(function: Any) -> Any:
    """A copy of a function that keeps the present values of the variables around it; itself where there are none.

    Functions of the program that it calls are copied with it, and those in a ``functools.partial`` or a method.
    What is no function of Python is returned as it is, and so is one that assigns variables around it.

    >>> [scale(10) for scale in [lambda x: x * k for k in (1, 2)]]
    [20, 20]
    >>> [scale(10) for scale in [frozen(lambda x: x * k) for k in (1, 2)]]
    [10, 20]
    """
    return _copy(function, {}) if _varies(function, set()) else function


def _varies(function: Any, seen: set[int]) -> bool:
    """Whether a function, or one that it calls, uses variables around it."""
    if id(function) in seen:
        return False
    seen.add(id(function))
    inner = _inner(function)
    if inner is not None:
        return any(_varies(part, seen) for part in inner)
    if not isinstance(function, FunctionType) or _assigns(function.__code__):
        return False
    around = _around(function)
    return any(not _lasts(name, value) for name, value in around.items()) or any(
        _varies(value, seen) for value in around.values()
    )


def _lasts(name: str, value: Any) -> bool:
    """Whether a name means one thing through a whole program: a module, or what was defined under it."""
    return isinstance(value, ModuleType) or getattr(value, "__name__", None) == name


def _copy(function: Any, made: dict[int, Any]) -> Any:
    if id(function) in made:
        return made[id(function)]
    if isinstance(function, functools.partial):
        kept = {name: _copy(value, made) for name, value in function.keywords.items()}
        return functools.partial(_copy(function.func, made), *(_copy(value, made) for value in function.args), **kept)
    if isinstance(function, MethodType):
        return MethodType(_copy(function.__func__, made), function.__self__)
    if not isinstance(function, FunctionType) or _assigns(function.__code__) or not _varies(function, set()):
        return function
    names = _names(function.__code__) if _is_the_programs(function) else set()
    around: dict[str, Any] = (
        {"__builtins__": builtins, "__name__": function.__module__} if names else function.__globals__
    )
    cells = tuple(CellType() for _ in function.__closure__ or ())
    copy = FunctionType(function.__code__, around, function.__name__, function.__defaults__, cells or None)
    made[id(function)] = copy
    for name in names & set(function.__globals__):
        around[name] = _copy(function.__globals__[name], made)
    for cell, old in zip(cells, function.__closure__ or (), strict=True):
        if not _is_empty(old):
            cell.cell_contents = _copy(old.cell_contents, made)
    copy.__kwdefaults__, copy.__qualname__ = function.__kwdefaults__, function.__qualname__
    copy.__module__, copy.__doc__ = function.__module__, function.__doc__
    copy.__dict__.update(function.__dict__)
    return copy


def _inner(function: Any) -> list[Any] | None:
    """The functions that a method or a partial function is made of; ``None`` of anything else."""
    if isinstance(function, MethodType):
        return [function.__func__]
    if isinstance(function, functools.partial):
        return [function.func, *function.args, *function.keywords.values()]
    return None


def _around(function: FunctionType) -> dict[str, Any]:
    """The variables around a function that it reads, and their values."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found = {name: cell.cell_contents for name, cell in cells if not _is_empty(cell)}
    if _is_the_programs(function):
        named = _names(function.__code__) & set(function.__globals__)
        found.update((name, function.__globals__[name]) for name in named)
    return found


def _names(code: CodeType) -> set[str]:
    """Names in a code, and in functions inside it, that may be global."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


@functools.cache
def _assigns(code: CodeType) -> bool:
    """Whether a code assigns variables of its surroundings."""
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            return True
        if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in code.co_freevars:
            return True
    return any(_assigns(constant) for constant in code.co_consts if isinstance(constant, CodeType))


def _is_the_programs(function: FunctionType) -> bool:
    """Whether a function is of the running program, not of a library."""
    file = function.__code__.co_filename
    return not file.startswith((_OURS, *_LIBRARIES)) and function.__module__.partition(".")[0] not in (
        sys.stdlib_module_names
    )


def _is_empty(cell: CellType) -> bool:
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True

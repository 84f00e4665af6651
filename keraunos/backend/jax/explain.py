"""JAX's errors about tensors that have no value yet, in this library's words and with the way out.

Each is still an error of JAX's class too, so that whoever catches that goes on to do so.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import jax

from keraunos.utils.errors import TracedValueError

# Of each class what asks for a value, and what to write instead. The first that fits counts.
_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        jax.errors.TracerBoolConversionError,
        "`if`, `while`, `and`, `or`, `not` or bool() of {tensor}",
        "Write ops.where(condition, a, b) to choose entry by entry, ops.cond(condition, function, other) to choose what is "
        "computed, ops.logical_and, logical_or and logical_not in place of `and`, `or` and `not`",
    ),
    (
        jax.errors.TracerArrayConversionError,
        "NumPy, given {tensor},",
        "Write keraunos.ops in place of NumPy",
    ),
    (
        jax.errors.TracerIntegerConversionError,
        "Python, given {tensor} where it needs a whole number (an index of a list, range(), a size),",
        "Index by a tensor with ops.take or ops.slice, count up to one with ops.fori_loop, and take sizes from x.shape",
    ),
    (
        jax.errors.NonConcreteBooleanIndexError,
        "x[mask], given {tensor} as the mask, whose number of entries depends on values,",
        "Keep the shape, with ops.where(mask, x, 0), or multiply by the mask and divide by its sum",
    ),
    (
        jax.errors.ConcretizationTypeError,
        "{deed} of {tensor}",
        "Leave it a tensor: keraunos.ops computes with it, ops.cast changes its type, a metric shows its mean",
    ),
)
_KEPT = (
    "a tensor is used after the computation that it belongs to: code that is compiled left it in an attribute, a list or a "
    "global name. Return it instead, or keep it in a Variable: self.add_weight(..., trainable=False) in build, assign() in "
    "call."
)

_SHAPE = (
    "a shape that holds a tensor asks for its value while this code is compiled, when there is none yet. Sizes are known: take "
    "them from x.shape. What has a size that depends on values needs the largest one, and a mask."
)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Say what JAX says about tensors without values so that it can be acted upon. Also a decorator."""
    try:
        yield
    except (TypeError, IndexError) as error:
        if isinstance(error, TracedValueError):
            raise
        if isinstance(error, jax.errors.UnexpectedTracerError):
            text = _KEPT
        elif "concrete values of integer type" in str(error):
            text = _SHAPE
        else:
            found = next((kind for kind in _KINDS if isinstance(error, kind[0])), None)
            if found is None:
                raise
            _, what, way = found
            what = what.format(tensor=_tensor(str(error)), deed=_deed(str(error)))
            text = (
                f"{what} asks for a value while this code is compiled, when there is none yet. {way}; or "
                "compile(..., run_eagerly=True), which runs all of it step by step, with values, slowly."
            )
        raise _class_of(type(error))(text).with_traceback(error.__traceback__) from None


def argument_types(lowered: Any) -> Any:
    """Shapes and types of the arguments of a lowered program; JAX counts a tensor of an earlier trace among them."""
    try:
        return lowered.in_avals
    except ValueError:
        raise TracedValueError(_KEPT) from None


def _tensor(message: str) -> str:
    """The tensor that a message is about: its shape and type, where it says them."""
    found = re.search(r"(?:with shape|got) (\w+)\[([\d,]*)\]", message)
    if found is None:
        return "a tensor"
    sizes = [size for size in found[2].split(",") if size]
    shape = f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
    return f"a tensor of shape {shape} and type {found[1]}"


def _deed(message: str) -> str:
    found = re.search(r"arose with the `(\w+)` function|The (\w+)\(\) method", message)
    return f"{found[1] or found[2]}()" if found else "the use"


_classes: dict[type, type[TracedValueError]] = {}


def _class_of(kind: type) -> type[TracedValueError]:
    """``TracedValueError`` that is also JAX's error of a kind."""
    if kind not in _classes:
        _classes[kind] = type("TracedValueError", (TracedValueError, kind), {"__module__": TracedValueError.__module__})
    return _classes[kind]

"""``keras.backend.theano_backend`` where it differs.

Convolutions turn the kernel's window, as mathematics has it, and the cost of a text is another number.
"""

from collections.abc import Callable
from typing import Any

from keraunos import ops
from keraunos.eras import backend
from keraunos.eras.ctc import ctc_batch_cost_theano as ctc_batch_cost
from keraunos.utils import spelling

__all__ = ["conv1d", "conv2d", "conv3d", "ctc_batch_cost", "th_sparse_module"]

# Sparse matrices become dense.
th_sparse_module = None


def conv1d(x: Any, kernel: Any, *args: Any, **kwargs: Any) -> Any:
    """``keras.backend.conv1d`` with a kernel for Theano."""
    return _turned(backend.conv1d, 1, x, kernel, args, kwargs)


def conv2d(x: Any, kernel: Any, *args: Any, **kwargs: Any) -> Any:
    """``keras.backend.conv2d`` with a kernel for Theano."""
    return _turned(backend.conv2d, 2, x, kernel, args, kwargs)


def conv3d(x: Any, kernel: Any, *args: Any, **kwargs: Any) -> Any:
    """``keras.backend.conv3d`` with a kernel for Theano."""
    return _turned(backend.conv3d, 3, x, kernel, args, kwargs)


def _turned(function: Callable[..., Any], rank: int, x: Any, kernel: Any, args: Any, kwargs: Any) -> Any:
    named = dict(zip(("strides", "padding", "data_format"), args, strict=False))
    layout = backend.normalize_data_format({**named, **kwargs}.get("data_format", kwargs.get("dim_ordering")))
    # In era 1 the window's axes of a kernel for channels first were its last.
    first = 2 if spelling.era() == 1 and layout == "channels_first" and rank > 1 else 0
    return function(x, ops.flip(kernel, tuple(range(first, first + rank))), *args, **kwargs)

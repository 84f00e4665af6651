"""A second engine, small and for the CPU, on PyTorch: it shows that nothing above the protocol knows JAX.

Loops are Python loops and nothing is compiled, so it is slow; it has float16,
float32, float64 and no bfloat16. PyTorch computes with neither 16-, 32- nor
64-bit unsigned integers, so those become int64.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from keraunos.backend import Engine
from keraunos.backend.spec import TensorSpec
from keraunos.utils import tree
from keraunos.utils.config import floatx, image_data_format

_SUBSTITUTES = {"int64": "int32", "uint16": "int64", "uint32": "int64", "uint64": "int64"}


def _tensor(x: Any, dtype: str | None = None) -> torch.Tensor:
    if isinstance(x, (list, tuple)) and any(isinstance(leaf, torch.Tensor) for leaf in tree.leaves(x)):
        x = torch.stack([_tensor(part) for part in x])
    if not isinstance(x, torch.Tensor):
        x = np.asarray(x)
        dtype = dtype or (floatx() if x.dtype == np.float64 else _SUBSTITUTES.get(x.dtype.name))
        x = torch.from_numpy(np.array(x.astype(np.int64) if x.dtype.name in _SUBSTITUTES else x))
    return x if dtype is None else x.to(_type(dtype))


def _type(dtype: str) -> torch.dtype:
    return getattr(torch, "int64" if dtype.startswith("uint") and dtype != "uint8" else dtype)  # type: ignore[no-any-return]


def _like(x: Any, peer: Any) -> torch.Tensor:
    """``x`` as a tensor; a Python number takes the type of the tensor that it meets."""
    if isinstance(x, (bool, int, float)) and isinstance(peer, (torch.Tensor, np.ndarray)):
        return torch.tensor(x, dtype=torch.result_type(_tensor(peer), x))
    return _tensor(x)


def _pair(x1: Any, x2: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return _like(x1, x2), _like(x2, x1)


def _one(function: Callable[..., Any]) -> Any:
    return lambda self, x: function(_tensor(x))


def _two(function: Callable[..., Any]) -> Any:
    return lambda self, x1, x2: function(*_pair(x1, x2))


def _reduction(function: Callable[..., Any]) -> Any:
    def reduce(self: Any, x: Any, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
        x = _tensor(x)
        axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        for a in sorted((a % x.ndim for a in axes), reverse=True):
            x = function(x, a, keepdims)
        return x

    return reduce


def _accumulated(x: torch.Tensor) -> torch.dtype:
    """Type of a sum or product: PyTorch would make 64-bit integers of it."""
    return x.dtype if x.is_floating_point() else torch.int32


def _position(function: Callable[..., torch.Tensor]) -> Any:
    def index(self: Any, x: Any, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
        x = _tensor(x)
        found = function(x.reshape(-1) if axis is None else x, 0 if axis is None else axis, keepdims)
        return found.reshape([1] * x.ndim if axis is None and keepdims else found.shape).to(torch.int32)

    return index


def _running(function: Callable[..., torch.Tensor]) -> Any:
    def run(self: Any, x: Any, axis: int | None = None) -> torch.Tensor:
        x = _tensor(x).reshape(-1) if axis is None else _tensor(x)
        return function(x, 0 if axis is None else axis, dtype=_accumulated(x))

    return run


class TorchEngine(Engine):
    """The protocol on PyTorch."""

    name = "torch"
    _gradients = 0  # how many are being taken, one inside another

    # --- conversion and creation -------------------------------------------------

    def array(self, x: Any, dtype: str | None = None) -> Any:
        return _tensor(x, dtype)

    def to_numpy(self, x: Any) -> Any:
        return x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, torch.Tensor)

    def shape(self, x: Any) -> tuple[int, ...]:
        return tuple(np.shape(x))

    def dtype(self, x: Any) -> str:
        return str(_tensor(x).dtype).removeprefix("torch.")

    def cast(self, x: Any, dtype: str) -> Any:
        return _tensor(x, dtype)

    def full(self, shape: Any, fill_value: Any, dtype: str | None = None) -> Any:
        return _tensor(fill_value, dtype).broadcast_to(tuple(shape)).clone()

    def arange(self, start: Any, stop: Any = None, step: Any = None, dtype: str | None = None) -> Any:
        start, stop, step = (0, start, step or 1) if stop is None else (start, stop, step or 1)
        dtype = dtype or self.dtype(_tensor(start) + _tensor(stop) + _tensor(step))
        return torch.from_numpy(np.arange(float(start), float(stop), float(step))).to(_type(dtype))

    # --- elementwise -------------------------------------------------------------

    abs, sign, negative = _one(torch.abs), _one(torch.sign), _one(torch.neg)
    exp, expm1, log, log1p = _one(torch.exp), _one(torch.expm1), _one(torch.log), _one(torch.log1p)
    sqrt, sin, cos, tan = _one(torch.sqrt), _one(torch.sin), _one(torch.cos), _one(torch.tan)
    arcsin, arccos, arctan = _one(torch.arcsin), _one(torch.arccos), _one(torch.arctan)
    sinh, cosh, tanh = _one(torch.sinh), _one(torch.cosh), _one(torch.tanh)
    erf, erfinv, floor, ceil = _one(torch.erf), _one(torch.erfinv), _one(torch.floor), _one(torch.ceil)
    isnan, isfinite, logical_not = _one(torch.isnan), _one(torch.isfinite), _one(torch.logical_not)
    add, subtract, multiply, divide = _two(torch.add), _two(torch.sub), _two(torch.mul), _two(torch.true_divide)
    floor_divide, mod, power = _two(torch.floor_divide), _two(torch.remainder), _two(torch.pow)
    maximum, minimum, arctan2 = _two(torch.maximum), _two(torch.minimum), _two(torch.arctan2)
    equal, not_equal = _two(torch.eq), _two(torch.ne)
    less, less_equal, greater, greater_equal = _two(torch.lt), _two(torch.le), _two(torch.gt), _two(torch.ge)
    logical_and, logical_or = _two(torch.logical_and), _two(torch.logical_or)

    def round(self, x: Any, decimals: int = 0) -> Any:
        return torch.round(_tensor(x), decimals=decimals)

    def where(self, condition: Any, x1: Any, x2: Any) -> Any:
        return torch.where(_tensor(condition).bool(), *_pair(x1, x2))

    # --- reductions and order ----------------------------------------------------

    sum = _reduction(lambda x, axis, keepdims: torch.sum(x, axis, keepdims, dtype=_accumulated(x)))
    prod = _reduction(lambda x, axis, keepdims: torch.prod(x, axis, keepdims, dtype=_accumulated(x)))
    any, all = _reduction(torch.any), _reduction(torch.all)

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return torch.amax(_tensor(x), () if axis is None else axis, keepdims)  # equals share the gradient

    def min(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return torch.amin(_tensor(x), () if axis is None else axis, keepdims)

    argmax, argmin = _position(torch.argmax), _position(torch.argmin)
    cumsum, cumprod = _running(torch.cumsum), _running(torch.cumprod)

    def sort(self, x: Any, axis: int = -1) -> Any:
        return torch.sort(_tensor(x), axis).values

    def argsort(self, x: Any, axis: int = -1) -> Any:
        return torch.argsort(_tensor(x), dim=axis, stable=True).to(torch.int32)

    def top_k(self, x: Any, k: int) -> tuple[Any, Any]:
        values, indices = torch.sort(_tensor(x), dim=-1, descending=True, stable=True)
        return values[..., :k], indices[..., :k].to(torch.int32)

    # --- shape -------------------------------------------------------------------

    def reshape(self, x: Any, newshape: Any) -> Any:
        return _tensor(x).reshape(newshape)

    def transpose(self, x: Any, axes: Any = None) -> Any:
        x = _tensor(x)
        return x.permute(*(range(x.ndim)[::-1] if axes is None else axes))

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        return _tensor(x).broadcast_to(tuple(shape))

    def concatenate(self, xs: Any, axis: int = 0) -> Any:
        return torch.cat([_tensor(x) for x in xs], axis)

    def pad(self, x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
        x = _tensor(x)
        widths = np.broadcast_to(pad_width, (x.ndim, 2)).tolist()
        if mode == "constant":
            return functional.pad(x, [n for pair in widths[::-1] for n in pair], value=constant_values or 0)
        for axis, pair in enumerate(widths):
            x = x.index_select(axis, torch.from_numpy(np.pad(np.arange(x.shape[axis]), pair, mode)))
        return x

    def flip(self, x: Any, axis: Any = None) -> Any:
        x = _tensor(x)
        return torch.flip(x, list(range(x.ndim)) if axis is None else [axis] if isinstance(axis, int) else axis)

    def repeat(self, x: Any, repeats: Any, axis: int | None = None) -> Any:
        return torch.repeat_interleave(_tensor(x), repeats if isinstance(repeats, int) else _tensor(repeats), axis)

    def get_item(self, x: Any, key: Any) -> Any:
        x, keys = _tensor(x), list(key) if isinstance(key, tuple) else [key]
        axis = 0
        for place, k in enumerate(keys):
            if k is Ellipsis:
                axis = x.ndim - sum(later is not None for later in keys[place + 1 :])
            elif k is not None:
                if isinstance(k, slice) and (k.step or 1) < 0:  # PyTorch has no negative steps: turn the axis round
                    rows = range(x.shape[axis])[k][::-1]
                    last = x.shape[axis] - 1
                    x = x.flip(axis)
                    keys[place] = slice(last - rows[-1], last - rows[0] + 1, -k.step) if rows else slice(0)
                elif isinstance(k, (list, np.ndarray)):
                    keys[place] = torch.as_tensor(k)
                axis += 1
        return x[tuple(keys)]

    def take(self, x: Any, indices: Any, axis: int | None = None) -> Any:
        x, indices = _tensor(x) if axis is not None else _tensor(x).reshape(-1), _tensor(indices).long()
        axis = (axis or 0) % x.ndim
        size = x.shape[axis]
        rows = torch.where(indices < 0, indices + size, indices).clamp(0, size - 1)
        shape = (*x.shape[:axis], *rows.shape, *x.shape[axis + 1 :])
        return x.index_select(axis, rows.reshape(-1)).reshape(shape)

    def take_along_axis(self, x: Any, indices: Any, axis: int = -1) -> Any:
        x, indices = _tensor(x), _tensor(indices).long()
        return torch.take_along_dim(x, torch.where(indices < 0, indices + x.shape[axis], indices), axis)

    def slice(self, inputs: Any, start_indices: Any, shape: Any) -> Any:
        return _tensor(inputs)[_block(inputs, start_indices, shape)]

    def slice_update(self, inputs: Any, start_indices: Any, updates: Any) -> Any:
        outputs, updates = _tensor(inputs).clone(), _tensor(updates)
        outputs[_block(outputs, start_indices, updates.shape)] = updates.to(outputs.dtype)
        return outputs

    def segment_sum(self, data: Any, segment_ids: Any, num_segments: int) -> Any:
        data, ids = _tensor(data), _tensor(segment_ids).long()
        inside = (ids >= 0) & (ids < num_segments)
        return data.new_zeros((num_segments, *data.shape[1:])).index_add(0, ids[inside], data[inside])

    # --- products ----------------------------------------------------------------

    def matmul(self, x1: Any, x2: Any) -> Any:
        return torch.matmul(*_of_one_type(x1, x2))

    def einsum(self, subscripts: str, *operands: Any) -> Any:
        return torch.einsum(subscripts, *_of_one_type(*operands))

    def conv(
        self, inputs: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None,
        dilation_rate: Any = 1,
    ) -> Any:  # fmt: skip
        inputs, kernel = _channels_first(inputs, data_format), _tensor(kernel)
        rank = inputs.ndim - 2
        strides, dilation = _per_axis(strides, rank), _per_axis(dilation_rate, rank)
        extents = [(size - 1) * step + 1 for size, step in zip(kernel.shape[:rank], dilation, strict=True)]
        inputs = _padded(inputs, padding, extents, strides, 0.0)
        convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
        groups = inputs.shape[1] // kernel.shape[-2]
        kernel = kernel.permute(rank + 1, rank, *range(rank))
        return _restored(convolve(inputs, kernel, None, strides, 0, dilation, groups), data_format)

    def max_pool(
        self, inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
    ) -> Any:
        lowest = -math.inf if _tensor(inputs).is_floating_point() else torch.iinfo(_tensor(inputs).dtype).min
        windows = _windows(_channels_first(inputs, data_format), pool_size, strides, padding, lowest)
        return _restored(windows.max(-1).values, data_format)  # the first of equals has the gradient

    def average_pool(
        self, inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
    ) -> Any:
        inputs = _channels_first(inputs, data_format)
        total, counts = (
            _windows(x, pool_size, strides, padding, 0).sum(-1) for x in (inputs, torch.ones_like(inputs[:1, :1]))
        )
        return _restored(total / counts, data_format)

    # --- random numbers ----------------------------------------------------------

    def random_key(self, seed: Any) -> Any:
        return _mixed(int(seed), 0)

    def fold_in(self, key: Any, number: Any) -> Any:
        return _mixed(int(key), int(number) + 1)

    def random_uniform(self, key: Any, shape: Any, dtype: str | None = None) -> Any:
        drawn = _tensor(_generator(key).random(tuple(shape), "float32"), dtype or floatx())
        return drawn.clamp_max(1 - torch.finfo(drawn.dtype).eps / 2)  # a shorter type may have rounded up to 1

    def random_normal(self, key: Any, shape: Any, dtype: str | None = None) -> Any:
        return _tensor(_generator(key).standard_normal(tuple(shape), "float32"), dtype or floatx())

    # --- verbs -------------------------------------------------------------------

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*tree.map(lambda leaf: None if leaf is None else _tensor(leaf), args))

    def loop(self, body: Callable[[Any, Any], Any], carry: Any, start: Any, stop: Any) -> Any:
        for number in range(int(start), int(stop)):
            carry = body(torch.tensor(number, dtype=torch.int32), carry)
        return carry

    def scan(
        self, f: Any, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: int = 1
    ) -> tuple[Any, Any]:
        rows = next((len(leaf) for leaf in tree.leaves(xs) if leaf is not None), length) or 0
        if not rows:  # the form of the outputs, and none of them
            _, y = f(init, tree.map(lambda leaf: None if leaf is None else leaf.new_zeros(leaf.shape[1:]), xs))
            return init, tree.map(lambda leaf: None if leaf is None else leaf.new_empty((0, *leaf.shape)), y)
        carry, ys = init, [None] * rows
        for row in reversed(range(rows)) if reverse else range(rows):
            carry, ys[row] = f(carry, tree.map(lambda leaf, row=row: None if leaf is None else leaf[row], xs))
        return carry, _stacked(ys)

    def cond(self, pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *args: Any) -> Any:
        return true_fn(*args) if bool(pred) else false_fn(*args)

    def value_and_gradient(self, function: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        def evaluate(values: Any) -> Any:
            nested = self._gradients > 0
            self._gradients += 1
            try:
                with torch.enable_grad():
                    values = tree.map(_differentiable, values)
                    value, auxiliary = function(values)
                    leaves, gradients = tree.leaves(values), [None] * len(tree.leaves(values))
                    if value.requires_grad:
                        gradients = torch.autograd.grad(value, leaves, create_graph=nested, allow_unused=True)
            finally:
                self._gradients -= 1
            gradients = [torch.zeros_like(v) if g is None else g for g, v in zip(gradients, leaves, strict=True)]
            results = (value, auxiliary), tree.unflatten(values, gradients)
            return results if nested else tree.map(_without_history, results)

        return evaluate

    def stop_gradient(self, variable: Any) -> Any:
        return _tensor(variable).detach()

    def abstract(self, function: Callable[..., Any], *specs: Any) -> Any:
        outputs = function(*tree.map(lambda spec: torch.zeros(spec.shape, dtype=_type(spec.dtype)), specs))
        return tree.map(lambda leaf: None if leaf is None else TensorSpec(leaf.shape, self.dtype(leaf)), outputs)

    def vectorize(self, function: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
        def mapped(*args: Any) -> Any:
            axes = in_axes if isinstance(in_axes, (list, tuple)) else [in_axes] * len(args)
            pairs = list(zip(args, axes, strict=True))
            rows = next(leaf.shape[axis] for arg, axis in pairs if axis is not None for leaf in tree.leaves(arg))

            def row(number: int, arg: Any, axis: int | None) -> Any:
                return arg if axis is None else tree.map(lambda leaf: _tensor(leaf).select(axis, number), arg)

            return _stacked([function(*(row(number, *pair) for pair in pairs)) for number in range(rows)])

        return mapped

    def wait(self, values: Any) -> Any:
        return values


def _differentiable(leaf: torch.Tensor) -> torch.Tensor:
    return (leaf if leaf.requires_grad else leaf.detach().requires_grad_()).view_as(leaf)


def _without_history(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf


def _stacked(results: list[Any]) -> Any:
    return tree.map(lambda *leaves: None if leaves[0] is None else torch.stack([*map(_tensor, leaves)]), *results)


def _of_one_type(*operands: Any) -> list[torch.Tensor]:
    tensors = [_tensor(x) for x in operands]
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]


def _block(x: Any, starts: Any, shape: Any) -> tuple[slice, ...]:
    """Slices of a block; a start from which it would reach beyond the end is moved back."""
    limits = (max(0, min(int(a), size - n)) for a, n, size in zip(starts, shape, np.shape(x), strict=True))
    return tuple(slice(start, start + n) for start, n in zip(limits, shape, strict=True))


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _channels_first(x: Any, data_format: str | None) -> torch.Tensor:
    return _tensor(x) if (data_format or image_data_format()) == "channels_first" else _tensor(x).movedim(-1, 1)


def _restored(x: torch.Tensor, data_format: str | None) -> torch.Tensor:
    return x if (data_format or image_data_format()) == "channels_first" else x.movedim(1, -1)


def _padded(x: torch.Tensor, padding: Any, extents: Any, strides: Any, fill: Any) -> torch.Tensor:
    if padding == "valid":
        return x
    if padding == "same":
        totals = [
            max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
            for size, extent, stride in zip(x.shape[2:], extents, strides, strict=True)
        ]
        padding = [(total // 2, total - total // 2) for total in totals]
    return functional.pad(x, [n for pair in list(padding)[::-1] for n in pair], value=fill)


def _windows(x: torch.Tensor, pool_size: Any, strides: Any, padding: Any, fill: Any) -> torch.Tensor:
    """The elements of each window on a new last axis."""
    rank = x.ndim - 2
    sizes = _per_axis(pool_size, rank)
    strides = sizes if strides is None else _per_axis(strides, rank)
    x = _padded(x, padding, sizes, strides, fill)
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        x = x.unfold(axis + 2, size, stride)
    return x.flatten(-rank)


def _mixed(key: int, number: int) -> torch.Tensor:
    word = np.random.SeedSequence([key, number]).generate_state(1, np.uint64)[0]
    return torch.tensor(int(word >> np.uint64(1)))


def _generator(key: Any) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(int(key)))

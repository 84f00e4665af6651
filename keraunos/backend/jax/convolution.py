"""Convolution: on a CPU in the form that was measured fastest for the shape, elsewhere the stock lowering.

XLA has a good convolution for CPUs, Eigen's: for 32 to 64 channels on 26x26
images it reaches the rate of a large matrix product. Inside a compiled loop
it takes it only where operands lie in memory as the convolution reads them,
and otherwise falls back to plain nested loops (4,000 ms instead of 25 ms for
the gradient of that layer). So the gradients are written here as convolutions
of arrays that are laid out first, behind a barrier that keeps the compiler from
undoing it. Forms that it has no good one for, such as groups, are written in
terms of others. Times in the comments: 2 cores, inside a loop, batch 128 where
none is named.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from keraunos.backend.depth import depth
from keraunos.backend.jax.windows import Pads, channels_last, padded, padding_of, per_axis, shifted
from keraunos.utils.errors import ShapeError
from keraunos.utils.text import batch_text

Axes = tuple[int, ...]

# Up to so many entries of a window, channels included, a layer is a sum of shifted inputs, which the compiler joins with
# bias and activation: 1.6 ms instead of 3.4 for 1 to 32 channels (3x3) on 28x28 images, 2.8 instead of 5.9 for 3 to 32
# channels on 32x32; at 75 entries it is slower than Eigen's.
_FEW_ENTRIES = 32

# Up to so many groups are convolved one by one: a program has a part for each.
_FEW_GROUPS = 16

# Up to so many entries a window for each channel is a sum of shifted inputs: a program has a term for each.
_MOST_SHIFTS = 128

# Where so many times as many places are convolved as hold numbers, because the rest is padding, one product of the numbers,
# whose results are added up where they belong, does not multiply the zeros.
_MUCH_PADDING = 1.5


def conv(
    inputs: Any,
    kernel: Any,
    strides: int | Sequence[int] = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """Cross-correlation; see ``Engine.conv``."""
    inputs, kernel = jnp.asarray(inputs), jnp.asarray(kernel)
    rank = inputs.ndim - 2
    strides, dilation = per_axis(strides, rank), per_axis(dilation_rate, rank)
    inputs, restore = channels_last(inputs, data_format)
    channels, group_channels = inputs.shape[-1], kernel.shape[-2]
    if channels % group_channels or kernel.shape[-1] % (channels // group_channels):
        raise ShapeError(
            f"conv: inputs of shape {batch_text(inputs.shape)} have {channels} channels, which a kernel of shape "
            f"{kernel.shape} cannot divide into groups."
        )
    window = tuple((size - 1) * step + 1 for size, step in zip(kernel.shape[:rank], dilation, strict=True))
    pads = padding_of(padding, inputs.shape[1:-1], window, strides)
    form = _form(inputs, kernel, channels // group_channels)
    return restore(form(inputs, kernel, strides, pads, dilation))


def conv_back(
    gradient: Any,
    kernel: Any,
    sizes: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    data_format: str | None,
    dilation_rate: Sequence[int],
) -> Any:
    """The gradient of a convolution for its inputs; see ``Derived.conv_back``."""
    gradient, kernel = jnp.asarray(gradient), jnp.asarray(kernel)
    gradient, restore = channels_last(gradient, data_format)
    strides, dilation, pads = tuple(strides), tuple(dilation_rate), tuple(pads)
    *window, filters, _ = kernel.shape
    # Eigen's convolution would multiply the zeros between the entries, and the compiler takes nested loops for its
    # gradients: 2,400 ms for a step of 64 to 32 channels (3x3) from 14x14 to 28x28 images, against 40 ms.
    if jax.default_backend() == "cpu" and (
        max(strides) > 1 or math.prod(window) * filters <= _FEW_ENTRIES or _mostly_padding(sizes, gradient.shape[1:-1])
    ):
        shape = jax.ShapeDtypeStruct((len(gradient), *sizes, filters), jnp.result_type(gradient, kernel))
        by_patches = functools.partial(_by_patches, kernel=kernel, strides=strides, pads=pads, dilation=dilation)
        return restore(*jax.linear_transpose(by_patches, shape)(gradient.astype(shape.dtype)))
    around = []
    for axis, (before, _) in enumerate(pads):
        spread = (gradient.shape[axis + 1] - 1) * strides[axis] + 1
        around.append(((window[axis] - 1) * dilation[axis] - before, sizes[axis] - spread + before))
    turned = jnp.swapaxes(jnp.flip(kernel, tuple(range(len(window)))), -1, -2)
    if max(strides) > 1:
        return restore(_stock(gradient, turned, (1,) * len(window), tuple(around), dilation, strides))
    return restore(_form(gradient, turned, 1)(gradient, turned, strides, tuple(around), dilation))


def _form(inputs: Any, kernel: Any, groups: int) -> Any:
    """Function that convolves arrays of these shapes and dtypes."""
    if jax.default_backend() != "cpu" or (groups > 1 and depth().shapes):
        return functools.partial(_stock, groups=groups)
    few = math.prod(kernel.shape[:-2]) <= _MOST_SHIFTS
    if groups == inputs.shape[-1] > 1 and few and inputs.dtype == kernel.dtype == jnp.float32:
        return _by_channels
    if 1 < groups <= _FEW_GROUPS:
        return functools.partial(_by_groups, groups=groups)
    if groups > 1:
        return functools.partial(_stock, groups=groups)
    if (
        math.prod(kernel.shape[:-2]) == 1
        or not inputs.dtype == kernel.dtype == jnp.float32
        or not inputs.size * kernel.size
        or inputs.ndim == 5
        or math.prod(kernel.shape[:-2]) > math.prod(inputs.shape[1:-1])
    ):
        # Of a window of one entry: the product alone; and Eigen's has no other dtypes. Of three axes it takes 26 ms where
        # this takes 10 (8 to 16 channels on 16x16x16 images, batch 4), and 61 where this takes 12 if the window is larger
        # than the images (192 to 192 channels, 5x5 on 3x3, batch 32).
        return _by_patches
    return _stock if depth().shapes else _by_eigen  # of the same shape, and traced in a fraction of the time


def _stock(
    inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes, spread: Axes | None = None, groups: int = 1
) -> Any:
    letters = "DHW"[5 - inputs.ndim :]
    return lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        pads,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        feature_group_count=groups,
    )


def _by_groups(inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes, groups: int) -> Any:
    """Each group of channels with its filters; the stock lowering is nested loops, 20 times as long."""
    parts = zip(jnp.split(inputs, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate([_form(x, k, 1)(x, k, strides, pads, dilation) for x, k in parts], -1)


def _by_channels(inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes) -> Any:
    """A window for each channel: its entries times the inputs shifted to them, added up.

    The stock lowering is nested loops: 320 ms for a step of 32 channels (3x3) on 28x28 images at a batch of 32.
    """
    *window, _, filters = kernel.shape
    each = filters // inputs.shape[-1]
    inputs = jnp.repeat(inputs, each, -1) if each > 1 else inputs
    rows = kernel.reshape(math.prod(window), filters)
    parts = enumerate(shifted(padded(inputs, pads), window, strides, dilation))
    return sum(part * rows[entry] for entry, part in parts)


def _by_patches(inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes) -> Any:
    """One matrix product of the windows, cut out as shifted slices."""
    *window, channels, filters = kernel.shape
    parts = list(shifted(padded(inputs, pads), window, strides, dilation))
    patches = parts[0] if len(parts) == 1 else jnp.concatenate(parts, -1)
    return patches @ kernel.reshape(math.prod(window) * channels, filters)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _by_eigen(inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes) -> Any:
    *window, channels, _ = kernel.shape
    if math.prod(window) * channels <= _FEW_ENTRIES:
        return _by_planes(inputs, kernel, strides, pads, dilation)
    return _stock(inputs, kernel, strides, pads, dilation)


def _by_planes(inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes) -> Any:
    """Each entry of the window times its filters, added up."""
    *window, channels, filters = kernel.shape

    def added_up() -> Any:
        parts = shifted(padded(inputs, pads), window, strides, dilation)
        planes = [part[..., channel : channel + 1] for part in parts for channel in range(channels)]
        rows = kernel.reshape(len(planes), filters)
        return sum((plane * rows[entry] for entry, plane in enumerate(planes[1:], 1)), planes[0] * rows[0])

    return _by_itself(added_up, kernel)


def _by_itself(function: Any, tensor: Any) -> Any:
    """What the function returns, computed in a program of its own, which the compiler joins with nothing around it.

    Joined with a flattening that follows, the sum above takes 4.3 ms instead of 1: it is then written along the
    flattened axis, whose index must be taken apart for each number. A condition keeps it separate; it is always true,
    and rests on bits of a tensor so that the compiler does not see that.
    """
    if not isinstance(tensor, jax.core.Tracer):
        return function()  # nothing is compiled around it, and a condition would be compiled at every call
    bits = lax.bitcast_convert_type(tensor.reshape(-1)[0], jnp.int32)
    result = jax.eval_shape(function)
    return lax.cond((bits & 1) < 2, function, lambda: jnp.zeros(result.shape, result.dtype))


def _by_eigen_forward(inputs: Any, kernel: Any, strides: Axes, pads: Pads, dilation: Axes) -> Any:
    return _by_eigen(inputs, kernel, strides, pads, dilation), (inputs, kernel)


def _by_eigen_backward(strides: Axes, pads: Pads, dilation: Axes, saved: Any, gradient: Any) -> Any:
    inputs, kernel = saved
    # Between the entries of a gradient of wide strides Eigen's convolution multiplies zeros: 21 ms for
    # 16 to 32 channels on 32x32 images at strides of 2, against 8 ms for adding up a product's patches.
    if max(strides) > 1 or _mostly_padding(inputs.shape[1:-1], gradient.shape[1:-1]):
        (to_inputs,) = jax.vjp(lambda x: _by_patches(x, kernel, strides, pads, dilation), inputs)[1](gradient)
    else:
        to_inputs = _input_gradient(inputs.shape, kernel, gradient, pads, dilation)
    return to_inputs, _kernel_gradient(inputs, kernel.shape, gradient, strides, pads, dilation)


_by_eigen.defvjp(_by_eigen_forward, _by_eigen_backward)


def _mostly_padding(sizes: Sequence[int], given: Sequence[int]) -> bool:
    """Whether a convolution that gives ``sizes`` out of ``given`` places is one of padding for the most part."""
    return math.prod(sizes) > _MUCH_PADDING * math.prod(given)


def _input_gradient(shape: Any, kernel: Any, gradient: Any, pads: Pads, dilation: Axes) -> Any:
    """The gradient convolved with the kernel turned round; strides of 1."""
    axes = range(len(dilation))
    reach = [(kernel.shape[axis] - 1) * dilation[axis] for axis in axes]
    before = [reach[axis] - pads[axis][0] for axis in axes]
    around = tuple((before[a], shape[a + 1] + reach[a] - gradient.shape[a + 1] - before[a]) for a in axes)
    turned = lax.optimization_barrier(jnp.swapaxes(jnp.flip(kernel, tuple(axes)), -1, -2))
    gradient, around = _cut(gradient, around)
    return _stock(gradient, turned, (1,) * len(axes), around, dilation)


def _kernel_gradient(inputs: Any, shape: Any, gradient: Any, strides: Axes, pads: Pads, dilation: Axes) -> Any:
    """The inputs convolved with the gradient, where channels are the rows of a batch, and the batch is channels."""
    axes = range(len(strides))
    around = []
    for axis in axes:
        needed = (shape[axis] - 1) * dilation[axis] + (gradient.shape[axis + 1] - 1) * strides[axis] + 1
        around.append((pads[axis][0], needed - inputs.shape[axis + 1] - pads[axis][0]))
    inputs, pads = _cut(inputs, tuple(around))
    # 21 ms with the barriers; without them 37 ms, or the 4,000 ms above, as the compiler chooses.
    inputs, gradient = lax.optimization_barrier(
        (jnp.swapaxes(inputs, 0, -1), jnp.moveaxis(gradient, 0, -2)),
    )
    kernel = lax.optimization_barrier(_stock(inputs, gradient, dilation, pads, strides))
    return jnp.moveaxis(kernel, 0, -2)


def _cut(inputs: Any, pads: Pads) -> tuple[Any, Pads]:
    """What Eigen's convolution does not do itself: negative padding, which cuts off."""
    inputs = padded(inputs, tuple((min(before, 0), min(after, 0)) for before, after in pads))
    return inputs, tuple((max(before, 0), max(after, 0)) for before, after in pads)

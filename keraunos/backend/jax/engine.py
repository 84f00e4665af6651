"""Every primitive and verb of the protocol in terms of JAX."""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keraunos.backend import plain
from keraunos.backend.depth import depth
from keraunos.backend.engine import Engine
from keraunos.backend.jax import convolution, looks, options, pooling, products, programs, random
from keraunos.backend.jax.explain import argument_types, explained
from keraunos.backend.jax.recurrence import recurrence
from keraunos.backend.jax.rows import rows_at
from keraunos.backend.spec import TensorSpec
from keraunos.utils import tree
from keraunos.utils.config import floatx, follow_floatx, follow_traceback_filtering

# Compiled programs kept in memory; an identical program (k-fold, rebuilt models) is not compiled again.
_PROGRAMS_KEPT = 256

# NumPy arrays that become tensors without a compiled program, by their type and the type asked for. JAX's own way
# (``jnp.asarray``) compiles one for every shape, 10 to 30 ms each; where it converts, NumPy must give the same numbers.
_PLAIN = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32")
# Types of 64 bits, which become those of 32 without a word where they are not in use.
_WIDE = frozenset(("int64", "uint64", "float64", "complex128"))
_TAKEN_AS: dict[tuple[str, str | None], str] = {
    **{(name, None): name for name in _PLAIN}, **{(name, name): name for name in _PLAIN},
    ("int64", None): "int32", ("int64", "int32"): "int32", ("uint64", None): "uint32", ("float64", "float32"): "float32",
    ("int64", "int64"): "int32", ("uint64", "uint64"): "uint32", ("float64", "float64"): "float32",
}  # fmt: skip

# The CPU uses an array where it lies, without a copy, if its address is a multiple of this.
_ALIGNMENT = 64


class JaxEngine(Engine):
    """The protocol on JAX, for CPU and accelerators."""

    name = "jax"

    def __init__(self) -> None:
        self._programs: OrderedDict[str, Any] = OrderedDict()
        options.apply()
        follow_floatx(options.widen)
        follow_traceback_filtering(options.filter_frames)
        self._folder = programs.use_folder()
        options.recall(self._folder)

    # --- conversion and creation -------------------------------------------------

    def array(self, x: Any, dtype: str | None = None) -> Any:
        if dtype in _WIDE:
            dtype = jax.dtypes.canonicalize_dtype(dtype).name
        if isinstance(x, jax.Array):
            return x if dtype is None or x.dtype.name == dtype else x.astype(dtype)
        if dtype is None:
            if isinstance(x, float):
                dtype = floatx()
            elif not hasattr(x, "dtype"):
                x = np.asarray(x) if not _holds_tensors(x) else jnp.asarray(x)
            if getattr(x, "dtype", None) == np.float64:
                dtype = floatx()
        if isinstance(x, (np.ndarray, np.generic)) and not depth().traces:
            kept = _TAKEN_AS.get((x.dtype.name, dtype))
            if kept is not None and not jax.config.jax_enable_x64:
                return jax.device_put(_copied(x, kept))
        return jnp.asarray(x, dtype)

    def rows(self, x: Any, count: int) -> Any:
        kept = _TAKEN_AS.get((x.dtype.name, None))
        if kept is None or depth().traces or jax.config.jax_enable_x64:
            return super().rows(x, count)
        return jax.device_put(_copied(x, kept, count))

    def to_numpy(self, x: Any) -> Any:
        return np.asarray(x)

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, jax.Array)

    def give_method(self, name: str, function: Any) -> None:
        for kind in (type(jnp.zeros(())), jax.core.Tracer):
            setattr(kind, name, function)

    def shape(self, x: Any) -> tuple[int, ...]:
        return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)

    def dtype(self, x: Any) -> str:
        return x.dtype.name if hasattr(x, "dtype") else self.array(x).dtype.name

    def cast(self, x: Any, dtype: str) -> Any:
        return jnp.asarray(x).astype(jax.dtypes.canonicalize_dtype(dtype))

    def full(self, shape: Sequence[int], fill_value: Any, dtype: str | None = None) -> Any:
        if isinstance(fill_value, (bool, int, float)) and dtype is not None and not depth().traces:
            return self.array(np.full(shape, fill_value, dtype))
        return jnp.full(shape, fill_value, dtype)

    def arange(self, start: Any, stop: Any = None, step: Any = None, dtype: str | None = None) -> Any:
        return jnp.arange(start, stop, step, dtype)

    # --- elementwise -------------------------------------------------------------

    def abs(self, x: Any) -> Any:
        # JAX takes 1 for the slope at 0, TensorFlow, Theano and PyTorch 0: then a weight that is 0 stays there.
        if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
            return jnp.abs(x)
        return x * jax.lax.stop_gradient(jnp.sign(x))

    sign = staticmethod(jnp.sign)
    negative = staticmethod(jnp.negative)
    exp = staticmethod(jnp.exp)
    expm1 = staticmethod(jnp.expm1)
    log = staticmethod(jnp.log)
    log1p = staticmethod(jnp.log1p)
    sqrt = staticmethod(jnp.sqrt)
    sin = staticmethod(jnp.sin)
    cos = staticmethod(jnp.cos)
    tan = staticmethod(jnp.tan)
    arcsin = staticmethod(jnp.arcsin)
    arccos = staticmethod(jnp.arccos)
    arctan = staticmethod(jnp.arctan)
    sinh = staticmethod(jnp.sinh)
    cosh = staticmethod(jnp.cosh)
    tanh = staticmethod(jnp.tanh)
    erf = staticmethod(jax.scipy.special.erf)
    erfinv = staticmethod(jax.scipy.special.erfinv)
    floor = staticmethod(jnp.floor)
    ceil = staticmethod(jnp.ceil)
    round = staticmethod(jnp.round)
    isnan = staticmethod(jnp.isnan)
    isfinite = staticmethod(jnp.isfinite)
    logical_not = staticmethod(jnp.logical_not)
    add = staticmethod(jnp.add)
    subtract = staticmethod(jnp.subtract)
    multiply = staticmethod(jnp.multiply)
    divide = staticmethod(jnp.divide)
    floor_divide = staticmethod(jnp.floor_divide)
    mod = staticmethod(jnp.mod)
    power = staticmethod(jnp.power)
    maximum = staticmethod(jnp.maximum)
    minimum = staticmethod(jnp.minimum)
    arctan2 = staticmethod(jnp.arctan2)
    equal = staticmethod(jnp.equal)
    not_equal = staticmethod(jnp.not_equal)
    less = staticmethod(jnp.less)
    less_equal = staticmethod(jnp.less_equal)
    greater = staticmethod(jnp.greater)
    greater_equal = staticmethod(jnp.greater_equal)
    logical_and = staticmethod(jnp.logical_and)
    logical_or = staticmethod(jnp.logical_or)
    where = staticmethod(jnp.where)

    # JAX's own gradients: exactly 0 at 0 for relu, and no cancellation for the others.
    relu = staticmethod(jax.nn.relu)
    sigmoid = staticmethod(jax.nn.sigmoid)
    softplus = staticmethod(jax.nn.softplus)

    # --- reductions and order ----------------------------------------------------

    def sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.sum(x, _axes(axis), keepdims=keepdims)

    def prod(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.prod(x, _axes(axis), keepdims=keepdims)

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.max(x, _axes(axis), keepdims=keepdims)

    def min(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.min(x, _axes(axis), keepdims=keepdims)

    def any(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.any(x, _axes(axis), keepdims=keepdims)

    def all(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return jnp.all(x, _axes(axis), keepdims=keepdims)

    def argmax(self, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        return jnp.argmax(x, axis, keepdims=keepdims).astype("int32")

    def argmin(self, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        return jnp.argmin(x, axis, keepdims=keepdims).astype("int32")

    cumsum = staticmethod(jnp.cumsum)
    cumprod = staticmethod(jnp.cumprod)
    sort = staticmethod(jnp.sort)

    def argsort(self, x: Any, axis: int = -1) -> Any:
        return jnp.argsort(x, axis).astype("int32")

    def top_k(self, x: Any, k: int) -> tuple[Any, Any]:
        values, indices = lax.top_k(x, k)
        return values, indices

    # --- shape -------------------------------------------------------------------

    transpose = staticmethod(jnp.transpose)
    broadcast_to = staticmethod(jnp.broadcast_to)
    flip = staticmethod(jnp.flip)
    repeat = staticmethod(jnp.repeat)
    take_along_axis = staticmethod(jnp.take_along_axis)

    def reshape(self, x: Any, newshape: Sequence[int]) -> Any:
        return jnp.reshape(jnp.asarray(x), newshape)  # of a NumPy array, JAX would make a NumPy array

    def concatenate(self, xs: Sequence[Any], axis: int = 0) -> Any:
        return jnp.concatenate(xs, axis)

    def split(self, x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        size = np.shape(x)[axis]
        if not isinstance(indices_or_sections, int) or not indices_or_sections or size % indices_or_sections:
            return super().split(x, indices_or_sections, axis)
        # The gradient of equal parts is one joining; that of slices pads each with zeros and adds them all
        # (4 of the 39 ms of a step of an LSTM with 80 steps, batch 32 and 128 units).
        return jnp.split(jnp.asarray(x), indices_or_sections, axis)

    def pad(self, x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
        if mode == "constant":
            return jnp.pad(x, pad_width, constant_values=0 if constant_values is None else constant_values)
        return jnp.pad(x, pad_width, mode)

    def get_item(self, x: Any, key: Any) -> Any:
        return jnp.asarray(x)[key]

    def take(self, x: Any, indices: Any, axis: int | None = None) -> Any:
        x, indices = jnp.asarray(x), jnp.asarray(indices, "int32")
        size = x.size if axis is None else x.shape[axis]
        return jnp.take(x, jnp.where(indices < 0, indices + size, indices), axis, mode="clip")

    rows_at = staticmethod(rows_at)

    def slice(self, inputs: Any, start_indices: Sequence[Any], shape: Sequence[int]) -> Any:
        return lax.dynamic_slice(inputs, start_indices, shape)

    def slice_update(self, inputs: Any, start_indices: Sequence[Any], updates: Any) -> Any:
        return lax.dynamic_update_slice(inputs, updates, start_indices)

    def segment_sum(self, data: Any, segment_ids: Any, num_segments: int) -> Any:
        return jax.ops.segment_sum(data, segment_ids, num_segments)

    # --- products ----------------------------------------------------------------

    matmul = staticmethod(products.matmul)
    carried_transposed = staticmethod(products.carried_transposed)
    einsum = staticmethod(products.einsum)
    conv = staticmethod(convolution.conv)
    conv_back = staticmethod(convolution.conv_back)
    max_pool = staticmethod(pooling.max_pool)
    average_pool = staticmethod(pooling.average_pool)

    # --- random numbers ----------------------------------------------------------

    def random_key(self, seed: Any) -> Any:
        return jax.random.key(jnp.asarray(seed, "uint32"))

    def fold_in(self, key: Any, number: Any) -> Any:
        return jax.random.fold_in(key, number)

    def random_uniform(self, key: Any, shape: Sequence[int], dtype: str | None = None) -> Any:
        return random.uniform(key, shape, dtype or floatx())

    def random_normal(self, key: Any, shape: Sequence[int], dtype: str | None = None) -> Any:
        return random.normal(key, shape, dtype or floatx())

    # --- verbs -------------------------------------------------------------------

    # JAX sorts the keys of a dict, so that a program would depend on names ("dense_9" before
    # "dense_10"). Everything handed to JAX here is therefore a flat list in the tree's own order:
    # models that differ only in names share one program.

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        known: dict[Any, tuple[Any, Any]] = {}

        def call(*args: Any) -> Any:
            leaves = [
                leaf if isinstance(leaf, (jax.Array, np.ndarray)) else self.array(leaf)
                for leaf in tree.leaves(args)
                if leaf is not None
            ]
            signature = (
                jax.tree.structure(args),
                *((leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False)) for leaf in leaves),
            )
            if signature not in known:
                flat, form = _flat(lambda arguments: function(*arguments), args)
                program = self._compiled(flat, leaves)
                known[signature] = (program, form[0])
            program, form = known[signature]
            return _filled(form, program(leaves))

        return call

    def specialize(self, function: Callable[[Any], Any], tensors: Any) -> Callable[[Any], Any]:
        return self._compiled(function, list(tensors))  # type: ignore[no-any-return]

    @explained()
    def _compiled(self, function: Callable[[Any], Any], leaves: list[Any]) -> Any:
        # The text names all arguments: left out, the unused ones of one program could be those that another uses.
        lowered = jax.jit(function, keep_unused=True).lower(leaves)
        text = lowered.as_text()
        key = hashlib.sha256(text.encode()).hexdigest()
        program = self._programs.pop(key, None)
        if program is None:
            settings = options.of_compiler(text, jax.tree.leaves(argument_types(lowered)))
            program = programs.compiled(lowered, settings, self._folder)
        self._programs[key] = program
        if len(self._programs) > _PROGRAMS_KEPT:
            self._programs.popitem(last=False)
        return program

    # Each of these compiles what it is given, anew for every function: where code runs plainly they are plain Python.

    @explained()
    def loop(self, body: Callable[[Any, Any], Any], carry: Any, start: Any, stop: Any) -> Any:
        if depth().plain:
            return plain.loop(self, body, carry, start, stop)
        form = _form(carry)
        results = lax.fori_loop(start, stop, lambda i, flat: _bare(body(i, _filled(form, flat)), form), _bare(carry))
        return _filled(form, results)

    @explained()
    def scan(
        self,
        f: Callable[[Any, Any], tuple[Any, Any]],
        init: Any,
        xs: Any = None,
        length: int | None = None,
        reverse: bool = False,
        unroll: int = 1,
    ) -> tuple[Any, Any]:
        if depth().plain and plain.has_rows(self, xs, length):
            return plain.scan(self, f, init, xs, length, reverse)
        carry_form, x_form = _form(init), _form(xs)
        y_form: list[Any] = []

        def step(flat_carry: Any, flat_x: Any) -> Any:
            carry, y = f(_filled(carry_form, flat_carry), _filled(x_form, flat_x))
            y_form[:] = [_form(y)]
            return _bare(carry, carry_form), _bare(y)

        carry, ys = lax.scan(step, _bare(init), _bare(xs), length=length, reverse=reverse, unroll=unroll)
        return _filled(carry_form, carry), _filled(y_form[0], ys)

    @explained()
    def recurrence(self, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
        return super().recurrence(*args, **kwargs) if depth().plain else recurrence(*args, **kwargs)

    @explained()
    def cond(self, pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *args: Any) -> Any:
        if depth().plain:
            return true_fn(*args) if pred else false_fn(*args)
        return lax.cond(pred, true_fn, false_fn, *args)

    def value_and_gradient(self, function: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        def call(values: Any) -> Any:
            flat, form = _flat(function, values, auxiliary=True)
            if depth().plain:
                flat = _seen(flat)
            with explained():
                (value, rest), gradients = jax.value_and_grad(flat, has_aux=True)(_bare(values))
            return (value, _filled(form[0], rest)), _filled(_form(values), gradients)

        return call

    stop_gradient = staticmethod(lax.stop_gradient)

    @explained()
    def abstract(self, function: Callable[..., Any], *specs: Any) -> Any:
        flat, form = _flat(lambda arguments: function(*arguments), specs)
        outputs = jax.eval_shape(flat, [jax.ShapeDtypeStruct(spec.shape, spec.dtype) for spec in _bare(specs)])
        return _filled(form[0], [TensorSpec(leaf.shape, leaf.dtype.name) for leaf in outputs])

    def vectorize(self, function: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
        return explained()(jax.vmap(function, in_axes))

    def wait(self, values: Any) -> Any:
        return jax.block_until_ready(values)

    # --- devices -----------------------------------------------------------------

    options_left_out = staticmethod(options.left_out)

    def device_count(self) -> int:
        return jax.device_count()

    def spread_rows(self, x: Any, devices: Sequence[int]) -> Any:
        present = jax.devices()
        mesh = jax.sharding.Mesh(np.array([present[number] for number in devices]), ("rows",))
        return lax.with_sharding_constraint(x, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows")))


def _form(values: Any) -> Any:
    """The tree without its tensors: true where one stands."""
    return tree.map(lambda leaf: None if leaf is None else True, values)


def _bare(values: Any, form: Any = None) -> list[Any]:
    """The tensors of a tree, in its order or in that of a form with the same keys."""
    if form is not None:
        values = tree.map(lambda _, leaf: leaf, form, values)
    return [leaf for leaf in tree.leaves(values) if leaf is not None]


def _filled(form: Any, flat: Sequence[Any]) -> Any:
    """The tree of a form with tensors put in."""
    remaining = iter(flat)
    return tree.map(lambda mark: None if mark is None else next(remaining), form)


def _flat(function: Callable[[Any], Any], values: Any, *, auxiliary: bool = False) -> tuple[Any, list[Any]]:
    """``function`` of a tree as a function of a list, and (once it ran) the form of its results in a list."""
    given = _form(values)
    returned: list[Any] = []

    def flat(leaves: Sequence[Any]) -> Any:
        results = function(_filled(given, leaves))
        value, results = results if auxiliary else (None, results)
        returned[:] = [_form(results)]
        return (value, _bare(results)) if auxiliary else _bare(results)

    return flat, returned


def _seen(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of a list of tensors, whose values it may look at."""

    def inner(leaves: Sequence[Any]) -> Any:
        for leaf in leaves:
            looks.open_to_looks(leaf)
        return function(leaves)

    return inner


def _copied(x: Any, dtype: str, rows: int | None = None) -> np.ndarray:
    """A copy in memory that the CPU takes as it is, so that an array is copied once and not twice.

    With ``rows``, zeros follow up to so many.
    """
    shape = x.shape if rows is None else (rows, *x.shape[1:])
    memory = np.empty(math.prod(shape) * np.dtype(dtype).itemsize + _ALIGNMENT, "uint8")
    offset = -memory.ctypes.data % _ALIGNMENT
    copy = memory[offset : offset + len(memory) - _ALIGNMENT].view(dtype).reshape(shape)
    if rows is None:
        copy[...] = x
    else:
        copy[: len(x)], copy[len(x) :] = x, 0
    return copy


def _axes(axis: Any) -> Any:
    return axis if axis is None or isinstance(axis, int) else tuple(int(a) for a in axis)


def _holds_tensors(x: Any) -> bool:
    return any(isinstance(leaf, jax.Array) for leaf in tree.leaves(x))

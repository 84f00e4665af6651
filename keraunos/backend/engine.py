"""The protocol that an engine fulfils: primitive operations, verbs, and what follows from them.

An engine is a subclass of :class:`Engine` for one lower-level library. It must
define every abstract method here; ``derived.py`` builds the remaining
operations from these, and an engine may override any of them with something
faster. Shapes are tuples of ``int``, dtypes are names such as ``"float32"``,
axes are as in NumPy, images and sequences are stored channels-last, and a
random key is an opaque value made by ``random_key`` and ``fold_in``. Tensors have
Python's operators among themselves and with Python numbers, which never widen a
tensor's type; operations also take NumPy arrays. Verbs take and return trees of
dicts, lists, tuples and named tuples, with ``None`` in any place; the keys of a
dict may come back in another order. Sums and products of ``bool`` and ``int32``
are int32.

``tests/engine`` holds the conformance suite that any engine must pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keraunos.backend.derived import DerivedOperations

Tensor = Any
Axis = int | Sequence[int] | None
Shape = Sequence[int]


class Engine(DerivedOperations, ABC):
    """Primitive operations and verbs of one lower-level library."""

    name: str

    # --- conversion and creation -------------------------------------------------

    @abstractmethod
    def array(self, x: Any, dtype: str | None = None) -> Tensor:
        """Tensor with the values of ``x``; 64-bit NumPy floats become the default float type."""

    def rows(self, x: np.ndarray, count: int) -> Tensor:
        """Tensor of a NumPy array's rows, followed by rows of zeros up to a number."""
        return self.array(np.concatenate([x, np.zeros((count - len(x), *x.shape[1:]), x.dtype)]))

    @abstractmethod
    def to_numpy(self, x: Tensor) -> Any:
        """NumPy array with the values of a concrete tensor."""

    @abstractmethod
    def is_tensor(self, x: Any) -> bool:
        """Whether ``x`` is a tensor of this engine, concrete or being traced."""

    def give_method(self, name: str, function: Any) -> None:
        """Let tensors of this engine, concrete or being traced, have a further method."""

    @abstractmethod
    def shape(self, x: Tensor) -> tuple[int, ...]:
        """Shape as a tuple of ``int``."""

    @abstractmethod
    def dtype(self, x: Tensor) -> str:
        """Name of the element type."""

    @abstractmethod
    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """Tensor with the elements converted to ``dtype``."""

    @abstractmethod
    def full(self, shape: Shape, fill_value: Any, dtype: str | None = None) -> Tensor:
        """Tensor filled with one value."""

    @abstractmethod
    def arange(self, start: Any, stop: Any = None, step: Any = None, dtype: str | None = None) -> Tensor:
        """Evenly spaced values from ``start`` up to, not including, ``stop``."""

    # --- elementwise, one argument -----------------------------------------------

    @abstractmethod
    def abs(self, x: Tensor) -> Tensor:
        """Absolute value."""

    @abstractmethod
    def sign(self, x: Tensor) -> Tensor:
        """-1, 0 or 1."""

    @abstractmethod
    def negative(self, x: Tensor) -> Tensor:
        """``-x``."""

    @abstractmethod
    def exp(self, x: Tensor) -> Tensor:
        """e to the power of ``x``."""

    @abstractmethod
    def expm1(self, x: Tensor) -> Tensor:
        """``exp(x) - 1``, exact near zero."""

    @abstractmethod
    def log(self, x: Tensor) -> Tensor:
        """Natural logarithm."""

    @abstractmethod
    def log1p(self, x: Tensor) -> Tensor:
        """``log(1 + x)``, exact near zero."""

    @abstractmethod
    def sqrt(self, x: Tensor) -> Tensor:
        """Square root."""

    @abstractmethod
    def sin(self, x: Tensor) -> Tensor:
        """Sine, in radians."""

    @abstractmethod
    def cos(self, x: Tensor) -> Tensor:
        """Cosine, in radians."""

    @abstractmethod
    def tan(self, x: Tensor) -> Tensor:
        """Tangent, in radians."""

    @abstractmethod
    def arcsin(self, x: Tensor) -> Tensor:
        """Inverse sine."""

    @abstractmethod
    def arccos(self, x: Tensor) -> Tensor:
        """Inverse cosine."""

    @abstractmethod
    def arctan(self, x: Tensor) -> Tensor:
        """Inverse tangent."""

    @abstractmethod
    def sinh(self, x: Tensor) -> Tensor:
        """Hyperbolic sine."""

    @abstractmethod
    def cosh(self, x: Tensor) -> Tensor:
        """Hyperbolic cosine."""

    @abstractmethod
    def tanh(self, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""

    @abstractmethod
    def erf(self, x: Tensor) -> Tensor:
        """Error function."""

    @abstractmethod
    def erfinv(self, x: Tensor) -> Tensor:
        """Inverse of the error function, for -1 < x < 1."""

    @abstractmethod
    def floor(self, x: Tensor) -> Tensor:
        """Largest whole number not above ``x``."""

    @abstractmethod
    def ceil(self, x: Tensor) -> Tensor:
        """Smallest whole number not below ``x``."""

    @abstractmethod
    def round(self, x: Tensor, decimals: int = 0) -> Tensor:
        """Nearest number with that many decimals, halves to even."""

    @abstractmethod
    def isnan(self, x: Tensor) -> Tensor:
        """Whether each element is not a number."""

    @abstractmethod
    def isfinite(self, x: Tensor) -> Tensor:
        """Whether each element is neither infinite nor NaN."""

    @abstractmethod
    def logical_not(self, x: Tensor) -> Tensor:
        """Truth of the opposite."""

    # --- elementwise, two or three arguments -------------------------------------

    @abstractmethod
    def add(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 + x2``."""

    @abstractmethod
    def subtract(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 - x2``."""

    @abstractmethod
    def multiply(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 * x2``."""

    @abstractmethod
    def divide(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 / x2``."""

    @abstractmethod
    def floor_divide(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 // x2``."""

    @abstractmethod
    def mod(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Remainder with the sign of the divisor."""

    @abstractmethod
    def power(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 ** x2``."""

    @abstractmethod
    def maximum(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Larger of two."""

    @abstractmethod
    def minimum(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Smaller of two."""

    @abstractmethod
    def arctan2(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Angle of the point ``(x2, x1)``."""

    @abstractmethod
    def equal(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether ``x1 == x2``."""

    @abstractmethod
    def not_equal(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether ``x1 != x2``."""

    @abstractmethod
    def less(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether ``x1 < x2``."""

    @abstractmethod
    def less_equal(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether ``x1 <= x2``."""

    @abstractmethod
    def greater(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether ``x1 > x2``."""

    @abstractmethod
    def greater_equal(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether ``x1 >= x2``."""

    @abstractmethod
    def logical_and(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether both are true."""

    @abstractmethod
    def logical_or(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether at least one is true."""

    @abstractmethod
    def where(self, condition: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1`` where the condition holds, else ``x2``."""

    # --- reductions and order ----------------------------------------------------

    @abstractmethod
    def sum(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Sum."""

    @abstractmethod
    def prod(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Product."""

    @abstractmethod
    def max(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Largest element."""

    @abstractmethod
    def min(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Smallest element."""

    @abstractmethod
    def any(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether any element is true."""

    @abstractmethod
    def all(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether all elements are true."""

    @abstractmethod
    def argmax(self, x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Index of the first largest element, as int32."""

    @abstractmethod
    def argmin(self, x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Index of the first smallest element, as int32."""

    @abstractmethod
    def cumsum(self, x: Tensor, axis: int | None = None) -> Tensor:
        """Running sum."""

    @abstractmethod
    def cumprod(self, x: Tensor, axis: int | None = None) -> Tensor:
        """Running product."""

    @abstractmethod
    def sort(self, x: Tensor, axis: int = -1) -> Tensor:
        """Elements in ascending order."""

    @abstractmethod
    def argsort(self, x: Tensor, axis: int = -1) -> Tensor:
        """Indices that sort, stable, as int32."""

    @abstractmethod
    def top_k(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` largest of the last axis and their indices; of equals the first comes first."""

    # --- shape -------------------------------------------------------------------

    @abstractmethod
    def reshape(self, x: Tensor, newshape: Shape) -> Tensor:
        """Same elements in row-major order; one size may be -1."""

    @abstractmethod
    def transpose(self, x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
        """Axes in another order (reversed by default)."""

    @abstractmethod
    def broadcast_to(self, x: Tensor, shape: Shape) -> Tensor:
        """Repeat along axes of size one, as NumPy broadcasts."""

    @abstractmethod
    def concatenate(self, xs: Sequence[Tensor], axis: int = 0) -> Tensor:
        """Join along an axis that exists."""

    @abstractmethod
    def pad(self, x: Tensor, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
        """Add elements around; ``mode`` is constant, reflect, symmetric or edge."""

    @abstractmethod
    def flip(self, x: Tensor, axis: Axis = None) -> Tensor:
        """Reverse the order along axes."""

    @abstractmethod
    def repeat(self, x: Tensor, repeats: int, axis: int | None = None) -> Tensor:
        """Repeat each element."""

    @abstractmethod
    def get_item(self, x: Tensor, key: Any) -> Tensor:
        """``x[key]`` with NumPy's rules for integers, slices, ``None``, ``...`` and index tensors."""

    @abstractmethod
    def take(self, x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
        """Elements at indices; negative ones count from the end, those out of range are clipped to the nearest."""

    def rows_at(self, x: Tensor, indices: Tensor) -> Tensor:
        """Rows at indices that are known to lie from 0 to the number of rows less one."""
        return self.take(x, indices, 0)

    @abstractmethod
    def take_along_axis(self, x: Tensor, indices: Tensor, axis: int = -1) -> Tensor:
        """Elements at one index per position along an axis."""

    @abstractmethod
    def slice(self, inputs: Tensor, start_indices: Sequence[Any], shape: Shape) -> Tensor:
        """Block of a static shape from a start that may be computed; a start too near the end is moved back."""

    @abstractmethod
    def slice_update(self, inputs: Tensor, start_indices: Sequence[Any], updates: Tensor) -> Tensor:
        """Copy of ``inputs`` with a block replaced, from a start as of ``slice``."""

    @abstractmethod
    def segment_sum(self, data: Tensor, segment_ids: Tensor, num_segments: int) -> Tensor:
        """Sums of the rows that share an id from 0 to ``num_segments - 1``; rows with another id are left out."""

    # --- products ----------------------------------------------------------------

    def carried_transposed(self, shape: tuple[int, ...]) -> bool:
        """Whether a loop should carry a matrix of a shape transposed, because its gradient comes out so."""
        return False

    @abstractmethod
    def matmul(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Matrix product of the last two axes, broadcasting the others."""

    @abstractmethod
    def einsum(self, subscripts: str, *operands: Tensor) -> Tensor:
        """Einstein summation."""

    @abstractmethod
    def conv(
        self,
        inputs: Tensor,
        kernel: Tensor,
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
    ) -> Tensor:
        """Cross-correlation over 1 to 3 spatial axes.

        Inputs ``(batch, *spatial, channels)``, or with channels second where
        ``data_format`` is channels_first; kernel ``(*window, channels // groups,
        filters)``; groups follow from the two channel counts. ``padding`` is
        valid, same, or a (before, after) pair for each spatial axis.
        """

    @abstractmethod
    def max_pool(
        self,
        inputs: Tensor,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
    ) -> Tensor:
        """Largest element of each window; of equals the first has the gradient."""

    @abstractmethod
    def average_pool(
        self,
        inputs: Tensor,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
    ) -> Tensor:
        """Mean of each window; padding does not count."""

    # --- random numbers ----------------------------------------------------------

    @abstractmethod
    def random_key(self, seed: Any) -> Tensor:
        """Key for a 32-bit seed, which may be computed."""

    @abstractmethod
    def fold_in(self, key: Tensor, number: Any) -> Tensor:
        """Key that depends on a key and a 32-bit number, which may be computed."""

    @abstractmethod
    def random_uniform(self, key: Tensor, shape: Shape, dtype: str | None = None) -> Tensor:
        """Uniform numbers in [0, 1)."""

    @abstractmethod
    def random_normal(self, key: Tensor, shape: Shape, dtype: str | None = None) -> Tensor:
        """Standard normal numbers."""

    # --- verbs -------------------------------------------------------------------

    @abstractmethod
    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Function that computes the same, compiled once per set of shapes and dtypes.

        Arguments and results are trees of tensors; NumPy arrays and Python
        numbers among the arguments are converted.
        """

    def specialize(self, function: Callable[[Any], Any], tensors: Any) -> Callable[[Any], Any]:
        """Function of a list of tensors that computes the same list, compiled for tensors like these and no others.

        It is called with no more ado: shapes and dtypes are the caller's affair. Arrays of NumPy may stand for tensors.
        """
        return self.compile(function)

    @abstractmethod
    def loop(self, body: Callable[[Tensor, Any], Any], carry: Any, start: Any, stop: Any) -> Any:
        """``carry = body(i, carry)`` for ``i`` from ``start`` to ``stop``; both may be computed."""

    @abstractmethod
    def scan(
        self,
        f: Callable[[Any, Any], tuple[Any, Any]],
        init: Any,
        xs: Any = None,
        length: int | None = None,
        reverse: bool = False,
        unroll: int = 1,
    ) -> tuple[Any, Any]:
        """``carry, y = f(carry, x)`` over the first axis of ``xs``, from ``init``; the last carry and all ``y``."""

    @abstractmethod
    def cond(self, pred: Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *args: Any) -> Any:
        """One of two functions, chosen by a computed truth."""

    @abstractmethod
    def value_and_gradient(self, function: Callable[[Any], tuple[Tensor, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        """For ``function(tree) -> (scalar, auxiliary)``: ``tree -> ((scalar, auxiliary), gradient tree)``."""

    @abstractmethod
    def stop_gradient(self, variable: Tensor) -> Tensor:
        """Same values, regarded as constant by ``value_and_gradient``."""

    @abstractmethod
    def abstract(self, function: Callable[..., Any], *specs: Any) -> Any:
        """What ``function`` would return, without computing: a tree of ``TensorSpec``.

        Each argument is a tree whose leaves are ``TensorSpec`` with known sizes.
        """

    @abstractmethod
    def vectorize(self, function: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
        """Function mapped over a leading axis of its arguments."""

    @abstractmethod
    def wait(self, values: Any) -> Any:
        """The same tree, once everything in it has been computed."""

    # --- devices -----------------------------------------------------------------

    def options_left_out(self) -> list[str]:
        """Names of the options that programs are compiled without, because this release of the library lacks them."""
        return []

    def device_count(self) -> int:
        """How many devices a batch can be spread over."""
        return 1

    def spread_rows(self, x: Tensor, devices: Sequence[int]) -> Tensor:
        """The same values, their rows divided over several devices, which compute what follows each for its own."""
        return x

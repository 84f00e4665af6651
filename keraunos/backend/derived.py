"""Operations that follow from an engine's primitives; an engine may override any of them."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keraunos.utils.config import epsilon, floatx, image_data_format
from keraunos.utils.errors import ArgumentError, ShapeError

Tensor = Any
Axis = int | Sequence[int] | None

# The constants of SELU (Klambauer et al. 2017, "Self-Normalizing Neural Networks").
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


class DerivedOperations:
    """Everything that can be said in terms of :class:`~keraunos.backend.engine.Engine`'s primitives."""

    if TYPE_CHECKING:  # the primitives, declared in engine.py

        def __getattr__(self, name: str) -> Any: ...

    # --- conversion and creation -------------------------------------------------

    def convert_to_tensor(self, x: Any, dtype: str | None = None) -> Tensor:
        """Tensor with the values of ``x``."""
        return self.array(x, dtype)

    def convert_to_numpy(self, x: Any) -> Any:
        """NumPy array with the values of ``x``."""
        return self.to_numpy(x)

    def zeros(self, shape: Sequence[int], dtype: str | None = None) -> Tensor:
        """Tensor of zeros."""
        return self.full(shape, 0, dtype or floatx())

    def ones(self, shape: Sequence[int], dtype: str | None = None) -> Tensor:
        """Tensor of ones."""
        return self.full(shape, 1, dtype or floatx())

    def zeros_like(self, x: Tensor, dtype: str | None = None) -> Tensor:
        """Zeros in the shape of ``x``."""
        return self.full(self.shape(x), 0, dtype or self.dtype(x))

    def ones_like(self, x: Tensor, dtype: str | None = None) -> Tensor:
        """Ones in the shape of ``x``."""
        return self.full(self.shape(x), 1, dtype or self.dtype(x))

    def full_like(self, x: Tensor, fill_value: Any, dtype: str | None = None) -> Tensor:
        """One value in the shape of ``x``."""
        return self.full(self.shape(x), fill_value, dtype or self.dtype(x))

    def eye(self, N: int, M: int | None = None, k: int = 0, dtype: str | None = None) -> Tensor:
        """Ones on a diagonal, zeros elsewhere."""
        rows, columns = self.arange(N), self.arange(N if M is None else M)
        return self.cast(self.equal(rows[:, None] + k, columns[None, :]), dtype or floatx())

    def identity(self, n: int, dtype: str | None = None) -> Tensor:
        """Identity matrix."""
        return self.eye(n, dtype=dtype)

    def tri(self, N: int, M: int | None = None, k: int = 0, dtype: str | None = None) -> Tensor:
        """Ones at and below a diagonal, zeros elsewhere."""
        rows, columns = self.arange(N), self.arange(N if M is None else M)
        return self.cast(self.greater_equal(rows[:, None] + k, columns[None, :]), dtype or floatx())

    def tril(self, x: Tensor, k: int = 0) -> Tensor:
        """Copy with zeros above a diagonal of the last two axes."""
        rows, columns = self.shape(x)[-2:]
        return self.where(self.tri(rows, columns, k, "bool"), x, self.zeros_like(x))

    def triu(self, x: Tensor, k: int = 0) -> Tensor:
        """Copy with zeros below a diagonal of the last two axes."""
        rows, columns = self.shape(x)[-2:]
        return self.where(self.tri(rows, columns, k - 1, "bool"), self.zeros_like(x), x)

    def linspace(
        self,
        start: Any,
        stop: Any,
        num: int = 50,
        endpoint: bool = True,
        retstep: bool = False,
        dtype: str | None = None,
        axis: int = 0,
    ) -> Any:
        """``num`` evenly spaced values from ``start`` to ``stop`` on a new axis, with their distance if asked for."""
        start, stop = (self.cast(self.array(end), dtype or floatx()) for end in (start, stop))
        distance = (stop - start) / max(num - endpoint, 1)
        steps = self.cast(self.arange(num), dtype or floatx())
        steps = self.reshape(steps, (num, *[1] * len(self.shape(distance))))
        values = self.moveaxis(start + steps * distance, 0, axis)
        return (values, distance) if retstep else values

    # --- elementwise -------------------------------------------------------------

    def absolute(self, x: Tensor) -> Tensor:
        """Absolute value."""
        return self.abs(x)

    def square(self, x: Tensor) -> Tensor:
        """``x * x``."""
        return self.multiply(x, x)

    def reciprocal(self, x: Tensor) -> Tensor:
        """``1 / x``."""
        return self.divide(1.0, x)

    def rsqrt(self, x: Tensor) -> Tensor:
        """``1 / sqrt(x)``."""
        return self.divide(1.0, self.sqrt(x))

    def true_divide(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 / x2``."""
        return self.divide(x1, x2)

    def divide_no_nan(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``x1 / x2``, and 0 where ``x2`` is 0."""
        zero = self.equal(x2, 0)
        return self.where(zero, 0.0, self.divide(x1, self.where(zero, 1.0, x2)))

    def log2(self, x: Tensor) -> Tensor:
        """Logarithm to base 2."""
        return self.log(x) / math.log(2)

    def log10(self, x: Tensor) -> Tensor:
        """Logarithm to base 10."""
        return self.log(x) / math.log(10)

    def clip(self, x: Tensor, x_min: Any, x_max: Any) -> Tensor:
        """``x`` limited to an interval."""
        return self.minimum(self.maximum(x, x_min), x_max)

    def isinf(self, x: Tensor) -> Tensor:
        """Whether each element is infinite."""
        return self.logical_not(self.logical_or(self.isfinite(x), self.isnan(x)))

    def logical_xor(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Whether exactly one is true."""
        return self.not_equal(self.cast(x1, "bool"), self.cast(x2, "bool"))

    def logaddexp(self, x1: Tensor, x2: Tensor) -> Tensor:
        """``log(exp(x1) + exp(x2))`` without overflow."""
        # Of equals, infinite ones too, the difference is 0, and each has half of the gradient.
        difference = self.where(self.equal(x1, x2), 0.0, self.subtract(x1, x2))
        return self.maximum(x1, x2) + self.log1p(self.exp(-self.abs(difference)))

    # --- reductions --------------------------------------------------------------

    def mean(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Arithmetic mean."""
        if "float" not in self.dtype(x):
            x = self.cast(x, floatx())
        count = math.prod(self.shape(x)[a] for a in self._axes(x, axis))
        return self.sum(x, axis, keepdims) / count

    def var(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Variance (divided by the count)."""
        return self.mean(self.square(self.subtract(x, self.mean(x, axis, True))), axis, keepdims)

    def std(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Standard deviation (divided by the count)."""
        return self.sqrt(self.var(x, axis, keepdims))

    def moments(self, x: Tensor, axes: Axis, keepdims: bool = False) -> tuple[Tensor, Tensor]:
        """Mean and variance."""
        return self.mean(x, axes, keepdims), self.var(x, axes, keepdims)

    def amax(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Largest element."""
        return self.max(x, axis, keepdims)

    def amin(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Smallest element."""
        return self.min(x, axis, keepdims)

    def count_nonzero(self, x: Tensor, axis: Axis = None) -> Tensor:
        """How many elements are not zero."""
        return self.sum(self.cast(self.not_equal(x, 0), "int32"), axis)

    def logsumexp(self, x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Logarithm of the sum of exponentials, without overflow."""
        peak = self.stop_gradient(self.max(x, axis, True))
        peak = self.where(self.isfinite(peak), peak, 0.0)
        total = self.log(self.sum(self.exp(self.subtract(x, peak)), axis, True)) + peak
        return total if keepdims else self.squeeze(total, self._axes(x, axis))

    def norm(self, x: Tensor, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:  # noqa: A002
        """Euclidean norm; with ``ord``, that norm of vectors (one axis) or of matrices (two axes).

        Vectors: ``sum(abs(x)**ord)**(1 / ord)``, the largest magnitude for inf, the smallest for -inf, the count of
        what is not 0 for 0. Matrices: fro, 1 and -1 (column sums), inf and -inf (row sums).
        """
        if "float" not in self.dtype(x):
            x = self.cast(x, floatx())
        rank = len(self.shape(x))
        axes = range(rank) if axis is None else [axis] if isinstance(axis, int) else [a % rank for a in axis]
        if ord in ("fro", "euclidean") and len(axes) != 2:
            raise ArgumentError(
                f"norm: ord={ord!r} is a norm of matrices, over two axes, but the axes are {list(axes)}. Leave ord out for "
                "the Euclidean norm of vectors, or give axis=(-2, -1)."
            )
        if ord in (None, "fro", "euclidean") or (ord == 2 and len(axes) == 1):
            return self.sqrt(self.sum(self.square(x), axis, keepdims))
        if len(axes) > 2 or isinstance(ord, str) or (len(axes) == 2 and ord not in (1, -1, math.inf, -math.inf)):
            raise ArgumentError(
                f"norm: ord is {ord!r} over {len(axes)} axes; expected None, or a number for one axis, or "
                "'fro', 1, -1, inf or -inf for two. Norms from singular values are not available."
            )
        size = self.abs(x)
        extreme = self.max if ord > 0 else self.min
        if len(axes) == 2:
            summed, other = axes if abs(ord) == 1 else reversed(axes)
            found = extreme(self.sum(size, summed, True), other, True)
            return found if keepdims else self.squeeze(found, tuple(axes))
        if ord == 0:
            return self.sum(self.cast(self.not_equal(x, 0), self.dtype(x)), axis, keepdims)
        if math.isinf(ord):
            return extreme(size, axis, keepdims)
        return self.power(self.sum(self.power(size, ord), axis, keepdims), 1.0 / ord)

    def normalize(self, x: Tensor, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Tensor:
        """``x`` divided by its norm along an axis."""
        floor = 1e-12 if epsilon is None else epsilon
        if order == 2:
            return self.multiply(x, self.rsqrt(self.maximum(self.sum(self.square(x), axis, True), floor * floor)))
        return self.divide(x, self.maximum(self.norm(x, order, axis, True), floor))

    # --- shape -------------------------------------------------------------------

    def ndim(self, x: Tensor) -> int:
        """Number of axes."""
        return len(self.shape(x))

    def size(self, x: Tensor) -> int:
        """Number of elements."""
        return math.prod(self.shape(x))

    def expand_dims(self, x: Tensor, axis: Axis) -> Tensor:
        """Insert axes of size one."""
        axes = [axis] if isinstance(axis, int) else list(axis or ())
        rank = len(self.shape(x)) + len(axes)
        new = {a % rank for a in axes}
        sizes = iter(self.shape(x))
        return self.reshape(x, tuple(1 if a in new else next(sizes) for a in range(rank)))

    def squeeze(self, x: Tensor, axis: Axis = None) -> Tensor:
        """Remove axes of size one."""
        shape = self.shape(x)
        gone = [a for a, size in enumerate(shape) if size == 1] if axis is None else self._axes(x, axis)
        for a in gone:
            if shape[a] != 1:
                raise ShapeError(f"squeeze: axis {a} of shape {shape} has size {shape[a]}, not 1.")
        return self.reshape(x, tuple(size for a, size in enumerate(shape) if a not in gone))

    def ravel(self, x: Tensor) -> Tensor:
        """All elements on one axis."""
        return self.reshape(x, (-1,))

    def swapaxes(self, x: Tensor, axis1: int, axis2: int) -> Tensor:
        """Exchange two axes."""
        axes = list(range(len(self.shape(x))))
        axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
        return self.transpose(x, axes)

    def moveaxis(self, x: Tensor, source: Any, destination: Any) -> Tensor:
        """Move axes to other places."""
        rank = len(self.shape(x))
        sources = [a % rank for a in ([source] if isinstance(source, int) else source)]
        targets = [a % rank for a in ([destination] if isinstance(destination, int) else destination)]
        order = [a for a in range(rank) if a not in sources]
        for target, origin in sorted(zip(targets, sources, strict=True)):
            order.insert(target, origin)
        return self.transpose(x, order)

    def stack(self, x: Sequence[Tensor], axis: int = 0) -> Tensor:
        """Join along a new axis."""
        return self.concatenate([self.expand_dims(part, axis) for part in x], axis)

    def unstack(self, x: Tensor, num: int | None = None, axis: int = 0) -> list[Tensor]:
        """Slices along an axis, without that axis."""
        count = self.shape(x)[axis] if num is None else num
        return [self.squeeze(part, axis) for part in self.split(x, count, axis)]

    def split(self, x: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
        """Equal parts (an ``int``) or parts that end at given indices."""
        axis %= len(self.shape(x))
        size = self.shape(x)[axis]
        if isinstance(indices_or_sections, int):
            if size % indices_or_sections:
                raise ShapeError(f"split: an axis of size {size} has no {indices_or_sections} equal parts.")
            width = size // indices_or_sections
            bounds = list(range(0, size + 1, width)) if width else [0] * (indices_or_sections + 1)
        else:
            bounds = [0, *(int(index) for index in indices_or_sections), size]
        before = (slice(None),) * axis
        return [self.get_item(x, (*before, slice(a, b))) for a, b in itertools.pairwise(bounds)]

    def hstack(self, xs: Sequence[Tensor]) -> Tensor:
        """Join along the second axis (the first of vectors)."""
        return self.concatenate(xs, 0 if len(self.shape(xs[0])) == 1 else 1)

    def vstack(self, xs: Sequence[Tensor]) -> Tensor:
        """Join along the first axis, vectors as rows."""
        return self.concatenate([self.expand_dims(x, 0) if len(self.shape(x)) == 1 else x for x in xs], 0)

    def tile(self, x: Tensor, repeats: Any) -> Tensor:
        """Whole copies along each axis."""
        counts = [repeats] if isinstance(repeats, int) else list(repeats)
        shape = list(self.shape(x))
        rank = max(len(counts), len(shape))
        counts = [1] * (rank - len(counts)) + counts
        x = self.reshape(x, [1] * (rank - len(shape)) + shape)
        for axis, count in enumerate(counts):
            if count == 0:
                x = self.get_item(x, (*[slice(None)] * axis, slice(0)))
            elif count != 1:
                x = self.concatenate([x] * count, axis)
        return x

    def roll(self, x: Tensor, shift: Any, axis: Axis = None) -> Tensor:
        """Shift along axes; what leaves one end enters at the other."""
        if axis is None:
            return self.reshape(self.roll(self.ravel(x), shift, 0), self.shape(x))
        if not isinstance(axis, int):
            shifts = [shift] * len(axis) if isinstance(shift, int) else shift
            for each, along in zip(shifts, axis, strict=True):
                x = self.roll(x, each, along)
            return x
        size = self.shape(x)[axis]
        return self.take(x, (self.arange(size) - shift) % size, axis)

    def diag(self, x: Tensor, k: int = 0) -> Tensor:
        """Diagonal of a matrix, or the matrix of a diagonal."""
        if len(self.shape(x)) == 1:
            n = self.shape(x)[0] + abs(k)
            padded = self.pad(x, ((max(k, 0), max(-k, 0)),))
            return self.where(self.eye(n, k=k, dtype="bool"), padded[None, :], self.zeros((n, n), self.dtype(x)))
        rows, columns = self.shape(x)
        count = min(rows + min(k, 0), columns - max(k, 0))
        index = self.arange(count)
        return self.get_item(x, (index + max(-k, 0), index + max(k, 0)))

    def trace(self, x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """Sum of a diagonal of the matrices that two axes make."""
        rows, columns = (self.shape(x)[axis] for axis in (axis1, axis2))
        on = self.equal(self.expand_dims(self.arange(rows), 1) + offset, self.arange(columns))
        return self.sum(self.moveaxis(x, (axis1, axis2), (-2, -1)) * self.cast(on, self.dtype(x)), (-2, -1))

    def meshgrid(self, *xs: Tensor, indexing: str = "xy") -> list[Tensor]:
        """Coordinate grids."""
        sizes = [self.shape(x)[0] for x in xs]
        grids = [
            self.broadcast_to(self.reshape(x, [1] * i + [-1] + [1] * (len(xs) - i - 1)), sizes)
            for i, x in enumerate(xs)
        ]
        return [self.swapaxes(grid, 0, 1) for grid in grids] if indexing == "xy" and len(xs) > 1 else grids

    # --- products ----------------------------------------------------------------

    def dot(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Product of the last axis of ``x1`` with the first (last but one) of ``x2``."""
        if min(len(self.shape(x1)), len(self.shape(x2))) == 0:
            return self.multiply(x1, x2)
        if len(self.shape(x2)) <= 2:
            return self._as_factors(self.matmul(x1, x2), x1, x2)
        return self.tensordot(x1, x2, ((-1,), (-2,)))

    def _as_factors(self, product: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
        """A product in 8 bits where both factors have 8; a matrix product, unlike these, has more."""
        return self.cast(product, "int8") if self.dtype(x1) == self.dtype(x2) == "int8" else product

    def tensordot(self, x1: Tensor, x2: Tensor, axes: Any = 2) -> Tensor:
        """Sum of products over pairs of axes."""
        rank1, rank2 = len(self.shape(x1)), len(self.shape(x2))
        if isinstance(axes, int):
            axes = (range(rank1 - axes, rank1), range(axes))
        first, second = ([axis] if isinstance(axis, int) else list(axis) for axis in axes)
        letters = [chr(97 + i) for i in range(rank1 + rank2)]
        left, right = letters[:rank1], letters[rank1:]
        for a, b in zip(first, second, strict=True):
            right[b] = left[a]
        summed = {left[a] for a in first}
        kept = [letter for letter in left + right if letter not in summed]
        product = self.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x1, x2)
        return self._as_factors(product, x1, x2)

    def outer(self, x1: Tensor, x2: Tensor) -> Tensor:
        """All products of two vectors."""
        return self.ravel(x1)[:, None] * self.ravel(x2)[None, :]

    # --- activations -------------------------------------------------------------

    def relu(self, x: Tensor) -> Tensor:
        """``max(x, 0)``; the gradient at 0 is 0, and NaN stays NaN."""
        return self.where(self.less_equal(x, 0), self.zeros_like(x), x)

    def relu6(self, x: Tensor) -> Tensor:
        """``min(max(x, 0), 6)``."""
        return self.clip(x, 0, 6)

    def leaky_relu(self, x: Tensor, negative_slope: float = 0.2) -> Tensor:
        """``x`` where positive, else ``negative_slope * x``."""
        return self.where(self.greater_equal(x, 0), x, negative_slope * x)

    def sigmoid(self, x: Tensor) -> Tensor:
        """``1 / (1 + exp(-x))``."""
        return 0.5 * self.tanh(0.5 * x) + 0.5

    def softplus(self, x: Tensor) -> Tensor:
        """``log(1 + exp(x))``."""
        return self.maximum(x, 0) + self.log1p(self.exp(-self.abs(x)))

    def log_sigmoid(self, x: Tensor) -> Tensor:
        """``log(sigmoid(x))``."""
        return -self.softplus(-x)

    def softsign(self, x: Tensor) -> Tensor:
        """``x / (1 + |x|)``."""
        return self.divide(x, 1 + self.abs(x))

    def silu(self, x: Tensor) -> Tensor:
        """``x * sigmoid(x)``."""
        return self.multiply(x, self.sigmoid(x))

    def swish(self, x: Tensor) -> Tensor:
        """``x * sigmoid(x)``."""
        return self.silu(x)

    def elu(self, x: Tensor, alpha: float = 1.0) -> Tensor:
        """``x`` where positive, else ``alpha * (exp(x) - 1)``."""
        # The minimum keeps the branch that is not taken finite, so that its gradient is too.
        return self.where(self.greater(x, 0), x, alpha * self.expm1(self.minimum(x, 0)))

    def selu(self, x: Tensor) -> Tensor:
        """Scaled ELU with the fixed point (mean 0, variance 1)."""
        return _SELU_SCALE * self.elu(x, _SELU_ALPHA)

    def celu(self, x: Tensor, alpha: float = 1.0) -> Tensor:
        """``max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))``."""
        return self.maximum(x, 0) + alpha * self.expm1(self.minimum(x, 0) / alpha)

    def gelu(self, x: Tensor, approximate: bool = True) -> Tensor:
        """``x`` times the normal distribution function of ``x``, or its tanh approximation."""
        if approximate:
            inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
            return self.multiply(0.5 * x, 1 + self.tanh(inner))
        return self.multiply(0.5 * x, 1 + self.erf(x / math.sqrt(2)))

    def hard_sigmoid(self, x: Tensor) -> Tensor:
        """``relu6(x + 3) / 6``."""
        return self.relu6(x + 3) / 6

    def hard_silu(self, x: Tensor) -> Tensor:
        """``x * hard_sigmoid(x)``."""
        return self.multiply(x, self.hard_sigmoid(x))

    def hard_swish(self, x: Tensor) -> Tensor:
        """``x * hard_sigmoid(x)``."""
        return self.hard_silu(x)

    def hard_tanh(self, x: Tensor) -> Tensor:
        """``x`` limited to [-1, 1]."""
        return self.clip(x, -1, 1)

    def tanh_shrink(self, x: Tensor) -> Tensor:
        """``x - tanh(x)``."""
        return self.subtract(x, self.tanh(x))

    def hard_shrink(self, x: Tensor, threshold: float = 0.5) -> Tensor:
        """``x`` where ``|x| > threshold``, else 0."""
        return self.where(self.greater(self.abs(x), threshold), x, self.zeros_like(x))

    def soft_shrink(self, x: Tensor, threshold: float = 0.5) -> Tensor:
        """``x`` moved towards 0 by the threshold."""
        return self.where(
            self.greater(self.abs(x), threshold), self.subtract(x, threshold * self.sign(x)), self.zeros_like(x)
        )

    def threshold(self, x: Tensor, threshold: float, default_value: float) -> Tensor:
        """``x`` where it exceeds the threshold, else a default."""
        return self.where(self.greater(x, threshold), x, self.full_like(x, default_value))

    def squareplus(self, x: Tensor, b: float = 4) -> Tensor:
        """``(x + sqrt(x**2 + b)) / 2``."""
        return self.add(x, self.sqrt(x * x + b)) / 2

    def sparse_plus(self, x: Tensor) -> Tensor:
        """0 below -1, ``x`` above 1, ``(x + 1)**2 / 4`` between."""
        middle = self.square(x + 1) / 4
        return self.where(self.less_equal(x, -1), self.zeros_like(x), self.where(self.less(x, 1), middle, x))

    def sparse_sigmoid(self, x: Tensor) -> Tensor:
        """0 below -1, 1 above 1, ``(x + 1) / 2`` between."""
        return self.clip((x + 1) / 2, 0, 1)

    def mish(self, x: Tensor) -> Tensor:
        """``x * tanh(softplus(x))``."""
        return self.multiply(x, self.tanh(self.softplus(x)))

    def glu(self, x: Tensor, axis: int = -1) -> Tensor:
        """First half of an axis times the sigmoid of the second half."""
        first, second = self.split(x, 2, axis)
        return first * self.sigmoid(second)

    def softmax(self, x: Tensor, axis: Axis = -1) -> Tensor:
        """Exponentials divided by their sum along axes."""
        exponentials = self.exp(self.subtract(x, self.stop_gradient(self.max(x, axis, True))))
        return exponentials / self.sum(exponentials, axis, True)

    def log_softmax(self, x: Tensor, axis: Axis = -1) -> Tensor:
        """Logarithm of the softmax."""
        shifted = self.subtract(x, self.stop_gradient(self.max(x, axis, True)))
        return shifted - self.log(self.sum(self.exp(shifted), axis, True))

    def sparsemax(self, x: Tensor, axis: int = -1) -> Tensor:
        """Euclidean projection onto the simplex (Martins & Astudillo 2016)."""
        x = self.moveaxis(x, axis, -1)
        descending = self.flip(self.sort(x, -1), -1)
        sums = self.cumsum(descending, -1)
        rank = self.cast(self.arange(1, self.shape(x)[-1] + 1), self.dtype(x))
        support = self.sum(self.cast(self.greater(1 + rank * descending, sums), "int32"), -1, True)
        level = (self.take_along_axis(sums, support - 1, -1) - 1) / self.cast(support, self.dtype(x))
        return self.moveaxis(self.maximum(x - level, 0), -1, axis)

    # --- convolutions made of one ------------------------------------------------

    def conv_transpose(
        self,
        inputs: Tensor,
        kernel: Tensor,
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        output_padding: int | Sequence[int | None] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        output_size: Sequence[int] | None = None,
    ) -> Tensor:
        """The gradient of a convolution for its inputs: each entry of ``inputs`` spreads over a window of the output.

        The kernel is ``(*window, filters, channels)``. Several sizes of a convolution's inputs give one size of its
        outputs: ``output_size`` says which, or ``output_padding``, what is added to ``(size - 1) * stride + window``
        (less ``2 * (window // 2)`` for same padding). ``padding`` is that of the convolution, as there.
        """
        data_format = data_format or image_data_format()
        window = self.shape(kernel)[:-2]
        step, dilation, extra = (self._each(v, len(window)) for v in (strides, dilation_rate, output_padding))
        first = 1 if data_format == "channels_last" else 2
        given = None if isinstance(padding, str) else [tuple(pair) for pair in padding]
        sizes, pads = [], []
        for axis, (entries, stride, rate) in enumerate(zip(window, step, dilation, strict=True)):
            size, extent = self.shape(inputs)[first + axis], (entries - 1) * rate + 1
            if output_size is not None:
                wanted = output_size[axis]
            elif extra[axis] is not None:
                wanted = (size - 1) * stride + extent + extra[axis]
                wanted -= sum(given[axis]) if given else 2 * (extent // 2) if padding == "same" else 0
            elif given:
                wanted = (size - 1) * stride + extent - sum(given[axis])
            else:
                wanted = size * stride + (max(extent - stride, 0) if padding == "valid" else 0)
            covered = (size - 1) * stride + extent
            cut = given[axis][0] if given else max(covered - wanted, 0) // 2 if padding == "same" else 0
            sizes.append(wanted)
            pads.append((cut, covered - wanted - cut))
        return self.conv_back(inputs, kernel, sizes, step, pads, data_format, dilation)

    def conv_back(
        self,
        gradient: Tensor,
        kernel: Tensor,
        sizes: Sequence[int],
        strides: Sequence[int],
        pads: Sequence[tuple[int, int]],
        data_format: str,
        dilation_rate: Sequence[int],
    ) -> Tensor:
        """The gradient of a convolution for inputs of the given sizes; all but the layout is given for each axis."""
        window = self.shape(kernel)[:-2]
        first = 1 if data_format == "channels_last" else 2
        around = []
        for axis, (size, stride, rate, (before, _)) in enumerate(zip(sizes, strides, dilation_rate, pads, strict=True)):
            spread = (self.shape(gradient)[first + axis] - 1) * stride + 1
            around.append(((window[axis] - 1) * rate - before, size - spread + before))
            gradient = self._spread(gradient, first + axis, stride)
        turned = self.swapaxes(self.flip(kernel, tuple(range(len(window)))), -1, -2)
        return self.conv(gradient, turned, 1, tuple(around), data_format, tuple(dilation_rate))

    def _each(self, value: Any, count: int) -> list[Any]:
        return list(value) if isinstance(value, (list, tuple)) else [value] * count

    def _spread(self, x: Tensor, axis: int, stride: int) -> Tensor:
        """Zeros between the entries of an axis, so that they are ``stride`` apart."""
        if stride == 1:
            return x
        shape = self.shape(x)
        around = [(0, 0)] * (axis + 1) + [(0, stride - 1)] + [(0, 0)] * (len(shape) - axis - 1)
        wide = self.reshape(self.pad(self.expand_dims(x, axis + 1), around), self._resized(shape, axis, stride))
        return self.get_item(wide, (slice(None),) * axis + (slice(0, (shape[axis] - 1) * stride + 1),))

    def _resized(self, shape: Sequence[int], axis: int, times: int) -> tuple[int, ...]:
        return (*shape[:axis], shape[axis] * times, *shape[axis + 1 :])

    def depthwise_conv(
        self,
        inputs: Tensor,
        kernel: Tensor,
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
    ) -> Tensor:
        """Convolution of each channel by itself with the ``multiplier`` filters of its own.

        The kernel is ``(*window, channels, multiplier)``; the outputs of the first channel come first.
        """
        *window, channels, multiplier = self.shape(kernel)
        apart = self.reshape(kernel, (*window, 1, channels * multiplier))
        return self.conv(inputs, apart, strides, padding, data_format, dilation_rate)

    def separable_conv(
        self,
        inputs: Tensor,
        depthwise_kernel: Tensor,
        pointwise_kernel: Tensor,
        strides: int | Sequence[int] = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
    ) -> Tensor:
        """Convolution of each channel by itself, then of all channels at each place."""
        apart = self.depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
        return self.conv(apart, pointwise_kernel, 1, "valid", data_format)

    # --- for networks ------------------------------------------------------------

    def one_hot(self, x: Tensor, num_classes: int, axis: int = -1, dtype: str | None = None) -> Tensor:
        """1 at each index, else 0, on a new axis; all zeros for an index out of range."""
        rank = len(self.shape(x)) + 1
        classes = self.reshape(self.arange(num_classes), [-1 if a == axis % rank else 1 for a in range(rank)])
        hot = self.equal(self.expand_dims(self.cast(x, "int32"), axis), classes)
        return self.cast(hot, dtype or floatx())

    def multi_hot(self, inputs: Tensor, num_classes: int, axis: int = -1, dtype: str | None = None) -> Tensor:
        """1 for every index that occurs along the second axis (the first of vectors)."""
        reduced = 1 if len(self.shape(inputs)) > 1 else 0
        return self.max(self.one_hot(inputs, num_classes, axis, dtype), reduced)

    def categorical_crossentropy(
        self, target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1
    ) -> Tensor:
        """``-sum(target * log(output))`` along an axis; ``output`` is normalized first."""
        if from_logits:
            return -self.sum(self.multiply(target, self.log_softmax(output, axis)), axis)
        output = self.divide(output, self.sum(output, axis, True))
        output = self.clip(output, epsilon(), 1 - epsilon())
        return -self.sum(self.multiply(target, self.log(output)), axis)

    def sparse_categorical_crossentropy(
        self, target: Tensor, output: Tensor, from_logits: bool = False, axis: int = -1
    ) -> Tensor:
        """Categorical cross-entropy against class indices."""
        classes = self.shape(output)[axis]
        hot = self.one_hot(target, classes, axis, self.dtype(output))
        if from_logits:
            return -self.sum(hot * self.log_softmax(output, axis), axis)
        output = self.divide(output, self.sum(output, axis, True))
        return -self.sum(hot * self.log(self.clip(output, epsilon(), 1 - epsilon())), axis)

    def binary_crossentropy(self, target: Tensor, output: Tensor, from_logits: bool = False) -> Tensor:
        """``-(t * log(o) + (1 - t) * log(1 - o))``, elementwise."""
        target = self.cast(target, self.dtype(output))
        if from_logits:
            return target * self.softplus(-output) + (1 - target) * self.softplus(output)
        output = self.clip(output, epsilon(), 1 - epsilon())
        return -(target * self.log(output) + (1 - target) * self.log(1 - output))

    def random_truncated_normal(self, key: Tensor, shape: Sequence[int], dtype: str | None = None) -> Tensor:
        """Standard normal numbers within two standard deviations, by inversion."""
        low, high = math.erf(-math.sqrt(2)), math.erf(math.sqrt(2))
        uniform = low + (high - low) * self.random_uniform(key, shape, dtype)
        return math.sqrt(2) * self.erfinv(uniform)

    def in_top_k(self, targets: Tensor, predictions: Tensor, k: int) -> Tensor:
        """Whether fewer than ``k`` classes have a larger prediction than the target's."""
        own = self.take_along_axis(predictions, self.expand_dims(self.cast(targets, "int32"), -1), -1)
        larger = self.sum(self.cast(self.greater(predictions, own), "int32"), -1)
        return self.logical_and(self.less(larger, k), self.isfinite(self.squeeze(own, -1)))

    def fori_loop(self, lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Any:
        """``value = body_fun(i, value)`` for ``i`` from ``lower`` to ``upper``."""
        return self.loop(body_fun, init_val, lower, upper)

    def recurrence(
        self,
        cell: Callable[..., Any],
        kernel: Tensor,
        inputs: Tensor,
        states: Sequence[Tensor],
        extras: Tensor | None = None,
        bias: Tensor | None = None,
        mask: Tensor | None = None,
        every: bool = False,
        reverse: bool = False,
        unroll: int | bool = 1,
    ) -> tuple[list[Tensor], Tensor | None]:
        """A scan in which only the first state goes through a product: the last states, and the first of each step.

        At each step ``states = cell(sums, sides, states)``, all three lists of matrices ``(rows, units)``. ``sums``
        are the equal parts of ``x + states[0] @ kernel + bias``, where ``x`` is the row of ``inputs``, whose first
        axis is time, and zero beyond its width; ``sides`` are those of the row of ``extras``. Where the row of
        ``mask`` is false, states stay. Without ``every`` the second result is ``None``.
        ``cell`` is elementwise, and returns states of the types that it takes.
        """
        units = self.shape(states[0])[-1]

        def parts(x: Any) -> list[Any]:
            return [] if x is None else self.split(x, self.shape(x)[-1] // units, -1)

        def step(states: Any, row: Any) -> Any:
            products = self.matmul(states[0], kernel)
            sums = parts(products if bias is None else products + bias)
            given = parts(row["x"])
            sums = [x + y for x, y in zip(given, sums, strict=False)] + sums[len(given) :]
            new = list(cell(sums, parts(row["extras"]), states))
            if mask is not None:
                valid = self.expand_dims(row["mask"], -1)
                new = [self.where(valid, n, old) for n, old in zip(new, states, strict=True)]
            return new, new[0] if every else None

        rows = {"x": inputs, "extras": extras, "mask": mask}
        return self.scan(step, list(states), rows, reverse=reverse, unroll=unroll)

    def vectorized_map(self, function: Any, elements: Any) -> Any:
        """Function mapped over the first axis of ``elements``."""
        return self.vectorize(function)(elements)

    # --- helpers -----------------------------------------------------------------

    def _axes(self, x: Tensor, axis: Axis) -> tuple[int, ...]:
        rank = len(self.shape(x))
        if axis is None:
            return tuple(range(rank))
        return tuple(sorted({a % rank for a in ([axis] if isinstance(axis, int) else axis)}))

"""Matrix products of small networks, with gradients in the forms that are fast inside a compiled loop on a CPU.

The product ``x.T @ g``, the gradient of a kernel, makes the compiler read ``x`` against the grain.
A transposed copy of the smaller factor first costs little and saves more. Measured, batch 32, microseconds:

============  =======  ============  ============
kernel        x.T @ g  copy of x.T   copy of g.T
============  =======  ============  ============
2 x 25        1.3      0.6           0.7
25 x 50       3.9      2.3           2.2
50 x 50       6.0      4.3           3.1
32 x 7        1.8      1.7           0.6
784 x 10      26.6     20.5          6.6
128 x 128     15.5     15.1          14.2
============  =======  ============  ============

With the copy of ``g.T`` the gradient comes out transposed, so the loop carries such kernels
transposed. Beyond the sizes below the products themselves decide, and all forms cost the same.

A product over up to four numbers is a sum of so many outer products, which the compiler fuses with what
comes before and after; a call of a matrix product costs more than all of its arithmetic.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

_SMALL = 1 << 13  # elements of a kernel
_THIN = 16  # columns
_FEW = 4  # numbers that a product sums over


def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product; see ``Engine.matmul``."""
    if isinstance(x1, jax.core.Tracer) and isinstance(x2, jax.core.Tracer) and x1.ndim == x2.ndim == 2:
        # Shapes that do not fit are left to JAX, which says so: a sum of a few outer products would not notice.
        fits, small = x1.shape[1] == x2.shape[0], x2.size <= _SMALL or x2.shape[1] <= _THIN
        if small and fits and x1.dtype == x2.dtype == jnp.float32 and jax.default_backend() == "cpu":
            return _product(x1, x2)
    return jnp.matmul(x1, x2, preferred_element_type=summed_in(x1, x2))


def summed_in(*operands: Any) -> Any:
    """Type of a sum of products: 8-bit integers are summed in 32 bits; ``None`` for that of the operands."""
    return jnp.int32 if all(getattr(x, "dtype", None) == jnp.int8 for x in operands) else None


def einsum(subscripts: str, *operands: Any) -> Any:
    """Sum of products by letters; see ``Engine.einsum``."""
    return jnp.einsum(subscripts, *operands, preferred_element_type=summed_in(*operands))


def carried_transposed(shape: tuple[int, ...]) -> bool:
    """Whether the loop should carry a kernel of a shape transposed."""
    if len(shape) != 2 or jax.default_backend() != "cpu":
        return False
    rows, columns = shape
    return columns < rows and (columns <= _THIN or rows * columns <= _SMALL)


@jax.custom_vjp
def _product(x: Any, kernel: Any) -> Any:
    # The compiler multiplies by a transposed kernel slowly, unless it is thin.
    if carried_transposed(kernel.shape) and kernel.shape[1] > _THIN:
        kernel = _copied(kernel)
    return _product_of_few(x, kernel) if 0 < len(kernel) <= _FEW else x @ kernel


def _product_forward(x: Any, kernel: Any) -> Any:
    return _product(x, kernel), (x, kernel)


def _product_backward(saved: Any, gradient: Any) -> Any:
    x, kernel = saved
    if 0 < kernel.shape[1] <= _FEW:
        of_inputs = _product_of_few(gradient, kernel.T)
    else:
        of_inputs = gradient @ (kernel.T if carried_transposed(kernel.shape) else _copied(kernel.T))
    if carried_transposed(kernel.shape):
        return of_inputs, (_copied(gradient.T) @ x).T
    return of_inputs, _copied(x.T) @ gradient


def _product_of_few(x: Any, kernel: Any) -> Any:
    return sum(x[:, number, None] * kernel[number] for number in range(len(kernel)))


_product.defvjp(_product_forward, _product_backward)

# Without the barrier the compiler folds a transposition into the product again.
_copied = lax.optimization_barrier

"""Products of small matrices on JAX: whatever form the kernel's shape asks for, values and gradients are NumPy's."""

import numpy as np
import pytest

from keraunos.backend import K, current_engine

pytestmark = pytest.mark.skipif(current_engine().name != "jax", reason="these forms are the JAX engine's")

# Sums over few numbers, thin kernels, kernels carried transposed or not, and ones too large for any of it.
SHAPES = [(5, 2, 3), (5, 3, 2), (6, 1, 1), (7, 40, 3), (7, 6, 20), (4, 20, 6), (3, 30, 30), (2, 100, 90), (5, 700, 12)]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def product(pair):
    x, kernel = pair
    outputs = K.matmul(x, kernel)
    return K.sum(outputs * K.cos(outputs)), outputs


@pytest.mark.parametrize("rows, inputs, units", SHAPES)
def test_a_product_and_its_gradients_are_those_of_numpy(rows, inputs, units):
    x, kernel = numbers(rows, inputs), numbers(inputs, units, seed=1) / np.sqrt(inputs).astype("float32")
    (_, outputs), (of_x, of_kernel) = K.compile(lambda pair: K.value_and_gradient(product)(pair))((x, kernel))
    z = x.astype("float64") @ kernel
    slope = np.cos(z) - z * np.sin(z)
    np.testing.assert_allclose(outputs, z, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_x, slope @ kernel.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(of_kernel, x.T @ slope, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows, inputs, units", SHAPES[:6])
def test_a_gradient_can_be_differentiated_again(rows, inputs, units):
    x, kernel = numbers(rows, inputs), numbers(inputs, units, seed=1)

    def penalty(kernel):
        (_, _), (of_x, _) = K.value_and_gradient(product)((x, kernel))
        return K.sum(K.square(of_x)), None

    compiled = K.compile(lambda kernel: K.value_and_gradient(penalty)(kernel))
    (_, _), gradient = compiled(kernel)
    step = numbers(inputs, units, seed=2)
    step *= 1e-2 / np.linalg.norm(step)
    (above, _), _ = compiled(kernel + step)
    (below, _), _ = compiled(kernel - step)
    np.testing.assert_allclose(float(above - below) / 2, float(np.sum(gradient * step)), rtol=2e-2, atol=1e-4)


def test_a_product_over_no_numbers_is_zero():
    (_, outputs), gradients = K.compile(lambda pair: K.value_and_gradient(product)(pair))(
        (numbers(3, 0), numbers(0, 2))
    )
    assert np.array_equal(outputs, np.zeros((3, 2)))
    assert [np.shape(gradient) for gradient in gradients] == [(3, 0), (0, 2)]


def test_products_of_many_pairs_at_once_are_those_of_each():
    x, kernel = numbers(4, 5, 3), numbers(4, 3, 2, seed=1)
    outputs = K.compile(lambda x, kernel: K.vectorize(K.matmul)(x, kernel))(x, kernel)
    np.testing.assert_allclose(outputs, x @ kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shape, dtype", [((40_000, 5), "float32"), ((40_000, 2, 3), "int32"), ((300, 700), "float32"), ((9,), "uint8")]
)
def test_rows_at_indices_are_those_of_numpy(shape, dtype):
    x = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    indices = np.random.default_rng(1).integers(0, shape[0], 7).astype("int32")

    def last(x, indices):
        return K.loop(lambda number, rows: K.rows_at(x, indices), K.rows_at(x, indices), 0, 2)

    assert np.array_equal(K.compile(last)(x, indices), x[indices])


def test_a_matrix_product_of_bytes_does_not_overflow():
    x = np.full((2, 4), 100, "int8")
    for outputs in (K.matmul(x, x.T), K.einsum("ij,kj->ik", x, x)):
        assert K.dtype(outputs) == "int32"
        assert np.asarray(outputs).tolist() == [[40000, 40000], [40000, 40000]]
    # As in Keras 3.15.1: these, and bytes without a sign, keep their type.
    assert {K.dtype(K.dot(x, x.T)), K.dtype(K.tensordot(x, x.T, 1))} == {"int8"}
    assert K.dtype(K.matmul(x.astype("uint8"), x.T.astype("uint8"))) == "uint8"

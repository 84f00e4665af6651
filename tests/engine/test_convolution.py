"""Derivatives of convolution against NumPy: a convolution is linear in each argument, so one identity gives them all."""

from typing import Any

import numpy as np
import pytest
from engine import oracles

from keraunos.backend import current_engine

RNG = np.random.default_rng(5)
SHAPES = [
    # inputs, kernel, options
    ((2, 7, 6, 3), (3, 2, 3, 4), {}),
    ((2, 7, 6, 3), (3, 3, 3, 4), {"padding": "same"}),
    ((2, 8, 7, 3), (3, 2, 3, 4), {"strides": 2}),
    ((2, 8, 9, 3), (2, 3, 3, 4), {"strides": (3, 2), "padding": "same"}),
    ((1, 9, 8, 2), (3, 3, 2, 3), {"dilation_rate": 2}),
    ((1, 9, 8, 2), (3, 2, 2, 3), {"dilation_rate": (1, 3), "padding": "same"}),
    ((2, 5, 4, 2), (2, 2, 2, 3), {"padding": [(3, 0), (1, 4)]}),  # more padding than window
    ((2, 6, 5, 2), (3, 3, 2, 3), {"padding": [(0, 2), (3, 1)], "strides": (1, 2)}),
    ((2, 7, 6, 4), (3, 3, 4, 3), {"padding": "same"}),  # more than 32 entries in a window
    ((2, 8, 9, 4), (3, 3, 4, 3), {"strides": 2}),
    ((1, 9, 8, 5), (3, 3, 5, 2), {"dilation_rate": (2, 1)}),
    ((2, 6, 5, 4), (3, 3, 4, 3), {"padding": [(3, 2), (0, 4)]}),
    ((3, 5, 5, 4), (1, 1, 4, 2), {"strides": 2}),
    ((3, 7, 6, 1), (5, 5, 1, 3), {"padding": "same"}),
    ((2, 6, 5, 4), (3, 3, 2, 6), {"padding": "same"}),  # two groups
    ((2, 6, 5, 3), (3, 3, 1, 6), {"strides": 2}),  # a group a channel
    ((2, 9, 3), (4, 3, 5), {"padding": [(3, 0)]}),
    ((2, 9, 3), (3, 3, 5), {"strides": 2, "padding": "same"}),
    ((2, 5, 5, 4), (5, 4, 4, 3), {}),  # a gradient of far fewer places than the inputs
    ((1, 4, 5, 4, 2), (2, 3, 2, 2, 3), {"padding": "same"}),
    ((1, 5, 4, 5, 2), (2, 2, 3, 2, 3), {"strides": (2, 1, 2)}),
]  # fmt: skip
ALL_SHAPES = pytest.mark.parametrize(("inputs", "kernel", "options"), SHAPES, ids=lambda value: str(value))


@pytest.fixture(scope="module")
def engine() -> Any:
    """The library's engine alone: the other is there to prove the seam, not to derive twice."""
    return current_engine()


def noise(shape: Any) -> Any:
    return RNG.normal(size=shape).astype("float32")


def gradients(engine: Any, function: Any, *values: Any) -> list[Any]:
    """Gradients of a scalar function of tensors."""
    _, found = engine.value_and_gradient(lambda given: (function(*given), None))([engine.array(v) for v in values])
    return list(found)


@ALL_SHAPES
def test_gradients_of_a_convolution_are_its_transposes(engine, inputs, kernel, options):
    x, k = noise(inputs), noise(kernel)
    g = noise(oracles.conv(x, k, **options).shape)
    to_x, to_k = gradients(engine, lambda x, k: engine.sum(engine.conv(x, k, **options) * g), x, k)
    for _ in range(3):
        other_x, other_k = noise(inputs), noise(kernel)
        for found, other, expected in (
            (to_x, other_x, np.vdot(g, oracles.conv(other_x, k, **options))),
            (to_k, other_k, np.vdot(g, oracles.conv(x, other_k, **options))),
        ):
            np.testing.assert_allclose(np.vdot(engine.to_numpy(found), other), expected, rtol=1e-4, atol=1e-4)


@ALL_SHAPES
def test_gradients_of_a_convolution_have_gradients(engine, inputs, kernel, options):
    k, direction, other = noise(kernel), noise(inputs), noise(kernel)
    g = noise(oracles.conv(direction, k, **options).shape)

    def penalty(k: Any) -> Any:  # the gradient to the inputs, along a direction: linear in the kernel
        x = engine.array(np.zeros(inputs, "float32"))
        _, slope = engine.value_and_gradient(lambda x: (engine.sum(engine.conv(x, k, **options) * g), None))(x)
        return engine.sum(slope * direction)

    (found,) = gradients(engine, penalty, k)
    expected = np.vdot(g, oracles.conv(direction, other, **options))
    np.testing.assert_allclose(np.vdot(engine.to_numpy(found), other), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_convolution_in_a_loop_trains_as_outside(engine, channels):
    x, start = noise((2, 8, 7, channels)), noise((3, 3, channels, 4)) * 0.1

    def step(_: Any, kernel: Any) -> Any:
        (gradient,) = gradients(engine, lambda k: engine.sum(engine.square(engine.conv(x, k))), kernel)
        return kernel - 1e-3 * gradient

    inside = engine.compile(lambda kernel, stop: engine.loop(step, kernel, 0, stop))(engine.array(start), 3)
    outside = engine.array(start)
    for number in range(3):
        outside = step(number, outside)
    np.testing.assert_allclose(engine.to_numpy(inside), engine.to_numpy(outside), rtol=1e-5, atol=1e-6)
    assert np.abs(engine.to_numpy(inside) - start).max() > 1e-3


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("both", [False, True], ids=["inputs", "inputs and kernels"])
def test_convolutions_over_a_further_axis_are_convolutions_of_each(engine, both, channels):
    x, k = noise((3, 2, 6, 5, channels)), noise((3, 3, 3, channels, 4))

    def loss(x: Any, k: Any) -> Any:
        return engine.sum(engine.square(engine.conv(x, k, 1, "same")))

    def slope(x: Any, k: Any) -> Any:
        return engine.value_and_gradient(lambda k: (loss(x, k), None))(k)[1]

    found = engine.vectorize(slope, (0, 0 if both else None))(engine.array(x), engine.array(k if both else k[0]))
    for number in range(3):
        expected = slope(engine.array(x[number]), engine.array(k[number if both else 0]))
        np.testing.assert_allclose(engine.to_numpy(found)[number], engine.to_numpy(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 4])
def test_numbers_that_are_not_finite_pass_through_a_convolution(engine, value, channels):
    x, k = noise((1, 4, 4, channels)), noise((3, 3, channels, 2))
    k[0, 0, 0, 0] = value
    outputs = engine.to_numpy(engine.conv(x, k))
    assert not np.isfinite(outputs[..., 0]).any()
    assert np.isfinite(outputs[..., 1]).all()


@pytest.mark.parametrize("options", [
    {"pool_size": 2}, {"pool_size": (2, 3)}, {"pool_size": 3, "strides": 2}, {"pool_size": 2, "padding": "same"},
    {"pool_size": 2, "strides": 3}, {"pool_size": 3, "strides": 1, "padding": "same"},
], ids=str)  # fmt: skip
def test_the_gradient_of_pooling_goes_where_the_numbers_came_from(engine, options):
    x = RNG.permutation(2 * 7 * 8 * 3).reshape(2, 7, 8, 3).astype("float32")
    g, other = noise(oracles.max_pool(x, **options).shape), noise(x.shape) * 0.1  # too small to change the order
    (found,) = gradients(engine, lambda x: engine.sum(engine.max_pool(x, **options) * g), x)
    change = oracles.max_pool((x + other).astype("float64"), **options) - oracles.max_pool(x, **options)
    moved = np.abs(other).max() < 0.5
    assert moved
    np.testing.assert_allclose(np.vdot(engine.to_numpy(found), other), np.vdot(g, change), rtol=1e-3, atol=1e-3)
    (found,) = gradients(engine, lambda x: engine.sum(engine.average_pool(x, **options) * g), x)
    expected = np.vdot(g, oracles.average_pool(other, **options))
    np.testing.assert_allclose(np.vdot(engine.to_numpy(found), other), expected, rtol=1e-4, atol=1e-4)

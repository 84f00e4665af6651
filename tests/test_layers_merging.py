"""Layers of several inputs: values, masks, and inputs that do not fit together."""

from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.backend import K
from keraunos.core.scope import get_mask, set_mask
from keraunos.utils.errors import ArgumentError, ShapeError

A, B = np.array([[1.0, 5.0]], "float32"), np.array([[2.0, 3.0]], "float32")


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (layers.add, [[3, 8]]),
        (layers.subtract, [[-1, 2]]),
        (layers.multiply, [[2, 15]]),
        (layers.average, [[1.5, 4]]),
        (layers.maximum, [[2, 5]]),
        (layers.minimum, [[1, 3]]),
        (layers.concatenate, [[1, 5, 2, 3]]),
        (layers.dot, [[17]]),
    ],
)
def test_the_functions_compute(function: Any, wanted: Any) -> None:
    assert function([A, B]).tolist() == wanted


def test_the_functions_build_a_graph() -> None:
    x, y = layers.Input((3,)), layers.Input((3,))
    assert layers.concatenate([x, y], name="both").shape == (None, 6)
    assert layers.dot([x, y], axes=1, normalize=True).shape == (None, 1)


def test_fewer_axes_are_filled_in_after_the_batch() -> None:
    x, y = np.ones((2, 3)), np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_array_equal(layers.Add()([x, y]), y + 1)


def masked(x: Any, mask: Any) -> Any:
    x = K.array(x)
    set_mask(x, K.array(mask))
    return x


def test_a_step_is_real_where_any_input_is() -> None:
    x = masked(np.ones((1, 3, 1)), [[True, False, False]])
    y = masked(np.ones((1, 3, 1)), [[False, True, False]])
    assert get_mask(layers.Add()([x, y])).tolist() == [[True, True, False]]
    assert get_mask(layers.Add()([x, K.array(np.ones((1, 3, 1)))])) is None


def test_a_masked_step_gives_way_in_maximum_and_product() -> None:
    x = masked([[[7.0], [7.0]]], [[True, False]])
    y = masked([[[2.0], [2.0]]], [[True, True]])
    assert layers.Maximum()([x, y]).tolist() == [[[7.0], [2.0]]]
    assert layers.Multiply()([x, y]).tolist() == [[[14.0], [2.0]]]


def test_dot_along_two_axes_is_a_matrix_product() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 4)), np.random.default_rng(1).normal(size=(2, 4, 5))
    np.testing.assert_allclose(layers.Dot((2, 1))([x, y]), x @ y, rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (layers.Add(name="sum"), [(2, 3), (2, 4)], r"sum: inputs of shapes \(None, 3\) and \(None, 4\).*sizes 3 and 4"),
        (layers.Concatenate(name="c"), [(2, 3, 4), (2, 5, 4)], r"c: .*\(None, 3, 4\) and \(None, 5, 4\).*on axis -1"),
        (layers.Concatenate(), [(2, 3), (2, 3, 1)], "cannot be joined on axis -1: all other sizes must be equal"),
        (layers.Concatenate(4), [(2, 3), (2, 3)], "cannot be joined on axis 4"),
        (
            layers.Dot(1),
            [(2, 3), (2, 4)],
            r"\(None, 3\) and \(None, 4\) cannot be multiplied along axes 1 and 1: .*3 and 4",
        ),
        (layers.Dot(2), [(2, 3), (2, 3)], "the sizes there are missing and missing"),
        (layers.Subtract(name="s"), [(2, 3)] * 3, "s: takes exactly 2 inputs, but 3 were given"),
        (layers.Dot(1), [(2, 3)], "takes exactly 2 inputs, but 1 were given"),
    ],
)
def test_inputs_that_do_not_fit_are_named(layer: Any, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        layer([np.ones(shape) for shape in shapes])


def test_inputs_that_do_not_fit_are_named_at_every_call() -> None:
    layer = layers.Add()
    layer([A, B])
    with pytest.raises(ShapeError, match="sizes 2 and 3 differ"):
        layer([A, np.ones((1, 3))])


@pytest.mark.parametrize("layer", [layers.Add(), layers.Dot(1)])
def test_one_input_without_a_list_is_refused(layer: Any) -> None:
    with pytest.raises(
        ShapeError, match=r"takes a list of inputs, but one input of shape \(1, 2\) was given.*\(\[a, b\]\)"
    ):
        layer(A)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Concatenate("x"), "Concatenate: axis is 'x'; expected a whole number"),
        (lambda: layers.Dot((1, 2, 3)), "Dot: axes is .*expected a whole number, or a pair of them"),
        (lambda: layers.Dot((0, 1)), "axis 0 is the batch, which stays; expected axes from 1"),
        (lambda: layers.Dot(0), "axis 0 is the batch, which stays; expected axes from 1"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_merging_class_of_ones_own_needs_only_the_pair() -> None:
    from keraunos.layers.merging import Merge

    class Distance(Merge):
        def pair(self, x1: Any, x2: Any) -> Any:
            return K.abs(x1 - x2)

    assert Distance()([A, B]).tolist() == [[1.0, 2.0]]
    with pytest.raises(ArgumentError, match=r"the class Merge defines neither merge\(\) nor pair\(\)"):
        Merge()([A, B])

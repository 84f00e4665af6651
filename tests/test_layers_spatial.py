"""Convolution, pooling and resizing: what they refuse, and a few values computed by hand."""

from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.core.scope import get_mask, set_mask
from keraunos.utils.errors import ArgumentError, ShapeError


def test_a_causal_convolution_sees_no_later_step() -> None:
    layer = layers.Conv1D(1, 3, padding="causal", kernel_initializer="ones")
    x = np.arange(1.0, 6.0).reshape(1, 5, 1)
    assert layer(x).ravel().tolist() == [1.0, 3.0, 6.0, 9.0, 12.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2),
            r"strides \(2, 2\) and dilation_rate \(2, 2\) are both",
        ),
        (lambda: layers.Conv2D(4, 3, groups=3), "4 filters cannot be divided into 3 groups. Take a multiple of 3"),
        (
            lambda: layers.Conv2D(4, (3, 3, 3)),
            "Conv2D: kernel_size is .*expected a positive whole number, or 2 of them",
        ),
        (lambda: layers.Conv1D(4, 0), "Conv1D: kernel_size is 0; expected a positive whole number"),
        (lambda: layers.Conv2D(4, 3, strides=0), "Conv2D: strides is 0; expected a positive whole number"),
        (lambda: layers.Conv2D(0, 3), "Conv2D: filters is 0; expected a positive whole number"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "Conv2D: padding is 'causal'; expected one of 'valid', 'same'"),
        (lambda: layers.Conv2D(4, 3, padding="smae"), "Did you mean 'same'"),
        (lambda: layers.Conv2D(4, 3, data_format="last"), "Conv2D: data_format is 'last'; expected one of"),
        (
            lambda: layers.MaxPooling2D(0),
            "MaxPooling2D: pool_size is 0; expected a positive whole number, or 2 of them",
        ),
        (lambda: layers.AveragePooling1D(2, strides=-1), "AveragePooling1D: strides is -1"),
        (lambda: layers.AveragePooling1D(), "AveragePooling1D: missing a required argument: 'pool_size'"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "ZeroPadding2D: padding is .*0 or more, or 2 of them, or 2 pairs"),
        (
            lambda: layers.ZeroPadding1D(-1),
            r"padding is -1; expected a whole number, 0 or more, or a pair \(before, after\)",
        ),
        (lambda: layers.Cropping3D(((1, 2), 3)), "Cropping3D: cropping is .*or 3 pairs"),
        (lambda: layers.UpSampling2D(0), "UpSampling2D: size is 0; expected a positive whole number, or 2 of them"),
        (lambda: layers.UpSampling2D(interpolation="linear"), "interpolation is 'linear'; .*Did you mean 'bilinear'"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_channels_must_be_divisible_by_groups() -> None:
    with pytest.raises(
        ShapeError, match=r"shape \(None, 8, 8, 3\) have 3 channels, which cannot be divided into 2 groups"
    ):
        layers.Conv2D(4, 3, groups=2)(np.ones((1, 8, 8, 3)))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            layers.Conv2D(2, 5, name="c"),
            (1, 4, 9, 1),
            r"c: the window .* covers 5 x 5, but .*\(None, 4, 9, 1\) are only 4 x 9",
        ),
        (layers.Conv1D(2, 3, dilation_rate=3), (1, 6, 1), "covers 7 steps, but the inputs .* are only 6 steps"),
        (layers.MaxPooling2D(3, name="p"), (1, 2, 2, 1), 'p: the pooling window covers 3 x 3.*padding="same"'),
        (layers.AveragePooling1D(2), (1, 1, 1), "covers 2 steps, but .* are only 1 step "),
        (layers.Conv2D(2, 5, data_format="channels_first"), (1, 1, 9, 4), r"only 9 x 4 \(channels_first\)"),
    ],
)
def test_a_window_larger_than_the_inputs_is_refused(layer: Any, shape: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        layer(np.ones(shape))
    with pytest.raises(ShapeError, match="Make it smaller"):
        type(layer).from_config(layer.get_config()).compute_output_shape((None, *shape[1:]))


def test_images_without_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"inputs have shape \(2, 28, 28\), which is 3 axes, but the layer takes 4"):
        layers.Conv2D(2, 3)(np.ones((2, 28, 28)))


def test_other_channels_than_built_for_are_refused() -> None:
    layer = layers.Conv2D(2, 3, data_format="channels_first")
    layer(np.ones((1, 3, 8, 8)))
    with pytest.raises(ShapeError, match="inputs have 4 entries on axis 1, but the layer was built for 3"):
        layer(np.ones((1, 4, 8, 8)))


def test_cropping_everything_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"cropping 2 and 1 from axis 1 leaves nothing of inputs of shape \(1, 3, 1\)"):
        layers.Cropping1D((2, 1))(np.ones((1, 3, 1)))


def test_same_padding_does_not_count_in_a_mean() -> None:
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    assert layers.AveragePooling1D(2, padding="same")(x).ravel().tolist() == [1.5, 3.0]


def test_same_padding_does_not_count_in_a_maximum() -> None:
    x = np.array([-1.0, -2.0, -3.0]).reshape(1, 3, 1)
    assert layers.MaxPooling1D(2, padding="same")(x).ravel().tolist() == [-1.0, -3.0]


def test_a_mean_over_time_counts_real_steps_only() -> None:
    x = np.array([[[1.0], [3.0], [100.0]]])
    mask = np.array([[True, True, False]])
    assert layers.GlobalAveragePooling1D()(x, mask=mask).tolist() == [[2.0]]
    first = layers.GlobalAveragePooling1D("channels_first", keepdims=True)(np.moveaxis(x, -1, 1), mask=mask)
    assert first.tolist() == [[[2.0]]]


def test_a_mean_over_time_ends_the_mask() -> None:
    from keraunos.backend import K

    x = K.array(np.ones((1, 3, 2)))
    set_mask(x, K.array([[True, True, False]]))
    assert get_mask(layers.GlobalAveragePooling1D()(x)) is None


def test_old_names_are_the_same_classes() -> None:
    assert layers.Convolution2D is layers.Conv2D
    assert layers.MaxPool3D is layers.MaxPooling3D
    assert layers.AvgPool1D is layers.AveragePooling1D
    assert layers.GlobalAvgPool2D is layers.GlobalAveragePooling2D
    assert layers.GlobalMaxPool1D is layers.GlobalMaxPooling1D
    assert layers.deserialize({"class_name": "MaxPool2D", "config": {"pool_size": 2}}).pool_size == (2, 2)


def test_bilinear_upsampling_goes_straight_from_pixel_to_pixel() -> None:
    x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    outputs = layers.UpSampling2D((1, 2), interpolation="bilinear")(x)
    assert outputs.ravel().tolist() == [0.0, 1.0, 3.0, 4.0]

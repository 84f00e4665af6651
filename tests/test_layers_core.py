"""Input, Dense and its low-rank adaptation, Lambda, Masking, Embedding, activations and rearrangement: what is special."""

import json
from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.backend import K
from keraunos.core.registry import custom_object_scope
from keraunos.core.scope import get_mask, set_mask
from keraunos.utils import config
from keraunos.utils.errors import ArgumentError, NotBuiltError, ShapeError, UnknownNameError, UsageError

ONES = np.ones((2, 3), "float32")


def times(x: Any, factor: float = 3.0) -> Any:
    return x * factor


# --- Input ---------------------------------------------------------------------------


def test_an_input_has_an_open_batch() -> None:
    assert layers.Input((2, 3)).shape == (None, 2, 3)


def test_an_input_may_fix_the_batch_in_two_ways() -> None:
    assert layers.Input((3,), batch_size=4).shape == layers.Input(batch_shape=(4, 3)).shape == (4, 3)


def test_one_number_is_a_shape_of_one_axis() -> None:
    assert layers.Input(7).shape == (None, 7)


def test_an_input_carries_name_and_dtype() -> None:
    x = layers.Input((3,), dtype="int32", name="words")
    assert (x.name, x.dtype, x.node.operation.name) == ("words", "int32", "words")


def test_an_input_takes_shape_and_dtype_of_a_symbolic_tensor() -> None:
    x = layers.Input(tensor=layers.Input((5, None), dtype="int32"))
    assert (x.shape, x.dtype) == ((None, 5, None), "int32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give either shape"),
        ({"shape": (3,), "batch_shape": (None, 3)}, "Give either shape"),
        ({"batch_size": 2, "batch_shape": (None, 3)}, "Give either shape"),
        ({"shape": "abc"}, "expected a tuple of whole numbers"),
        ({"shape": (-1, 3)}, "expected a tuple of whole numbers"),
        ({"shape": (2.5,)}, "expected a tuple of whole numbers"),
        ({"tensor": ONES}, "tensor is a ndarray; expected a symbolic tensor"),
    ],
)
def test_a_wrong_input_says_what_is_expected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        layers.Input(**arguments)


def test_a_tensor_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"Input: the tensor has shape \(None, 5\), not \(None, 4\)"):
        layers.Input((4,), tensor=layers.Input((5,)))


def test_ragged_inputs_are_refused() -> None:
    with pytest.raises(ArgumentError, match="ragged=True is not supported. Pad the rows"):
        layers.InputLayer((3,), ragged=True)


# --- Dense and LoRA ------------------------------------------------------------------


def test_wrong_width_names_both() -> None:
    layer = layers.Dense(2, name="narrow")
    layer(ONES)
    with pytest.raises(ShapeError, match="narrow: inputs have 4 features, but the layer was built for 3"):
        layer(np.ones((2, 4)))


def test_wrong_rank_names_the_shape() -> None:
    with pytest.raises(ShapeError, match=r"flat: inputs have shape \(3,\), but the layer takes at least 2 axes"):
        layers.Dense(2, name="flat")(np.ones(3))


def test_an_unknown_width_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"axis -1 of the inputs must have a known size.*Input\(shape=...\)"):
        layers.Dense(2)(layers.Input((None,)))


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", None, True])
def test_units_are_a_positive_whole_number(units: Any) -> None:
    with pytest.raises(ArgumentError, match="Dense: units is .*; expected a positive whole number"):
        layers.Dense(units)


def test_first_weights_may_be_given() -> None:
    table = np.arange(6.0).reshape(3, 2)
    layer = layers.Embedding(3, 2, weights=[table])
    assert layer(np.array([[2]])).tolist() == [[[4.0, 5.0]]]


def test_an_activity_regularizer_is_part_of_the_config() -> None:
    layer = layers.Flatten(activity_regularizer="l2")
    copy = layers.Flatten.from_config(json.loads(json.dumps(layer.get_config())))
    assert copy.activity_regularizer.get_config() == layer.activity_regularizer.get_config()


LORA = [
    (lambda **k: layers.Dense(2, use_bias=False, **k), ONES),
    (lambda **k: layers.Conv1D(2, 2, use_bias=False, **k), np.arange(18, dtype="float32").reshape(2, 3, 3)),
    (lambda **k: layers.Embedding(4, 2, **k), np.array([[0, 3]])),
]


@pytest.mark.parametrize(("make", "x"), LORA)
def test_lora_changes_nothing_at_first_and_then_adds_the_product(make: Any, x: Any) -> None:
    layer = make()
    before = np.asarray(layer(x))
    layer.enable_lora(1, lora_alpha=2.0)
    np.testing.assert_allclose(layer(x), before, rtol=1e-6)
    weight = getattr(layer, layer.adapted)
    a, b = (getattr(layer, f"lora_{layer.adapted}_{letter}") for letter in "ab")
    b.assign(np.ones(b.shape))
    merged = make(weights=[weight.numpy() + 2.0 * a.numpy() @ b.numpy()])
    np.testing.assert_allclose(layer(x), merged(x), rtol=1e-5)


@pytest.mark.parametrize(("make", "x"), LORA)
def test_lora_freezes_the_large_matrix_and_comes_back_from_a_config(make: Any, x: Any) -> None:
    layer = make(lora_rank=2)
    layer(x)
    assert layer.adapted not in {variable.name for variable in layer.trainable_variables}
    config_ = json.loads(json.dumps(layer.get_config()))
    assert (config_["lora_rank"], config_["lora_alpha"]) == (2, 2)
    copy = type(layer).from_config(config_)
    copy(x)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(x), layer(x))


def test_lora_says_when_it_cannot() -> None:
    with pytest.raises(NotBuiltError, match="enable_lora needs the weights"):
        layers.Dense(2).enable_lora(1)
    layer = layers.Dense(2, lora_rank=1)
    layer(ONES)
    with pytest.raises(UsageError, match="LoRA is enabled already, with rank 1"):
        layer.enable_lora(1)
    bound = layers.Dense(2, kernel_constraint="non_neg")
    bound(ONES)
    with pytest.raises(UsageError, match="LoRA cannot keep the constraint of 'kernel'"):
        bound.enable_lora(1)
    with pytest.raises(ArgumentError, match="Dense: lora_rank is 0; expected a positive whole number, or None"):
        layers.Dense(2, lora_rank=0)


def test_a_quantized_layer_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Dense: the layer is quantized, which is not supported"):
        layers.Dense.from_config({**layers.Dense(2).get_config(), "quantization_config": {"mode": "int8"}})


# --- Lambda and Masking --------------------------------------------------------------


def test_lambda_passes_arguments() -> None:
    assert layers.Lambda(times, arguments={"factor": 5.0})([1.0]).tolist() == [5.0]


def test_lambda_offers_training_and_mask_to_a_function_that_takes_them() -> None:
    layer = layers.Lambda(lambda x, training=None, mask=None: x * (2 if training else 1) * (mask is not None))
    x = K.array(ONES)
    set_mask(x, K.array([True, False]))
    assert layer(x, training=True).tolist() == (2 * ONES).tolist()


def test_lambda_gives_the_mask_that_it_is_told() -> None:
    outputs = layers.Lambda(times, mask=lambda inputs, mask: inputs[..., 0] > 0)(ONES)
    assert get_mask(outputs).tolist() == [True, True]


def test_a_named_function_is_found_among_custom_objects() -> None:
    stored = json.loads(json.dumps(layers.Lambda(times).get_config()))
    with custom_object_scope({"times": times}):
        assert layers.Lambda.from_config(stored).function is times
    with pytest.raises(UnknownNameError, match=r"Lambda: function is called 'times'.*custom_objects=\{'times'"):
        layers.Lambda.from_config(stored)


def test_a_name_from_a_file_never_means_a_built_in_function() -> None:
    stored = {**layers.Lambda(times).get_config(), "function": {"class_name": "function", "config": "eval"}}
    with pytest.raises(UnknownNameError, match="'eval', which names no function here"):
        layers.Lambda.from_config(stored)


def test_a_python_lambda_is_not_written() -> None:
    with pytest.raises(ArgumentError, match="its function is a Python lambda, which has no name to save"):
        layers.Lambda(lambda x: x).get_config()


def test_a_python_lambda_is_cloned_as_it_is() -> None:
    layer = layers.Lambda(lambda x: x + 1, name="plus")
    copy = layer.clone()
    assert (copy.function, copy.name) == (layer.function, "plus")


def test_code_from_a_file_is_refused() -> None:
    stored = {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}}
    with pytest.raises(ArgumentError, match="function is stored as code .*never run"):
        layers.Lambda.from_config(stored)


def test_lambda_needs_a_function() -> None:
    with pytest.raises(ArgumentError, match="Lambda: function is 3; expected a function of the inputs"):
        layers.Lambda(3)


def test_masking_marks_steps_and_empties_them() -> None:
    x = np.array([[[1.0, 2.0], [9.0, 9.0], [9.0, 0.0]]])
    outputs = layers.Masking(9.0)(x)
    assert get_mask(outputs).tolist() == [[True, False, True]]
    assert outputs.tolist() == [[[1.0, 2.0], [0.0, 0.0], [9.0, 0.0]]]


# --- Embedding -----------------------------------------------------------------------


@pytest.mark.parametrize(("number", "message"), [(7, "inputs hold 7, but the table has rows 0 to 4"), (-1, "hold -1")])
def test_a_number_out_of_range_is_named(number: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        layers.Embedding(5, 2)(np.array([[1, number]]))


def test_the_advice_is_a_large_enough_table() -> None:
    with pytest.raises(ArgumentError, match=r"words: .*\(input_dim=8\)"):
        layers.Embedding(5, 2, name="words")(np.array([[7]]))


def test_fractions_are_refused() -> None:
    with pytest.raises(ArgumentError, match="inputs hold 0.5, but rows are looked up by whole numbers"):
        layers.Embedding(5, 2)(np.array([[0.5]]))


def test_whole_numbers_may_be_of_a_float_type() -> None:
    layer = layers.Embedding(5, 2)
    np.testing.assert_array_equal(layer(np.array([[3.0]])), layer(np.array([[3]])))


def test_inside_a_compiled_function_the_row_of_a_number_out_of_range_is_nan() -> None:
    layer = layers.Embedding(5, 2)
    layer(np.array([[0]]))
    compiled = K.compile(lambda x: layer.stateless_call([v.value for v in layer.weights], [], x)[0])
    assert np.isnan(np.asarray(compiled(np.array([[9, 4, -1]])))).all(-1).tolist() == [[True, False, True]]


def test_zero_is_masked_if_asked() -> None:
    outputs = layers.Embedding(5, 2, mask_zero=True)(np.array([[0, 3]]))
    assert get_mask(outputs).tolist() == [[False, True]]
    assert get_mask(layers.Embedding(5, 2)(np.array([[0, 3]]))) is None


def test_half_precision_keeps_large_row_numbers() -> None:
    layer = layers.Embedding(3000, 1, dtype="mixed_bfloat16")
    layer.build()
    layer.set_weights([np.arange(3000.0).reshape(-1, 1) % 2])
    assert np.asarray(layer(np.array([[2001.0, 2002.0]])), "float32").ravel().tolist() == [1.0, 0.0]


# --- activations ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.ReLU(max_value=-1), "ReLU: max_value is -1; expected a number, 0 or more"),
        (lambda: layers.ReLU(negative_slope=-1), "ReLU: negative_slope is -1; expected a number, 0 or more"),
        (lambda: layers.ReLU(threshold=None), "ReLU: threshold is None; expected a number, 0 or more"),
        (lambda: layers.LeakyReLU(-0.1), "LeakyReLU: negative_slope is -0.1; expected a number, 0 or more"),
        (lambda: layers.PReLU(shared_axes=[0]), "PReLU: shared_axes is .*expected whole numbers from 1"),
        (lambda: layers.Softmax("x"), "Softmax: axis is 'x'; expected a whole number, or a list of them"),
        (lambda: layers.Activation("rleu"), "Activation: activation is 'rleu'; .*Did you mean 'relu'"),
    ],
)
def test_wrong_arguments_of_activations(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_shared_axes_must_exist() -> None:
    with pytest.raises(ShapeError, match=r"shared_axes is \[2\], but inputs of shape \(2, 3\) have the axes 1 to 1"):
        layers.PReLU(shared_axes=2)(ONES)


def test_softmax_leaves_masked_entries_out() -> None:
    x, mask = np.array([[1.0, 1.0, 5.0], [1.0, 2.0, 3.0]]), np.array([[1, 1, 0], [0, 0, 0]])
    assert layers.Softmax()(x, mask=mask).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]


def test_softmax_refuses_a_mask_that_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"mask of shape \(3, 2\) does not fit inputs of shape \(2, 3\)"):
        layers.Softmax()(ONES, mask=np.ones((3, 2), bool))


# --- rearranging ---------------------------------------------------------------------


def test_reshape_names_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"r: inputs of shape \(None, 3\) have 3 numbers.*target_shape \(2, 2\) of 4"):
        layers.Reshape((2, 2), name="r")(ONES)
    with pytest.raises(ShapeError, match=r"target_shape \(2, -1\) of 2 times a whole number"):
        layers.Reshape((2, -1))(ONES)


def test_reshape_follows_open_sizes() -> None:
    assert layers.Reshape((-1, 8))(layers.Input((None, 4))).shape == (None, None, 8)


def test_reshape_accepts_one_number() -> None:
    assert layers.Reshape(3)(np.ones((2, 3, 1))).shape == (2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Reshape((-1, -1)), "expected at most one -1"),
        (lambda: layers.Reshape((0, 2)), "Reshape: target_shape is .*expected a positive whole number"),
        (lambda: layers.Permute((1, 1)), "Permute: dims is .*expected each of 1 to 2 once"),
        (lambda: layers.Permute((0, 1)), "expected each of 1 to 2 once, in the new order; the batch, axis 0, stays"),
        (lambda: layers.RepeatVector(0), "RepeatVector: n is 0; expected a positive whole number"),
    ],
)
def test_wrong_arguments_of_rearranging_layers(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_wrong_ranks_of_rearranging_layers() -> None:
    with pytest.raises(ShapeError, match=r"inputs have shape \(2, 3\), which is 2 axes, but the layer takes 3"):
        layers.Permute((2, 1))(ONES)
    with pytest.raises(ShapeError, match="which is 3 axes, but the layer takes 2"):
        layers.RepeatVector(2)(np.ones((2, 3, 4)))


def test_the_configured_layout_is_the_default() -> None:
    config.set_image_data_format("channels_first")
    try:
        assert layers.Conv2D(4, 3).compute_output_shape((None, 1, 8, 8)) == (None, 4, 6, 6)
    finally:
        config.set_image_data_format("channels_last")

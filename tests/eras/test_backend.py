"""``keras.backend as K`` of eras 1 and 2, against the values of the real releases, and where programs call it."""

import json

import numpy as np
import pytest

import keraunos
from keraunos import layers, ops
from keraunos.eras import backend as K
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError


@pytest.mark.parametrize("folder, era", [("k224", 2), ("k122tf", 1)])
def test_the_functions_compute_what_those_of_the_real_release_did(shared, folder, era):
    cases = json.loads(shared(f"golden/{folder}/preprocessing.json").read_text())["K"]
    with np.load(shared(f"golden/{folder}/preprocessing_arrays.npz")) as stored:
        arrays = dict(stored)

    def given(argument):
        return [given(item) for item in argument] if isinstance(argument, list) else arrays[f"K/in/{argument}"]

    compared = set()
    for case in cases:
        name = case["fn"].removeprefix("K.")
        if name in ("rnn", "gradients") or "args" not in case:
            continue
        with spelling.in_era(era):
            value = np.asarray(getattr(K, name)(*map(given, case["args"]), **case["kwargs"]))
        wanted = arrays[case["value"]] if isinstance(case["value"], str) else np.asarray(case["value"])
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6, err_msg=str(case))
        assert value.shape == wanted.shape, case
        compared.add(name)
    assert len(compared) >= 76


@pytest.mark.parametrize("folder, era", [("k224", 2), ("k122tf", 1)])
def test_a_loop_and_a_gradient_have_the_values_of_the_real_release(shared, folder, era):
    with np.load(shared(f"golden/{folder}/preprocessing_arrays.npz")) as stored:
        arrays = dict(stored)
    x, a, square = (arrays[f"K/in/{name}"] for name in ("x3", "a", "sqm"))

    def step(inputs, states):
        state = K.tanh(0.5 * inputs + 0.3 * states[0])
        return state, [state]

    with spelling.in_era(era):
        last, outputs, _ = K.rnn(step, K.variable(x), [K.zeros((x.shape[0], x.shape[2]))])
        np.testing.assert_allclose(K.eval(last), arrays["K/rnn_last"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(K.eval(outputs), arrays["K/rnn_outputs"], rtol=1e-5, atol=1e-6)
        matrix = K.variable(square)
        gradient = K.gradients(K.sum(K.square(K.dot(K.variable(a), matrix))), [matrix])[0]
        np.testing.assert_allclose(K.eval(gradient), arrays["K/gradients"], rtol=1e-5, atol=1e-5)


def test_every_name_is_there():
    assert [name for name in K.__all__ if not hasattr(K, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'no_such_function'"):
        _ = K.no_such_function


def test_functions_take_symbolic_tensors():
    x = layers.Input((4,))
    outputs = [
        K.sqrt(K.sum(K.square(x), axis=-1, keepdims=True)),
        K.concatenate([x, K.relu(x, alpha=0.1)]),
        K.l2_normalize(x, axis=1),
        K.hard_sigmoid(x),
        K.batch_flatten(K.repeat(x, 2)),
        K.batch_dot(x, x, axes=1),
    ]
    assert [K.int_shape(output) for output in outputs] == [
        (None, 1), (None, 8), (None, 4), (None, 4), (None, 8), (None, 1),
    ]  # fmt: skip
    values = keraunos.Model(x, outputs).predict(np.array([[3.0, 0.0, 4.0, 0.0]]), verbose=0)
    assert values[0].tolist() == [[5]]
    np.testing.assert_allclose(values[2], [[0.6, 0, 0.8, 0]], rtol=1e-6)
    assert values[5].tolist() == [[25]]


def test_the_product_of_many_axes_is_row_by_row_over_all_but_two_as_on_tensorflow(monkeypatch):
    x, y = np.random.random((2, 3, 4)), np.random.random((2, 3, 4, 5))
    with spelling.in_era(2):
        np.testing.assert_allclose(K.batch_dot(x, y, [2, 2]), np.einsum("bij,bijk->bik", x, y), rtol=1e-5)
        np.testing.assert_allclose(K.batch_dot(y, y, [3, 3]), y @ y.swapaxes(2, 3), rtol=1e-5)
        monkeypatch.setenv("KERAS_BACKEND", "theano")
        np.testing.assert_allclose(K.batch_dot(x, y, [2, 2]), np.einsum("bij,bpjk->bipk", x, y), rtol=1e-5)


def test_a_custom_loss_metric_and_lambda_train_compiled():
    x, y = np.random.rand(64, 3).astype("float32"), np.random.rand(64, 1).astype("float32")

    def loss(y_true, y_pred):
        return K.mean(K.square(y_true - y_pred) + K.epsilon() * K.abs(y_pred), axis=-1)

    def near(y_true, y_pred):
        return K.mean(K.cast(K.abs(y_true - y_pred) < 10.0, "float32"))

    def noisy(values):
        return values + 0.0 * K.random_normal(shape=K.shape(values), std=0.1)

    model = keraunos.Sequential([layers.Input((3,)), layers.Lambda(noisy), layers.Dense(1)])
    model.compile("sgd", loss, metrics=[near])
    history = model.fit(x, y, epochs=2, verbose=0).history
    assert history["near"] == [1, 1]
    assert history["loss"][1] < history["loss"][0]


def test_the_learning_rate_can_be_read_and_set():
    optimizer = keraunos.optimizers.SGD(0.5)
    assert K.get_value(optimizer.lr) == 0.5
    K.set_value(optimizer.lr, 0.25)
    assert float(optimizer.learning_rate) == 0.25
    with pytest.raises(ArgumentError, match="a float cannot be changed; expected a Variable"):
        K.set_value(0.5, 0.25)


def test_variables_are_made_read_and_updated():
    total = K.zeros((2,))
    K.update_add(total, np.ones(2, "float32"))
    K.update_sub(total, np.array([3.0, 0.0], "float32"))
    assert K.eval(total).tolist() == [-2, 1]
    K.batch_set_value([(total, [7, 8])])
    assert [value.tolist() for value in K.batch_get_value([total, K.variable(3)])] == [[7, 8], 3]
    assert isinstance(K.ones((1,)), keraunos.Variable)
    assert K.dtype(K.variable([1, 2])) == "float32"
    assert K.count_params(total) == 2


def test_inside_a_compiled_step_zeros_are_no_variable():
    model = keraunos.Sequential([layers.Input((2,)), layers.Lambda(lambda x: x + K.ones((2,)))])
    assert model.predict(np.zeros((1, 2)), verbose=0).tolist() == [[1, 1]]


def test_switch_takes_values_and_functions():
    x = ops.array([[1.0, 2.0], [3.0, 4.0]])
    assert K.switch(np.array([True, False]), x, lambda: -x).tolist() == [[1, 2], [-3, -4]]


def test_a_convolution_may_be_causal():
    x, kernel = np.arange(4.0).reshape(1, 4, 1), np.ones((2, 1, 1))
    assert K.conv1d(x, kernel, padding="causal")[0, :, 0].tolist() == [0, 1, 3, 5]
    with pytest.raises(ArgumentError, match="pool_mode is 'sum'; expected 'max' or 'avg'"):
        K.pool2d(np.zeros((1, 4, 4, 1)), (2, 2), pool_mode="sum")


def test_random_numbers_have_the_shape_and_spread_asked_for():
    assert 0.9 < float(K.std(K.random_normal((400, 4)))) < 1.1
    numbers = np.asarray(K.random_uniform((99,), low=2.0, high=3.0))
    assert 2 <= numbers.min() < numbers.max() < 3
    assert set(np.asarray(K.random_binomial((99,), p=0.5)).tolist()) == {0, 1}
    assert K.random_uniform_variable((3,), 0.0, 1.0).shape == K.random_normal_variable((3,), 0.0, 1.0).shape == (3,)


def test_two_spellings_of_one_argument_are_an_error():
    with pytest.raises(ArgumentError, match="random_normal: std and stddev are the same argument"):
        K.random_normal((2,), std=1.0, stddev=2.0)


def test_the_image_layout_has_two_words():
    assert K.image_dim_ordering() == "tf"
    try:
        K.set_image_dim_ordering("th")
        assert (K.image_dim_ordering(), K.image_data_format()) == ("th", "channels_first")
        assert K.spatial_2d_padding(np.zeros((1, 3, 2, 2))).shape == (1, 3, 4, 4)
        assert K.bias_add(np.zeros((1, 3, 2, 2)), np.array([1.0, 2.0, 3.0]))[0, :, 0, 0].tolist() == [1, 2, 3]
    finally:
        K.set_image_dim_ordering("tf")
    with pytest.raises(ArgumentError, match="'channels_last' is no layout; expected 'tf' or 'th'"):
        K.set_image_dim_ordering("channels_last")


def test_the_name_of_the_library_underneath_is_that_of_the_era():
    assert K.backend() == "jax"
    with spelling.in_era(2):
        assert K.backend() == "tensorflow"


def test_a_range_the_wrong_way_round_is_its_lower_end() -> None:
    np.testing.assert_allclose(K.eval(K.clip(K.variable([-1.0, 0.5, 2.0]), 0.4, -0.3)), [0.4, 0.4, 0.4])


@pytest.mark.parametrize("era", [1, 2])
def test_a_placeholder_came_from_a_layer_in_keras_1_alone(era: int) -> None:
    with spelling.in_era(era):
        assert K.is_keras_tensor(K.placeholder((None, 3))) is (era == 1)

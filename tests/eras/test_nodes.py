"""What layers of eras 1 and 2 tell about their place in the graph, and Keras 1's lists of weights."""

from typing import Any

import numpy as np
import pytest

from keraunos import config, layers
from keraunos.backend import K
from keraunos.eras.nodes import get_source_inputs, mask_of
from keraunos.models import Model, Sequential
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError


@pytest.fixture(params=[1, 2])
def _era(request: Any) -> Any:
    with spelling.in_era(request.param):
        yield


@pytest.mark.usefixtures("_era")
def test_a_node_tells_where_its_tensors_come_from() -> None:
    a, b = layers.Input((4,)), layers.Input((4,))
    dense = layers.Dense(3)
    one, other = dense(a), dense(b)
    both = layers.concatenate([one, other])
    first, second = dense.inbound_nodes
    assert first.input_tensors == [a]
    assert second.output_tensors == [other]
    assert [layer.name for layer in second.inbound_layers] == [b.node.operation.name]
    (joined,) = both.node.operation._inbound_nodes
    assert joined.inbound_layers == [dense, dense]
    assert joined.node_indices == [0, 1]
    assert joined.tensor_indices == [0, 0]
    assert dense.outbound_nodes == [joined, joined]
    assert get_source_inputs(both) == [a, b]


@pytest.mark.usefixtures("_era")
def test_a_layer_that_was_called_twice_has_no_single_output() -> None:
    dense = layers.Dense(3)
    a, b = layers.Input((4,)), layers.Input((4,))
    outputs = [dense(a), dense(b)]
    assert [dense.get_output_at(0), dense.get_output_at(1)] == outputs
    assert dense.get_input_at(1) is b
    assert dense.get_output_shape_at(0) == dense.output_shape == (None, 3)
    with pytest.raises(AttributeError, match="was called 2 times on symbolic tensors"):
        _ = dense.output
    with pytest.raises(ValueError, match="input of call 2 is asked for, but the layer was called 2 times"):
        dense.get_input_at(2)


@pytest.mark.usefixtures("_era")
def test_masks_are_known_in_the_graph() -> None:
    inputs = layers.Input((4,), dtype="int32")
    embedded = layers.Embedding(9, 3, mask_zero=True)(inputs)
    summed = layers.LSTM(2)(embedded)
    mask = mask_of(embedded)
    assert mask.shape == (None, 4)
    assert Model(inputs, mask).predict(np.array([[1, 0, 2, 0]]), verbose=0).tolist() == [[True, False, True, False]]
    assert summed.node.operation.get_input_mask_at(0) is not None
    assert summed.node.operation.output_mask is None


def test_weights_answer_to_the_names_of_keras_1() -> None:
    with spelling.in_era(1):
        dense = layers.Dense(3, input_dim=2)
        dense.build((None, 2))
        assert dense.W is dense.kernel
        assert dense.b is dense.bias
        assert dense.output_dim == 3


def test_a_model_resets_its_stateful_layers() -> None:
    with spelling.in_era(2):
        model = Sequential([layers.LSTM(2, stateful=True, batch_input_shape=(1, 3, 2))])
        x = np.ones((1, 3, 2), "float32")
        first = model.predict(x, verbose=0)
        second = model.predict(x, verbose=0)
        model.reset_states()
        np.testing.assert_array_equal(model.predict(x, verbose=0), first)
        assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (lambda: layers.LSTM(3), [(2, 3), (3, 3), (3,)] * 4),
        (lambda: layers.LSTM(3, consume_less="gpu"), [(2, 12), (3, 12), (12,)]),
        (lambda: layers.GRU(3), [(2, 3), (3, 3), (3,)] * 3),
        (lambda: layers.Convolution1D(3, 2), [(2, 1, 2, 3), (3,)]),
        (lambda: layers.Bidirectional(layers.GRU(3)), [(2, 3), (3, 3), (3,)] * 6),
    ],
)
def test_keras_1_listed_gates_apart_and_a_row_of_an_image(make: Any, shapes: Any) -> None:
    with spelling.in_era(1):
        layer = make()
        layer(layers.Input((5, 2)))
        listed = layer.get_weights()
        assert [array.shape for array in listed] == shapes
        numbers = [np.arange(array.size, dtype="float32").reshape(array.shape) for array in listed]
        layer.set_weights(numbers)
        for array, number in zip(layer.get_weights(), numbers, strict=True):
            np.testing.assert_array_equal(array, number)
        np.random.seed(0)
        made = make()
        made._first_weights = numbers  # what the argument weights=[...] keeps until there are weights
        made(layers.Input((5, 2)))
        np.testing.assert_array_equal(made.get_weights()[0], numbers[0])


def test_merge_begins_a_sequential_model_with_the_inputs_of_its_parts() -> None:
    with spelling.in_era(1):
        left = Sequential([layers.Dense(3, input_dim=2)])
        right = Sequential([layers.Dense(3, input_dim=4)])
        model = Sequential()
        model.add(layers.Merge([left, right], mode="mul"))
        model.add(layers.Dense(1))
        a, b = np.ones((2, 2), "float32"), np.ones((2, 4), "float32")
        product = left.predict(a) * right.predict(b)
        expected = product @ model.layers[-1].get_weights()[0]
        np.testing.assert_allclose(model.predict([a, b]), expected, rtol=1e-5)
        assert [layer.shape for layer in model.weights] == [(2, 3), (3,), (4, 3), (3,), (3, 1), (1,)]
        with pytest.raises(ValueError, match="cannot be merged by 'sum': they differ"):
            layers.merge([layers.Input((2,)), layers.Input((3,))], mode="sum")
        with pytest.raises(ValueError, match="mode is 'minus'; expected one of 'sum'"):
            layers.merge([layers.Input((2,)), layers.Input((2,))], mode="minus")


def test_a_function_merges_too() -> None:
    with spelling.in_era(1):
        a, b = layers.Input((2,)), layers.Input((2,))
        made = layers.merge([a, b], mode=lambda xs, by: xs[0] - by * xs[1], output_shape=(2,), arguments={"by": 2.0})
        assert Model([a, b], made).predict([np.ones((1, 2)), np.ones((1, 2))]).tolist() == [[-1.0, -1.0]]


@pytest.mark.parametrize("name", ["CuDNNLSTM", "CuDNNGRU"])
def test_two_biases_add_up_to_one(name: str) -> None:
    with spelling.in_era(2):
        made = getattr(layers, name)(3, return_sequences=True)
        gates = 4 if name == "CuDNNLSTM" else 3
        plain = getattr(layers, name.removeprefix("CuDNN"))(
            3, return_sequences=True, recurrent_activation="sigmoid", **({"reset_after": True} if gates == 3 else {})
        )
        x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
        made(x), plain(x)
        kernel, recurrent, bias = made.get_weights()
        assert bias.shape == (2 * gates * 3,)
        bias = np.linspace(-1, 1, bias.size, dtype="float32")
        made.set_weights([kernel, recurrent, bias])
        halves = bias.reshape(2, -1)
        plain.set_weights([kernel, recurrent, halves if gates == 3 else halves.sum(0)])
        np.testing.assert_allclose(made(x), plain(x), rtol=1e-5, atol=1e-6)
        written = made.get_config()
        assert "activation" not in written
        assert type(made).from_config(written).units == 3
        with pytest.raises(ValueError, match=f"a {name} takes no mask"):
            made(x, mask=np.ones((2, 5), bool))


class Steered(layers.Layer):
    """A cell that adds the same numbers at every step."""

    state_size = 3

    def build(self, input_shape: Any) -> None:
        step, constants = input_shape
        self.kernel = self.add_weight("kernel", (step[-1], 3))
        self.steering = self.add_weight("steering", (constants[-1], 3))

    def call(self, inputs: Any, states: Any, constants: Any) -> Any:
        output = K.matmul(inputs, self.kernel) + states[0] + K.matmul(constants[0], self.steering)
        return output, [output]


@pytest.mark.parametrize("flat", [True, False])
def test_constants_go_to_a_cell_at_every_step(flat: bool) -> None:
    with spelling.in_era(2):
        x, c = layers.Input((5, 2)), layers.Input((4,))
        layer = layers.RNN([Steered()], **({"num_constants": 1} if flat else {}))
        model = Model([x, c], layer([x, c]) if flat else layer(x, constants=c))
        kernel, steering = model.get_weights()
        random = np.random.default_rng(0)
        xs, cs = random.normal(size=(3, 5, 2)).astype("float32"), random.normal(size=(3, 4)).astype("float32")
        expected = (xs @ kernel).sum(1) + 5 * cs @ steering
        np.testing.assert_allclose(model.predict([xs, cs], verbose=0), expected, rtol=1e-4, atol=1e-5)
        assert layer.get_config()["num_constants"] == 1
        assert layer.cell.state_size == (3,)
        both = layers.Bidirectional(layers.RNN(Steered()))
        made = Model([x, c], both(x, constants=c))
        assert made.predict([xs, cs], verbose=0).shape == (3, 6)
        assert len(both.input) == 2


def test_states_may_be_arrays_of_a_certain_number_of_rows() -> None:
    with spelling.in_era(2):
        x = layers.Input((4, 2))
        layer = layers.SimpleRNN(3)
        state = np.ones((2, 3), "float32")
        model = Model(x, layer(x, initial_state=[state]))
        data = np.zeros((2, 4, 2), "float32")
        np.testing.assert_allclose(
            model.predict(data, verbose=0), layer(data, initial_state=[state]), rtol=1e-5, atol=1e-6
        )
        assert [zeros.shape for zeros in layer.get_initial_state(x)] == [(None, 3)]


def test_what_is_refused_today_is_accepted_where_it_was() -> None:
    with spelling.in_era(2):
        assert layers.Cropping1D((2, 2))(np.ones((1, 4, 3))).shape == (1, 0, 3)
        assert layers.LeakyReLU(alpha=-1.0)([-2.0]).tolist() == [2.0]


def test_sixty_four_bits_are_kept_where_they_are_the_default() -> None:
    config.set_floatx("float64")
    try:
        x = np.full((1, 3), 1 + 1e-12)
        found = np.asarray(layers.Dense(2, kernel_initializer="ones")(x))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, 3 + 3e-12, rtol=1e-14)
    finally:
        config.set_floatx("float32")
    assert np.asarray(layers.Dense(2)(x)).dtype == np.float32


def test_maxout_and_the_softplus_with_parameters_are_their_formulas() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    maxout, softplus = layers.MaxoutDense(2, maps=3), layers.ParametricSoftplus(alpha=0.5, beta=2.0)
    maxout(x)
    kernel, bias = maxout.get_weights()
    bias = np.linspace(-1, 1, 6, dtype="float32").reshape(3, 2)
    maxout.set_weights([kernel, bias])
    np.testing.assert_allclose(maxout(x), (x @ kernel + bias[:, None]).max(0), rtol=1e-5)
    np.testing.assert_allclose(softplus(x), 0.5 * np.log1p(np.exp(2 * x)), rtol=1e-5)


def test_rows_of_an_embedding_are_dropped_wherever_they_occur() -> None:
    np.random.seed(0)
    layer = layers.Embedding(50, 4, dropout=0.5)
    rows = np.arange(50).reshape(1, 50)
    table = np.asarray(layer(rows))[0]
    seen = np.asarray(layer(np.repeat(rows, 2, 0), training=True))
    np.testing.assert_array_equal(seen[0], seen[1])
    kept = (seen[0] != 0).any(-1)
    assert 10 < kept.sum() < 40
    np.testing.assert_allclose(seen[0][kept], 2 * table[kept], rtol=1e-6)


def test_batch_normalization_of_mode_2_has_no_memory() -> None:
    x = np.random.default_rng(0).normal(3, 2, size=(8, 3)).astype("float32")
    layer = layers.BatchNormalization(mode=2, epsilon=0.0)
    np.testing.assert_allclose(np.asarray(layer(x)), (x - x.mean(0)) / x.std(0), rtol=1e-4, atol=1e-5)
    model = Sequential([layers.Input((3,)), layer])
    whole = model.predict(x, batch_size=8, verbose=0)
    np.testing.assert_allclose(model.predict(x[:5], batch_size=8, verbose=0), layer(x[:5]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(whole, layer(x), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_era")
def test_layers_are_called_by_the_methods_of_keras_1() -> None:
    first, second = layers.Dense(3), layers.Dense(2)
    first.create_input_layer((None, 4), name="numbers")
    second.add_inbound_node(first)
    layers.Concatenate().add_inbound_node([first, second], [0, 0], [0, 0])
    assert first.input.name == "numbers"
    assert second.input is first.output
    assert first.outbound_nodes[0].outbound_layer is second
    assert first.outbound_nodes[1].output_shapes == [(None, 5)]


@pytest.mark.usefixtures("_era")
def test_a_model_may_be_given_other_inputs() -> None:
    model = Sequential([layers.Dense(2, input_shape=(3,))])
    assert model.model is model
    with pytest.raises(ArgumentError, match="Model inputs are already set"):
        model._set_inputs(model.input)
    model.inputs = None
    model._set_inputs(np.zeros((1, 3)))
    assert model.predict(np.zeros((4, 3))).shape == (4, 2)
    with pytest.raises(ArgumentError, match="inputs cannot be exchanged"):
        model.inputs = [layers.Input((3,))]


@pytest.mark.usefixtures("_era")
def test_a_model_begins_where_data_enter_and_at_each_place_once() -> None:
    inputs = layers.Input((3,))
    hidden = layers.Dense(2)(inputs)
    outputs = layers.Dense(1)(hidden)
    with pytest.raises(ArgumentError, match="graph disconnected"):
        Model(hidden, outputs)
    with pytest.raises(ArgumentError, match="stands twice among the inputs"):
        Model([inputs, inputs], outputs)

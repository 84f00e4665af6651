"""What layers and models of eras 1 and 2 told of their losses, updates, states and masks between calls."""

import numpy as np
import pytest

import keraunos
from keraunos import metrics
from keraunos.eras import backend as K
from keraunos.eras import theano_backend
from keraunos.eras.layers import Merge, merge
from keraunos.layers import (
    LSTM,
    RNN,
    BatchNormalization,
    Dense,
    Dropout,
    Embedding,
    Input,
    Layer,
    LSTMCell,
    Masking,
    SimpleRNN,
    StackedRNNCells,
    TimeDistributed,
    concatenate,
)
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def era():
    np.random.seed(5)
    with spelling.in_era(2):
        yield
        K.clear_session()


def test_a_model_tells_one_loss_for_each_call_and_each_weight():
    dense = Dense(2, kernel_regularizer="l1", activity_regularizer="l2", use_bias=False)
    first, second = Input((3,)), Input((3,))
    model = keraunos.Model([first, second], [dense(first), dense(second)])
    x = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.0, -1.0]])
    losses = K.function([first, second], model.losses)(list(x))
    kernel = dense.get_weights()[0]
    expected = [0.01 * np.sum((part @ kernel) ** 2) for part in x] + [0.01 * np.sum(np.abs(kernel))]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert [len(dense.get_losses_for(inputs)) for inputs in (first, second, None)] == [1, 1, 1]
    alone = keraunos.Model(first, dense(first))
    assert len(alone.losses) == 2


@pytest.mark.parametrize(("consume_less", "count"), [("cpu", 12), ("gpu", 3)])
def test_keras_1_regularized_the_gates_one_by_one(consume_less, count):
    with spelling.in_era(1):
        layer = LSTM(
            2, W_regularizer="l1", U_regularizer="l1", b_regularizer="l1", consume_less=consume_less, input_shape=(3, 4)
        )
        layer.build((None, 3, 4))
        assert len(layer.losses) == count
        expected = 0.01 * sum(np.abs(array).sum() for array in layer.get_weights())
        np.testing.assert_allclose(sum(map(K.eval, layer.losses)), expected, rtol=1e-5)


def test_a_layer_tells_what_its_calls_assign_while_they_train():
    inputs, others = Input((3,)), Input((3,))
    layer = BatchNormalization()
    model = keraunos.Model(inputs, layer(inputs))
    assert [len(layer.get_updates_for(what)) for what in (inputs, None)] == [2, 0]
    layer.add_update(0, inputs=others)
    layer.add_update(1)
    assert 0 in layer.get_updates_for(others)
    assert layer.get_updates_for(None) == [1]
    assert len(layer.updates) == 4
    model.trainable = False
    assert model.updates == []
    told = BatchNormalization()
    told(inputs, training=False)
    assert told.updates == []


def test_a_layer_called_on_a_variable_makes_a_tensor_of_the_graph():
    x = K.variable(np.ones((2, 3)))
    layer = Dense(2, activity_regularizer="l2")
    y = layer(x)
    before = K.eval(y)
    K.set_value(x, 2 * np.ones((2, 3)))
    np.testing.assert_allclose(K.eval(y), 2 * before, rtol=1e-5)
    assert len(layer.get_losses_for(x)) == 1
    assert Dropout(0.5)(x)._uses_learning_phase
    assert not Dropout(0.5)(x, training=True)._uses_learning_phase
    assert not LSTM(2)(Input((3, 4)))._uses_learning_phase
    assert LSTM(2, dropout=0.1)(Input((3, 4)))._uses_learning_phase


def test_a_number_that_was_added_to_the_loss_counts():
    model = keraunos.Sequential([Dense(1, input_shape=(2,), kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    model.add_loss(3)
    assert model.evaluate(np.ones((2, 2)), np.zeros((2, 1)), verbose=0) == 3


@pytest.mark.parametrize("fixed", [False, True])
def test_a_batch_is_not_filled_up_where_a_layer_trains_in_prediction(fixed):
    inputs = Input((1,))
    layer = BatchNormalization(epsilon=1e-6)
    model = keraunos.Model(inputs, layer(inputs) if fixed else layer(inputs, training=True))
    if fixed:
        K.set_learning_phase(1)
    x = np.arange(5.0)[:, None]
    np.testing.assert_allclose(model.predict(x), (x - 2) / np.sqrt(2), rtol=1e-4)


class Positives(Layer):
    """Counts the ones among what is right, and keeps the count."""

    def __init__(self, name="positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.stateful = True
        self.count = K.variable(0, dtype="int32")

    def reset_states(self):
        K.set_value(self.count, 0)

    def __call__(self, y_true, y_pred):
        right = K.cast(K.equal(K.round(y_pred), y_true), "int32") * K.cast(y_true, "int32")
        before = self.count * 1
        self.add_update(K.update_add(self.count, K.sum(right)), inputs=[y_true, y_pred])
        return before + K.sum(right)


def test_a_metric_with_a_memory_is_set_back_before_each_epoch():
    model = keraunos.Sequential([Dense(1, activation="sigmoid", input_shape=(2,))])
    model.compile("sgd", "binary_crossentropy", metrics=[Positives()])
    x, y = np.random.random((7, 2)), np.array([[1.0], [1], [0], [1], [1], [0], [1]])
    for _ in range(2):
        assert model.evaluate(x, y, batch_size=2, verbose=0)[1] == np.sum((model.predict(x) > 0.5) & (y == 1))
    history = model.fit(x, np.round(model.predict(x)) * 0, epochs=2, batch_size=3, verbose=0).history
    assert history["positives"] == [0, 0]
    assert isinstance(metrics.resolve(Positives(), (None, 1), (None, 1)), metrics.LastValue)


def test_the_mask_of_steps_is_what_the_layer_inside_makes_of_it():
    model = keraunos.Sequential([TimeDistributed(Embedding(5, 2, mask_zero=True), input_shape=(None, None))])
    model.add(TimeDistributed(SimpleRNN(2)))
    x = np.array([[[1, 2], [3, 0]], [[1, 0], [0, 0]]])
    first = model.layers[0].compute_mask(model.input)
    masks = [first, model.layers[1].compute_mask(model.layers[1].input, first)]
    found = K.function([model.input], masks)([x])
    assert np.array_equal(found[0], x > 0)
    assert np.array_equal(found[1], [[True, True], [True, False]])
    copy = TimeDistributed.from_config(model.layers[0].get_config())
    assert copy.masks_by_layer
    assert keraunos.models.model_from_json(model.to_json()).layers[0].masks_by_layer
    with spelling.in_era(3):
        assert TimeDistributed(Masking()).compute_mask(np.zeros((1, 2, 3))) is None


def test_states_may_be_listed_from_the_last_cell_to_the_first():
    x = np.random.random((2, 3, 4)).astype("float32")
    cells = [LSTMCell(2), LSTMCell(3)]
    found = []
    for reverse in (False, True):
        inputs = Input((3, 4))
        layer = RNN(StackedRNNCells(cells, reverse_state_order=reverse), return_state=True)
        assert list(layer.states) == [None] * 4
        found.append(keraunos.Model(inputs, layer(inputs)).predict(x))
    assert [part.shape[1] for part in found[1]] == [3, 3, 3, 2, 2]
    for number, place in enumerate((0, 3, 4, 1, 2)):
        np.testing.assert_allclose(found[1][number], found[0][place], rtol=1e-5)


def test_merges_refuse_masks_and_inputs_that_do_not_fit():
    a, b = Input((3,)), Input((3,))
    layer = keraunos.layers.Add()
    layer([a, b])
    with pytest.raises(ArgumentError, match="mask is a ndarray; expected a list"):
        layer.compute_mask([a, b], np.ones((2, 3)))
    with pytest.raises(ArgumentError, match="1 masks were given for 2 inputs"):
        layer.compute_mask([a, b], [None])
    with pytest.raises(ShapeError, match="at least 2 inputs, but 1 were given"):
        concatenate([a])


def test_a_branch_that_is_merged_with_itself_is_one_branch_in_a_file_too():
    with spelling.in_era(1):
        branch = keraunos.Sequential([Dense(2, input_shape=(3,))])
        model = keraunos.Sequential([Merge([branch, branch], mode="sum"), Dense(1)])
        x = np.random.random((2, 3))
        for copy in (
            keraunos.Sequential.from_config(model.get_config()),
            keraunos.models.model_from_json(model.to_json()),
        ):
            copy.set_weights(model.get_weights())
            np.testing.assert_allclose(copy.predict(x), model.predict(x), rtol=1e-5)
        assert model.model is model


def test_a_merge_asks_its_function_of_masks_where_there_are_masks():
    a, b = (Masking()(Input((3, 2))) for _ in range(2))
    merged = merge(
        [a, b], mode=lambda pair: K.concatenate(pair, 1), output_mask=lambda pair: K.concatenate([pair[0], pair[1]])
    )
    assert merged.shape == (None, 6, 2)


def test_element_types_have_names_as_in_tensorflow():
    x = K.variable([1.0], dtype="float16")
    assert (x.dtype, x.dtype.name, x.dtype.base_dtype.name, K.dtype(x)) == (
        "float16",
        "float16_ref",
        "float16",
        "float16",
    )
    assert K.placeholder((2,)).dtype.name == "float32"
    numbers = K.arange(3, dtype="int64")
    assert K.dtype(numbers) == "int64"
    assert K.eval(numbers).tolist() == [0, 1, 2]


def test_the_cost_of_a_text_on_theano_counts_every_step():
    # One class and one blank, one step: the text "0" has the one path 0, smoothed over three places.
    x = np.array([[[0.3, 0.7]], [[0.6, 0.4]]], "float32")
    cost = K.eval(theano_backend.ctc_batch_cost(np.zeros((2, 1)), x, np.ones((2, 1)), np.ones((2, 1))))
    expected = -np.log((1 - 1e-4) * np.array([0.3, 0.6]) + 1e-4 / 3)
    np.testing.assert_allclose(cost, [expected], rtol=1e-5)


def test_a_list_of_metrics_is_for_every_output():
    inputs = Input((2,))
    model = keraunos.Model(inputs, [Dense(1, name="a")(inputs), Dense(1, name="b")(inputs)])
    model.compile("sgd", "mse", metrics=["mae", "acc"])
    model.train_on_batch(np.ones((2, 2)), [np.ones((2, 1))] * 2)
    assert len(model.metrics_names) == 3 + 2 * 2


def test_layers_tell_whether_they_mind_the_phase_and_models_where_they_begin_and_end():
    inputs = Input((2,))
    dense = Dense(2)
    first, second = dense(inputs), dense(inputs)
    model = keraunos.Model(inputs, [second, first])
    assert (model.input_layers_node_indices, model.output_layers_node_indices) == ([0], [1, 0])
    assert (model.input_layers_tensor_indices, model.output_layers_tensor_indices) == ([0], [0, 0])
    assert (Dropout(0.5).uses_learning_phase, dense.uses_learning_phase) == (True, False)
    own = Positives()
    own.uses_learning_phase = True
    assert own.uses_learning_phase


def test_a_layer_in_place_of_an_activation_is_advised_against():
    from keraunos.eras.functions import get_activation

    with pytest.warns(UserWarning, match="Do not pass a layer"):
        get_activation(Dense(2))
    with pytest.raises(ArgumentError, match="expected a activation|expected an activation"):
        get_activation(6)


@pytest.mark.parametrize(("effort", "weight"), [("cpu", "W"), ("mem", "W"), ("gpu", "U")])
def test_keras_1_regularized_the_recurrent_kernels_of_separate_gates_like_the_kernels(effort, weight):
    with spelling.in_era(1):
        layer = keraunos.layers.GRU(2, W_regularizer="l1", U_regularizer="l2", consume_less=effort)
    assert type(layer.recurrent_regularizer).__name__ == {"W": "L1", "U": "L2"}[weight]

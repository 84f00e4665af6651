"""``K`` of eras 1 and 2 where it builds a graph: functions, gradients, phases, updates, and losses made of tensors."""

import itertools

import numpy as np
import pytest

import keraunos
from keraunos.eras import backend as K
from keraunos.layers import BatchNormalization, Dense, Dropout, Input, Lambda, Layer
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True, params=[1, 2])
def era(request):
    np.random.seed(5)
    with spelling.in_era(request.param):
        yield request.param
        K.clear_session()


# --- functions and values ---------------------------------------------------------------------


def test_what_follows_from_variables_has_their_present_value():
    x = K.variable([[1.0, 2.0]])
    y = K.sum(K.square(x) * 2.0)
    assert float(y) == 10
    K.set_value(x, [[3.0, 0.0]])
    assert (K.eval(y), float(y), bool(y > 17)) == (18, 18, True)
    assert not np.array_equal(K.eval(K.random_normal((3,))), K.eval(K.random_normal((3,))))
    noise = K.random_uniform((4,), seed=3)
    assert not np.array_equal(K.eval(noise), K.eval(noise))


def test_a_function_computes_from_any_tensors_to_any_others():
    inputs = Input((3,))
    hidden = Dense(4, activation="relu")(inputs)
    outputs = Dense(2)(hidden)
    x = np.random.random((5, 3))
    whole = K.function([inputs], [hidden, outputs])([x])
    np.testing.assert_allclose(K.function([hidden], [outputs])([whole[0]])[0], whole[1], rtol=1e-5)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x, y: K.function([x], [x + y])([np.ones((1, 3))]), ArgumentError, "depend on .* not among its inputs"),
        (lambda x, y: K.function(x, [x]), TypeError, "inputs is a SymbolicTensor; expected a list"),
        (lambda x, y: K.function([x], [x])(np.ones((1, 3))), TypeError, "called with a list of values"),
        (lambda x, y: K.function([x], [x])([1, 2]), ArgumentError, "takes 1 values, but 2 were given"),
        (lambda x, y: K.function([x], [x])([np.ones((1, 4))]), ShapeError, r"shape \(1, 4\) was given for"),
        (lambda x, y: K.function([x], [x], givens=[]), ArgumentError, "no argument 'givens'"),
        (lambda x, y: K.eval(x), ArgumentError, "has no values"),
        (lambda x, y: K.placeholder(), ArgumentError, "give a shape, or ndim"),
        (lambda x, y: K.set_learning_phase(2), ArgumentError, "2 is no phase"),
        (lambda x, y: K.gradients(np.ones(2), [x]), ArgumentError, "ndarray has no history"),
        (lambda x, y: K.rnn(lambda a, b: (a, b), x, []), ShapeError, "have no steps"),
    ],
)
def test_what_cannot_be_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        K.eval(call(K.placeholder((None, 3)), K.placeholder((None, 3))))


def test_updates_see_the_values_before_and_happen_at_each_call():
    x, y, given = K.variable(1.0), K.variable(2.0), K.placeholder(())
    f = K.function([given], [x + given], updates=[(x, y), (y, x), K.update_add(K.variable(0.0), 1.0)])
    assert f([10.0]) == [11.0]
    assert (K.get_value(x), K.get_value(y)) == (2, 1)
    assert f([10.0]) == [12.0]
    fed = {given: 3.0}
    f = K.function([], [given * 2], fetches=[K.update(x, given)], feed_dict=fed)
    assert (f([]), K.get_value(x)) == ([6.0], 3)
    fed[given] = 4.0
    assert (f([]), K.get_session().run([x, x + y], feed_dict={})) == ([8.0], [4.0, 6.0])


def test_sizes_that_are_not_known_yet_make_shapes():
    x = K.placeholder((None, 4))
    noise = K.random_normal((K.shape(x)[0], 2))
    turned = K.reshape(x, (K.shape(x)[1], K.shape(x)[0]))
    count = K.cast(K.prod(K.shape(x)), "float32")
    results = K.function([x], [noise, turned, count])([np.ones((3, 4))])
    assert [result.shape for result in results] == [(3, 2), (4, 3), ()]
    assert results[2] == 12


# --- gradients --------------------------------------------------------------------------------


def test_gradients_are_those_of_the_sum_by_every_way():
    x, w = K.placeholder((2, 3)), K.variable(np.random.random((3, 2)))
    first = K.dot(x, w)
    second = K.tanh(first)
    loss = K.sum(second * first, axis=-1)
    values = np.random.random((2, 3))
    by_x, by_w, by_first, by_second, none = K.gradients(loss, [x, w, first, second, K.placeholder((1,))])
    assert none is None
    found = K.function([x], [by_x, by_w, by_first, by_second])([values])
    f = values @ K.get_value(w)
    slope = np.tanh(f) + f * (1 - np.tanh(f) ** 2)
    for got, wanted in zip(found, (slope @ K.get_value(w).T, values.T @ slope, slope, f), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_gradients_have_gradients():
    x = K.placeholder((4,))
    slope = K.gradients(K.sum(x**3.0), x)[0]
    values = np.arange(1.0, 5.0)
    curvature = K.function([x], K.gradients(K.sum(slope), [x]))([values])[0]
    np.testing.assert_allclose(curvature, 6 * values, rtol=1e-5)
    assert K.eval(K.gradients(K.stop_gradient(K.variable(2.0)) * K.variable(3.0), [K.variable(1.0)])[0]) == 0


def test_a_penalty_of_gradients_is_a_loss(era):
    class Critic(Layer):
        def call(self, x):
            return K.sum(K.square(x), axis=-1, keepdims=True)

    samples = Input((3,))
    kernel = Dense(3, bias=False, weights=[np.eye(3) * 2])
    inside = kernel(samples)
    model = keraunos.Model(samples, Critic()(inside))

    def penalty(y_true, y_pred):
        gradients = K.gradients(y_pred, inside)[0]
        return K.square(1.0 - K.sqrt(K.sum(K.square(gradients), axis=-1)))

    model.compile("sgd", penalty)
    x = np.random.random((8, 3))
    wanted = np.mean((1 - np.linalg.norm(4 * x, axis=-1)) ** 2)
    np.testing.assert_allclose(model.evaluate(x, np.zeros((8, 1)), verbose=0), wanted, rtol=1e-4)
    before = kernel.get_weights()[0]
    model.train_on_batch(x, np.zeros((8, 1)))
    # The penalty falls with the square of the kernel: d/dW of (1 - 2 |x W|)^2.
    norm = np.linalg.norm(x @ before, axis=-1, keepdims=True)
    slope = x.T @ (-4 * (1 - 2 * norm) * (x @ before) / norm) / 8
    np.testing.assert_allclose(before - kernel.get_weights()[0], 0.01 * slope, rtol=1e-3, atol=1e-5)


# --- phases -----------------------------------------------------------------------------------


def test_the_phase_chooses_between_tensors_and_between_functions():
    x = K.placeholder((2,))
    chosen = K.in_train_phase(x * 2, lambda: x * 3)
    other = K.in_test_phase(x * 2, x * 3, training=1)
    f = K.function([x, K.learning_phase()], [chosen, other, K.learning_phase()])
    assert [result.tolist() for result in f([[1.0, 1.0], 1])] == [[2, 2], [3, 3], 1]
    assert [result.tolist() for result in f([[1.0, 1.0], 0])] == [[3, 3], [3, 3], 0]
    assert chosen._uses_learning_phase
    assert not other._uses_learning_phase


def test_the_phase_that_was_set_holds_for_training_too():
    model = keraunos.Sequential([Dense(3, input_dim=3), BatchNormalization(), Dropout(0.5)])
    model.compile("sgd", "mse")
    x = np.random.random((8, 3)) + 3
    K.set_learning_phase(0)
    model.fit(x, x, epochs=1, verbose=0)
    assert K.learning_phase() == 0
    assert model.layers[1].get_weights()[2].tolist() == [0, 0, 0]
    K.clear_session()
    model.fit(x, x, epochs=1, verbose=0)
    assert np.all(model.layers[1].get_weights()[2] != 0)


def test_a_frozen_normalization_goes_on_with_the_batch_and_keeps_its_averages():
    model = keraunos.Sequential([BatchNormalization(input_shape=(2,)), Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    x = np.random.random((16, 2)) + 5
    before = model.layers[0].get_weights()
    normalized = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3)
    outputs = normalized @ model.layers[1].get_weights()[0]
    loss = model.train_on_batch(x, np.zeros((16, 1)))
    np.testing.assert_allclose(loss, np.mean(outputs**2), rtol=1e-3)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.layers[0].get_weights(), strict=True))


@pytest.mark.filterwarnings("ignore:Discrepancy between trainable weights")
def test_a_model_trains_what_was_trainable_when_it_was_compiled():
    model = keraunos.Sequential([Dense(2, input_dim=2)])
    model.compile("sgd", "mse")
    model.trainable = False
    before = model.get_weights()[0]
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 2)))
    assert not np.array_equal(before, model.get_weights()[0])
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.fit(np.ones((4, 2)), np.ones((4, 2)), epochs=1, verbose=0)
    assert np.array_equal(before, model.get_weights()[0])


# --- losses of the time -----------------------------------------------------------------------


def test_a_loss_may_use_a_network_that_is_not_part_of_the_model():
    judge = keraunos.Sequential([Dense(2, input_dim=3, activation="tanh")])
    model = keraunos.Sequential([Dense(3, input_dim=3)])
    model.compile("sgd", lambda y_true, y_pred: K.mean(K.square(judge(y_true) - judge(y_pred)), axis=-1))
    x, y = np.random.random((6, 3)), np.random.random((6, 3))

    def expected():
        made = judge.predict(model.predict(x, verbose=0), verbose=0)
        return np.mean((judge.predict(y, verbose=0) - made) ** 2)

    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected(), rtol=1e-4)
    judge.set_weights([w * 2 + 1 for w in judge.get_weights()])
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected(), rtol=1e-4)
    kept = judge.get_weights()
    model.fit(x, y, epochs=1, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(kept, judge.get_weights(), strict=True))


def test_the_weight_of_a_loss_may_be_changed_between_epochs():
    inputs = Input((2,))
    model = keraunos.Model(inputs, [Dense(1)(inputs), Dense(1)(inputs)])
    alpha = K.variable(0.0)
    model.compile("sgd", "mse", loss_weights=[1.0, alpha])
    x, y = np.random.random((4, 2)), [np.zeros((4, 1)), np.zeros((4, 1))]
    total, first, second = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(total, first, rtol=1e-6)
    K.set_value(alpha, 3.0)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0)[0], first + 3 * second, rtol=1e-5)


def test_losses_that_were_added_are_told_by_what_they_depend_on():
    inputs = Input((2,))
    model = keraunos.Model(inputs, Dense(1, W_regularizer="l2")(inputs))
    model.add_loss(K.mean(model.output))
    assert [len(model.get_losses_for(x)) for x in (inputs, None)] == [1, 1]
    assert model.uses_learning_phase is False
    assert keraunos.Sequential([Dropout(0.5, input_shape=(2,))]).uses_learning_phase is True


def test_a_function_of_a_time_before_dtypes_initializes_weights():
    from keraunos.eras.initializations import normal

    layer = Dense(3, input_dim=2, init=lambda shape, name: normal(shape, scale=0.001, name=name))
    keraunos.Sequential([layer])
    assert 0 < np.abs(layer.get_weights()[0]).max() < 0.01


# --- loops, texts, windows --------------------------------------------------------------------


def test_loops_go_over_rows():
    x = K.variable(np.arange(6.0).reshape(3, 2))
    assert K.eval(K.map_fn(K.sum, x)).tolist() == [1, 5, 9]
    assert K.eval(K.foldl(lambda a, b: a - b, x)).tolist() == [-6, -7]
    assert K.eval(K.foldr(lambda a, b: a - b, x, K.variable([1.0, 1.0]))).tolist() == [-5, -8]

    def step(now, states):
        return now + states[0] + states[1], [now + states[0]]

    inputs = K.placeholder((None, 3, 2))
    mask = K.placeholder((None, 3))
    for unroll in (False, True):
        last, outputs, states = K.rnn(
            step, inputs, [K.zeros_like(inputs[:, 0])], mask=mask, constants=[K.variable(10.0)], unroll=unroll
        )
        values = np.arange(12.0).reshape(2, 3, 2)
        found = K.function([inputs, mask], [last, outputs, *states])([values, [[1, 0, 1], [0, 1, 1]]])
        assert found[0].tolist() == [[14, 16], [28, 30]]
        assert found[1][:, 1].tolist() == [[10, 11], [18, 19]]
        assert found[1][1, 0].tolist() == [0, 0]
        assert found[2].tolist() == [[4, 6], [18, 20]]


def paths_of(probabilities, blank):
    """Every path with its probability and the text that it means."""
    steps, classes = probabilities.shape
    for path in itertools.product(range(classes), repeat=steps):
        text = tuple(c for i, c in enumerate(path) if c != blank and (i == 0 or path[i - 1] != c))
        yield text, np.prod(probabilities[np.arange(steps), path])


def test_texts_have_the_probability_of_all_their_paths():
    y_pred = np.random.dirichlet(np.ones(3), (2, 4))
    labels, lengths = np.array([[0, 1, 0], [1, 1, -1]]), [[3], [2]]
    costs = K.eval(K.ctc_batch_cost(K.variable(labels), K.variable(y_pred), np.array([[4], [3]]), np.array(lengths)))
    for row, steps, text, cost in zip(y_pred, (4, 3), ((0, 1, 0), (1, 1)), costs, strict=True):
        wanted = -np.log(sum(p for t, p in paths_of(row[:steps], 2) if t == text))
        np.testing.assert_allclose(cost, [wanted], rtol=1e-4)


def test_the_most_probable_texts_are_found():
    y_pred = np.random.dirichlet(np.ones(3), (1, 4))
    totals = {}
    for text, p in paths_of(y_pred[0], 2):
        totals[text] = totals.get(text, 0) + p
    best = sorted(totals, key=lambda text: -totals[text])[:2]
    texts, values = K.ctc_decode(y_pred, np.array([4]), greedy=False, beam_width=50, top_paths=2)
    once = [[c for i, c in enumerate(text) if i == 0 or c != text[i - 1]] for text in best]
    assert [np.asarray(text)[0].tolist() for text in texts] == once
    wanted = [np.log(totals[text]) - np.log(y_pred[0].max(-1)).sum() for text in best]
    np.testing.assert_allclose(np.asarray(values)[0], wanted, rtol=1e-3, atol=1e-4)
    greedy, value = K.ctc_decode(np.eye(3)[[[0, 0, 2, 0, 1]]], np.array([5]))
    assert np.asarray(greedy[0]).tolist() == [[0, 0, 1]]
    np.testing.assert_allclose(np.asarray(value), [[0.0]], atol=1e-5)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_weights_of_each_place_are_applied_there(layout):
    x = np.random.random((2, 4, 5, 3))
    kernel = np.random.random((2 * 2, 2 * 2 * 3, 2))
    wanted = np.zeros((2, 2, 2, 2))
    for place, (i, j) in enumerate(itertools.product(range(2), range(2))):
        window = x[:, 2 * i : 2 * i + 2, 3 * j : 3 * j + 2]
        order = (0, 3, 1, 2) if layout == "channels_first" else (0, 1, 2, 3)
        wanted[:, i, j] = window.transpose(order).reshape(2, -1) @ kernel[place]
    given = x.transpose(0, 3, 1, 2) if layout == "channels_first" else x
    found = K.eval(K.local_conv2d(K.variable(given), K.variable(kernel), (2, 2), (2, 3), (2, 2), layout))
    found = found.transpose(0, 2, 3, 1) if layout == "channels_first" else found
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_lambda_layer_may_ask_for_gradients():
    x = Input((3,))
    cube = Lambda(lambda tensor: tensor**3.0)(x)
    model = keraunos.Model(x, Lambda(lambda pair: K.gradients(pair[1], pair[0]))([x, cube]))
    values = np.random.random((4, 3)).astype("float32")
    np.testing.assert_allclose(model.predict(values, verbose=0), 3 * values**2, rtol=1e-5)


# --- sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function, shape",
    [
        (lambda x: x[:, : K.shape(x)[1] // 2], (2, 4, 3)),
        (lambda x: x[:, K.shape(x)[1] - 2 :], (2, 2, 3)),
        (lambda x: x[:, : K.cast(K.round(K.shape(x)[1] / 2), "int32")], (2, 4, 3)),
        (lambda x: x[:, :: K.max(K.shape(x)[1:]) // 2], (2, 2, 3)),
        (lambda x: K.reshape(x, K.stack([K.shape(x)[0], K.prod(K.shape(x)[1:])])), (2, 24)),
        (lambda x: K.reshape(x, K.concatenate([K.shape(x)[:1], [24]], axis=0)), (2, 24)),
        (lambda x: x / K.cast(K.shape(x)[1], "float32"), (2, 8, 3)),
    ],
)
@pytest.mark.parametrize("layer", [True, False])
def test_shapes_and_slices_are_made_of_sizes(function, shape, layer):
    inputs = Input((8, 3))
    outputs = Lambda(function)(inputs) if layer else function(inputs)
    values = np.arange(48.0).reshape(2, 8, 3)
    assert outputs.shape == (None, *shape[1:])
    (got,) = K.function([inputs], [outputs])([values])
    assert got.shape == shape


def test_sizes_are_those_of_the_copy_of_a_graph():
    inputs = Input((None, 3))
    model = keraunos.Model(inputs, Lambda(lambda t: t * 2)(inputs[:, : K.shape(inputs)[1] // 2]))
    clone = keraunos.models.clone_model(model)
    assert clone.predict(np.ones((2, 6, 3))).shape == (2, 3, 3)

"""Recurrent layers of eras 1 and 2 whose class says its steps itself."""

import numpy as np
import pytest

import keraunos
from keraunos import layers, models
from keraunos.eras import backend as K
from keraunos.layers import GRU, LSTM, Dense, Masking, Recurrent, SimpleRNN
from keraunos.utils.errors import ArgumentError, ShapeError
from keraunos.utils.spelling import in_era

X = np.random.RandomState(0).rand(4, 5, 3).astype("float32")


@pytest.fixture(params=[1, 2], ids=["era 1", "era 2"], autouse=True)
def era(request):
    with in_era(request.param):
        yield request.param


def model_of(*stack, shape=(5, 3)):
    inputs = layers.Input(shape)
    outputs = inputs
    for layer in stack:
        outputs = layer(outputs)
    return models.Model(inputs, outputs)


def seen(kind):
    """A subclass that counts where its methods are asked, and changes nothing."""
    asked = set()

    class Seen(kind):
        def step(self, x, states):
            asked.add("step")
            return super().step(x, states)

        def get_constants(self, inputs, training=None):
            asked.add("get_constants")
            return super().get_constants(inputs, training)

        def preprocess_input(self, inputs, training=None):
            asked.add("preprocess_input")
            return super().preprocess_input(inputs, training)

    return Seen, asked


@pytest.mark.parametrize("implementation", [0, 1, 2])
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU], ids=lambda kind: kind.__name__)
def test_methods_that_call_those_of_the_base_compute_what_it_does(kind, implementation):
    own, asked = seen(kind)
    options = {} if kind is SimpleRNN else {"implementation": implementation}
    for more in ({}, {"return_sequences": True, "go_backwards": True}):
        plain, layer = kind(4, **options, **more), own(4, **options, **more)
        one, other = model_of(Masking(), plain), model_of(Masking(), layer)
        layer.set_weights(plain.get_weights())
        x = X.copy()
        x[0, 2:] = 0
        assert np.allclose(one.predict(x), other.predict(x), atol=1e-5)
    assert asked == {"step", "get_constants", "preprocess_input"}


def test_a_step_that_is_overridden_is_what_training_evaluation_and_prediction_do():
    class Twice(SimpleRNN):
        def step(self, x, states):
            output, states = super().step(x, states)
            return 2 * output, states

    plain, twice = SimpleRNN(1, return_sequences=True), Twice(1, return_sequences=True)
    one, other = model_of(plain), model_of(twice)
    twice.set_weights(plain.get_weights())
    assert np.allclose(2 * one.predict(X), other.predict(X), atol=1e-6)
    y = 3 * one.predict(X)
    for model in (one, other):
        model.compile("sgd", "mse")
    assert other.evaluate(X, y, verbose=0) == pytest.approx(np.mean((y / 3) ** 2), rel=1e-4)
    assert one.evaluate(X, y, verbose=0) == pytest.approx(np.mean((2 * y / 3) ** 2), rel=1e-4)
    loss = other.fit(X, y, epochs=1, verbose=0).history["loss"][0]
    assert loss == pytest.approx(np.mean((y / 3) ** 2), rel=1e-4)
    assert not np.allclose(one.get_weights()[0], other.get_weights()[0])


def test_constants_stand_behind_the_states_and_inputs_are_made_ready():
    class Shifted(SimpleRNN):
        def get_constants(self, x):
            return [*super().get_constants(x), K.sum(x, axis=1)]

        def preprocess_input(self, x):
            return super().preprocess_input(x) * 0

        def step(self, x, states):
            return K.concatenate([states[0][:, :1], states[-1][:, :1] + 0 * x[:, :1]]), [states[0] + 1]

    assert np.allclose(model_of(Shifted(2)).predict(X), np.stack([np.full(4, 4.0), X.sum(1)[:, 0]], 1), atol=1e-5)


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU], ids=lambda kind: kind.__name__)
def test_first_states_are_said_of_the_inputs(kind):
    class Own(kind):
        def get_initial_state(self, inputs):
            zeros = super().get_initial_state(inputs)
            return [zero + K.sum(inputs, axis=(1, 2))[:, None] for zero in zeros]

    own, plain = Own(2), kind(2)
    inputs = layers.Input((5, 3))
    states = [layers.Input((2,)) for _ in range(2 if kind is LSTM else 1)]
    model, other = models.Model(inputs, own(inputs)), models.Model([inputs, *states], plain([inputs, *states]))
    own.set_weights(plain.get_weights())
    first = np.repeat(X.sum((1, 2))[:, None], 2, 1)
    assert np.allclose(model.predict(X), other.predict([X, *[first] * len(states)]), atol=1e-5)


def test_first_states_by_their_name_in_keras_1():
    class Own(SimpleRNN):
        def get_initial_states(self, x):
            return [K.ones_like(x[:, 0, :1])]

    class Ones(SimpleRNN):
        def get_initial_state(self, inputs):
            return [K.ones_like(inputs[:, 0, :1])]

    one, other = Own(1), Ones(1)
    first, second = model_of(one), model_of(other)
    other.set_weights(one.get_weights())
    assert np.allclose(first.predict(X), second.predict(X))


def test_weights_have_the_names_of_the_time():
    layer = LSTM(2)
    model_of(layer)
    kernel, recurrent, bias = (variable.numpy() for variable in layer.cell.weights)
    assert np.allclose(np.asarray(layer.W), kernel)
    assert np.allclose(np.asarray(layer.U_c), recurrent[:, 4:6])
    assert np.allclose(np.asarray(layer.bias_f), bias[2:4])
    assert layer.input_dim == 3
    with pytest.raises(AttributeError, match="has no weight W_z"):
        layer.W_z  # noqa: B018


class Decoder(Recurrent):
    """A step with weights of its own that looks at all inputs, as attention decoders were written."""

    def __init__(self, units, **kwargs):
        self.units = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.timesteps = input_shape[1]
        self.w = self.add_weight(shape=(self.units, input_shape[2]), name="w", initializer="ones")
        self.states = [None, None]
        self.built = True

    def call(self, x, mask=None):
        self.sequence = x
        return super().call(x, mask)

    def get_initial_state(self, inputs):
        zeros = K.expand_dims(K.sum(K.zeros_like(inputs), axis=(1, 2)))
        zeros = K.tile(zeros, [1, self.units])
        return [zeros, zeros + 1.0]

    def step(self, x, states):
        output, state = states
        energy = K.sum(K.repeat(K.dot(state, self.w), self.timesteps) * self.sequence, axis=2)
        weights = K.softmax(energy)
        new = K.tanh(output + state + K.sum(K.batch_dot(weights, self.sequence, axes=(1, 1)), axis=-1, keepdims=True))
        return new, [new, state]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.units) if self.return_sequences else (input_shape[0], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def decoded(x, w):
    output, state = np.zeros((len(x), len(w))), np.ones((len(x), len(w)))
    outputs = []
    for _ in range(x.shape[1]):
        energy = ((state @ w)[:, None] * x).sum(2)
        weights = np.exp(energy - energy.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        output = np.tanh(output + state + (weights[..., None] * x).sum(1).sum(-1, keepdims=True))
        outputs.append(output)
    return np.stack(outputs, 1)


def test_a_layer_that_has_nothing_but_steps_runs_and_trains_and_is_loaded(tmp_path):
    model = model_of(Decoder(2, return_sequences=True), Dense(1))
    decoder = model.layers[1]
    between = models.Model(model.input, decoder.output)
    assert np.allclose(between.predict(X), decoded(X, decoder.get_weights()[0]), atol=1e-5)
    model.compile("sgd", "mse")
    before = decoder.get_weights()[0]
    model.fit(X, X[..., :1], epochs=2, verbose=0)
    assert not np.array_equal(before, decoder.get_weights()[0])
    model.save(tmp_path / "decoder.h5")
    again = models.load_model(tmp_path / "decoder.h5", custom_objects={"Decoder": Decoder})
    assert np.allclose(again.predict(X), model.predict(X), atol=1e-6)


class Sum(Recurrent):
    units = 3

    def step(self, x, states):
        return x + states[0], [x + states[0]]


def test_a_layer_of_steps_goes_backwards_masks_and_keeps_states():
    assert np.allclose(model_of(Sum()).predict(X), X.sum(1), atol=1e-5)
    sums = model_of(Sum(return_sequences=True, go_backwards=True)).predict(X)
    assert np.allclose(sums, X[:, ::-1].cumsum(1), atol=1e-5)
    x = X.copy()
    x[:, 3:] = 0
    assert np.allclose(model_of(Masking(), Sum(return_sequences=True)).predict(x)[:, -1], x.sum(1), atol=1e-5)
    layer = Sum(stateful=True, batch_input_shape=(4, 5, 3))
    model = models.Sequential([layer])
    assert np.allclose(model.predict(X, batch_size=4), X.sum(1), atol=1e-5)
    assert np.allclose(model.predict(X, batch_size=4), 2 * X.sum(1), atol=1e-5)
    model.reset_states()
    assert np.allclose(model.predict(X, batch_size=4), X.sum(1), atol=1e-5)
    with pytest.raises(ShapeError, match="stateful=True keeps a state for each row"):
        model_of(Sum(stateful=True))


def test_a_layer_without_a_step_is_told_so():
    class Nothing(Recurrent):
        units = 3

    with pytest.raises(ArgumentError, match=r"the class Nothing defines no step\(self, x, states\)"):
        model_of(Nothing())


def test_recurrent_is_found_where_it_stood():
    keras = keraunos.install_as_keras(era=2)
    try:
        assert keras.layers.Recurrent is Recurrent
        from keras.layers.recurrent import Recurrent as There

        assert There is Recurrent
    finally:
        keraunos.uninstall_keras()

"""Recurrent layers and wrappers: numbers of real Keras, masks, states, dropout, cells of one's own, and messages."""

import json
from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.backend import K
from keraunos.backend.spec import TensorSpec
from keraunos.core.registry import custom_object_scope
from keraunos.core.scope import Scope
from keraunos.core.symbolic import infer
from keraunos.models import Model, Sequential
from keraunos.utils import tree
from keraunos.utils.errors import ArgumentError, ShapeError

NAMES = ("SimpleRNN", "LSTM", "GRU")
X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
MASK = np.array([[False, True, True, False, True], [True, True, False, False, False]])


def state_of(seed: int, units: int = 4) -> Any:
    return np.random.default_rng(seed).normal(size=(2, units)).astype("float32")


def spread(layer: Any) -> Any:
    """Give a built layer weights that are all different."""
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(scale=0.5, size=w.shape).astype("float32") for w in layer.get_weights()])
    return layer


def pair(name: str, **arguments: Any) -> tuple[Any, Any]:
    """One of our layers and the same layer of Keras, with equal weights."""
    import keras

    own, other = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    own.build(X.shape)
    other.build(X.shape)
    other.set_weights(spread(own).get_weights())
    return own, other


def same(actual: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    actual, wanted = tree.leaves(actual), tree.leaves(wanted)
    assert len(actual) == len(wanted)
    for a, b in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


class Plain(layers.Layer):
    """A cell as the documentation of Keras shows it."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
        )

    def call(self, inputs: Any, states: Any) -> Any:
        output = K.matmul(inputs, self.kernel) + K.matmul(states[0], self.recurrent_kernel)
        return output, [output]


class Counter:
    """A cell that is no layer, with an output narrower than its state: counts steps and adds up inputs."""

    state_size = (3, 1)
    output_size = 1

    def call(self, inputs: Any, states: Any) -> Any:
        total, count = states[0] + inputs, states[1] + 1
        return K.sum(total, -1, keepdims=True) / count, (total, count)


# --- numbers of Keras ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arguments", [{}, {"return_sequences": True, "go_backwards": True}, {"unroll": True}], ids=str)
def test_masks_states_and_initial_states_are_those_of_keras(name: str, arguments: dict[str, Any]) -> None:
    own, other = pair(name, units=4, return_state=True, **arguments)
    start = [state_of(seed) for seed in range(1, 3 if name == "LSTM" else 2)]
    # Keras, unrolled, repeats zeros where the first step is masked; elsewhere, and here always, the initial state.
    mask = MASK[:, ::-1] if arguments.get("unroll") else MASK
    same(own(X, initial_state=start, mask=mask), other(X, initial_state=start, mask=mask))


@pytest.mark.parametrize("name", NAMES)
def test_states_may_come_in_a_list_with_the_inputs(name: str) -> None:
    own, _ = pair(name, units=4)
    start = [state_of(seed) for seed in range(1, 3 if name == "LSTM" else 2)]
    same(own([X, *start]), own(X, initial_state=start), 0)
    symbols = [layers.Input((5, 3)), *(layers.Input((4,)) for _ in start)]
    model = Model(symbols, own(symbols))
    same(model([X, *start]), own(X, initial_state=start))


@pytest.mark.parametrize("name", NAMES)
def test_stateful_layers_go_on_as_in_keras(name: str) -> None:
    own, other = pair(name, units=4, stateful=True)
    for part in (X, X[:, :2], 2 * X):
        same(own(part), other(part))
    same(own.states, [np.array(state.value) for state in tree.leaves(other.states)])
    own.reset_states()
    other.reset_state()
    same(own(X), other(X))
    assert [w.shape for w in own.get_weights()] == [w.shape for w in other.weights]


def test_states_may_be_set() -> None:
    own, _ = pair("LSTM", units=4, stateful=True)
    wanted = [state_of(1), state_of(2)]
    own.reset_state(wanted)
    same(own(X), pair("LSTM", units=4)[0](X, initial_state=wanted))


@pytest.mark.parametrize(
    ("mode", "sequences"),
    [("concat", True), ("sum", True), ("mul", True), ("ave", True), (None, True), ("concat", False), (None, False)],
)
def test_bidirectional_with_masks_and_states_is_that_of_keras(mode: str | None, sequences: bool) -> None:
    import keras

    made = [
        library.Bidirectional(library.LSTM(4, return_sequences=sequences, return_state=True), mode)
        for library in (layers, keras.layers)
    ]
    for layer in made:
        layer.build(X.shape)
    own, other = made
    other.set_weights(spread(own).get_weights())
    start = [state_of(seed) for seed in range(4)]
    outputs = own(X, initial_state=start, mask=MASK)
    same(outputs, other(X, initial_state=start, mask=MASK))
    shapes = own.compute_output_shape((None, 5, 3))
    assert tree.map(lambda y: (None, *np.shape(y)[1:]), tuple(outputs)) == tuple(shapes)


def test_bidirectional_runs_a_backward_layer_of_another_kind() -> None:
    import keras

    own, other = (
        library.Bidirectional(library.LSTM(4), backward_layer=library.GRU(3, go_backwards=True, name="other"))
        for library in (layers, keras.layers)
    )
    own.build(X.shape)
    other.build(X.shape)
    other.set_weights(spread(own).get_weights())
    same(own(X), other(X))
    assert own.compute_output_shape((None, 5, 3)) == (None, 7)
    assert own.backward_layer.name == "other"


def test_bidirectional_takes_first_weights() -> None:
    first = layers.Bidirectional(layers.GRU(3, name="a"))
    first.build(X.shape)
    wanted = spread(first).get_weights()
    second = layers.Bidirectional(layers.GRU(3, name="b"), weights=wanted)
    same(second(X), first(X), 0)


def test_a_cell_of_ones_own_gives_the_numbers_of_keras() -> None:
    import keras

    class Theirs(keras.layers.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = self.state_size = units

        build = Plain.build

        def call(self, inputs: Any, states: Any) -> Any:
            output = keras.ops.matmul(inputs, self.kernel) + keras.ops.matmul(states[0], self.recurrent_kernel)
            return output, [output]

    own, other = layers.RNN(Plain(4), return_sequences=True), keras.layers.RNN(Theirs(4), return_sequences=True)
    own.build(X.shape)
    other.build(X.shape)
    other.set_weights(spread(own).get_weights())
    same(own(X, mask=MASK), other(X, mask=MASK))
    same(own(X), other(X))


def test_stacked_cells_take_states_and_masks_as_in_keras() -> None:
    import keras

    own, other = (
        library.RNN([library.LSTMCell(4), library.GRUCell(3), library.SimpleRNNCell(2)], return_state=True)
        for library in (layers, keras.layers)
    )
    own.build(X.shape)
    other.build(X.shape)
    other.set_weights(spread(own).get_weights())
    same(own(X, mask=MASK), other(X, mask=MASK))
    start = [[state_of(1), state_of(2)], [state_of(3, 3)], [state_of(4, 2)]]
    same(own(X, initial_state=start), other(X, initial_state=start))
    same(own(X, initial_state=tree.leaves(start)), own(X, initial_state=start), 0)


def test_a_stack_is_its_cells_step_by_step() -> None:
    stack = layers.StackedRNNCells([layers.LSTMCell(4), Plain(3)])
    whole = layers.RNN(stack)
    whole.build(X.shape)
    spread(whole)
    states = stack.get_initial_state(2)
    for t in range(5):
        output, states = stack(X[:, t], states)
    same(output, whole(X))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((f"{name}Cell", arguments) for name in NAMES for arguments in ({}, {"use_bias": False})),
        ("GRUCell", {"reset_after": False}),
    ],
    ids=str,
)
def test_cells_give_the_numbers_of_keras(name: str, arguments: dict[str, Any]) -> None:
    import keras

    own, other = getattr(layers, name)(4, **arguments), getattr(keras.layers, name)(4, **arguments)
    own.build((2, 3))
    other.build((2, 3))
    other.set_weights(spread(own).get_weights())
    states = [state_of(1), state_of(2)][: 2 if name == "LSTMCell" else 1]
    same(own(X[:, 0], states), other(X[:, 0], states))
    assert own.get_config() == {**other.get_config(), "name": own.name}


def golden_ids() -> list[str]:
    names = ("", "_seq", "_back", "_unroll", "_state", "_nobias", "_stateful", "_masked", "_masked_seq", "_masked_back")
    more = ("_relu_sig", "_dropout_inference", "_embed_mask")
    modes = ("sum", "mul", "ave", "concat", "None")
    return [
        *(f"{name}{end}" for name in NAMES for end in (*names, *more)),
        *(f"Bidirectional_{name}_{mode}" for name in NAMES for mode in modes),
        "GRU_reset_before", "GRU_reset_before_seq", "Bidirectional_masked", "RNN_LSTMCell", "RNN_stacked",
        "RNN_zero_mask", "LSTM_stack", "TimeDistributed_Dense", "TimeDistributed_Conv", "TimeDistributed_Dense_masked",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def golden_cache() -> dict[str, Any]:
    return {}


@pytest.fixture
def golden(shared: Any, golden_cache: dict[str, Any]) -> dict[str, Any]:
    if not golden_cache:
        cases = json.loads(shared("golden/k3/layers.json").read_text())["cases"]
        with np.load(shared("golden/k3/layers.npz")) as stored:
            golden_cache.update(cases={case["id"]: case for case in cases}, arrays=dict(stored))
    return golden_cache


def made(spec: Any) -> Any:
    """The layer, or list of cells, that a golden case describes."""
    if isinstance(spec, list):
        return [made(item) for item in spec]
    if not isinstance(spec, dict) or "class" not in spec:
        return spec
    return getattr(layers, spec["class"])(**{name: made(value) for name, value in spec["kwargs"].items()})


@pytest.mark.parametrize("case", golden_ids())
def test_numbers_of_the_recorded_release(golden: dict[str, Any], case: str) -> None:
    record, arrays = golden["cases"][case], golden["arrays"]
    chain = [made(spec) for spec in record["layers"]]
    x = arrays[record["x"][0]]

    def run(x: Any) -> Any:
        for layer in chain:
            x = layer(x, training=False) if not isinstance(layer, layers.Masking) else layer(x)
        return x

    infer(run, (TensorSpec(x.shape, x.dtype.name),))
    variables = [v for layer in chain for v in layer.weights]
    assert [v.shape for v in variables] == [arrays[key].shape for key in record["w"]]
    for variable, key in zip(variables, record["w"], strict=True):
        variable.assign(arrays[key])
    for layer in chain:
        if hasattr(layer, "reset_state"):
            layer.reset_state()

    def objective(wanted: Any) -> Any:
        weights, x = wanted
        with Scope(dict(zip(variables, weights, strict=True)), strict=False) as scope:
            outputs = run(x)
        kept = [scope.writes[v] for layer in chain for v in layer.variables if v in scope.writes]
        return sum((K.mean(y**2) for y in tree.leaves(outputs)), 0.0), (outputs, kept)

    weights = [arrays[key] for key in record["w"]]
    # Compiling a gradient is what costs time; the laws check those of the cases left out here.
    if "gx" not in record or case.startswith("Bidirectional_") or case.endswith(("_nobias", "_relu_sig", "_inference")):
        _, (outputs, kept) = K.compile(lambda weights, x: objective((weights, x)))(weights, x)
    elif np.asarray(x).dtype.kind == "f":
        compute = K.compile(lambda weights, x: K.value_and_gradient(objective)((weights, x)))
        (_, (outputs, kept)), (of_weights, of_x) = compute(weights, x)
        same([of_weights, of_x], [arrays[key] for key in (*record["gw"], *record["gx"])])
    else:
        compute = K.compile(lambda weights, x: K.value_and_gradient(lambda w: objective((w, x)))(weights))
        (_, (outputs, kept)), of_weights = compute(weights, x)
        same(of_weights, [arrays[key] for key in record["gw"]])
    same(outputs, [arrays[key] for key in record["y"]])
    if "y_after_reset" in record:
        # The record's second call equals its first: that release loses the states in its compiled predict().
        # Called directly it keeps them, and so do we (test_stateful_layers_go_on_as_in_keras).
        assert np.abs(np.asarray(kept[0])).max() > 0
        run(K.array(x))
        chain[0].reset_states()
        same(run(K.array(x)), [arrays[key] for key in np.ravel(record["y_after_reset"])])


# --- masks -----------------------------------------------------------------------------


def test_outputs_of_masked_steps_repeat_the_previous_one_or_are_zero() -> None:
    repeated, zero = (
        layers.RNN(layers.GRUCell(4, name="cell"), return_sequences=True, zero_output_for_mask=zeros)
        for zeros in (False, True)
    )
    repeated.build(X.shape)
    zero.build(X.shape)
    zero.set_weights(spread(repeated).get_weights())
    a, b = np.asarray(repeated(X, mask=MASK)), np.asarray(zero(X, mask=MASK))
    same(a[1, 2:], np.stack([a[1, 1]] * 3), 0)
    same(a[0, 0], np.zeros(4), 0)
    same(b, a * MASK[..., None], 0)


def test_the_last_output_of_a_masked_sequence_is_that_of_its_last_real_step() -> None:
    layer = layers.LSTM(4)
    layer.build(X.shape)
    same(layer(X, mask=MASK)[1], layer(X[1:, :2])[0])


def test_a_cell_whose_state_is_no_output_repeats_its_output() -> None:
    outputs = np.asarray(layers.RNN(Counter(), return_sequences=True)(X, mask=MASK))[..., 0]
    real = np.cumsum(X[0, [1, 2, 4]].sum(-1)) / [1, 2, 3]
    same(outputs[0], np.array([0, real[0], real[1], real[1], real[2]]))


def test_masking_reaches_the_layer_in_a_model() -> None:
    x = X.copy()
    x[0, 3:] = 0
    layer = layers.LSTM(4)
    model = Sequential([layers.Input((5, 3)), layers.Masking(), layer])
    same(model.predict(x, verbose=0)[0], layer(x[:1, :3])[0])


# --- states ----------------------------------------------------------------------------


def test_eager_equals_compiled_with_states_that_go_on() -> None:
    eager, _ = pair("LSTM", units=4, stateful=True)
    model = Sequential([layers.Input(batch_shape=(2, 5, 3)), layers.LSTM(4, stateful=True)])
    model.layers[-1].set_weights(eager.get_weights())
    for _ in range(2):
        same(model.predict(X, batch_size=2, verbose=0), eager(X))
    same(model.layers[-1].states, eager.states)


def test_states_go_from_batch_to_batch_in_fit_and_evaluate() -> None:
    model = Sequential([layers.Input(batch_shape=(2, 5, 3)), layers.GRU(3, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.concatenate([X, 2 * X, -X]), np.ones((6, 1), "float32")
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    recurrent = model.layers[-2]
    assert np.abs(np.asarray(recurrent.states[0])).max() > 0
    recurrent.reset_states()
    loss = model.evaluate(x, y, batch_size=2, verbose=0)
    chained = layers.GRU(3)
    chained.build(X.shape)
    chained.set_weights(recurrent.get_weights())
    state, outputs = None, []
    for part in (X, 2 * X, -X):
        state = chained(part, initial_state=state)
        outputs.append(model.layers[-1](state))
    assert loss == pytest.approx(float(np.mean((np.concatenate([np.asarray(o) for o in outputs]) - y) ** 2)), rel=1e-5)


def test_kept_states_are_neither_weights_nor_trained() -> None:
    layer, other = pair("LSTM", units=4, stateful=True)
    assert [w.shape for w in layer.weights] == [w.shape for w in other.weights]
    assert len(layer.variables) == 5
    assert len(layer.trainable_variables) == 3
    assert [v.path for v in layer.non_trainable_variables] == ["lstm/rnn_state", "lstm/rnn_state_1"]


def test_only_stateful_layers_couple_the_batch() -> None:
    assert layers.LSTM(2).batch_coupled is False
    assert layers.LSTM(2, stateful=True).batch_coupled is True
    assert layers.Bidirectional(layers.LSTM(2, stateful=True)).batch_coupled is True
    assert layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)]).batch_coupled is False
    assert layers.RNN(Plain(2)).batch_coupled is None


def test_decoder_starts_from_the_states_of_an_encoder() -> None:
    source, target = layers.Input((5, 3)), layers.Input((None, 2))
    encoder, decoder = layers.LSTM(4, return_state=True), layers.LSTM(4, return_sequences=True)
    _, h, c = encoder(source)
    model = Model([source, target], decoder(target, initial_state=[h, c]))
    assert model.output_shape == (None, None, 4)
    y = X[:, :3, :2]
    same(model.predict([X, y], verbose=0), decoder(y, initial_state=encoder(X)[1:]))


# --- dropout ---------------------------------------------------------------------------


def test_dropout_drops_the_same_inputs_at_every_step() -> None:
    layer = layers.SimpleRNN(
        200, activation=None, dropout=0.25, return_sequences=True, use_bias=False, recurrent_initializer="zeros",
        kernel_initializer="identity",
    )  # fmt: skip
    outputs = np.asarray(layer(np.ones((8, 4, 200), "float32"), training=True))
    assert np.unique(outputs.round(4)).tolist() == [0.0, pytest.approx(1 / 0.75, abs=1e-4)]
    same(outputs, np.repeat(outputs[:, :1], 4, axis=1), 0)
    assert (outputs == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert not np.array_equal(outputs[0], outputs[1])


@pytest.mark.parametrize("name", NAMES)
def test_recurrent_dropout_keeps_the_expected_product(name: str) -> None:
    cell = getattr(layers, f"{name}Cell")(3, dropout=0.3, recurrent_dropout=0.3)
    masks, state_masks = cell.noise(np.zeros((2000, 5), "float32"), True)
    assert masks.shape == (cell.gates, 2000, 5)
    assert state_masks.shape == (cell.gates, 2000, 3)
    for drawn in (masks, state_masks):
        assert np.mean(np.asarray(drawn)) == pytest.approx(1.0, abs=0.03)
        assert np.mean(np.asarray(drawn) == 0) == pytest.approx(0.3, abs=0.02)
    assert cell.noise(np.zeros((2, 5), "float32"), False) == (None, None)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_is_random_in_training_only_and_repeats_with_the_seed(name: str) -> None:
    def runs(training: bool) -> list[Any]:
        np.random.seed(4)
        layer = getattr(layers, name)(4, dropout=0.5, recurrent_dropout=0.5)
        return [np.asarray(layer(X, training=training)) for _ in range(2)]

    first, second = runs(True)
    assert not np.allclose(first, second)
    same(runs(True), [first, second], 0)
    first, second = runs(False)
    same(first, second, 0)


def test_stacked_cells_drop_too_and_train() -> None:
    cells = [layers.LSTMCell(4, dropout=0.5), layers.GRUCell(3, recurrent_dropout=0.5)]
    model = Sequential([layers.Input((5, 3)), layers.RNN(cells), layers.Dense(1)])
    model.compile("sgd", "mse")
    losses = model.fit(X, np.ones((2, 1)), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


# --- TimeDistributed -------------------------------------------------------------------


def test_statistics_are_taken_step_by_step_as_in_keras() -> None:
    import keras

    own = layers.TimeDistributed(layers.BatchNormalization(momentum=0.5))
    other = keras.layers.TimeDistributed(keras.layers.BatchNormalization(momentum=0.5))
    x = np.random.default_rng(1).normal(size=(6, 3, 2)).astype("float32")
    other.build(x.shape)
    same(own(x, training=True), other(x, training=True))
    same(own.get_weights(), [np.array(weight.value) for weight in other.weights])
    same(own(x), other(x))


def test_a_layer_of_ones_own_is_applied_step_by_step() -> None:
    class Center(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs - K.mean(inputs, axis=0)

    same(layers.TimeDistributed(Center())(X), X - X.mean(axis=0))


def test_a_network_is_distributed_over_time() -> None:
    inner = Sequential([layers.Input((3,)), layers.Dense(4, "relu"), layers.Dense(2)])
    outer = layers.TimeDistributed(inner)
    same(outer(X), np.stack([np.asarray(inner(X[:, t])) for t in range(5)], axis=1))


def test_dropout_inside_differs_between_steps() -> None:
    outputs = np.asarray(layers.TimeDistributed(layers.Dropout(0.5))(np.ones((2, 2, 50), "float32"), training=True))
    assert not np.array_equal(outputs[:, 0], outputs[:, 1])


def test_masks_reach_the_layer_inside() -> None:
    inner = layers.LSTM(2)
    x = np.random.default_rng(2).normal(size=(2, 3, 5, 4)).astype("float32")
    mask = np.random.default_rng(3).integers(0, 2, (2, 3, 5)).astype(bool)
    outputs = layers.TimeDistributed(inner)(x, mask=mask)
    same(outputs, np.stack([np.asarray(inner(x[:, t], mask=mask[:, t])) for t in range(3)], axis=1))


# --- configs and names -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_weights_have_the_names_of_keras(name: str) -> None:
    own, other = pair(name, units=4)
    cell = {"SimpleRNN": "simple_rnn_cell", "LSTM": "lstm_cell", "GRU": "gru_cell"}[name]
    assert own.cell.name == other.cell.name == cell
    assert [v.path for v in own.weights] == [
        f"{own.name}/{cell}/{end}" for end in ("kernel", "recurrent_kernel", "bias")
    ]
    both = layers.Bidirectional(getattr(layers, name)(4, name="inner"))
    assert (both.forward_layer.name, both.backward_layer.name) == ("forward_inner", "backward_inner")


def test_bias_of_the_forget_gate_starts_at_one() -> None:
    own = layers.LSTM(2, bias_initializer="ones")
    own.build((None, 5, 3))
    assert own.get_weights()[2].tolist() == [1] * 8
    own = layers.LSTM(2)
    own.build((None, 5, 3))
    assert own.get_weights()[2].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    own = layers.LSTM(2, unit_forget_bias=False)
    own.build((None, 5, 3))
    assert own.get_weights()[2].tolist() == [0] * 8


def test_a_cell_of_ones_own_survives_its_config() -> None:
    layer = layers.RNN([Plain(3, name="a"), layers.GRUCell(2, name="b")], return_sequences=True)
    with custom_object_scope({"Plain": Plain}):
        copy = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert isinstance(copy.cell.cells[0], Plain)
    assert copy.cell.cells[0].units == 3
    assert copy.get_config() == layer.get_config()
    assert layers.Bidirectional(layer)(X).shape == (2, 5, 4)


def test_implementation_and_cudnn_are_accepted_and_not_written() -> None:
    config = layers.LSTM(2, use_cudnn=True, implementation=1).get_config()
    assert set(config) & {"use_cudnn", "implementation"} == set()


def test_arguments_stand_in_the_order_of_keras() -> None:
    import inspect

    import keras

    for name in (*NAMES, "RNN", "Bidirectional", "TimeDistributed", "StackedRNNCells", *(f"{n}Cell" for n in NAMES)):
        wanted = list(inspect.signature(getattr(keras.layers, name).__init__).parameters)
        given = list(inspect.signature(getattr(layers, name).__init__).parameters)
        wanted = [argument for argument in wanted if argument != "kwargs"]
        assert given[: len(wanted)] == wanted


def test_a_saved_model_with_kept_states_opens_in_keras(tmp_path: Any) -> None:
    import keras

    recurrent = layers.Bidirectional(layers.GRU(2, stateful=True))
    model = Sequential([layers.Input(batch_shape=(2, 5, 3)), layers.TimeDistributed(layers.Dense(4)), recurrent])
    expected = model.predict(X, batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    same(keras.models.load_model(tmp_path / "model.keras").predict(X, batch_size=2, verbose=0), expected)


# --- messages --------------------------------------------------------------------------


def test_a_missing_time_axis_is_explained() -> None:
    with pytest.raises(ShapeError, match=r"lstm: inputs have shape \(2, 3\), but the layer takes \(batch, time, feat"):
        layers.LSTM(4)(X[:, 0])
    with pytest.raises(ShapeError, match=r"x\[..., None\] where each row is a series of numbers"):
        layers.GRU(4)(layers.Input((5,)))
    with pytest.raises(ShapeError, match="Merge the last axes with a Reshape layer"):
        layers.LSTM(4)(X[..., None])
    with pytest.raises(ShapeError, match=r"time_distributed: inputs have shape .*\(batch, time, ...\) with 3 axes"):
        layers.TimeDistributed(layers.Dense(2))(X[:, 0])


def test_another_number_of_features_is_refused() -> None:
    layer, _ = pair("LSTM", units=4)
    with pytest.raises(ShapeError, match="inputs have 2 features, but the layer was built for 3"):
        layer(X[..., :2])


def test_wrong_initial_states_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"lstm: 1 state given, of shape \(2, 4\), but the layer has 2 states, of shapes"
    ):
        layers.LSTM(4)(X, initial_state=[state_of(1)])
    with pytest.raises(
        ShapeError, match=r"1 state given, of shape \(2, 3\), but the layer has 1 state, of shape \(2, 4\)"
    ):
        layers.GRU(4)([X, state_of(1, 3)])
    layer = layers.GRU(4, stateful=True)
    layer(X)
    with pytest.raises(ShapeError, match="2 states given"):
        layer.reset_state([state_of(1), state_of(2)])
    with pytest.raises(ShapeError, match="initial_state has 3 tensors, which cannot be halved"):
        layers.Bidirectional(layers.LSTM(4))(X, initial_state=[state_of(1)] * 3)


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"the mask has shape \(2, 4\), but the inputs have shape \(2, 5, 3\)"):
        layers.LSTM(4)(X, mask=MASK[:, :4])
    with pytest.raises(ShapeError, match=r"the mask has shape \(2, 4\); expected \(2, 5\)"):
        layers.TimeDistributed(layers.Dense(2))(X, mask=MASK[:, :4])


def test_stateful_needs_a_known_batch_size() -> None:
    with pytest.raises(
        ShapeError, match=r"the batch size is not known: .*\(None, 5, 3\)\. Give it: Input\(batch_shape"
    ):
        layers.LSTM(4, stateful=True)(layers.Input((5, 3)))
    assert layers.LSTM(4, stateful=True).compute_output_shape((None, 5, 3)) == (None, 4)


def test_stateful_refuses_another_batch_size() -> None:
    layer = layers.LSTM(4, stateful=True)
    layer(X)
    with pytest.raises(ShapeError, match="keeps states of 2 rows, but this batch has 1. Give batches of one size"):
        layer(X[:1])


def test_a_cell_must_have_call_and_state_size() -> None:
    for cell in (layers.Dense(3), object(), 3, [layers.Dense(3)]):
        with pytest.raises(ArgumentError, match=r"expected a cell: an object with call\(inputs, states\)"):
            layers.RNN(cell)
    with pytest.raises(ArgumentError, match="expected a list of one cell or more"):
        layers.StackedRNNCells([])


def test_a_cell_that_changes_its_state_is_told() -> None:
    class Growing:
        state_size = 4

        def call(self, inputs: Any, states: Any) -> Any:
            return inputs, [inputs]

    with pytest.raises(
        ShapeError, match=r"Growing: a step takes 1 state of shape \(2, 4\), but returned shape \(2, 3\)"
    ):
        layers.RNN(Growing())(X)


def test_bidirectional_refuses_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"merge_mode is 'cat'; expected one of 'concat', .* Did you mean 'concat'"):
        layers.Bidirectional(layers.LSTM(2), merge_mode="cat")
    with pytest.raises(ArgumentError, match="which has no go_backwards; expected a recurrent layer such as LSTM"):
        layers.Bidirectional(layers.Dense(2))
    with pytest.raises(ArgumentError, match="both layers have go_backwards=False. One must run the other way"):
        layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2))
    with pytest.raises(ArgumentError, match="return_sequences is True in the forward layer, but False in the backward"):
        layers.Bidirectional(layers.LSTM(2, return_sequences=True), backward_layer=layers.LSTM(2, go_backwards=True))


def test_wrappers_want_a_layer() -> None:
    with pytest.raises(
        ArgumentError, match=r"TimeDistributed: layer is <class .*expected a layer. Make one first: Dense"
    ):
        layers.TimeDistributed(layers.Dense)
    with pytest.raises(ArgumentError, match="Wrapper: layer is 3; expected a layer"):
        layers.Wrapper(3)

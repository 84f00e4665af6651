"""``predict`` of one batch takes a short way; it must show nowhere but on the clock."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest

import keraunos
from keraunos import layers
from keraunos.models import Model, Sequential
from keraunos.utils.errors import DataError, KeraunosError, ShapeError
from keraunos.utils.spelling import in_era

X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")


def dense_model(*units, **options):
    return Sequential([layers.Input((6,)), *(layers.Dense(u, activation="tanh", **options) for u in units)])


def long_way(model, x, **options):
    """The same by a callback that watches each batch, after the model forgot what it had prepared."""
    seen = []

    class Watch(keraunos.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            seen.append(logs["outputs"])

    model.predict(x, verbose=0, callbacks=[Watch()], **options)
    return np.concatenate(seen)


def by_numpy(model, x):
    for layer in model.layers:
        x = np.tanh(x @ layer.kernel.numpy() + layer.bias.numpy())
    return x


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 31, 32, 33, 40])
def test_every_number_of_rows_gives_what_numpy_gives_at_the_first_call_and_later(rows):
    model = dense_model(5, 3)
    for _ in range(3):
        outputs = model.predict(X[:rows], verbose=0)
        assert outputs.shape == (rows, 3)
        np.testing.assert_allclose(outputs, by_numpy(model, X[:rows]), atol=1e-6)
        np.testing.assert_array_equal(outputs, long_way(model, X[:rows]))
        np.testing.assert_allclose(model.predict_on_batch(X[:rows]), outputs, atol=1e-6)


def test_new_values_in_the_same_array_give_new_outputs():
    model, x = dense_model(3), X[:1].copy()
    first = model.predict(x, verbose=0)
    x += 1
    second = model.predict(x, verbose=0)
    np.testing.assert_allclose(first, by_numpy(model, X[:1]), atol=1e-6)
    np.testing.assert_allclose(second, by_numpy(model, x), atol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_outputs_may_be_written_and_belong_to_the_caller(rows):
    model = Sequential([layers.Input((6,)), layers.Activation("linear")])
    x = X[:rows].copy()
    for _ in range(2):
        outputs = model.predict(x, verbose=0)
        assert not np.shares_memory(outputs, x)
        outputs[outputs > 0] = 7
        np.testing.assert_array_equal(model.predict(x, verbose=0), X[:rows])


def change_by_set_weights(model):
    model.set_weights([w + 0.5 for w in model.get_weights()])


def change_by_assign(model):
    model.layers[0].kernel.assign(model.layers[0].kernel * 2)


def change_by_training(model):
    model.compile("sgd", "mse")
    model.fit(X, np.ones((40, 6), "float32"), epochs=2, verbose=0)


def change_by_tying(model):
    model.layers[1].kernel = model.layers[0].kernel


CHANGES = [change_by_set_weights, change_by_assign, change_by_training, change_by_tying]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_weight_is_seen_at_once(change):
    model = dense_model(6, 6)
    before = [model.predict(X[:1], verbose=0) for _ in range(2)][-1]
    change(model)
    after = model.predict(X[:1], verbose=0)
    assert not np.allclose(before, after, atol=1e-4)
    np.testing.assert_allclose(after, by_numpy(model, X[:1]), atol=1e-6)


def test_layers_added_and_taken_off_are_seen_at_once():
    model = dense_model(5, 4)
    for _ in range(2):
        model.predict(X[:1], verbose=0)
    model.add(layers.Dense(2, activation="tanh"))
    np.testing.assert_allclose(model.predict(X[:1], verbose=0), by_numpy(model, X[:1]), atol=1e-6)
    model.pop()
    model.pop()
    assert model.predict(X[:1], verbose=0).shape == (1, 5)
    np.testing.assert_allclose(model.predict(X[:1], verbose=0), by_numpy(model, X[:1]), atol=1e-6)


def test_another_model_made_meanwhile_changes_nothing():
    model = dense_model(3)
    first = model.predict(X[:1], verbose=0)
    dense_model(4).predict(X[:1], verbose=0)
    for _ in range(2):
        np.testing.assert_array_equal(model.predict(X[:1], verbose=0), first)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "int64", "uint8", "bool"])
def test_every_type_of_numbers_gives_what_the_long_way_gives(dtype):
    model, x = dense_model(3), (10 * X[:2]).astype(dtype)
    for _ in range(3):
        np.testing.assert_array_equal(model.predict(x, verbose=0), long_way(model, x))


def test_arrays_that_are_not_contiguous_and_lists_are_predicted():
    model = dense_model(3)
    for x in (X[:6, :].T, np.asfortranarray(X[:3]), X[::13], X[:2, ::-1]):
        for _ in range(2):
            np.testing.assert_allclose(model.predict(x, verbose=0), by_numpy(model, x), atol=1e-6)
    np.testing.assert_allclose(model.predict(X[:1].tolist(), verbose=0), by_numpy(model, X[:1]), atol=1e-6)


def test_faults_are_told_as_before_once_a_shape_is_known():
    model = dense_model(3)
    model.predict(X[:1], verbose=0)
    with pytest.raises(ShapeError, match="5"):
        model.predict(X[:1, :5], verbose=0)
    with pytest.raises(DataError, match="text"):
        model.predict(np.array([["a"] * 6]), verbose=0)
    with pytest.raises(DataError):
        model.predict(X[:0], verbose=0)
    with pytest.raises(KeraunosError, match="batch_size"):
        model.predict(X[:1], batch_size=0, verbose=0)


def test_a_small_batch_size_cuts_the_rows_as_before():
    model = dense_model(3)
    for _ in range(2):
        np.testing.assert_allclose(model.predict(X[:7], batch_size=2, verbose=0), by_numpy(model, X[:7]), atol=1e-6)
        np.testing.assert_allclose(model.predict(X[:7], verbose=0), by_numpy(model, X[:7]), atol=1e-6)


def test_several_inputs_and_outputs_keep_their_form():
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    model = Model({"a": a, "b": b}, {"sum": layers.Add()([a, b]), "pair": [a * 2, b * 3]})
    for rows in (1, 3):
        for _ in range(2):
            outputs = model.predict({"a": X[:rows], "b": X[5 : 5 + rows]}, verbose=0)
            np.testing.assert_allclose(outputs["sum"], X[:rows] + X[5 : 5 + rows], rtol=1e-6)
            np.testing.assert_allclose(outputs["pair"][1], X[5 : 5 + rows] * 3, rtol=1e-6)


def test_a_stateful_layer_goes_on_from_call_to_call():
    def make():
        keraunos.utils.set_random_seed(3)
        return Sequential([layers.Input(batch_shape=(2, 3, 2)), layers.SimpleRNN(4, stateful=True)])

    x = X[:2].reshape(2, 3, 2)
    short, long = make(), make()
    for _ in range(4):
        np.testing.assert_allclose(short.predict(x, verbose=0), long_way(long, x), rtol=1e-6)
    assert not np.allclose(short.predict(x, verbose=0), long_way(make(), x))


def test_rows_are_not_filled_up_where_they_depend_on_one_another():
    class Centred(layers.Layer):
        def call(self, inputs):
            return inputs - keraunos.ops.mean(inputs, axis=0)

    model = Sequential([layers.Input((6,)), Centred()])
    for _ in range(2):
        np.testing.assert_allclose(model.predict(X[:3], verbose=0), X[:3] - X[:3].mean(0), atol=1e-6)


def test_random_numbers_are_those_of_the_long_way_and_new_at_each_call():
    inputs = layers.Input((6,))
    model = Model(inputs, layers.Dropout(0.5)(inputs, training=True))
    model.compile("sgd", "mse")
    outputs = model.predict(X[:8], verbose=0)
    assert (outputs == 0).any()
    again = model.predict(X[:8], verbose=0)
    assert not np.array_equal(again, outputs)
    assert model.get_counters()["batches_drawn"] == 2
    for number, expected in enumerate((outputs, again)):
        model.set_counters({**model.get_counters(), "batches_drawn": number})
        np.testing.assert_array_equal(long_way(model, X[:8]), expected)


def test_hooks_of_a_single_batch_are_called_once_and_in_order():
    calls = []

    class Watch(keraunos.Callback):
        def on_predict_begin(self, logs=None):
            calls.append("begin")

        def on_predict_batch_begin(self, batch, logs=None):
            calls.append(("batch begin", batch))

        def on_predict_batch_end(self, batch, logs=None):
            calls.append(("batch end", batch, logs["outputs"].shape))

        def on_predict_end(self, logs=None):
            calls.append("end")

    model = dense_model(3)
    for _ in range(2):
        calls.clear()
        model.predict(X[:2], verbose=0, callbacks=[Watch()])
        assert calls == ["begin", ("batch begin", 0), ("batch end", 0, (2, 3)), "end"]


def test_the_bar_is_drawn_at_every_call_that_asks_for_it():
    model = dense_model(3)
    for _ in range(2):
        model.predict(X[:1], verbose=0)
        text = io.StringIO()
        with redirect_stdout(text):
            model.predict(X[:1])
        assert "1/1" in text.getvalue()


def test_a_model_that_runs_eagerly_and_an_era_take_the_long_way():
    seen = []

    class Spy(layers.Layer):
        def call(self, inputs):
            seen.append(1)
            return inputs * 1

    model = Sequential([layers.Input((6,)), Spy()])
    model.compile("sgd", "mse", run_eagerly=True)
    model.predict(X[:1], verbose=0)
    before = len(seen)
    model.predict(X[:1], verbose=0)
    assert len(seen) > before
    with in_era(2):
        model = dense_model(3)
        for _ in range(2):
            np.testing.assert_allclose(model.predict(X[:1], verbose=0), by_numpy(model, X[:1]), atol=1e-6)


def test_a_program_that_is_out_of_date_is_not_used_for_another_number_of_rows():
    """Three and four rows share a program; when the model has changed, neither may use the old one."""
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    rows = np.ones((4, 3), "float32")
    model.predict(rows[:3], verbose=0)
    model.predict(rows, verbose=0)
    model.add(layers.Dense(1, kernel_initializer="ones"))
    expected = rows @ model.layers[0].get_weights()[0] @ np.ones((2, 1))
    np.testing.assert_allclose(model.predict(rows[:3], verbose=0), expected[:3], rtol=1e-5)
    np.testing.assert_allclose(model.predict(rows, verbose=0), expected, rtol=1e-5)

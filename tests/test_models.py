"""Sequential, functional and subclassed models: structure, weights, freezing, copies."""

import numpy as np
import pytest

import keraunos
from keraunos import layers, ops
from keraunos.layers import Dense, Input
from keraunos.models import Model, Sequential, clone_model
from keraunos.utils.errors import ArgumentError, NotBuiltError, NotCompiledError, ShapeError, UsageError

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")


def test_a_list_add_and_deferred_shapes_give_the_same_network():
    outputs = []
    for build in ("list", "add", "deferred", "input_shape"):
        keraunos.utils.set_random_seed(1)
        if build == "list":
            model = Sequential([Input((4,)), Dense(3, "relu"), Dense(2)])
        elif build == "input_shape":
            model = Sequential([Dense(3, "relu", input_shape=(4,)), Dense(2)])
        else:
            model = Sequential()
            if build == "add":
                model.add(Input((4,)))
            model.add(Dense(3, "relu"))
            model.add(Dense(2))
        outputs.append(np.asarray(model(X)))
    for other in outputs[1:]:
        np.testing.assert_array_equal(outputs[0], other)


def test_a_sequential_without_shape_has_no_weights_until_it_sees_data():
    model = Sequential([Dense(3)])
    assert not model.built
    with pytest.raises(NotBuiltError, match="not built yet"):
        model.count_params()
    model.build((None, 4))
    assert model.count_params() == 15


def test_pop_takes_the_top_layer_off():
    model = Sequential([Input((4,)), Dense(3), Dense(2)])
    assert model.pop().units == 2
    assert model.output_shape == (None, 3)
    model.add(Dense(5))
    assert [layer.units for layer in model.layers] == [3, 5]
    assert model(X).shape == (12, 5)


def test_pop_of_an_empty_model_and_a_layer_class_are_refused_in_words():
    with pytest.raises(ArgumentError, match="there is no layer to take off"):
        Sequential().pop()
    with pytest.raises(ArgumentError, match=r"is no layer. Make an object of it: Dense\(\.\.\.\)"):
        Sequential([Dense])
    with pytest.raises(ArgumentError, match="there is a layer called 'same' already"):
        Sequential([Dense(1, name="same"), Dense(2, name="same")])


def test_a_functional_model_has_several_inputs_and_outputs_in_lists_and_dicts():
    a, b = Input((4,), name="a"), Input((2,), name="b")
    hidden = layers.concatenate([a, b])
    model = Model({"a": a, "b": b}, {"one": Dense(1, name="one")(hidden), "two": Dense(2, name="two")(hidden)})
    results = model({"b": np.ones((3, 2)), "a": np.ones((3, 4))})
    assert {key: value.shape for key, value in results.items()} == {"one": (3, 1), "two": (3, 2)}
    assert (model.input_names, model.output_names) == (["a", "b"], ["one", "two"])
    listed = Model([a, b], [Dense(1)(hidden), Dense(2)(hidden)])
    assert [part.shape for part in listed([np.ones((3, 4)), np.ones((3, 2))])] == [(3, 1), (3, 2)]


def test_a_shared_layer_has_one_set_of_weights():
    shared = Dense(3)
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], shared(a) - shared(b))
    assert len(model.weights) == 2
    np.testing.assert_allclose(model([X, X]), np.zeros((12, 3)))


def test_a_nested_model_is_a_layer():
    inner = Sequential([Input((4,)), Dense(3)], name="inner")
    inputs = Input((4,))
    model = Model(inputs, Dense(1)(inner(inputs)))
    assert [v.path for v in model.weights][:2] == ["inner/dense/kernel", "inner/dense/bias"]
    assert model.get_layer("inner") is inner
    expected = np.asarray(inner(X)) @ model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(model(X), expected, rtol=1e-5)


def test_operators_and_ops_on_symbolic_tensors_become_steps_of_the_model():
    x = Input((4,))
    model = Model(x, ops.sum(ops.relu(-x * 2.0 + 1.0) ** 2, axis=-1, keepdims=True) / 3 + x[:, :1])
    expected = (np.maximum(1 - 2 * X, 0) ** 2).sum(-1, keepdims=True) / 3 + X[:, :1]
    np.testing.assert_allclose(model(X), expected, rtol=1e-5)


def test_a_subclassed_model_finds_layers_in_attributes_lists_and_dicts():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.stack = [Dense(3), Dense(3)]
            self.heads = {"main": Dense(1)}

        def call(self, inputs):
            for layer in self.stack:
                inputs = ops.tanh(layer(inputs))
            return self.heads["main"](inputs)

    model = Net()
    model.compile("adam", "mse")
    loss = model.fit(X, X[:, :1], epochs=30, verbose=0).history["loss"]
    assert len(model.weights) == 6
    assert loss[-1] < loss[0]


def test_a_functional_subclass_keeps_its_own_methods():
    class Own(Model):
        def twice(self):
            return 2

    inputs = Input((4,))
    model = Own(inputs, Dense(1)(inputs))
    assert model.twice() == 2
    assert model(X).shape == (12, 1)


def test_frozen_layers_keep_their_weights_in_the_compiled_loop():
    model = Sequential([Input((4,)), Dense(3, name="frozen"), Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, X[:, :1], verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])
    assert len(model.trainable_weights) == 2
    model.trainable = True
    model.fit(X, X[:, :1], verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_weights_of_another_shape_change_nothing():
    model = Sequential([Input((4,)), Dense(3)])
    before = model.get_weights()
    with pytest.raises(
        ShapeError, match=r"'dense/kernel' has shape \(4, 3\), but the array given for it has shape \(5, 3\)"
    ):
        model.set_weights([np.ones((5, 3)), np.ones(3)])
    with pytest.raises(ShapeError, match="1 array given, but there are 2 weights"):
        model.set_weights([np.ones((4, 3))])
    np.testing.assert_array_equal(before[1], model.get_weights()[1])


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_config_and_clone_make_the_same_architecture_with_new_weights(kind):
    inputs = Input((4,))
    shared = Dense(4, "relu")
    model = Model(inputs, layers.add([shared(inputs), shared(shared(inputs))]) * 2.0)
    if kind == "sequential":
        model = Sequential([Input((4,)), Dense(3, activation="tanh"), Dense(2)])
    for copy in (type(model).from_config(model.get_config()), clone_model(model)):
        assert copy.count_params() == model.count_params()
        assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy(X), model(X))
        assert copy.get_config() == model.get_config()


def test_get_layer_suggests_the_right_name():
    model = Sequential([Input((4,)), Dense(3, name="first")])
    assert model.get_layer(index=0) is model.get_layer("first")
    with pytest.raises(ArgumentError, match="no layer 'frist'. Did you mean 'first'"):
        model.get_layer("frist")


def test_an_output_that_no_input_leads_to_is_named():
    a, b = Input((4,), name="a"), Input((4,), name="other")
    with pytest.raises(ArgumentError, match="depend on the input 'other'.*not among the model's inputs"):
        Model(a, layers.add([a, b]))


def test_a_wrong_width_names_the_layer_and_both_shapes():
    model = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ShapeError, match=r"has shape \(None, 5\), but the model takes \(None, 4\)"):
        model(np.ones((2, 5)))
    with pytest.raises(ShapeError, match=r"has shape \(None, 4, 4\), but the model takes \(None, 4\)"):
        model(np.ones((2, 4, 4)))


def test_a_layer_used_with_two_widths_names_both():
    layer = Dense(3, name="shared")
    layer(np.ones((2, 4)))
    with pytest.raises(ShapeError, match="shared: inputs have 5 features, but the layer was built for 4"):
        layer(np.ones((2, 5)))
    convolution = layers.Conv2D(2, 3, name="picture")
    convolution(np.ones((1, 5, 5, 1)))
    with pytest.raises(ShapeError, match="picture: inputs have shape"):
        convolution(np.ones((1, 5, 5)))


def test_two_layers_of_one_name_inside_a_subclass_are_refused():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(2, name="same"), Dense(2, name="same")

        def call(self, inputs):
            return self.b(self.a(inputs))

    with pytest.raises(UsageError, match="two layers of 'net' are called 'same'"):
        model = Net()
        model(X)
        model.weights  # noqa: B018


def test_fit_before_compile_says_what_to_call():
    model = Sequential([Input((4,)), Dense(1)])
    for call in (lambda: model.fit(X, X), lambda: model.evaluate(X, X), lambda: model.train_on_batch(X, X)):
        with pytest.raises(NotCompiledError, match=r"needs a compiled model. Call compile\(optimizer=..., loss=...\)"):
            call()


def test_a_forgotten_super_init_is_named():
    class Forgot(layers.Layer):
        def __init__(self):
            self.units = 3

    with pytest.raises(ArgumentError, match=r"Forgot: its __init__ did not call super\(\).__init__\(\)"):
        Forgot()(X)


def test_stateless_call_changes_nothing():
    model = Sequential([Input((4,)), layers.BatchNormalization()])
    before = model.get_weights()
    outputs, state = model.stateless_call(
        [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables], X, training=True
    )
    np.testing.assert_array_equal(before[2], model.get_weights()[2])
    assert not np.allclose(before[2], state[0])
    assert outputs.shape == X.shape


def test_a_symbolic_tensor_says_that_it_has_no_values():
    x = Input((4,), name="x")
    for use in (lambda: np.asarray(x), lambda: bool(x), lambda: list(x), lambda: float(x)):
        with pytest.raises(ArgumentError, match="symbolic tensor 'x'"):
            use()


def test_a_model_may_begin_at_the_output_of_a_layer():
    inputs = Input((4,))
    hidden = Dense(3, name="early")(inputs)
    outputs = Dense(2, name="late")(hidden)
    whole, late = Model(inputs, outputs), Model(hidden, outputs)
    assert [v.path for v in late.weights] == ["late/kernel", "late/bias"]
    early = Model(inputs, hidden)
    np.testing.assert_allclose(late(early(X)), whole(X), rtol=1e-5)
    assert Model.from_config(late.get_config()).count_params() == 8


def test_layers_built_by_a_subclass_remember_an_open_batch():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.dense = Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Net()
    model.predict(X, verbose=0)
    assert model.dense.get_build_config() == {"input_shape": (None, 4)}

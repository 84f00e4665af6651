"""Laws that every layer obeys, each on the table in ``layer_cases.py``; Keras 3.15.1 is the oracle of numbers."""

import functools
import inspect
import json
from typing import Any

import numpy as np
import pytest
from laws.layer_cases import CASES, Case

from keraunos import layers
from keraunos.backend import K
from keraunos.core.scope import get_mask, set_mask
from keraunos.layers.layer import LAYERS
from keraunos.layers.local import LocallyConnected
from keraunos.utils import tree

everyone = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

# Each case without training; and while training, where that changes something and chance does not decide.
in_each_phase = pytest.mark.parametrize(
    ("case", "training"),
    [
        pytest.param(case, training, id=f"{case.name}-{'training' if training else 'inference'}")
        for case in CASES
        for training in (False, True)
        if not training or (not case.chance and "training" in inspect.signature(case.layer.call).parameters)
    ],
)


def inputs_of(case: Case) -> Any:
    """Fixed inputs: normal, or whole numbers; a list where the layer takes several."""
    random = np.random.default_rng(5)

    def one(shape: Any) -> Any:
        if case.below:
            return random.integers(0, case.below, shape).astype(
                "int32" if case.layer is layers.Embedding else "float32"
            )
        return random.normal(size=shape).astype("float32")

    return [one(shape) for shape in case.shapes] if case.several else one(case.shapes)


def symbols_of(case: Case, batch: int | None = 2) -> Any:
    """Symbolic inputs of the same shapes."""
    dtype = "int32" if case.layer is layers.Embedding else "float32"

    def one(shape: Any) -> Any:
        return layers.Input(batch_shape=(batch and shape[0], *shape[1:]), dtype=dtype)

    return [one(shape) for shape in case.shapes] if case.several else one(case.shapes)


def is_float(array: Any) -> bool:
    return np.asarray(array).dtype.kind == "f"


def ready(case: Case, **extra: Any) -> Any:
    """A built layer whose weights are all different from zero and from each other."""
    np.random.seed(1)
    layer = case.make(**extra)
    if not isinstance(layer, layers.InputLayer):
        layer(symbols_of(case))
    random = np.random.default_rng(7)
    layer.set_weights([w + random.uniform(0.1, 0.5, w.shape).astype(w.dtype) for w in layer.get_weights()])
    return layer


def weighted_sum(outputs: Any) -> Any:
    """A scalar to which every number of the outputs contributes differently."""
    total: Any = 0.0
    for output in outputs if isinstance(outputs, (list, tuple)) else [outputs]:
        factors = np.cos(np.arange(int(np.prod(output.shape)), dtype="float32")).reshape(output.shape)
        total = total + (output * factors).sum()
    return total


def ours(layer: Any, training: bool) -> Any:
    """``(weights, inputs) -> ((loss, (outputs, new others)), gradients)`` of one of our layers."""

    def objective(wanted: Any, others: Any, rest: Any) -> Any:
        trainable, inputs = wanted
        filled = tree.map(lambda x, y: y if x is None else x, inputs, rest)
        outputs, updated = layer.stateless_call(trainable, others, filled, training=training)
        return weighted_sum(outputs), (outputs, updated)

    return lambda wanted, others, rest: K.value_and_gradient(lambda w: objective(w, others, rest))(wanted)


def theirs(layer: Any, training: bool) -> Any:
    """The same of a Keras layer."""
    import jax

    keywords = {"training": training} if layer._call_has_training_arg else {}

    def objective(wanted: Any, others: Any, rest: Any) -> Any:
        trainable, inputs = wanted
        filled = tree.map(lambda x, y: y if x is None else x, inputs, rest)
        outputs, updated = layer.stateless_call(trainable, others, filled, **keywords)
        return weighted_sum(outputs), (outputs, updated)

    return lambda wanted, others, rest: jax.value_and_grad(objective, has_aux=True)(wanted, others, rest)


def parts(layer: Any, inputs: Any) -> Any:
    """What to differentiate (trainable values, float inputs), and the rest."""
    floats = tree.map(lambda x: x if is_float(x) else None, inputs)
    rest = tree.map(lambda x: None if is_float(x) else x, inputs)
    trainable = [np.asarray(v) for v in layer.trainable_variables]
    return (trainable, floats), [np.asarray(v) for v in layer.non_trainable_variables], rest


@functools.cache
def compiled(name: str, training: bool) -> Any:
    """Layer, compiled objective and its arguments; one compilation serves several laws."""
    case = next(case for case in CASES if case.name == name)
    layer = ready(case)
    return layer, K.compile(ours(layer, training)), parts(layer, inputs_of(case))


def same(actual: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    actual, wanted = tree.leaves(actual), tree.leaves(wanted)
    assert len(actual) == len(wanted)
    for a, b in zip(actual, wanted, strict=True):
        if a is None or b is None:
            assert a is b
            continue
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def plain(config: Any) -> Any:
    """A config as it comes out of a file."""
    return json.loads(json.dumps(config), parse_float=lambda text: float(np.float32(text)))


def peer(case: Case) -> Any:
    """The class of Keras 3 of the same name; the test ends where it has none."""
    import keras

    cls = getattr(keras.layers, case.layer.__name__, None)
    if cls is None:
        pytest.skip("Keras 3 has no such layer; golden numbers of the release that had it are compared elsewhere")
    return cls


def oracle(case: Case, layer: Any) -> Any:
    """The Keras layer that our config describes, with our weights."""
    cls = peer(case)
    if case.layer is layers.Lambda:
        other = cls(case.arguments["function"], name=layer.name)
        other.built = True
        return other
    other = cls.from_config(plain(layer.get_config()))
    shapes = [tuple(shape) for shape in case.shapes] if case.several else case.shapes
    if not other.built:
        other.build(shapes)
    other.set_weights(layer.get_weights())
    return other


# --- the table -----------------------------------------------------------------------


# The table also holds the models, which other tests are about.
OWN = {name: member for name, member in LAYERS.members.items() if member.__module__.startswith("keraunos.layers.")}


def test_every_public_layer_has_a_case() -> None:
    public = {name for name in LAYERS.public if name in OWN}
    cells = {name for name in public if name.endswith(("Cell", "Cells"))}  # they are tested inside RNN
    assert public - cells - {case.layer.__name__ for case in CASES} == set()


def test_names_of_cases_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_registered_layer_is_exported() -> None:
    missing = [name for name in OWN if name[0].isupper() and not hasattr(layers, name)]
    assert missing == []


@everyone
def test_says_whether_rows_depend_on_each_other(case: Case) -> None:
    if case.layer is not layers.Lambda:
        assert isinstance(case.make().batch_coupled, bool)


# --- laws of bookkeeping -------------------------------------------------------------


@everyone
def test_config_makes_an_equal_layer(case: Case) -> None:
    from keraunos.core.registry import custom_object_scope

    layer = case.make(name="mine")
    config = plain(layer.get_config())
    with custom_object_scope({"double": case.arguments.get("function")}):
        copy = layers.deserialize(plain(layers.serialize(layer)))
    assert type(copy) is type(layer)
    assert plain(copy.get_config()) == config


@everyone
def test_weights_go_into_a_copy(case: Case) -> None:
    from keraunos.core.registry import custom_object_scope

    layer, inputs = ready(case), inputs_of(case)
    with custom_object_scope({"double": case.arguments.get("function")}):
        copy = type(layer).from_config(plain(layer.get_config()))
    copy(symbols_of(case))
    copy.set_weights(layer.get_weights())
    same(copy.get_weights(), layer.get_weights(), 0)
    same(copy(inputs), layer(inputs), 0)


@everyone
def test_inferred_shape_is_the_real_shape(case: Case) -> None:
    real = tree.map(np.shape, ready(case)(inputs_of(case)))
    opened = [(None, *s[1:]) for s in case.shapes] if case.several else (None, *case.shapes[1:])
    output = case.make()(symbols_of(case, None))
    assert output.shape == (None, *real[1:])
    assert case.make().compute_output_shape(opened) == (None, *real[1:])


@everyone
def test_eager_equals_compiled(case: Case) -> None:
    layer, run, (wanted, others, rest) = compiled(case.name, False)
    (_, (outputs, _)), _ = run(wanted, others, rest)
    same(layer(inputs_of(case), training=False), outputs)


@everyone
def test_without_training_there_is_no_chance(case: Case) -> None:
    layer, inputs = ready(case), inputs_of(case)
    same(layer(inputs, training=False), layer(inputs), 0)


@everyone
def test_mixed_precision_runs_in_sixteen_bits(case: Case) -> None:
    if case.layer is layers.InputLayer:
        pytest.skip("an Input has no arithmetic")
    if {"layer", "cell"} & set(case.arguments):
        pytest.skip("the inner layer has a type of its own")
    layer, inputs = ready(case, dtype="mixed_bfloat16"), inputs_of(case)
    values = [[np.asarray(v) for v in of] for of in (layer.trainable_variables, layer.non_trainable_variables)]
    # In one program: the operations of this type, one by one, are of use to no other test.
    outputs, _ = K.compile(functools.partial(layer.stateless_call, training=False))(*values, inputs)
    assert K.dtype(outputs) == "bfloat16"
    assert {w.dtype for w in layer.weights} <= {"float32"}
    exact = np.asarray(ready(case)(inputs))
    scale = 1 + np.abs(exact).max()
    np.testing.assert_allclose(np.asarray(outputs, "float32") / scale, exact / scale, atol=0.04)


@everyone
def test_channels_first_is_channels_last_transposed(case: Case) -> None:
    if "data_format" not in case.layer._fields or case.layer is layers.Flatten:
        pytest.skip("has no data_format")
    if issubclass(case.layer, LocallyConnected):
        pytest.skip("keeps its weights in the order of its inputs, as Keras 2.2.4 did")
    film = issubclass(case.layer, layers.RNN)  # channels come first after the time
    place = 2 if film else 1
    last, x = ready(case), inputs_of(case)
    first = case.make(data_format="channels_first")
    first(np.moveaxis(x, -1, place))
    first.set_weights(last.get_weights())
    outputs, wanted = first(np.moveaxis(x, -1, place)), last(x)
    place = 2 if film and last.return_sequences else 1
    same(np.moveaxis(np.asarray(outputs), place, -1) if K.ndim(wanted) > 2 else outputs, wanted)


# --- laws of numbers -----------------------------------------------------------------


@in_each_phase
def test_gradients_are_those_of_finite_differences(case: Case, training: bool) -> None:
    if training and case.arguments.get("renorm"):
        pytest.skip("regards its correction as constant")
    _, run, (wanted, others, rest) = compiled(case.name, training)
    (_, _), gradients = run(wanted, others, rest)
    random, step = np.random.default_rng(3), 3e-3
    for index, (values, gradient) in enumerate(zip(tree.leaves(wanted), tree.leaves(gradients), strict=True)):
        if values is None:
            continue
        gradient = np.asarray(gradient)
        assert np.isfinite(gradient).all()
        place = tuple(random.integers(0, size) for size in values.shape)
        sides = []
        for sign in (1, -1):
            moved = [leaf if leaf is None else np.array(leaf) for leaf in tree.leaves(wanted)]
            moved[index][place] += sign * step
            sides.append(float(run(tree.unflatten(wanted, moved), others, rest)[0][0]))
        assert gradient[place] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=2e-2, abs=3e-3)


@everyone
def test_config_is_that_of_keras(case: Case) -> None:
    layer = case.make(name="mine")
    wanted = plain(oracle_config(case, layer))
    assert plain(layer.get_config()) == wanted


def oracle_config(case: Case, layer: Any) -> Any:
    import keras

    cls = peer(case)
    arguments = dict(case.arguments)
    for name in ("kernel_regularizer", "bias_regularizer"):
        if isinstance(arguments.get(name), dict):
            arguments[name] = keras.regularizers.get(arguments[name])
    for name in ("layer", "cell"):
        if name in arguments:
            arguments[name] = keras.layers.deserialize(plain(arguments[name]))
    return cls(**arguments, name=layer.name).get_config()


@in_each_phase
def test_outputs_and_gradients_are_those_of_keras(case: Case, training: bool) -> None:
    if case.layer is layers.InputLayer:
        pytest.skip("Keras does not call an Input")
    layer, run, (wanted, others, rest) = compiled(case.name, training)
    other = oracle(case, layer)
    # Keras' own seeds are variables; ours are not.
    seeds = [np.asarray(v.value) for v in other.non_trainable_variables if "seed" in v.path]
    ((loss, (outputs, updated)), gradients) = K.compile(theirs(other, training))(wanted, [*others, *seeds], rest)
    same(run(wanted, others, rest), ((loss, (outputs, updated[: len(others)])), gradients))


@pytest.mark.parametrize("case", [case for case in CASES if case.time], ids=lambda case: case.name)
def test_masks_pass_as_in_keras(case: Case) -> None:
    import warnings

    from keras.src import backend

    layer, inputs = ready(case), inputs_of(case)
    other = oracle(case, layer)
    random = np.random.default_rng(2)
    masks = [random.integers(0, 2, np.shape(x)[:2]).astype(bool) for x in (inputs if case.several else [inputs])]
    own = [K.array(x) for x in (inputs if case.several else [inputs])]
    keras_inputs = [backend.convert_to_tensor(x) for x in (inputs if case.several else [inputs])]
    for x, y, mask in zip(own, keras_inputs, masks, strict=True):
        set_mask(x, K.array(mask))
        backend.set_keras_mask(y, backend.convert_to_tensor(mask))
    outputs = layer(own if case.several else own[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that some layers destroy the mask
        expected = other(keras_inputs if case.several else keras_inputs[0])
    same(outputs, expected)
    same([get_mask(outputs)], [backend.get_keras_mask(expected)], 0)

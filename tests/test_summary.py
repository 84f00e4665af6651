"""summary(): the printed text is that of Keras 3, letter by letter."""

import functools
import re

import keras
import numpy as np
import pytest

import keraunos
from keraunos.utils.errors import ArgumentError

LIBRARIES = (keras, keraunos)
X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")


def text_of(model, **options):
    parts = []
    model.summary(print_fn=parts.append, **options)
    # Of automatic names, only the numbers of functional models may differ.
    return re.sub(r'"functional(_\d+)?"', '"functional"', "\n".join(parts))


def same(build, **options):
    """Our text of what ``build`` makes, if it is that of Keras."""
    theirs, ours = (text_of(model, **options) for model in pair(build))
    assert ours == theirs, f"\n{ours}\n{theirs}"
    return ours


@functools.cache
def pair(build):
    """What ``build`` makes with each library, under fresh automatic names."""
    models = []
    for lib in LIBRARIES:
        lib.utils.clear_session()
        models.append(build(lib))
    return models


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


# --- the models ----------------------------------------------------------------------------


def stack(lib):
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(name="a_name_that_is_rather_long_for_its_column"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, name="out"),
        ]
    )


def unbuilt(lib):
    return lib.Sequential([lib.layers.Dense(3), lib.layers.Dropout(0.1), lib.layers.Dense(1)])


def empty(lib):
    return lib.Sequential(name="nothing")


def built_later(lib):
    model = unbuilt(lib)
    model.build((None, 4))
    return model


def frozen(lib):
    model = stack(lib)
    model.layers[0].trainable = False
    return model


def all_frozen(lib):
    model = stack(lib)
    model.trainable = False
    return model


def chain(lib):
    x = inputs = lib.Input((4,), name="x")
    for width in (8, 8, 1):
        x = lib.layers.Dense(width, activation="relu")(x)
    return lib.Model(inputs, x)


def branches(lib):
    layers = lib.layers
    a, b = lib.Input((3,), name="in_a"), lib.Input((10,), name="in_b", dtype="int32")
    both = layers.Add()([layers.Dense(8, name="da")(a), layers.LSTM(8)(layers.Embedding(100, 4, name="emb")(b))])
    last = layers.Dense(5, name="frozen")
    last.trainable = False
    return lib.Model([a, b], [layers.Dense(1, name="o1")(last(both)), layers.Dense(2, name="o2")(both)])


def dicts(lib):
    a, b = lib.Input((3,), name="one"), lib.Input((3,), name="other")
    joined = lib.layers.concatenate([a, b])
    return lib.Model({"one": a, "other": b}, {"y": lib.layers.Dense(1)(joined), "z": lib.layers.Dense(2)(joined)})


def shared(lib):
    a, b = lib.Input((4,)), lib.Input((4,))
    layer = lib.layers.Dense(4, name="shared")
    return lib.Model([a, b], lib.layers.subtract([layer(a), layer(layer(b))]))


def list_that_grows(lib):
    # Each layer takes all before it; the list goes on growing after a layer was called on it.
    found = [lib.Input((4,)), lib.Input((4,))]
    inputs = list(found)
    for _ in range(2):
        found.append(lib.layers.Dense(4)(lib.layers.concatenate(found)))
    return lib.Model(inputs, found[-1])


def shared_in_a_chain(lib):
    inputs = lib.Input((4,))
    layer = lib.layers.Dense(4, name="twice")
    return lib.Model(inputs, layer(layer(inputs)))


def operators(lib):
    x = lib.Input((4,), name="x")
    y = lib.ops.relu(-x * 2.0 + 1.0)
    return lib.Model(x, lib.ops.sum(y**2, axis=-1, keepdims=True) / 3 + x[:, :1] - lib.ops.mean(x))


def several_outputs(lib):
    inputs = lib.Input((5, 4))
    sequence, hidden, cell = lib.layers.LSTM(3, return_sequences=True, return_state=True)(inputs)
    return lib.Model(inputs, [lib.layers.Dense(1)(sequence), lib.layers.add([hidden, cell])])


def wrapped(lib):
    layers = lib.layers
    return lib.Sequential(
        [
            lib.Input((5, 4)),
            layers.Bidirectional(layers.GRU(3, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(2)),
        ]
    )


def nested(lib):
    layers = lib.layers
    inner = lib.Sequential(
        [lib.Input((8,)), layers.Dense(5, name="first"), layers.Dense(8, name="second")], name="inner"
    )
    a, b = lib.Input((8,), name="p"), lib.Input((8,), name="q")
    middle = lib.Model([a, b], layers.add([inner(a), b]), name="middle")
    x = lib.Input((8,), name="x")
    return lib.Model(x, layers.Dense(1, name="out")(middle([x, layers.Dense(8, name="side")(x)])))


def nested_stack(lib):
    inner = lib.Sequential([lib.Input((4,)), lib.layers.Dense(3)], name="inner")
    return lib.Sequential([lib.Input((4,)), inner, lib.layers.Dense(1)], name="outer")


def written_as_class(lib, call=True):
    class Net(lib.Model):
        def __init__(self):
            super().__init__()
            self.hidden = lib.layers.Dense(3, activation="relu")
            self.dropout = lib.layers.Dropout(0.2)
            self.out = lib.layers.Dense(1)

        def call(self, inputs):
            return self.out(self.dropout(self.hidden(inputs)))

    model = Net()
    if call:
        model(X)
    return model


def class_not_called(lib):
    return written_as_class(lib, call=False)


def trained(lib, optimizer="adam"):
    model = lib.Sequential([lib.Input((4,)), lib.layers.Dense(3), lib.layers.BatchNormalization(), lib.layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.fit(X, X[:, :1], verbose=0)
    return model


def stateful(lib):
    return lib.Sequential([lib.Input(batch_shape=(2, 5, 4)), lib.layers.GRU(3, stateful=True), lib.layers.Dropout(0.1)])


def with_state(lib):
    class Counting(lib.layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], 3))
            self.calls = self.add_weight(shape=(), trainable=False, initializer="zeros")

        def call(self, inputs):
            return inputs @ self.kernel

    return lib.Sequential([lib.Input((4,)), Counting(), lib.layers.Lambda(lambda x: 2 * x)])


def compiled(lib):
    model = chain(lib)
    model.compile("adam", "mse", metrics=["mae"])
    return model


def trained_class(lib):
    model = written_as_class(lib)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    return model


MODELS = [
    stack, unbuilt, empty, built_later, frozen, all_frozen, chain, branches, dicts, shared, list_that_grows, shared_in_a_chain,
    operators,
    several_outputs, wrapped, stateful, with_state, nested, nested_stack, written_as_class, class_not_called, trained,
    compiled, trained_class,
]  # fmt: skip


# --- the laws ------------------------------------------------------------------------------


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_the_text_is_that_of_keras_with_and_without_every_column_and_nested_model(build, monkeypatch):
    for columns, options in (("80", {}), ("132", {"expand_nested": True, "show_trainable": True})):
        monkeypatch.setenv("COLUMNS", columns)
        same(build, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"line_length": 60},
        {"line_length": 120},
        {"positions": [0.5, 0.7, 0.8, 1.0]},
        {"positions": (0.3, 0.6, 0.7, 0.9), "show_trainable": True},
        {"layer_range": ["da", "frozen"]},
        {"layer_range": ("o1", "emb")},
        {"layer_range": ("in_.*", "o.*")},
    ],
    ids=str,
)
def test_widths_positions_and_a_range_of_layers_do_as_in_keras(options):
    same(branches, **options)


def test_calls_of_a_layer_are_counted_in_all_models():
    def shared_with_another_model(lib):
        first, second = lib.Input((4,), name="first"), lib.Input((4,), name="second")
        layer = lib.layers.Dense(4, name="in_both")
        other = lib.Model(first, layer(first), name="other")
        return lib.Model(second, lib.layers.add([layer(second), other(second)]))

    assert "in_both[1][0]" in same(shared_with_another_model)


def test_a_layer_that_was_popped_is_not_listed():
    def popped(lib):
        model = chain_of_stack(lib)
        model.pop()
        return model

    assert "last" not in same(popped)


def chain_of_stack(lib):
    return lib.Sequential([lib.Input((4,)), lib.layers.Dense(3), lib.layers.Dense(2, name="last")])


def test_a_class_that_learned_its_shapes_from_fit_has_an_open_batch(monkeypatch):
    # Keras shows the size of the batch it happened to see first.
    keraunos.utils.clear_session()
    model = written_as_class(keraunos, call=False)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    assert re.findall(r"dense\w* \(Dense\) +│ (\(.*?\))", text_of(model)) == ["(None, 3)", "(None, 1)"]


def test_brackets_in_a_name_are_no_markup():
    text = same(
        lambda lib: lib.Sequential([lib.Input((4,)), lib.layers.Dense(3, name="[bold]x[0]")], name="a [red] net")
    )
    assert "[bold]x[0]" in text
    assert 'Model: "a [red] net"' in text


def test_a_million_weights_are_counted_in_megabytes():
    assert "Total params: 1,001,000 (3.82 MB)" in same(
        lambda lib: lib.Sequential([lib.Input((1000,)), lib.layers.Dense(1000)])
    )


def test_half_precision_counts_two_bytes():
    assert "(30.00 B)" in same(lambda lib: lib.Sequential([lib.Input((4,)), lib.layers.Dense(3, dtype="float16")]))


def test_without_a_function_the_text_goes_to_standard_output(capsys):
    keraunos.utils.clear_session()
    model = branches(keraunos)
    model.summary()
    assert re.sub(r'"functional(_\d+)?"', '"functional"', capsys.readouterr().out) == text_of(model)


def test_a_range_of_layers_that_is_none_is_refused_in_words():
    model = stack(keraunos)
    with pytest.raises(ArgumentError, match=r"layer_range is \['out'\]; expected two names or patterns of layers"):
        model.summary(layer_range=["out"])
    with pytest.raises(ArgumentError, match=r"layer_range is \(1, 2\); expected two names"):
        model.summary(layer_range=(1, 2))
    with pytest.raises(ArgumentError, match=r"no layer matches layer_range \['x', 'out'\]. The layers are \['conv2d'"):
        model.summary(layer_range=["x", "out"])


def test_a_line_too_short_for_the_columns_is_refused_in_words():
    with pytest.raises(ArgumentError, match="a line of 8 characters is too short for 3 columns"):
        stack(keraunos).summary(line_length=8)


# --- text that the release itself wrote ----------------------------------------------------


def recorded(lib):
    """The models of ../shared/golden/k3/text, and the arguments of their summaries."""
    layers = lib.layers
    first = lib.Sequential(
        [
            lib.Input((4,)),
            layers.Dense(8, name="dense_a"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(3, name="dense_b"),
        ],
        name="sequential",
    )
    second = lib.Sequential(
        [
            lib.Input((28, 28, 1)),
            layers.Conv2D(32, 3, name="conv_1"),
            layers.BatchNormalization(name="bn_with_a_rather_long_layer_name"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(64, 3, padding="same", name="conv_2"),
            layers.Flatten(name="flat"),
            layers.Dense(128, name="fc"),
            layers.Dense(10, name="out"),
        ],
        name="sequential_1",
    )
    a, b = lib.Input((3,), name="in_a"), lib.Input((10,), name="in_b")
    both = layers.Add(name="add")(
        [layers.Dense(8, name="da")(a), layers.LSTM(8, name="lstm")(layers.Embedding(100, 4, name="emb")(b))]
    )
    middle = layers.Dense(5, name="frozen", trainable=False)
    outputs = [layers.Dense(1, name="o1")(middle(both)), layers.Dense(2, name="o2")(both)]
    third = lib.Model([a, b], outputs, name="functional_10")
    wide, placed, trained = {"line_length": 100}, {"positions": [0.3, 0.6, 0.7, 1.0]}, {"show_trainable": True}
    return [(first, {}), (second, {}), (third, {}), (third, wide), (third, placed), (third, trained)]


def test_the_text_is_that_which_keras_wrote_to_a_pipe(shared, capsys):
    wanted = shared("golden/k3/text/summary.pipe.bin").read_bytes().decode("utf-8").split("@@--@@\n")
    for text, (model, options) in zip(wanted, recorded(keraunos), strict=True):
        model.summary(**options)
        assert capsys.readouterr().out.rstrip() == text.rstrip()


def test_the_text_and_its_colours_are_those_which_keras_wrote_to_a_terminal(shared, capsys, monkeypatch):
    wanted = (
        shared("golden/k3/text/summary.tty.bin").read_bytes().decode("utf-8").replace("\r\n", "\n").split("@@--@@\n")
    )
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLORTERM": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for text, (model, options) in zip(wanted, recorded(keraunos), strict=True):
        model.summary(**options)
        assert capsys.readouterr().out.rstrip() == text.rstrip()

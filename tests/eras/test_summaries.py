"""The text of summary(): byte for byte that of Keras 1.2.2 and Keras 2.2.4."""

import pytest

import keraunos
from keraunos import layers
from keraunos.eras.summary import print_summary_1, print_summary_2
from keraunos.utils import spelling
from keraunos.utils.errors import ArgumentError

ERAS = pytest.mark.parametrize("era", [1, 2])


def text_of(model, era, **options):
    lines = []
    {1: print_summary_1, 2: print_summary_2}[era](model, print_fn=lines.append, **options)
    return "".join(f"{line}\n" for line in lines)


def column(text, number):
    """Cells of a column of the layers' rows."""
    header = text.splitlines()[1]
    starts = [header.index(name) for name in ("Layer", "Output", "Param", "Connected") if name in header]
    start, stop = [*starts, None][number : number + 2]
    body = text.split("=\n")[1].rpartition("\n")[0]
    return [line[start:stop].strip() for line in body.splitlines() if line.strip("_=")]


# --- against what the releases wrote ---------------------------------------------------------


def recorded():
    """The models of golden/*/text, and the arguments of their summaries."""
    first = keraunos.Sequential(
        [
            layers.Dense(8, input_shape=(4,), name="dense_a"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(3, name="dense_b"),
        ]
    )
    second = keraunos.Sequential(
        [
            layers.Conv2D(32, 3, input_shape=(28, 28, 1), name="conv_1"),
            # No text shows how the name goes on.
            layers.BatchNormalization(name="bn_with_a_rather_long_layer_name_and_more"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(64, 3, padding="same", name="conv_2"),
            layers.Flatten(name="flat"),
            layers.Dense(128, name="fc"),
            layers.Dense(10, name="out"),
        ]
    )
    a, b = keraunos.Input((3,), name="in_a"), keraunos.Input((10,), name="in_b")
    words = layers.LSTM(8, name="lstm")(layers.Embedding(100, 4, name="emb")(b))
    both = layers.Add(name="add")([layers.Dense(8, name="da")(a), words])
    middle = layers.Dense(5, name="frozen", trainable=False)
    third = keraunos.Model([a, b], [layers.Dense(1, name="o1")(middle(both)), layers.Dense(2, name="o2")(both)])
    wide, placed = {"line_length": 100}, {"positions": [0.3, 0.6, 0.7, 1.0]}
    return [(first, {}), (second, {}), (third, {}), (third, wide), (third, placed)]


@pytest.mark.parametrize("where", ["pipe", "tty"])
@pytest.mark.parametrize(("era", "folder"), [(1, "k122tf"), (2, "k224")])
def test_the_text_is_that_which_the_release_wrote(shared, era, folder, where):
    wanted = shared(f"golden/{folder}/text/summary.{where}.bin").read_bytes().decode().replace("\r\n", "\n")
    texts = wanted.removesuffix("\n").split("@@--@@\n")
    assert len(texts) == {1: 3, 2: 5}[era]
    with spelling.in_era(era):
        for text, (model, options) in zip(texts, recorded(), strict=False):
            assert text_of(model, era, **options) == text


def saved():
    """The models of golden/files, in the order in which they were made."""
    chain = keraunos.Sequential
    yield (
        "mlp",
        chain(
            [
                layers.Dense(5, input_shape=(4,), name="d1"),
                layers.BatchNormalization(name="bn"),
                layers.Dropout(0.5),
                layers.Dense(3, name="d2"),
            ]
        ),
    )
    yield (
        "conv2d",
        chain(
            [
                layers.Conv2D(3, (3, 2), strides=(2, 1), padding="same", input_shape=(8, 7, 2), name="c1"),
                layers.Activation("relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(2, name="d"),
            ]
        ),
    )
    first = {"data_format": "channels_first"}
    if spelling.era() == 1:
        yield (
            "conv2d_th",
            chain(
                [
                    layers.Conv2D(3, (3, 2), input_shape=(2, 8, 7), name="c1", **first),
                    layers.AveragePooling2D(2, **first),
                    layers.Flatten(),
                    layers.Dense(2, name="d"),
                ]
            ),
        )
    yield (
        "conv1d",
        chain(
            [
                layers.Conv1D(4, 3, input_shape=(9, 2), name="c1"),
                layers.MaxPooling1D(),
                layers.Flatten(),
                layers.Dense(2, name="d"),
            ]
        ),
    )
    yield (
        "lstm",
        chain(
            [
                layers.Embedding(11, 4, input_shape=(6,), name="e"),
                layers.LSTM(5, return_sequences=True, name="l"),
                layers.GRU(3, reset_after=False, name="g"),
                layers.Dense(2, name="d"),
            ]
        ),
    )
    yield (
        "bidir",
        chain(
            [
                layers.Bidirectional(layers.LSTM(3, return_sequences=True), input_shape=(5, 2), name="bi"),
                layers.TimeDistributed(layers.Dense(2), name="td"),
                layers.SimpleRNN(3, name="s"),
            ]
        ),
    )
    a, b = keraunos.Input((3,), name="a"), keraunos.Input((3,), name="b")
    both = layers.Concatenate(name="cat")([layers.Dense(4, name="da")(a), layers.Dense(4, name="db")(b)])
    yield "func", keraunos.Model([a, b], layers.Dense(2, name="o")(both))


@pytest.mark.parametrize(("era", "folder"), [(1, "k122tf"), (1, "k122th"), (2, "k224tf"), (2, "k231tf")])
def test_the_text_is_that_beside_the_saved_models(shared, era, folder):
    with spelling.in_era(era):
        for name, model in saved():
            text = shared(f"golden/files/{folder}/{name}.summary.txt").read_text()
            # 2.3 added the model's name above.
            text = text.split("\n", 1)[1] if text.startswith("Model") else text
            assert text_of(model, era).rstrip("\n") == text.rstrip("\n"), name


# --- rules ---------------------------------------------------------------------------------------


def pair(name, inner_name=None):
    """A network with a model inside that is called twice, as siamese networks do."""
    x = keraunos.Input((4,), name="x")
    inner = keraunos.Model(x, layers.Dense(3, name="inside")(x), name=inner_name or "inner")
    a, b = keraunos.Input((4,), name="a"), keraunos.Input((4,), name="b")
    return keraunos.Model([a, b], layers.Concatenate(name="joined")([inner(a), inner(b)]), name=name)


@ERAS
def test_a_model_counts_as_the_first_call_of_itself(era):
    text = text_of(pair("siamese"), era)
    assert column(text, 0) == ["a (InputLayer)", "b (InputLayer)", "inner (Model)", "", *joined(era), ""]
    assert column(text, 3) == ["", "", "a[0][0]", "b[0][0]", "inner[1][0]", "inner[2][0]"]


def joined(era):
    return [{1: "joined (Merge)", 2: "joined (Concatenate)"}[era]]


@ERAS
def test_a_sequential_model_inside_another_keeps_its_class(era):
    inner = keraunos.Sequential([keraunos.Input((4,)), layers.Dense(3)], name="inner")
    outer = keraunos.Sequential([keraunos.Input((4,), name="x"), inner, layers.Dense(1, name="out")])
    text = text_of(outer, era)
    assert column(text, 0) == ["inner (Sequential)", "out (Dense)"]
    assert "Total params: 19\n" in text
    if era == 1:
        assert column(text, 3) == ["x[0][0]", "inner[1][0]"]


@ERAS
def test_a_layer_that_gives_several_shapes_has_multiple(era):
    a, b = keraunos.Input((5, 2)), keraunos.Input((7, 2))
    double = layers.ReLU(name="double")
    text = text_of(keraunos.Model([a, b], [double(a), double(b)]), era)
    assert column(text, 1)[-2:] == ["multiple", ""]


@ERAS
def test_a_layer_with_several_outputs_has_a_list_of_shapes(era):
    x = keraunos.Input((5, 2))
    model = keraunos.Model(x, layers.LSTM(3, return_state=True, name="l")(x))
    assert "[(None, 3), (None, 3), (None, 3)]" in text_of(model, era, line_length=200)


@ERAS
def test_a_vector_of_numbers_has_a_comma_in_its_shape(era):
    x = keraunos.Input(())
    assert column(text_of(keraunos.Model(x, layers.Activation("relu")(x)), era), 1) == ["(None,)"] * 2


def test_a_chain_needs_no_connections_in_keras_2_alone():
    x = keraunos.Input((4,), name="x")
    model = keraunos.Model(x, layers.Dense(3, name="d")(x))
    assert {len(line) for line in text_of(model, 2).splitlines()[:3]} == {65}
    assert column(text_of(model, 1), 3) == ["", "x[0][0]"]


@ERAS
@pytest.mark.parametrize("length", [40, 65, 98, 133])
def test_what_is_too_long_is_cut_so_that_a_blank_stays_between_columns(era, length):
    model = pair("p" * 90, inner_name="i" * 90)
    text = text_of(model, era, line_length=length)
    table, counts = text.split("Total params")
    assert {len(line) for line in table.splitlines()} == {length}
    ends = [int(length * end) for end in (0.33, 0.55, 0.67)]
    for line in table.splitlines():
        assert set(line) in ({"_"}, {"="}) or [line[end - 1] for end in ends] == [" "] * 3
    assert counts.startswith(": 15\nTrainable params: 15\nNon-trainable params: 0\n" + "_" * length)


@ERAS
def test_ends_of_columns_may_be_counted_in_characters(era):
    by_fraction = text_of(pair("p"), era, line_length=100, positions=[0.3, 0.6, 0.7, 1.0])
    assert text_of(pair("p"), era, line_length=100, positions=[30, 60, 70, 100]) == by_fraction


def test_too_few_ends_of_columns_are_refused_in_words():
    with pytest.raises(ArgumentError, match="positions has 3 ends of columns, but the table has 4"):
        text_of(pair("p"), 1, positions=[0.3, 0.6, 1.0])


def test_names_of_classes_in_keras_1():
    x = keraunos.Input((8, 2), name="x")
    y = layers.Conv1D(2, 3, padding="same", name="y")(x)
    model = keraunos.Model(x, layers.Multiply(name="z")([x, y]))
    assert column(text_of(model, 1), 0)[:3] == ["x (InputLayer)", "y (Convolution1D)", "z (Merge)"]
    assert column(text_of(model, 2), 0)[:3] == ["x (InputLayer)", "y (Conv1D)", "z (Multiply)"]


def test_a_class_of_the_user_keeps_its_name_in_keras_1():
    class Add(layers.Layer):
        def call(self, inputs):
            return inputs

    model = keraunos.Sequential([keraunos.Input((4,)), Add(name="mine")])
    assert column(text_of(model, 1), 0) == ["mine (Add)"]


@ERAS
def test_what_is_not_built_has_no_shape_and_no_weights_yet(era):
    text = text_of(keraunos.Sequential([layers.Dense(3, name="d")]), era)
    assert (column(text, 0), column(text, 1), column(text, 2)) == (["d (Dense)"], ["?"], ["0"])


@ERAS
def test_what_later_releases_can_show_is_shown(era):
    model = pair("outer")
    model.get_layer("inner").trainable = False
    text = text_of(model, era, expand_nested=True, show_trainable=True)
    assert "\n  inside (Dense) " in text
    assert text.splitlines()[1].endswith("Connected to".ljust(33) + "Trainable  ")
    assert next(line for line in text.splitlines() if line.startswith("inner")).endswith("N".ljust(11))
    ranged = text_of(model, era, layer_range=("a", "b"))
    assert column(ranged, 0) == ["a (InputLayer)", "b (InputLayer)"]


@ERAS
def test_without_a_function_the_text_goes_to_standard_output(capsys, era):
    model = pair("outer")
    {1: print_summary_1, 2: print_summary_2}[era](model)
    assert capsys.readouterr().out == text_of(model, era)

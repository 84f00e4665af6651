"""Pictures: what they show, that equal ones are equal files, and what they refuse."""

import builtins
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import keraunos
from keraunos import layers, ops, plots
from keraunos.layers import Dense, Input
from keraunos.models import Model, Sequential
from keraunos.plots.drawing import text_width
from keraunos.plots.layout import arrange
from keraunos.utils.errors import ArgumentError, KeraunosError, UnknownNameError

matplotlib = pytest.importorskip("matplotlib", reason="the pictures need matplotlib: pip install keraunos[plots]")

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(40, 2)).astype("float32")
HISTORY = {
    "accuracy": [0.5, 0.8, 0.75],
    "loss": [0.9, 0.6, 0.4],
    "val_accuracy": [0.4, 0.7, 0.6],
    "val_loss": [1.0, 0.5, 0.7],
}


@pytest.fixture(autouse=True)
def without_graphviz(monkeypatch):
    monkeypatch.setattr("keraunos.plots.graph.shutil.which", lambda name: None)


def lines(axes):
    """Data of the curves of a panel by their labels."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines if not line.get_label().startswith("_")}


def marks(axes):
    """Points that are ringed."""
    return [
        line.get_xydata().tolist()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]


def words(axes):
    return [text.get_text() for text in axes.texts]


# --- history -------------------------------------------------------------------------------


def test_history_draws_a_panel_for_each_name_with_the_loss_first_and_epochs_from_1():
    figure = plots.history(HISTORY)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "accuracy"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch", "epoch"]
    assert lines(figure.axes[0]) == {
        "training": [[1, 0.9], [2, 0.6], [3, 0.4]],
        "validation": [[1, 1.0], [2, 0.5], [3, 0.7]],
    }
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["training", "validation"]


def test_history_rings_the_smallest_loss_and_the_greatest_accuracy_of_the_validation():
    loss, accuracy = plots.history(HISTORY).axes
    assert (marks(loss), marks(accuracy)) == ([[2, 0.5]], [[2, 0.7]])
    assert (words(loss), words(accuracy)) == (["best 0.5, epoch 2"], ["best 0.7, epoch 2"])


def test_history_of_a_name_whose_direction_is_unknown_rings_nothing():
    (axes,) = plots.history({"temperature": [1.0, 3.0, 2.0]}).axes
    assert marks(axes) == []


def test_history_skips_values_that_are_no_numbers_when_it_looks_for_the_best():
    (axes,) = plots.history({"loss": [float("nan"), 0.5, 0.7]}).axes
    assert marks(axes) == [[2, 0.5]]


def test_history_takes_what_fit_returns_and_the_model_itself():
    model = Sequential([Input((2,)), Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["AUC"])
    result = model.fit(POINTS, POINTS[:, 0] > 0, epochs=5, initial_epoch=2, validation_split=0.2, verbose=0)
    for given in (result, model):
        figure = plots.history(given)
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "AUC"]
        assert [x for x, _ in lines(figure.axes[0])["training"]] == [3, 4, 5]
        assert words(figure.axes[1])[0].startswith("best ")


def test_history_shows_only_the_metrics_asked_for_and_suggests_a_name():
    assert [axes.get_title(loc="left") for axes in plots.history(HISTORY, metrics=["accuracy"]).axes] == ["accuracy"]
    with pytest.raises(UnknownNameError, match="nothing was recorded under 'acuracy'. Did you mean 'accuracy'"):
        plots.history(HISTORY, metrics=["acuracy"])


def test_history_places_a_validation_that_was_made_every_second_epoch():
    (axes,) = plots.history({"loss": [4.0, 3.0, 2.0, 1.0], "val_loss": [3.5, 1.5]}).axes
    assert lines(axes)["validation"] == [[2, 3.5], [4, 1.5]]


@pytest.mark.parametrize("given", [{}, {"loss": []}])
def test_history_without_epochs_is_refused_in_words(given):
    with pytest.raises(ArgumentError, match="nothing was recorded. Call fit with at least one epoch first"):
        plots.history(given)


def test_history_of_something_else_is_refused_in_words():
    with pytest.raises(ArgumentError, match="list given; expected what fit returns, or a dict of lists by name"):
        plots.history([1, 2])


def test_a_path_makes_its_folder_and_equal_figures_are_equal_files(tmp_path):
    for ending in ("png", "svg", "pdf"):
        first, second = tmp_path / "a" / f"h.{ending}", tmp_path / "b" / f"h.{ending}"
        plots.history(HISTORY, first)
        plots.history(HISTORY, str(second))
        if ending != "svg":  # matplotlib draws the names of an SVG's parts from a random source
            assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "a" / "h.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_format_is_refused_in_words(tmp_path):
    with pytest.raises(ArgumentError, match="a picture cannot be written as 'pgn'. Did you mean 'png'"):
        plots.history(HISTORY, tmp_path / "h.pgn")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_shows_itself_in_a_notebook():
    assert plots.history(HISTORY)._repr_png_().startswith(b"\x89PNG")


# --- decision boundaries -------------------------------------------------------------------


class Judge:
    """What ``decision_boundary`` needs of a model: says a function of the points, and counts its calls."""

    name = "judge"

    def __init__(self, function, loss=None):
        self.function, self.loss, self.calls = function, loss, []

    def predict(self, x, batch_size=None, verbose="auto"):
        self.calls.append((len(x), verbose))
        return self.function(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def boundary_of(axes):
    """The points of the line that is drawn between the classes."""
    from matplotlib.contour import ContourSet

    paths = [path for part in axes.collections if isinstance(part, ContourSet) for path in part.get_paths()]
    return np.concatenate([path.vertices for path in paths if len(path.vertices)])


def test_a_sigmoid_is_drawn_with_its_boundary_at_one_half_and_the_points_on_top():
    model = Judge(lambda x: sigmoid(9 * (x[:, :1] - 0.25)))
    y = (POINTS[:, 0] > 0.25).astype(int)
    figure = plots.decision_boundary(model, POINTS, y, resolution=50, title="halves")
    axes, bar = figure.axes
    np.testing.assert_allclose(boundary_of(axes)[:, 0], 0.25, atol=0.02)
    assert model.calls == [(2500, 0)]
    assert bar.get_ylabel() == "probability of class 1"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["class 0", "class 1"]
    assert (axes.get_xlabel(), axes.get_ylabel(), figure.get_suptitle()) == ("feature 1", "feature 2", "halves")
    drawn = [len(part.get_offsets()) for part in axes.collections if part.get_label() in ("class 0", "class 1")]
    assert drawn == [int((y == 0).sum()), int((y == 1).sum())]


def test_a_tanh_with_labels_of_both_signs_is_divided_at_zero():
    model = Judge(lambda x: np.tanh(x[:, :1] + 0.5))
    axes, bar = plots.decision_boundary(model, POINTS, np.sign(POINTS[:, 0]), resolution=60).axes
    np.testing.assert_allclose(boundary_of(axes)[:, 0], -0.5, atol=0.02)
    assert bar.get_ylabel() == "output"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["class -1", "class 1"]


@pytest.mark.parametrize(
    "loss, place",
    [("mse", 0.5), ("hinge", 0.0), (keraunos.losses.BinaryCrossentropy(from_logits=True), 0.0)],
    ids=["mse", "hinge", "logits"],
)
def test_a_linear_output_is_divided_where_its_loss_divides(loss, place):
    model = Judge(lambda x: x[:, :1], loss)
    axes, bar = plots.decision_boundary(model, POINTS, POINTS[:, 0] > place, resolution=60).axes
    np.testing.assert_allclose(boundary_of(axes)[:, 0], place, atol=0.02)
    assert (bar.get_ylabel() == "probability of class 1") == (not isinstance(loss, str))


def test_the_threshold_may_be_given():
    axes = plots.decision_boundary(
        Judge(lambda x: x[:, :1]), POINTS, POINTS[:, 0] > 1, resolution=60, threshold=1
    ).axes[0]
    np.testing.assert_allclose(boundary_of(axes)[:, 0], 1, atol=0.02)


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("softmax", [False, True])
def test_three_classes_are_divided_where_their_outputs_are_equal(one_hot, softmax):
    def function(x):
        logits = np.stack([-x[:, 0], x[:, 0], 0 * x[:, 0] - 9], -1)
        return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True) if softmax else logits

    y = np.arange(40) % 3
    names = ["ant", "bee", "cow"]
    figure = plots.decision_boundary(
        Judge(function), POINTS, np.eye(3)[y] if one_hot else y, resolution=60, class_names=names
    )
    (axes,) = figure.axes
    np.testing.assert_allclose(boundary_of(axes)[:, 0], 0, atol=0.02)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names


def test_a_model_that_was_trained_is_drawn_from_a_data_frame(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    x = pandas.DataFrame(POINTS, columns=["length", "width"])
    model = Sequential([Input((2,)), Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(40) % 3, verbose=0)
    before = model.get_weights()
    figure = plots.decision_boundary(model, x, np.arange(40) % 3, tmp_path / "b.png", resolution=20)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("length", "width")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_number_of_features_is_refused_in_words():
    model = Sequential([Input((4,)), Dense(1, "sigmoid")], name="wide")
    with pytest.raises(
        ArgumentError, match=r"x has shape \(40, 4\); expected \(n, 2\), a plane has two axes. Choose two"
    ):
        plots.decision_boundary(model, np.ones((40, 4)), np.ones(40))
    with pytest.raises(ArgumentError, match=r"the model 'wide' takes \(None, 4\), but a plane has two axes"):
        plots.decision_boundary(model, POINTS, np.ones(40))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": np.ones(39)}, "x has 40 rows, but y has 39"),
        ({"y": np.full(40, 0.5)}, r"y holds \[0.5, 0.5, 0.5\]; expected classes: whole numbers, or one-hot rows"),
        ({"y": np.arange(40) % 3}, r"y has the classes \[0, 1, 2\], but the model tells 2 classes apart"),
        ({"resolution": 1}, "resolution is 1; expected a whole number of at least 2"),
        ({"class_names": ["a"]}, "1 class name given for 2 classes"),
        ({"feature_names": ["a"]}, "1 feature name given; expected 2"),
        ({"x": np.full((40, 2), np.nan)}, "x holds NaN or infinite values"),
    ],
    ids=["rows", "numbers", "classes", "resolution", "class_names", "feature_names", "nan"],
)
def test_what_cannot_be_drawn_is_refused_in_words(change, message):
    arguments = {"x": POINTS, "y": np.arange(40) % 2, "resolution": 5, **change}
    with pytest.raises(ArgumentError, match=message):
        plots.decision_boundary(Judge(lambda x: sigmoid(x[:, :1])), **arguments)


def test_outputs_that_are_no_classes_are_refused_in_words():
    with pytest.raises(
        ArgumentError, match=r"makes outputs of shape \(None, 2, 3\); expected one row of classes a point"
    ):
        plots.decision_boundary(Judge(lambda x: np.ones((len(x), 2, 3))), POINTS, np.arange(40) % 2, resolution=5)


# --- graphs of models ----------------------------------------------------------------------


def tangled():
    """Several inputs and outputs, a shared layer, a skip, and models in a model."""
    a, b = Input((3,), name="in_a"), Input((3,), name="in_b")
    shared = Dense(3, activation="tanh", name="shared")
    inner = Sequential([Input((3,)), Dense(3, name="deep_1"), Dense(3, name="deep_2")], name="inner")
    p, q = Input((3,), name="p"), Input((3,), name="q")
    pair = Model([p, q], layers.add([Dense(3, name="left")(p), q], name="joined") * 2.0, name="pair")
    x = pair([inner(shared(a)), shared(b)])
    return Model(
        [a, b], [Dense(1, name="out_1")(x), Dense(2, name="out_2")(layers.concatenate([x, a]))], name="tangled"
    )


def texts(svg):
    """The words of an SVG, which must be well-formed: heads as class and name, then lines."""
    elements = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [part.strip() for element in elements for part in element.itertext() if part.strip()]


def arrows(svg):
    return len(list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}polygon")))


def test_the_svg_holds_the_name_the_class_and_the_shapes_of_every_layer():
    found = texts(plots.model_graph(tangled()).svg)
    assert set(found) >= {
        "in_a",
        "in_b",
        "shared",
        "inner",
        "pair",
        "out_1",
        "out_2",
        "Sequential",
        "Functional",
        "Dense",
    }
    assert "(None, 3), (None, 3) → (None, 3)" in found
    assert "deep_1" not in found


def test_expanding_shows_the_layers_and_operations_inside_models():
    graph = plots.model_graph(tangled(), expand_nested=True)
    assert set(texts(graph.svg)) >= {"inner", "pair", "deep_1", "deep_2", "p", "q", "left", "joined", "Multiply"}
    # shared→deep_1→deep_2→p, shared→q, p→left→add←q, add→multiply→out_1, multiply→concatenate→out_2, and three inputs
    assert arrows(graph.svg) == graph.dot.count("->") == 14


def test_the_boxes_say_what_is_asked_for():
    model = Sequential([Input((4,)), Dense(3, activation="relu", name="one"), Dense(2, name="two")])
    model.layers[1].trainable = False
    options = {"show_dtype": True, "show_layer_activations": True, "show_trainable": True}
    assert texts(plots.model_graph(model, **options).svg) == [
        *("Dense", "one", "(None, 4) → (None, 3)", "float32", "activation: relu", "trainable"),
        *("Dense", "two", "(None, 3) → (None, 2)", "float32", "activation: linear", "frozen"),
    ]
    assert texts(plots.model_graph(model, show_shapes=False, show_layer_names=False).svg) == ["Dense", "Dense"]


def test_a_sequential_that_is_not_built_is_drawn_as_a_chain():
    graph = plots.model_graph(Sequential([Dense(3, name="one"), Dense(2, name="two")]))
    assert texts(graph.svg) == ["Dense", "one", "?", "Dense", "two", "?"]
    assert arrows(graph.svg) == 1


def test_a_model_written_as_a_class_is_one_box_or_its_layers():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(2, name="a"), Dense(1, name="b")

        def call(self, inputs):
            return self.b(self.a(inputs))

    keraunos.utils.clear_session()
    model = Net()
    assert texts(plots.model_graph(model).svg) == ["Net", "net"]
    opened = plots.model_graph(model, expand_nested=True, show_shapes=False).svg
    assert (texts(opened), arrows(opened)) == (["Dense", "a", "Dense", "b"], 0)


def test_a_layer_that_takes_its_own_output_has_an_arrow_to_itself():
    inputs, layer = Input((3,), name="x"), Dense(3, name="again")
    graph = plots.model_graph(Model(inputs, layer(layer(inputs))))
    assert '"1" -> "1"' in graph.dot
    assert arrows(graph.svg) == 2


def test_names_cannot_break_out_of_the_picture():
    evil = '<script>&"\\\x07'
    graph = plots.model_graph(Sequential([Input((2,)), Dense(1, name=evil)], name=evil), expand_nested=True)
    assert evil.replace("\x07", "?") in texts(graph.svg)
    assert "<script" not in graph.svg
    assert "<script" not in graph.dot


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_the_flow_follows_the_direction(direction):
    svg = plots.model_graph(
        Sequential([Input((2,)), Dense(2, name="one"), Dense(1, name="two")]), rankdir=direction
    ).svg
    places = {
        "".join(element.itertext()): np.array([float(element.get("x")), float(element.get("y"))])
        for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    }
    step = places["Dense  two"] - places["Dense  one"]
    axis, sign = {"TB": (1, 1), "BT": (1, -1), "LR": (0, 1), "RL": (0, -1)}[direction]
    assert sign * step[axis] > 20
    assert abs(step[1 - axis]) < 1


def test_equal_models_have_equal_pictures():
    pictures = []
    for _ in range(2):
        keraunos.utils.clear_session()
        graph = plots.model_graph(tangled(), expand_nested=True)
        pictures.append((graph.svg, graph.dot))
    assert pictures[0] == pictures[1]


def test_files_are_written_in_the_format_of_their_ending_without_graphviz(tmp_path):
    model = tangled()
    plots.model_graph(model, tmp_path / "new" / "m.svg")
    plots.model_graph(model, tmp_path / "m.dot")
    keraunos.utils.plot_model(model, tmp_path / "m.png", show_shapes=True, dpi=50)
    plots.plot_model(model, tmp_path / "m.pdf")
    assert "out_2" in texts((tmp_path / "new" / "m.svg").read_bytes())
    assert (tmp_path / "m.dot").read_text().startswith("digraph {")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "m.pdf").read_bytes().startswith(b"%PDF")


def test_the_graph_has_the_methods_of_a_graph_of_pydot(tmp_path):
    graph = keraunos.utils.model_to_dot(tangled(), show_shapes=True)
    assert graph.create(prog="dot", format="svg").decode() == graph.svg == graph._repr_svg_()
    assert graph.to_string().count("->") == 9
    graph.write(tmp_path / "without_ending", format="svg")
    assert texts((tmp_path / "without_ending").read_bytes())


def test_graphviz_is_used_where_it_is_installed(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.stdout.write(sys.argv[1] + ' ' + sys.stdin.read())\n")
    program.chmod(0o755)
    monkeypatch.setattr("keraunos.plots.graph.shutil.which", lambda name: str(program) if name == "dot" else None)
    graph = plots.model_graph(tangled(), tmp_path / "m.png")
    assert (tmp_path / "m.png").read_text() == f"-Tpng {graph.dot}"
    assert graph.svg == f"-Tsvg {graph.dot}"


def test_a_graphviz_that_fails_is_done_without(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("keraunos.plots.graph.shutil.which", lambda name: str(program))
    assert "out_1" in texts(plots.model_graph(tangled()).svg)


def test_what_is_no_model_and_unknown_arguments_are_refused_in_words():
    model = Sequential([Dense(1)])
    with pytest.raises(ArgumentError, match="3 is no model. Give a Sequential or a Model to draw"):
        plots.model_graph(3)
    with pytest.raises(ArgumentError, match="rankdir is 'LT'"):
        plots.model_graph(model, rankdir="LT")
    with pytest.raises(ArgumentError, match="no argument 'show_shape'. Did you mean 'show_shapes'"):
        plots.plot_model(model, show_shape=True)


# --- the layout ----------------------------------------------------------------------------


def overlaps(centres, sizes):
    return [
        (i, j)
        for i in range(len(sizes))
        for j in range(i)
        if all(abs(centres[i][axis] - centres[j][axis]) < (sizes[i][axis] + sizes[j][axis]) / 2 for axis in (0, 1))
    ]


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_boxes_never_overlap_and_lie_inside(direction):
    sizes = [(float(w), float(h)) for w, h in RNG.integers(20, 120, (40, 2))]
    edges = [(int(RNG.integers(0, end)), end) for end in range(1, 40) for _ in range(2)]
    layout = arrange(sizes, edges, direction)
    assert overlaps(layout.centres, sizes) == []
    for (x, y), (width, height) in zip(layout.centres, sizes, strict=True):
        assert -1e-6 <= x - width / 2 <= x + width / 2 <= layout.width + 1e-6
        assert -1e-6 <= y - height / 2 <= y + height / 2 <= layout.height + 1e-6


def test_crossings_that_can_be_avoided_are():
    # Two pairs given crosswise: 0→3, 1→2.
    centres = arrange([(20, 10)] * 4, [(0, 3), (1, 2)]).centres
    assert (centres[0][0] < centres[1][0]) == (centres[3][0] < centres[2][0])


def test_a_connection_that_passes_a_layer_bends_around_its_box():
    sizes = [(60, 20)] * 3
    layout = arrange(sizes, [(0, 1), (1, 2), (0, 2)])
    (top, bottom) = layout.bends[0, 2]
    assert top[0] == bottom[0]
    assert abs(top[0] - layout.centres[1][0]) > 30


def test_a_graph_without_boxes_has_no_size():
    assert arrange([], []) == ([], {}, 0.0, 0.0)


def test_long_words_are_wider():
    assert text_width("iiii", 12) < text_width("mmmm", 12) < text_width("mmmm", 12, bold=True)


# --- the film ------------------------------------------------------------------------------


def filmed(folder, callbacks, epochs=3):
    keraunos.utils.set_random_seed(7)
    model = Sequential([Input((2,)), Dense(4, "tanh"), layers.Dropout(0.2), Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model.fit(POINTS, POINTS[:, 0] > 0, epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks).history


def test_a_film_has_a_frame_for_every_epoch_and_a_gif_and_repeats_bit_for_bit(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    histories, files = [filmed(None, [])], []
    for name in ("first", "second"):
        film = plots.TrainingMovie(
            tmp_path / name, POINTS, POINTS[:, 0] > 0, metrics=["loss", "accuracy"], resolution=10
        )
        histories.append(filmed(name, [film]))
        files.append([path.read_bytes() for path in (*film.frames, film.gif)])
    assert [path.name for path in film.frames] == ["epoch_0001.png", "epoch_0002.png", "epoch_0003.png"]
    assert histories[0] == histories[1] == histories[2]
    assert files[0] == files[1]
    with image.open(film.gif) as gif:
        assert (gif.n_frames, gif.format, gif.info["loop"]) == (3, "GIF", 0)
        assert gif.info["duration"] == 150


def test_a_film_without_points_shows_the_curves_and_always_the_last_epoch(tmp_path):
    film = plots.TrainingMovie(tmp_path, every=2)
    filmed(None, [film])
    assert [path.name for path in film.frames] == ["epoch_0002.png", "epoch_0003.png"]
    assert film.gif.exists()


def test_a_film_of_a_training_that_stopped_early_ends_with_its_last_epoch(tmp_path):
    film = plots.TrainingMovie(tmp_path, every=10)
    stop = keraunos.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(film.model, "stop_training", epoch == 1)
    )
    filmed(None, [film, stop], epochs=30)
    assert [path.name for path in film.frames] == ["epoch_0002.png"]


def test_a_film_refuses_what_it_cannot_show_in_words(tmp_path):
    with pytest.raises(ArgumentError, match="give both x and y to show the decision boundary, or neither"):
        plots.TrainingMovie(tmp_path, x=POINTS)
    with pytest.raises(ArgumentError, match="every is 0; expected a whole number of at least 1"):
        plots.TrainingMovie(tmp_path, every=0)
    with pytest.raises(ArgumentError, match="frame_seconds is -1; expected a time above 0"):
        plots.TrainingMovie(tmp_path, frame_seconds=-1)
    with pytest.raises(ArgumentError, match="there are no frames yet"):
        plots.TrainingMovie(tmp_path).write_gif()


# --- what pictures leave alone -------------------------------------------------------------


def test_importing_plots_imports_no_picture_library():
    code = "import sys, keraunos.plots; print(*sorted({'matplotlib', 'PIL', 'jax'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_no_window_and_no_global_setting_is_touched():
    code = (
        "import sys, matplotlib\nbefore = dict(matplotlib.rcParams)\n"
        "from keraunos import plots\nplots.history({'loss': [2.0, 1.0]})._repr_png_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\nassert dict(matplotlib.rcParams) == before\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env={**os.environ, "MPLBACKEND": "svg"})


def test_without_matplotlib_the_error_says_what_to_install_and_svg_still_works(monkeypatch, tmp_path):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    message = re.escape("pictures need matplotlib, which is not installed. Run: pip install keraunos[plots]")
    with pytest.raises(KeraunosError, match=message):
        plots.history(HISTORY)
    with pytest.raises(ImportError, match=message):
        plots.plot_model(tangled(), tmp_path / "m.png")
    plots.plot_model(tangled(), tmp_path / "m.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["m.svg"]


def test_operations_of_a_model_are_boxes_too():
    x = Input((4,), name="x")
    assert {"Relu", "Sum"} <= set(texts(plots.model_graph(Model(x, ops.sum(ops.relu(x), axis=-1))).svg))

"""Losses: agreement with Keras 3, laws over the table, reductions, masks, padding, and messages."""

import inspect
import itertools
import json
import math

import numpy as np
import pytest

from keraunos import losses
from keraunos.backend import K
from keraunos.core.scope import Scope, set_mask
from keraunos.utils.errors import ArgumentError, ShapeError, UnknownNameError, UsageError

# The shapes of the golden cases, so that eager operations are compiled once for both.
N, C, T = 6, 3, 4
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


def _data():
    g = np.random.Generator(np.random.Philox(5))
    f = np.float32
    logits = g.normal(size=(N, C)).astype(f) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = g.integers(0, C, N)
    sequence = np.abs(g.normal(size=(N, T, C))).astype(f) + 0.1
    unit = logits / np.linalg.norm(logits, axis=-1, keepdims=True)
    return {
        "real": (g.normal(size=(N, C)).astype(f), logits),
        "steps": (g.normal(size=(N, T, C)).astype(f), sequence),
        "positive": (np.abs(g.normal(size=(N, C))).astype(f) * 3, np.abs(logits) + 0.1),
        "signs": (np.sign(g.normal(size=(N, C))).astype(f), logits),
        "binary": (g.integers(0, 2, (N, C)).astype(f), probabilities),
        "binary_logits": (g.integers(0, 2, (N, C)).astype(f), logits),
        "single": (g.integers(0, 2, N).astype(f), probabilities[:, :1]),
        "onehot": (np.eye(C, dtype=f)[labels], probabilities),
        "onehot_logits": (np.eye(C, dtype=f)[labels], logits),
        "onehot_first": (np.eye(C, dtype=f)[g.integers(0, C, (N, T))].transpose(0, 2, 1), sequence.transpose(0, 2, 1)),
        "labels": (labels, probabilities),
        "label_column": (labels[:, None], probabilities),
        "label_logits": (labels, logits),
        "label_steps": (g.integers(0, C, (N, T)), sequence),
        "embedded": (labels % 2, unit),
        "ctc": (
            np.array([[1, 2, 0], [2, 2, 0], [1, 0, 0], [2, 1, 1], [1, 1, 1], [2, 0, 0]]),
            g.normal(size=(N, 7, C)).astype(f),
        ),
    }  # fmt: skip


DATA = _data()

CASES = [
    ("MeanSquaredError", {}, "real"),
    ("MeanSquaredError", {}, "steps"),
    ("MeanSquaredError", {}, "single"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("CosineSimilarity", {}, "real"),
    ("CosineSimilarity", {"axis": 1}, "steps"),
    ("Huber", {}, "real"),
    ("Huber", {"delta": 0.3}, "steps"),
    ("LogCosh", {}, "real"),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "binary_logits"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "onehot"),
    ("KLDivergence", {}, "onehot"),
    ("Poisson", {}, "positive"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {}, "single"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "binary_logits"),
    ("BinaryCrossentropy", {"axis": 0}, "binary"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5}, "binary"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary_logits"),
    ("CategoricalCrossentropy", {}, "onehot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "onehot"),
    ("CategoricalCrossentropy", {"from_logits": True}, "onehot_logits"),
    ("CategoricalCrossentropy", {"axis": 1, "label_smoothing": 0.1}, "onehot_first"),
    ("CategoricalFocalCrossentropy", {}, "onehot"),
    ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3], "gamma": 3.0}, "onehot"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "onehot_logits"),
    ("SparseCategoricalCrossentropy", {}, "labels"),
    ("SparseCategoricalCrossentropy", {}, "label_column"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "label_logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "label_steps"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, "labels"),
    ("Dice", {}, "binary"),
    ("Dice", {"axis": 1}, "binary"),
    ("Tversky", {}, "binary"),
    ("Tversky", {"alpha": 0.3, "beta": 0.7}, "binary"),
    ("Tversky", {"axis": (1,)}, "binary"),
    ("Circle", {}, "embedded"),
    ("Circle", {"gamma": 5.0, "margin": 0.1, "remove_diagonal": False}, "embedded"),
    ("CTC", {}, "ctc"),
]
IDS = [f"{name}-{data}-{'-'.join(kwargs)}".rstrip("-") for name, kwargs, data in CASES]
CLASSES = [member for member in losses.table.public.values() if inspect.isclass(member) and member.fn]
FUNCTIONS = [member for member in losses.table.public.values() if not inspect.isclass(member)]


def make(member, arguments, /, **more):
    return getattr(losses, member)(**arguments, **more)


def reductions_of(name):
    # Out of a compiled step every call of CTC compiles its recursion.
    return REDUCTIONS if name != "CTC" else REDUCTIONS[3:4]


def weights_for(shape):
    """Weights of rows, of single values, and none."""
    g = np.random.Generator(np.random.Philox(8))
    given = [None]
    if shape:
        if len(shape) == 1:
            given.append(g.uniform(0.1, 2, shape).astype("float32"))
        given.append(g.uniform(0.1, 2, (*shape[:1], 1) if len(shape) == 1 else shape).astype("float32"))
    return given


# --- against Keras -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_values_reductions_and_weights_agree_with_keras(name, kwargs, data):
    keras = pytest.importorskip("keras")
    y, p = DATA[data]
    values = np.asarray(make(name, kwargs, reduction=None)(y, p))
    for reduction in reductions_of(name):
        oracle = getattr(keras.losses, name)(**kwargs, reduction=reduction)
        ours = make(name, kwargs, reduction=reduction)
        for weight in weights_for(values.shape):
            expected = np.asarray(oracle(y, p, sample_weight=weight))
            np.testing.assert_allclose(np.asarray(ours(y, p, weight)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_gradients_agree_with_keras(name, kwargs, data):
    keras = pytest.importorskip("keras")
    import jax

    y, p = DATA[data]
    oracle, ours = getattr(keras.losses, name)(**kwargs), make(name, kwargs)
    expected = jax.grad(lambda p: oracle(y, p))(p)
    (_, _), gradient = K.value_and_gradient(lambda p: (ours(y, p), None))(K.array(p))
    np.testing.assert_allclose(np.asarray(gradient), np.asarray(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_function_agrees_with_keras_and_has_its_arguments(function):
    keras = pytest.importorskip("keras")
    oracle = getattr(keras.losses, function.__name__)
    ours, theirs = inspect.signature(function).parameters, inspect.signature(oracle).parameters
    assert list(ours) == list(theirs)
    owner, data = next((n, d) for n, k, d in CASES if getattr(losses, n).fn is function and not (k and "q" not in k))
    y, p = DATA[data]
    extra = {"q": 0.5} if "Generalized" in owner else {}
    if np.ndim(y) < np.ndim(p) and data == "single":
        y = y[:, None]
    expected = np.asarray(oracle(keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(p), **extra))
    np.testing.assert_allclose(np.asarray(function(y, p, **extra)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("member", CLASSES, ids=lambda c: c.__name__)
def test_a_class_has_the_arguments_of_keras_in_order_with_their_defaults(member):
    keras = pytest.importorskip("keras")
    ours = inspect.signature(member).parameters
    theirs = inspect.signature(getattr(keras.losses, member.__name__)).parameters
    assert [(n, p.default) for n, p in ours.items()] == [(n, p.default) for n, p in theirs.items()]


def test_the_public_names_are_those_of_keras():
    keras = pytest.importorskip("keras")
    names = {name for name in dir(keras.losses) if not name.startswith("_")}
    assert names <= set(losses.__all__)
    assert len(CLASSES) == len(FUNCTIONS) == 22


def test_names_and_aliases_resolve_as_in_keras():
    pytest.importorskip("keras")
    from keras.src.losses import ALL_OBJECTS_DICT

    for name, member in ALL_OBJECTS_DICT.items():
        if name != "Loss":
            ours = losses.table.members[name]
            assert (ours.__name__, inspect.isclass(ours)) == (member.__name__, inspect.isclass(member))


def test_golden_values_of_the_release(shared):
    golden = json.loads(shared("golden/k3/losses_metrics.json").read_text())
    data, weight = golden["data"], np.array(golden["sample_weight"], "float32")
    seen = 0
    for case in golden["functions"]:
        module, _, name = case["fn"].partition(".")
        if module != "losses" or not hasattr(losses, name):
            continue
        y, p = (np.array(data[case["data"]][key]) for key in ("y_true", "y_pred"))
        values = np.asarray(getattr(losses, name)(y, p, **case["kwargs"]))
        expected = np.array(case["value"])
        if name == "categorical_generalized_cross_entropy" and y.ndim == p.ndim:
            # Keras pairs a column of labels with all rows of outputs; the paper, and we, with their own row.
            expected = np.diag(expected)
        np.testing.assert_allclose(values, expected, rtol=2e-5, atol=2e-5, err_msg=str(case))
        seen += 1
    for case in golden["loss_classes"]:
        y, p = (np.array(data[case["data"]][key]) for key in ("y_true", "y_pred"))
        loss = getattr(losses, case["class"])(reduction=case["reduction"])
        value = np.asarray(loss(y, p, weight if case["weighted"] else None))
        np.testing.assert_allclose(value, np.array(case["value"]), rtol=2e-5, atol=2e-5, err_msg=str(case))
        seen += 1
    assert seen > 200


# --- laws over the table -----------------------------------------------------------------


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_config_round_trip_gives_an_equal_loss(name, kwargs, data):
    loss = make(name, kwargs, reduction="sum", name="mine")
    config = json.loads(json.dumps(losses.serialize(loss)))
    again = losses.deserialize(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config() == config["config"]
    assert config["module"] == "keras.losses"
    assert again.reduction == "sum"
    assert again.name == "mine"
    for key in kwargs.keys() - {"axis"}:
        assert config["config"][key] == kwargs[key]


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_keras_reads_our_config_and_we_read_that_of_keras(name, kwargs, data):
    keras = pytest.importorskip("keras")
    loss = make(name, kwargs, reduction="sum")
    oracle = getattr(keras.losses, name)
    assert oracle.from_config(loss.get_config()).reduction == "sum"
    theirs = oracle(**kwargs).get_config()
    ours = getattr(losses, name).from_config(theirs).get_config()
    assert json.dumps({key: ours[key] for key in theirs}) == json.dumps(theirs)


@pytest.mark.parametrize(("name", "kwargs", "data"), [case for case in CASES if make(*case[:2]).row_wise])
def test_padding_rows_change_nothing(name, kwargs, data):
    y, p = DATA[data]
    real = 4
    rows = np.array([1] * real + [0] * (N - real), "float32")
    garbage, zero = np.array(p), np.array(y)
    garbage[real:], zero[real:] = np.nan, 0
    shape = np.shape(make(name, kwargs, reduction=None)(y, p))
    for reduction in reductions_of(name):
        loss = make(name, kwargs, reduction=reduction)
        for weight in weights_for(shape):
            part = None if weight is None else weight[:real]
            expected = np.asarray(loss(y[:real], p[:real], part))
            for full in (p, garbage):
                value = np.asarray(loss(zero, full, weight, rows=rows))
                value = value[:real] if reduction in (None, "none") else value
                np.testing.assert_allclose(value, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_a_loss_that_calls_itself_row_wise_is(name, kwargs, data):
    y, p = DATA[data]
    loss = make(name, kwargs, reduction=None)
    other = np.array(p)
    other[1:] = other[1:][::-1]
    values, changed = np.asarray(loss(y, p)), np.asarray(loss(y, other))
    if loss.row_wise:
        assert values.shape[0] == N
        np.testing.assert_array_equal(values[0], changed[0])


def test_rows_of_a_coupled_loss_are_refused():
    y, p = DATA["binary"]
    with pytest.raises(ArgumentError, match=r"rows has shape \(6,\), but .* have shape \(\).*cannot be padded"):
        losses.Dice()(y, p, rows=np.ones(N))


def test_which_losses_are_row_wise():
    coupled = {c.__name__ for c in CLASSES if not c().row_wise}
    assert coupled == {"Circle", "Dice", "Tversky"}
    assert losses.Dice(axis=(1, 2)).row_wise
    assert not losses.BinaryCrossentropy(axis=0).row_wise
    assert losses.is_row_wise("mse", (None, 3))
    assert not losses.is_row_wise("mse", (None,))
    assert not losses.is_row_wise(lambda y, p: K.mean(p))
    assert losses.LossFunctionWrapper(losses.mean_squared_error).row_wise

    class Mine(losses.MeanSquaredError):
        def call(self, y_true, y_pred):
            return K.mean(y_pred)

    assert not Mine().row_wise


# --- reductions and masks ----------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_a_mask_agrees_with_keras(reduction):
    keras = pytest.importorskip("keras")
    y, p = DATA["steps"]
    mask = np.arange(N * T).reshape(N, T) % 3 != 1
    for weight in (None, np.linspace(0.5, 2, N * T).reshape(N, T).astype("float32")):
        tensor = keras.ops.convert_to_tensor(p)
        keras.src.backend.set_keras_mask(tensor, keras.ops.convert_to_tensor(mask))
        expected = np.asarray(keras.losses.MeanSquaredError(reduction=reduction)(y, tensor, weight))
        ours = losses.MeanSquaredError(reduction=reduction)
        np.testing.assert_allclose(np.asarray(ours(y, p, weight, mask=mask)), expected, rtol=1e-5)
        with Scope(strict=False):
            tensor = K.array(p)
            set_mask(tensor, K.array(mask))
            np.testing.assert_allclose(np.asarray(ours(y, tensor, weight)), expected, rtol=1e-5)


def test_a_mask_of_steps_and_padding_together_give_the_value_of_the_real_rows():
    y, p = DATA["steps"]
    mask = np.arange(N * T).reshape(N, T) % 3 != 1
    rows, weight = np.array([1, 1, 1, 0, 0, 0], "float32"), np.linspace(0.5, 2, N).astype("float32")
    for reduction in REDUCTIONS[:4]:
        loss = losses.MeanSquaredError(reduction=reduction)
        expected = loss(y[:3], p[:3], weight[:3], mask=mask[:3])
        np.testing.assert_allclose(loss(y, p, weight, mask=mask, rows=rows), expected, rtol=2e-6)


def test_weights_of_rows_apply_to_all_steps_of_a_row():
    y, p = DATA["steps"]
    weight = np.linspace(0, 2, N).astype("float32")
    values = np.mean((y - p) ** 2, -1)
    np.testing.assert_allclose(losses.MeanSquaredError()(y, p, weight), np.mean(values * weight[:, None]), rtol=1e-5)


def test_a_mask_without_valid_entries_gives_zero():
    y, p = DATA["steps"]
    assert float(losses.MeanSquaredError()(y, p, mask=np.zeros((N, T)))) == 0.0


def test_ignored_classes_do_not_count_in_the_mean():
    y, p = DATA["label_steps"]
    values = -np.log(np.take_along_axis(p / p.sum(-1, keepdims=True), y[..., None], -1))[..., 0]
    loss = losses.SparseCategoricalCrossentropy(ignore_class=2)
    assert float(loss(y, p)) == pytest.approx(values[y != 2].mean(), rel=1e-5)
    outside = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    assert float(outside(np.where(y == 2, -1, y), p)) == float(loss(y, p))


def test_weights_of_a_wrong_shape_are_refused():
    y, p = DATA["steps"]
    with pytest.raises(ShapeError, match=r"shape \(6, 2\), which does not fit the loss values of shape \(6, 4\)"):
        losses.MeanSquaredError()(y, p, np.ones((6, 2)))


def test_the_loss_works_inside_a_compiled_program():
    y, p = DATA["labels"]
    loss = losses.SparseCategoricalCrossentropy()
    compiled = K.compile(lambda y, p, rows: loss(y, p, rows=rows))
    rows = np.array([1, 1, 0, 1, 0, 0], "float32")
    assert float(compiled(y, p, rows)) == pytest.approx(float(loss(y[rows > 0], p[rows > 0])), rel=1e-6)


def test_half_precision_is_computed_in_the_type_of_the_loss():
    y, p = DATA["real"]
    assert K.dtype(losses.MeanSquaredError(dtype="bfloat16")(y, p)) == "bfloat16"
    assert K.dtype(losses.MeanSquaredError()(y, K.cast(K.array(p), "bfloat16"))) == "float32"
    assert losses.MeanSquaredError(dtype="bfloat16").get_config()["dtype"] == "bfloat16"


# --- single functions --------------------------------------------------------------------


def test_ctc_sums_over_all_alignments():
    logits = np.random.default_rng(3).normal(size=(1, 4, 3)).astype("float32")
    probability = np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
    total = 0.0
    for path in np.ndindex(3, 3, 3, 3):
        merged = [path[0], *(b for a, b in itertools.pairwise(path) if a != b)]
        if [label for label in merged if label] == [1, 1]:
            total += math.prod(probability[t, c] for t, c in enumerate(path))
    assert float(losses.ctc([[1, 1]], logits)[0]) == pytest.approx(-math.log(total), rel=1e-5)


def test_ctc_of_an_empty_label_is_all_blanks():
    logits = np.random.default_rng(4).normal(size=(1, 3, 3)).astype("float32")
    blanks = np.asarray(K.log_softmax(logits))[0, :, 0].sum()
    assert float(losses.ctc([[0, 0]], logits)[0]) == pytest.approx(-blanks, rel=1e-5)


def test_labels_in_a_column_are_labels_for_the_generalized_cross_entropy():
    y, p = DATA["labels"]
    function = losses.categorical_generalized_cross_entropy
    np.testing.assert_array_equal(function(y[:, None], p), function(y, p))


def test_lists_are_accepted():
    assert float(losses.BinaryCrossentropy()([0, 1], [0.5, 0.5])) == pytest.approx(math.log(2))
    assert losses.mean_squared_error([[0, 2]], [[0, 0]]).tolist() == [2.0]


# --- a user's own ------------------------------------------------------------------------


def test_a_users_loss_class_from_the_keras_documentation_works():
    class Power(losses.Loss):
        def __init__(self, exponent=2, name="power"):
            super().__init__(name=name)
            self.exponent = exponent

        def call(self, y_true, y_pred):
            return K.mean(K.abs(y_true - y_pred) ** self.exponent, axis=-1)

        def get_config(self):
            return {"exponent": self.exponent, "name": self.name}

    y, p = DATA["real"]
    loss = Power(3)
    assert (loss.name, loss.reduction, loss.row_wise) == ("power", "sum_over_batch_size", False)
    assert float(loss(y, p)) == pytest.approx(np.mean(np.abs(y - p) ** 3), rel=1e-5)
    again = losses.deserialize(losses.serialize(loss), {"Power": Power})
    assert isinstance(again, Power)
    assert again.exponent == 3


def test_a_users_function_becomes_a_loss_under_its_name():
    def distance(y_true, y_pred):
        return K.sum(K.abs(y_true - y_pred), -1)

    loss = losses.as_loss(distance)
    y, p = DATA["real"]
    assert loss.name == "distance"
    assert not loss.row_wise
    assert float(loss(y, p)) == pytest.approx(np.abs(y - p).sum(-1).mean(), rel=1e-5)


def test_a_users_subclass_keeps_the_arguments_of_its_parent():
    class Logits(losses.BinaryCrossentropy):
        def __init__(self):
            super().__init__(from_logits=True, name="logits")

    y, p = DATA["binary_logits"]
    assert float(Logits()(y, p)) == float(losses.BinaryCrossentropy(from_logits=True)(y, p))


def test_a_wrapped_function_goes_through_its_config():
    loss = losses.LossFunctionWrapper(losses.huber, name="h", delta=0.5)
    again = losses.deserialize(losses.serialize(loss))
    y, p = DATA["real"]
    assert float(again(y, p)) == float(loss(y, p))
    assert again.name == "h"


def test_names_are_made_unique_as_in_keras():
    class Mine(losses.Loss):
        pass

    assert [Mine().name, Mine().name] == ["mine", "mine_1"]
    assert losses.MeanSquaredError().name == losses.MeanSquaredError().name == "mean_squared_error"


# --- by name -----------------------------------------------------------------------------


def test_a_name_gives_the_function_and_a_class_name_an_object():
    assert losses.get("mse") is losses.mean_squared_error
    assert isinstance(losses.get("CategoricalCrossentropy"), losses.CategoricalCrossentropy)
    config = {"class_name": "CategoricalCrossentropy", "config": {"from_logits": True}}
    assert losses.get(config).from_logits is True
    assert losses.get(None) is None
    assert losses.as_loss("mse").name == "mse"
    assert losses.as_loss("Huber").name == "huber_loss"


def test_crossentropy_is_chosen_by_the_shapes():
    assert losses.resolve("crossentropy", (None, 1), (None, 1)).name == "binary_crossentropy"
    assert losses.resolve("ce", (None,), (None, 5)).name == "sparse_categorical_crossentropy"
    assert losses.resolve("crossentropy", (None, 5), (None, 5)).name == "categorical_crossentropy"


# --- messages ----------------------------------------------------------------------------

FAULTS = [
    (
        "categorical_crossentropy", (None, 1), (None, 10),
        r"^categorical_crossentropy: y has shape \(None, 1\), the outputs \(None, 10\)\. Integer labels need "
        r"loss='sparse_categorical_crossentropy'; or one-hot them with to_categorical\(y, 10\)\.$",
    ),
    ("categorical_crossentropy", (None,), (None, 10), "Integer labels need loss='sparse_categorical_crossentropy'"),
    ("categorical_crossentropy", (None, 7), (None, 10), "give the last layer 7 units, or y 10 columns"),
    (
        "sparse_categorical_crossentropy", (None, 10), (None, 10),
        r"One-hot labels need loss='categorical_crossentropy'; or turn them into integers with y.argmax\(-1\)",
    ),
    ("sparse_categorical_crossentropy", (None, 3), (None, 10), r"must have the shape \(None,\), one for each set"),
    ("mse", (None, 3), (None, 5), r"^mean_squared_error: y has shape \(None, 3\), the outputs \(None, 5\)\. "),
    ("mse", (None, 3), (None, 7, 3), "the outputs have more axes: flatten or pool them, or check return_sequences"),
    ("mse", (None, 7, 3), (None, 3), "the labels have more axes"),
    ("mae", (4, 3), (5, 3), "The two must be equal"),
    ("binary_crossentropy", (None, 1), (None, 2), "with 1 unit and a sigmoid; for 2 classes use loss='sparse"),
    ("binary_crossentropy", (None, 5), (None, 1), r"give the last layer 5 units, or y 1 column\."),
    ("ctc", (None, 5, 1), (None, 9, 4), r"CTC needs labels \(batch, labels\), padded with 0"),
    ("circle", (None, 5), (None, 9), "one integer label, and one vector, for each row"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "y", "p", "words"), FAULTS)
def test_shapes_that_do_not_fit_get_a_sentence(name, y, p, words):
    with pytest.raises(ShapeError, match=words):
        losses.check_shapes(name, y, p)
    with pytest.raises(ShapeError, match="^digit: y has shape"):
        losses.check_shapes(losses.as_loss(name), y, p, "digit")
    known = [[3 if size is None else size for size in shape] for shape in (y, p)]
    with pytest.raises(ShapeError):
        losses.as_loss(name)(np.zeros(known[0]), np.zeros(known[1]))


@pytest.mark.parametrize(("name", "kwargs", "data"), CASES, ids=IDS)
def test_shapes_that_fit_are_let_through(name, kwargs, data):
    y, p = DATA[data]
    losses.check_shapes(make(name, kwargs), (None, *y.shape[1:]), (None, *p.shape[1:]))
    losses.check_shapes(make(name, kwargs), y.shape, p.shape)


def test_open_sizes_and_losses_of_ones_own_are_let_through():
    losses.check_shapes("mse", (None,), (None, 1))
    losses.check_shapes("mse", (None, None, 3), (None, 7, 3))
    losses.check_shapes(lambda y, p: p, (None, 1), (None, 5))


def test_one_class_gets_a_warning():
    with pytest.warns(SyntaxWarning, match="have one class, so nothing can be learned.* use loss='binary"):
        losses.check_shapes("categorical_crossentropy", (None, 1), (None, 1))


def test_bad_arguments_get_a_sentence():
    with pytest.raises(ArgumentError, match="reduction is 'summ'; expected one of .*Did you mean 'sum'"):
        losses.MeanSquaredError(reduction="summ")
    with pytest.raises(ArgumentError, match="Loss: reduction is 'total'"):
        losses.Loss(reduction="total")
    with pytest.raises(ArgumentError, match="unknown argument 'from_logit'. Did you mean 'from_logits'"):
        losses.BinaryCrossentropy(from_logit=True)
    with pytest.raises(ArgumentError, match="label_smoothing is 2; expected a number from 0 to 1"):
        losses.CategoricalCrossentropy(label_smoothing=2)
    with pytest.raises(ArgumentError, match="axis is True; expected an axis"):
        losses.CategoricalCrossentropy(axis=True)
    with pytest.raises(ArgumentError, match="q is 1; expected a number between 0 and 1"):
        losses.CategoricalGeneralizedCrossEntropy(q=1.0)
    with pytest.raises(
        ArgumentError, match=r"LossFunctionWrapper: fn is None; expected a function of \(y_true, y_pred\)"
    ):
        losses.LossFunctionWrapper()
    with pytest.raises(UnknownNameError, match="no loss called 'msee'. Did you mean 'mse'"):
        losses.get("msee")
    with pytest.raises(UsageError, match=r"Empty does not define call\(self, y_true, y_pred\)"):
        type("Empty", (losses.Loss,), {})()([0.0], [0.0])

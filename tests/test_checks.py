"""What is found to be wrong before, or while, a model runs on data: an error or a warning that says what to do."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest

from keraunos import Model, Sequential, callbacks, config, layers, losses, metrics, ops, optimizers
from keraunos.core.scope import Scope
from keraunos.models import load_model
from keraunos.training.data.lookups import Lookup, Lookups
from keraunos.utils import to_categorical
from keraunos.utils.errors import ArgumentError, DataError, NotCompiledError, ShapeError, UsageError

GOOD = np.tile([0, 1, 3], (9, 1))
ONES = np.ones((9, 1), "float32")


def changed(row: int, column: int, value: float) -> np.ndarray:
    """``GOOD`` with one number exchanged."""
    x = GOOD.astype(type(value))
    x[row, column] = value
    return x


def compiled(model: Any, loss: Any = "mse", **options: Any) -> Any:
    model.compile("sgd", loss, **options)
    return model


def direct(**options: Any) -> Any:
    stack = [layers.Input((3,), **options), layers.Embedding(4, 2, name="words"), layers.Flatten(), layers.Dense(1)]
    return compiled(Sequential(stack))


class Pooled(Model):
    """An Embedding in a model written as a class."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = layers.Embedding(4, 2, name="words"), layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.out(ops.mean(self.words(inputs), 1))


def batches(x: Any, y: Any) -> Any:
    yield GOOD, ONES
    yield x, y


METHODS = {
    "fit": lambda model, x: model.fit(x, ONES, verbose=0),
    "validation": lambda model, x: model.fit(GOOD, ONES, validation_data=(x, ONES), verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, ONES, verbose=0),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict in batches": lambda model, x: model.predict(x, batch_size=2, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, ONES),
    "test_on_batch": lambda model, x: model.test_on_batch(x, ONES),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
}


# --- numbers that are looked up --------------------------------------------------------


@pytest.fixture(scope="module")
def looked_up() -> dict[str, Any]:
    return {"direct": direct(), "class": compiled(Pooled())}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("value", "words"), [(7, "holds 7, .* rows 0 to 3 .*input_dim=8"), (-1, "holds -1, .* from 0")]
)
def test_a_number_that_is_no_row_of_an_embedding_is_refused_before_it_is_looked_up(
    looked_up: Any, method: str, value: int, words: str
) -> None:
    with pytest.raises(DataError, match=f"^x: row 5, column 1 {words}"):
        METHODS[method](looked_up["direct"], changed(5, 1, value))


@pytest.mark.parametrize("method", METHODS)
def test_where_a_model_computes_the_numbers_nan_is_explained(looked_up: Any, method: str) -> None:
    with pytest.raises(DataError, match=r"NaN came out. In row 5 of x: words: inputs hold 7.*input_dim=8"):
        METHODS[method](
            compiled(Pooled()) if "fit" in method or "train" in method else looked_up["class"], changed(5, 1, 7)
        )


def test_rows_that_were_predicted_before_are_checked_again(looked_up: Any) -> None:
    for model in looked_up.values():
        for _ in range(2):
            model.predict(GOOD, verbose=0)
        with pytest.raises(DataError, match="row 5"):
            model.predict(changed(5, 1, 7), verbose=0)


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "holds 0.5, .* Convert the data to whole"), (np.nan, "holds nan, .* Fill")]
)
def test_a_fraction_is_no_row(looked_up: Any, value: float, words: str) -> None:
    with pytest.raises(DataError, match=words):
        looked_up["direct"].fit(changed(2, 0, value), ONES, verbose=0)
    with pytest.raises(DataError, match=words):
        direct(dtype="int32").fit(changed(2, 0, value), ONES, verbose=0)


def test_the_batch_of_a_generator_is_named() -> None:
    with pytest.raises(DataError, match="^batch 2 of a generator: x: row 5, column 1 holds 7"):
        direct().fit(batches(changed(5, 1, 7), ONES), verbose=0)


def test_rows_of_a_file_are_named_by_the_place_where_they_stand(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("keraunos.training.data.arrays.BLOCK_BYTES", 1)
    np.save(tmp_path / "x.npy", changed(5, 1, 7).astype("int32"))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(DataError, match="of the rows from 4 on, x: row 1, column 1 holds 7"):
        direct().evaluate(x, ONES, batch_size=4, verbose=0)


def columns(model: Any) -> Any:
    return [
        (lookup.source, None if lookup.columns is None else lookup.columns.tolist()) for lookup in model.lookups().known
    ]


def test_the_columns_that_feed_an_embedding_are_found_behind_casts_and_slices() -> None:
    table = layers.Input((4,))
    days, shops = (layers.Embedding(n, 2, name=name) for n, name in ((7, "days"), (3, "shops")))
    parts = [days(ops.cast(table[:, 1], "int32")), shops(layers.Lambda(lambda x: x[:, 3])(table)), table[:, :1]]
    model = compiled(Model(table, layers.Dense(1)(layers.Concatenate()(parts))))
    assert columns(model) == [(0, [1]), (0, [3])]
    x = np.zeros((5, 4))
    x[:, 0], x[:, 2] = -1.5, np.nan
    x[3, 1] = 6.5  # the cast cuts it off
    model.predict(x, verbose=0)
    x[4, 3] = 3
    with pytest.raises(DataError, match="x: row 4, column 3 holds 3, but 'shops'"):
        model.predict(x, verbose=0)


def test_several_inputs_are_told_apart() -> None:
    one, two = layers.Input((3,), name="one"), layers.Input((None,), name="two")
    words, mean = layers.Embedding(4, 2), layers.GlobalAveragePooling1D()
    model = Model([one, two], layers.Concatenate()([mean(words(one)), mean(words(two))]))
    assert columns(model) == [(0, None), (1, None)]
    with pytest.raises(DataError, match=r"x\[1\]: row 5"):
        model.predict([GOOD, changed(5, 1, 7)], verbose=0)
    with pytest.raises(DataError, match=r"x\['two'\]: row 5"):
        model.predict({"two": changed(5, 1, 7), "one": GOOD}, verbose=0)


def test_models_inside_of_models_and_of_steps_are_followed() -> None:
    sentence = layers.Input((3,))
    inner = Model(sentence, layers.GlobalAveragePooling1D()(layers.Embedding(4, 2, name="words")(sentence)))
    text = layers.Input((2, 3))
    model = Model(text, layers.TimeDistributed(inner)(text))
    assert columns(model) == [(0, None)]
    with pytest.raises(DataError, match="x: row 5 holds 7, but 'words'"):
        model.predict(np.stack([GOOD, changed(5, 1, 7)], 1), verbose=0)


def test_numbers_that_are_computed_from_the_data_alone_are_computed_and_checked() -> None:
    stack = [layers.Input((3,)), layers.Lambda(lambda x: x + 1), layers.Embedding(4, 2, name="words")]
    with pytest.raises(DataError, match="what the model computes of x: row 0 holds 4"):
        Sequential(stack).predict(GOOD, verbose=0)
    fitting = Sequential([layers.Input((3,)), layers.Lambda(lambda x: x % 4), layers.Embedding(4, 2)])
    assert fitting.predict(changed(5, 1, 7), verbose=0).shape == (9, 3, 2)


def test_a_model_without_a_table_looks_nothing_up() -> None:
    assert Sequential([layers.Input((3,)), layers.Dense(1)]).lookups() == Lookups()


def test_only_numbers_that_were_not_checked_can_be_nan() -> None:
    layer = layers.Embedding(4, 2)
    layer(GOOD)
    scope = Scope(strict=False)
    with scope:
        assert np.isnan(np.asarray(layer(changed(0, 0, -1)))).sum() == 2
        assert np.isnan(np.asarray(layer(changed(0, 0, 0.5)))).sum() == 2
        assert not np.isnan(np.asarray(layer(GOOD))).any()
        scope.checked = frozenset({layer})
        assert not np.isnan(np.asarray(layer(changed(0, 0, 4)))).any()


def test_a_lookup_that_something_rounds_takes_fractions() -> None:
    rounded = Lookups([Lookup("words", 4, 0, whole=False)])
    rounded.check(np.array([[-0.9, 3.9]]))
    with pytest.raises(DataError, match="holds 4, but"):
        rounded.check(np.array([[4.0]]))
    with pytest.raises(DataError, match="holds -1, but"):
        rounded.check(np.array([[-1.0]]))


def test_half_precision_rounds_no_number_that_is_looked_up() -> None:
    config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Sequential([layers.Embedding(3000, 1)])
        model.build((None, 2))
    finally:
        config.set_dtype_policy("float32")
    model.set_weights([np.arange(3000.0).reshape(-1, 1) % 2])
    assert np.asarray(model.predict(np.array([[2001, 2002]]), verbose=0), "float32").ravel().tolist() == [1.0, 0.0]


# --- targets ---------------------------------------------------------------------------

X = np.random.RandomState(0).rand(12, 4).astype("float32")
LABELS = np.arange(12).reshape(-1, 1)


def net(units: int = 1, activation: Any = None, loss: Any = "mse", **options: Any) -> Any:
    return compiled(Sequential([layers.Input((4,)), layers.Dense(units, activation, name="out")]), loss, **options)


def cycled(*values: Any) -> np.ndarray:
    return np.asarray(values)[LABELS.ravel() % len(values)].reshape(12, -1)


BCE, CCE = "binary_crossentropy", "categorical_crossentropy"
EYE = np.eye(3)


@pytest.mark.parametrize(
    ("units", "loss", "y", "words"),
    [
        (1, BCE, cycled(0, 1, 2), "y holds 2, but labels are from 0 to 1. For 3 classes .* 3 units and a softmax"),
        (1, BCE, cycled(-1, 1), r"y holds -1, .* Give \(y \+ 1\) / 2; or use loss='hinge'"),
        (1, BCE, cycled(0, 255), "y holds 255, .* Divide y by 255"),
        (1, BCE, cycled(-0.5, 3.1), "y holds -0.5, .* or use a loss of distances"),
        (1, losses.BinaryFocalCrossentropy(), cycled(0, 9), "binary_focal_crossentropy: y holds 9"),
        (3, CCE, 2 * cycled(*EYE), "a row of y sums to 2, .* Divide y by its largest value"),
        (3, CCE, 255 * cycled(*EYE).astype(int), "a row of y sums to 255"),
        (3, CCE, cycled(EYE[0] + EYE[1], EYE[2]), "sums to 2, .* use loss='binary_crossentropy' and a sigmoid"),
        (3, CCE, cycled([0.5, 0.3, 0.5], EYE[2]), "sums to 1.3, .* Divide each row by its sum"),
    ],
)  # fmt: skip
def test_labels_that_a_loss_of_probabilities_cannot_mean_get_a_warning(
    units: int, loss: Any, y: Any, words: str
) -> None:
    model = net(units, "sigmoid" if units == 1 else "softmax", loss)
    with pytest.warns(UserWarning, match=words) as caught:
        model.fit(X, y, verbose=0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("units", "loss", "y"),
    [
        (1, BCE, cycled(0.1, 0.9)),
        (1, BCE, cycled(-0.1, 1.2)),
        (1, BCE, cycled(True, False)),
        (1, lambda t, p: ops.mean(ops.square(t - p), -1), cycled(0, 255)),
        (3, CCE, cycled(*(EYE * 0.9 + 0.1 / 3))),
        (3, CCE, cycled(*(EYE * [1, 1, 0]))),
        (3, CCE, cycled(*EYE) * np.random.RandomState(1).randn(12, 1)),
        (3, losses.SparseCategoricalCrossentropy(ignore_class=-1), cycled(0, 1, 2, -1)),
    ],
    ids=["soft", "noisy", "truths", "own loss", "smoothed", "left out", "returns", "ignored"],
)
def test_soft_labels_and_losses_of_ones_own_get_none(units: int, loss: Any, y: Any) -> None:
    net(units, "sigmoid" if units == 1 else "softmax", loss).fit(X, y, verbose=0)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "words"),
    [
        (1, None, BCE, "'out' ends with the activation 'linear', .* Use activation='sigmoid'"),
        (1, "relu", BCE, "ends with the activation 'relu'"),
        (3, "tanh", "sparse_categorical_crossentropy", "'tanh', .* Use activation='softmax', or from_logits=True"),
        (
            1,
            "sigmoid",
            losses.BinaryCrossentropy(from_logits=True),
            "would pass a second sigmoid. Leave from_logits out",
        ),
        (3, "softmax", losses.CategoricalCrossentropy(from_logits=True), "would pass a second softmax"),
    ],
)
def test_probabilities_and_logits_are_not_mixed_up_without_a_word(
    units: int, activation: Any, loss: Any, words: str
) -> None:
    model = net(units, activation, loss)
    y = cycled(*EYE) if isinstance(loss, losses.CategoricalCrossentropy) else cycled(0, 1)
    with pytest.warns(UserWarning, match=words) as caught:
        model.train_on_batch(X, y)
    assert caught[0].filename == __file__
    model.train_on_batch(X, y)  # once is enough


@pytest.mark.parametrize(
    "ending",
    [
        [layers.Dense(2), layers.Activation("softmax")],
        [layers.Dense(2, "softmax"), layers.Activation("linear", dtype="float32")],
        [layers.Dense(4), layers.Softmax(), layers.Reshape((4,))],
        [layers.Dense(2, activation=lambda x: ops.softmax(x))],
        [layers.Dense(2), layers.Lambda(lambda x: ops.softmax(x))],
    ],
)
def test_probabilities_may_be_made_in_any_way(ending: Any) -> None:
    model = compiled(Sequential([layers.Input((4,)), *ending]), "sparse_categorical_crossentropy")
    model.test_on_batch(X, cycled(0, 1))


@pytest.mark.parametrize(
    ("units", "y", "words"),
    [
        (3, X[:, :1], r"y has shape \(None, 1\), the outputs \(None, 3\).* the last layer 1 unit, or y 3 columns"),
        (3, X[:, 0], r"y has shape \(None,\), the outputs \(None, 3\).* the last layer 1 unit, or y 3 columns"),
        (1, X[:, :3], r"the last layer 3 units, or y 1 column\."),
    ],
)
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "cosine_similarity"])
def test_targets_are_not_stretched_over_the_outputs(units: int, y: Any, words: str, loss: str) -> None:
    with pytest.raises(ShapeError, match=words):
        net(units, None, loss).fit(X, y, verbose=0)


@pytest.mark.parametrize("metric", ["accuracy", metrics.AUC(), metrics.Precision()])
def test_labels_are_not_counted_in_a_regression_without_a_word(metric: Any) -> None:
    with pytest.warns(UserWarning, match="counts labels that are right, 0 or 1, but y holds .* such as 'mae'"):
        net(metrics=[metric]).fit(X, 3 * X[:, :1], verbose=0)


def test_least_squares_of_labels_may_count_them() -> None:
    net(metrics=["accuracy"]).fit(X, cycled(0.0, 1.0), verbose=0)
    net(3, metrics=["accuracy"]).fit(X, cycled(*EYE), verbose=0)


def test_a_negative_label_is_not_answered_with_a_number_of_units() -> None:
    model = net(3, "softmax", "sparse_categorical_crossentropy")
    with pytest.raises(
        DataError, match="holds the label -1, .* from 0. Labels that shall not count need .*ignore_class"
    ) as error:
        model.fit(X, cycled(0, 1, -1), verbose=0)
    assert "units" not in str(error.value)
    model.evaluate(X, cycled(0, 1, -1), sample_weight=cycled(1, 1, 0)[:, 0], verbose=0)


def test_labels_of_every_batch_are_looked_at() -> None:
    model = net(3, "softmax", "sparse_categorical_crossentropy")
    with pytest.raises(DataError, match="batch 2 of a generator: output 'out': y holds the label 3"):
        model.fit(((X, cycled(*labels)) for labels in ((0, 1), (0, 3))), verbose=0)


# --- weights, steps, rates -------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sample_weight_that_is_no_number_is_refused(value: float) -> None:
    weights = np.ones(12)
    weights[7] = value
    for run in ("fit", "evaluate"):
        with pytest.raises(DataError, match=f"sample_weight: row 7 holds {value}, .* 0 leaves a row out"):
            getattr(net(), run)(X, X[:, :1], sample_weight=weights, verbose=0)
    with pytest.raises(DataError, match="batch 1 of a list_iterator: sample_weight: row 7"):
        net().fit(iter([(X, X[:, :1], weights)]), verbose=0)


@pytest.mark.parametrize("argument", ["x", "y", "sample_weight"])
def test_masked_values_are_not_used_as_if_they_were_not(argument: str) -> None:
    given = {"x": X, "y": X[:, :1], "sample_weight": X[:, 0]}
    with pytest.raises(
        DataError, match=rf"^{argument} is a masked array with .* masked values, .*{argument}.filled\(0\)"
    ):
        net().fit(**{**given, argument: np.ma.masked_less(given[argument], 0.5)}, verbose=0)
    net().evaluate(**{**given, argument: np.ma.masked_less(given[argument], -1)}, verbose=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optimizers.SGD(-0.1), "SGD: learning_rate is -0.1; expected a number, .* 0 or more"),
        (lambda: setattr(optimizers.Adam(), "learning_rate", -1), "a number is 0 or more"),
        (lambda: callbacks.EarlyStopping(patience=-1), "EarlyStopping: patience is -1; expected a number, 0 or more"),
        (lambda: callbacks.ReduceLROnPlateau(patience=-2), "ReduceLROnPlateau: patience is -2"),
        (lambda: callbacks.ReduceLROnPlateau(cooldown=-2), "cooldown is -2"),
        (lambda: net(loss=3), "loss holds 3; expected a name such as 'mse'"),
        (lambda: net(loss=[0.5]), "loss holds 0.5"),
        (lambda: net(metrics=[3]), "metrics hold 3; expected a name such as 'mae'"),
        (lambda: net(weighted_metrics=3), "metrics hold 3"),
        (lambda: net().fit(X, X[:, :1], validation_steps=2), "validation_steps is 2, but there are no data to validate on"),
        (
            lambda: net().fit(X, X[:, :1], callbacks=[callbacks.LearningRateScheduler(lambda epoch: -1.0)], verbose=0),
            "schedule gave -1.0 for Epoch 1; a learning rate is 0 or more",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_where_it_is_said(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()


def test_a_loss_may_be_a_config() -> None:
    model = net(loss={"class_name": "Huber", "config": {"delta": 2.0}})
    expected = net(loss=losses.Huber(2.0))
    expected.set_weights(model.get_weights())
    assert model.evaluate(X, 9 * X[:, :1], verbose=0) == expected.evaluate(X, 9 * X[:, :1], verbose=0)


# --- NaN -------------------------------------------------------------------------------

HOLES = np.where(X > 0.9, np.nan, X)


def test_nan_in_the_data_is_said_of_the_line_that_gave_them() -> None:
    with pytest.warns(UserWarning, match=r"x has \d+ rows? with NaN .*The loss becomes NaN .*nan_to_num") as caught:
        history = net().fit(HOLES, X[:, :1], epochs=2, verbose=0)
    assert [warning.filename for warning in caught] == [__file__]  # once, and not again where the loss is NaN
    assert np.isnan(history.history["loss"]).all()


@pytest.mark.parametrize(
    ("first", "loss", "x", "y"),
    [
        (layers.Lambda(lambda x: ops.where(ops.isnan(x), 0.0, x)), "mse", HOLES, X[:, :1]),
        (layers.Activation("linear"), lambda t, p: ops.square(ops.where(ops.isnan(t), 0.0, t - p)), X, HOLES[:, :1]),
    ],
)
def test_nan_that_a_layer_or_loss_of_ones_own_takes_out_is_not_complained_of(
    first: Any, loss: Any, x: Any, y: Any
) -> None:
    model = compiled(Sequential([layers.Input((4,)), first, layers.Dense(1)]), loss)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()


def test_a_loss_that_becomes_nan_in_training_is_said_once() -> None:
    with pytest.warns(UserWarning, match="Epoch 2: the loss is NaN, .* smaller learning rate or clipnorm") as caught:
        net().fit(1e20 * X, X[:, :1], epochs=4, verbose=0)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net().fit(1e20 * X, X[:, :1], epochs=4, verbose=0, callbacks=[callbacks.TerminateOnNaN()])


# --- what was told in another library's words ------------------------------------------


@pytest.mark.parametrize(
    ("frequency", "shown"), [(0, "0"), (-1, "-1"), (0.5, "0.5"), ("a", "'a'"), ([0], r"\[0\]"), (None, "None")]
)
def test_a_frequency_of_validation_is_checked_before_training(frequency: Any, shown: str) -> None:
    with pytest.raises(ArgumentError, match=f"validation_freq is {shown}; expected a whole number, 1 or more"):
        net().fit(X, X[:, :1], validation_split=0.5, validation_freq=frequency)


def test_a_model_without_an_optimizer_says_so() -> None:
    model = Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile(optimizer=None, loss="mse")
    model.evaluate(X, X[:, :1], verbose=0)
    for run in ("fit", "train_on_batch"):
        with pytest.raises(NotCompiledError, match=f"{run}: the model was compiled with optimizer=None, .*adam"):
            getattr(model, run)(X, X[:, :1])


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
def test_a_callback_may_compile_between_epochs(hook: str) -> None:
    def compile_anew(*_: Any) -> None:
        if len(model.metrics) == 1:
            model.compile(optimizers.SGD(0.0), "mae", metrics=["mse"])

    model = net()
    model.fit(X, X[:, :1], epochs=2, verbose=0, callbacks=[callbacks.LambdaCallback(**{hook: compile_anew})])
    loss, mse = model.evaluate(X, X[:, :1], verbose=0)
    last = model.fit(X, X[:, :1], verbose=0).history
    np.testing.assert_allclose([last["loss"][0], last["mse"][0]], [loss, mse], rtol=1e-5)


def test_a_callback_may_not_compile_between_batches() -> None:
    model = net()
    hook = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: model.compile("sgd", "mse"))
    with pytest.raises(
        UsageError, match="between two batches of fit.*on_epoch_end, or set model.optimizer.learning_rate"
    ):
        model.fit(X, X[:, :1], verbose=0, callbacks=[hook])
    model.compile("sgd", "mse")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": lambda t, p: None}, "the loss '<lambda>' returned None; .* Is there a `return`"),
        ({"loss": lambda t, p: "a"}, "the loss '<lambda>' returned 'a'; expected a tensor"),
        ({"metrics": [lambda t, p: None]}, "the metric '<lambda>' returned None; .* Is there a `return`"),
    ],
)
def test_a_function_that_returns_nothing_is_named(options: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        net(**options).fit(X, X[:, :1], verbose=0)


def test_a_backup_in_a_file_is_refused(tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match="backup_dir is '.*file', which is a file; give the path of a folder"):
        net().fit(X, X[:, :1], verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path / "file")])


def test_a_window_is_compared_with_rows_of_any_number() -> None:
    for layer in (layers.Conv2D(2, 5), layers.MaxPooling2D(5)):
        with pytest.raises(ShapeError, match=r"of shape \(None, 4, 4, 1\) are only 4 x 4"):
            Sequential([layers.Input((4, 4, 1)), layer])
        with pytest.raises(ShapeError, match=r"of shape \(None, 4, 4, 1\) are only 4 x 4"):
            layer(np.zeros((7, 4, 4, 1)))


@pytest.mark.parametrize("labels", [["Bern"], [0.5], [np.nan], np.array(["1", None], object)])
def test_names_are_no_classes(labels: Any) -> None:
    with pytest.raises(ArgumentError, match="to_categorical: x holds .*, which is no whole number.*np.unique"):
        to_categorical(labels)
    assert to_categorical(["1", "0"]).tolist() == to_categorical([1.0, 0.0]).tolist() == [[0, 1], [1, 0]]


def test_an_optimizer_that_made_no_step_has_no_state_to_lose(tmp_path: Any) -> None:
    model = net()
    model.compile(optimizers.Adam(0.25), "mse")
    model.optimizer.iterations.assign(3)
    copied = copy.deepcopy(model)
    model.save(tmp_path / "model.keras")
    for other in (copied, load_model(tmp_path / "model.keras")):
        assert float(other.optimizer.learning_rate) == 0.25
        assert int(other.optimizer.iterations) == 3

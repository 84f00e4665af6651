"""The law of the table of eras: the old call of every row equals its new call."""

import importlib
import inspect
import itertools

import numpy as np
import pytest

import keraunos
from keraunos import activations, constraints, initializers, layers, losses, metrics, models, optimizers, regularizers
from keraunos.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from keraunos.core.registry import TABLES, fill_tables
from keraunos.datasets import imdb, reuters
from keraunos.eras import arithmetic, table, translate
from keraunos.utils import normalize, spelling, to_categorical
from keraunos.utils.errors import ArgumentError

fill_tables()

# The arguments that a class cannot do without.
NEEDED = {
    "units": 3, "filters": 2, "kernel_size": 2, "rate": 0.25, "stddev": 0.5, "input_dim": 5, "output_dim": 3,
    "n": 2, "target_shape": (4,), "dims": (2, 1), "axes": 1, "function": np.sin, "activation": "relu",
    "pool_size": 2, "maps": 3, "cell": layers.LSTMCell(2), "cells": [layers.LSTMCell(2)], "layer": layers.LSTM(2), "shape": (7,),
}  # fmt: skip

# A value other than the default for every new name of the table.
VALUES = {
    "last_states_first": True,
    **NEEDED, "kernel_initializer": "he_normal", "recurrent_initializer": "he_uniform", "embeddings_initializer": "ones",
    "alpha_initializer": "ones", "beta_initializer": "ones", "gamma_initializer": "zeros",
    **{f"{part}_regularizer": "l2" for part in ("kernel", "bias", "recurrent", "embeddings")},
    **{f"{part}_constraint": "non_neg" for part in ("kernel", "bias", "embeddings")},
    "use_bias": False, "recurrent_activation": "relu", "dropout": 0.5, "recurrent_dropout": 0.25, "strides": 2,
    "dilation_rate": 2, "pool_size": 3, "size": 3, "negative_slope": 0.5, "batch_shape": (None, 7), "dtype": "float16",
    "max_value": 3.0, "min_value": 0.5, "l1": 0.5, "l2": 0.5, "gain": 2.0, "learning_rate": 0.5, "min_delta": 0.5,
    "every_epochs": 2, "depthwise_initializer": "ones",
    **{f"{part}_initializer": "he_uniform" for part in ("t_left", "a_left", "t_right", "a_right")},
    "alpha": 0.5, "beta": 2.0,
}  # fmt: skip

FAMILIES = (layers, optimizers, initializers, regularizers, constraints)
CALLBACKS = (EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard)
CLASSES = {
    member
    for family in FAMILIES
    for member in TABLES[family.__name__.rpartition(".")[2]].members.values()
    if inspect.isclass(member) and member not in (models.Model, models.Sequential)
} | set(CALLBACKS)
METHODS = (
    "Trainer.", "Model", "numerical.", "imdb.", "reuters.", "functions.", "activations.", "preprocessing.", "text.",
    "files.", "transforms.", "ImageDataGenerator.", "utilities.", "enqueuers.", "eras.",
    "layer_checks.", "KerasRegressor.", "vgg", "resnet.", "inception_", "xception.", "mobilenet", "nasnet.",
    "densenet.", "imagenet_utils.", "preprocess_input",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _notes_begin_anew():
    spelling.forget_notes()


def classes(row):
    """The concrete classes for which a row holds, the row of a nearer class excepted."""
    owners = row.owners.split()
    found = {cls for cls in CLASSES if set(owners) & set(spelling.owners_of(cls))}
    return sorted((cls for cls in found if cls.__name__[0] != "_"), key=lambda cls: cls.__name__)


def pairs(rows):
    """A row and a class, for every class that a row is about."""
    return [
        pytest.param(row, cls, id=f"{cls.__name__}-{getattr(row, 'old', getattr(row, 'new', ''))}")
        for row in rows
        for cls in classes(row)
    ]


def needed(cls, *without):
    """The arguments that a class needs, but those that are said otherwise."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    wanted = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if cls is layers.InputLayer and "batch_shape" not in without:
        wanted = ["shape"]
    samples = {**NEEDED, "filepath": "best.keras"}
    return {name: samples[name] for name in wanted if name not in without and name in samples}


def described(made):
    """What an object is, its automatic name apart."""
    config = made.get_config() if hasattr(made, "get_config") else vars(made)
    shape = getattr(made, "given_batch_shape", None)
    return {name: value for name, value in config.items() if name not in ("name", "cell") and name[0] != "_"}, shape


def old_values(row):
    """Pairs of an old value and today's."""
    if row.values in table.VALUES:
        return list(table.VALUES[row.values].items())
    return [(VALUES[row.new], VALUES[row.new])]


# One name for one argument; the others have tests of their own.
PLAIN = [row for row in table.RENAMES if " " not in row.new and row.values != "output_shape"]


@pytest.mark.parametrize("row, cls", pairs(PLAIN))
def test_a_renamed_argument_means_what_it_is_called_today(row, cls):
    others = needed(cls, row.new)
    for old, new in old_values(row):
        if (new == "causal" and cls.__name__ != "Conv1D") or ("Locally" in cls.__name__ and new in ("same", "full")):
            continue  # not every layer knows every padding
        assert described(cls(**others, **{row.old: old})) == described(cls(**others, **{row.new: new}))


@pytest.mark.parametrize("row, cls", pairs(PLAIN))
def test_two_spellings_of_one_argument_are_an_error_that_names_both(row, cls):
    value = old_values(row)[0]
    with pytest.raises(ArgumentError, match=f"{row.old} and {row.new} are the same argument; give one of them"):
        cls(**{**needed(cls, row.new), row.old: value[0], row.new: value[1]})


@pytest.mark.parametrize("row, cls", pairs([row for row in PLAIN if not row.quiet]))
def test_the_first_use_says_the_name_of_today_once(row, cls, caplog):
    for _ in range(2):
        cls(**needed(cls, row.new), **{row.old: old_values(row)[0][0]})
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"keraunos: {row.old} is called {row.new} since Keras {row.last + 1}"]


def test_one_initializer_served_both_kernels_of_a_separable_convolution():
    made = layers.SeparableConv2D(4, 3, init="ones")
    both = layers.SeparableConv2D(4, 3, depthwise_initializer="ones", pointwise_initializer="ones")
    assert described(made) == described(both)


@pytest.mark.parametrize("layout, shape", [("tf", (None, 9, 7, 4)), ("th", (None, 4, 9, 7))])
def test_a_transposed_convolution_of_keras_1_was_told_its_whole_output_shape(layout, shape):
    with spelling.in_era(1):
        made = layers.Deconvolution2D(4, 3, 3, shape, subsample=(2, 2), dim_ordering=layout)
    assert made.output_size == (9, 7)
    with spelling.in_era(2):  # Keras 2 took no notice of it
        assert layers.Deconvolution2D(4, 3, 3, output_shape=shape).output_size is None


@pytest.mark.parametrize(
    "layer, old, new",
    [
        (layers.ZeroPadding1D, {"left_pad": 1}, (1, 0)),
        (layers.ZeroPadding2D, {"top_pad": 2, "left_pad": 1}, ((2, 0), (1, 0))),
        (layers.ZeroPadding2D, (1, 2, 3, 0), ((1, 2), (3, 0))),
    ],
)
def test_padding_was_told_side_by_side(layer, old, new):
    with spelling.in_era(1):
        assert described(layer(old)) == described(layer(padding=old)) == described(layer(new))


def test_positions_of_a_lambda_are_those_of_the_era():
    with spelling.in_era(1):
        made = layers.Lambda(lambda x, factor: x * factor, None, {"factor": 3.0})
    assert made([1.0]).tolist() == [3.0]


@pytest.mark.parametrize("row, cls", pairs(table.FOLDS))
def test_arguments_that_became_one_are_put_together(row, cls):
    values = tuple(range(2, 2 + len(row.olds)))
    old = dict(zip(row.olds, values, strict=True))
    new = row.new
    others = needed(cls, new, *row.olds)
    if cls is layers.Embedding:
        others["input_dim"] = 5
    assert described(cls(**others, **old)) == described(cls(**others, **{new: values}))


@pytest.mark.parametrize("row, cls", pairs([row for row in table.FOLDS if row.needs_all and len(row.olds) > 1]))
def test_a_part_of_a_folded_argument_asks_for_the_others(row, cls):
    with pytest.raises(ArgumentError, match=f"{row.olds[0]} needs {' and '.join(row.olds[1:])} beside it"):
        cls(**needed(cls, row.new), **{row.olds[0]: 2})


@pytest.mark.parametrize("row, cls", pairs(table.DROPS))
def test_an_argument_that_is_not_needed_changes_nothing(row, cls):
    others = needed(cls)
    for value in row.only or ("anything", 1):
        assert described(cls(**others, **{row.old: value})) == described(cls(**others))
    if row.only:
        with pytest.raises(ArgumentError, match=f"{row.old}='another' has no counterpart any more"):
            cls(**others, **{row.old: "another"})


@pytest.mark.parametrize(
    "row", [row for row in table.ORDERS if "." not in row.owners], ids=lambda row: f"{row.owners.split()[0]}-{row.era}"
)
def test_positions_of_an_era_mean_the_same_as_its_names(row):
    sample = {
        "init": "he_normal", "inner_init": "he_uniform", "activation": "relu", "border_mode": "same", "nb_row": 2,
        "nb_col": 3, "kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3, "nb_filter": 2, "output_dim": 3,
        "filter_length": 2, "subsample_length": 2, "forget_bias_init": "one", "inner_activation": "sigmoid",
        "input_dim": 5, "input_length": 4, "epsilon": 0.5, "mode": 0, "axis": -1, "momentum": 0.5,
        "beta_init": "ones", "gamma_init": "zeros", "weights": None, "lr": 0.5, "decay": 0.25, "nesterov": True,
        "rho": 0.5, "beta_1": 0.5, "beta_2": 0.75, "schedule_decay": 0.5, "nb_feature": 3, "shared_axes": None,
        "alpha_init": 0.5, "output_shape": (None, 7, 8, 2), "function": np.sin, "arguments": {},
    }  # fmt: skip
    if "LocallyConnected" in row.owners:
        sample["border_mode"] = "valid"
    if "ParametricSoftplus" in row.owners:
        sample["beta_init"] = 2.0
    names = list(itertools.takewhile(lambda name: name in sample, row.names.split()))
    assert len(names) >= 3
    for cls in (getattr(layers, owner, None) or getattr(optimizers, owner) for owner in row.owners.split()):
        with spelling.in_era(row.era):
            for count in range(len(names) if row.exact else min(4, len(names)), len(names) + 1):
                named = {name: sample[name] for name in names[:count]}
                assert described(cls(*named.values())) == described(cls(**named)), names[:count]


@pytest.mark.parametrize("era", [1, 2])
def test_metrics_were_the_third_argument_of_compile(era):
    with spelling.in_era(era):
        model, x, y = model_and_data()
        model.compile("sgd", "mse", ["accuracy"])
        assert list(model.fit(x, y, epochs=1, verbose=0).history) == ["loss", "acc"]


@pytest.mark.parametrize("era", [1, 2])
@pytest.mark.parametrize("row, cls", pairs(table.DEFAULTS))
def test_a_default_of_an_era_holds_there_alone_and_only_where_nothing_is_given(row, cls, era):
    others = needed(cls, row.argument)
    # What is needed today and had a default has nothing to be compared with.
    today = None if row.argument in needed(cls) else described(cls(**others))
    with spelling.in_era(era):
        active = cls(**others)
    if era in row.eras:
        explicit = {row.argument: row.eras[era]}
        # Other defaults of the era stand beside this one, so the comparison is made inside the era too.
        with spelling.in_era(era):
            assert described(active) == described(cls(**others, **explicit))
            assert described(cls(**others, **explicit))[0].get(row.argument, "") == described(active)[0].get(
                row.argument, ""
            )
    assert today is None or described(cls(**others)) == today


@pytest.mark.parametrize("row, cls", pairs(table.TRAPS))
def test_a_name_that_meant_something_else_is_that_in_its_eras(row, cls):
    for era in row.eras:
        with spelling.in_era(era):
            made = cls(**{row.name: 0.5})
        assert getattr(made, row.new) == 0.5
        assert getattr(made, row.name) is None
    assert getattr(cls(**{row.name: 0.5}), row.name) == 0.5


@pytest.mark.parametrize("row", table.ALIASES, ids=lambda row: row.old)
def test_an_alias_is_the_member_of_today(row):
    module = getattr(keraunos, row.module)
    with spelling.in_era(row.eras[0]):
        old = getattr(module, row.old)
    arguments = {
        "ConvRecurrent2D": {"cell": layers.ConvLSTM2DCell(2, 3)}, "Recurrent": {"cell": layers.LSTMCell(2)},
    }  # fmt: skip
    given = arguments.get(row.old, {"filters": 2, "kernel_size": 3} if "onv" in row.old else {})
    assert described(old(**given)) == described(getattr(module, row.new)(**given, **row.arguments))


@pytest.mark.parametrize("row", table.MEMBERS, ids=lambda row: f"{row.family}-{row.old}")
def test_a_member_is_found_by_its_old_name(row, caplog):
    module = getattr(keraunos, row.family)
    old, new = module.get(row.old), module.get(row.new)
    assert type(old) is type(new)
    assert f"{row.old} is called {row.new}" in caplog.text
    assert getattr(module, row.old) is TABLES[row.family].members[row.new]


def model_and_data(outputs=3):
    model = models.Sequential(
        [layers.Input((4,)), layers.Dense(outputs, activation="softmax" if outputs > 1 else "sigmoid")]
    )
    model.compile("sgd", "mse")
    random = np.random.default_rng(0)
    return model, random.normal(size=(20, 4)).astype("float32"), random.normal(size=(20, outputs)).astype("float32")


def batches(x, y, size=5):
    while True:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]


def test_predict_classes_is_the_largest_output_or_whether_one_is_above_a_half():
    model, x, _ = model_and_data()
    assert np.array_equal(model.predict_classes(x), model.predict(x, verbose=0).argmax(-1))
    one, x, _ = model_and_data(1)
    classes = one.predict_classes(x)
    assert classes.shape == (20, 1)
    assert np.array_equal(classes, one.predict(x, verbose=0) > 0.5)
    assert np.array_equal(model.predict_proba(x), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    "arguments",
    [
        {"steps_per_epoch": 4, "epochs": 2},
        {"samples_per_epoch": 20, "nb_epoch": 2},
        {"samples_per_epoch": 18, "nb_epoch": 2, "max_q_size": 5, "nb_worker": 1, "pickle_safe": False},
    ],
)
def test_fit_generator_trains_as_fit_does(arguments):
    old, x, y = model_and_data()
    new, _, _ = model_and_data()
    new.set_weights(old.get_weights())
    old.fit_generator(batches(x, y), verbose=0, validation_data=(x, y), **arguments)
    new.fit(batches(x, y), steps_per_epoch=4, epochs=2, verbose=0, validation_data=(x, y))
    assert old.history.history == new.history.history
    assert len(old.history.history["val_loss"]) == 2


def test_generators_count_samples_by_position_in_era_1():
    with spelling.in_era(1):
        model, x, y = model_and_data()
        model.fit_generator(batches(x, y), 20, 3, verbose=0, validation_data=batches(x, y), nb_val_samples=10)
        assert len(model.history.history["val_loss"]) == 3
        assert model.evaluate_generator(batches(x, y), 20) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
        assert np.allclose(model.predict_generator(batches(x, y), 20), model.predict(x), atol=1e-6)


def test_fit_has_the_epochs_of_the_era():
    for era, epochs in ((1, 10), (2, 1), (3, 1)):
        with spelling.in_era(era):
            model, x, y = model_and_data()
            assert len(model.fit(x, y, verbose=0).epoch) == epochs
    model, x, y = model_and_data()
    assert len(model.fit(x, y, nb_epoch=3, verbose=0).epoch) == 3


def test_the_learning_rate_answers_to_its_old_name():
    optimizer = optimizers.Adam(lr=0.25)
    assert float(optimizer.lr) == 0.25
    optimizer.lr = 0.5
    assert float(optimizer.learning_rate) == 0.5


def test_a_functional_model_takes_input_and_output():
    inputs = layers.Input((4,))
    outputs = layers.Dense(2)(inputs)
    assert models.Model(input=inputs, output=outputs).output_shape == (None, 2)
    with pytest.raises(ArgumentError, match="input and inputs are the same argument"):
        models.Model(input=inputs, inputs=inputs, output=outputs)


def test_an_alias_takes_its_arguments_by_position_and_by_name():
    with spelling.in_era(2):
        for made, factors in (
            (regularizers.l1_l2(), (0.01, 0.01)),
            (regularizers.l1_l2(0.5), (0.5, 0.01)),
            (regularizers.l1_l2(l2=0.5), (0.01, 0.5)),
            (regularizers.l1_l2(0.5, 0.25), (0.5, 0.25)),
        ):
            assert (float(made.l1), float(made.l2)) == pytest.approx(factors)


def test_functions_take_their_old_arguments():
    assert np.array_equal(to_categorical(y=[0, 2], nb_classes=3), to_categorical([0, 2], 3))
    assert activations.relu([-2.0], alpha=0.5).tolist() == activations.relu([-2.0], negative_slope=0.5).tolist() == [-1]
    assert np.array_equal(normalize(a=[[3.0, 4.0]]), normalize([[3.0, 4.0]]))
    for module in (imdb, reuters):
        with pytest.raises(ArgumentError, match="nb_words and num_words are the same argument"):
            module.load_data(nb_words=5, num_words=5)


@pytest.mark.parametrize("era", [1, 2, 3])
@pytest.mark.parametrize("metric", ["accuracy", "acc"])
def test_history_and_logs_show_one_name_and_answer_to_both(era, metric):
    seen = []
    with spelling.in_era(era):
        model, x, y = model_and_data()
        model.compile("sgd", "categorical_crossentropy", metrics=[metric])
        watch = keraunos.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))
        stop = EarlyStopping(monitor="val_acc", patience=3)
        y = np.eye(y.shape[-1])[y.argmax(-1)]
        history = model.fit(x, y, epochs=1, verbose=0, validation_split=0.5, callbacks=[watch, stop]).history
    shown = "acc" if era < 3 else metric
    assert set(history) == {"loss", shown, "val_loss", f"val_{shown}"}
    for name in ("acc", "accuracy", "val_acc", "val_accuracy"):
        assert history[name] == [seen[0][name]] == history.get(name)
        assert name in history
    assert "recall" not in history
    with pytest.raises(KeyError, match="recall"):
        history["recall"]


@pytest.mark.parametrize("era", [1, 2])
def test_metrics_by_abbreviation_are_shown_by_the_functions_name(era):
    with spelling.in_era(era):
        model, x, y = model_and_data()
        model.compile("sgd", "mse", metrics=["mae"])
        history = model.fit(x, y, epochs=1, verbose=0).history
    assert list(history) == ["loss", "mean_absolute_error"]
    assert history["mae"] == history["mean_absolute_error"]


@pytest.mark.parametrize("era", [1, 2, 3])
def test_mistakes_stay_mistakes(era):
    with spelling.in_era(era):
        with pytest.raises(ArgumentError, match="Dense: unknown argument 'unitz'. Did you mean 'units'?"):
            layers.Dense(unitz=3)
        with pytest.raises(ArgumentError, match="Conv2D: unknown argument 'nb_filters'. Did you mean 'filters', once"):
            layers.Conv2D(nb_filters=3, kernel_size=2)
        model, x, y = model_and_data()
        with pytest.raises(ArgumentError, match="fit: unknown argument 'nb_epochs'. Did you mean"):
            model.fit(x, y, nb_epochs=3)
        with pytest.raises(ArgumentError, match="Adam: unknown argument 'learn_rate'. Did you mean 'learning_rate'?"):
            optimizers.Adam(learn_rate=0.1)
        with pytest.raises(ArgumentError, match="no loss called 'cosine_proximty'"):
            losses.get("cosine_proximty")
        with pytest.raises(AttributeError, match="has no attribute 'Dens'. Did you mean 'Dense'?"):
            layers.Dens  # noqa: B018
    with pytest.raises(ArgumentError, match="there is no era 4"):
        spelling.use_era(4)


def test_a_value_that_no_era_had_is_refused():
    with pytest.raises(ArgumentError, match="Conv2D: border_mode is 'whole'; expected one of 'valid', 'same'"):
        layers.Conv2D(2, 3, 3, border_mode="whole")


def test_positions_and_names_do_not_overlap():
    with spelling.in_era(1), pytest.raises(ArgumentError, match="nb_row is given twice"):
        layers.Convolution2D(2, 3, 3, nb_row=3)


def test_calls_in_todays_order_are_left_alone_in_every_era():
    for era in (1, 2, 3):
        with spelling.in_era(era):
            assert layers.Dense(3, "relu").activation.__name__ == "relu"
            assert layers.Conv2D(2, (3, 3), (2, 2)).strides == (2, 2)
    # Three numbers are filters, kernel and strides today, and were filters, rows and columns.
    assert layers.Convolution2D(2, 3, 3).strides == (3, 3)
    assert layers.Convolution2D(2, 3, 3, border_mode="same").kernel_size == (3, 3)
    with spelling.in_era(2):
        assert layers.Convolution2D(2, 3, 4).kernel_size == (3, 4)


def test_the_defaults_applied_are_said_in_one_line(caplog):
    with spelling.in_era(1):
        model, x, y = model_and_data()
        caplog.clear()
        model.compile("adadelta", "mse")
        model.fit(x, y, verbose=0)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["keraunos: defaults of Keras 1: Adadelta(learning_rate=1.0, epsilon=1e-08), fit(epochs=10)"]


def test_notes_can_be_silenced(caplog, monkeypatch):
    monkeypatch.setenv("KERAUNOS_NOTES", "0")
    layers.Dropout(p=0.5)
    assert caplog.text == ""


@pytest.mark.parametrize("era, names", [(1, ["dense_1", "maxpooling2d_1"]), (2, ["dense_1", "max_pooling2d_1"])])
def test_automatic_names_are_those_of_the_era(era, names):
    keraunos.utils.clear_session()
    with spelling.in_era(era):
        assert [layers.Dense(1).name, layers.MaxPooling2D().name] == names
        assert layers.Convolution2D(1, 2).name == ("convolution2d_1" if era == 1 else "conv2d_1")
        model = models.Sequential([layers.Dense(1, input_shape=(3,))])
        assert model.name == "sequential_1"
        assert model.input_names == (["dense_input_1"] if era == 1 else ["dense_2_input"])
        inputs = layers.Input((3,))
        assert inputs.name == "input_1"
        assert models.Model(inputs, layers.Dense(1)(inputs)).name == "model_1"
        merged = [layers.Add().name, layers.Concatenate().name]
        assert merged == (["merge_1", "merge_2"] if era == 1 else ["add_1", "concatenate_1"])
    keraunos.utils.clear_session()


def test_configs_are_read_with_todays_defaults_in_every_era():
    config = optimizers.serialize(optimizers.RMSprop())
    with spelling.in_era(2):
        assert optimizers.deserialize(config).get_config() == config["config"]
        own = optimizers.serialize(optimizers.RMSprop())
        assert optimizers.deserialize(own).get_config() == own["config"]
    assert optimizers.deserialize(own).get_config() == own["config"]


def test_every_row_names_something_that_exists():
    members = {member for family in TABLES.values() for member in family.members.values() if inspect.isclass(member)}
    known = {owner for cls in members | CLASSES for owner in spelling.owners_of(cls)}
    for row in (*table.RENAMES, *table.FOLDS, *table.DROPS, *table.ORDERS, *table.TRAPS, *table.DEFAULTS):
        for owner in row.owners.split():
            assert owner in known or owner.startswith(METHODS) or owner == "Loss", owner
    for row in table.METHODS:
        place, _, function = row.new.partition(":")
        if function:
            module = importlib.import_module(f"keraunos.eras.{place}")
            assert hasattr(module, function.removesuffix("()")), row.new
    assert set(arithmetic.FAMILIES) <= set(TABLES)
    assert metrics.get("kullback_leibler_divergence") is not None
    assert all(callable(getattr(translate, name)) for name in translate.__all__)

"""A law over every method that the documentation lets a subclass override: it is asked where Keras asks it, in each era."""

import contextlib
import functools
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

from keraunos import callbacks, constraints, initializers, layers, losses, metrics, models, optimizers, regularizers
from keraunos.utils.spelling import in_era

X = np.random.RandomState(0).rand(6, 4, 3).astype("float32")
Y = X[:, 0, :1] + 1


class Method(NamedTuple):
    """A method of a class: the phases in which it must be asked, and the eras that had it."""

    owner: str
    name: str
    phases: str
    eras: tuple[int, ...] = (1, 2, 3)


METHODS = (
    Method("Layer", "build", "fit evaluate predict load"),
    Method("Layer", "call", "fit evaluate predict"),
    Method("Layer", "__call__", "fit evaluate predict"),
    Method("Layer", "add_weight", "fit load"),
    Method("Layer", "compute_mask", "fit evaluate predict"),
    Method("Layer", "compute_output_shape", "fit load", (2, 3)),
    Method("Layer", "get_output_shape_for", "fit load", (1,)),
    Method("Layer", "get_config", "save"),
    Method("Layer", "from_config", "load"),
    Method("Layer", "get_build_config", "save", (3,)),
    Method("Layer", "save_own_variables", "save", (3,)),
    Method("Layer", "load_own_variables", "load", (3,)),
    Method("Model", "call", "fit evaluate predict"),
    Method("Model", "compile", "fit evaluate"),
    Method("Model", "compute_loss", "fit evaluate", (3,)),
    Method("Model", "compute_metrics", "fit evaluate", (3,)),
    Method("Model", "get_metrics_result", "fit evaluate", (3,)),
    Method("Model", "reset_metrics", "fit evaluate", (3,)),
    Method("Model", "train_step", "fit", (3,)),
    Method("Model", "test_step", "evaluate", (3,)),
    Method("Model", "predict_step", "predict", (3,)),
    Method("Model", "get_config", "save"),
    Method("Model", "get_compile_config", "save", (3,)),
    Method("Loss", "call", "fit evaluate", (3,)),
    Method("Loss", "__call__", "fit evaluate"),
    Method("Loss", "get_config", "save", (3,)),
    Method("Metric", "update_state", "fit evaluate"),
    Method("Metric", "result", "fit evaluate"),
    Method("Metric", "reset_state", "fit evaluate", (3,)),
    Method("Metric", "reset_states", "fit evaluate", (2,)),
    Method("Metric", "get_config", "save", (3,)),
    Method("Optimizer", "build", "fit", (3,)),
    Method("Optimizer", "update_step", "fit", (3,)),
    Method("Optimizer", "scale_loss", "fit", (3,)),
    Method("Optimizer", "finalize_variable_values", "fit", (3,)),
    Method("Optimizer", "get_config", "save"),
    Method("Optimizer", "from_config", "load"),
    Method("Optimizer", "save_own_variables", "save", (3,)),
    Method("Optimizer", "load_own_variables", "load", (3,)),
    Method("Applying", "apply", "fit", (3,)),
    Method("ApplyingPairs", "apply_gradients", "fit", (3,)),
    Method("ApplyingStateless", "stateless_apply", "fit", (3,)),
    Method("Updates", "get_updates", "fit", (1, 2)),
    Method("Updates", "get_gradients", "fit", (1, 2)),
    Method("Schedule", "__call__", "fit", (3,)),
    Method("Schedule", "get_config", "save", (3,)),
    Method("Initializer", "__call__", "fit load"),
    Method("Initializer", "get_config", "save"),
    Method("Regularizer", "__call__", "fit evaluate"),
    Method("Regularizer", "get_config", "save"),
    Method("Constraint", "__call__", "fit"),
    Method("Constraint", "get_config", "save"),
    Method("Cell", "build", "fit predict load"),
    Method("Cell", "call", "fit evaluate predict"),
    Method("Cell", "get_initial_state", "fit evaluate predict", (3,)),
    Method("Cell", "get_config", "save"),
    Method("Recurrent layer", "get_initial_state", "fit evaluate predict"),
    Method("Recurrent layer", "build", "fit predict load"),
    Method("Recurrent layer", "step", "fit evaluate predict", (1, 2)),
    Method("Recurrent layer", "get_constants", "fit evaluate predict", (1, 2)),
    Method("Recurrent layer", "preprocess_input", "fit evaluate predict", (1, 2)),
    *(
        Method("Callback", f"on_{hook}_{end}", "fit", (1, 2, 3))
        for hook in ("train", "epoch", "batch")
        for end in ("begin", "end")
    ),
    *(Method("Callback", name, "fit") for name in ("set_model", "set_params")),
    *(Method("Callback", f"on_train_batch_{end}", "fit", (3,)) for end in ("begin", "end")),
    *(
        Method("Callback", f"on_{mode}_{hook}{end}", phase, (3,))
        for mode, phase in (("test", "evaluate"), ("predict", "predict"))
        for hook in ("", "batch_")
        for end in ("begin", "end")
    ),
)
BASES: dict[str, Any] = {
    "Layer": layers.Dense, "Model": models.Model, "Loss": losses.MeanSquaredError, "Metric": metrics.MeanAbsoluteError,
    "Optimizer": optimizers.SGD, "Applying": optimizers.SGD, "ApplyingPairs": optimizers.SGD,
    "ApplyingStateless": optimizers.SGD, "Updates": optimizers.SGD,
    "Schedule": optimizers.schedules.ExponentialDecay, "Initializer": initializers.GlorotUniform,
    "Regularizer": regularizers.L2, "Constraint": constraints.MaxNorm, "Callback": callbacks.Callback,
    "Cell": layers.SimpleRNNCell, "Recurrent layer": layers.LSTM,
}  # fmt: skip


def spied(owner, names, asked):
    """A subclass whose methods note that they were asked, and then do what those of its base do."""
    base = BASES[owner]

    def noting(name):
        method = getattr(base, name)
        if name == "from_config":

            @classmethod
            def from_config(cls, config, **options):
                asked.append(name)
                return super(own, cls).from_config(config, **options)

            return from_config

        @functools.wraps(method)
        def call(self, *args, **kwargs):
            asked.append(name)
            return getattr(super(own, self), name)(*args, **kwargs)

        return call

    kind = f"Own{owner.replace(' ', '')}"
    body = {"__module__": __name__}
    own = type(kind, (base,), body)
    rest = type(kind, (own,), {**body, **{name: noting(name) for name in names}})
    own, made = rest, rest
    return made


def model_of(owner, own):
    """A small compiled model in which the class has its place, and what else training needs."""
    options: dict[str, Any] = {
        "Initializer": lambda: {"kernel_initializer": own()},
        "Regularizer": lambda: {"kernel_regularizer": own()},
        "Constraint": lambda: {"kernel_constraint": own()},
    }.get(owner, dict)()
    inputs = layers.Input((4, 3))
    if owner == "Cell":
        hidden = layers.RNN(own(2))(inputs)
    elif owner == "Recurrent layer":
        hidden = own(2)(inputs)
    else:
        hidden = layers.Flatten()(inputs)
    outputs = (own if owner == "Layer" else layers.Dense)(1, **options)(hidden)
    model = (own if owner == "Model" else models.Model)(inputs, outputs)
    optimizer = (
        own(0.01) if owner in ("Optimizer", "Applying", "ApplyingPairs", "ApplyingStateless", "Updates") else "sgd"
    )
    if owner == "Schedule":
        optimizer = optimizers.SGD(own(0.01, 10, 0.9))
    loss = own() if owner == "Loss" else "mse"
    model.compile(optimizer, loss, metrics=[own()] if owner == "Metric" else None)
    return model


@functools.cache
def asked_of(owner, era):
    """Names of the methods of a class that each phase asked; only of those phases that a row is about."""
    asked: list[str] = []
    rows = [row for row in METHODS if row.owner == owner and era in row.eras]
    wanted = {phase for row in rows for phase in row.phases.split()}
    found = {}
    with in_era(era), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = spied(owner, [row.name for row in rows], asked)
        watching = {"callbacks": [own()]} if owner == "Callback" else {}

        def note(phase, action):
            asked.clear()
            result = action()
            found[phase] = set(asked)
            return result

        options = {"batch_size": 4, "verbose": 0, **watching}
        for phase in ("fit", "evaluate", "predict"):
            if phase in wanted:
                model = note("made", lambda: model_of(owner, own))
                data = (X,) if phase == "predict" else (X, Y)
                note(phase, lambda: getattr(model, phase)(*data, **options))  # noqa: B023
                found[phase] |= found["made"]
        if wanted & {"save", "load"}:
            model = model_of(owner, own)
            if owner == "Optimizer":
                model.train_on_batch(X, Y)
            contents = note("save", lambda: saved(model, era))
            again = note("load", lambda: loaded(contents, own, era))
            if owner in ("Layer", "Cell", "Recurrent layer"):
                assert np.allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)
    return found


@contextlib.contextmanager
def place(era):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield f"{folder}/model.{'keras' if era == 3 else 'h5'}"


def saved(model, era):
    with place(era) as path:
        model.save(path)
        with open(path, "rb") as file:
            return file.read()


def loaded(contents, own, era):
    with place(era) as path:
        with open(path, "wb") as file:
            file.write(contents)
        return models.load_model(path, custom_objects={own.__name__: own})


CASES = [(row, era) for row in METHODS for era in row.eras]


@pytest.mark.parametrize("row, era", CASES, ids=[f"{row.owner}.{row.name} in era {era}" for row, era in CASES])
def test_what_a_subclass_overrides_is_asked(row, era):
    asked = asked_of(row.owner, era)
    silent = [phase for phase in row.phases.split() if row.name not in asked[phase]]
    assert not silent, f"{row.owner}.{row.name} is not asked to {', '.join(silent)}"

"""Whole runs of ``fit`` that real Keras recorded, and the repetition of one of them."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keraunos import constraints, layers, optimizers, regularizers
from keraunos.callbacks import Callback
from keraunos.models import Model, Sequential

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
EVENTS = ("on_batch_end", "on_epoch_end")
CALLS = {"l1": regularizers.L1, "l2": regularizers.L2, "max_norm": constraints.MaxNorm, "non_neg": constraints.NonNeg}


@functools.cache
def document(release: str, name: str) -> Any:
    """A recorded JSON file, or an empty dict where the folder ../shared is not here."""
    path = GOLDEN / release / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


@functools.cache
def arrays(release: str, name: str) -> dict[str, Any]:
    """The arrays that belong to a recorded JSON file."""
    with np.load(GOLDEN / release / f"{name}.npz") as file:
        return dict(file)


def argument(value: Any) -> Any:
    """``l2(.05)`` and the like, which the record writes as text."""
    call = re.match(r"(\w+)\(([\d.]*)\)", value) if isinstance(value, str) else None
    if call:
        return CALLS[call[1]](*([float(call[2])] if call[2] else []))
    if isinstance(value, dict) and "class" in value:
        return layer(value)
    return tuple(value) if isinstance(value, list) else value


def layer(entry: Any) -> Any:
    return getattr(layers, entry["class"])(**{name: argument(value) for name, value in entry["kwargs"].items()})


def optimizer(entry: Any) -> Any:
    return getattr(optimizers, entry["class"])(**entry["kwargs"]) if isinstance(entry, dict) else entry


def network(entry: Any, x: Any) -> Any:
    if isinstance(entry, list):
        return Sequential([layers.Input(x.shape[1:]), *(layer(item) for item in entry)])
    inputs = layers.Input((5,), name="inp")  # the record describes this one in words
    hidden = layers.Dense(6, activation="tanh", name="h")(inputs)
    return Model(
        inputs, [layers.Dense(3, activation="softmax", name="cls")(hidden), layers.Dense(1, name="reg")(hidden)]
    )


def repeat(
    case: Any,
    values: dict[str, Any],
    close: dict[str, float],
    weights_of: Callable[[Any, Sequence[Any]], list[Any]] = lambda model, weights: list(weights),
    prepare: Callable[[Any], None] = lambda model: None,
    losses_only: bool = False,
) -> None:
    """Make the network of a case, run what was run, and compare everything that was recorded.

    Args:
        case: The record.
        values: Its arrays.
        close: Tolerances.
        weights_of: Function from a model and the recorded weights to the model's own.
        prepare: What is done to the compiled model first.
        losses_only: Whether only names and training losses are compared, where the record deviates.
    """
    x = values[case["X"]]
    y = values[case["Y"]] if "Y" in case else [values[case["Y0"]], values[case["Y1"]]]
    model = network(case["model"], x)
    model.compile(**{**case["compile"], "optimizer": optimizer(case["compile"]["optimizer"])})
    prepare(model)
    for variable, value in zip(model.weights, weights_of(model, [values[key] for key in case["w0"]]), strict=True):
        variable.assign(value)
    options = dict(case["fit"])
    if "class_weight" in options:
        options["class_weight"] = {int(label): weight for label, weight in options["class_weight"].items()}
    weights = case.get("sample_weight")
    if weights is not None:
        weights = [values[key] for key in weights] if isinstance(weights, list) else values[weights]
    if "val_x" in case:
        options["validation_data"] = (values[case["val_x"]], values[case["val_y"]], values[case["val_sw"]])
    recorded = [event for event in case.get("events", []) if event[0] in EVENTS]
    events: list[Any] = []

    class Record(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            events.append(["on_batch_end", batch, dict(logs)])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            events.append(["on_epoch_end", epoch, dict(logs)])

    history = model.fit(x, y, sample_weight=weights, verbose=0, callbacks=[Record()] if recorded else [], **options)

    assert list(history.history) == case["history_keys_in_order"]
    assert history.epoch == list(range(options.get("epochs", options.get("nb_epoch"))))
    if losses_only:
        np.testing.assert_allclose(history.history["loss"], case["history"]["loss"], **close)
        return
    for name, expected in case["history"].items():
        np.testing.assert_allclose(history.history[name], expected, err_msg=name, **close)
    for variable, value in zip(model.weights, weights_of(model, [values[key] for key in case["w1"]]), strict=True):
        np.testing.assert_allclose(variable.numpy(), value, **close)
    size = options["batch_size"]
    np.testing.assert_allclose(model.evaluate(x, y, batch_size=size, verbose=0), case["evaluate"], **close)
    if "predict" in case:
        np.testing.assert_allclose(model.predict(x, verbose=0), values[case["predict"]], **close)
    if "evaluate_with_sample_weight" in case:
        ours = model.evaluate(x, y, sample_weight=weights, batch_size=size, verbose=0)
        np.testing.assert_allclose(ours, case["evaluate_with_sample_weight"], **close)
    if recorded:
        assert [event[:2] for event in events] == [event[:2] for event in recorded]
        for ours, theirs in zip(events, recorded, strict=True):
            assert set(ours[2]) == set(theirs[2])
            for name, value in theirs[2].items():
                np.testing.assert_allclose(ours[2][name], value, **close)

"""Whole runs of ``fit`` against those that real Keras 3.15.1 recorded: history, weights, evaluation, prediction."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from keraunos import constraints, layers, optimizers, regularizers
from keraunos.callbacks import Callback
from keraunos.models import Model, Sequential

CALLS = {"l1": regularizers.L1, "l2": regularizers.L2, "max_norm": constraints.MaxNorm, "non_neg": constraints.NonNeg}


def cases():
    path = Path(__file__).parents[2] / "shared/golden/k3/training.json"
    return json.loads(path.read_text())["cases"] if path.exists() else []


CASES = cases()


def argument(value):
    """``l2(.05)`` and the like, which the record writes as text."""
    call = re.match(r"(\w+)\(([\d.]*)\)", value) if isinstance(value, str) else None
    if call:
        return CALLS[call[1]](*([float(call[2])] if call[2] else []))
    if isinstance(value, dict) and "class" in value:
        return layer(value)
    return tuple(value) if isinstance(value, list) else value


def layer(entry):
    return getattr(layers, entry["class"])(**{name: argument(value) for name, value in entry["kwargs"].items()})


def optimizer(entry):
    return getattr(optimizers, entry["class"])(**entry["kwargs"]) if isinstance(entry, dict) else entry


def network(entry, x):
    if isinstance(entry, list):
        return Sequential([layers.Input(x.shape[1:]), *(layer(item) for item in entry)])
    inputs = layers.Input((5,), name="inp")  # the record describes this one in words
    hidden = layers.Dense(6, activation="tanh", name="h")(inputs)
    return Model(
        inputs, [layers.Dense(3, activation="softmax", name="cls")(hidden), layers.Dense(1, name="reg")(hidden)]
    )


@pytest.mark.skipif(not CASES, reason="the folder ../shared is not here")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_recorded_run_is_repeated(case, shared):
    arrays = np.load(shared("golden/k3/training.npz"))
    x = arrays[case["X"]]
    y = arrays[case["Y"]] if "Y" in case else [arrays[case["Y0"]], arrays[case["Y1"]]]
    model = network(case["model"], x)
    model.compile(**{**case["compile"], "optimizer": optimizer(case["compile"]["optimizer"])})
    model.set_weights([arrays[key] for key in case["w0"]])
    options = dict(case["fit"])
    if "class_weight" in options:
        options["class_weight"] = {int(label): weight for label, weight in options["class_weight"].items()}
    weights = case.get("sample_weight")
    if weights is not None:
        weights = [arrays[key] for key in weights] if isinstance(weights, list) else arrays[weights]
    if "val_x" in case:
        options["validation_data"] = (arrays[case["val_x"]], arrays[case["val_y"]], arrays[case["val_sw"]])
    events = []

    class Record(Callback):
        def on_train_batch_end(self, batch, logs=None):
            events.append(["on_batch_end", batch, dict(logs)])

        def on_epoch_end(self, epoch, logs=None):
            events.append(["on_epoch_end", epoch, dict(logs)])

    recorded = [event for event in case.get("events", []) if event[0] in ("on_batch_end", "on_epoch_end")]
    history = model.fit(x, y, sample_weight=weights, verbose=0, callbacks=[Record()] if recorded else [], **options)

    close = {"rtol": 2e-4, "atol": 2e-5}
    assert list(history.history) == case["history_keys_in_order"]
    assert history.epoch == list(range(options["epochs"]))
    for name, values in case["history"].items():
        np.testing.assert_allclose(history.history[name], values, err_msg=name, **close)
    for ours, key in zip(model.get_weights(), case["w1"], strict=True):
        np.testing.assert_allclose(ours, arrays[key], **close)
    np.testing.assert_allclose(
        model.evaluate(x, y, batch_size=options["batch_size"], verbose=0), case["evaluate"], **close
    )
    if "predict" in case:
        np.testing.assert_allclose(model.predict(x, verbose=0), arrays[case["predict"]], **close)
    if "evaluate_with_sample_weight" in case:
        ours = model.evaluate(x, y, sample_weight=weights, batch_size=options["batch_size"], verbose=0)
        np.testing.assert_allclose(ours, case["evaluate_with_sample_weight"], **close)
    if recorded:
        assert [event[:2] for event in events] == [event[:2] for event in recorded]
        for ours, theirs in zip(events, recorded, strict=True):
            assert set(ours[2]) == set(theirs[2])
            for name, value in theirs[2].items():
                np.testing.assert_allclose(ours[2][name], value, **close)

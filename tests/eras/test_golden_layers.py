"""Layers of eras 1 and 2 against numbers that Keras 1.2.2 and 2.2.4 computed: outputs, gradients, training."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from recorded import arrays, document

from keraunos.backend import K
from keraunos.core.naming import reset_names
from keraunos.core.scope import Scope
from keraunos.eras import modules
from keraunos.models import Model
from keraunos.optimizers import SGD
from keraunos.utils import spelling

ERAS = {"k122tf": 1, "k122th": 1, "k224": 2}
# Where a left slope is negative, Theano cut the left piece off as well; TensorFlow, and the paper, do not.
OTHERWISE = {("k122th", "SReLU_shared")}
RECURRENT = ("RNN", "GRU", "LSTM", "Bidirectional")


def cases() -> list[Any]:
    found = [
        pytest.param(release, case, id=f"{release}-{case['id']}")
        for release in ERAS
        for case in document(release, "layers").get("cases", [])
        if (release, case["id"]) not in OTHERWISE
    ]
    return found or [pytest.param(None, None, marks=pytest.mark.skip(reason="the folder ../shared is not here"))]


@pytest.fixture(autouse=True)
def _era(request: Any, monkeypatch: Any) -> Iterator[None]:
    release = request.node.callspec.params["release"]
    monkeypatch.setenv("KERAUNOS_NOTES", "0")
    monkeypatch.setenv("KERAS_BACKEND", "theano" if release == "k122th" else "tensorflow")
    reset_names()
    with spelling.in_era(ERAS[release]):
        yield


def made(spec: Any) -> Any:
    """A value of a record: layers are written as class and arguments."""
    if isinstance(spec, dict) and set(spec) == {"class", "kwargs"}:
        kwargs = {name: made(value) for name, value in spec["kwargs"].items()}
        return modules.find("layers", spec["class"])(**kwargs)
    return [made(item) for item in spec] if isinstance(spec, list) else spec


def network(case: Any, x: list[Any]) -> Model:
    whole = "batch" in case or "y_second_call" in case
    inputs = [
        modules.find("layers", "Input")(
            batch_shape=value.shape if whole else (None, *value.shape[1:]), dtype=value.dtype.name
        )
        for value in x
    ]
    outputs: Any = inputs if len(inputs) > 1 else inputs[0]
    for spec in case["layers"]:
        outputs = made(spec)(outputs)
    return Model(inputs, outputs)


@pytest.mark.parametrize(("release", "case"), cases())
def test_outputs_and_gradients_are_the_recorded_ones(release: str, case: Any) -> None:
    values = arrays(release, "layers")
    x = [values[name] for name in case["x"]]
    model = network(case, x)
    weights = [values[name] for name in case["w"]]
    model.set_weights(weights)
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    close = 1e-4 if any(kind in spec["class"] for spec in case["layers"] for kind in RECURRENT) else 1e-5

    def same(found: Any, names: list[str]) -> None:
        for ours, name in zip(found, names, strict=True):
            scale = np.abs(np.nan_to_num(values[name])).max(initial=1e-3)
            known = np.isfinite(values[name])  # the mean of no steps at all has no gradient
            np.testing.assert_allclose(ours * known, np.nan_to_num(values[name]), rtol=close, atol=close * scale)

    trainable = model.trainable_variables
    floats = [value if value.dtype.kind == "f" else None for value in x]

    def objective(given: Any) -> Any:
        own, inputs = given
        filled = [a if b is None else b for a, b in zip(x, inputs, strict=True)]
        with Scope(dict(zip(trainable, own, strict=True)), strict=False):
            outputs = model(filled if len(filled) > 1 else filled[0], training=False)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        return sum(K.mean(K.square(output)) for output in outputs), outputs

    if "y_second_call" in case:
        for key in ("y", "y_second_call", "y_after_reset"):
            if key == "y_after_reset":
                model.layers[-1].reset_states()
            same([model.predict(x[0], batch_size=len(x[0]))], case[key])
        return
    start = ([variable.numpy() for variable in trainable], floats)
    (_, outputs), (own, inputs) = K.compile(K.value_and_gradient(objective))(start)
    same(outputs, case["y"])
    if "gx" in case:
        same([gradient for gradient in inputs if gradient is not None], case["gx"])
        by_variable = {id(v): np.asarray(g) for v, g in zip(trainable, own, strict=True)}
        every = [by_variable.get(id(v), np.zeros(v.shape)) for v in model.weights]
        listed = spelling.provider().weights_earlier(model, every)
        wanted = [name in case["trainable"] for name in case["weight_names"]]
        same([g for g, is_wanted in zip(listed, wanted, strict=True) if is_wanted], case["gw"])
    if "train_losses" in case and not any("Drop" in s["class"] or "Noise" in s["class"] for s in case["layers"]):
        another = network(case, x)  # since a call while training moves statistics
        another.set_weights(weights)
        same([another(x[0], training=True)], [case["y_training_phase"]])
        model.compile(optimizer=SGD(lr=0.1), loss="mse")
        for loss, after in zip(case["train_losses"], case["w_after_step"], strict=True):
            assert model.train_on_batch(x[0], values[case["target"]]) == pytest.approx(loss, rel=1e-5)
            same(model.get_weights(), after)
        same([model.predict(x[0], verbose=0)], [case["y_after_train"]])

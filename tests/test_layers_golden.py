"""Layers against numbers that real Keras 3.15.1 computed: outputs, gradients, and one step of training statistics."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keraunos import layers
from keraunos.backend import K
from keraunos.core.scope import Scope
from keraunos.layers.layer import LAYERS

Shared = Callable[[str], Path]
FOLDER = Path(__file__).parents[2] / "shared" / "golden" / "k3"

# Keras 3.15.1 adds up all partial sums of the support where Martins and Astudillo (2016), algorithm 1, take the last.
WRONG = {"Activation_sparsemax"}


def cases() -> list[Any]:
    """The cases whose layers all exist; one that only says why there are none."""
    try:
        found = json.loads((FOLDER / "layers.json").read_text())["cases"]
    except OSError:
        return [pytest.param(None, marks=pytest.mark.skip(reason="the folder ../shared is not here"))]
    return [
        pytest.param(case, id=case["id"])
        for case in found
        if case["id"] not in WRONG
        and "call" not in case
        and all(spec["class"] in LAYERS.members for spec in case["layers"])
    ]


@functools.cache
def arrays() -> dict[str, Any]:
    with np.load(FOLDER / "layers.npz") as file:
        return dict(file)


def made(spec: Any) -> Any:
    """Values of a constructor call; calls inside it are made too."""
    if isinstance(spec, dict) and set(spec) >= {"class", "kwargs"}:
        kwargs = {name: made(value) for name, value in spec["kwargs"].items()}
        return getattr(layers, spec["class"])(*[made(value) for value in spec.get("args", [])], **kwargs)
    return [made(item) for item in spec] if isinstance(spec, list) else spec


@pytest.mark.parametrize("case", cases())
def test_outputs_and_gradients_are_the_recorded_ones(case: Any) -> None:
    chain = [made(spec) for spec in case["layers"]]
    x = [arrays()[name] for name in case["x"]]

    def run(inputs: list[Any], training: bool = False) -> list[Any]:
        outputs: Any = inputs if len(inputs) > 1 else inputs[0]
        for layer in chain:
            outputs = layer(outputs, training=training)
        return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]

    run([layers.Input(batch_shape=value.shape, dtype=value.dtype.name) for value in x])
    weights = [variable for layer in chain for variable in layer.weights]
    for variable, name in zip(weights, case["w"], strict=True):
        variable.assign(arrays()[name])
    for layer in chain:
        if getattr(layer, "stateful", False):
            layer.reset_states()
    names = case["trainable"]
    trainable = [variable for layer in chain for variable in layer.trainable_variables]

    def objective(values: Any) -> Any:
        own, inputs = values
        filled = [given if value is None else value for given, value in zip(x, inputs, strict=True)]
        with Scope(dict(zip(trainable, own, strict=True)), strict=False):
            outputs = run(filled)
        return sum(K.mean(K.square(output)) for output in outputs), outputs

    floats = [value if value.dtype.kind == "f" else None for value in x]
    start = ([variable.numpy() for variable in trainable], floats)
    (_, outputs), (own, inputs) = K.compile(K.value_and_gradient(objective))(start)
    for output, name in zip(outputs, case["y"], strict=True):
        np.testing.assert_allclose(output, arrays()[name], rtol=2e-5, atol=2e-5)
    gradients = {"gw": own, "gx": [gradient for gradient in inputs if gradient is not None]}
    for kind, found in gradients.items():
        if kind in case:
            assert kind != "gw" or len(names) == len(found)
            for gradient, name in zip(found, case[kind], strict=True):
                np.testing.assert_allclose(gradient, arrays()[name], rtol=5e-5, atol=2e-5)
    if "y_training_phase" in case and not case["layers"][-1]["class"].endswith(("Dropout", "Noise")):
        np.testing.assert_allclose(run(x, training=True)[0], arrays()[case["y_training_phase"]], rtol=2e-5, atol=2e-5)

"""Every kind of layer goes to a ``.keras`` file and comes back: to us bit for bit, to real Keras and from it to 1e-5."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.layer_cases import CASES, Case, double

import keraunos
from keraunos import layers, saving

OWN = {"double": double}
SAVED = [case for case in CASES if case.layer is not layers.InputLayer]
# Reading by real Keras compiles each model anew, so every fifth case stands for its neighbours.
pytestmark = pytest.mark.filterwarnings("ignore")  # those of real Keras


def model_and_data(case: Case) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)

    def data(shape: Any) -> Any:
        return draw.integers(0, case.below, shape).astype("float32") if case.below else draw.normal(size=shape)

    shapes = case.shapes if case.several else [case.shapes]
    inputs = [layers.Input(batch_shape=shape) for shape in shapes]
    outputs = case.make()(inputs if case.several else inputs[0])
    arrays = [data(shape).astype("float32") for shape in shapes]
    model = keraunos.Model(inputs if case.several else inputs[0], outputs)
    return model, arrays if case.several else arrays[0]


def outputs_of(model: Any, data: Any) -> list[np.ndarray]:
    outputs = model(data)
    return [np.asarray(part) for part in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


@pytest.mark.parametrize("case", SAVED, ids=lambda case: case.name)
def test_a_layer_comes_back_bit_for_bit(case: Case, tmp_path: Path) -> None:
    model, data = model_and_data(case)
    model.save(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", custom_objects=OWN)
    for before, after in zip(outputs_of(model, data), outputs_of(again, data), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("case", SAVED[::5], ids=lambda case: case.name)
def test_a_layer_goes_to_real_keras_and_back(case: Case, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    if not (case.layer.__name__ in OWN or hasattr(keras.layers, case.layer.__name__)):
        pytest.skip("Keras 3 has no such layer")
    model, data = model_and_data(case)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras", custom_objects=OWN)
    theirs.save(tmp_path / "theirs.keras")
    again = saving.load_model(tmp_path / "theirs.keras", custom_objects=OWN)
    for wanted, real, back in zip(*(outputs_of(m, data) for m in (model, theirs, again)), strict=True):
        np.testing.assert_allclose(real, wanted, atol=1e-5)
        np.testing.assert_allclose(back, real, atol=1e-5)

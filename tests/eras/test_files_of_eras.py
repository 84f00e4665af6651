"""Files that real Keras of every era wrote are read: they predict what the original predicted, and train on as it did."""

import json
from functools import cache

import numpy as np
import pytest
from recorded import GOLDEN

from keraunos import saving
from keraunos.core.registry import TABLES, fill_tables
from keraunos.eras.files import model_from_yaml

# Folder, and the era that its outputs are recorded under.
RELEASES = ("k122tf", "k122th", "k224", "k224th", "k3")
ENVIRONMENTS = ("k122tf", "k122th", "k224tf", "k231tf", "k29tf", "k3jax")
# The function of the recorded models' Lambda layers.
TWICE_AND_ONE = {name: lambda x: 2 * x + 1 for name in ("lambda_1", "lambda")}
# What a file needs that the library may not have.
NEEDS = {"attention": ("layers", "MultiHeadAttention"), "sepconv": ("layers", "Conv2DTranspose")}
NEEDS_TO_TRAIN = {"sepconv": ("optimizers", "Lion")}
# Dropout draws other numbers, so that losses cannot be compared.
RANDOM = ("dense",)
# One of each optimizer and kind of layer, where losses were recorded.
TRAINED = [
    *[("k122th", name) for name in ("bidir", "conv1d", "dense_acts", "gru", "nested", "functional")],
    *[("k122tf", name) for name in ("conv_first", "frozen")],
    *[("k224", name) for name in ("bidir", "conv_last", "gru", "frozen")],
    *[("k3", name) for name in ("bidir", "conv_first", "nested", "sepconv", "attention")],
]


def of_releases():
    for release in RELEASES:
        for path in sorted((GOLDEN / release / "files").glob("*.npz")):
            yield GOLDEN / release / "files", path.stem


def of_environments():
    for name in ENVIRONMENTS:
        for path in sorted((GOLDEN / "files" / name).glob("*.npz")):
            yield GOLDEN / "files" / name, path.stem


CASES = [*of_releases(), *of_environments()]
IDS = [
    f"{'' if folder.name == 'files' else 'other-'}{folder.parent.name if folder.name == 'files' else folder.name}-{name}"
    for folder, name in CASES
]
# Theano put half a kernel of zeros before the data where this asks for "same", and the config does not say who ran it.
PADDED_BY_THEANO = ("k122th", "conv2d")
every_file = pytest.mark.parametrize("folder, name", CASES, ids=IDS)


@cache
def arrays(folder, name):
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


def there(needs, name):
    fill_tables()
    family, member = needs.get(name, ("layers", "Dense"))
    if member not in TABLES[family].members:
        pytest.skip(f"there is no {member} in keraunos.{family}")


def numbered(values, letter):
    found = [values[key] for key in sorted(values) if key[0] == letter and key[1:].isdigit()]
    return found or [values[letter]]


def alone(values):
    return values[0] if len(values) == 1 else values


def predicts(model, folder, name):
    values = arrays(folder, name)
    outputs = model(alone(numbered(values, "x")))
    for ours, theirs in zip(outputs if isinstance(outputs, list) else [outputs], numbered(values, "y"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-6)


@every_file
def test_a_model_in_hdf5_predicts_what_was_recorded(folder, name):
    there(NEEDS, name)
    compiled = name not in NEEDS_TO_TRAIN or NEEDS_TO_TRAIN[name][1] in TABLES["optimizers"].members
    predicts(saving.load_model(folder / f"{name}.h5", TWICE_AND_ONE, compile=compiled), folder, name)


@every_file
def test_configs_and_weights_predict_what_was_recorded(folder, name):
    there(NEEDS, name)
    if (folder.name, name) == PADDED_BY_THEANO:
        pytest.skip("neither config nor weights say that Theano padded")
    model = saving.model_from_json((folder / f"{name}.json").read_text(), TWICE_AND_ONE)
    model.load_weights(folder / f"{name}.weights.h5")
    predicts(model, folder, name)
    text = folder / f"{name}.yaml"
    if text.exists() and text.stat().st_size:
        again = model_from_yaml(text.read_text(), TWICE_AND_ONE)
        again.set_weights(model.get_weights())
        predicts(again, folder, name)


@pytest.mark.parametrize("folder, name", [case for case in CASES if (case[0] / f"{case[1]}.keras").exists()])
def test_an_archive_predicts_what_was_recorded(folder, name):
    there(NEEDS, name)
    # Some of these hold an optimizer's state, but not which optimizer it was.
    predicts(saving.load_model(folder / f"{name}.keras", TWICE_AND_ONE, compile=False), folder, name)


@pytest.mark.parametrize("release, name", TRAINED)
def test_training_goes_on_as_the_originals(release, name):
    path = GOLDEN / release / "files.json"
    if not path.exists():
        pytest.skip("the folder ../shared with recorded files is not here")
    there(NEEDS, name)
    there(NEEDS_TO_TRAIN, name)
    entry = next(entry for entry in json.loads(path.read_text())["models"] if entry["model"] == name)
    values = arrays(GOLDEN / release / "files", name)
    model = saving.load_model(GOLDEN / release / "files" / f"{name}.h5", custom_objects=TWICE_AND_ONE)
    if release == "k224":
        # Keras 2 on TensorFlow 1 read the number of updates after it had been increased, one too many.
        model.optimizer.iterations.assign(model.optimizer.iterations.numpy() + 1)
    x, t = alone(numbered(values, "x")), alone(numbered(values, "t"))
    for expected in entry["train_losses_after_save"]:
        np.testing.assert_allclose(np.ravel(model.train_on_batch(x, t))[0], np.ravel(expected)[0], rtol=2e-4, atol=1e-6)

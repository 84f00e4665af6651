"""Whole runs of ``fit`` in eras 1 and 2 against those that Keras 1.2.2 and 2.2.4 recorded, by their old spelling."""

import functools

import numpy as np
import pytest
from recorded import arrays, document, repeat

from keraunos.utils import spelling

ERAS = {"k122tf": 1, "k122th": 1, "k224": 2, "k224th": 2}

# TensorFlow 1 computed some gradients from weights that other updates had changed already: what should be one
# number differs from Theano's in the fourth digit, in models of several layers that are not a plain chain. Of these,
# the records of Theano are held to, and of TensorFlow's the convolutional ones, which Theano does otherwise.
RACING = ("c_", "d_", "e_")
# Those of one case stand together, so that the releases share its compiled programs.
CASES = sorted(
    (
        (release, case)
        for release in ERAS
        for case in document(release, "training").get("cases", [])
        if release.endswith("th") or not case["id"].startswith(RACING) or case["id"].startswith("c_conv")
    ),
    key=lambda pair: (pair[1]["id"], pair[0]),
)


def own_weights(release, model, weights):
    """Recorded weights as ours: gates side by side, kernels as (rows, columns, in, out), turned where Theano made them."""
    rest, own = list(weights), []
    for layer in model.layers:
        kind = type(layer).__name__
        gates = {"LSTM": (0, 2, 1, 3), "GRU": (0, 1, 2)}.get(kind)  # Keras 1 has the gates i, c, f, o and z, r, h
        count = len(layer.weights) * (len(gates) if gates and ERAS[release] == 1 else 1)
        taken, rest = rest[:count], rest[count:]
        if len(taken) > len(layer.weights):
            taken = [np.concatenate([taken[3 * gate + part] for gate in gates], -1) for part in range(3)]
        if kind == "Conv2D":
            first = ERAS[release] == 1 and layer.data_format == "channels_first"
            kernel = taken[0].transpose(2, 3, 1, 0) if first else taken[0]
            taken[0] = kernel[::-1, ::-1] if release.endswith("th") else kernel
        own += taken
    return own


def counted_late(model):
    """Keras 2 on TensorFlow 1 read the number of updates after it had been increased, one too many."""
    model.optimizer.iterations.assign(1)


def of_backend(release, case):
    """The case with what its backend did and the era's default does not: Theano's averages kept their first values."""
    if release != "k224th" or not case["id"].startswith("c_conv"):
        return case
    model = [dict(entry, kwargs=dict(entry["kwargs"])) for entry in case["model"]]
    for entry in model:
        if entry["class"] == "BatchNormalization":
            entry["kwargs"]["debiased_averages"] = False
    return {**case, "model": model}


@pytest.mark.skipif(not CASES, reason="the folder ../shared is not here")
@pytest.mark.parametrize("release, case", CASES, ids=lambda part: part if isinstance(part, str) else part["id"])
def test_a_recorded_run_is_repeated(release, case):
    close = {"rtol": 1e-5, "atol": 1e-6}
    losses_only = False
    if not release.endswith("th") and case["id"].startswith(RACING):
        close = {"rtol": 1e-3, "atol": 3e-4}
    if case["id"].startswith("c_conv"):
        # Theano gives the gradient of max pooling to each of several equal maxima (zeros, behind a relu); TensorFlow
        # and we to the first. Its fused normalization, channels last, corrects the variance once more, by n / (n - 1);
        # and Adadelta, whose first steps have the size of epsilon, makes much of small differences.
        losses_only = release != "k122tf" or "adadelta" in case["id"]
        close = {"rtol": 5e-3} if release.endswith("th") else close
    with spelling.in_era(ERAS[release]):
        repeat(
            of_backend(release, case),
            arrays(release, "training"),
            close,
            functools.partial(own_weights, release),
            counted_late if release == "k224" else lambda model: None,
            losses_only,
        )

"""Optimizers, losses, metrics, regularizers, constraints, activations and initializers of eras 1 and 2 against records.

Everything is asked for by its old name and with its old arguments, under the era.
"""

import re

import numpy as np
import pytest
from recorded import arrays, document

from keraunos import activations, constraints, initializers, layers, losses, metrics, optimizers, regularizers
from keraunos.backend import K
from keraunos.core.variable import Variable
from keraunos.eras import initializations
from keraunos.models import Sequential
from keraunos.utils import spelling

ERAS = {"k122tf": 1, "k122th": 1, "k224": 2, "k224th": 2}

pytestmark = pytest.mark.skipif(not document("k224", "optimizers"), reason="the folder ../shared is not here")


def cases(name, part="cases"):
    return [(release, case) for release in ERAS for case in document(release, name).get(part, [])]


def named(part):
    return part if isinstance(part, str) else part.get("id") or f"{part.get('fn', part.get('loss'))}-{part.get('data')}"


# --- optimizers ---------------------------------------------------------------------------


def late(release, case):
    """Arguments and first count that make up for TensorFlow 1, which read the count after its increase.

    Keras 2 read it so everywhere, Keras 1 for the decay alone: ``rate / (1 + decay * (t + 1))``
    is a smaller rate with a slower decay. The formula of the release, which Theano's records
    follow, has ``t``.
    """
    arguments = dict(case["optimizer"]["kwargs"])
    if release == "k122tf" and arguments.get("decay"):
        decay = arguments["decay"]
        return {**arguments, "lr": arguments["lr"] / (1 + decay), "decay": decay / (1 + decay)}, 0
    return arguments, int(release == "k224")


@pytest.mark.parametrize("release, case", cases("optimizers"), ids=named)
def test_an_optimizer_takes_the_recorded_steps(release, case):
    values = arrays(release, "optimizers")
    inputs, targets, kernels, biases = (values[case[part]] for part in "XYWB")
    arguments, count = late(release, case)
    with spelling.in_era(ERAS[release]):
        optimizer = getattr(optimizers, case["optimizer"]["class"])(**arguments)
    variables = [Variable(kernels[0], name="kernel"), Variable(biases[0], name="bias")]
    keys = {variable: variable.name for variable in variables}
    optimizer.build(variables)

    def program(values, state):
        error = 2 * (inputs @ values["kernel"] + values["bias"] - targets) / targets.size
        return optimizer.step({"kernel": inputs.T @ error, "bias": K.sum(error, 0)}, values, state)

    step = K.compile(program)
    weights, state = {keys[v]: v.value for v in variables}, optimizer.state(keys)
    state["iterations"] = state["iterations"] + count
    for kernel, bias in zip(kernels[1:], biases[1:], strict=True):
        weights, state = step(weights, state)
        # Adam divides a gradient near 0 by its own size: what 12 steps make of rounding is a few millionths.
        np.testing.assert_allclose(weights["kernel"], kernel, rtol=1e-5, atol=5e-6)
        np.testing.assert_allclose(weights["bias"], bias, rtol=1e-5, atol=5e-6)


# --- losses and metrics -------------------------------------------------------------------

FUNCTIONS = cases("losses_metrics", "functions")


def function(family, name):
    """The function that a name means in the active era."""
    found = {"losses": losses, "metrics": metrics}[family].get(name)
    return getattr(found, "fn", found)


@pytest.mark.parametrize("release, case", FUNCTIONS, ids=named)
def test_a_loss_or_metric_has_the_recorded_values(release, case):
    family, name = case["fn"].split(".")
    data = document(release, "losses_metrics")["data"][case["data"]]
    y_true, y_pred = np.array(data["y_true"], data["true_dtype"]), np.array(data["y_pred"], "float32")
    with spelling.in_era(ERAS[release]):
        ours = np.asarray(function(family, name)(y_true, y_pred, **case["kwargs"]))
    expected = np.array(case["value"])
    if family == "metrics" and ours.shape != expected.shape:
        # Ours are elementwise; Keras 1 returned the mean of all, Keras 2 that of each row.
        ours = ours.mean(tuple(range(expected.ndim, ours.ndim)))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("release, case", cases("losses_metrics", "weighted"), ids=named)
def test_weighted_losses_and_metrics_have_the_recorded_values(release, case):
    y_true, y_pred = np.array(case["y_true"], case["true_dtype"]), np.array(case["y_pred"], "float32")
    with spelling.in_era(ERAS[release]):
        # The predictions are the inputs themselves, so that nothing is trained.
        model = Sequential([layers.Activation("linear", input_shape=y_pred.shape[1:])])
        weighted = {} if case["weighted_metrics"] is None else {"weighted_metrics": case["weighted_metrics"]}
        mode = case["sample_weight_mode"]
        model.compile("sgd", case["loss"], metrics=case["metrics"], sample_weight_mode=mode, **weighted)
        for result in case["results"]:
            arguments = dict(result["args"])
            if "sample_weight" in arguments:
                arguments["sample_weight"] = np.array(arguments["sample_weight"], "float32")
            if "class_weight" in arguments:  # where both are given, the weights of the samples alone counted
                arguments["class_weight"] = {int(label): w for label, w in arguments["class_weight"].items()}
            quiet = {"verbose": 0, "batch_size": 4} if result["call"] == "evaluate" else {}
            ours = getattr(model, result["call"])(y_pred, y_true, **arguments, **quiet)
            np.testing.assert_allclose(ours, result["value"], rtol=1e-5, atol=1e-6, err_msg=result["call"])
        assert model.metrics_names == case["metrics_names"]


# --- values -------------------------------------------------------------------------------


def of_kind(*kinds):
    return [(release, case) for release, case in cases("values") if case["kind"] in kinds]


@pytest.mark.parametrize("release, case", of_kind("regularizer"), ids=named)
def test_a_regularizer_has_the_recorded_value(release, case):
    x = K.array(arrays(release, "values")[f"x/{case['x']}"])
    with spelling.in_era(ERAS[release]):
        regularizer = getattr(regularizers, case["name"])(**case["kwargs"])
        again = regularizers.deserialize(regularizers.serialize(regularizer))
    np.testing.assert_allclose(regularizer(x), case["value"], rtol=1e-5)
    np.testing.assert_allclose(again(x), case["value"], rtol=1e-5)


@pytest.mark.parametrize("release, case", of_kind("constraint", "activation"), ids=named)
def test_a_constraint_or_activation_has_the_recorded_values(release, case):
    values = arrays(release, "values")
    x = K.array(values[f"x/{case['x']}"])
    with spelling.in_era(ERAS[release]):
        if case["kind"] == "constraint":
            ours = getattr(constraints, case["name"])(**case["kwargs"])(x)
        else:
            arguments = {
                ("negative_slope" if name == "alpha" and case["name"] == "relu" else name): value
                for name, value in case["kwargs"].items()
            }
            ours = activations.get(case["name"])(x, **arguments)
    np.testing.assert_allclose(ours, values[case["value"]], rtol=1e-5, atol=1e-7)


def drawn(release, case):
    """One draw, by the function of era 1, which told the layout of a kernel, or by what a name means in era 2."""
    if ERAS[release] == 1:
        told = {"dim_ordering": case["dim_ordering"]} if re.search("glorot|he_|lecun", case["name"]) else {}
        return initializations.get(case["name"])(tuple(case["shape"]), **case["kwargs"], **told).numpy()
    with spelling.in_era(2):
        made = initializers.get(case["name"])
        if case["kwargs"]:
            made = initializers.table.lookup(case["name"])(**case["kwargs"])
        return made(case["shape"])


@pytest.mark.parametrize("release, case", of_kind("initializer", "initializer_exact"), ids=named)
def test_an_initializer_draws_as_recorded(release, case):
    if case["kind"] == "initializer_exact":
        np.testing.assert_allclose(drawn(release, case), arrays(release, "values")[case["value"]], rtol=1e-6)
        return
    draws = [drawn(release, case) for _ in range(20)]
    ours, stats = np.concatenate([draw.ravel() for draw in draws]).astype("float64"), case["stats"]
    size = np.prod(case["shape"])
    fourth = np.mean((ours - ours.mean()) ** 4) / ours.var() ** 2
    # Five standard errors of the recorded draw.
    np.testing.assert_allclose(ours.std(), stats["std"], rtol=5 * np.sqrt((fourth - 1) / (4 * size)) + 0.01)
    np.testing.assert_allclose(fourth, stats["kurtosis"], atol=5 * np.sqrt(24 / size) + 0.05)
    assert np.abs(ours).max() <= 1.5 * max(stats["max"], -stats["min"]) or size < 1000
    if "gram_diag_mean" in case:
        outer = 0 if ERAS[release] == 1 else -1
        matrix = np.moveaxis(draws[0], outer, 0).reshape(case["shape"][outer], -1)
        gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(gram, case["gram_diag_mean"] * np.eye(len(gram)), atol=1e-5)

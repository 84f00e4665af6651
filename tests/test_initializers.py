"""Initializers: exact values, distributions against Keras' own draws, seeds, configs, and what is refused."""

import json
import math

import numpy as np
import pytest

from keraunos import initializers
from keraunos.utils.errors import ArgumentError, ShapeError, UnknownNameError

NAMES = sorted(initializers.table.public)
RANDOM = [name for name in NAMES if "seed" in getattr(initializers, name)().get_config()]
SCALED = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]


def shape_for(name):
    return (4, 1, 5) if name == "STFT" else (4, 5)


# --- laws -----------------------------------------------------------------------------


def test_all_sixteen_of_keras_3_are_here():
    assert set(NAMES) == {*RANDOM, "Zeros", "Ones", "Constant", "Identity", "STFT"}
    assert len(NAMES) == 16


@pytest.mark.parametrize("name", NAMES)
def test_serialized_form_is_that_of_keras(name):
    keras = pytest.importorskip("keras")
    expected = keras.initializers.serialize(getattr(keras.initializers, name)())
    assert initializers.serialize(getattr(initializers, name)()) == expected


@pytest.mark.parametrize("name", NAMES)
def test_config_round_trip_gives_the_same_numbers(name):
    arguments = {"seed": 3} if name in RANDOM else {}
    made = getattr(initializers, name)(**arguments)
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(made))))
    np.testing.assert_array_equal(again(shape_for(name)), made(shape_for(name)))
    np.testing.assert_array_equal(made.clone()(shape_for(name)), made(shape_for(name)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", None])
def test_dtype_and_shape_are_those_asked_for(name, dtype):
    values = getattr(initializers, name)()(shape_for(name), dtype)
    assert isinstance(values, np.ndarray)
    assert values.dtype.name == (dtype or "float32")
    assert values.shape == shape_for(name)


@pytest.mark.parametrize("alias, name", [
    ("zeros", "Zeros"), ("zero", "Zeros"), ("one", "Ones"), ("uniform", "RandomUniform"), ("normal", "RandomNormal"),
    ("glorot_uniform", "GlorotUniform"), ("he_normal", "HeNormal"), ("lecun_uniform", "LecunUniform"),
    ("variance_scaling", "VarianceScaling"), ("truncated_normal", "TruncatedNormal"), ("stft", "STFT"),
    ("IdentityInitializer", "Identity"), ("OrthogonalInitializer", "Orthogonal"), ("STFTInitializer", "STFT"),
])  # fmt: skip
def test_aliases_resolve(alias, name):
    assert type(initializers.get(alias)).__name__ == name


# --- seeds ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", RANDOM)
def test_whole_number_as_seed_repeats_at_each_call(name):
    made = getattr(initializers, name)(seed=7)
    np.testing.assert_array_equal(made((4, 5)), made((4, 5)))
    assert not np.array_equal(made((4, 5)), getattr(initializers, name)(seed=8)((4, 5)))


@pytest.mark.parametrize("name", RANDOM)
def test_without_seed_numpys_global_generator_decides(name):
    made = getattr(initializers, name)()
    np.random.seed(1)
    first, second = made((4, 5)), made((4, 5))
    np.random.seed(1)
    np.testing.assert_array_equal(made((4, 5)), first)
    assert not np.array_equal(first, second)


def test_negative_seed_is_a_seed():
    assert initializers.RandomNormal(seed=-1)((2,)).shape == (2,)


def test_seed_generator_advances_at_each_call():
    class Counter:
        count = 0

        def next(self):
            self.count += 1
            return np.array([5, self.count], "uint32")

    made = initializers.RandomNormal(seed=Counter())
    first = made((3,))
    assert not np.array_equal(first, made((3,)))
    np.testing.assert_array_equal(first, initializers.RandomNormal(seed=Counter())((3,)))


# --- values ---------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    {}, {"side": "imag"}, {"window": None}, {"window": "hamming", "scaling": "spectrum"},
    {"scaling": None, "periodic": True}, {"window": [0.5, 1.0, 1.0, 0.5]},
])  # fmt: skip
def test_stft_equals_keras(arguments):
    keras = pytest.importorskip("keras")
    expected = np.asarray(keras.initializers.STFT(**arguments)((4, 1, 5)))
    np.testing.assert_allclose(initializers.STFT(**arguments)((4, 1, 5)), expected, atol=1e-6)


@pytest.mark.parametrize("shape, axes", [
    ((), {}), ((5,), {}), ((4, 6), {}), ((3, 3, 8, 16), {}), ((2, 3, 4), {"input_axes": [0], "output_axes": [1, 2]}),
])  # fmt: skip
def test_fans_equal_those_of_keras(shape, axes):
    pytest.importorskip("keras")
    from keras.src.initializers.random_initializers import compute_fans

    assert initializers.compute_fans(shape, **axes) == compute_fans(shape, **axes)


@pytest.mark.parametrize("name", SCALED)
def test_variance_is_that_of_the_paper(name):
    values = getattr(initializers, name)(seed=1)((300, 500), "float64")
    fan = 400 if "Glorot" in name else 300
    variance = (2 if name.startswith("He") else 1) / fan
    assert abs(values.mean()) < 4 * math.sqrt(variance / values.size)
    np.testing.assert_allclose(values.var(), variance, rtol=0.02)


def test_truncated_normal_stays_within_two_deviations_and_has_the_right_spread():
    values = initializers.TruncatedNormal(1.0, 0.5, seed=1)((200_000,), "float64")
    assert np.abs(values - 1).max() <= 1
    np.testing.assert_allclose(values.std(), 0.5 * 0.87962566, rtol=0.01)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (2, 3, 4), (5, 5)])
def test_orthogonal_rows_or_columns(shape):
    matrix = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    small = min(matrix.shape)
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(small), atol=1e-12)


def test_constant_takes_arrays_and_broadcasts_them():
    made = initializers.Constant(np.array([1.0, 2.0]))
    assert made((3, 2)).tolist() == [[1, 2]] * 3
    assert initializers.get(np.array([1.0, 2.0]))((2,)).tolist() == [1, 2]
    keras = pytest.importorskip("keras")
    expected = keras.initializers.serialize(keras.initializers.Constant(np.array([1.0, 2.0])))
    assert initializers.serialize(made) == expected
    assert initializers.deserialize(expected)((2,)).tolist() == [1, 2]


# --- the user's own -------------------------------------------------------------------


def test_a_class_written_for_keras_works():
    class Sevens(initializers.Initializer):
        def __init__(self, value=7):
            self.value = value

        def __call__(self, shape, dtype=None, **kwargs):
            return np.full(shape, self.value, dtype or "float32")

        def get_config(self):
            return {"value": self.value}

    config = initializers.serialize(Sevens(8))
    again = initializers.deserialize(config, {"Sevens": Sevens})
    assert again((2,)).tolist() == [8, 8]
    assert initializers.get(Sevens)((1,)).tolist() == [7]


def test_a_plain_function_works():
    def ramp(shape, dtype=None):
        return np.arange(math.prod(shape)).reshape(shape)

    assert initializers.get(ramp) is ramp


# --- golden numbers -------------------------------------------------------------------


def test_exact_values_of_the_golden_set(shared):
    with np.load(shared("golden/k3/values.npz")) as stored:
        arrays = dict(stored)
    cases = json.loads(shared("golden/k3/values.json").read_text())["cases"]
    exact = [case for case in cases if case["kind"] == "initializer_exact"]
    assert exact
    for case in exact:
        values = getattr(initializers, case["name"])(**case["kwargs"])(case["shape"])
        np.testing.assert_array_equal(values, arrays[case["value"]], err_msg=case["id"])


def test_draws_have_the_statistics_of_the_golden_set(shared):
    cases = json.loads(shared("golden/k3/values.json").read_text())["cases"]
    draws = [case for case in cases if case["kind"] == "initializer" and math.prod(case["shape"]) >= 1000]
    assert draws
    for case in draws:
        member = initializers.table.lookup(case["name"])
        values = member(**case["kwargs"], seed=1)(case["shape"]).astype("float64").ravel()
        stats, noise = case["stats"], 6 / math.sqrt(values.size)
        deviations = (values - values.mean()) / values.std()
        assert abs(values.mean() - stats["mean"]) < noise * stats["std"], case["id"]
        assert abs(values.std() / stats["std"] - 1) < noise, case["id"]
        assert abs((deviations**4).mean() - stats["kurtosis"]) < 10 * noise, case["id"]
        assert abs((np.abs(deviations) < 1).mean() - stats["frac_within_1std"]) < noise, case["id"]


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize("make, words", [
    (lambda: initializers.VarianceScaling(scale=0), r"VarianceScaling: scale is 0; expected a positive number"),
    (lambda: initializers.VarianceScaling(mode="fan_inn"), r"mode is 'fan_inn'; expected .* Did you mean 'fan_in'"),
    (lambda: initializers.VarianceScaling(distribution="cauchy"), r"distribution is 'cauchy'; expected one of"),
    (lambda: initializers.RandomNormal(seed="x"), r"seed is 'x'; expected None, a whole number or a SeedGenerator"),
    (lambda: initializers.RandomNormal(stddev=-1), r"stddev is -1; expected a number, 0 or more"),
    (lambda: initializers.Constant("a"), r"value is 'a'; expected a number or an array of numbers"),
    (lambda: initializers.STFT(side="left"), r"side is 'left'; expected one of 'real', 'imag'"),
    (lambda: initializers.STFT(window="nope"), r"window is 'nope'; expected None, an array, or a window that"),
    (lambda: initializers.Initializer()((2,)), r"Initializer does not define __call__\(self, shape, dtype=None\)"),
])  # fmt: skip
def test_bad_arguments_are_refused_in_words(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


@pytest.mark.parametrize("make, shape, words", [
    (initializers.Identity(), (2, 2, 2), r"Identity makes matrices, but the weight has shape \(2, 2, 2\)"),
    (initializers.Orthogonal(), (3,), r"Orthogonal needs two axes or more, but the weight has shape \(3,\)"),
    (initializers.Constant([1, 2]), (3,), r"a value of shape \(2,\) does not fit a weight of shape \(3,\)"),
    (initializers.STFT(), (3, 4), r"STFT makes kernels of 3 axes, but the weight has shape \(3, 4\)"),
    (initializers.STFT(window=[1.0]), (3, 1, 4), r"the window has shape \(1,\), the frame length is 3"),
])  # fmt: skip
def test_shapes_that_do_not_fit_are_refused_in_words(make, shape, words):
    with pytest.raises(ShapeError, match=words):
        make(shape)


def test_unknown_name_gets_a_suggestion():
    with pytest.raises(
        UnknownNameError, match=r"no initializer called 'glorot_unifrom'. Did you mean 'glorot_uniform'"
    ):
        initializers.get("glorot_unifrom")

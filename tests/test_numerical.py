"""Small array helpers against real Keras, and their messages."""

import json

import numpy as np
import pytest

from keraunos.utils.errors import ArgumentError, DataError, UsageError
from keraunos.utils.numerical import (
    normalize,
    pack_x_y_sample_weight,
    pad_sequences,
    to_categorical,
    unpack_x_y_sample_weight,
)
from keraunos.utils.sequence import PyDataset, Sequence

SEQUENCES = [[1, 2, 3], [4, 5], [6], [], [7, 8, 9, 10, 11]]


@pytest.fixture(scope="module")
def oracle():
    return pytest.importorskip("keras").utils


@pytest.mark.parametrize("x", [[0, 2, 1], [[0], [2], [1]], [[0, 1], [2, 0]], [3], [1.0, 0.0], 2])
@pytest.mark.parametrize("num_classes", [None, 5])
def test_to_categorical_is_that_of_keras(oracle, x, num_classes):
    ours, theirs = to_categorical(x, num_classes), oracle.to_categorical(x, num_classes)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("x, wrong", [([0, -1], -1), ([0, 3], 3)])
def test_to_categorical_names_a_class_that_is_out_of_range(x, wrong):
    with pytest.raises(ArgumentError, match=f"holds the class {wrong}; expected whole numbers from 0 to 2"):
        to_categorical(x, 3)


def test_to_categorical_of_nothing_needs_the_number_of_classes():
    with pytest.raises(ArgumentError, match="x is empty, so the number of classes is unknown"):
        to_categorical([])
    assert to_categorical([], 3).shape == (0, 3)


@pytest.mark.parametrize("order", [1, 2, np.inf])
@pytest.mark.parametrize("axis", [-1, 1])
def test_normalize_is_that_of_keras(oracle, axis, order):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1] = 0
    np.testing.assert_allclose(normalize(x, axis, order), oracle.normalize(x, axis, order))


def test_normalize_along_the_first_axis_gives_columns_of_length_one():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose((normalize(x, 0) ** 2).sum(0), 1)


@pytest.mark.parametrize("maxlen", [None, 2, 4, 7])
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
def test_pad_sequences_is_that_of_keras(oracle, maxlen, padding, truncating):
    arguments = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": 9}
    ours, theirs = pad_sequences(SEQUENCES, **arguments), oracle.pad_sequences(SEQUENCES, **arguments)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_pad_sequences_pads_vectors_floats_and_texts(oracle):
    vectors = [[[1, 2], [3, 4]], [[5, 6]]]
    np.testing.assert_array_equal(pad_sequences(vectors), oracle.pad_sequences(vectors))
    floats = [[0.5], [1.5, 2.5]]
    np.testing.assert_array_equal(pad_sequences(floats, dtype="float32"), oracle.pad_sequences(floats, dtype="float32"))
    assert pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]
    assert pad_sequences([[1, 2]], maxlen=0).shape == (1, 0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"sequences": iter([[1]])}, "sequences is list_iterator; expected a list of sequences"),
        ({"sequences": [1, 2]}, "item 0 is 1; expected a sequence"),
        ({"sequences": [[1]], "padding": "prr"}, "padding is 'prr'. Did you mean 'pre'?"),
        ({"sequences": [[1]], "truncating": "pst"}, "truncating is 'pst'. Did you mean 'post'?"),
        ({"sequences": [[1]], "value": "x"}, "value is the text 'x', but dtype is int32. Give dtype=object"),
        ({"sequences": [[[1, 2]], [[1]]]}, r"sequence 1 have shape \(1,\), but those before have \(2,\)"),
    ],
)
def test_pad_sequences_says_what_is_wrong(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        pad_sequences(**arguments)


@pytest.mark.parametrize("data", [(1,), (1, 2), (1, 2, 3), 1, [1, 2], {"a": 1}])
def test_unpacking_is_that_of_keras(oracle, data):
    assert unpack_x_y_sample_weight(data) == oracle.unpack_x_y_sample_weight(data)


@pytest.mark.parametrize("parts", [(1,), ((1, 4),), (1, 2), (1, 2, 3)])
def test_packing_is_that_of_keras_and_unpacking_undoes_it(oracle, parts):
    packed = pack_x_y_sample_weight(*parts)
    assert packed == oracle.pack_x_y_sample_weight(*parts)
    assert unpack_x_y_sample_weight(packed) == (*parts, None, None)[:3]


def test_unpacking_four_parts_is_refused():
    with pytest.raises(DataError, match=r"the data has 4 parts; expected x, \(x,\), \(x, y\)"):
        unpack_x_y_sample_weight((1, 2, 3, 4))


def test_a_data_set_without_its_methods_says_which_is_missing():
    class Empty(PyDataset):
        pass

    with pytest.raises(UsageError, match="Empty does not say how many batches it has. Define __len__"):
        _ = Empty().num_batches
    with pytest.raises(UsageError, match="Empty has no __getitem__"):
        Empty()[0]
    with pytest.raises(ArgumentError, match="max_queue_size is 0; expected a whole number of at least 1"):
        PyDataset(max_queue_size=0)
    assert Sequence is PyDataset


@pytest.mark.parametrize("release", ["k224", "k3"])
def test_numbers_are_those_that_the_releases_gave(shared, release):
    functions = {"pad_sequences": pad_sequences, "to_categorical": to_categorical, "normalize": normalize}
    cases = json.loads(shared(f"golden/{release}/preprocessing.json").read_text())["cases"]
    checked = 0
    for case in cases:
        if case["id"] in functions:
            given = next(case[key] for key in ("seqs", "y", "x") if key in case)
            result = functions[case["id"]](given, **case.get("kwargs", {}))
            np.testing.assert_allclose(result, case["value"], rtol=1e-12)
            checked += 1
    assert checked > 5

"""Every source of data gives the batches that NumPy gives, in bounded memory, and bad data gets a sentence."""

import array
import gc
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keraunos.backend.spec import TensorSpec
from keraunos.training.data import arrays as arrays_module
from keraunos.training.data import check_labels, make_batches, split_validation, unpack_validation_data
from keraunos.training.data.checks import not_finite
from keraunos.training.data.weights import class_weighting
from keraunos.utils import tree
from keraunos.utils.config import set_floatx
from keraunos.utils.errors import DataError
from keraunos.utils.sequence import PyDataset

ROWS, BATCH = 23, 4
X = np.random.default_rng(1).normal(size=(ROWS, 3)).astype("float32")
Y = np.random.default_rng(2).integers(0, 3, size=ROWS).astype("int32")
W = np.linspace(0.5, 1.5, ROWS).astype("float32")


def steps_of(batches, epoch=0):
    """All steps of an epoch as (x, y, sample_weight), and the laws that every block obeys."""
    steps = []
    for block in batches.blocks(epoch):
        order = np.arange(block.rows) if block.order is None else block.order
        assert len(order) == block.rows
        assert block.order is None or block.order.dtype == np.int32
        for spec, leaf in zip(tree.leaves(batches.spec), tree.leaves(block.data), strict=True):
            assert (spec is None) == (leaf is None)
            if leaf is not None:
                assert (spec.shape[0], len(spec.shape), spec.dtype) == (None, leaf.ndim, leaf.dtype.name)
                assert len(leaf) >= block.rows
        for start in range(0, block.rows, block.batch_size):
            index = order[start : min(start + block.batch_size, block.rows)]
            steps.append(tree.map(lambda leaf: None if leaf is None else leaf[index], block.data))  # noqa: B023
    return steps


def joined(steps, part=0):
    return np.concatenate([step[part] for step in steps])


def assert_same_steps(steps, expected):
    assert len(steps) == len(expected)
    for step, other in zip(steps, expected, strict=True):
        for leaf, leaf_of_other in zip(tree.leaves(step), tree.leaves(other), strict=True):
            np.testing.assert_array_equal(leaf, leaf_of_other)


def plain(x=X, y=Y, w=None, size=BATCH):
    """What slices of NumPy arrays give."""
    starts = range(0, len(X), size)
    return [tuple(None if part is None else part[s : s + size] for part in (x, y, w)) for s in starts]


def data_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("keraunos")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    deadline = time.monotonic() + 5
    while data_threads() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert not data_threads()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 128 bytes: two batches of 4 rows of 16 bytes."""
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 128)


# --- arrays of every kind ----------------------------------------------------------------


def test_arrays_that_are_right_are_not_copied():
    batches = make_batches(X, Y, W, batch_size=BATCH, shuffle=False)
    (block,) = batches.blocks(0)
    assert block.data[0] is X
    assert block.data[1] is Y
    assert block.data[2] is W
    assert block.order is None
    assert batches.resident
    assert (batches.rows, batches.steps, batches.batch_size) == (ROWS, 6, BATCH)
    assert_same_steps(steps_of(batches), plain(w=W))


def test_the_default_batch_size_is_32_and_a_large_one_is_cut_to_the_data():
    assert make_batches(np.zeros((100, 1))).batch_size == 32
    assert make_batches(X, Y, batch_size=10_000).batch_size == ROWS


@pytest.mark.parametrize(
    "given, kept",
    [
        ("float64", "float32"),
        ("int64", "int32"),
        ("uint32", "int32"),
        ("uint64", "int32"),
        ("bool", "bool"),
        ("uint8", "uint8"),
        ("int8", "int8"),
        ("int16", "int16"),
        ("float16", "float16"),
        ("float32", "float32"),
        (">f4", "float32"),
        (">i8", "int32"),
    ],
)
def test_types_become_what_a_device_takes(given, kept):
    batches = make_batches(np.ones((5, 2), given), shuffle=False)
    assert batches.spec[0].dtype == kept
    assert joined(steps_of(batches)).tolist() == [[1, 1]] * 5


def test_doubles_stay_doubles_when_the_float_type_says_so():
    set_floatx("float64")
    try:
        assert make_batches(np.ones((5, 2))).spec[0].dtype == "float64"
    finally:
        set_floatx("float32")


def test_one_axis_stays_one_axis_in_arrays_and_a_series_becomes_a_column():
    pandas = pytest.importorskip("pandas")
    assert make_batches(X, Y).spec[1].shape == (None,)
    assert make_batches(X, pandas.Series(Y)).spec[1].shape == (None, 1)
    assert make_batches(X, Y, pandas.Series(W)).spec[2].shape == (None,)


def lists(a):
    return a.tolist()


def pandas_frame(a):
    return pytest.importorskip("pandas").DataFrame(a, columns=list("abc"))


def pandas_mixed(a):
    frame = pytest.importorskip("pandas").DataFrame(a.astype("float64"), columns=list("abc"))
    return frame.astype({"b": "float32"}).set_index(np.arange(len(a))[::-1])


def pandas_nullable(a):
    frame = pytest.importorskip("pandas").DataFrame(a, columns=list("abc"))
    return frame.convert_dtypes().astype({"a": "Float32"})


def polars_frame(a):
    return pytest.importorskip("polars").DataFrame(a, schema=list("abc"))


def polars_mixed(a):
    polars = pytest.importorskip("polars")
    return polars_frame(a).with_columns(polars.col("a").cast(polars.Float64))


def sparse_csr(a):
    return pytest.importorskip("scipy.sparse").csr_matrix(a)


def sparse_coo(a):
    return pytest.importorskip("scipy.sparse").coo_array(a)


def torch_tensor(a):
    return pytest.importorskip("torch").tensor(a, requires_grad=True)


def jax_array(a):
    return pytest.importorskip("jax").numpy.asarray(a)


def with_dunder_array(a):
    class Wrapped:
        def __array__(self, dtype=None, copy=None):
            return a

    return Wrapped()


def transposed_twice(a):
    return np.asfortranarray(a)


KINDS = [
    lists,
    pandas_frame,
    pandas_mixed,
    pandas_nullable,
    polars_frame,
    polars_mixed,
    sparse_csr,
    sparse_coo,
    torch_tensor,
    jax_array,
    with_dunder_array,
    transposed_twice,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_kind_of_array_gives_the_batches_of_numpy(kind, shuffle):
    arguments = {"batch_size": BATCH, "shuffle": shuffle, "seed": 5}
    expected = steps_of(make_batches(X, Y, **arguments), 3)
    assert_same_steps(steps_of(make_batches(kind(X), Y, **arguments), 3), expected)


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: y.tolist(),
        tuple,
        list,
        lambda y: array.array("i", y.tolist()),
        lambda y: range(ROWS),
    ],
)
def test_labels_may_be_any_list_of_numbers(labels):
    given = labels(Y)
    batches = make_batches(X, given, batch_size=BATCH, shuffle=False)
    assert joined(steps_of(batches), 1).tolist() == [int(value) for value in given]


def test_a_frame_of_whole_numbers_and_truths_has_whole_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [True, False]})
    assert make_batches(frame, shuffle=False).spec[0].dtype == "int32"
    frame["c"] = [0.5, 1.5]
    (block,) = make_batches(frame, shuffle=False).blocks(0)
    assert block.data[0].tolist() == [[1, 1, 0.5], [2, 0, 1.5]]
    assert block.data[0].dtype == np.float32


def test_missing_numbers_of_a_nullable_column_are_nan():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": pandas.array([1, None], dtype="Int64"), "b": [1.0, 2.0]})
    (block,) = make_batches(frame, shuffle=False).blocks(0)
    assert np.isnan(block.data[0][1, 0])


def test_several_inputs_and_outputs_keep_their_form():
    x, y = {"left": X, "right": X[:, :2].tolist()}, (Y, [Y[:, None], X])
    batches = make_batches(x, y, batch_size=BATCH, shuffle=False, names=("left", "right"))
    step = steps_of(batches)[1]
    assert list(step[0]) == ["left", "right"]
    np.testing.assert_array_equal(step[0]["right"], X[4:8, :2])
    np.testing.assert_array_equal(step[1][1][1], X[4:8])
    assert isinstance(step[1], tuple)
    assert isinstance(step[1][1], list)


def test_the_names_of_the_inputs_decide_what_a_list_means():
    two = [[[1], [2], [3]], [[4], [5], [6]]]
    assert make_batches(two, names=("a", "b")).spec[0] == [TensorSpec((None, 1), "int32")] * 2
    assert make_batches(two, names=("a",)).spec[0] == TensorSpec((None, 3, 1), "int32")
    assert make_batches([X, X], names=("a", "b")).rows == ROWS
    assert make_batches([X], names=("a",)).spec[0] == TensorSpec((None, 3))
    assert make_batches(list(X), Y, names=("a",)).spec[0] == TensorSpec((None, 3))
    assert make_batches(X, list(X), outputs=("a",)).spec[1] == TensorSpec((None, 3))


# --- the laws of order -------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 60),
    size=st.integers(1, 20),
    shuffle=st.sampled_from([True, False, "batch"]),
    seed=st.integers(-(2**31), 2**64),
    epoch=st.integers(0, 5),
    block_bytes=st.sampled_from([8, 100, 10_000]),
    in_file=st.booleans(),
)
def test_each_row_comes_once_and_the_order_follows_from_seed_and_epoch(
    rows, size, shuffle, seed, epoch, block_bytes, in_file
):
    x = np.arange(rows, dtype="int32")
    arguments = {"batch_size": size, "shuffle": shuffle, "seed": seed}
    before, arrays_module.BLOCK_BYTES = arrays_module.BLOCK_BYTES, block_bytes
    try:
        source = Mapped(x) if in_file else x
        steps = steps_of(make_batches(source, **arguments), epoch)
        again = steps_of(make_batches(source, **arguments), epoch)
    finally:
        arrays_module.BLOCK_BYTES = before
    assert sorted(joined(steps)) == list(range(rows))
    size = min(size, rows)
    assert [len(step[0]) for step in steps] == [size] * (rows // size) + [rows % size] * (rows % size > 0)
    assert_same_steps(steps, again)
    if shuffle is False:
        assert joined(steps).tolist() == list(range(rows))
    if shuffle == "batch":
        assert all((np.diff(step[0]) == 1).all() for step in steps)
        assert all(step[0][0] % size == 0 for step in steps)


class Mapped(np.memmap):
    """An array that claims to be a memory map."""

    def __new__(cls, values):
        return values.view(cls)

    def __array_finalize__(self, source):
        self._mmap = self.filename = self.offset = self.mode = None


def test_epochs_and_seeds_differ():
    orders = [joined(steps_of(make_batches(X, np.arange(ROWS), seed=s), e), 1).tolist() for s in (1, 2) for e in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_only_fit_shuffles():
    for purpose in ("evaluate", "predict"):
        (block,) = make_batches(X, purpose=purpose).blocks(0)
        assert block.order is None


# --- steps -------------------------------------------------------------------------------


@pytest.mark.parametrize("small", [False, True])
def test_with_steps_an_epoch_goes_on_where_the_last_stopped(small, monkeypatch):
    if small:
        monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 40)
    batches = make_batches(Mapped(np.arange(ROWS)), batch_size=BATCH, shuffle=False, steps=4)
    assert (batches.steps, batches.rows, batches.resident) == (4, 16, not small)
    assert joined(steps_of(batches, 0)).tolist() == list(range(16))
    with pytest.warns(UserWarning, match="the data ran out after 2 of 4 steps, so this epoch ends early"):
        assert joined(steps_of(batches, 1)).tolist() == list(range(16, 23))
    assert joined(steps_of(batches, 2)).tolist() == list(range(16))


def test_with_steps_a_pass_still_visits_each_row_once():
    batches = make_batches(np.arange(24), batch_size=4, steps=3, seed=3)
    first, second, third = (joined(steps_of(batches, epoch)).tolist() for epoch in range(3))
    assert sorted(first + second) == list(range(24))
    assert first != third


def test_without_batch_size_the_steps_share_the_rows():
    assert make_batches(np.zeros((100, 1)), steps=8).batch_size == 13


@pytest.mark.parametrize("small", [False, True])
def test_with_steps_the_first_epoch_of_a_fit_begins_the_data(small, monkeypatch):
    if small:
        monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 40)
    batches = make_batches(Mapped(np.arange(24)), batch_size=4, steps=4, shuffle=False)
    assert joined(steps_of(batches, 7)).tolist() == list(range(16))


def test_a_source_shorter_than_the_steps_ends_early():
    batches = make_batches(X, batch_size=BATCH, steps=50, shuffle=False)
    assert batches.steps == 6
    with pytest.warns(UserWarning, match="ran out after 6 of 50 steps"):
        assert len(steps_of(batches)) == 6


# --- files larger than memory ------------------------------------------------------------


def numpy_file(path, a):
    np.save(path / "x.npy", a)
    return np.load(path / "x.npy", mmap_mode="r")


def hdf5_file(path, a):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "x.h5", "w") as file:
        file["x"] = a
    return h5py.File(path / "x.h5", "r")["x"]


def hdf5_chunks(path, a):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "x.h5", "w") as file:
        file.create_dataset("x", data=a, chunks=(5, *a.shape[1:]), compression="gzip")
    return h5py.File(path / "x.h5", "r")["x"]


def sparse_rows(path, a):
    return sparse_coo(a)


FILES = [numpy_file, hdf5_file, hdf5_chunks, sparse_rows]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_files_give_the_batches_of_numpy(file, dtype, tmp_path, small_blocks):
    values = np.arange(ROWS * 3).reshape(ROWS, 3).astype(dtype)
    batches = make_batches(file(tmp_path, values), Y, W, batch_size=BATCH, shuffle=False)
    assert not batches.resident
    expected = values.astype("int32" if dtype == "int64" else "float32")
    assert_same_steps(steps_of(batches), plain(expected, Y, W))
    assert_same_steps(steps_of(batches, 1), plain(expected, Y, W))


def test_blocks_of_a_file_have_whole_batches_and_one_size(tmp_path, small_blocks):
    blocks = list(make_batches(numpy_file(tmp_path, X), Y, batch_size=BATCH).blocks(0))
    assert [block.rows for block in blocks] == [8, 8, 7]
    assert {len(block.data[0]) for block in blocks} == {8}


def test_shuffling_a_file_moves_rows_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 4 * 64)
    x = np.arange(1024, dtype="int32")
    blocks = list(make_batches(numpy_file(tmp_path, x), batch_size=4).blocks(0))
    first = blocks[0].data[0][:64]
    assert first.max() - first.min() > 512  # from all over the file
    assert len(set(np.sort(first)[1:] - np.sort(first)[:-1])) > 1
    assert sorted(np.concatenate([b.data[0][: b.rows] for b in blocks])) == list(range(1024))


def test_a_small_file_is_read_once_and_stays_in_memory(tmp_path):
    batches = make_batches(hdf5_file(tmp_path, X), Y)
    assert batches.resident
    assert next(iter(batches.blocks(0))).data[0] is next(iter(batches.blocks(1))).data[0]


def test_class_weights_reach_the_blocks_of_a_file(tmp_path, small_blocks):
    arguments = {"batch_size": BATCH, "shuffle": False, "class_weight": {0: 2, 1: 3}}
    expected = steps_of(make_batches(X, Y, W, **arguments))
    assert_same_steps(steps_of(make_batches(numpy_file(tmp_path, X), Y, W, **arguments)), expected)
    without = steps_of(make_batches(numpy_file(tmp_path, X), Y, **arguments))
    assert joined(without, 2).tolist() == [{0: 2.0, 1: 3.0}.get(int(label), 1.0) for label in Y]


def test_balanced_class_weights_of_labels_in_a_file(tmp_path, small_blocks):
    labels = np.repeat(Y, 10)
    file = make_batches(np.zeros((230, 1)), hdf5_file(tmp_path, labels), class_weight="balanced", shuffle=False)
    memory = make_batches(np.zeros((230, 1)), labels, class_weight="balanced", shuffle=False)
    np.testing.assert_array_equal(joined(steps_of(file), 2), joined(steps_of(memory), 2))


@pytest.mark.parametrize("file", [numpy_file, hdf5_file], ids=lambda file: file.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_reading_a_file_takes_a_few_blocks_of_memory(file, dtype, shuffle, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 1 << 18)
    values = np.zeros((1 << 15, 128), dtype)  # 16 MiB of float32, 64 blocks
    source = file(tmp_path, values)
    del values
    batches = make_batches(source, batch_size=32, shuffle=shuffle)
    tracemalloc.start()
    try:
        assert sum(block.rows for block in batches.blocks(0)) == 1 << 15
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * (1 << 18)


def test_validation_rows_of_a_file_stay_in_the_file(tmp_path, small_blocks):
    train, validation = split_validation(hdf5_file(tmp_path, X), Y, None, 0.25)
    batches = make_batches(*train, batch_size=BATCH, shuffle=False)
    assert not batches.resident
    np.testing.assert_array_equal(joined(steps_of(batches)), X[:17])
    batches = make_batches(*validation, batch_size=BATCH, purpose="evaluate")
    np.testing.assert_array_equal(joined(steps_of(batches)), X[17:])
    np.testing.assert_array_equal(joined(steps_of(batches), 1), Y[17:])


def test_an_error_while_reading_reaches_the_caller(tmp_path, small_blocks):
    values = np.zeros((ROWS, 3), "int64")
    values[20, 1] = 2**40
    batches = make_batches(numpy_file(tmp_path, values), batch_size=BATCH, shuffle=False)
    with pytest.raises(DataError, match="x holds the whole number 1099511627776, which does not fit into 32 bits"):
        steps_of(batches)


# --- sources of ready batches ------------------------------------------------------------


def slices():
    for start in range(0, ROWS, BATCH):
        yield X[start : start + BATCH], Y[start : start + BATCH], W[start : start + BATCH]


class Slices(PyDataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return X[rows], Y[rows], W[rows]


class Iterable:
    def __iter__(self):
        return slices()


class DuckSequence:
    """What a Sequence of another library looks like."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return Slices()[index]


def loader():
    torch = pytest.importorskip("torch")
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y), torch.tensor(W))
    return torch.utils.data.DataLoader(dataset, batch_size=BATCH)


class FakeDataset:
    """The part of tf.data.Dataset that is used."""

    __module__ = "tensorflow.python.data.ops.dataset_ops"

    def cardinality(self):
        return np.int64(6)

    def as_numpy_iterator(self):
        return slices()

    def __iter__(self):
        raise AssertionError("as_numpy_iterator is what gives NumPy arrays")


STREAMS = {
    "generator": slices,
    "iterator": lambda: iter(list(slices())),
    "iterable": Iterable,
    "py_dataset": Slices,
    "py_dataset_workers": lambda: Slices(workers=3, max_queue_size=2),
    "duck_sequence": DuckSequence,
    "torch_loader": loader,
    "tf_data": FakeDataset,
}


@pytest.mark.parametrize("source", STREAMS.values(), ids=STREAMS.keys())
def test_every_source_gives_the_batches_of_numpy(source):
    batches = make_batches(source(), shuffle=False)
    assert batches.batch_size == BATCH
    assert not batches.resident
    assert_same_steps(steps_of(batches), plain(w=W))
    assert batches.steps == 6
    batches.close()


@pytest.mark.parametrize("name", [name for name in STREAMS if "iterator" not in name and name != "generator"])
def test_what_can_be_read_again_is_read_again_every_epoch(name):
    batches = make_batches(STREAMS[name](), shuffle=False)
    for epoch in range(3):
        assert_same_steps(steps_of(batches, epoch), plain(w=W))


def test_batches_of_one_size_are_joined_into_blocks_of_one_shape():
    blocks = list(make_batches(list(slices()).__iter__()).blocks(0))
    assert sum(block.rows for block in blocks) == ROWS
    assert len(blocks) < 6
    assert {block.batch_size for block in blocks} == {BATCH}
    assert len({len(block.data[0]) for block in blocks}) == 1


def test_other_sizes_and_shapes_start_a_new_block():
    sizes = [(4, 3), (4, 3), (2, 3), (4, 3), (6, 3), (6, 3), (6, 5)]
    batches = make_batches(np.full(shape, number) for number, shape in enumerate(sizes))
    steps = steps_of(batches)
    assert [step[0].shape for step in steps] == sizes
    assert [int(step[0][0, 0]) for step in steps] == list(range(7))
    rows = [(b.rows, b.batch_size) for b in make_batches(np.zeros(shape) for shape in sizes).blocks(0)]
    assert sum(count for count, _ in rows) == sum(shape[0] for shape in sizes)
    assert rows[-1] == (6, 6)


def test_large_batches_are_not_copied():
    large = np.zeros((2, 3 << 20), "float32")
    (block,) = make_batches(iter([large])).blocks(0)
    assert block.data[0] is large


def test_a_slow_source_is_not_waited_for():
    def slow():
        yield X[:4]
        yield X[4:8]
        time.sleep(0.8)
        yield X[8:12]

    start = time.monotonic()
    blocks = make_batches(slow()).blocks(0)
    rows = next(blocks).rows
    assert time.monotonic() - start < 0.7
    assert rows + sum(block.rows for block in blocks) == 12


def test_an_endless_generator_goes_on_where_it_stopped_and_no_batch_is_lost():
    made = []

    def endless():
        while True:
            made.append(len(made))
            yield np.full((2, 1), made[-1])

    source = endless()
    batches = make_batches(source, steps=3)
    assert batches.steps == 3
    for epoch in range(3):
        assert joined(steps_of(batches, epoch))[::2, 0].tolist() == [3 * epoch, 3 * epoch + 1, 3 * epoch + 2]
    assert len(made) == 9
    assert next(source)[0, 0] == 9


def test_a_generator_that_ends_early_warns_and_stops():
    batches = make_batches(slices(), steps=4)
    assert len(steps_of(batches, 0)) == 4
    with pytest.warns(UserWarning, match="the data ran out after 2 of 4 steps"):
        assert len(steps_of(batches, 1)) == 2
    with pytest.warns(UserWarning, match="the data ran out after 0 of 4 steps"):
        assert steps_of(batches, 2) == []


def test_a_generator_without_steps_gives_one_epoch():
    batches = make_batches(slices())
    assert batches.steps is None
    assert len(steps_of(batches, 0)) == 6
    assert batches.steps == 6
    with pytest.warns(UserWarning, match="the data ran out after 0 of 6 steps"):
        assert steps_of(batches, 1) == []


@pytest.mark.parametrize("source", [Slices, Iterable, loader, lambda: Slices(workers=2)])
def test_with_steps_a_source_goes_on_and_begins_anew_after_its_end(source):
    batches = make_batches(source(), shuffle=False, steps=3)
    for epoch in range(4):
        start = 12 * (epoch % 2)
        np.testing.assert_array_equal(joined(steps_of(batches, epoch)), X[start : start + 12])
    batches = make_batches(source(), shuffle=False, steps=4)
    assert len(steps_of(batches, 0)) == 4
    with pytest.warns(UserWarning, match="the data ran out after 2 of 4 steps"):
        assert len(steps_of(batches, 1)) == 2
    np.testing.assert_array_equal(joined(steps_of(batches, 2)), X[:16])
    batches.close()


@pytest.mark.parametrize("source", [Slices, Iterable, loader])
def test_validation_begins_anew_every_time_and_does_not_mind_the_batch_size_of_fit(source):
    batches = make_batches(source(), batch_size=16, steps=3, purpose="evaluate")
    for _ in range(2):
        np.testing.assert_array_equal(joined(steps_of(batches, 0)), X[:12])
    batches.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_data_set_is_shuffled_by_seed_and_epoch(workers):
    def order(seed, epoch):
        return joined(steps_of(make_batches(Slices(workers=workers), seed=seed), epoch), 2).tolist()

    assert sorted(order(1, 0)) == W.tolist()
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != W.tolist()


def test_a_data_set_hears_of_its_epochs_and_its_workers_share_the_work():
    heard, threads = [], set()

    class Loud(Slices):
        def on_epoch_begin(self):
            heard.append("begin")

        def on_epoch_end(self):
            heard.append("end")

        def __getitem__(self, index):
            threads.add(threading.current_thread().name)
            time.sleep(0.01)
            return super().__getitem__(index)

    batches = make_batches(Loud(workers=3))
    for epoch in range(2):
        steps_of(batches, epoch)
    assert heard == ["begin", "end"] * 2
    assert len([name for name in threads if name.startswith("keraunos-worker")]) >= 2


def test_an_endless_data_set_needs_steps():
    class Endless(PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return np.full((2, 1), index)

    with pytest.raises(DataError, match=r"x is a PyDataset \(Endless\) without an end. Say how many steps"):
        make_batches(Endless())
    batches = make_batches(Endless(), steps=2)
    assert joined(steps_of(batches, 0))[::2, 0].tolist() == [0, 1]
    assert joined(steps_of(batches, 1))[::2, 0].tolist() == [2, 3]


def test_an_endless_tf_dataset_needs_steps():
    class Endless(FakeDataset):
        __module__ = FakeDataset.__module__

        def cardinality(self):
            return np.int64(-1)

    with pytest.raises(DataError, match="x is a tf.data.Dataset without an end"):
        make_batches(Endless())


def test_batches_may_be_dicts_lists_and_sparse():
    batches = make_batches(iter([({"a": X[:4].tolist(), "b": sparse_csr(X[:4])}, [Y[:4].tolist(), X[:4]])]))
    ((x, y, _),) = steps_of(batches)
    np.testing.assert_array_equal(x["b"], X[:4])
    np.testing.assert_array_equal(x["a"], X[:4])
    np.testing.assert_array_equal(y[0], Y[:4])


def test_prediction_takes_only_the_inputs():
    batches = make_batches(slices(), purpose="predict")
    assert batches.spec[1:] == (None, None)
    np.testing.assert_array_equal(joined(steps_of(batches)), X)


def test_class_weights_reach_the_batches_of_a_source():
    expected = steps_of(make_batches(X, Y, W, batch_size=BATCH, shuffle=False, class_weight={1: 3}))
    assert_same_steps(steps_of(make_batches(Slices(), shuffle=False, class_weight={1: 3})), expected)


# --- the thread --------------------------------------------------------------------------


def test_an_error_in_a_source_reaches_the_caller_after_the_good_batches():
    def broken():
        yield X[:4]
        yield X[4:8]
        raise RuntimeError("disk on fire")

    seen = []
    with pytest.raises(RuntimeError, match="disk on fire"):
        for block in make_batches(broken()).blocks(0):
            seen.append(block.rows)
    assert sum(seen) == 8


@pytest.mark.parametrize("way", ["close", "delete", "interrupt"])
@pytest.mark.parametrize("source", ["file", "generator", "workers"])
def test_the_thread_ends_when_an_epoch_is_left(way, source, tmp_path, small_blocks):
    def endless():
        while True:
            yield X

    sources = {
        "file": lambda: numpy_file(tmp_path, np.zeros((5000, 3))),
        "generator": endless,
        "workers": lambda: Slices(workers=2),
    }
    batches = make_batches(sources[source]())
    if way == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            for _ in batches.blocks(0):
                raise KeyboardInterrupt
    else:
        blocks = batches.blocks(0)
        next(blocks)
        if way == "close":
            batches.close()
        del blocks
    del batches  # the fixture sees that no thread is left


def test_ctrl_c_does_not_wait_for_a_slow_source():
    def slow():
        yield X
        time.sleep(1.5)
        yield X

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            steps_of(make_batches(slow()))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < 1.2


def test_nothing_heavy_is_imported():
    program = (
        "import sys, numpy; from keraunos.training.data import make_batches; "
        "next(iter(make_batches(numpy.zeros((4, 1)), [0, 1, 0, 1]).blocks(0))); "
        "print({'jax', 'pandas', 'polars', 'scipy', 'torch', 'h5py', 'tensorflow'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"


def test_a_generator_is_usable_after_an_epoch_was_left():
    def endless():
        number = 0
        while True:
            yield np.full((1, 1), number)
            number += 1

    source = endless()
    blocks = make_batches(source, steps=5).blocks(0)
    next(blocks)
    blocks.close()
    assert next(source)[0, 0] >= 1


def test_the_store_is_bounded():
    made = []

    def endless():
        while True:
            made.append(1)
            yield np.zeros((1024, 1024), "float32")  # 4 MiB

    blocks = make_batches(endless()).blocks(0)
    next(blocks)
    time.sleep(0.2)
    assert len(made) < 10
    blocks.close()


# --- weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [Y, Y[:, None], Y.astype("float32"), np.eye(3)[Y], Y.tolist()])
@pytest.mark.parametrize("class_weight", [{0: 2, 1: 3.5}, {"0": 2, "1": "3.5"}, {0.0: 2, np.int64(1): 3.5}])
def test_class_weights_become_sample_weights_as_in_keras(labels, class_weight):
    batches = make_batches(X, labels, shuffle=False, class_weight=class_weight)
    expected = np.array([{0: 2.0, 1: 3.5}.get(int(label), 1.0) for label in Y], "float32")
    np.testing.assert_array_equal(joined(steps_of(batches), 2), expected)
    batches = make_batches(X, labels, W, shuffle=False, class_weight=class_weight)
    np.testing.assert_array_equal(joined(steps_of(batches), 2), expected * W)
    batches = make_batches(X, labels, np.stack([W, W], 1), shuffle=False, class_weight=class_weight)
    np.testing.assert_array_equal(joined(steps_of(batches), 2)[:, 1], expected * W)


def test_balanced_class_weights_are_those_of_scikit_learn():
    utils = pytest.importorskip("sklearn.utils")
    expected = utils.compute_sample_weight("balanced", Y)
    batches = make_batches(X, Y, shuffle=False, class_weight="balanced")
    np.testing.assert_allclose(joined(steps_of(batches), 2), expected, rtol=1e-6)


def test_class_weights_of_one_of_several_outputs():
    y = {"a": Y, "b": X}
    batches = make_batches(X, y, W, shuffle=False, class_weight={"a": {0: 2}})
    step = joined_tree(steps_of(batches))[2]
    np.testing.assert_array_equal(step["a"], W * np.where(Y == 0, 2, 1).astype("float32"))
    np.testing.assert_array_equal(step["b"], W)
    batches = make_batches(X, [X, Y], shuffle=False, class_weight={"a": "balanced"}, outputs=("b", "a"))
    step = joined_tree(steps_of(batches))[2]
    np.testing.assert_array_equal(step[0], np.ones(ROWS))
    assert step[1].std() > 0
    batches = make_batches(X, Y, shuffle=False, class_weight={"a": {0: 2}})
    np.testing.assert_array_equal(joined(steps_of(batches), 2), np.where(Y == 0, 2, 1))


def joined_tree(steps):
    return tree.map(lambda *leaves: None if leaves[0] is None else np.concatenate(leaves), *steps)


def test_sample_weights_have_the_form_of_the_targets():
    y = {"a": Y, "b": X}
    for weight in (W, {"a": W, "b": W}, [W, W], W.tolist()):
        step = joined_tree(steps_of(make_batches(X, y, weight, shuffle=False)))[2]
        np.testing.assert_array_equal(step["a"], W)
        np.testing.assert_array_equal(step["b"], W)
    step = joined_tree(steps_of(make_batches(X, y, {"b": W}, shuffle=False)))[2]
    np.testing.assert_array_equal(step["a"], np.ones(ROWS))
    step = joined_tree(steps_of(make_batches(X, [Y, X], {"q": W}, shuffle=False, outputs=("p", "q"))))[2]
    np.testing.assert_array_equal(step[1], W)
    step = joined_tree(steps_of(make_batches(X, Y, [W], shuffle=False)))[2]
    np.testing.assert_array_equal(step, W)
    step = joined_tree(steps_of(make_batches(X, Y, W[:, None], shuffle=False)))[2]
    np.testing.assert_array_equal(step, W)


# --- validation --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [lambda a: a, *KINDS], ids=lambda kind: kind.__name__)
def test_the_last_rows_validate(kind):
    train, validation = split_validation(kind(X), Y, W, 0.3)
    expected = 16  # floor(23 * 0.7)
    np.testing.assert_array_equal(joined(steps_of(make_batches(*train, shuffle=False))), X[:expected])
    for part, whole in enumerate((X, Y, W)):
        rows = joined(steps_of(make_batches(*validation, shuffle=False)), part)
        np.testing.assert_array_equal(rows, whole[expected:])


def test_the_split_is_that_of_keras():
    slicing = pytest.importorskip("keras.src.trainers.data_adapters.array_slicing")
    for fraction in (0.1, 0.2, 1 / 3, 0.5, 0.999 / 23, 0.95):
        theirs = slicing.train_validation_split((X, Y), fraction)[0][0]
        assert len(split_validation(X, Y, None, fraction)[0][0]) == len(theirs)


def test_splitting_copies_nothing():
    assert split_validation(X, Y, None, 0.5)[1][0].base is X


def test_validation_data_are_unpacked():
    assert unpack_validation_data((X, Y))[1] is Y
    assert unpack_validation_data([X, Y, W])[2] is W
    assert unpack_validation_data((X,)) == (X, None, None)
    source = Slices()
    assert unpack_validation_data(source) == (source, None, None)


# --- sentences ---------------------------------------------------------------------------


class Strange:
    pass


def frame_with_text():
    return pytest.importorskip("pandas").DataFrame({"age": [1.0, 2.0], "city": ["Rome", "Oslo"]})


def polars_with_text():
    return pytest.importorskip("polars").DataFrame({"age": [1.0, 2.0], "city": ["Rome", "Oslo"]})


def torch_dataset():
    torch = pytest.importorskip("torch")
    return torch.utils.data.TensorDataset(torch.tensor(X))


def lazy_frame():
    return pytest.importorskip("polars").LazyFrame({"a": [1]})


def generator_of(*items):
    return (item for item in items)


OBJECTS = np.array([[1, 2], [3, "four"]], dtype=object)

BAD = [
    # lengths
    (lambda: {"x": X, "y": Y[:20]}, "x has 23 rows, but y has 20 rows. Give each row of x one row of y"),
    (lambda: {"x": {"a": X, "b": X[:9]}}, r"x\['a'\] has 23 rows, but x\['b'\] has 9 rows"),
    (lambda: {"x": X, "y": (Y, Y[:1])}, r"x has 23 rows, but y\[1\] has 1 row. Give"),
    (lambda: {"x": X, "y": np.zeros((2, 23))}, r"y has 2 rows. .* \(its last size fits: perhaps it is transposed\)"),
    (lambda: {"x": X, "y": Y, "sample_weight": W[:5]}, "x has 23 rows, but sample_weight has 5 rows"),
    # no numbers
    (lambda: {"x": np.array([["a"]])}, "x has dtype <U1: text. Number the words or classes, .*np.unique"),
    (lambda: {"x": X, "y": ["cat"] * 23}, "y has dtype <U3: text"),
    (lambda: {"x": np.array([[b"a"]])}, "x has dtype .S1: text"),
    (lambda: {"x": OBJECTS}, "x has dtype object; row 1, column 1 holds 'four', which is no number. Number the words"),
    (lambda: {"x": np.array([1, None])}, "row 1 holds 'None', which is no number. Fill or drop what is missing"),
    (lambda: {"x": np.array([1, Strange])}, "which is no number. Convert it to numbers"),
    (lambda: {"x": np.array([[1, 2]], dtype=object)}, "x has dtype object, although all items are numbers"),
    (lambda: {"x": np.array([[1], [1, 2]], dtype=object)}, "x has dtype object, with a list of its own in row 0. Make"),
    (frame_with_text, "x: column 'city' .*holds 'Rome', which is no number. Number the words"),
    (polars_with_text, "x: column 'city' .*(holds 'Rome', which is no number|text)"),
    (lambda: {"x": X + 1j}, "x has dtype complex64: complex numbers. Give the real and the imaginary part"),
    (lambda: {"x": np.array(["2020-01-01"], "M8[D]")}, "dates. Give numbers, for example the days since the first"),
    (lambda: {"x": np.array([1], "m8[D]")}, "time spans. Give numbers, for example days"),
    (lambda: {"x": np.zeros(3, "f4,i4")}, "records with several fields. Give one array for each field"),
    (lambda: {"x": np.array([2**40])}, "x holds the whole number 1099511627776, which does not fit into 32 bits"),
    (lambda: {"x": np.array([-(2**40)])}, "x holds the whole number -1099511627776, which does not fit"),
    # forms
    (lambda: {"x": [[1, 2], [3, 4], [5]]}, "x is a list of 3 rows of unequal shape: row 0 has 2 items, row 2 has 1"),
    (lambda: {"x": [[[1], [2, 3]], [[1], [2]]]}, "x is a list of 2 rows of unequal shape. Make the rows equally long"),
    (lambda: {"x": [X, X[:, :2]], "names": ("a",), "purpose": "predict"}, r"x is a list of 2 arrays of unequal shapes"),
    (lambda: {"x": np.zeros((0, 4))}, r"x is empty: its shape is \(0, 4\). Give at least one row"),
    (lambda: {"x": []}, "x is an empty list. Give at least one row"),
    (lambda: {"x": {}}, "x is an empty dict. Give one array for each key"),
    (lambda: {"x": {"a": None}}, "x holds no arrays. Give the inputs of the model"),
    (lambda: {"x": np.float32(3)}, "x is a single number; expected an array with one row for each sample"),
    (lambda: {"x": None}, "x is None. Give the inputs of the model"),
    (lambda: {"x": "data.csv"}, "x is 'data.csv'; expected an array, a nested list"),
    (lambda: {"x": Strange()}, "x is a Strange, which holds no numbers that can be read. Give an array"),
    (lambda: {"x": X, "y": {1, 2}}, "y is a set, which holds no numbers that can be read"),
    (lambda: {"x": slices}, r"x is the function slices. Call it, and give what it returns: slices\(\)"),
    (lambda: {"x": Slices}, r"x is the class Slices. Call it"),
    (lambda: {"x": lazy_frame()}, r"x is a LazyFrame. Call .collect\(\) first"),
    (torch_dataset, r"x is a torch data set \(TensorDataset\), which gives single samples. Wrap it"),
    (lambda: {"x": (X, Y), "names": ("a",)}, r"x is a tuple of 2 arrays and y is missing.*: fit\(x, y\)"),
    (
        lambda: {"x": (X, Y, W), "names": ("a",), "purpose": "evaluate"},
        r"x is a tuple of 3 arrays.*: evaluate\(x, y, sample_weight\)",
    ),
    # arguments
    (lambda: {"x": X, "batch_size": 0}, "batch_size is 0; expected a whole number of at least 1"),
    (lambda: {"x": X, "batch_size": -3}, "batch_size is -3; expected"),
    (lambda: {"x": X, "batch_size": 2.5}, r"batch_size is 2.5; .* Round it: batch_size=math.ceil\(2.5\)"),
    (lambda: {"x": X, "batch_size": True}, "batch_size is True; expected"),
    (lambda: {"x": X, "batch_size": "32"}, "batch_size is '32'; expected"),
    (lambda: {"x": X, "steps": 0}, "steps_per_epoch is 0; expected"),
    (lambda: {"x": X, "steps": 2.5, "purpose": "evaluate"}, "^steps is 2.5; expected"),
    (lambda: {"x": X, "shuffle": "rows"}, "shuffle is 'rows'; expected True, False or 'batch'"),
    # sources with arguments that they bring themselves
    (lambda: {"x": slices(), "y": Y}, "x is a generator, which brings its targets itself, but y is given too"),
    (lambda: {"x": slices(), "sample_weight": W}, "brings its sample weights itself, but sample_weight is given too"),
    (lambda: {"x": Slices(), "batch_size": 4}, r"x is a PyDataset \(Slices\), .*but batch_size=4 is given too"),
    (lambda: {"x": slices(), "shuffle": "batch"}, "in its own order, but shuffle='batch' is given too"),
    (lambda: {"x": loader(), "batch_size": 4}, "x is a torch DataLoader, which yields ready batches"),
    (
        lambda: {"x": X, "y": slices()},
        r"y is a generator, but x is not. Give one generator as x, which yields \(x, y\)",
    ),
    # what sources yield
    (lambda: {"x": generator_of()}, "x is a generator that yields nothing. Give a new one"),
    (lambda: {"x": generator_of((X, Y, W, W))}, "batch 1 of a generator: the data has 4 parts; expected x"),
    (lambda: {"x": generator_of((X[:4], Y[:3]))}, "batch 1 of a generator: x has 4 rows, but y has 3 rows"),
    (lambda: {"x": generator_of((1.0, 2.0))}, "must yield batches, not samples"),
    (lambda: {"x": generator_of((X, Y), (X, None))}, "batch 2 of a generator: it has x; the first one had x, y. Yield"),
    (
        lambda: {"x": generator_of((X, Y), (X, {"a": Y}))},
        r"it has x, y\['a'\]; the first one had x, y. Yield all in one form",
    ),
    (lambda: {"x": generator_of(np.array(["a"]))}, "batch 1 of a generator: x has dtype <U1: text"),
    # weights
    (lambda: {"x": X, "sample_weight": W}, "sample_weight is given, but y is not"),
    (lambda: {"x": X, "y": Y, "sample_weight": [W, W]}, "sample_weight has 2 parts, but y is one array"),
    (lambda: {"x": X, "y": [Y, Y], "sample_weight": [W]}, "sample_weight has 1 part, but y has 2"),
    (lambda: {"x": X, "y": [Y, Y], "sample_weight": {"a": W}}, "sample_weight is a dict, but y is a list"),
    (
        lambda: {"x": X, "y": {"left": Y, "right": Y}, "sample_weight": {"lft": W}},
        "sample_weight names the output 'lft'. Did you mean 'left'",
    ),
    (lambda: {"x": X, "class_weight": {0: 1}}, "class_weight is given, but y is not"),
    (lambda: {"x": X, "y": Y, "class_weight": "balance"}, "class_weight is 'balance'. Did you mean 'balanced'"),
    (lambda: {"x": X, "y": Y, "class_weight": [1, 2]}, r"class_weight is \[1, 2\]; expected a dict"),
    (
        lambda: {"x": X, "y": Y, "class_weight": {"cat": 1}},
        "class_weight holds 'cat': 1; expected whole-number classes",
    ),
    (lambda: {"x": X, "y": Y, "class_weight": {0: "a"}}, "class_weight holds 0: 'a'; expected whole-number classes"),
    (lambda: {"x": X, "y": Y, "class_weight": {0: -1}}, "class_weight holds 0: -1; .* weight of at least 0"),
    (lambda: {"x": X, "y": Y, "class_weight": {0.5: 1}}, "class_weight holds 0.5: 1; expected a whole-number class"),
    (lambda: {"x": X, "y": np.zeros((23, 2, 2)), "class_weight": {0: 1}}, "one class for each row, but y has shape"),
    (lambda: {"x": X, "y": Y, "class_weight": {"a": {0: 1}, "b": {0: 1}}}, "names 2 outputs, but y is one array"),
    (
        lambda: {"x": X, "y": {"a": Y, "b": Y}, "class_weight": {0: 1}},
        "class_weight is one dict of classes, but y has 2 outputs.*The outputs are: a, b",
    ),
    (lambda: {"x": X, "y": [Y, Y], "class_weight": {"a": {0: 1}}}, "Give y as a dict of outputs"),
    (
        lambda: {"x": X, "y": {"left": Y, "b": Y}, "class_weight": {"lft": {0: 1}}},
        "class_weight names the output 'lft'. Did you mean 'left'",
    ),
    (lambda: {"x": slices(), "class_weight": "balanced"}, "'balanced' needs all labels at once"),
]


@pytest.mark.parametrize("arguments, words", BAD, ids=[words[:50] for _, words in BAD])
def test_bad_data_get_a_sentence(arguments, words):
    given = arguments()
    given = given if isinstance(given, dict) else {"x": given}
    with pytest.raises(DataError, match=words):
        steps_of(make_batches(**given))


def test_a_frame_without_columns_and_a_data_set_without_batches():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="x is a DataFrame without columns"):
        make_batches(pandas.DataFrame(index=[0, 1]))

    class Nothing(Slices):
        def __len__(self):
            return 0

    with pytest.raises(DataError, match=r"x is a PyDataset \(Nothing\) with 0 batches"):
        make_batches(Nothing())


def test_an_object_that_fails_to_convert_is_named():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no such luck")

    with pytest.raises(DataError, match="x is a Broken that does not convert to an array: no such luck"):
        make_batches(Broken())


@pytest.mark.parametrize(
    "given, words",
    [
        ((X, Y, W, W), r"validation_data is a tuple of 4 items; expected \(x, y\)"),
        ((), "validation_data is a tuple of 0 items"),
        (X, r"validation_data is a ndarray; expected \(x, y\)"),
        ({"a": X}, "validation_data is a dict; expected"),
    ],
)
def test_mixed_up_validation_data_get_a_sentence(given, words):
    with pytest.raises(DataError, match=words):
        unpack_validation_data(given)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((X, Y, None, 1.0), "validation_split is 1.0; expected a number between 0 and 1, such as 0.2"),
        ((X, Y, None, -0.1), "validation_split is -0.1; expected"),
        ((slices(), None, None, 0.2), "validation_split needs arrays, but x is a generator"),
        ((X, Y[:3], None, 0.2), "x has 23 rows, but y has 3 rows"),
        ((X[:1], Y[:1], None, 0.2), "validation_split=0.2 of 1 row leaves one part empty"),
    ],
)
def test_a_split_that_cannot_be_made_gets_a_sentence(arguments, words):
    with pytest.raises(DataError, match=words):
        split_validation(*arguments)


@pytest.mark.parametrize("form", [list, dict])
def test_class_weights_may_be_listed_in_the_order_of_the_outputs(form):
    targets = {"second": np.array([0, 1]), "first": np.array([1, 1])}
    y = targets if form is dict else [targets["first"], targets["second"]]
    weigh = class_weighting([{1: 3.0}, None], y, ("first", "second"))
    weights = weigh(y, None)
    first, second = (weights["first"], weights["second"]) if form is dict else weights
    assert (first.tolist(), second.tolist()) == ([3.0, 3.0], [1.0, 1.0])
    assert class_weighting([None, None], y, ("first", "second"))(y, None) is None
    with pytest.raises(DataError, match="class_weight has 1 part, but y has 2 outputs. Give one dict"):
        class_weighting([{1: 3.0}], y, ("first", "second"))


def test_values_that_are_not_finite_are_counted():
    x, y = X.copy(), W.copy()
    x[[1, 4, 9], [0, 2, 2]] = np.nan
    x[4, 1] = np.inf
    y[3] = -np.inf
    assert not_finite(x, "x") == ["x has 3 rows with NaN (columns 0, 2)", "x has 1 row with infinite values (column 1)"]
    assert not_finite(y, "y") == ["y has 1 row with infinite values"]
    assert not_finite({"a": np.full((1, 2, 2), np.nan)}, "x") == ["x['a'] has 1 row with NaN"]


def test_large_values_are_finite():
    assert not_finite(np.full((100, 1), 3e38, "float32"), "x") == []


@pytest.mark.parametrize(
    "labels, words",
    [
        ([0, 10, -1], "y holds the labels -1, 10, but scce over 3 classes expects whole numbers from 0 to 2. Number"),
        ([1, 2, 3], "y holds the label 3, but .* The classes seem to be counted from 1: subtract 1 from y"),
        ([0.0, 0.5], "y holds the label 0.5, .* Labels must be whole numbers"),
        ([0, 7], "or give the output 8 units"),
        ([float("nan")], "y holds the label nan"),
        (list(range(20)), "y holds the labels 3, 4, 5, 6, 7, …"),
    ],
)
def test_labels_outside_the_classes_are_named(labels, words):
    with pytest.raises(DataError, match=f"output 'dense': .*{words}|{words}"):
        check_labels(np.array(labels), 3, "scce", "dense")


def test_good_labels_pass():
    for labels in (Y, Y[:, None], Y.astype("float32"), Y.tolist(), None, np.array([255, 1], "uint8")):
        check_labels(labels, 3, ignore_class=255)
    with pytest.raises(
        DataError, match="y holds the label 1, but sparse_categorical_crossentropy over 1 class expects"
    ):
        check_labels(np.array([0, 1]), 1)


def test_the_first_batch_of_a_dataset_is_asked_for_once():
    asked = []

    class Told(PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            asked.append(index)
            return np.full((3, 1), index), np.zeros((3, 1))

    batches = make_batches(Told(), shuffle=False)
    assert [block.rows for block in batches.blocks(0)] == [6]
    assert asked == [0, 1]
    list(batches.blocks(1))
    assert asked == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "names",
    [np.array(["a", "b", "c"]), ["a", "b", "c"], np.array(["a", "b", "c"], object), np.array([b"a", b"b", b"c"])],
)
def test_words_beside_the_named_inputs_are_left_out_and_among_them_refused(names):
    rows = np.ones((3, 2), "float32")
    batches = make_batches({"a": rows, "names": names}, rows, names=("a",))
    assert set(batches.spec[0]) == {"a"}
    with pytest.raises(DataError, match="Number the words or classes"):
        make_batches({"a": rows, "names": names}, rows, names=("a", "names"))


def test_numbers_beside_the_named_inputs_stay_for_a_step_of_the_users_own():
    rows = np.ones((3, 2), "float32")
    assert set(make_batches({"a": rows, "b": rows}, rows, names=("a",)).spec[0]) == {"a", "b"}

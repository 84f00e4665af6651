"""Data sets: what the loaders return, what they refuse, and that nothing in a file is ever run."""

import gzip
import importlib
import inspect
import io
import json
import os
import pickle
import resource
import shutil
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from keraunos import datasets
from keraunos.datasets import (
    california_housing,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    imdb,
    iris,
    mnist,
    moons,
    reuters,
)
from keraunos.datasets.reading import check, read_idx, read_pickle
from keraunos.utils import config
from keraunos.utils.errors import ArgumentError, DataError

OF_KERAS = ["boston_housing", "california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The empty ``datasets`` folder of a cache, and no folder of Keras."""
    monkeypatch.setenv("KERAUNOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    (tmp_path / "home" / "datasets").mkdir(parents=True)
    return tmp_path / "home" / "datasets"


def ragged(*sequences: list) -> np.ndarray:
    array = np.empty(len(sequences), object)
    array[:] = sequences
    return array


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


# --- what is inside the package ---


def test_iris_is_the_table_of_fisher():
    (x, y), (x_test, _) = iris.load_data(test_split=0)
    assert x.shape == (150, 4)
    assert x.dtype == np.float32
    assert y.dtype == np.int32
    assert x_test.shape == (0, 4)
    assert np.bincount(y).tolist() == [50, 50, 50]
    # Table I of the paper: means of the three species.
    means = [x[y == species].mean(0) for species in range(3)]
    np.testing.assert_allclose(
        means, [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]], atol=1e-5
    )
    assert iris.get_label_names() == ("setosa", "versicolor", "virginica")


def test_iris_and_digits_equal_the_copies_of_scikit_learn():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    order = np.arange(150)
    np.random.RandomState(113).shuffle(order)
    (x, y), _ = iris.load_data(test_split=0)
    np.testing.assert_array_equal(x, sklearn_datasets.load_iris().data[order].astype(np.float32))
    np.testing.assert_array_equal(y, sklearn_datasets.load_iris().target[order])
    order = np.arange(1797)
    np.random.RandomState(113).shuffle(order)
    (x, y), _ = digits.load_data(test_split=0)
    np.testing.assert_array_equal(x, sklearn_datasets.load_digits().images[order])
    np.testing.assert_array_equal(y, sklearn_datasets.load_digits().target[order])


def test_moons_without_noise_lie_on_two_half_circles():
    (x, y), (x_test, y_test) = moons.load_data(samples=101, noise=0)
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((80, 2), (80,), (21, 2), (21,))
    x, y = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    assert np.bincount(y).tolist() == [51, 50]
    centres = np.where(y[:, None] == 0, [0, 0], [1, 0.5])
    np.testing.assert_allclose(np.linalg.norm(x - centres, axis=1), 1, atol=1e-6)


def test_the_noise_of_moons_has_its_standard_deviation_and_its_seed():
    clean, noisy = (moons.load_data(5000, noise, 0)[0][0] for noise in (0, 0.2))
    assert abs((noisy - clean).std() - 0.2) < 0.005
    np.testing.assert_array_equal(noisy, moons.load_data(5000, 0.2, 0)[0][0])
    assert not np.array_equal(noisy, moons.load_data(5000, 0.2, 0, seed=1)[0][0])


def test_arguments_of_moons_out_of_range_are_told():
    with pytest.raises(ArgumentError, match="samples is 1; expected at least 2"):
        moons.load_data(samples=1)
    with pytest.raises(ArgumentError, match="noise is -1; expected a standard deviation of at least 0"):
        moons.load_data(noise=-1)


@pytest.mark.parametrize("test_split", [1, -0.1, float("nan")])
def test_a_test_split_out_of_range_is_told(test_split):
    with pytest.raises(ArgumentError, match="expected a fraction of at least 0 and below 1"):
        iris.load_data(test_split=test_split)


def test_an_unknown_data_set_is_told():
    assert sorted(dir(datasets)) == sorted([*OF_KERAS, "digits", "iris", "moons"])
    with pytest.raises(
        AttributeError, match="module 'keraunos.datasets' has no attribute 'nmist'. Did you mean 'mnist'"
    ):
        datasets.nmist  # noqa: B018


# --- the same calls as in Keras ---


@pytest.mark.parametrize("name", OF_KERAS)
def test_signatures_are_those_of_keras(name):
    theirs = importlib.import_module(f"keras.datasets.{name}")
    ours = getattr(datasets, name)
    for function in (name for name in dir(theirs) if not name.startswith("_")):
        arguments, wanted = (inspect.signature(getattr(m, function)).parameters for m in (ours, theirs))
        known = [p for p in wanted.values() if p.kind is not p.VAR_KEYWORD]
        assert [(p.name, p.default) for p in arguments.values()] == [(p.name, p.default) for p in known]


def test_topics_are_those_of_keras():
    from keras.datasets import reuters as theirs

    assert reuters.get_label_names() == theirs.get_label_names()


def same(ours, theirs):
    for (x, y), (their_x, their_y) in zip(ours, theirs, strict=True):
        assert (x.dtype, y.dtype, x.shape, y.shape) == (their_x.dtype, their_y.dtype, their_x.shape, their_y.shape)
        assert x.tolist() == their_x.tolist()
        assert y.tolist() == their_y.tolist()


@pytest.fixture
def keras_reads(monkeypatch):
    """Keras' own loaders, made to read a file given here."""

    def load(name: str, path: Path, **arguments):
        module = importlib.import_module(f"keras.src.datasets.{name}")
        monkeypatch.setattr(module, "get_file", lambda *_, **__: str(path))
        return module.load_data(**arguments)

    return load


WORDS = [
    {},
    {"num_words": 50},
    {"num_words": 60, "skip_top": 10},
    {"maxlen": 6},
    {"start_char": None},
    {"start_char": None, "index_from": 0, "oov_char": None, "num_words": 40},
    {"seed": 7, "oov_char": 99, "num_words": 30, "maxlen": 8},
]


@pytest.mark.parametrize("arguments", WORDS, ids=str)
def test_reviews_and_newswires_are_cut_as_keras_cuts_them(cache, keras_reads, arguments):
    random = np.random.default_rng(1)

    def some(count):
        return ragged(*(random.integers(1, 80, size).tolist() for size in random.integers(2, 12, count)))

    content = {
        "x_train": some(40),
        "y_train": random.integers(0, 2, 40),
        "x_test": some(30),
        "y_test": np.arange(30) % 2,
    }
    np.savez(cache / "imdb.npz", **content)
    same(imdb.load_data(**arguments), keras_reads("imdb", cache / "imdb.npz", **arguments))
    np.savez(cache / "reuters.npz", x=some(50), y=random.integers(0, 46, 50))
    same(reuters.load_data(**arguments), keras_reads("reuters", cache / "reuters.npz", **arguments))


def test_reviews_of_one_length_stay_lists(cache):
    same_length = ragged([5, 6], [7, 8], [9, 10])
    np.savez(cache / "reuters.npz", x=same_length, y=np.arange(3))
    (x, _), _ = reuters.load_data(test_split=0)
    assert x.shape == (3,)
    assert all(type(row) is list for row in x)


def test_a_maxlen_that_leaves_nothing_is_told(cache):
    np.savez(cache / "reuters.npz", x=ragged([1, 2, 3], [4, 5]), y=np.arange(2))
    with pytest.raises(ArgumentError, match="maxlen is 2, and the shortest sequence has 3 words: none is left"):
        reuters.load_data(maxlen=2)


@pytest.mark.parametrize("name, columns, kind", [("boston_housing", 13, "f8"), ("california_housing", 8, "f4")])
def test_houses_are_split_as_keras_splits_them(cache, keras_reads, name, columns, kind):
    random = np.random.default_rng(2)
    np.savez(cache / f"{name}.npz", x=random.random((700, columns)).astype(kind), y=random.random(700).astype(kind))
    versions = [{}] if name == "boston_housing" else [{"version": "small"}, {"version": "large"}]
    for arguments in ({}, {"test_split": 0.35, "seed": 3}):
        for version in versions:
            ours = getattr(datasets, name).load_data(**arguments, **version)
            same(ours, keras_reads(name, cache / f"{name}.npz", **arguments, **version))


def test_an_unknown_version_or_mode_is_told():
    with pytest.raises(ArgumentError, match="version is 'smal'. Did you mean 'small'?"):
        california_housing.load_data("smal")
    with pytest.raises(ArgumentError, match="label_mode is 'course'. Did you mean 'coarse'?"):
        cifar100.load_data("course")


# --- files in the caches ---


def mnist_file(path: Path, **changed) -> None:
    content = {"x_train": images(6, 28, 28), "y_train": np.arange(6, dtype=np.uint8)}
    content |= {"x_test": images(3, 28, 28), "y_test": np.arange(3, dtype=np.uint8)} | changed
    np.savez_compressed(path, **content)


@pytest.mark.parametrize("folder", ["home", "user/.keras", "keras"])
def test_a_file_in_any_cache_is_used(cache, tmp_path, monkeypatch, folder):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    place = tmp_path / folder / "datasets"
    place.mkdir(parents=True, exist_ok=True)
    mnist_file(place / "mnist.npz")
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, x_test.shape) == ((6, 28, 28), (3, 28, 28))
    assert y_train.dtype == y_test.dtype == np.uint8
    assert x_train.flags.writeable


def test_an_absolute_path_is_used(cache, tmp_path):
    mnist_file(tmp_path / "mine.npz")
    assert mnist.load_data(str(tmp_path / "mine.npz"))[0][0].shape == (6, 28, 28)


@pytest.mark.parametrize(
    "changed, words",
    [
        (
            {"x_train": images(6, 28, 27)},
            r"x_train is uint8 of shape \(6, 28, 27\); expected unsigned integers of shape",
        ),
        ({"x_train": images(6, 28, 28).astype(float)}, "x_train is float64 of shape"),
        ({"x_train": ragged([1], [2])}, "x_train is object of shape"),
        ({"y_train": np.zeros(5, np.uint8)}, "6 images have 5 labels"),
        ({"y_train": np.full(6, 10, np.uint8)}, "a label is 10; expected 0 to 9"),
    ],
)
def test_a_file_with_other_content_is_refused(cache, changed, words):
    mnist_file(cache / "mnist.npz", **changed)
    with pytest.raises(DataError, match=f"mnist.npz: not the data set expected: {words}"):
        mnist.load_data()


def test_a_file_without_an_array_is_refused(cache):
    np.savez(cache / "mnist.npz", x_train=images(2, 28, 28))
    with pytest.raises(DataError, match="it has no array 'x_test'; expected x_train, y_train, x_test, y_test"):
        mnist.load_data()


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:200] + b"\xff" * 9 + b[209:]]
)
def test_a_damaged_file_is_refused_with_what_to_do(cache, damage):
    mnist_file(cache / "mnist.npz")
    (cache / "mnist.npz").write_bytes(damage((cache / "mnist.npz").read_bytes()))
    with pytest.raises(DataError, match=r"it is damaged \(.*\). Delete '.*mnist.npz'; it is downloaded again"):
        mnist.load_data()


@pytest.mark.parametrize("shape", [(6, 28, 28), (10**9, 28, 28)])
def test_an_array_that_promises_more_than_it_has_is_refused(cache, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(cache / "mnist.npz", "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(100))
    with pytest.raises(DataError, match="x_train promises .* bytes and has 100"):
        mnist.load_data()


def idx(path: Path, array: np.ndarray, *, start: bytes | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    start = start or bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(start + array.tobytes()))


def clothes(folder: Path) -> None:
    for part, count in (("train", 5), ("t10k", 2)):
        idx(folder / f"{part}-images-idx3-ubyte.gz", images(count, 28, 28))
        idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8))


def test_clothes_are_read(cache):
    clothes(cache / "fashion-mnist")
    (x, y), (x_test, y_test) = fashion_mnist.load_data()
    np.testing.assert_array_equal(x, images(5, 28, 28))
    assert y.tolist() == [0, 1, 2, 3, 4]
    assert (x_test.shape, y_test.shape, x.dtype, y.dtype) == ((2, 28, 28), (2,), np.uint8, np.uint8)


@pytest.mark.parametrize(
    "array, start, words",
    [
        (images(5, 28, 28), bytes([0, 0, 9, 3]) + struct.pack(">3I", 5, 28, 28), "it begins with 00 00 09 03"),
        (images(5, 28, 28), bytes([0, 0, 8, 3]) + struct.pack(">3I", 6, 28, 28), "it promises 4,704 numbers"),
        (images(5, 28, 28), bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 28, 28), "it promises 3,136 numbers"),
        (images(5, 14, 28), None, r"its images have shape \(14, 28\); expected \(28, 28\)"),
        (images(4, 28, 28), None, "4 images have 5 labels"),
    ],
)
def test_clothes_of_another_form_are_refused(cache, array, start, words):
    clothes(cache / "fashion-mnist")
    idx(cache / "fashion-mnist" / "train-images-idx3-ubyte.gz", array, start=start)
    with pytest.raises(DataError, match=words):
        fashion_mnist.load_data()


# --- pickles ---


def python2_pickle(content: dict[bytes, object]) -> bytes:
    """A pickle as Python 2 wrote it: text is bytes, and an array is rebuilt by two functions of NumPy."""

    def written(value) -> bytes:
        if isinstance(value, bytes):
            return b"T" + struct.pack("<I", len(value)) + value
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        if isinstance(value, list):
            return b"](" + b"".join(map(written, value)) + b"e"
        rows, columns = value.shape
        empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"
        dtype = b"cnumpy\ndtype\n(U\2u1K\0K\1tR(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        shape = b"(" + written(rows) + written(columns) + b"t"
        return empty + b"(K\1" + shape + dtype + b"I00\n" + written(value.tobytes()) + b"tb"

    items = b"".join(written(key) + written(value) for key, value in content.items())
    return b"\x80\x02}(" + items + b"u."


def small_cifar10(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        content = {b"data": images(2, 3072) // 6 * 6 + number, b"labels": [number, 9], b"batch_label": b"some"}
        (folder / name).write_bytes(python2_pickle(content))


def test_the_python2_pickle_of_this_test_is_one_that_python_reads():
    content = {b"data": images(2, 3072), b"labels": [1, 2]}
    read = pickle.loads(python2_pickle(content), encoding="bytes")
    assert read.keys() == content.keys()
    np.testing.assert_array_equal(read[b"data"], content[b"data"])


@pytest.mark.parametrize("place", ["cifar-10-batches-py-target/cifar-10-batches-py", "cifar-10-batches-py"])
def test_cifar10_is_read_where_keras_keeps_it(cache, place):
    small_cifar10(cache / place)
    (x, y), (x_test, y_test) = cifar10.load_data()
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((10, 32, 32, 3), (10, 1), (2, 32, 32, 3), (2, 1))
    assert {x.dtype, y.dtype, x_test.dtype, y_test.dtype} == {np.dtype("uint8")}
    assert y[:, 0].tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    first = (images(2, 3072) // 6 * 6)[0].reshape(3, 32, 32)
    np.testing.assert_array_equal(x[0], first.transpose(1, 2, 0))


def test_a_batch_of_cifar_is_read_as_it_lies_in_the_file(tmp_path):
    from keraunos.eras.functions import load_batch

    small_cifar10(tmp_path / "set")
    pictures, labels = load_batch(tmp_path / "set" / "test_batch")
    assert pictures.shape[1:] == (3, 32, 32)
    assert len(labels) == len(pictures)


def test_cifar10_is_unpacked_from_the_archive_that_keras_2_kept(cache, monkeypatch):
    keras = cache.parent / "keras" / "datasets"
    small_cifar10(keras / "cifar-10-batches-py")
    with tarfile.open(keras / "cifar-10-batches-py.tar.gz", "w:gz") as archive:
        archive.add(keras / "cifar-10-batches-py", "cifar-10-batches-py")
    shutil.rmtree(keras / "cifar-10-batches-py")
    monkeypatch.setenv("KERAS_HOME", str(keras.parent))
    assert cifar10.load_data()[0][0].shape[1:] == (32, 32, 3)
    assert sorted(path.name for path in keras.iterdir()) == ["cifar-10-batches-py.tar.gz"]


def test_cifar10_follows_the_image_layout(cache, monkeypatch):
    small_cifar10(cache / "cifar-10-batches-py")
    monkeypatch.setitem(config._settings, "image_data_format", "channels_first")
    assert cifar10.load_data()[0][0].shape == (10, 3, 32, 32)


def test_cifar100_has_two_kinds_of_labels(cache):
    folder = cache / "cifar-100-python-target" / "cifar-100-python"
    folder.mkdir(parents=True)
    for name in ("train", "test"):
        content = {b"data": images(2, 3072), b"fine_labels": [99, 3], b"coarse_labels": [19, 0]}
        (folder / name).write_bytes(python2_pickle(content))
    assert cifar100.load_data()[0][1].tolist() == [[99], [3]]
    assert cifar100.load_data("coarse")[1][1].tolist() == [[19], [0]]


@pytest.mark.parametrize(
    "content, words",
    [
        ({b"labels": [1]}, "it has no data and labels"),
        ({b"data": images(2, 3071), b"labels": [1, 2]}, "its data is no array of bytes with 3,072 columns"),
        ({b"data": images(2, 3072), b"labels": b"12"}, "its labels are no list of integers"),
        ({b"data": images(2, 3072), b"labels": [1]}, "2 images have 1 labels"),
        ({b"data": images(2, 3072), b"labels": [1, 10]}, "a label is outside 0 to 9"),
    ],
)
def test_a_batch_of_another_form_is_refused(cache, content, words):
    small_cifar10(cache / "cifar-10-batches-py")
    (cache / "cifar-10-batches-py" / "data_batch_2").write_bytes(python2_pickle(content))
    with pytest.raises(DataError, match=f"data_batch_2: not the data set expected: {words}"):
        cifar10.load_data()


class Touch:
    """Pickles to a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def hostile_pickles(trace: Path) -> dict[str, bytes]:
    def code(text: str) -> bytes:
        return text.encode().replace(b"TRACE", str(trace).encode())

    return {
        "call": pickle.dumps(Touch(trace)),
        "call inside an array": pickle.dumps(ragged([1], [Touch(trace)])),
        "eval": code("cbuiltins\neval\n(V__import__('os').mkdir('TRACE')\ntR."),
        "instance": code("(ibuiltins\neval\n(V__import__('os').mkdir('TRACE')\n."),
        "dotted name": code("\x80\x04\x8c\x05numpy\x8c\x0adtype.type\x93."),
        "numpy.load": code("cnumpy\nload\n(VTRACE\ntR."),
        "runstring": code("cnumpy.testing._private.utils\nrunstring\n(Vimport os; os.mkdir('TRACE')\n}tR."),
        "persistent id": code("PTRACE\n."),
        "extension": b"\x80\x02\x82\x01.",
        "state of a function": b"cnumpy\ndtype\n}(Vname\nVload\nub.",
        "codec": b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
        "a type as data": b"cnumpy\ndtype\n.",
        "no end": b"\x80\x02}(",
        "nothing": b"",
    }


@pytest.mark.parametrize("kind", sorted(hostile_pickles(Path())))
def test_a_hostile_pickle_is_refused_and_runs_nothing(cache, tmp_path, kind):
    trace = tmp_path / "trace"
    content = hostile_pickles(trace)[kind]
    small_cifar10(cache / "cifar-10-batches-py")
    (cache / "cifar-10-batches-py" / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1: not the data set expected: "):
        cifar10.load_data()

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    labels = io.BytesIO()
    np.save(labels, np.arange(2))
    with zipfile.ZipFile(cache / "reuters.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + content)
        archive.writestr("y.npy", labels.getvalue())
    with pytest.raises(DataError, match="reuters.npz: not the data set expected: "):
        reuters.load_data()
    assert not trace.exists()


def doubled(levels: int) -> bytes:
    """Dicts of which each holds the one before twice: as a tree it would have two to the power of ``levels`` leaves."""
    content = {b"a": 0}
    for _ in range(levels):
        content = {b"a": content, b"b": content}
    return pickle.dumps(content, 2)


COSTLY = {
    "a place far off in its memory": b"\x80\x02Nr\0\0\0\x08.",
    "a place far off, as text": b"Np134217728\n.",
    "bytes that are not there": b"\x80\x02B\xff\xff\xff\x7f.",
    "bytes that are not there, in eight digits": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".",
    "a frame that is not there": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "a million sets": b"\x80\x04(" + b"\x8f" * 900_000 + b"t.",
    "a number of a million digits": b"L" + b"9" * 900_000 + b"L\n.",
    "a million brackets": b"(" * 900_000 + b".",
    "a tower of tuples": b"N" + b"\x85" * 900_000 + b".",
    "a tower of dicts": b"\x80\x02" + b"}Nh" * 1000 + b".",
    "an extension": b"\x82\x01.",
    "another machine's object": b"Pabc\n.",
}


@pytest.mark.parametrize("kind", COSTLY)
def test_a_pickle_that_would_cost_much_is_refused_at_once(tmp_path, kind):
    (tmp_path / "batch").write_bytes(COSTLY[kind])
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(DataError, match="batch: not the data set expected: "):
        check(tmp_path / "batch", isinstance(read_pickle(tmp_path / "batch"), dict), "it is no dict")
    assert time.process_time() - start < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_what_stands_in_many_places_of_a_pickle_is_made_once(tmp_path):
    (tmp_path / "batch").write_bytes(doubled(200))
    content = read_pickle(tmp_path / "batch")
    assert content[b"a"] is content[b"b"]
    array = np.arange(100_000, dtype="uint8")
    (tmp_path / "batch").write_bytes(pickle.dumps(dict.fromkeys(range(3000), array), 2))
    content = read_pickle(tmp_path / "batch")
    np.testing.assert_array_equal(content[7], array)
    assert content[7] is content[2999]


@pytest.mark.parametrize("protocol", range(5))
def test_honest_pickles_of_every_protocol_are_read(tmp_path, protocol):
    rng = np.random.default_rng(0)
    content = {
        b"data": rng.integers(0, 256, (3, 4)).astype("uint8"),
        b"labels": [int(number) for number in rng.integers(-(2**40), 2**40, 1000)],
        b"names": [b"x" * 300, b"", "text", 1.5, None, True, (1, 2), (1, 2, 3, 4), list(range(70_000)), 2**100],
    }
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol))
    read = read_pickle(tmp_path / "batch")
    np.testing.assert_array_equal(read[b"data"], content[b"data"])
    assert (read[b"labels"], read[b"names"][3:]) == (content[b"labels"], content[b"names"][3:])


def test_a_packed_array_that_unpacks_to_more_than_a_file_of_its_size_may_is_refused(cache, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 28, 28)})
    with zipfile.ZipFile(cache / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(50_000_000))
    with pytest.raises(DataError, match=r"unpack to 200,.*file_limits\(expansion=...\)"):
        mnist.load_data()
    (tmp_path / "images.gz").write_bytes(gzip.compress(struct.pack(">4I", 0x803, 10**5, 28, 28) + bytes(10**7)))
    with pytest.raises(DataError, match="it promises 78,400,000 numbers"):
        read_idx(tmp_path / "images.gz", 3)


def test_the_hostile_call_would_have_run(tmp_path):
    pickle.loads(hostile_pickles(tmp_path / "trace")["call"])
    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "content, words",
    [
        (ragged([1, 2], [3, "four"]), r"x\[1\] is not a list of integers"),
        (ragged([1, 2], (3, 4)), r"x\[1\] is not a list of integers"),
        (ragged([1, 2], [3, True]), r"x\[1\] is not a list of integers"),
        (np.array(["one", "two"]), "x is <U3 of shape"),
    ],
)
def test_sequences_of_something_else_are_refused(cache, content, words):
    np.savez(cache / "reuters.npz", x=content, y=np.arange(2))
    with pytest.raises(DataError, match=words):
        reuters.load_data()


# --- word numbers ---


def test_words_have_numbers(cache):
    (cache / "imdb_word_index.json").write_text(json.dumps({"the": 1, "été": 2}), encoding="utf-8")
    (cache / "reuters_word_index.json").write_text(json.dumps({"mdbl": 10996}))
    assert imdb.get_word_index() == {"the": 1, "été": 2}
    assert reuters.get_word_index() == {"mdbl": 10996}


@pytest.mark.parametrize("content", ["[1, 2]", '{"the": "1"}'])
def test_what_is_no_table_of_words_is_refused(cache, content):
    (cache / "imdb_word_index.json").write_text(content)
    with pytest.raises(DataError, match="it is no table of words and their numbers"):
        imdb.get_word_index()


# --- the real sets, where they are ---


def real(name: str, cache: Path, shared) -> None:
    (cache / name).symlink_to(shared(f"data/{name}"))


def test_the_real_mnist_loads(cache, shared):
    real("mnist.npz", cache, shared)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert round(float(x_train.mean()), 2) == 33.32


def test_the_real_idx_files_are_read(cache, shared):
    folder = cache / "fashion-mnist"
    folder.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").symlink_to(shared(f"data/mnist_idx/{name}-ubyte.gz"))
    real("mnist.npz", cache, shared)
    for ours, theirs in zip(fashion_mnist.load_data(), mnist.load_data(), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("name", ["boston_housing", "california_housing"])
def test_the_real_houses_load(cache, shared, keras_reads, name):
    real(f"{name}.npz", cache, shared)
    same(getattr(datasets, name).load_data(), keras_reads(name, cache / f"{name}.npz"))


def test_the_real_newswires_load(cache, shared, keras_reads):
    real("reuters.npz", cache, shared)
    real("reuters_word_index.json", cache, shared)
    same(reuters.load_data(num_words=10_000), keras_reads("reuters", cache / "reuters.npz", num_words=10_000))
    assert reuters.get_word_index()["the"] == 1


def test_the_real_reviews_load(cache, shared):
    real("imdb.npz", cache, shared)
    real("imdb_word_index.json", cache, shared)
    (x_train, y_train), (x_test, y_test) = imdb.load_data(num_words=10_000)
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == ((25000,), (25000,), (25000,), (25000,))
    # The numbers that Chollet's book prints for the first review.
    assert x_train[0][:10] == [1, 14, 22, 16, 43, 530, 973, 1622, 1385, 65]
    assert y_train[0] == 1
    assert max(map(max, x_train)) == 9999
    words = {number + 3: word for word, number in imdb.get_word_index().items()}
    assert " ".join(words[number] for number in x_train[0][1:5]) == "this film was just"

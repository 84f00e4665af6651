"""Damages files of every format that is read, at random but from a seed, and sees that each ends in a result or in our error.

``make fuzz`` runs it for long (arguments: ``ARGS='--count 100000 --seed 7 keras yaml'``); the tests run two thousand
mutations of each format. What fails is kept in ``build/fuzz``.
"""

import argparse
import bz2
import io
import json
import pickle
import random
import resource
import struct
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

import keraunos
from keraunos import saving
from keraunos.datasets.reading import read_idx, read_npz, read_pickle
from keraunos.eras.files import model_from_yaml
from keraunos.eras.yaml_text import write_yaml
from keraunos.saving.archive import read_archive
from keraunos.saving.config import check_config, parse_json
from keraunos.saving.hdf5 import read_hdf5
from keraunos.training.callbacks.state_file import read_state, write_state
from keraunos.utils.archives import extract_archive
from keraunos.utils.errors import DataError, DownloadError, ModelFileError

SECONDS, KILOBYTES = 5, 300_000
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 63, (1 << 64) - 1)
WORDS = (
    b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 30, b'"\\ud800"', b'"\\u0000"', b"[]", b"{}", b"[[[[", b"}}", b'"', b",",
    b"4611686018427387904", b"0.5", b'"class_name"', b'"__lambda__"', b'"float99"', b"&a", b"*a", b"!!python/tuple", b"- ",
    b"1:1:1:1", b"\xc2\xb2", b"\0", b"\xff\xfe", b"\n", b"x" * 200,
)  # fmt: skip


class Format(NamedTuple):
    """A kind of file: an honest one, and who reads it."""

    original: bytes
    read: Callable[[bytes], Any]
    error: type[Exception]
    text: bool = False


def model() -> Any:
    """A small model, whose shapes are quickly inferred."""
    made = keraunos.Sequential([keraunos.layers.Input((3,), name="i"), keraunos.layers.Activation("relu", name="a")])
    made.add(keraunos.layers.BatchNormalization(name="b"))
    made.compile("sgd", "mse", ["mae"])
    made.optimizer.build(made.trainable_variables)
    return made


OLD = {
    "class_name": "Sequential",
    "keras_version": "1.2.2",
    "config": [
        {
            "class_name": "Dense",
            "config": {"output_dim": 2, "batch_input_shape": [None, 3], "init": "glorot_uniform", "name": "dense_1"},
        },
        {"class_name": "Activation", "config": {"activation": "relu", "name": "activation_1"}},
    ],
}


def formats(folder: Path) -> dict[str, Format]:
    """All formats, with files that are put into a folder."""
    made = model()

    def saved(name: str, save: Callable[[Path], None]) -> bytes:
        save(folder / name)
        return (folder / name).read_bytes()

    def through(name: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
        def call(data: bytes) -> Any:
            (folder / name).write_bytes(data)
            return read(folder / name)

        return call

    def bare(path: Path) -> None:
        saving.load_model(path, compile=False)

    def weights(data: bytes) -> None:
        for dataset in read_hdf5(data, "x").datasets():
            dataset.read()

    def config(data: bytes) -> None:
        keraunos.core.registry.fill_tables()
        check_config(parse_json(data, "x"), "x")

    def unpack(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as target:
            extract_archive(path, Path(target) / "out")

    state = {"epoch": 3, "model": {"variables": {"w": np.ones((2, 3), "float32")}}, "others": [["A", {"best": 0.5}]]}
    arrays = folder / "set.npz"
    np.savez(arrays, x=np.ones((3, 4), "uint8"), y=np.arange(3))
    expected = {"x": ((None, 4), "u"), "y": ((None,), "i")}
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("a/b.txt", "a/" + "n" * 120):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"hello"))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as zipping:
        zipping.writestr("a/b.txt", "hello" * 20)
        zipping.writestr("c.txt", "hello")
    packed = io.BytesIO()
    with h5py.File(packed, "w") as file:
        file.create_dataset("x", data=np.arange(400.0).reshape(20, 20), chunks=(8, 8), compression="gzip", shuffle=True)
        file.attrs["names"] = np.array([b"ab", b"cd"])
        file.attrs["text"] = "text"
    keras = saved("m.keras", made.save)
    idx = struct.pack(">4I", 0x803, 2, 3, 4) + bytes(24)
    content = {b"data": np.ones((2, 3), "uint8"), b"labels": [1, 2], b"name": b"x" * 300}
    return {
        "keras": Format(keras, through("x.keras", saving.load_model), ModelFileError),
        "archive": Format(keras, lambda data: read_archive(data, "x"), ModelFileError),
        "h5": Format(saved("m.h5", made.save), through("x.h5", bare), ModelFileError),
        "weights": Format(saved("w.weights.h5", made.save_weights), weights, ModelFileError),
        "packed weights": Format(packed.getvalue(), weights, ModelFileError),
        "old weights": Format(saved("w.h5", made.save_weights), through("x.h5", made.load_weights), ModelFileError),
        "json": Format(made.to_json().encode(), saving.model_from_json, ModelFileError, True),
        "config": Format(made.to_json(indent=1).encode(), config, ModelFileError, True),
        "old json": Format(json.dumps(OLD).encode(), saving.model_from_json, ModelFileError, True),
        "yaml": Format(write_yaml(OLD).encode(), model_from_yaml, ModelFileError, True),
        "backup": Format(
            saved("s.npz", lambda path: write_state(path, state)), through("x.npz", read_state), ModelFileError
        ),
        "npz": Format(arrays.read_bytes(), through("y.npz", lambda path: read_npz(path, expected)), DataError),
        "idx": Format(idx, through("idx", lambda path: read_idx(path, 3)), DataError),
        "pickle": Format(pickle.dumps(content, 2), through("pickle", read_pickle), DataError),
        "pickle of text": Format(pickle.dumps(content, 0), through("pickle", read_pickle), DataError, True),
        "tar": Format(tar.getvalue(), through("a.tar", unpack), DownloadError),
        "tar.bz2": Format(bz2.compress(tar.getvalue()), through("a.tar", unpack), DownloadError),
        "zip": Format(zipped.getvalue(), through("a.zip", unpack), DownloadError),
    }


def mutations(original: bytes, text: bool, count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies of a file."""
    choose = random.Random(seed)
    for _ in range(count):
        data = bytearray(original)
        for _ in range(choose.choice((1, 1, 1, 2, 4))):
            place = choose.randrange(len(data) or 1)
            way = choose.randrange(8)
            if way == 0:
                del data[place:]
            elif way == 1:
                del data[place : place + choose.randrange(1, 64)]
            elif way == 2:
                start = choose.randrange(len(data) or 1)
                data[place:place] = data[start : start + choose.randrange(1, 200)]
            elif way in (3, 4) and text:
                data[place : place + choose.choice((0, 1, 4))] = choose.choice(WORDS)
            elif way == 3:
                number = choose.choice(NUMBERS).to_bytes(8, choose.choice(("little", "big")))
                width = choose.choice((1, 2, 4, 8))
                data[place : place + width] = number[:width]
            elif way == 4:
                data[place : place + 8] = struct.pack("<Q", choose.randrange(len(data) or 1))
            elif data:
                for _ in range(choose.choice((1, 1, 3))):
                    data[choose.randrange(len(data))] = choose.choice((0, 0xFF, choose.randrange(256)))
        yield bytes(data)


def survive(form: Format, data: bytes) -> str:
    """What is wrong with how a file was read; an empty text if it ended well."""
    begun = time.process_time()
    problem = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            form.read(data)
    except form.error:
        pass
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if time.process_time() - begun > SECONDS:
        problem += f" {time.process_time() - begun:.1f} s of the processor"
    return problem


def run(name: str, form: Format, count: int, seed: int, keep: Path | None = None) -> list[str]:
    """Problems of so many mutations."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problems = []
    for number, data in enumerate(mutations(form.original, form.text, count, seed)):
        problem = survive(form, data)
        if problem:
            problems.append(f"{name} {seed} {number}: {problem[:500]}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name}-{seed}-{number}".replace(" ", "_")).write_bytes(data)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return [*problems, *([f"{name} {seed}: {grown} KB of memory"] if grown > KILOBYTES else [])]


def main() -> int:
    """Fuzz for long, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="formats; all if none is named")
    parser.add_argument("--count", type=int, default=20_000, help="mutations of each format")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        known = formats(Path(folder))
        for name in options.names or known:
            begun = time.perf_counter()
            problems = run(name, known[name], options.count, options.seed, Path("build/fuzz"))
            print(
                f"{name}: {options.count} in {time.perf_counter() - begun:.1f} s, {len(problems)} problems", flush=True
            )
            found += problems
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

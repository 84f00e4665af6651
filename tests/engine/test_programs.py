"""Compiled programs on disk: they save time and can do no harm."""

import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keraunos.backend import K
from keraunos.backend.jax import options, programs

SCRIPT = """
import numpy as np, keraunos
keraunos.utils.set_random_seed(1)
x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
model = keraunos.Sequential([keraunos.Input((3,)), keraunos.layers.Dense(4, "tanh"), keraunos.layers.Dense(1)])
model.compile("adam", "mse")
history = model.fit(x, x[:, :1], epochs=3, verbose=0).history
print(history["loss"], model.predict(x[:2], verbose=0).tolist())
"""


def start(home, **environment):
    environment = {**os.environ, "KERAUNOS_HOME": str(home), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    text, faults = process.communicate(timeout=600)
    assert (process.returncode, faults) == (0, "")
    return text


def run(home, **environment):
    return finish(start(home, **environment))


def stored(home):
    return sorted(path for path in Path(home).rglob("*") if path.is_file() and path.name != options._REMEMBERED)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return run(tmp_path_factory.mktemp("nothing"), KERAUNOS_COMPILATION_CACHE="0")


def test_a_second_process_finds_what_the_first_stored_and_computes_the_same(tmp_path, expected):
    assert run(tmp_path) == expected
    files = {path: path.stat().st_mtime_ns for path in stored(tmp_path)}
    assert files
    assert run(tmp_path) == expected
    # On a busy machine a further program may have taken long enough to be worth storing.
    assert files.items() <= {path: path.stat().st_mtime_ns for path in stored(tmp_path)}.items()


def test_nothing_is_stored_where_the_environment_says_so(tmp_path, expected):
    assert run(tmp_path, KERAUNOS_COMPILATION_CACHE="0") == expected
    assert stored(tmp_path) == []


def flip(content):
    chosen, changed = random.Random(0), bytearray(content)
    for place in chosen.sample(range(len(content)), 50):
        changed[place] ^= 255
    return bytes(changed)


DAMAGE = {
    "nothing": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "noise": lambda content: random.Random(0).randbytes(5000),
    "flipped": flip,
    "pickle": lambda content: b"cos\nsystem\n(S'echo harm'\ntR.",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_programs_are_compiled_anew_and_replaced(tmp_path, expected, damage):
    run(tmp_path)
    files = stored(tmp_path)
    for path in files:
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    broken = {path: path.read_bytes() for path in files}
    for _ in range(2):
        assert run(tmp_path) == expected
    assert not any(path.exists() and path.read_bytes() == content for path, content in broken.items())


def test_two_processes_at_once_compute_the_same(tmp_path, expected):
    first, second = start(tmp_path), start(tmp_path)
    assert finish(first) == finish(second) == expected == run(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_nobody_else_may_write_where_programs_lie(tmp_path, expected):
    run(tmp_path)
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o777)
    assert run(tmp_path) == expected
    assert all(not folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH) for folder in folders)


def test_a_file_in_the_place_of_the_folder_is_no_obstacle(tmp_path, expected):
    (tmp_path / "programs").write_text("in the way")
    assert run(tmp_path) == expected


@pytest.mark.parametrize("limits", [{"most_files": 8}, {"most_bytes": 800}])
def test_of_too_much_the_least_recently_used_goes(tmp_path, limits):
    folder = tmp_path / "inner"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}").write_bytes(bytes(100))
        os.utime(folder / f"{number:02}", (1000 + number, 1000 + number))
    programs.prune(tmp_path, **limits)
    assert [path.name for path in stored(tmp_path)] == [f"{number:02}" for number in range(6, 12)]


def test_what_is_not_too_much_stays(tmp_path):
    (tmp_path / "one").write_bytes(bytes(100))
    programs.prune(tmp_path, most_files=1, most_bytes=100)
    assert len(stored(tmp_path)) == 1


def test_programs_that_differ_only_in_the_argument_they_use_are_not_mistaken_for_each_other():
    one, two = K.array(np.float32(1)), K.array(np.float32(2))
    first = K.specialize(lambda pair: [pair[0] + pair[0]], [one, two])
    second = K.specialize(lambda pair: [pair[1] + pair[1]], [one, two])
    assert float(first([one, two])[0]) == 2
    assert float(second([one, two])[0]) == 4
    assert float(K.compile(lambda a, b: b + b)(one, two)) == 4
    assert float(K.compile(lambda a, b: a + a)(one, two)) == 2

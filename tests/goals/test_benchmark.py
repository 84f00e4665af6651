"""Goal: the benchmark runs, and its contestants do the same work."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def module(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


targets = module("targets")


def run(script, *arguments, **environment):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    settings = {**os.environ, "MPLBACKEND": "Agg", "XLA_FLAGS": "", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=settings)


def test_a_quick_run_writes_figures_and_says_that_they_mean_nothing(tmp_path):
    result = run("run.py", "--quick", "--only", "W0", "--against", "jax-epoch,floor", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert list(report["warm"]) == list(report["script"]) == ["W0"]
    assert set(report["warm"]["W0"]) == {"keraunos", "jax-epoch", "floor"}
    assert set(report["script"]["W0"]) == {"keraunos", "jax-epoch"}
    assert 0 < report["warm"]["W0"]["floor"]["epoch"] < report["warm"]["W0"]["jax-epoch"]["epoch"]
    for times in report["script"]["W0"].values():
        assert len(times["runs"]) == 1
        assert 0 < times["filled"] < times["empty"] * 2
        assert 2**26 < times["memory"] < 2**32
    assert report["machine"]["versions"]["jax"] != "not installed"
    page = (tmp_path / "benchmark.md").read_text()
    assert "Its figures mean nothing." in page
    assert "| W0 | an epoch | JAX loop by hand | ≥ 1.2 |" in page


def test_a_contestant_that_is_not_installed_is_left_out_and_named(tmp_path):
    # As in an environment without it: nothing called torch is found.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = run(
        "run.py", "--quick", "--only", "iris", "--against", "torch,sklearn", "--out", tmp_path, PYTHONPATH=paths
    )
    assert result.returncode == 0, result.stderr
    assert "Left out: PyTorch (torch not installed)." in (tmp_path / "benchmark.md").read_text()


LEARNED = ("W1", "W4", "W6", "W7")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    assert run("workloads.py", folder, *LEARNED).returncode == 0
    return folder


@pytest.mark.parametrize("name", LEARNED)
def test_library_and_loop_by_hand_learn_equally_well(name, data):
    losses = [
        json.loads(run("one.py", contestant, name, data / f"{name}.npz", "--epochs", "5").stdout)["loss"]
        for contestant in ("keraunos", "jax-epoch")
    ]
    assert max(losses) < 1.5 * min(losses) + 0.15


def test_targets_are_judged_by_the_fastest_of_the_others():
    def row(**figures):
        return figures

    report = {
        "warm": {
            "W0": {
                "keraunos": row(epoch=0.001, memory=90),
                "keras-jax": row(epoch=0.014, memory=100),
                "keras-torch": row(epoch=0.02, memory=300),
                "torch": row(epoch=0.03, memory=80),
                "torch-compile": {"failed": "no compiler"},
            }
        },
        "script": {"iris": {"keraunos": row(empty=1.0, filled=0.5), "keras-jax": row(empty=3.0, filled=3.5)}},
    }
    found = {row[:3]: row[3:] for row in targets.judged(report)}
    assert found["W0", "epoch", "Keras"] == (pytest.approx(14), 15, False)
    assert found["W0", "epoch", "PyTorch"] == (pytest.approx(30), 15, True)
    assert found["W0", "memory", "Keras"] == (pytest.approx(0.9), 0.7, False)
    assert found["W0", "memory", "PyTorch"] == (pytest.approx(90 / 80), 1, False)
    assert found["iris", "filled", "Keras"] == (pytest.approx(7), 5, True)
    assert ("W0", "epoch", "JAX loop by hand") not in found


def test_an_unknown_workload_is_refused_with_the_known_ones():
    result = run("run.py", "--only", "xorr")
    assert result.returncode == 2
    assert "there is no workload 'xorr'; known are W0, W1" in result.stderr

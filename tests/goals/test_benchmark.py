"""Goal: the benchmark runs, and its contestants do the same work."""

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *arguments):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "MPLBACKEND": "Agg"})


def test_a_quick_run_writes_figures_and_says_that_they_mean_nothing(tmp_path):
    result = run("run.py", "--quick", "--only", "xor", "--against", "jax", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert set(report["workloads"]) == {"xor"}
    assert set(report["workloads"]["xor"]) == {"keraunos", "jax"}
    for times in report["workloads"]["xor"].values():
        assert len(times["runs"]) == 2
        assert 0 < times["epoch_seconds"] < times["process_seconds_again"]
    assert report["machine"]["versions"]["jax"] != "not installed"
    page = (tmp_path / "benchmark.md").read_text()
    assert "Its figures mean nothing." in page
    assert "left out: Keras on JAX; PyTorch, step by step." in page


def test_library_and_loop_by_hand_learn_equally_well():
    losses = [json.loads(run("contestants.py", name, "moons", 100).stdout)["loss"] for name in ("keraunos", "jax")]
    assert 0.02 < min(losses) <= max(losses) < 0.35


def test_an_unknown_workload_is_refused_with_the_known_ones():
    result = run("run.py", "--only", "xorr")
    assert result.returncode == 2
    assert "there is no workload 'xorr'; known are xor, moons" in result.stderr

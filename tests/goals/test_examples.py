"""Goal: each program of ``examples`` does what its first lines say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
# Name, words before it on the command line, and what its last lines say; the number is an accuracy or an error.
PROGRAMS = {
    "table.py": ([], r"accuracy on new flowers: ([\d.]+)$", 0.85, 1),
    "images.py": ([], r"accuracy on new digits: ([\d.]+)$", 0.93, 1),
    "text.py": ([], r"accuracy on new sentences: ([\d.]+)$", 0.95, 1),
    "own_layer_and_step.py": ([], r"mean distance from the curve without noise: ([\d.]+)$", 0, 0.1),
    "resume_after_a_kill.py": ([], r"epochs 5, 6, 7, (8)\nthe weights are the same, bit for bit$", 8, 8),
    "notebook_2018.ipynb": (["-m", "keraunos", "run"], r"val_acc of the last epoch: ([\d.]+)$", 0.85, 1),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_example_runs_and_learns(name, tmp_path):
    before, words, least, most = PROGRAMS[name]
    done = subprocess.run(
        [sys.executable, *before, str(FOLDER / name)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(words, done.stdout.strip(), re.MULTILINE)
    assert found is not None, done.stdout[-1000:]
    assert least <= float(found[1]) <= most


def test_every_example_is_run_and_listed():
    files = {path.name for path in FOLDER.iterdir() if path.suffix in (".py", ".ipynb")}
    assert files == {*PROGRAMS, "post_2017.py"}  # which test_readme.py runs
    listed = re.findall(r"^\| \[(\S+)\]\(\1\)", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(listed) == files

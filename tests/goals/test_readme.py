"""Goal: what the README tells a newcomer to type is there. (Its Python runs in tests/test_docs.py.)"""

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from keraunos import cli, layers

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    (page, line.partition("#")[0].strip())
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.partition("#")[0].strip()
]


@pytest.mark.parametrize("page, command", COMMANDS, ids=[f"{page.name}: {command}" for page, command in COMMANDS])
def test_a_command_of_the_pages_is_known(page, command):
    words = shlex.split(command)
    if words[0] == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[1] in targets
    else:
        assert words[:3] == ["python", "-m", "keraunos"], f"say in this test how {command!r} is checked"
        assert cli._parser().parse_args(words[3:]).command == words[3]


def test_the_readme_has_commands():
    assert {"make demo", "make test"} <= {command for page, command in COMMANDS if page.name == "README.md"}


def test_the_page_of_layers_names_those_that_there_are():
    table = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8").partition("A layer is called on")[0]
    named: set[str] = set()
    for name, ranks in re.findall(r"`([A-Z]\w+)`(–`3D`)?", table):
        named |= {name.replace("1D", f"{rank}D") for rank in ((1, 2, 3) if ranks else (1,))}
    classes = {c.__name__ for c in vars(layers).values() if inspect.isclass(c) and issubclass(c, layers.Layer)}
    assert named - {"Input"} == classes - {"Layer", "InputLayer", "Wrapper"}


def test_the_old_script_of_the_readme_runs():
    script = ROOT / "examples" / "post_2017.py"
    assert f"python -m keraunos run {script.relative_to(ROOT)}" in (ROOT / "README.md").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "keraunos", "run", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "keraunos: Keras 1 (output_dim line" in done.stderr
    assert "defaults of Keras 1: Adadelta(learning_rate=1.0, epsilon=1e-08)" in done.stderr
    assert "dense_1 (Dense)                  (None, 16)            48          dense_input_1[0][0]" in done.stdout
    assert float(done.stdout.split()[-1]) > 0.8

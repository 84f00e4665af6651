"""Install, demo and a set of tests on each Python that is here, with the oldest and the newest releases of JAX.

``python tests/versions.py`` does all of it, ``--python 3.13`` one interpreter, ``--jax newest`` one end. Each pair
gets an environment of its own in ``.venv-versions`` (or ``--folder``), into which the package is installed as a user
installs it; the oldest ones take the lower bounds that ``pyproject.toml`` declares. It ends with a table, and with 1
where something failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
# What must be told apart from one release to the next: options, programs, training, states, files. Without the oracle.
TESTS = [
    f"tests/{name}.py"
    for name in (
        "engine/test_options",
        "engine/test_programs",
        "test_start",
        "test_models",
        "test_training",
        "test_custom",
    )
]
# The lower bounds of libraries of which a Python had no release yet: the first one that it has.
FIRST = {"3.13": {"numpy": "2.1.0", "h5py": "3.12.1", "pillow": "11.0.0", "matplotlib": "3.9.2", "pyyaml": "6.0.2"}}
FIRST["3.12"] = {"pyyaml": "6.0.1", "pillow": "10.1.0"}
FIRST["3.11"] = {"pyyaml": "6.0.1"}


def interpreter(version: str) -> str | None:
    """An executable of this version of Python: this one, one on the path, or one that pyenv keeps."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    for candidate in candidates:
        if candidate is not None:
            told = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
            if told.returncode == 0 and told.stdout.startswith(f"Python {version}."):
                return str(candidate)
    return None


def oldest(python: str) -> list[str]:
    """Requirements that pin everything the package needs to its declared lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = dict(
        re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
        for requirement in project["dependencies"] + project["optional-dependencies"]["plots"]
    )
    bounds["jaxlib"] = bounds["jax"]
    return [f"{name}=={version}" for name, version in (bounds | FIRST[python]).items()]


def wheel(folder: Path) -> Path:
    """The package as it is published, made once for all."""
    shutil.rmtree(folder / "wheel", ignore_errors=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", str(ROOT)]
    subprocess.run([*build, "--wheel-dir", str(folder / "wheel")], check=True)
    return next((folder / "wheel").glob("*.whl"))


def check(python: str, end: str, package: Path, folder: Path) -> tuple[str, str]:
    """Install and try one pair; returns a row of the table, and what was printed where something failed."""
    place = folder / f"{python}-{end}"
    executable = str(place / "bin" / "python")
    pins = oldest(python) if end == "oldest" else ["--upgrade"]
    environment = {**os.environ, "KERAUNOS_HOME": str(place / "home"), "KERAS_BACKEND": "jax"}
    environment.pop("PYTHONPATH", None)
    install = [executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    begun = time.monotonic()
    for step, command, where in (
        ("environment", [str(interpreter(python)), "-m", "venv", "--clear", str(place)], folder),
        ("install", [*install, f"{package}[plots]", "pytest", "hypothesis", *pins], folder),
        ("demo", [str(place / "bin" / "keraunos"), "demo", "--out", str(place / "demo")], folder),
        ("tests", [executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS], ROOT),
    ):
        done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            told = f"exit status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
            return f"{python:<7} {end:<7} {step} failed", told
    said = subprocess.run(
        [executable, "-m", "keraunos", "info"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout
    known = dict(line.split(maxsplit=1) for line in said.splitlines() if len(line.split()) > 1)
    versions = " ".join(f"{name} {known[name]}" for name in ("jax", "numpy", "h5py"))
    closing = done.stdout.strip().splitlines()[-1].strip("= ")
    compiled = f"; compiled {known['compiled']}" if "compiled" in known else ""
    return f"{python:<7} {end:<7} {versions}; {closing}; {time.monotonic() - begun:.0f} s in all{compiled}", ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="append", choices=PYTHONS, help="only this one (may be repeated)")
    parser.add_argument("--jax", choices=("oldest", "newest"), help="only this end (default: both)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv-versions", help="where the environments are made")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="how many run at a time")
    chosen = parser.parse_args()
    wanted = chosen.python or list(PYTHONS)
    pairs = []
    for python in wanted:
        if interpreter(python) is None:
            print(f"{python:<7} is not on this machine: skipped")
        else:
            pairs += [(python, end) for end in ("oldest", "newest") if chosen.jax in (None, end)]
    folder = chosen.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    package = wheel(folder)
    with ThreadPoolExecutor(max(1, chosen.at_once)) as pool:
        results = list(pool.map(lambda pair: check(*pair, package, folder), pairs))
    for row, printed in results:
        print(row)
        if printed:
            print(printed)
    return 1 if any(printed for _, printed in results) else 0


if __name__ == "__main__":
    sys.exit(main())

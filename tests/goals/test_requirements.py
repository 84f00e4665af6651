"""Goal: a newcomer gets releases that are known to work together."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# PyTorch is no part of `dev`: pyproject.toml says why.
NEEDED = PROJECT["dependencies"] + [text for name, texts in EXTRAS.items() if name != "torch" for text in texts]
LOCKED = {
    canonicalize_name(requirement.name): requirement
    for requirement in map(Requirement, (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
}


@pytest.mark.parametrize("text", sorted(set(NEEDED)))
def test_what_the_project_asks_for_is_locked_to_a_release_that_will_do(text):
    needed = Requirement(text)
    if needed.name == "keraunos":
        return
    (pin,) = LOCKED[canonicalize_name(needed.name)].specifier
    assert pin.operator == "=="
    assert needed.specifier.contains(pin.version)


def test_every_line_of_the_lock_names_one_release():
    assert all([pin.operator for pin in requirement.specifier] == ["=="] for requirement in LOCKED.values())
    assert len(LOCKED) > 30

"""Fixtures of the tests. What doctests need as well stands in the conftest above."""

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """``shared("data/mnist.npz")``: the path of a file in the folder beside the repository, or a skipped test."""

    def find(relative: str = "") -> Path:
        if not SHARED.is_dir():
            pytest.skip("the folder ../shared is not here")
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"../shared/{relative} is not here")
        return path

    return find

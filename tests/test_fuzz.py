"""Two thousand damaged files of each format end in a result or in our error, in bounded time and memory."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import formats, run

NAMES = (
    "keras", "archive", "h5", "weights", "packed weights", "old weights", "json", "config", "old json", "yaml", "backup",
    "npz", "idx", "pickle", "pickle of text", "tar", "tar.bz2", "zip",
)  # fmt: skip


@pytest.fixture(scope="module")
def known() -> Iterator[dict]:
    """The formats, in a folder in memory where there is one: many small files are made."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield formats(Path(folder))


def test_every_format_is_named(known: dict) -> None:
    assert tuple(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_end_in_a_result_or_in_our_error(name: str, known: dict) -> None:
    known[name].read(known[name].original)
    assert run(name, known[name], 2000, seed=1) == []

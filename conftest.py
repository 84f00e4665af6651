"""What holds for every test and doctest: the environment, and a clean slate before each."""

import contextlib
import os
import random
from pathlib import Path

# Before anything imports jax or keras: the oracle computes on JAX, and both libraries keep
# what they download or compile inside this folder, so that a second run starts at once.
os.environ["KERAS_BACKEND"] = "jax"
os.environ["KERAUNOS_HOME"] = str(Path(__file__).parent / ".cache" / "keraunos")
os.environ["KERAS_HOME"] = str(Path(__file__).parent / ".cache" / "keras")  # a person's keras.json is not read
os.environ.setdefault("MPLBACKEND", "Agg")
# Most of a test is compiling, of programs that run once on a few numbers; what tests of whole runs start does without.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

import numpy as np
import pytest

with contextlib.suppress(ImportError):
    import hypothesis

    # The same examples every time: a red test must be red again when somebody looks.
    hypothesis.settings.register_profile("keraunos", derandomize=True, deadline=None, database=None)
    hypothesis.settings.load_profile("keraunos")


@pytest.fixture(autouse=True)
def clean_slate() -> None:
    """Layer names count from zero, and random numbers repeat, in every test."""
    from keraunos import utils

    clear_session = getattr(utils, "clear_session", None)
    if clear_session is not None:
        clear_session()
    random.seed(0)
    np.random.seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests that hold an address of memory: the processes of ``-n`` would not agree on them."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: name the parameter by ids=")

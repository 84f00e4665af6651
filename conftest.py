"""What holds for every test and doctest: the environment, and a clean slate before each."""

import contextlib
import ctypes
import gc
import os
import random
import sys
from importlib.metadata import version
from pathlib import Path

# Before anything imports jax or keras: the oracle computes on JAX, and both libraries keep
# what they download or compile inside this folder, so that a second run starts at once.
os.environ["KERAS_BACKEND"] = "jax"
os.environ["KERAUNOS_HOME"] = str(Path(__file__).parent / ".cache" / "keraunos")
os.environ["KERAS_HOME"] = str(Path(__file__).parent / ".cache" / "keras")  # a person's keras.json is not read
os.environ.setdefault("MPLBACKEND", "Agg")
# Whoever mends the library wants to see its frames.
os.environ.setdefault("KERAUNOS_TRACEBACK_FILTERING", "0")
# Most of a test is compiling, of programs that run once on a few numbers; what tests of whole runs start does without.
# To cut a small program into parts for several threads costs a fifth more than is won where each core has a process of
# its own. The newer emitters of kernels, which are better code, take two to three times as long to make it; releases
# that have no other end a process that names them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_parallel_codegen_split_count=1"
    + (
        " --xla_cpu_use_fusion_emitters=false" if tuple(map(int, version("jaxlib").split(".")[:3])) < (0, 11, 1) else ""
    ),
)
# For the same reason NumPy's linear algebra keeps to the thread that calls it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# JAX would write the Python stack, which is deep in a test, beside every operation of a program: 10 % of a small one.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

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
    _share_what_programs_are_written_in()
    from keraunos import utils

    clear_session = getattr(utils, "clear_session", None)
    if clear_session is not None:
        clear_session()
    random.seed(0)
    np.random.seed(0)


def pytest_collection_finish() -> None:
    """Take modules and tests out of garbage collection, and collect less often.

    There are hundreds of thousands of objects that stay to the end; to go
    through them again and again is a twelfth of the time of tests that trace.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)


# Bytes of memory from which on a process forgets its compiled programs after a file of tests.
_MUCH_MEMORY = 1_200_000_000


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Bound the memory of a process that runs many files: the programs of one are of little use to the next."""
    if "jax" in sys.modules and (nextitem is None or nextitem.path != item.path) and _memory() > _MUCH_MEMORY:
        import jax

        jax.clear_caches()
        gc.collect()
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)


def _memory() -> int:
    """Bytes that this process occupies, where the system tells."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _share_what_programs_are_written_in() -> None:
    """Let all programs of a process be written in one MLIR context.

    JAX makes a context for each, and loads all dialects into it: a third of
    the time of a program of one operation, and 1.6 MB that stay as long as it
    is kept. Where a release of JAX has no such function, nothing is done.
    """
    mlir = sys.modules.get("jax._src.interpreters.mlir")
    make = getattr(mlir, "make_ir_context", None)
    if make is not None and make.__module__ == mlir.__name__:
        context = make()
        mlir.make_ir_context = lambda: context


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, those of goals, so that at the end no process waits for one.

    Names that hold an address of memory are refused: the processes of ``-n`` would not agree on them.
    """
    items.sort(key=lambda item: item.path.parent.name != "goals")
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: name the parameter by ids=")

"""What is asked of XLA, of JAX and of the C library beyond their defaults, with the measured reason of each."""

import contextlib
import ctypes
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

# XLA hands operations of a CPU program to its YNNPACK library. Matrix products and sums gain by it, but its
# convolution runs on one thread: 80 to 100 ms for 32 to 64 channels on 26x26 images, against 15 ms for Eigen's.
_FOR_CPU = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
}

# The older emitters of kernels compile in half the time (0.2 instead of 0.4 s for iris, 0.35 instead of 0.6 s for moons).
# Where most of a step is products of small matrices, its time is the same; where it is element by element, as in updates
# of Adam, or where there are no products (xor), steps take 1.4 to 1.8 times as long.
_COMPILE_SOON = {"xla_cpu_use_fusion_emitters": False}
_FEW_NUMBERS = 10_000

# The names of those that this XLA does not know. They are options of its developers, which come and go with its releases:
# the emitters' is gone since jaxlib 0.11.1, the library's came with 0.8.1. None may decide whether a program runs.
_unknown: set[str] = set()
_REMEMBERED = "unknown-options.txt"

# Numbers of glibc's malloc.h: M_MMAP_MAX and M_TRIM_THRESHOLD. One heap for all threads (M_ARENA_MAX) is not asked for:
# the compiler's threads would wait for each other, a fifth of its time.
_OF_MALLOC = {-4: 0, -1: 1 << 30}


def of_compiler(text: str, tensors: Iterable[Any]) -> dict[str, Any] | None:
    """Options with which a program is compiled, by its text and its arguments."""
    if jax.default_backend() != "cpu":
        return None
    numbers = sum(tensor.size for tensor in tensors if jnp.issubdtype(tensor.dtype, jnp.floating))
    small = numbers < _FEW_NUMBERS and "stablehlo.dot_general" in text
    return known(_FOR_CPU | _COMPILE_SOON if small else _FOR_CPU)


def known(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``wanted`` that this XLA is not known to refuse."""
    return {name: value for name, value in wanted.items() if name not in _unknown}


def learn(wanted: Mapping[str, Any], folder: Path | None) -> bool:
    """Try each option by itself on a program of nothing; returns whether one turned out to be unknown.

    It is asked after a program could not be compiled, so that a release which
    knows them all is never asked. What it learns is kept in ``folder``, which
    belongs to one release of JAX and XLA.
    """
    nothing = jax.jit(lambda x: x).lower(jax.ShapeDtypeStruct((), "float32"))
    refused = {name for name, value in known(wanted).items() if not _compiles(nothing, {name: value})}
    # Where nothing at all compiles, the options are not to blame.
    if not refused or not _compiles(nothing, {}):
        return False
    _unknown.update(refused)
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / _REMEMBERED).write_text("\n".join(sorted(_unknown)))
    return True


def recall(folder: Path | None) -> None:
    """Read what an earlier process learned of this release."""
    if folder is not None:
        with contextlib.suppress(OSError, ValueError):
            names = (folder / _REMEMBERED).read_text().split()
            _unknown.update((_FOR_CPU | _COMPILE_SOON).keys() & names)


def left_out() -> list[str]:
    """The options that would be asked for and that this XLA does not know, found by trying them."""
    if jax.default_backend() == "cpu":
        learn(_FOR_CPU | _COMPILE_SOON, None)
    return sorted(_unknown)


def _compiles(program: Any, settings: dict[str, Any]) -> bool:
    try:
        program.compile(compiler_options=settings)
    except Exception:  # of a class that differs with the release
        return False
    return True


def apply() -> None:
    """Set what holds for the whole process."""
    _keep_freed_memory()
    # Nothing else is done while a program runs, so it runs in the thread that calls it: to hand a small one to
    # another thread costs 2 to 10 µs (measured for one row of a network of 784-10: 22 against 13 µs).
    with contextlib.suppress(AttributeError):  # a release without that switch
        jax.config.update("jax_cpu_enable_async_dispatch", False)


def _keep_freed_memory() -> None:
    """Let the C library keep up to a gibibyte that was freed, for the next compiled call to use.

    Otherwise every call gets its working memory anew from the kernel, a page
    at a time: 24,000 page faults a step for a convnet with 100 MB of it, 35 of
    its 150 ms. This comes before JAX starts its threads.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        for option, value in _OF_MALLOC.items() if hasattr(library, "mallopt") else ():  # not in every C library
            library.mallopt(option, value)


def widen(floatx: str) -> None:
    """Let JAX keep 64 bits where these are the default, and otherwise do what it was told before."""
    if (floatx == "float64") != _wide[-1]:
        if floatx == "float64":
            _before[:] = [bool(jax.config.jax_enable_x64)]
        _wide[:] = [floatx == "float64"]
        jax.config.update("jax_enable_x64", _wide[-1] or _before[-1])


_wide, _before = [False], [False]


def filter_frames(filtering: bool) -> None:
    """Let JAX show its frames in tracebacks where ours are shown, and otherwise do what it was told before."""
    if not filtering and not _shown:
        _shown.append(jax.config.jax_traceback_filtering)
        jax.config.update("jax_traceback_filtering", "off")
    elif filtering and _shown:
        jax.config.update("jax_traceback_filtering", _shown.pop())


_shown: list[Any] = []

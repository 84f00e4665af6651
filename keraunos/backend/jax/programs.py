"""Compiled programs on disk: where they lie, who may write there, and how many are kept.

A stored program is machine code that will be run, so the folder must belong to
the user and nobody else may write into it; and it holds the instructions of one
kind of processor, so each kind, and each release of JAX, has a folder of its own.
"""

import contextlib
import hashlib
import os
import platform
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jaxlib

from keraunos.backend.jax import options
from keraunos.utils.config import home

# What is kept of all folders together; what was used least recently goes first, down to three quarters.
MOST_FILES = 2000
MOST_BYTES = 1 << 30

# Seconds of compiling from which on a program is stored. To store one takes 2 to 5 ms, to fetch it 5 to 10 ms.
_WORTH_STORING = 0.02

_UNREADABLE = "Error (reading|writing) persistent compilation cache"


def use_folder() -> Path | None:
    """Let JAX keep programs on disk, unless the user or the environment says otherwise; returns the folder."""
    if os.environ.get("KERAUNOS_COMPILATION_CACHE", "1") == "0" or jax.config.jax_compilation_cache_dir:
        return None
    root = home() / "programs"
    processor = hashlib.sha256(f"{platform.machine()} {_processor_features()}".encode()).hexdigest()[:12]
    folder = root / f"jax-{jax.__version__}-{jaxlib.__version__}-{processor}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (_is_private(root) and _is_private(folder)):
            return None
        prune(root)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_STORING)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    warnings.filterwarnings("ignore", message=_UNREADABLE)
    return folder


def compiled(lowered: Any, settings: dict[str, Any] | None, folder: Path | None) -> Any:
    """Compile, or fetch from the folder, without the options that this XLA turns out not to know."""
    try:
        return _compiled(lowered, settings, folder)
    except Exception:
        if not settings or not options.learn(settings, folder):
            raise
        return _compiled(lowered, options.known(settings), folder)


def _compiled(lowered: Any, settings: dict[str, Any] | None, folder: Path | None) -> Any:
    """Compile or fetch; what in the folder cannot be read is taken away, so that it is stored anew."""
    if folder is None:
        return lowered.compile(compiler_options=settings)
    with warnings.catch_warnings(record=True) as said:
        warnings.filterwarnings("always", message=_UNREADABLE)
        program = lowered.compile(compiler_options=settings)
    if any("reading" in str(warning.message) for warning in said):
        # JAX does not overwrite a file that is there, and does not say which one it was.
        for path, _ in _files(folder):
            _remove(path)
    for warning in said:
        if "persistent compilation cache" not in str(warning.message):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return program


def prune(root: Path, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
    """Delete what was used least recently where there is too much. Other processes may do the same meanwhile."""
    files = list(_files(root))
    size = sum(status.st_size for _, status in files)
    if len(files) <= most_files and size <= most_bytes:
        return
    files.sort(key=lambda file: max(file[1].st_atime, file[1].st_mtime), reverse=True)
    while files and (len(files) > 0.75 * most_files or size > 0.75 * most_bytes):
        path, status = files.pop()
        _remove(path)
        size -= status.st_size


def _files(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for folder, _, names in os.walk(root):
        for name in names:
            with contextlib.suppress(OSError):
                yield Path(folder, name), os.lstat(os.path.join(folder, name))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _is_private(folder: Path) -> bool:
    """Whether the folder is the user's, and no other may write into it; where it is the user's, that is seen to."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    if status.st_uid != os.getuid():
        return False
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(0o700)
    return True


def _processor_features() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        return platform.processor()

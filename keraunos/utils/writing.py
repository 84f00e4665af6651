"""Writes files whole or not at all, and says in one way why one cannot be written.

A file is written under another name in the same folder, brought to the disk,
and moved over the old one. The other name says that it is a temporary file of
ours, and its writer holds a lock on it: what a killed process left behind has
none, and is removed by the next writer in that folder.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from keraunos.utils.errors import ArgumentError, KeraunosError, WriteError

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be moved: temporary files are neither locked nor tidied up
    fcntl = None  # type: ignore[assignment]

__all__ = ["atomic_write", "new_folder", "on_disk", "write_file"]

# The ending stays the last part, since writers such as numpy.savez choose a format by it.
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{12}\.keraunos(\.[^.]*)?", re.DOTALL)
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder; move it over ``path`` when the block ends well.

    Whoever reads ``path`` sees the old content or the new, never a part: not
    after an exception in the block, nor after a loss of power.

    Args:
        path: The file to write. A link is followed; the permissions of a file that is replaced are kept.

    Raises:
        ArgumentError: The folder does not exist, or ``path`` is a folder.
        WriteError: The system refuses: the disk is full, or the folder not to be written to.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with atomic_write(path) as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> path.read_text()
    'all of it'
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ArgumentError(f"cannot write {str(path)!r}: it is a folder. Give the name of a file in it.")
    if not target.parent.is_dir():
        raise ArgumentError(f"cannot write {str(path)!r}: the folder {str(target.parent)!r} is not there. Create it.")
    with on_disk(path, replaces=True):
        _remove_abandoned(target.parent)
        with _temporary(target, _make_file) as temporary:
            if target.exists():
                shutil.copymode(target, temporary)
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, target)
        with contextlib.suppress(OSError):  # the folder may be one that we may only write to
            _flush_to_disk(target.parent)


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``target``, which replaces what was there when the block ends well.

    Raises:
        WriteError: The system refuses.
    """
    with on_disk(target, replaces=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        with _temporary(target, os.mkdir) as temporary:
            yield temporary
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            os.replace(temporary, target)


def write_file(path: str | os.PathLike[str], content: Any) -> None:
    """Write bytes as a file, whole or not at all.

    Args:
        path: The file.
        content: Bytes, or what has such a buffer; or a function that writes into an open binary file.

    Raises:
        ArgumentError, WriteError: As ``atomic_write``.
    """
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        if callable(content):
            content(file)
        else:
            file.write(content)


@contextlib.contextmanager
def on_disk(path: str | os.PathLike[str], *, replaces: bool = False) -> Iterator[None]:
    """Say what the system has against writing ``path`` as a ``WriteError``, which is an ``OSError`` too.

    Args:
        path: What messages call the file.
        replaces: Whether what was there before is still there.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, KeraunosError):
            raise
        raise _refusal(os.fspath(path), error, replaces) from error


def _refusal(path: str, error: OSError, replaces: bool) -> WriteError:
    reason = error.strerror or str(error) or type(error).__name__
    folder = os.path.dirname(os.path.abspath(path))
    kept = " The file that was there is as it was." if replaces and os.path.isfile(path) else ""
    if error.errno in _FULL:
        advice = f"Free some space, or write to another disk than that of {folder!r}."
    elif error.errno in _FORBIDDEN:
        advice = f"You may not write there; choose another folder than {folder!r}, or change its permissions."
    else:
        advice = "Choose another name or folder."
    refusal = WriteError(f"cannot write {path!r}: {reason}.{kept} {advice}")
    refusal.errno = error.errno
    return refusal


# --- temporary files ----------------------------------------------------------------------


def _make_file(path: Path) -> None:
    # O_EXCL: not a file that somebody else put there; and with the permissions that the umask allows.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


@contextlib.contextmanager
def _temporary(target: Path, make: Callable[[Path], Any]) -> Iterator[Path]:
    """A new file or folder beside ``target``, locked; gone after the block unless it was moved."""
    while True:
        # 255 bytes are the longest name, and a letter has up to four.
        path = target.with_name(f".{target.stem[:30]}.{secrets.token_hex(6)}.keraunos{target.suffix[:20]}")
        make(path)
        lock = _locked(path)
        if path.exists():
            break
        _unlock(lock)  # Somebody took it for abandoned before it was locked.
    try:
        yield path
    finally:
        _remove(path)
        _unlock(lock)


def _locked(path: Path, *, wait: bool = True) -> int | None:
    """Descriptor that holds a lock on a file or folder; ``None`` where there is no lock to be had."""
    if fcntl is None:
        return None
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            # Shared memory and networks apart, the system gives the lock up when its process ends, however it ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files of ours whose writer is no more."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if _TEMPORARY.fullmatch(entry.name)]:
            lock = _locked(path, wait=False)
            if lock is not None:
                if stat.S_IFMT(os.fstat(lock).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                    _remove(path)
                _unlock(lock)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Not every system can open a folder, and not every file system can sync: the write is whole all the same.
        # But some find out only now that there is no room.
        if error.errno in _FULL or error.errno == errno.EIO:
            raise

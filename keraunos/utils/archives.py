"""Unpacks tar and zip archives without trust: names and bytes are all that they decide on, and of both not too much."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from keraunos.utils.errors import ArgumentError, DownloadError
from keraunos.utils.text import suggestion
from keraunos.utils.untrusted import advice, guarded, limits, shortened
from keraunos.utils.writing import new_folder

__all__ = ["extract_archive", "known_formats"]

LARGEST_EXTRACTED = 32 << 30
MOST_MEMBERS = 1_000_000
_DEEPEST = 64  # folders inside of each other
_BLOCK = 1 << 16  # bytes read at once; no header of an honest archive is longer
_MOST_SETTINGS = 1000  # that a tar archive makes for all its members
# How each form of compression begins, and what undoes it.
_COMPRESSIONS: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"]\0\0", lzma.open),
)


def extract_archive(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], archive_format: str | list[str] | None = "auto"
) -> None:
    """Unpack a tar or zip archive into ``folder``, which replaces what was there once all is unpacked.

    Only plain files and folders under ``folder`` are made. An archive with
    anything else (absolute names, ``..``, links, devices, one name twice) is
    refused whole.

    Args:
        path: The archive.
        folder: Folder to make.
        archive_format: ``"tar"``, ``"zip"``, ``"auto"``, or a list.

    Raises:
        ArgumentError: An unknown ``archive_format``.
        DownloadError: The archive is not there, damaged, unsafe, too large, or of another format.
        WriteError: The system refuses to write what is in it.
    """
    path, folder = Path(path), Path(folder)
    formats = known_formats(archive_format)
    if not path.is_file():
        raise DownloadError(f"there is no archive {str(path)!r}.")
    with new_folder(folder) as temporary, contextlib.ExitStack() as stack:
        size = path.stat().st_size
        with _guarded(path):
            members = _members(path, formats, stack)
        _Unpacking(path, size, temporary).write(members)


def known_formats(archive_format: str | list[str] | None) -> list[str]:
    """Formats that an ``archive_format`` means.

    Raises:
        ArgumentError: It names another.
    """
    if archive_format == "auto":
        return ["tar", "zip"]
    formats = [archive_format] if isinstance(archive_format, str) else archive_format or []
    for name in formats:
        if name not in ("tar", "zip"):
            raise ArgumentError(f"archive_format is {name!r}.{suggestion(name, ('auto', 'tar', 'zip'))}")
    return formats


class _Member(NamedTuple):
    name: str
    kind: str
    size: int
    source: IO[bytes] | None


def _guarded(path: Path) -> contextlib.AbstractContextManager[None]:
    return guarded(f"{path.name}: the archive is damaged", f"Delete {str(path)!r}.", DownloadError)


def _members(path: Path, formats: list[str], stack: contextlib.ExitStack) -> Iterator[_Member]:
    """The members of an archive of one of the formats, one after the other."""
    if "tar" in formats:
        with contextlib.suppress(tarfile.ReadError, EOFError, OSError, lzma.LZMAError):
            content = stack.enter_context(_content(path))
            archive = stack.enter_context(tarfile.TarFile(fileobj=content))  # type: ignore[arg-type]
            return _of_tar(archive, content)
    if "zip" in formats and zipfile.is_zipfile(path):
        return _of_zip(stack.enter_context(zipfile.ZipFile(path)))
    raise DownloadError(f"{path.name}: not an archive of the expected format ({' or '.join(formats) or 'none'}).")


def _of_tar(archive: tarfile.TarFile, content: "_Measured") -> Iterator[_Member]:
    for member in archive:
        content.in_header = False
        if len(archive.pax_headers) > _MOST_SETTINGS:
            raise ValueError("it has thousands of settings for all its members")
        kind = "file" if member.isreg() else "folder" if member.isdir() else "other"
        yield _Member(member.name, kind, member.size, archive.extractfile(member) if kind == "file" else None)
        content.in_header = True


def _of_zip(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for member in archive.infolist():
        kind = "folder" if member.is_dir() else "file"
        if member.external_attr >> 28 not in (0, 0o04, 0o10):  # the type of file, where a Unix system wrote it
            kind = "other"
        yield _Member(member.filename, kind, member.file_size, archive.open(member) if kind == "file" else None)


class _Unpacking:
    """Writes members into files that it opens itself.

    Args:
        archive: The archive.
        size: Its bytes, on which depends how much may come out of it.
        folder: Where to write.
    """

    def __init__(self, archive: Path, size: int, folder: Path) -> None:
        self._archive, self._folder = archive, folder
        self._most_bytes = min(LARGEST_EXTRACTED, 4 * limits().expansion_floor + limits().expansion * size)
        self._most_files = min(MOST_MEMBERS, 1000 + size // 200)
        self._folders = {folder}

    def write(self, members: Iterator[_Member]) -> None:
        """Write all of them."""
        total = 0
        for count in range(self._most_files + 1):
            with _guarded(self._archive):
                member = next(members, None)
            if member is None:
                return
            total += member.size  # no more bytes than a member declares are ever read from it
            if total > self._most_bytes or count == self._most_files or len(self._folders) > self._most_files:
                self._refuse(
                    f"unpacks to more than {self._most_bytes:,} bytes or {self._most_files:,} files; refused. "
                    f"{advice('expansion')}"
                )
            self._write(member)

    def _write(self, member: _Member) -> None:
        name = shortened(member.name, 100)
        if member.kind == "other":
            self._refuse(f"{name!r} is a link or a device; refused. Nothing was unpacked.")
        target = self._folder / self._safe(member.name, name)
        try:
            self._make(target if member.source is None else target.parent)
            if member.source is not None:
                with member.source, open(target, "xb") as file:
                    while block := self._read(member.source):
                        file.write(block)
        except (FileExistsError, NotADirectoryError):
            self._refuse(f"{name!r} is there twice; refused. Nothing was unpacked.")

    def _make(self, folder: Path) -> None:
        if folder not in self._folders:
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            self._folders.add(folder)

    def _read(self, source: IO[bytes]) -> bytes:
        with _guarded(self._archive):
            return source.read(_BLOCK)

    def _safe(self, member: str, name: str) -> Path:
        """Path of a member inside of the folder."""
        parts = [part for part in member.split("/") if part not in ("", ".")]
        outside = member.startswith("/") or ".." in parts or re.search(r"[\\\0]|^[A-Za-z]:", member)
        if outside or len(member) > 1000 or len(parts) > _DEEPEST:
            self._refuse(f"{name!r} lies outside the folder; refused. Nothing was unpacked.")
        with _guarded(self._archive):
            if any(len(os.fsencode(part)) > 255 for part in parts):
                raise ValueError(f"no file can be called {name!r}")
        return Path(*parts)

    def _refuse(self, what: str) -> None:
        raise DownloadError(f"{self._archive.name}: {what}")


@contextlib.contextmanager
def _content(path: Path) -> Iterator["_Measured"]:
    """The content of a file, unpacked where it is compressed."""
    with open(path, "rb") as file:
        start = file.read(6)
        file.seek(0)
        undo = next((undo for mark, undo in _COMPRESSIONS if start.startswith(mark)), None)
        with contextlib.ExitStack() as stack:
            inner = file if undo is None else stack.enter_context(undo(file))
            yield _Measured(inner, os.fstat(file.fileno()).st_size)


class _Measured(io.RawIOBase):
    """A stream that is read in small pieces, up to a bound: a header cannot claim that it is a gigabyte long.

    Args:
        inner: The stream.
        size: Bytes of the file that it comes from.
    """

    def __init__(self, inner: IO[bytes], size: int) -> None:
        super().__init__()
        self._inner, self.in_header = inner, True
        self._headers = (1 << 22) + 8 * size  # bytes of headers that are left
        self._most = min(LARGEST_EXTRACTED, 4 * limits().expansion_floor + limits().expansion * size) + (1 << 24)

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes."""
        if not 0 <= size <= _BLOCK:
            raise ValueError(f"a part of {size} bytes where a header is expected")
        self._headers -= size if self.in_header else 0
        if self._headers < 0:
            raise ValueError("its headers are longer than those of an archive of its size should be")
        return self._inner.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        if whence == 0 and offset > self._most:
            raise ValueError(f"it goes on beyond {self._most:,} bytes. {advice('expansion')}")
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._inner.tell()

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

"""Files that are fetched once, with a checksum, and kept."""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keraunos.utils import config
from keraunos.utils.archives import extract_archive, known_formats
from keraunos.utils.errors import ArgumentError, DownloadError, KeraunosError
from keraunos.utils.spelling import spelled
from keraunos.utils.text import suggestion
from keraunos.utils.writing import atomic_write

LARGEST_DOWNLOAD = 8 << 30
_BLOCK = 1 << 20
_TIMEOUT = 60  # seconds without a byte


@spelled
def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | list[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    *,
    beside: bool = False,
) -> str:
    """Path of a file that is fetched from ``origin`` unless it is in the cache already.

    Without ``cache_dir``, the file is looked for in ``KERAUNOS_HOME`` (else
    ``~/.keraunos``), in ``KERAS_HOME`` and in ``~/.keras``, and kept in the first.
    Nothing is ever written into a folder of Keras.

    Args:
        fname: Name to keep the file under; by default the last part of ``origin``.
        origin: ``https``, ``http`` or ``file`` address.
        untar: Older spelling of ``extract`` for tar archives.
        md5_hash: Older spelling of ``file_hash``.
        file_hash: SHA-256 or MD5 that the file must have, in hexadecimal.
        cache_subdir: Folder inside the cache; an absolute one stands for itself.
        hash_algorithm: ``"sha256"``, ``"md5"``, or ``"auto"``: judged by the length of ``file_hash``.
        extract: Whether to unpack the archive, and return the folder.
        archive_format: ``"tar"``, ``"zip"``, ``"auto"`` for either, a list of them, or None for not at all.
        cache_dir: Folder to use in place of all those above.
        force_download: Fetch even if the file is there.
        beside: Whether the path of an unpacked archive is the one that has the contents beside it, as in Keras 1
            and 2: the archive's own name, or with ``untar`` that of the folder it may hold.

    Raises:
        ArgumentError: No origin, a name with a folder in it, an unknown algorithm or format.
        DownloadError: The file cannot be fetched, has another checksum, is too large, or is an unsafe archive.

    >>> import tempfile
    >>> source = Path(tempfile.mkdtemp()) / "words.txt"
    >>> _ = source.write_text("one two")
    >>> path = get_file(origin=source.as_uri(), cache_dir=tempfile.mkdtemp())
    >>> Path(path).read_text()
    'one two'
    """
    if origin is None:
        raise ArgumentError("get_file: origin is missing. Give the address of the file, such as origin='https://...'.")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    formats = known_formats("tar" if untar else archive_format)
    algorithm = _algorithm(hash_algorithm, file_hash)
    unpack = extract or untar
    archive = wanted = _file_name(fname, origin)
    if unpack and fname and "." in archive:
        wanted = archive.split(".")[0] + "_extracted"
    elif unpack:
        archive = f"{wanted}_archive"

    roots = [Path(cache_dir).expanduser()] if cache_dir is not None else cache_folders()
    if not force_download:
        for root in roots:
            present = root / cache_subdir / wanted
            if present.is_dir() if unpack else _matches(present, algorithm, file_hash):
                return _beside(present, fname, root / cache_subdir / archive, untar) if beside else str(present)

    home = roots[0] / cache_subdir
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"cannot make the cache folder {str(home)!r}: {error.strerror}. "
            "Set KERAUNOS_HOME to a folder that you may write to."
        ) from error
    # Keras 1 and 2 kept what they would untar under a longer name.
    kept = [root / cache_subdir / name for root in roots for name in (archive, f"{archive}.tar.gz")[: 1 + untar]]
    fetched = next((path for path in kept if not force_download and _matches(path, algorithm, file_hash)), None)
    if fetched is None:
        fetched = home / archive
        _download(origin, fetched, algorithm, file_hash)
    if unpack:
        extract_archive(fetched, home / wanted, formats)
    return _beside(home / wanted, fname, fetched, untar) if beside else str(home / wanted)


def _beside(found: Path, fname: Any, archive: Path, untar: bool) -> str:
    """A path inside the folder of an unpacked archive, so that its ``dirname`` is that folder."""
    if not found.is_dir():
        return str(found)
    path = found / (Path(fname).name if fname else archive.name)
    if not untar and not path.exists() and archive.is_file():
        with contextlib.suppress(OSError):
            os.link(archive, path)
    return str(path)


def cache_folders() -> list[Path]:
    """Folders that may hold a data set already: our own first, then those of Keras."""
    keras = [Path(os.environ["KERAS_HOME"])] if os.environ.get("KERAS_HOME") else []
    return list(dict.fromkeys([config.home(), *keras, Path.home() / ".keras"]))


def find_cached(*names: str, subdir: str = "datasets") -> Path | None:
    """First of ``names`` (paths under ``subdir``) that a cache folder holds, or None."""
    present = (root / subdir / name for root in cache_folders() for name in names)
    return next((path for path in present if path.exists()), None)


def file_digest(path: str | os.PathLike[str], algorithm: str = "sha256") -> str:
    """Checksum of a file in hexadecimal, by SHA-256 or MD5."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


# --- fetching ---


def _download(origin: str, target: Path, algorithm: str, file_hash: str | None) -> None:
    print(f"Downloading data from {origin}", file=sys.stderr)
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    with atomic_write(target) as temporary, open(temporary, "wb") as file:
        for block in _fetched(origin, target):
            hasher.update(block)
            file.write(block)
        if file_hash is not None and hasher.hexdigest() != file_hash.lower():
            raise DownloadError(
                f"{origin}: the file has {algorithm} {hasher.hexdigest()}, expected {file_hash}. "
                "It was not kept: either the download is damaged, or the file there is another one now."
            )


def _fetched(origin: str, target: Path) -> Iterator[bytes]:
    """The content piece by piece; whatever goes wrong on the way is a ``DownloadError``."""
    try:
        with _open(origin) as source:
            declared = int(source.headers.get("Content-Length") or -1)
            _check_size(declared, origin)
            received = 0
            while block := source.read(_BLOCK):
                received += len(block)
                _check_size(received, origin)
                yield block
                _show_progress(received, declared)
            if 0 <= declared != received:
                raise DownloadError(
                    f"{origin}: the download ended after {received:,} of {declared:,} bytes. Try again."
                )
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{origin}: the server answered {error.code} {error.reason}.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, KeraunosError):
            raise
        reason = getattr(error, "reason", error)
        raise DownloadError(
            f"{origin}: cannot be fetched ({reason}). Check the network, or put the file at {str(target)!r} yourself."
        ) from error


def _open(origin: str) -> Any:
    scheme = _scheme(origin)
    request = urllib.request.Request(origin, headers={"User-Agent": "keraunos"})
    response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    if scheme == "https" and _scheme(response.geturl()) != "https":
        response.close()
        raise DownloadError(f"{origin}: the server sends us on to {response.geturl()!r}, which is not encrypted.")
    return response


def _scheme(origin: str) -> str:
    scheme = urllib.parse.urlsplit(origin).scheme.lower()
    if scheme not in ("https", "http", "file"):
        raise ArgumentError(f"origin is {origin!r}; expected an address that begins with https:, http: or file:.")
    return scheme


def _check_size(size: int, origin: str) -> None:
    if size > LARGEST_DOWNLOAD:
        raise DownloadError(
            f"{origin}: {size:,} bytes or more, and the limit is {LARGEST_DOWNLOAD:,}. Fetch the file by other means."
        )


def _show_progress(received: int, declared: int) -> None:
    if sys.stderr.isatty():
        whole = f" of {declared / 1e6:.1f}" if declared > 0 else ""
        end = "\n" if received == declared else ""
        print(f"\r{received / 1e6:8.1f}{whole} MB", end=end, file=sys.stderr, flush=True)


def _file_name(fname: str | os.PathLike[str] | None, origin: str) -> str:
    name = os.fspath(fname) if fname else Path(urllib.parse.unquote(urllib.parse.urlsplit(origin).path)).name
    if not name:
        raise ArgumentError(f"origin {origin!r} does not end in a file name. Give one by fname=.")
    if re.search(r"[/\\\0]", name) or name in (".", ".."):
        raise ArgumentError(f"fname is {name!r}; expected a name without a folder. Give the folder by cache_dir=.")
    return name


def _algorithm(algorithm: str, file_hash: str | None) -> str:
    if algorithm not in ("auto", "sha256", "md5"):
        raise ArgumentError(f"hash_algorithm is {algorithm!r}.{suggestion(algorithm, ('auto', 'sha256', 'md5'))}")
    digits = {"sha256": 64, "md5": 32}
    if file_hash is None:
        return "sha256"
    length = len(file_hash)
    fitting = [name for name, size in digits.items() if size == length and algorithm in ("auto", name)]
    if not fitting:
        raise ArgumentError(
            f"file_hash has {length} characters; expected 64 hexadecimal digits for SHA-256 or 32 for MD5"
            + (f", and hash_algorithm is {algorithm!r}." if algorithm != "auto" else ".")
        )
    return fitting[0]


def _matches(path: Path, algorithm: str, file_hash: str | None) -> bool:
    return path.is_file() and (file_hash is None or file_digest(path, algorithm) == file_hash.lower())

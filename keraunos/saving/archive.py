"""Reads and writes ``.keras`` archives: a zip of three members, read in place and never unpacked to disk."""

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from keraunos.utils.errors import ModelFileError
from keraunos.utils.untrusted import advice, guarded, limits

MEMBERS = {"metadata.json": 1 << 20, "config.json": 1 << 24, "model.weights.h5": 1 << 36}
MAX_EXPANSION = 100
_ASSET = re.compile(r"assets/(\d{1,9}|[A-Za-z0-9_]{1,64}(/[A-Za-z0-9_]{1,64}){0,8})")
_FLOOR = 1 << 16


def read_archive(data: bytes, name: str, wanted: Iterable[str] = MEMBERS) -> dict[str, bytes]:
    """Content of the wanted members of a ``.keras`` file, after all rules have been checked for all of them.

    Args:
        data: The whole file.
        name: What messages call it.
        wanted: Names of members; those that are not there are left out.

    Raises:
        ModelFileError: It is no zip, is cut short, or has a member that such a file never has.
    """
    with (
        guarded(f"{name} is not a whole .keras archive", "Save or download it again."),
        zipfile.ZipFile(io.BytesIO(data)) as archive,
    ):
        infos = archive.infolist()
        _check_members(infos, data, name)
        chosen = [info for info in infos if info.filename in wanted]
        unpacked = sum(info.file_size for info in chosen)
        if unpacked > limits().unpacked(len(data)):
            raise ModelFileError(
                f"{name}: its {len(data)} bytes unpack to {unpacked}: a decompression bomb. {advice('expansion')}"
            )
        return {info.filename: _read_member(archive, info, name) for info in chosen}


def write_archive(file: IO[bytes], members: Mapping[str, bytes | memoryview]) -> None:
    """Write members, uncompressed as Keras does, to a binary file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # type: ignore[arg-type]  # a buffer is as good as bytes


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Whole content of an ordinary file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelFileError(f"{path} is not an ordinary file; pass the path of a .keras or .h5 file.")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"there is no file {path}. Check the path; the working folder is {os.getcwd()}.") from None
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}.") from None


def _check_members(infos: list[zipfile.ZipInfo], data: bytes, name: str) -> None:
    seen: set[str] = set()
    spans: list[tuple[int, int]] = []
    if len(infos) > 10_000:
        raise ModelFileError(f"{name}: the archive has {len(infos)} members; a .keras file has three.")
    for info in infos:
        member = info.orig_filename
        problem = _problem(info, member, seen)
        if problem:
            raise ModelFileError(
                f"{name}: the archive member {member!r} {problem}. It is not a .keras file, or was tampered with."
            )
        seen.add(member)
        # The local header must repeat what the directory says, and no two members may share bytes.
        header = data[info.header_offset : info.header_offset + 30]
        length, extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
        start = info.header_offset + 30
        if header[:4] != b"PK\x03\x04" or data[start : start + length] != member.encode("utf-8"):
            raise ModelFileError(
                f"{name}: the archive is damaged: the header of {member!r} does not match its directory."
            )
        spans.append((info.header_offset, start + length + extra + info.compress_size))
    spans.sort()
    for (_, end), (start, _) in zip(spans, [*spans[1:], (len(data), 0)], strict=True):
        if end > start:
            raise ModelFileError(
                f"{name}: members of the archive overlap. It was made to exhaust memory, or is damaged."
            )
    missing = [member for member in MEMBERS if member not in seen and member != "metadata.json"]
    if missing:
        raise ModelFileError(f"{name}: the archive has no {' and no '.join(missing)}; it is not a .keras model file.")


def _problem(info: zipfile.ZipInfo, member: str, seen: set[str]) -> str:
    """What is wrong with one member, or an empty text."""
    limit = MEMBERS.get(member, 1 << 30 if _ASSET.fullmatch(member) else None)
    mode = info.external_attr >> 16
    if "\0" in member or "\\" in member or ":" in member or member.startswith("/") or ".." in member.split("/"):
        return "has a path that leaves the archive"
    if mode and stat.S_ISLNK(mode):
        return "is a symbolic link"
    if limit is None or info.is_dir():
        return "is not part of the format (config.json, metadata.json, model.weights.h5)"
    if member in seen:
        return "is there twice"
    if info.flag_bits & 0x41:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"uses compression method {info.compress_type}; only stored and deflated members are read"
    if info.file_size > limit:
        return f"declares {info.file_size} bytes; at most {limit} are allowed"
    if info.file_size > max(_FLOOR, MAX_EXPANSION * info.compress_size):
        return f"declares {info.file_size} bytes but stores {info.compress_size}: a decompression bomb"
    return ""


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    # The size is counted while reading: the header only claims it.
    with archive.open(info) as member:
        content: Any = member.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise ModelFileError(
            f"{name}: the archive member {info.filename!r} has {len(content)} bytes, not {info.file_size}."
        )
    return bytes(content)

"""Files: written whole or not at all, fetched once with a checksum, unpacked without trust."""

import bz2
import contextlib
import hashlib
import http.server
import io
import os
import resource
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from keraunos.utils import archives, files
from keraunos.utils.errors import ArgumentError, DownloadError
from keraunos.utils.files import extract_archive, file_digest, find_cached, get_file
from keraunos.utils.untrusted import file_limits
from keraunos.utils.writing import atomic_write


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty cache folder, and no folder of Keras."""
    monkeypatch.setenv("KERAUNOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    return tmp_path / "home"


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("one two")
    return path


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- atomic writing ---


def test_a_write_that_ends_well_replaces_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == ["a.txt"]


def test_the_temporary_file_keeps_the_ending(tmp_path):
    with atomic_write(tmp_path / "a.weights.npz") as temporary:
        np.savez(temporary, x=np.ones(2))
    with np.load(tmp_path / "a.weights.npz") as saved:
        assert saved["x"].tolist() == [1, 1]


def test_a_new_file_has_the_permissions_of_the_umask_and_a_replaced_one_keeps_its_own(tmp_path):
    previous = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new"):
            pass
    finally:
        os.umask(previous)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    (tmp_path / "new").chmod(0o604)
    with atomic_write(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o604


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_missing_folder_is_told(tmp_path):
    with (
        pytest.raises(ArgumentError, match=r"the folder '.*nowhere' is not there. Create it."),
        atomic_write(tmp_path / "nowhere" / "a"),
    ):
        pass


def test_a_folder_cannot_be_written(tmp_path):
    with pytest.raises(ArgumentError, match="it is a folder. Give the name of a file in it."), atomic_write(tmp_path):
        pass


@pytest.mark.parametrize("name", ["a.b.weights.h5", "a", "\N{GRINNING FACE}" * 60 + ".h5"])
def test_what_killed_processes_left_behind_is_removed_by_the_next_write(tmp_path, name):
    """Each child is killed in the middle of a write; one is still at it."""
    at_work = """
import os, sys, time
from keraunos.utils.writing import atomic_write, new_folder
with (new_folder if sys.argv[2] == "folder" else atomic_write)(__import__("pathlib").Path(sys.argv[1])) as temporary:
    print(temporary, flush=True)
    time.sleep(100)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", at_work, tmp_path / name, kind], stdout=subprocess.PIPE)
        for kind in ("file", "folder", "file")
    ]
    made = [Path(os.fsdecode(process.stdout.readline().rstrip(b"\n"))) for process in processes]
    for process in processes[:2]:
        process.kill()
        process.wait()
    mine = [".a.keras", ".a.0123456789ab.keras", ".keraunos", ".a.0123456789ab.keraunos.d.keras", "b.keraunos"]
    for kept in mine:
        (tmp_path / kept).write_text("")
    assert all(path.exists() for path in made)
    with atomic_write(tmp_path / name):
        pass
    assert leftovers(tmp_path) == sorted([*mine, made[2].name, name])
    processes[2].kill()
    processes[2].wait()
    with atomic_write(tmp_path / "other"):
        pass
    assert leftovers(tmp_path) == sorted([*mine, name, "other"])
    for process in processes:
        process.stdout.close()


def test_a_process_that_writes_keeps_its_file_while_others_write(tmp_path):
    with atomic_write(tmp_path / "a") as first, atomic_write(tmp_path / "b") as second:
        first.write_text("1")
        second.write_text("2")
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["1", "2"]


# --- fetching ---


def test_a_file_is_fetched_once(home, source, capsys):
    path = get_file(origin=source.as_uri())
    assert path == str(home / "datasets" / "words.txt")
    assert Path(path).read_text() == "one two"
    assert f"Downloading data from {source.as_uri()}" in capsys.readouterr().err
    source.write_text("changed")
    assert Path(get_file(origin=source.as_uri())).read_text() == "one two"
    assert capsys.readouterr().err == ""
    assert Path(get_file(origin=source.as_uri(), force_download=True)).read_text() == "changed"


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_the_right_checksum_passes(home, source, algorithm):
    digest = file_digest(source, algorithm)
    assert digest == hashlib.new(algorithm, b"one two").hexdigest()
    assert Path(get_file("a", source.as_uri(), file_hash=digest.upper(), hash_algorithm=algorithm)).is_file()
    assert Path(get_file("b", source.as_uri(), file_hash=digest)).is_file()
    if algorithm == "md5":
        assert Path(get_file("c", source.as_uri(), md5_hash=digest)).is_file()


def test_a_wrong_checksum_keeps_nothing(home, source):
    with pytest.raises(DownloadError, match=r"the file has sha256 [0-9a-f]{64}, expected 0{64}. It was not kept"):
        get_file("a", source.as_uri(), file_hash="0" * 64)
    assert leftovers(home / "datasets") == []


def test_a_cached_file_with_another_checksum_is_fetched_again(home, source):
    (home / "datasets").mkdir(parents=True)
    (home / "datasets" / "words.txt").write_text("damaged")
    path = get_file(origin=source.as_uri(), file_hash=file_digest(source))
    assert Path(path).read_text() == "one two"


@pytest.mark.parametrize("folder", ["user/.keras", "keras"])
def test_a_file_in_a_folder_of_keras_is_used_and_never_written(home, source, tmp_path, monkeypatch, folder):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    theirs = tmp_path / folder / "datasets" / "words.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    assert get_file(origin=source.as_uri()) == str(theirs)
    assert find_cached("nothing", "words.txt") == theirs
    assert get_file(origin=source.as_uri(), file_hash=file_digest(source)) == str(home / "datasets" / "words.txt")
    assert theirs.read_text() == "theirs"


def test_cache_dir_and_cache_subdir_choose_the_folder(home, source, tmp_path):
    path = get_file("a.txt", source.as_uri(), cache_dir=tmp_path / "mine", cache_subdir="deep/er")
    assert path == str(tmp_path / "mine" / "deep" / "er" / "a.txt")
    assert find_cached("a.txt") is None


def test_no_origin_is_told():
    with pytest.raises(ArgumentError, match="origin is missing. Give the address of the file"):
        get_file("a.txt")


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", "a\0b"])
def test_a_name_with_a_folder_is_refused(home, source, name):
    with pytest.raises(ArgumentError, match="expected a name without a folder. Give the folder by cache_dir="):
        get_file(name, source.as_uri())


def test_an_origin_without_a_name_is_told(home):
    with pytest.raises(ArgumentError, match="does not end in a file name. Give one by fname="):
        get_file(origin="https://example.org/")


@pytest.mark.parametrize("origin", ["ftp://example.org/a", "/etc/passwd", "data:,a"])
def test_other_kinds_of_address_are_refused(home, origin):
    with pytest.raises(ArgumentError, match="expected an address that begins with https:, http: or file:"):
        get_file("a", origin)


def test_an_unknown_algorithm_or_length_is_told(home, source):
    with pytest.raises(ArgumentError, match="hash_algorithm is 'sha265'. Did you mean 'sha256'?"):
        get_file("a", source.as_uri(), hash_algorithm="sha265")
    with pytest.raises(ArgumentError, match="file_hash has 3 characters; expected 64 hexadecimal digits"):
        get_file("a", source.as_uri(), file_hash="abc")
    with pytest.raises(ArgumentError, match="file_hash has 32 characters.*and hash_algorithm is 'sha256'"):
        get_file("a", source.as_uri(), file_hash="0" * 32, hash_algorithm="sha256")


def test_a_missing_source_is_told_with_the_place_to_put_it(home):
    with pytest.raises(DownloadError, match=r"cannot be fetched \(.*\). Check the network, or put the file at '.*a'"):
        get_file("a", (home / "no such file").as_uri())
    assert leftovers(home / "datasets") == []


def test_a_file_over_the_limit_is_refused(home, source, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_DOWNLOAD", 3)
    with pytest.raises(DownloadError, match="7 bytes or more, and the limit is 3. Fetch the file by other means"):
        get_file("a", source.as_uri())
    assert leftovers(home / "datasets") == []


def test_a_home_that_cannot_be_made_is_told(tmp_path, monkeypatch, source):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAUNOS_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match=r"cannot make the cache folder .* Set KERAUNOS_HOME to a folder"):
        get_file("never-seen.txt", source.as_uri())


@contextlib.contextmanager
def server(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """A server on this machine that gives one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/words.txt"
        finally:
            running.shutdown()
            thread.join()


def test_a_file_comes_over_http(home):
    with server(200, {"Content-Length": "7"}, b"one two") as origin:
        assert Path(get_file(origin=origin)).read_bytes() == b"one two"


def test_a_short_download_keeps_nothing(home):
    with (
        server(200, {"Content-Length": "70"}, b"one two") as origin,
        pytest.raises(DownloadError, match="the download ended after 7 of 70 bytes. Try again."),
    ):
        get_file(origin=origin)
    assert leftovers(home / "datasets") == []


def test_a_refusal_by_the_server_is_told(home):
    with server(404, {}, b"") as origin, pytest.raises(DownloadError, match="the server answered 404 Not Found"):
        get_file(origin=origin)


# --- unpacking ---


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_a_tar_archive_is_fetched_and_unpacked(home, tmp_path):
    archive = tar_of(tmp_path / "set.tar.gz", (member("set", tarfile.DIRTYPE), b""), (member("./set/a.txt"), b"one"))
    digest = file_digest(archive)
    folder = Path(get_file("set-target", archive.as_uri(), extract=True, file_hash=digest))
    assert folder == home / "datasets" / "set-target"
    assert (folder / "set" / "a.txt").read_bytes() == b"one"
    archive.unlink()
    assert get_file("set-target", archive.as_uri(), extract=True, file_hash=digest) == str(folder)


def test_the_folder_is_named_as_keras_names_it(home, tmp_path):
    archive = tar_of(tmp_path / "set.tar.gz", (member("a.txt"), b"one"))
    assert Path(get_file("my.tar.gz", archive.as_uri(), untar=True)).name == "my_extracted"
    assert Path(get_file(origin=archive.as_uri(), extract=True)).name == "set.tar.gz"


def test_an_archive_that_keras_kept_is_unpacked_into_our_folder(home, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    theirs = tmp_path / "keras" / "datasets" / "words.tgz.tar.gz"  # what Keras 1 and 2 made of the name words.tgz
    theirs.parent.mkdir(parents=True)
    tar_of(theirs, (member("a.txt"), b"one"))
    folder = Path(get_file("words.tgz", "https://nowhere.invalid/words.tgz", untar=True))
    assert folder == home / "datasets" / "words_extracted"
    assert (folder / "a.txt").read_bytes() == b"one"
    assert list(theirs.parent.iterdir()) == [theirs]


def test_a_zip_archive_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("deep") if hasattr(archive, "mkdir") else None
        archive.writestr("deep/a.txt", "one")
    extract_archive(tmp_path / "a.zip", tmp_path / "out", "zip")
    assert (tmp_path / "out" / "deep" / "a.txt").read_text() == "one"


@pytest.mark.parametrize(
    "hostile, words",
    [
        (member("../evil"), "lies outside the folder"),
        (member("a/../../evil"), "lies outside the folder"),
        (member("/evil"), "lies outside the folder"),
        (member("a\\..\\evil"), "lies outside the folder"),
        (member("C:evil"), "lies outside the folder"),
        (member("evil", tarfile.SYMTYPE, "/etc"), "is a link or a device"),
        (member("evil", tarfile.LNKTYPE, "good"), "is a link or a device"),
        (member("evil", tarfile.FIFOTYPE), "is a link or a device"),
        (member("evil", tarfile.CHRTYPE), "is a link or a device"),
        (member("good"), "is there twice"),
        (member("good/evil"), "is there twice"),
    ],
    ids=lambda value: value.name if isinstance(value, tarfile.TarInfo) else "",
)
def test_a_hostile_tar_archive_is_refused_whole(tmp_path, hostile, words):
    archive = tar_of(tmp_path / "a.tar.gz", (member("good"), b"good"), (hostile, b""))
    with pytest.raises(DownloadError, match=f"a.tar.gz: .*{words}"):
        extract_archive(archive, tmp_path / "in" / "out")
    assert leftovers(tmp_path) == ["a.tar.gz", "in"]
    assert leftovers(tmp_path / "in") == []


@pytest.mark.parametrize("name", ["../evil", "/evil", "link"])
def test_a_hostile_zip_archive_is_refused_whole(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo(name)
        if name == "link":
            info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DownloadError, match="a.zip: .*refused. Nothing was unpacked."):
        extract_archive(tmp_path / "a.zip", tmp_path / "out")
    assert leftovers(tmp_path) == ["a.zip"]


def test_an_archive_that_grows_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_EXTRACTED", 1000)
    archive = tar_of(tmp_path / "a.tar.gz", (member("zeros"), bytes(2000)))
    with pytest.raises(DownloadError, match="unpacks to more than 1,000 bytes"):
        extract_archive(archive, tmp_path / "out")
    assert leftovers(tmp_path) == ["a.tar.gz"]


def test_a_truncated_archive_is_told(tmp_path):
    archive = tar_of(tmp_path / "a.tar.gz", (member("noise"), os.urandom(5000)))
    archive.write_bytes(archive.read_bytes()[:3000])
    with pytest.raises(DownloadError, match=r"the archive is damaged \(.*\). Delete '.*a.tar.gz'"):
        extract_archive(archive, tmp_path / "out")
    assert leftovers(tmp_path) == ["a.tar.gz"]


def test_what_is_no_archive_is_told(tmp_path, source):
    with pytest.raises(DownloadError, match=r"not an archive of the expected format \(tar or zip\)"):
        extract_archive(source, tmp_path / "out")
    with pytest.raises(ArgumentError, match="archive_format is 'tarr'. Did you mean 'tar'?"):
        extract_archive(source, tmp_path / "out", "tarr")


# --- what an archive may cost ---


def packed(path: Path, content: bytes) -> Path:
    path.write_bytes(bz2.compress(content, 9))
    return path


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def header(name: str, kind: bytes, size: int) -> bytes:
    info = member(name, kind)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("pax", kind, len(records)) + records + bytes(-len(records) % 512)


SETTINGS = b"".join(b"%2d %05d=x\n" % (11, number) for number in range(5000))
COSTLY = {
    "a file of zeros": lambda p: tar_of(p, (member("zeros"), bytes(8_000_000))),
    "a zip of zeros": lambda p: zipped(p, *((f"z{number}", bytes(1_000_000)) for number in range(8))),
    "a header of a gigabyte": lambda p: packed(p, header("x", tarfile.XHDTYPE, 1 << 30) + bytes(8_000_000)),
    "a name of a gigabyte": lambda p: packed(p, header("x", tarfile.GNUTYPE_LONGNAME, 1 << 30) + bytes(8_000_000)),
    "settings for all": lambda p: packed(p, pax(SETTINGS, tarfile.XGLTYPE) * 50 + header("a", b"0", 0) * 20_000),
    "settings for each": lambda p: packed(p, (pax(SETTINGS) + header("a", b"0", 0)) * 100),
    "names one after the other": lambda p: packed(p, header("x", tarfile.GNUTYPE_LONGNAME, 100) * 50_000),
    "thousands of files": lambda p: packed(p, b"".join(header(f"{number}", b"0", 0) for number in range(3000))),
    "folders in folders": lambda p: zipped(p, ("a/" * 400 + "b", b"")),
    "folders upon folders": lambda p: zipped(p, *((f"{number}/" + "a/" * 60 + "b", b"") for number in range(20))),
}


@pytest.mark.parametrize("kind", COSTLY)
def test_an_archive_that_would_cost_much_is_refused(tmp_path, kind):
    path = COSTLY[kind](tmp_path / "a.archive")
    assert path.stat().st_size < 2 << 20
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with file_limits(expansion_floor=1 << 18), pytest.raises(DownloadError, match="a.archive: "):
        extract_archive(path, tmp_path / "out")
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert leftovers(tmp_path) == ["a.archive"]


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "\N{GRINNING FACE}" * 64])
def test_a_name_that_no_file_can_have_is_told(tmp_path, name):
    archive = zipped(tmp_path / "a.zip", (name, b"1"))
    with pytest.raises(DownloadError, match="no file can be called"):
        extract_archive(archive, tmp_path / "out")


def test_an_archive_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DownloadError, match=r"there is no archive '.*none.zip'"):
        extract_archive(tmp_path / "none.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_every_compression_is_undone(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", kind) as archive:
        for number, form in enumerate((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
            archive.format = form
            info = member(f"f{number}/" + "n" * 90 + "/é.txt")
            info.size = 200_000
            archive.addfile(info, io.BytesIO(bytes([number]) * 200_000))
    extract_archive(tmp_path / "a.tar", tmp_path / "out")
    for number in range(3):
        assert (tmp_path / "out" / f"f{number}" / ("n" * 90) / "é.txt").read_bytes() == bytes([number]) * 200_000

"""A model file is data: every way of the table of known attacks ends in one sentence, and nothing else happens."""

import base64
import contextlib
import copy
import io
import json
import marshal
import os
import random
import resource
import signal
import struct
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import keraunos
from keraunos import saving
from keraunos.saving.config import parse_json
from keraunos.saving.hdf5 import read_hdf5
from keraunos.utils.errors import ModelFileError

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


@contextlib.contextmanager
def within(seconds: float):
    """Fails where the block takes longer, or the process grows by more than 300 MB."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def layer(class_name: str, module: str = "keras.layers", **config: object) -> dict:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def sequential(*layers: dict) -> dict:
    first = layer("InputLayer", batch_shape=[None, 3], dtype="float32", name="input_layer")
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [first, *layers]},
        "registered_name": None,
        "build_config": {"input_shape": [None, 3]},
    }


DENSE = layer("Dense", units=2, name="dense")


def weights(fill=None) -> bytes:
    """An HDF5 file as Keras 3 writes it for one Dense layer of 3 to 2; ``fill`` changes it."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.create_group("vars").attrs["name"] = "sequential"
        store = file.create_group("layers/dense/vars")
        store.attrs["name"] = "dense"
        store["0"], store["1"] = np.ones((3, 2), "float32"), np.zeros(2, "float32")
        if fill is not None:
            fill(file)
    return memory.getvalue()


def archive(path: Path, config: object = None, content: bytes | None = None, change=None, **options: object) -> Path:
    """A ``.keras`` file with a config and weights; ``change`` gets the open zip at the end."""
    config = sequential(DENSE) if config is None else config
    text = config if isinstance(config, (str, bytes)) else json.dumps(config)
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("metadata.json", '{"keras_version": "3.15.1", "date_saved": "2025-01-01@00:00:00"}')
        file.writestr("config.json", text)
        file.writestr("model.weights.h5", weights() if content is None else content)
        if change is not None:
            change(file)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.keras"


def refuses(path: Path, match: str, **options: object) -> None:
    with within(10), pytest.raises(ModelFileError, match=match):
        saving.load_model(path, **options)


def test_the_unchanged_file_loads(target: Path) -> None:
    model = saving.load_model(archive(target))
    np.testing.assert_array_equal(model.predict(np.ones((1, 3)), verbose=0), [[3.0, 3.0]])


# --- zip ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/etc/evil", "a\\..\\..\\evil", "C:evil", "assets/../../evil", "config.json/../../x", "~/.ssh/x"],
)
def test_a_member_that_leaves_the_archive_is_refused(target: Path, name: str) -> None:
    before = set(target.parent.parent.rglob("*"))
    refuses(archive(target, change=lambda file: file.writestr(name, b"x")), "leaves the archive|not part of the format")
    assert set(target.parent.parent.rglob("*")) - before == {target}


def test_an_unexpected_member_is_refused(target: Path) -> None:
    refuses(archive(target, change=lambda file: file.writestr("evil.so", b"x")), "'evil.so' is not part of the format")


def test_a_nested_archive_is_refused(target: Path) -> None:
    inner = archive(target.with_name("inner.keras")).read_bytes()
    refuses(archive(target, change=lambda file: file.writestr("inner.keras", inner)), "not part of the format")


def test_a_nul_in_a_name_is_refused(target: Path) -> None:
    data = archive(target, change=lambda file: file.writestr("config.jsonXtrue", b"{}")).read_bytes()
    target.write_bytes(data.replace(b"config.jsonXtrue", b"config.json\0true"))
    refuses(target, "leaves the archive")


def test_a_duplicate_member_is_refused(target: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        archive(target, change=lambda file: file.writestr("config.json", b"{}"))
    refuses(target, "'config.json' is there twice")


def test_a_symbolic_link_is_refused(target: Path) -> None:
    link = zipfile.ZipInfo("assets/0")
    link.external_attr = 0o120777 << 16
    refuses(archive(target, change=lambda file: file.writestr(link, "/etc/passwd")), "is a symbolic link")


def test_an_encrypted_member_is_refused(target: Path) -> None:
    data = bytearray(archive(target).read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1
    target.write_bytes(data)
    refuses(target, "is encrypted")


def test_an_exotic_compression_is_refused(target: Path) -> None:
    refuses(archive(target, compression=zipfile.ZIP_LZMA), "compression method 14")


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_decompression_bomb_is_refused(target: Path, member: str) -> None:
    bomb = b" " * 8_000_000
    content = {"config": bomb} if member == "config.json" else {"content": bomb}
    refuses(archive(target, compression=zipfile.ZIP_DEFLATED, **content), f"'{member}' declares .* decompression bomb")


def test_an_understated_size_is_refused(target: Path) -> None:
    """The directory says 10 bytes, the stream goes on: the count while reading decides."""
    data = bytearray(archive(target, compression=zipfile.ZIP_DEFLATED, config=b" " * 100_000 + b"{}").read_bytes())
    entry = data.index(b"config.json", data.index(b"PK\x01\x02")) - 46
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    target.write_bytes(data)
    refuses(target, "not a whole .keras archive|has .* bytes")


def test_overlapping_members_are_refused(target: Path) -> None:
    data = bytearray(archive(target).read_bytes())
    first, second = data.index(b"PK\x01\x02"), data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    offset = struct.unpack("<I", data[second + 42 : second + 46])[0]
    size = struct.unpack("<I", data[second + 20 : second + 24])[0]
    data[first + 20 : first + 28] = struct.pack("<II", offset + size, offset + size)
    target.write_bytes(data)
    refuses(target, "overlap|not a whole")


def test_a_local_header_that_contradicts_the_directory_is_refused(target: Path) -> None:
    data = bytearray(archive(target).read_bytes())
    place = data.index(b"config.json")
    data[place : place + 11] = b"c0nfig.json"
    target.write_bytes(data)
    refuses(target, "does not match its directory|not a whole")


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_missing_member_is_named(target: Path, member: str) -> None:
    with zipfile.ZipFile(target, "w") as file:
        for name in set(MEMBERS) - {member}:
            file.writestr(name, b"{}")
    refuses(target, f"has no {member}")


def test_a_missing_file_a_folder_and_a_text_are_named(tmp_path: Path) -> None:
    refuses(tmp_path / "none.keras", "there is no file .*none.keras")
    refuses(tmp_path, "is not an ordinary file")
    (tmp_path / "text.keras").write_text("hello")
    refuses(tmp_path / "text.keras", "is not a whole .keras archive")
    (tmp_path / "empty.keras").write_bytes(b"")
    refuses(tmp_path / "empty.keras", "is not a whole .keras archive")


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.keras")
    refuses(tmp_path / "pipe.keras", "is not an ordinary file")


# --- HDF5 ---------------------------------------------------------------------------------


def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret.bin"
    path.write_bytes(b"A" * 24)
    return str(path)


def replaced(make):
    """Weights in which dataset 0 is made by ``make(group)`` instead."""

    def fill(file: h5py.File) -> None:
        group = file["layers/dense/vars"]
        del group["0"]
        make(group)

    return weights(fill)


def refuses_weights(target: Path, content: bytes, match: str) -> None:
    """In an archive, as a weights file, and on inspection."""
    refuses(archive(target, content=content), match)
    file = target.with_suffix(".weights.h5")
    file.write_bytes(content)
    model = saving.load_model(archive(target))
    before = model.get_weights()
    with within(10), pytest.raises(ModelFileError, match=match):
        model.load_weights(file)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_external_storage_is_refused(target: Path) -> None:
    path = secret(target.parent)
    content = replaced(lambda group: group.create_dataset("0", (3, 2), "float32", external=[(path, 0, 24)]))
    refuses_weights(target, content, "in another file .external storage.")


def test_a_virtual_dataset_is_refused(target: Path) -> None:
    other = target.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["x"] = np.ones((3, 2), "float32")
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource(other, "x", (3, 2))
    refuses_weights(target, replaced(lambda group: group.create_virtual_dataset("0", layout)), "virtual|newer")


def test_a_soft_link_is_refused(target: Path) -> None:
    content = replaced(lambda group: group.__setitem__("0", h5py.SoftLink("/layers/dense/vars/1")))
    refuses_weights(target, content, "soft link")


def test_an_external_link_is_refused(target: Path) -> None:
    content = replaced(lambda group: group.__setitem__("0", h5py.ExternalLink("/etc/passwd", "/")))
    refuses_weights(target, content, "can hold links to other files|newer-style link")


def test_a_hard_link_to_an_object_that_has_a_name_is_refused(target: Path) -> None:
    refuses_weights(target, weights(lambda file: file.__setitem__("loop", file["layers"])), "second name")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fillvalue": 1.0},
        {"chunks": (1024, 1024)},
        {"chunks": (1024, 1024), "compression": "gzip", "fillvalue": 7.0},
    ],
)
def test_a_shape_bomb_is_refused(target: Path, options: dict) -> None:
    shape = (1 << 25, 1 << 25)
    content = replaced(lambda group: group.create_dataset("0", shape, "float32", **options))
    assert len(content) < 20_000
    refuses_weights(target, content, "declares shape .33554432, 33554432.*but only 0 bytes are stored")


def test_a_compression_bomb_is_refused(target: Path) -> None:
    def make(group: h5py.Group) -> None:
        data = np.zeros((4096, 1024), "float32")
        group.create_dataset("0", data=data, chunks=(4096, 1024), compression="gzip", compression_opts=9)

    content = replaced(make)
    assert len(content) < 60_000
    refuses_weights(target, content, "declares shape|holds shape .4096, 1024.")


def test_a_wrong_shape_is_refused_before_it_is_read(target: Path) -> None:
    content = replaced(lambda group: group.create_dataset("0", data=np.ones((3, 5), "float32")))
    refuses_weights(target, content, r"'dense' has shape \(3, 2\), but the file holds shape \(3, 5\)")


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (["a", "b"], {"dtype": h5py.string_dtype()}),
        (np.array([b"ab", b"cd"]), {}),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")]), {}),
        (np.array([True, False]), {}),
        (np.array([1 + 2j]), {}),
    ],
)
def test_only_numbers_are_read(target: Path, data: object, options: dict) -> None:
    refuses_weights(target, replaced(lambda group: group.create_dataset("0", data=data, **options)), "numbers only")


def test_object_references_are_refused(target: Path) -> None:
    def make(group: h5py.Group) -> None:
        group.create_dataset("0", (1,), h5py.ref_dtype)[0] = group.ref

    refuses_weights(target, replaced(make), "references; a weights file holds numbers only")


def test_a_committed_datatype_is_refused(target: Path) -> None:
    def make(group: h5py.Group) -> None:
        group["type"] = np.dtype("float32")
        group.create_dataset("0", (3, 2), group["type"])

    refuses_weights(target, replaced(make), "neither a group nor a dataset|shared")


def test_an_unknown_filter_is_refused(target: Path) -> None:
    data = np.ones((3, 2), "float32")
    refuses_weights(target, replaced(lambda g: g.create_dataset("0", data=data, compression="lzf")), "filter 32000")


@pytest.mark.parametrize(
    "options", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "fletcher32": True}]
)
def test_gzip_is_read(target: Path, options: dict) -> None:
    data = np.arange(6, dtype="float32").reshape(3, 2)
    content = replaced(lambda group: group.create_dataset("0", data=data, chunks=(2, 2), **options))
    np.testing.assert_array_equal(saving.load_model(archive(target, content=content)).get_weights()[0], data)


def test_a_newer_superblock_and_a_user_block_are_refused(target: Path) -> None:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver="latest") as file:
        file["x"] = 1.0
    refuses_weights(target, memory.getvalue(), "superblock version")
    with h5py.File(target.with_name("u.h5"), "w", userblock_size=512) as file:
        file["x"] = 1.0
    refuses_weights(target, target.with_name("u.h5").read_bytes(), "not an HDF5 file")


def test_deep_groups_are_refused(target: Path) -> None:
    refuses_weights(target, weights(lambda file: file.create_group("/".join("a" * 150))), "nested deeper")


def test_a_loop_of_groups_is_refused(target: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["layers/self"] = file["layers"]

    refuses_weights(target, weights(fill), "second name")


def test_an_attribute_that_declares_more_than_it_stores_is_refused(target: Path) -> None:
    content = weights(lambda file: file["vars"].attrs.create("big", np.zeros(7000)))
    assert content.count(struct.pack("<Q", 7000)) >= 1
    refuses_weights(target, content.replace(struct.pack("<Q", 7000), struct.pack("<Q", 1 << 40)), "more than it stores")


def test_an_attribute_too_large_for_an_object_header_is_refused(target: Path) -> None:
    """HDF5 keeps it in a table of its newer layout, which is not read."""

    def fill(file: h5py.File) -> None:
        file.create_group("new", track_order=True).attrs.create("big", np.zeros(100_000))

    refuses_weights(target, weights(fill), "newer HDF5")


def test_text_that_is_not_unicode_is_refused(target: Path) -> None:
    refuses_weights(target, weights().replace(b"sequential\0", b"\xff\xfe\xfduential\0"), "damaged")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"\x89HDF", b"\x88HDF", "its signature is missing"),
        (b"TREE", b"TRXE", "a tree node is missing"),
        (b"SNOD", b"SNXD", "a symbol table of '.*' is missing"),
        (b"HEAP", b"HEXP", "the names of '.*' are missing"),
        (b"GCOL", b"GCXL", "the text of attribute 'name' is missing"),
        (b"dense\0", b"de/se\0", "'de/se', which is no name"),
        (b"dense\0", b"..\0\0\0\0", "'..', which is no name"),
    ],
)
def test_damaged_structure_is_named(old: bytes, new: bytes, match: str) -> None:
    with pytest.raises(ModelFileError, match=match):
        read_hdf5(weights().replace(old, new), "x")


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (8, 9, "superblock version 9"),
        (13, 4, "addresses are not 8 bytes wide"),
        (24, 1, "a user block or a driver"),
        (48, 0, "a user block or a driver"),
        (44, 9, "is cut short"),
        (68, 9, "lie outside its"),
    ],
)
def test_a_damaged_superblock_is_named(place: int, value: int, match: str) -> None:
    content = bytearray(weights())
    content[place] = value
    with pytest.raises(ModelFileError, match=match):
        read_hdf5(bytes(content), "x")


def test_parts_that_share_bytes_are_refused() -> None:
    """Many arrays at one place would let a small file fill the memory."""

    def fill(file: h5py.File) -> None:
        file["x"] = np.zeros(50_000, "float32")
        for number in range(8):
            file.create_dataset(f"x{number}", (50_000,), "float32")  # Nothing is written, so it has no place yet.

    content = weights(fill)
    with h5py.File(io.BytesIO(content)) as file:
        place = file["x"].id.get_offset()
    shared = content.replace(struct.pack("<QQ", 2**64 - 1, 200_000), struct.pack("<QQ", place, 200_000))
    assert len(shared) < 250_000
    with pytest.raises(ModelFileError, match="claim the same bytes many times"):
        read_hdf5(shared, "x")


def test_numbers_of_unusual_form_are_refused(target: Path) -> None:
    def odd(kind: str, change) -> bytes:
        def make(group: h5py.Group) -> None:
            datatype = h5py.h5t.py_create(np.dtype(kind)).copy()
            change(datatype)
            dataset = h5py.h5d.create(group.id, b"0", datatype, h5py.h5s.create_simple((3, 2)))
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones((3, 2), kind))

        return replaced(make)

    refuses_weights(target, odd("int32", lambda kind: kind.set_precision(20)), "whole numbers of unusual width")
    refuses_weights(target, odd("float32", lambda kind: kind.set_ebias(100)), "floating-point numbers of unusual form")
    refuses_weights(target, replaced(lambda group: group.create_dataset("0", data=np.zeros(3, "V2"))), "opaque bytes")


def test_other_honest_forms_are_read(target: Path) -> None:
    data = np.arange(6).reshape(3, 2)

    def compact(group: h5py.Group) -> None:
        options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3, 2))
        dataset = h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, space, options)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, data.astype("float32"))

    forms = [compact, *(lambda group, t=t: group.create_dataset("0", data=data.astype(t)) for t in (">f8", "f2", "i8"))]
    for make in forms:
        np.testing.assert_array_equal(saving.load_model(archive(target, content=replaced(make))).get_weights()[0], data)


# --- config -------------------------------------------------------------------------------


def code() -> str:
    function = compile("lambda x: __import__('os').environ.update(CODE_OF_A_FILE_RAN='1')", "x", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(function)).decode()


LAMBDAS = {
    "Keras 3": {"class_name": "__lambda__", "config": {"code": code(), "defaults": None, "closure": None}},
    "Keras 3.0": {"class_name": "__lambda__", "config": {"value": code()}},
    "Keras 2": [code(), None, None],
    "bytes": {"class_name": "__bytes__", "config": {"value": code()}},
}


@pytest.mark.parametrize("safe_mode", [True, None])
@pytest.mark.parametrize("form", LAMBDAS)
def test_code_of_a_lambda_never_runs(target: Path, form: str, safe_mode: bool | None) -> None:
    config = sequential(layer("Lambda", name="twice", function=LAMBDAS[form], arguments={}), DENSE)
    archive(target, config)
    refuses(target, "Lambda layer 'twice' .* never runs .*custom_objects={'twice': ...}", safe_mode=safe_mode)
    assert "CODE_OF_A_FILE_RAN" not in os.environ
    model = saving.load_model(target, custom_objects={"twice": lambda x: 2 * x}, safe_mode=safe_mode)
    np.testing.assert_array_equal(model.predict(np.ones((1, 3)), verbose=0), [[6.0, 6.0]])


@pytest.mark.parametrize("form", ["Keras 3", "Keras 3.0", "Keras 2"])
def test_code_of_a_lambda_runs_where_the_caller_asks(target: Path, form: str) -> None:
    function = compile("lambda x: np.float32(2) * x", "x", "eval").co_consts[0]
    written = json.loads(json.dumps(LAMBDAS[form]).replace(code(), base64.b64encode(marshal.dumps(function)).decode()))
    archive(target, sequential(layer("Lambda", name="twice", function=written, arguments={}), DENSE))
    refuses(target, "Lambda layer 'twice' .* never runs")
    model = saving.load_model(target, safe_mode=False)
    np.testing.assert_array_equal(model.predict(np.ones((1, 3)), verbose=0), [[6.0, 6.0]])
    refuses(target, "Lambda layer 'twice' .* never runs")


@pytest.mark.parametrize("content", [b"", b"\xe3", marshal.dumps("text"), b"\xe3" + 300 * b"\xff", b"c"])
def test_code_that_is_none_is_refused_even_then(target: Path, content: bytes) -> None:
    written = {"class_name": "__lambda__", "config": {"code": base64.b64encode(content).decode()}}
    archive(target, sequential(layer("Lambda", name="twice", function=written, arguments={}), DENSE))
    refuses(target, "the code of a function cannot be used", safe_mode=False)


@pytest.mark.parametrize("key", ["mask", "output_shape"])
def test_code_in_other_arguments_of_a_lambda_is_refused(target: Path, key: str) -> None:
    function = {"module": "builtins", "class_name": "function", "config": "relu"}
    config = sequential(layer("Lambda", name="twice", function=function, **{key: LAMBDAS["Keras 3"]}), DENSE)
    refuses(archive(target, config), f"its {key} as Python code")


def test_code_anywhere_else_is_refused(target: Path) -> None:
    config = sequential(layer("Dense", units=2, name="dense", activation=LAMBDAS["Keras 3"]))
    refuses(archive(target, config), "holds Python code .__lambda__.")
    config = {**sequential(DENSE), "compile_config": {"optimizer": "sgd", "loss": LAMBDAS["Keras 3"]}}
    refuses(archive(target, config), "holds Python code .__lambda__.")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("subprocess", "Popen"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("keras.src.saving.serialization_lib", "enable_unsafe_deserialization"),
        ("keras.utils", "get_file"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.saving", "load_model"),
        ("keras.models", "load_model"),
        ("keras.layers", "TorchModuleWrapper"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "JaxLayer"),
        ("keras.layers", "__class__"),
        ("keras.layers", "Layer.__init_subclass__"),
        ("keraunos.saving", "reduce_model"),
        ("keraunos.utils.files", "get_file"),
        ("torch", "load"),
        ("numpy", "load"),
    ],
)
def test_modules_and_functions_cannot_be_named(target: Path, module: str, name: str) -> None:
    gadget = {"module": module, "class_name": name, "config": {"fname": "x", "origin": "file:///etc/passwd"}}
    refuses(archive(target, sequential({**gadget, "registered_name": name})), "custom_objects|is not built in")
    refuses(archive(target, sequential(gadget)), "custom_objects|is not built in")
    function = {"module": module, "class_name": "function", "config": name, "registered_name": "function"}
    refuses(archive(target, sequential(layer("Lambda", name="x", function=function))), "not built in")
    inner = sequential(layer("Dense", units=2, name="dense", kernel_initializer=gadget))
    refuses(archive(target, inner), "custom_objects|is not built in")


def test_a_foreign_module_does_not_reach_a_builtin_of_the_same_name(target: Path) -> None:
    config = sequential({**DENSE, "module": "evil.layers"})
    refuses(archive(target, config), "'Dense' of module 'evil.layers' is not built in")


def test_the_callers_objects_do_not_replace_builtin_names(target: Path) -> None:
    class Evil(keraunos.layers.Layer):
        def call(self, inputs):
            raise AssertionError

    model = saving.load_model(archive(target), custom_objects={"Dense": Evil})
    assert isinstance(model.layers[-1], keraunos.layers.Dense)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[" * 100_000, "nested deeper"),
        ("[" * 200 + "]" * 200, "nested deeper|no class_name"),
        ('{"a": ' * 101 + "1" + "}" * 101, "nested deeper than 100"),
        ('{"class_name": "A", "class_name": "B"}', "'class_name' stands twice"),
        ('{"class_name": "A", "x": NaN}', "not finite"),
        ('{"class_name": "A", "x": -Infinity}', "not finite"),
        ('{"class_name": "A", "x": 1e999}', "not finite"),
        ('{"class_name": "A", "x": 99999999999999999999999}', "too large"),
        ('{"class_name": "A", "x": ' + "9" * 10_000 + "}", "too large"),
        ('{"class_name": "Sequ', "not valid JSON"),
        ("", "not valid JSON"),
        ("\ud800".encode("utf-16", "surrogatepass"), "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        ("[]", "no class_name"),
        ('"Sequential"', "no class_name"),
        ("null", "no class_name"),
        ('{"class_name": 7}', "no class_name"),
        ('{"class_name": "Sequential", "config": 7}', "expected a dict of arguments"),
        ('{"class_name": "Sequential", "config": {"layers": 7}}', "cannot be made"),
        ('{"class_name": "Sequential", "module": ["os"], "config": {}}', "expected two texts"),
        ('{"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}}', "not a model"),
    ],
)
def test_a_config_that_is_no_config_is_refused(target: Path, text: str | bytes, match: str) -> None:
    refuses(archive(target, text), match)


def test_a_config_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(ModelFileError, match="at most 16777216"):
        parse_json(" " * (1 << 24) + "{}", "config.json")


@pytest.mark.parametrize("units", [10**9, 2**62])
def test_weights_that_the_file_cannot_hold_are_not_allocated(target: Path, units: int) -> None:
    refuses(archive(target, sequential(layer("Dense", units=units, name="dense"))), "fewer|cannot be made")


def test_impossible_shapes_are_refused(target: Path) -> None:
    config = sequential(layer("Reshape", target_shape=[2**40, 2**20], name="r"), DENSE)
    refuses(archive(target, config), "target_shape is .* more than")
    config = sequential(DENSE)
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 2**60]
    refuses(archive(target, config), "batch_shape is .* more than")


def test_a_json_text_obeys_the_same_rules() -> None:
    with pytest.raises(ModelFileError, match="never runs"):
        saving.model_from_json(json.dumps(sequential(layer("Lambda", name="f", function=LAMBDAS["Keras 3"]))))
    with pytest.raises(ModelFileError, match="is not built in"):
        saving.model_from_json(json.dumps(sequential(layer("system", module="os"))))
    with within(10), pytest.raises(ModelFileError, match="more than 1,073,741,824 numbers in all.*file_limits.weights"):
        saving.model_from_json(json.dumps(sequential(layer("Dense", units=10**10, name="dense"))))


def test_json_that_is_no_text_is_refused() -> None:
    with pytest.raises(ModelFileError, match="is a dict; expected JSON text"):
        saving.model_from_json({"class_name": "Sequential"})


@pytest.mark.parametrize("text", ["[]", "7", '{"class_name": 7, "config": {}}', '{"class_name": "function"}', "{}"])
def test_inspect_does_not_mind_what_the_config_says(target: Path, text: str) -> None:
    assert saving.inspect(archive(target, text))["config"] == json.loads(text)


@pytest.mark.parametrize("value", [-1, 2**40, "x", [1], None, 1.5e300])
def test_counters_of_training_are_checked(target: Path, value: object) -> None:
    config = {**sequential(DENSE), "compile_config": {"optimizer": "sgd", "loss": "mse"}}
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("metadata.json", json.dumps({"keraunos": {"seed": value}}))
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", weights())
    refuses(target, "cannot be made from its config")


def test_a_vocabulary_path_is_not_read(target: Path) -> None:
    config = sequential(layer("StringLookup", name="s", vocabulary="/etc/passwd"))
    refuses(archive(target, config), "StringLookup")


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/x"])
def test_a_layer_name_cannot_leave_the_file(target: Path, name: str) -> None:
    refuses(
        archive(target, sequential({**DENSE, "config": {"units": 2, "name": name}})),
        "cannot be made|cannot be used|name",
    )


@pytest.mark.parametrize("name", ["..", "../../evil", "a/../b"])
def test_a_layer_name_cannot_leave_the_file_when_saving(tmp_path: Path, name: str) -> None:
    model = keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2)])
    model.layers[-1].name = name
    with pytest.raises(ModelFileError, match="cannot be"):
        model.save_weights(tmp_path / "a.h5")
    model.save_weights(tmp_path / "a.weights.h5")  # Names of layers are only text in this layout.
    with h5py.File(tmp_path / "a.weights.h5") as file:
        assert list(file) == ["layers", "vars"]
        assert list(file["layers"]) == ["dense"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights.h5"]


def test_an_attribute_name_cannot_leave_the_file_when_saving(tmp_path: Path) -> None:
    model = keraunos.Sequential([keraunos.layers.Input((3,)), keraunos.layers.Dense(2)])
    setattr(model.layers[-1], "../evil", keraunos.layers.Dense(1))
    with pytest.raises(ModelFileError, match="cannot be the name of a group"):
        model.save_weights(tmp_path / "a.weights.h5")
    assert list(tmp_path.iterdir()) == []


# --- what a file may cost -------------------------------------------------------------------


@contextlib.contextmanager
def cheap(seconds: float = 5, megabytes: int = 300):
    """Fails where the block takes more time of the processor, or more memory."""
    start, most = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - start < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 1000 * megabytes


def tensor(name: str, call: int = 0) -> dict:
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def chain(inner: dict, calls: int, name: str, shape: list | None = None) -> dict:
    """A model that calls ``inner`` several times, each time on what the time before gave."""
    first = layer("InputLayer", batch_shape=shape or [None, 3], dtype="float32", name=f"{name}_in")
    own = inner["config"]["name"]
    sources = [tensor(f"{name}_in"), *(tensor(own, number) for number in range(calls - 1))]
    layers = [
        {**first, "name": f"{name}_in", "inbound_nodes": []},
        {**inner, "name": own, "inbound_nodes": [{"args": [source], "kwargs": {}} for source in sources]},
    ]
    last = calls - 1 + (inner["class_name"] == "Functional")
    ends = {"input_layers": [[f"{name}_in", 0, 0]], "output_layers": [[own, last, 0]]}
    config = {"name": name, "trainable": True, "layers": layers, **ends}
    return {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}


def test_sixteen_thousand_keys_with_one_twice_are_refused_at_once() -> None:
    text = "{" + ",".join(f'"k{number}": 0' for number in range(100_000)) + ', "k99999": 1}'
    with cheap(2), pytest.raises(ModelFileError, match="'k99999' stands twice"):
        parse_json(text, "x")


def test_large_weights_of_a_text_take_no_memory_until_they_are_read() -> None:
    embedding = layer("Embedding", input_dim=1 << 20, output_dim=1000, name="words")
    with cheap(2, 100):
        model = saving.model_from_json(json.dumps(sequential(embedding)))
        assert model.count_params() == 1000 << 20
        assert model.output_shape == (None, 3, 1000)


def test_weights_of_a_text_are_those_of_a_model_made_in_the_program() -> None:
    def made(build):
        np.random.seed(3)
        model = build()
        np.random.random()
        return model.get_weights()

    names = ("glorot_uniform", "he_normal", "random_normal", "truncated_normal", "orthogonal", "ones", "lecun_uniform")
    stack = [keraunos.layers.Input((40,)), *(keraunos.layers.Dense(40, kernel_initializer=name) for name in names)]
    text = keraunos.Sequential(stack).to_json()
    for one, other in zip(
        made(lambda: saving.model_from_json(text)),
        made(lambda: keraunos.Sequential.from_config(json.loads(text)["config"])),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_weights_that_were_not_read_are_read_whole_whatever_comes_first() -> None:
    x = np.random.default_rng(0).normal(size=(8, 50)).astype("float32")
    text = keraunos.Sequential(
        [keraunos.layers.Input((50,)), keraunos.layers.Dense(50), keraunos.layers.Dense(1)]
    ).to_json()
    for use in (
        lambda model: model.predict(x, verbose=0),
        lambda model: model(x),
        lambda model: (model.compile("sgd", "mse"), model.fit(x, x[:, :1], verbose=0)),
        lambda model: model.set_weights(model.get_weights()),
        lambda model: copy.deepcopy(model)(x),
        lambda model: keraunos.Sequential([model, keraunos.layers.Dense(2)])(x),
    ):
        np.random.seed(1)
        model = saving.model_from_json(text)
        use(model)
        assert all(np.isfinite(array).all() for array in model.get_weights())
        np.random.seed(1)
        fresh = saving.model_from_json(text)
        assert [array.shape for array in fresh.get_weights()] == [array.shape for array in model.get_weights()]


def test_the_sum_of_all_weights_of_a_text_is_bounded_and_the_bound_can_be_raised() -> None:
    text = json.dumps(sequential(*(layer("Dense", units=1000, name=f"d{number}") for number in range(3))))
    with saving.file_limits(weights=2_000_000), pytest.raises(ModelFileError, match=r"file_limits\(weights=...\)"):
        saving.model_from_json(text)
    with saving.file_limits(weights=2_100_000):
        assert saving.model_from_json(text).count_params() == 2_006_000


@pytest.mark.parametrize("levels", [4, 25])
def test_models_inside_of_models_cost_no_more_than_their_text(levels: int) -> None:
    config = layer("Dense", units=3, name="d")
    for level in range(levels):
        config = chain(config, 5, f"m{level}")
    with cheap():
        model = saving.model_from_json(json.dumps(config))
    assert [output.shape for output in model.outputs] == [(None, 3)]


def test_models_inside_of_models_for_other_shapes_are_bounded() -> None:
    """What is called on other sizes than it was made for must be traced, with all that is inside of it."""
    config = layer("Dense", units=3, name="d")
    for level in range(9):
        config = chain(config, 5, f"m{level}", [None, None, 3] if level < 8 else [None, 2, 3])
    with cheap(8), pytest.raises(ModelFileError, match=r"more calls of layers than .*file_limits\(calls=...\)"):
        saving.model_from_json(json.dumps(config))


def test_shapes_of_equal_layers_are_those_of_layers_one_by_one() -> None:
    parts = [
        layer("Dense", units=3, name="a"), layer("Dense", units=4, name="b"), layer("Dense", units=4, name="c"),
        layer("Dense", units=4, name="d", use_bias=False), layer("Dense", units=4, name="e", activation="relu"),
        layer("Reshape", target_shape=[2, 2], name="f"), layer("Flatten", name="g"), layer("Flatten", name="h"),
        layer("RepeatVector", n=2, name="i"), layer("LSTM", units=2, name="j"), layer("RepeatVector", n=3, name="k"),
    ]  # fmt: skip
    model = saving.model_from_json(json.dumps(sequential(*parts)))
    twin = keraunos.Sequential.from_config(json.loads(model.to_json())["config"])
    assert [part.output.shape for part in model.layers] == [part.output.shape for part in twin.layers]
    assert model.predict(np.ones((2, 3)), verbose=0).shape == (2, 3, 2)


def test_a_deep_honest_model_is_read() -> None:
    depth = 2000
    text = json.dumps(sequential(*(layer("Dense", units=3, name=f"d{number}") for number in range(depth))))
    with cheap(8):
        assert len(saving.model_from_json(text).layers) == depth


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ([None, 2, 3], layer("LSTM", units=8000, name="r")),
        ([None, 2, 3], layer("Bidirectional", layer=layer("GRU", units=6000, name="g"), name="r")),
        ([None, 1 << 14], layer("Dense", units=1 << 14, kernel_initializer="identity", name="r")),
        ([None, 1 << 14], layer("Dense", units=1 << 14, kernel_initializer="orthogonal", name="r")),
        ([None, 4000, 4000, 1], layer("MaxPooling2D", pool_size=[2000, 2000], name="r")),
        ([None, 4000, 4000, 1], layer("AveragePooling2D", pool_size=[999, 999], strides=1, padding="same", name="r")),
    ],
)
def test_one_costly_layer_is_made_at_no_cost_or_refused(shape: list, part: dict) -> None:
    config = sequential(part)
    config["config"]["layers"][0]["config"]["batch_shape"] = shape
    with cheap(4, 150):
        if "Pooling" in part["class_name"]:
            with pytest.raises(ModelFileError, match="more calls of layers than a file of its size should"):
                saving.model_from_json(json.dumps(config))
        else:
            assert saving.model_from_json(json.dumps(config)).count_params() > 1 << 26


def test_more_layers_than_any_model_has_are_refused_and_the_bound_can_be_raised() -> None:
    text = json.dumps(sequential(*({"class_name": "Flatten", "config": {"name": f"f{n}"}} for n in range(15_000))))
    assert len(text) < 1 << 20
    with cheap(), pytest.raises(ModelFileError, match=r"more than 10,000 layers.*file_limits\(layers=...\)"):
        saving.model_from_json(text)
    with saving.file_limits(layers=3), pytest.raises(ModelFileError, match="more than 3 layers"):
        saving.model_from_json(json.dumps(sequential(DENSE, layer("Flatten", name="f"), layer("Flatten", name="g"))))


def test_a_config_of_more_values_than_any_model_has_is_refused() -> None:
    with cheap(), pytest.raises(ModelFileError, match=r"has 600002 values.*file_limits\(config_values=...\)"):
        parse_json("[" + "[]," * 300_000 + "[]]", "x")
    with saving.file_limits(config_values=1_000_000):
        assert len(parse_json("[" + "[]," * 300_000 + "[]]", "x")) == 300_001


def test_compression_inside_of_compression_is_counted_in_all(target: Path) -> None:
    data = np.zeros((1000, 60_000), "float32")
    content = replaced(lambda g: g.create_dataset("0", data=data, chunks=(1000, 6000), compression="gzip"))
    archive(target, content=content, compression=zipfile.ZIP_DEFLATED)
    assert target.stat().st_size < 100_000
    with cheap():
        refuses(target, r"bytes unpack to .* file_limits\(expansion=...\)|decompression bomb")


def test_a_chunk_larger_than_its_array_is_counted_whole(target: Path) -> None:
    def make(group: h5py.Group) -> None:
        group.create_dataset("0", (3, 2), "uint8", chunks=(4096, 16384), maxshape=(None, None), compression="gzip")
        group["0"][...] = 1

    with cheap():
        refuses(archive(target, content=replaced(make)), "unpack to|declares shape")


def test_members_that_are_not_needed_are_not_read(target: Path) -> None:
    def add(file: zipfile.ZipFile) -> None:
        for number in range(8):
            file.writestr(f"assets/{number}", bytes(6_000_000) + os.urandom(100_000), zipfile.ZIP_DEFLATED)

    archive(target, change=add)
    with cheap(5, 100):
        assert saving.load_model(target).count_params() == 8
        assert saving.inspect(target, verbose=False)["parameters"] == 8


def test_many_objects_of_hdf5_that_share_a_part_are_refused() -> None:
    """Every group refers to one block of attributes: read for each, it would come to gigabytes."""
    with h5py.File(io.BytesIO(), "w") as file:
        file["x"] = 1.0
    count = 3000
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["big"] = np.zeros(60_000, "S1")
        for number in range(count):
            file.create_group(f"g{number}")
    content = bytearray(memory.getvalue())
    with h5py.File(io.BytesIO(bytes(content))) as file:
        places = [h5py.h5o.get_info(file[f"g{number}"].id).addr for number in range(count)]
        root = h5py.h5o.get_info(file.id).addr
    body = content[root + 16 : root + 16 + int.from_bytes(content[root + 8 : root + 12], "little")]
    at = body.index(struct.pack("<HH", 16, 16))  # the message that tells where the header goes on
    for place in places:
        content[place + 16 : place + 16 + 24] = body[at : at + 24]
    with cheap(), pytest.raises(ModelFileError, match="claim the same bytes|nodes|neither a group"):
        read_hdf5(bytes(content), "x")


def test_inspecting_thousands_of_unknown_classes_is_cheap(target: Path) -> None:
    config = sequential(*({"class_name": f"Unknown{n}", "config": {}} for n in range(20_000)))
    with cheap():
        assert len(saving.inspect(archive(target, config), verbose=False)["custom_objects"]) == 100


def test_bounds_are_checked() -> None:
    with pytest.raises(keraunos.utils.errors.ArgumentError, match="no bound called 'layer'. Did you mean 'layers'?"):
        saving.file_limits(layer=3).__enter__()
    with pytest.raises(keraunos.utils.errors.ArgumentError, match="layers is 0; expected a positive whole number"):
        saving.file_limits(layers=0).__enter__()


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "x" * 70_000])
def test_a_name_that_no_file_could_hold_again_is_refused(target: Path, name: str) -> None:
    config = sequential({**DENSE, "config": {"units": 2, "name": name}})
    refuses(archive(target, config), "half a character|has a NUL in it, or is too long")


@pytest.mark.parametrize("shape", [[2**62, 4], [10**18], [2**39], [-1, 2**39], [10**400]])
def test_a_shape_beyond_all_numbers_is_refused(target: Path, shape: list) -> None:
    refuses(
        archive(target, sequential(layer("Reshape", target_shape=shape, name="r"))), "cannot be made|more than|large"
    )


# --- damage -------------------------------------------------------------------------------


def attempts(original: bytes, count: int, seed: int):
    """Truncations at every twentieth, then seeded flips of one to eight bytes."""
    for part in range(20):
        yield original[: len(original) * part // 20]
    choose = random.Random(seed)
    for _ in range(count):
        data = bytearray(original)
        for _ in range(choose.choice([1, 1, 2, 8])):
            data[choose.randrange(len(data))] = choose.choice([0, 255, choose.randrange(256)])
        yield bytes(data)


@pytest.mark.parametrize("legacy", [False, True])
def test_damaged_weights_end_in_a_result_or_one_error(target: Path, legacy: bool) -> None:
    model = saving.load_model(archive(target))
    path = target.with_suffix(".h5" if legacy else ".weights.h5")
    model.save_weights(path)
    original, before = path.read_bytes(), model.get_weights()
    refused = 0
    with within(40):
        for data in attempts(original, 300, seed=2):
            path.write_bytes(data)
            try:
                model.load_weights(path)
            except ModelFileError:
                refused += 1
                for old, new in zip(before, model.get_weights(), strict=True):
                    np.testing.assert_array_equal(old, new)
            model.set_weights(before)
    assert refused >= 20

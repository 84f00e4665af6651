"""Reads the subset of HDF5 that Keras files use, in plain Python, so that no file can reach outside itself.

The HDF5 library follows links, opens other files, allocates what a header
declares and has had memory faults on damaged files. This reader knows
symbol-table groups, contiguous, compact and gzip-chunked numeric datasets and
small attributes; every address and size is checked against the file before it
is used, and every other construct is refused by name. It never opens a file.

Reference: The HDF Group, "HDF5 File Format Specification", version 3.0.
"""

import io
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from keraunos.utils.errors import ModelFileError
from keraunos.utils.untrusted import advice, guarded, limits

MAX_OBJECTS = 200_000
MAX_DEPTH = 100
MAX_EXPANSION = 1000
MAX_NAME = 1 << 16
_UNDEFINED = 2**64 - 1
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BLOCKED = {
    2: "a link table of newer HDF5 (it can hold links to other files)",
    6: "a soft, external or newer-style link",
    7: "a dataset whose numbers are in another file (external storage)",
    15: "a shared message table",
    21: "an attribute table of newer HDF5",
}
_IGNORED = {0, 4, 5, 10, 13, 14, 18, 19, 22}


@dataclass
class Dataset:
    """An array in the file: its declared form, and ``read()`` for its numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: dict[str, Any]
    _source: "_Reader" = field(repr=False)
    _layout: tuple[Any, ...] = field(repr=False)
    _filters: list[tuple[int, tuple[int, ...]]] = field(repr=False, default_factory=list)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.size * self.dtype.itemsize

    def read(self) -> np.ndarray[Any, Any]:
        """The numbers, as a new array in native byte order."""
        return self._source.read(self)


@dataclass
class Group:
    """A folder in the file: its attributes and its children by name."""

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    children: "dict[str, Group | Dataset]" = field(default_factory=dict)

    def group(self, path: str) -> "Group | None":
        """Group at a path of names, or ``None``."""
        node: Group | Dataset | None = self
        for part in filter(None, path.split("/")):
            node = node.children.get(part) if isinstance(node, Group) else None
        return node if isinstance(node, Group) else None

    def dataset(self, path: str) -> Dataset | None:
        """Dataset at a path of names, or ``None``."""
        folder, _, name = path.rpartition("/")
        group = self.group(folder)
        node = group.children.get(name) if group else None
        return node if isinstance(node, Dataset) else None

    def datasets(self) -> Iterator[Dataset]:
        """All datasets below."""
        for child in self.children.values():
            if isinstance(child, Dataset):
                yield child
            else:
                yield from child.datasets()


def read_hdf5(data: bytes, name: str, size: int | None = None) -> Group:
    """Tree of the HDF5 file with the given content.

    Args:
        data: The whole file.
        name: What messages call it.
        size: Bytes of the file that it was unpacked from, if any.

    Raises:
        ModelFileError: The content is damaged, or holds anything outside the subset.
    """
    with _guarded(name):
        return _Reader(data, name, len(data) if size is None else size).root()


class Folder(dict[str, Any]):
    """A group to be written: names to arrays or Folders, and ``attributes``."""

    def __init__(self, *args: Any, attributes: Mapping[str, Any] | None = None) -> None:
        super().__init__(*args)
        self.attributes = dict(attributes or {})

    def folder(self, path: str) -> "Folder":
        """The Folder at a path, made where missing."""
        node = self
        for part in filter(None, path.split("/")):
            node = node.setdefault(part, Folder())
        return node


def write_hdf5(target: Any, root: Folder) -> None:
    """Write a Folder into an open group of ``h5py``, in place of what it holds under the same names."""
    for name in target.keys() & root.keys():
        del target[name]
    _write_group(target, root)


def hdf5_image(root: Folder) -> memoryview:
    """Content of the HDF5 file of a Folder, laid out as h5py does by default.

    It is made in memory: where a disk is full, the HDF5 library fails again when it closes the file, and the process
    with it.
    """
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        _write_group(file, root)
    return memory.getbuffer()


def _write_group(group: Any, content: Folder) -> None:
    for key, value in content.attributes.items():
        group.attrs[key] = value
    for name, value in content.items():
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ModelFileError(f"{name!r} cannot be the name of a group in an HDF5 file; rename the layer or weight.")
        if isinstance(value, Folder):
            _write_group(group.create_group(name), value)
        elif str(value.dtype) == "bfloat16":
            group.create_dataset(name, data=value).attrs["dtype"] = "bfloat16"
        else:
            group.create_dataset(name, data=value)


def _guarded(name: str) -> AbstractContextManager[None]:
    return guarded(f"{name} is damaged: its HDF5 structure cannot be followed")


# --- the reader ------------------------------------------------------------------------


class _Reader:
    def __init__(self, data: bytes, name: str, size: int) -> None:
        self.data, self.file, self.size = memoryview(data), name, size
        self.visited: set[int] = set()
        # Texts of the global heaps by place and number, and the steps that are left: no part has less than 8 bytes.
        self.heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self.steps, self.most_steps = 0, min(4 * MAX_OBJECTS, 1000 + len(data) // 4)
        self.unpacked = 0
        # Bytes of text and of numbers that were promised so far. No two parts of an honest file share bytes.
        self.text = self.stored = 0

    def fail(self, what: str) -> NoReturn:
        raise ModelFileError(f"{self.file}: {what}")

    def damaged(self, what: str) -> NoReturn:
        self.fail(f"the HDF5 file is damaged or cut short: {what}. Get the file again.")

    def bytes_at(self, address: int, length: int) -> memoryview:
        if address < 0 or length < 0 or address + length > len(self.data):
            self.damaged(f"{length} bytes at {address} lie outside its {len(self.data)} bytes")
        return self.data[address : address + length]

    def number(self, address: int, width: int) -> int:
        return int.from_bytes(self.bytes_at(address, width), "little")

    def step(self) -> None:
        # One bound on all nodes visited: damaged trees that refer to themselves end here.
        self.steps += 1
        if self.steps > self.most_steps:
            self.fail(f"the file has more than {self.most_steps} nodes. It is not a model's weights file.")

    def spend(self, *, text: int = 0, stored: int = 0) -> None:
        self.text, self.stored = self.text + text, self.stored + stored
        if self.text > 16 * len(self.data) or self.stored > len(self.data):
            self.fail("its parts claim the same bytes many times. It is damaged, or made to exhaust memory.")

    def root(self) -> Group:
        if bytes(self.data[:8]) != _SIGNATURE:
            self.fail("this is not an HDF5 file: its signature is missing.")
        version = self.number(8, 1)
        if version not in (0, 1):
            self.fail(
                f"the HDF5 file has superblock version {version}; only the layout that Keras and h5py write by "
                "default is read. Save the weights again without libver='latest'."
            )
        if self.number(13, 1) != 8 or self.number(14, 1) != 8:
            self.damaged("addresses are not 8 bytes wide")
        start = 24 if version == 0 else 28
        base, _, end, driver = (self.number(start + 8 * i, 8) for i in range(4))
        if base != 0 or driver != _UNDEFINED:
            self.fail("the HDF5 file has a user block or a driver that spreads it over several files; neither is read.")
        if end > len(self.data):
            self.fail(
                f"the HDF5 file is cut short: it says it has {end} bytes, but {len(self.data)} are here. Get it again."
            )
        node = self.node(self.number(start + 40, 8), "", 0)
        if not isinstance(node, Group):
            self.damaged("its root is not a group")
        return node

    # --- groups ----------------------------------------------------------------

    def node(self, address: int, name: str, depth: int) -> Group | Dataset:
        if depth > MAX_DEPTH:
            self.fail(f"groups are nested deeper than {MAX_DEPTH} at {name!r}.")
        if address in self.visited:
            self.fail(f"{name!r} is a second name of an object that has one already. Such files are not read.")
        self.visited.add(address)
        if len(self.visited) > MAX_OBJECTS:
            self.fail(f"the file holds more than {MAX_OBJECTS} groups and datasets.")
        found: dict[int, tuple[int, int]] = {}
        attributes: dict[str, Any] = {}
        for kind, start, size in self.messages(address, name):
            if kind == 12:
                key, value = self.attribute(start, size, name)
                attributes[key] = value
            else:
                found[kind] = (start, size)
        if 17 in found:
            group = Group(name, attributes)
            tree, heap = (self.number(found[17][0] + 8 * i, 8) for i in range(2))
            for child, where in self.links(tree, heap, name):
                path = f"{name}/{child}" if name else child
                self.spend(text=len(path))
                if child in group.children:
                    self.damaged(f"two children of {name!r} are called {child!r}")
                group.children[child] = self.node(where, path, depth + 1)
            return group
        if 8 not in found or 1 not in found or 3 not in found:
            self.damaged(f"{name!r} is neither a group nor a dataset")
        return self.dataset(name, found, attributes)

    def messages(self, address: int, name: str) -> Iterator[tuple[int, int, int]]:
        """Kind, place and size of each message of an object header."""
        version = self.number(address, 1)
        if version != 1:
            if bytes(self.bytes_at(address, 4)) == b"OHDR":
                self.fail(
                    f"{name!r} uses the object layout of newer HDF5, which is not read (it can hold external links)."
                )
            self.damaged(f"no object header at {address} for {name!r}")
        remaining = self.number(address + 2, 2)
        blocks = [(address + 16, self.number(address + 8, 4))]
        while blocks:
            start, length = blocks.pop(0)
            self.bytes_at(start, length)
            end = start + length
            while remaining and start + 8 <= end:
                self.step()
                kind, size, flags = self.number(start, 2), self.number(start + 2, 2), self.number(start + 4, 1)
                remaining -= 1
                body = start + 8
                if body + size > end:
                    self.damaged(f"a message of {name!r} is longer than its block")
                start = body + size
                if kind in _BLOCKED:
                    self.fail(
                        f"{name or 'the root group'!r} holds {_BLOCKED[kind]}, which is not allowed in a model file."
                    )
                if flags & 2 and kind not in _IGNORED:
                    self.fail(f"{name!r} uses a shared (committed) datatype, which is not allowed in a model file.")
                if kind == 16:
                    blocks.append((self.number(body, 8), self.number(body + 8, 8)))
                elif kind in (1, 3, 8, 11, 12, 17):
                    yield kind, body, size
                elif kind not in _IGNORED:
                    self.damaged(f"{name!r} has a message of unknown kind {kind}")

    def links(self, tree: int, heap: int, name: str) -> Iterator[tuple[str, int]]:
        """Names and addresses of a group's children."""
        if bytes(self.bytes_at(heap, 4)) != b"HEAP":
            self.damaged(f"the names of {name!r} are missing")
        names = bytes(self.bytes_at(self.number(heap + 24, 8), self.number(heap + 8, 8)))
        self.spend(text=len(names))
        for leaf in self.tree(tree, 0, 0):
            if bytes(self.bytes_at(leaf[1], 4)) != b"SNOD":
                self.damaged(f"a symbol table of {name!r} is missing")
            for index in range(self.number(leaf[1] + 6, 2)):
                self.step()
                entry = leaf[1] + 8 + 40 * index
                offset, address, cached = self.number(entry, 8), self.number(entry + 8, 8), self.number(entry + 16, 4)
                end = names.find(b"\0", offset)
                if end < 0 or end - offset > MAX_NAME:
                    self.damaged(f"a name in {name!r} runs out of its heap")
                child = names[offset:end].decode("utf-8")
                if not child or "/" in child or child in (".", ".."):
                    self.fail(f"{name!r} has a child called {child!r}, which is no name.")
                if cached == 2:
                    self.fail(
                        f"{child!r} in {name or 'the root'!r} is a soft link, which is not allowed in a model file."
                    )
                if cached not in (0, 1):
                    self.damaged(f"the entry of {child!r} has kind {cached}")
                yield child, address

    def tree(self, address: int, kind: int, key_size: int, level: int | None = None) -> Iterator[tuple[int, int]]:
        """Key place and child address of all leaves of a B-tree (kind 0: groups, 1: chunks)."""
        self.step()
        if bytes(self.bytes_at(address, 4)) != b"TREE" or self.number(address + 4, 1) != kind:
            self.damaged(f"a tree node is missing at {address}")
        here = self.number(address + 5, 1)
        if (level is not None and here != level - 1) or here > 16:
            self.damaged("the levels of a tree do not follow")
        stride = (key_size or 8) + 8
        for index in range(self.number(address + 6, 2)):
            key = address + 24 + stride * index
            child = self.number(key + stride - 8, 8)
            if here:
                yield from self.tree(child, kind, key_size, here)
            else:
                self.step()
                yield key, child

    # --- datasets and attributes -----------------------------------------------

    def dataset(self, name: str, found: dict[int, tuple[int, int]], attributes: dict[str, Any]) -> Dataset:
        shape = self.dataspace(found[1][0], name)
        dtype = self.datatype(found[3][0], name)
        if not isinstance(dtype, np.dtype) or dtype.kind not in "iufV":
            self.fail(f"the dataset {name!r} holds {_kind(dtype)}; a weights file holds numbers only.")
        filters = self.filters(found[11][0], name) if 11 in found else []
        start = found[8][0]
        version, kind = self.number(start, 1), self.number(start + 1, 1)
        if version == 4 and kind == 3:
            self.fail(f"the dataset {name!r} is virtual: its numbers are in other files, which is not allowed.")
        if version != 3 or kind > 2:
            self.fail(f"the dataset {name!r} has a storage layout (version {version}, class {kind}) that is not read.")
        count = math.prod(shape) * dtype.itemsize
        layout: tuple[Any, ...]
        if kind == 2:
            rank = self.number(start + 2, 1) - 1
            chunk = tuple(self.number(start + 11 + 4 * i, 4) for i in range(rank))
            if rank != len(shape) or 0 in chunk or self.number(start + 11 + 4 * rank, 4) != dtype.itemsize:
                self.damaged(f"the chunks of {name!r} do not fit its shape")
            layout = ("chunked", self.number(start + 3, 8), chunk)
            stored = self.chunks(name, shape, dtype, layout)
            size = math.prod(chunk) * dtype.itemsize
            largest = max((entry[1] for entry in stored.values()), default=0)
            needed = math.prod(-(-axis // part) for axis, part in zip(shape, chunk, strict=True)) if count else 0
            total = sum(entry[1] for entry in stored.values())
            if needed != len(stored) or count > MAX_EXPANSION * total or (needed and size > MAX_EXPANSION * largest):
                self.bomb(name, shape, count, total)
            self.spend(stored=total)
            self.unpack(name, max(needed, 1) * math.prod(chunk), dtype)
            layout = ("chunked", stored, chunk)
        else:
            if filters:
                self.damaged(f"{name!r} has filters but no chunks")
            if kind == 0:
                place, length = start + 4, self.number(start + 2, 2)
            else:
                place, length = self.number(start + 2, 8), self.number(start + 10, 8)
            if place == _UNDEFINED:
                place, length = 0, 0
            if length < count:
                self.bomb(name, shape, count, length)
            self.bytes_at(place, count)
            self.spend(stored=count)
            layout = ("plain", place)
        if dtype.kind == "V":
            dtype = self.brain_float(name, attributes)
        return Dataset(name, shape, dtype, attributes, self, layout, filters)

    def unpack(self, name: str, count: int, dtype: np.dtype[Any]) -> None:
        """Count what compressed numbers take in memory, as weights of 4 bytes at least."""
        self.unpacked += count * max(dtype.itemsize, 4)
        if self.unpacked > limits().unpacked(self.size):
            self.fail(f"with {name!r} its {self.size} bytes unpack to {self.unpacked}. {advice('expansion')}")

    def bomb(self, name: str, shape: tuple[int, ...], count: int, stored: int) -> NoReturn:
        self.fail(
            f"the dataset {name!r} declares shape {shape} ({count} bytes), but only {stored} bytes are stored. "
            "It is damaged, or made to exhaust memory."
        )

    def chunks(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], layout: tuple[Any, ...]
    ) -> dict[tuple[int, ...], tuple[int, int, int]]:
        """Address, stored size and filter mask of each chunk, by its first index."""
        if layout[1] == _UNDEFINED:
            return {}
        stored = {}
        for key, address in self.tree(layout[1], 1, 8 + 8 * (len(shape) + 1)):
            size, mask = self.number(key, 4), self.number(key + 4, 4)
            origin = tuple(self.number(key + 8 + 8 * i, 8) for i in range(len(shape)))
            fits = all(o % c == 0 and o < s for o, c, s in zip(origin, layout[2], shape, strict=True))
            if not fits or origin in stored:
                self.damaged(f"a chunk of {name!r} lies at {origin}, outside its shape {shape}")
            self.bytes_at(address, size)
            stored[origin] = (address, size, mask)
        return stored

    def brain_float(self, name: str, attributes: dict[str, Any]) -> np.dtype[Any]:
        if attributes.get("dtype") != "bfloat16":
            self.fail(f"the dataset {name!r} holds opaque bytes; a weights file holds numbers only.")
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)

    def read(self, dataset: Dataset) -> np.ndarray[Any, Any]:
        with _guarded(self.file):
            return self._read(dataset)

    def _read(self, dataset: Dataset) -> np.ndarray[Any, Any]:
        if dataset._layout[0] == "plain":
            raw = self.bytes_at(dataset._layout[1], dataset.nbytes)
            array = np.frombuffer(raw, dataset.dtype).reshape(dataset.shape)
        else:
            _, stored, chunk = dataset._layout
            array = np.empty(dataset.shape, dataset.dtype)
            size = math.prod(chunk) * dataset.dtype.itemsize
            for origin, (address, length, mask) in stored.items():
                whole = self.unfilter(bytes(self.bytes_at(address, length)), dataset, mask, size)
                part = np.frombuffer(whole, dataset.dtype).reshape(chunk)
                where = tuple(slice(o, min(o + c, s)) for o, c, s in zip(origin, chunk, dataset.shape, strict=True))
                array[where] = part[tuple(slice(0, w.stop - w.start) for w in where)]
        # Bytes of the file are copied, so that they need not stay in memory for one array.
        return array.astype(dataset.dtype.newbyteorder("="), copy=dataset._layout[0] == "plain")

    def unfilter(self, raw: bytes, dataset: Dataset, mask: int, size: int) -> bytes:
        for index, (kind, values) in reversed(list(enumerate(dataset._filters))):
            if mask >> index & 1:
                continue
            if kind == 1:
                raw = zlib.decompressobj().decompress(raw, size + 4)
            elif kind == 2:
                width = values[0] if values else dataset.dtype.itemsize
                if width != dataset.dtype.itemsize or len(raw) % width:
                    self.damaged(f"the bytes of {dataset.name!r} cannot be unshuffled")
                raw = np.frombuffer(raw, np.uint8).reshape(width, -1).T.tobytes()
            else:
                raw = raw[:-4]  # Fletcher-32: the checksum follows the bytes.
        if len(raw) != size:
            self.damaged(f"a chunk of {dataset.name!r} has {len(raw)} bytes, not {size}")
        return raw

    def filters(self, start: int, name: str) -> list[tuple[int, tuple[int, ...]]]:
        version, count = self.number(start, 1), self.number(start + 1, 1)
        if version not in (1, 2) or count > 8:
            self.damaged(f"the filters of {name!r} cannot be read")
        place, found = start + (8 if version == 1 else 2), []
        for _ in range(count):
            kind = self.number(place, 2)
            if kind not in (1, 2, 3):
                self.fail(
                    f"the dataset {name!r} is compressed by filter {kind}; only gzip, shuffle and fletcher32 are read. "
                    "Save it again with compression='gzip', or without."
                )
            named = version == 1
            length = self.number(place + 2, 2) if named else 0
            place += 4 if named else 2
            values = self.number(place + 2, 2)
            place += 4 + (-(-length // 8) * 8)
            found.append((kind, tuple(self.number(place + 4 * i, 4) for i in range(min(values, 16)))))
            place += 4 * values + (4 if named and values % 2 else 0)
        return found

    def dataspace(self, start: int, name: str) -> tuple[int, ...]:
        version, rank = self.number(start, 1), self.number(start + 1, 1)
        if version not in (1, 2) or rank > 32:
            self.damaged(f"the shape of {name!r} cannot be read")
        if version == 2 and self.number(start + 3, 1) == 2:
            return (0,)
        first = start + (8 if version == 1 else 4)
        shape = tuple(self.number(first + 8 * i, 8) for i in range(rank))
        if math.prod(shape) >= 2**60:
            self.fail(f"{name!r} declares shape {shape}, which no file can hold.")
        return shape

    def datatype(self, start: int, name: str) -> Any:
        """NumPy dtype of numbers, fixed text and two opaque bytes; a word for anything else."""
        kind, bits, size = self.number(start, 1) & 15, self.number(start + 1, 3), self.number(start + 4, 4)
        if kind == 0 and size in (1, 2, 4, 8):
            if self.number(start + 8, 2) != 0 or self.number(start + 10, 2) != 8 * size:
                self.fail(f"{name!r} holds whole numbers of unusual width, which are not read.")
            return np.dtype(f"{'>' if bits & 1 else '<'}{'i' if bits & 8 else 'u'}{size}")
        if kind == 1 and size in (2, 4, 8):
            form = (*(self.number(start + 12 + i, 1) for i in range(4)), self.number(start + 16, 4))
            usual = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}
            if form == (7, 8, 0, 7, 127) and size == 2 and not bits & 1:
                return np.dtype("V2")
            if form != usual[size] or self.number(start + 10, 2) != 8 * size or bits & 64:
                self.fail(f"{name!r} holds floating-point numbers of unusual form, which are not read.")
            return np.dtype(f"{'>' if bits & 1 else '<'}f{size}")
        if kind == 3 and 0 < size <= 65536:
            return np.dtype(f"S{size}")
        if kind == 5 and size == 2:
            return np.dtype("V2")
        if kind == 9 and bits & 15 == 1:
            return "variable text"
        words = {2: "times", 4: "bit fields", 5: "opaque bytes", 6: "records", 7: "references", 8: "an enumeration"}
        return words.get(kind, "objects of variable length" if kind == 9 else "elements of an unknown type")

    def attribute(self, start: int, size: int, owner: str) -> tuple[str, Any]:
        version = self.number(start, 1)
        if version not in (1, 2, 3):
            self.damaged(f"an attribute of {owner!r} cannot be read")
        if version > 1 and self.number(start + 1, 1):
            self.fail(f"an attribute of {owner!r} uses a shared datatype, which is not allowed in a model file.")
        self.spend(stored=size)
        lengths = [self.number(start + 2 + 2 * i, 2) for i in range(3)]
        place = start + (9 if version == 3 else 8)
        places = []
        for length in lengths:
            places.append(place)
            place += -(-length // 8) * 8 if version == 1 else length
        if place > start + size:
            self.damaged(f"an attribute of {owner!r} is longer than its message")
        key = bytes(self.bytes_at(places[0], lengths[0])).split(b"\0")[0].decode("utf-8")
        dtype = self.datatype(places[1], f"{owner}@{key}")
        shape = self.dataspace(places[2], f"{owner}@{key}")
        count = math.prod(shape)
        width = 16 if dtype == "variable text" else dtype.itemsize if isinstance(dtype, np.dtype) else None
        if width is None or (isinstance(dtype, np.dtype) and dtype.kind == "V"):
            return key, None  # Harmless and unused: an attribute of a type that Keras does not write.
        if place + count * width > start + size:
            self.damaged(f"the attribute {key!r} of {owner!r} declares {count} elements, more than it stores")
        if dtype == "variable text":
            texts = [self.heap_text(place + 16 * i, key) for i in range(count)]
            return key, texts if shape else texts[0]
        array = np.frombuffer(self.bytes_at(place, count * width), dtype).reshape(shape)
        if dtype.kind == "S":
            texts = [bytes(item).decode("utf-8") for item in array.ravel()]
            return key, texts if shape else texts[0]
        return key, array.tolist()

    def heap_text(self, place: int, key: str) -> str:
        """Text of variable length in the global heap."""
        length, heap, wanted = self.number(place, 4), self.number(place + 4, 8), self.number(place + 12, 4)
        if not length:
            return ""
        self.spend(text=length)
        if heap not in self.heaps:
            self.heaps[heap] = dict(self.heap(heap, key))
        at, size = self.heaps[heap].get(wanted, (0, -1))
        if size < length:
            self.damaged(f"the text of attribute {key!r} is missing")
        return bytes(self.bytes_at(at, length)).rstrip(b"\0").decode("utf-8")

    def heap(self, heap: int, key: str) -> Iterator[tuple[int, tuple[int, int]]]:
        """Number, place and size of each text of a global heap."""
        if bytes(self.bytes_at(heap, 4)) != b"GCOL":
            self.damaged(f"the text of attribute {key!r} is missing")
        at, end = heap + 16, heap + self.number(heap + 8, 8)
        self.bytes_at(heap, end - heap)
        while at + 16 <= end:
            self.step()
            index, size = self.number(at, 2), self.number(at + 8, 8)
            if index == 0 or at + 16 + size > end:
                return
            yield index, (at + 16, size)
            at += 16 + -(-size // 8) * 8


def _kind(dtype: Any) -> str:
    return dtype if isinstance(dtype, str) else "text" if dtype.kind == "S" else str(dtype)

"""The two containers of PyTorch files: the zip of version 1.6 and later, and the run of pickles before it.

    zip:     NAME/data.pkl, NAME/data/KEY (a storage each), NAME/byteorder, NAME/version
    legacy:  magic number, protocol version, system, object, storage keys (a pickle each),
             then for each key its number of elements (int64) and the elements

(`torch/serialization.py`: `_save`, `_legacy_save`.) The file is mapped into memory, and storages stay in it until a
tensor is loaded.
"""

from __future__ import annotations

import struct
from mmap import ACCESS_READ, mmap
from pathlib import Path

from ...errors import InputError, UnsupportedError
from ...files import STAND_INS
from .pickle_machine import MAX_PICKLE_BYTES, PickleReader
from .tree import ELEMENTS, Element, Reference, Storage, Value, describe
from .zip_directory import ZipEntry, entry_bytes, read_directory

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_MAX_KEY = 128
"""Storages are named by numbers, or by addresses in memory."""

_STORAGE_ELEMENTS = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}

_FOREIGN_STARTS = (
    *STAND_INS,
    (b"\x1f\x8b", "this is compressed by gzip; unpack it first"),
    (b"\x89HDF", "this is an HDF5 file (Keras); trtzoo reads PyTorch, DarkNet and ONNX files"),
    (b"ftrt", "this is a TensorRT engine, which cannot be converted back; give the weights that it was built from"),
    (b"ptrt", "this is a TensorRT engine, which cannot be converted back; give the weights that it was built from"),
)


def read_container(path: Path) -> Value:
    """The tree of values in a PyTorch file of either kind.

    Raises:
        InputError: the file is damaged.
        UnsupportedError: it is not a PyTorch checkpoint, with what it seems to be.
    """
    data = _map_file(path)
    if data[:4] in (b"PK\3\4", b"PK\5\6"):
        return _ZipCheckpoint(path, data).read()
    if data[:1] == b"\x80":
        return _LegacyCheckpoint(data).read()
    raise UnsupportedError(_foreign(data))


def _map_file(path: Path) -> mmap:
    """The file, mapped into memory for reading; it is unmapped when the last array of it is gone."""
    try:
        with path.open("rb") as stream:
            return mmap(stream.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error}); check the file") from error


def _foreign(data: mmap) -> str:
    """What a file is that is not PyTorch's, as far as its first bytes tell."""
    start = data[:512].lstrip()
    for prefix, what in _FOREIGN_STARTS:
        if start.startswith(prefix):
            return what
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        return (
            "this is a safetensors file: weights without an architecture; give the trainer's own checkpoint (best.pt)"
        )
    if data[257:262] == b"ustar":
        return "this is in PyTorch's tar format of before version 0.1.10; load it with an old PyTorch and save it again"
    if data[:1] == b"\x08" and data[2:3] in (b"\x12", b"\x1a", b"\x3a"):
        return "this seems to be an ONNX model; name it .onnx"
    return "this is not a PyTorch file (neither a zip nor a pickle); give the trainer's own checkpoint, e.g. best.pt"


class _ZipCheckpoint:
    """A checkpoint in the zip format. Compressed storages are decompressed once, on first use."""

    def __init__(self, path: Path, data: mmap) -> None:
        self._path = path
        self._data = data
        self._entries = read_directory(data)
        self._root = _root_folder(self._entries)
        self._inflated: dict[str, memoryview] = {}

    def read(self) -> Value:
        self._refuse_other_contents()
        entry = self._entries[f"{self._root}data.pkl"]
        if entry.size > MAX_PICKLE_BYTES:
            raise InputError(f"its pickle has {entry.size} bytes, far more than any network needs")
        return PickleReader(bytes(entry_bytes(self._data, entry)), self._load_persistent).load()

    def storage_bytes(self, key: str) -> memoryview:
        """The contents of the storage `key`; asked for when `read` is long done, hence the path in the error."""
        if key not in self._inflated:
            try:
                self._inflated[key] = entry_bytes(self._data, self._entries[f"{self._root}data/{key}"])
            except InputError as error:
                raise InputError(f"{self._path}: {error}") from error
        return self._inflated[key]

    def _refuse_other_contents(self) -> None:
        if f"{self._root}constants.pkl" in self._entries:
            raise UnsupportedError(
                "this is a TorchScript archive: compiled code without the modules it was made from; "
                "give the original checkpoint (best.pt), or export it to ONNX where it was made"
            )
        order = self._entries.get(f"{self._root}byteorder")
        if order is not None and bytes(entry_bytes(self._data, order)[:8]) != b"little":
            raise UnsupportedError("this was saved on a big-endian machine; load and save it with PyTorch on another")

    def _load_persistent(self, identifier: Value) -> Storage:
        """`("storage", type, key, location, number of elements)`."""
        kind, storage_type, key, _, count = identifier
        entry = self._entries.get(f"{self._root}data/{key}") if _is_key(key) else None
        if kind != "storage" or entry is None:
            raise InputError(f"the storage {describe(key)} is not in the file; download or save it again")
        element = _storage_element(storage_type)
        nbytes = _checked_count(count) * (element.stored.itemsize if element else 1)
        if nbytes > entry.size:
            raise InputError(f"the storage {describe(key)} has {entry.size} bytes in place of {nbytes}; save it again")
        return Storage(self, key, nbytes, element=element)


class _LegacyCheckpoint:
    """A checkpoint of before PyTorch 1.6, or saved with `_use_new_zipfile_serialization=False`."""

    def __init__(self, data: mmap) -> None:
        self._data = data
        self._sizes: dict[str, tuple[int, int]] = {}
        self._places: dict[str, tuple[int, int]] = {}

    def read(self) -> Value:
        reader = PickleReader(self._data[:MAX_PICKLE_BYTES], self._load_persistent)
        if not _is_number(reader.load(), _LEGACY_MAGIC):
            raise UnsupportedError(
                "this is a pickle, but not one that torch.save wrote; "
                "load it where it was made and write it with torch.save"
            )
        if not _is_number(reader.load(), _LEGACY_PROTOCOL):
            raise UnsupportedError(
                f"this is not of PyTorch's legacy protocol {_LEGACY_PROTOCOL}; save it with PyTorch >= 1.6"
            )
        system = reader.load()
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise UnsupportedError("this was saved on a big-endian machine; load and save it with PyTorch on another")
        tree = reader.load()
        self._place_storages(reader.load(), reader.position)
        return tree

    def storage_bytes(self, key: str) -> memoryview:
        """The elements of the storage `key`."""
        start, end = self._places[key]
        return memoryview(self._data)[start:end]

    def _place_storages(self, keys: Value, at: int) -> None:
        """Find each storage; they follow each other in the order of `keys`, each behind its number of elements."""
        if type(keys) is not list or not all(map(_is_key, keys)) or sorted(keys) != sorted(self._sizes):
            raise InputError("its list of storages does not match its tensors; download or save it again")
        for key in keys:
            count, width = self._sizes[key]
            start, end = at + 8, at + 8 + count * width
            if end > len(self._data) or struct.unpack_from("<q", self._data, at) != (count,):
                raise InputError(f"the storage {describe(key)} is cut off or of another size; download the file again")
            self._places[key] = (start, end)
            at = end

    def _load_persistent(self, identifier: Value) -> Value:
        """`("storage", type, key, location, count, view)` or `("module", class, file, source)`."""
        kind, target, *rest = identifier
        if kind == "module":
            return target
        key, _, count, view = rest
        element = _storage_element(target)
        if kind != "storage" or not _is_key(key) or element is None:
            raise InputError(f"the storage {describe(key)} is not of a known type; save the file again")
        size = (_checked_count(count), element.stored.itemsize)
        if self._sizes.setdefault(key, size) != size:
            raise InputError(f"the storage {describe(key)} has two sizes; download or save the file again")
        return self._storage(key, element, count, view)

    def _storage(self, key: str, element: Element, count: int, view: Value) -> Storage:
        """The storage `key`, or the part of it that `(key of the view, offset, count)` says."""
        width = element.stored.itemsize
        first, part = (0, count) if view is None else map(_checked_count, view[1:3])
        if first + part > count:
            raise InputError(f"a view of the storage {describe(key)} reaches beyond its end; save the file again")
        return Storage(self, key, part * width, first * width, element)


def _root_folder(entries: dict[str, ZipEntry]) -> str:
    """The folder in the archive that holds `data.pkl`, with its slash."""
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise UnsupportedError(
            f"this is a zip with {len(pickles) or 'no'} PyTorch pickles in it (NAME/data.pkl) in place of one; "
            "give the trainer's own checkpoint, and unpack it first if it was packed once more"
        )
    return pickles[0].removesuffix("data.pkl")


def _storage_element(storage_type: Value) -> Element | None:
    """What `torch.HalfStorage` and its kind hold; None for bytes without a type."""
    path = storage_type.path if isinstance(storage_type, Reference) else ""
    name = path.rpartition(".")[2]
    if name == "UntypedStorage":
        return None
    if not path.startswith("torch.") or name not in _STORAGE_ELEMENTS:
        raise UnsupportedError(
            f"the file has a tensor of the type {describe(storage_type)}; convert it to float and save it again"
        )
    return ELEMENTS[_STORAGE_ELEMENTS[name]]


def _is_key(value: Value) -> bool:
    return type(value) is str and len(value) <= _MAX_KEY


def _is_number(value: Value, expected: int) -> bool:
    return type(value) is int and value == expected


def _checked_count(value: Value) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a storage with a size that is no number")
    return value

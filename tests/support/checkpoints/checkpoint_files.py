"""Checkpoint files made by hand: zips around any pickle, and pickles opcode by opcode."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping

PROTOCOL = pickle.PROTO + b"\2"


def zip_checkpoint(
    program: bytes,
    storages: Mapping[str, bytes] | None = None,
    *,
    compression: int = zipfile.ZIP_STORED,
    others: Mapping[str, bytes] | None = None,
) -> bytes:
    """A PyTorch zip with `program` as its pickle, storages by key, and other entries by their full names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("made/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"made/data/{key}", data)
        for name, data in (others or {}).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def text(value: str) -> bytes:
    """The opcodes that push a string."""
    data = value.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """The opcodes that push an integer of any size."""
    return pickle.dumps(value, protocol=2)[2:-1]


def name(path: str) -> bytes:
    """The opcodes that push a class or function: `name("os system")`."""
    return pickle.GLOBAL + path.replace(" ", "\n").encode() + b"\n"


def of(*parts: bytes) -> bytes:
    """The opcodes that push a tuple of what `parts` push."""
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def call(path: str, *args: bytes) -> bytes:
    """The opcodes that call a function: `call("os system", text("id"))`."""
    return name(path) + of(*args) + pickle.REDUCE


def storage(kind: str, key: str, count: int) -> bytes:
    """The opcodes that push a storage: `storage("FloatStorage", "0", 4)`."""
    identifier = of(text("storage"), name(f"torch {kind}"), text(key), text("cpu"), integer(count))
    return identifier + pickle.BINPERSID


def tensor(stored: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """The opcodes that push a tensor of a storage."""
    sizes, steps = of(*map(integer, shape)), of(*map(integer, strides))
    hooks = call("collections OrderedDict")
    return call("torch._utils _rebuild_tensor_v2", stored, integer(offset), sizes, steps, pickle.NEWFALSE, hooks)


def program(*parts: bytes) -> bytes:
    """A whole pickle."""
    return PROTOCOL + b"".join(parts) + pickle.STOP


def stored_in_legacy(kind: str, key: str, count: int) -> bytes:
    """As `storage`, as files of before PyTorch 1.6 say it."""
    identifier = of(text("storage"), name(f"torch {kind}"), text(key), text("cpu"), integer(count), pickle.NONE)
    return identifier + pickle.BINPERSID


def legacy_checkpoint(
    body: bytes,
    numbers: bytes = b"",
    *,
    magic: bytes = integer(0x1950A86A20F9469CFC6C),
    keys: bytes = pickle.EMPTY_LIST,
) -> bytes:
    """A checkpoint of before PyTorch 1.6: `body` pushes its value, `numbers` are its storages behind their counts."""
    system = text("little_endian") + pickle.NEWTRUE
    headers = program(magic) + program(integer(1001)) + program(pickle.EMPTY_DICT + system + pickle.SETITEM)
    return headers + program(body) + program(keys) + numbers


NETWORK = program(
    pickle.EMPTY_DICT + pickle.BINPUT + b"\0" + pickle.MARK,
    text("model") + name("models.yolo Model") + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.BINPUT + b"\1",
    pickle.EMPTY_DICT + pickle.MARK + text("names") + pickle.EMPTY_LIST + pickle.MARK + text("cat") + text("dog"),
    pickle.APPENDS + text("stride") + tensor(storage("FloatStorage", "0", 6), 0, (3,), (1,)),
    text("weight") + tensor(storage("HalfStorage", "1", 8), 1, (2, 2), (3, 1)) + pickle.SETITEMS + pickle.BUILD,
    text("best") + call("numpy.core.multiarray scalar", call("numpy dtype", text("f8")), text("8 bytes!")),
    pickle.SETITEMS,
)
"""A pickle with an object, two tensors and a numpy scalar: what mutations start from."""

STORAGES = {"0": struct.pack("<6f", *range(6)), "1": bytes(range(16))}
"""The storages of `NETWORK`."""

LEGACY = legacy_checkpoint(
    of(
        tensor(stored_in_legacy("FloatStorage", "7", 6), 0, (3,), (1,)),
        tensor(stored_in_legacy("HalfStorage", "8", 8), 1, (2,), (3,)),
    ),
    struct.pack("<q", 6) + STORAGES["0"] + struct.pack("<q", 8) + STORAGES["1"],
    keys=pickle.EMPTY_LIST + pickle.MARK + text("7") + text("8") + pickle.APPENDS,
)
"""The same kind of content in the older format."""

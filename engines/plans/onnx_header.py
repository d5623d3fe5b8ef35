"""The metadata of an ONNX file, read without reading the graph.

An ONNX file is a protobuf message (ModelProto of onnx.proto): fields follow each other, each with its number and
length, so the graph, which is nearly all of the file, can be skipped. Importing `onnx` alone takes longer than this.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...errors import InputError
from ...files import require_file

_GRAPH, _METADATA = 7, 14
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LARGEST_ENTRY = 2**24


def read_properties(path: Path) -> dict[str, str]:
    """The `metadata_props` of an ONNX file.

    Raises:
        InputError: not an ONNX file, or cut off.
    """
    require_file(path, "an ONNX model")
    size, properties, has_graph = path.stat().st_size, {}, False
    try:
        with path.open("rb") as stream:
            for field, length in _fields(stream, size):
                has_graph |= field == _GRAPH
                if field == _METADATA and length <= _LARGEST_ENTRY:
                    entry = dict(_strings(stream.read(length)))
                    properties[entry.get(_KEY, "")] = entry.get(_VALUE, "")
    except (EOFError, ValueError) as error:
        raise InputError(f"{path} cannot be read as ONNX: {error}; it may be truncated or of another format") from error
    if not has_graph:
        raise InputError(f"{path} holds no ONNX graph; the file may be truncated or of another format")
    return properties


def _fields(stream: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Number and length of each top-level field, with the stream at its content."""
    while (start := stream.tell()) < size:
        key = _varint(stream)
        field, kind = key >> 3, key & 7
        if field == 0:
            raise ValueError(f"byte {start} is no field of a protobuf")
        length = _length(stream, kind, start)
        content = stream.tell()
        if content + length > size:
            raise EOFError(f"field {field} at byte {start} goes {content + length - size} bytes beyond the file's end")
        yield field, length if kind == _BYTES else -1
        stream.seek(content + length)


def _length(stream: BinaryIO, kind: int, start: int) -> int:
    """How many bytes the content of a field takes; a varint is read here."""
    if kind == _BYTES:
        return _varint(stream)
    if kind == _VARINT:
        _varint(stream)
        return 0
    if kind in (_FIXED64, _FIXED32):
        return 8 if kind == _FIXED64 else 4
    raise ValueError(f"byte {start} is no field of a protobuf")


def _strings(entry: bytes) -> Iterator[tuple[int, str]]:
    """The fields of a StringStringEntryProto."""
    import io

    stream = io.BytesIO(entry)
    for field, length in _fields(stream, len(entry)):
        if length >= 0:
            yield field, stream.read(length).decode("utf-8", "replace")


def _varint(stream: BinaryIO) -> int:
    """Protobuf's base-128 integer."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            raise EOFError("the file ends inside a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number has more than ten bytes")

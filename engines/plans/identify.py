"""What kind of engine a file is, told from its first bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.choices import EngineTarget
from ...errors import InputError
from ...files import require_file

_TAGS: dict[bytes, EngineTarget] = {b"ptrt": "tensorrt", b"ftrt": "tensorrt", b"vtrt": "tensorrt-rtx"}
"""The first four bytes of a plan: TensorRT's up to 8.5 and from 8.6 on, as trtexec checks it, TensorRT-RTX's as its plans have it."""

_VERSION = slice(24, 28)
"""Where the library's version stands, a byte a number (trtexec's `--getPlanVersionOnly`; also in TensorRT-RTX)."""

_SIZE = slice(16, 24)
"""Where the size of the whole plan stands, little-endian (TensorRT 8.6, 10.9 and TensorRT-RTX; not known of 8.5)."""

_LONGEST_HEADER = 2**20


@dataclass(frozen=True)
class EngineFile:
    """What the first bytes say.

    Attributes:
        path: of the file.
        target: "tensorrt" or "tensorrt-rtx".
        version: of the library that built it, "" if it cannot be told.
        offset: where the plan begins; not 0 if something is glued on in front.
        header: metadata that Ultralytics glues on.
    """

    path: Path
    target: EngineTarget
    version: str
    offset: int = 0
    header: Mapping[str, Any] = field(default_factory=dict)

    def plan(self) -> bytes:
        """The plan itself, without what is glued on."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read()


def identify(path: Path) -> EngineFile:
    """Recognise an engine.

    Raises:
        InputError: it is none, or not all of one.
    """
    require_file(path, "an engine")
    with path.open("rb") as stream:
        head = stream.read(64)
        offset, header = 0, {}
        if head[:4] not in _TAGS:
            stream.seek(0)
            header = _ultralytics_header(stream.read(_LONGEST_HEADER + 4))
            offset = stream.seek(_header_size(head)) if header else 0
            head = stream.read(64) if header else head
    target = _TAGS.get(head[:4])
    if target is None:
        raise InputError(f"{path} is no TensorRT engine: {_guess(head)}")
    if head[:4] == b"ptrt":
        return EngineFile(path, target, "", offset, header)
    size, found = int.from_bytes(head[_SIZE], "little"), path.stat().st_size - offset
    if found < size:
        raise InputError(f"{path} is cut off at {found} of {size} bytes; copy it again, or build it again")
    numbers = head[_VERSION]
    return EngineFile(path, target, ".".join(map(str, numbers)) if any(numbers) else "", offset, header)


def _header_size(head: bytes) -> int:
    """Length of Ultralytics' header: four bytes with the length of the JSON, and the JSON."""
    return 4 + int.from_bytes(head[:4], "little", signed=True)


def _ultralytics_header(start: bytes) -> dict[str, Any]:
    """The JSON in front of a plan, empty if there is none."""
    size = _header_size(start)
    if not 6 <= size <= len(start) or start[4:5] != b"{":
        return {}
    try:
        header = json.loads(start[4:size])
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def _guess(head: bytes) -> str:
    """What the file may be instead, and what to do."""
    if head[:4] == b"PK\x03\x04":
        return "it is a zip archive, such as a PyTorch checkpoint; convert it first"
    if head[:1] == b"\x08":
        return "it looks like an ONNX file; build it with `trtzoo build`"
    return f"its first bytes are {head[:4]!r}; it may be a broken download, or encrypted"

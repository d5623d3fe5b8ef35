"""Ranges from a file: trtzoo's own JSON or archive, or TensorRT's calibration cache, a text that other machines and tools write.

TRT-8601-EntropyCalibration2
images: 3c010a14                 name: big-endian float32 of the scale, the threshold / 127
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from ....errors import InputError
from ....files import atomic_write, require_file
from ....graph_passes.precision.qdq.insert import LEVELS, Quantisation
from ....graph_passes.precision.qdq.points import Points
from . import cache

ALGORITHM = "EntropyCalibration2"
"""That of trtexec's and DeepStream's calibrators; they take no cache with another name in its first line."""


def read_ranges(path: Path) -> Quantisation:
    """The numbers in a JSON file or (after distillation) a numpy archive, or the thresholds in a calibration cache of TensorRT.

    Raises:
        InputError: no such file, or none of these.
    """
    require_file(path, "ranges of a calibration")
    with path.open("rb") as stream:
        first = stream.read(4)
    if first == b"TRT-":
        return Quantisation(parse_tensorrt_cache(path.read_text(encoding="utf-8", errors="replace"), str(path)))
    if first == b"PK\x03\x04":
        return cache.load_arrays(path)
    if first[:1] == b"{" and (kept := cache.load(path)):
        return kept.numbers
    raise InputError(f"{path} holds no ranges: neither trtzoo's JSON nor a TensorRT calibration cache (TRT-...)")


def parse_tensorrt_cache(text: str, where: str) -> dict[str, float]:
    """Tensor -> threshold of a calibration cache's text; names may hold colons.

    Raises:
        InputError: a line that is no `name: hexadecimal`.
    """
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines()[1:], 2):
        if not line.strip():
            continue
        name, colon, digits = line.rpartition(": ")
        try:
            (scale,) = struct.unpack(">f", bytes.fromhex(digits.strip()))
        except (ValueError, struct.error) as error:
            raise InputError(f"{where}, line {number}: {line[:60]!r} is no `tensor: hexadecimal scale`") from error
        if colon:
            found[name] = scale * LEVELS
    return found


def tensorrt_cache(thresholds: Mapping[str, float], version: tuple[int, int]) -> str:
    """The text of a calibration cache for a TensorRT release (8.6, 10.3)."""
    major, minor = version
    number = major * 1000 + minor * 100 if major < 10 else major * 10000 + minor * 100
    lines = [f"{name}: {struct.pack('>f', value / LEVELS).hex()}" for name, value in thresholds.items()]
    return "\n".join([f"TRT-{number}-{ALGORITHM}", *lines, ""])


def write_tensorrt_cache(path: Path, thresholds: Mapping[str, float], version: tuple[int, int]) -> None:
    """Write the text for TensorRT.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as stream:
        stream.write(tensorrt_cache(thresholds, version).encode())


def shared_ranges(points: Points, ranges: Mapping[str, float], where: str) -> dict[str, float]:
    """The ranges of the quantised tensors; tensors that share a scale get the greatest of theirs.

    Raises:
        InputError: tensors have none: the file is of another model.
    """
    chosen: dict[str, float] = {}
    for group in points.groups:
        if known := [ranges[name] for name in group if name in ranges]:
            chosen |= {name: max(known) for name in group if name in points.quantised}
    missing = [name for name in points.quantised if name not in chosen]
    if missing:
        raise InputError(
            f"{where} has no range for {len(missing)} of {len(points.quantised)} tensors, the first is {missing[0]}: it is of another "
            "model, or of another export of it; calibrate again"
        )
    return chosen

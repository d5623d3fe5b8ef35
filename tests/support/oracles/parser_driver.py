"""The C++ parser of a DeepStream bundle, compiled and run over cases by a driver of its own."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from nvinfer import Object

DRIVER = Path(__file__).resolve().parents[2] / "bundles" / "data" / "driver.cpp"
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
TYPES = {"float32": 0, "float16": 1, "int8": 2, "int32": 3, "int64": 4, "uint8": 5}

needs_compiler = pytest.mark.skipif(
    not shutil.which("g++"),
    reason="g++ is missing: the parser is not compiled (Debian and Ubuntu: apt install g++ make)",
)


@dataclass(frozen=True)
class Layer:
    """An output as nvinfer describes it: dims without the batch; `None` values are a null pointer."""

    name: str
    values: np.ndarray | None
    dims: tuple[int, ...]
    dtype: str
    elements: int | None = None

    def encoded(self) -> bytes:
        name = self.name.encode()
        elements = int(np.prod(self.dims)) if self.elements is None else self.elements
        raw = b"" if self.values is None else np.ascontiguousarray(self.values).tobytes()
        shape = struct.pack(f"<{len(self.dims)}I", *self.dims)
        return b"".join(
            [
                struct.pack("<i", len(name)), name, struct.pack("<iI", TYPES[self.dtype], len(self.dims)), shape,
                struct.pack("<Ii", elements, -1 if self.values is None else len(raw)), raw,
            ]
        )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What one call of the parser gets."""

    layers: Sequence[Layer]
    network: tuple[int, int]
    thresholds: Sequence[float]

    def encoded(self) -> bytes:
        height, width = self.network
        head = struct.pack(f"<III{len(self.thresholds)}f", width, height, len(self.thresholds), *self.thresholds)
        return head + struct.pack("<i", len(self.layers)) + b"".join(layer.encoded() for layer in self.layers)


def layers_of(outputs: Mapping[str, np.ndarray], image: int = 0) -> list[Layer]:
    """The layers of one image of a batch."""
    return [Layer(name, array[image], array.shape[1:], str(array.dtype)) for name, array in outputs.items()]


def compile_parser(folder: Path, into: Path, major: int = 9, flags: Sequence[str] = ("-O2",)) -> tuple[Path, Path]:
    """The library of the sources in a bundle's folder, and the driver, compiled without a warning."""
    library, driver = into / f"parser{major}.so", into / f"driver{major}"
    common = ["g++", *STRICT, *flags, f"-DDS_VERSION_MAJOR={major}", f"-I{folder}"]
    for arguments in (
        ["-fPIC", "-shared", "-o", str(library), str(folder / "trtzoo_parse.cpp")],
        ["-o", str(driver), str(DRIVER), "-ldl"],
    ):
        subprocess.run([*common, *arguments], check=True)
    return library, driver


def parse(built: tuple[Path, Path], cases: Sequence[Case], function: str = "TrtzooParse") -> list[list[Object]]:
    """The objects of each case; the parser must have returned true."""
    library, driver = built
    given, found = library.with_suffix(".cases"), library.with_suffix(".objects")
    given.write_bytes(struct.pack("<i", len(cases)) + b"".join(case.encoded() for case in cases))
    done = subprocess.run([driver, library, function, given, found], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stream = io.BytesIO(found.read_bytes())
    return [_objects(stream) for _ in cases]


def _objects(stream: io.BytesIO) -> list[Object]:
    returned, count = struct.unpack("<ii", stream.read(8))
    assert returned == 1, "false makes nvinfer read an object list that was never filled"
    return [_object(stream) for _ in range(count)]


def _object(stream: io.BytesIO) -> Object:
    label, *numbers = struct.unpack("<i6f", stream.read(28))
    width, height, size = struct.unpack("<III", stream.read(12))
    assert size == width * height * 4
    mask = np.frombuffer(stream.read(size), np.float32).reshape(height, width) if size else None
    return Object(label, numbers[4], tuple(numbers[:4]), numbers[5], mask)

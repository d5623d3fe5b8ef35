"""Engines are recognised by their first bytes, with or without a header glued on."""

import json
from pathlib import Path

import pytest

from trtzoo.engines.plans.identify import identify
from trtzoo.errors import InputError

TENSORRT = b"ftrt" + bytes(20) + bytes([10, 16, 1, 11]) + bytes(100)
RTX = b"vtrt" + bytes(20) + bytes([1, 7, 1, 116]) + bytes(100)


@pytest.mark.parametrize(
    ("plan", "target", "version"),
    [
        (TENSORRT, "tensorrt", "10.16.1.11"),
        (RTX, "tensorrt-rtx", "1.7.1.116"),
        (b"ftrt", "tensorrt", ""),
        (b"ptrt" + TENSORRT[4:], "tensorrt", ""),
    ],
)
@pytest.mark.parametrize("header", [{}, {"task": "detect", "names": {"0": "cät"}}], ids=["raw", "ultralytics"])
def test_recognised(tmp_path: Path, plan: bytes, target: str, version: str, header: dict[str, object]) -> None:
    text = json.dumps(header).encode() if header else b""
    path = tmp_path / "m.engine"
    path.write_bytes((len(text).to_bytes(4, "little", signed=True) + text if header else b"") + plan)
    file = identify(path)
    assert (file.target, file.version, file.header) == (target, version, header)
    assert file.offset == (len(text) + 4 if header else 0)
    assert file.plan() == plan


@pytest.mark.parametrize("header", [b"", (11).to_bytes(4, "little") + b'{"names":0}'], ids=["raw", "ultralytics"])
def test_an_engine_that_is_cut_off(tmp_path: Path, header: bytes) -> None:
    """Bytes 16 to 24 hold the size of a plan, in all that were at hand: 8.6.0, 10.9, TensorRT-RTX 1.7."""
    size = 300
    plan = b"vtrt" + bytes(12) + size.to_bytes(8, "little") + bytes([1, 7, 1, 116])
    path = tmp_path / "m.engine"
    path.write_bytes(header + plan.ljust(size, b"x"))
    assert identify(path).version == "1.7.1.116"
    path.write_bytes((header + plan.ljust(size, b"x"))[:-1])
    with pytest.raises(InputError, match="cut off at 299 of 300 bytes"):
        identify(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04" + bytes(99), "zip"),
        (b"\x08\x08\x12\x06trtzoo", "trtzoo build"),
        (b"hello", "hell"),
        ((99).to_bytes(4, "little") + b"{" + b"x" * 200, "first bytes"),
        ((2**31 - 1).to_bytes(4, "little") + b"{}" + TENSORRT, "first bytes"),
        (b"", "empty"),
    ],
    ids=["checkpoint", "onnx", "text", "broken header", "huge header", "nothing"],
)
def test_other_files_are_explained(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "m.engine"
    path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        identify(path)

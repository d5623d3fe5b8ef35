"""Weights in, networks out: a model file is recognised by its content and read by the family that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..contract.choices import Family
from ..errors import InputError, UnsupportedError
from ..files import refuse_stand_in, require_file
from .options import ReadOptions

if TYPE_CHECKING:
    from .checkpoint.reader import Record
    from .network import Network

CHECKPOINT_FAMILIES: tuple[Family, ...] = ("yolov5", "yolov5-pose", "yolov7", "yolov9", "ultralytics")


def recognise(path: Path) -> str:
    """What kind of file this is: "cfg", "weights", "checkpoint", "onnx" or "engine".

    Raises:
        InputError: missing, empty, or none of these.
    """
    require_file(path, "a model: .cfg, .pt, .onnx or .engine")
    with path.open("rb") as stream:
        head = stream.read(4096)
    if path.suffix.lower() not in (".cfg", ".pt", ".pth"):  # whose readers look further
        refuse_stand_in(path, head)
    for kind, fits in _KINDS.items():
        if fits(head, path.suffix.lower()):
            return kind
    raise InputError(
        f"{path} is no model that trtzoo knows; give a DarkNet .cfg, a PyTorch .pt, an .onnx or an .engine"
    )


def holds_network(kind: str) -> bool:
    """Whether a family reads files of this kind (`recognise`), a cfg or a checkpoint."""
    return kind in _READERS


def read_network(path: Path, options: ReadOptions) -> Network:
    """Read a cfg or a checkpoint.

    Raises:
        InputError, ModelError, UnsupportedError: with what is wrong and where.
    """
    kind = "cfg" if options.family == "darknet" else recognise(path)
    if kind == "weights":
        raise InputError(f"{path} holds DarkNet weights; give the .cfg, and the weights with --weights")
    if options.onnx_layout and holds_network(kind):
        raise InputError(
            f"{path} says itself what its outputs are; --onnx-layout {options.onnx_layout} goes with the .onnx of another exporter"
        )
    if not holds_network(kind):
        raise InputError(f"{path} is an {kind} file, not weights; `trtzoo inspect {path}` says what it holds")
    return _READERS[kind](path, options)


def _read_cfg(path: Path, options: ReadOptions) -> Network:
    from .darknet import read

    _refuse_head(path, options)
    return read(path, options)


def _read_checkpoint(path: Path, options: ReadOptions) -> Network:
    from . import ultralytics, yolov5, yolov7, yolov9
    from .checkpoint.reader import load_model_record

    if options.family not in (None, *CHECKPOINT_FAMILIES):
        raise InputError(
            f"{path} is a PyTorch checkpoint, which --family {options.family} does not read; leave --family out"
        )
    if options.weights:
        raise InputError(f"{path} holds its weights itself; --weights {options.weights} goes with a DarkNet .cfg")
    record, checkpoint = load_model_record(path)
    readers: Mapping[Family, ModuleType] = {
        "ultralytics": ultralytics,
        "yolov9": yolov9,
        "yolov7": yolov7,
        "yolov5": yolov5,
        "yolov5-pose": yolov5,
    }
    reader = readers[options.family] if options.family else _first_match(readers.values(), record)
    if reader is None:
        raise UnsupportedError(
            f"{path} holds a {record.class_path}, which is neither YOLOv5, YOLOv7, YOLOv9 nor an Ultralytics model; export it "
            f"with --family torch where its framework is installed, or give an ONNX file"
        )
    if reader is not ultralytics:
        _refuse_head(path, options)
    network: Network = reader.read(record, checkpoint, path, options)
    return network


def _refuse_head(path: Path, options: ReadOptions) -> None:
    """Of a family whose models have one head each."""
    if options.head:
        raise InputError(f"{path} has only one head; leave --head {options.head} out")


def _first_match(readers: Iterable[ModuleType], record: Record) -> ModuleType | None:
    return next((reader for reader in readers if reader.matches(record)), None)


def _is_cfg(head: bytes, suffix: str) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    utf16 = head[:2] in (b"\xff\xfe", b"\xfe\xff") and b"[" in head
    return (
        utf16 or (suffix == ".cfg" and not _is_weights(head, "")) or (text[:1] in (b"[", b"#", b";") and b"[" in text)
    )


def _is_weights(head: bytes, suffix: str) -> bool:
    return suffix == ".weights" or (head[1:4] == b"\0\0\0" and head[5:8] == b"\0\0\0" and head[0] < 10 and head[4] < 10)


def _is_onnx(head: bytes, suffix: str) -> bool:
    """A protobuf whose first field is ModelProto.ir_version."""
    return suffix == ".onnx" or (len(head) > 2 and head[0] == 0x08 and head[1] < 32 and head[2] in (0x12, 0x3A, 0x42))


_KINDS: dict[str, Callable[[bytes, str], bool]] = {
    "checkpoint": lambda head, suffix: head[:4] == b"PK\x03\x04" or head[:1] == b"\x80" or suffix in (".pt", ".pth"),
    "engine": lambda head, suffix: suffix in (".engine", ".plan", ".trt") or head[:4] in (b"ftrt", b"ptrt", b"vtrt"),
    "onnx": _is_onnx,
    "cfg": _is_cfg,
    "weights": _is_weights,
}
"""What a file begins with and how its name ends, by kind; the first that fits is taken."""

_READERS: dict[str, Callable[[Path, ReadOptions], Network]] = {"cfg": _read_cfg, "checkpoint": _read_checkpoint}
"""What reads the kinds of files that hold a network."""

"""The models of one call: what each is and what runs it, for tables and results files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract.meta import ModelMeta
from ..engines.runtimes.base import Runtime
from ..engines.runtimes.triton import is_address
from ..files import sha256_of


@dataclass(frozen=True)
class ModelFacts:
    """A model in a results file.

    Attributes:
        label: short name, different for each model of a file.
        file: its name, or its address on a server.
        sha256: of the file, "" on a server.
        size_mib: of the file, and for DarkNet of its weights; None on a server.
        family: of the network.
        task: what it does.
        imgsz: height, width of its input.
        batch: fixed batch size, None where it is free.
        precision: "fp32", "fp16" or "int8".
        nms: route of the NMS in the graph, "behind" where trtzoo does it after the network, "none" where none is needed.
        runtime: what ran it: "onnxruntime CPU".
    """

    label: str
    file: str
    sha256: str
    size_mib: float | None
    family: str
    task: str
    imgsz: tuple[int, int]
    batch: int | None
    precision: str
    nms: str
    runtime: str


def describe_model(path: Path, label: str, runtime: Runtime) -> ModelFacts:
    """The facts of an opened model."""
    meta, remote = runtime.meta, is_address(str(path))
    files = [path, path.with_suffix(".weights")] if path.suffix == ".cfg" else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return ModelFacts(
        label,
        str(path) if remote else path.name,
        "" if remote else sha256_of(path),
        None if remote else round(size / 2**20, 2),
        meta.family,
        meta.task,
        meta.imgsz,
        meta.batch,
        meta.precision,
        nms_of(meta),
        runtime.name,
    )


def nms_of(meta: ModelMeta) -> str:
    """Where boxes are suppressed."""
    if meta.nms:
        return meta.nms.route
    return "none" if meta.nms_free or meta.task == "classify" else "behind"


def labels_of(paths: Sequence[Path]) -> list[str]:
    """A different label for each path: the file's name, with its folder or a number where that is not enough."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [f"{path.parent.name}/{path.name}" for path in paths]
    seen: dict[str, int] = {}
    labels = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels

"""A float network and pictures become the numbers of an INT8 network: one pass for the ranges, one for the biases."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs

from ...contract.meta import ModelMeta
from ...errors import InputError
from ...files import sha256_of
from ...graph.writer import write_onnx
from ...graph_passes.precision.qdq.insert import Quantisation
from ...graph_passes.precision.qdq.points import Points, QdqSettings, find_points
from . import cache
from .bias import corrected_biases
from .collect import collect, thresholds
from .methods import Threshold
from .pictures import PictureReader, Sample, choose, digest, with_letterbox
from .progress import Progress, no_progress

FEW = 100
"""Fewer pictures than this are worth a warning."""


@dataclass(frozen=True)
class CalibrationSettings:
    """How INT8 numbers are found.

    Attributes:
        path: a folder of pictures, or a text file that lists them.
        count: how many pictures, at most.
        batch: pictures a run, for a graph whose batch is free.
        threshold: the method.
        letterbox: pictures letterboxed or stretched; None prepares them as `detect` does.
        bias_correction: win back accuracy by corrected biases.
        bias_pictures: pictures that the correction looks at.
        held_out: pictures kept for the comparison of FP32 with INT8.
        cache: folder of the ranges, None to keep none.
        qdq: what stays out of INT8.
    """

    path: Path
    count: int = 1024
    batch: int = 8
    threshold: Threshold = Threshold()
    letterbox: bool | None = None
    bias_correction: bool = True
    bias_pictures: int = 16
    held_out: int = 32
    cache: Path | None = Path("caches")
    qdq: QdqSettings = QdqSettings()

    def __post_init__(self) -> None:
        """Raises InputError for a number out of range."""
        for flag, value in (("--calib-num", self.count), ("--calib-batch", self.batch)):
            if value < 1:
                raise InputError(f"{flag} {value} is out of range; choose 1 or more")


@dataclass(frozen=True)
class Calibration:
    """INT8 numbers, and where they come from.

    Attributes:
        points: where the graph is quantised.
        numbers: with what.
        sample: the pictures.
        unreadable: pictures that could not be read, and why.
        cache: the file with the numbers, None where none is kept.
        cached: whether they were read from it instead of computed.
    """

    points: Points
    numbers: Quantisation
    sample: Sample
    unreadable: Mapping[Path, str]
    cache: Path | None
    cached: bool

    def notes(self, wanted: int) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        used = len(self.sample.files) - len(self.unreadable)
        notes = [
            f"INT8: calibrated on {used} of {self.sample.found} pictures"
            + (f", ranges from {self.cache}" if self.cached else "")
        ]
        if used < min(wanted, FEW):
            notes.append(f"INT8: {used} pictures are few; give {FEW} or more that look like what the model will see")
        if self.unreadable:
            first = next(iter(self.unreadable.values()))
            notes.append(f"INT8: {len(self.unreadable)} pictures could not be read, the first: {first}")
        return tuple(notes)


def calibrate(
    graph: gs.Graph, meta: ModelMeta, stem: str, settings: CalibrationSettings, progress: Progress = no_progress
) -> Calibration:
    """Find the numbers of a float network's INT8 form, or take them from the cache.

    Args:
        graph: before anything was quantised; nodes without a name get one, in place, nothing else changes.
        meta: of it.
        stem: name for the cache file.
        settings: how.
        progress: told about it.

    Raises:
        InputError: no pictures, or none that can be read; a tensor is not finite on them.
    """
    meta = with_letterbox(meta, settings.letterbox)
    points = find_points(graph, settings.qdq)
    sample = choose(settings.path, settings.count, settings.held_out)
    key = _key(graph, meta, sample, settings)
    path = cache.cache_path(settings.cache, stem, key) if settings.cache else None
    numbers = cache.load(path, key) if path else None
    if numbers is not None:
        return Calibration(points, numbers, sample, {}, path, cached=True)
    reader = PictureReader(meta)
    numbers = _measure(graph, reader, points, sample, settings, progress)
    if settings.bias_correction:
        images = list(PictureReader(meta).batches(_readable(sample, reader)[: settings.bias_pictures], meta.batch or 1))
        biases = corrected_biases(graph, meta, points, numbers, images, progress)
        numbers = Quantisation(numbers.thresholds, biases)
    if path:
        cache.save(path, key, numbers)
    return Calibration(points, numbers, sample, reader.unreadable, path, cached=False)


def _measure(
    graph: gs.Graph,
    reader: PictureReader,
    points: Points,
    sample: Sample,
    settings: CalibrationSettings,
    progress: Progress,
) -> Quantisation:
    sources = list(dict.fromkeys(name for names in points.sources for name in names))
    batches = reader.batches(sample.files, reader.meta.batch or settings.batch)
    counts = collect(graph, sources, batches, len(sample.files), progress)
    if not reader.read:
        raise InputError(
            f"--calib-path {settings.path}: none of {len(sample.files)} pictures can be read, the first: "
            f"{next(iter(reader.unreadable.values()))}"
        )
    return Quantisation(thresholds(points, counts, settings.threshold))


def _readable(sample: Sample, reader: PictureReader) -> list[Path]:
    return [file for file in sample.files if file not in reader.unreadable]


def _key(graph: gs.Graph, meta: ModelMeta, sample: Sample, settings: CalibrationSettings) -> dict[str, Any]:
    """Everything that the numbers depend on."""
    return {
        "model": graph_digest(graph),
        "pictures": {"count": len(sample.files), "sha256": digest(sample.files)},
        "preprocess": asdict(meta.preprocess)
        | {"imgsz": list(meta.imgsz), "family": meta.family, "input": meta.input_dtype},
        "method": str(settings.threshold),
        "qdq": {
            "exclude": list(settings.qdq.exclude),
            "keep_first": settings.qdq.keep_first,
            "final_layers": settings.qdq.final_layers,
        },
        "bias_correction": settings.bias_pictures if settings.bias_correction else 0,
    }


def graph_digest(graph: gs.Graph) -> str:
    """A hash of a graph with its weights, without its metadata."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write_onnx(graph, {}, path)
        return sha256_of(path)

"""A float network and pictures become the numbers of an INT8 network: one pass for the ranges, one for the biases."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs

from ...contract.meta import ModelMeta
from ...contract.progress import Progress, silent
from ...errors import InputError
from ...files import sha256_of
from ...graph.writer import write_onnx
from ...graph_passes.precision.qdq.insert import Quantisation
from ...graph_passes.precision.qdq.points import Points, find_points
from .correction.bias import corrected_biases
from .pictures import PictureReader, Sample, choose, digest, how_many, with_letterbox
from .ranges import cache
from .ranges.collect import collect, thresholds
from .ranges.files import read_ranges, shared_ranges
from .settings import CalibrationSettings

FEW = 100
"""Fewer pictures than this are worth a warning."""


@dataclass(frozen=True)
class Calibration:
    """INT8 numbers, and where they come from.

    Attributes:
        points: where the graph is quantised.
        numbers: with what.
        sample: the pictures; none where the ranges were given.
        unreadable: pictures that could not be read, and why.
        cache: the file with the numbers, None where none is kept.
        cached: whether they were read from it instead of computed.
        recovered: what a recovery behind it says, sentences for the user.
    """

    points: Points
    numbers: Quantisation
    sample: Sample = Sample((), (), 0)
    unreadable: Mapping[Path, str] = field(default_factory=dict)
    cache: Path | None = None
    cached: bool = False
    recovered: tuple[str, ...] = ()

    @property
    def readable(self) -> tuple[Path, ...]:
        """The pictures that were calibrated with."""
        return tuple(file for file in self.sample.files if file not in self.unreadable)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        used = len(self.readable)
        where = f"ranges from {self.cache}" if self.cached else ""
        what = f"calibrated on {used} of {self.sample.found} pictures" if self.sample.found else ""
        notes = [f"INT8: {', '.join(filter(None, (what, where)))}"]
        if self.sample.found and used < FEW:
            notes.append(
                f"INT8: {used} pictures are few; {FEW} or more that look like what the model will see are better"
            )
        if self.unreadable:
            first = next(iter(self.unreadable.values()))
            notes.append(f"INT8: {how_many(len(self.unreadable))} could not be read, the first: {first}")
        return (*notes, *self.recovered)


def calibrate(
    graph: gs.Graph, meta: ModelMeta, stem: str, settings: CalibrationSettings, progress: Progress = silent
) -> Calibration:
    """Find the numbers of a float network's INT8 form, or take them from the cache or a file of ranges.

    Args:
        graph: before anything was quantised; nodes without a name get one, in place, nothing else changes.
        meta: of it.
        stem: name for the cache file.
        settings: how.
        progress: told about it.

    Raises:
        InputError: no pictures, or none that can be read; a tensor is not finite on them.
    """
    points = find_points(graph, settings.qdq)
    if settings.ranges or not settings.path:
        return _imported(points, settings)
    meta = with_letterbox(meta, settings.letterbox)
    sample = choose(Path(settings.path), settings.count, settings.held_out)
    key = _key(graph, meta, sample, settings)
    path = _kept_in(stem, key, settings)
    if path and (kept := cache.load(path, key)):
        return Calibration(points, kept.numbers, sample, _unreadable(meta, sample, kept.unreadable), path, cached=True)
    reader = PictureReader(meta)
    numbers = _measure(graph, reader, points, sample, settings, progress)
    if settings.recovery != "none":
        files = [file for file in sample.files if file not in reader.unreadable][: settings.bias_pictures]
        images = list(PictureReader(meta).batches(files, meta.batch or 1))
        biases = corrected_biases(graph, meta, points, numbers, images, progress)
        numbers = replace(numbers, biases=biases)
    if path:
        unreadable = tuple(place for place, file in enumerate(sample.files) if file in reader.unreadable)
        cache.save(path, key, cache.Kept(numbers, unreadable))
    return Calibration(points, numbers, sample, reader.unreadable, path)


def _kept_in(stem: str, key: cache.Key, settings: CalibrationSettings) -> Path | None:
    """The file of the numbers: the user's, or one of the cache; None where none is kept."""
    if settings.output:
        return Path(settings.output)
    return cache.cache_path(Path(settings.cache), stem, key) if settings.cache else None


def _unreadable(meta: ModelMeta, sample: Sample, places: Sequence[int]) -> dict[Path, str]:
    """Why the pictures at these places of the sample cannot be read."""
    reader = PictureReader(meta)
    for _ in reader.pictures([sample.files[place] for place in places]):
        pass
    return reader.unreadable


def _imported(points: Points, settings: CalibrationSettings) -> Calibration:
    """The numbers in a file that this or another machine calibrated."""
    path = Path(settings.ranges) if settings.ranges else None
    numbers = read_ranges(path) if path else Quantisation({})
    shared = shared_ranges(points, numbers.thresholds, str(path))
    return Calibration(points, replace(numbers, thresholds=shared), cache=path, cached=True)


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
        "recovery": "none" if settings.recovery == "none" else f"bias, {settings.bias_pictures} pictures",
    }


def graph_digest(graph: gs.Graph) -> str:
    """A hash of a graph with its weights, without its metadata."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write_onnx(graph, {}, path)
        return sha256_of(path)

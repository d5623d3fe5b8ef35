"""All of INT8 at once: calibrate a float model, and say how far its INT8 form is from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs

from ...contract.meta import ModelMeta
from ...contract.progress import Progress, silent
from ...contract.target import parse_target
from ...converters.network import Network
from ...errors import InputError, MissingDependencyError, UnsupportedError
from ...graph_passes.precision.qdq.insert import Quantisation, to_int8
from .calibrate import Calibration, calibrate
from .correction.bias import corrected_biases
from .judging.compare import Comparison, compare_models
from .pictures import SHARE, PictureReader, with_letterbox
from .ranges import cache
from .ranges.every import every_threshold
from .ranges.files import write_tensorrt_cache
from .settings import CalibrationSettings

UNCOMPARED = (
    f"INT8: not compared with FP32, for no picture is left over; from {SHARE} pictures on, some are kept for that"
)


@dataclass(frozen=True)
class Quantised:
    """What `quantise` found.

    Attributes:
        calibration: where and with what numbers the graph is quantised.
        comparison: of FP32 with INT8; None where no picture was left for it.
    """

    calibration: Calibration
    comparison: Comparison | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, a sentence each."""
        return (*self.calibration.notes, *(self.comparison.notes() if self.comparison else self._uncompared))

    @property
    def _uncompared(self) -> tuple[str, ...]:
        sample = self.calibration.sample
        return (UNCOMPARED,) if 0 < sample.found < SHARE else ()


def quantise(
    graph: gs.Graph,
    meta: ModelMeta,
    stem: str,
    settings: CalibrationSettings,
    progress: Progress = silent,
    network: Network | None = None,
) -> Quantised:
    """Find the INT8 numbers of a model and compare the two on pictures that were held out.

    Args:
        graph: of the float model, raw heads or detections; nodes without a name get one, nothing else changes.
        meta: of it.
        stem: name for the cache file.
        settings: how.
        progress: told about it.
        network: what the graph was made of, where it was read from weights; distillation needs it.

    Raises:
        InputError: as `calibrate`.
        UnsupportedError: distillation of a graph that came as ONNX.
        MissingDependencyError: distillation without torch.
    """
    calibration = calibrate(graph, meta, stem, settings, progress)
    if settings.recovery == "distill":
        calibration = _distilled(graph, meta, network, calibration, settings, progress)
    if not calibration.sample.held_out:
        return Quantised(calibration)
    rounded = graph.copy()
    int8_meta, _ = to_int8(rounded, meta, calibration.points, calibration.numbers)
    files = calibration.sample.held_out
    return Quantised(calibration, compare_models((graph, meta), (rounded, int8_meta), files, progress))


def _distilled(
    graph: gs.Graph,
    meta: ModelMeta,
    network: Network | None,
    calibration: Calibration,
    settings: CalibrationSettings,
    progress: Progress,
) -> Calibration:
    """The calibration with numbers that were trained, from the cache where this very training is there."""
    if network is None or not calibration.sample.files:
        raise UnsupportedError(
            "--recover distill needs the original weights (.pt or .cfg) and --calib-path, not an ONNX file or ranges"
        )
    wanted = settings.distill
    kind = f"distill-{wanted.steps}x{wanted.batch}-{wanted.rate:g}-{wanted.seed}"
    path = calibration.cache.with_suffix(f".{kind}.npz") if calibration.cache else None
    if path and path.is_file():
        numbers, notes = cache.load_arrays(path), cache.read_notes(path)
        return replace(calibration, numbers=numbers, cache=path, cached=True, recovered=notes)
    checkpoint = path.with_suffix(".pt") if path else None
    files = calibration.readable
    distil = _training().distil
    correct = partial(_corrected, graph, with_letterbox(meta, settings.letterbox), calibration, settings, progress)
    start = calibration.numbers
    found = distil(network, graph, calibration.points, start, files, wanted, checkpoint, progress, correct)
    if path:
        cache.save_arrays(path, found.numbers, (found.note,))
    return replace(calibration, numbers=found.numbers, cache=path, cached=False, recovered=(found.note,))


def _corrected(
    graph: gs.Graph,
    meta: ModelMeta,
    calibration: Calibration,
    settings: CalibrationSettings,
    progress: Progress,
    numbers: Quantisation,
) -> Quantisation:
    """The numbers with biases that suit their weights."""
    files = calibration.readable[: settings.bias_pictures]
    images = list(PictureReader(meta).batches(files, meta.batch or 1))
    return replace(numbers, biases=corrected_biases(graph, meta, calibration.points, numbers, images, progress))


def _training() -> Any:
    try:
        from .distill import training
    except ImportError as error:
        raise MissingDependencyError("--recover distill needs PyTorch: pip install 'trtzoo[torch]'") from error
    return training


def export_tensorrt_cache(
    graph: gs.Graph,
    meta: ModelMeta,
    calibration: Calibration,
    settings: CalibrationSettings,
    path: Path,
    target: str,
    progress: Progress = silent,
) -> int:
    """Write a calibration cache for TensorRT's own INT8, which needs a range for every tensor; returns how many it holds.

    Args:
        graph: of the float model that was calibrated.
        meta: of it.
        calibration: of it.
        settings: those of the calibration.
        path: the file.
        target: the release that will read it, "tensorrt:8.6".
        progress: told about it.

    Raises:
        InputError: the target is no TensorRT, or the file cannot be written.
    """
    version = parse_target(target).tensorrt
    if version is None:
        raise InputError(f"--target {target}: a calibration cache is for TensorRT; give tensorrt:8.6 or such")
    ranges = every_threshold(graph, meta, settings, calibration, progress)
    write_tensorrt_cache(path, ranges, version)
    return len(ranges)

"""A range for every tensor, as TensorRT's implicit INT8 wants it: there each layer's output needs one, not only what layers read."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from ....contract.meta import ModelMeta
from ....contract.progress import Progress, silent
from ....graph_passes.precision.body import find_body
from ..calibrate import Calibration
from ..pictures import PictureReader, with_letterbox
from ..settings import CalibrationSettings
from .collect import collect
from .counts import Counts
from .methods import threshold


def every_threshold(
    graph: gs.Graph,
    meta: ModelMeta,
    settings: CalibrationSettings,
    calibration: Calibration,
    progress: Progress = silent,
) -> dict[str, float]:
    """The threshold of each float tensor of the body; what the decode computes gets none, so it stays in floats.

    Args:
        graph: the float network that `calibration` is of.
        meta: of it.
        settings: those of the calibration.
        calibration: its thresholds stand, for all tensors of their groups.
        progress: told about it.
    """
    names = [tensor.name for node in find_body(graph) for tensor in node.outputs if tensor.dtype == np.float32]
    reader = PictureReader(with_letterbox(meta, settings.letterbox))
    files = calibration.sample.files
    batches = reader.batches(files, meta.batch or settings.batch)
    counts = collect(graph, [graph.inputs[0].name, *names], batches, len(files), progress)
    finite = {name: entry for name, entry in counts.items() if np.isfinite(entry.peak)}
    own = {name: threshold(entry, settings.threshold) for name, entry in finite.items() if _used(entry)}
    return own | _of_groups(calibration)


def _used(counts: Counts) -> bool:
    return counts.peak > 0


def _of_groups(calibration: Calibration) -> dict[str, float]:
    points, ranges = calibration.points, calibration.numbers.thresholds
    known = {points.group_of(name): value for name, value in ranges.items()}
    return {name: known[number] for number, group in enumerate(points.groups) if number in known for name in group}

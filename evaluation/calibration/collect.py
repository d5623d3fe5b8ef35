"""One pass over the pictures that counts the values of the tensors which decide the scales."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx_graphsurgeon as gs

from ...errors import InputError
from ...graph.weights import Array
from ...graph_passes.precision.qdq.points import Points
from .counts import Counts, merged
from .methods import Threshold, threshold
from .progress import Clock, Progress, no_progress
from .session import open_session


def collect(
    graph: gs.Graph,
    tensors: Sequence[str],
    batches: Iterable[Array],
    expected: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Counts]:
    """The counts of each tensor over all pictures.

    Memory: one batch's tensors and half a MiB a tensor, however many pictures there are.

    Args:
        graph: the float network, with one input; is not changed.
        tensors: names of float32 tensors, the input among them if wanted.
        batches: inputs [B, C, H, W].
        expected: how many pictures there will be, for `progress`.
        progress: told about each batch.
    """
    source = graph.inputs[0].name
    watched = [name for name in tensors if name != source]
    session = open_session(graph, watched)
    found: dict[str, Counts] = {}
    clock = Clock(expected, "calibrating", "pictures", progress)
    for turn, batch in enumerate(batches):
        values = dict(zip(watched, session.run(watched, {source: batch}), strict=True)) | {source: batch}
        for name in tensors:
            counts = Counts.of(values[name], turn)
            found[name] = found[name] + counts if name in found else counts
        clock.advance(len(batch))
    return found


def thresholds(points: Points, counts: Mapping[str, Counts], how: Threshold) -> dict[str, float]:
    """A threshold for every quantised tensor; tensors of a group get that of all their values together.

    Raises:
        InputError: a tensor is not finite on these pictures.
    """
    chosen: dict[str, float] = {}
    for group, sources in zip(points.groups, points.sources, strict=True):
        try:
            value = threshold(merged(counts[name] for name in sources), how)
        except InputError as error:
            raise InputError(f"the range of {sources[0]}: {error}") from error
        chosen |= {name: value for name in group if name in points.quantised}
    return chosen

"""One pass over the pictures that counts the values of the tensors which decide the scales."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_graphsurgeon as gs

from ....contract.progress import Progress, silent
from ....errors import InputError
from ....graph.weights import Array
from ....graph_passes.precision.qdq.points import Points
from ..progress import Clock
from ..session import open_session
from .counts import Counter, Counts, merged
from .methods import Threshold, threshold

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def collect(
    graph: gs.Graph,
    tensors: Sequence[str],
    batches: Iterable[Array],
    expected: int = 0,
    progress: Progress = silent,
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
    run = _Watched(open_session(graph, watched), source, watched) if watched else _nothing
    counters = {name: Counter() for name in tensors}
    clock = Clock(expected, "calibrating", "pictures", progress)
    for turn, batch in enumerate(batches):
        values = run(batch) | {source: batch}
        for name, counter in counters.items():
            counter.add(values[name], turn)
        clock.advance(len(batch))
    return {name: counter.counts() for name, counter in counters.items()}


def _nothing(batch: Array) -> dict[str, Array]:
    """What is computed where only the input counts; ONNX Runtime takes no graph without nodes."""
    return {}


class _Watched:
    """Runs a session into arrays that are used again: fresh memory for every tensor would cost as much as counting them.

    Args:
        session: float32 in and out.
        source: name of its input.
        names: its outputs.
    """

    def __init__(self, session: InferenceSession, source: str, names: Sequence[str]) -> None:
        self._session, self._source, self._names = session, source, names
        self._size, self._binding, self._values = 0, session.io_binding(), dict[str, Array]()

    def __call__(self, batch: Array) -> dict[str, Array]:
        """The outputs, valid until the next call."""
        if len(batch) != self._size:
            self._prepare(batch)
        self._binding.bind_cpu_input(self._source, np.ascontiguousarray(batch))
        self._session.run_with_iobinding(self._binding)
        return self._values

    def _prepare(self, batch: Array) -> None:
        """A plain run tells the shapes."""
        from onnxruntime import OrtValue

        self._size = len(batch)
        found = self._session.run(self._names, {self._source: batch})
        self._values = dict(zip(self._names, found, strict=True))
        self._binding.clear_binding_outputs()
        for name, array in self._values.items():
            self._binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(array))


def thresholds(points: Points, counts: Mapping[str, Counts], how: Threshold) -> dict[str, float]:
    """A threshold for every quantised tensor, a float32; tensors of a group get that of all their values together.

    Raises:
        InputError: a tensor is not finite on these pictures.
    """
    chosen: dict[str, float] = {}
    for group, sources in zip(points.groups, points.sources, strict=True):
        try:
            value = float(np.float32(threshold(merged(counts[name] for name in sources), how)))
        except InputError as error:
            raise InputError(f"the range of {sources[0]}: {error}") from error
        chosen |= {name: value for name in group if name in points.quantised}
    return chosen

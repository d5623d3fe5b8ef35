"""Rank the layers of a network by what INT8 in each of them alone does, and find the fewest whose exclusion keeps a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import escape

import onnx_graphsurgeon as gs

from ....contract.meta import ModelMeta
from ....contract.progress import Progress, silent
from ....errors import InputError
from ....graph.weights import Array
from ....graph_passes.precision.qdq.insert import Quantisation, to_int8
from ....graph_passes.precision.qdq.points import Points, find_points
from ..calibrate import Calibration
from ..correction.bias import corrected_biases
from ..pictures import PictureReader, with_letterbox
from ..progress import Clock
from ..settings import CalibrationSettings
from .damage import Damage, damage, look, readable

PICTURES = 8
MAX_DROP = 0.1
SCHEMA = 1


@dataclass(frozen=True)
class AnalysisSettings:
    """How layers are compared.

    Attributes:
        pictures: how many are looked at, those held out from the calibration first.
        max_drop: what of the detections may be lost (`Damage.lost`) by the whole network in INT8.
    """

    pictures: int = PICTURES
    max_drop: float = MAX_DROP

    def __post_init__(self) -> None:
        """Raises InputError for a number out of range."""
        if self.pictures < 1:
            raise InputError(f"--analyse-pictures {self.pictures} is out of range; choose 1 or more")
        if not 0 <= self.max_drop <= 1:
            raise InputError(f"--max-drop {self.max_drop} is out of range; choose 0 to 1")


@dataclass(frozen=True)
class Ranked:
    """A layer, and what INT8 in it alone does."""

    layer: str
    error: float
    lost: float


@dataclass(frozen=True)
class Trial:
    """The network in INT8 but for the worst `excluded` layers, recovered as the calibration is."""

    excluded: int
    error: float
    lost: float


@dataclass(frozen=True)
class Analysis:
    """What `analyse` found, as its JSON file holds it.

    Attributes:
        model: its name.
        pictures: how many were looked at.
        method: of the calibration.
        max_drop: the budget.
        layers: the worst first, by lost detections, then by the heads' error.
        trials: by excluded layers; the first is the whole network in INT8.
        exclude: patterns for --int8-exclude that keep the budget with the fewest layers tried; empty where none is needed, or
            none suffices.
        kept: whether the budget is kept with them.
        schema: of this document.
    """

    model: str
    pictures: int
    method: str
    max_drop: float
    layers: tuple[Ranked, ...]
    trials: tuple[Trial, ...]
    exclude: tuple[str, ...]
    kept: bool
    schema: int = SCHEMA


def analyse(
    graph: gs.Graph,
    meta: ModelMeta,
    stem: str,
    calibration: Calibration,
    settings: CalibrationSettings,
    wanted: AnalysisSettings = AnalysisSettings(),
    progress: Progress = silent,
) -> Analysis:
    """Quantise one layer at a time.

    Memory: one session, and what the heads write of `wanted.pictures` pictures, however many layers there are.

    Args:
        graph: the float network that was calibrated, not changed.
        meta: of it.
        stem: the model's name.
        calibration: of all its layers.
        settings: those of the calibration.
        wanted: how many pictures, and the budget.
        progress: told about each layer and trial.

    Raises:
        InputError: no picture can be read.
    """
    meta = with_letterbox(meta, settings.letterbox)
    files = (*calibration.sample.held_out, *calibration.sample.files)
    pictures = readable(meta, files, wanted.pictures)
    if not pictures:
        raise InputError(f"--calib-path {settings.path}: no picture can be read; give others")
    bench = _Bench(graph, meta, calibration, settings, pictures)
    clock = Clock(len(calibration.points.layers), "analysing", "layers", progress)
    ranked = []
    for layer in calibration.points.layers:
        ranked.append(Ranked(layer, *_values(bench.alone(layer))))
        clock.advance()
    ranked.sort(key=lambda row: (row.lost, row.error), reverse=True)
    trials = _trials(bench, [row.layer for row in ranked], wanted.max_drop, progress)
    enough = [trial.excluded for trial in trials if trial.lost <= wanted.max_drop]
    exclude = tuple(escape(row.layer) for row in ranked[: min(enough, default=0)])
    method, count = str(settings.threshold), len(pictures)
    return Analysis(stem, count, method, wanted.max_drop, tuple(ranked), tuple(trials), exclude, bool(enough))


def _values(found: Damage) -> tuple[float, float]:
    return found.error, found.lost


class _Bench:
    """Runs the network with some layers in INT8 beside the float one."""

    def __init__(
        self,
        graph: gs.Graph,
        meta: ModelMeta,
        calibration: Calibration,
        settings: CalibrationSettings,
        pictures: Sequence[Array],
    ) -> None:
        self._graph, self._meta, self._settings, self._pictures = graph, meta, settings, pictures
        self._calibration = calibration
        self._exact = list(look(graph, meta, pictures))

    def alone(self, layer: str) -> Damage:
        """With one layer in INT8, its bias as it was: a correction makes up for what all layers before it do."""
        points = self._without([name for name in self._calibration.points.layers if name != layer])
        return self._damage(points, replace(self._calibration.numbers, biases={}))

    def but(self, layers: Sequence[str], progress: Progress) -> Damage:
        """With all layers in INT8 but these, and biases corrected where the calibration corrects them."""
        points, numbers = self._without(layers), self._calibration.numbers
        if layers and self._settings.recovery != "none":
            files = self._calibration.readable[: self._settings.bias_pictures]
            images = list(PictureReader(self._meta).batches(files, self._meta.batch or 1))
            biases = corrected_biases(self._graph, self._meta, points, replace(numbers, biases={}), images, progress)
            numbers = replace(numbers, biases=biases)
        return self._damage(points, numbers)

    def _without(self, layers: Sequence[str]) -> Points:
        qdq = self._settings.qdq
        return find_points(self._graph, replace(qdq, exclude=(*qdq.exclude, *map(escape, layers))))

    def _damage(self, points: Points, numbers: Quantisation) -> Damage:
        graph = self._graph.copy()
        to_int8(graph, self._meta, points, numbers)
        return damage(self._exact, look(graph, self._meta, self._pictures))


def _trials(bench: _Bench, layers: Sequence[str], budget: float, progress: Progress) -> list[Trial]:
    """Leave out the worst 0, 1, 2, 4, ... layers until the budget is kept, then halve the last gap; in order of their number."""
    tried: dict[int, Trial] = {}

    def kept(count: int) -> bool:
        tried[count] = Trial(count, *_values(bench.but(layers[:count], progress)))
        return tried[count].lost <= budget

    low = high = 0
    while not kept(high) and high < len(layers) // 2:
        low, high = high, min(max(1, 2 * high), len(layers) // 2)
    while tried[high].lost <= budget and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if kept(middle) else (middle, high)
    return [tried[count] for count in sorted(tried)]

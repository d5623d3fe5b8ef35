"""The page: one HTML file that needs nothing else and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ... import __version__
from ..benchmark.results import END_TO_END, BenchResults
from ..benchmark.tables import tables as bench_tables
from ..environment import Environment
from ..models import ModelFacts
from ..tables import Table
from ..validation.results import ValResults
from ..validation.tables import classes_table, comparisons_table, models_table, verdict
from ..verification.results import VerifyResults
from ..verification.tables import detections_table, outputs_table
from ..verification.tables import verdict as verified
from .charts import curve_chart, interval_chart, latency_chart
from .gather import Gathered
from .results import Inspected, ReportResults

FILES = Path(__file__).with_name("files")
_NUMBER = re.compile(r"(|-|free|unknown|[+-]?\d[\d.,]*(e[+-]\d+)?( MiB)?( \(\d[\d.]+\.\.\d[\d.]+\))?)")
"""A cell of a column of numbers, which stand at the right."""


@dataclass(frozen=True)
class Tile:
    """What matters most, in one number.

    Attributes:
        value: the number.
        label: of what.
        detail: a phrase.
        mood: "good", "bad" or "".
    """

    value: str
    label: str
    detail: str
    mood: str = ""


@dataclass(frozen=True)
class Part:
    """Tables and charts about one results file.

    Attributes:
        title: a line above them.
        tables: shown at once.
        charts: SVG.
        folded: tables that are shown on request.
        notes: a sentence each.
    """

    title: str
    tables: tuple[Table, ...]
    charts: tuple[str, ...] = ()
    folded: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weights:
    """A model's constants of one type.

    Attributes:
        kind: "float32".
        size: in words.
        share: of all of them.
    """

    kind: str
    size: str
    share: float

    @property
    def colour(self) -> str:
        """Its class in the style sheet."""
        return self.kind if self.kind in ("float32", "float16", "int8", "uint8") else "other"


def make_page(gathered: Gathered, title: str = "") -> str:
    """The page as text.

    Args:
        gathered: what it shows.
        title: of the page, "" for the models' names.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    from jinja2 import Environment as Templates
    from jinja2 import FileSystemLoader, StrictUndefined

    templates = Templates(
        loader=FileSystemLoader(FILES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["numbers"] = _number_columns
    models, script = gathered.models(), (FILES / "slider.js").read_text(encoding="utf-8")
    reports = gathered.of(ReportResults)
    return templates.get_template("page.html").render(
        title=title or _title(models),
        version=__version__,
        style=(FILES / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        tiles=_tiles(gathered),
        models=_models_table(models),
        inspected=[_inspected(one) for report in reports for one in report.models],
        verified=[_verified(one) for one in gathered.verified()],
        accuracy=[_accuracy(number, one) for number, one in enumerate(gathered.of(ValResults))],
        speed=[_speed(number, one) for number, one in enumerate(gathered.of(BenchResults))],
        pictures=[picture for report in reports for picture in report.pictures],
        environments=[(one.environment, _machine(one.environment)) for one in gathered.results],
    )


def _title(models: list[ModelFacts]) -> str:
    names = [one.label for one in models]
    return names[0] if len(names) == 1 else f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"


def _number_columns(table: Table) -> list[bool]:
    columns = [[row[number] for row in table.rows] for number in range(len(table.columns))]
    return [any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells) for cells in columns]


def _models_table(models: list[ModelFacts]) -> Table:
    columns = ["model", "family", "task", "input", "batch", "precision", "NMS", "size", "SHA-256"]
    rows = []
    for one in models:
        height, width = one.imgsz
        size = "" if one.size_mib is None else f"{one.size_mib:.1f} MiB"
        batch = "free" if one.batch is None else str(one.batch)
        what = [one.label, one.family, one.task, f"{height} x {width}", batch, one.precision, one.nms]
        rows.append([*what, size, one.sha256[:12]])
    return Table("", columns, rows)


def _inspected(one: Inspected) -> tuple[str, list[tuple[str, str]], list[Weights]]:
    """Label, facts, and the weights by type."""
    total = sum(one.weights.values()) or 1
    kept = {kind: count for kind, count in one.weights.items() if count > 0.001 * total}
    weights = [Weights(kind, f"{count / 2**20:.2f} MiB", count / total) for kind, count in kept.items()]
    return one.model.label, [(key, value) for key, value in one.facts.items() if key != "file"], weights


def _verified(results: VerifyResults) -> Part:
    shown = (detections_table(results), outputs_table(results))
    faults = [f"{one.stage}: {one.text}" for one in results.faults]
    return Part(verified(results), tuple(table for table in shown if table), notes=tuple(faults))


def _accuracy(number: int, results: ValResults) -> Part:
    data, settings = results.data, results.models[0].settings if results.models else None
    title = f"{data.name}: {data.pictures} pictures, {data.objects} objects; {results.library}"
    if settings:
        title += (
            f"; score > {settings.conf_thres:g}, IoU {settings.iou_thres:g}, {settings.topk_all} findings a picture"
        )
    shown = (models_table(results), comparisons_table(results))
    metrics = list(results.models[0].metrics) if results.models else []
    curves = [curve_chart(f"curve{number}-{place}", results, metric) for place, metric in enumerate(metrics)]
    notes = [f"{one.model.label}: {note}" for one in results.models for note in one.notes]
    if results.partial:
        notes.insert(0, "interrupted: the figures are of the pictures that were looked at")
    return Part(
        title,
        tuple(table for table in shown if table),
        tuple(chart for chart in (interval_chart(f"interval{number}", results), *curves) if chart),
        tuple(classes_table(one) for one in results.models if one.classes),
        tuple(notes),
    )


def _speed(number: int, results: BenchResults) -> Part:
    notes = tuple(f"{one.model.label}: {note}" for one in results.models for note in one.notes)
    title = f"{_machine(results.environment)}; {results.picture}"
    return Part(title, tuple(bench_tables(results)), (latency_chart(f"latency{number}", results),), (), notes)


def _tiles(gathered: Gathered) -> list[Tile]:
    tiles = []
    for one in gathered.verified():
        word, mood = ("the same", "good") if one.passed else ("not the same", "bad")
        why = f"rule {one.rule}" if one.passed else f"{one.faults[0].stage}: {one.faults[0].text}"
        tiles.append(Tile(word, one.candidate.label, f"as {one.reference.label}; {why}", mood))
    for val in gathered.of(ValResults):
        tiles += _val_tiles(val)
    for bench in gathered.of(BenchResults):
        fastest = min(bench.models, key=lambda one: one.times[END_TO_END].median)
        detail = f"{fastest.model.runtime}, {fastest.model.precision}, median end to end"
        if fastest.relative:
            detail += f", {fastest.relative.ratio:.2f} x {fastest.relative.against}"
        tiles.append(Tile(f"{fastest.times[END_TO_END].median:.1f} ms", fastest.model.label, detail))
    return tiles


def _val_tiles(results: ValResults) -> list[Tile]:
    """By the metric of the task, which is the last one."""
    tiles = []
    metric = "top1"
    for one in results.models[:1]:
        if one.accuracy:
            tiles.append(Tile(f"{one.accuracy.top1:.3f}", one.model.label, "top-1"))
        for metric, figures in list(one.metrics.items())[-1:]:
            tiles.append(Tile(f"{figures.map:.3f}", one.model.label, f"{metric} mAP50-95"))
    for difference in (one for one in results.comparisons if one.metric == metric):
        said = verdict(difference, results.data.pictures)
        mood = {"better": "good", "worse": "bad"}.get(said, "")
        tiles.append(Tile(f"{difference.difference:+.4f}", difference.model, f"{metric}: {said}", mood))
    return tiles


def _machine(here: Environment) -> str:
    counts = Counter(gpu.name for gpu in here.gpus)
    gpus = ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counts.items())
    return f"{gpus or here.machine}, {here.cores} cores, {here.memory_gib:g} GiB"

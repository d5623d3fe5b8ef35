"""Models over one dataset, one after the other, and everything that is written about them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...data.datasets.truth import Dataset
from ...engines.runtimes.base import Runtime
from ...errors import InputError, TrtZooError
from ...files import make_folder
from ..environment import describe_environment
from ..models import describe_model
from ..results_file import write_results
from ..subjects import Subject
from .classify import ClassRun, run_classifier
from .compare import compare_accuracy, compare_matches
from .metrics.average_precision import Curves, Matches, curves_by_class, summarise
from .metrics.coco_library import CocoFigures, CocoLibrary, coco_figures, coco_library
from .plots import draw_confusion, draw_f1, draw_precision_recall
from .records import prediction_file
from .results import SCHEMA, ClassFigures, Comparison, DataFacts, Figures, ModelResults, Settings, ValResults
from .run import Run, Track, ValSettings, peak_rss_mib, run_model, suppression_for

RESULTS = "val.json"
TRUTH = "ground_truth.json"


@dataclass
class _Done:
    """What is known so far, kept small between models."""

    models: list[ModelResults] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    first: Mapping[str, Matches] | ClassRun | None = None
    pictures: int = 0
    objects: int = 0
    partial: bool = False


@dataclass(frozen=True)
class _Call:
    """What stays the same for all models of a call."""

    dataset: Dataset
    task: str
    wanted: ValSettings
    folder: Path
    library: CocoLibrary
    track: Track[Any]


def validate(
    subjects: Sequence[Subject],
    load_data: Callable[[str], Dataset],
    data: Path,
    wanted: ValSettings,
    folder: Path,
    track: Track[Any],
    note: Callable[[str], object] = str,
) -> ValResults:
    """Evaluate models and write `val.json`, COCO's files and plots into a folder.

    Args:
        subjects: models; each is opened when its turn comes, and closed after it.
        load_data: the dataset for a task.
        data: where it came from.
        wanted: how.
        folder: is created.
        track: shows progress.
        note: is told what the user should know about opening a model, a sentence each.

    Returns:
        What stands in `val.json`; `partial` after Ctrl-C.

    Raises:
        InputError: models of different tasks, a model that cannot be opened, labels that cannot be read; what was measured
            before is written all the same.
        MissingDependencyError: neither COCO library is installed, or matplotlib for plots.
    """
    library, done = coco_library(), _Done()
    call = None
    make_folder(folder)
    try:
        for subject in subjects:
            with closing(subject.open(note)) as runtime:
                task = runtime.meta.task
                call = call or _Call(load_data(task).first(wanted.limit), task, wanted, folder, library, track)
                _evaluate(call, done, subject, runtime)
            if done.partial:
                break
    except (KeyboardInterrupt, TrtZooError) as stopped:
        if call is None or not done.models:
            raise
        done.partial = True
        if isinstance(stopped, TrtZooError):
            _store(call, done, data)
            raise
    if call is None:
        raise InputError("no model was given")
    return _store(call, done, data)


def _store(call: _Call, done: _Done, data: Path) -> ValResults:
    """Write `val.json`."""
    digest = _digest(call.dataset, done.pictures)
    facts = DataFacts(call.dataset.name, str(data), done.pictures, done.objects, digest)
    results = ValResults(
        describe_environment(), facts, call.library.name, tuple(done.models), tuple(done.comparisons), done.partial
    )
    write_results(call.folder / RESULTS, SCHEMA, results)
    return results


def _evaluate(call: _Call, done: _Done, subject: Subject, runtime: Runtime) -> None:
    """Evaluate one model and add it to what is known."""
    if runtime.meta.task != call.task:
        raise InputError(f"{subject.path} is a {runtime.meta.task} model, not a {call.task} one; give them one by one")
    if runtime.meta.task == "classify":
        _evaluate_classifier(call, done, subject, runtime)
        return
    label = subject.label
    settings, notes = suppression_for(runtime.meta, call.wanted)
    name = _file_name(label)
    predictions = call.folder / f"{name}.predictions.json"
    with prediction_file(predictions) as records:
        run = run_model(runtime, call.dataset, settings, call.wanted, call.library, records, _named(call.track, label))
        found = records.count
    whole = done.first is None or run.pictures == done.pictures
    truth = call.folder / (TRUTH if whole else f"{name}.{TRUTH}")
    run.truth.write(truth)
    matches = {metric: run.judge.matches(metric) for metric in run.judge.metrics if metric != "dota"}
    curves = {metric: curves_by_class(one) for metric, one in matches.items()}
    coco = {
        metric: coco_figures(call.library, truth, predictions, metric, call.dataset.spread)
        for metric in (matches if runtime.meta.task != "obb" and run.truth.objects else ())
    }
    dota = run.judge.dota_by_class() if runtime.meta.task == "obb" else None
    result = ModelResults(
        describe_model(subject.path, label, runtime),
        Settings(
            settings.conf_thres, settings.iou_thres, settings.topk_all, settings.multi_label, settings.class_agnostic
        ),
        {metric: _figures(curves[metric], coco.get(metric), dota if metric == "box" else None) for metric in matches},
        _class_figures(call.dataset, matches, curves, coco, dota),
        None,
        run.speed,
        peak_rss_mib(),
        {metric: _mean_curve(one) for metric, one in curves.items()},
        (*call.dataset.notes, *notes, *_remarks(call, run, found)),
        predictions.name,
    )
    if call.wanted.plots and any(curves.values()):
        _draw(call, name, curves, run)
    if isinstance(done.first, dict):
        done.comparisons += (
            compare_matches(done.first, matches, (done.models[0].model.label, label), run.pictures, call.wanted.draws)
            if run.pictures == done.pictures
            else []
        )
    else:
        done.first, done.pictures, done.objects = matches, run.pictures, run.truth.objects
    done.models.append(result)
    done.partial = run.interrupted


def _remarks(call: _Call, run: Run, found: int) -> list[str]:
    """What is odd about a run."""
    remarks = [] if found else ["nothing was found on any picture"]
    if run.interrupted:
        remarks.append(
            f"interrupted: its figures are of the first {run.pictures} of {len(call.dataset.samples)} pictures"
        )
    return remarks


def _named(track: Track[Any], label: str) -> Track[Any]:
    """Shows progress with the model's name, for several take their turns."""

    def show(items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        return track(items, total, f"{what} {label}")

    return show


def _evaluate_classifier(call: _Call, done: _Done, subject: Subject, runtime: Runtime) -> None:
    label = subject.label
    run = run_classifier(runtime, call.dataset, call.wanted, _named(call.track, subject.label))
    settings = Settings(0.0, 0.0, 0, False, False)
    facts = describe_model(subject.path, label, runtime)
    if call.wanted.plots and len(run.right):
        name = call.folder / f"{_file_name(label)}.confusion.png"
        draw_confusion(name, run.confusion[:-1], call.dataset.names, label)
    if isinstance(done.first, ClassRun) and len(done.first.right) == len(run.right):
        labels = done.models[0].model.label, label
        done.comparisons += compare_accuracy(done.first.right[:, 0], run.right[:, 0], labels, call.wanted.draws)
    elif done.first is None:
        done.first, done.pictures, done.objects = run, len(run.right), len(run.right)
    done.models.append(ModelResults(facts, settings, {}, (), run.accuracy, run.speed, peak_rss_mib(), {}))
    done.partial = run.interrupted


def _figures(curves: Mapping[int, Curves], coco: CocoFigures | None, dota: Mapping[int, float] | None) -> Figures:
    one = summarise(curves)
    mean = sum(dota.values()) / len(dota) if dota else None
    return Figures(
        one.map,
        one.map50,
        one.map75,
        one.precision,
        one.recall,
        one.f1,
        one.confidence,
        coco.figures if coco else {},
        mean,
    )


def _class_figures(
    dataset: Dataset,
    matches: Mapping[str, Matches],
    curves: Mapping[str, Mapping[int, Curves]],
    coco: Mapping[str, CocoFigures],
    dota: Mapping[int, float] | None,
) -> tuple[ClassFigures, ...]:
    """One row a labelled class."""
    labelled = matches["box"].labelled
    return tuple(
        ClassFigures(
            dataset.names[number],
            int((labelled == number).sum()),
            {metric: float(table[number].ap.mean()) for metric, table in curves.items()},
            {metric: float(table[number].ap[0]) for metric, table in curves.items()},
            {metric: one.by_category.get(dataset.categories[number], 0.0) for metric, one in coco.items()},
            None if dota is None else dota.get(number, 0.0),
        )
        for number in curves["box"]
    )


def _mean_curve(curves: Mapping[int, Curves]) -> tuple[float, ...]:
    if not curves:
        return ()
    lines = np.stack([curve.precision_at_recall for curve in curves.values()])
    return tuple(round(float(value), 4) for value in lines.mean(axis=0))


def _draw(call: _Call, name: str, curves: Mapping[str, Mapping[int, Curves]], run: Run) -> None:
    names = call.dataset.names
    for metric, table in curves.items():
        draw_precision_recall(call.folder / f"{name}.{metric}.pr.png", table, names, f"{name}, {metric}")
        draw_f1(call.folder / f"{name}.{metric}.f1.png", table, names, f"{name}, {metric}")
    seen = sorted({*curves["box"], *(run.judge.confusion[:-1].sum(axis=1).nonzero()[0].tolist())})
    rows = [*seen, len(names)]
    shown = run.judge.confusion[rows][:, rows]
    draw_confusion(call.folder / f"{name}.confusion.png", shown, [names[number] for number in seen], name)


def _file_name(label: str) -> str:
    return re.sub(r"[^\w.-]+", "_", label)


def _digest(dataset: Dataset, pictures: int) -> str:
    names = "\n".join(f"{sample.id} {sample.path.name}" for sample in dataset.samples[:pictures])
    return hashlib.sha256(names.encode()).hexdigest()

"""What INT8 costs in accuracy, recipe by recipe, and what wins it back: ONNX Runtime executing the Q/DQ graph.

    python benchmarks/int8.py [--models yolov8n ...] [--recipes default "mse, no recovery" ...] [--keep DIR]
    python benchmarks/int8.py --table [--processes 24]         every method x resize x head x recovery
    python benchmarks/int8.py --cost [--models yolov8n]        what counting costs beside a plain run of the same pictures

Calibrated on ../shared/coco/examples, judged on ../shared/coco/images (150 pictures of COCO val2017, none of them among the
former): AP against the labels, AP with the FP32 detections above .25 as the truth ("agreement"), and the error of the heads
(NMSE, 50 pictures). Quantised graphs are chaotic: scales moved by 1e-4 move the AP by thousandths, so each figure is the
mean over such jitters. The difference comes with its standard error from a paired bootstrap over the pictures, the mean of the
jitters taken in each draw. Each figure goes into DIR/results.jsonl as soon as it is there, and is not computed again.

Recipes are written in words, `quantised/recipes.py` says which.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from accuracy import PICTURES, SUBJECTS, WEIGHTS, Subject, records_of
from quantised.judge import Judge, draws, labels, pictures, taught
from quantised.recipes import CALIBRATION, DEFAULT, parse_recipe
from quantised.summary import METHODS, grid, read_lines, recipe_of, rows, summarise, write_figures
from rich.console import Console
from rich.table import Table

from trtzoo import Detections, NmsSettings, Predictor
from trtzoo.console import track
from trtzoo.contract.properties import to_properties
from trtzoo.engines.pictures.sources import read_picture
from trtzoo.engines.runtimes.onnxruntime import OnnxRuntime
from trtzoo.evaluation.calibration.calibrate import Calibration, calibrate
from trtzoo.evaluation.calibration.judging.heads import head_error, head_outputs
from trtzoo.evaluation.calibration.pictures import PictureReader, choose
from trtzoo.evaluation.calibration.ranges.collect import collect, thresholds
from trtzoo.evaluation.calibration.ranges.methods import Threshold
from trtzoo.evaluation.calibration.session import open_session
from trtzoo.evaluation.calibration.settings import CalibrationSettings
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.model import Model
from trtzoo.graph_passes.precision.qdq.insert import Quantisation, to_int8
from trtzoo.graph_passes.precision.qdq.points import find_points
from trtzoo.pipeline import ConvertSettings, read_model

COST_PICTURES, COST_RUNS, RESULTS = 24, 5, "results.jsonl"
JITTER, JITTERS, HEAD_PICTURES = 1e-4, 3, 50
MODELS = {name: SUBJECTS[name] for name in ("yolov8n", "yolov8n-seg", "yolov3-tiny", "yolo26n", "yolo11n-pose")} | {
    "yolov8n-seg masks": replace(SUBJECTS["yolov8n-seg"], metric="segm")
}
TABLE = [
    recipe_of(*parts)
    for parts in itertools.product(METHODS, ("", "no recovery"), ("", "other resize"), ("", "head in INT8"))
]


@dataclass(frozen=True)
class Job:
    """One figure: a model in INT8 by a recipe, with its scales moved in one way."""

    model: str
    recipe: str
    seed: int


def detections(model: Model, subject: Subject, files: Sequence[Path]) -> list[dict]:
    """COCO's records of what a model finds in the pictures."""
    meta = model.meta
    runtime = OnnxRuntime(load_all(model.graph, to_properties(meta)).SerializeToString())
    settings = NmsSettings(
        conf_thres=subject.conf, iou_thres=subject.iou, topk_all=300, candidates=30000, multi_label=meta.multi_label
    )
    predictor = Predictor(runtime, settings, masks=subject.metric == "segm")
    records: list[dict] = []
    for file in track(files, len(files), "detecting"):
        [found] = predictor([read_picture(file)])
        records += _records(int(file.stem), found, subject.metric)
    return records


def _records(image: int, found: Detections, metric: str) -> Iterable[dict]:
    """In a form that JSON takes; masks only where they are judged."""
    for record in records_of(image, found):
        mask = record.pop("segmentation", None)
        if mask is not None and metric == "segm":
            record["segmentation"] = mask | {"counts": mask["counts"].decode()}
        yield record


def jittered(numbers: Quantisation, seed: int) -> Quantisation:
    """The same with every threshold moved a little."""
    noise = np.random.default_rng(seed).normal(size=len(numbers.thresholds))
    moved = {name: value * (1 + JITTER * x) for (name, value), x in zip(numbers.thresholds.items(), noise, strict=True)}
    return replace(numbers, thresholds=moved)


def quantised(model: Model, calibration: Calibration, numbers: Quantisation) -> Model:
    """A copy of the model in INT8."""
    graph = model.graph.copy()
    meta, _ = to_int8(graph, model.meta, calibration.points, numbers)
    return replace(model, graph=graph, meta=meta)


def run(job: Job, keep: Path) -> dict:
    """The figures of a job; needs the FP32 model's detections in `keep`."""
    start = time.monotonic()
    subject = MODELS[job.model]
    model = read_model(WEIGHTS / subject.file, ConvertSettings())
    calibration = calibrated(job, model, keep)
    rounded = quantised(model, calibration, jittered(calibration.numbers, job.seed))
    found = detections(rounded, subject, pictures(subject))
    seconds_found = time.monotonic() - start
    truth, exact = labels(subject), exact_records(keep, job.model)
    images = judged(subject)
    judge = Judge(truth, found, subject.metric, images)
    agreement = Judge(taught(truth, exact, subject.metric), found, subject.metric, images)
    return {
        "model": job.model,
        "recipe": job.recipe,
        "seed": job.seed,
        "ap": judge.ap(),
        "agreement": agreement.ap(),
        "nmse": nmse(model, rounded),
        "drawn": [round(judge.ap(drawn), 6) for drawn in draws(len(images))],
        "seconds": [round(seconds_found, 1), round(time.monotonic() - start, 1)],
    }


def run_exact(name: str, keep: Path) -> dict:
    """The figures of the FP32 model, whose detections are kept."""
    subject = MODELS[name]
    path = keep / f"{name}.fp32.json"
    if not path.exists():
        model = read_model(WEIGHTS / subject.file, ConvertSettings())
        write(path, {"records": detections(model, subject, pictures(subject))})
    images = judged(subject)
    judge = Judge(labels(subject), exact_records(keep, name), subject.metric, images)
    drawn = [round(judge.ap(drawn), 6) for drawn in draws(len(images))]
    return {"model": name, "recipe": "FP32", "seed": 0, "ap": judge.ap(), "drawn": drawn}


def exact_records(keep: Path, name: str) -> list[dict]:
    """What the FP32 model found."""
    records: list[dict] = json.loads((keep / f"{name}.fp32.json").read_text())["records"]
    return records


def judged(subject: Subject) -> list[int]:
    """COCO's numbers of the pictures that a subject is judged on."""
    return sorted({int(file.stem) for file in pictures(subject)} & set(labels(subject).getImgIds()))


def calibrated(job: Job, model: Model, keep: Path) -> Calibration:
    """The numbers of a recipe; those of its other jitters are the same."""
    wanted = parse_recipe(job.recipe)
    if wanted.file:
        settings = CalibrationSettings(ranges=keep / f"{job.model.split()[0]}{wanted.file}")
    else:
        settings = wanted.settings(keep / "caches")
    if wanted.other_resize:
        settings = replace(settings, letterbox=model.meta.preprocess.resize != "letterbox")
    return calibrate(model.graph, model.meta, job.model, settings)


def nmse(exact: Model, rounded: Model) -> float:
    """Error of the heads on pictures that were not calibrated with."""
    images = list(PictureReader(exact.meta).batches(sorted(PICTURES.iterdir())[:HEAD_PICTURES], 1))
    return head_error(head_outputs(exact.graph, images), head_outputs(rounded.graph, images))


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def measure(jobs: Sequence[Job], keep: Path, processes: int) -> None:
    """Compute what is not in DIR/results.jsonl yet, in this order."""
    done = {(row["model"], row["recipe"], row["seed"]) for row in read_lines(keep / RESULTS)}
    names = [name for name in dict.fromkeys(job.model for job in jobs) if (name, "FP32", 0) not in done]
    work = [partial(run_exact, name, keep) for name in names]
    _collect(work, keep, processes)
    left = [job for job in jobs if (job.model, job.recipe, job.seed) not in done]
    _collect([partial(run, job, keep) for job in left], keep, processes)


def _collect(work: Sequence[Callable[[], dict]], keep: Path, processes: int) -> None:
    """Append each figure as it comes."""
    with (keep / RESULTS).open("a") as file:
        for row in _computed(work, processes):
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(row["model"], row["recipe"], row["seed"], f"AP {row['ap']:.4f}", row.get("seconds", ""), flush=True)


def _computed(work: Sequence[Callable[[], dict]], processes: int) -> Iterator[dict]:
    if processes < 2:
        yield from (task() for task in work)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=one_thread) as pool:
        for future in as_completed([pool.submit(task) for task in work]):
            try:
                yield future.result()
            except Exception as error:  # one figure must not take the others with it
                print(f"failed: {error}", flush=True)


def one_thread() -> None:
    """Let each of many processes compute on one core."""
    import cv2
    import onnxruntime

    class OneThread(onnxruntime.InferenceSession):
        def __init__(self, model: object, options: onnxruntime.SessionOptions, **more: object) -> None:
            options.intra_op_num_threads = 1
            super().__init__(model, options, **more)

    onnxruntime.InferenceSession = OneThread
    cv2.setNumThreads(1)


def cost(name: str, table: Table) -> None:
    """Add a row: seconds of a pass over some pictures, plain and counting, from opening the session to the thresholds."""
    model = read_model(WEIGHTS / MODELS[name].file, ConvertSettings())
    graph, points = model.graph, find_points(model.graph)
    sources = [name for names in points.sources for name in names]
    files = choose(CALIBRATION, COST_PICTURES, 0).files
    outputs = [tensor.name for tensor in graph.outputs]

    def plain() -> None:
        session = open_session(graph, outputs)
        for batch in PictureReader(model.meta).batches(files, 1):
            session.run(outputs, {graph.inputs[0].name: batch})

    def counting() -> None:
        counts = collect(graph, sources, PictureReader(model.meta).batches(files, 1))
        thresholds(points, counts, Threshold())

    runs = [(seconds(plain), seconds(counting)) for _ in range(COST_RUNS)]
    least = [min(column) for column in zip(*runs, strict=True)]
    table.add_row(name, str(len(files)), *(f"{value:.3f}" for value in least), f"{least[1] / least[0]:.2f}")


def seconds(work: Callable[[], None]) -> float:
    """Of the processor, which other work on the machine does not lengthen; on one core (`taskset -c 0`) that of the clock."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
    parser.add_argument("--recipes", nargs="+", default=[DEFAULT], help="in words (default: the default one)")
    parser.add_argument("--table", action="store_true", help="all methods x resize x head x recovery as well")
    parser.add_argument("--jobs", type=Path, help="a file of lines MODEL | RECIPE | JITTERS instead")
    parser.add_argument("--jitters", type=int, default=JITTERS, help=f"of the scales (default: {JITTERS})")
    parser.add_argument(
        "--processes", type=int, default=1, help="side by side, of one thread each (default: 1, of all)"
    )
    parser.add_argument(
        "--keep", type=Path, default=Path(".cache/int8"), help="folder of what was computed (default: .cache/int8)"
    )
    parser.add_argument("--json", type=Path, help="write the figures of all that DIR holds here, a line a recipe")
    parser.add_argument("--machine", default="", help="what to call this machine in them")
    parser.add_argument("--cost", action="store_true", help="measure the time of a calibration instead")
    options = parser.parse_args()
    if not PICTURES.is_dir():
        raise SystemExit("the labelled pictures (../shared/coco) are not here: nothing to measure")
    if options.cost:
        table = Table("model", "pictures", "plain, CPU s", "counting, CPU s", "ratio")
        for name in options.models:
            cost(name, table)
        Console(width=140).print(table)
        return
    options.keep.mkdir(parents=True, exist_ok=True)
    recipes = [*options.recipes, *(TABLE if options.table else ())]
    jobs = read_jobs(options.jobs) if options.jobs else product(options.models, recipes, options.jitters)
    measure(jobs, options.keep, options.processes)
    figures = summarise(read_lines(options.keep / RESULTS), options.machine)
    wanted = {(job.model, job.recipe) for job in jobs}
    print("\n".join(rows(one for one in figures if (one.model, one.recipe) in wanted)))
    if options.table:
        print("\n".join(line for name in options.models for line in ["", name, "", *grid(figures, name)]))
    if options.json:
        write_figures(figures, options.json)


def product(models: Sequence[str], recipes: Sequence[str], jitters: int) -> list[Job]:
    """The first jitter of everything, then the second: a run that is cut short has the most of it."""
    return [Job(name, recipe, seed) for seed in range(jitters) for recipe in recipes for name in models]


def read_jobs(path: Path) -> list[Job]:
    """Those of a file, in its order; JITTERS is a number, or numbers from and to ("1-2")."""
    jobs = []
    for line in path.read_text().splitlines():
        if not line.strip():
            continue
        model, recipe, seeds = (part.strip() for part in line.split("|"))
        parse_recipe(recipe)
        first, _, last = seeds.partition("-")
        numbers = range(int(first), int(last) + 1) if last else range(int(first))
        jobs += [Job(model, recipe, seed) for seed in numbers]
    return list(dict.fromkeys(jobs))


if __name__ == "__main__":
    main()

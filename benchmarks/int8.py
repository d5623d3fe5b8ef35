"""What INT8 costs in accuracy, recipe by recipe, and what wins it back: ONNX Runtime executing the Q/DQ graph.

    python benchmarks/int8.py [--models yolov8n ...] [--recipes default minmax ...] [--keep DIR]
    python benchmarks/int8.py --cost [--models yolov8n]        what counting costs beside a plain run of the same pictures

Calibrated on ../shared/coco/examples, judged on ../shared/coco/images (150 pictures of COCO val2017, none of them among the
former): AP against the labels, AP with the FP32 detections above .25 as the truth ("teacher AP"), and the error of the heads
(NMSE, 50 pictures). Quantised graphs are chaotic: scales moved by 1e-4 move the AP by thousandths, so each figure is the
mean over such jitters. The difference comes with its standard error from a paired bootstrap over the pictures. Detections are kept
in DIR and not computed again.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from accuracy import ANNOTATIONS, PICTURES, SHARED, SUBJECTS, WEIGHTS, Subject, records_of
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from rich.table import Table

from trtzoo import Detections, NmsSettings, Predictor
from trtzoo.console import progress, track
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
from trtzoo.graph_passes.precision.qdq.points import QdqSettings, find_points
from trtzoo.pipeline import ConvertSettings, read_model

CALIBRATION = SHARED / "coco" / "examples"
WITH_MASKS = SHARED / "coco" / "with_masks.txt"
COST_PICTURES, COST_RUNS = 24, 5
JITTER, JITTERS, RESAMPLES, TEACHER, HEAD_PICTURES = 1e-4, 3, 100, 0.25, 50
MODELS = {name: SUBJECTS[name] for name in ("yolov8n", "yolov8n-seg", "yolov3-tiny", "yolo26n", "yolo11n-pose")} | {
    "yolov8n-seg masks": replace(SUBJECTS["yolov8n-seg"], metric="segm")
}


@dataclass(frozen=True)
class Recipe:
    """How a model is quantised."""

    threshold: Threshold = Threshold()
    letterbox: bool | None = None
    final_layers: bool = False
    bias: bool = True
    keep_first: bool = False
    bias_pictures: int = CalibrationSettings.bias_pictures
    exclude: tuple[str, ...] = ()
    from_file: bool = False

    def settings(self) -> CalibrationSettings:
        """For `calibrate`."""
        qdq = QdqSettings(self.exclude, self.keep_first, self.final_layers)
        return CalibrationSettings(
            CALIBRATION,
            threshold=self.threshold,
            letterbox=self.letterbox,
            recovery="bias" if self.bias else "none",
            bias_pictures=self.bias_pictures,
            held_out=0,
            cache=None,
            qdq=qdq,
        )


PERCENTILE = Threshold("percentile")
RECIPES = {
    "default": Recipe(),
    "percentile 99.999": Recipe(PERCENTILE),
    "percentile 99.99": Recipe(Threshold("percentile", percentile=99.99)),
    "mse": Recipe(Threshold("mse")),
    "minmax": Recipe(Threshold("minmax")),
    "entropy": Recipe(Threshold("entropy")),
    "other resize": Recipe(letterbox=False),
    "distilled": Recipe(from_file=True),
    "head in INT8": Recipe(final_layers=True),
    "first in floats": Recipe(keep_first=True),
    "biases from all pictures": Recipe(bias_pictures=1024),
    "no recovery": Recipe(bias=False),
    "percentile 99.999, no recovery": Recipe(PERCENTILE, bias=False),
    "mse, no recovery": Recipe(Threshold("mse"), bias=False),
    "minmax, no recovery": Recipe(Threshold("minmax"), bias=False),
    "entropy, no recovery": Recipe(Threshold("entropy"), bias=False),
}
"""The default is `lp` with corrected biases and the preprocessing of `detect`; the others differ from it as their names say.
"distilled" takes KEEP/MODEL.npz, which `gpu_distill.py` or `convert --recover distill` wrote."""


def detections(model: Model, subject: Subject, files: Sequence[Path]) -> list[dict]:
    """COCO's records of what a model finds in the pictures."""
    meta = model.meta
    runtime = OnnxRuntime(load_all(model.graph, to_properties(meta)).SerializeToString())
    settings = NmsSettings(
        conf_thres=subject.conf, iou_thres=subject.iou, topk_all=300, candidates=30000, multi_label=meta.multi_label
    )
    predictor = Predictor(runtime, settings)
    records: list[dict] = []
    for file in track(files, len(files), "detecting"):
        [found] = predictor([read_picture(file)])
        records += _records(int(file.stem), found, subject.metric)
    return records


def _records(image: int, found: Detections, metric: str) -> Iterable[dict]:
    for row, record in enumerate(records_of(image, found)):
        if metric == "segm" and found.masks is not None:
            mask = rle.encode(np.asfortranarray(found.masks[row].astype(np.uint8)))
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


def measure(name: str, recipes: Sequence[str], keep: Path, jitters: int) -> None:
    """Compute what is not there yet: detections of the FP32 model and of every recipe and jitter."""
    subject = MODELS[name]
    files = pictures(subject)
    model = read_model(WEIGHTS / subject.file, ConvertSettings())
    exact = keep / f"{name}.fp32.json"
    if not exact.exists():
        write(exact, {"records": detections(model, subject, files)})
    for recipe in recipes:
        wanted = {seed: keep / f"{name}.{recipe}.{seed}.json" for seed in range(jitters)}
        if all(path.exists() for path in wanted.values()):
            continue
        calibration = calibrated(name, model, recipe, keep)
        for seed, path in wanted.items():
            if not path.exists():
                rounded = quantised(model, calibration, jittered(calibration.numbers, seed))
                write(path, {"nmse": nmse(model, rounded), "records": detections(rounded, subject, files)})


def calibrated(name: str, model: Model, recipe: str, keep: Path) -> Calibration:
    """The numbers of a recipe."""
    wanted = RECIPES[recipe]
    settings = CalibrationSettings(ranges=keep / f"{name}.npz") if wanted.from_file else wanted.settings()
    if settings.letterbox is not None:
        settings = replace(settings, letterbox=model.meta.preprocess.resize != "letterbox")
    with progress(f"{name}, {recipe}") as report:
        return calibrate(model.graph, model.meta, name, settings, report)


def nmse(exact: Model, rounded: Model) -> float:
    """Error of the heads on pictures that were not calibrated with."""
    images = list(PictureReader(exact.meta).batches(sorted(PICTURES.iterdir())[:HEAD_PICTURES], 1))
    return head_error(head_outputs(exact.graph, images), head_outputs(rounded.graph, images))


def pictures(subject: Subject) -> list[Path]:
    """Those that a subject is judged on."""
    if subject.metric == "segm":
        return sorted(PICTURES / Path(line.strip()).with_suffix(".jpg").name for line in WITH_MASKS.read_text().split())
    return sorted(PICTURES.glob("*.jpg"))


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def labels(subject: Subject) -> COCO:
    """The truth of the data set."""
    name = "person_keypoints" if subject.metric == "keypoints" else "instances"
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(ANNOTATIONS / f"{name}.json"))


def taught(truth: COCO, records: Sequence[dict], metric: str) -> COCO:
    """What the FP32 model found as the truth."""
    annotations = []
    for number, record in enumerate((entry for entry in records if entry["score"] > TEACHER), 1):
        entry = {key: copy.copy(value) for key, value in record.items() if key != "score"}
        entry |= {"id": number, "iscrowd": 0, "area": record["bbox"][2] * record["bbox"][3]}
        if metric == "keypoints":
            entry["keypoints"] = [2 if place % 3 == 2 else value for place, value in enumerate(record["keypoints"])]
            entry["num_keypoints"] = len(record["keypoints"]) // 3
        annotations.append(entry)
    data = {"images": truth.dataset["images"], "annotations": annotations, "categories": truth.dataset["categories"]}
    with contextlib.redirect_stdout(io.StringIO()):
        teacher = COCO()
        teacher.dataset = data
        teacher.createIndex()
    return teacher


class Judge:
    """AP over IoU (or OKS) .50 to .95 of records, also over pictures drawn with replacement."""

    def __init__(self, truth: COCO, records: Sequence[dict], metric: str, images: Sequence[int]) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(list(records))), metric)
            self._evaluation.params.imgIds = list(images)
            self._evaluation.params.maxDets = [20 if metric == "keypoints" else 100]
            self._evaluation.params.areaRng, self._evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
            self._evaluation.evaluate()
        self._found = list(self._evaluation.evalImgs)

    def ap(self, drawn: Sequence[int] | None = None) -> float:
        """Over all pictures, or those of these positions."""
        count = len(self._evaluation.params.imgIds)
        chosen = range(count) if drawn is None else drawn
        classes = len(self._found) // count
        self._evaluation.evalImgs = [
            self._found[kind * count + picture] for kind in range(classes) for picture in chosen
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            self._evaluation.accumulate()
        precision = self._evaluation.eval["precision"]
        return float(precision[precision > -1].mean())


def judge(name: str, recipes: Sequence[str], keep: Path, table: Table, figures: dict) -> None:
    """Add a row a recipe."""
    subject = MODELS[name]
    truth, images = labels(subject), [int(file.stem) for file in pictures(subject)]
    images = sorted(set(images) & set(truth.getImgIds()))
    records = json.loads((keep / f"{name}.fp32.json").read_text())["records"]
    teacher = taught(truth, records, subject.metric)
    exact = Judge(truth, records, subject.metric, images)
    before = exact.ap()
    for recipe in recipes:
        paths = [keep / f"{name}.{recipe}.{seed}.json" for seed in range(JITTERS)]
        documents = [json.loads(path.read_text()) for path in paths if path.exists()]
        if not documents:
            continue
        judges = [Judge(truth, document["records"], subject.metric, images) for document in documents]
        lost = [rounded.ap() - before for rounded in judges]
        own = [Judge(teacher, document["records"], subject.metric, images).ap() for document in documents]
        error = paired(exact, judges[0], len(images))
        nmses = float(np.mean([document["nmse"] for document in documents]))
        table.add_row(
            name, recipe, f"{before:.4f}", f"{np.mean(lost):+.4f}", f"{error:.4f}", f"{min(lost):+.4f} .. {max(lost):+.4f}",
            f"{np.mean(own):.4f}", f"{nmses:.4f}",
        )  # fmt: skip
        figures[f"{name}/{recipe}"] = {"fp32": before, "lost": lost, "error": error, "teacher": own, "nmse": nmses}


def paired(exact: Judge, rounded: Judge, count: int) -> float:
    """Standard error of the difference of two APs over the same pictures, drawn with replacement."""
    random = np.random.default_rng(0)
    draws = [random.integers(0, count, count) for _ in range(RESAMPLES)]
    return float(np.std([rounded.ap(drawn) - exact.ap(drawn) for drawn in draws], ddof=1))


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
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["default"], help="default: the default one")
    parser.add_argument("--jitters", type=int, default=JITTERS, help=f"of the scales (default: {JITTERS})")
    parser.add_argument(
        "--keep", type=Path, default=Path(".cache/int8"), help="folder of what was computed (default: .cache/int8)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
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
    table = Table("model", "recipe", "FP32", "INT8 - FP32", "paired SE", "over jitters", "teacher AP", "head NMSE")
    figures: dict = {}
    for name in options.models:
        measure(name, options.recipes, options.keep, options.jitters)
        judge(name, options.recipes, options.keep, table, figures)
    Console(width=140).print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

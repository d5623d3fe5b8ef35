"""The engines of `gpu_engines.py`: every task, route and precision, those that are timed, and those that `val` judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"


@dataclass(frozen=True)
class Case:
    """One engine.

    Attributes:
        name: of the case; its graph is NAME.onnx.
        source: of the weights, in ../shared/weights.
        convert: flags of `trtzoo convert`.
        build: flags of `trtzoo build`.
        reference: name of the case whose graph ONNX Runtime runs; empty is its own.
        level: of the builder; None takes that of the command line.
    """

    name: str
    source: str
    convert: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    reference: str = ""
    level: int | None = None


E2E = ("--end2end", "--nms")
FREE = ("--dynamic",)
FIVE = ("--max-batch", "5", "--opt-batch", "2")


def correctness() -> Iterator[Case]:
    """Every task and route once, and every option that changes the engine's interface."""
    detect, pose, segment, turned = (
        "yolov8n.pt",
        "yolo11n-pose.pt",
        "yolov8n-seg.pt",
        "yolov8n-obb_custom-tau-fibrils.pt",
    )
    yield Case("v8n-efficient", detect, (*E2E, "efficient"))
    yield Case("11n-pose-efficient-idx-free", pose, (*E2E, "efficient-idx", *FREE), FIVE)
    yield Case("v8n-efficient-half", detect, (*E2E, "efficient", "--half"), reference="v8n-efficient")
    yield Case("v8n-static", detect, (*E2E, "static"))
    yield Case("11n-pose-static-free", pose, (*E2E, "static", *FREE), FIVE)
    yield Case("v8n-seg-efficient-idx", segment, (*E2E, "efficient-idx"))
    yield Case("v8n-obb-static", turned, (*E2E, "static"))
    yield Case("v8n-cls", "yolov8n-cls.pt")
    yield Case("26n", "yolo26n.pt", ("--end2end",))
    yield Case("v3-tiny-efficient", "yolov3-tiny.cfg", (*E2E, "efficient"))
    yield Case("11n-pose-static-half", pose, (*E2E, "static", "--half"), reference="11n-pose-static")
    yield Case("11n-pose-static", pose, (*E2E, "static"))
    yield Case("v8n-raw-free", detect, FREE, FIVE)
    yield Case("v8n-plain", detect, (*E2E, "plain"))
    yield Case("v8n-onnx", detect, (*E2E, "onnx"))
    yield Case("11n-pose-plain", pose, (*E2E, "plain"))
    yield Case("v8n-uint8-efficient", detect, (*E2E, "efficient", "--uint8-input"))
    yield Case("v8n-asked-plain", detect, (*E2E, "plain", "--runtime-thresholds"))
    yield Case("v8n-asked-static", detect, (*E2E, "static", "--runtime-thresholds"))
    yield Case("v8n-deepstream", detect, (*E2E, "efficient", "--layout", "deepstream"))
    yield Case("v8n-version-compatible", detect, (), ("--version-compatible",))
    yield Case("v8n-seg-static-half", segment, (*E2E, "static", "--half"), reference="v8n-seg-efficient-idx")
    yield Case("26n-half", "yolo26n.pt", ("--end2end", "--half"), reference="26n")
    yield Case("v5n-efficient", "yolov5n_v6.0-era.pt", (*E2E, "efficient"))
    yield Case("v8n-static-half", detect, (*E2E, "static", "--half"), reference="v8n-efficient")
    yield Case("11n-pose-efficient-idx-half", pose, (*E2E, "efficient-idx", "--half"), reference="11n-pose-static")
    examples = str(SHARED / "coco" / "examples")
    yield Case(
        "v8n-efficient-int8", detect, (*E2E, "efficient", "--int8", "--calib-path", examples), reference="v8n-efficient"
    )
    yield Case("v8n-efficient-no-tf32", detect, (*E2E, "efficient"), ("--no-tf32",))
    yield Case("v8n-obb-static-half", turned, (*E2E, "static", "--half"), reference="v8n-obb-static")
    yield Case("v8n-cls-half", "yolov8n-cls.pt", ("--half",), reference="v8n-cls")
    yield Case("v3-tiny-static-half", "yolov3-tiny.cfg", (*E2E, "static", "--half"), reference="v3-tiny-efficient")


def speed() -> Iterator[Case]:
    """The routes beside each other, as the builder makes them by default."""
    for batch in (1, 8):
        for half in (False, True):
            for short, source, routes in (
                ("v8n", "yolov8n.pt", ("efficient", "static", "plain", "onnx")),
                ("11n-pose", "yolo11n-pose.pt", ("efficient-idx", "static", "plain")),
                ("v3-tiny", "yolov3-tiny.cfg", ("efficient", "static")),
            ):
                yield timed(short, source, "", batch, half)
                for route in routes:
                    yield timed(short, source, route, batch, half)


def timed(short: str, source: str, route: str, batch: int, half: bool) -> Case:
    """An engine to be timed; without a route it ends in raw heads."""
    stem = f"speed-{short}-{route or 'raw'}-b{batch}"
    words = (*((*E2E, route) if route else ()), "--batch-size", str(batch), *(("--half",) if half else ()))
    name = f"{stem}-{'fp16' if half else 'fp32'}"
    return Case(name, source, words, reference=f"{stem}-fp32" if half else "")


def quick() -> Iterator[Case]:
    """The same at the builder's level 2, which takes less time to build."""
    for case in speed():
        names = [name.replace("speed-", "level2-") for name in (case.name, case.reference)]
        yield replace(case, name=names[0], reference=names[1], level=2)


def judged() -> Iterator[Case]:
    """Engines for `trtzoo val`: thresholds of an evaluation, level 0."""
    few = (
        *E2E,
        "static",
        "--conf-thres",
        "0.001",
        "--iou-thres",
        "0.7",
        "--topk-all",
        "300",
        "--nms-candidates",
        "1000",
    )
    calibrated = ("--int8", "--calib-path", str(SHARED / "coco" / "examples"))
    for short, source in (("v8n", "yolov8n.pt"), ("11n-pose", "yolo11n-pose.pt")):
        for precision, words in (("fp32", ()), ("fp16", ("--half",)), ("int8", calibrated)):
            name = f"val-{short}-{precision}"
            yield Case(name, source, (*few, *words), reference=f"val-{short}-fp32", level=0)


SETS: dict[str, Callable[[], Iterator[Case]]] = {
    "correctness": correctness,
    "speed": speed,
    "level2": quick,
    "val": judged,
}

"""Results of two models, made up, for report pages."""

from __future__ import annotations

from dataclasses import replace

from trtzoo.evaluation.benchmark.results import (
    BenchResults,
    BenchSettings,
    Best,
    Clocks,
    Memory,
    ModelBench,
    Relative,
    Throughput,
    Times,
)
from trtzoo.evaluation.environment import Environment, Gpu
from trtzoo.evaluation.models import ModelFacts
from trtzoo.evaluation.validation.results import (
    ClassFigures,
    Comparison,
    DataFacts,
    Figures,
    ModelResults,
    Settings,
    Speed,
    ValResults,
)
from trtzoo.evaluation.verification.results import DetectionDifference, Fault, OutputDifference, VerifyResults

EVIL = '<script>alert("class")</script>'
"""A class name that a page must show as it is."""

FIRST = ModelFacts(
    "yolov8n.pt", "yolov8n.pt", "ab" * 32, 6.2, "ultralytics", "detect", (640, 640), None, "fp32", "behind", "torch CPU"
)
SECOND = replace(FIRST, label="yolov8n & half.onnx", sha256="cd" * 32, precision="fp16", runtime="onnxruntime CPU")


def here(command: str, gpu: str = "") -> Environment:
    gpus = (Gpu(gpu, "570.1", 81559, 1980, 1980),) if gpu else ()
    return Environment(
        "2026-01-02T03:04:05+00:00", command, "EPYC", 2, 24.0, "Linux", "3.11", gpus, {"trtzoo": "0.1.0"}
    )


def val_results() -> ValResults:
    def model(facts: ModelFacts, map_: float) -> ModelResults:
        figures = Figures(map_, 0.61, 0.5, 0.7, 0.6, 0.65, 0.3, {"AP": map_})
        classes = tuple(ClassFigures(name, 3, {"box": 0.4}, {"box": 0.6}, {"box": 0.4}) for name in ("person", EVIL))
        curve = {"box": tuple(1 - place / 100 for place in range(101))}
        settings = Settings(0.001, 0.7, 300, True, False)
        return ModelResults(facts, settings, {"box": figures}, classes, None, Speed(1, 2, 3, 4, 5), 99.0, curve)

    difference = Comparison(SECOND.label, FIRST.label, "box", -0.0021, -0.0034, -0.0008, 0.95, 500)
    data = DataFacts("coco8", "coco8.yaml", 8, 64, "ef" * 32)
    models = (model(FIRST, 0.4322), model(SECOND, 0.4301))
    return ValResults(here("trtzoo val a b"), data, "faster-coco-eval 1.8.0", models, (difference,))


def bench_results() -> BenchResults:
    def model(facts: ModelFacts, factor: float) -> ModelBench:
        def times(value: float) -> Times:
            return Times(*(value * factor * share for share in (1, 1, 1.2, 1.5, 0.9)), 60)

        stages = {"preprocess": times(1), "inference": times(8), "postprocess": times(1), "end_to_end": times(10)}
        relative = None if facts is FIRST else Relative(factor, factor - 0.02, factor + 0.02, FIRST.label)
        rest = (Throughput(1, 1, 100 / factor, times(8)),), None, Memory(300.0, 512.0, "process")
        return ModelBench(facts, "n", 1, 0.5, 30.0, stages, None, relative, *rest, Best(0.93, "dog", 4))

    models = (model(FIRST, 1.0), model(SECOND, 0.5))
    environment = here("trtzoo bench a b", "NVIDIA H100 80GB HBM3")
    return BenchResults(environment, BenchSettings(), "dog.jpg, 768 x 576", Clocks(None, None), models)


def verify_results(passed: bool = True) -> VerifyResults:
    outputs = (OutputDifference("boxes", 1.47, 0.0389, 0.9999983, 682.7, passed),)
    detections = DetectionDifference(5, 5, 5, 0, 0, 0.9992, 0.9995, 0.00136, None, None, True)
    faults = () if passed else (Fault("network", "boxes are off by up to 1.47"),)
    rest = outputs, detections, faults, None, passed
    return VerifyResults(here("trtzoo verify a b"), FIRST, SECOND, ("dog.jpg",), "fp16", 0.0, *rest)

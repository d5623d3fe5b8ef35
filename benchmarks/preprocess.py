"""What resizing as DarkNet samples costs beside OpenCV's, and what it is worth: scores and AP of two real models.

    python benchmarks/preprocess.py [--pictures 150]

The figures of scores compare with DarkNet's own resize_image, written out in float64, over all boxes that score above 0.25 with it.
AP is that of benchmarks/accuracy.py on the same pictures: for comparing columns, never COCO val mAP.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from accuracy import PICTURES, SUBJECTS, WEIGHTS, evaluate
from rich.console import Console
from rich.table import Table

from trtzoo import ConvertSettings, NmsSettings, Predictor, convert, open_runtime
from trtzoo.engines.pictures.preprocess import prepare
from trtzoo.engines.pictures.sampling import RESIZERS

SIZES = {"640x480": (480, 640), "1920x1080": (1080, 1920)}
MODELS = ("yolov3-tiny", "yolo-fastest")


def milliseconds(resize: Callable[[], object], runs: int = 30) -> float:
    """The median of some runs, after one that makes the maps."""
    resize()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        resize()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def costs() -> Table:
    """Time of both resizers, one thread, for two pictures and two inputs."""
    table = Table("picture", "input", "OpenCV's resize, ms", "as DarkNet samples, ms", title="Resizing, one thread")
    cv2.setNumThreads(1)
    for name, size in SIZES.items():
        picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        for side in (416, 608):
            timed = [milliseconds(lambda k=k: RESIZERS[k](picture, side, side)) for k in ("linear", "darknet")]  # noqa: B023
            table.add_row(name, f"{side}x{side}", *(f"{value:.2f}" for value in timed))
    return table


def resize_image(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """DarkNet's resize_image (AlexeyAB/darknet, src/image.c), vectorised: levels as float64 [height, width, C]."""

    def along(values: np.ndarray, new: int) -> np.ndarray:
        places = np.arange(new) * ((len(values) - 1) / max(1, new - 1))
        left = np.minimum(places.astype(int), len(values) - 1)
        share = (places - left).reshape(-1, *[1] * (values.ndim - 1))
        return values[left] * (1 - share) + values[np.minimum(left + 1, len(values) - 1)] * share

    across = along(picture.astype(np.float64).swapaxes(0, 1), width).swapaxes(0, 1)
    return along(across, height)


def score_differences(predictor: Predictor, files: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """For both samplings, how far the scores above 0.25 are from those on DarkNet's own input."""
    runtime, meta = predictor.runtime, predictor.runtime.meta
    gathered: dict[str, list[np.ndarray]] = {"linear": [], "darknet": []}
    for file in files:
        picture = cv2.imread(str(file))
        exact = resize_image(picture[..., ::-1], *meta.imgsz).transpose(2, 0, 1)[None] / 255
        wanted = runtime.infer(exact.astype(np.float32))["scores"]
        for sampling, found in gathered.items():
            settings = replace(meta.preprocess, sampling=sampling)
            image, _ = prepare(picture, replace(meta, preprocess=settings))
            found.append(np.abs(runtime.infer(image[None])["scores"] - wanted)[wanted > 0.25])
    return ((sampling, np.concatenate(found)) for sampling, found in gathered.items())


def worth(count: int) -> Table:
    """Scores and AP of the real models, sampled in both ways."""
    table = Table(
        "model", "sampled", "scores from DarkNet's: mean", "95 %", "largest", f"AP on {count} pictures",
        title="What it is worth",
    )  # fmt: skip
    files = sorted(PICTURES.glob("*.jpg"))[:count]
    for name in MODELS:
        subject = SUBJECTS[name]
        with tempfile.TemporaryDirectory() as folder:
            model = convert(WEIGHTS / subject.file, Path(folder) / "raw.onnx", ConvertSettings()).path
            settings = NmsSettings(conf_thres=subject.conf, iou_thres=subject.iou, topk_all=300, candidates=30000)
            runtime = open_runtime(model)
            for sampling, moved in score_differences(Predictor(runtime, settings), files):
                meta = runtime.meta
                runtime.meta = replace(meta, preprocess=replace(meta.preprocess, sampling=sampling))
                found = evaluate(Predictor(runtime, settings), subject, count)
                runtime.meta = meta
                figures = (moved.mean(), np.quantile(moved, 0.95), moved.max())
                table.add_row(name, sampling, *(f"{figure:.4f}" for figure in figures), f"{found:.4f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=150, help="how many (default: 150)")
    options = parser.parse_args()
    console = Console(width=120)
    console.print(costs())
    if not PICTURES.is_dir():
        raise SystemExit("the labelled pictures (../shared/coco) are not here: no scores and no AP")
    console.print(worth(options.pictures))


if __name__ == "__main__":
    main()

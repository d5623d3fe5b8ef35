"""What `trtzoo val` itself costs on many pictures: memory as it goes on, and time beside that of detecting alone.

    python benchmarks/val.py [--pictures 5000] [--imgsz 320] [--weights yolov8n.pt]

The pictures and labels of ../shared/coco again and again under new numbers, so that findings are as many and as crowded as on real ones.
Detecting alone is reading a picture, preparing it, inference and decoding, from the same run; what comes on top is matching,
writing records, COCO's evaluation at the end and the figures. Memory is resident memory of this process, read every tenth of
the way.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from trtzoo.converters import read_network
from trtzoo.converters.options import ReadOptions
from trtzoo.data.datasets.load import load_dataset
from trtzoo.engines.pictures.sources import read_picture
from trtzoo.evaluation.benchmark.memory import peak_rss_mib
from trtzoo.evaluation.subjects import subjects_of
from trtzoo.evaluation.validation.run import ValSettings
from trtzoo.evaluation.validation.validate import validate

SHARED = Path(__file__).resolve().parents[2] / "shared"
LABELS = {"pose": "person_keypoints"}


def write_labels(folder: Path, count: int, task: str) -> Path:
    """COCO annotations of `count` pictures: links to the real ones."""
    source = SHARED / "coco" / "annotations" / f"{LABELS.get(task, 'instances')}.json"
    real = json.loads(source.read_text(encoding="utf-8"))
    objects: dict[int, list[dict]] = {}
    for record in real["annotations"]:
        objects.setdefault(record["image_id"], []).append(record)
    (folder / "images").mkdir()
    images, annotations = [], []
    for number, image in zip(range(1, count + 1), itertools.cycle(real["images"])):
        name = f"{number:06d}{Path(image['file_name']).suffix}"
        (folder / "images" / name).symlink_to(SHARED / "coco" / "images" / image["file_name"])
        images.append(image | {"id": number, "file_name": name})
        for record in objects.get(image["id"], ()):
            annotations.append(record | {"id": len(annotations) + 1, "image_id": number})
    path = folder / "labels.json"
    path.write_text(json.dumps(real | {"images": images, "annotations": annotations}), encoding="utf-8")
    return path


class Watch:
    """A progress function that notes the memory at every tenth, and when the last picture was done."""

    def __init__(self) -> None:
        self.memory: list[float] = []
        self.end = 0.0

    def __call__(self, items: Iterable, total: int, what: str) -> Iterator:
        process = psutil.Process()
        for number, item in enumerate(items):
            if number % max(1, total // 10) == 0:
                self.memory.append(process.memory_info().rss / 2**20)
            yield item
        self.memory.append(process.memory_info().rss / 2**20)
        self.end = time.perf_counter()


def reading(paths: list[Path]) -> float:
    """Seconds of reading a picture, the mean over some."""
    begin = time.perf_counter()
    for path in paths:
        read_picture(path)
    return (time.perf_counter() - begin) / len(paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--weights", default="yolov8n.pt", help="file in ../shared/weights")
    options = parser.parse_args()
    read = ReadOptions(img_size=(options.imgsz, options.imgsz))
    task = read_network(SHARED / "weights" / options.weights, read).meta.task
    with tempfile.TemporaryDirectory() as name:
        folder, watch = Path(name), Watch()
        labels = write_labels(folder, options.pictures, task)
        begin = time.perf_counter()
        done = validate(
            subjects_of([SHARED / "weights" / options.weights], None, "cpu", read),
            lambda task: load_dataset(labels, task, folder / "images"),
            labels,
            ValSettings(plots=False),
            folder / "out",
            watch,
        )
        total, last = time.perf_counter() - begin, time.perf_counter() - watch.end
        opening = reading(sorted((folder / "images").iterdir())[:150])
        size = (folder / "out" / done.models[0].predictions).stat().st_size / 2**20
    speed = done.models[0].speed
    alone = options.pictures * (opening + (speed.preprocess + speed.inference + speed.postprocess) / 1000)
    table = Table("", "value", title=f"{options.weights} at {options.imgsz}, {options.pictures} pictures")
    table.add_row("detecting alone, s", f"{alone:.1f}")
    table.add_row("everything, s", f"{total:.1f}")
    table.add_row("ratio", f"{total / alone:.3f}")
    table.add_row("of it after the last picture, s", f"{last:.1f}")
    table.add_row("matching and records, ms a picture", f"{speed.evaluation:.2f}")
    table.add_row("findings file, MiB", f"{size:.0f}")
    table.add_row("MiB at every tenth", " ".join(f"{value:.0f}" for value in watch.memory))
    table.add_row("most MiB, COCO's evaluation included", f"{peak_rss_mib():.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()

"""`trtzoo download`: official weights by name, or any file by URL."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...registry import Command

EXAMPLES = """
  trtzoo download yolo11n-pose                    into the cache; prints where
  trtzoo download yolov4-tiny -o models           yolov4-tiny.cfg and .weights
  trtzoo download https://example.com/best.pt --sha256 9f86d08...
  trtzoo zoo list                                 every name
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="NAME", help="a model's name in any usual spelling, or a URL")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder, or name of a single file (default: the cache, $TRTZOO_HOME)",
    )
    parser.add_argument("--sha256", default="", metavar="SUM", help="refuse a file of another sum")
    parser.add_argument("--force", action="store_true", help="fetch it even if it is there")


def _run(options: argparse.Namespace) -> None:
    from .... import console
    from ....zoo.catalogue import find_model
    from ....zoo.download import download

    if "://" not in options.source:
        model = find_model(options.source)
        console.note(f"{model.name}: {model.family} {model.task}, licence {model.licence}, from {model.files[0].url}")
    with console.progress("fetching") as report:

        def progress(name: str, done: int, total: int) -> None:
            report(done / total if total else 0.0, f"{name} {done / 2**20:.1f} MiB")

        files = download(options.source, options.output, progress, options.sha256, options.force)
    for file in files:
        state = "there already" if file.cached else f"{file.path.stat().st_size / 2**20:.1f} MiB"
        checked = "verified" if file.verified else f"SHA-256 {file.sha256}"
        print(f"{file.path}: {state}, {checked}")


COMMAND = Command("download", "fetch official weights by name, or a file by URL", EXAMPLES, _add_flags, _run)

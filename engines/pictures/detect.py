"""A model over pictures and videos: annotated copies and a `detections.json`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import atomic_write, make_folder, write_json
from ...graph.weights import Array
from .detections import Detections
from .drawing import draw
from .predictor import Predictor
from .sources import Source, read_pictures

RESULTS = "detections.json"

Track = Callable[[Iterable["_Result"], int, str], Iterable["_Result"]]
"""Hands on the items while it shows how many of the total are done, such as `console.track`."""


def untracked(items: Iterable[_Result], total: int, what: str) -> Iterable[_Result]:
    """A `Track` that shows nothing."""
    return items


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        pictures: how many were looked at, frames of videos included.
        objects: found in them (for a classifier 0).
        seconds: spent preparing, running and decoding; reading, drawing and writing not counted.
        folder: where everything was written.
    """

    pictures: int
    objects: int
    seconds: float
    folder: Path


@dataclass(frozen=True)
class _Result:
    """What was found in one picture, and the seconds that it took."""

    source: Source
    picture: Array
    found: Detections
    seconds: float


def detect(
    predictor: Predictor, sources: Sequence[Source], folder: Path, model: str, track: Track = untracked
) -> Summary:
    """Run over every source, write an annotated copy of each and `detections.json`.

    Args:
        predictor: the model.
        sources: pictures and videos.
        folder: is created; files of the same name in it are replaced.
        model: its name, for the JSON.
        track: is told how far the run is.

    Raises:
        InputError: a picture cannot be read, or the folder cannot be written.
    """
    make_folder(folder)
    names = predictor.meta.names
    results = track(_run(predictor, sources), sum(source.frames for source in sources), "detecting")
    targets = _targets(sources, folder)
    records, objects, seconds = [], 0, 0.0
    for source, group in groupby(results, key=lambda result: result.source):
        with _writer(source, targets[source.path]) as write:
            for frame, result in enumerate(group):
                write(draw(result.picture, result.found, names))
                records.append(_record(result, names, frame, targets[source.path]))
                objects, seconds = objects + len(result.found), seconds + result.seconds
    write_json(
        folder / RESULTS, {"model": model, "task": predictor.meta.task, "names": list(names), "pictures": records}
    )
    return Summary(len(records), objects, seconds, folder)


def _run(predictor: Predictor, sources: Sequence[Source]) -> Iterator[_Result]:
    """Detect in all pictures, as many at a time as the model takes."""
    stream = ((source, picture) for source in sources for picture in read_pictures(source))
    while chunk := list(islice(stream, predictor.batch)):
        start = time.perf_counter()
        found = predictor([picture for _, picture in chunk])
        spent = (time.perf_counter() - start) / len(chunk)
        for (source, picture), detections in zip(chunk, found, strict=True):
            yield _Result(source, picture, detections, spent)


def _record(result: _Result, names: Sequence[str], frame: int, target: Path) -> dict[str, Any]:
    height, width = result.found.size
    record = {"file": str(result.source.path), "width": width, "height": height, "annotated": target.name}
    if result.source.video:
        record["frame"] = frame
    return record | {"detections": result.found.to_records(names)}


def _targets(sources: Sequence[Source], folder: Path) -> dict[Path, Path]:
    """An annotated file for each source; sources of the same name get numbers."""
    originals = {source.path.resolve() for source in sources}
    targets: dict[Path, Path] = {}
    taken: set[str] = set()
    for source in sources:
        suffix = ".mp4" if source.video else ".png" if source.path.suffix.lower() == ".png" else ".jpg"
        name, count = f"{source.path.stem}{suffix}", 1
        while name in taken:
            count += 1
            name = f"{source.path.stem}-{count}{suffix}"
        taken.add(name)
        target = folder / name
        if target.resolve() in originals:
            raise InputError(
                f"-o {folder} holds the pictures themselves and would overwrite them; choose another folder"
            )
        targets[source.path] = target
    return targets


@contextmanager
def _writer(source: Source, target: Path) -> Iterator[Callable[[Array], None]]:
    """A function that takes the annotated pictures of a source; the file appears when the last one was written."""
    if source.video:
        with _video_writer(source, target) as write:
            yield write
    else:
        yield lambda picture: _write_picture(picture, target)


def _write_picture(picture: Array, target: Path) -> None:
    import cv2

    quality = [cv2.IMWRITE_JPEG_QUALITY, 92] if target.suffix == ".jpg" else []
    _, data = cv2.imencode(target.suffix, picture, quality)
    with atomic_write(target) as stream:
        stream.write(data.tobytes())


@contextmanager
def _video_writer(source: Source, target: Path) -> Iterator[Callable[[Array], None]]:
    import cv2

    temporary = target.with_name(f".{target.stem}.{os.getpid()}.mp4")
    writer = cv2.VideoWriter()

    def write(picture: Array) -> None:
        if not writer.isOpened():
            size = picture.shape[1], picture.shape[0]
            if not writer.open(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), source.rate, size):
                raise InputError(f"cannot write the video {target}; choose another folder with -o")
        writer.write(picture)

    try:
        yield write
        writer.release()
        if temporary.exists():
            temporary.replace(target)
    finally:
        writer.release()
        with suppress(OSError):
            temporary.unlink()

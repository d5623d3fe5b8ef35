"""A model over pictures and videos: reading, running and writing at the same time; what cannot be read is skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from ...errors import InputError
from ...files import make_folder, printable
from ...graph.weights import Array
from .ahead import read_ahead, side_by_side, write_behind
from .detections import Detections
from .drawing import Style
from .predictor import Predictor, Prepared
from .results.annotated import AnnotatedCopies
from .results.coco import CocoResults
from .results.crops import Crops
from .results.journal import Journal
from .results.result import Ending, Job, Output, Result, Skipped
from .results.yolo_text import YoloText
from .sources import Source, read_pictures

Done = Result | Skipped

Track = Callable[[Iterable[Done], int, str], Iterable[Done]]
"""Hands on the items while it shows how many of the total are done, such as `console.track`; a total of 0 is unknown."""

DEPTH = 4
"""Pictures, beyond a batch, that reading is ahead and writing behind."""


@dataclass(frozen=True)
class Wanted:
    """What a run leaves behind, beside `detections.jsonl` and `detections.json`.

    Attributes:
        images: annotated copies.
        style: how they are drawn.
        text: YOLO's label files.
        text_scores: ... with scores.
        coco: COCO results.
        crops: each object as a picture.
        classes: numbers of the classes to keep; None keeps all.
    """

    images: bool = True
    style: Style = Style()
    text: bool = False
    text_scores: bool = False
    coco: bool = False
    crops: bool = False
    classes: frozenset[int] | None = None


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        pictures: how many were looked at, frames of videos included.
        objects: found in them (for a classifier 0).
        seconds: spent running and decoding, of runs side by side each its share; reading, preparing and drawing go on at the
            same time and are not counted.
        folder: where everything was written.
        skipped: sources that could not be read.
    """

    pictures: int
    objects: int
    seconds: float
    folder: Path
    skipped: int = 0


def untracked(items: Iterable[Done], total: int, what: str) -> Iterable[Done]:
    """A `Track` that shows nothing."""
    return items


def detect(
    predictor: Predictor,
    sources: Sequence[Source],
    folder: Path,
    model: str,
    wanted: Wanted = Wanted(),
    track: Track = untracked,
    note: Callable[[str], object] = str,
    workers: int = 1,
) -> Summary:
    """Run over every source and write what is wanted.

    Args:
        predictor: the model.
        sources: pictures and videos.
        folder: is created; files of the same name in it are replaced.
        model: its name, for the JSON.
        wanted: what is written.
        track: is told how far the run is.
        note: is told what was skipped, a sentence each.
        workers: runs of the model at a time, each in a thread of its own.

    Raises:
        InputError: no source at all can be read, or the folder cannot be written.
        MissingDependencyError: there is no OpenCV; nothing is written.
        KeyboardInterrupt: with a message that says what is kept; what was done until then is written.
    """
    from ... import opencv  # noqa: F401 - missing, it shall fail before the first file is made

    make_folder(folder)
    jobs = _jobs(sources, folder, wanted.images)
    tally = _Tally(folder, note, alone=len(jobs) == 1)
    journal = Journal(folder, model, predictor.meta, wanted.images)
    outputs = _Outputs(journal, list(_outputs(folder, wanted)))
    unsettled = predictor.unsettled
    total = 0 if any(not source.frames for source in sources) else sum(source.frames for source in sources)
    try:
        with read_ahead(_frames(predictor, jobs), predictor.batch + DEPTH) as frames, write_behind(DEPTH) as behind:
            for done in track(_results(predictor, frames, wanted, workers), total, "detecting"):
                behind(partial(outputs.write, done))
                tally.add(done)
    except KeyboardInterrupt:
        outputs.close("interrupted")
        pictures = f"{journal.pictures} picture{'' if journal.pictures == 1 else 's'}"
        kept = f"interrupted; the results of {pictures} are kept in {printable(folder)}"
        raise KeyboardInterrupt(kept) from None
    except BaseException:
        outputs.close("failed")
        raise
    outputs.close("done")
    if predictor.unsettled > unsettled:
        note(_unsettled(predictor, predictor.unsettled - unsettled, tally.pictures))
    return tally.summary()


def _unsettled(predictor: Predictor, count: int, pictures: int) -> str:
    steps = predictor.meta.nms.steps if predictor.meta.nms else None
    return (
        f"in {count} of {pictures} pictures the {steps} steps of --nms static were too few, so some boxes overlap better ones of "
        "their class; convert the weights again with more --nms-steps, or a higher --conf-thres"
    )


class _Tally:
    """What has been done so far."""

    def __init__(self, folder: Path, note: Callable[[str], object], alone: bool) -> None:
        self._folder, self._note, self._alone = folder, note, alone
        self.pictures, self._objects, self._seconds = 0, 0, 0.0
        self._skipped: list[str] = []

    def add(self, done: Done) -> None:
        if isinstance(done, Skipped):
            self._skipped.append(done.reason)
            if self.pictures or not self._alone:  # else it becomes the error of the whole run
                self._note(f"skipped: {done.reason}")
            return
        self.pictures += 1
        self._objects += len(done.found)
        self._seconds += done.seconds

    def summary(self) -> Summary:
        if self._skipped and not self.pictures:
            more = f" (and {len(self._skipped) - 1} more that cannot be read)" if len(self._skipped) > 1 else ""
            raise InputError(self._skipped[0] + more)
        return Summary(self.pictures, self._objects, self._seconds, self._folder, len(self._skipped))


class _Outputs:
    """All outputs of a run; the journal comes last, so that a picture with a line has everything else."""

    def __init__(self, journal: Journal, others: Sequence[Output]) -> None:
        self._journal, self._all = journal, (*others, journal)

    def write(self, done: Done) -> None:
        if isinstance(done, Skipped):
            self._journal.skip(done)
            return
        for output in self._all:
            output.write(done)

    def close(self, ending: Ending) -> None:
        with ExitStack() as stack:  # one that cannot finish does not keep the others from it
            for output in reversed(self._all):
                stack.callback(output.close, ending)


def _outputs(folder: Path, wanted: Wanted) -> Iterator[Output]:
    if wanted.images:
        yield AnnotatedCopies(wanted.style)
    if wanted.text or wanted.text_scores:
        yield YoloText(folder, wanted.text_scores)
    if wanted.coco:
        yield CocoResults(folder)
    if wanted.crops:
        yield Crops(folder)


@dataclass(frozen=True)
class _Frame:
    """A picture on its way into the network."""

    job: Job
    number: int
    picture: Array
    prepared: Prepared


def _frames(predictor: Predictor, jobs: Sequence[Job]) -> Iterator[_Frame | Skipped]:
    """Every picture of every source, prepared for the network."""
    for job in jobs:
        try:
            for number, picture in enumerate(read_pictures(job.source)):
                yield _Frame(job, number, picture, predictor.prepare(picture))
        except InputError as error:
            yield Skipped(job, str(error))


def _results(predictor: Predictor, frames: Iterator[_Frame | Skipped], wanted: Wanted, workers: int) -> Iterator[Done]:
    """Detect in all pictures, as many at a time as the model takes, and so many times that side by side."""

    def look(chunk: list[_Frame | Skipped]) -> list[Done]:
        pictures = [frame for frame in chunk if isinstance(frame, _Frame)]
        start = time.perf_counter()
        found = iter(predictor.infer([frame.prepared for frame in pictures]))
        spent = (time.perf_counter() - start) / max(1, len(pictures)) / workers
        return [
            frame
            if isinstance(frame, Skipped)
            else Result(frame.job, frame.number, frame.picture, _chosen(next(found), wanted), spent)
            for frame in chunk
        ]

    chunks = iter(lambda: list(islice(frames, predictor.batch)), [])
    for done in side_by_side(look, chunks, workers):
        yield from done


def _chosen(found: Detections, wanted: Wanted) -> Detections:
    """The detections of the classes that are wanted."""
    if wanted.classes is None or found.probs is not None:
        return found
    return found[[row for row, number in enumerate(found.classes.tolist()) if number in wanted.classes]]


def _jobs(sources: Sequence[Source], folder: Path, annotated: bool) -> list[Job]:
    """An annotated file for each source; sources of the same name get numbers.

    Raises:
        InputError: one would overwrite a source.
    """
    originals = {source.path.resolve() for source in sources if not source.address}
    taken: set[str] = set()
    jobs = []
    for source in sources:
        name = _free_name(source, taken)
        taken |= {name, Path(name).stem}
        if annotated and (folder / name).resolve() in originals:
            raise InputError(
                f"-o {printable(folder)} holds the pictures themselves and would overwrite them; choose another folder"
            )
        jobs.append(Job(source, folder / name))
    return jobs


def _free_name(source: Source, taken: set[str]) -> str:
    suffix = ".mp4" if source.video else ".png" if source.path.suffix.lower() == ".png" else ".jpg"
    stem, count = source.path.stem, 1
    while stem in taken:
        count += 1
        stem = f"{source.path.stem}-{count}"
    return f"{stem}{suffix}"

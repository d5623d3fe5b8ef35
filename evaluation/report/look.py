"""Models are inspected and shown a few pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...contract.meta import ModelMeta
from ...contract.nms import CONF_THRES, NmsSettings
from ...engines.pictures.detections import Detections
from ...engines.pictures.predictor import Predictor
from ...engines.pictures.sources import find_sources, read_pictures
from ...errors import InputError
from ...graph.weights import Array
from ..environment import describe_environment
from ..models import describe_model
from ..subjects import Subject
from ..verification.pictures import pictures_of
from ..verification.results import VerifyResults
from ..verification.run import verify
from .results import Inspected, ReportResults, Shown, View

SIDE = 640
"""Most pixels of a shown picture's longer side."""

QUALITY = 75
"""Of WebP: about 50 kB a picture of this size."""


@dataclass(frozen=True)
class Known:
    """What the file of a model says.

    Attributes:
        facts: as they are shown.
        origin: SHA-256 of the weights that it was converted from, "" where that is not known.
    """

    facts: dict[str, str]
    origin: str


Inspect = Callable[[Path], Known]
"""Says what a file is."""

Track = Callable[[Iterable[Subject], int, str], Iterator[Subject]]
"""Shows progress: things, how many, what is done."""


def look_at(
    subjects: Sequence[Subject],
    source: Path | None,
    most: int,
    inspect: Inspect,
    track: Track,
    note: Callable[[str], object],
) -> ReportResults:
    """Inspect each model, let each detect in the same pictures, and hold those of the same origin against the first.

    Args:
        subjects: the models.
        source: pictures as `find_sources` reads them, None to show none.
        most: pictures that are shown.
        inspect: says what a file is.
        track: shows progress.
        note: is told what the user should know, a sentence each.

    Raises:
        TrtZooError: a model or the pictures cannot be read.
    """
    pictures = list(islice(_pictures(source), most))
    known = [inspect(subject.path) for subject in subjects]
    models: list[Inspected] = []
    views: list[list[View]] = [[] for _ in pictures]
    for place, subject in enumerate(track(subjects, len(subjects), "looking")):
        runtime = subject.open(note)
        with Predictor(runtime, _shown_scores(runtime.meta)) as predictor:
            facts = describe_model(subject.path, subject.label, runtime)
            models.append(Inspected(facts, known[place].facts, weight_bytes(subject.path)))
            for row, (_, picture) in zip(views, pictures, strict=True):
                row.append(_view(subject.label, picture, predictor(picture)))
    alone = len(subjects) == 1
    shown = [
        Shown(name, smaller(picture).shape[:2], as_webp(picture) if alone else "", tuple(found))
        for (name, picture), found in zip(pictures, views, strict=True)
    ]
    alike = [one for one, more in zip(subjects, known, strict=True) if more.origin and more.origin == known[0].origin]
    verified = _verified(alike, dict(pictures) or pictures_of(None), note)
    return ReportResults(describe_environment(), tuple(models), tuple(shown), tuple(verified))


def _verified(
    subjects: Sequence[Subject], pictures: dict[str, Array], note: Callable[[str], object]
) -> Iterator[VerifyResults]:
    for candidate in subjects[1:]:
        try:
            yield verify(subjects[0], candidate, pictures, note=note)
        except InputError as error:
            note(f"{candidate.label} was not held against {subjects[0].label}: {error}")


def _shown_scores(meta: ModelMeta) -> NmsSettings:
    """The usual least score, also of graphs that were made for an evaluation and keep everything."""
    return NmsSettings(conf_thres=max(CONF_THRES, meta.nms.conf_thres if meta.nms else 0.0))


def weight_bytes(path: Path) -> dict[str, int]:
    """Bytes of an ONNX file's constants by type, largest first; of other files nothing is known."""
    if path.suffix != ".onnx":
        return {}
    import onnx_graphsurgeon as gs

    from ...graph.skeleton import read_onnx

    sizes: dict[str, int] = {}
    for tensor in read_onnx(path)[0].tensors().values():
        if isinstance(tensor, gs.Constant):
            kind = str(tensor.dtype)
            sizes[kind] = sizes.get(kind, 0) + math.prod(tensor.shape) * tensor.dtype.itemsize
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def as_webp(picture: Array) -> str:
    """A picture uint8 [H, W, 3] (blue, green, red) as WebP in base64, made smaller where it is longer than `SIDE`."""
    from ...opencv import cv2

    _, data = cv2.imencode(".webp", smaller(picture), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return base64.b64encode(data.tobytes()).decode()


def _pictures(source: Path | None) -> Iterator[tuple[str, Array]]:
    for one in find_sources(source) if source else []:
        for number, picture in enumerate(read_pictures(one), start=1):
            yield f"{Path(one.name).name}, picture {number}" if one.video else Path(one.name).name, picture


def smaller(picture: Array) -> Array:
    """At most `SIDE` pixels long."""
    from ...opencv import cv2

    ratio = SIDE / max(picture.shape[:2])
    if ratio >= 1:
        return picture
    smaller: Array = cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    return smaller


def _view(label: str, picture: Array, found: Detections) -> View:
    if found.probs is not None:
        number, score = found.top_classes(1)[0]
        return View(label, as_webp(found.plot(picture)), 1, f"{found.name_of(number)} {score:.3f}")
    best = f"{found.name_of(int(found.classes[0]))} {found.scores[0]:.3f}" if len(found) else ""
    return View(label, as_webp(found.plot(picture)), len(found), best)

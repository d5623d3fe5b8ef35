"""What is wrong with a YOLO dataset before anybody trains on it: labels, pictures, and what the parts share."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..contract.progress import Progress, silent
from ..engines.pictures.sources import PICTURES, read_picture
from ..errors import InputError, MissingDependencyError
from ..files import sha256_of, staged
from ..graph.weights import Array
from .datasets.truth import Dataset, Sample
from .datasets.yolo_txt import label_file, parse_row, parts_in, read_data_yaml


@dataclass(frozen=True)
class Problem:
    """One thing to mend.

    Attributes:
        kind: "picture", "label", "duplicate" or "leak" (one picture in two parts).
        text: what is wrong and where.
    """

    kind: str
    text: str


@dataclass
class Checked:
    """What a dataset holds.

    Attributes:
        names: of the classes.
        pictures: in each part.
        objects: of each class, in all parts.
        background: pictures without a label.
        problems: to mend.
    """

    names: tuple[str, ...]
    pictures: dict[str, int] = field(default_factory=dict)
    objects: Counter[int] = field(default_factory=Counter)
    background: int = 0
    problems: list[Problem] = field(default_factory=list)


def check_dataset(
    path: Path, task: str, parts: Sequence[str] = ("train", "val", "test"), report: Progress = silent
) -> Checked:
    """Read every picture and label of a data yaml's parts.

    Args:
        path: the data yaml.
        task: "detect", "pose", "segment" or "obb": what a line of labels means.
        parts: that are looked at, where the yaml has them.
        report: is told the share of the pictures that were looked at, and the part.

    Raises:
        InputError: the yaml itself is damaged, or has none of the parts.
    """
    found = [(name, read_data_yaml(path, task, name)) for name in parts_in(path, parts)]
    if not found:
        raise InputError(
            f"{path} has none of {', '.join(parts)}; a data yaml names pictures to train on or to measure with"
        )
    checked = Checked(found[0][1].names)
    copies: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    total, seen = sum(len(part.samples) for _, part in found), 0
    for name, part in found:
        checked.pictures[name] = len(part.samples)
        for sample in part.samples:
            seen += 1
            report(seen / total, name)
            _check_sample(sample, part, task, checked)
            if sample.path.is_file():
                copies[sha256_of(sample.path)].append((name, sample.path))
    checked.problems += [*_copies(copies), *_strays([sample.path for _, part in found for sample in part.samples])]
    checked.problems = list(dict.fromkeys(checked.problems))
    return checked


def _check_sample(sample: Sample, part: Dataset, task: str, checked: Checked) -> None:
    size = None
    if not sample.path.is_file():
        checked.problems.append(Problem("picture", f"{sample.path} is listed but not there"))
    else:
        try:
            size = read_picture(sample.path).shape[:2]
        except InputError as error:
            checked.problems.append(Problem("picture", str(error)))
    rows_are_good = _check_lines(label_file(sample.path), part, task, checked)
    if rows_are_good and size and sample.truth:
        try:
            sample.truth((size[0], size[1]))
        except InputError as error:
            checked.problems.append(Problem("label", str(error)))


def _check_lines(labels: Path, part: Dataset, task: str, checked: Checked) -> bool:
    """Count the objects of a label file; whether each of its lines is one."""
    lines = labels.read_text(encoding="utf-8", errors="replace").splitlines() if labels.is_file() else []
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    checked.background += not numbered
    seen: dict[str, int] = {}
    good = True
    for number, line in numbered:
        if line in seen:
            checked.problems.append(Problem("duplicate", f"{labels}:{number} repeats line {seen[line]}"))
        seen.setdefault(line, number)
        try:
            row = parse_row(line, f"{labels}:{number}", len(part.names), task, part.kpt_shape)
            checked.objects[int(row[0])] += 1
            checked.problems += [
                Problem("label", f"{labels}:{number}: {text}") for text in _oddities(row, task, part.kpt_shape)
            ]
        except InputError as error:
            checked.problems.append(Problem("label", str(error)))
            good = False
    return good


def _oddities(row: Array, task: str, kpt_shape: tuple[int, int] | None) -> Iterator[str]:
    """What a line of labels can be read with, and nobody means: a box without area, points that are nowhere."""
    if (task == "pose" or len(row) == 5) and min(row[3:5]) == 0:
        yield "the box has no area"
    if task != "pose" or kpt_shape is None or len(row) != 5 + kpt_shape[0] * kpt_shape[1]:
        return
    for index, point in enumerate(row[5:].reshape(kpt_shape)):
        seen = point[2] if kpt_shape[1] == 3 else float((point >= 0).all())
        if seen not in (0, 1, 2):
            yield f"keypoint {index} has the visibility {seen:g}; it is 0 (not labelled), 1 (hidden) or 2 (seen)"
        elif seen and ((point[:2] < 0) | (point[:2] > 1.01)).any():
            yield f"keypoint {index} lies outside the picture ({point[0]:g}, {point[1]:g})"


def _strays(pictures: Sequence[Path]) -> Iterator[Problem]:
    """Label files beside those of the pictures whose own picture is gone."""
    known = {label_file(path) for path in pictures}
    folders = dict.fromkeys((label_file(path).parent, path.parent) for path in pictures)
    for labels, images in folders:
        stems = {path.stem for path in images.glob("*") if path.suffix.lower() in PICTURES}
        for file in sorted(labels.glob("*.txt")):
            if file not in known and file.stem not in stems and _holds_labels(file):
                yield Problem("picture", f"{file} has no picture in {images}")


def _holds_labels(file: Path) -> bool:
    """Whether a text file is one of labels, not a list of pictures or of classes."""
    words = file.read_text(encoding="utf-8", errors="replace").split(maxsplit=5)[:5]
    try:
        return len([float(word) for word in words]) == 5
    except ValueError:
        return False


def _copies(copies: dict[str, list[tuple[str, Path]]]) -> Iterator[Problem]:
    """Pictures of the same bytes: in two parts, what is measured was trained on."""
    for places in copies.values():
        if len(places) > 1:
            kind = "leak" if len({name for name, _ in places}) > 1 else "duplicate"
            yield Problem(kind, "the same picture: " + ", ".join(f"{path} ({name})" for name, path in places))


def draw_histogram(checked: Checked, path: Path) -> None:
    """Objects of each class as a PNG.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("--histogram needs matplotlib; run `pip install 'trtzoo[val]'`") from error
    figure = Figure((8, max(2.0, 0.22 * len(checked.names))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    counts = [checked.objects[number] for number in range(len(checked.names))]
    bars = axes.barh(range(len(counts)), counts)
    axes.bar_label(bars, padding=2, fontsize=7)
    axes.set_yticks(range(len(counts)), checked.names, fontsize=7)
    axes.margins(y=0.5 / len(counts))
    axes.invert_yaxis()
    axes.set_xlabel("objects")
    with staged(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)

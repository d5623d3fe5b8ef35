"""What `val` measured, as it stands in a results file."""

from __future__ import annotations

from dataclasses import dataclass

from ..environment import Environment
from ..models import ModelFacts

SCHEMA = "trtzoo.val"


@dataclass(frozen=True)
class DataFacts:
    """The labelled pictures.

    Attributes:
        name: of the dataset.
        path: as it was given.
        pictures: that were looked at.
        objects: labelled on them.
        digest: SHA-256 of the pictures' names and numbers: equal where two files are about the same pictures.
    """

    name: str
    path: str
    pictures: int
    objects: int
    digest: str


@dataclass(frozen=True)
class Settings:
    """How findings were made.

    Attributes:
        conf_thres: least score.
        iou_thres: of the NMS.
        topk_all: most findings a picture.
        multi_label: every class of a box above the threshold counts, not only its best.
        class_agnostic: boxes of different classes suppress each other.
    """

    conf_thres: float
    iou_thres: float
    topk_all: int
    multi_label: bool
    class_agnostic: bool


@dataclass(frozen=True)
class Figures:
    """One metric of a model: "box", "mask", "keypoints".

    Attributes:
        map: mean average precision over overlaps .50 to .95, by the YOLO frameworks' rule.
        map50: at .50.
        map75: at .75.
        precision: at `confidence`.
        recall: at `confidence`.
        f1: at `confidence`.
        confidence: of the best mean F1 score.
        coco: COCO's own figures by name; none for oriented boxes.
        dota: mean average precision by DOTA's rule (overlap .50, 11 points); None but for oriented boxes.
    """

    map: float
    map50: float
    map75: float
    precision: float
    recall: float
    f1: float
    confidence: float
    coco: dict[str, float]
    dota: float | None = None


@dataclass(frozen=True)
class ClassFigures:
    """One class.

    Attributes:
        name: of the class.
        objects: labelled.
        map: by metric, overlaps .50 to .95, YOLO rule.
        map50: by metric.
        coco: COCO's AP by metric; empty for oriented boxes.
        dota: AP by DOTA's rule; None but for oriented boxes.
    """

    name: str
    objects: int
    map: dict[str, float]
    map50: dict[str, float]
    coco: dict[str, float]
    dota: float | None = None


@dataclass(frozen=True)
class Speed:
    """Milliseconds a picture, the mean over all but the first.

    Attributes:
        preprocess: letterbox and layout.
        inference: the network, copies to and from a GPU included.
        postprocess: decoding, and the NMS where it is not in the graph.
        evaluation: comparing with the labels and writing records.
        seconds: of the whole run, reading pictures included.
    """

    preprocess: float
    inference: float
    postprocess: float
    evaluation: float
    seconds: float


@dataclass(frozen=True)
class Accuracy:
    """A classifier's shares of right answers.

    Attributes:
        top1: the best class is the labelled one.
        top5: it is among the best five.
    """

    top1: float
    top5: float


@dataclass(frozen=True)
class ModelResults:
    """One model.

    Attributes:
        model: what it is.
        settings: how findings were made.
        metrics: by name; empty for a classifier.
        classes: of those that are labelled; empty for a classifier.
        accuracy: of a classifier.
        speed: by stage.
        peak_rss_mib: most memory that the process had so far.
        curves: [101] by metric: precision at each recall 0, .01, ..., 1, overlap .50, mean over the classes.
        notes: a sentence each.
        predictions: name of the COCO results file beside this one.
    """

    model: ModelFacts
    settings: Settings
    metrics: dict[str, Figures]
    classes: tuple[ClassFigures, ...]
    accuracy: Accuracy | None
    speed: Speed
    peak_rss_mib: float
    curves: dict[str, tuple[float, ...]]
    notes: tuple[str, ...] = ()
    predictions: str = ""


@dataclass(frozen=True)
class Comparison:
    """How much better a model is than the first one, on the same pictures.

    Attributes:
        model: label.
        against: label of the first.
        metric: "box", "mask", "keypoints" or "top1".
        difference: in mean average precision (or share of right answers).
        low: lower end of the paired bootstrap interval.
        high: upper end.
        level: of the interval.
        draws: of the bootstrap.
    """

    model: str
    against: str
    metric: str
    difference: float
    low: float
    high: float
    level: float
    draws: int


@dataclass(frozen=True)
class ValResults:
    """A whole call.

    Attributes:
        environment: where and how.
        data: the pictures.
        library: that computed COCO's figures.
        models: in the order of the call.
        comparisons: of each further model with the first.
        partial: interrupted: figures are of the pictures that were looked at, later models are missing.
    """

    environment: Environment
    data: DataFacts
    library: str
    models: tuple[ModelResults, ...]
    comparisons: tuple[Comparison, ...] = ()
    partial: bool = False

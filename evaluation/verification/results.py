"""What `verify` found, as it stands in a results file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..environment import Environment
from ..models import ModelFacts

SCHEMA = "trtzoo.verify"

RuleName = Literal["fp32", "fp16", "int8"]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)
Stage = Literal["preprocess", "network", "detections"]


@dataclass(frozen=True)
class Rule:
    """What may differ. Detections count in both directions: what one model finds, the other has to find again.

    Attributes:
        output: largest error of an output, as a share of its largest value (but at least of 1); None does not look at outputs.
        above: objects above this score must be found again.
        lost: share of them that may be missing.
        iou: least IoU of two boxes of an object, or of its two masks.
        score: largest difference of two scores.
        pixels: largest distance of two keypoints.
    """

    output: float | None
    above: float
    lost: float
    iou: float
    score: float
    pixels: float


RULES: dict[RuleName, Rule] = {
    "fp32": Rule(1e-3, 0.3, 0.0, 0.99, 0.002, 0.1),
    "fp16": Rule(None, 0.3, 0.0, 0.95, 0.01, 0.5),
    "int8": Rule(None, 0.5, 0.1, 0.5, 0.15, 10.0),
}
"""By the less precise of the two models."""


@dataclass(frozen=True)
class OutputDifference:
    """One output of the networks, over all pictures.

    Attributes:
        name: of the raw head, "boxes".
        largest: absolute error.
        mean: absolute error.
        cosine: of the two outputs as vectors; 1 is the same direction.
        scale: largest absolute value of the reference.
        passed: within the rule; True where the rule does not look at outputs.
    """

    name: str
    largest: float
    mean: float
    cosine: float
    scale: float
    passed: bool


@dataclass(frozen=True)
class DetectionDifference:
    """What both found on all pictures, above the rule's score; for a classifier an object is a picture's best class.

    Attributes:
        reference: objects of the reference.
        candidate: objects of the candidate.
        found: pairs: same class, IoU of at least .5.
        lost: objects of the reference without a partner.
        extra: objects of the candidate without one.
        worst_iou: of the pairs; 1 where there are none.
        mean_iou: likewise.
        worst_score: largest difference.
        worst_pixels: largest distance of two keypoints, in picture pixels; None but for pose.
        worst_mask: least IoU of two masks; None but for segment.
        passed: within the rule.
    """

    reference: int
    candidate: int
    found: int
    lost: int
    extra: int
    worst_iou: float
    mean_iou: float
    worst_score: float
    worst_pixels: float | None
    worst_mask: float | None
    passed: bool


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where.

    Attributes:
        stage: preprocess, network or detections.
        text: a sentence.
    """

    stage: Stage
    text: str


@dataclass(frozen=True)
class LayerDifference:
    """The first layer whose output differs.

    Attributes:
        name: of its node.
        error: largest absolute error as a share of the layer's largest value.
        before: the last layer before it that agrees, "" where there is none.
        compared: how many layers both models have under the same name.
    """

    name: str
    error: float
    before: str
    compared: int


@dataclass(frozen=True)
class VerifyResults:
    """A whole call.

    Attributes:
        environment: where and how.
        reference: what is right.
        candidate: what is held against it.
        pictures: names of what both looked at.
        rule: what may differ: that of the less precise model.
        input_difference: largest difference of the two prepared inputs, white being 1.
        outputs: of the networks; empty where their outputs are not of one kind (rows against raw heads).
        detections: of both.
        faults: none if everything is within the rule.
        layer: of `--bisect`; None where it was not asked for, or all layers agree.
        passed: no faults.
    """

    environment: Environment
    reference: ModelFacts
    candidate: ModelFacts
    pictures: tuple[str, ...]
    rule: RuleName
    input_difference: float
    outputs: tuple[OutputDifference, ...]
    detections: DetectionDifference
    faults: tuple[Fault, ...]
    layer: LayerDifference | None
    passed: bool

"""How boxes are suppressed: what a user may say about it, and what is then done."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import InputError
from .choices import ROUTE_CHOICES, Route, RouteChoice

CONF_THRES = 0.25
TOPK_ALL = 100
STEPS = 16
"""Of route "static". Chains of suppressions on COCO: at most 4 long at a threshold of .25, 11 at .001 with M = 1000."""
MOST_STEPS = 256


@dataclass(frozen=True)
class Suppression:
    """How boxes are suppressed, without anything left open.

    Attributes:
        iou_thres: a box goes when its IoU with a kept one of its class is greater; 0 to 1.
        conf_thres: only scores greater than this are candidates; 0 to below 1.
        topk_all: K, rows of the result an image.
        candidates: M, the best (anchor, class) pairs that enter the suppression.
        multi_label: every (anchor, class) pair may be a candidate, not only an anchor's best class.
        class_agnostic: boxes of different classes suppress each other too.
        fast: a box goes when it overlaps any better one, even one that went itself ("fast NMS", Bolya et al. 2019, YOLACT;
            Ultralytics' rule for oriented boxes).

    Raises:
        InputError: a value is out of range.
    """

    iou_thres: float
    conf_thres: float
    topk_all: int
    candidates: int
    multi_label: bool
    class_agnostic: bool
    fast: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_ranges(self.conf_thres, self.iou_thres, self.topk_all, self.candidates)


@dataclass(frozen=True)
class GraphNms(Suppression):
    """The NMS in a graph.

    Attributes:
        route: which pass put it there.
        steps: T of route "static", None of the others: the rows are exact while no chain of suppressions is longer.
    """

    route: Route
    steps: int | None = None


@dataclass(frozen=True)
class NmsSettings:
    """What a user may say about the suppression; None leaves it to the model.

    Attributes:
        route: of the NMS in a graph; "auto" takes what fits the target best.
        iou_thres: as in `Suppression`; None is what the family's own framework does (`ModelMeta.iou_thres`).
        conf_thres: as in `Suppression`; None is 0.25.
        topk_all: as in `Suppression`; None is 100.
        candidates: as in `Suppression`; None is what suits the route and `topk_all`.
        steps: as in `GraphNms`; None is 16.
        multi_label: as in `Suppression`; None is what the family's own framework does (`ModelMeta.multi_label`).
        class_agnostic: as in `Suppression`.
        fast: as in `Suppression`; in a graph it is route "static" with one step.

    Raises:
        InputError: a value is out of range, or no such route.
    """

    route: RouteChoice = "auto"
    iou_thres: float | None = None
    conf_thres: float | None = None
    topk_all: int | None = None
    candidates: int | None = None
    multi_label: bool | None = None
    class_agnostic: bool = False
    fast: bool = False
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.route not in ROUTE_CHOICES:
            raise InputError(f"--nms {self.route} is not a route; choose {', '.join(ROUTE_CHOICES)}")
        if self.steps is not None and self.route != "static":
            raise InputError(f"--nms-steps belongs to --nms static, not to --nms {self.route}; leave it out")
        if self.steps is not None and not 1 <= self.steps <= MOST_STEPS:
            raise InputError(f"--nms-steps {self.steps} is out of range; choose 1 to {MOST_STEPS}")
        check_ranges(self.conf_thres, self.iou_thres, self.topk_all, self.candidates)

    def given(self) -> dict[str, Any]:
        """What the user said about the `Suppression`."""
        said = {one.name: getattr(self, one.name) for one in fields(Suppression)} | {
            "class_agnostic": self.class_agnostic or None,
            "fast": self.fast or None,
        }
        return {name: value for name, value in said.items() if value is not None}


def check_ranges(
    conf_thres: float | None = None,
    iou_thres: float | None = None,
    topk_all: int | None = None,
    candidates: int | None = None,
) -> None:
    """Refuse values outside their range; None is no value.

    Raises:
        InputError: naming the flag.
    """
    if conf_thres is not None and not 0 <= conf_thres < 1:
        raise InputError(f"--conf-thres {conf_thres} is out of range; choose 0 to below 1")
    if iou_thres is not None and not 0 <= iou_thres <= 1:
        raise InputError(f"--iou-thres {iou_thres} is out of range; choose 0 to 1")
    for flag, count in (("--topk-all", topk_all), ("--nms-candidates", candidates)):
        if count is not None and count < 1:
            raise InputError(f"{flag} {count} is out of range; choose 1 or more")


def usual_candidates(topk_all: int, route: RouteChoice = "auto") -> int:
    """M where the user says nothing: it must leave the suppression something to choose K rows from.

    Route "static" compares all M with each other, so it has fewer.
    """
    if route == "static":
        return min(max(512, 2 * topk_all), 3840)
    return 3840 if topk_all >= 1000 else 1000

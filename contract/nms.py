"""How an end-to-end graph suppresses boxes."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .choices import ROUTE_CHOICES, RouteChoice


@dataclass(frozen=True)
class NmsSettings:
    """How an end-to-end graph suppresses boxes.

    Attributes:
        route: which pass did it: "plain", "efficient", "efficient-idx", "onnx" or "none"; "auto" leaves the choice.
        iou_thres: a box goes when its IoU with a kept one of its class is greater; 0 to 1.
        conf_thres: only scores greater than this are candidates; 0 to below 1.
        topk_all: K, rows of the result an image.
        candidates: M, the best (anchor, class) pairs that enter the suppression.
        multi_label: every (anchor, class) pair may be a candidate, not only an anchor's best class.
        class_agnostic: boxes of different classes suppress each other too.

    Raises:
        InputError: a value is out of range, or no such route.
    """

    route: RouteChoice = "auto"
    iou_thres: float = 0.45
    conf_thres: float = 0.25
    topk_all: int = 100
    candidates: int = 1000
    multi_label: bool = False
    class_agnostic: bool = False

    def __post_init__(self) -> None:
        if self.route not in ROUTE_CHOICES:
            raise InputError(f"--nms {self.route} is not a route; choose {', '.join(ROUTE_CHOICES)}")
        if not 0 <= self.conf_thres < 1:
            raise InputError(f"--conf-thres {self.conf_thres} is out of range; choose 0 to below 1")
        if not 0 <= self.iou_thres <= 1:
            raise InputError(f"--iou-thres {self.iou_thres} is out of range; choose 0 to 1")
        for flag, count in (("--topk-all", self.topk_all), ("--nms-candidates", self.candidates)):
            if count < 1:
                raise InputError(f"{flag} {count} is out of range; choose 1 or more")

"""How an end-to-end graph suppresses boxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NmsSettings:
    """How an end-to-end graph suppresses boxes.

    Attributes:
        route: which pass did it: "plain", "efficient", "efficient-idx", "onnx" or "none".
        iou_thres: a box goes when its IoU with a kept one of its class is greater.
        conf_thres: only scores greater than this are candidates.
        topk_all: K, rows of the result an image.
        candidates: M, the best (anchor, class) pairs that enter the suppression.
        multi_label: every (anchor, class) pair may be a candidate, not only an anchor's best class.
        class_agnostic: boxes of different classes suppress each other too.
    """

    route: str = "auto"
    iou_thres: float = 0.45
    conf_thres: float = 0.25
    topk_all: int = 100
    candidates: int = 1000
    multi_label: bool = False
    class_agnostic: bool = False

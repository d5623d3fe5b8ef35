"""The thresholds of an end-to-end graph: two constants of known names that can be changed, or made graph inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..converters.heads import NmsSettings
from .emitter import Emitter, Tensor

CONF, IOU = "nms.conf_thres", "nms.iou_thres"
"""Names of the constants, float32 [1]."""


@dataclass(frozen=True)
class Thresholds:
    """Float32 [1] each: only scores greater than `conf` are candidates; IoU greater than `iou` suppresses."""

    conf: Tensor
    iou: Tensor


def threshold_constants(emit: Emitter, settings: NmsSettings) -> Thresholds:
    """The constants that a route compares with."""
    conf, iou = (np.array([value], np.float32) for value in (settings.conf_thres, settings.iou_thres))
    return Thresholds(emit.constant(CONF, conf), emit.constant(IOU, iou))

"""Metadata of one end-to-end model a task, for what only looks at metadata."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from suppressions import graph_nms

from trtzoo.contract.meta import ModelMeta

NAMES = ("person", "car;van", "", "traffic light\r", "dog")


def bundle_meta(task: str = "detect", layout: str | None = None, **more: Any) -> ModelMeta:
    """A model of this task with NMS in its graph, in the layout that DeepStream's stock parser or ours reads."""
    nms = more.pop("nms", graph_nms("plain", conf_thres=0.3))
    meta = ModelMeta("ultralytics", task, NAMES, (8, 16, 32), (384, 640), None, **more)
    meta = replace(meta, kpt_shape=(17, 3) if task == "pose" else None)
    return meta.with_nms(nms, layout or ("deepstream" if task == "detect" else "separate"))

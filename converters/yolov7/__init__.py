"""YOLOv7, YOLOR and Scaled-YOLOv4 checkpoints of WongKinYiu's repository, detection and pose, before and after re-parameterisation.

Their module paths are YOLOv5's (`models.yolo`, `models.common`); the classes of their layers tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..checkpoint.reader import Record
from ..checkpoint.tree import Value
from ..network import Network
from ..options import ReadOptions
from ..torch_modules.modules import Block
from ..yolov5 import Flavour, layers_of
from ..yolov5 import matches as has_yolov5_paths
from ..yolov5 import read as read_yolov5
from ..yolov5.blocks import YOLOV5_BLOCKS
from .blocks import YOLOV7_BLOCKS
from .decode import implicit_detect, implicit_head

_OWN_HEADS = ("IDetect", "IAuxDetect", "IKeypoint")
_TABLE: Mapping[str, Block] = {**YOLOV7_BLOCKS, **dict.fromkeys(("Detect", *_OWN_HEADS), implicit_detect)}

YOLOV7 = Flavour("yolov7", "yolov7", _TABLE, ("Detect", *_OWN_HEADS), implicit_head)


def matches(model: Record) -> bool:
    """Whether a checkpoint's model has layers that only YOLOv7's repository has."""
    own = {*_OWN_HEADS, *YOLOV7_BLOCKS} - set(YOLOV5_BLOCKS)
    return has_yolov5_paths(model) and any(layer.class_name in own for layer in layers_of(model))


def read(model: Record, checkpoint: Mapping[str, Value], path: Path, options: ReadOptions) -> Network:
    """A YOLOv7 model, ready to be turned into a graph; arguments and errors as `yolov5.read`."""
    return read_yolov5(model, checkpoint, path, options, YOLOV7)

"""The module classes of WongKinYiu's YOLOv9, as a block table: Ultralytics' and YOLOv7's under its own names.

Source: WongKinYiu/yolov9 `models/common.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..torch_modules.blocks import bottleneck, c3
from ..torch_modules.modules import Block
from ..ultralytics.blocks import BLOCKS
from ..yolov7.blocks import pooling, reorg, residual, shortcut, sppcspc

YOLOV9_BLOCKS: Mapping[str, Block] = {
    **BLOCKS,
    "RepConvN": BLOCKS["RepConv"],
    "RepNBottleneck": bottleneck,
    "BottleneckBase": bottleneck,
    "RBottleneckBase": bottleneck,
    "RepNRBottleneckBase": bottleneck,
    "Res": residual,
    "RepNRes": residual,
    "CSP": c3,
    "CSPBase": c3,
    "RepNCSP": c3,
    "SPPCSPC": sppcspc,
    "MP": pooling,
    "SP": pooling,
    "ReOrg": reorg,
    "Shortcut": shortcut,
}
"""Blocks by class name."""

"""A network of every task whose answer is known: it finds squares of pure red, green and blue on a grid of cells.

The score of a class is the mean of its colour channel in the cell, the box is the cell, the keypoints are two of its
corners, the mask is the cell's colour. Black cells give nothing, and so does the grey of a letterbox above 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.converters.network import Network, to_graph
from trtzoo.converters.vocabulary.ops import Conv, Ops, Tensor
from trtzoo.graph.weights import Weight
from trtzoo.graph_passes.layouts.dressing import apply_layout
from trtzoo.graph_passes.nms import add_nms
from trtzoo.pipeline import write_model

NAMES = ("red", "green", "blue")
CELL = 16
STRETCH = Preprocess(resize="stretch")
SETTINGS = NmsSettings(conf_thres=0.6, topk_all=20, candidates=24)


def colour_network(task: str = "detect", size: tuple[int, int] = (64, 96), **more: Any) -> Network:
    """The network for an input [B, 3, *size]; `more` changes its metadata."""
    points = (2, 3) if task == "pose" else None
    meta = ModelMeta("ultralytics", task, NAMES, (CELL,), size, kpt_shape=points, preprocess=STRETCH)
    meta = replace(meta, **more)

    def forward(ops: Ops, images: Tensor) -> Mapping[str, Tensor]:
        colours = _averaged(ops, images, CELL)
        if task == "classify":
            return {"probs": ops.reshape(ops.global_avg_pool(colours), (3,))}
        rows, columns = (length // CELL for length in size)
        scores = ops.transpose(ops.reshape(colours, (3, rows * columns)), (0, 2, 1))
        return _heads(ops, images, scores, cells(size), task)

    return Network(meta, forward)


def _heads(ops: Ops, images: Tensor, scores: Tensor, corners: np.ndarray, task: str) -> Mapping[str, Tensor]:
    nothing = ops.mul(ops.slice(scores, 2, 0, 1), 0.0)
    boxes = (
        corners
        if task != "obb"
        else np.column_stack([centres(corners), np.full((len(corners), 2), CELL), corners[:, 0] * 0])
    )
    heads = {"boxes": ops.add(nothing, boxes[None].astype(np.float32)), "scores": scores}
    if task == "pose":
        seen = np.ones((len(corners), 1))
        points = np.column_stack([corners[:, :2], seen, corners[:, 2:], seen])
        heads["keypoints"] = ops.reshape(ops.add(nothing, points[None].astype(np.float32)), (len(corners), 2, 3))
    if task == "segment":
        heads["mask_coeffs"] = ops.add(ops.mul(scores, 20.0), 0.0)
        heads["protos"] = ops.add(_averaged(ops, images, 4), -0.5)
    return heads


def _averaged(ops: Ops, images: Tensor, side: int) -> Tensor:
    """The mean of each channel over squares."""
    weight = np.zeros((3, 3, side, side), np.float32)
    weight[range(3), range(3)] = 1 / side**2
    return ops.conv2d(images, Conv(Weight.of(weight), stride=(side, side)))


def cells(size: tuple[int, int]) -> np.ndarray:
    """Corners [A, 4] of the cells in network-input pixels, row by row."""
    y, x = np.mgrid[0 : size[0] : CELL, 0 : size[1] : CELL].reshape(2, -1)
    return np.column_stack([x, y, x + CELL, y + CELL])


def centres(boxes: np.ndarray) -> np.ndarray:
    """Centres [N, 2] of boxes [N, 4]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def picture_with(squares: Sequence[tuple[int, int]], size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A black picture (blue, green, red) of this size with cells (number, class) in their colours."""
    picture = np.zeros((*size, 3), np.uint8)
    for number, label in squares:
        left, top, right, bottom = cells(size)[number]
        picture[top:bottom, left:right, 2 - label] = 255
    return picture


def write(
    folder: Path,
    network: Network,
    batch: int | None = 1,
    route: str | None = None,
    layout: str | None = None,
    target: str = "onnxruntime",
) -> Path:
    """The network as an ONNX file, with NMS by `route`, checked as it is written."""
    graph, meta = to_graph(network, batch, 17)
    if route:
        meta, _ = add_nms(graph, meta, replace(SETTINGS, route=route), parse_target(target), layout or "separate")
    elif layout:
        meta = apply_layout(graph, meta, layout)
    path = folder / "model.onnx"
    write_model(graph, to_properties(meta), path, meta)
    return path

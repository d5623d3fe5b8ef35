"""The ends of other exporters' graphs: what they compute from a `Foreign`'s level maps, in their own arithmetic."""

from __future__ import annotations

import numpy as np
from foreign_onnx import Foreign

STRIDES = (8, 16, 32)


def cells(size, step):
    """Column and row of every cell, [h * w, 2]."""
    return np.mgrid[: size[0] // step, : size[1] // step].reshape(2, -1)[::-1].T.astype(np.float32)


def yolov5_rows(f: Foreign, classes, size, strides=STRIDES, anchors=3, points=0, masks=0, decode=True):
    """YOLOv5, YOLOv7 (`models/yolo.py`, Detect): [B, A, 5 + classes + ...]; without decode as YOLOv5-Lite gives them."""
    values, levels = 5 + classes + masks + 3 * points, []
    for level, step in zip(f.maps(anchors * values, strides), strides, strict=True):
        height, width = size[0] // step, size[1] // step
        parted = f.node("Reshape", [level, np.array([0, anchors, values, height, width])])
        moved = f.node("Transpose", [parted], perm=[0, 1, 3, 4, 2])
        rows = f.node("Reshape", [moved, np.array([0, anchors * height * width, values])])
        sizes = [2, 2, 1 + classes, *([masks] if masks else []), *([3 * points] if points else [])]
        xy, wh, scores, *rest = f.node("Split", [rows, np.array(sizes)], outputs=len(sizes), axis=2)
        grid = np.tile(cells(size, step), (anchors, 1))[None]
        anchor = np.repeat(f.random.uniform(4, 40, (anchors, 2)), height * width, axis=0)[None]
        xy, wh, scores = (f.node("Sigmoid", [part]) for part in (xy, wh, scores))
        if decode:
            xy = f.node(
                "Mul", [f.node("Add", [f.node("Mul", [xy, f.number(2)]), f.number(grid - 0.5)]), f.number(step)]
            )
            double = f.node("Mul", [wh, f.number(2)])
            wh = f.node("Mul", [f.node("Mul", [double, double]), f.number(anchor)])
        rest = [keypoint_rows(f, part, points, grid, step) for part in rest] if points else rest
        levels.append(f.node("Concat", [xy, wh, scores, *rest], axis=2))
    return f.node("Concat", levels, axis=1)


def keypoint_rows(f: Foreign, values, points, grid, step):
    """YOLOv7-pose's and YOLOv5-pose's keypoints: all x, all y and all visibilities at once, every third value."""
    count, parts = 3 * points, []
    for index in range(3):
        ends = [np.array([limit]) for limit in (index, count, 2, 3)]
        part = f.node("Slice", [values, *ends])
        if index < 2:
            moved = f.node("Add", [f.node("Mul", [part, f.number(2)]), f.number(grid[..., index : index + 1] - 0.5)])
            part = f.node("Mul", [moved, f.number(step)])
        else:
            part = f.node("Sigmoid", [part])
        parts.append(f.node("Unsqueeze", [part, np.array([3])]))
    return f.node("Reshape", [f.node("Concat", parts, axis=3), np.array([0, 0, count])])


def yolov5_face_rows(f: Foreign, size, anchors=3, strides=STRIDES):
    """yolov5-face: box, objectness, ten landmark values in pixels that no sigmoid limits, one class."""
    levels = []
    for level, step in zip(f.maps(anchors * 16, strides), strides, strict=True):
        height, width = size[0] // step, size[1] // step
        parted = f.node("Reshape", [level, np.array([0, anchors, 16, height, width])])
        moved = f.node("Transpose", [parted], perm=[0, 1, 3, 4, 2])
        rows = f.node("Reshape", [moved, np.array([0, anchors * height * width, 16])])
        xy, wh, score, marks, kind = f.node("Split", [rows, np.array([2, 2, 1, 10, 1])], outputs=5, axis=2)
        xy, wh, score, kind = (f.node("Sigmoid", [part]) for part in (xy, wh, score, kind))
        grid = np.tile(cells(size, step), (anchors, 1))[None]
        xy = f.node("Mul", [f.node("Add", [f.node("Mul", [xy, f.number(2)]), f.number(grid - 0.5)]), f.number(step)])
        double = f.node("Mul", [wh, f.number(2)])
        wh = f.node("Mul", [f.node("Mul", [double, double]), f.number(20)])
        spread = f.node("Mul", [marks, f.number(20)])
        marks = f.node("Add", [spread, f.number(np.tile(grid * step, (1, 1, 5)))])
        levels.append(f.node("Concat", [xy, wh, score, marks, kind], axis=2))
    return f.node("Concat", levels, axis=1)


def yolov8_columns(f: Foreign, classes, size, strides=STRIDES, points=(0, 0), masks=0, bins=16, angle=False):
    """Ultralytics (`nn/modules/head.py`) and WongKinYiu's YOLOv9: [B, 4 + classes + ..., A]; a Conv takes the mean of bins."""
    extra = masks + points[0] * points[1] + angle
    values = 4 * bins + classes + extra
    flat = [f.node("Reshape", [level, np.array([0, values, -1])]) for level in f.maps(values, strides)]
    sizes = [4 * bins, classes, *([extra] if extra else [])]
    joined = f.node("Concat", flat, axis=2)
    box, scores, *rest = f.node("Split", [joined, np.array(sizes)], outputs=len(sizes), axis=1)
    parted = f.node("Reshape", [box, np.array([0, 4, bins, -1])])
    shares = f.node("Softmax", [f.node("Transpose", [parted], perm=[0, 2, 1, 3])], axis=1)
    mean = f.node("Conv", [shares, np.arange(bins).reshape(1, bins, 1, 1).astype(f.kind)])
    sides = f.node("Reshape", [mean, np.array([0, 4, -1])])
    near, far = f.node("Split", [sides, np.array([2, 2])], outputs=2, axis=1)
    centre = np.concatenate([cells(size, step).T + 0.5 for step in strides], axis=1)[None]
    stride = np.concatenate([np.full((size[0] // s) * (size[1] // s), s) for s in strides]).reshape(1, 1, -1)
    low, high = f.node("Sub", [f.number(centre), near]), f.node("Add", [f.number(centre), far])
    middle = f.node("Mul", [f.node("Add", [low, high]), f.number(0.5)])
    boxes = f.node("Mul", [f.node("Concat", [middle, f.node("Sub", [high, low])], axis=1), f.number(stride)])
    rest = [column_points(f, part, points, centre, stride) for part in rest] if points[0] else rest
    rest = [f.node("Mul", [f.node("Sigmoid", [part]), f.number(3)]) for part in rest] if angle else rest
    return f.node("Concat", [boxes, f.node("Sigmoid", [scores]), *rest], axis=1)


def column_points(f: Foreign, values, points, centre, stride):
    """Ultralytics' keypoints: (2 v + cell) * stride, a sigmoid on the third value of each."""
    parts = f.node("Split", [values, np.ones(points[0] * points[1], np.int64)], outputs=points[0] * points[1], axis=1)
    made = []
    for index, part in enumerate(parts):
        axis = index % points[1]
        if axis == 2:
            made.append(f.node("Sigmoid", [part]))
            continue
        moved = f.node("Add", [f.node("Mul", [part, f.number(2)]), f.number(centre[:, axis : axis + 1] - 0.5)])
        made.append(f.node("Mul", [moved, f.number(stride)]))
    return f.node("Concat", made, axis=1)


def yolov6_rows(f: Foreign, classes, size, strides=STRIDES):
    """YOLOv6 (`yolov6/models/effidehead.py`): rows with an objectness of one."""
    columns = yolov8_columns(f, classes, size, strides)
    rows = f.node("Transpose", [columns], perm=[0, 2, 1])
    box, scores = f.node("Split", [rows, np.array([4, classes])], outputs=2, axis=2)
    ones = f.node(
        "Add", [f.node("Mul", [f.node("Slice", [box, *map(np.array, ([0], [1], [2]))]), f.number(0)]), f.number(1)]
    )
    return f.node("Concat", [box, ones, scores], axis=2)


def yolox_rows(f: Foreign, classes, size, decoded, one_convolution=False):
    """YOLOX (`yolox/models/yolo_head.py`): three convolutions a level; decoded with --decode_in_inference."""
    levels = []
    for step in STRIDES:
        if one_convolution:
            box, score, kind = f.node("Split", [f.map(5 + classes, step), np.array([4, 1, classes])], outputs=3, axis=1)
        else:
            box, score, kind = f.map(4, step), f.map(1, step), f.map(classes, step)
        joined = f.node("Concat", [box, f.node("Sigmoid", [score]), f.node("Sigmoid", [kind])], axis=1)
        levels.append(f.node("Reshape", [joined, np.array([0, 5 + classes, -1])]))
    rows = f.node("Transpose", [f.node("Concat", levels, axis=2)], perm=[0, 2, 1])
    return yolox_decoded(f, rows, classes, size) if decoded else rows


def yolox_decoded(f: Foreign, rows, classes, size):
    offset, extent, rest = f.node("Split", [rows, np.array([2, 2, 1 + classes])], outputs=3, axis=2)
    grid, stride = yolox_grid(size)
    centre = f.node("Mul", [f.node("Add", [offset, f.number(grid)]), f.number(stride)])
    return f.node("Concat", [centre, f.node("Mul", [f.node("Exp", [extent]), f.number(stride)]), rest], axis=2)


def yolox_grid(size):
    grid = np.concatenate([cells(size, step) for step in STRIDES])[None]
    stride = np.concatenate([np.full(len(cells(size, step)), step) for step in STRIDES]).reshape(1, -1, 1)
    return grid, stride


def queries(f: Foreign, count, *widths):
    """[B, count, width] of values from 0 to 1 for each width, as a transformer's last linear layers give them."""
    pooled = f.node("Reshape", [f.node("GlobalAveragePool", [f.map(16, 32)]), np.array([0, 16])])
    made = []
    for width in widths:
        layer = f.node("MatMul", [pooled, f.number(f.random.normal(0, 2, (16, count * width)))])
        made.append(f.node("Reshape", [f.node("Sigmoid", [layer]), np.array([0, count, width])]))
    return made


def final_rows(f: Foreign, classes, size, count=20, extra=0, obb=False):
    """Ultralytics' NMS-free heads: corners in pixels (obb: centre and size), score, class number, the rest."""
    box, score, number, *rest = queries(f, count, 4, 1, 1, *([extra] if extra else []))
    scale = np.array([size[1], size[0]] * 2)
    if not obb:
        low, high = f.node("Split", [box, np.array([2, 2])], outputs=2, axis=2)
        box = f.node("Concat", [low, f.node("Add", [low, high])], axis=2)
    number = f.node("Floor", [f.node("Mul", [number, f.number(classes - 0.001)])])
    return f.node("Concat", [f.node("Mul", [box, f.number(scale)]), score, number, *rest], axis=2)

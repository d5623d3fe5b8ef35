"""What DeepStream's nvinfer does with a configuration, a frame and a network's rows, in Python; formulas of DeepStream 9.1.

reader      gstnvinfer_property_parser.cpp and GLib's key files
placement   get_converted_buffer, gstnvinfer.cpp
stock       NvDsInferParseYoloV5CustomBatchedNMSTLT, nvdsinfer_custombboxparser.cpp
unclustered DetectPostprocessor, nvdsinfer_context_impl_output_parsing.cpp
attached    attach_metadata_detector, gstnvinfer_meta_utils.cpp
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

ROWS = 200

INTEGERS = {
    "gpu-id": range(64), "gie-unique-id": range(1, 2**31), "process-mode": range(1, 4), "batch-size": range(1, 1025),
    "network-mode": range(4), "network-type": (0, 1, 2, 3, 100), "num-detected-classes": range(2**31),
    "model-color-format": range(3), "cluster-mode": range(5), "scaling-filter": range(8), "interval": range(2**31),
    "workspace-size": range(2**31),
}  # fmt: skip
BOOLEANS = {
    "maintain-aspect-ratio", "symmetric-padding", "crop-objects-to-roi-boundary", "output-instance-mask",
    "strongly-typed", "force-implicit-batch-dim",
}  # fmt: skip
DOUBLES = {"net-scale-factor", "segmentation-threshold", "pre-cluster-threshold"}
STRINGS = {
    "onnx-file", "model-engine-file", "labelfile-path", "custom-lib-path", "parse-bbox-func-name",
    "parse-bbox-instance-mask-func-name", "output-blob-names",
}  # fmt: skip


class RefusedError(Exception):
    """nvinfer does not start with this configuration."""


def read_config(text: str) -> tuple[dict[str, dict[str, object]], list[str]]:
    """The values by group and key, and the keys that nvinfer does not know (it says so and goes on)."""
    groups: dict[str, dict[str, object]] = {}
    unknown: list[str] = []
    group = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if match := re.fullmatch(r"\[(.+)\]", line.strip()):
            group = match[1]
            groups.setdefault(group, {})
            continue
        key, equals, value = line.partition("=")
        if not group or not equals:
            raise RefusedError(f"not a key file: {line}")
        if not _known(key):
            unknown.append(key)
            continue
        groups[group][key] = _value(key, value.lstrip())
    _check_classes(groups)
    return groups, unknown


def _known(key: str) -> bool:
    return key in {*INTEGERS, *BOOLEANS, *DOUBLES, *STRINGS, "infer-dims", "topk"}


def _value(key: str, value: str) -> object:
    if key in STRINGS:
        return value
    if key in BOOLEANS:
        if value.rstrip() not in ("0", "1", "true", "false"):
            raise RefusedError(f"{key}={value}: no boolean")
        return value.rstrip() in ("1", "true")
    if key in DOUBLES:
        if not re.fullmatch(r"[+-]?\d*\.?\d*(e[+-]?\d+)?", value):
            raise RefusedError(f"{key}={value}: no number")
        return float(value)
    if key == "infer-dims":
        return _dims(value)
    number = _integer(key, value)
    if (key == "topk" and number < 0) or (key in INTEGERS and number not in INTEGERS[key]):
        raise RefusedError(f"{key}={value}: out of range")
    return number


def _integer(key: str, value: str) -> int:
    """GLib takes what follows a blank for nothing."""
    match = re.match(r"([+-]?\d+)(\s|$)", value)
    if not match:
        raise RefusedError(f"{key}={value}: no integer")
    return int(match[1])


def _dims(value: str) -> tuple[int, ...]:
    parts = [_integer("infer-dims", part) for part in value.split(";") if part]
    if len(parts) != 3:
        raise RefusedError("infer-dims: not three")
    return tuple(parts)


def _check_classes(groups: Mapping[str, Mapping[str, object]]) -> None:
    classes = groups.get("property", {}).get("num-detected-classes", 0)
    for name in groups:
        number = name.removeprefix("class-attrs-")
        if name == number or number == "all":
            continue
        if not number.isdigit() or int(number) >= classes:
            raise RefusedError(f"[{name}]")


@dataclass(frozen=True)
class Frame:
    """A frame in the network's input, and what the configuration says about it."""

    size: tuple[int, int]
    network: tuple[int, int]
    letterbox: bool
    symmetric: bool
    crop: bool = True

    @property
    def placement(self) -> tuple[tuple[float, float], tuple[int, int], tuple[int, int]]:
        """Scale (x, y), offset (left, top), and width and height of the frame in the network's input."""
        height, width = (length - length % 2 for length in self.size)
        rows, columns = self.network
        new_width, new_height = columns, rows
        if self.letterbox:
            fitting = columns * height / width
            if fitting <= rows:
                new_height = int(fitting)
            else:
                new_width = int(rows * width / height)
        left, top = ((columns - new_width) // 2, (rows - new_height) // 2) if self.symmetric else (0, 0)
        return (new_width / width, new_height / height), (left, top), (new_width, new_height)

    def prepare(self, picture: np.ndarray) -> np.ndarray:
        """The network's input float32 [1, 3, H, W]: black padding, bilinear, RGB, 0..1."""
        _, (left, top), (width, height) = self.placement
        canvas = np.zeros((*self.network, 3), np.float32)
        source = picture[: self.size[0] // 2 * 2, : self.size[1] // 2 * 2, ::-1]
        canvas[top : top + height, left : left + width] = cv2.resize(source, (width, height))
        return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None] / np.float32(255))


@dataclass(frozen=True)
class Object:
    """Left, top, width, height in `box`; what hangs on it in `mask`."""

    label: int
    score: float
    box: tuple[float, float, float, float]
    rotation: float = 0.0
    mask: np.ndarray | None = None


def stock(outputs: Mapping[str, np.ndarray], network: tuple[int, int], classes: int, threshold: float) -> list[Object]:
    """The stock parser on one image's num_dets, det_boxes, det_scores and det_classes."""
    assert list(outputs) == ["num_dets", "det_boxes", "det_scores", "det_classes"]
    limit = np.array([network[1] - 1, network[0] - 1] * 2, np.float32)
    found: list[Object] = []
    for row in range(int(outputs["num_dets"].reshape(-1)[0])):
        if len(found) > ROWS:
            break
        score, label = outputs["det_scores"][row], outputs["det_classes"].view(np.float32)[row]
        box = outputs["det_boxes"][row]
        if score < np.float32(threshold) or not 0 <= label < classes or (box[2:] < box[:2]).any():
            continue
        corners = np.clip(box, 0, limit)
        found.append(Object(int(label), float(score), (*corners[:2], *(corners[2:] - corners[:2]))))
    return found


def unclustered(found: Sequence[Object], thresholds: Sequence[float]) -> list[Object]:
    """cluster-mode 4 without topk: class by class, those at or above their class's threshold."""
    kept = [item for item in found if item.label < len(thresholds) and item.score >= np.float32(thresholds[item.label])]
    return sorted(kept, key=lambda item: item.label)


def attached(found: Sequence[Object], frame: Frame) -> list[Object]:
    """Objects in pixels of the frame, as a probe sees them."""
    (scale_x, scale_y), (left, top), _ = frame.placement
    height, width = frame.size
    result = []
    for item in found:
        x, y = max((item.box[0] - left) / scale_x, 0), max((item.box[1] - top) / scale_y, 0)
        w, h = item.box[2] / scale_x, item.box[3] / scale_y
        if frame.crop:
            w = width - x if x + w >= width else w
            h = height - y if y + h > height else h
        elif y + h > height:
            continue
        result.append(replace(item, box=(x, y, w, h)))
    return result

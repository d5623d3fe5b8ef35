"""Pictures of coloured shapes on clutter, drawn by code: what the sample detector is trained and measured on.

Run as a script it draws the pictures in `pictures/` and their labels again: `python samples/draw_shapes.py`.
"""

from __future__ import annotations

import argparse
import colorsys
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]

CLASSES = ("circle", "square", "triangle", "star", "hexagon", "cross")
SIZES = ((640, 480), (480, 640), (800, 500), (640, 640))
SUPERSAMPLING = 4  # a mask is drawn this many times larger and averaged down: that is the anti-aliasing
SHOWN_SEED = 2024  # training and measuring have seeds of their own: see train_shapes.py
SHOWN = (6, 35, 37, 47, 18, 43)


@dataclass(frozen=True)
class Fill:
    """One colour (BGR [3], 0..255), or a gradient or stripes from it to a second one."""

    colour: Array
    second: Array | None = None
    angle: float = 0.0
    stripes: float = 0.0

    def field(self, width: int, height: int) -> Array:
        """The colours of an area, [H, W, 3]."""
        if self.second is None:
            return np.broadcast_to(self.colour, (height, width, 3))
        along = _ramp(width, height, self.angle)[..., None]
        if self.stripes:
            along = np.clip(0.5 + 3 * np.sin(2 * np.pi * self.stripes * along), 0, 1)
        return np.asarray(self.colour + along * (self.second - self.colour), np.float32)


def draw_picture(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Picture, Array, NDArray[np.int64]]:
    """Draw one picture of `size` (width, height).

    Returns the picture [H, W, 3] (BGR), the boxes [N, 4] of its shapes (x1, y1, x2, y2 in pixels) and their classes
    [N] (indices into CLASSES). The same generator state always gives the same picture.
    """
    dark = bool(rng.random() < 0.5)
    canvas = _background(rng, size, dark)
    _clutter(rng, canvas)
    boxes: list[Array] = []
    classes: list[int] = []
    for _ in range(int(rng.integers(4, 12))):
        label = int(rng.integers(len(CLASSES)))
        polygon = _free_place(rng, size, CLASSES[label], boxes)
        if polygon is not None:
            _paint_shape(rng, canvas, polygon, dark)
            boxes.append(_box(polygon))
            classes.append(label)
    for _ in range(int(rng.integers(0, 3))):
        _paint_line(rng, canvas, thickness=0.004)
    canvas += rng.uniform(0, 6) * rng.standard_normal(canvas.shape[:2], dtype=np.float32)[..., None]
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    return picture, np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64)


def numbered_picture(seed: int, index: int) -> tuple[Picture, Array, NDArray[np.int64]]:
    """Picture `index` of the endless set that `seed` names, in one of SIZES; see `draw_picture`."""
    rng = np.random.default_rng([seed, index])
    return draw_picture(rng, SIZES[int(rng.integers(len(SIZES)))])


def coco_labels(labelled: Sequence[tuple[str, Picture, Array, NDArray[np.int64]]]) -> dict[str, Any]:
    """COCO's ground truth for (file name, picture, boxes, classes); ids count from 1, boxes become x, y, w, h."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, picture, boxes, classes) in enumerate(labelled, start=1):
        height, width = picture.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), classes.tolist(), strict=True):
            bbox = [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1}
            annotations.append({**annotation, "bbox": bbox, "area": round(bbox[2] * bbox[3], 2), "iscrowd": 0})
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _colour(hue: float, saturation: float, value: float) -> Array:
    """BGR, 0..255."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value)[::-1], np.float32) * 255


def _background(rng: np.random.Generator, size: tuple[int, int], dark: bool) -> Array:
    """A gradient of two related colours under a faint pattern and clouds, float [H, W, 3]."""
    width, height = size
    hue = rng.random()
    low, high = (0.10, 0.45) if dark else (0.65, 0.97)
    saturations = rng.uniform(0.2, 0.7, 2) if dark else rng.uniform(0.05, 0.35, 2)
    values = rng.uniform(low, high, 2)
    first = _colour(hue, saturations[0], values[0])
    second = _colour(hue + rng.uniform(-0.15, 0.15), saturations[1], values[1])
    along = _ramp(width, height, rng.uniform(0, 2 * np.pi))[..., None]
    canvas = first * (1 - along) + second * along
    shade = _pattern(rng, width, height) + _clouds(rng, width, height)
    return np.asarray(canvas + shade[..., None], np.float32)


def _ramp(width: int, height: int, angle: float) -> Array:
    """0..1 across the picture in the direction of `angle`, float [H, W]."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    ramp = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y[:, None]
    return np.asarray((ramp - ramp.min()) / max(float(np.ptp(ramp)), 1e-6), np.float32)


def _pattern(rng: np.random.Generator, width: int, height: int) -> Array:
    """Nothing, stripes or a weave, as brightness to add, float [H, W]."""
    angle = rng.uniform(0, np.pi)
    waves = 2 * np.pi * rng.uniform(12, 45)
    pattern = np.sin(waves * _ramp(width, height, angle))
    if rng.random() < 0.5:
        pattern *= np.sin(waves * _ramp(width, height, angle + np.pi / 2))
    return np.asarray(pattern * rng.choice([0, 1]) * rng.uniform(3, 12), np.float32)


def _clouds(rng: np.random.Generator, width: int, height: int) -> Array:
    """Smooth noise of several octaves, as brightness to add, float [H, W]."""
    clouds = np.zeros((height, width), np.float32)
    strength = rng.uniform(4, 16)
    for cells in (4, 9, 20, 50):
        noise = rng.standard_normal((cells, cells), dtype=np.float32)
        clouds += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
        strength *= 0.6
    return clouds


def _clutter(rng: np.random.Generator, canvas: Array) -> None:
    """Paint what is to be ignored: blobs, bent lines and specks."""
    height, width = canvas.shape[:2]
    short = min(height, width)
    for _ in range(int(rng.integers(2, 9))):
        blob = _blob(rng, short * rng.uniform(0.04, 0.25)) + rng.uniform((0, 0), (width, height))
        _paint(canvas, [blob], Fill(_any_colour(rng)), rng.uniform(0.15, 0.5))
    for _ in range(int(rng.integers(2, 9))):
        _paint_line(rng, canvas, thickness=rng.uniform(0.002, 0.02))
    for _ in range(int(rng.integers(0, 50))):
        speck = _blob(rng, short * rng.uniform(0.003, 0.012)) + rng.uniform((0, 0), (width, height))
        _paint(canvas, [speck], Fill(_any_colour(rng)), rng.uniform(0.3, 0.9))


def _any_colour(rng: np.random.Generator) -> Array:
    return _colour(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.2, 0.95))


def _blob(rng: np.random.Generator, radius: float) -> Array:
    """A wobbly, stretched outline around the origin, [V, 2]."""
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = [rng.uniform(-0.22, 0.22) * np.cos(k * turn + rng.uniform(0, 6.3)) for k in range(2, 6)]
    outline = (
        radius * (1 + np.sum(waves, 0))[:, None] * np.stack([np.cos(turn), rng.uniform(0.35, 0.8) * np.sin(turn)], 1)
    )
    return np.asarray(outline @ _rotation(rng.uniform(0, 2 * np.pi)), np.float32)


def _paint_line(rng: np.random.Generator, canvas: Array, thickness: float) -> None:
    """Paint a line or a bow, `thickness` given as a part of the picture's shorter side."""
    height, width = canvas.shape[:2]
    start, middle, end = rng.uniform((-0.1, -0.1), (1.1, 1.1), (3, 2)) * (width, height)
    middle = (start + end) / 2 + rng.uniform(0, 0.5) * (middle - (start + end) / 2)
    t = np.linspace(0, 1, 40)[:, None]
    path = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    tangent = np.gradient(path, axis=0)
    normal = tangent[:, ::-1] * (-1, 1) / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6)
    half = normal * thickness * min(height, width) / 2
    ribbon = np.concatenate([path + half, (path - half)[::-1]]).astype(np.float32)
    _paint(canvas, [ribbon], Fill(_any_colour(rng)), rng.uniform(0.3, 0.9))


def _rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)


def _outline(name: str) -> Array:
    """The outline of a class with its outermost point at distance 1 from the origin, [V, 2]."""
    if name == "cross":
        arm, end = 0.32, 0.947  # half the width of an arm, and its length: arm² + end² = 1
        quarter = np.array([(arm, arm), (arm, end), (-arm, end)], np.float32)
        return np.concatenate([quarter @ _rotation(k * np.pi / 2) for k in range(4)])
    corners = {"circle": 90, "square": 4, "triangle": 3, "star": 10, "hexagon": 6}[name]
    turn = np.arange(corners) * 2 * np.pi / corners
    radius = np.where(np.arange(corners) % 2, 0.45, 1.0) if name == "star" else np.ones(corners)
    return np.asarray(radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1), np.float32)


def _box(polygon: Array) -> Array:
    return np.concatenate([polygon.min(0), polygon.max(0)])


def _free_place(rng: np.random.Generator, size: tuple[int, int], name: str, taken: Sequence[Array]) -> Array | None:
    """The outline of a new shape that lies in the picture and covers little of the others; None when tries run out."""
    bounds = np.array(size, np.float32)
    for _ in range(20):
        radius = min(size) * np.exp(rng.uniform(np.log(0.05), np.log(0.24)))
        polygon = radius * _outline(name) @ _rotation(rng.uniform(0, 2 * np.pi))
        x1, y1, x2, y2 = _box(polygon)
        room = bounds - (x2 - x1, y2 - y1)
        polygon = np.asarray(polygon + rng.random(2) * room - (x1, y1), np.float32)
        if all(_covered(_box(polygon), other) < 0.3 for other in taken):
            return polygon
    return None


def _covered(first: Array, second: Array) -> float:
    """The intersection of two boxes as a part of the smaller one."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(float(np.prod(first[2:] - first[:2])), float(np.prod(second[2:] - second[:2])))
    return float(np.prod(np.maximum(sides, 0))) / smaller


def _paint_shape(rng: np.random.Generator, canvas: Array, polygon: Array, dark: bool) -> None:
    """Paint a shape with its shadow: plain, hollow, rimmed or striped."""
    style = str(rng.choice(["plain", "hollow", "rimmed", "striped"], p=[0.4, 0.15, 0.25, 0.2]))
    centre = polygon.mean(0)
    inner = centre + (polygon - centre) * rng.uniform(0.6, 0.85)
    colour = _strong_colour(rng, canvas, polygon, dark)
    second = np.clip(colour + rng.choice([-1, 1]) * rng.uniform(25, 90), 0, 255)
    stripes = rng.uniform(3, 7) if style == "striped" else 0.0
    fill = Fill(colour, second, rng.uniform(0, 2 * np.pi), stripes)
    surface = [polygon, inner] if style == "hollow" else [polygon]
    _paint(canvas, [part + 0.05 * np.ptp(polygon) for part in surface], Fill(np.zeros(3)), 0.3)
    _paint(canvas, surface, fill, 1)
    if style == "rimmed":
        _paint(canvas, [polygon, inner], Fill(_colour(0, 0, rng.uniform(0.85, 1) if dark else rng.uniform(0, 0.2))), 1)


def _strong_colour(rng: np.random.Generator, canvas: Array, polygon: Array, dark: bool) -> Array:
    """A colour that stands out from what lies under the shape."""
    x1, y1, x2, y2 = _box(polygon).astype(int)
    under = canvas[y1:y2, x1:x2].mean((0, 1))
    low, high = (0.65, 1.0) if dark else (0.3, 0.95)
    colours = [_colour(rng.random(), rng.uniform(0.5, 0.95), rng.uniform(low, high)) for _ in range(4)]
    return next((colour for colour in colours if np.linalg.norm(colour - under) > 110), colours[-1])


def _paint(canvas: Array, polygons: Sequence[Array], fill: Fill, opacity: float) -> None:
    """Blend polygons [V, 2] into the canvas, anti-aliased; where two of them overlap is a hole."""
    height, width = canvas.shape[:2]
    corners = np.concatenate(polygons)
    x1, y1 = np.floor(corners.min(0)).astype(int)
    x2, y2 = np.ceil(corners.max(0)).astype(int) + 1
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if left >= right or top >= bottom:
        return
    large = np.zeros(((bottom - top) * SUPERSAMPLING, (right - left) * SUPERSAMPLING), np.uint8)
    scaled = [np.round((part - (left, top)) * SUPERSAMPLING).astype(np.int32) for part in polygons]
    cv2.fillPoly(large, scaled, 255)
    mask = cv2.resize(large, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    weight = mask[..., None] * np.float32(opacity / 255)
    under = canvas[top:bottom, left:right]
    over = fill.field(x2 - x1, y2 - y1)[top - y1 : bottom - y1, left - x1 : right - x1]
    under += weight * (over - under)


def main() -> None:
    parser = argparse.ArgumentParser(description="draw the sample pictures and their COCO labels")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    labelled = [(f"shapes{i}.jpg", *numbered_picture(SHOWN_SEED, index)) for i, index in enumerate(SHOWN, start=1)]
    for name, picture, _, _ in labelled:
        cv2.imwrite(str(out / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    one_a_line = json.dumps(coco_labels(labelled)).replace("}, {", "},\n{")
    (out / "labels.json").write_text(one_a_line + "\n")


if __name__ == "__main__":
    main()

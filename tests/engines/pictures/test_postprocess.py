"""Outputs made by hand for three known objects, in every task and layout, decode to those objects in the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from suppressions import graph_nms

from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.engines.pictures.detections import Detections, corners
from trtzoo.engines.pictures.postprocess import decode
from trtzoo.engines.pictures.preprocess import Placement
from trtzoo.errors import ModelError

PICTURE = (480, 640)
INPUT = (96, 64)
MASK = (24, 16)
SETTINGS = graph_nms(topk_all=6)

PLACEMENTS = {
    "letterbox": Placement(PICTURE, (0.1, 0.1), (0.0, 24.0)),
    "stretch": Placement(PICTURE, (0.1, 0.2), (0.0, 0.0)),
}
SCORES = np.float32([0.9, 0.8, 0.7])
CLASSES = np.array([1, 0, 2])
# In the picture; every edge lies between two mask pixels in both placements.
BOXES = np.float32([[80, 40, 240, 200], [320, 120, 600, 440], [0, 240, 120, 400]])
ANCHORS, USED = 9, np.array([5, 2, 7])
"""Boxes before NMS, and the three of them that hold the objects."""


@dataclass(frozen=True)
class Scene:
    """The objects in the network's input: boxes [3, 4 or 5], keypoints [3, 2, D], masks [3, h, w] of 0 and 1."""

    boxes: np.ndarray
    keypoints: np.ndarray | None = None
    masks: np.ndarray | None = None


def meta_of(task: str, layout: str, end2end: bool, points: tuple[int, int] = (2, 3)) -> ModelMeta:
    return ModelMeta(
        "ultralytics",
        task,
        ("a", "b", "c"),
        (32,),
        INPUT,
        kpt_shape=points if task == "pose" else None,
        preprocess=Preprocess(),
        nms=SETTINGS if end2end else None,
        layout=layout,
    )


def scene_of(task: str, placement: Placement, points: tuple[int, int] = (2, 3)) -> Scene:
    boxes = to_network(BOXES.reshape(-1, 2, 2), placement).reshape(-1, 4)
    if task == "obb":
        centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        return Scene(np.concatenate([centre, size, np.float32([[0], [0], [0]])], axis=1))
    if task == "pose":
        places = to_network(KEYPOINTS, placement)
        seen = np.full((3, points[0], points[1] - 2), 0.5, np.float32)
        return Scene(boxes, keypoints=np.concatenate([places, seen], axis=2))
    if task == "segment":
        return Scene(boxes, masks=np.stack([rectangle(box / 4) for box in boxes]))
    return Scene(boxes)


KEYPOINTS = np.float32([[[100, 60], [-20, 500]], [[330, 130], [700, -8]], [[10, 250], [20, 260]]])


def to_network(points: np.ndarray, placement: Placement) -> np.ndarray:
    return (points * np.array(placement.scale) + np.array(placement.offset)).astype(np.float32)


def rectangle(box: np.ndarray) -> np.ndarray:
    """A mask [h, w] that is 1 inside a box of whole mask pixels."""
    left, top, right, bottom = np.rint(box).astype(int)
    mask = np.zeros(MASK, np.float32)
    mask[top:bottom, left:right] = 1
    return mask


def raw(scene: Scene, meta: ModelMeta) -> dict[str, np.ndarray]:
    """Raw heads [1, A, ...]; what is not an object lies far away with a score below the threshold."""
    boxes = np.full((ANCHORS, scene.boxes.shape[1]), 3, np.float32)
    scores = np.full((ANCHORS, 3), 0.1, np.float32)
    boxes[USED] = scene.boxes
    scores[USED, CLASSES] = SCORES
    heads = {"boxes": boxes, "scores": scores}
    if scene.keypoints is not None:
        heads["keypoints"] = np.zeros((ANCHORS, *scene.keypoints.shape[1:]), np.float32)
        heads["keypoints"][USED] = scene.keypoints
    if scene.masks is not None:
        heads["mask_coeffs"] = np.zeros((ANCHORS, 3), np.float32)
        heads["mask_coeffs"][USED] = 2 * np.eye(3)
        heads["protos"] = 10 * scene.masks - 5
    if meta.layout == "ultralytics":
        heads = as_columns(heads, meta)
    return {name: array[None] for name, array in heads.items()}


def as_columns(heads: dict[str, np.ndarray], meta: ModelMeta) -> dict[str, np.ndarray]:
    """The framework's own export: cx, cy, w, h, scores, then keypoints, mask coefficients or the angle."""
    boxes = heads["boxes"]
    if meta.task != "obb":
        boxes = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    extras = [heads[name].reshape(ANCHORS, -1) for name in ("keypoints", "mask_coeffs") if name in heads]
    columns = np.concatenate([boxes[:, :4], heads["scores"], *extras, boxes[:, 4:]], axis=1).T
    return {"output0": columns} | ({"output1": heads["protos"]} if "protos" in heads else {})


def rows(scene: Scene, meta: ModelMeta) -> dict[str, np.ndarray]:
    """End-to-end rows [1, K, ...], padded with zeros, in the layout of `meta`."""
    outputs = {
        "num_dets": np.array([3], np.int32),
        "det_boxes": padded(scene.boxes),
        "det_scores": padded(SCORES),
        "det_classes": padded(CLASSES.astype(np.int32)),
    }
    if meta.layout == "deepstream":
        outputs["det_classes"] = outputs["det_classes"].astype(np.float32)
    if scene.keypoints is not None:
        outputs["det_kpts"] = padded(scene.keypoints)
    if scene.masks is not None:
        outputs["det_masks"] = padded(scene.masks)
    if meta.layout in ("flat", "ultralytics"):
        outputs = laid_flat(outputs, scene, meta.layout)
    return {name: array[None] for name, array in outputs.items()}


def laid_flat(outputs: dict[str, np.ndarray], scene: Scene, layout: str) -> dict[str, np.ndarray]:
    boxes = outputs["det_boxes"]
    columns = [boxes[:, :4], outputs["det_scores"][:, None], outputs["det_classes"][:, None].astype(np.float32)]
    columns += [boxes[:, 4:]] + ([outputs["det_kpts"].reshape(6, -1)] if "det_kpts" in outputs else [])
    if layout == "flat":
        columns += [outputs["det_masks"].reshape(6, -1)] if "det_masks" in outputs else []
        return {"output": np.concatenate(columns, axis=1)}
    columns += [padded(2 * np.eye(3, dtype=np.float32))] if scene.masks is not None else []
    protos = {} if scene.masks is None else {"output1": 10 * scene.masks - 5}
    return {"output0": np.concatenate(columns, axis=1)} | protos


def padded(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.zeros((SETTINGS.topk_all - 3, *values.shape[1:]), values.dtype)])


FORMS = {
    "raw heads": (raw, "raw"),
    "raw heads as Ultralytics exports them": (raw, "ultralytics"),
    "separate rows": (rows, "separate"),
    "flat rows": (rows, "flat"),
    "rows as Ultralytics exports them": (rows, "ultralytics"),
}


def decoded(task: str, form: str, placement: Placement, points: tuple[int, int] = (2, 3)) -> Detections:
    build, layout = FORMS[form]
    meta = meta_of(task, layout, build is rows, points)
    return decode(build(scene_of(task, placement, points), meta), 0, placement, meta, SETTINGS)


def assert_objects(found: Detections) -> None:
    assert found.size == PICTURE
    np.testing.assert_array_equal(found.scores, SCORES)
    np.testing.assert_array_equal(found.classes, CLASSES)
    assert found.classes.dtype == np.int64 and found.boxes.dtype == np.float32


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("form", FORMS)
def test_boxes(form, placement):
    found = decoded("detect", form, placement)
    assert_objects(found)
    np.testing.assert_allclose(found.boxes, BOXES, atol=1e-3)
    assert found.keypoints is None and found.masks is None and found.probs is None and not found.oriented


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
def test_rows_for_deepstream(placement):
    meta = meta_of("detect", "deepstream", True)
    found = decode(rows(scene_of("detect", placement), meta), 0, placement, meta, SETTINGS)
    assert_objects(found)
    np.testing.assert_allclose(found.boxes, BOXES, atol=1e-3)


@pytest.mark.parametrize("points", [(2, 3), (2, 2)], ids=["with visibility", "without visibility"])
@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("form", FORMS)
def test_keypoints_outside_the_picture_stay_there(form, placement, points):
    found = decoded("pose", form, placement, points)
    assert_objects(found)
    assert found.keypoints is not None and found.keypoints.dtype == np.float32
    np.testing.assert_allclose(found.keypoints[..., :2], KEYPOINTS, atol=1e-3)
    assert found.keypoints.shape == (3, *points)
    assert (found.keypoints[..., 2:] == 0.5).all()


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("form", FORMS)
def test_masks_lie_on_the_pixels_of_their_objects(form, placement):
    found = decoded("segment", form, placement)
    assert_objects(found)
    assert found.masks is not None and found.masks.dtype == bool
    for mask, box in zip(found.masks, BOXES.astype(int), strict=True):
        assert np.abs(extent(mask) - box).max() <= 1
        # Interpolation rounds the corners, each by a tenth of a mask pixel.
        assert mask.sum() > 0.95 * (box[2] - box[0]) * (box[3] - box[1])


def extent(mask: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of what is set."""
    down, across = np.nonzero(mask)
    return np.array([across.min(), down.min(), across.max() + 1, down.max() + 1])


def test_a_mask_is_placed_by_its_pixels_not_by_its_box():
    placement = PLACEMENTS["letterbox"]
    meta = meta_of("segment", "separate", True)
    outputs = rows(scene_of("segment", placement), meta)
    outputs["det_boxes"][0, 0] = [0, 24, 64, 72]
    mask = decode(outputs, 0, placement, meta, SETTINGS).masks[0]
    assert np.abs(extent(mask) - BOXES[0]).max() <= 1


@pytest.mark.parametrize("layout", ["separate", "flat"])
@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("seed", range(4))
def test_what_the_graph_keeps_of_a_mask_is_all_that_the_picture_needs(seed, placement, layout):
    """Masks cut at prototype resolution, a rim left, are in the picture what uncut ones are, pixel for pixel."""
    random = np.random.default_rng(seed)
    low = to_network(random.uniform([-20, -20], [500, 350], (3, 2)), placement)
    scene = Scene(np.concatenate([low, low + random.uniform(3, 40, (3, 2))], axis=1).astype(np.float32))
    scene = replace(scene, masks=random.uniform(0.3, 0.7, (3, *MASK)).astype(np.float32))
    masks = 1 / (1 + np.exp(10 - 20 * scene.masks))
    y, x = np.mgrid[: MASK[0], : MASK[1]]
    for mask, (left, top, right, bottom) in zip(masks, scene.boxes / 4, strict=True):
        mask[~((x >= left - 1.5) & (x < right + 0.5) & (y >= top - 1.5) & (y < bottom + 0.5))] = 0
    whole, cut = meta_of("segment", "raw", False), meta_of("segment", layout, True)
    expected = decode(raw(scene, whole), 0, placement, whole, SETTINGS)
    found = decode(rows(replace(scene, masks=masks), cut), 0, placement, cut, SETTINGS)
    order = [np.flatnonzero(expected.classes == number)[0] for number in found.classes]
    np.testing.assert_array_equal(found.masks, expected.masks[order])
    height, width = np.mgrid[: placement.size[0], : placement.size[1]] + 0.5
    for mask, (left, top, right, bottom) in zip(found.masks, found.boxes, strict=True):
        assert not mask[(width < left) | (width >= right) | (height < top) | (height >= bottom)].any()
        assert 0.05 < mask.sum() / max((right - left) * (bottom - top), 1) < 0.95 or mask.sum() == 0


@pytest.mark.parametrize("box", [[30, 30, 30, 50], [-9, -9, -1, -1], [10.2, 30, 10.4, 40]], ids=str)
def test_masks_of_boxes_without_pixels_are_empty_or_thin(box):
    placement, meta = PLACEMENTS["letterbox"], meta_of("segment", "separate", True)
    outputs = rows(scene_of("segment", placement), meta)
    outputs["det_boxes"][0, 0] = box
    masks = decode(outputs, 0, placement, meta, SETTINGS).masks
    assert masks[0].sum() <= 3 * 480
    assert masks[1].any() and masks[2].any()


def test_mask_pixels_that_form_no_picture_are_refused():
    placement, meta = PLACEMENTS["letterbox"], meta_of("segment", "flat", True)
    outputs = {"output": np.ones((1, 6, 6 + 50), np.float32)}
    with pytest.raises(ModelError, match=r"50 mask pixels do not divide .* 96x64"):
        decode(outputs, 0, placement, meta, SETTINGS)


@pytest.mark.parametrize("form", FORMS)
def test_oriented_boxes_keep_their_angle_under_a_letterbox(form):
    placement = PLACEMENTS["letterbox"]
    build, layout = FORMS[form]
    meta = meta_of("obb", layout, build is rows)
    scene = scene_of("obb", placement)
    scene.boxes[:, 4] = [0.3, -0.7, 2.2]
    found = decode(build(scene, meta), 0, placement, meta, SETTINGS)
    assert_objects(found)
    assert found.oriented
    centre, size = (BOXES[:, :2] + BOXES[:, 2:]) / 2, BOXES[:, 2:] - BOXES[:, :2]
    np.testing.assert_allclose(found.boxes, np.column_stack([centre, size, [0.3, -0.7, 2.2]]), rtol=1e-5)


@pytest.mark.parametrize("angle", [0.0, math.pi / 2, math.pi, 0.4, -1.1], ids=lambda angle: f"{angle:.2f}")
def test_oriented_boxes_of_a_stretched_picture_follow_their_middle_lines(angle):
    """The line through the middle of the box along its width is mapped exactly; the corners where it stays a rectangle."""
    placement, meta = PLACEMENTS["stretch"], meta_of("obb", "separate", True)
    scene = scene_of("obb", placement)
    scene.boxes[:, 4] = angle
    found = decode(rows(scene, meta), 0, placement, meta, SETTINGS)
    ends = middle_line(scene.boxes) / np.array(placement.scale)
    np.testing.assert_allclose(middle_line(found.boxes), ends, atol=1e-3)
    if abs(math.sin(2 * angle)) < 1e-6:
        expected = corners(scene.boxes) / np.array(placement.scale)
        np.testing.assert_allclose(corners(found.boxes), expected, atol=1e-3)


def middle_line(boxes: np.ndarray) -> np.ndarray:
    """The two ends [N, 2, 2] of the line through the middle of oriented boxes, along their width."""
    reach = np.column_stack([np.cos(boxes[:, 4]), np.sin(boxes[:, 4])]) * boxes[:, 2:3] / 2
    return np.stack([boxes[:, :2] - reach, boxes[:, :2] + reach], axis=1)


def test_upright_boxes_are_clipped_to_the_picture():
    placement, meta = PLACEMENTS["letterbox"], meta_of("detect", "separate", True)
    outputs = rows(scene_of("detect", placement), meta)
    outputs["det_boxes"][0, 0] = [-10, 0, 80, 96]
    found = decode(outputs, 0, placement, meta, SETTINGS)
    np.testing.assert_array_equal(found.boxes[0], [0, 0, 640, 480])


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
@pytest.mark.parametrize("form", FORMS)
def test_nothing_found(form, task):
    placement = PLACEMENTS["letterbox"]
    build, layout = FORMS[form]
    meta = meta_of(task, layout, build is rows)
    outputs = {name: np.zeros_like(array) for name, array in build(scene_of(task, placement), meta).items()}
    found = decode(outputs, 0, placement, meta, SETTINGS)
    assert len(found) == 0
    assert found.boxes.shape == (0, 5 if task == "obb" else 4)
    assert found.to_records() == []
    if task == "pose":
        assert found.keypoints.shape == (0, 2, 3)
    if task == "segment":
        assert found.masks.shape == (0, *PICTURE)


@pytest.mark.parametrize("form", FORMS)
def test_each_image_of_a_batch_gets_its_own(form):
    placement = PLACEMENTS["letterbox"]
    build, layout = FORMS[form]
    meta = meta_of("segment", layout, build is rows)
    outputs = build(scene_of("segment", placement), meta)
    batch = {name: np.concatenate([np.zeros_like(array), array]) for name, array in outputs.items()}
    assert len(decode(batch, 0, placement, meta, SETTINGS)) == 0
    assert_objects(decode(batch, 1, placement, meta, SETTINGS))


@pytest.mark.parametrize("layout", ["raw", "ultralytics"])
def test_a_classifiers_probabilities(layout):
    meta = replace(meta_of("classify", layout, False), preprocess=Preprocess("crop"))
    name = "probs" if layout == "raw" else "output0"
    found = decode({name: np.float32([[0.2, 0.7, 0.1]])}, 0, PLACEMENTS["letterbox"], meta, SETTINGS)
    assert len(found) == 0
    assert found.top_classes(2) == [(1, pytest.approx(0.7)), (0, pytest.approx(0.2))]


def test_nms_free_raw_heads_keep_overlapping_rows():
    placement, meta = PLACEMENTS["letterbox"], replace(meta_of("detect", "raw", False), nms_free=True)
    outputs = raw(scene_of("detect", placement), meta)
    outputs["boxes"][:] = outputs["boxes"][:, USED[:1]]
    found = decode(outputs, 0, placement, meta, SETTINGS)
    assert_objects(found)

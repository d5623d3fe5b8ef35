"""Pictures in, detections out: batches, thresholds and input types, with a network whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from colour_network import NAMES, SETTINGS, STRETCH, cells, colour_network, picture_with, write
from suppressions import graph_nms, suppression

from trtzoo import Predictor, open_runtime
from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.contract.nms import NmsSettings, Suppression
from trtzoo.contract.properties import to_properties
from trtzoo.converters.network import to_graph
from trtzoo.engines.runtimes.onnxruntime import OnnxRuntime
from trtzoo.errors import InputError
from trtzoo.graph.skeleton import load_all, read_onnx
from trtzoo.graph_passes.thresholds import runtime_thresholds
from trtzoo.graph_passes.uint8_input import to_uint8_input
from trtzoo.pipeline import write_model

PLACES = [(0, 0), (7, 1), (13, 2), (23, 0), (5, 1)]
"""Cell and class of the one square in each of five pictures."""


def predictor_of(tmp_path, batch: int | None = 1, route: str | None = None, **more) -> Predictor:
    layout, target = more.pop("layout", None), more.pop("target", "onnxruntime")
    path = write(tmp_path, colour_network(**more), batch, route, layout, target)
    return Predictor(open_runtime(path), SETTINGS)


def assert_squares(found, squares) -> None:
    """Exactly these cells and classes, in any order of equal scores."""
    assert sorted(found.classes.tolist()) == sorted(label for _, label in squares)
    boxes = {tuple(cells((64, 96))[number].tolist()): label for number, label in squares}
    for box, label in zip(found.boxes, found.classes, strict=True):
        assert boxes[tuple(np.rint(box).astype(int).tolist())] == label


@pytest.mark.parametrize("route", [None, "plain", "efficient"])
@pytest.mark.parametrize("batch", [1, 2, 3, 8, None])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_picture_gets_its_own_detections_whatever_the_batch(count, batch, route, tmp_path):
    target = "tensorrt:10.3" if route == "efficient" else "onnxruntime"
    predictor = predictor_of(tmp_path, batch, route, target=target)
    assert predictor.batch == (batch or 1)
    found = predictor([picture_with([place]) for place in PLACES[:count]])
    assert len(found) == count
    for detections, place in zip(found, PLACES, strict=False):
        assert_squares(detections, [place])


def test_no_pictures_give_no_detections(tmp_path):
    assert predictor_of(tmp_path)([]) == []
    assert predictor_of(tmp_path, None)([]) == []


class Recorder:
    """A runtime that remembers what it was given and answers with nothing."""

    name = "recorder"

    def __init__(self, meta: ModelMeta) -> None:
        self.meta = meta
        self.images: list[np.ndarray] = []
        self.closed = False

    def infer(
        self, images: np.ndarray, thresholds: Suppression | None = None, outputs: object = None
    ) -> dict[str, np.ndarray]:
        self.images.append(images)
        anchors = np.zeros((len(images), 4, 4), np.float32)
        return {"boxes": anchors, "scores": anchors[..., :3]}

    def close(self) -> None:
        self.closed = True


def test_a_fixed_batch_is_filled_up_with_black():
    recorder = Recorder(replace(colour_network().meta, batch=4))
    assert len(Predictor(recorder)([picture_with([place]) for place in PLACES])) == 5
    assert [images.shape for images in recorder.images] == [(4, 3, 64, 96)] * 2
    assert recorder.images[1][0].any() and not recorder.images[1][1:].any()


@pytest.mark.parametrize(
    ("name", "wanted", "sizes"),
    [
        ("onnxruntime CPU", None, [1] * 10),
        ("TensorRT H100", None, [8, 2]),
        ("triton http localhost:8000", None, [8, 2]),
        ("onnxruntime CPU", 4, [4, 4, 2]),
        ("TensorRT H100", 100, [10]),
    ],
)
def test_a_free_batch_is_the_wanted_one_or_the_fastest(name, wanted, sizes):
    recorder = Recorder(replace(colour_network().meta, batch=None))
    recorder.name = name
    Predictor(recorder, batch=wanted)([picture_with([place]) for place in PLACES * 2])
    assert [len(images) for images in recorder.images] == sizes


def test_a_batch_that_the_model_does_not_have_is_refused():
    recorder = Recorder(replace(colour_network().meta, batch=4))
    assert Predictor(recorder, batch=4).batch == 4
    with pytest.raises(InputError, match=r"fixed batch of 4, not 2; .*--dynamic"):
        Predictor(recorder, batch=2)
    with pytest.raises(InputError, match="a batch of 0 is out of range"):
        Predictor(recorder, batch=0)


def test_pictures_of_different_sizes_share_a_batch(tmp_path):
    predictor = predictor_of(tmp_path, 2, preprocess=Preprocess())
    small, large = np.zeros((32, 48, 3), np.uint8), np.zeros((640, 960, 3), np.uint8)
    small[8:16, 8:16, 2] = 255
    large[160:320, 800:960, 0] = 255
    found = predictor([small, large])
    np.testing.assert_allclose(found[0].boxes, [[8, 8, 16, 16]], atol=0.01)
    np.testing.assert_allclose(found[1].boxes, [[800, 160, 960, 320]], atol=0.1)
    assert [detections.size for detections in found] == [(32, 48), (640, 960)]


def test_the_grey_of_a_letterbox_is_part_of_the_input(tmp_path):
    """With a threshold below 114/255 the padding itself is found, and lies outside of the picture."""
    path = write(tmp_path, colour_network(preprocess=Preprocess()))
    settings = replace(SETTINGS, conf_thres=0.4)
    found = Predictor(open_runtime(path), settings)([np.zeros((32, 96, 3), np.uint8)])[0]
    assert len(found) == 12
    assert found.scores == pytest.approx(114 / 255, abs=1e-6)
    assert (found.boxes[:, 1] == found.boxes[:, 3]).all()


DIM = [(3, 0, 255), (9, 1, 200), (20, 2, 160)]
"""Cell, class and brightness: scores of 1, 0.78 and 0.63."""


def dimmed() -> np.ndarray:
    picture = picture_with([(number, label) for number, label, _ in DIM])
    for number, _, brightness in DIM:
        left, top, right, bottom = cells((64, 96))[number]
        picture[top:bottom, left:right] = picture[top:bottom, left:right] // 255 * brightness
    return picture


FILTERS = {
    "the same": (0.6, 3),
    "higher": (0.7, 2),
    "very high": (0.9, 1),
    "all": (0.999999, 1),
}


@pytest.mark.parametrize("layout", ["separate", "flat", "deepstream", "ultralytics"])
@pytest.mark.parametrize(("threshold", "count"), FILTERS.values(), ids=FILTERS)
def test_a_higher_threshold_filters_end_to_end_rows(threshold, count, layout, tmp_path):
    path = write(tmp_path, colour_network(), 1, "plain", layout)
    found = Predictor(open_runtime(path), replace(SETTINGS, conf_thres=threshold))([dimmed()])[0]
    assert found.scores == pytest.approx([brightness / 255 for _, _, brightness in DIM[:count]], abs=1e-5)


IGNORED = {
    "a lower score": ({"conf_thres": 0.05}, "--conf-thres"),
    "another IoU": ({"iou_thres": 0.7}, "--iou-thres"),
    "more rows": ({"topk_all": 300}, "--topk-all"),
    "other labels": ({"multi_label": True}, "--single-label or --multi-label"),
    "all classes together": ({"class_agnostic": True}, "--class-agnostic"),
    "another rule": ({"fast": True}, "--fast-nms"),
    "two": ({"conf_thres": 0.05, "iou_thres": 0.7}, "--iou-thres, --conf-thres"),
}


@pytest.mark.parametrize(("said", "flags"), IGNORED.values(), ids=IGNORED)
def test_what_the_nms_in_the_graph_would_ignore_is_refused(said, flags, tmp_path):
    runtime = open_runtime(write(tmp_path, colour_network(), 1, "plain"))
    with pytest.raises(InputError, match=f"has its NMS in the graph .*, which {flags} cannot change here; run"):
        Predictor(runtime, NmsSettings(**said))


def test_what_the_nms_in_the_graph_does_anyway_may_be_said(tmp_path):
    runtime = open_runtime(write(tmp_path, colour_network(), 1, "plain"))
    own = NmsSettings(conf_thres=0.6, iou_thres=0.45, topk_all=20, candidates=24, multi_label=False)
    for settings in (NmsSettings(), own, NmsSettings(conf_thres=0.8)):
        assert len(Predictor(runtime, settings)([dimmed()])[0]) > 0


def test_of_thresholds_that_are_inputs_only_the_others_are_refused():
    meta = colour_network().meta.with_nms(graph_nms())
    meta = replace(meta, extra={"runtime_thresholds": True})
    Predictor(Recorder(meta), NmsSettings(conf_thres=0.01, iou_thres=0.9))
    with pytest.raises(InputError, match="which --topk-all cannot change"):
        Predictor(Recorder(meta), NmsSettings(conf_thres=0.01, topk_all=7))


NO_PICTURES = {
    "None": (None, "a picture was expected, not NoneType"),
    "bytes": (b"abc", "a picture was expected, not bytes"),
    "a number in a list": ([3], "a picture was expected, not int"),
    "floats": (np.zeros((4, 4, 3), np.float32), r"float32 \[4, 4, 3\], but uint8 was expected; .* times 255"),
    "16 bits": (np.zeros((4, 4, 3), np.uint16), r"uint16 \[4, 4, 3\], but uint8 was expected"),
    "grey": (np.zeros((4, 4), np.uint8), r"the shape \[4, 4\]; give an array uint8 \[height, width, 3\]"),
    "four channels": (np.zeros((4, 4, 4), np.uint8), r"the shape \[4, 4, 4\]"),
    "channels first": (np.zeros((3, 64, 96), np.uint8), r"the shape \[3, 64, 96\]"),
    "nothing": (np.zeros((0, 4, 3), np.uint8), r"the shape \[0, 4, 3\]"),
    "no such file": ("gone.jpg", r"cannot read gone\.jpg: No such file"),
    "one of several": ([np.zeros((4, 4, 3), np.uint8), "gone.jpg"], r"cannot read gone\.jpg"),
}


@pytest.mark.parametrize(("given", "message"), NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Predictor(Recorder(colour_network().meta))(given)


def test_one_picture_gives_its_detections_and_several_a_list(tmp_path):
    predictor, picture = predictor_of(tmp_path), picture_with(PLACES[:1])
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture)
    for one in (picture, path, str(path)):
        assert_squares(predictor(one), PLACES[:1])
    for several in ([picture], (path,), [str(path)], picture[None]):
        [found] = predictor(several)
        assert_squares(found, PLACES[:1])
    assert len(predictor(np.stack([picture] * 3))) == 3


def test_as_a_context_manager_it_frees_the_model():
    recorder = Recorder(colour_network().meta)
    with pytest.raises(ZeroDivisionError), Predictor(recorder) as predictor:
        assert predictor.names == NAMES
        assert not recorder.closed
        _ = 1 / 0
    assert recorder.closed


LEFT = {
    "raw heads": (None, None, ["boxes", "scores"]),
    "rows": ("plain", None, ["num_dets", "det_boxes", "det_scores", "det_classes"]),
    "flat rows": ("plain", "flat", ["output"]),
    "heads of ultralytics": (None, "ultralytics", ["output0"]),
    "rows of ultralytics": ("plain", "ultralytics", ["output0"]),
}
"""Route, layout, and the outputs that are left without masks."""


@pytest.mark.parametrize(("route", "layout", "left"), LEFT.values(), ids=LEFT)
def test_masks_are_fetched_and_made_only_when_they_are_wanted(route, layout, left, tmp_path, monkeypatch):
    runtime, fetched = open_runtime(write(tmp_path, colour_network("segment"), 1, route, layout)), []
    infer = runtime.infer

    def watched(*arguments):
        outputs = infer(*arguments)
        fetched.append(list(outputs))
        return outputs

    monkeypatch.setattr(runtime, "infer", watched)
    with_masks, without = (Predictor(runtime, SETTINGS, masks=wanted)(dimmed()) for wanted in (True, False))
    assert with_masks.masks.shape == (3, 64, 96)
    assert without.masks is None
    assert fetched[1] == left and set(left) <= set(fetched[0])
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(with_masks, name), getattr(without, name))


@pytest.mark.parametrize("task", ["pose", "segment", "obb"])
def test_what_belongs_to_a_filtered_row_goes_with_it(task, tmp_path):
    path = write(tmp_path, colour_network(task), 1, "plain")
    found = Predictor(open_runtime(path), replace(SETTINGS, conf_thres=0.7))([dimmed()])[0]
    assert len(found) == len(found.boxes) == len(found.classes) == 2
    if task == "pose":
        corners = cells((64, 96))[[number for number, _, _ in DIM[:2]]]
        np.testing.assert_allclose(found.keypoints[:, :, :2].reshape(2, 4), corners, atol=1e-3)
    if task == "segment":
        for mask, (number, _, _) in zip(found.masks, DIM, strict=False):
            left, top, right, bottom = cells((64, 96))[number]
            assert mask[top + 2 : bottom - 2, left + 2 : right - 2].all()
            assert mask.sum() <= 16 * 16


def test_raw_heads_are_suppressed_by_the_settings(tmp_path):
    path = write(tmp_path, colour_network())
    for threshold, count in ((0.5, 3), (0.7, 2), (0.999999, 1)):
        found = Predictor(open_runtime(path), replace(SETTINGS, conf_thres=threshold))([dimmed()])[0]
        assert len(found) == count


def test_thresholds_that_are_inputs_follow_the_settings(tmp_path):
    path = write(tmp_path, colour_network(), None, "plain")
    graph, _ = read_onnx(path)
    meta = runtime_thresholds(graph, OnnxRuntime(path).meta)
    write_model(graph, to_properties(meta), path, meta)
    runtime, picture = open_runtime(path), dimmed() // 2
    assert len(Predictor(runtime)([picture])[0]) == 0
    for threshold, count in ((0.35, 2), (0.45, 1), (0.2, 3)):
        assert len(Predictor(runtime, replace(SETTINGS, conf_thres=threshold))([picture])[0]) == count


@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_a_uint8_input_gets_the_pictures_bytes(colour, layout, tmp_path):
    graph, meta = to_graph(colour_network(), 2, 17)
    meta = to_uint8_input(graph, meta, layout, colour)
    path = tmp_path / "model.onnx"
    write_model(graph, to_properties(meta), path, meta)
    found = Predictor(open_runtime(path), SETTINGS)([picture_with([place]) for place in PLACES])
    for detections, place in zip(found, PLACES, strict=True):
        assert_squares(detections, [place])


def test_a_classifier_gives_probabilities(tmp_path):
    predictor = predictor_of(tmp_path, 2, task="classify")
    red, blue = (picture_with([(number, label) for number in range(24)]) for label in (0, 2))
    found = predictor([red, blue, red])
    assert [NAMES[detections.top_classes(1)[0][0]] for detections in found] == ["red", "blue", "red"]


@pytest.mark.parametrize(
    "settings", [{"conf_thres": 1.0}, {"conf_thres": -0.1}, {"iou_thres": -0.1}, {"iou_thres": 1.5}], ids=str
)
def test_thresholds_out_of_range_are_refused(settings):
    flag = "--" + next(iter(settings)).replace("_", "-")
    with pytest.raises(InputError, match=f"{flag} .* is out of range; choose"):
        Predictor(Recorder(colour_network().meta), replace(SETTINGS, **settings))


def test_what_is_not_said_comes_from_the_model():
    meta = colour_network(multi_label=True, iou_thres=0.7).meta
    assert Predictor(Recorder(meta)).suppression == suppression(multi_label=True, iou_thres=0.7)
    own = graph_nms(conf_thres=0.1, topk_all=7)
    assert Predictor(Recorder(meta.with_nms(own))).suppression == own
    stricter = Predictor(Recorder(meta.with_nms(own)), NmsSettings(conf_thres=0.4)).suppression
    assert stricter == replace(own, conf_thres=0.4)


def test_torch_and_onnxruntime_give_the_same(tmp_path):
    from trtzoo.engines.runtimes.torch import TorchRuntime

    network = colour_network("pose", preprocess=STRETCH)
    graph, meta = to_graph(network, None, 17)
    runtimes = [OnnxRuntime(load_all(graph, to_properties(meta)).SerializeToString()), TorchRuntime(network)]
    pictures = [picture_with([place]) for place in PLACES]
    ours, theirs = (Predictor(runtime, SETTINGS)(pictures) for runtime in runtimes)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.keypoints, other.keypoints)

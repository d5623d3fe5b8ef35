"""The passes come in the one order that works, and only those that are asked for."""

from __future__ import annotations

import pytest
from raw_heads import model_meta, raw_graph

from trtzoo.contract.nms import NmsSettings
from trtzoo.errors import UnsupportedError
from trtzoo.graph_passes.model import Model
from trtzoo.graph_passes.plan import plan
from trtzoo.graph_passes.settings import EndToEnd, Half, NewThresholds, PassSettings, Uint8Input


def nowhere(model: Model, pictures: str) -> dict[str, str]:
    raise AssertionError("no pictures were given")


def raw_model() -> Model:
    meta = model_meta("pose", 3)
    return Model(raw_graph(meta, 40), meta)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (PassSettings(), 0),
        (PassSettings(layout="ultralytics"), 1),
        (PassSettings(end2end=EndToEnd(), layout="flat"), 2),
        (PassSettings(end2end=EndToEnd(class_thresholds={"class1": 0.9}, runtime_thresholds=True)), 4),
        (PassSettings(thresholds=NewThresholds(0.5)), 1),
        (PassSettings(half=Half(pictures="*.jpg"), uint8_input=Uint8Input()), 3),
    ],
)
def test_only_what_is_asked_for_is_done(settings: PassSettings, count: int) -> None:
    assert len(plan(settings, nowhere)) == count


def test_every_pass_adds_to_the_notes_and_the_metadata() -> None:
    wanted = EndToEnd(NmsSettings("plain", topk_all=5), class_thresholds={"class1": 0.9}, runtime_thresholds=True)
    model = raw_model().noted("read")
    for step in plan(PassSettings(end2end=wanted, layout="flat"), nowhere):
        model = step(model)
    assert model.notes[0] == "read"
    assert [note.split()[0] for note in model.notes[1:]] == ["--nms"]
    assert (model.meta.layout, model.meta.precision) == ("flat", "fp32")
    assert model.meta.extra == {"class_thresholds": {"class1": 0.9}, "runtime_thresholds": True}
    assert [tensor.name for tensor in model.graph.inputs][-2:] == ["conf_thres", "iou_thres"]


def test_pictures_are_run_through_the_network_before_nms_is_there() -> None:
    seen: list[str] = []

    def find(model: Model, pictures: str) -> dict[str, str]:
        seen.extend([pictures, *(tensor.name for tensor in model.graph.outputs)])
        return {"pass_boxes": "too large"}

    model = raw_model()
    *others, to_half = plan(PassSettings(end2end=EndToEnd(), half=Half(pictures="*.jpg")), find)
    for step in others:
        model = step(model)
    assert seen == ["*.jpg", "boxes", "scores", "keypoints"]
    assert model.keep_fp32 == {"pass_boxes": "too large"}
    with pytest.raises(UnsupportedError, match="--half changes nothing"):
        to_half(model)  # nothing but a decode is in this graph

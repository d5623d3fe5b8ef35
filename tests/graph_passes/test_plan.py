"""The passes come in the one order that works, and only those that are asked for."""

from __future__ import annotations

from itertools import pairwise

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
        (PassSettings(end2end=EndToEnd(), layout="flat"), 1),
        (PassSettings(end2end=EndToEnd(class_thresholds={"class1": 0.9}, runtime_thresholds=True)), 3),
        (PassSettings(thresholds=NewThresholds(0.5)), 1),
        (PassSettings(half=Half(pictures="*.jpg"), uint8_input=Uint8Input()), 3),
    ],
)
def test_only_what_is_asked_for_is_done(settings: PassSettings, count: int) -> None:
    assert len(plan(settings, nowhere)) == count


SAID = PassSettings(
    end2end=EndToEnd(class_thresholds={"class1": 0.9}, runtime_thresholds=True),
    target="tensorrt:10.3",
    half=Half(pictures="*.jpg"),
    uint8_input=Uint8Input(),
    simplify=True,
)
"""Everything that goes together."""
DRESSED = PassSettings(
    thresholds=NewThresholds(0.5), target="tensorrt:10.3", layout="ultralytics", half=Half(), simplify=True
)
"""... and what belongs to a file whose NMS is in it already."""

PAIRS = (
    ("integer.refused", "simplify.simplified", "a file that is refused costs no time"),
    ("nms.kept", "simplify.simplified", "likewise"),
    ("thresholds.changed", "simplify.simplified", "constants are found by name before they are folded"),
    ("simplify.simplified", "half.measured", "the network that is measured is the one that is written"),
    ("simplify.simplified", "nms.added", "what is added needs none, and folding would undo its names"),
    ("simplify.simplified", "int8.measured", "the numbers belong to tensors of the simplified graph"),
    ("half.measured", "nms.added", "pictures are run through the raw network"),
    ("int8.measured", "nms.added", "calibration runs the raw network"),
    ("int8.measured", "int8.quantised", "numbers first"),
    ("class_thresholds.filtered", "nms.added", "raw scores are filtered, not rows"),
    ("nms.added", "thresholds.made_inputs", "there are no thresholds before"),
    ("nms.added", "int8.quantised", "INT8 sees the NMS that it leaves alone"),
    ("nms.added", "half.halved", "half precision sees the NMS that it leaves alone"),
    ("thresholds.made_inputs", "half.halved", "thresholds stay float32 inputs"),
    ("dressing.dressed", "half.halved", "outputs are cast where they leave the graph"),
    ("int8.quantised", "half.halved", "scales of INT8 follow the type of what they scale"),
    ("half.halved", "uint8_input.taken", "the casts of a uint8 input are not the network's"),
    ("int8.quantised", "uint8_input.taken", "the input's pair is on what the network sees"),
)
"""Which pass comes before which, and why."""


def order_of(settings: PassSettings) -> list[str]:
    steps = plan(settings, lambda model, pictures: {}, lambda model: None)
    made_by = [(step.__module__.rpartition(".")[2], step.__qualname__.partition(".")[0]) for step in steps]
    return [f"{module}.{'quantised' if function == '_with_pairs' else function}" for module, function in made_by]


@pytest.mark.parametrize(("first", "second", "why"), PAIRS)
def test_the_order_of_each_pair(first: str, second: str, why: str) -> None:
    orders = [order for order in map(order_of, (SAID, DRESSED)) if first in order and second in order]
    assert orders, "no settings ask for both"
    assert all(order.index(first) < order.index(second) for order in orders), why


def test_every_two_passes_that_stand_beside_each_other_are_pinned() -> None:
    """So that no two of them can change places: all but those that do not see each other."""
    free = {
        ("integer.refused", "thresholds.changed"), ("integer.refused", "nms.kept"), ("nms.kept", "thresholds.changed"),
        ("half.measured", "int8.measured"),
        ("int8.measured", "class_thresholds.filtered"), ("thresholds.made_inputs", "int8.quantised"),
        ("int8.measured", "dressing.dressed"), ("dressing.dressed", "int8.quantised"),
    }  # fmt: skip
    pinned = {(first, second) for first, second, _ in PAIRS} | free
    for order in map(order_of, (SAID, DRESSED)):
        assert set(pairwise(order)) <= pinned


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

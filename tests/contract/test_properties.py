"""Metadata goes into an ONNX file's properties and comes back the same; what is not metadata is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from trtzoo.contract.documents import to_document
from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.contract.nms import GraphNms
from trtzoo.contract.properties import for_ultralytics, from_properties, to_properties
from trtzoo.errors import InputError

META = ModelMeta(
    family="darknet",
    task="pose",
    names=("dog", "cät"),
    strides=(8, 16),
    imgsz=(416, 608),
    batch=None,
    kpt_shape=(17, 3),
    preprocess=Preprocess("stretch", 0.5, "bgr"),
    nms=GraphNms(0.5, 0.1, 300, 1000, multi_label=True, class_agnostic=False, route="plain"),
    layout="flat",
    extra={"thresholds": {"dog": 0.5}, "sizes": [1, 2]},
)
NMS = to_document(META.nms)


@pytest.mark.parametrize("meta", [META, replace(META, nms=None, kpt_shape=None, batch=2)], ids=["NMS", "raw"])
def test_metadata_comes_back_the_same(meta: ModelMeta) -> None:
    assert from_properties(to_properties(meta), "a.onnx") == meta


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task": 5}, "task"),
        ({"task": "dance"}, "dance"),
        ({"family": "yolo9000"}, "yolo9000"),
        ({"imgsz": ["x", "y"]}, "imgsz"),
        ({"imgsz": [416]}, "imgsz"),
        ({"batch": "two"}, "batch"),
        ({"batch": True}, "batch"),
        ({"names": "dog"}, "names"),
        ({"names": [1, 2]}, "names"),
        ({"preprocess": {"pad": "grey"}}, "pad"),
        ({"preprocess": {"colour": "cmyk"}}, "cmyk"),
        ({"nms": NMS | {"conf_thres": 2}}, "--conf-thres 2"),
        ({"nms": NMS | {"iou_thres": None}}, "iou_thres"),
        ({"nms": NMS | {"route": "auto"}}, "auto"),
        ({"nms": {}}, "nms"),
        ({"kpt_shape": [17, 3, 1]}, "kpt_shape"),
        ({"strides": [8.5]}, "strides"),
        ({"extra": []}, "extra"),
    ],
    ids=str,
)
def test_values_of_another_type_are_refused(changes: dict[str, Any], says: str) -> None:
    properties = to_properties(META)
    document = json.loads(properties["trtzoo"]) | changes
    with pytest.raises(
        InputError, match=r"a\.onnx: its trtzoo metadata is damaged .*convert the model again"
    ) as caught:
        from_properties(properties | {"trtzoo": json.dumps(document)}, "a.onnx")
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "{}"])
def test_what_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="damaged"):
        from_properties({"trtzoo": text}, "a.onnx")


def test_a_later_schema_asks_for_a_later_trtzoo() -> None:
    document = json.loads(to_properties(META)["trtzoo"]) | {"schema": 99}
    with pytest.raises(InputError, match="later trtzoo"):
        from_properties({"trtzoo": json.dumps(document)}, "a.onnx")


def test_a_file_of_someone_else_is_sent_to_convert() -> None:
    with pytest.raises(InputError, match="trtzoo convert"):
        from_properties({"names": "{}"}, "a.onnx")


def test_what_other_programs_read_is_spelled_as_they_expect_it() -> None:
    """Ultralytics' keys: one stride, the largest; lists and dictionaries as Python prints them."""
    properties = to_properties(replace(META, layout="ultralytics", preprocess=Preprocess()))
    expected = {"stride": "16", "imgsz": "[416, 608]", "batch": "1", "channels": "3", "kpt_shape": "[17, 3]"}
    assert {key: properties[key] for key in expected} == expected
    assert properties["names"] == "{0: 'dog', 1: 'cät'}"
    assert (properties["task"], properties["end2end"]) == ("pose", "False")


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": "flat"},
        {"layout": "raw", "nms": None},
        {"layout": "separate"},
        {"input_dtype": "uint8"},
        {"input_axes": "hwc"},
        {"preprocess": Preprocess(colour="bgr")},
        {"preprocess": Preprocess(scale=255.0)},
        {"preprocess": Preprocess(anchor="topleft")},
    ],
    ids=str,
)
def test_a_file_that_ultralytics_would_misread_has_no_stride_for_it(changes: dict[str, Any]) -> None:
    fits = replace(META, layout="ultralytics", preprocess=Preprocess())
    assert for_ultralytics(fits)
    other = replace(fits, **changes)
    assert not for_ultralytics(other)
    properties = to_properties(other)
    with pytest.raises(ValueError, match=r"not for ultralytics\.YOLO\(\).*--layout ultralytics"):
        int(properties["stride"])
    assert from_properties(properties, "a.onnx") == other

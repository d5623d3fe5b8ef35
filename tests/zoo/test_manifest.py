"""`zoo.yaml`: every mistake is named with its line, and what is left out is inherited."""

from __future__ import annotations

import json
from textwrap import dedent

import jsonschema
import pytest
import yaml

from trtzoo.errors import InputError
from trtzoo.zoo.manifest import json_schema, read_zoo, resolved

GOOD = """
    zoo: 1
    output: out
    defaults:
      precisions: [fp32, fp16]
      targets: [onnxruntime, {target: tensorrt, gpu: sm86}]
      nms: {conf_thres: 0.3}
      calibration: {path: pictures, num: 64}
    models:
      - {name: a, source: a.cfg}
      - name: b
        source: yolo11n-pose
        size: [480, 640]
        batch: dynamic
        precisions: [int8]
        nms: {iou_thres: 0.5}
        end2end: false
"""


def write(folder, text):
    path = folder / "zoo.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_what_is_left_out_is_inherited(tmp_path):
    zoo = read_zoo(write(tmp_path, GOOD))
    first, second = (resolved(model, zoo) for model in zoo.models)
    assert (first.precisions, first.batch, first.end2end, first.verify) == (["fp32", "fp16"], 1, True, True)
    assert first.nms.conf_thres == 0.3
    assert (second.precisions, second.batch, second.end2end, second.size) == (["int8"], "dynamic", False, [480, 640])
    assert (second.nms.conf_thres, second.nms.iou_thres) == (None, 0.5)
    assert second.calibration.num == 64


MODEL = "zoo: 1\nmodels:\n- name: a\n  source: a.cfg\n"
MISTAKES = {
    "a key that does not exist": (MODEL + "  tragets: [onnxruntime]\n", 5, "did you mean 'targets'"),
    "a number that is a word": (MODEL + "  size: big\n", 5, "size"),
    "three lengths": (MODEL + "  size: [1, 2, 3]\n", 5, "length"),
    "a threshold of 1.5": (MODEL + "  nms:\n    topk_all: 3\n    conf_thres: 1.5\n", 7, "conf_thres"),
    "an unknown precision": (MODEL + "  precisions: [fp32, fp8]\n", 5, "fp8"),
    "an unknown target": (MODEL + "  targets: [tensort]\n", 3, "'tensort' is not known"),
    "int8 without pictures": (MODEL + "  precisions: [int8]\n", 3, "calibration"),
    "pictures behind a URL": (MODEL + "  calibration: {path: 's3://b/p'}\n", 3, "calibration of a is the URL s3://b/p"),
    "labels behind a URL": (MODEL + "  val: https://b/data.yaml\n", 3, "val of a is the URL"),
    "an unknown bundle": (MODEL + "  bundles: [openvino]\n", 5, "bundles"),
    "two models of one name": (MODEL + "- {name: a, source: b.cfg}\n", 5, "a second model is named 'a'"),
    "a key twice": (MODEL + "  source: b.cfg\n", 5, "'source' stands here a second time"),
    "a name with a slash": ("zoo: 1\nmodels:\n- {name: a/b, source: a.cfg}\n", 3, "name"),
    "no source": ("zoo: 1\nmodels:\n- name: a\n", 3, "source"),
    "no models": ("zoo: 1\nmodels: []\n", 2, "length"),
    "a later version": ("zoo: 2\nmodels:\n- {name: a, source: a.cfg}\n", 1, "2"),
    "broken YAML": ("zoo: 1\nmodels: [\n", 3, "mend the YAML"),
    "a list": ("- zoo\n", 1, "object"),
    "nothing but a comment": ("# zoo\n", 1, "object"),
}


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line(tmp_path, text, line, said):
    with pytest.raises(InputError) as caught:
        read_zoo(write(tmp_path, text))
    assert f"zoo.yaml:{line}: " in str(caught.value)
    assert said in str(caught.value)


def test_a_file_of_another_encoding_is_named(tmp_path):
    path = tmp_path / "zoo.yaml"
    path.write_bytes(b"zoo: 1 # \xff\n")
    with pytest.raises(InputError, match=r"zoo\.yaml is no text in UTF-8 \(byte 9\)"):
        read_zoo(path)


def test_the_schema_for_editors_accepts_and_refuses_as_the_reader_does():
    """Judged by a JSON Schema validator, for what a schema can say."""
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(json_schema())))
    assert validator.is_valid(yaml.safe_load(dedent(GOOD)))
    for name in (
        "a key that does not exist",
        "three lengths",
        "a threshold of 1.5",
        "an unknown precision",
        "no models",
    ):
        assert not validator.is_valid(yaml.safe_load(MISTAKES[name][0])), name

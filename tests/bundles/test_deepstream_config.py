"""Generated configurations: taken by the reader of every release, without a word, and saying what the model is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bundle_models import NAMES, bundle_meta
from nvinfer import read_config
from shared import GOLDEN, needs_golden
from suppressions import graph_nms

from trtzoo.bundles.deepstream.bundle import write_bundle
from trtzoo.bundles.deepstream.config import app_config, infer_config
from trtzoo.bundles.deepstream.labels import labels_text
from trtzoo.bundles.deepstream.plan import DeepStreamSettings, check_model, choose_parser
from trtzoo.contract.meta import Preprocess
from trtzoo.errors import InputError, UnsupportedError

RELEASES = ("6.2", "6.3", "6.4", "7.0", "7.1", "8.0", "9.0", "9.1", "9.2")
MODELS = [("detect", "stock"), ("detect", "own"), ("pose", "own"), ("segment", "own"), ("obb", "own")]
KEYS = GOLDEN / "deepstream" / "keys.json"

every_release = pytest.mark.parametrize("release", RELEASES)
every_model = pytest.mark.parametrize(("task", "parser"), MODELS)


def config(task: str = "detect", parser: str = "stock", release: str = "9.1", model: str = "m.onnx", **more):
    meta = bundle_meta(task, "separate" if parser == "own" else None, **more)
    groups, unknown = read_config(infer_config(meta, model, DeepStreamSettings(release, 4), parser))
    assert not unknown
    return groups


def keys_known_to(release: str) -> set[str]:
    """Of the recorded releases the latest that is not newer."""
    known = {tuple(map(int, name.split("."))): keys for name, keys in json.loads(KEYS.read_text()).items()}
    wanted = tuple(map(int, release.split(".")))
    # 9.0 has the keys of 9.1
    return set(known[(9, 1)] if wanted >= (9, 0) else known[max(name for name in known if name <= wanted)])


@every_model
@every_release
@needs_golden
def test_every_key_exists_in_the_release(task, parser, release):
    groups = config(task, parser, release, precision="fp16")
    assert {key for keys in groups.values() for key in keys} <= keys_known_to(release)


@every_model
@every_release
def test_what_every_model_needs(task, parser, release):
    groups = config(task, parser, release)
    wanted = {
        "batch-size": 4, "infer-dims": (3, 384, 640), "maintain-aspect-ratio": True, "symmetric-padding": True,
        "scaling-filter": 1, "cluster-mode": 4, "num-detected-classes": len(NAMES), "network-mode": 0, "process-mode": 1,
        "onnx-file": "m.onnx", "labelfile-path": "labels.txt", "model-color-format": 0, "gie-unique-id": 1,
    }  # fmt: skip
    assert wanted.items() <= groups["property"].items()
    assert groups["property"]["net-scale-factor"] == pytest.approx(1 / 255, rel=1e-6)
    rotated = task == "obb" and release >= "9.0"
    assert groups["property"]["crop-objects-to-roi-boundary"] is not rotated
    assert groups["class-attrs-all"] == {"pre-cluster-threshold": 0.3}
    never = {"topk", "workspace-size", "force-implicit-batch-dim"}
    assert not never & groups["property"].keys() and not never & groups["class-attrs-all"].keys()


@pytest.mark.parametrize(
    ("task", "parser", "release", "keys"),
    [
        ("detect", "stock", "6.2", (0, "NvDsInferParseYoloV5CustomBatchedNMSTLT", None, None)),
        ("detect", "own", "7.1", (3, "TrtzooParse", False, None)),
        ("pose", "own", "6.3", (3, "TrtzooParse", True, None)),
        ("segment", "own", "9.2", (3, "TrtzooParse", True, 0.5)),
        ("obb", "own", "8.0", (3, "TrtzooParse", True, None)),
        ("obb", "own", "9.0", (0, "TrtzooParseObb", None, None)),
    ],
)
def test_parser_keys(task, parser, release, keys):
    kind, function, masks, threshold = keys
    found = config(task, parser, release)["property"]
    name = "parse-bbox-instance-mask-func-name" if kind == 3 else "parse-bbox-func-name"
    assert (found["network-type"], found[name]) == (kind, function)
    assert (found.get("output-instance-mask"), found.get("segmentation-threshold")) == (masks, threshold)
    stock = "/opt/nvidia/deepstream/deepstream/lib/libnvds_infercustomparser.so"
    assert found["custom-lib-path"] == (stock if parser == "stock" else "./libtrtzoo_parse.so")


def test_stretched_pictures_colours_and_grey():
    found = config(preprocess=Preprocess("stretch", 0, "bgr"))["property"]
    assert (found["maintain-aspect-ratio"], found.get("symmetric-padding"), found["model-color-format"]) == (
        False,
        None,
        1,
    )
    found = config(preprocess=Preprocess(anchor="topleft", scale=255.0))["property"]
    assert (found["maintain-aspect-ratio"], found["symmetric-padding"], found["net-scale-factor"]) == (True, False, 1.0)
    found = config(channels=1, preprocess=Preprocess(colour="gray"))["property"]
    assert (found["infer-dims"], found["model-color-format"]) == ((1, 384, 640), 2)


def test_thresholds_of_single_classes_are_those_of_the_graph():
    groups = config(parser="own", extra={"class_thresholds": {"dog": 0.5, "person": 0.1}})
    assert groups["class-attrs-4"] == {"pre-cluster-threshold": 0.5}
    assert groups["class-attrs-0"] == {"pre-cluster-threshold": 0.3}, "the graph gives nothing below its own threshold"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precision_by_release(precision):
    assert config(release="9.0", precision=precision)["property"]["strongly-typed"] is True
    assert config(release="9.0", precision=precision)["property"]["network-mode"] == 0
    assert "strongly-typed" not in config(release="9.0")["property"]
    engine = config(release="8.0", precision=precision, model="m.engine")["property"]
    assert (engine["model-engine-file"], engine.get("onnx-file"), engine["network-mode"]) == ("m.engine", None, 2)


@every_model
@pytest.mark.parametrize("name", ["app", "infer"])
def test_no_comment_and_no_blank_around_a_value(task, parser, name):
    meta, settings = bundle_meta(task, "separate" if parser == "own" else None), DeepStreamSettings()
    text = app_config(meta, settings) if name == "app" else infer_config(meta, "m.onnx", settings, parser)
    for line in filter(None, text.splitlines()):
        key, _, value = line.partition("=")
        assert line.startswith("[") or ("#" not in line and key == key.strip() and value == value.strip() and value)


def test_labels_are_one_a_line_and_whole():
    assert labels_text(NAMES).split("\n") == ["person", "car,van", "class2", "traffic light", "dog", ""]


def test_which_parser():
    assert choose_parser("detect", 200, None) == "stock"
    assert choose_parser("detect", 201, None) == "own"
    assert choose_parser("detect", 100, {"dog": 0.5}) == "own"
    assert choose_parser("detect", 100, None, "own") == "own"
    assert [choose_parser(task, 100, None) for task in ("pose", "segment", "obb")] == ["own"] * 3


@pytest.mark.parametrize(
    ("task", "rows", "classes", "words"),
    [
        ("pose", 100, None, "reads boxes only"), ("detect", 300, None, "--topk-all 200"),
        ("detect", 100, {"dog": 0.5}, "one threshold for all classes"), ("classify", 0, None, "finds no objects"),
    ],
)  # fmt: skip
def test_the_stock_parser_is_refused_where_it_would_lose_something(task, rows, classes, words):
    with pytest.raises(UnsupportedError, match=words):
        choose_parser(task, rows, classes, "stock")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_dtype": "uint8"}, "writes float32"), ({"input_dtype": "float16"}, "writes float32"),
        ({"extra": {"runtime_thresholds": True}}, "thresholds are inputs"), ({"layout": "flat"}, "layout flat"),
        ({"channels": 4}, "4 channels"), ({"input_axes": "hwc"}, "channels last"), ({"nms": None}, "raw heads"),
    ],
)  # fmt: skip
def test_models_that_nvinfer_cannot_run_are_refused(changes, words):
    with pytest.raises(UnsupportedError, match=words):
        check_model(replace(bundle_meta(), **changes), "stock", "m.onnx")


@pytest.mark.parametrize(("release", "batch"), [("5.1", 1), ("deep", 1), ("9.1", 0), ("9.1", 1025)])
def test_settings_out_of_range(release, batch):
    with pytest.raises((InputError, UnsupportedError)):
        DeepStreamSettings(release, batch)


def test_a_half_model_for_an_old_release_gets_an_engine_from_make(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"graph")
    meta = bundle_meta(precision="fp16")
    bundle = write_bundle(tmp_path / "m.onnx", meta, DeepStreamSettings("7.1", 8))
    assert "Makefile" in bundle.files and "trtzoo_parse.cpp" not in bundle.files
    rule = (tmp_path / "Makefile").read_text()
    assert "--stronglyTyped" in rule and "--maxShapes=images:8x3x384x640" in rule and "--saveEngine=m.engine" in rule
    groups, _ = read_config((tmp_path / "config_infer_primary.txt").read_text())
    assert groups["property"]["model-engine-file"] == "m.engine"
    assert "onnx-file" not in groups["property"], "nvinfer would build it in another precision, silently"


def test_nms_thresholds_are_written_in_full():
    groups = config(nms=graph_nms("plain", conf_thres=1e-5))
    assert groups["class-attrs-all"]["pre-cluster-threshold"] == 1e-5


@pytest.mark.parametrize(("sampling", "noted"), [("linear", False), ("darknet", True)])
def test_a_note_says_that_nvinfer_does_not_sample_as_darknet_does(sampling, noted, tmp_path):
    meta = bundle_meta("detect")
    meta = replace(meta, preprocess=replace(meta.preprocess, sampling=sampling))
    notes = write_bundle(tmp_path / "m.onnx", meta, DeepStreamSettings("7.1")).notes
    assert any("from corner to corner" in note for note in notes) == noted

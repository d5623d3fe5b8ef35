"""Ultralytics checkpoints against the framework's recorded outputs (../shared/golden), and what else is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from running import assert_interpreters_agree, largest_error, run_network
from shared import GOLDEN, WEIGHTS, golden_cases, needs_golden, needs_weights

from trtzoo.converters import ultralytics
from trtzoo.converters.checkpoint.reader import Record, load_model_record
from trtzoo.converters.network import to_graph
from trtzoo.converters.options import ReadOptions
from trtzoo.errors import ModelError, UnsupportedError

CASES = golden_cases("ul_")
DUAL = [case for case in CASES if json.loads((case / "case.json").read_text())["dual_head"]]
EVERY_HEAD = [(case, None) for case in CASES if case not in DUAL] + [
    (case, head) for case in DUAL for head in ("one2one", "one2many")
]

by_head = pytest.mark.parametrize(
    ("case", "head"), EVERY_HEAD, ids=lambda value: getattr(value, "name", value) or "only"
)


def read(path, model=None, **options):
    record, checkpoint = load_model_record(path)
    return ultralytics.read(model or record, checkpoint, path, ReadOptions(**options))


def read_case(case, head=None):
    """The network of a golden case at the case's size, and the case's arrays."""
    expected = np.load(case / "expected.npz")
    return read(case / "model.pt", img_size=expected["images"].shape[2:], head=head), expected


def contract(meta, expected, head):
    """The recorded [B, 4 + C + extra, A] as raw heads; its boxes are cx, cy, w, h or, one-to-one, x1, y1, x2, y2."""
    if meta.task == "classify":
        return {"probs": expected["probs"]}
    rows = expected["pred" if head is None else f"{head}_pred"].transpose(0, 2, 1).astype(np.float64)
    boxes, scores, extra = np.split(rows, [4, 4 + len(meta.names)], axis=2)
    if meta.task == "obb":
        return {"boxes": np.concatenate([boxes, extra], axis=2), "scores": scores}
    if head != "one2one":
        centre, size = boxes[..., :2], boxes[..., 2:]
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=2)
    heads = {"boxes": boxes, "scores": scores}
    if meta.task == "pose":
        heads["keypoints"] = extra.reshape(*extra.shape[:2], *meta.kpt_shape)
    if meta.task == "segment":
        heads |= {"mask_coeffs": extra, "protos": expected["proto"]}
    return heads


def assert_same(actual, expected, tolerance=1e-4):
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].shape == values.shape, name
        assert largest_error(actual[name], values) < tolerance, name


@needs_golden
@by_head
def test_gives_what_the_framework_gave(case, head):
    network, expected = read_case(case, head)
    assert_same(run_network(network, expected["images"], batch=2), contract(network.meta, expected, head))


@needs_golden
@by_head
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_symbolic_batch_takes_any_batch(case, head, batch):
    network, expected = read_case(case, head)
    chosen = np.arange(batch) % 2
    wanted = {name: values[chosen] for name, values in contract(network.meta, expected, head).items()}
    assert_same(run_network(network, expected["images"][chosen]), wanted)


@needs_golden
@by_head
def test_both_interpreters_agree(case, head):
    network, expected = read_case(case, head)
    assert_interpreters_agree(network, expected["images"])


@needs_golden
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_metadata(case):
    network, facts = read_case(case)[0], json.loads((case / "case.json").read_text())
    meta = network.meta
    assert meta.family == "ultralytics"
    assert meta.task == facts["task"]
    assert meta.names == tuple(facts["names"].values())
    assert list(meta.strides) == (facts["strides"] if meta.task != "classify" else [])
    assert meta.imgsz == (facts["input"]["height"], facts["input"]["width"])
    assert list(meta.kpt_shape or []) == facts.get("kpt_shape", [])
    assert (meta.nms_free, meta.head) == ((True, "one2one") if facts["dual_head"] else (False, None))
    assert meta.preprocess.resize == ("letterbox" if meta.task != "classify" else "crop")
    assert meta.multi_label == meta.nms_free, "the framework ranks all (anchor, class) pairs of a one-to-one head"
    assert len(meta.source_sha256) == 64
    assert len(network.layers) == 1 + max(int(row.split()[0]) for row in network.layers)


@needs_golden
def test_nodes_are_named_after_the_modules():
    graph, _ = to_graph(read_case(GOLDEN / "ul_v8_detect_nc3")[0], 1, 17)
    names = {node.name for node in graph.nodes}
    assert {"/model.0/conv", "/model.2/m.0/cv1/conv", "/model.22/cv2.0.0/conv", "/model.22/cv2.0.2/conv"} <= names
    assert "/model.22/cv2.0.0/conv.weight" in graph.tensors()


@needs_golden
def test_graph_has_no_constant_folding_left_to_do():
    """Every node depends on the picture, and every batch normalisation is in its convolution."""
    for case in CASES:
        graph, _ = to_graph(read_case(case)[0], 1, 17)
        fed = {tensor.name for tensor in graph.inputs}
        for node in graph.nodes:
            assert any(tensor.name in fed for tensor in node.inputs), node.name
            fed |= {tensor.name for tensor in node.outputs}
        assert not {"BatchNormalization", "Constant", "Shape"} & {node.op for node in graph.nodes}


@needs_golden
@pytest.mark.parametrize(
    ("case", "head", "message"),
    [
        ("ul_v8_seg", "one2many", r"--head one2many does not fit this model \(Segment\): it has only one head"),
        ("ul_v8_seg", "one2one", "leave --head out"),
        ("ul_v8_cls", "one2one", "it has only one head"),
        ("ul_26_seg", "both", "--head both .* choose one2one or one2many"),
    ],
)
def test_head_that_the_model_does_not_have(case, head, message):
    with pytest.raises(ModelError, match=message):
        read_case(GOLDEN / case, head)


@needs_golden
def test_size_that_does_not_fit_the_strides():
    with pytest.raises(
        ModelError, match=r"650x640 .* stride 32; the next are --img-size 640 640 and --img-size 672 640"
    ):
        read(GOLDEN / "ul_v8_seg/model.pt", img_size=(650, 640))


@needs_golden
def test_size_without_a_wish():
    """The training's, rounded up; 640, or 224 for a classifier, where the file does not tell it."""

    def size_of(name, checkpoint):
        record, _ = load_model_record(GOLDEN / name / "model.pt")
        record.attributes.pop("args")
        network = ultralytics.read(record, checkpoint, GOLDEN / name / "model.pt", ReadOptions())
        return network.meta.imgsz, " ".join(network.notes)

    assert size_of("ul_v8_seg", {}) == ((640, 640), "")
    assert size_of("ul_v8_cls", {}) == ((224, 224), "")
    assert size_of("ul_v8_cls", {"train_args": {"imgsz": 100}}) == ((100, 100), "")
    size, note = size_of("ul_v8_seg", {"train_args": {"imgsz": 500}})
    assert size == (512, 512)
    assert "trained at 500" in note
    assert read(GOLDEN / "ul_v8_seg/model.pt").meta.imgsz == (96, 96), "`args` of the model itself"


def every_module(record):
    yield record
    for inner in record.module_children().values():
        yield from every_module(inner)


@needs_golden
def test_checkpoint_of_an_earlier_version():
    """Modules all in `ultralytics.nn.modules`, without attributes that came later, names as a list: the same result."""
    expected = run_network(*_with_images("ul_v8_pose_17x3"))
    record, checkpoint = load_model_record(GOLDEN / "ul_v8_pose_17x3/model.pt")
    for module in every_module(record):
        if module.class_path.startswith("ultralytics.nn.modules"):
            module.class_path = f"ultralytics.nn.modules.{module.class_name}"
        for name in (
            ("n", "legacy", "np", "type") if module.class_name != "Pose" else ("stride", "nc", "no", "nl", "reg_max")
        ):
            module.attributes.pop(name, None)
        if module.class_name == "SPPF":
            module.attributes.pop("add", None)
    record.attributes["names"] = ["person"]
    network = ultralytics.read(record, checkpoint, GOLDEN / "ul_v8_pose_17x3/model.pt", ReadOptions(img_size=(64, 64)))
    assert network.meta.names == ("person",)
    assert_same(run_network(network, _with_images("ul_v8_pose_17x3")[1]), expected, 1e-7)


def _with_images(name):
    network, expected = read_case(GOLDEN / name)
    return network, expected["images"]


@needs_golden
def test_classifier_normalises_as_its_checkpoint_says():
    """(x - mean) / std is in the graph where the transforms of the checkpoint have it, and only there."""
    expected = run_network(*_with_images("ul_v8_cls"))
    record, _ = load_model_record(GOLDEN / "ul_v8_cls/model.pt")
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    step = Record("torchvision.transforms.transforms.Normalize", attributes={"mean": mean, "std": std})
    record.attributes["transforms"] = Record("Compose", attributes={"transforms": [Record("ToTensor"), step]})
    network = read(GOLDEN / "ul_v8_cls/model.pt", record, img_size=(64, 64))
    column = np.array([mean, std], np.float32).reshape(2, 1, 3, 1, 1)
    assert_same(run_network(network, _with_images("ul_v8_cls")[1] * column[1] + column[0]), expected, 1e-5)
    step.attributes["std"] = (0.2, 0.3)
    with pytest.raises(ModelError, match=r"'std' .* does not fit 3 channels"):
        read(GOLDEN / "ul_v8_cls/model.pt", record)


@needs_golden
@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ("RTDETRDecoder", UnsupportedError, "head RTDETRDecoder is not supported: .*--family torch"),
        ("WorldDetect", UnsupportedError, "text encoder"),
        (
            "MyDetect",
            UnsupportedError,
            "last layer is no known head: .*ultralytics.nn.modules.head.MyDetect.*converters/",
        ),
    ],
)
def test_head_that_is_not_converted(head, error, message):
    record, _ = load_model_record(GOLDEN / "ul_v8_seg/model.pt")
    list(record.child("model").module_children().values())[-1].class_path = f"ultralytics.nn.modules.head.{head}"
    with pytest.raises(error, match=message):
        read(GOLDEN / "ul_v8_seg/model.pt", record)


@needs_golden
def test_block_that_is_not_known_names_class_layer_and_remedies():
    record, _ = load_model_record(GOLDEN / "ul_v8_seg/model.pt")
    record.child("model").child("4").child("m").child("1").class_path = "custom.layers.MyBlock"
    network = read(GOLDEN / "ul_v8_seg/model.pt", record)
    with pytest.raises(UnsupportedError, match=r"layer model.4.m.1: .*custom.layers.MyBlock") as raised:
        to_graph(network, 1, 17)
    for remedy in ("converters/ultralytics/blocks.py", "--family torch", "trtzoo convert model.onnx"):
        assert remedy in str(raised.value)


@needs_golden
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("f", [99], "reads layers"),
        ("f", "x", "reads layers"),
        ("f", -1, "joins -1 along axis 1"),
        ("d", 9, "along axis 9"),
        ("d", "x", "not a number"),
    ],
)
def test_damaged_layer_is_a_clear_error(name, value, message):
    record, _ = load_model_record(GOLDEN / "ul_v8_seg/model.pt")
    record.child("model").child("11").attributes[name] = value
    with pytest.raises(ModelError, match=message):
        to_graph(read(GOLDEN / "ul_v8_seg/model.pt", record), 1, 17)


@needs_golden
def test_fewer_strides_than_levels_is_a_clear_error():
    record, _ = load_model_record(GOLDEN / "ul_v8_seg/model.pt")
    head = list(record.child("model").module_children().values())[-1]
    head.attributes["stride"] = record.attributes["stride"] = None
    with pytest.raises(ModelError, match="does not say the strides of its 3 levels"):
        read(GOLDEN / "ul_v8_seg/model.pt", record)


@needs_weights
def test_converts_where_torch_and_ultralytics_cannot_be_imported(tmp_path):
    script = """
import sys
sys.modules.update(dict.fromkeys(("torch", "ultralytics", "torchvision")))
from pathlib import Path
from trtzoo import ConvertSettings, ReadOptions, convert
convert(Path(sys.argv[1]), Path(sys.argv[2]), ConvertSettings(read=ReadOptions()))
"""
    output = tmp_path / "yolov8n.onnx"
    command = [sys.executable, "-c", script, str(WEIGHTS / "yolov8n.pt"), str(output)]
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert output.stat().st_size > 12 << 20

"""Which runtime, device and precision each model of a call gets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from colour_network import colour_network, write
from shared import WEIGHTS, needs_weights

from trtzoo.converters.options import ReadOptions
from trtzoo.errors import InputError
from trtzoo.evaluation.models import describe_model
from trtzoo.evaluation.subjects import scale_of, subjects_of

READ = ReadOptions(names=Path("own.names"), img_size=(64, 64), head="one2many")


@needs_weights
@pytest.mark.parametrize(
    ("backend", "half", "expected"),
    [
        (None, False, [(None, False)]),
        ("torch", False, [("torch", False)]),
        ("torch", True, [("torch", False), ("torch", True)]),
        ("onnxruntime", True, [("onnxruntime", False)]),
    ],
)
def test_weights(backend, half, expected):
    found = subjects_of([WEIGHTS / "yolov8n.pt"], backend, "cuda:1", READ, half)
    assert [(one.backend, one.half) for one in found] == expected
    assert len({one.label for one in found}) == len(found)
    assert {(one.read, one.gpu) for one in found} == {(READ, 1)}


@pytest.mark.parametrize(("backend", "expected"), [(None, None), ("torch", None), ("onnxruntime", "onnxruntime")])
def test_finished_models_are_run_by_what_fits_them_as_they_are(tmp_path, backend, expected):
    (one,) = subjects_of([write(tmp_path, colour_network())], backend, "cpu", READ, half=True)
    assert (one.backend, one.half, one.gpu) == (expected, False, None)
    assert one.read == ReadOptions(names=Path("own.names"))


def test_a_model_on_a_server_is_no_file_here():
    (one,) = subjects_of([Path("triton://host:8000/yolov8n")], "torch", "cuda:0", READ, half=True)
    assert (one.backend, one.gpu) == (None, None)


def test_what_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        subjects_of([tmp_path / "no.onnx"], None, "cpu", READ)


@pytest.mark.parametrize(
    ("label", "name", "scale"),
    [
        ("yolov8n.pt", "yolov8?.pt", "n"),
        ("yolo11x-pose.engine", "yolo11?-pose.engine", "x"),
        ("yolov5s6.pt", "yolov5?6.pt", "s"),
        ("yolov9-m.pt", "yolov9-?.pt", "m"),
        ("a/yolov8l-seg.onnx", "a/yolov8?-seg.onnx", "l"),
        ("yolov3-tiny.cfg", "yolov3-tiny.cfg", ""),
        ("yolov4-mish.cfg", "yolov4-mish.cfg", ""),
        ("best.pt", "best.pt", ""),
    ],
)
def test_scales_are_read_from_names(label, name, scale):
    assert scale_of(label) == (name, scale)


def test_a_model_on_a_server_has_no_size_and_no_digest():
    network = colour_network()
    runtime = SimpleNamespace(name="triton http host:8000", meta=network.meta)
    facts = describe_model(Path("triton://host:8000/yolov8n"), "yolov8n", runtime)
    assert (facts.size_mib, facts.sha256, facts.task) == (None, "", "detect")
    assert facts.file.startswith("triton:/")

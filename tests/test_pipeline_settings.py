"""What `convert` can be told: one spelling for each setting, refused when it is made if it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from colour_network import colour_network, write

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.properties import from_properties
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph.skeleton import read_onnx
from trtzoo.graph_passes.settings import EndToEnd, Half, NewThresholds, Uint8Input
from trtzoo.pipeline import ConvertSettings, convert


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ConvertSettings(target="cuda"), "--target 'cuda' is not known"),
        (lambda: EndToEnd(class_thresholds={"dog": 1.5}), "class 'dog' is out of range"),
        (lambda: ConvertSettings(opset=21), "--opset 21 is not supported; choose 14 to 20"),
        (lambda: ConvertSettings(opset=13), "--opset 13 is not supported"),
        (lambda: NewThresholds(conf_thres=2), "--conf-thres 2 is out of range"),
        (lambda: ConvertSettings(batch=0), "--batch-size 0"),
        (lambda: ConvertSettings(layout="round"), "--layout round is not known; choose separate"),
        (lambda: ConvertSettings(end2end=EndToEnd(), thresholds=NewThresholds(0.4)), "end to end already"),
        (lambda: ConvertSettings(half=Half(half_io=True), uint8_input=Uint8Input()), "exclude each other"),
        (lambda: Uint8Input("wch"), "--uint8-input wch-bgr is not known"),
        (lambda: Uint8Input(colour="gray"), "--uint8-input hwc-gray is not known"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_said(make: Callable[[], object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()


def test_what_is_said_is_what_the_file_does(tmp_path: Path) -> None:
    path = write(tmp_path, colour_network(multi_label=True, iou_thres=0.6))
    settings = ConvertSettings(end2end=EndToEnd(NmsSettings(conf_thres=0.9, multi_label=False)))
    done = convert(path, tmp_path / "end2end.onnx", settings)
    nms = from_properties(read_onnx(done.path)[1], "end2end.onnx").nms
    assert nms is not None
    assert (nms.conf_thres, nms.multi_label, nms.iou_thres) == (0.9, False, 0.6)


def test_raw_heads_have_no_thresholds_to_change(tmp_path: Path) -> None:
    path = write(tmp_path, colour_network())
    with pytest.raises(UnsupportedError, match="raw heads has no thresholds"):
        convert(path, tmp_path / "other.onnx", ConvertSettings(thresholds=NewThresholds(0.4)))


@pytest.mark.parametrize("name", ["m.engine", "m.plan", "m.pt", "m.cfg"])
def test_onnx_is_not_written_under_the_name_of_another_kind_of_file(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, colour_network())
    with pytest.raises(InputError, match=r"name it m\.onnx"):
        convert(path, tmp_path / "out" / name, ConvertSettings())
    assert not (tmp_path / "out").exists()


def test_a_class_threshold_below_that_of_all_is_said_to_do_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, colour_network())
    names = from_properties(read_onnx(path)[1], "m").names
    wanted = EndToEnd(NmsSettings(conf_thres=0.4), class_thresholds={names[0]: 0.1, names[1]: 0.6})
    notes = " ".join(convert(path, tmp_path / "m.onnx", ConvertSettings(end2end=wanted)).notes)
    assert f"--class-thres {names[0]}=0.1 has no effect below --conf-thres 0.4" in notes
    assert names[1] not in notes

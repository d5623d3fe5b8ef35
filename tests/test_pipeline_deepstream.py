"""What DeepStream cannot run is refused before anything is converted."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtzoo import ConvertSettings, EndToEnd, convert
from trtzoo.errors import UnsupportedError
from trtzoo.pipeline import Half, Uint8Input

MODEL = Path(__file__).resolve().parents[1] / "samples" / "shapes.cfg"
TARGET = "deepstream:7.1"


@pytest.mark.parametrize(
    ("flag", "settings"),
    [
        ("--uint8-input", ConvertSettings(end2end=EndToEnd(target=TARGET), uint8_input=Uint8Input())),
        ("--half-io", ConvertSettings(end2end=EndToEnd(target=TARGET), half=Half(half_io=True))),
        ("--runtime-thresholds", ConvertSettings(end2end=EndToEnd(target=TARGET, runtime_thresholds=True))),
    ],
    ids=["--uint8-input", "--half-io", "--runtime-thresholds"],
)
def test_what_nvinfer_cannot_feed_is_refused(flag: str, settings: ConvertSettings, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=f"{flag} with --target {TARGET}: nvinfer .*; leave it out"):
        convert(MODEL, tmp_path / "m.onnx", settings)
    assert not list(tmp_path.iterdir())

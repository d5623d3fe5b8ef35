"""What DeepStream cannot feed is refused when it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from trtzoo import ConvertSettings, EndToEnd, Half, Uint8Input
from trtzoo.errors import UnsupportedError

TARGET = "deepstream:7.1"


@pytest.mark.parametrize(
    ("flag", "settings", "runtime_thresholds"),
    [
        ("--uint8-input", {"uint8_input": Uint8Input()}, False),
        ("--half-io", {"half": Half(half_io=True)}, False),
        ("--runtime-thresholds", {}, True),
    ],
    ids=["--uint8-input", "--half-io", "--runtime-thresholds"],
)
def test_what_nvinfer_cannot_feed_is_refused(flag: str, settings: dict[str, Any], runtime_thresholds: bool) -> None:
    end2end = EndToEnd(runtime_thresholds=True) if runtime_thresholds else None
    with pytest.raises(UnsupportedError, match=f"{flag} with --target {TARGET}: nvinfer .*; leave it out"):
        ConvertSettings(target=TARGET, end2end=end2end, **settings)

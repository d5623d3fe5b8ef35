"""Build settings refuse what cannot be, and survive the way into a manifest."""

import json
from pathlib import Path

import pytest

from trtzoo.contract.documents import from_document, to_document
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.errors import InputError, TrtZooError, UnsupportedError


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        ({"target": "openvino"}, InputError, "openvino"),
        ({"target": "onnxruntime"}, InputError, "no engines; choose tensorrt"),
        ({"target": "tensorrt:7.2"}, UnsupportedError, "older than 8.0"),
        ({"target": "tensorrt-rtx:1.7", "version_compatible": True}, UnsupportedError, "version"),
        ({"min_batch": 0}, InputError, "--min-batch 0"),
        ({"min_batch": 2, "opt_batch": 1}, InputError, "must not decrease"),
        ({"opt_batch": 16}, InputError, "--max-batch 8"),
        ({"workspace_gib": 0.0}, InputError, "--workspace"),
        ({"workspace_gib": float("nan")}, InputError, "--workspace"),
        ({"opt_level": 6}, InputError, "0 to 5"),
        ({"device": -1}, InputError, "--device"),
        ({"compute_capabilities": ("8.9",)}, UnsupportedError, "TensorRT-RTX"),
        ({"target": "tensorrt-rtx", "compute_capabilities": ("Ada",)}, InputError, "8.9"),
        ({"target": "tensorrt-rtx", "version_compatible": True}, UnsupportedError, "version"),
    ],
)
def test_bad_value_is_refused(values: dict[str, object], kind: type[TrtZooError], says: str) -> None:
    with pytest.raises(kind, match=says):
        BuildSettings(**values)


def through_json(settings: BuildSettings, **more: object) -> BuildSettings:
    return from_document(json.loads(json.dumps(to_document(settings) | more)), BuildSettings, "it", "make it again")


def test_settings_survive_json() -> None:
    settings = BuildSettings(
        "tensorrt-rtx",
        1,
        4,
        16,
        {"x": ((1, 3), (2, 3), (4, 3))},
        2.5,
        4,
        Path("cache"),
        compute_capabilities=("8.9", "12.0"),
    )
    assert through_json(settings) == settings


def test_settings_of_a_later_version_are_read() -> None:
    assert through_json(BuildSettings(), tomorrow=1) == BuildSettings()

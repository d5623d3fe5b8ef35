"""What ran on a GPU, as it was recorded there: the page shows the record, and the record keeps the rules."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "docs" / "measured"


def record(name: str) -> list[dict]:
    return [json.loads(line) for line in (MEASURED / name).read_text(encoding="utf-8").splitlines()]


RESULTS = record("tensorrt-8.6.0-h100.jsonl")
OLDER = record("tensorrt-8.5.3.1-h100.jsonl")
RAN = [result for result in RESULTS if "differences" in result]
FP32 = [result for result in [*RAN, *OLDER] if not {"--half", "--int8"} & set(result["convert"])]

HALF = [result for result in RAN if "--half" in result["convert"] and "precision" in result]


def case(name: str) -> dict:
    return next(result for result in RESULTS if result["case"] == name)


def test_the_page_shows_the_record(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_engines", ROOT / "benchmarks" / "gpu_engines.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setitem(sys.modules, "gpu_engines", module)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    for results in (RESULTS, OLDER):
        assert "\n".join([*module.HEAD, *map(module.row, results)]) in page


@pytest.mark.parametrize("result", FP32, ids=[result["case"] for result in FP32])
def test_fp32_engines_find_what_onnx_runtime_finds(result):
    found = [result["differences"], *(value for key, value in result.items() if key.startswith("batch "))]
    assert all(one["lost"] == one["extra"] == 0 for one in found)
    assert all(one["score"] < 0.01 and one["keypoint"] < 0.6 and one["mask_iou"] > 0.99 for one in found)
    assert result["tensors"].get("num_dets", 0) == result["tensors"].get("det_classes", 0) == 0


def test_free_batches_were_cut_into_what_the_engine_takes():
    free = [result for result in FP32 if "--dynamic" in result["convert"]]
    assert len(free) == 3
    assert all({"batch 1", "batch 2", "batch 5", "batch 7"} <= result.keys() for result in free)


@pytest.mark.parametrize(
    ("static", "plugin"), [("v8n-static", "v8n-efficient"), ("11n-pose-static", "11n-pose-efficient-idx")]
)
def test_the_static_route_costs_what_the_plugin_costs(static, plugin):
    ours, theirs = (case(f"speed-{name}-b1-fp32") for name in (static, plugin))
    assert ours["level"] == theirs["level"]
    assert ours["ms"]["1"][0] < theirs["ms"]["1"][0] + 0.1
    assert ours["cuda_graph"]


@pytest.mark.parametrize("result", HALF, ids=[result["case"] for result in HALF])
def test_fp16_engines_compute_their_body_in_half_and_find_the_same(result):
    found, layers = result["differences"], result["precision"]
    assert layers["fp16"] > layers.get("fp32", 0)
    assert found["lost"] == 0
    assert found["extra"] <= 1
    assert found["iou"] > 0.95
    assert found["score"] < (0.04 if result["case"] == "26n-half" else 0.01)
    assert found["keypoint"] < 1.4


@pytest.mark.parametrize("name", ["v8n", "11n-pose"])
def test_the_static_route_costs_what_the_plugin_costs_in_half_too(name):
    bench = json.loads((MEASURED / f"bench-{name}-fp16-h100.json").read_text(encoding="utf-8"))
    plugin, static = bench["models"]
    assert (static["model"]["nms"], static["model"]["precision"], plugin["model"]["precision"]) == (
        "static",
        "fp16",
        "fp16",
    )
    page = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    assert static["gpu"]["median"] < plugin["gpu"]["median"] + 0.1
    assert f"{static['gpu']['median']:.2f} against {plugin['gpu']['median']:.2f} ms" in page

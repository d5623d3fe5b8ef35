"""What ran on a GPU, as it was recorded there: the page shows the record, and the record keeps the rules."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "measured" / "tensorrt-8.6.0-h100.jsonl"
RESULTS = [json.loads(line) for line in RECORD.read_text(encoding="utf-8").splitlines()]
RAN = [result for result in RESULTS if "differences" in result]
FP32 = [result for result in RAN if not {"--half", "--int8"} & set(result["convert"])]


def case(name: str) -> dict:
    return next(result for result in RESULTS if result["case"] == name)


def test_the_page_shows_the_record(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_engines", ROOT / "benchmarks" / "gpu_engines.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setitem(sys.modules, "gpu_engines", module)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    assert "\n".join([*module.HEAD, *map(module.row, RESULTS)]) in page


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

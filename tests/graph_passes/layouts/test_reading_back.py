"""What a graph in any layout gives is read back as the contract's outputs, and a new layout is one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_heads import MASKS, Array, checked, model_meta, random_heads, raw_graph, run, session
from suppressions import graph_nms

from trtzoo.contract.choices import LAYOUTS, Layout
from trtzoo.contract.compare import differences
from trtzoo.contract.meta import ModelMeta
from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.outputs import TensorSpec, contract_outputs
from trtzoo.contract.target import parse_target
from trtzoo.graph_passes import layouts
from trtzoo.graph_passes.layouts.dressing import apply_layout
from trtzoo.graph_passes.nms import add_nms

ANCHORS = 30


def graph_in(layout: Layout, task: str, end2end: bool) -> tuple[Any, ModelMeta]:
    meta = model_meta(task, 3)
    graph = raw_graph(meta, ANCHORS)
    if not end2end:
        return graph, apply_layout(graph, meta, layout)
    settings = NmsSettings("plain", topk_all=9, conf_thres=0.6)
    return graph, add_nms(graph, meta, settings, parse_target("onnxruntime"), layout)[0]


def answers(graph: Any, meta: ModelMeta) -> dict[str, Array]:
    return run(session(checked(graph, meta)), random_heads(np.random.default_rng(3), meta, 2, ANCHORS))


FITTING = [
    (layout, task, end2end)
    for layout in LAYOUTS
    for task in ("detect", "pose", "segment", "obb")
    for end2end in (True, False)
    if layouts.dressing_of(layout).obstacle(replace(model_meta(task), nms=graph_nms() if end2end else None)) is None
]


@pytest.mark.parametrize(("layout", "task", "end2end"), FITTING)
def test_every_layout_is_read_back(layout: Layout, task: str, end2end: bool) -> None:
    plain = answers(*graph_in("separate", task, end2end))
    graph, meta = graph_in(layout, task, end2end)
    dressed = answers(graph, meta)
    for image in range(2):
        back = layouts.undressed({name: values[image] for name, values in dressed.items()}, meta)
        used = int(np.ravel(plain["num_dets"][image])[0]) if end2end else ANCHORS
        for name, values in plain.items():
            if name in ("det_masks", "mask_coeffs", "protos") and layout == "ultralytics" and name not in back:
                assert task == "segment" and {"det_coeffs", "protos"} <= back.keys()
                continue
            size = len(values[image]) if name in ("protos", "num_dets") else used
            np.testing.assert_allclose(back[name][:size], values[image][:size], rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(("layout", "task", "end2end"), FITTING)
def test_the_outputs_are_as_specified(layout: Layout, task: str, end2end: bool) -> None:
    graph, meta = graph_in(layout, task, end2end)
    outputs = [
        TensorSpec(name, str(values.dtype), ("B", *values.shape[1:])) for name, values in answers(graph, meta).items()
    ]
    free = [replace(spec, shape=("B", *spec.shape[1:])) for spec in layouts.expected_outputs(meta)]
    assert differences(free, outputs, "outputs") == []


def test_raw_heads_are_the_contracts_own() -> None:
    meta = model_meta("segment")
    assert meta.layout == "raw"
    assert layouts.expected_outputs(meta) == contract_outputs(meta)
    image = {"boxes": np.zeros((ANCHORS, 4)), "protos": np.zeros(MASKS)}
    assert layouts.undressed(image, meta) is image


NEW_LAYOUT = """
from trtzoo.contract.outputs import TensorSpec
from trtzoo.graph_passes.layouts.base import Dressing, for_rows

DRESSING = Dressing(
    for_rows,
    dress=lambda emit, meta, outputs: {"best": emit.slice(outputs["det_scores"], 1, 0, 1)},
    specs=lambda meta: [TensorSpec("best", "float32", ("B", 1))],
    undress=lambda image, meta: {"det_scores": image["best"]},
)
"""


def test_a_new_layout_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "best.py").write_text(NEW_LAYOUT)
    monkeypatch.setattr(layouts, "__path__", [*layouts.__path__, str(tmp_path)])
    name: Any = "best"
    graph, meta = graph_in(name, "detect", True)
    outputs = answers(graph, meta)
    assert [spec.name for spec in layouts.expected_outputs(meta)] == list(outputs) == ["best"]
    back = layouts.undressed({"best": outputs["best"][0]}, meta)
    assert back["det_scores"] == answers(*graph_in("separate", "detect", True))["det_scores"][0, :1]

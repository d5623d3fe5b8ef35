"""Thresholds of single classes, in front of every NMS route."""

from __future__ import annotations

import numpy as np
import pytest
from raw_heads import checked, model_meta, random_heads, raw_graph, run, session
from routes import TARGETS, assert_same_rows

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.target import parse_target
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.graph_passes.class_thresholds import set_class_thresholds
from trtzoo.graph_passes.lower import lower
from trtzoo.graph_passes.nms import add_nms


@pytest.mark.parametrize("multi_label", [False, True], ids=["single label", "multi label"])
@pytest.mark.parametrize("route", ["plain", "static", "onnx", "efficient", "efficient-idx"])
def test_scores_not_above_their_class_threshold_do_not_exist(route: str, multi_label: bool) -> None:
    meta = model_meta(classes=3)
    graph = raw_graph(meta, 60)
    meta = set_class_thresholds(graph, meta, {"class1": 0.8, "class2": 0.5})
    settings = NmsSettings(route=route, topk_all=30, candidates=180, multi_label=multi_label)
    meta, _ = add_nms(graph, meta, settings, parse_target(TARGETS.get(route, "tensorrt:10.3")))
    lower(graph, meta)
    assert meta.extra["class_thresholds"] == {"class1": 0.8, "class2": 0.5}
    heads = random_heads(np.random.default_rng(0), meta, 2, 60, steps=10)
    outputs = run(session(checked(graph, meta)), heads)
    least = np.array([-1, 0.8, 0.5], np.float32)
    heads["scores"] = np.where(heads["scores"] > least, heads["scores"], np.float32(0))
    assert_same_rows(outputs, heads, meta)
    assert outputs["num_dets"].any()


def test_mistakes_are_refused() -> None:
    meta = model_meta()
    with pytest.raises(InputError, match="no class 'dog'"):
        set_class_thresholds(raw_graph(meta, 5), meta, {"dog": 0.5})
    graph = raw_graph(meta, 5)
    end_to_end, _ = add_nms(graph, meta, NmsSettings(), parse_target("onnxruntime"))
    with pytest.raises(UnsupportedError, match="in front of NMS"):
        set_class_thresholds(graph, end_to_end, {"class0": 0.5})

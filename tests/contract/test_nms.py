"""Settings refuse what cannot be, and what they leave open is settled by the model."""

from __future__ import annotations

from typing import Any

import pytest
from raw_heads import model_meta
from suppressions import graph_nms, suppression

from trtzoo.contract.nms import NmsSettings, Suppression
from trtzoo.errors import InputError

OUT_OF_RANGE = [
    {"topk_all": 0},
    {"candidates": -1},
    {"conf_thres": 1.0},
    {"conf_thres": -0.1},
    {"conf_thres": float("nan")},
    {"iou_thres": -0.1},
    {"iou_thres": 1.5},
    {"iou_thres": float("nan")},
]


@pytest.mark.parametrize("more", OUT_OF_RANGE, ids=str)
def test_values_out_of_range_are_refused(more: dict[str, Any]) -> None:
    for make in (NmsSettings, suppression, graph_nms):
        with pytest.raises(InputError, match=r"--[a-z-]+ \S+ is out of range; choose"):
            make(**more)


def test_the_ends_of_the_ranges_are_taken() -> None:
    NmsSettings(conf_thres=0.0, iou_thres=0.0, topk_all=1, candidates=1)
    NmsSettings(iou_thres=1.0)


@pytest.mark.parametrize(
    ("settings", "settled"),
    [
        (NmsSettings(), suppression(iou_thres=0.7, multi_label=True)),
        (NmsSettings(multi_label=False), suppression(iou_thres=0.7)),
        (NmsSettings(iou_thres=0.0, conf_thres=0.0), suppression(iou_thres=0.0, conf_thres=0.0, multi_label=True)),
        (NmsSettings(topk_all=999), suppression(iou_thres=0.7, multi_label=True, topk_all=999)),
        (NmsSettings(topk_all=1000), suppression(iou_thres=0.7, multi_label=True, topk_all=1000, candidates=3840)),
        (NmsSettings(topk_all=1000, candidates=7), suppression(iou_thres=0.7, multi_label=True, topk_all=1000, candidates=7)),
        (NmsSettings(class_agnostic=True), suppression(iou_thres=0.7, multi_label=True, class_agnostic=True)),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_left_open_is_the_familys_own(settings: NmsSettings, settled: Suppression) -> None:
    assert model_meta(multi_label=True, iou_thres=0.7).suppression(settings) == settled


def test_a_finished_graph_keeps_what_is_not_said() -> None:
    own = graph_nms("efficient", iou_thres=0.3, topk_all=7, class_agnostic=True)
    meta = model_meta(multi_label=True, iou_thres=0.7).with_nms(own)
    assert meta.suppression(NmsSettings()) == own
    assert meta.suppression(NmsSettings(conf_thres=0.5)) == graph_nms(
        "efficient", iou_thres=0.3, topk_all=7, class_agnostic=True, conf_thres=0.5
    )

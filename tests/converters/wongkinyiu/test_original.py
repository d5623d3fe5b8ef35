"""YOLOv7's and YOLOv9's checkpoints against the outputs of the original code, written down as data."""

from __future__ import annotations

import numpy as np
import pytest
from original_outputs import original, picture, write_checkpoint
from running import assert_interpreters_agree, run_network

from trtzoo.converters import read_network
from trtzoo.converters.options import ReadOptions

V7 = {
    "v7": ("detect", 3, "RepConv of three branches, IDetect"),
    "v7_fused": ("detect", 3, "re-parameterised, implicit layers in the weights"),
    "v7_deploy": ("detect", 3, "Detect"),
    "v7_tiny": ("detect", 3, "LeakyReLU, SP"),
    "v7_w6": ("detect", 4, "ReOrg, IAuxDetect"),
    "v7_e6e": ("detect", 4, "DownC, Shortcut"),
    "v7_yolor_csp": ("detect", 3, "BottleneckCSPB and C"),
    "v7_yolor_p6": ("detect", 4, "BottleneckCSPA"),
    "v7_r50_csp": ("detect", 3, "Stem, ResCSPB and C"),
    "v7_w6_pose": ("pose", 4, "IKeypoint"),
}
V9 = {
    "v9_gelan_t": "ELAN1, AConv, DDetect",
    "v9_gelan_c": "ADown",
    "v9_gelan_e": "CBLinear, CBFuse, Silence",
    "v9_t": "DualDDetect",
    "v9_c": "DualDDetect over CBFuse",
    "v9_cf": "TripleDDetect",
    "v9_yolov7_af": "Detect without anchors, MP, SPPCSPC",
}
NEAR = 1e-4


def read(name, tmp_path):
    return read_network(write_checkpoint(name, tmp_path / "best.pt"), ReadOptions(img_size=original(name)[2]))


def corners(box):
    return np.concatenate([box[..., :2] - box[..., 2:4] / 2, box[..., :2] + box[..., 2:4] / 2], axis=-1)


def assert_near(actual, expected):
    """Within 1e-4: scores as they are, pixels as shares of the largest."""
    assert list(actual) == list(expected)
    for name, values in expected.items():
        limit = NEAR * max(1, np.abs(values).max())
        np.testing.assert_allclose(actual[name], values, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize("name", V7)
def test_yolov7_says_what_the_original_says(name, tmp_path):
    task, levels, _ = V7[name]
    network, (_, rows, size) = read(name, tmp_path), original(name)
    expected = {"boxes": corners(rows), "scores": rows[..., 4:5] * rows[..., 5 : 6 if task == "pose" else None]}
    if task == "pose":
        expected["keypoints"] = rows[..., 6:].reshape(*rows.shape[:2], 17, 3)
    assert_near(run_network(network, picture(size)), expected)
    meta = network.meta
    assert (meta.family, meta.task, len(meta.strides), meta.iou_thres) == ("yolov7", task, levels, 0.45)
    assert expected["scores"].std() > 0.01, "the scores differ from row to row, so that a wrong order would show"


@pytest.mark.parametrize("name", V9)
def test_yolov9_says_what_the_original_says(name, tmp_path):
    network, (_, columns, size) = read(name, tmp_path), original(name)
    rows = columns.transpose(0, 2, 1)
    assert_near(run_network(network, picture(size)), {"boxes": corners(rows), "scores": rows[..., 4:]})
    meta = network.meta
    assert (meta.family, meta.task, meta.strides, len(meta.names)) == ("yolov9", "detect", (8, 16, 32), 3)
    assert any("auxiliary" in note for note in network.notes) == (name in ("v9_t", "v9_c", "v9_cf"))


@pytest.mark.parametrize("name", ["v7_w6", "v9_c"])
def test_the_branch_that_served_the_training_is_not_in_the_graph(name, tmp_path):
    from trtzoo.converters.network import to_graph

    graph, _ = to_graph(read(name, tmp_path), 1, 17)
    names = " ".join(node.name for node in graph.nodes)
    dropped = ("/m2.",) if name == "v7_w6" else ("/cv2.0/cv3.0", "CBFuse", "/model.38/cv2.", "/model.38/cv3.")
    assert not [part for part in dropped if part in names]


@pytest.mark.parametrize("name", ["v7_tiny", "v7_w6_pose", "v9_t"])
def test_both_interpreters_agree(name, tmp_path):
    assert_interpreters_agree(read(name, tmp_path), picture(original(name)[2]))

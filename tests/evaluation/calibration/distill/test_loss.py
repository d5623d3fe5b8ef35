"""How far the student is from the teacher, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_detector, tiny_network

from trtzoo.evaluation.calibration.distill.loss import (
    Spreads,
    Values,
    certainty,
    distance,
    feature_names,
    final_names,
)

NETWORK = tiny_network()


def test_certainty_by_level():
    """Two anchors a place, two levels: the best probability of a place's anchors and classes."""
    meta = replace(NETWORK.meta, strides=(8, 16))
    scores = torch.zeros(1, 2 * (4 * 6 + 2 * 3), 3)
    scores[0, 4 * 6 + 7, 1] = 0.9  # level 0, anchor 1, row 1, column 1
    scores[0, 2 * 24 + 5, 2] = 0.4  # level 1, anchor 0, row 1, column 2
    seen = certainty(scores, meta, (32, 48))
    assert {level: tuple(part.shape) for level, part in seen.items()} == {(4, 6): (1, 1, 4, 6), (2, 3): (1, 1, 2, 3)}
    assert seen[4, 6][0, 0, 1, 1] == pytest.approx(0.9)
    assert seen[2, 3][0, 0, 1, 2] == pytest.approx(0.4)
    assert float(seen[4, 6].sum()) == pytest.approx(0.9)


def test_distance_weighs_what_the_teacher_sees():
    t = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    seen = {(2, 2): torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])}
    near, far = t.clone(), t.clone()
    near[..., 0, 0] += 1
    far[..., 1, 1] += 1
    features = {"b": t}
    spreads = Spreads({"b": 1.0}, {"a": 1.0})
    values = [
        float(distance(Values(features, {"a": s}), Values(features, {"a": t}), seen, spreads)) for s in (near, far)
    ]
    assert values[0] == pytest.approx(values[1] * 1.05 / 0.05, rel=1e-4)


def test_layers_in_front_of_the_ends():
    graph, _ = tiny_detector()
    assert final_names(graph) == ["/head/conv"]
    assert feature_names(graph, 1) == ["/head/conv"]
    assert feature_names(graph, 2) == ["/head/conv", "/up/conv"]


def test_spreads_are_those_of_all_pictures_together():
    parts = [torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(seed)) + seed for seed in range(3)]
    found = Spreads.of(Values({"f": part}, {"h": 2 * part}) for part in parts)
    whole = torch.cat(parts).var(correction=0)
    assert found.features["f"] == pytest.approx(float(whole), rel=1e-5)
    assert found.heads["h"] == pytest.approx(4 * float(whole), rel=1e-5)

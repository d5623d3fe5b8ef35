"""Settled suppressions for tests, with the usual values where a test does not care."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trtzoo.contract.choices import Route
from trtzoo.contract.nms import GraphNms, Suppression


def suppression(**more: Any) -> Suppression:
    """IoU .45, score .25, 100 rows of 1000 candidates, single-label, unless said otherwise."""
    return replace(Suppression(0.45, 0.25, 100, 1000, multi_label=False, class_agnostic=False), **more)


def graph_nms(route: Route = "plain", **more: Any) -> GraphNms:
    """The same as the NMS of a graph."""
    return GraphNms(**vars(suppression(**more)), route=route, steps=16 if route == "static" else None)

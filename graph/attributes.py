"""Attributes of nodes that other exporters wrote."""

from __future__ import annotations

import onnx_graphsurgeon as gs


def number_attribute(node: gs.Node, name: str, default: float) -> float:
    """A number among the attributes of a node, the first of a list.

    YOLOv7's exporter writes `box_coding` and `background_class` of its NMS plugin as lists of one (`models/experimental.py`,
    ONNX_TRT); TensorRT reads a plugin's fields from their first number.
    """
    value = node.attrs.get(name, default)
    return float(value[0] if isinstance(value, (list, tuple)) else value)

"""Graphs for INT8 tests, small enough to count by hand."""

from __future__ import annotations

import numpy as np
from small_graphs import Array, Line

ONES: dict[str, Array] = {"w": np.ones((4, 4, 1, 1), np.float32), "w8": np.ones((4, 8, 1, 1), np.float32)}


def conv(source: str, name: str, weights: str = "w") -> list[Line]:
    """Conv . SiLU as an exporter writes it; the result is `name`, the convolution `name`c."""
    return [
        ("Conv", [source, weights], [f"{name}c"]),
        ("Sigmoid", [f"{name}c"], [f"{name}s"]),
        ("Mul", [f"{name}c", f"{name}s"], [name]),
    ]


CHAIN: list[Line] = [*conv("x", "a"), *conv("a", "b"), ("Conv", ["b", "w"], ["out"])]
"""Two body layers and a final one."""

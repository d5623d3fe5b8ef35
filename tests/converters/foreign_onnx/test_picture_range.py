"""What a graph does to its pictures itself is seen, and not done twice."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_decodes import (
    yolov5_rows,
)
from foreign_onnx import Foreign
from foreign_reading import SIZE, imported, noise


def taken(f, *operations):
    """A detector behind operations on its picture, as exporters write them that put the preprocessing into the graph."""
    picture = f.input
    for operation in operations:
        f.input = operation(f, f.input)
    rows = yolov5_rows(f, 4, SIZE)
    f.input = picture
    return {"output": rows}


def turned(f, x):
    return f.node("Gather", [x, np.array([2, 1, 0])], axis=1)


def divided(f, x):
    return f.node("Div", [x, f.number(255)])


def imagenet(white):
    mean, std = (np.float32(v).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return lambda f, x: f.node("Div", [f.node("Sub", [x, f.number(mean * white)]), f.number(std * white)])


def focus(f, x):
    """Space to depth by slices, as in YOLOv5 v5.0 and YOLOX; here every pixel four times, so that sizes stay."""
    ends = [np.array(limits) for limits in ([0], [2**31], [1], [1])]
    return f.node(
        "Slice", [f.node("Concat", [f.node("Slice", [x, *ends])] * 2, axis=1), *map(np.array, ([0], [3], [1]))]
    )


PREPARED = {
    "as YOLOv6's --with-preprocess": ((turned, divided), 255, "bgr"),
    "divided by 255": ((divided,), 255, "rgb"),
    "normalised, 0..255": ((imagenet(255),), 255, "rgb"),
    "normalised, 0..1": ((imagenet(1),), 1, "rgb"),
    "channels turned": ((turned,), 1, "bgr"),
    "sliced": ((focus,), 1, "rgb"),
    "sliced after a division": ((divided, turned, focus), 255, "bgr"),
    "nothing": ((), 1, "rgb"),
}


@pytest.mark.parametrize("name", PREPARED)
def test_what_the_graph_does_to_its_pictures_is_not_done_twice(name, tmp_path):
    operations, scale, colour = PREPARED[name]
    f = Foreign()
    _, meta, _ = imported(f.save(tmp_path / "m.onnx", taken(f, *operations)), noise(scale))
    assert (meta.preprocess.scale, meta.preprocess.colour) == (scale, colour)

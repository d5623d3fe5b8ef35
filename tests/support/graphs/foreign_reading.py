"""Reading a foreign ONNX file and running what was read."""

from __future__ import annotations

import numpy as np
from foreign_decodes import yolov8_columns
from running import run_onnx

from trtzoo.contract.properties import to_properties
from trtzoo.converters.foreign_onnx.importer import read
from trtzoo.converters.options import ReadOptions
from trtzoo.graph.skeleton import load_all

SIZE = (64, 96)


def imported(path, images, **options):
    """The raw heads of the import, its metadata and its notes."""
    graph, meta, notes = read(path, ReadOptions(**options))
    return run_onnx(load_all(graph, to_properties(meta)).SerializeToString(), images), meta, notes


def noise(white=1, batch=2):
    return np.random.default_rng(3).random((batch, 3, *SIZE), np.float32) * np.float32(white)


def corners(box):
    return np.concatenate([box[..., :2] - box[..., 2:4] / 2, box[..., :2] + box[..., 2:4] / 2], axis=-1)


def twice(f):
    """A graph of two outputs that both look like a YOLOv8's."""
    return {"output0": yolov8_columns(f, 3, SIZE), "output1": yolov8_columns(f, 3, SIZE)}

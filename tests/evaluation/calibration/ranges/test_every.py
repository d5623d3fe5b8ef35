"""A range for every tensor."""

import cv2
import numpy as np
from small_graphs import run
from tiny_models import tiny_detector

from trtzoo.evaluation.calibration.calibrate import Calibration
from trtzoo.evaluation.calibration.pictures import PictureReader, choose
from trtzoo.evaluation.calibration.ranges.every import every_threshold
from trtzoo.evaluation.calibration.ranges.methods import Threshold
from trtzoo.evaluation.calibration.settings import CalibrationSettings
from trtzoo.graph_passes.precision.qdq.insert import Quantisation
from trtzoo.graph_passes.precision.qdq.points import find_points


def test_every_tensor_of_the_body_has_its_peak_and_groups_keep_theirs(tmp_path):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8))
    graph, meta = tiny_detector()
    points = find_points(graph)
    sample = choose(file, 1, 0)
    calibration = Calibration(points, Quantisation(dict.fromkeys(points.quantised, 77.0)), sample)
    found = every_threshold(graph, meta, CalibrationSettings(file, threshold=Threshold("minmax")), calibration)
    (image,) = PictureReader(meta).batches([file], 1)
    convolutions = [node.outputs[0].name for node in graph.nodes if node.op == "Conv"]
    whole = graph.copy()
    whole.outputs = [whole.tensors()[name] for name in convolutions]
    for name, values in run(whole.cleanup(), {"images": image}).items():
        assert found[name] == np.abs(values).max(), name
    assert {found[name] for name in points.quantised} == {77.0}
    assert found["images"] == 77.0
    assert not set(found) & {tensor.name for tensor in graph.outputs}, "the decode stays in floats"

"""Which layer does harm in INT8: one that was spoilt on purpose is found, ranked first, and proposed for exclusion."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from noise import noise_pictures
from tiny_models import tiny_detector

from trtzoo.errors import InputError
from trtzoo.evaluation.calibration.calibrate import calibrate
from trtzoo.evaluation.calibration.sensitivity.analyse import Analysis, AnalysisSettings, Ranked, Trial, analyse
from trtzoo.evaluation.calibration.sensitivity.picture import draw
from trtzoo.evaluation.calibration.sensitivity.report import read_analysis, write_analysis
from trtzoo.evaluation.calibration.settings import CalibrationSettings
from trtzoo.graph.skeleton import weight_of

SPOILT = "/block/conv"


def spoilt_detector():
    """Two equal channels whose great weights cancel: in floats nothing changes, in INT8 all other weights become 0."""
    graph, meta = tiny_detector()
    layers = {node.name: node for node in graph.nodes if node.op == "Conv"}
    for position in (1, 2):
        _change(layers["/down/conv"].inputs[position], lambda values: values.__setitem__(1, values[0]))
    _change(layers[SPOILT].inputs[1], _cancelling)
    return graph, meta


def _cancelling(weights):
    weights[:, 0], weights[:, 1] = 50, -50


def _change(constant, change):
    values = np.array(weight_of(constant).load())
    change(values)
    constant.values = values


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    noise_pictures(folder, 6)
    return folder


def analysed(pictures, detector, **wanted):
    graph, meta = detector
    settings = CalibrationSettings(pictures, cache=None, held_out=2)
    calibration = calibrate(graph, meta, "tiny", settings)
    steps = []
    found = analyse(
        graph, meta, "tiny", calibration, settings, AnalysisSettings(4, **wanted), lambda *step: steps.append(step)
    )
    assert any("of 4 layers" in step and "s left" in step for _, step in steps)
    return found


def test_the_spoilt_layer_comes_first_and_is_proposed(pictures):
    found = analysed(pictures, spoilt_detector(), max_drop=0.15)
    first, second = found.layers[:2]
    assert first.layer == SPOILT
    assert first.error > 10 * second.error
    assert first.lost > 3 * second.lost
    assert found.exclude == (SPOILT,)
    assert found.kept
    assert [trial.excluded for trial in found.trials] == [0, 1]
    assert found.trials[0].lost > 0.15 >= found.trials[1].lost


def test_nothing_is_proposed_where_the_budget_is_kept(pictures):
    found = analysed(pictures, tiny_detector(), max_drop=0.2)
    assert (found.exclude, found.kept) == ((), True)
    assert len(found.layers) == 4


def test_a_budget_that_half_of_the_layers_do_not_keep(pictures):
    found = analysed(pictures, spoilt_detector(), max_drop=0.0)
    assert (found.exclude, found.kept) == ((), False)
    assert [trial.excluded for trial in found.trials] == [0, 1, 2]


ANALYSIS = Analysis(
    "tiny", 4, "lp 3", 0.1, (Ranked("/a", 0.5, 0.25), Ranked("/b", 0.1, 0.0)), (Trial(0, 0.6, 0.3),), ("/a",), True
)


def test_file_and_picture(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_analysis(path, ANALYSIS)
    assert read_analysis(path) == ANALYSIS
    assert json.loads(path.read_text())["schema"] == 1
    draw(ANALYSIS, tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] > 1000
    write_analysis(path, replace(ANALYSIS, schema=99))
    with pytest.raises(InputError, match="later trtzoo"):
        read_analysis(path)
    for text in ("{", "{}", "[]"):
        path.write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            read_analysis(path)


@pytest.mark.parametrize("wrong", [{"pictures": 0}, {"max_drop": 1.5}], ids=str)
def test_numbers_out_of_range(wrong):
    with pytest.raises(InputError, match="out of range"):
        AnalysisSettings(**wrong)

"""What matters most on a page: the tiles, and columns of numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_results import FIRST, SECOND, bench_results, val_results, verify_results

from trtzoo.evaluation.report import page
from trtzoo.evaluation.report.gather import Gathered
from trtzoo.evaluation.tables import Table


def tiles(*results) -> list[page.Tile]:
    return page._tiles(Gathered(results))


def test_the_fastest_model_end_to_end_is_shown():
    (tile,) = tiles(bench_results())
    assert (tile.value, tile.label) == ("5.0 ms", SECOND.label)
    assert tile.detail == "onnxruntime CPU, fp16, median end to end, 0.50 x yolov8n.pt"


@pytest.mark.parametrize(
    ("low", "high", "mood", "said"),
    [
        (-0.0034, -0.0008, "bad", "box: worse"),
        (0.001, 0.004, "good", "box: better"),
        (-0.001, 0.002, "", "box: not resolved by 8 pictures"),
    ],
)
def test_a_difference_has_the_mood_of_its_interval(low, high, mood, said):
    results = val_results()
    one = replace(results.comparisons[0], difference=(low + high) / 2, low=low, high=high)
    accuracy, difference = tiles(replace(results, comparisons=(one,)))
    assert (accuracy.value, accuracy.label, accuracy.mood) == ("0.432", FIRST.label, "")
    assert (difference.label, difference.mood, difference.detail) == (SECOND.label, mood, said)


@pytest.mark.parametrize(
    ("passed", "value", "mood", "why"),
    [(True, "the same", "good", "rule fp16"), (False, "not the same", "bad", "network: boxes are off by up to 1.47")],
)
def test_what_was_verified_has_the_mood_of_its_verdict(passed, value, mood, why):
    (tile,) = tiles(verify_results(passed))
    assert (tile.value, tile.mood, tile.detail) == (value, mood, f"as {FIRST.label}; {why}")


def test_columns_of_numbers_stand_at_the_right():
    table = Table(
        "",
        ["name", "map", "ratio", "free", "SHA-256"],
        [["a", "0.432", "0.50 (0.48..0.52)", "free", "ab12"], ["b", "-1.2e-05", "", "4", "cd34"]],
    )
    assert page._number_columns(table) == [False, True, True, True, False]

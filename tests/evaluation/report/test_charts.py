"""Charts of a page: what is drawn stands at the figures, and text of others is no markup or formula."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_results import EVIL, FIRST, SECOND, bench_results, val_results

from trtzoo.evaluation.benchmark.results import END_TO_END
from trtzoo.evaluation.report import charts
from trtzoo.evaluation.stages import STAGES


@pytest.fixture
def drawn(monkeypatch):
    """Axes of the wide and of the narrow chart, in that order, filled as charts are made."""
    kept: list = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **more: (kept.append(self.axes[0]), save(self, *args, **more))
    )
    return kept


def test_latencies_are_bars_of_medians_with_a_whisker_to_p90(drawn):
    models = bench_results().models
    assert charts.latency_chart("a", bench_results()).count("<svg") == 2
    for axes in drawn:
        bars = np.array([(bar.get_x(), bar.get_width()) for bar in axes.patches]).reshape(len(STAGES), len(models), 2)
        for column, model in enumerate(models):
            medians = [model.times[stage].median for stage in STAGES]
            np.testing.assert_allclose(bars[:, column, 1], medians)
            np.testing.assert_allclose(bars[:, column, 0], [0, *np.cumsum(medians)[:-1]])
            (whisker,) = axes.collections[column].get_segments()
            times = model.times[END_TO_END]
            np.testing.assert_allclose(whisker[:, 0], [sum(medians), sum(medians) + times.p90 - times.median])


def test_an_interval_stands_between_its_ends(drawn):
    one = replace(val_results().comparisons[0], difference=-0.001, low=-0.004, high=0.0005)
    assert charts.interval_chart("a", replace(val_results(), comparisons=(one,)))
    for axes in drawn:
        zero, point = axes.lines[:2]
        assert list(zero.get_xdata()) == [0, 0]
        assert point.get_xdata()[0] == pytest.approx(one.difference)
        (segment,) = axes.collections[0].get_segments()
        np.testing.assert_allclose(segment[:, 0], [one.low, one.high])


def test_a_curve_is_precision_over_recall(drawn):
    assert charts.curve_chart("a", val_results(), "box")
    line = drawn[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), np.linspace(0, 1, 101))
    np.testing.assert_allclose(line.get_ydata(), 1 - np.arange(101) / 100)


def test_nothing_is_drawn_of_nothing():
    alone = replace(val_results(), comparisons=())
    assert charts.interval_chart("a", alone) == ""
    assert charts.curve_chart("a", val_results(), "mask") == ""


def test_labels_of_others_are_text(drawn):
    results = bench_results()
    evil = replace(results.models[0], model=replace(FIRST, label=f"$x^2$ {EVIL}"))
    made = charts.latency_chart("a", replace(results, models=(evil, results.models[1])))
    assert "<script" not in made
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", made)
    assert any("$x^2$" in text for text in texts), texts
    assert any(SECOND.label.replace("&", "&amp;") in text for text in texts)


@pytest.mark.parametrize(("text", "short"), [("a" * 30, "a" * 30), ("b" * 15 + "c" * 20, "b" * 14 + "…" + "c" * 15)])
def test_long_labels_keep_their_two_ends(text, short):
    assert charts._short(text) == short
    assert len(charts._short(text)) <= charts.LONGEST

"""bench.png: bars of the stages end to end, and whiskers that end at p99."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_results import bench_results

from trtzoo.evaluation.benchmark.chart import draw_benchmark
from trtzoo.evaluation.benchmark.results import END_TO_END
from trtzoo.evaluation.stages import STAGES


@pytest.fixture
def axes(tmp_path, monkeypatch):
    """The axes of the chart as they are saved."""
    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **more: (kept.append(self), save(self, *args, **more)))
    draw_benchmark(tmp_path / "bench.png", bench_results())
    assert (tmp_path / "bench.png").stat().st_size > 5000
    (figure,) = kept
    return figure.axes[0]


def test_each_model_is_a_bar_of_its_stages_medians(axes):
    models = bench_results().models
    bars = np.array([(bar.get_x(), bar.get_width()) for bar in axes.patches]).reshape(len(STAGES), len(models), 2)
    for column, model in enumerate(models):
        medians = [model.times[stage].median for stage in STAGES]
        np.testing.assert_allclose(bars[:, column, 1], medians)
        np.testing.assert_allclose(bars[:, column, 0], [0, *np.cumsum(medians)[:-1]])


def test_whiskers_reach_from_the_bars_end_to_p99(axes):
    (whiskers,) = axes.collections
    for row, (line, model) in enumerate(zip(whiskers.get_segments(), bench_results().models, strict=True)):
        times, end = model.times[END_TO_END], sum(model.times[stage].median for stage in STAGES)
        np.testing.assert_allclose(line, [[end, row], [end + times.p99 - times.median, row]])


def test_the_first_model_is_on_top(axes):
    assert axes.yaxis_inverted()
    assert [label.get_text().splitlines()[0] for label in axes.get_yticklabels()] == [
        one.model.label for one in bench_results().models
    ]


def test_equal_times_have_no_whisker(tmp_path):
    results = bench_results()
    flat = [
        replace(
            one, times={name: replace(times, p90=times.median, p99=times.median) for name, times in one.times.items()}
        )
        for one in results.models
    ]
    draw_benchmark(tmp_path / "flat.png", replace(results, models=tuple(flat)))
    assert (tmp_path / "flat.png").is_file()

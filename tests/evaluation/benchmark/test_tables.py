"""The tables of `bench`: a ratio has an interval only where turns were compared."""

from __future__ import annotations

from dataclasses import replace

from report_results import bench_results

from trtzoo.evaluation.benchmark.tables import tables


def ratios(results) -> list[str]:
    return [row[-1] for row in tables(results)[0].rows]


def test_a_ratio_stands_with_its_interval():
    assert ratios(bench_results()) == ["1", "0.500 (0.480..0.520)"]


def test_one_turn_has_a_ratio_and_no_interval():
    results = bench_results()
    first, second = results.models
    alone = replace(second, relative=replace(second.relative, low=0.5, high=0.5))
    assert ratios(replace(results, models=(first, alone))) == ["1", "0.500"]

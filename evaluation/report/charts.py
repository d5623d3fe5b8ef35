"""The charts of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..benchmark.results import END_TO_END, BenchResults
from ..stages import STAGES
from ..validation.results import ValResults
from .svg import COLOURS, INK, charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 30
"""Characters of a label in a chart."""

ROW = 0.62
"""Inches of a bar."""


def latency_chart(name: str, results: BenchResults) -> str:
    """The medians of the stages as bars, with a whisker from the median end to end to its p90."""

    def draw(axes: Axes, narrow: bool) -> None:
        models = results.models
        rows = range(len(models))
        left = [0.0] * len(models)
        for stage, colour in zip(STAGES, ("#7fb3d5", "#2f77b8", "#e08e3c"), strict=True):
            widths = [one.times[stage].median for one in models]
            axes.barh(rows, widths, left=left, height=0.38 if narrow else 0.55, color=colour, label=stage)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for row, (one, end) in enumerate(zip(models, left, strict=True)):
            times = one.times[END_TO_END]
            spread = [[0.0], [max(0.0, times.p90 - times.median)]]
            axes.errorbar(end, row, xerr=spread, fmt="none", ecolor=INK, capsize=4, linewidth=1)
        names = [(one.model.label, f"{one.model.runtime}, {one.model.precision}") for one in models]
        _name_rows(axes, names, narrow)
        axes.set(xlabel="milliseconds a run (median, whisker to p90)")
        _finish(axes, 2 if narrow else len(STAGES))

    return charts(name, "Milliseconds of each stage by model", 1.3 + ROW * len(results.models), draw)


def interval_chart(name: str, results: ValResults) -> str:
    """Each model's difference from the first as a point with its interval; "" for a single model."""
    if not results.comparisons:
        return ""
    ones, labels = results.comparisons, [one.model.label for one in results.models]

    def draw(axes: Axes, narrow: bool) -> None:
        axes.axvline(0, color=INK, linewidth=1)
        for row, one in enumerate(ones):
            spread = [[max(0.0, one.difference - one.low)], [max(0.0, one.high - one.difference)]]
            colour = COLOURS[labels.index(one.model) % len(COLOURS)]
            axes.errorbar(one.difference, row, xerr=spread, fmt="o", color=colour, capsize=5, linewidth=2, markersize=7)
        _name_rows(axes, [(one.model, one.metric) for one in ones], narrow)
        axes.margins(x=0.15)
        axes.locator_params(axis="x", nbins=4 if narrow else 9)
        unit = "share of right answers" if ones[0].metric == "top1" else "mAP50-95"
        axes.set(xlabel=f"difference in {unit}, {ones[0].level:.0%} interval")
        _finish(axes)

    return charts(name, f"Differences from {ones[0].against}", 1.0 + ROW * len(ones), draw)


def curve_chart(name: str, results: ValResults, metric: str) -> str:
    """Precision over recall at overlap .50, a line a model; "" where no model has the metric."""
    lines = [(one.model.label, one.curves[metric]) for one in results.models if one.curves.get(metric)]
    if not lines:
        return ""

    def draw(axes: Axes, narrow: bool) -> None:
        styles = ("-", "--", ":", "-.")
        for number, (label, precision) in enumerate(lines):
            recalls = [place / (len(precision) - 1) for place in range(len(precision))]
            look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "linestyle": styles[number % len(styles)]}
            axes.plot(recalls, precision, linewidth=2, label=_short(label), **look)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel=f"precision ({metric})")
        _finish(axes, 1 if narrow else len(lines))

    return charts(name, f"Precision over recall, {metric}", 3.6, draw)


def _finish(axes: Axes, columns: int = 0) -> None:
    axes.grid(axis="both" if axes.get_ylabel() else "x", alpha=0.25, color=INK)
    if columns:
        above: dict[str, Any] = {
            "bbox_to_anchor": (0, 1),
            "borderaxespad": 0.2,
            "columnspacing": 1.2,
            "handlelength": 1.4,
        }
        axes.legend(loc="lower left", **above, ncols=columns, frameon=False, fontsize=11)


def _name_rows(axes: Axes, names: Sequence[tuple[str, str]], narrow: bool) -> None:
    """Each row's name beside it, or above it where there is no room; the first row on top."""
    rows = range(len(names))
    axes.set_ylim(len(names) - 0.5, -0.7 if narrow else -0.5)
    if not narrow:
        axes.set_yticks(rows, [f"{_short(name)}\n{_short(more)}" for name, more in names])
        return
    axes.set_yticks([])
    for row, (name, more) in zip(rows, names, strict=True):
        place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": 10.5, "va": "bottom"}
        axes.text(0.01, row - 0.24, f"{_short(name)}, {_short(more, 20)}", **place)


def _short(text: str, longest: int = LONGEST) -> str:
    """The text, or its two ends; a dollar sign is no formula."""
    if len(text) > longest:
        kept = longest // 2
        text = f"{text[: longest - kept - 1]}\N{HORIZONTAL ELLIPSIS}{text[-kept:]}"
    return text.replace("$", r"\$")

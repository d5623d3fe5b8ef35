"""The time of each model as a bar of its stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import MissingDependencyError
from ...files import staged
from ..stages import STAGES
from .results import END_TO_END, BenchResults

CHART = "bench.png"
INKS = {"preprocess": "#7fb3d5", "inference": "#1f618d", "postprocess": "#f0b27a"}


def draw_benchmark(path: Path, results: BenchResults) -> None:
    """Bars of the stages' medians, the first model on top, with a whisker from the median end to end to its p99.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "the chart needs matplotlib: pip install 'trtzoo[bench]', or --no-plots"
        ) from error
    models = results.models
    figure = Figure(figsize=(8, 1.4 + 0.5 * len(models)), layout="constrained")
    axes, rows, left = figure.add_subplot(), np.arange(len(models)), np.zeros(len(models))
    for name in STAGES:
        widths = np.array([one.times[name].median for one in models])
        axes.barh(rows, widths, left=left, height=0.6, color=INKS[name], label=name)
        left += widths
    last = [one.times[END_TO_END] for one in models]
    spread = [[0.0] * len(models), [times.p99 - times.median for times in last]]
    axes.errorbar(left, rows, xerr=spread, fmt="none", ecolor="black", capsize=3, linewidth=1, label="to p99")
    axes.set_yticks(
        rows, [f"{one.model.label}\n{one.model.runtime}, {one.model.precision}" for one in models], fontsize=8
    )
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds a run (medians)")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    with staged(path) as temporary:
        figure.savefig(temporary, dpi=120)

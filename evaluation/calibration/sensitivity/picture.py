"""The ranking as a picture: the worst layers as bars, and what the whole network loses the more of them stay in floats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....errors import MissingDependencyError
from ....files import staged
from .analyse import Analysis, Ranked

SHOWN = 30
"""So many bars can be read."""


def draw(analysis: Analysis, path: Path) -> None:
    """Write the picture (.png).

    Raises:
        MissingDependencyError: matplotlib is not installed.
        InputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("the picture needs matplotlib: pip install 'trtzoo[val]'") from error
    rows = analysis.layers[:SHOWN]
    figure = Figure(figsize=(13, 2.5 + 0.24 * len(rows)), layout="constrained")
    lost, heads, whole = figure.subplots(1, 3, width_ratios=(3, 2, 2))
    _bars(lost, rows, [row.lost for row in rows], "detections lost, this layer alone in INT8")
    _bars(heads, rows, [row.error for row in rows], "error of the heads (NMSE)")
    heads.set_yticklabels([])
    _trials(whole, analysis)
    figure.suptitle(f"{analysis.model}: {analysis.method}, {analysis.pictures} pictures")
    with staged(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def _bars(axes: Any, rows: Sequence[Ranked], values: Sequence[float], title: str) -> None:
    axes.barh([row.layer for row in rows], values, color="steelblue")
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    axes.set_title(title, fontsize=9)
    axes.grid(axis="x", alpha=0.3)


def _trials(axes: Any, analysis: Analysis) -> None:
    counts = [trial.excluded for trial in analysis.trials]
    axes.plot(counts, [trial.lost for trial in analysis.trials], "o-", color="steelblue", label="lost")
    axes.axhline(analysis.max_drop, color="crimson", linestyle="--", label="--max-drop")
    axes.set_title("detections lost, all in INT8 but the worst", fontsize=9)
    axes.set_xlabel("layers excluded")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)

"""Pictures of an evaluation: precision over recall, F1 over confidence, what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingDependencyError
from ...files import staged
from ...graph.weights import Array
from .metrics.average_precision import CONFIDENCES, RECALLS, TINY, Curves, smooth

LISTED = 20
"""Classes up to which each gets a line of its own and a name."""


def draw_precision_recall(path: Path, curves: Mapping[int, Curves], names: Sequence[str], title: str) -> None:
    """Precision over recall at overlap .50."""
    lines = {number: curve.precision_at_recall for number, curve in curves.items()}
    mean = float(np.mean([curve.ap[0] for curve in curves.values()]))
    _draw_lines(path, RECALLS, lines, names, (f"{title}: mAP50 {mean:.3f}", "recall", "precision"))


def draw_f1(path: Path, curves: Mapping[int, Curves], names: Sequence[str], title: str) -> None:
    """F1 over the confidence threshold at overlap .50."""
    lines = {
        number: 2 * curve.precision * curve.recall / (curve.precision + curve.recall + TINY)
        for number, curve in curves.items()
    }
    mean = smooth(np.mean(list(lines.values()), axis=0))
    best = f"{title}: best mean F1 {mean.max():.3f} at {CONFIDENCES[mean.argmax()]:.3f}"
    _draw_lines(path, CONFIDENCES, lines, names, (best, "confidence", "F1"))


def draw_confusion(path: Path, counts: Array, names: Sequence[str], title: str) -> None:
    """What was found (rows) where what is labelled (columns), as shares of each column."""
    shown = [*names, *["nothing"] * (counts.shape[0] - len(names))]
    side = max(5.0, min(18.0, 0.22 * len(shown) + 3))
    figure, axes = _figure(side, side * 0.9)
    shares = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    image = axes.imshow(np.where(counts > 0, shares, np.nan), vmin=0, vmax=1, cmap="viridis_r")
    figure.colorbar(image, ax=axes, fraction=0.04)
    columns = shown[: counts.shape[1]]
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(shown)), shown, fontsize=7)
    axes.set(xlabel="labelled", ylabel="found", title=title)
    if len(shown) <= LISTED:
        for row, column in np.argwhere(counts > 0):
            ink = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=ink)
    _save(figure, path)


def _draw_lines(
    path: Path, x: Array, lines: Mapping[int, Array], names: Sequence[str], texts: tuple[str, str, str]
) -> None:
    figure, axes = _figure(7, 5)
    for number, line in lines.items():
        label = names[number] if len(lines) <= LISTED else None
        axes.plot(x, line, linewidth=1, alpha=0.8 if label else 0.25, color=None if label else "grey", label=label)
    axes.plot(x, np.mean(list(lines.values()), axis=0), linewidth=2.5, color="black", label="mean of the classes")
    axes.set(title=texts[0], xlabel=texts[1], ylabel=texts[2], xlim=(0, 1), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="best")
    _save(figure, path)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("plots need matplotlib: pip install 'trtzoo[val]', or --no-plots") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    with staged(path) as temporary:
        figure.savefig(temporary, dpi=120)

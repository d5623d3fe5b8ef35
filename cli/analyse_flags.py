"""The flags of `calibrate --analyse`, and what it prints."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .flags import dashed, positive

if TYPE_CHECKING:
    from ..contract.progress import Progress
    from ..evaluation.calibration.calibrate import Calibration
    from ..evaluation.calibration.sensitivity.analyse import Analysis, AnalysisSettings
    from ..evaluation.calibration.settings import CalibrationSettings
    from ..graph_passes.model import Model

ANALYSE_FLAGS = ("analyse_pictures", "max_drop", "analysis")
LISTED = 15
"""Layers in the table; the file holds all."""


def add_analysis(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    group = parser.add_argument_group("which layers lose accuracy")
    group.add_argument(
        "--analyse",
        action="store_true",
        help="quantise one layer at a time, rank them, and propose which to exclude from INT8",
    )
    group.add_argument("--analyse-pictures", type=positive, metavar="N", help="to look at (default: 8)")
    group.add_argument(
        "--max-drop",
        type=float,
        metavar="X",
        help="share of the FP32 detections that the whole network may lose, scores counted (default: 0.1)",
    )
    group.add_argument(
        "--analysis",
        type=Path,
        metavar="FILE",
        help="write the ranking here, and a picture beside it (default: STEM.sensitivity.json in the cache folder)",
    )


def idle_analysis(options: argparse.Namespace) -> str:
    """The flags given that do nothing for want of --analyse, as the user typed them."""
    given = (flag for flag in ANALYSE_FLAGS if getattr(options, flag) is not None)
    return "" if options.analyse else ", ".join(map(dashed, given))


def analysis_settings(options: argparse.Namespace) -> AnalysisSettings:
    """What the user asked for.

    Raises:
        InputError: a number out of range.
    """
    from ..evaluation.calibration.sensitivity.analyse import AnalysisSettings

    given = {"pictures": options.analyse_pictures, "max_drop": options.max_drop}
    return AnalysisSettings(**{name: value for name, value in given.items() if value is not None})


def run_analysis(
    options: argparse.Namespace,
    model: Model,
    calibration: Calibration,
    settings: CalibrationSettings,
    report: Progress,
) -> None:
    """Rank the layers, write file and picture, print the worst and what to exclude.

    Raises:
        TrtZooError: as `analyse`; a file cannot be written.
    """
    from .. import console
    from ..errors import MissingDependencyError
    from ..evaluation.calibration.sensitivity.analyse import analyse
    from ..evaluation.calibration.sensitivity.picture import draw
    from ..evaluation.calibration.sensitivity.report import write_analysis

    stem, wanted = options.model.stem, analysis_settings(options)
    found = analyse(model.graph, model.meta, stem, calibration, settings, wanted, report)
    path = options.analysis or Path(settings.cache or "") / f"{stem}.sensitivity.json"
    write_analysis(path, found)
    written = [str(path)]
    try:
        draw(found, path.with_suffix(".png"))
        written.append(str(path.with_suffix(".png")))
    except MissingDependencyError as error:
        console.note(str(error))
    _print(found, console.table)
    print(f"{' and '.join(written)}: {len(found.layers)} layers ranked on {found.pictures} pictures")
    print(_proposal(found, path))


def _print(found: Analysis, table: Callable[[str, list[str], list[list[str]]], None]) -> None:
    worst = [[row.layer, f"{row.lost:.4f}", f"{row.error:.5f}"] for row in found.layers[:LISTED]]
    table(f"{found.model}: each layer alone in INT8, the worst first", ["layer", "detections lost", "NMSE"], worst)
    rows = [[str(trial.excluded), f"{trial.lost:.4f}", f"{trial.error:.5f}"] for trial in found.trials]
    table("all layers in INT8 but the worst", ["layers excluded", "detections lost", "NMSE"], rows)


def _proposal(found: Analysis, path: Path) -> str:
    budget = f"--max-drop {found.max_drop:g}"
    if not found.kept:
        return f"{budget} is not kept by excluding up to {found.trials[-1].excluded} layers; allow more, or use FP16"
    if not found.exclude:
        return f"{budget} is kept with every layer in INT8: nothing to exclude"
    return f"{budget} is kept with --int8-exclude {shlex.join(found.exclude)}\nor, the same: --int8-exclude @{path}"

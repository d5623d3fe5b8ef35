"""The flags of INT8, which `convert`, `build` and `calibrate` share, and the settings they make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .flags import device, positive

if TYPE_CHECKING:
    from ..evaluation.calibration.distill.settings import DistillSettings
    from ..evaluation.calibration.settings import CalibrationSettings

METHODS = "percentile, lp, mse, minmax or entropy"
INT8_FLAGS = (
    "calib_path", "calib_num", "calib_batch", "calib_method", "calib_percentile", "calib_letterbox", "cache_dir",
    "int8_ranges", "int8_exclude", "int8_keep_first", "recover",
    "distill_steps", "distill_batch", "distill_rate", "distill_device",
)  # fmt: skip
"""Flags that mean nothing without --int8."""


def add_int8(parser: argparse.ArgumentParser) -> None:
    """The flags of a command that quantises on the way."""
    group = parser.add_argument_group("INT8 (explicit quantisation in the graph, calibrated on pictures)")
    group.add_argument("--int8", action="store_true", help="compute convolutions in INT8; needs --calib-path")
    _add_ranges(group)


def add_int8_of_weights(parser: argparse.ArgumentParser) -> None:
    """The same for a command that has --precision instead of --int8."""
    _add_ranges(
        parser.add_argument_group("INT8 (with --precision int8: explicit quantisation, calibrated on pictures)")
    )


def given(options: argparse.Namespace, flags: Sequence[str]) -> list[str]:
    """The flags that were typed."""
    return [flag for flag in flags if getattr(options, flag) not in (None, False)]


def _add_ranges(group: Any) -> None:
    add_calibration(group)
    group.add_argument(
        "--int8-ranges",
        type=Path,
        metavar="FILE",
        help="take the ranges from here instead: trtzoo's JSON or archive, or a TensorRT calibration cache",
    )
    _add_distillation(group)


def add_calibration(group: Any) -> None:
    """The flags that say how ranges are found."""
    group.add_argument(
        "--calib-path",
        type=Path,
        metavar="DIR",
        help="folder of pictures like the model's, or a text file that lists some",
    )
    group.add_argument("--calib-num", type=positive, metavar="N", help="pictures, at most (default: 1024)")
    group.add_argument(
        "--calib-batch", type=positive, metavar="N", help="pictures a run, if the batch is free (default: 8)"
    )
    group.add_argument("--calib-method", metavar="METHOD", help=f"{METHODS} (default: lp)")
    group.add_argument(
        "--calib-percentile", type=float, metavar="X", help="of --calib-method percentile (default: 99.999)"
    )
    group.add_argument(
        "--calib-letterbox",
        action=argparse.BooleanOptionalAction,
        help="letterbox or stretch the pictures (default: as `detect` does)",
    )
    group.add_argument("--cache-dir", type=Path, metavar="DIR", help="folder that keeps the ranges (default: caches)")
    group.add_argument(
        "--int8-exclude",
        nargs="+",
        metavar="PATTERN",
        help="layers that stay in floats, such as '/model.22/*', or @FILE, what `calibrate --analyse` wrote",
    )
    group.add_argument(
        "--int8-keep-first", action="store_true", help="leave the layer that reads the picture in floats"
    )
    group.add_argument(
        "--recover",
        choices=("bias", "distill", "none"),
        help="what wins back accuracy: corrected biases, training without labels behind them, or nothing (default: bias)",
    )


def _add_distillation(group: Any) -> None:
    group.add_argument("--distill-steps", type=positive, metavar="N", help="of --recover distill (default: 1000)")
    group.add_argument("--distill-batch", type=positive, metavar="N", help="pictures a step (default: 8)")
    group.add_argument("--distill-rate", type=float, metavar="X", help="multiplies the learning rates (default: 1)")
    group.add_argument(
        "--distill-device", type=device, metavar="cpu|N", help="cpu, or the number of a GPU (default: cpu)"
    )


def int8_settings(options: argparse.Namespace) -> CalibrationSettings:
    """What the user asked for.

    Raises:
        InputError: a number out of range, an unknown method, or nothing to calibrate with.
    """
    from ..evaluation.calibration.ranges.methods import Threshold, parse_method
    from ..evaluation.calibration.settings import CalibrationSettings
    from ..graph_passes.precision.qdq.points import QdqSettings

    percentile = {"percentile": options.calib_percentile} if options.calib_percentile is not None else {}
    given = {
        "count": options.calib_num,
        "batch": options.calib_batch,
        "cache": options.cache_dir,
        "recovery": options.recover,
    }
    return CalibrationSettings(
        path=options.calib_path,
        ranges=getattr(options, "int8_ranges", None),
        output=getattr(options, "ranges_output", None),
        threshold=Threshold(parse_method(options.calib_method or _implied(options)), **percentile),
        letterbox=options.calib_letterbox,
        distill=_distillation(options),
        qdq=QdqSettings(_excluded(options.int8_exclude or ()), options.int8_keep_first),
        **{name: value for name, value in given.items() if value is not None},
    )


def _excluded(patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns, for @FILE those in the file.

    Raises:
        InputError: no such file, or it is no analysis.
    """
    from ..evaluation.calibration.sensitivity.report import read_analysis

    lists = ((pattern,) if pattern[:1] != "@" else read_analysis(Path(pattern[1:])).exclude for pattern in patterns)
    return tuple(name for names in lists for name in names)


def _distillation(options: argparse.Namespace) -> DistillSettings:
    from ..evaluation.calibration.distill.settings import DistillSettings

    names = ("steps", "batch", "rate", "device")
    given = {name: getattr(options, f"distill_{name}", None) for name in names}
    return DistillSettings(**{name: value for name, value in given.items() if value is not None})


def _implied(options: argparse.Namespace) -> str:
    """The default method, or the one that a percentile is for."""
    return "lp" if options.calib_percentile is None else "percentile"

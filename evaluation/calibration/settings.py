"""What a user may say about calibration; `pipeline` needs it for its own settings, so it brings nothing that calibrates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ...errors import InputError
from ...files import StrPath
from ...graph_passes.precision.qdq.points import QdqSettings
from .distill.settings import DistillSettings
from .ranges.methods import Threshold

Recovery = Literal["bias", "distill", "none"]
RECOVERIES: tuple[Recovery, ...] = get_args(Recovery)


@dataclass(frozen=True)
class CalibrationSettings:
    """How INT8 numbers are found.

    Attributes:
        path: a folder of pictures, or a text file that lists them; not needed where `ranges` are given.
        ranges: a file of ranges to take instead, trtzoo's JSON or TensorRT's calibration cache.
        count: how many pictures, at most.
        batch: pictures a run, for a graph whose batch is free.
        threshold: the method.
        letterbox: pictures letterboxed or stretched; None prepares them as `detect` does.
        recovery: what wins back accuracy: "bias" corrects biases, "distill" trains on from there.
        bias_pictures: pictures that the correction looks at.
        held_out: pictures kept for the comparison of FP32 with INT8.
        cache: folder of the ranges, None to keep none.
        output: file for the ranges, instead of one of the cache folder; what is in it counts if it is of the same model and pictures.
        qdq: what stays out of INT8.
        distill: how "distill" trains.
    """

    path: StrPath | None = None
    ranges: StrPath | None = None
    count: int = 1024
    batch: int = 8
    threshold: Threshold = Threshold()
    letterbox: bool | None = None
    recovery: Recovery = "bias"
    bias_pictures: int = 16
    held_out: int = 32
    cache: StrPath | None = "caches"
    output: StrPath | None = None
    qdq: QdqSettings = QdqSettings()
    distill: DistillSettings = DistillSettings()

    def __post_init__(self) -> None:
        """Raises InputError for a number out of range, or where there is nothing to calibrate with."""
        for flag, value in (("--calib-num", self.count), ("--calib-batch", self.batch)):
            if value < 1:
                raise InputError(f"{flag} {value} is out of range; choose 1 or more")
        if not (self.path or self.ranges):
            raise InputError("INT8 needs --calib-path, a folder of pictures like those that the model will see")

"""What a user may say about building an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...contract.choices import ENGINE_TARGETS, EngineTarget
from ...contract.target import parse_target
from ...errors import InputError, UnsupportedError

OPT_LEVELS = range(6)

Shape = tuple[int, ...]
Range = tuple[Shape, Shape, Shape]
"""Least, most frequent and greatest shape of an input."""


@dataclass(frozen=True)
class BuildSettings:
    """How an engine is built. Precision is no setting: it is in the graph.

    Attributes:
        target: what the engine is for, as `parse_target` reads it: "tensorrt:10.3", "tensorrt-rtx", "deepstream:7.1", ...
            A version must be that of the installed library; without one, the engine is for whatever is installed.
        min_batch: least batch of a graph whose batch is free.
        opt_batch: the batch it is tuned for.
        max_batch: greatest batch.
        shapes: by input name, for inputs with further free axes; or the values of a shape input.
        workspace_gib: limit of the scratch memory, None leaves it to the library (all of the GPU's memory).
        opt_level: 0 (fast build) to 5 (fast engine), None is the library's default, 3.
        timing_cache: folder that keeps kernel timings between builds, None keeps none.
        version_compatible: the engine also runs on later versions of TensorRT.
        hardware_compatible: the engine also runs on other GPUs from Ampere on.
        tf32: let FP32 layers multiply in TF32 (10 bits of mantissa), which every TensorRT does by default.
        without_tactics: sources of kernels that the builder leaves out, by the library's names, such as "CUDNN".
        compute_capabilities: GPUs that a TensorRT-RTX engine is for, such as "8.9"; empty is every one from Ampere on.
        device: number of the GPU that builds.
        verbose: hand on everything that the library says, not only warnings.

    Raises:
        InputError: a value is out of range.
        UnsupportedError: a setting that the target does not have.
    """

    target: str = "tensorrt"
    min_batch: int = 1
    opt_batch: int = 1
    max_batch: int = 8
    shapes: Mapping[str, Range] = field(default_factory=dict)
    workspace_gib: float | None = None
    opt_level: int | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    tf32: bool = True
    without_tactics: tuple[str, ...] = ()
    compute_capabilities: tuple[str, ...] = ()
    device: int = 0
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.timing_cache is not None:  # also given as text
            object.__setattr__(self, "timing_cache", Path(self.timing_cache))
        if parse_target(self.target).library is None:
            raise InputError(f"--target {self.target}: it takes no engines; choose {' or '.join(ENGINE_TARGETS)}")
        if not 1 <= self.min_batch <= self.opt_batch <= self.max_batch:
            raise InputError(
                f"--min-batch {self.min_batch} --opt-batch {self.opt_batch} --max-batch {self.max_batch} are out of "
                "order; they must be at least 1 and must not decrease"
            )
        if self.workspace_gib is not None and not self.workspace_gib > 0:
            raise InputError(f"--workspace {self.workspace_gib} is no size; give GiB, such as 4")
        if self.opt_level is not None and self.opt_level not in OPT_LEVELS:
            raise InputError(f"--opt-level {self.opt_level} is out of range; choose 0 to {OPT_LEVELS.stop - 1}")
        if self.device < 0:
            raise InputError(f"--device {self.device} is no GPU; count from 0")
        _check_target(self)

    @property
    def library(self) -> EngineTarget:
        """What builds and runs the engine."""
        return parse_target(self.target).library or "tensorrt"


def _check_target(settings: BuildSettings) -> None:
    """Refuse what the target does not have."""
    if settings.library == "tensorrt" and settings.compute_capabilities:
        raise UnsupportedError(
            "--compute-capability is a setting of TensorRT-RTX; TensorRT builds for the GPU it runs on "
            "(--hardware-compatible makes the engine run on other GPUs too)"
        )
    if settings.library == "tensorrt-rtx" and settings.version_compatible:
        raise UnsupportedError(
            "--version-compatible: a TensorRT-RTX engine belongs to the version that built it; "
            "build it again for another version"
        )
    for text in settings.compute_capabilities:
        if not re.fullmatch(r"\d{1,2}\.\d", text):
            raise InputError(f"--compute-capability {text!r} is not of the form 8.9")

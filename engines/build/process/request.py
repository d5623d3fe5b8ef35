"""What a building process is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ...plans.settings import BuildSettings


@dataclass(frozen=True)
class BuildRequest:
    """One build.

    Attributes:
        onnx: the model.
        plan: where the plan is written.
        settings: of the build.
        trace: tell the parent each node that is parsed, to find the one that the library dies of.
    """

    onnx: str
    plan: str
    settings: BuildSettings
    trace: bool = False

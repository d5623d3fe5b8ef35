"""What a building process is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..plans.settings import BuildSettings


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

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {"onnx": self.onnx, "plan": self.plan, "trace": self.trace, "settings": self.settings.document()}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> BuildRequest:
        """What `document` wrote."""
        settings = BuildSettings.from_document(document["settings"])
        return BuildRequest(document["onnx"], document["plan"], settings, document["trace"])

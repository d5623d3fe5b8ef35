"""trtzoo: YOLO weights of any family become end-to-end ONNX and TensorRT engines.

`convert` and `build` write files, `load` opens a model to be called with pictures, `inspect` says what a file is.

The names below are resolved when they are first used, so that `import trtzoo` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bundles.deepstream import DeepStreamSettings
    from .bundles.triton import TritonSettings
    from .contract.meta import ModelMeta
    from .contract.nms import NmsSettings
    from .converters.options import ReadOptions
    from .engines.pictures.detections import Detections
    from .engines.pictures.drawing import Style, draw
    from .engines.pictures.load import load
    from .engines.pictures.predictor import Predictor
    from .engines.plans.settings import BuildSettings
    from .engines.runtimes.open import open_runtime
    from .errors import InputError, MissingDependencyError, ModelError, TrtZooError, UnsupportedError, VerificationError
    from .evaluation.calibration.settings import CalibrationSettings
    from .graph_passes.settings import EndToEnd, Half, NewThresholds, Uint8Input
    from .inspection import Inspection, inspect
    from .pipeline import (
        Built,
        Bundled,
        Conversion,
        ConvertSettings,
        Served,
        build,
        convert,
        deepstream,
        lower,
        triton,
    )

__version__ = "0.1.0"

_HOMES = {
    "BuildSettings": "engines.plans.settings",
    "Built": "pipeline",
    "Bundled": "pipeline",
    "CalibrationSettings": "evaluation.calibration.settings",
    "Conversion": "pipeline",
    "ConvertSettings": "pipeline",
    "DeepStreamSettings": "bundles.deepstream",
    "Detections": "engines.pictures.detections",
    "EndToEnd": "graph_passes.settings",
    "Half": "graph_passes.settings",
    "InputError": "errors",
    "Inspection": "inspection",
    "MissingDependencyError": "errors",
    "ModelError": "errors",
    "ModelMeta": "contract.meta",
    "NewThresholds": "graph_passes.settings",
    "NmsSettings": "contract.nms",
    "Predictor": "engines.pictures.predictor",
    "ReadOptions": "converters.options",
    "Served": "pipeline",
    "Style": "engines.pictures.drawing",
    "TritonSettings": "bundles.triton",
    "TrtZooError": "errors",
    "Uint8Input": "graph_passes.settings",
    "UnsupportedError": "errors",
    "VerificationError": "errors",
    "build": "pipeline",
    "convert": "pipeline",
    "deepstream": "pipeline",
    "draw": "engines.pictures.drawing",
    "inspect": "inspection",
    "load": "engines.pictures.load",
    "lower": "pipeline",
    "open_runtime": "engines.runtimes.open",
    "triton": "pipeline",
}

__all__ = [
    "BuildSettings",
    "Built",
    "Bundled",
    "CalibrationSettings",
    "Conversion",
    "ConvertSettings",
    "DeepStreamSettings",
    "Detections",
    "EndToEnd",
    "Half",
    "InputError",
    "Inspection",
    "MissingDependencyError",
    "ModelError",
    "ModelMeta",
    "NewThresholds",
    "NmsSettings",
    "Predictor",
    "ReadOptions",
    "Served",
    "Style",
    "TritonSettings",
    "TrtZooError",
    "Uint8Input",
    "UnsupportedError",
    "VerificationError",
    "build",
    "convert",
    "deepstream",
    "draw",
    "inspect",
    "load",
    "lower",
    "open_runtime",
    "triton",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

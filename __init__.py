"""trtzoo: YOLO weights of any family become end-to-end ONNX and TensorRT engines.

The names below are resolved when they are first used, so that `import trtzoo` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract.meta import ModelMeta
    from .contract.nms import NmsSettings
    from .converters.options import ReadOptions
    from .engines.pictures.detections import Detections
    from .engines.pictures.predictor import Predictor
    from .engines.runtimes.open import open_runtime
    from .errors import TrtZooError
    from .graph_passes.settings import EndToEnd, Half, NewThresholds, Uint8Input
    from .pipeline import Conversion, ConvertSettings, convert

__version__ = "0.1.0"

_HOMES = {
    "Conversion": "pipeline",
    "ConvertSettings": "pipeline",
    "Detections": "engines.pictures.detections",
    "EndToEnd": "graph_passes.settings",
    "Half": "graph_passes.settings",
    "ModelMeta": "contract.meta",
    "NewThresholds": "graph_passes.settings",
    "NmsSettings": "contract.nms",
    "Predictor": "engines.pictures.predictor",
    "ReadOptions": "converters.options",
    "TrtZooError": "errors",
    "Uint8Input": "graph_passes.settings",
    "convert": "pipeline",
    "open_runtime": "engines.runtimes.open",
}

__all__ = [
    "Conversion",
    "ConvertSettings",
    "Detections",
    "EndToEnd",
    "Half",
    "ModelMeta",
    "NewThresholds",
    "NmsSettings",
    "Predictor",
    "ReadOptions",
    "TrtZooError",
    "Uint8Input",
    "convert",
    "open_runtime",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

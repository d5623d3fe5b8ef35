"""trtzoo: YOLO weights of any family become end-to-end ONNX and TensorRT engines.

The names below are resolved when they are first used, so that `import trtzoo` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .converters.heads import ModelMeta, NmsSettings
    from .converters.options import ReadOptions
    from .engines.detections import Detections
    from .engines.load import open_runtime
    from .engines.predictor import Predictor
    from .errors import TrtZooError
    from .pipeline import Conversion, ConvertSettings, EndToEnd, convert

__version__ = "0.1.0"

_HOMES = {
    "Conversion": "pipeline",
    "ConvertSettings": "pipeline",
    "Detections": "engines.detections",
    "EndToEnd": "pipeline",
    "ModelMeta": "converters.heads",
    "NmsSettings": "converters.heads",
    "Predictor": "engines.predictor",
    "ReadOptions": "converters.options",
    "TrtZooError": "errors",
    "convert": "pipeline",
    "open_runtime": "engines.load",
}

__all__ = [
    "Conversion",
    "ConvertSettings",
    "Detections",
    "EndToEnd",
    "ModelMeta",
    "NmsSettings",
    "Predictor",
    "ReadOptions",
    "TrtZooError",
    "convert",
    "open_runtime",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

"""From model files to the files that trtzoo writes: ONNX and engines.

The names are resolved when they are first used: a build of an ONNX file needs no numpy, whose threads would keep it from forking.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..contract.progress import Progress
    from .bundling import Bundled, deepstream
    from .conversion import Conversion, ConvertSettings, convert, load_model, read_model, write_model
    from .engine import Built, build, graph_target, onnx_path
    from .lowering import lower
    from .serving import Served, triton

_HOMES = {
    "Built": "engine",
    "Bundled": "bundling",
    "Conversion": "conversion",
    "ConvertSettings": "conversion",
    "Progress": "conversion",
    "Served": "serving",
    "build": "engine",
    "convert": "conversion",
    "deepstream": "bundling",
    "graph_target": "engine",
    "load_model": "conversion",
    "lower": "lowering",
    "onnx_path": "engine",
    "read_model": "conversion",
    "triton": "serving",
    "write_model": "conversion",
}

__all__ = [
    "Built",
    "Bundled",
    "Conversion",
    "ConvertSettings",
    "Progress",
    "Served",
    "build",
    "convert",
    "deepstream",
    "graph_target",
    "load_model",
    "lower",
    "onnx_path",
    "read_model",
    "triton",
    "write_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

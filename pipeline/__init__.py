"""From model files to the files that trtzoo writes: ONNX and engines."""

from .bundling import Bundled, deepstream
from .conversion import Conversion, ConvertSettings, Progress, convert, load_model, read_model, write_model
from .engine import Built, build, graph_target, onnx_path
from .lowering import lower
from .serving import Served, triton

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

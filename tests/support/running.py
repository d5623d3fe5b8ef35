"""Converting and running models in tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from trtzoo import ConvertSettings, EndToEnd, ReadOptions, convert
from trtzoo.converters.network import Network, to_graph, torch_runner
from trtzoo.graph.skeleton import load_all

Outputs = dict[str, np.ndarray]


def run_onnx(model: Path | bytes, images: np.ndarray) -> Outputs:
    """The outputs of an ONNX model on the CPU, by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: images}), strict=True))


def run_network(network: Network, images: np.ndarray, batch: int | None = None, opset: int = 17) -> Outputs:
    """The raw heads of a network, through ONNX."""
    graph, _ = to_graph(network, batch, opset)
    return run_onnx(load_all(graph, {}).SerializeToString(), images)


def run_torch(network: Network, images: np.ndarray, double: bool = False) -> Outputs:
    """The raw heads of a network, through torch."""
    return torch_runner(network, arithmetic="fp64" if double else "fp32")(images)


def assert_interpreters_agree(network: Network, images: np.ndarray, tolerance: float = 1e-5) -> None:
    """OnnxOps and TorchOps give the same, up to the rounding that float32 itself has on this network.

    That rounding is measured: the distance of torch's float32 from torch's float64. Random deep nets amplify it far above
    the tolerance; on trained ones it is below.
    """
    onnx, torch, exact = (
        run_network(network, images),
        run_torch(network, images),
        run_torch(network, images, double=True),
    )
    assert list(onnx) == list(torch)
    for name in onnx:
        noise = relative_error(torch[name], exact[name])
        error = relative_error(onnx[name], exact[name])
        assert error <= max(tolerance, 4 * noise), f"{name}: {error:.1e} from float64, torch {noise:.1e}"


def relative_error(values: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference; boxes and keypoints relative to their row's largest value, if that is above 1."""
    return box_error(values, expected) if values.ndim > 2 else largest_error(values, expected)


def convert_and_run(model: Path, output: Path, images: np.ndarray, end2end: EndToEnd | None = None, **read) -> Outputs:
    """Convert a file as the command line does, and run the result."""
    settings = ConvertSettings(read=ReadOptions(**read), batch=None, end2end=end2end, verify=False)
    return run_onnx(convert(model, output, settings).path, images)


def box_error(boxes: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of two arrays of boxes [..., 4], relative to max(1, the box's largest coordinate)."""
    scale = np.maximum(1, np.abs(expected).max(axis=-1, keepdims=True))
    return float(np.max(np.abs(boxes - expected) / scale, initial=0))


def largest_error(values: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to max(1, the largest expected value)."""
    return float(np.max(np.abs(values - expected), initial=0) / max(1.0, float(np.max(np.abs(expected), initial=0))))

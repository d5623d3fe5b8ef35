"""What is looked for."""

from __future__ import annotations

from dataclasses import dataclass

CV2_PACKAGES = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
ONNXRUNTIME_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")


@dataclass(frozen=True)
class Known:
    """Something to look for.

    Attributes:
        title: as the user knows it.
        module: that is imported.
        packages: that may bring it, as package indexes call them.
        gain: what it is for, and how to get it.
        loaded: whether it is loaded to see that it works (`probe.PROBES`), in a process of its own.
    """

    title: str
    module: str
    packages: tuple[str, ...]
    gain: str
    loaded: bool = False


KNOWN = {
    "onnx": Known("onnx", "onnx", ("onnx",), "needed by everything: pip install onnx"),
    "onnxruntime": Known(
        "ONNX Runtime", "onnxruntime", ONNXRUNTIME_PACKAGES, "runs and checks models: pip install onnxruntime", True
    ),
    "opencv": Known(
        "OpenCV",
        "cv2",
        CV2_PACKAGES,
        "reads pictures, any package of it does: pip install opencv-python-headless",
        True,
    ),
    "torch": Known("PyTorch", "torch", ("torch",), "the torch backend: pip install 'trtzoo[torch]'", True),
    "ultralytics": Known("Ultralytics", "ultralytics", ("ultralytics",), "only for verify --against original"),
    "tensorrt": Known("TensorRT", "tensorrt", (), "engines for GPU servers: pip install 'trtzoo[tensorrt]'", True),
    "tensorrt-rtx": Known("TensorRT-RTX", "tensorrt_rtx", (), "engines for RTX GPUs: pip install 'trtzoo[rtx]'", True),
    "faster-coco-eval": Known(
        "faster-coco-eval", "faster_coco_eval", ("faster-coco-eval",), "mAP: pip install 'trtzoo[val]'"
    ),
    "pycocotools": Known("pycocotools", "pycocotools", ("pycocotools",), "mAP where faster-coco-eval is missing"),
    "tritonclient": Known(
        "Triton's client", "tritonclient", ("tritonclient",), "models on a server: pip install 'trtzoo[triton]'"
    ),
    "onnxsim": Known("onnxsim", "onnxsim", ("onnxsim",), "--simplify: pip install 'trtzoo[simplify]'"),
}
"""By the name that the JSON has."""

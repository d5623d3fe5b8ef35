"""From a model file to something that can be called with pictures."""

from __future__ import annotations

from collections.abc import Callable

from ...contract.choices import Backend
from ...contract.nms import NmsSettings
from ...converters.options import ReadOptions
from ...errors import InputError
from ...files import StrPath
from ..runtimes.open import open_runtime
from .predictor import Predictor


def load(
    model: StrPath,
    settings: NmsSettings = NmsSettings(),
    *,
    backend: Backend | None = None,
    device: str | int = "cpu",
    read: ReadOptions = ReadOptions(),
    batch: int | None = None,
    masks: bool = True,
    half: bool = False,
    note: Callable[[str], object] = str,
) -> Predictor:
    """Load a model; what comes back is called with pictures: `trtzoo.load("yolov8n.onnx")("dog.jpg")`.

    Used in a `with` block it frees the model, on a GPU too, at the end.

    Args:
        model: a `.cfg`, `.pt`, `.onnx` or `.engine`, or a model on a Triton server, `triton://HOST:PORT/MODEL`.
        settings: of the NMS behind raw heads; an end-to-end graph keeps its own, but for a higher `conf_thres`.
        backend: "onnxruntime", "torch", "tensorrt" or "tensorrt-rtx"; None takes what fits the file.
        device: "cpu", or the number of a GPU, also as "cuda:0"; an engine runs on GPU 0 unless another is named.
        read: how a cfg or checkpoint is read; of a finished model only the class names can be others.
        batch: pictures a run where the model leaves that free; None takes what is fastest.
        masks: whether a segmentation model's masks are wanted.
        half: compute in FP16; of the torch backend only.
        note: is told what the user should know, a sentence each.

    Raises:
        InputError: the file cannot be read, or a setting has no effect on it.
        MissingDependencyError: the backend is not installed.
        UnsupportedError: this machine cannot run it.
    """
    runtime = open_runtime(model, backend, _device(device), read, note, half)
    try:
        return Predictor(runtime, settings, batch, masks)
    except BaseException:
        runtime.close()
        raise


def _device(device: str | int) -> str:
    """As `open_runtime` takes it."""
    text = str(device).strip().lower()
    number = text.removeprefix("cuda").removeprefix(":")
    if text in ("cpu", "cuda"):
        return "cpu" if text == "cpu" else "cuda:0"
    if not number.isdecimal():
        raise InputError(f"device {device!r} is neither 'cpu' nor the number of a GPU")
    return f"cuda:{int(number)}"

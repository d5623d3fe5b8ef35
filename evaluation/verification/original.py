"""A model as its own framework computes it: Ultralytics for its checkpoints, OpenCV's importer for DarkNet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import GraphNms, NmsSettings, Suppression
from ...converters import read_network, recognise
from ...errors import InputError, MissingDependencyError, UnsupportedError
from ...graph.session import first_line
from ...graph.weights import Array
from ..subjects import Subject


class OriginalRuntime:
    """What both frameworks have in common, in the shape of a runtime.

    Attributes:
        prepares: makes the network's input [C, H, W], red first, white 1, of a picture uint8 [H, W, 3], as the framework does;
            None where trtzoo's own way is taken.
        exact: whether its outputs can be compared number by number; OpenCV leaves out small scores.
    """

    gpu_seconds: float | None = None
    prepares: Callable[[Array], Array] | None = None

    def __init__(self, name: str, meta: ModelMeta, run: Callable[[Array], dict[str, Array]], exact: bool) -> None:
        self.name, self.meta, self.exact = name, meta, exact
        self._run = run

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network on images [B, C, H, W]."""
        heads = self._run(images)
        return heads if outputs is None else {name: values for name, values in heads.items() if name in outputs}

    def close(self) -> None:
        """The framework frees its model itself."""


def original_opener(subject: Subject) -> Callable[[], OriginalRuntime]:
    """What opens a model in its own framework.

    Raises:
        InputError: not weights.
    """
    kind = recognise(subject.path)
    if kind == "cfg":
        return lambda: _open_darknet(subject)
    if kind == "checkpoint":
        return lambda: _open_ultralytics(subject)
    raise InputError(f"--against original needs weights as REFERENCE, a .cfg or .pt; {subject.path} is an {kind} file")


def _open_ultralytics(subject: Subject) -> OriginalRuntime:
    meta = read_network(subject.path, subject.read).meta
    if meta.family != "ultralytics":
        raise UnsupportedError(
            f"{subject.path} is of the family {meta.family}; --against original knows Ultralytics and DarkNet"
        )
    try:
        import torch
        from ultralytics import YOLO
        from ultralytics import __version__ as version
        from ultralytics.data.augment import LetterBox
    except ImportError as error:
        raise MissingDependencyError(
            "--against original needs the framework itself: pip install ultralytics"
        ) from error
    try:
        model = YOLO(str(subject.path)).model.float().eval()
    except Exception as error:  # whatever a broken installation of the framework raises
        raise UnsupportedError(f"Ultralytics does not open {subject.path}: {first_line(error)}") from error
    if meta.head:
        model.model[-1].end2end = meta.head == "one2one"
    meta = replace(meta, batch=None)
    if meta.task != "classify":
        meta = replace(meta, layout="ultralytics")
    if meta.head == "one2one":
        usual = meta.suppression(NmsSettings())
        graph = GraphNms(**{name: getattr(usual, name) for name in Suppression.__dataclass_fields__}, route="none")
        meta = replace(meta, nms=graph)

    def run(images: Array) -> dict[str, Array]:
        with torch.inference_mode():
            return _named(model(torch.from_numpy(images)), meta)

    runtime = OriginalRuntime(f"ultralytics {version} CPU", meta, run, exact=True)
    if meta.preprocess.resize == "letterbox":
        letterbox = LetterBox(meta.imgsz, auto=False)

        def prepares(picture: Array) -> Array:
            boxed: Array = letterbox(image=picture)
            values: Array = boxed[..., ::-1].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
            return values

        runtime.prepares = prepares
    return runtime


def _named(outputs: Any, meta: ModelMeta) -> dict[str, Array]:
    """The framework's nested outputs under the names of the layout `ultralytics`."""
    tensors = list(_tensors(outputs))
    if meta.task == "classify":
        return {"probs": tensors[0].numpy()}
    named = {"output0": tensors[0].numpy()}
    if meta.task == "segment":
        named["output1"] = next(tensor for tensor in tensors if tensor.ndim == 4).numpy()
    return named


def _tensors(outputs: Any) -> Any:
    """All tensors in nested tuples and lists, in order."""
    if isinstance(outputs, (tuple, list)):
        for part in outputs:
            yield from _tensors(part)
    elif hasattr(outputs, "ndim"):
        yield outputs


def _open_darknet(subject: Subject) -> OriginalRuntime:
    from ...opencv import cv2

    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        raise MissingDependencyError(
            f"OpenCV {cv2.__version__} reads no DarkNet files; install opencv-python-headless below 5"
        )
    network = read_network(subject.path, subject.read)
    weights = network.weights_file or Path(subject.path).with_suffix(".weights")
    try:
        net = cv2.dnn.readNetFromDarknet(str(subject.path), str(weights))
    except cv2.error as error:
        raise UnsupportedError(f"OpenCV does not read {subject.path}: {first_line(error)}") from error
    height, width = network.meta.imgsz

    def run(images: Array) -> dict[str, Array]:
        net.setInput(images)
        rows = np.concatenate(
            [part.reshape(-1, part.shape[-1]) for part in net.forward(net.getUnconnectedOutLayersNames())]
        )
        centre, half = rows[:, :2] * (width, height), rows[:, 2:4] * (width, height) / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
        return {"boxes": boxes[None], "scores": rows[None, :, 5:]}

    return OriginalRuntime(f"OpenCV {cv2.__version__}", replace(network.meta, batch=1), run, exact=False)

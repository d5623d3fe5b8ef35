"""The original framework as an oracle: freshly made random Ultralytics models, and their raw heads by its own code.

Only `ultralytics.nn` is imported, which needs torch but no torchvision; `torchvision` is made importable for the models
built on it, whose wheel may come without compiled operators that match the torch installed.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tasks = pytest.importorskip("ultralytics.nn.tasks", reason="needs the original framework: pip install ultralytics")
torch = pytest.importorskip("torch")

MODEL_CLASSES = {
    "detect": "DetectionModel",
    "segment": "SegmentationModel",
    "pose": "PoseModel",
    "obb": "OBBModel",
    "classify": "ClassificationModel",
}


def build(yaml: str, task: str, channels: int = 3, **changes: Any) -> Any:
    """A random model of a yaml of the framework ("yolo11n-pose.yaml") with three classes, in evaluation mode.

    `changes` replace entries of the yaml: `width_multiple` narrows, `kpt_shape` sets the keypoints.
    """
    torch.manual_seed(0)
    config = tasks.yaml_model_load(yaml) | changes
    model = getattr(tasks, MODEL_CLASSES[task])(config, ch=channels, nc=3, verbose=False)
    _settle(model)
    return model.eval()


def _settle(model: Any) -> None:
    """Random BatchNorm parameters, and statistics of the model's own activations, so that no layer blows up."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.7, 1.3)
        torch.nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.rand(2, model.yaml["channels"], 128, 128))
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.5)


def save(model: Any, path: Path, **entries: Any) -> Path:
    """Write a checkpoint as the trainer does."""
    torch.save({"epoch": -1, "ema": None, "model": model, "train_args": {"imgsz": 64}, **entries}, path)
    return path


def raw_heads(model: Any, images: np.ndarray, head: str = "one2many", double: bool = False) -> dict[str, np.ndarray]:
    """The contract's arrays, from the framework's own decoding, in float32 or float64."""
    model = copy.deepcopy(model).double() if double else model
    last = model.model[-1]
    with torch.no_grad():
        outputs = model(torch.from_numpy(images).double() if double else torch.from_numpy(images))
        if isinstance(last, tasks.Classify):
            return {"probs": outputs[0].numpy()}
        predictions = outputs[-1]
        predictions = predictions.get(head, predictions)
        last.xyxy = True
        decoded = last._inference(predictions).permute(0, 2, 1).numpy()
    return _split(last, decoded, predictions)


def _split(last: Any, decoded: np.ndarray, predictions: dict[str, Any]) -> dict[str, np.ndarray]:
    boxes, scores, extra = np.split(decoded, [4, 4 + last.nc], axis=2)
    if isinstance(last, tasks.OBB):
        return {"boxes": np.concatenate([boxes, extra], axis=2), "scores": scores}
    heads = {"boxes": boxes, "scores": scores}
    if isinstance(last, tasks.Pose):
        heads["keypoints"] = extra.reshape(*extra.shape[:2], *last.kpt_shape)
    if isinstance(last, tasks.Segment):
        heads |= {"mask_coeffs": extra, "protos": predictions["proto"].numpy()}
    return heads


def define_torchvision_operators() -> None:
    """Let `import torchvision` work where its compiled operators do not fit torch: it asks whether these two exist."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES.append(library)


_LIBRARIES: list[Any] = []
"""Definitions last as long as the object that made them."""

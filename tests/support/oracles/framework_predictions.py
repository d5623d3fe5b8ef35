"""Run as a script: what Ultralytics' own `YOLO(...)` predicts from its checkpoint and from our ONNX file, compared.

    python framework_predictions.py PICTURE SIZE MODEL.pt OURS.onnx

Prints JSON: how many objects each found, and the largest difference of boxes (pixels), keypoints (pixels) and masks
(share of pixels); of a classifier the largest difference of probabilities. A process of its own, since torchvision is given
an NMS of the framework where its compiled one does not fit torch.
"""

from __future__ import annotations

import json
import sys

import torch


def prepare_torchvision() -> None:
    """Let torchvision be imported without its compiled operators, and suppress with the framework's own NMS."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision.ops
    from ultralytics.utils.nms import TorchNMS

    torchvision.ops.nms = TorchNMS.nms


def largest(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest absolute difference; infinite where the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours.float() - theirs.float()).abs().max()) if ours.numel() else 0.0


def main(picture: str, size: str, *models: str) -> None:
    """Predict with both models and print how far they are apart."""
    from ultralytics import YOLO

    settings = {"imgsz": int(size), "conf": 0.25, "iou": 0.7, "rect": False, "device": "cpu", "verbose": False}
    theirs, ours = (YOLO(model).predict(picture, **settings)[0] for model in models)
    if theirs.probs is not None:
        print(json.dumps({"probs": largest(ours.probs.data, theirs.probs.data)}))
        return
    rows = [found.boxes if found.obb is None else found.obb for found in (ours, theirs)]
    result = {"objects": [len(found) for found in rows], "boxes": largest(rows[0].data, rows[1].data)}
    if theirs.keypoints is not None:
        result["keypoints"] = largest(ours.keypoints.data, theirs.keypoints.data)
    if theirs.masks is not None:
        result["masks"] = float((ours.masks.data != theirs.masks.data).float().mean())
    print(json.dumps(result))


if __name__ == "__main__":
    prepare_torchvision()
    main(*sys.argv[1:])

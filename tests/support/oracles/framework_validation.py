"""Run as a script: what Ultralytics' own validator measures, for several models.

    python framework_validation.py FOLDER [MODEL.pt DATA.yaml SIZE HEAD]...

Prints JSON: its results dictionary of each. FOLDER takes what it writes. A process of its own, since torchvision is given an
NMS of the framework where its compiled one does not fit torch.
"""

from __future__ import annotations

import json
import sys

from framework_predictions import prepare_torchvision


def main(folder: str, *rest: str) -> None:
    """Validate each model with square pictures, at the framework's own thresholds."""
    from ultralytics import YOLO

    settings = {"rect": False, "batch": 1, "device": "cpu", "workers": 0, "plots": False, "verbose": False}
    found = []
    for model, data, size, head in zip(*(rest[start::4] for start in range(4)), strict=True):
        how = {"end2end": head == "one2one"} if head else {}
        done = YOLO(model).val(data=data, imgsz=int(size), conf=0.001, iou=0.7, project=folder, **how, **settings)
        found.append({name: float(value) for name, value in done.results_dict.items()})
    print(json.dumps(found))


if __name__ == "__main__":
    prepare_torchvision()
    main(*sys.argv[1:])

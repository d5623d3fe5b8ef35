"""YOLOv8 (and every other Ultralytics model: v3u to v12, 26) to a folder that DeepStream runs.

    python samples/convert_yolov8.py yolov8n.pt OUT [--end2end] [--half | --int8 PICTURES]

OUT gets model.onnx, for any runtime, and deepstream/, the folder for DeepStream. docs/yolov8.md says more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trtzoo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .pt of detect, pose, segment or obb")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--img-size", type=int, nargs=2, metavar=("H", "W"), help="default: the model's own")
    parser.add_argument("--end2end", action="store_true", help="NMS in model.onnx too, not only in deepstream/")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--half", action="store_true", help="FP16; decode and NMS stay in FP32")
    precision.add_argument("--int8", type=Path, metavar="PICTURES", help="INT8, calibrated on this folder")
    parser.add_argument("--deepstream", default="9.1", metavar="VERSION", help="default: 9.1")
    try:
        convert(parser.parse_args())
    except trtzoo.TrtZooError as error:
        sys.exit(f"error: {error}")


def convert(options: argparse.Namespace) -> None:
    """Write OUT/model.onnx and OUT/deepstream."""
    options.out.mkdir(parents=True, exist_ok=True)
    settings = trtzoo.ConvertSettings(
        read=trtzoo.ReadOptions(img_size=tuple(options.img_size) if options.img_size else None),
        batch=None,  # any number of pictures at once
        end2end=trtzoo.EndToEnd(trtzoo.NmsSettings(conf_thres=0.25)) if options.end2end else None,
        half=trtzoo.Half() if options.half else None,
        int8=trtzoo.CalibrationSettings(path=options.int8, cache=options.out / "caches") if options.int8 else None,
    )
    done = trtzoo.convert(options.weights, options.out / "model.onnx", settings)
    height, width = done.meta.imgsz
    print(f"{done.path}: {done.meta.task} at {width}x{height}, classes: {len(done.meta.names)}, {done.meta.precision}")

    release = trtzoo.DeepStreamSettings(release=options.deepstream, batch_size=1)
    bundle = trtzoo.deepstream(options.weights, options.out / "deepstream", release, settings)
    print(f"{bundle.path}: {bundle.parser} parser; see README.md in it")
    for note in dict.fromkeys((*done.notes, *bundle.notes)):
        print(f"note: {note}")


if __name__ == "__main__":
    main()

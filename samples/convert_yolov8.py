"""YOLOv8 (and every other Ultralytics model: v3u to v12, 26) to a folder that DeepStream runs.

    python samples/convert_yolov8.py yolov8n.pt OUT [--half | --int8 PICTURES] [--raw]

OUT gets model.onnx (with NMS in it, unless --raw) for any runtime, and deepstream/, the folder for DeepStream.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import trtzoo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .pt of detect, pose, segment or obb")
    parser.add_argument("out", type=Path)
    parser.add_argument("--raw", action="store_true", help="leave NMS out of model.onnx")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--half", action="store_true", help="FP16; decode and NMS stay in FP32")
    precision.add_argument("--int8", type=Path, metavar="PICTURES", help="INT8, calibrated on this folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    settings = trtzoo.ConvertSettings(
        batch=None,  # any number of pictures at once
        end2end=None if options.raw else trtzoo.EndToEnd(trtzoo.NmsSettings(conf_thres=0.25)),
        half=trtzoo.Half() if options.half else None,
        int8=trtzoo.CalibrationSettings(path=options.int8, cache=options.out / "caches") if options.int8 else None,
    )
    done = trtzoo.convert(options.weights, options.out / "model.onnx", settings)
    print(f"{done.path}: {done.meta.task}, {len(done.meta.names)} classes, {done.meta.precision}")

    release = trtzoo.DeepStreamSettings(release="7.1", batch_size=1)
    bundle = trtzoo.deepstream(options.weights, options.out / "deepstream", release, settings)
    print(f"{bundle.path}: {bundle.parser} parser; see README.md in it")


if __name__ == "__main__":
    main()

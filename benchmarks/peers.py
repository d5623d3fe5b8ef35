"""The peers that benchmarks compare with, run as their users run them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

STUBS = Path(__file__).resolve().parents[1] / "tests" / "support" / "stubs"
"""A stand-in for torchvision, which has no build for the CPU build of torch."""


def has_ultralytics() -> bool:
    """Whether the framework is installed."""
    return importlib.util.find_spec("ultralytics") is not None


def export_command(model: Path) -> list[str]:
    """`yolo export`, which writes the ONNX beside the model, simplified by onnxslim (its default)."""
    return [str(Path(sys.executable).with_name("yolo")), "export", f"model={model}", "format=onnx"]


def peer_environment(folder: Path) -> dict[str, str]:
    """The environment of a peer's process: settings in `folder`, no attempt to reach the network."""
    return os.environ | {"PYTHONPATH": str(STUBS), "YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(folder)}


def export(model: Path, folder: Path) -> Path:
    """Export a copy of the model with the framework; returns the ONNX file.

    Raises:
        SystemExit: the framework failed.
    """
    copy = Path(shutil.copy(model, folder))
    done = subprocess.run(
        export_command(copy), env=peer_environment(folder), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"yolo export {model} failed: {done.stderr.strip().splitlines()[-1:]}")
    return copy.with_suffix(".onnx")

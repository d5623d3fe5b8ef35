"""Small DarkNet models for tests: a cfg text and random weights that fit it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from trtzoo.converters.darknet.cfg import read_cfg
from trtzoo.converters.darknet.plan import Layer, plan

TINY = """
[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=21
size=1
activation=linear

[yolo]
mask=0,1,2
anchors=10,14, 23,27, 37,58
classes=2
num=3
"""


def layers_of(cfg: Path) -> list[Layer]:
    """The planned layers of a cfg."""
    return plan(read_cfg(cfg)[0], None)[1]


def write_weights(cfg: Path, seed: int = 0, header: bytes = struct.pack("<3iq", 0, 2, 5, 0)) -> Path:
    """Random weights for a cfg, beside it; convolutions are scaled so that activations keep their size."""
    rng = np.random.default_rng(seed)
    path = cfg.with_suffix(".weights")
    with path.open("wb") as stream:
        stream.write(header)
        for layer in layers_of(cfg):
            for name, shape in layer.weights.items():
                stream.write(_values(name, shape, rng).astype("<f4").tobytes())
    return path


def write_model(folder: Path, text: str = TINY, seed: int = 0) -> Path:
    """A cfg with weights beside it; returns the cfg."""
    cfg = folder / "model.cfg"
    cfg.write_text(text)
    write_weights(cfg, seed)
    return cfg


def _values(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if name == "variance":
        return rng.uniform(0.5, 1.5, shape)
    if name == "scale":
        return rng.uniform(0.7, 1.3, shape)
    if name in ("bias", "mean"):
        return rng.normal(0, 0.1, shape)
    return rng.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape)

"""How pictures become the input of an Ultralytics model: its size, how they are fitted, what a classifier subtracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...contract.choices import Resize
from ...contract.meta import Preprocess
from ...errors import ModelError
from ...graph.weights import Array
from ..checkpoint.facts import trained_size
from ..checkpoint.reader import Record, TensorData
from ..checkpoint.tree import Value
from ..image_size import check_size, round_up
from ..options import ReadOptions
from ..vocabulary.ops import Ops, Tensor

DETECTION_SIZE, CLASSIFICATION_SIZE = 640, 224
"""Input sizes where the checkpoint does not tell the one of its training."""


def input_size(
    model: Record, checkpoint: Mapping[str, Value], options: ReadOptions, strides: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Height and width: the user's, else the square of the training, and what to say where that was rounded up.

    Raises:
        ModelError: the user's is no multiple of the largest stride.
    """
    stride = max(strides, default=1)
    if options.img_size:
        return check_size(options.img_size, stride), ()
    trained = trained_size(model, checkpoint) or (DETECTION_SIZE if strides else CLASSIFICATION_SIZE)
    side = round_up(trained, stride)
    note = f"trained at {trained}, which is no multiple of the largest stride {stride}: converted for {side}x{side}"
    return (side, side), () if side == trained else (note,)


def preprocess_of(task: str, size: tuple[int, int], channels: int) -> Preprocess:
    """Letterbox; a classifier's square input is cropped from the middle, any other is filled by stretching."""
    resize: Resize = "letterbox" if task != "classify" else "crop" if size[0] == size[1] else "stretch"
    return Preprocess(resize=resize, colour="gray" if channels == 1 else "rgb")


@dataclass(frozen=True)
class Normalisation:
    """What a classifier was trained on: (x - mean) / std of each channel, both [C]."""

    mean: Array
    std: Array

    def apply(self, ops: Ops, x: Tensor) -> Tensor:
        """Images 0..1 [B, C, H, W] as the first layer expects them."""
        factor, offset = (values.reshape(1, -1, 1, 1) for values in (1 / self.std, -self.mean / self.std))
        return ops.add(ops.mul(x, factor, "normalise"), offset, "centre")


def normalisation_of(model: Record, channels: int) -> Normalisation | None:
    """The Normalize step of the transforms that a classifier's checkpoint carries, unless it changes nothing.

    Raises:
        ModelError: it does not fit the channels.
    """
    transforms = model.get("transforms")
    steps = transforms.get("transforms") if isinstance(transforms, Record) else None
    for step in steps if isinstance(steps, (list, tuple)) else ():
        if isinstance(step, Record) and step.class_name == "Normalize":
            mean, std = (_by_channel(step, name, channels) for name in ("mean", "std"))
            return None if not mean.any() and (std == 1).all() else Normalisation(mean, std)
    return None


def _by_channel(step: Record, name: str, channels: int) -> Array:
    value = step.attribute(name)
    try:
        values = np.array(value.load() if isinstance(value, TensorData) else value, np.float64).reshape(-1)
        return np.broadcast_to(values, (channels,))
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"'{name}' of the checkpoint's Normalize transform does not fit {channels} channels"
        ) from error

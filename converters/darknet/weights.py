"""DarkNet's `.weights` file: a header, then every layer's float32 arrays in the order of the cfg."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import ModelError
from ...files import refuse_stand_in, require_file
from ...graph.weights import Array, Weight
from .plan import Layer
from .sections.convolutional import EPSILON

_ITEM = 4
_LATEST = 2000
"""No number of a DarkNet version is greater; above 1000 it says that fully connected layers are transposed."""


@dataclass(frozen=True)
class Header:
    """Version of the DarkNet that wrote the file, pictures seen in training, and the header's size in bytes."""

    version: tuple[int, int, int]
    seen: int
    size: int


def read_header(path: Path) -> Header:
    """Read the header: `seen` takes 8 bytes from version 0.2 on, 4 before (AlexeyAB/darknet, src/parser.c, load_weights_upto).

    Raises:
        InputError: missing or empty.
        ModelError: too short for a header.
    """
    require_file(path, "DarkNet weights")
    with path.open("rb") as stream:
        data = stream.read(32)
    refuse_stand_in(path, data)
    data = data[:20]
    if len(data) < 16:
        raise ModelError(
            f"{path} has {len(data)} bytes, less than the header of a DarkNet weights file; fetch it again"
        )
    major, minor, revision = struct.unpack_from("<3i", data)
    if not all(0 <= number <= _LATEST for number in (major, minor, revision)):
        raise ModelError(
            f"{path} does not begin like DarkNet weights (version {major}.{minor}.{revision}); it is another kind of file"
        )
    long = major * 10 + minor >= 2 and major < 1000 and minor < 1000
    if long and len(data) < 20:
        raise ModelError(f"{path} ends within its header; fetch it again")
    seen = struct.unpack_from("<q" if long else "<i", data, 12)[0]
    return Header((major, minor, revision), seen, 20 if long else 16)


def open_weights(path: Path, layers: Sequence[Layer]) -> tuple[dict[int, dict[str, Weight]], list[str]]:
    """The arrays of every layer that has some, by layer number and name, and notes; each is mapped when it is asked for.

    Raises:
        InputError: missing or empty.
        ModelError: the file holds less than the layers need, or what cannot be theirs.
    """
    header = read_header(path)
    notes = _check_length(path, header, layers)
    offset, weights = header.size, {}
    for layer in layers:
        arrays = {}
        for name, shape in layer.weights.items():
            arrays[name] = _weight(path, offset, shape)
            offset += math.prod(shape) * _ITEM
        if arrays:
            weights[layer.index] = arrays
    _check_variances(path, layers, weights)
    return weights, notes


def _weight(path: Path, offset: int, shape: tuple[int, ...]) -> Weight:
    def load() -> Array:
        return np.memmap(path, "<f4", "r", offset, shape)

    return Weight(shape, np.dtype(np.float32), load)


def _check_length(path: Path, header: Header, layers: Sequence[Layer]) -> list[str]:
    """Notes, if the file is longer than needed: DarkNet leaves the rest unread."""
    have = path.stat().st_size - header.size
    need = sum(layer.weight_count for layer in layers) * _ITEM
    numbers = (
        f"it holds {have / _ITEM:,.10g} numbers after its {header.size}-byte header, the cfg needs {need // _ITEM:,}"
    )
    if have >= need:
        advice = "DarkNet leaves the rest unread, and so does trtzoo; check that cfg and weights belong together"
        return [f"{path} is {(have - need) / _ITEM:,.10g} numbers too long: {numbers}; {advice}"] if have > need else []
    end = 0
    for layer in layers:
        end += layer.weight_count * _ITEM
        if end > have:
            break
    raise ModelError(
        f"{path} is {(need - have) / _ITEM:,.10g} numbers too short: the file ends within layer {layer.index} "
        f"({layer.section.where()}); {numbers}; the cfg and the weights do not belong together, or classes=, filters= or "
        f"anchors were changed after training"
    )


def _check_variances(path: Path, layers: Sequence[Layer], weights: dict[int, dict[str, Weight]]) -> None:
    """A file whose layers lie elsewhere is found out by variances of which DarkNet could not take the root either."""
    for layer in layers:
        arrays = weights.get(layer.index, {})
        if "variance" in arrays:
            values = arrays["variance"].load()
            if not np.all(np.isfinite(values)) or np.any(values <= -EPSILON):
                raise ModelError(
                    f"{path}: the batch-normalisation variances of layer {layer.index} ({layer.section.where()}) are negative or "
                    f"not finite, so these are the weights of another cfg, or damaged"
                )

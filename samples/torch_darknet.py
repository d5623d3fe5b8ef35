"""A DarkNet cfg as a torch network, and its .weights file: as much of both as the sample detector needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

Section = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class Head:
    """A [yolo] section: all anchors of the network [A, 2] as parts of the input, and which of them are its own."""

    anchors: Tensor
    mask: list[int]
    scale_x_y: float


def read_cfg(path: Path) -> list[Section]:
    """The sections of a DarkNet cfg in order, each with its keys."""
    sections: list[Section] = []
    for line in path.read_text().splitlines():
        text = line.split("#")[0].strip()
        if text.startswith("["):
            sections.append((text.strip("[]"), {}))
        elif text:
            key, value = text.split("=")
            sections[-1][1][key.strip()] = value.strip()
    return sections


class Darknet(nn.Module):
    """The network of a cfg with the sections convolutional, maxpool, upsample, route and yolo."""

    def __init__(self, cfg: Path) -> None:
        super().__init__()
        (_, net), *self.sections = read_cfg(cfg)
        self.size = int(net["width"]), int(net["height"])
        self.heads: list[Head] = []
        self.layers = nn.ModuleList()
        channels: list[int] = []
        for index, (kind, keys) in enumerate(self.sections):
            before = channels[-1] if channels else int(net["channels"])
            sources = [channels[source] for source in self._sources(index)] if kind == "route" else [before]
            channels.append(int(keys.get("filters", sum(sources) // int(keys.get("groups", 1)))))
            self.layers.append(_layer(kind, keys, before))
            if kind == "yolo":
                self.heads.append(_head(keys, self.size))

    def _sources(self, index: int) -> list[int]:
        layers = [int(layer) for layer in self.sections[index][1]["layers"].split(",")]
        return [index + layer if layer < 0 else layer for layer in layers]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures [B, 3, H, W], RGB, 0..1, to the raw output [B, anchors, h, w, 5 + classes] of every head."""
        outputs: list[Tensor] = []
        raw: list[Tensor] = []
        for index, ((kind, keys), layer) in enumerate(zip(self.sections, self.layers, strict=True)):
            if kind == "route":
                parts, group = int(keys.get("groups", 1)), int(keys.get("group_id", 0))
                x = torch.cat([outputs[source].chunk(parts, 1)[group] for source in self._sources(index)], 1)
            elif kind == "yolo":
                batch, _, height, width = x.shape
                anchors = len(self.heads[len(raw)].mask)
                raw.append(x.reshape(batch, anchors, -1, height, width).permute(0, 1, 3, 4, 2))
            else:
                x = layer(x)
            outputs.append(x)
        return raw


def _layer(kind: str, keys: dict[str, str], channels: int) -> nn.Module:
    stride = int(keys.get("stride", 1))
    if kind == "maxpool":
        return nn.MaxPool2d(int(keys["size"]), stride)
    if kind == "upsample":
        return nn.Upsample(scale_factor=stride)
    if kind != "convolutional":
        return nn.Identity()
    filters, size, normalized = int(keys["filters"]), int(keys["size"]), "batch_normalize" in keys
    convolution = nn.Conv2d(channels, filters, size, stride, size // 2, bias=not normalized)
    if not normalized:
        nn.init.constant_(convolution.bias, -2.0)  # type: ignore[arg-type]
        return nn.Sequential(convolution)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters, eps=1e-5, momentum=0.03), nn.LeakyReLU(0.1))


def _head(keys: dict[str, str], size: tuple[int, int]) -> Head:
    anchors = torch.tensor([float(value) for value in keys["anchors"].split(",")]).reshape(-1, 2)
    mask = [int(value) for value in keys["mask"].split(",")]
    return Head(anchors / torch.tensor(size), mask, float(keys["scale_x_y"]))


def stored_tensors(network: Darknet) -> Iterator[Tensor]:
    """What a .weights file holds, in its order (DarkNet: load_convolutional_weights in parser.c)."""
    normalized = ("1.bias", "1.weight", "1.running_mean", "1.running_var", "0.weight")
    for layer in network.layers:
        if isinstance(layer, nn.Sequential):
            state = layer.state_dict()
            yield from (state[name] for name in (normalized if "1.weight" in state else ("0.bias", "0.weight")))


def write_weights(network: Darknet, path: Path, seen: int) -> None:
    """Write a .weights file, version 0.2.5, `seen` pictures."""
    header = np.array([0, 2, 5], "<i4").tobytes() + np.array([seen], "<i8").tobytes()
    values = [tensor.cpu().numpy().astype("<f4").tobytes() for tensor in stored_tensors(network)]
    path.write_bytes(header + b"".join(values))


def read_weights(network: Darknet, path: Path) -> None:
    """Fill the network from a .weights file; a file of another length is refused with a RuntimeError."""
    values = torch.from_numpy(np.fromfile(path, "<f4", offset=20))
    tensors = list(stored_tensors(network))
    for tensor, part in zip(tensors, torch.split(values, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.reshape(tensor.shape))

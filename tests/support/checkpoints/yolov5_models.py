"""Whole YOLOv5 models of `yolov5_torch`'s blocks: heads, random weights, and pickles under the original's module paths."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType

import torch
import yolov5_torch
from torch import nn
from yolov5_torch import Conv


class Proto(nn.Module):
    def __init__(self, c1, hidden, masks):
        super().__init__()
        self.cv1, self.cv2, self.cv3 = Conv(c1, hidden, 3), Conv(hidden, hidden, 3), Conv(hidden, masks)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x):
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


class Detect(nn.Module):
    """`buffer`: anchors in pixels are stored too, as before 6.1. `convs`: it holds its convolutions (not in 1.0)."""

    def __init__(self, nc, anchors, strides, channels, buffer=False, convs=True, extra=0):
        super().__init__()
        pixels = torch.tensor(anchors, dtype=torch.float32).view(len(strides), -1, 2)
        self.nc, self.nl, self.na, self.no = nc, len(strides), pixels.shape[1], nc + 5 + extra
        self.stride = torch.tensor(strides, dtype=torch.float32)
        self.register_buffer("anchors", pixels / self.stride.view(-1, 1, 1))
        self.grid = [torch.zeros(1)] * self.nl
        if buffer:
            self.register_buffer("anchor_grid", pixels.view(self.nl, 1, -1, 1, 1, 2))
        else:
            self.anchor_grid = [torch.zeros(1)] * self.nl
        if convs:
            self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in channels)

    def forward(self, xs):
        return torch.cat([self._level(level, x) for level, x in enumerate(xs)], dim=1)

    def _level(self, level, x):
        x = self.m[level](x) if hasattr(self, "m") else x
        batch, _, height, width = x.shape
        x = x.view(batch, self.na, self.no, height, width)
        y, x_ = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cells = torch.stack((x_, y)).float()
        stride = self.stride[level]
        size = (self.anchors[level] * stride)[:, :, None, None]
        centre = (x[:, :, 0:2].sigmoid() * 2 - 0.5 + cells) * stride
        extent = (x[:, :, 2:4].sigmoid() * 2) ** 2 * size
        tail = self.tail(x[:, :, 4:], cells, stride)
        return torch.cat((centre, extent, tail), dim=2).permute(0, 1, 3, 4, 2).reshape(batch, -1, self.no)

    def tail(self, x, cells, stride):
        return x.sigmoid()


class Segment(Detect):
    def __init__(self, nc, anchors, strides, channels, masks=4, hidden=8):
        super().__init__(nc, anchors, strides, channels, extra=masks)
        self.nm, self.npr, self.proto = masks, hidden, Proto(channels[0], hidden, masks)

    def tail(self, x, cells, stride):
        return torch.cat((x[:, :, : 1 + self.nc].sigmoid(), x[:, :, 1 + self.nc :]), dim=2)

    def forward(self, xs):
        return super().forward(xs), self.proto(xs[0])


class KeypointDetect(Detect):
    """TexasInstruments' Detect: the channels of two convolutions are joined before they are cut into anchors."""

    def __init__(self, points, anchors, strides, channels):
        super().__init__(1, anchors, strides, channels, buffer=True, extra=3 * points)
        self.nkpt, self.no_det, self.no_kpt, self.dw_conv_kpt = points, 6, 3 * points, False
        self.m = nn.ModuleList(nn.Conv2d(c, self.no_det * self.na, 1) for c in channels)
        self.m_kpt = nn.ModuleList(nn.Conv2d(c, self.no_kpt * self.na, 1) for c in channels)

    def _level(self, level, x):
        joined = torch.cat((self.m[level](x), self.m_kpt[level](x)), dim=1)
        modules, self._modules = self._modules, {}
        try:
            return super()._level(level, joined)
        finally:
            self._modules = modules

    def tail(self, x, cells, stride):
        points = x[:, :, 2:].unflatten(2, (self.nkpt, 3))
        xy = (points[:, :, :, :2] * 2 - 0.5 + cells) * stride
        points = torch.cat((xy, points[:, :, :, 2:].sigmoid()), dim=3).flatten(2, 3)
        return torch.cat((x[:, :, :2].sigmoid(), points), dim=2)


KeypointDetect.__name__ = "Detect"


class Classify(nn.Module):
    """Release 6.2 and later; `old` is the head of the releases before: a convolution of the pooled inputs."""

    def __init__(self, c1, classes, old=False):
        super().__init__()
        if old:
            self.aap, self.conv, self.flat = nn.AdaptiveAvgPool2d(1), nn.Conv2d(c1, classes, 1), nn.Flatten()
        else:
            self.conv, self.pool, self.drop = Conv(c1, 16), nn.AdaptiveAvgPool2d(1), nn.Dropout(0.0)
            self.linear = nn.Linear(16, classes)

    def forward(self, x):
        if hasattr(self, "aap"):
            return self.flat(
                self.conv(torch.cat([self.aap(part) for part in (x if isinstance(x, list) else [x])], dim=1))
            )
        x = torch.cat(x, dim=1) if isinstance(x, list) else x
        return self.linear(self.drop(self.pool(self.conv(x)).flatten(1)))


class NMS(nn.Module):
    def forward(self, x):
        return x


class Model(nn.Module):
    """`layers`: rows of (from, module), -1 for the layer before."""

    def __init__(self, layers, names):
        super().__init__()
        self.names, self.nc, self.yaml = names, len(names), {"nc": len(names)}
        for index, (source, module) in enumerate(layers):
            module.i, module.f, module.type = index, source, type(module).__name__
        self.model = nn.Sequential(*(module for _, module in layers))
        self.save = []
        self.stride = torch.tensor([8.0, 16.0, 32.0])

    def forward(self, x):
        outputs = []
        for module in self.model:
            sources = [module.f] if isinstance(module.f, int) else module.f
            inputs = [x if source == -1 else outputs[source] for source in sources]
            x = module(inputs[0] if isinstance(module.f, int) else inputs)
            outputs.append(x)
        return x


class ClassificationModel(Model):
    pass


class SegmentationModel(Model):
    pass


_HOMES = {
    "yolo": ("Detect", "Segment", "Model", "ClassificationModel", "SegmentationModel"),
    "activations": ("FReLU", "AconC", "MetaAconC", "Hardswish", "MemoryEfficientMish"),
    "experimental": ("CrossConv", "MixConv2d", "Sum"),
}
"""Module of the original that defines a class; all others are in `models.common`."""
_OURS = (__name__, yolov5_torch.__name__)


def randomise(model, seed):
    """Random weights and batch statistics that keep activations in a range where every layer matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if name.endswith(("anchors", "anchor_grid", "num_batches_tracked")):
            continue
        scale = 1.5 / max(1, tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.3
        values = torch.randn(tensor.shape, generator=generator) * scale
        positive = name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1)
        tensor.data.copy_(values.abs() + 0.5 if positive else values)
    return model.eval()


@contextmanager
def _importable(model, root):
    """Let pickle find the model's classes under the original's module paths."""
    classes = {type(module) for module in model.modules() if type(module).__module__ in _OURS}
    added, own = {}, {cls: cls.__module__ for cls in classes}
    for cls in classes:
        home = next((home for home, names in _HOMES.items() if cls.__name__ in names), "common")
        cls.__qualname__ = cls.__name__
        cls.__module__ = path = f"{root}utils.activations" if home == "activations" else f"{root}models.{home}"
        for end in [position for position, letter in enumerate(f"{path}.") if letter == "."]:
            added.setdefault(path[:end], ModuleType(path[:end]))
        setattr(added[path], cls.__name__, cls)
    before = {path: sys.modules[path] for path in added if path in sys.modules}
    try:
        sys.modules.update(added)
        yield
    finally:
        for cls, module in own.items():
            cls.__module__ = module
        for path in added:
            del sys.modules[path]
        sys.modules.update(before)


def save(model, path, root="", **checkpoint):
    """Write `{"model": model, "ema": None, ...}` with the classes under `<root>models.common` and so on."""
    with _importable(model, root):
        torch.save({"model": model, "ema": None, **checkpoint}, path)

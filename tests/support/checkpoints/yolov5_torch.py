"""YOLOv5's blocks in torch: the oracle for module classes and releases that no golden case covers.

Attribute names are those that a checkpoint of the original holds (`cv1`, `m`, `anchor_grid`, ...), since they are the
format; the arithmetic is written anew. `yolov5_models` makes whole models of them.
"""

from __future__ import annotations

import torch
from torch import nn


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, g=1, act=None):
        super().__init__()
        padding = k // 2 if isinstance(k, int) else tuple(size // 2 for size in k)
        self.conv = nn.Conv2d(c1, c2, k, s, padding, groups=g, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3)
        self.act = act if act is not None else nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)) if hasattr(self, "bn") else self.conv(x))


class DWConv(Conv):
    pass


class Bottleneck(nn.Module):
    def __init__(self, c1, c2, add=True, k=(1, 3), act=None):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c1, c2, k[0], act=act), Conv(c2, c2, k[1], act=act), add

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class CrossConv(Bottleneck):
    def __init__(self, c1, c2):
        super().__init__(c1, c2, k=((1, 3), (3, 1)))


class BottleneckCSP(nn.Module):
    def __init__(self, c1, c2, n=1, act=None):
        super().__init__()
        half = c2 // 2
        self.cv1, self.cv4 = Conv(c1, half), Conv(2 * half, c2)
        self.cv2, self.cv3 = nn.Conv2d(c1, half, 1, bias=False), nn.Conv2d(half, half, 1, bias=False)
        self.bn, self.act = nn.BatchNorm2d(2 * half), act or nn.LeakyReLU(0.1)
        self.m = nn.Sequential(*(Bottleneck(half, half) for _ in range(n)))

    def forward(self, x):
        joined = torch.cat((self.cv3(self.m(self.cv1(x))), self.cv2(x)), dim=1)
        return self.cv4(self.act(self.bn(joined)))


class C3(nn.Module):
    def __init__(self, c1, c2, inner=None):
        super().__init__()
        half = c2 // 2
        self.cv1, self.cv2, self.cv3 = Conv(c1, half), Conv(c1, half), Conv(2 * half, c2)
        self.m = inner(half) if inner else nn.Sequential(Bottleneck(half, half))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


class C3x(C3):
    pass


class C3SPP(C3):
    pass


class C3Ghost(C3):
    pass


class C3TR(C3):
    pass


class TransformerLayer(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(c, c, bias=False) for _ in range(3))
        self.ma = nn.MultiheadAttention(c, heads)
        self.fc1, self.fc2 = nn.Linear(c, c, bias=False), nn.Linear(c, c, bias=False)

    def forward(self, x):
        x = x + self.ma(self.q(x), self.k(x), self.v(x))[0]
        return x + self.fc2(self.fc1(x))


class TransformerBlock(nn.Module):
    def __init__(self, c1, c2, heads=2, layers=2):
        super().__init__()
        self.conv = Conv(c1, c2) if c1 != c2 else None
        self.linear, self.c2 = nn.Linear(c2, c2), c2
        self.tr = nn.Sequential(*(TransformerLayer(c2, heads) for _ in range(layers)))

    def forward(self, x):
        x = x if self.conv is None else self.conv(x)
        tokens = x.flatten(2).permute(2, 0, 1)
        return self.tr(tokens + self.linear(tokens)).permute(1, 2, 0).reshape(x.shape)


class SPP(nn.Module):
    def __init__(self, c1, c2, k=(5, 9, 13)):
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(c1 // 2 * (len(k) + 1), c2)
        self.m = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in k)

    def forward(self, x):
        x = self.cv1(x)
        return self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], dim=1))


class SPPF(nn.Module):
    def __init__(self, c1, c2, k=5):
        super().__init__()
        self.cv1, self.cv2, self.m = Conv(c1, c1 // 2), Conv(c1 // 2 * 4, c2), nn.MaxPool2d(k, 1, k // 2)

    def forward(self, x):
        steps = [self.cv1(x)]
        for _ in range(3):
            steps.append(self.m(steps[-1]))
        return self.cv2(torch.cat(steps, dim=1))


class Contract(nn.Module):
    def __init__(self, gain=2):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        return torch.cat(
            [x[..., i :: self.gain, j :: self.gain] for i in range(self.gain) for j in range(self.gain)], 1
        )


class Expand(nn.Module):
    def __init__(self, gain=2):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        gain = self.gain
        batch, channels, height, width = x.shape
        out = x.new_zeros(batch, channels // gain**2, height * gain, width * gain)
        blocks = x.chunk(gain**2, dim=1)
        for number, block in enumerate(blocks):
            out[..., number // gain :: gain, number % gain :: gain] = block
        return out


class Focus(nn.Module):
    def __init__(self, c1, c2, k=3, contract=False):
        super().__init__()
        self.conv = Conv(c1 * 4, c2, k)
        if contract:
            self.contract = Contract(2)

    def forward(self, x):
        corners = [(0, 0), (0, 1), (1, 0), (1, 1)] if hasattr(self, "contract") else [(0, 0), (1, 0), (0, 1), (1, 1)]
        return self.conv(torch.cat([x[..., y::2, x_::2] for y, x_ in corners], dim=1))


class GhostConv(nn.Module):
    def __init__(self, c1, c2, act=None):
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c2 // 2, act=act), Conv(c2 // 2, c2 // 2, 5, g=c2 // 2, act=act)

    def forward(self, x):
        y = self.cv1(x)
        return torch.cat((y, self.cv2(y)), dim=1)


class GhostBottleneck(nn.Module):
    def __init__(self, c1, c2, s=1):
        super().__init__()
        plain = nn.Identity()
        middle = DWConv(c2 // 2, c2 // 2, 3, s, g=c2 // 2, act=plain) if s == 2 else nn.Identity()
        self.conv = nn.Sequential(GhostConv(c1, c2 // 2), middle, GhostConv(c2 // 2, c2, act=plain))
        down = nn.Sequential(DWConv(c1, c1, 3, s, g=c1, act=plain), Conv(c1, c2, act=plain))
        self.shortcut = down if s == 2 else nn.Identity()

    def forward(self, x):
        return self.conv(x) + self.shortcut(x)


class MixConv2d(nn.Module):
    def __init__(self, c1, c2, k=(1, 3), s=1):
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(c1, c2 // len(k), size, s, size // 2, bias=False) for size in k)
        self.bn, self.act = nn.BatchNorm2d(c2), nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(torch.cat([conv(x) for conv in self.m], dim=1)))


class Sum(nn.Module):
    def __init__(self, n, weight):
        super().__init__()
        self.weight, self.iter = weight, range(n - 1)
        if weight:
            self.w = nn.Parameter(torch.randn(n - 1))

    def forward(self, xs):
        factors = 2 * torch.sigmoid(self.w) if self.weight else torch.ones(len(xs) - 1)
        return xs[0] + sum(x * factor for x, factor in zip(xs[1:], factors, strict=True))


class Concat(nn.Module):
    def __init__(self):
        super().__init__()
        self.d = 1

    def forward(self, xs):
        return torch.cat(xs, self.d)


class DWConvTranspose2d(nn.ConvTranspose2d):
    pass


class FReLU(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(c, c, 3, 1, 1, groups=c, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        return torch.maximum(x, self.bn(self.conv(x)))


class AconC(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.p1, self.p2, self.beta = (nn.Parameter(torch.randn(1, c, 1, 1)) for _ in range(3))

    def forward(self, x):
        slope = (self.p1 - self.p2) * x
        return slope * torch.sigmoid(self.beta * slope) + self.p2 * x


class MetaAconC(nn.Module):
    def __init__(self, c, hidden=4):
        super().__init__()
        self.p1, self.p2 = (nn.Parameter(torch.randn(1, c, 1, 1)) for _ in range(2))
        self.fc1, self.fc2 = nn.Conv2d(c, hidden, 1), nn.Conv2d(hidden, c, 1)

    def forward(self, x):
        slope, mean = (self.p1 - self.p2) * x, x.mean((2, 3), keepdim=True)
        return slope * torch.sigmoid(self.fc2(self.fc1(mean)).sigmoid() * slope) + self.p2 * x


class Hardswish(nn.Module):
    def forward(self, x):
        return x * torch.clamp(x + 3, 0, 6) / 6


class MemoryEfficientMish(nn.Module):
    def forward(self, x):
        return x * torch.tanh(nn.functional.softplus(x))

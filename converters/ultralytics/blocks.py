"""Ultralytics' own blocks, as a block table (see `converters/modules.py`). A new block of a model is one function here.

The structures, by the models that brought them: ELAN and ADown (YOLOv9, Wang et al. 2024), SCDown, CIB and RepVGGDW
(YOLOv10, Wang et al. 2024), HGNet (PaddleDetection), ResNet (He et al. 2015). Parallel convolutions are merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import ModelError
from ..checkpoint.reader import Record
from ..torch_modules.blocks import COMMON_BLOCKS, activate, add_shortcut, block_conv, bottleneck, c2f, c3, halves, proto
from ..torch_modules.layers import identity
from ..torch_modules.modules import Block, Walker, conv_of, has, identity_conv, integer, merged_conv
from ..vocabulary.ops import Conv, Tensor
from .attention import ATTENTION_BLOCKS


def _rep_conv(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """A 3x3, a 1x1 and an identity branch, merged; one convolution where the file was fused already."""
    return activate(walker, module, walker.ops.conv2d(x, _rep_conv_weights(module)))


def _rep_conv_weights(module: Record) -> Conv:
    if has(module, "conv"):
        return conv_of(module.child("conv"))
    branches = [block_conv(module.child("conv1")), block_conv(module.child("conv2"))]
    if has(module, "bn"):
        branches.append(identity_conv(module.child("bn"), branches[0].groups))
    return merged_conv(branches)


def _rep_vgg_dw(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """A 7x7 and a 3x3 depthwise branch, merged."""
    branches = [block_conv(module.child(name)) for name in ("conv", "conv1") if has(module, name)]
    return activate(walker, module, walker.ops.conv2d(x, merged_conv(branches)))


def _rep_c3(walker: Walker, module: Record, x: Tensor) -> Tensor:
    deep = walker.child(module, "m", walker.child(module, "cv1", x))
    return walker.child(module, "cv3", walker.ops.add(deep, walker.child(module, "cv2", x)))


def _elan(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """Both halves of cv1, then cv2 and cv3 one after the other, all joined."""
    parts = halves(walker.ops, walker.child(module, "cv1", x))
    for name in ("cv2", "cv3"):
        parts.append(walker.child(module, name, parts[-1]))
    return walker.child(module, "cv4", walker.ops.concat(parts))


def _sppelan(walker: Walker, module: Record, x: Tensor) -> Tensor:
    parts = [walker.child(module, "cv1", x)]
    for name in ("cv2", "cv3", "cv4"):
        parts.append(walker.child(module, name, parts[-1]))
    return walker.child(module, "cv5", walker.ops.concat(parts))


def _smoothed(walker: Walker, x: Tensor) -> Tensor:
    """The mean of every 2x2 pixels, one row and column less."""
    return walker.ops.avg_pool(x, (2, 2), (1, 1))


def _a_conv(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.child(module, "cv1", _smoothed(walker, x))


def _a_down(walker: Walker, module: Record, x: Tensor) -> Tensor:
    left, right = halves(walker.ops, _smoothed(walker, x))
    pooled = walker.ops.max_pool(right, (3, 3), (2, 2), (1, 1, 1, 1))
    return walker.ops.concat([walker.child(module, "cv1", left), walker.child(module, "cv2", pooled)])


def _cb_linear(walker: Walker, module: Record, x: Tensor) -> list[Tensor]:
    sizes = module.attribute("c2s")
    if not isinstance(sizes, (list, tuple)) or not all(isinstance(size, int) for size in sizes):
        raise ModelError(
            f"{walker.where}: 'c2s' of its CBLinear is no list of channel numbers; the checkpoint is damaged"
        )
    return walker.ops.split(walker.child(module, "conv", x), sizes)


def _cb_fuse(walker: Walker, module: Record, xs: Sequence[Sequence[Tensor]]) -> Tensor:
    """The sum of one output of each source, enlarged to the size of the last source."""
    *sources, total = xs
    target = walker.ops.shape(total)[1:]
    for source, chosen in zip(sources, module.attribute("idx"), strict=True):
        total = walker.ops.add(total, _enlarged(walker, source[chosen], target))
    return total


def _enlarged(walker: Walker, x: Tensor, target: tuple[int, ...]) -> Tensor:
    """Nearest neighbour to a size that is a whole multiple."""
    height, width = walker.ops.shape(x)[1:]
    factor = target[0] // height
    if (height * factor, width * factor) != target:
        raise walker.unsupported(f"resizing {height}x{width} to {target[0]}x{target[1]}")
    return x if factor == 1 else walker.ops.resize_nearest(x, factor)


def _sc_down(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.child(module, "cv2", walker.child(module, "cv1", x))


def _cib(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return add_shortcut(walker, module, x, walker.child(module, "cv1", x))


def _light_conv(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.child(module, "conv2", walker.child(module, "conv1", x))


def _hg_stem(walker: Walker, module: Record, x: Tensor) -> Tensor:
    ops, right_and_below = walker.ops, (0, 0, 1, 1)
    x = ops.pad(walker.child(module, "stem1", x), right_and_below)
    conv = walker.child(module, "stem2b", ops.pad(walker.child(module, "stem2a", x), right_and_below))
    joined = ops.concat([walker.child(module, "pool", x), conv])
    return walker.child(module, "stem4", walker.child(module, "stem3", joined))


def _hg_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    joined = walker.ops.concat([x, *walker.chain(module, "m", x)])
    return add_shortcut(walker, module, x, walker.child(module, "ec", walker.child(module, "sc", joined)))


def _resnet_block(walker: Walker, module: Record, x: Tensor) -> Tensor:
    y = x
    for name in ("cv1", "cv2", "cv3"):
        y = walker.child(module, name, y)
    return walker.ops.unary("relu", walker.ops.add(y, walker.child(module, "shortcut", x)))


def _resnet_layer(walker: Walker, module: Record, x: Tensor) -> Tensor:
    return walker.child(module, "layer", x)


def _torchvision_residual(walker: Walker, module: Record, x: Tensor) -> Tensor:
    """BasicBlock and Bottleneck of torchvision's ResNets: numbered pairs of convolution and normalisation."""
    count = sum(has(module, f"conv{number}") for number in (1, 2, 3))
    y = x
    for number in range(1, count + 1):
        y = walker.ops.conv2d(y, conv_of(module.child(f"conv{number}"), module.child(f"bn{number}")), f"conv{number}")
        y = walker.child(module, "relu", y) if number < count else y
    shortcut = walker.child(module, "downsample", x) if has(module, "downsample") else x
    return walker.child(module, "relu", walker.ops.add(y, shortcut))


def _torchvision(walker: Walker, module: Record, x: Tensor) -> Tensor | list[Tensor]:
    """A torchvision network cut into its layers; with `split`, every layer's output."""
    if module.get("split", False):
        return [x, *walker.chain(module, "m", x)]
    return walker.child(module, "m", x)


def _index(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Tensor:
    return xs[integer(module, "index", 0)]


def _proto26(walker: Walker, module: Record, xs: Sequence[Tensor]) -> Tensor:
    """The same of all levels, enlarged to the first and summed."""
    total, target = xs[0], walker.ops.shape(xs[0])[1:]
    for index, x in enumerate(xs[1:]):
        refined = walker.child(module, f"feat_refine.{index}", x)
        total = walker.ops.add(total, _enlarged(walker, refined, target))
    return proto(walker, module, walker.child(module, "feat_fuse", total))


BLOCKS: Mapping[str, Block] = {
    **COMMON_BLOCKS,
    **ATTENTION_BLOCKS,
    "Silence": identity,
    "DWConvTranspose2d": COMMON_BLOCKS["ConvTranspose2d"],
    "C3k": c3,
    "C3k2": c2f,
    "C2fCIB": c2f,
    "CIB": _cib,
    "SCDown": _sc_down,
    "LightConv": _light_conv,
    "RepConv": _rep_conv,
    "RepVGGDW": _rep_vgg_dw,
    "RepC3": _rep_c3,
    "RepBottleneck": bottleneck,
    "RepCSP": c3,
    "RepNCSPELAN4": _elan,
    "ELAN1": _elan,
    "SPPELAN": _sppelan,
    "AConv": _a_conv,
    "ADown": _a_down,
    "CBLinear": _cb_linear,
    "CBFuse": _cb_fuse,
    "HGStem": _hg_stem,
    "HGBlock": _hg_block,
    "ResNetBlock": _resnet_block,
    "ResNetLayer": _resnet_layer,
    "TorchVision": _torchvision,
    "torchvision.models.resnet.BasicBlock": _torchvision_residual,
    "torchvision.models.resnet.Bottleneck": _torchvision_residual,
    "Index": _index,
    "Proto": proto,
    "Proto26": _proto26,
}
"""Blocks by class name, or by full class path where another library uses the same name."""

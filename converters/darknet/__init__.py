"""DarkNet: a `.cfg` and its `.weights` become a network (v2, v3, v4, v7-tiny and their relatives)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...contract.meta import ModelMeta, Preprocess
from ...errors import ModelError
from ..names import numbered_names, read_names
from ..network import Network
from ..options import ReadOptions
from .cfg import read_cfg
from .decode import Head
from .forward import DarkNet
from .keys import check_keys
from .plan import Layer, describe, plan
from .weights import open_weights

LETTER_BOX_PAD = 0.5
"""Value around a letterboxed picture (AlexeyAB/darknet, src/image.c, letterbox_image)."""


def read(path: Path, options: ReadOptions) -> Network:
    """Read a cfg and its weights.

    Raises:
        InputError: a file is missing or says something that cannot be, with file and line.
        ModelError: cfg and weights, or the layers of the cfg, do not fit together.
        UnsupportedError: a section or key that trtzoo does not convert.
    """
    sections, warnings = read_cfg(path)
    warnings += check_keys(sections)
    net, layers = plan(sections, options.img_size)
    weights_file = Path(options.weights or path.with_suffix(".weights"))
    weights, surplus = open_weights(weights_file, layers)
    heads = [layer for layer in layers if isinstance(layer.spec, Head)]
    meta = ModelMeta(
        family="darknet",
        task="detect",
        names=_names(path, options, _classes(heads)),
        strides=tuple(round(net.height / layer.output[1]) for layer in heads),
        imgsz=(net.height, net.width),
        channels=net.channels,
        multi_label=True,
        preprocess=Preprocess(
            resize="letterbox" if net.letter_box else "stretch",
            pad=LETTER_BOX_PAD,
            colour="gray" if net.channels == 1 else "rgb",
            sampling="darknet",
        ),
        source=path.name,
    )
    notes = (*warnings, *surplus, *_nms_note(heads), *_names_note(path, options))
    return Network(meta, DarkNet(net, layers, weights), notes, tuple(describe(layer) for layer in layers), weights_file)


def _classes(heads: Sequence[Layer]) -> int:
    counts = {layer.spec.classes for layer in heads if isinstance(layer.spec, Head)}
    if len(counts) > 1:
        raise ModelError(
            f"{heads[-1].section.where('classes')} the heads have different classes= ({counts}); make them equal"
        )
    return counts.pop()


def _names(path: Path, options: ReadOptions, classes: int) -> tuple[str, ...]:
    beside = path.with_suffix(".names")
    if options.names or beside.is_file():
        return read_names(options.names or beside, classes)
    return numbered_names(classes)


def _names_note(path: Path, options: ReadOptions) -> tuple[str, ...]:
    beside = path.with_suffix(".names")
    if options.names or beside.is_file():
        return ()
    return (
        f"no class names: {beside.name} is not beside the cfg, so they are class0, class1, ...; give them with --names",
    )


def _nms_note(heads: Sequence[Layer]) -> tuple[str, ...]:
    for layer in heads:
        kind = layer.spec.nms_kind if isinstance(layer.spec, Head) else "default"
        if kind != "default":
            return (
                f"{layer.section.where('nms_kind')} nms_kind={kind}: DarkNet suppresses by distance-IoU here; trtzoo suppresses "
                f"by plain IoU, which keeps slightly fewer boxes",
            )
    return ()

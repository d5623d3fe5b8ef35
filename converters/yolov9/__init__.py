"""YOLOv9 and GELAN checkpoints of WongKinYiu's repository: detection, with the auxiliary branches left out.

Their module paths are YOLOv5's; their heads are anchor-free, as those of Ultralytics, whose decode they share. A head has up
to three branches of its own convolutions on as many groups of inputs; the last is the model, the others served the training.

    DDetect        cv2, cv3
    DualDDetect    cv2, cv3 (auxiliary)  cv4, cv5
    TripleDDetect  cv2, cv3 (auxiliary)  cv4, cv5 (auxiliary)  cv6, cv7
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...contract.meta import ModelMeta
from ...errors import ModelError
from ...files import sha256_of
from ..checkpoint.facts import class_names, input_channels, layer_rows, names_notes
from ..checkpoint.reader import Record
from ..checkpoint.tree import Value
from ..image_size import check_size, round_up
from ..network import Forward, Network
from ..options import ReadOptions
from ..torch_modules.modules import Walker, has, run_layers
from ..ultralytics.decode import Head, detect
from ..ultralytics.preprocessing import DETECTION_SIZE
from ..vocabulary.ops import Ops, Tensor
from ..yolov5 import layers_of, trained_side
from ..yolov5 import matches as has_yolov5_paths
from ..yolov5.decode import numbers
from .blocks import YOLOV9_BLOCKS

_BRANCHES = {"Detect": 1, "DDetect": 1, "DualDetect": 2, "DualDDetect": 2, "TripleDetect": 3, "TripleDDetect": 3}
"""Branches of a head, by its class."""


def matches(model: Record) -> bool:
    """Whether a checkpoint's model ends in an anchor-free head under YOLOv5's module paths."""
    last = layers_of(model)[-1:] if has_yolov5_paths(model) else ()
    return any(layer.class_name in _BRANCHES and has(layer, "dfl") for layer in last)


def read(model: Record, checkpoint: Mapping[str, Value], path: Path, options: ReadOptions) -> Network:
    """A YOLOv9 model, ready to be turned into a graph.

    Args:
        model: the network's record.
        checkpoint: what the trainer stored around it.
        path: of the file, for the metadata and errors.
        options: names and input size override what the file says.

    Raises:
        ModelError: the file contradicts itself, or the input size does not fit the strides.
        UnsupportedError: a layer's class is unknown.
    """
    layers = layers_of(model)
    head = _head(layers[-1])
    size, notes = _input_size(head, checkpoint, options)
    notes += names_notes(model, head.classes, options)
    branches = _BRANCHES[head.module.class_name]
    if branches > 1:
        notes = (*notes, f"the auxiliary branch of {head.module.class_name}, which served the training, was left out")
    meta = ModelMeta(
        family="yolov9",
        task="detect",
        names=class_names(model, head.classes, options),
        strides=head.strides,
        imgsz=size,
        channels=input_channels(layers),
        source=path.name,
        source_sha256=sha256_of(path),
    )
    return Network(meta, _forward(layers, head), notes, layer_rows(layers))


def _head(module: Record) -> Head:
    """The last branch of a head, with its strides.

    Raises:
        ModelError: strides that are no whole pixels, or not one for each level.
    """
    branches = _BRANCHES[module.class_name]
    sources, strides = module.get("f"), numbers(module.attribute("stride")).reshape(-1)
    levels = len(sources) // branches if isinstance(sources, (list, tuple)) else 1
    if len(strides) != levels or not all(stride >= 1 and stride == int(stride) for stride in strides):
        raise ModelError(
            f"{module.class_path} reads {levels} levels a branch but has the strides {strides[:8].tolist()}; expected a "
            "whole number of pixels for each; the file may be damaged"
        )
    first = 2 * branches
    return Head(
        module,
        tuple(int(stride) for stride in strides),
        boxes=f"cv{first}",
        scores=f"cv{first + 1}",
        distribution=f"dfl{branches}" if branches > 1 else "dfl",
    )


def _input_size(
    head: Head, checkpoint: Mapping[str, Value], options: ReadOptions
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Height and width: the user's, else 640, and what to say where the training was at another size."""
    stride = max(head.strides)
    if options.img_size:
        return check_size(options.img_size, stride), ()
    side, trained = round_up(DETECTION_SIZE, stride), trained_side(checkpoint)
    note = f"trained at {trained}, converted at {side}; --img-size chooses another size"
    return (side, side), (note,) if trained and trained != side else ()


def _forward(layers: tuple[Record, ...], head: Head) -> Forward:
    """The forward pass: all layers, then the last branch of the head on the last group of inputs."""
    name = f"model.{len(layers) - 1}"

    def forward(ops: Ops, images: Tensor) -> Mapping[str, Tensor]:
        walker = Walker(ops, YOLOV9_BLOCKS)
        xs = run_layers(walker, layers, images)
        with ops.scope(name):
            return detect(replace(walker, path=(name,), scoped=1), head, xs[-len(head.strides) :])

    return forward

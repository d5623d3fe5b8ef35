"""YOLOv5 and YOLOv5-pose checkpoints: detection, segmentation and classification of every release, and the pose forks.

    checkpoint -> the model's record -> layers run in the vocabulary -> the last one gives the raw heads
                                        blocks                          tasks, decode

A model is recognised by the module path of its class: `models.yolo` in the repositories, `yolov5.models.yolo` in the
package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...contract.choices import Family, Task
from ...contract.meta import ModelMeta, Preprocess
from ...errors import ModelError, UnsupportedError
from ..checkpoint.facts import class_names, layer_rows, names_notes
from ..checkpoint.reader import Record
from ..checkpoint.tree import Value
from ..image_size import check_size, round_up
from ..network import Forward, Network
from ..options import ReadOptions
from ..torch_modules.modules import Block, Walker, has, run_layers, unknown_class
from ..vocabulary.ops import Ops, Tensor
from .decode import AnchorHead, anchor_head
from .tasks import MEAN, STD, TABLE, normalised

_WRAPPERS = ("AutoShape", "autoShape", "DetectMultiBackend")
_TRAILING = ("NMS", "NMS_Export")

DETECTION_SIZE, CLASSIFICATION_SIZE = 640, 224
"""Input sizes that YOLOv5's own tools take where none is given."""

_LARGEST_SIZE = 8192
"""Nobody trains on larger pictures: a larger number in a file is damage."""


@dataclass(frozen=True)
class Flavour:
    """One of the families that are built like YOLOv5: same module paths, same walk, same anchors.

    Attributes:
        family: its name, and `pose_family` that of its models with keypoints.
        table: every class of its models; the last layer gives a dict of raw heads.
        heads: classes that may be last.
        head: reads the last layer's anchors.
    """

    family: Family
    pose_family: Family
    table: Mapping[str, Block]
    heads: tuple[str, ...]
    head: Callable[[Record], AnchorHead]


YOLOV5 = Flavour("yolov5", "yolov5-pose", TABLE, ("Detect", "Segment", "Classify"), anchor_head)


@dataclass(frozen=True)
class _Model:
    """The parts of a model: its record, its layers, and what the last one is if that finds boxes."""

    record: Record
    layers: tuple[Record, ...]
    head: AnchorHead | None

    @property
    def task(self) -> Task:
        if self.head is None:
            return "classify"
        return "pose" if self.head.kpt_shape else "segment" if self.head.masks else "detect"

    @property
    def strides(self) -> tuple[int, ...]:
        return self.head.strides if self.head else ()


def matches(model: Record) -> bool:
    """Whether a checkpoint's model is YOLOv5's, or that of a fork which keeps its module paths."""
    path = model.class_path.removeprefix("yolov5.")
    return path.startswith(("models.yolo.", "models.common.", "models.experimental."))


def read(
    model: Record, checkpoint: Mapping[str, Value], path: Path, options: ReadOptions, flavour: Flavour = YOLOV5
) -> Network:
    """A YOLOv5 model, ready to be turned into a graph.

    Args:
        model: the network's record.
        checkpoint: what the trainer stored around it.
        path: of the file, for the metadata and errors.
        options: names and input size override what the file says.
        flavour: of the family.

    Raises:
        ModelError: the file contradicts itself, or the input size does not fit the strides.
        UnsupportedError: a layer's class is unknown.
    """
    parts = _parts(model, flavour)
    size, notes = _input_size(parts, checkpoint, options)
    notes += names_notes(parts.record, _class_count(parts), options)
    meta = ModelMeta(
        family=flavour.pose_family if parts.task == "pose" else flavour.family,
        task=parts.task,
        names=class_names(parts.record, _class_count(parts), options),
        strides=parts.strides,
        imgsz=size,
        channels=_channels(parts.record),
        kpt_shape=parts.head.kpt_shape if parts.head else None,
        preprocess=Preprocess() if parts.head else Preprocess(resize="crop"),
        source=path.name,
        extra={} if parts.head else {"normalised_in_graph": {"mean": MEAN, "std": STD}},
    )
    return Network(meta, _forward(parts, flavour.table), notes, layer_rows(parts.layers), weights_file=path)


def layers_of(model: Record) -> tuple[Record, ...]:
    """The layers of a model inside its wrappers, without an appended NMS; none where it has none."""
    model = _unwrapped(model)
    layers = list(model.child("model").module_children().values()) if has(model, "model") else []
    while layers and layers[-1].class_name in _TRAILING:
        layers.pop()
    return tuple(layers)


def _unwrapped(model: Record) -> Record:
    while model.class_name in _WRAPPERS:
        model = model.child("model")
    return model


def _parts(model: Record, flavour: Flavour) -> _Model:
    """The model inside its wrappers, its layers, and its head."""
    layers = layers_of(model)
    if not layers:
        raise ModelError(
            f"{model.class_path} in the checkpoint holds no layers; give the trainer's own checkpoint (best.pt)"
        )
    last = layers[-1]
    if last.class_name not in flavour.heads:
        raise UnsupportedError(f"layer model.{len(layers) - 1}, the last: {unknown_class(last)}")
    return _Model(_unwrapped(model), layers, None if last.class_name == "Classify" else flavour.head(last))


def _forward(parts: _Model, table: Mapping[str, Block]) -> Forward:
    """The forward pass: layer by layer, the last of which gives the raw heads."""
    last = len(parts.layers) - 1

    def forward(ops: Ops, images: Tensor) -> Mapping[str, Tensor]:
        walker = Walker(ops, table)
        x = images if parts.head else normalised(walker, images)
        heads: Mapping[str, Tensor] = replace(walker, path=(f"model.{last}",)).enter(
            parts.layers[-1], run_layers(walker, parts.layers, x)
        )
        return heads

    return forward


def _input_size(
    parts: _Model, checkpoint: Mapping[str, Value], options: ReadOptions
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Height and width of the input, and what the user should know about the choice."""
    stride, trained = max(parts.strides, default=1), trained_side(checkpoint)
    if options.img_size:
        return check_size(options.img_size, stride), ()
    if parts.head is None:
        length = trained or CLASSIFICATION_SIZE
        return (length, length), ()
    follows_training = trained and (stride > 32 or parts.task == "pose")
    length = round_up(trained if trained and follows_training else DETECTION_SIZE, stride)
    if not trained or trained == length:
        return (length, length), ()
    return (length, length), (f"trained at {trained}, converted at {length}; --img-size chooses another size",)


def trained_side(checkpoint: Mapping[str, Value]) -> int | None:
    """The size that the trainer was started with, from its options: a number, or [training, testing]."""
    options = checkpoint.get("opt")
    stored = options.attributes if isinstance(options, Record) else options if isinstance(options, Mapping) else {}
    value = stored.get("imgsz", stored.get("img_size"))
    value = value[-1] if isinstance(value, (list, tuple)) and value else value
    return value if isinstance(value, int) and 0 < value <= _LARGEST_SIZE else None


def _class_count(parts: _Model) -> int:
    """C: what the head says; a classifier's are the outputs of its linear layer or, before 6.2, of its convolution."""
    if parts.head:
        return parts.head.classes
    module = parts.layers[-1]
    last = module.child("linear" if has(module, "linear") else "conv")
    return last.tensor("weight").shape[0]


def _channels(model: Record) -> int:
    """Channels of the input."""
    config = model.get("yaml")
    value = config.get("ch", 3) if isinstance(config, dict) else 3
    return value if isinstance(value, int) and value > 0 else 3

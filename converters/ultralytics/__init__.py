"""The Ultralytics family: v3u, v5u, v6, v8 to v10, 11, 12 and 26, for detect, pose, segment, obb and classify.

Everything is read from the modules in the file, never from a version number: which blocks there are, how wide they are,
which branches the head has. That is why checkpoints of any release work, fused ones too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...contract.choices import HeadChoice, Task
from ...contract.meta import ModelMeta
from ...errors import ModelError, UnsupportedError
from ...files import sha256_of
from ..checkpoint.facts import class_names, input_channels, layer_rows, level_strides, names_notes
from ..checkpoint.reader import Record
from ..checkpoint.tree import Value
from ..network import Forward, Network
from ..options import ReadOptions
from ..torch_modules.modules import Walker, run_layers, unknown_class
from ..vocabulary.ops import Ops, Tensor
from .blocks import BLOCKS
from .decode import BRANCHES, HEADS, OTHER_HEADS, Decode, Head, branches, keypoint_shape
from .preprocessing import Normalisation, input_size, normalisation_of, preprocess_of


def matches(model: Record) -> bool:
    """Whether a checkpoint's model is of this family."""
    return model.class_path.startswith("ultralytics.")


def read(model: Record, checkpoint: Mapping[str, Value], path: Path, options: ReadOptions) -> Network:
    """The network of a checkpoint.

    Args:
        model: the record of the model, as `checkpoint.reader.load_model_record` gives it.
        checkpoint: what lies around it in the file: the training arguments.
        path: of the file.
        options: the user's choices.

    Raises:
        UnsupportedError: a head or block that is not converted, named with its layer.
        ModelError: an input size that does not fit the strides, or a head that the model does not have.
    """
    layers = list(model.child("model").module_children().values())
    if not layers:
        raise ModelError(f"{path}: its model has no layers; the checkpoint is damaged")
    task, decode = _kind(layers[-1])
    head, choice = _head(layers[-1], model, task, options.head)
    size, notes = input_size(model, checkpoint, options, head.strides)
    notes += names_notes(model, head.classes, options)
    channels = input_channels(layers)
    meta = ModelMeta(
        family="ultralytics",
        task=task,
        names=class_names(model, head.classes, options),
        strides=head.strides,
        imgsz=size,
        channels=channels,
        kpt_shape=keypoint_shape(head.module) if task == "pose" else None,
        nms_free=head.branch != "",
        multi_label=head.branch != "",
        iou_thres=0.7,
        head=choice,
        preprocess=preprocess_of(task, size, channels),
        source=path.name,
        source_sha256=sha256_of(path),
    )
    normalisation = normalisation_of(model, channels) if task == "classify" else None
    return Network(meta, _forward(layers, head, decode, normalisation), notes, layer_rows(layers))


def _kind(module: Record) -> tuple[Task, Decode]:
    """The task of a head, and what decodes it."""
    name = module.class_name
    if name in OTHER_HEADS:
        raise UnsupportedError(
            f"the head {name} is not supported: {OTHER_HEADS[name]}; pass --family torch with the framework installed, "
            f"or use the framework's own export"
        )
    if name not in HEADS:
        raise UnsupportedError(f"the last layer is no known head: {unknown_class(module)}")
    return HEADS[name]


def _head(module: Record, model: Record, task: str, wanted: HeadChoice | None) -> tuple[Head, HeadChoice | None]:
    """The head with its branch, one-to-one unless wanted otherwise, and that choice where the file leaves one."""
    present = branches(module)
    if wanted and (len(present) == 1 or wanted not in present):
        choice = f"choose {' or '.join(present)}" if len(present) > 1 else "it has only one head; leave --head out"
        raise ModelError(f"--head {wanted} does not fit this model ({module.class_name}): {choice}")
    taken = wanted or present[0]
    strides = () if task == "classify" else level_strides(module, model)
    return Head(module, strides, BRANCHES[taken]), taken if len(present) > 1 else None


def _forward(layers: Sequence[Record], head: Head, decode: Decode, normalisation: Normalisation | None) -> Forward:
    """The forward pass: all layers but the last, then the decoded head."""
    name = f"model.{len(layers) - 1}"

    def forward(ops: Ops, images: Tensor) -> Mapping[str, Tensor]:
        walker = Walker(ops, BLOCKS)
        xs = run_layers(walker, layers, normalisation.apply(ops, images) if normalisation else images)
        with ops.scope(name):
            return decode(replace(walker, path=(name,), scoped=1), head, xs)

    return forward

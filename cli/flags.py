"""What several commands share: choices, groups of flags, and how their values are read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.choices import FAMILIES, HEADS, ONNX_LAYOUTS, ROUTE_CHOICES

if TYPE_CHECKING:
    from ..contract.meta import ModelMeta
    from ..contract.nms import NmsSettings
    from ..converters.options import ReadOptions
    from ..graph_passes.settings import NewThresholds


def add_reading(parser: argparse.ArgumentParser, families: Sequence[str] = FAMILIES) -> None:
    group = parser.add_argument_group("reading the model")
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="DarkNet weights (default: STEM.weights beside the cfg)"
    )
    group.add_argument(
        "--names", type=Path, metavar="FILE", help="class names, one a line (default: STEM.names beside the cfg)"
    )
    group.add_argument(
        "--img-size",
        type=positive,
        nargs="+",
        metavar="N",
        help="input size: one number, or height and width (default: the model's own)",
    )
    group.add_argument("--head", choices=HEADS, help="head of a model that has both (default: one2one)")
    group.add_argument("--family", choices=families, help="family, where it is not recognised")
    group.add_argument(
        "--onnx-layout",
        choices=ONNX_LAYOUTS,
        help="outputs of another exporter's ONNX file, where it does not tell (yolov5: YOLOv6 and YOLOv7 too)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document on stdout, notes inside, instead of text"
    )


def add_thresholds(
    group: Any, conf: str = "0.25", iou: str = "the family's own: 0.45, Ultralytics 0.7", topk: str = "100"
) -> None:
    """The flags of `nms_settings`; the texts name the command's defaults."""
    group.add_argument("--conf-thres", type=float, metavar="X", help=f"least score, exclusive (default: {conf})")
    group.add_argument(
        "--iou-thres", type=float, metavar="X", help=f"greatest IoU of two boxes of a class (default: {iou})"
    )
    group.add_argument("--topk-all", type=positive, metavar="K", help=f"most detections a picture (default: {topk})")
    labels = group.add_mutually_exclusive_group()
    labels.add_argument(
        "--single-label",
        action="store_false",
        dest="multi_label",
        default=None,
        help="one class a box (default: what the family's own framework does)",
    )
    labels.add_argument(
        "--multi-label",
        action="store_true",
        dest="multi_label",
        default=None,
        help="every class of a box above the threshold",
    )
    group.add_argument("--class-agnostic", action="store_true", help="boxes of different classes suppress each other")


def add_class_thresholds(group: Any) -> None:
    group.add_argument(
        "--class-thres",
        type=class_threshold,
        nargs="+",
        default=[],
        metavar="NAME=X",
        help="least scores of single classes",
    )


def add_nms(group: Any) -> None:
    """How boxes are suppressed in the graph, as every command that puts NMS there takes it."""
    group.add_argument("--nms", choices=ROUTE_CHOICES, help="how boxes are suppressed (default: auto)")
    group.add_argument(
        "--nms-candidates",
        type=positive,
        metavar="M",
        help="best (anchor, class) pairs that enter the NMS, at most 3840 (default: 1000; 3840 where K is 1000 or more; "
        "static: 512, or twice K)",
    )
    group.add_argument(
        "--nms-steps",
        type=positive,
        metavar="T",
        help="steps of --nms static, which is exact while no chain of suppressions is longer (default: 16)",
    )
    add_thresholds(group)
    add_class_thresholds(group)


def read_options(options: argparse.Namespace) -> ReadOptions:
    from ..converters.options import ReadOptions

    return ReadOptions(
        options.weights,
        options.names,
        _image_size(options.img_size),
        options.family,
        options.head,
        options.onnx_layout,
    )


def _image_size(numbers: Sequence[int] | None) -> tuple[int, int] | None:
    from ..errors import InputError

    if not numbers:
        return None
    if len(numbers) > 2 or max(numbers) > 16384:
        raise InputError(
            f"--img-size {' '.join(map(str, numbers))}: give one number, or height and width, of at most 16384"
        )
    return numbers[0], numbers[-1]


def nms_settings(options: argparse.Namespace) -> NmsSettings:
    """What the user says about the suppression."""
    from ..contract.nms import NmsSettings

    return NmsSettings(
        route=getattr(options, "nms", None) or "auto",
        iou_thres=options.iou_thres,
        conf_thres=options.conf_thres,
        topk_all=options.topk_all,
        candidates=getattr(options, "nms_candidates", None),
        multi_label=options.multi_label,
        class_agnostic=options.class_agnostic,
        fast=getattr(options, "fast_nms", False),
        steps=getattr(options, "nms_steps", None),
    )


def new_thresholds(options: argparse.Namespace, meta: ModelMeta) -> NewThresholds | None:
    """Thresholds for a graph that is end to end already.

    Raises:
        InputError: a flag that only takes part in making the graph.
    """
    from ..errors import InputError
    from ..graph_passes.settings import NewThresholds

    given = given_nms(options)
    if given:
        raise InputError(
            f"{options.model} is end to end already, so {', '.join(given)} cannot change it; give the weights"
        )
    if options.conf_thres is None and options.iou_thres is None:
        return None
    return NewThresholds(options.conf_thres, options.iou_thres)


IN_GRAPH = (
    "nms", "nms_candidates", "nms_steps", "topk_all", "multi_label", "class_agnostic", "class_thres", "runtime_thresholds",
)  # fmt: skip
"""Flags that take part in making the NMS of a graph, and change none that is there."""


def given_nms(options: argparse.Namespace, flags: Sequence[str] = IN_GRAPH) -> list[str]:
    """Those of the flags that were typed, as the user types them."""

    def typed(flag: str) -> bool:
        value = getattr(options, flag, None)
        return value not in (None, False, []) or (flag == "multi_label" and value is False)

    return [dashed(flag) for flag in flags if typed(flag)]


def require(options: argparse.Namespace, condition: object, message: str) -> None:
    """Wrong usage, exit code 2, where flags do not go together."""
    if not condition:
        options.usage_error(message)


def dashed(flag: str) -> str:
    """A flag as the user types it."""
    if flag == "multi_label":
        return "--single-label or --multi-label"
    return f"--{flag.replace('_', '-')}"


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        hint = "; put MODEL before --img-size" if Path(text).suffix else ""
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number{hint}")
    return int(text)


def class_threshold(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        equals = ""
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text} is no NAME=X, such as person=0.5")
    return name, number


def device(text: str) -> str:
    if text in ("cpu", "cuda"):
        return text
    number = text.removeprefix("cuda:")
    if not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is neither cpu nor the number of a GPU")
    return f"cuda:{number}"


def gpu_number(text: str) -> int:
    number = device(text).partition(":")[2]
    if not number:
        raise argparse.ArgumentTypeError(f"{text} is not the number of a GPU")
    return int(number)

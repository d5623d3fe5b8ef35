"""The flags that `deepstream` and `triton` share: what becomes of weights on the way into a bundle."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .flags import add_nms, add_reading, given_nms, new_thresholds, nms_settings, require
from .int8_flags import INT8_FLAGS, add_int8_of_weights, given, int8_settings

if TYPE_CHECKING:
    from ..contract.meta import ModelMeta
    from ..pipeline import ConvertSettings

PRECISIONS = ("fp32", "fp16", "int8")
READING = ("weights", "names", "img_size", "head", "family", "onnx_layout")


def add_making(parser: argparse.ArgumentParser) -> Any:
    """The flags of `made`; returns the group of those that NMS in the graph has."""
    parser.add_argument(
        "--precision", choices=PRECISIONS, help="of weights (default: fp32); int8 needs --calib-path or --int8-ranges"
    )
    parser.add_argument("--no-verify", action="store_true", help="do not run the converted model once to check it")
    add_reading(parser)
    end2end = parser.add_argument_group("NMS in the graph")
    add_nms(end2end)
    add_int8_of_weights(parser)
    return end2end


def check_making(options: argparse.Namespace) -> None:
    """Wrong usage: flags of INT8 without it."""
    require(options, options.precision == "int8" or not given(options, INT8_FLAGS), "INT8 needs --precision int8")


def made(options: argparse.Namespace, meta: ModelMeta, plain: ConvertSettings) -> ConvertSettings:
    """How a model that is no engine is converted.

    Args:
        options: the flags.
        meta: what the model is before anything is done to it.
        plain: how it was read to find that out.

    Raises:
        InputError: a flag that changes nothing about this model.
    """
    from dataclasses import replace

    from ..graph_passes.settings import EndToEnd, Half

    _check_precision(options, meta)
    wanted = options.precision if meta.precision == "fp32" else None
    plain = replace(
        plain,
        half=Half() if wanted == "fp16" else None,
        int8=int8_settings(options) if wanted == "int8" else None,
    )
    if meta.task == "classify":
        _refuse(options, [*given_nms(options), *_thresholds(options)], "is a classifier, which has no boxes")
        return plain
    if meta.end2end:
        return replace(plain, thresholds=new_thresholds(options, meta))
    runtime = getattr(options, "runtime_thresholds", False)
    end2end = EndToEnd(nms_settings(options), runtime, dict(options.class_thres))
    return replace(plain, end2end=end2end)


def check_engine(options: argparse.Namespace, meta: ModelMeta | None) -> None:
    """Refuse flags that would change an engine.

    Raises:
        InputError: with the flags.
    """
    if meta is not None and options.precision == meta.precision:
        options.precision = None
    typed = [*given_nms(options), *_thresholds(options), *given_nms(options, (*READING, "precision", "uint8_input"))]
    _refuse(options, typed, "is an engine, which stays as it was built")


def _thresholds(options: argparse.Namespace) -> list[str]:
    return given_nms(options, ("conf_thres", "iou_thres"))


def _refuse(options: argparse.Namespace, typed: list[str], why: str) -> None:
    from ..errors import InputError

    if typed:
        raise InputError(f"{options.model} {why}, so leave {', '.join(typed)} out")


def _check_precision(options: argparse.Namespace, meta: ModelMeta) -> None:
    """Refuse to call a finished model what it is not; weights become what is asked for."""
    from ..errors import InputError

    weights = meta.precision == "fp32" and not meta.end2end
    if options.precision in (None, meta.precision) or weights:
        return
    raise InputError(
        f"{options.model} is in {meta.precision} and stays so, not in --precision {options.precision}; give the weights"
    )

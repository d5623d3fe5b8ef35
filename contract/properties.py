"""A model's metadata as the properties of an ONNX file, and back."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from .documents import from_document, to_document
from .meta import ModelMeta

SCHEMA = 1
"""Version of the JSON under the metadata key `trtzoo`."""


NOT_ULTRALYTICS = (
    "this file is not for ultralytics.YOLO(), which would misread its outputs; "
    "write one with: trtzoo convert MODEL --layout ultralytics"
)
"""Stands under `stride` where Ultralytics would misread a file: it wants a whole number there and says what it found instead."""


def for_ultralytics(meta: ModelMeta) -> bool:
    """Whether `ultralytics.YOLO()` reads the outputs as they are meant, and feeds the input that the graph takes."""
    fed = (meta.input_dtype, meta.input_axes) == ("float32", "chw")
    picture = meta.preprocess
    return meta.layout == "ultralytics" and fed and (picture.colour, picture.scale, picture.anchor) in _AS_IT_FEEDS


_AS_IT_FEEDS = (("rgb", 1.0, "centre"), ("gray", 1.0, "centre"))


def to_properties(meta: ModelMeta) -> dict[str, str]:
    """The ONNX `metadata_props` of a model: the keys that Ultralytics writes, and all of `meta` as JSON under `trtzoo`.

    `stride` is a number only where the file is for `ultralytics.YOLO()`, which refuses every other one by it.
    """
    properties = {
        "description": f"{meta.family} {meta.task} model converted by trtzoo",
        "task": meta.task,
        "names": str(dict(enumerate(meta.names))),
        "stride": str(max(meta.strides, default=32)) if for_ultralytics(meta) else NOT_ULTRALYTICS,
        "imgsz": str(list(meta.imgsz)),
        "batch": str(meta.batch or 1),
        "channels": str(meta.channels),
        "end2end": str(meta.nms_free and meta.end2end and meta.layout == "ultralytics"),
        "args": str(
            {
                "batch": meta.batch or 1,
                "half": meta.precision == "fp16",
                "dynamic": meta.batch is None,
                "nms": meta.end2end,
            }
        ),
    }
    if meta.kpt_shape:
        properties["kpt_shape"] = str(list(meta.kpt_shape))
    document = to_document(meta) | {"schema": SCHEMA}
    return properties | {"trtzoo": json.dumps(document, ensure_ascii=False)}


def from_properties(properties: Mapping[str, str], where: str) -> ModelMeta:
    """Read the metadata back from an ONNX file's properties.

    Args:
        properties: of the file.
        where: the file's name, for the error.

    Raises:
        InputError: the file was not written by trtzoo, or by a later one, or the metadata is damaged.
    """
    if "trtzoo" not in properties:
        raise InputError(f"{where} carries no trtzoo metadata; run `trtzoo convert {where}` on it first")
    try:
        document = json.loads(properties["trtzoo"])
    except ValueError as error:
        raise InputError(f"{where}: its trtzoo metadata is damaged ({error}); convert the model again") from error
    return meta_of(document, where)


def meta_of(document: object, where: str) -> ModelMeta:
    """The metadata that a JSON object holds, as `to_properties` wrote it under `trtzoo`.

    Raises:
        InputError: as `from_properties`.
    """
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(
            f"{where} was written by a later trtzoo (metadata schema {schema}, this one reads {SCHEMA}); upgrade trtzoo"
        )
    return from_document(document, ModelMeta, f"{where}: its trtzoo metadata", "convert the model again")


def literal(text: str, where: str) -> Any:
    """A Python literal of foreign metadata (`names`, `imgsz`, ...), evaluated without running anything.

    Raises:
        InputError: it is no literal.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: cannot read the metadata value {text[:80]!r}") from error

"""A written ONNX file is loaded and run once, and what comes out is held against the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..converters.heads import ModelMeta, TensorSpec, end2end_outputs, input_spec, raw_outputs
from ..errors import TrtZooError, VerificationError
from ..weights import Array
from .load import open_onnx

SEED = 0
FREE_BATCH = 2
"""Images that a model with a symbolic batch is run with."""
MOST_PIXELS = 32 * 640 * 640
"""Input pixels up to which a model is run; a larger batch would need the memory of a server just to be checked."""


def is_checkable(meta: ModelMeta) -> bool:
    """Whether a model is small enough to be run for a check."""
    height, width = meta.imgsz
    return (meta.batch or FREE_BATCH) * height * width <= MOST_PIXELS


def check_onnx(path: Path, meta: ModelMeta, where: str) -> None:
    """Run the model on noise and check names, types, shapes and values of its outputs.

    A symbolic batch is run with two images, so that nothing has baked it in. TensorRT plugins are run as standard operators.

    Args:
        path: the file.
        meta: what it must be.
        where: its name for messages.

    Raises:
        VerificationError: the outputs break the contract of `heads`.
    """
    try:
        runtime, _ = open_onnx(path, where=where, optimize=False)
        outputs = runtime.infer(_noise(meta))
    except TrtZooError as error:
        raise VerificationError(f"{where} does not run, so it was not kept: {error}") from error
    for name, array in outputs.items():
        if not np.isfinite(array).all():
            raise VerificationError(
                f"{where} was not kept: run on noise, its {name} are not all finite, so the weights are damaged or untrained; "
                f"--no-verify keeps it"
            )
    for problem in _differences(_expected(meta), outputs, meta.batch or FREE_BATCH):
        raise VerificationError(f"{where} was not kept: {problem}; this is a fault of trtzoo, please report it")


def _noise(meta: ModelMeta) -> Array:
    """Images of the model's input, every value equally likely."""
    spec = input_spec(meta)
    shape = tuple(meta.batch or FREE_BATCH if isinstance(axis, str) else axis for axis in spec.shape)
    values = np.random.default_rng(SEED).random(shape, np.float32)
    return (values * (255 if spec.dtype == "uint8" else 1)).astype(spec.dtype)


def _expected(meta: ModelMeta) -> Sequence[TensorSpec]:
    """The outputs that the metadata promises (`graph_passes.layouts`)."""
    specs = end2end_outputs(meta) if meta.end2end else raw_outputs(meta)
    if meta.layout == "deepstream":
        return [replace(spec, dtype="float32") if spec.name == "det_classes" else spec for spec in specs]
    if meta.layout not in ("flat", "ultralytics"):
        return specs
    if meta.task == "classify":
        return [replace(specs[0], name="output0")]
    masks = [TensorSpec("output1", "float32", ("B", "M", "h", "w"))] if meta.task == "segment" else []
    if not meta.end2end:
        return [TensorSpec("output0", "float32", ("B", _columns(meta, 4 + len(meta.names)), "A")), *masks]
    rows = ("B", specs[1].shape[1], _columns(meta, 6))
    if meta.layout == "flat":
        return [TensorSpec("output", "float32", rows)]
    return [TensorSpec("output0", "float32", rows), *masks]


def _columns(meta: ModelMeta, before: int) -> int | str:
    """Values of an object where all lie in one row; how many belong to a mask is only known from the prototypes."""
    points, values = meta.kpt_shape or (0, 0)
    return "columns" if meta.task == "segment" else before + points * values + (meta.task == "obb")


def _differences(specs: Sequence[TensorSpec], outputs: dict[str, Array], batch: int) -> list[str]:
    if [spec.name for spec in specs] != list(outputs):
        return [f"outputs {list(outputs)} instead of {[spec.name for spec in specs]}"]
    differences = []
    for spec in specs:
        array = outputs[spec.name]
        wanted = (batch, *spec.shape[1:])
        fits = len(wanted) == array.ndim and all(
            isinstance(want, str) or want == have for want, have in zip(wanted, array.shape, strict=True)
        )
        if not fits or str(array.dtype) != spec.dtype:
            differences.append(f"{spec.name} is {array.dtype}{list(array.shape)} instead of {spec.dtype}{list(wanted)}")
    return differences

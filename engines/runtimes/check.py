"""A written ONNX file is loaded and run once, and what comes out is held against the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...contract.compare import differences
from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec, input_spec
from ...errors import TrtZooError, VerificationError
from ...graph.weights import Array
from ...graph_passes.layouts import expected_outputs
from .open import open_onnx

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
    expected = [replace(spec, shape=(meta.batch or FREE_BATCH, *spec.shape[1:])) for spec in expected_outputs(meta)]
    actual = [TensorSpec(name, str(array.dtype), array.shape) for name, array in outputs.items()]
    for problem in differences(expected, actual, "outputs"):
        raise VerificationError(f"{where} was not kept: {problem}; this is a fault of trtzoo, please report it")


def _noise(meta: ModelMeta) -> Array:
    """Images of the model's input, every value equally likely."""
    spec = input_spec(meta)
    shape = tuple(meta.batch or FREE_BATCH if isinstance(axis, str) else axis for axis in spec.shape)
    values = np.random.default_rng(SEED).random(shape, np.float32)
    return (values * (255 if spec.dtype == "uint8" else 1)).astype(spec.dtype)

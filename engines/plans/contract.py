"""Holding a built engine against the contract of its model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...contract.outputs import TensorSpec, expected_inputs, expected_outputs
from ...errors import VerificationError
from .manifest import Manifest
from .tensors import EngineTensor


def check_contract(manifest: Manifest, engine: Path) -> None:
    """Hold the inputs and outputs of an engine against the contract of its metadata.

    Raises:
        VerificationError: naming what differs.
    """
    meta = manifest.meta
    if meta is None:
        return
    wanted = {"input": expected_inputs(meta), "output": expected_outputs(meta)}
    for mode, specs in wanted.items():
        problem = _difference(specs, manifest.tensors_of(mode))
        if problem:
            raise VerificationError(
                f"{engine} was not kept, it breaks its model's contract: {problem}; please report this fault of trtzoo"
            )


def _difference(specs: Sequence[TensorSpec], tensors: Sequence[EngineTensor]) -> str | None:
    """The first tensor that is not as specified."""
    names, wanted = [tensor.name for tensor in tensors], [spec.name for spec in specs]
    if names != wanted:
        return f"it has {names} instead of {wanted}"
    for spec, tensor in zip(specs, tensors, strict=True):
        fits = len(spec.shape) == len(tensor.shape) and all(
            isinstance(want, str) or want == have for want, have in zip(spec.shape, tensor.shape, strict=True)
        )
        if not fits or spec.dtype != tensor.dtype:
            return f"{spec.name} is {tensor.dtype}{list(tensor.shape)} instead of {spec.dtype}{list(spec.shape)}"
    return None

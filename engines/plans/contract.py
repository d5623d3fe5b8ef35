"""Holding a built engine against the contract of its model."""

from __future__ import annotations

from pathlib import Path

from ...contract.compare import differences
from ...contract.outputs import TensorSpec, expected_inputs
from ...errors import InputError, VerificationError
from ...graph_passes.layouts import expected_outputs
from .manifest import Manifest


def check_contract(manifest: Manifest, engine: Path) -> None:
    """Hold the inputs and outputs of an engine against the contract of its metadata.

    Raises:
        VerificationError: naming what differs.
        InputError: the thresholds are inputs with defaults, which TensorRT takes for constants.
    """
    meta = manifest.meta
    if meta is None:
        return
    found = {tensor.name for tensor in manifest.tensors_of("input")}
    lost = [spec.name for spec in expected_inputs(meta)[1:] if spec.name not in found]
    if lost:
        raise InputError(
            f"{manifest.onnx}: {' and '.join(lost)} have defaults, so TensorRT takes them for constants; convert the "
            f"model again with --runtime-thresholds --target {manifest.target}"
        )
    wanted = {"input": expected_inputs(meta), "output": expected_outputs(meta)}
    for mode, specs in wanted.items():
        tensors = [TensorSpec(tensor.name, tensor.dtype, tensor.shape) for tensor in manifest.tensors_of(mode)]
        for problem in differences(specs, tensors, f"{mode}s"):
            raise VerificationError(
                f"{engine} was not kept, it breaks its model's contract: {problem}; please report this fault of trtzoo"
            )

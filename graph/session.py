"""ONNX Runtime sessions, opened in one way: quiet, on the CPU unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .weights import Array

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU = ("CPUExecutionProvider",)
Provider = str | tuple[str, Mapping[str, object]]

_FATAL_ONLY = 4
"""Errors are raised, and told once, by whoever opened the session."""


def open_session(
    model: Path | bytes, *, providers: Sequence[Provider] = CPU, optimize: bool = True, threads: int = 0
) -> InferenceSession:
    """Load a model.

    Args:
        model: a file, or the bytes of one.
        providers: ONNX Runtime's, the preferred first.
        optimize: let it rewrite the graph.
        threads: within one operator; 0 takes all cores.

    Raises:
        Exception: ONNX Runtime's own, which have no public base.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=list(providers)
    )


def run_once(model: Path | bytes, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a model on the CPU, by name.

    Raises:
        Exception: ONNX Runtime's own.
    """
    session = open_session(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def first_line(error: Exception) -> str:
    """What a library's many-lined error begins with."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

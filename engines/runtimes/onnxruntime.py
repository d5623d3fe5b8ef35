"""ONNX Runtime, on the CPU or a CUDA GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...contract.outputs import INPUT
from ...contract.properties import from_properties
from ...errors import InputError, MissingDependencyError, UnsupportedError
from ...graph.session import CPU, Provider, first_line, open_session
from ...graph.weights import Array

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions


class OnnxRuntime:
    """An ONNX model in an ONNX Runtime session.

    Args:
        model: a file, or a serialised model.
        device: "cpu", or "cuda" with the number of a GPU ("cuda:0").
        where: name for messages.
        optimize: let ONNX Runtime rewrite the graph and repack its weights; for a single run, half the memory without.
        threads: of a run on the CPU; 0 takes all cores. Runs of several threads may go on at the same time.

    Raises:
        InputError: not a model that ONNX Runtime reads, or without trtzoo's metadata.
        UnsupportedError: an operator that ONNX Runtime does not know, such as a TensorRT plugin.
        MissingDependencyError: a GPU was asked for and this ONNX Runtime has none.
    """

    gpu_seconds: float | None = None

    def __init__(
        self, model: Path | bytes, device: str = "cpu", where: str = "", optimize: bool = True, threads: int = 0
    ) -> None:
        self._where = where or str(model)
        self._session = _session(model, device, self._where, optimize, threads)
        self.name = f"onnxruntime {'GPU' if device != 'cpu' else 'CPU'}"
        properties = self._session.get_modelmeta().custom_metadata_map
        self.meta: ModelMeta = from_properties(properties, self._where)
        self._outputs = [output.name for output in self._session.get_outputs()]
        inputs = [*self._session.get_inputs(), *self._session.get_overridable_initializers()]
        self._thresholds = [item.name for item in inputs if item.name != INPUT]

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network on images [B, C, H, W]; returns the outputs by name. What only others need is not computed."""
        settings = thresholds or self.meta.nms
        feeds = {name: np.full((len(images), 1), getattr(settings, name), np.float32) for name in self._thresholds}
        names = [name for name in self._outputs if outputs is None or name in outputs]
        try:
            values = self._session.run(names, {INPUT: images, **feeds}, _path_only(len(names) < len(self._outputs)))
        except Exception as error:  # ONNX Runtime's exception classes have no public base
            raise InputError(
                f"{self._where} does not run on images {list(images.shape)}: {first_line(error)}"
            ) from error
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Free the session."""
        with contextlib.suppress(AttributeError):
            del self._session


def _path_only(wanted: bool) -> RunOptions | None:
    """How a run leaves out the nodes that no wanted output needs."""
    if not wanted:
        return None
    from onnxruntime import RunOptions

    options = RunOptions()
    options.only_execute_path_to_fetches = True
    return options


def _session(model: Path | bytes, device: str, where: str, optimize: bool, threads: int) -> InferenceSession:
    providers = _providers(device)
    on_cpu = threads if device == "cpu" else 0
    try:
        return open_session(model, providers=providers, optimize=optimize, threads=on_cpu)
    except Exception as error:  # as above
        if "is not a registered function/op" in str(error) or "No Op registered" in str(error):
            raise UnsupportedError(
                f"{where} holds an operator that ONNX Runtime does not know ({first_line(error)}); `trtzoo lower` replaces "
                f"TensorRT's EfficientNMS plugins, models with other plugins run only on TensorRT"
            ) from error
        raise InputError(
            f"{where} cannot be loaded by ONNX Runtime: {first_line(error)}; convert the model again"
        ) from error


def _providers(device: str) -> Sequence[Provider]:
    if device == "cpu":
        return CPU
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise MissingDependencyError(
            "this ONNX Runtime cannot use a GPU; run `pip uninstall onnxruntime` and `pip install onnxruntime-gpu`, or use --device cpu"
        )
    return [("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}), *CPU]

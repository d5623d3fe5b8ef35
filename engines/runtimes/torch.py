"""PyTorch: the family's own description of the network, computed eagerly; for comparing and benchmarking."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...converters.network import Network, torch_runner
from ...graph.weights import Array


class TorchRuntime:
    """A network computed with torch, in batches of any size.

    Args:
        network: as its family read it.
        device: "cpu" or "cuda:0".
        half: compute in FP16, decoding included, as the YOLO frameworks do.

    Raises:
        MissingDependencyError: torch is not installed.
    """

    def __init__(self, network: Network, device: str = "cpu", half: bool = False) -> None:
        self.meta: ModelMeta = replace(network.meta, batch=None, precision="fp16" if half else network.meta.precision)
        self.name = f"torch {'GPU' if device != 'cpu' else 'CPU'}"
        self.gpu_seconds: float | None = None
        self._device = device
        self._run = torch_runner(network, device, "fp16" if half else "fp32")

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network on images [B, C, H, W]; returns the raw heads by name, before any threshold."""
        heads = self._run(images) if self._device == "cpu" else self._timed(images)
        return heads if outputs is None else {name: values for name, values in heads.items() if name in outputs}

    def _timed(self, images: Array) -> dict[str, Array]:
        import torch

        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        stream = torch.cuda.current_stream(self._device)
        start.record(stream)
        outputs = self._run(images)
        end.record(stream)
        end.synchronize()
        self.gpu_seconds = start.elapsed_time(end) / 1000
        return outputs

    def close(self) -> None:
        """Free the weights."""
        del self._run

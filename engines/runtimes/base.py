"""The interface of every runtime."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...graph.weights import Array


class Runtime(Protocol):
    """A loaded model. One thread may use it at a time; open one a thread to work in parallel.

    Attributes:
        name: of the runtime and where it runs, for tables and logs: "onnxruntime CPU".
        meta: what the model is.
        gpu_seconds: of the last `infer`, copies to and from the GPU included, between CUDA events; None off a GPU, and of
            runtimes that do not tell.
    """

    name: str
    meta: ModelMeta

    @property
    def gpu_seconds(self) -> float | None: ...

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network.

        Args:
            images: [B, C, H, W] in the type of the model's input (float32 0..1), B being the model's batch where that is fixed.
            thresholds: for a graph that takes its thresholds as inputs; None gives it those of `meta.nms`.
            outputs: names of those that are wanted, so that no others are copied or sent; None wants all.

        Returns:
            The outputs by name, in the graph's order (`graph_passes.layouts.expected_outputs`).

        Raises:
            InputError: the images do not fit the input.
        """
        ...

    def close(self) -> None:
        """Free what the model holds; it cannot be used afterwards."""
        ...

"""What is measured: a model with the runtime, device and precision that it is opened with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..contract.choices import Backend
from ..converters import holds_network, recognise
from ..converters.options import ReadOptions
from ..engines.runtimes.base import Runtime
from ..engines.runtimes.open import open_runtime
from ..engines.runtimes.triton import is_address
from .models import labels_of

_SCALE = re.compile(r"(yolov?\d+-?)([nsmlx])(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Subject:
    """A model of a call.

    Attributes:
        path: of the file, or a `triton://` address.
        label: different for each of a call.
        backend: that runs it, None for what fits the file.
        device: "cpu" or "cuda:0".
        half: torch computes in FP16.
        read: how weights are read.
    """

    path: Path
    label: str
    backend: Backend | None
    device: str
    half: bool
    read: ReadOptions

    def open(self, note: Callable[[str], object] = str) -> Runtime:
        """Load it; `note` is told what the user should know, a sentence each."""
        return open_runtime(self.path, self.backend, self.device, self.read, note, self.half)

    @property
    def gpu(self) -> int | None:
        """Number of the GPU that it runs on; None on the CPU and on a server."""
        if is_address(str(self.path)):
            return None
        if self.device == "cpu":
            return 0 if recognise(self.path) == "engine" else None
        return int(self.device.partition(":")[2] or 0)


def subjects_of(
    paths: Sequence[Path], backend: Backend | None, device: str, read: ReadOptions, half: bool = False
) -> list[Subject]:
    """A subject for each model, or two for weights that torch runs in both precisions.

    Args:
        paths: files or addresses.
        backend: None takes what fits each file; "torch" is of weights, other files take what fits them.
        device: for all of them.
        read: how weights are read; of finished models only the class names can be others.
        half: weights that torch runs come in FP16 too.

    Raises:
        InputError: a file cannot be read.
    """
    found = []
    for path, label in zip(paths, labels_of(paths), strict=True):
        if is_address(str(path)) or not holds_network(recognise(path)):
            options = replace(read, weights=None, img_size=None, family=None, head=None)
            found.append(Subject(path, label, None if backend == "torch" else backend, device, False, options))
            continue
        one = Subject(path, label, backend, device, False, read)
        found.append(one)
        if half and backend == "torch":
            found.append(replace(one, label=f"{label} (half)", half=True))
    return found


def scale_of(label: str) -> tuple[str, str]:
    """A model's name without its scale and the scale: "yolov8n-pose.pt" is "yolov8?-pose.pt" and "n"; "" for none."""
    match = _SCALE.search(label)
    if not match:
        return label, ""
    return f"{label[: match.end(1)]}?{label[match.end(2) :]}", match.group(2).lower()

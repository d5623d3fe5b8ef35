"""What is measured: a model with the runtime, device and precision that it is opened with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...contract.choices import Backend
from ...converters import recognise
from ...converters.options import ReadOptions
from ...engines.runtimes.triton import is_address
from ..models import labels_of

WEIGHTS = ("cfg", "checkpoint")
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

    @property
    def gpu(self) -> int | None:
        """Number of the GPU that it runs on; None on the CPU and on a server."""
        if is_address(str(self.path)):
            return None
        if self.device == "cpu":
            return 0 if recognise(self.path) == "engine" else None
        return int(self.device.partition(":")[2] or 0)


def subjects_of(
    paths: Sequence[Path], backend: Backend | None, device: str, half: bool, read: ReadOptions
) -> list[Subject]:
    """A subject for each model: weights run through torch unless another backend is named.

    Args:
        paths: files or addresses.
        backend: None takes what fits each file.
        device: for all of them.
        half: weights that torch runs are measured in FP16 too, as a subject more.
        read: how weights are read; of finished models only the class names can be others.

    Raises:
        InputError: a file cannot be read.
    """
    found = []
    for path, label in zip(paths, labels_of(paths), strict=True):
        if is_address(str(path)) or recognise(path) not in WEIGHTS:
            options = replace(read, weights=None, img_size=None, family=None, head=None)
            found.append(Subject(path, label, backend, device, False, options))
            continue
        one = Subject(path, label, backend or "torch", device, False, read)
        found.append(one)
        if half and one.backend == "torch":
            found.append(replace(one, label=f"{label} (half)", half=True))
    return found


def scale_of(label: str) -> tuple[str, str]:
    """A model's name without its scale and the scale: "yolov8n-pose.pt" is "yolov8?-pose.pt" and "n"; "" for none."""
    match = _SCALE.search(label)
    if not match:
        return label, ""
    return f"{label[: match.end(1)]}?{label[match.end(2) :]}", match.group(2).lower()

"""The loop: pictures in, one step of the optimiser after the other, checkpoints from which an interrupted run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
import torch.nn.functional as F  # noqa: N812

from ....converters.network import Network
from ....converters.vocabulary.ops import Tensor
from ....engines.pictures.preprocess import prepare
from ....errors import InputError, UnsupportedError
from ....files import make_folder, staged
from ....graph.weights import Array
from ....graph_passes.precision.qdq.insert import Quantisation
from ....graph_passes.precision.qdq.points import Points
from ..pictures import PictureReader
from ..progress import Clock, Progress
from .loss import certainty, distance, feature_names, final_names
from .settings import DistillSettings
from .student import StudentOps, TapOps

SCALE_RATE, WEIGHT_RATE, BIAS_RATE = 1e-3, 1e-4, 2e-5
"""Learning rates: of the logarithms of scales, of weights relative to their mean magnitude, of biases.

Ten times as much lets the loss rise within dozens of steps: Adam's steps have the sign of the gradient, whole rows of weights move
together, and the network leaves the place where it knew everything.
"""
KEPT = 256
"""Prepared pictures that stay in memory, 5 MB each at 640."""
WARM_UP = 0.05
"""Share of the steps until the rates are reached; then they fall along half a cosine."""


def distil(
    network: Network,
    graph: gs.Graph,
    points: Points,
    numbers: Quantisation,
    files: Sequence[Path],
    settings: DistillSettings,
    checkpoint: Path | None,
    progress: Progress,
) -> Quantisation:
    """Let the INT8 form of a network learn what the float one computes.

    Args:
        network: as its family read it.
        graph: the same network as a graph, not quantised.
        points: where it is quantised.
        numbers: what learning starts from.
        files: pictures; no labels.
        settings: how long and where.
        checkpoint: file to go on from and to write to now and then; removed at the end.
        progress: told about each step.

    Returns:
        Thresholds, biases, weights and their scales.

    Raises:
        InputError: no picture can be read.
        UnsupportedError: no CUDA device, or a network that this does not train.
    """
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        raise UnsupportedError(
            f"--device {settings.device}: this PyTorch finds no GPU; install one with CUDA, or use --device cpu"
        )
    features, finals = feature_names(graph), final_names(graph)
    teacher = TapOps(features, finals, settings.device)
    student = StudentOps(points, numbers, features, finals, settings.device)
    shown = _Pictures(network, files, settings)
    with torch.backends.cudnn.flags(allow_tf32=False, benchmark=True):
        with torch.no_grad():
            network.forward(student, student.start(shown.batch(0)))
        student.adopt()
        run = _Run(student, settings, checkpoint)
        clock = Clock(settings.steps, "distilling", "steps", progress)
        clock.advance(run.done)
        for step in range(run.done, settings.steps):
            run.step(partial(_loss, network, teacher, student, shown.batch(step)))
            clock.advance()
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return student.numbers()


def _loss(network: Network, teacher: TapOps, student: StudentOps, images: Tensor) -> Tensor:
    with torch.no_grad():
        heads = network.forward(teacher, teacher.start(images))
        seen = certainty(heads["scores"], network.meta, images.shape[2:])
    network.forward(student, student.start(images))
    return distance((student.read, student.written), (teacher.read, teacher.written), seen)


class _Run:
    """The optimiser and where it is; goes on from a checkpoint."""

    def __init__(self, student: StudentOps, settings: DistillSettings, checkpoint: Path | None) -> None:
        self._learned = student.learned()
        self._settings, self._checkpoint = settings, checkpoint
        groups = [
            {"params": [value], "lr": _rate(name, value) * settings.rate} for name, value in self._learned.items()
        ]
        self._optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        self.done = 0
        if checkpoint and checkpoint.is_file():
            self._resume(torch.load(checkpoint, map_location=student.device, weights_only=True))

    def step(self, loss: Callable[[], Tensor]) -> float:
        """One step down; returns the loss before it."""
        self._optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * _share(self.done, self._settings.steps)
        self._optimizer.step()
        self.done += 1
        if self._checkpoint and self.done % self._settings.save_every == 0:
            self._save(self._checkpoint)
        return float(value.detach())

    def _save(self, path: Path) -> None:
        make_folder(path.parent)
        state = {
            "learned": {name: value.detach() for name, value in self._learned.items()},
            "optimizer": self._optimizer.state_dict(),
            "done": self.done,
        }
        with staged(path) as temporary:
            torch.save(state, temporary)

    def _resume(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, value in self._learned.items():
                value.copy_(state["learned"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.done = int(state["done"])


def _rate(name: str, value: Tensor) -> float:
    if name == "scales" or name.endswith(".scale"):
        return SCALE_RATE
    return BIAS_RATE if name.endswith(".bias") else WEIGHT_RATE * float(value.detach().abs().mean())


def _share(step: int, steps: int) -> float:
    """Of the learning rates at a step."""
    warm = max(1, round(WARM_UP * steps))
    return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))))


class _Pictures:
    """Batches of changed pictures; a step's batch is always the same, so that a resumed run sees what it would have seen."""

    def __init__(self, network: Network, files: Sequence[Path], settings: DistillSettings) -> None:
        self._meta, self._settings = network.meta, settings
        self._files = self._readable(files)
        self._image = lru_cache(KEPT)(self._load)
        if self._meta.input_dtype != "float32" or self._meta.input_axes != "chw":
            raise UnsupportedError("--recover distill needs a network that takes float32 [B, C, H, W]")

    def batch(self, step: int) -> Tensor:
        """Images [B, C, H, W] on the device."""
        random = np.random.default_rng((self._settings.seed, step))
        order = self._order(step)
        images = torch.from_numpy(np.stack([self._image(index) for index in order]))
        return _changed(images.to(self._settings.device), random, self._meta.preprocess.scale)

    def _order(self, step: int) -> Iterator[int]:
        """Numbers of the files of a step: all files in a new order each time round."""
        count, start = len(self._files), step * self._settings.batch
        for place in range(start, start + self._settings.batch):
            around = np.random.default_rng((self._settings.seed, 1, place // count)).permutation(count)
            yield int(around[place % count])

    def _load(self, index: int) -> Array:
        (picture,) = PictureReader(self._meta).pictures([self._files[index]])
        return prepare(picture, self._meta)[0]

    def _readable(self, files: Sequence[Path]) -> list[Path]:
        reader = PictureReader(self._meta)
        for _ in reader.pictures(files):
            pass
        found = [file for file in files if file not in reader.unreadable]
        if not found:
            raise InputError("--recover distill: no picture can be read; give others with --calib-path")
        return found


def _changed(images: Tensor, random: np.random.Generator, white: float) -> Tensor:
    """Half of the pictures mirrored, half of them a random part enlarged, all of another brightness."""
    rows = []
    for image in images:
        if random.random() < 0.5:
            image = image.flip(2)
        if random.random() < 0.5:
            image = _enlarged(image, random)
        rows.append(image * random.uniform(0.7, 1.3) + white * random.uniform(-0.03, 0.03))
    return torch.stack(rows).clamp(0, white)


def _enlarged(image: Tensor, random: np.random.Generator) -> Tensor:
    height, width = image.shape[1:]
    share = random.uniform(0.5, 1.0)
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    top, left = random.integers(0, height - rows + 1), random.integers(0, width - columns + 1)
    part = image[None, :, top : top + rows, left : left + columns]
    return F.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)[0]

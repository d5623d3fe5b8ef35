"""The loop: pictures in, one step of the optimiser after the other, checkpoints from which an interrupted run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs
import torch

from ....contract.progress import Progress
from ....converters.network import Network
from ....converters.vocabulary.ops import Tensor
from ....errors import UnsupportedError
from ....files import make_folder, staged
from ....graph_passes.precision.qdq.insert import Quantisation
from ....graph_passes.precision.qdq.points import Points
from ..progress import Clock
from .loss import Spreads, Values, certainty, distance, feature_names, final_names
from .pictures import Pictures
from .settings import DistillSettings
from .student import StudentOps, TapOps

SCALE_RATE, WEIGHT_SCALE_RATE, WEIGHT_RATE, BIAS_RATE = 3e-4, 1e-4, 1e-4, 2e-4
"""Learning rates: of the logarithms of scales, of weights relative to their mean magnitude, of biases.

Adam's steps have the sign of the gradient, whole rows of weights move together, and what the corrected biases made up for is no
longer so: the loss rises at first. So biases have to be quick, the other rates low, and biases are corrected again at the end.
"""
MOVES, MOVED = 4, 1e-4
"""Scales are moved so often, by this share (one standard deviation), to judge a student."""
WARM_UP = 0.05
"""Share of the steps until the rates are reached; then they fall along half a cosine."""


@dataclass(frozen=True)
class Distilled:
    """What was learned, and whether it helps on pictures that were kept aside.

    Attributes:
        start: where learning began.
        learned: what came of it.
        before: loss on the pictures kept aside at the start.
        after: the same at the end.
        aside: how many pictures these are.
    """

    start: Quantisation
    learned: Quantisation
    before: float
    after: float
    aside: int

    @property
    def numbers(self) -> Quantisation:
        """What was learned; the start where it does not help."""
        return self.learned if self.after < self.before else self.start

    @property
    def note(self) -> str:
        """What the user should know."""
        change = f"the loss on {self.aside} pictures kept aside went from {self.before:.4f} to {self.after:.4f}"
        kept = "" if self.after < self.before else ", so what was learned is not used; more pictures or steps may help"
        return f"INT8: distillation: {change}{kept}"


def distil(
    network: Network,
    graph: gs.Graph,
    points: Points,
    numbers: Quantisation,
    files: Sequence[Path],
    settings: DistillSettings,
    checkpoint: Path | None,
    progress: Progress,
    correct: Callable[[Quantisation], Quantisation] = lambda numbers: numbers,
) -> Distilled:
    """Let the INT8 form of a network learn what the float one computes.

    Args:
        network: as its family read it.
        graph: the same network as a graph, not quantised.
        points: where it is quantised.
        numbers: what learning starts from.
        files: pictures; no labels. An eighth of them is kept aside.
        settings: how long and where.
        checkpoint: file to go on from and to write to now and then; removed at the end.
        progress: told about each step.
        correct: gives what was learned its last biases.

    Raises:
        InputError: no picture can be read.
        UnsupportedError: no CUDA device, or a network that this does not train.
    """
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        raise UnsupportedError(
            f"--device {settings.device}: this PyTorch finds no GPU; install one with CUDA, or use --device cpu"
        )
    features, finals = feature_names(graph), final_names(graph)
    student = StudentOps(points, numbers, features, finals, settings.device)
    pictures = Pictures(network.meta, files, settings)
    with torch.backends.cudnn.flags(allow_tf32=False, benchmark=True):
        pair = _Pair(network, TapOps(features, finals, settings.device), student, pictures.aside)
        before = pair.loss_aside()
        student.adopt()
        run = _Run(student, settings, checkpoint)
        clock = Clock(settings.steps, "distilling", "steps", progress)
        clock.advance(run.done)
        for step in range(run.done, settings.steps):
            run.step(partial(pair.loss, pictures.batch(step)))
            clock.advance()
        learned = correct(student.numbers())
        student.take(learned.biases)
        after = pair.loss_aside()
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return Distilled(numbers, learned, before, after, len(pictures.aside))


class _Pair:
    """Teacher and student side by side."""

    def __init__(self, network: Network, teacher: TapOps, student: StudentOps, aside: Sequence[Tensor]) -> None:
        self._network, self._teacher, self._student, self._aside = network, teacher, student, aside
        with torch.no_grad():
            self._spreads = Spreads.of(self._taught(image[None])[0] for image in aside)

    def loss(self, images: Tensor) -> Tensor:
        """How far the student is from the teacher on images [B, C, H, W]."""
        with torch.no_grad():
            values, seen = self._taught(images)
        self._network.forward(self._student, self._student.start(images))
        return distance(self._student.values, values, seen, self._spreads)

    def loss_aside(self) -> float:
        """The mean of that over the pictures kept aside, as they are and mirrored, and over scales moved a little.

        Rounding is chaotic: a scale moved by a ten-thousandth changes the loss by a tenth.
        """
        images = [turned[None] for image in self._aside for turned in (image, image.flip(2))]
        with torch.no_grad():
            losses = [self.loss(image) for _ in self._student.moved(MOVES, MOVED) for image in images]
            return float(torch.stack(losses).mean())

    def _taught(self, images: Tensor) -> tuple[Values, dict[tuple[int, int], Tensor]]:
        heads = self._network.forward(self._teacher, self._teacher.start(images))
        return self._teacher.values, certainty(heads["scores"], self._network.meta, images.shape[2:])


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

    def step(self, loss: Callable[[], Tensor]) -> Tensor:
        """One step down; returns the loss before it, which may still be computed."""
        self._optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * _share(self.done, self._settings.steps)
        self._optimizer.step()
        self.done += 1
        if self._checkpoint and self.done % self._settings.save_every == 0:
            self._save(self._checkpoint)
        return value.detach()

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
    if name == "scales":
        return SCALE_RATE
    if name.endswith(".scale"):
        return WEIGHT_SCALE_RATE
    return BIAS_RATE if name.endswith(".bias") else WEIGHT_RATE * float(value.detach().abs().mean())


def _share(step: int, steps: int) -> float:
    """Of the learning rates at a step."""
    warm = max(1, round(WARM_UP * steps))
    return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))))

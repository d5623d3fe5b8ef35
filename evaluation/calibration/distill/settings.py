"""How a distillation is run, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import InputError


@dataclass(frozen=True)
class DistillSettings:
    """How long and where the INT8 network learns.

    Attributes:
        steps: of the optimiser.
        batch: pictures a step.
        device: "cpu", or a GPU, "cuda:0".
        rate: multiplies every learning rate.
        seed: of the pictures' order and changes.
        save_every: steps between two checkpoints, from which an interrupted run goes on.
    """

    steps: int = 1000
    batch: int = 8
    device: str = "cpu"
    rate: float = 1.0
    seed: int = 0
    save_every: int = 100

    def __post_init__(self) -> None:
        """Raises InputError for a number out of range."""
        for flag, value in (("--distill-steps", self.steps), ("--distill-batch", self.batch)):
            if value < 1:
                raise InputError(f"{flag} {value} is out of range; choose 1 or more")
        if not 0 < self.rate <= 100:
            raise InputError(f"--distill-rate {self.rate} is out of range; choose above 0 to 100")

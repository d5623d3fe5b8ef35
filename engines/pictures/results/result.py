"""What is handed to every output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ....graph.weights import Array
from ..detections import Detections
from ..sources import Source

Ending = Literal["done", "interrupted", "failed"]
"""How a run ended. What an interrupted one did is kept; what a failed one left half done is worth nothing."""


@dataclass(frozen=True)
class Job:
    """A source, and the file in the results' folder that is its annotated copy; its stem is no other source's."""

    source: Source
    target: Path


@dataclass(frozen=True)
class Result:
    """What was found in one picture.

    Attributes:
        job: where it came from.
        frame: number of the picture in its source, from 0.
        picture: uint8 [H, W, 3], blue, green, red.
        found: in it.
        seconds: that it took to find them.
    """

    job: Job
    frame: int
    picture: Array
    found: Detections
    seconds: float

    @property
    def stem(self) -> str:
        """A name for files about this picture."""
        return f"{self.job.target.stem}_{self.frame}" if self.job.source.video else self.job.target.stem


@dataclass(frozen=True)
class Skipped:
    """A source, or what was left of it, that could not be read."""

    job: Job
    reason: str


class Output(Protocol):
    """Something that keeps results; it is told them in their order."""

    def write(self, result: Result) -> None:
        """Keep one result.

        Raises:
            InputError: it cannot be written.
        """
        ...

    def close(self, ending: Ending) -> None:
        """Finish: nothing more comes.

        Raises:
            InputError: it cannot be written.
        """
        ...

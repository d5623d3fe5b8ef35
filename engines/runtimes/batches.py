"""How many images go into each run of an engine whose batch has limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import InputError


@dataclass(frozen=True)
class Run:
    """One run of the engine.

    Attributes:
        start: first image of the request in it.
        count: images of the request in it.
        size: the batch that is run; what `count` lacks is filled up.
    """

    start: int
    count: int
    size: int


def plan_runs(count: int, least: int, most: int) -> Iterator[Run]:
    """Cut `count` images into runs of `least` to `most` images.

    Raises:
        InputError: there are no images.
    """
    if count < 1:
        raise InputError("there is no image to run the network on; give at least one")
    for start in range(0, count, most):
        part = min(most, count - start)
        yield Run(start, part, max(part, least))

"""The table of commands, and what each of them says about itself."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMMANDS = (
    "models.convert",
    "models.detect",
    "models.inspect",
    "models.build",
    "models.lower",
    "bundles.deepstream",
    "bundles.triton",
    "evaluation.verify",
    "evaluation.val",
    "evaluation.bench",
    "evaluation.report",
    "supply.zoo",
    "supply.download",
    "supply.data",
    "evaluation.calibrate",
    "setup.doctor",
    "setup.completion",
)
"""In the order of `--help`. Each is a module in `commands/`, which has a `COMMAND`."""


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as the user types it.
        summary: what it does, a phrase without a full stop.
        examples: lines for the end of its `--help`.
        add_flags: gives a parser the command's arguments. It imports nothing heavy: `--help` calls it.
        run: does the work and returns the exit code, None for 0; errors of the user are raised as `TrtZooError`. It imports
            its rooms when it is called.
    """

    name: str
    summary: str
    examples: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]


def commands() -> Iterator[Command]:
    """Every command of the table."""
    for module in COMMANDS:
        command: Command = importlib.import_module(f".commands.{module}", __package__).COMMAND
        yield command

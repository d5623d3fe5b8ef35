"""The table of commands, and what each of them says about itself."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMMANDS = (
    "convert",
    "detect",
    "inspect",
    "build",
    "lower",
    "deepstream",
    "triton",
    "verify",
    "val",
    "bench",
    "report",
    "zoo",
    "download",
    "data",
    "calibrate",
)
"""In the order of `--help`. Each is the module of this name in `commands/`, which has a `COMMAND`."""


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
    for name in COMMANDS:
        command: Command = importlib.import_module(f".commands.{name}", __package__).COMMAND
        yield command

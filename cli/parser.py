"""argparse with two manners more: wrong usage prints the usage of that very command, and what was mistyped is guessed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from ..contract.near import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser of the command, of a command of it, or of one of that."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As `argparse` does, but what is left over is an error of the command that it stands behind."""
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self._unknown(rest))
        return options, rest

    def tree(self) -> Iterator[Parser]:
        """The parser itself, and those of the commands below it."""
        yield self
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser.tree()

    def arguments(self) -> list[argparse.Action]:
        """Flags and positional arguments of this very command, those below it excepted."""
        return [action for action in self._actions if not isinstance(action, argparse._SubParsersAction)]

    def _unknown(self, rest: Sequence[str]) -> str:
        flags = [flag for action in self._actions for flag in action.option_strings]
        guesses = (did_you_mean(word.partition("=")[0], flags) for word in rest if word.startswith("-"))
        return " ".join(filter(None, [f"unrecognized arguments: {' '.join(rest)};", *guesses])).rstrip(";")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        guess = did_you_mean(str(value), known) or f"choose {', '.join(known)}"
        raise argparse.ArgumentError(action, f"no such choice: {value!r}; {guess}")

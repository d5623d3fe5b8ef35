"""argparse with three manners more: wrong usage prints the usage of that very command, what was mistyped is guessed, and flags
may come from elsewhere than the command line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..contract.near import did_you_mean
from . import other_words


class Parser(argparse.ArgumentParser):
    """A parser of the command, of a command of it, or of one of that.

    Attributes:
        before: called with the parser and its words before it parses them; it may `supply` values.
        given: the argument and the words of each value that was typed or supplied, by its name in the namespace.
        places: where values come from that were supplied and not typed as well, "trtzoo.yaml:3".
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.before: Callable[[Parser, Sequence[str]], None] | None = None
        self.given: dict[str, tuple[argparse.Action, list[str]]] = {}
        self.places: dict[str, str] = {}

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As `argparse` does, but what is left over is an error of the command that it stands behind."""
        if self._unflagged() and (pair := other_words.pair(sys.argv[1:] if args is None else args)):
            self.error(
                f"{pair}: nothing is written NAME=VALUE here; give {' '.join(self._unflagged())}, and flags as --name value"
            )
        if self.before:
            self.before(self, args)
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self._unknown(rest))
        return options, rest

    def supply(self, action: argparse.Action, words: list[str], place: str) -> None:
        """Make what these words mean the value that an argument has where it is not typed.

        Args:
            action: the argument.
            words: what would be typed behind it; of `--x`, `--no-x` ["false"] is the latter.
            place: where they come from.

        Raises:
            argparse.ArgumentError: they are no such value.
        """
        value = self._meaning(action, words)
        for same in self._actions:
            if same.dest == action.dest:  # of several flags for one value, the first one's default would hold
                same.default = value
        self.given[action.dest] = action, words
        self.places[action.dest] = place

    def _meaning(self, action: argparse.Action, words: list[str]) -> Any:
        if isinstance(action, argparse.BooleanOptionalAction):
            return words != ["false"]
        return self._get_values(action, words) if words else action.const

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        value = super()._get_values(action, arg_strings)
        absent = not arg_strings and not action.option_strings
        if not absent and not isinstance(action, argparse._SubParsersAction):
            self.given[action.dest] = action, [word for word in arg_strings if word != "--"]
            self.places.pop(action.dest, None)
        return value

    def verbs(self) -> dict[str, Parser]:
        """The commands below this one."""
        found = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return dict(found[0].choices) if found else {}

    def path(self, to: Parser) -> list[Parser]:
        """The parsers whose words stand before those of one below this, this one first."""
        found = [self]
        for name in to.prog.split()[1:-1]:
            found.append(found[-1].verbs()[name])
        return found

    def tree(self) -> Iterator[Parser]:
        """The parser itself, and those of the commands below it."""
        yield self
        for parser in self.verbs().values():
            yield from parser.tree()

    def arguments(self) -> list[argparse.Action]:
        """Flags and positional arguments of this very command, those below it excepted."""
        return [action for action in self._actions if not isinstance(action, argparse._SubParsersAction)]

    def _unflagged(self) -> list[str]:
        """What the positional arguments of this very command are called."""
        return [str(action.metavar or action.dest) for action in self.arguments() if not action.option_strings]

    def _unknown(self, rest: Sequence[str]) -> str:
        flags = [flag for action in self._actions for flag in action.option_strings]
        words = (word.partition("=")[0] for word in rest if word.startswith("-"))
        guesses = (other_words.flag(word, flags, self._unflagged()) or did_you_mean(word, flags) for word in words)
        return " ".join(filter(None, [f"unrecognized arguments: {' '.join(rest)};", *guesses])).rstrip(";")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        guess = (
            other_words.command(str(value), known) or did_you_mean(str(value), known) or f"choose {', '.join(known)}"
        )
        raise argparse.ArgumentError(action, f"no such choice: {value!r}; {guess}")

"""Giving the flags of a command what a configuration file has for them; what is typed wins."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ...contract.near import did_you_mean
from ...errors import InputError
from ..parser import Parser
from .entries import Entries, Entry, read_pyproject, read_yaml
from .keys import dashes, every_key, keys

PYPROJECT = Path("pyproject.toml")
"""Of the working directory; read where no `--config` is typed."""


@dataclass(frozen=True)
class Source:
    """Where the flags of every command come from that are not typed: the `before` of each parser.

    Attributes:
        root: the parser of all commands, which knows a `--config` typed before the command.
    """

    root: Parser

    def __call__(self, parser: Parser, words: Sequence[str]) -> None:
        """Find a command's values and make them its defaults; a mistake in the file is wrong usage of the command."""
        if parser.verbs() or {"-h", "--help"} & set(words):
            return
        try:
            path = _typed(parser, words) or self._typed_before(parser)
            entries = read_yaml(Path(path)) if path else read_pyproject(PYPROJECT)
            _supply(parser, _chosen(parser, _entries(self.root, parser.prog.split()[1:], entries)), words)
        except InputError as error:
            parser.error(str(error))

    def _typed_before(self, parser: Parser) -> str | None:
        """The FILE of a `--config` before the command."""
        given = [each.given["config_file"][1][0] for each in self.root.path(parser) if "config_file" in each.given]
        return given[-1] if given else None


def only_command(root: Parser, path: Path) -> list[str]:
    """The words of the command whose section a file has, [] where it has none or several.

    Raises:
        InputError: as `read_yaml`.
    """
    entries, words, verbs = read_yaml(path), list[str](), root.verbs()
    while verbs:
        sections = [(key, entry.value) for key, entry in entries.items() if key in verbs]
        inner = [(key, value) for key, value in sections if isinstance(value, Mapping)]
        if len(inner) != 1:
            return []
        key, entries = inner[0]
        words.append(key)
        verbs = verbs[key].verbs()
    return words


def _typed(parser: Parser, words: Sequence[str]) -> str | None:
    """The FILE of a `--config` behind the command; of `zoo build` that is a flag of another meaning."""
    flag = parser._option_string_actions.get("--config")
    if flag is None or flag.dest != "config_file":
        return None
    alone = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    alone.error = parser.error  # type: ignore[method-assign]
    alone.add_argument("--config")
    found: str | None = alone.parse_known_args(list(words))[0].config
    return found


def _entries(level: Parser, path: Sequence[str], entries: Entries) -> Iterator[tuple[Parser, str, Entry]]:
    """What concerns the command at `path`: flat keys, then those of its section, which are nearer."""
    verbs, inner = level.verbs(), None
    for key, entry in entries.items():
        if key in verbs and isinstance(entry.value, Mapping):
            inner = entry.value if path and key == path[0] else inner
            continue
        known = every_key(level.tree())
        if dashes(key) not in known:
            guess = did_you_mean(dashes(key), [*known, *verbs])
            what = f"{level.prog} has no flag or command" if verbs else f"{level.prog} has no flag"
            raise InputError(f"{entry.place}: {what} {key!r}{f'; {guess}' if guess else ''}")
        yield level, dashes(key), entry
    if inner is not None:
        yield from _entries(verbs[path[0]], path[1:], inner)


@dataclass(frozen=True)
class _Choice:
    """What an argument gets: its key, its entry, and the command whose section that stands in."""

    action: argparse.Action
    key: str
    entry: Entry
    level: Parser

    @property
    def off(self) -> bool:
        """Whether it is a switch that is left alone, as one that nobody types."""
        optional = isinstance(self.action, argparse.BooleanOptionalAction)
        return self.action.nargs == 0 and self.entry.value is False and not optional


def _chosen(parser: Parser, entries: Iterator[tuple[Parser, str, Entry]]) -> list[_Choice]:
    """Of each value of the command the nearest entry; those of other commands are passed over."""
    own, chosen = keys(parser), dict[str, _Choice]()
    for level, key, entry in entries:
        if key not in own:
            continue
        new = _Choice(own[key], key, entry, level)
        old = chosen.get(new.action.dest)
        if old and old.level is level and not (old.off or new.off):
            raise InputError(f"{entry.place}: {key} contradicts {old.key} ({old.entry.place}); leave one out")
        if not old or not new.off or old.action is new.action:
            chosen[new.action.dest] = new
    return [choice for choice in chosen.values() if not choice.off]


def _supply(parser: Parser, chosen: Sequence[_Choice], words: Sequence[str]) -> None:
    positional = [action for action in parser.arguments() if not action.option_strings]
    for choice in chosen:
        try:
            parser.supply(choice.action, _words(choice.action, choice.key, choice.entry), choice.entry.place)
        except argparse.ArgumentError as error:
            raise InputError(f"{choice.entry.place}: {choice.key}: {error.message}") from error
        if choice.action not in positional:
            choice.action.required = False
    supplied = [choice.action for choice in chosen if choice.action in positional]
    typed = _positional_words(parser, words) if supplied else 0
    for action in supplied:
        if positional.index(action) >= typed:
            action.required, action.nargs = False, "*" if action.nargs == "+" else "?"


def _positional_words(parser: Parser, words: Sequence[str]) -> int:
    """How many words are typed that belong to no flag."""
    alone = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    alone.error = _give_up  # type: ignore[method-assign]
    for action in map(copy, parser.arguments()):
        if action.option_strings and action.dest != "help":
            action.required = False
            alone._add_action(action)
    try:
        rest = alone.parse_known_args(list(words))[1]
    except _WrongError:
        return len(words)  # the parser itself will explain it
    return sum(not word.startswith("-") for word in rest)


class _WrongError(Exception):
    """Wrong usage."""


def _give_up(message: str) -> NoReturn:
    raise _WrongError(message)


def _words(action: argparse.Action, key: str, entry: Entry) -> list[str]:
    """An entry as it would be typed.

    Raises:
        InputError: it has another form than the flag takes.
    """
    value, place = entry.value, f"{entry.place}: {key}"
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{place} is a switch; write true or false")
        return [] if value else ["false"]
    if isinstance(value, Mapping):
        if action.metavar != "NAME=X":
            raise InputError(f"{place} takes {_form(action)}, and no keys below it")
        return [f"{name}={_word(inner.value, f'{inner.place}: {name}', action)}" for name, inner in value.items()]
    if action.nargs == "?" and action.const is not None and value is True:
        return []
    if not isinstance(value, list):
        return [_word(value, place, action)]
    if action.nargs not in ("+", "*"):
        raise InputError(f"{place} takes {_form(action)}, no list")
    if not value:
        raise InputError(f"{place} has an empty list; leave it out, or give it a value")
    return [_word(item, place, action) for item in value]


def _word(value: object, place: str, action: argparse.Action) -> str:
    if isinstance(value, bool):
        raise InputError(f"{place} takes {_form(action)}, no true or false; put quotes around a word")
    if not isinstance(value, str):
        raise InputError(f"{place} has no value; write one behind it, or leave it out")
    return value


def _form(action: argparse.Action) -> str:
    return "numbers or words" if action.nargs in ("+", "*") else "a number or word"

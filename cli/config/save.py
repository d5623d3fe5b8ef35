"""Writing the flags that were used, so that `--config FILE` alone does the same again."""

from __future__ import annotations

import os
from argparse import Action, BooleanOptionalAction, Namespace
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import InputError
from ...files import atomic_write
from ..parser import Parser
from ..secrets import has_secrets
from .keys import NEVER, key_of


def check_place(path: Path) -> None:
    """Before the work, see that the file can be written behind it.

    Raises:
        InputError: it is a folder, or would be in none.
    """
    if path.is_dir():
        raise InputError(f"--save-config {path} is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"--save-config {path}: there is no folder {path.parent}; create it, or name another file")


def save(path: Path, root: Parser, parser: Parser, options: Namespace) -> bool:
    """Write what a command was given, typed or from a file, as its section of a configuration file.

    Args:
        path: the file.
        root: the parser of all commands.
        parser: that of the command.
        options: what they made of it.

    Returns:
        Whether there is a password or token in it; the file is then for its owner's eyes only.

    Raises:
        InputError: it cannot be written.
    """
    import yaml

    content: dict[str, Any] = {}
    for action, words in _given(root, parser):
        content[key_of(parser, action)] = _value(action, words, options)
    for section in reversed(parser.prog.split()[1:]):
        content = {section: content}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    secret = has_secrets(text)
    with atomic_write(path) as stream:
        if secret:
            os.fchmod(stream.fileno(), 0o600)
        stream.write(f"# Flags of trtzoo {__version__}, written by --save-config\n{text}".encode())
    return secret


def _given(root: Parser, parser: Parser) -> Iterator[tuple[Action, list[str]]]:
    """The arguments of a command with what they were given, before its name too."""
    before = {dest: words for each in root.path(parser) for dest, (_, words) in each.given.items()}
    own = {action.dest: action for action in parser.arguments()}
    for dest, words in before.items():
        if dest in own and dest not in NEVER and dest not in parser.given:
            yield own[dest], words
    yield from (pair for dest, pair in parser.given.items() if dest not in NEVER)


def _value(action: Action, words: list[str], options: Namespace) -> Any:
    if isinstance(action, BooleanOptionalAction):
        return getattr(options, action.dest)
    if not words:
        return True
    return list(map(_scalar, words)) if action.nargs in ("+", "*") else _scalar(words[0])


def _scalar(word: str) -> Any:
    """A number as such, where it is read back as it was typed."""
    for kind in (int, float):
        try:
            number = kind(word)
        except ValueError:
            continue
        if str(number) == word and isfinite(number):
            return number
    return word

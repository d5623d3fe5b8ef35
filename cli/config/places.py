"""Telling where a value was set, wherever a message is about one that nobody typed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import InputError
from ..parser import Parser
from .keys import keys


def supplied(parser: Parser) -> Iterator[tuple[str, str]]:
    """Key, and file and line, of each value of a command that comes from a file."""
    for key, action in keys(parser).items():
        if action.dest in parser.places and parser.given[action.dest][0] is action:
            yield key, parser.places[action.dest]


def with_places(message: str, parser: Parser) -> str:
    """A message, and where those of the flags were set that it names, by themselves or by their values."""
    own = keys(parser)
    named = [
        f"{key} is set in {place}"
        for key, place in supplied(parser)
        if any(_names(message, word) for word in (f"--{key}", *filter(_telling, parser.given[own[key].dest][1])))
    ]
    return f"{message} ({', '.join(named)})" if named else message


def value_refused(error: Exception, parser: Parser) -> bool:
    """Whether an error is about the value of a flag from a file: it then begins with the flag, as all such errors do."""
    message = str(error)
    return isinstance(error, InputError) and any(
        message.startswith(f"--{key} ") or message.startswith(f"--{key}:") for key, _ in supplied(parser)
    )


def _names(message: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", message) is not None


def _telling(word: str) -> bool:
    """Whether a value is found in a message for no other reason: numbers, and "no", are in many."""
    return len(word) > 2 and re.search(r"[^\d.eE+-]", word) is not None

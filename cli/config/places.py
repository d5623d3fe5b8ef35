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
    """A message, and where those of the flags that it names were set."""
    named = [f"--{key} is set in {place}" for key, place in supplied(parser) if _names(message, key)]
    return f"{message} ({', '.join(named)})" if named else message


def value_refused(error: Exception, parser: Parser) -> bool:
    """Whether an error is about the value of a flag from a file: it then begins with the flag, as all such errors do."""
    message = str(error)
    return isinstance(error, InputError) and any(
        message.startswith(f"--{key} ") or message.startswith(f"--{key}:") for key, _ in supplied(parser)
    )


def _names(message: str, key: str) -> bool:
    return re.search(rf"(?<![\w-])--{re.escape(key)}(?![\w-])", message) is not None

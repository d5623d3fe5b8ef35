"""How the flags of a command are called in a configuration file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ..parser import Parser

NEVER = ("help", "version", "config_file", "save_config")
"""By `dest`: what is about the file itself, or no flag of the work."""


def keys(parser: Parser) -> dict[str, argparse.Action]:
    """Flags by their long name without dashes, positional arguments by the name that `--help` has for them, in small letters.

    Where both are alike (`convert`'s MODEL and `--model`), the flag goes by the name that the command has for its value.
    """
    arguments = [action for action in parser.arguments() if action.dest not in NEVER]
    named = {dashes(action.dest): action for action in arguments if not action.option_strings}
    for action in arguments:
        long = next((flag[2:] for flag in action.option_strings if flag.startswith("--")), None)
        if long:
            named[dashes(action.dest) if long in named else long] = action
    return named


def key_of(parser: Parser, action: argparse.Action) -> str:
    """The name of one of them."""
    return next(name for name, one in keys(parser).items() if one is action)


def every_key(parsers: Iterable[Parser]) -> set[str]:
    """The names of all flags of several commands."""
    return {name for parser in parsers for name in keys(parser)}


def dashes(name: str) -> str:
    """`conf_thres` and `conf-thres` are the same."""
    return name.replace("_", "-")

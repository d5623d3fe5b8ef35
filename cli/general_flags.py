"""The flags that every command takes, before its name and behind it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .config import check_place
from .flags import dashed, require


def add_general(parser: argparse.ArgumentParser, top: bool) -> None:
    """The flags; `top` is the parser whose values hold where a command's own does not give any.

    A command that has a flag of such a name keeps its own, as `zoo build --config`.
    """
    group = parser.add_argument_group("how much is said")

    def add(*flags: str, default: Any, **more: Any) -> None:
        if not set(flags) & parser._option_string_actions.keys():
            group.add_argument(*flags, default=default if top else argparse.SUPPRESS, **more)

    add(
        "-v",
        "--verbose",
        action="store_true",
        default=False,
        help="say what the libraries say, and where errors come from",
    )
    add("-q", "--quiet", action="store_true", default=False, help="say errors only; results are printed all the same")
    add(
        "--log-file",
        type=Path,
        metavar="FILE",
        default=None,
        help="append everything that is said to FILE, with the time",
    )
    group = parser.add_argument_group("flags from a file")
    add(
        "--config",
        dest="config_file",
        type=Path,
        metavar="FILE",
        default=None,
        help="flags in YAML, a section for a command or for all (default: [tool.trtzoo] of ./pyproject.toml)",
    )
    add(
        "--save-config",
        type=Path,
        metavar="FILE",
        default=None,
        help="write the flags that were used, for --config",
    )


def check_general(options: argparse.Namespace) -> None:
    """Refuse what contradicts itself, and a file to write that is one of another purpose.

    Raises:
        InputError: the flags could not be saved.
    """
    _settle(options)
    require(options, not (options.verbose and options.quiet), "--verbose and --quiet exclude each other")
    for flag in ("log_file", "save_config"):
        path = getattr(options, flag)
        for name, value in vars(options).items() if path else ():
            same = name != flag and any(_same(item, path) for item in _each(value))
            require(options, not same, f"{dashed(flag)} {path} is a file that the command works on; name another")
    if options.save_config:
        check_place(options.save_config)


def _settle(options: argparse.Namespace) -> None:
    """Of --verbose and --quiet, one from a file gives way to one that is typed."""
    places = options.command_parser.places if options.run else {}
    supplied = [flag for flag in ("verbose", "quiet") if getattr(options, flag) and flag in places]
    if len(supplied) == 1 and options.verbose and options.quiet:
        setattr(options, supplied[0], False)
        del options.command_parser.given[supplied[0]], options.command_parser.places[supplied[0]]


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _same(value: object, path: Path) -> bool:
    return isinstance(value, (str, Path)) and Path(value).absolute() == path.absolute()

"""The flags that every command takes, before its name and behind it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .flags import require

NAMES = ("verbose", "quiet", "log_file")


def add_general(parser: argparse.ArgumentParser, top: bool) -> None:
    """The flags; `top` is the parser whose values hold where a command's own does not give any."""
    group = parser.add_argument_group("how much is said")

    def add(*flags: str, default: Any, **more: Any) -> None:
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


def check_general(options: argparse.Namespace) -> None:
    """Refuse what contradicts itself, and a log that would go into a file of another purpose."""
    require(options, not (options.verbose and options.quiet), "--verbose and --quiet exclude each other")
    if options.log_file is None:
        return
    for name, value in vars(options).items():
        same = name not in NAMES and any(_same(item, options.log_file) for item in _each(value))
        require(options, not same, f"--log-file {options.log_file} is a file that the command works on; name another")


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _same(value: object, path: Path) -> bool:
    return isinstance(value, (str, Path)) and Path(value).absolute() == path.absolute()

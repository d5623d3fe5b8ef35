"""`trtzoo completion`: a script for the shell, by which TAB completes commands, flags, choices and files."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...registry import Command

EXAMPLES = """
  trtzoo completion bash > ~/.local/share/bash-completion/completions/trtzoo
  trtzoo completion zsh > ~/.zfunc/_trtzoo        a folder of zsh's $fpath
  trtzoo completion fish > ~/.config/fish/completions/trtzoo.fish
"""

SHELLS = ("bash", "zsh", "fish")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _run(options: argparse.Namespace) -> None:
    from ....errors import MissingDependencyError
    from ...entry import build_parser

    try:
        import shtab
    except ImportError as error:
        raise MissingDependencyError("completion needs shtab; run `pip install shtab`") from error
    parser = build_parser()
    for each in parser.tree():
        for action in each.arguments():
            if action.type is Path or action.metavar == "SOURCE":
                action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=options.shell))


COMMAND = Command("completion", "print a script by which a shell completes what is typed", EXAMPLES, _add_flags, _run)

"""The command line: it parses and calls; the rules of a domain live with that domain.

One file a command in a folder of `commands/`, listed in `registry.COMMANDS`.
"""

from __future__ import annotations

from .entry import build_parser, main

__all__ = ["build_parser", "main"]

"""A table of text, for the terminal, Markdown and report pages alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: a line above it, "" for none.
        columns: their names.
        rows: a cell a column each.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

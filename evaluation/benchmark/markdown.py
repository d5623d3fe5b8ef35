"""What `bench` measured as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .results import BenchResults
from .tables import origin, tables


def as_markdown(results: BenchResults) -> str:
    """All tables that have something to say, and where the figures come from."""
    parts = [f"{table.title}\n\n{_table(table.columns, table.rows)}" for table in tables(results)]
    notes = [f"- {one.model.label}: {note}" for one in results.models for note in one.notes]
    return "\n\n".join(
        [*parts, *(["\n".join(notes)] if notes else []), "\n".join(f"- {line}" for line in origin(results))]
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown with its columns in line, so that it reads well as text too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [columns, *rows]]
    widths = [max(3, *(len(row[number]) for row in cells)) for number in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])

"""What the command line says: log lines on stderr, results on stdout, a progress bar where there is a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")

LOG_EVERY = 10.0
"""Seconds between log lines of long work where there is no terminal."""


def say(message: str) -> None:
    """A log line."""
    print(message, file=sys.stderr, flush=True)


def note(message: str) -> None:
    """A log line that tells the user something worth knowing."""
    kept = _KEPT.get()
    if kept is None:
        say(f"note: {message}")
    else:
        kept.append(message)


_KEPT: ContextVar[list[str] | None] = ContextVar("kept", default=None)


@contextmanager
def notes_kept(wanted: bool = True) -> Iterator[list[str]]:
    """Where notes are wanted for a document: a list of them, instead of log lines, within the block.

    After an error there is no document, so they become log lines after all.
    """
    kept: list[str] = []
    token = _KEPT.set(kept if wanted else None)
    try:
        yield kept
    except BaseException:
        for message in kept:
            say(f"note: {message}")
        raise
    finally:
        _KEPT.reset(token)


def document(schema: str, values: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout, with the name and the version of its schema first."""
    print(json.dumps({"schema": schema, "version": 1, **values}, indent=1, ensure_ascii=False))


def track(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Hand on the items, showing how many are done: a bar on a terminal, else a line now and then.

    Args:
        items: the work.
        total: how many there are, as far as known; 0 where it is not.
        what: is done, "detecting".
    """
    if total != 1 and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, what, total or None, console=Console(stderr=True), transient=True)
        return
    last = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last > LOG_EVERY:
            last = time.monotonic()
            say(f"{what}: {count} of {total}" if total else f"{what}: {count}")


@contextmanager
def progress(what: str) -> Iterator[Callable[[float, str], None]]:
    """A function that is told the share done, 0..1, and what is being done: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        # Drawn when there is news, not by a thread: a process with threads cannot fork the build (engines/child.py).
        with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
            task = bar.add_task(what, total=1.0)
            yield lambda share, step: bar.update(task, completed=share, description=f"{what}: {step}", refresh=True)
        return
    last = [time.monotonic()]

    def report(share: float, step: str) -> None:
        if time.monotonic() - last[0] > LOG_EVERY:
            last[0] = time.monotonic()
            say(f"{what}: {share:.0%}, {step}")

    yield report


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout, every text as it is: `[batch, 3]` is no markup."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    grid = Table(*(Column(Text(name)) for name in columns), title=Text(title) if title else None, title_justify="left")
    for row in rows:
        grid.add_row(*map(Text, row))
    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())
    console.print(grid)

"""What the command line says: log lines on stderr and in a log file, results on stdout, a progress bar where there is a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from .errors import InputError

Item = TypeVar("Item")

LOG_EVERY = 10.0
"""Seconds between log lines of long work where there is no terminal."""

QUIET, USUAL, DETAILED = logging.ERROR, logging.INFO, logging.DEBUG
"""How much is said on stderr: errors only, what a user wants to know, or what the libraries below say too."""

_FILE_ONLY, _TERMINAL_ONLY = {"file_only": True}, {"terminal_only": True}


class _Terminal(logging.Handler):
    """Lines on what stderr is at the time."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(record, "file_only", False)

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _LogFile(logging.FileHandler):
    """Lines with the time before them. A disk that fills up is said once, and does not end the work."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(record, "terminal_only", False)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        _log.removeHandler(self)
        say(f"note: {self.baseFilename} is not continued: {sys.exc_info()[1]}")


_log = logging.getLogger("trtzoo")
_log.propagate = False
_log.setLevel(DETAILED)
_terminal = _Terminal(USUAL)
_log.addHandler(_terminal)


class _Warnings(logging.Handler):
    """What Python packages warn of is a detail: users can rarely do anything about it."""

    def emit(self, record: logging.LogRecord) -> None:
        detail(" ".join(record.getMessage().split()))


@contextmanager
def speaking(level: int = USUAL, log_file: Path | None = None) -> Iterator[None]:
    """Say this much on stderr within the block, and append everything to a file, with the times.

    Raises:
        InputError: the file cannot be written, or is no text.
    """
    handlers = [_open_log(log_file)] if log_file else []
    packages, before = logging.getLogger("py.warnings"), _terminal.level
    _terminal.setLevel(level)
    packages.handlers, packages.propagate = [_Warnings()], False
    for handler in handlers:
        _log.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        _terminal.setLevel(before)
        for handler in handlers:
            _log.removeHandler(handler)
            with suppress(OSError):
                handler.close()


def _open_log(path: Path) -> logging.FileHandler:
    try:
        binary = path.is_file() and _is_binary(path)
        handler = _LogFile(path, "a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(
            f"--log-file {path} cannot be written: {error.strerror or error}; name another file"
        ) from error
    if binary:
        handler.close()
        raise InputError(f"--log-file {path} is no text, and lines would be appended to it; name another file")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    return handler


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" in file.read(8192)


def say(message: str) -> None:
    """A log line."""
    _log.info("%s", message)


def note(message: str) -> None:
    """A log line that tells the user something worth knowing."""
    kept = _KEPT.get()
    if kept is not None:
        kept.append(message)
    _log.info("note: %s", message, extra=_FILE_ONLY if kept is not None else None)


def error(message: str, trace: BaseException | None = None) -> None:
    """The line that ends a command which failed, said even where little is; `trace` with where it came from, a detail."""
    if trace is not None:
        _log.debug("where it came from:", exc_info=trace)
    _log.error("error: %s", message)


def fault(message: str) -> None:
    """One of several things that went wrong, said even where little is, before the `error` that counts them."""
    _log.error("%s", message)


def detail(message: str) -> None:
    """What only those want to know who look for a fault."""
    _log.debug("%s", message)


def record(message: str) -> None:
    """A line for the log file alone."""
    _log.info("%s", message, extra=_FILE_ONLY)


def wants_details() -> bool:
    """Whether `detail` reaches anybody, so that it is worth while to gather some."""
    return any(isinstance(handler, (_Terminal, _LogFile)) and handler.level <= DETAILED for handler in _log.handlers)


_KEPT: ContextVar[list[str] | None] = ContextVar("kept", default=None)


@contextmanager
def notes_kept(wanted: bool = True) -> Iterator[list[str]]:
    """Where notes are wanted for a document: a list of them, instead of log lines, within the block.

    After an error there is no document, so they are said on stderr after all; a log file has had them all along.
    """
    kept: list[str] = []
    token = _KEPT.set(kept if wanted else None)
    try:
        yield kept
    except BaseException:
        for message in kept:
            _log.info("note: %s", message, extra=_TERMINAL_ONLY)
        raise
    finally:
        _KEPT.reset(token)


def document(schema: str, values: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout, with the name and the version of its schema first."""
    print(json.dumps({"schema": schema, "version": 1, **values}, indent=1, ensure_ascii=False))


def _bar_wanted() -> bool:
    return sys.stderr.isatty() and _terminal.level <= USUAL


def _every_now_and_then(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Passes a line on if the last one was `LOG_EVERY` seconds ago."""
    last = [time.monotonic()]

    def perhaps(line: str) -> None:
        if time.monotonic() - last[0] > LOG_EVERY:
            last[0] = time.monotonic()
            tell(line)

    return perhaps


def track(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Hand on the items, showing how many are done: a bar on a terminal, else a line now and then.

    Args:
        items: the work.
        total: how many there are, as far as known; 0 where it is not.
        what: is done, "detecting".
    """
    bar = total != 1 and _bar_wanted()
    tell = _every_now_and_then(record if bar else say)
    if bar:
        from rich.console import Console
        from rich.progress import track as rich_track

        items = rich_track(items, what, total or None, console=Console(stderr=True), transient=True)
    for count, item in enumerate(items, start=1):
        yield item
        tell(f"{what}: {count} of {total}" if total else f"{what}: {count}")


@contextmanager
def progress(what: str) -> Iterator[Callable[[float, str], None]]:
    """A function that is told the share done, 0..1, and what is being done: a bar on a terminal, else a line now and then."""
    if not _bar_wanted():
        say_now = _every_now_and_then(say)
        yield lambda share, step: say_now(f"{what}: {share:.0%}, {step}")
        return
    from rich.console import Console
    from rich.progress import Progress

    record_now = _every_now_and_then(record)
    # Drawn when there is news, not by a thread: a process with threads cannot fork the build (engines/child.py).
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=1.0)

        def report(share: float, step: str) -> None:
            bar.update(task, completed=share, description=f"{what}: {step}", refresh=True)
            record_now(f"{what}: {share:.0%}, {step}")

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

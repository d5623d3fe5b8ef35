"""Watching the interpreter while a checkpoint is read: does it execute, import or open anything?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trtzoo.converters.checkpoint.reader import Record, TensorData, read_checkpoint
from trtzoo.errors import TrtZooError

HARMLESS_EVENTS = {"open", "mmap.__new__", "builtins.id"}

_watched: list[list[tuple[str, Any]]] = []


def _record_event(event: str, args: tuple[Any, ...]) -> None:
    if _watched:
        _watched[-1].append((event, args[:1]))


sys.addaudithook(_record_event)


@contextmanager
def nothing_executed(file: Path) -> Iterator[None]:
    """Fail if the interpreter raises any audit event but opening and mapping `file`.

    Imports, compilation, `exec`, processes, sockets and files raise one each (Python's "audit events table").
    """
    _watched.append([])
    try:
        yield
    finally:
        events = _watched.pop()
    opened = {str(args[0]) for event, args in events if event == "open"}
    assert opened <= {str(file)}, opened
    assert {event for event, _ in events} <= HARMLESS_EVENTS, events


def load_tensors(tree: Any) -> None:
    """Walk the whole of a checkpoint and load every tensor, as a caller might."""
    seen: set[int] = set()
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, TensorData):
            assert value.load().nbytes == value.nbytes
        elif isinstance(value, Record):
            waiting += [value.args, value.attributes, value.items, value.elements]
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += value


def outcome(file: Path, content: bytes) -> TrtZooError | None:
    """The error that reading `content` ends in, or None. Any other exception, and anything executed, fails."""
    file.write_bytes(content)
    with nothing_executed(file):
        try:
            load_tensors(read_checkpoint(file))
        except TrtZooError as error:
            caught = error
        else:
            return None
    assert str(caught).startswith(str(file))
    assert str(caught).isprintable() and len(str(caught)) < 1000, caught
    return caught

"""Reading ahead of the work and writing behind it, each in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

Item = TypeVar("Item")


Ready = tuple[Item] | BaseException | None
"""An item; an error of the iterable; its end."""


@contextmanager
def read_ahead(items: Iterable[Item], depth: int) -> Iterator[Iterator[Item]]:
    """The items, taken by a thread that is at most `depth` ahead; errors of the iterable are raised where it is read."""
    ready: queue.Queue[Ready[Item]] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, stopped), name="reading", daemon=True)
    thread.start()
    try:
        yield _handed_on(ready)
    finally:
        stopped.set()
        thread.join(timeout=5)


def _fill(items: Iterable[Item], ready: queue.Queue[Ready[Item]], stopped: threading.Event) -> None:
    try:
        for item in items:
            _put((item,), ready, stopped)
            if stopped.is_set():
                return
        _put(None, ready, stopped)
    except BaseException as error:
        _put(error, ready, stopped)


def _put(value: Ready[Item], ready: queue.Queue[Ready[Item]], stopped: threading.Event) -> None:
    """Wait for room, but not longer than somebody reads."""
    while not stopped.is_set():
        with suppress(queue.Full):
            ready.put(value, timeout=0.1)
            return


def _handed_on(ready: queue.Queue[Ready[Item]]) -> Iterator[Item]:
    while (value := ready.get()) is not None:
        if isinstance(value, BaseException):
            raise value
        yield value[0]


@contextmanager
def write_behind(depth: int) -> Iterator[Callable[[Callable[[], object]], None]]:
    """A function that lets a thread do one job after the other, at most `depth` behind.

    When the block ends, by an interruption too, all jobs handed over are done; the first error of a job is raised at the next
    hand-over or at the end.
    """
    pending: deque[Future[object]] = deque()

    def hand_over(job: Callable[[], object]) -> None:
        while pending and (len(pending) >= depth or pending[0].done()):
            pending.popleft().result()
        pending.append(executor.submit(job))

    with ThreadPoolExecutor(1, thread_name_prefix="writing") as executor:
        yield hand_over
        while pending:
            pending.popleft().result()

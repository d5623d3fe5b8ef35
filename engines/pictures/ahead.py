"""Reading ahead of the work, writing behind it, and several pieces of it at a time, in threads."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST_WORKERS = 4
"""Pictures that a CPU looks at side by side: each has memory of its own, and of more cores each takes several."""

ENOUGH = 16
"""Pictures that are worth it: fewer are done sooner one after the other, by all cores."""


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


def shares(pictures: int) -> tuple[int, int]:
    """How many of so many pictures a CPU looks at side by side, and the cores of each (0: all of them).

    The threads of one run wait for each other behind every operator, and for whatever else needs a core, reading and drawing
    too; runs that share nothing but the weights do not.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, MOST_WORKERS)
    return (workers, cores // workers) if workers > 1 and pictures >= ENOUGH else (1, 0)


def side_by_side(work: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[Made]:
    """What `work` makes of the items, in their order; so many threads work, and one item more is ready for them."""
    if workers == 1:
        yield from map(work, items)
        return
    executor = ThreadPoolExecutor(workers, thread_name_prefix="running")
    pending: deque[Future[Made]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(work, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)

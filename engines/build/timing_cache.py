"""Kernel timings kept between builds: one file a GPU and library version, locked while it is read or written.

TensorRT times thousands of kernels in a build; a build that finds them here takes seconds instead of minutes. The
timings of another GPU or version are useless, so each has its own file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...files import atomic_write, make_folder


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/trtzoo/timing`, by default below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "trtzoo" / "timing"


def cache_file(folder: Path, gpu: str, version: str) -> Path:
    """The file of a GPU ("NVIDIA RTX A4000 8.6") and a version ("10.16.1.11")."""
    label = re.sub(r"[^A-Za-z0-9.]+", "_", f"{gpu} trt{version}").strip("_")
    return folder / f"{label}.timing"


def read_cache(path: Path) -> bytes:
    """The timings so far; empty where there are none."""
    if not path.exists():
        return b""
    with _locked(path, exclusive=False):
        return path.read_bytes()


def update_cache(path: Path, merge: Callable[[bytes], bytes]) -> None:
    """Replace the file by what `merge` makes of its present content; builds that end together wait for each other.

    Raises:
        InputError: the folder cannot be written.
    """
    make_folder(path.parent)
    with _locked(path, exclusive=True):
        merged = merge(path.read_bytes() if path.exists() else b"")
        with atomic_write(path) as stream:
            stream.write(merged)


@contextmanager
def _locked(path: Path, exclusive: bool) -> Iterator[None]:
    """Hold the lock file beside `path`; it stays, since removing it would let two builds hold different locks."""
    import fcntl

    with path.with_name(f"{path.name}.lock").open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield

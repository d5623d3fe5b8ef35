"""Products in an object store: a step gets its files from a URL and brings back what it wrote, wherever it runs.

    s3://bucket/zoo  --get-->  a folder of the step's own  --command-->  new files  --put-->  s3://bucket/zoo

Paths of steps lie below one local folder that stands for the URL (`Store.root`) and need not exist. fsspec, which speaks to
the store, takes credentials and settings from the environment and its configuration as it always does.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ..errors import InputError
from .download import cache_folder
from .remote import open_url, said
from .steps import Step

BLOCK = 1 << 20
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "checksum")
"""What stores call the sum of a file's bytes, which saves reading them."""
_WEB = ("http", "https", "ftp")
"""Schemes that are read from only."""


@dataclass(frozen=True)
class Store:
    """A folder behind a URL.

    Attributes:
        url: of the folder, without a slash at the end.
        root: local folder that stands for it in the paths of steps.
    """

    url: str
    root: Path

    def holds(self, path: Path) -> bool:
        """Whether a path of a step means a file behind the URL."""
        return path.is_relative_to(self.root)

    def states(self) -> dict[Path, str]:
        """Every file behind the URL and a sum of its bytes.

        Raises:
            InputError: the store cannot be listed.
            MissingDependencyError: its plug-in is not installed.
        """
        system, base = open_url(self.url)
        with said(self.url), suppress(FileNotFoundError):
            system.invalidate_cache()
            found = system.find(base, detail=True)
            return {self._path(name, base): _state(system, name, entry) for name, entry in found.items()}
        return {}

    def state(self, path: Path) -> str | None:
        """A sum of one file's bytes; None where there is no such file."""
        system, base = open_url(self.url)
        name = self._name(path, base)
        with said(self.url):
            system.invalidate_cache()
            try:
                return _state(system, name, system.info(name))
            except FileNotFoundError:
                return None

    def get(self, paths: Iterable[Path], folder: Path) -> None:
        """Copy files from behind the URL into a local folder that stands for `root`.

        Raises:
            InputError: one is not there, or the store does not answer.
        """
        system, base = open_url(self.url)
        for path in paths:
            name = path.relative_to(self.root)
            local = folder / name
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                with said(self.url):
                    system.get_file(self._name(path, base), str(local))
            except FileNotFoundError as error:
                raise InputError(f"{self.url}/{name.as_posix()} is gone; build once more") from error

    def put(self, folder: Path, names: Iterable[Path]) -> None:
        """Copy files of a local folder, named relative to it, behind the URL."""
        system, base = open_url(self.url)
        for name in names:
            there = f"{base}/{name.as_posix()}"
            with said(self.url):
                system.makedirs(system._parent(there), exist_ok=True)
                system.put_file(str(folder / name), there)

    def _name(self, path: Path, base: str) -> str:
        return f"{base}/{path.relative_to(self.root).as_posix()}"

    def _path(self, name: str, base: str) -> Path:
        return self.root / name.removeprefix(base).lstrip("/")


class Listing:
    """The states of all files behind a URL, asked for once; what a step wrote is asked for again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = store.states()

    def holds(self, path: Path) -> bool:
        """Whether a path of a step means a file behind the URL."""
        return self._store.holds(path)

    def state(self, path: Path) -> str | None:
        """A sum of a file's bytes; None where there is no such file."""
        return self._known.get(path)

    def refresh(self, paths: Iterable[Path]) -> None:
        """Ask for these files again."""
        for path in paths:
            state = self._store.state(path)
            self._known.pop(path, None)
            if state is not None:
                self._known[path] = state


def place_of(output: str, base: Path) -> tuple[Path, Store | None]:
    """The folder that products have in the paths of steps, and the store behind it where `output` is a URL.

    A `file://` URL is a folder like any other.

    Raises:
        InputError: the URL names no folder that can be written.
        MissingDependencyError: the plug-in for its scheme is not installed.
    """
    if "://" not in output:
        return (base / output).resolve(), None
    parts = urlsplit(output)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).resolve(), None
    if parts.scheme in _WEB:
        raise InputError(f"output {output} can only be read from; name a folder or a store such as s3://BUCKET/FOLDER")
    open_url(output)
    digest = hashlib.sha256(output.rstrip("/").encode()).hexdigest()[:12]
    root = cache_folder() / "zoo" / f"{parts.netloc or parts.scheme}-{digest}"
    return root.resolve(), Store(output.rstrip("/"), root.resolve())


def run_beside(store: Store, step: Step, run: Callable[[Step], tuple[int, bytes]]) -> tuple[int, bytes]:
    """Run a step in a folder of its own, with its files from the store, and bring back what it wrote.

    Args:
        store: where they lie.
        step: with paths below `store.root`.
        run: runs a step and returns its exit code and errors; gets the step with paths in the folder.

    Returns:
        What `run` returned. Only after exit code 0 or 3 is anything brought back, and what the step promises (its outputs)
        comes last.

    Raises:
        InputError: the store does not answer, or lacks a file.
    """
    with _own_folder() as folder:
        store.get([path for path in step.inputs if store.holds(path)], folder)
        moved = _moved(step, store.root, folder)
        for path in moved.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
        code, err = run(moved)
        if code in (0, 3):
            store.put(folder, _written(moved, folder))
        return code, err


def _moved(step: Step, root: Path, folder: Path) -> Step:
    """The same step in another folder."""

    def move(path: Path) -> Path:
        return folder / path.relative_to(root) if path.is_relative_to(root) else path

    words = [str(move(Path(word))) if word.startswith(f"{root}{os.sep}") else word for word in step.command]
    return replace(
        step, command=tuple(words), inputs=tuple(map(move, step.inputs)), outputs=tuple(map(move, step.outputs))
    )


def _written(step: Step, folder: Path) -> list[Path]:
    """What a step left in its folder, relative to it: first what it does not promise, then its outputs."""
    promised = [path for path in step.outputs if path.is_file()]
    others = sorted(path for path in folder.rglob("*") if path.is_file() and path not in step.inputs)
    return [path.relative_to(folder) for path in [*(path for path in others if path not in promised), *promised]]


@contextmanager
def _own_folder() -> Iterator[Path]:
    """An empty folder for one step, removed behind it; those of processes that were killed are removed first."""
    parent = Path(tempfile.gettempdir()) / f"trtzoo-zoo-{os.getuid()}"
    parent.mkdir(mode=0o700, exist_ok=True)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{threading.get_ident()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        number = re.match(r"(\d+)-", folder.name)
        if number and not Path(f"/proc/{number[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _state(system: Any, name: str, entry: dict[str, Any]) -> str:
    """The store's own sum of a file where it has one, else that of its bytes."""
    tag = next((str(entry[key]) for key in _TAGS if entry.get(key)), "")
    if tag:
        return tag
    digest = hashlib.sha256()
    with system.open(name, "rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()

"""Writing files so that nothing is ever left half written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from .errors import InputError

StrPath: TypeAlias = str | os.PathLike[str]
"""What the public functions take for a file or folder."""


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to and check; it becomes `path` when the block ends without an error.

    On any error, Ctrl-C included, the temporary file is removed and `path` is what it was before.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    if not path.parent.is_dir():
        raise InputError(
            f"cannot write {path}: there is no folder {path.parent}; create it, or choose another place with -o"
        )
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; choose another place with -o, or free some space"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` to fill; its files become those of `path` when the block ends without an error.

    Other files of a folder that exists already stay. On any error, Ctrl-C included, `path` is what it was before.

    Raises:
        InputError: the folder cannot be written, or is a file.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder with -o")
    temporary = make_folder(path.parent) / f".{path.name}.{os.getpid()}"
    try:
        make_folder(temporary)
        yield temporary
        for source in sorted(item for item in temporary.rglob("*") if item.is_file()):
            source.replace(make_folder((path / source.relative_to(temporary)).parent) / source.name)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another folder with -o") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for writing in the way of `staged`: it appears whole or not at all.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    with staged(path) as temporary, temporary.open("wb") as stream:
        yield stream


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_write(path) as stream:
        stream.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text for people and JSON: bytes of its name that are no UTF-8 are spelled out in hexadecimal."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def make_folder(path: Path) -> Path:
    """Create `path` and its parents where missing, and return it.

    Raises:
        InputError: it cannot be created, or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot create the folder {path}: {error.strerror or error}; choose another with -o"
        ) from error
    return path


def require_file(path: StrPath, what: str) -> Path:
    """Return `path` if it is a readable, non-empty file.

    Raises:
        InputError: naming `what` was expected there.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such file: {path} ({what}); check the path")
    if not path.is_file():
        raise InputError(f"{path} is not a file ({what} expected); give the file itself")
    if not os.access(path, os.R_OK):
        raise InputError(f"cannot read {path} ({what}): permission denied; check its access rights")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty ({what} expected); it may be a broken download, fetch it again")
    return path


STAND_INS = (
    (b"version https://git-lfs", "this is a git-lfs pointer, not the file itself; fetch it with `git lfs pull`"),
    (b"<", "this is a web page or XML, not the file itself; the download went wrong, fetch the file (on GitHub: Raw)"),
)
"""What lies under a file's name when it was not really fetched, by its first bytes."""


def refuse_stand_in(path: StrPath, head: bytes) -> None:
    """Name what lies there in place of a file.

    Args:
        path: of the file, or its URL, for the message.
        head: its first bytes.

    Raises:
        InputError: it is a git-lfs pointer or a web page.
    """
    for start, words in STAND_INS:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start):
            raise InputError(f"{path}: {words}")


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""Fetching files over HTTP: resumed, retried, checked, and never half there.

A file is written as `.NAME.part` beside its place, with `.NAME.part.json` saying which version of it that is (the server's
ETag or Last-Modified). A later attempt asks for the rest of exactly that version; where the server has another one by
then, it starts over. Only a complete file whose length and SHA-256 are right gets its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from ..errors import InputError
from ..files import make_folder, refuse_stand_in, sha256_of, staged
from .catalogue import CatalogueFile, find_model
from .remote import open_url, said

if TYPE_CHECKING:
    import requests

BLOCK = 1 << 16
"""Bytes that are written at once; of a transfer that breaks, less than that is lost."""
STORE_BLOCK = 1 << 22
"""Bytes that are asked of an object store at a time."""
TRIES = 5
"""Attempts a file; each goes on where the last one broke off."""
TIMEOUT = (10, 30)
"""Seconds to connect, and without a byte of an answer."""
FINAL = (400, 401, 403, 404, 405, 410, 451)
"""Answers that another attempt would not change."""
MODEL_SUFFIXES = (".pt", ".pth", ".onnx", ".cfg", ".weights")
HOME, MIRROR = "TRTZOO_HOME", "TRTZOO_MIRROR"
"""Environment variables: folder of the cache, and a URL that holds the catalogue's files by name."""

Progress = Callable[[str, int, int], None]
"""Name of the file, bytes so far, bytes in all (0: unknown)."""


@dataclass(frozen=True)
class Download:
    """What came of it.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        cached: it was there already.
        verified: its sum is the one that somebody vouches for.
    """

    path: Path
    sha256: str
    cached: bool
    verified: bool


class _BrokenError(Exception):
    """The transfer broke; what came so far is kept for the next attempt."""


def cache_folder() -> Path:
    """Where downloads are kept: `$TRTZOO_HOME`, else `trtzoo` in the user's cache folder."""
    home = os.environ.get(HOME)
    return Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trtzoo"


def _place_in_cache(source: str) -> Path:
    """Folder of a download: one for the catalogue, and one for each URL, since many files are called best.pt."""
    weights = cache_folder() / "weights"
    return weights / hashlib.sha256(source.encode()).hexdigest()[:12] if "://" in source else weights


def files_of(source: str) -> tuple[CatalogueFile, ...]:
    """The files that a catalogue name or a URL stands for.

    Raises:
        InputError: no model of this name.
    """
    if "://" not in source:
        return find_model(source).files
    name = Path(unquote(urlsplit(source).path)).name
    if not name:
        raise InputError(f"{source} names no file; give the URL of the file itself")
    return (CatalogueFile(name, source),)


def download(
    source: str,
    folder: Path | None = None,
    progress: Progress | None = None,
    sha256: str = "",
    force: bool = False,
) -> list[Download]:
    """Fetch a model of the catalogue or a URL.

    Args:
        source: a catalogue name, or a URL: `http://`, `https://`, `file://`, or what fsspec has a plug-in for (`s3://`).
        folder: to put the files into; None takes the cache. With the suffix of a model (`.pt`), the name of a single file.
        progress: is told how far each file is.
        sha256: that a single file must have; "" takes the catalogue's, where it knows one.
        force: fetch it even if it is there.

    Returns:
        The files, the model itself first.

    Raises:
        InputError: unknown name, the server refuses or stays out of reach, or the file is not the one that was asked for.
        MissingDependencyError: the plug-in for the URL's scheme is not installed.
    """
    files = files_of(source)
    if folder and folder.suffix in MODEL_SUFFIXES and not folder.is_dir():
        if len(files) > 1:
            raise InputError(f"-o {folder} is one file, and {source} has {len(files)}; name a folder")
        files, folder = (replace(files[0], name=folder.name),), folder.parent
    folder = make_folder(folder or _place_in_cache(source))
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise InputError(f"--sha256 {sha256} is no SHA-256, which has 64 hexadecimal digits; give the whole sum")
    if sha256 and len(files) > 1:
        raise InputError(f"--sha256 is for one file; {source} has {', '.join(file.name for file in files)}")
    if "://" not in source:
        files = tuple(replace(file, url=_mirrored(file)) for file in files)
    return [_one(file, sha256.lower() or file.sha256, folder / file.name, progress, force) for file in files]


def _one(file: CatalogueFile, wanted: str, path: Path, progress: Progress | None, force: bool) -> Download:
    if path.is_file() and not force:
        return _kept(path, wanted)
    with _alone(path) as waited:
        return _kept(path, wanted) if waited and path.is_file() else _fetched(file, wanted, path, progress)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Within it no other process fetches this file, since two would write into one part; gives whether it waited for one.

    Raises:
        InputError: the folder cannot be written.
    """
    lock, waited = path.with_name(f".{path.name}.lock"), False
    while True:
        try:
            stream = lock.open("w")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}; choose another place with -o") from error
        with stream:
            waited = _hold(stream) or waited
            if not lock.exists() or not os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
                waited = True  # the one that held it has removed it: take the next
                continue
            try:
                yield waited
                return
            finally:
                lock.unlink(missing_ok=True)


def _hold(stream: IO[str]) -> bool:
    """Lock a file, where its file system can; whether another process held it."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(stream, fcntl.LOCK_EX)
        return True
    except OSError:  # a network file system without locks
        return False
    return False


def _kept(path: Path, wanted: str) -> Download:
    found = sha256_of(path)
    if wanted and found != wanted:
        raise InputError(
            f"{path} is there but its SHA-256 is {found}, not {wanted}; remove it, or fetch it anew with --force"
        )
    return Download(path, found, cached=True, verified=bool(wanted))


def _fetched(file: CatalogueFile, wanted: str, path: Path, progress: Progress | None) -> Download:
    part = path.with_name(f".{path.name}.part")
    try:
        _bring(file.url, part, progress)
        found = sha256_of(part)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another place with -o") from error
    if wanted and found != wanted:
        _drop(part)
        raise InputError(f"{file.url}: the file that came has SHA-256 {found}, not {wanted}; it was not kept")
    _refuse_page(file, part)
    with staged(path) as temporary:
        part.replace(temporary)
    _note_of(part).unlink(missing_ok=True)
    return Download(path, found, cached=False, verified=bool(wanted))


def _bring(url: str, part: Path, progress: Progress | None) -> None:
    """All of a file, by what its scheme needs."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        _copy(url, part)
    elif scheme in ("http", "https"):
        _fetch(url, part, progress)
    else:
        _copy_from_store(url, part, progress)


def _refuse_page(file: CatalogueFile, part: Path) -> None:
    """Keep no web page under the name of a model: that of a login, of a quota, or of the file's own description."""
    if Path(file.name).suffix.lower() not in MODEL_SUFFIXES:
        return
    with part.open("rb") as stream:
        head = stream.read(64)
    try:
        refuse_stand_in(file.url, head)
    except InputError:
        _drop(part)
        raise


def _mirrored(file: CatalogueFile) -> str:
    """The URL of a file, at the user's mirror where one is named."""
    mirror = os.environ.get(MIRROR)
    return f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url


def _copy(url: str, part: Path) -> None:
    source = Path(url2pathname(urlsplit(url).path))
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{url} cannot be read: {error.strerror or error}") from error


def _copy_from_store(url: str, part: Path, progress: Progress | None) -> None:
    """All of a file behind a URL that fsspec knows; its plug-ins retry by themselves."""
    system, name = open_url(url)
    _drop(part)
    try:
        with said(url), system.open(name, "rb") as stream, part.open("wb") as copy:
            while block := stream.read(STORE_BLOCK):
                copy.write(block)
                if progress:
                    progress(part.name[1 : -len(".part")], copy.tell(), stream.size or 0)
    except (FileNotFoundError, InputError) as error:
        _drop(part)
        raise InputError(f"{url} cannot be read: no such file" if isinstance(error, OSError) else str(error)) from error


def _fetch(url: str, part: Path, progress: Progress | None) -> None:
    """All of a file, in as many attempts as that takes; gives up after `TRIES` that brought nothing new."""
    import requests

    failures, problem = 0, ""
    with requests.Session() as session:
        while failures < TRIES:
            before = _size(part)
            try:
                _attempt(session, url, part, progress)
                return
            except (_BrokenError, requests.RequestException) as error:
                problem = _reason(error)
            failures = 0 if _size(part) > before else failures + 1
            if failures:
                time.sleep(_pause(failures))
    kept = " (what came so far is kept)" if _size(part) else ""
    raise InputError(f"{url} cannot be fetched: {problem}; try again later{kept}, or set {MIRROR}")


def _pause(failures: int) -> float:
    """Seconds to wait before the next attempt: a half, 1, 2, 4."""
    return float(2.0 ** (failures - 2))


def _reason(error: Exception) -> str:
    """What lies below an error of the network libraries, without the names of their objects."""
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    cause = getattr(inner, "reason", None) or inner
    proxy = getattr(cause, "original_error", None)
    text = str(proxy or (cause.args[0] if cause.args else "") or type(error).__name__).splitlines()[0]
    text = re.sub(r"^\w+\(.*?\): ", "", text).rstrip(".")
    return f"the proxy does not answer: {text}"[:200] if proxy else text[:200]


def _attempt(session: requests.Session, url: str, part: Path, progress: Progress | None) -> None:
    """Ask once, for the rest of the version that is there in part.

    Raises:
        _BrokenError: to be tried again.
        InputError: the server's answer is final.
    """
    have, version = _size(part), _version_of_part(part)
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    else:
        _drop(part)
        have = 0
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:
            _drop(part)
            raise _BrokenError("the server no longer has the part that was missing")
        if answer.status_code in FINAL:
            raise InputError(
                f"{url}: the server answers {answer.status_code} {answer.reason}; check the name or the URL"
            )
        if answer.status_code not in (200, 206):
            raise _BrokenError(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code == 206 and _version(answer) not in ("", version):
            _drop(part)
            raise _BrokenError("the server sends the rest of another version of the file")
        start = have if answer.status_code == 206 else 0
        total = _total(answer, start)
        _note_of(part).write_text(json.dumps({"version": _version(answer), "total": total}), encoding="utf-8")
        _append(answer, part, start, total, progress)


def _total(answer: requests.Response, start: int) -> int:
    """Bytes of the whole file, 0 where the server does not say.

    Raises:
        _BrokenError: the part that it sends is not the one that was asked for.
    """
    if answer.status_code != 206:
        return int(answer.headers.get("Content-Length") or 0)
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if span.partition("-")[0] != str(start):
        raise _BrokenError(f"the server sends bytes {span} instead of those from {start} on")
    return int(total) if total.isdigit() else 0


def _append(answer: requests.Response, part: Path, start: int, total: int, progress: Progress | None) -> None:
    name, done = part.name[1 : -len(".part")], start
    with part.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        stream.truncate()
        for block in answer.iter_content(BLOCK):
            stream.write(block)
            done += len(block)
            if progress:
                progress(name, done, total)
    if total and done < total:
        raise _BrokenError(f"it ended after {done} of {total} bytes")
    if total and done > total:
        _drop(part)
        raise _BrokenError(f"{done} bytes came instead of {total}")


def _version(answer: requests.Response) -> str:
    """What `If-Range` may be asked with: a strong ETag, else the date of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else str(answer.headers.get("Last-Modified", ""))


def _version_of_part(part: Path) -> str:
    with suppress(OSError, ValueError, AttributeError):
        return str(json.loads(_note_of(part).read_text(encoding="utf-8")).get("version", ""))
    return ""


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)

"""The sources behind what the user named."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from ....errors import InputError
from ....files import printable
from .files import opened_video
from .source import NETWORK, PICTURES, VIDEOS, Source


def find_all(
    texts: Iterable[str | os.PathLike[str]], recursive: bool = False, results: Path | None = None
) -> list[Source]:
    """The sources behind several texts, in their order; each as `find_sources` reads it.

    Raises:
        InputError: nothing behind one of them.
    """
    return [source for text in texts for source in find_sources(text, recursive, results)]


def find_sources(text: str | os.PathLike[str], recursive: bool = False, results: Path | None = None) -> list[Source]:
    """The sources behind one text, sorted by name where they are files.

    Args:
        text: a picture, a video, a folder, a pattern, a `.txt` with one source a line (relative to the file, or to the working
            directory), the number of a camera, or an address (http, https, rtsp, rtmp).
        recursive: look into the folders of a folder too; hidden files are left out.
        results: folder of results, which is not looked into.

    Raises:
        InputError: nothing there, or nothing that is a picture or video.
    """
    name = os.fspath(text)
    path = Path(name)
    if name.lower().startswith(NETWORK):
        return [_remote(name)]
    if path.is_dir():
        files = (file for file in (path.rglob("*") if recursive else path.iterdir()) if _is_shown(file, path, results))
        return _known(files, f"{printable(name)}: no picture or video in the folder")
    if path.exists():
        return _listed(path) if path.suffix.lower() == ".txt" else [_local(path)]
    if name.isdecimal():
        return [Source(Path(f"camera{name}"), video=True, frames=0, address=name)]
    if name == "-":
        raise InputError(
            "-: pictures are not read from standard input; write them to files, or name a camera or address"
        )
    return _matching(name)


def _is_shown(file: Path, folder: Path, results: Path | None) -> bool:
    """Whether a file in a folder is neither hidden nor one of the results in a folder further down."""
    if any(part.startswith(".") for part in file.relative_to(folder).parts):
        return False
    if results is None or results.resolve() == folder.resolve():
        return True
    return results.resolve() not in file.resolve().parents


def _matching(pattern: str) -> list[Source]:
    files = [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]
    if len(files) == 1:
        return [_local(files[0])]
    return _known(files, f"{printable(pattern)}: no such file, and no file matches it as a pattern")


def _known(files: Iterable[Path], otherwise: str) -> list[Source]:
    """Those of the files whose names are those of pictures or videos."""
    known = [file for file in sorted(files) if file.suffix.lower() in PICTURES + VIDEOS and file.is_file()]
    if not known:
        raise InputError(f"{otherwise}; give a picture, a folder, a pattern such as 'pictures/*.jpg' or a video")
    return [_local(file) for file in known]


def _listed(path: Path) -> list[Source]:
    """The sources of a list; a file that is missing shows when it is read, so that one wrong line does not stop the others."""
    sources = list(_lines(path))
    if not sources:
        raise InputError(f"{printable(path)} lists no picture; write one path a line")
    return sources


def _lines(path: Path) -> Iterator[Source]:
    for line in path.read_bytes().splitlines():
        name = os.fsdecode(line.strip())
        if not name or name.startswith("#"):
            continue
        if name.lower().startswith(NETWORK):
            yield _remote(name)
            continue
        beside = path.parent / name
        yield _local(beside if beside.exists() else Path(name))


def _local(path: Path) -> Source:
    return _video(path) if path.suffix.lower() in VIDEOS else Source(path)


def _video(path: Path) -> Source:
    """A video with what it says of itself; one that cannot be opened shows that when it is read."""
    from ....opencv import cv2

    with opened_video(path) as video:
        frames, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS)
    return Source(path, video=True, frames=max(frames, 1), rate=rate if rate > 0 else 25.0)


def _remote(address: str) -> Source:
    """A picture where the address ends like one, else a video or an endless stream."""
    parts = urlsplit(address)
    name = PurePosixPath(parts.path).name or parts.hostname or "stream"
    if PurePosixPath(name).suffix.lower() in PICTURES and parts.scheme.startswith("http"):
        return Source(Path(name), address=address)
    return Source(Path(name), video=True, frames=0, address=address)

"""Pictures to run on: files, folders, globs and videos, read one after the other."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...graph.weights import Array

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


@dataclass(frozen=True)
class Source:
    """One file to run on.

    Attributes:
        path: the file.
        video: whether it is one.
        frames: how many pictures it holds, as far as the file says (1 for a picture).
        rate: frames a second of a video.
    """

    path: Path
    video: bool = False
    frames: int = 1
    rate: float = 0.0


def find_sources(text: str) -> list[Source]:
    """The files behind a path, folder or glob, sorted by name.

    Raises:
        InputError: nothing there, or nothing that is a picture or video.
    """
    path = Path(text)
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in PICTURES + VIDEOS and file.is_file()]
    elif path.exists():
        files = [path]
    else:
        files = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]
        files = [file for file in files if len(files) == 1 or file.suffix.lower() in PICTURES + VIDEOS]
    if not files:
        what = (
            "no picture or video in the folder"
            if path.is_dir()
            else "no such file, and no file matches it as a pattern"
        )
        raise InputError(f"{text}: {what}; give a picture, a folder, a pattern such as 'pictures/*.jpg' or a video")
    return [_open_video(file) if file.suffix.lower() in VIDEOS else Source(file) for file in files]


def read_pictures(source: Source) -> Iterator[Array]:
    """The pictures of a source, uint8 [H, W, 3], blue, green, red.

    Raises:
        InputError: not a picture.
    """
    if source.video:
        yield from _read_video(source.path)
    else:
        yield read_picture(source.path)


def read_picture(path: Path) -> Array:
    """One picture, uint8 [H, W, 3], blue, green, red; turned upright as its EXIF data says.

    Raises:
        InputError: it cannot be read as a picture.
    """
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    try:
        picture: Array | None = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:
        raise InputError(f"{path} cannot be decoded: {error.err}; give a smaller picture") from error
    if picture is None:
        raise InputError(f"{path} is not a picture that can be read; give a JPEG, PNG, BMP, WebP or TIFF file")
    return picture


def _open_video(path: Path) -> Source:
    import cv2

    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise InputError(f"{path} is not a video that can be read; convert it to MP4 (H.264)")
        frames, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS)
    finally:
        video.release()
    return Source(path, video=True, frames=max(frames, 1), rate=rate if rate > 0 else 25.0)


def _read_video(path: Path) -> Iterator[Array]:
    import cv2

    video = cv2.VideoCapture(str(path))
    there, picture = video.read()
    if not there:
        video.release()
        raise InputError(f"{path} is a video without a frame that can be read; convert it to MP4 (H.264)")
    try:
        while there:
            yield picture
            there, picture = video.read()
    finally:
        video.release()

"""Pictures and videos in files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ....errors import InputError
from ....files import printable
from ....graph.weights import Array


def read_picture(path: Path) -> Array:
    """One picture, uint8 [H, W, 3], blue, green, red; turned upright as its EXIF data says.

    Raises:
        InputError: it cannot be read as a picture.
    """
    name = printable(path)
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}; check the path") from error
    return decode_picture(data, name)


def decode_picture(data: Array, name: str) -> Array:
    """A picture from the bytes of its file, uint8 [N]; of an animation the first frame.

    Raises:
        InputError: it cannot be read as a picture.
    """
    from ....opencv import cv2

    if not data.size:
        raise InputError(f"{name} is empty (a picture expected); it may be a broken download, fetch it again")
    try:
        picture: Array | None = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"{name} cannot be decoded: {error.err}; give a smaller picture") from error
    if picture is None:
        raise InputError(
            f"{name} is not a picture that can be read; give a whole JPEG, PNG, BMP, WebP, TIFF, GIF or AVIF file"
        )
    return picture


@contextmanager
def opened_video(path: Path) -> Iterator[Any]:
    """A `cv2.VideoCapture`, which may not be open; through a link where the name is no UTF-8, at which OpenCV crashes."""
    from ....opencv import cv2

    with TemporaryDirectory(prefix="trtzoo-") if _is_unspeakable(path) else nullcontext() as folder:
        name = path
        if folder:
            name = Path(folder, f"video{path.suffix}")
            name.symlink_to(path.resolve())
        video = cv2.VideoCapture(str(name))
        try:
            yield video
        finally:
            video.release()


def _is_unspeakable(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return True
    return False


def read_video(path: Path) -> Iterator[Array]:
    """The frames of a video.

    Raises:
        InputError: it has none that can be read.
    """
    name = printable(path)
    if not path.exists():
        raise InputError(f"cannot read {name}: No such file or directory; check the path")
    with opened_video(path) as video:
        if not video.isOpened():
            raise InputError(f"{name} is not a video that can be read; convert it to MP4 (H.264)")
        there, picture = video.read()
        if not there:
            raise InputError(f"{name} is a video without a frame that can be read; convert it to MP4 (H.264)")
        while there:
            yield picture
            there, picture = video.read()

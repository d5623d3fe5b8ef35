"""Annotated copies: a picture of each picture, a video of each video."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....errors import InputError
from ....files import atomic_write, printable
from ....graph.weights import Array
from ..drawing import Style, draw
from ..sources import Source
from .result import Ending, Job, Result

QUALITY = 92
"""Of JPEG files, 0 to 100."""


class AnnotatedCopies:
    """An annotated copy of each source, beside the results.

    Args:
        style: how they are drawn.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._video: _Video | None = None

    def write(self, result: Result) -> None:
        """Draw, and write; a video becomes a file when the next source begins."""
        if self._video and self._video.job is not result.job:
            self.close("done")
        drawn = draw(result.picture, result.found, self._style)
        if not result.job.source.video:
            write_picture(drawn, result.job.target)
            return
        self._video = self._video or _Video(result.job)
        self._video.write(drawn)

    def close(self, ending: Ending) -> None:
        """Finish a video; of a failed run it is thrown away."""
        video, self._video = self._video, None
        if video:
            video.close(keep=ending != "failed")


def write_picture(picture: Array, target: Path) -> None:
    """Write a picture in the format of its name.

    Raises:
        InputError: it cannot be written.
    """
    from ....opencv import cv2

    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if target.suffix == ".jpg" else []
    _, data = cv2.imencode(target.suffix, picture, quality)
    with atomic_write(target) as stream:
        stream.write(data.tobytes())


class _Video:
    """A video that is being written beside its place."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._temporary = job.target.with_name(f".video.{os.getpid()}.mp4")
        self._writer: Any = None

    def write(self, picture: Array) -> None:
        from ....opencv import cv2

        if self._writer is None:
            size = picture.shape[1], picture.shape[0]
            self._writer = cv2.VideoWriter(
                str(self._temporary), cv2.VideoWriter.fourcc(*"mp4v"), _rate(self.job.source), size
            )
            if not self._writer.isOpened():
                raise InputError(
                    f"cannot write the video {printable(self.job.target)}; choose another folder with -o, or --no-images"
                )
        self._writer.write(picture)

    def close(self, keep: bool) -> None:
        if self._writer is not None:
            self._writer.release()
        try:
            if keep:
                self._temporary.replace(self.job.target)
        except OSError as error:
            raise InputError(f"cannot write {printable(self.job.target)}: {error.strerror}; free some space") from error
        finally:
            with suppress(OSError):
                self._temporary.unlink()


def _rate(source: Source) -> float:
    return source.rate or 25.0

"""What one source of pictures is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ....files import printable

PICTURES = (
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".gif", ".avif",
)  # fmt: skip
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")
NETWORK = ("http://", "https://", "rtsp://", "rtmp://")


@dataclass(frozen=True)
class Source:
    """One file, camera or address to run on.

    Attributes:
        path: the file; of a camera or an address the name that its results get.
        video: whether it is one.
        frames: how many pictures it holds, as far as it says (1 for a picture, 0 for a camera).
        rate: frames a second of a video.
        address: of a camera ("0") or in the network, "" for a file.
    """

    path: Path
    video: bool = False
    frames: int = 1
    rate: float = 0.0
    address: str = ""

    @property
    def name(self) -> str:
        """How messages and results call it: without a password, and with bytes that are no UTF-8 spelled out."""
        if self.address:
            return re.sub(r"(?<=://)[^/@]*@", "", self.address)
        return printable(self.path)

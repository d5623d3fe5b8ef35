"""Small videos for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def write_video(path: Path, frames: Sequence[np.ndarray], rate: float = 12.5) -> Path:
    """An MPEG-4 video of frames [H, W, 3], blue, green, red."""
    size = frames[0].shape[1], frames[0].shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def read_video(path: Path) -> tuple[list[np.ndarray], float]:
    """All frames of a video, and its rate."""
    video, frames = cv2.VideoCapture(str(path)), []
    assert video.isOpened()
    while True:
        there, frame = video.read()
        if not there:
            break
        frames.append(frame)
    rate = video.get(cv2.CAP_PROP_FPS)
    video.release()
    return frames, rate

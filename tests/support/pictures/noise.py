"""Pictures of soft coloured noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def noise_pictures(folder: Path, count: int) -> list[Path]:
    """Write `count` pictures of 48 x 32 pixels, the same ones each time; returns their files in order."""
    random = np.random.default_rng(1)
    for number in range(count):
        small = random.integers(0, 256, (8, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(small, (48, 32), interpolation=cv2.INTER_CUBIC))
    return sorted(folder.iterdir())

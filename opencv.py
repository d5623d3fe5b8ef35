"""OpenCV, whichever of its packages is installed: everything here takes `cv2` from this module, where it is used.

`opencv-python`, `opencv-contrib-python`, their `-headless` twins and the `python3-opencv` of a distribution or of JetPack all bring one
module, `cv2`, and overwrite each other; so none of them is required, and whichever is there is taken.
"""

from __future__ import annotations

from .errors import MissingDependencyError

__all__ = ["cv2"]

try:
    import cv2
except ModuleNotFoundError as error:
    if error.name != "cv2":
        raise
    raise MissingDependencyError(
        "pictures need OpenCV, and there is no cv2 here; run `pip install opencv-python-headless` (opencv-python, "
        "opencv-contrib-python and the system's python3-opencv do as well)"
    ) from error
except ImportError as error:
    raise MissingDependencyError(
        f"OpenCV is installed but does not load ({error}); `pip install --force-reinstall opencv-python-headless` gets one "
        "that fits this NumPy and needs no libraries of a desktop"
    ) from error

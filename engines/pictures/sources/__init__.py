"""Pictures to run on: files, folders, patterns, lists, videos, cameras and network addresses, read one after the other."""

from __future__ import annotations

from .files import read_picture
from .find import find_all, find_sources
from .read import read_pictures
from .source import PICTURES, VIDEOS, Source

__all__ = ["PICTURES", "VIDEOS", "Source", "find_all", "find_sources", "read_picture", "read_pictures"]

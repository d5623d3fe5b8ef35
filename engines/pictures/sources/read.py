"""The pictures of a source, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator

from ....graph.weights import Array
from .files import read_picture, read_video
from .source import Source
from .streams import download_picture, read_stream


def read_pictures(source: Source) -> Iterator[Array]:
    """The pictures of a source, uint8 [H, W, 3], blue, green, red.

    Raises:
        InputError: it cannot be read, or was lost on the way.
    """
    if source.address:
        yield from read_stream(source) if source.video else iter([download_picture(source)])
    elif source.video:
        yield from read_video(source.path)
    else:
        yield read_picture(source.path)

"""Pictures that come from a camera or over the network, for as long as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ....errors import InputError
from ....graph.weights import Array
from .files import decode_picture
from .source import Source

PATIENCE = 10.0
"""Seconds to wait for an address to answer."""

RECONNECTS = 5
"""How often a stream that broke off is opened again, waiting longer each time, before it counts as lost."""

LARGEST = 256 * 2**20
"""Bytes of a picture that is downloaded, at most."""


def download_picture(source: Source) -> Array:
    """A picture from an http address.

    Raises:
        InputError: the address does not answer, or not with a picture.
    """
    import urllib.error
    import urllib.request

    request = urllib.request.Request(source.address, headers={"User-Agent": "trtzoo"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            data = answer.read(LARGEST)
    except urllib.error.HTTPError as error:
        raise InputError(f"cannot download {source.name}: {error}; check the address") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"cannot download {source.name}: {reason}; check the address") from error
    if len(data) == LARGEST:
        raise InputError(f"{source.name} is larger than {LARGEST >> 20} MiB; download it and give the file")
    return decode_picture(np.frombuffer(data, np.uint8), source.name)


def read_stream(source: Source) -> Iterator[Array]:
    """The frames of a camera or a network stream; a network stream that breaks off is opened again a few times.

    Raises:
        InputError: it cannot be opened, or was lost.
    """
    count, failures = 0, 0
    while True:
        before, video = count, _open(source)
        try:
            if not video.isOpened() and not count:
                raise InputError(f"cannot open {_what(source)}; {_advice(source)}")
            ends = _length(video) > 0
            there, picture = video.read()
            while there:
                count += 1
                yield picture
                there, picture = video.read()
        finally:
            video.release()
        if ends and count:
            return
        failures = 1 if count > before else failures + 1
        if failures > RECONNECTS or source.address.isdecimal():
            raise InputError(f"lost {_what(source)} after {count} frames; check the connection and start again")
        time.sleep(min(failures, PATIENCE))


def _what(source: Source) -> str:
    return f"camera {source.address}" if source.address.isdecimal() else source.name


def _advice(source: Source) -> str:
    if source.address.isdecimal():
        return "check that it is there and that nothing else uses it"
    return "check the address, and that it can be reached from here"


def _length(video: Any) -> int:
    """Frames of a video in the network, 0 or less for an endless stream."""
    from ....opencv import cv2

    return int(video.get(cv2.CAP_PROP_FRAME_COUNT))


def _open(source: Source) -> Any:
    from ....opencv import cv2

    if source.address.isdecimal():
        return cv2.VideoCapture(int(source.address))
    patience = int(PATIENCE * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, patience, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience]
    return cv2.VideoCapture(source.address, cv2.CAP_FFMPEG, limits)

"""The lines that a building process and its parent exchange: one JSON object each, over a socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

CANCEL = b"cancel\n"
"""What the parent sends to end a build; a closed socket means the same."""


def send(channel: socket.socket, kind: str, **values: Any) -> None:
    """Send one message; a parent that is gone is no error."""
    with suppress(OSError):
        channel.sendall(json.dumps({"kind": kind, **values}).encode() + b"\n")


def receive(channel: socket.socket) -> Iterator[dict[str, Any]]:
    """The messages until the other side closes."""
    with channel.makefile("rb") as stream:
        for line in stream:
            yield json.loads(line)

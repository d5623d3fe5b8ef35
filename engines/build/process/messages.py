"""What a building process tells its parent, one JSON object a line, over a socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ....contract.documents import from_document, to_document
from ...plans.tensors import EngineTensor

CANCEL = b"cancel\n"
"""What the parent sends to end a build; a closed socket means the same."""


@dataclass(frozen=True)
class Step:
    """How far the build is: the share done, 0..1, and what is being done."""

    share: float
    what: str


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True)
class Node:
    """The node that the parser comes to."""

    name: str


@dataclass(frozen=True)
class CudaFault:
    """What the library said of CUDA that does not start, in case it dies of it."""

    text: str


@dataclass(frozen=True)
class Failure:
    """The build failed: the kind of error, by its name in `errors`, and its message."""

    kind: str
    message: str


@dataclass(frozen=True)
class PlanWritten:
    """The plan is on the disk; facts for the manifest.

    Attributes:
        version: of the library.
        gpu: name and compute capability of the GPU, "" where none was needed.
        seconds: by stage: "parse", "build".
        tensors: inputs and outputs of the network.
        plan_bytes: size of the plan.
        plan_sha256: of the plan.
        memory: bytes by kind, as far as the library says them.
        peak_mib: largest memory of the process.
        warnings: of the library.
        lines: what else it said, if it was to be kept.
    """

    version: str
    gpu: str
    seconds: Mapping[str, float]
    tensors: tuple[EngineTensor, ...]
    plan_bytes: int
    plan_sha256: str
    memory: Mapping[str, int] = field(default_factory=dict)
    peak_mib: float = 0.0
    warnings: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The EngineInspector's report of the plan, in either form; the last message of a build that succeeded."""

    text: str


Message = Step | Note | Node | CudaFault | Failure | PlanWritten | Report
_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Step, Note, Node, CudaFault, Failure, PlanWritten, Report)
}


def send(channel: socket.socket, message: Message) -> None:
    """Send one message; a parent that is gone is no error."""
    line = json.dumps({"kind": type(message).__name__, "value": to_document(message)})
    with suppress(OSError):
        channel.sendall(line.encode() + b"\n")


def receive(channel: socket.socket) -> Iterator[Message]:
    """The messages until the other side closes."""
    with channel.makefile("rb") as stream:
        for line in stream:
            document = json.loads(line)
            kind = _KINDS[document["kind"]]
            yield from_document(document["value"], kind, "a message of the build", "please report this fault of trtzoo")

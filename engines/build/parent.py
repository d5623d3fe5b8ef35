"""The parent's side of a build: hand over the request, listen, and explain the death of the process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ... import errors
from ...contract.documents import to_document
from ...errors import TrtZooError, UnsupportedError
from .messages import receive
from .request import BuildRequest
from .worker_process import WorkerProcess

if TYPE_CHECKING:
    from .progress import Progress


@dataclass
class Outcome:
    """What a process said until it ended.

    Attributes:
        result: facts of the build, empty if there is none.
        error: the error that it reported.
        notes: for the user.
        node: the last node that it parsed, if it was asked to trace.
        status: how it ended without a result: 0, an exit code, or minus the number of a signal.
        noise: the end of what the library wrote to the terminal.
    """

    result: dict[str, Any] = field(default_factory=dict)
    error: TrtZooError | None = None
    notes: list[str] = field(default_factory=list)
    node: str = ""
    status: int = 0
    noise: str = ""


def run_build(
    worker: WorkerProcess, request: BuildRequest, progress: Progress | None, meanwhile: Callable[[], None]
) -> Outcome:
    """Let a waiting process build.

    Args:
        worker: the process.
        request: what to build.
        progress: is told how far it is.
        meanwhile: is called once the process is under way, to work at the same time.

    Raises:
        TrtZooError: the build failed, or the library died.
    """
    outcome = _run(worker, request, progress, meanwhile)
    if outcome.error:
        raise outcome.error
    if outcome.result:
        return outcome
    if outcome.status != -signal.SIGKILL and not request.trace:
        traced = BuildRequest(request.onnx, request.plan, request.settings, trace=True)
        with WorkerProcess() as second:
            outcome = _run(second, traced, None, lambda: None)
    raise explain_death(request.onnx, outcome)


def explain_death(where: str, outcome: Outcome) -> UnsupportedError:
    """The error for a library that ended its process.

    Args:
        where: the ONNX file.
        outcome: of the process.
    """
    if outcome.status == -signal.SIGKILL:
        return UnsupportedError(
            f"the process that built {where} was killed from outside, most often because memory ran out; close other "
            "programs, or lower --max-batch and --workspace"
        )
    status = outcome.status
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
    place = f" at node {outcome.node}" if outcome.node else ""
    last = f" (it last said: {outcome.noise})" if outcome.noise else ""
    return UnsupportedError(
        f"the library crashed on {where}{place}: its process {ended}{last}; the graph is most likely malformed there, "
        f"check it with onnx.checker and export it again"
    )


def _run(
    worker: WorkerProcess, request: BuildRequest, progress: Progress | None, meanwhile: Callable[[], None]
) -> Outcome:
    worker.channel.sendall(json.dumps(to_document(request)).encode() + b"\n")
    meanwhile()
    outcome = _listen(worker, progress)
    if not outcome.result:
        outcome.status = worker.wait()
        outcome.noise = worker.last_words()
    return outcome


def _listen(worker: WorkerProcess, progress: Progress | None) -> Outcome:
    outcome = Outcome()
    for message in receive(worker.channel):
        kind = message.pop("kind")
        if kind == "progress" and progress:
            progress(message["share"], message["what"])
        elif kind == "note":
            outcome.notes.append(message["text"])
        elif kind == "node":
            outcome.node = message["node"]
        elif kind == "error":
            outcome.error = getattr(errors, message["type"])(message["message"])
        elif kind == "result":
            outcome.result = message
            break
    return outcome

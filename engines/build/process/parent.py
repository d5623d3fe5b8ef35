"""The parent's side of a build: hand over the request, listen, and explain the death of the process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .... import errors
from ....contract.documents import to_document
from ....errors import TrtZooError, UnsupportedError
from .messages import CudaFault, Failure, Message, Node, Note, PlanWritten, Report, Step, receive
from .request import BuildRequest
from .worker_process import WorkerProcess

if TYPE_CHECKING:
    from ....contract.progress import Progress


@dataclass
class Outcome:
    """What a process said until it ended.

    Attributes:
        written: facts of the plan, None if there is none.
        report: of the EngineInspector, None if the process ended before it came to that.
        error: the error that it reported.
        notes: for the user.
        node: the last node that it parsed, if it was asked to trace.
        cuda: what the library said of CUDA that does not start.
        status: how it ended without a plan or a report: 0, an exit code, or minus the number of a signal.
        noise: the end of what the library wrote to the terminal.
    """

    written: PlanWritten | None = None
    report: str | None = None
    error: TrtZooError | None = None
    notes: list[str] = field(default_factory=list)
    node: str = ""
    cuda: str = ""
    status: int = 0
    noise: str = ""


def run_build(
    worker: WorkerProcess, request: BuildRequest, progress: Progress | None, meanwhile: Callable[[], None]
) -> tuple[PlanWritten, Outcome]:
    """Let a waiting process build; returns the facts of the plan and what else was said.

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
    if outcome.written:
        if outcome.report is None:
            outcome.notes.append(
                f"the engine is built, but the library {ending(outcome.status)} while it described it; what its layers "
                "became is unknown"
            )
        return outcome.written, outcome
    if outcome.status != -signal.SIGKILL and not request.trace and not outcome.cuda:
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
    ended = ending(outcome.status)
    if outcome.cuda:
        return UnsupportedError(
            f"the library {ended}, for CUDA does not start: {outcome.cuda}; update the driver, or install the library for "
            "an older CUDA"
        )
    place = f" at node {outcome.node}" if outcome.node else ""
    last = f" (it last said: {outcome.noise})" if outcome.noise else ""
    return UnsupportedError(
        f"the library crashed on {where}{place}: its process {ended}{last}; the graph is most likely malformed there, "
        f"check it with onnx.checker and export it again"
    )


def ending(status: int) -> str:
    """How a process ended, such as "was ended by SIGSEGV"."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"


def _run(
    worker: WorkerProcess, request: BuildRequest, progress: Progress | None, meanwhile: Callable[[], None]
) -> Outcome:
    worker.channel.sendall(json.dumps(to_document(request)).encode() + b"\n")
    meanwhile()
    outcome = Outcome()
    for message in receive(worker.channel):
        if isinstance(message, Step):
            if progress:
                progress(message.share, message.what)
        elif _note(outcome, message):
            break
    if outcome.report is None:
        outcome.status = worker.wait()
        outcome.noise = worker.last_words()
    return outcome


def _note(outcome: Outcome, message: Message) -> bool:
    """Note what was said; True if it is the last that is to be heard."""
    if isinstance(message, Note):
        outcome.notes.append(message.text)
    elif isinstance(message, Node):
        outcome.node = message.name
    elif isinstance(message, CudaFault):
        outcome.cuda = message.text
    elif isinstance(message, Failure):
        outcome.error = getattr(errors, message.kind)(message.message)
    elif isinstance(message, PlanWritten):
        outcome.written = message
    elif isinstance(message, Report):
        outcome.report = message.text
    return isinstance(message, Report)

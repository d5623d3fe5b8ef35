"""Building an engine in a process of its own.

TensorRT ends the process on some malformed graphs (a Loop with a wrong body, a TopK with one output), so the library
is never called in the user's process. What happens here is told to the parent in `messages`.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....contract.documents import from_document
from ....contract.target import parse_target
from ....errors import InputError, TrtZooError, UnsupportedError
from ...library import compat
from ...library.compat import Api
from ...library.cuda_start import cuda_fault
from ...library.log import clean, errors_of, make_log, warnings_of
from ..config import Timings, add_profile, idle_settings, keep_timings, load_timings, make_config
from ..parsed_network import parse
from ..precision import Held, follow_graph, loosened, prefer_graph
from ..progress import make_monitor
from .messages import CANCEL, CudaFault, Failure, Node, Note, PlanWritten, Report, Step, send
from .request import BuildRequest

WARNINGS = 20
"""How many of the library's warnings are kept."""


@dataclass(frozen=True)
class Built:
    """A plan, and what made it.

    Attributes:
        api: the library.
        log: its logger, the only one of this process.
        plan: IHostMemory.
        facts: of the plan, which is on the disk.
        held: what the layers were held to, on a TensorRT without strong typing.
        loose: nodes for which no kernel kept to that, so that it was only preferred.
    """

    api: Api
    log: Any
    plan: Any
    facts: PlanWritten
    held: Held
    loose: tuple[str, ...] = ()


def answer(channel: socket.socket) -> None:
    """Read one request and serve it; a parent that asks for nothing ends the process."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = channel.recv(1)  # not more: what follows is for `_await_cancel`
        if not byte:
            return
        line += byte
    if line != CANCEL:
        advice = "please report this fault of trtzoo"
        serve(from_document(json.loads(line), BuildRequest, "the request", advice), channel)


def serve(request: BuildRequest, channel: socket.socket) -> None:
    """Build, and tell the parent how it went."""
    cancelled = threading.Event()
    threading.Thread(target=_await_cancel, args=(channel, cancelled), daemon=True).start()
    try:
        built = build_plan(request, channel, cancelled)
        send(channel, built.facts)
        report = describe(built, request, channel)
        if built.loose:
            send(channel, Note(loosened(built.api, built.loose, built.held, report)))
        send(channel, Report(report))
    except TrtZooError as error:
        send(channel, Failure(type(error).__name__, str(error)))
    except MemoryError:
        send(channel, Failure("UnsupportedError", f"building {request.onnx} needs more memory than there is"))
    except Exception as error:  # whatever the bindings raise, the user gets one line
        text = f"building {request.onnx} failed: {type(error).__name__}: {clean(str(error))}"
        send(channel, Failure("UnsupportedError", text))


def _await_cancel(channel: socket.socket, cancelled: threading.Event) -> None:
    """The parent says `CANCEL`, or is gone."""
    with suppress(OSError):
        channel.recv(len(CANCEL))
    cancelled.set()


def build_plan(request: BuildRequest, channel: socket.socket, cancelled: threading.Event) -> Built:
    """Parse, build and write the plan.

    Raises:
        TrtZooError: it cannot be built, or `cancelled` was set meanwhile.
    """
    settings = request.settings
    api = compat.load(settings.library)
    compat.check_release(api, parse_target(settings.target), settings.version_compatible)
    gpu = _choose_gpu(api, settings.device)
    log = _make_log(api, request, channel)
    builder = compat.make_builder(api, log)
    parsed = parse(api, builder, log, request.onnx, request.trace or settings.verbose)
    inputs = parsed.inputs()
    for text in idle_settings(api, inputs, settings):
        send(channel, Note(text))
    config = make_config(api, builder, settings)
    if settings.version_compatible:
        compat.take_plugins_along(api, parsed.network, parsed.parser, config, request.onnx)
    ranges = add_profile(builder, config, inputs, settings, request.onnx)
    timings = load_timings(api, config, settings, gpu, lambda text: send(channel, Note(text)))
    held = Held() if api.strongly_typed else follow_graph(api, parsed.network, config, request.onnx)
    if api.monitors:
        config.progress_monitor = make_monitor(api.trt, lambda share, what: send(channel, Step(share, what)), cancelled)
    start = time.perf_counter()
    with nullcontext() if api.monitors else _dying(cancelled):
        plan, loose = _build(api, builder, parsed.network, config, log, held, request.onnx)
    seconds = {"parse": round(parsed.seconds, 4), "build": round(time.perf_counter() - start, 4)}
    digest = _write(plan, Path(request.plan))
    if timings:
        _keep_timings(config, timings, channel)
    facts = PlanWritten(
        api.version, gpu, seconds, tuple(parsed.tensors(ranges)), plan.nbytes, digest, log.memory,
        round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1), tuple(warnings_of(log)[:WARNINGS]),
        tuple(log.lines),
    )  # fmt: skip
    return Built(api, log, plan, facts, held, loose)


def _build(
    api: Api, builder: Any, network: Any, config: Any, log: Any, held: Held, onnx: str
) -> tuple[Any, tuple[str, ...]]:
    """The plan, and the nodes for which no kernel kept to the graph's types, so that these became a preference.

    Raises:
        UnsupportedError: there is no plan; the message says why.
    """
    from ..errors import explain_build, nodes_without_kernels

    loose: tuple[str, ...] = ()
    plan = builder.build_serialized_network(network, config)
    said = errors_of(log) if plan is None else []
    if plan is None and held.single and (loose := nodes_without_kernels(said)):
        prefer_graph(api, config)
        plan = builder.build_serialized_network(network, config)
        said = errors_of(log) if plan is None else []
    if plan is None:
        raise explain_build(onnx, api.name, said)
    return plan, loose


@contextmanager
def _dying(cancelled: threading.Event) -> Iterator[None]:
    """End the process at once if it is cancelled meanwhile: TensorRT 8 cannot be told to stop, and builds for minutes."""
    over = threading.Event()

    def watch() -> None:
        cancelled.wait()
        if not over.is_set():
            end_process(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


end_process = os._exit


def _make_log(api: Api, request: BuildRequest, channel: socket.socket) -> Any:
    """The process's one logger; it passes on what may be needed to explain the process's death."""

    def on_fault(log: Any) -> None:
        send(channel, CudaFault(cuda_fault(log, api.target)))

    on_node = (lambda node: send(channel, Node(node))) if request.trace else None
    return make_log(api.trt, on_node, request.settings.verbose, None if api.rtx else on_fault)


def _keep_timings(config: Any, timings: Timings, channel: socket.socket) -> None:
    """Keep the timings; that they cannot be written is no reason to lose the engine."""
    try:
        keep_timings(config, timings)
    except (InputError, OSError) as error:
        send(channel, Note(f"the kernel timings of this build were not kept: {error}"))


def _choose_gpu(api: Api, device: int) -> str:
    """Make GPU number `device` the current one; returns its name and compute capability, "" where none is needed.

    Raises:
        InputError: there is no GPU of that number.
        UnsupportedError: TensorRT needs a GPU and there is none.
    """
    from ...library.cuda_driver import list_gpus, use_gpu

    gpus = list_gpus()
    if not gpus and api.rtx and device == 0:
        return ""
    if not gpus:
        raise UnsupportedError(
            f"{api.name} builds on a GPU, and no CUDA driver answers on this machine; build where the engine will run, "
            "or use --target tensorrt-rtx"
        )
    if device >= len(gpus):
        raise InputError(f"--device {device}: this machine has {len(gpus)} GPU(s), numbered from 0: {', '.join(gpus)}")
    use_gpu(device)
    return gpus[device]


def describe(built: Built, request: BuildRequest, channel: socket.socket) -> str:
    """The EngineInspector's report; "" where there is none, for the engine is finished and stays."""
    if built.log.report:
        return str(built.log.report)
    try:
        return _inspect(built, request.settings.version_compatible)
    except Exception as error:  # an inspector that fails is no reason to lose the engine
        send(channel, Note(f"what the engine's layers became is unknown: {type(error).__name__}: {clean(str(error))}"))
        return ""


def _inspect(built: Built, version_compatible: bool) -> str:
    """The EngineInspector's JSON of a plan, which takes the GPU; "" if the plan does not load there."""
    from ...plans.load import inspector_report

    runtime = compat.make_runtime(built.api, built.log)
    if version_compatible:
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(built.plan)
    return "" if engine is None else inspector_report(built.api, engine)


def _write(plan: Any, path: Path) -> str:
    """Write the plan and compute its SHA-256, both at once."""
    data, digest = memoryview(plan), hashlib.sha256()
    hashing = threading.Thread(target=digest.update, args=(data,))
    hashing.start()
    path.write_bytes(data)
    hashing.join()
    return digest.hexdigest()

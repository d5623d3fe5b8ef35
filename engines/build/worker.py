"""Building an engine in a process of its own.

TensorRT ends the process on some malformed graphs (a Loop with a wrong body, a TopK with one output), so the library
is never called in the user's process. What happens here is told to the parent in `messages`.
"""

from __future__ import annotations

import hashlib
import json
import resource
import socket
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...contract.documents import from_document
from ...contract.target import parse_target
from ...errors import InputError, TrtZooError, UnsupportedError
from ..library import compat
from ..library.compat import Api
from ..library.log import clean, errors_of, make_log, warnings_of
from .config import Timings, add_profile, idle_settings, keep_timings, load_timings, make_config
from .messages import CANCEL, send
from .parsed_network import parse
from .progress import make_monitor
from .request import BuildRequest

WARNINGS = 20
"""How many of the library's warnings are kept."""


def answer(channel: socket.socket) -> None:
    """Read one request and serve it; a parent that asks for nothing ends the process."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = channel.recv(1)  # not more: what follows is for `_await_cancel`
        if not byte:
            return
        line += byte
    if line != CANCEL:
        serve(
            from_document(json.loads(line), BuildRequest, "the request", "please report this fault of trtzoo"), channel
        )


def serve(request: BuildRequest, channel: socket.socket) -> None:
    """Build, and tell the parent how it went."""
    cancelled = threading.Event()
    threading.Thread(target=_await_cancel, args=(channel, cancelled), daemon=True).start()
    try:
        send(channel, "result", **build_plan(request, channel, cancelled))
    except TrtZooError as error:
        send(channel, "error", type=type(error).__name__, message=str(error))
    except MemoryError:
        text = f"building {request.onnx} needs more memory than there is"
        send(channel, "error", type="UnsupportedError", message=text)
    except Exception as error:  # whatever the bindings raise, the user gets one line
        text = f"building {request.onnx} failed: {type(error).__name__}: {clean(str(error))}"
        send(channel, "error", type="UnsupportedError", message=text)


def _await_cancel(channel: socket.socket, cancelled: threading.Event) -> None:
    """The parent says `CANCEL`, or is gone."""
    try:
        channel.recv(len(CANCEL))
    finally:
        cancelled.set()


def build_plan(request: BuildRequest, channel: socket.socket, cancelled: threading.Event) -> dict[str, Any]:
    """Parse, build and write the plan; returns the facts for the manifest.

    Raises:
        TrtZooError: it cannot be built, or `cancelled` was set meanwhile.
    """
    settings = request.settings
    api = compat.load(settings.library)
    compat.check_release(api, parse_target(settings.target), settings.version_compatible)
    gpu = _choose_gpu(api, settings.device)
    log = make_log(api.trt, _tracer(request, channel), settings.verbose)
    builder = compat.make_builder(api, log)
    parsed = parse(api, builder, log, request.onnx, request.trace or settings.verbose)
    inputs = parsed.inputs()
    for text in idle_settings(api, inputs, settings):
        send(channel, "note", text=text)
    config = make_config(api, builder, settings)
    ranges = add_profile(builder, config, inputs, settings, request.onnx)
    timings = load_timings(api, config, settings, gpu, lambda text: send(channel, "note", text=text))
    config.progress_monitor = make_monitor(
        api.trt, lambda share, what: send(channel, "progress", share=share, what=what), cancelled
    )
    start = time.perf_counter()
    plan = builder.build_serialized_network(parsed.network, config)
    seconds = {"parse": round(parsed.seconds, 4), "build": round(time.perf_counter() - start, 4)}
    if plan is None:
        from .errors import explain_build

        raise explain_build(request.onnx, api.name, errors_of(log))
    if timings:
        _keep_timings(config, timings, channel)
    tensors = [asdict(tensor) for tensor in parsed.tensors(ranges)]
    facts = {"version": api.version, "gpu": gpu, "seconds": seconds, "tensors": tensors}
    return facts | _describe(api, plan, log, request)


def _describe(api: Api, plan: Any, log: Any, request: BuildRequest) -> dict[str, Any]:
    """Write the plan; returns what there is to say about it and about the process that built it."""
    return {
        "report": log.report or _inspect(api, plan, request.settings.version_compatible),
        "plan_bytes": plan.nbytes,
        "plan_sha256": _write(plan, Path(request.plan)),
        "memory": log.memory,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "warnings": warnings_of(log)[:WARNINGS],
        "lines": log.lines,
    }


def _keep_timings(config: Any, timings: Timings, channel: socket.socket) -> None:
    """Keep the timings; that they cannot be written is no reason to lose the engine."""
    try:
        keep_timings(config, timings)
    except InputError as error:
        send(channel, "note", text=f"the kernel timings of this build were not kept: {error}")


def _tracer(request: BuildRequest, channel: socket.socket) -> Any:
    return (lambda node: send(channel, "node", node=node)) if request.trace else None


def _choose_gpu(api: Api, device: int) -> str:
    """Make GPU number `device` the current one; returns its name and compute capability, "" where none is needed.

    Raises:
        InputError: there is no GPU of that number.
        UnsupportedError: TensorRT needs a GPU and there is none.
    """
    from ..library.cuda_driver import list_gpus, use_gpu

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


def _inspect(api: Api, plan: Any, version_compatible: bool) -> str:
    """The EngineInspector's JSON of a plan, which takes the GPU; "" if the plan does not load there."""
    runtime = api.trt.Runtime(make_log(api.trt))
    runtime.engine_host_code_allowed = version_compatible
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        return ""
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(api.trt.LayerInformationFormat.JSON))


def _write(plan: Any, path: Path) -> str:
    """Write the plan and compute its SHA-256, both at once."""
    data, digest = memoryview(plan), hashlib.sha256()
    hashing = threading.Thread(target=digest.update, args=(data,))
    hashing.start()
    path.write_bytes(data)
    hashing.join()
    return digest.hexdigest()

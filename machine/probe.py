"""Loading one library to see what it can do here, in a process of its own: `python -m trtzoo.machine.probe NAME`.

The last line on stdout is JSON: what was found, with "version", and with "failure" if it does not work. A library may as
well end the process; that is what the process is for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..contract.choices import EngineTarget
from ..errors import MissingDependencyError, TrtZooError

PLUGINS = ("EfficientNMS_TRT", "EfficientNMS_ONNX_TRT")
"""The plugins that graphs of ours may name."""

Found = dict[str, Any]


def probe_gpus() -> Found:
    """The GPUs, as CUDA lists them."""
    from ..engines.library.cuda_driver import CudaError, find_gpus

    try:
        found = find_gpus()
    except CudaError as error:
        return {"failure": str(error)}
    return {"gpus": [[gpu.name, gpu.capability, gpu.memory] for gpu in found]}


def probe_onnxruntime() -> Found:
    """Runs a graph of one node, with CUDA too where it is offered."""
    import onnxruntime

    offered = list(onnxruntime.get_available_providers())
    found: Found = {"version": onnxruntime.__version__, "providers": offered}
    cuda = "CUDAExecutionProvider"
    for provider in ("CPUExecutionProvider", *([cuda] if cuda in offered else [])):
        if _session_provider(provider) != provider:
            found.setdefault("not_starting", []).append(provider)
    return found


def _session_provider(provider: str) -> str:
    """What a session really runs on."""
    from onnx import TensorProto, helper

    from ..graph.session import open_session

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("in", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["in"], ["out"])], "probe", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = open_session(model.SerializeToString(), providers=[provider])
    return str(session.get_providers()[0])


def probe_opencv() -> Found:
    """Writes and reads a picture."""
    import numpy as np

    try:
        from ..opencv import cv2
    except MissingDependencyError as error:
        return {"failure": str(error.__cause__)}  # the bare reason: the faults say what to do
    done, data = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))
    if not done or cv2.imdecode(data, cv2.IMREAD_COLOR) is None:
        return {"version": cv2.__version__, "failure": "it does not read a picture that it wrote"}
    return {"version": cv2.__version__, "file": cv2.__file__}


def probe_torch() -> Found:
    """Which CUDA it was made for, and whether that starts."""
    import torch

    return {"version": torch.__version__, "cuda": torch.version.cuda, "sees_gpu": bool(torch.cuda.is_available())}


def _probe_engines(target: EngineTarget) -> Found:
    """Makes a builder, and looks for the plugins."""
    from ..engines.library import compat
    from ..engines.library.log import make_log
    from ..engines.library.packages import cuda_major

    api = compat.load(target)
    found: Found = {"version": api.version, "cuda_major": cuda_major(target)}
    if not hasattr(api.trt, "Builder"):
        return found
    log = make_log(api.trt)
    try:
        compat.make_builder(api, log)
    except TrtZooError as error:
        return {**found, "failure": str(error)}
    if not api.rtx:
        found["missing_plugins"] = [name for name in PLUGINS if not _has_plugin(api.trt, name)]
    return found


def _has_plugin(trt: Any, name: str) -> bool:
    registry = trt.get_plugin_registry()
    find = getattr(registry, "get_creator", None) or registry.get_plugin_creator
    return find(name, "1", "") is not None


PROBES: Mapping[str, Callable[[], Found]] = {
    "gpus": probe_gpus,
    "onnxruntime": probe_onnxruntime,
    "opencv": probe_opencv,
    "torch": probe_torch,
    "tensorrt": lambda: _probe_engines("tensorrt"),
    "tensorrt-rtx": lambda: _probe_engines("tensorrt-rtx"),
}


def probe(name: str) -> Found:
    """What is found out by using the library called so; an error is a failure that is told."""
    try:
        return PROBES[name]()
    except Exception as error:  # whatever a broken library raises
        reason = " ".join(str(error).split()) or type(error).__name__
        return {"failure": reason[:500]}


if __name__ == "__main__":
    print(f"\n{json.dumps(probe(sys.argv[1]))}")

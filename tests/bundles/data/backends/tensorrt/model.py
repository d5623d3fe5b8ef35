"""A stand-in for Triton's C++ TensorRT backend in tests: reads a plan of the tests' fake TensorRT, which holds the ONNX file
that it was built from, and runs that.

What the C++ backend holds the configuration against (tensorrt_model_instance.cc: the greatest batch of the profile) is checked here too.
"""

import base64
import importlib.util
import json
from pathlib import Path

import triton_python_backend_utils as pb_utils

HEAD = 32
"""Bytes of a plan before what the fake wrote."""

_there = Path(__file__).resolve().parents[1] / "onnxruntime" / "model.py"
_spec = importlib.util.spec_from_file_location("onnxruntime_stand_in", _there)
_sibling = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_sibling)


class TritonPythonModel(_sibling.TritonPythonModel):
    """One engine with one profile."""

    def _graph(self, path, config):
        if config["platform"] != "tensorrt_plan":
            raise pb_utils.TritonModelException(f"expected platform tensorrt_plan, not {config['platform']!r}")
        data = path.read_bytes()
        if data[:4] not in (b"ftrt", b"ptrt"):
            raise pb_utils.TritonModelException("unable to load plan file to auto complete config: magicTag")
        plan = json.loads(data[HEAD:])
        profile = plan["profile"].get(config["input"][0]["name"])
        if config["max_batch_size"] and (not profile or profile[2][0] < config["max_batch_size"]):
            raise pb_utils.TritonModelException(
                f"unexpected configuration maximum batch size {config['max_batch_size']}; the profile is {profile}"
            )
        return base64.b64decode(plan["onnx"])

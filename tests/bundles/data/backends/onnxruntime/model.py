"""A stand-in for Triton's C++ ONNX Runtime backend in tests: runs the ONNX file with onnxruntime's Python package.

Triton calls this a "python-based backend". What the C++ backend checks at load (onnxruntime.cc, ValidateInputs and
ValidateOutputs) is checked here too.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
}


def _refuse(what):
    raise pb_utils.TritonModelException(what)


class TritonPythonModel:
    """One session; requests that the scheduler put together are one run."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config):
        """Nothing is completed, so that what the configuration lacks is an error."""
        return auto_complete_model_config

    def initialize(self, args):
        """Load the file and hold the configuration against it."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"])
        if not (folder / args["model_version"]).is_dir():
            folder = folder / args["model_name"]
        path = folder / args["model_version"] / config["default_model_filename"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(self._graph(path, config), options, providers=["CPUExecutionProvider"])
        self.batching = config["max_batch_size"] > 0
        self._count_inputs(config["input"])
        overridable = self.session.get_overridable_initializers()
        self.inputs = self._check("input", config["input"], [*self.session.get_inputs(), *overridable])
        self.outputs = self._check("output", config["output"], self.session.get_outputs())

    def _graph(self, path, config):
        """What ONNX Runtime is to run."""
        return path

    def _count_inputs(self, inputs):
        if self.batching and any(item.get("optional") for item in inputs):
            _refuse("optional input is not supported for models that support batching")
        required = [item for item in inputs if not item.get("optional")]
        if len(required) != len(self.session.get_inputs()):
            _refuse(f"configuration expects {len(required)} inputs, model provides {len(self.session.get_inputs())}")

    def _check(self, kind, wanted, had):
        model = {tensor.name: tensor for tensor in had}
        for tensor in wanted:
            name = tensor["name"]
            if name not in model:
                _refuse(f"unexpected inference {kind} '{name}', allowed {kind}s are: {', '.join(model)}")
            if TYPES[model[name].type] != tensor["data_type"]:
                _refuse(f"{kind} '{name}': the model has {TYPES[model[name].type]}, not {tensor['data_type']}")
            full = [-1] * self.batching + [int(axis) for axis in tensor["dims"]]
            shape = [axis if isinstance(axis, int) else -1 for axis in model[name].shape]
            if len(full) != len(shape) or any(have not in (-1, want) for want, have in zip(full, shape, strict=True)):
                _refuse(f"{kind} '{name}': the model expects shape {shape}, the configuration specifies {full}")
        return [tensor["name"] for tensor in wanted]

    def execute(self, requests):
        """One run for all requests that have the same inputs, cut up again afterwards."""
        # DLPack, since the stub reads numpy 2's arrays with the layout of numpy 1.
        fed = []
        for request in requests:
            tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in self.inputs}
            fed.append({name: np.from_dlpack(tensor) for name, tensor in tensors.items() if tensor is not None})
        joined = {name: np.concatenate([one[name] for one in fed]) for name in fed[0]}
        results = dict(zip(self.outputs, self.session.run(self.outputs, joined), strict=True))
        ends = np.cumsum([len(one["images"]) for one in fed])[:-1]
        pieces = {name: np.split(value, ends) for name, value in results.items()}
        return [self._answer(request, {n: p[at] for n, p in pieces.items()}) for at, request in enumerate(requests)]

    @staticmethod
    def _answer(request, results):
        wanted = request.requested_output_names()
        tensors = [(name, np.ascontiguousarray(value)) for name, value in results.items() if name in wanted]
        return pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack(name, value) for name, value in tensors])

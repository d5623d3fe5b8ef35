"""config.pbtxt, through Triton's own protobuf, so that a field that does not exist or has another type cannot be written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...contract.meta import ModelMeta
from ...contract.outputs import INPUT, TensorSpec
from ...contract.properties import to_properties
from ...errors import InputError, MissingDependencyError
from .source import Source

METADATA = "trtzoo"
"""Key of `parameters` that holds the model's metadata, as in an ONNX file's properties."""
LABELS = "labels.txt"
QUEUE_DELAY_US = 2000
PICTURE, PLACEMENT = "picture", "placement"
"""Input and further output of an ensemble: an encoded picture, and where it lies in the network's input."""

_TYPES = {
    "float32": "TYPE_FP32",
    "float16": "TYPE_FP16",
    "uint8": "TYPE_UINT8",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def schema() -> Any:
    """The module of Triton's ModelConfig.

    Raises:
        MissingDependencyError: tritonclient is not installed.
    """
    try:
        from tritonclient.grpc import model_config_pb2
    except ImportError as error:
        raise MissingDependencyError(
            "Triton's protobuf is not installed; run `pip install 'trtzoo[triton]'`"
        ) from error
    return model_config_pb2


def check_name(name: str) -> str:
    """The name of a model, which is also that of its folder and stands in URLs.

    Raises:
        InputError: it has characters that a URL has not.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"--name {name!r} cannot be a model's name; use letters, digits, '.', '-' and '_'")
    return name


def model_config(name: str, source: Source, max_batch: int, optional: bool) -> Any:
    """The configuration of the model itself.

    Args:
        name: of its folder.
        source: the file that is run.
        max_batch: greatest batch that the server puts together; 0 for a fixed batch or without batching.
        optional: inputs with a default may be left out, which the onnxruntime backend allows without batching only.
    """
    mc = schema()
    config = mc.ModelConfig(name=name, max_batch_size=max_batch)
    if source.is_engine:
        config.platform, config.default_model_filename = "tensorrt_plan", "model.plan"
    else:
        config.backend, config.default_model_filename = "onnxruntime", "model.onnx"
    for side, specs in ((config.input, source.inputs), (config.output, source.outputs)):
        for spec in specs:
            side.add(name=spec.name, data_type=_type(mc, spec), dims=_dims(spec, max_batch))
    for item in config.input:
        item.optional = optional and item.name in source.defaults
    config.version_policy.latest.num_versions = 1
    config.instance_group.add(count=1)
    if max_batch:
        config.dynamic_batching.max_queue_delay_microseconds = QUEUE_DELAY_US
    _warm_up(config, source, max_batch)
    _describe(config, source.meta)
    return config


def letterbox_config(name: str, images: TensorSpec, meta: ModelMeta) -> Any:
    """The Python model that makes the network's input of an encoded picture."""
    mc = schema()
    config = mc.ModelConfig(name=name, backend="python", default_model_filename="model.py", max_batch_size=0)
    config.input.add(name=PICTURE, data_type=mc.TYPE_UINT8, dims=[-1])
    config.output.add(name=INPUT, data_type=_type(mc, images), dims=[1, *(int(axis) for axis in images.shape[1:])])
    config.output.add(name=PLACEMENT, data_type=mc.TYPE_FP32, dims=[1, 6])
    config.version_policy.latest.num_versions = 1
    config.instance_group.add(count=1, kind=mc.ModelInstanceGroup.KIND_CPU)
    _describe(config, meta)
    return config


def ensemble_config(name: str, letterbox: str, detector: Any, meta: ModelMeta) -> Any:
    """Picture -> letterbox -> detector; the detector's outputs, with their batch axis, and the placement."""
    mc = schema()
    config = mc.ModelConfig(name=name, platform="ensemble", max_batch_size=0)
    config.input.add(name=PICTURE, data_type=mc.TYPE_UINT8, dims=[-1])
    for output in detector.output:
        dims = [1, *output.dims] if detector.max_batch_size else list(output.dims)
        config.output.add(name=output.name, data_type=output.data_type, dims=dims)
    config.output.add(name=PLACEMENT, data_type=mc.TYPE_FP32, dims=[1, 6])
    steps = config.ensemble_scheduling.step
    first = steps.add(model_name=letterbox, model_version=-1)
    first.input_map[PICTURE] = PICTURE
    first.output_map[INPUT], first.output_map[PLACEMENT] = INPUT, PLACEMENT
    second = steps.add(model_name=detector.name, model_version=-1)
    second.input_map[INPUT] = INPUT
    for output in detector.output:
        second.output_map[output.name] = output.name
    _describe(config, meta)
    return config


def text_of(config: Any) -> str:
    """The text form, held against what it says when it is read again."""
    from google.protobuf import text_format

    text: str = text_format.MessageToString(config, use_short_repeated_primitives=True)
    text_format.Parse(text, type(config)())
    return text


def _type(mc: Any, spec: TensorSpec) -> int:
    value: int = getattr(mc, _TYPES[spec.dtype])
    return value


def _dims(spec: TensorSpec, max_batch: int) -> list[int]:
    """The shape, without its batch axis where the server makes the batches."""
    shape: Sequence[int | str] = spec.shape[1:] if max_batch else spec.shape
    return [axis if isinstance(axis, int) else -1 for axis in shape]


def _warm_up(config: Any, source: Source, max_batch: int) -> None:
    """One request of zeros for the least and the greatest batch, before the model counts as ready."""
    for size in sorted({1, max_batch or 1}):
        sample = config.model_warmup.add(name=f"batch of {size}", batch_size=size)
        for item, spec in zip(config.input, source.inputs, strict=True):
            if item.optional:
                continue
            given = sample.inputs[item.name]
            given.data_type, given.zero_data = item.data_type, True
            given.dims.extend(1 if axis < 0 else axis for axis in _dims(spec, max_batch))


def _describe(config: Any, meta: ModelMeta) -> None:
    config.parameters[METADATA].string_value = to_properties(meta)[METADATA]
    if meta.task == "classify" and config.output and config.output[0].name != INPUT:
        config.output[0].label_filename = LABELS

"""The file that a server runs, with its inputs and outputs as they stand in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...contract.compare import differences
from ...contract.meta import ModelMeta
from ...contract.outputs import TensorSpec, expected_inputs
from ...contract.properties import from_properties
from ...engines.plans.manifest import read_manifest
from ...errors import InputError, UnsupportedError
from ...graph_passes.layouts import expected_outputs

if TYPE_CHECKING:
    import onnx_graphsurgeon as gs


@dataclass(frozen=True)
class Source:
    """A model file.

    Attributes:
        path: an `.onnx`, or an engine under any other ending.
        meta: of the model.
        inputs: in order; a str in a shape is a free axis.
        outputs: in order.
        defaults: inputs that may be left out.
        most: greatest batch that it takes, None for any.
        built_by: library and GPU of an engine that runs nowhere else, "" for an ONNX file.
        version_compatible: an engine that later releases of the library load too, if they are told to.
    """

    path: Path
    meta: ModelMeta
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    defaults: frozenset[str] = frozenset()
    most: int | None = None
    built_by: str = ""
    version_compatible: bool = False

    @property
    def is_engine(self) -> bool:
        """Whether TensorRT runs it."""
        return self.path.suffix != ".onnx"


def onnx_source(path: Path) -> Source:
    """An ONNX file of trtzoo's.

    Raises:
        InputError: it cannot be read, was not written by trtzoo, or is not what its metadata says.
    """
    from ...graph.skeleton import Input, read_onnx

    graph, properties = read_onnx(path)
    defaults = {item.name for item in graph.inputs if isinstance(item, Input) and item.default is not None}
    meta = from_properties(properties, str(path))
    return _checked(Source(path, meta, _specs(graph.inputs), _specs(graph.outputs), frozenset(defaults)))


def without_defaults(source: Source, target: Path) -> Source:
    """The same ONNX file with every input required, written to `target`."""
    from ...graph.skeleton import Input, read_onnx
    from ...graph.writer import write_onnx

    graph, properties = read_onnx(source.path)
    for item in graph.inputs:
        if isinstance(item, Input):
            item.default = None
    write_onnx(graph, properties, target)
    return replace(source, path=target, defaults=frozenset())


def engine_source(path: Path) -> Source:
    """An engine of TensorRT's, with its manifest.

    Raises:
        InputError: it has no manifest, or was built from an ONNX file that trtzoo did not write.
        UnsupportedError: TensorRT-RTX built it, or it takes no single picture.
    """
    manifest = read_manifest(path)
    if manifest is None or manifest.meta is None:
        raise InputError(
            f"{path}: nothing is known about this engine without the .json that `trtzoo build` writes beside it; build "
            "it again from an ONNX file that trtzoo wrote"
        )
    if manifest.target != "tensorrt":
        raise UnsupportedError(
            f"{path} is an engine of {manifest.target}, which Triton's tensorrt backend does not load; build it with "
            "`trtzoo build --target tensorrt`"
        )
    sides = {
        mode: tuple(
            TensorSpec(item.name, item.dtype, tuple("free" if axis < 0 else axis for axis in item.shape))
            for item in manifest.tensors_of(mode)
        )
        for mode in ("input", "output")
    }
    images = manifest.tensors_of("input")[0]
    least, most = (images.profile[0][0], images.profile[2][0]) if images.profile else (1, None)
    if least > 1:
        raise UnsupportedError(
            f"{path} takes no fewer than {least} pictures, but Triton hands over what there is; build it with --min-batch 1"
        )
    made = manifest.settings
    return _checked(
        Source(
            path, manifest.meta, sides["input"], sides["output"], most=most,
            built_by=f"TensorRT {manifest.version} on {manifest.gpu}", version_compatible=made.version_compatible,
        )
    )  # fmt: skip


def _specs(tensors: Iterable[gs.Variable]) -> tuple[TensorSpec, ...]:
    import numpy as np

    return tuple(TensorSpec(item.name, np.dtype(item.dtype).name, tuple(item.shape)) for item in tensors)


def _checked(source: Source) -> Source:
    """The source, if it keeps the contract of its metadata."""
    wrong = differences(expected_inputs(source.meta), source.inputs, "inputs")
    names = [spec.name for spec in expected_outputs(source.meta)]
    if names != [spec.name for spec in source.outputs]:
        wrong.append(f"outputs {[spec.name for spec in source.outputs]} instead of {names}")
    if wrong:
        raise InputError(f"{source.path} is not what its metadata says: {'; '.join(wrong)}; convert the model again")
    return source

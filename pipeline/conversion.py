"""The way from a model file to an ONNX file: read, emit, graph passes, write, check."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.choices import OPSETS
from ..contract.meta import ModelMeta
from ..contract.progress import Progress, silent
from ..converters import read_network, recognise
from ..converters.options import ReadOptions
from ..errors import InputError, UnsupportedError
from ..evaluation.calibration.settings import CalibrationSettings
from ..files import StrPath, printable, staged
from ..graph_passes.model import Model
from ..graph_passes.settings import PassSettings

if TYPE_CHECKING:
    import onnx_graphsurgeon as gs

    from ..graph.weights import Array
    from ..graph.writer import Properties
    from ..graph_passes.precision.int8 import Int8Numbers


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(PassSettings):
    """Everything that `convert` can be told: what the passes do (`PassSettings`), how the file is read, what is written.

    Attributes:
        read: how the file is read.
        batch: fixed batch size; None makes it symbolic. An ONNX file keeps its own.
        opset: of the ONNX; None takes 17, or (INT8 beside FP16, but not for TensorRT 8) 19, whose QuantizeLinear takes half
            precision. An ONNX file keeps its own.
        int8: INT8 in the graph; None leaves floats.
        verify: run the written file once and check its outputs.

    Raises:
        InputError: two settings that exclude each other, or a value out of range.
        UnsupportedError: what the target cannot feed, or an opset that it does not read.
    """

    read: ReadOptions = ReadOptions()
    batch: int | None = 1
    opset: int | None = None
    int8: CalibrationSettings | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch is not None and self.batch < 1:
            raise InputError(f"--batch-size {self.batch} is out of range; choose 1 or more")
        if self.opset is not None and self.opset not in OPSETS:
            raise InputError(f"--opset {self.opset} is not supported; choose {OPSETS.start} to {OPSETS.stop - 1}")
        newest = self.parsed_target.newest_opset
        if self.opset and newest and self.opset > newest:
            raise UnsupportedError(
                f"--opset {self.opset} with --target {self.target}: its parser reads up to opset {newest}; leave --opset out"
            )


@dataclass(frozen=True)
class Conversion:
    """What `convert` did.

    Attributes:
        path: the file it wrote.
        meta: of the model in it.
        notes: what the user should know, a sentence each.
        nodes: in the graph.
        seconds: from reading to the end of the check.
    """

    path: Path
    meta: ModelMeta
    notes: tuple[str, ...]
    nodes: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """The file that was written as JSON values."""
        return {
            "path": printable(self.path),
            "bytes": self.path.stat().st_size,
            "nodes": self.nodes,
            "seconds": round(self.seconds, 3),
            "metadata": asdict(self.meta),
        }


def convert(
    model: StrPath, output: StrPath, settings: ConvertSettings = ConvertSettings(), progress: Progress = silent
) -> Conversion:
    """Convert a model file to ONNX.

    Args:
        model: a DarkNet cfg, a PyTorch checkpoint or an ONNX file.
        output: the file to write.
        settings: what is wanted.
        progress: told the share done and the step of what takes long, the calibration for INT8.

    Raises:
        TrtZooError: with what is wrong, where, and what to do; `output` is then as it was before.
    """
    start = time.perf_counter()
    model, output = Path(model), Path(output)
    check_output(model, output)
    loaded = load_model(model, settings, progress)
    if settings.verify:
        settings, loaded = _checkable(settings, loaded)
    write_model(loaded.graph, loaded.properties, output, loaded.meta if settings.verify else None)
    return Conversion(output, loaded.meta, loaded.notes, len(loaded.graph.nodes), time.perf_counter() - start)


def _checkable(settings: ConvertSettings, model: Model) -> tuple[ConvertSettings, Model]:
    """Leave out the check of a model that is too large for it, and say so."""
    from ..engines.runtimes.check import is_checkable

    if is_checkable(model.meta):
        return settings, model
    note = (
        f"a batch of {model.meta.batch} was not run to check it, for it would need too much memory; check a smaller one"
    )
    return replace(settings, verify=False), model.noted(note)


def check_output(model: Path, output: Path) -> None:
    """Refuse to write over the model itself, which may be the only copy, or under the name of another kind of file."""
    if output.is_dir():
        raise InputError(f"-o {output} is a folder; name the file to write")
    if output.suffix.lower() in OTHER_SUFFIXES:
        raise InputError(f"-o {output}: what comes out is ONNX, so name it {output.stem}.onnx{_instead(model, output)}")
    if output.exists() and model.exists() and output.samefile(model):
        raise InputError(f"{output} is the model itself and would be overwritten; name another file with -o")


def _instead(model: Path, output: Path) -> str:
    """What makes a file of the wanted kind, where trtzoo makes it."""
    makes_engine = output.suffix.lower() in ENGINE_SUFFIXES
    return f"; for an engine: trtzoo build {printable(model)} -o {printable(output)}" if makes_engine else ""


def load_model(path: Path, settings: ConvertSettings, progress: Progress = silent) -> Model:
    """Read a model file and run the graph passes over it; `progress` is told about the calibration.

    Raises:
        TrtZooError: with what is wrong, where, and what to do.
    """
    from ..graph_passes.plan import plan

    model = read_model(path, settings)
    find_numbers = partial(_int8_numbers, path, settings.read, settings.int8, progress) if settings.int8 else None
    for step in plan(settings, _overflow, find_numbers):
        model = step(model)
    return model


def read_model(path: Path, settings: ConvertSettings) -> Model:
    """Read a model file as a graph that ends in its raw heads, or, of an ONNX file, in what trtzoo made of it before."""
    if recognise(path) == "onnx" and settings.read.family in (None, "onnx"):
        from ..converters.foreign_onnx.importer import read

        graph, meta, notes = read(path, settings.read)
        return _batch_kept(_opset_kept(Model(graph, meta, str(path), notes), settings), settings.batch)
    from ..converters.network import to_graph

    network = read_network(path, settings.read)
    graph, meta = to_graph(network, settings.batch, settings.opset or _opset(settings))
    return Model(graph, meta, str(path), (*network.notes, *_opset_notes(settings)), network.weights_file)


def write_model(graph: gs.Graph, properties: Properties, output: Path, check: ModelMeta | None) -> None:
    """Write a graph; with `check` only after it was run once and kept the contract of this metadata."""
    from ..graph.writer import write_onnx

    with staged(output) as temporary:
        write_onnx(graph, properties, temporary)
        if check:
            from ..engines.runtimes.check import check_onnx

            check_onnx(temporary, check, str(output))


ENGINE_SUFFIXES = (".engine", ".plan", ".trt")
OTHER_SUFFIXES = (*ENGINE_SUFFIXES, ".pt", ".pth", ".cfg", ".weights")
"""What files are called that are no ONNX."""


def _batch_kept(model: Model, wanted: int | None) -> Model:
    """Say that a finished graph keeps its batch, where another one was asked for."""
    if wanted in (1, model.meta.batch):
        return model
    batch = "free" if model.meta.batch is None else model.meta.batch
    note = f"the batch stays {batch}, as in the file; export the model again to change it"
    return model.noted(note)


def _opset_kept(model: Model, settings: ConvertSettings) -> Model:
    """Say that a finished graph keeps its opset, where another was asked for, or the target reads none so new."""
    newest, kept = settings.parsed_target.newest_opset, model.graph.opset
    if settings.opset not in (None, kept):
        model = model.noted(f"the opset stays {kept}, as in the file; export the model again to change it")
    if newest is None or kept <= newest:
        return model
    return model.noted(
        f"{model.where} stays in opset {kept}, but {settings.target} reads up to {newest}; give the weights, or "
        f"export it again with opset {newest}"
    )


def _overflow(model: Model, pictures: StrPath) -> dict[str, str]:
    """Nodes whose values leave half precision on real pictures, and why."""
    from ..engines.pictures.overflow import find_overflow
    from ..engines.pictures.preprocess import prepare
    from ..engines.pictures.sources import find_sources, read_pictures

    sources = find_sources(pictures)
    images = (prepare(picture, model.meta)[0] for source in sources for picture in read_pictures(source))
    return find_overflow(model.graph, (_batch(image, model.meta) for image in images))


def _batch(image: Array, meta: ModelMeta) -> Array:
    """One image as often as the model's batch wants it."""
    import numpy as np

    return np.repeat(image[None], meta.batch or 1, axis=0)


def _int8_numbers(
    path: Path, read: ReadOptions, wanted: CalibrationSettings, progress: Progress, model: Model
) -> Int8Numbers:
    """The INT8 numbers of the float model that was read from `path`."""
    from ..evaluation.calibration.quantise import quantise
    from ..graph_passes.precision.int8 import Int8Numbers

    weights = recognise(path) != "onnx" and read.family != "onnx"
    network = read_network(path, read) if wanted.recovery == "distill" and weights else None
    found = quantise(model.graph, model.meta, path.stem, wanted, progress, network)
    return Int8Numbers(found.calibration.points, found.calibration.numbers, found.notes)


HALF_PAIRS = 19
"""The opset from which on quantise and dequantise nodes take half precision."""


def _opset(settings: ConvertSettings) -> int:
    return HALF_PAIRS if settings.int8 and settings.half and not settings.parsed_target.newest_opset else 17


def _opset_notes(settings: ConvertSettings) -> tuple[str, ...]:
    """Why INT8 beside FP16 has more casts than it would need."""
    newest = settings.parsed_target.newest_opset
    if not (settings.int8 and settings.half and newest):
        return ()
    return (
        f"opset {newest}, the newest that {settings.target} reads: values go through single precision where they are quantised, "
        f"for quantise nodes take half from opset {HALF_PAIRS} on",
    )

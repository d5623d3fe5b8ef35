"""The way from a model file to an ONNX file: read, emit, graph passes, write, check."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .contract.choices import AXIS_ORDERS, FRAME_COLOURS, LAYOUTS, OPSETS, AxisOrder, FrameColour, Layout
from .contract.meta import ModelMeta
from .contract.nms import NmsSettings, check_ranges
from .contract.properties import from_properties, to_properties
from .contract.target import parse_target
from .converters import read_network, recognise
from .converters.options import ReadOptions
from .errors import InputError, UnsupportedError
from .evaluation.calibration.calibrate import CalibrationSettings
from .files import sha256_of, staged

if TYPE_CHECKING:
    import onnx
    import onnx_graphsurgeon as gs

    from .evaluation.calibration.quantise import Quantised
    from .graph.weights import Array
    from .graph.writer import Properties


Progress = Callable[[float, str], None]
"""Called with the share that is done, 0..1, and what is being done."""


def _silent(share: float, step: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class EndToEnd:
    """NMS in the graph.

    Attributes:
        settings: route, thresholds and limits.
        target: what the graph is for, as `contract.target.parse_target` reads it.
        runtime_thresholds: make the thresholds inputs of the graph.
        class_thresholds: higher score thresholds of single classes, by name.

    Raises:
        InputError: no such target, or a threshold out of range.
        UnsupportedError: a target that is too old.
    """

    settings: NmsSettings = NmsSettings()
    target: str = "onnxruntime"
    runtime_thresholds: bool = False
    class_thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_target(self.target)
        for name, value in self.class_thresholds.items():
            if not 0 <= value < 1:
                raise InputError(f"threshold {value} of class {name!r} is out of range; choose 0 to below 1")


@dataclass(frozen=True)
class NewThresholds:
    """Other thresholds for an ONNX file that is end to end already; None leaves one as it is.

    Raises:
        InputError: a threshold is out of range.
    """

    conf_thres: float | None = None
    iou_thres: float | None = None

    def __post_init__(self) -> None:
        check_ranges(self.conf_thres, self.iou_thres)


@dataclass(frozen=True)
class Half:
    """FP16 in the graph.

    Attributes:
        half_io: the input becomes float16 too.
        pictures: a picture, folder or pattern to run first; layers that overflow half precision on them stay in single.
    """

    half_io: bool = False
    pictures: str | None = None


@dataclass(frozen=True)
class Uint8Input:
    """Pictures as cameras give them: `axes` "hwc" or "chw", `colour` "bgr" or "rgb"."""

    axes: AxisOrder = "hwc"
    colour: FrameColour = "bgr"

    def __post_init__(self) -> None:
        if self.axes not in AXIS_ORDERS or self.colour not in FRAME_COLOURS:
            raise InputError(
                f"--uint8-input {self.axes}-{self.colour} is not known; choose {' or '.join(AXIS_ORDERS)} and bgr or rgb"
            )


@dataclass(frozen=True)
class ConvertSettings:
    """Everything that `convert` can be told.

    Attributes:
        read: how the file is read.
        batch: fixed batch size; None makes it symbolic. An ONNX file keeps its own.
        opset: of the ONNX; None takes 17, or (INT8 beside FP16) 19, whose QuantizeLinear takes half precision. An ONNX file
            keeps its own.
        end2end: NMS in the graph; None leaves the raw heads.
        layout: dressing of the outputs; None is the contract's own.
        thresholds: of an ONNX file that is end to end already; None leaves them.
        half: FP16 in the graph; None leaves single precision.
        int8: INT8 in the graph; None leaves floats.
        uint8_input: pictures as the input; None leaves float32, 0..1.
        simplify: run onnxsim over a graph that another exporter wrote.
        verify: run the written file once and check its outputs.

    Raises:
        InputError: two settings that exclude each other, or a value out of range.
    """

    read: ReadOptions = ReadOptions()
    batch: int | None = 1
    opset: int | None = None
    end2end: EndToEnd | None = None
    layout: Layout | None = None
    thresholds: NewThresholds | None = None
    half: Half | None = None
    int8: CalibrationSettings | None = None
    uint8_input: Uint8Input | None = None
    simplify: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise InputError(f"--batch-size {self.batch} is out of range; choose 1 or more")
        if self.opset is not None and self.opset not in OPSETS:
            raise InputError(f"--opset {self.opset} is not supported; choose {OPSETS.start} to {OPSETS.stop - 1}")
        if self.layout not in (None, *LAYOUTS):
            raise InputError(f"--layout {self.layout} is not known; choose {', '.join(LAYOUTS)}")
        if self.end2end and self.thresholds:
            raise InputError(
                "new thresholds are for a file that is end to end already; give those of --end2end in its settings"
            )
        if self.uint8_input and self.half and self.half.half_io:
            raise InputError("--uint8-input and --half-io exclude each other")


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


@dataclass(frozen=True)
class Model:
    """A graph on its way through the passes, which change it in place.

    Attributes:
        graph: skeleton and lazy weights.
        meta: what it is now.
        notes: what the user should know, a sentence each.
        weights_file: hashed into the metadata when the model is written, unless the metadata has a hash already.
    """

    graph: gs.Graph
    meta: ModelMeta
    notes: tuple[str, ...] = ()
    weights_file: Path | None = None

    def properties(self) -> Mapping[str, str]:
        """The metadata to write."""
        meta = self.meta
        if self.weights_file and not meta.source_sha256:
            meta = replace(meta, source_sha256=sha256_of(self.weights_file))
        return to_properties(meta)


def convert(
    model: Path, output: Path, settings: ConvertSettings = ConvertSettings(), progress: Progress = _silent
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
    _check_output(model, output)
    loaded = load_model(model, settings, progress)
    if settings.verify:
        settings, loaded = _checkable(settings, loaded)
    write_model(loaded.graph, loaded.properties, output, loaded.meta if settings.verify else None)
    return Conversion(output, loaded.meta, loaded.notes, len(loaded.graph.nodes), time.perf_counter() - start)


def lower(model: Path, output: Path, verify: bool = True) -> list[str]:
    """Replace the TensorRT plugins of an ONNX file by the same semantics in standard operators.

    Args:
        model: an ONNX file, of trtzoo or another exporter.
        output: the file to write.
        verify: run the written file once and check its outputs, where it is trtzoo's.

    Returns:
        What was replaced, a phrase each.

    Raises:
        TrtZooError: the file cannot be read or written.
    """
    from .graph.opset import raise_opset
    from .graph.skeleton import read_onnx
    from .graph_passes.lower import OLDEST_OPSET
    from .graph_passes.lower import lower as lower_graph

    _check_output(model, output)
    graph, properties = read_onnx(model)
    if graph.opset < OLDEST_OPSET:
        graph = raise_opset(graph, str(model))
    meta = from_properties(properties, str(model)) if "trtzoo" in properties else None
    replaced = lower_graph(graph, meta)
    write_model(graph, properties, output, meta if verify else None)
    return replaced


def _checkable(settings: ConvertSettings, model: Model) -> tuple[ConvertSettings, Model]:
    """Leave out the check of a model that is too large for it, and say so."""
    from .engines.runtimes.check import is_checkable

    if is_checkable(model.meta):
        return settings, model
    note = (
        f"a batch of {model.meta.batch} was not run to check it, for it would need too much memory; check a smaller one"
    )
    return replace(settings, verify=False), replace(model, notes=(*model.notes, note))


def _check_output(model: Path, output: Path) -> None:
    """Refuse to write over the model itself, which may be the only copy, or under the name of another kind of file."""
    if output.is_dir():
        raise InputError(f"-o {output} is a folder; name the file to write")
    if output.suffix.lower() in OTHER_SUFFIXES:
        raise InputError(
            f"-o {output}: the file is ONNX, which that name would hide; name it {output.stem}.onnx (an engine is made of it "
            f"with `trtzoo build`)"
        )
    if output.exists() and model.exists() and output.samefile(model):
        raise InputError(f"{output} is the model itself and would be overwritten; name another file with -o")


def load_model(path: Path, settings: ConvertSettings, progress: Progress = _silent) -> Model:
    """Read a model file and run the graph passes over it; `progress` is told about the calibration.

    Raises:
        TrtZooError: with what is wrong, where, and what to do.
    """
    _refuse_for_deepstream(settings)
    model = read_model(path, settings)
    if settings.end2end:
        from .contract.target import parse_target
        from .graph_passes.precision.integer import refuse_integer_operators

        refuse_integer_operators(model.graph, parse_target(settings.end2end.target))
    if settings.thresholds:
        model = _with_thresholds(model, settings.thresholds)
    if settings.simplify:
        model = _simplify(model)
    overflow = _overflow(model, settings.half.pictures) if settings.half and settings.half.pictures else {}
    quantised = _quantise(model, path, settings.read, settings.int8, progress) if settings.int8 else None
    if settings.end2end:
        model = _add_nms(model, settings.end2end, settings.layout or "separate", path)
    elif settings.layout:
        from .graph_passes.layouts import apply_layout

        model = replace(model, meta=apply_layout(model.graph, model.meta, settings.layout))
    if quantised:
        model = _to_int8(model, quantised)
    if settings.half:
        model = _to_half(model, settings.half, overflow)
    if settings.uint8_input:
        from .graph_passes.uint8_input import to_uint8_input

        wanted = settings.uint8_input
        model = replace(model, meta=to_uint8_input(model.graph, model.meta, wanted.axes, wanted.colour))
    return model


def _refuse_for_deepstream(settings: ConvertSettings) -> None:
    """Raise UnsupportedError for what DeepStream's nvinfer element cannot feed.

    It writes float32 pictures into an input buffer that is as large as the input's own type, and gives no other input
    (nvdsinfer_context_impl.cpp: InferPreprocessor::transform, initNonImageInputLayers).
    """
    if not settings.end2end or not settings.end2end.target.startswith("deepstream"):
        return
    for flag, given, why in (
        (
            "--uint8-input",
            settings.uint8_input,
            "nvinfer always writes float32 pictures, beyond the end of a uint8 input",
        ),
        (
            "--half-io",
            settings.half and settings.half.half_io,
            "nvinfer always writes float32 pictures, beyond the end of a float16 input",
        ),
        ("--runtime-thresholds", settings.end2end.runtime_thresholds, "nvinfer gives no input but the pictures"),
    ):
        if given:
            raise UnsupportedError(f"{flag} with --target {settings.end2end.target}: {why}; leave it out")


def read_model(path: Path, settings: ConvertSettings) -> Model:
    """Read a model file as a graph that ends in its raw heads, or, of an ONNX file, in what trtzoo made of it before."""
    if recognise(path) == "onnx" and settings.read.family in (None, "onnx"):
        from .converters.foreign_onnx.importer import read

        return _batch_kept(Model(*read(path, settings.read)), settings.batch)
    from .converters.network import to_graph

    network = read_network(path, settings.read)
    graph, meta = to_graph(network, settings.batch, settings.opset or _opset(settings))
    return Model(graph, meta, network.notes, network.weights_file)


def write_model(graph: gs.Graph, properties: Properties, output: Path, check: ModelMeta | None) -> None:
    """Write a graph; with `check` only after it was run once and kept the contract of this metadata."""
    from .graph.writer import write_onnx

    with staged(output) as temporary:
        write_onnx(graph, properties, temporary)
        if check:
            from .engines.runtimes.check import check_onnx

            check_onnx(temporary, check, str(output))


OTHER_SUFFIXES = (".engine", ".plan", ".trt", ".pt", ".pth", ".cfg", ".weights")
"""What files are called that are no ONNX."""


def _add_nms(model: Model, wanted: EndToEnd, layout: Layout, path: Path) -> Model:
    from .graph_passes.class_thresholds import set_class_thresholds
    from .graph_passes.nms import add_nms
    from .graph_passes.thresholds import runtime_thresholds

    if model.meta.end2end:
        raise InputError(f"{path} is end to end already; leave --end2end out, or convert the original model")
    meta = model.meta
    if wanted.class_thresholds:
        meta = set_class_thresholds(model.graph, meta, wanted.class_thresholds)
    idle = _idle_thresholds(wanted.class_thresholds, meta.suppression(wanted.settings).conf_thres)
    meta, reason = add_nms(model.graph, meta, wanted.settings, parse_target(wanted.target), layout)
    if wanted.runtime_thresholds:
        meta = runtime_thresholds(model.graph, meta, defaults=parse_target(wanted.target).kind == "onnxruntime")
    return replace(model, meta=meta, notes=(*model.notes, *idle, reason))


def _idle_thresholds(of_classes: Mapping[str, float], of_all: float) -> tuple[str, ...]:
    """What to say of classes whose own threshold is below that of all, which keeps their lower scores out anyway."""
    idle = [f"{name}={value:g}" for name, value in of_classes.items() if value < of_all]
    if not idle:
        return ()
    return (f"--class-thres {' '.join(idle)} has no effect below --conf-thres {of_all:g}; lower --conf-thres too",)


def _batch_kept(model: Model, wanted: int | None) -> Model:
    """Say that a finished graph keeps its batch, where another one was asked for."""
    if wanted in (1, model.meta.batch):
        return model
    batch = "free" if model.meta.batch is None else model.meta.batch
    note = f"the batch stays {batch}, as in the file; export the model again to change it"
    return replace(model, notes=(*model.notes, note))


def _with_thresholds(model: Model, wanted: NewThresholds) -> Model:
    """The thresholds of a graph that is end to end already, changed."""
    from .graph_passes.thresholds import set_thresholds

    return replace(model, meta=set_thresholds(model.graph, model.meta, wanted.conf_thres, wanted.iou_thres))


def simplify_model(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Run onnxsim over a model; returns it, and a sentence that says what was done.

    Raises:
        MissingDependencyError: onnxsim is not installed.
    """
    import onnx_graphsurgeon as gs

    from .graph.skeleton import load_all
    from .graph_passes.simplify import simplify

    graph, done = simplify(gs.import_onnx(model))
    return load_all(graph, {}), str(done)


def _simplify(model: Model) -> Model:
    from .graph_passes.simplify import simplify

    graph, done = simplify(model.graph)
    return replace(model, graph=graph, notes=(*model.notes, str(done)))


def _overflow(model: Model, pictures: str) -> dict[str, str]:
    """Nodes whose values leave half precision on real pictures, and why."""
    from .engines.pictures.overflow import find_overflow
    from .engines.pictures.preprocess import prepare
    from .engines.pictures.sources import find_sources, read_pictures

    sources = find_sources(pictures)
    images = (prepare(picture, model.meta)[0] for source in sources for picture in read_pictures(source))
    return find_overflow(model.graph, (_batch(image, model.meta) for image in images))


def _batch(image: Array, meta: ModelMeta) -> Array:
    """One image as often as the model's batch wants it."""
    import numpy as np

    return np.repeat(image[None], meta.batch or 1, axis=0)


def _to_half(model: Model, wanted: Half, overflow: Mapping[str, str]) -> Model:
    from .graph_passes.precision.half import to_half

    meta, report = to_half(model.graph, model.meta, overflow, wanted.half_io)
    report.require_change()
    return replace(model, meta=meta, notes=(*model.notes, *report.notes()))


def _quantise(
    model: Model, path: Path, read: ReadOptions, wanted: CalibrationSettings, progress: Progress
) -> Quantised:
    """The INT8 numbers of the float model."""
    from .evaluation.calibration.quantise import quantise

    weights = recognise(path) != "onnx" and read.family != "onnx"
    network = read_network(path, read) if wanted.recovery == "distill" and weights else None
    return quantise(model.graph, model.meta, path.stem, wanted, progress, network)


def _to_int8(model: Model, found: Quantised) -> Model:
    from .graph_passes.precision.qdq.insert import to_int8

    meta, report = to_int8(model.graph, model.meta, found.calibration.points, found.calibration.numbers)
    return replace(model, meta=meta, notes=(*model.notes, *report.notes(), *found.notes))


def _opset(settings: ConvertSettings) -> int:
    return 19 if settings.int8 and settings.half else 17

"""From a model file of any kind to a folder that DeepStream runs as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ..bundles.deepstream import DeepStreamSettings, Parser, choose_parser, layout_for, stale_engines, write_bundle
from ..contract.meta import ModelMeta
from ..contract.nms import TOPK_ALL
from ..contract.progress import Progress, silent
from ..converters import recognise
from ..errors import InputError
from ..files import StrPath, staged_folder
from ..graph_passes.settings import EndToEnd
from .conversion import ConvertSettings, convert, read_model


@dataclass(frozen=True)
class Bundled:
    """What `deepstream` did.

    Attributes:
        path: the folder.
        meta: of the model in it.
        parser: "stock" for DeepStream's own, "own" for the one in the folder.
        notes: what the user should know, a sentence each.
    """

    path: Path
    meta: ModelMeta
    parser: Parser
    notes: tuple[str, ...]


def deepstream(
    model: StrPath,
    folder: StrPath,
    settings: DeepStreamSettings = DeepStreamSettings(),
    conversion: ConvertSettings = ConvertSettings(),
    progress: Progress = silent,
) -> Bundled:
    """Write a folder with model, configuration, labels, parser and samples for NVIDIA's nvinfer.

    Args:
        model: a DarkNet cfg, a PyTorch checkpoint, an ONNX file, or an engine with its manifest.
        folder: the folder to write; it is replaced when everything is done.
        settings: the release and the batch.
        conversion: how the model is converted; target, batch and layout are those that the release takes, and NMS is in the
            graph whatever is said. Of no meaning for an engine.
        progress: told the share done and the step of what takes long, the calibration for INT8.

    Raises:
        TrtZooError: with what is wrong, where, and what to do; the folder is then as it was before.
    """
    model, folder = Path(model), Path(folder)
    with staged_folder(folder) as inside:
        path, meta, notes = _model(model, inside, settings, conversion, progress)
        bundle = write_bundle(path, meta, settings)
        for stale in stale_engines(folder, path.name):
            stale.unlink()
            notes += (f"removed {stale.name}, an engine of an earlier model",)
    return Bundled(folder, meta, bundle.parser, notes + bundle.notes)


def _model(
    model: Path, folder: Path, settings: DeepStreamSettings, conversion: ConvertSettings, progress: Progress
) -> tuple[Path, ModelMeta, tuple[str, ...]]:
    """The model in the folder: an engine copied, anything else converted."""
    if recognise(model) == "engine":
        return *_copied_engine(model, folder), ()
    done = convert(model, folder / f"{model.stem}.onnx", _settled(model, settings, conversion), progress)
    return done.path, done.meta, done.notes


def _settled(model: Path, settings: DeepStreamSettings, conversion: ConvertSettings) -> ConvertSettings:
    """What makes of this model the graph that the parser of this release reads."""
    alone = settings.batch_size == 1 and recognise(model) == "onnx"  # then the batch that a file has is the one wanted
    plain = replace(conversion, target=settings.target, batch=1 if alone else None)
    meta = read_model(model, ConvertSettings(target=settings.target, read=plain.read, batch=None)).meta
    if meta.end2end:
        known, rows = meta.extra.get("class_thresholds"), meta.nms.topk_all if meta.nms else TOPK_ALL
        layout = layout_for(choose_parser(meta.task, rows, known, settings.parser))
        dressed = (layout, meta.layout) == ("deepstream", "separate")
        return replace(plain, end2end=None, layout=layout if dressed else None)
    end2end = plain.end2end or EndToEnd()
    rows = end2end.settings.topk_all or TOPK_ALL
    layout = layout_for(choose_parser(meta.task, rows, end2end.class_thresholds, settings.parser))
    return replace(plain, end2end=end2end, layout=layout)


def _copied_engine(model: Path, folder: Path) -> tuple[Path, ModelMeta]:
    from ..engines.plans.manifest import read_manifest

    manifest = read_manifest(model)
    if manifest is None or manifest.meta is None:
        raise InputError(
            f"{model}: nothing is known about this engine without the .json that `trtzoo build` writes beside "
            "it; build it again from an ONNX file that trtzoo wrote"
        )
    for suffix in ("", ".json"):
        shutil.copyfile(f"{model}{suffix}", folder / f"{model.stem}.engine{suffix}")
    return folder / f"{model.stem}.engine", manifest.meta

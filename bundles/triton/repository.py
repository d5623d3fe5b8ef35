"""The folders of a model repository: NAME/config.pbtxt, NAME/1/model.onnx or model.plan, and what an ensemble adds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import InputError, UnsupportedError
from ...files import atomic_write, make_folder
from ..render import render
from .config import LABELS, check_name, ensemble_config, letterbox_config, model_config, text_of
from .source import Source, without_defaults

FILES = Path(__file__).parent / "files"
VERSION = "1"


@dataclass(frozen=True)
class TritonSettings:
    """How a model is served.

    Attributes:
        name: of the model, which is that of its folder.
        max_batch: pictures that the server puts together at most; a model of a fixed batch has none to put together.
        ensemble: add NAME_pictures, which takes encoded pictures.
        optional_thresholds: thresholds that are inputs may be left out; the server then puts no requests together.

    Raises:
        InputError: a name that no URL can hold, or a batch below 1.
    """

    name: str
    max_batch: int = 8
    ensemble: bool = False
    optional_thresholds: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.max_batch < 1:
            raise InputError(f"--max-batch {self.max_batch} is out of range; choose 1 or more")


@dataclass(frozen=True)
class Repository:
    """What was written.

    Attributes:
        models: names, the one to ask first.
        notes: what the user should know, a sentence each.
    """

    models: tuple[str, ...]
    notes: tuple[str, ...] = ()


def write_repository(source: Source, settings: TritonSettings, folder: Path) -> Repository:
    """Write a model into a model repository.

    Args:
        source: the file to serve.
        settings: how.
        folder: the repository.

    Raises:
        UnsupportedError: an ensemble of a model that does not take one float picture, or thresholds that cannot be optional:
            those of an engine, or without defaults.
        InputError: a file cannot be written.
    """
    if settings.optional_thresholds and source.is_engine:
        raise UnsupportedError("--optional-thresholds: TensorRT has no inputs that may be left out; leave it out")
    if settings.optional_thresholds and not source.defaults:
        raise UnsupportedError(
            "--optional-thresholds: no input of this file has a default that the server could fall back on; give the weights, "
            "with --runtime-thresholds"
        )
    max_batch = _max_batch(source, settings)
    version = make_folder(folder / settings.name / VERSION)
    if max_batch and source.defaults:
        source = without_defaults(source, version / "model.onnx")
    else:
        shutil.copyfile(source.path, version / model_file(source.is_engine))
    config = model_config(settings.name, source, max_batch, settings.optional_thresholds)
    _write(folder / settings.name / "config.pbtxt", text_of(config))
    _write(folder / settings.name / LABELS, "".join(f"{' '.join(name.split())}\n" for name in source.meta.names))
    if not settings.ensemble:
        return Repository((settings.name,), tuple(_notes(source, settings, max_batch)))
    names = _write_ensemble(source, settings, config, folder)
    return Repository((*names, settings.name), tuple(_notes(source, settings, max_batch)))


def model_file(is_engine: bool) -> str:
    """What the file that is run is called in its version's folder."""
    return "model.plan" if is_engine else "model.onnx"


def remains(source: Source, settings: TritonSettings, folder: Path) -> tuple[list[Path], list[str]]:
    """What an earlier model of this name left in a repository.

    Args:
        source: the file that is served now.
        settings: how.
        folder: the repository.

    Returns:
        Files that nothing reads any more, and what the user should know, a sentence each.
    """
    old = folder / settings.name / VERSION / model_file(not source.is_engine)
    ensemble = folder / f"{settings.name}_pictures"
    notes = []
    if ensemble.exists() and not settings.ensemble:
        notes.append(
            f"{ensemble} takes pictures for an earlier {settings.name}; --ensemble writes it again, or remove it"
        )
    return [old] if old.exists() else [], notes


def _max_batch(source: Source, settings: TritonSettings) -> int:
    """0 where the server cannot put requests together: a fixed batch, or thresholds that may be left out."""
    if source.meta.batch is not None or (settings.optional_thresholds and source.defaults):
        return 0
    return min(settings.max_batch, source.most or settings.max_batch)


def _write_ensemble(source: Source, settings: TritonSettings, config: Any, folder: Path) -> tuple[str, str]:
    """The Python model that prepares pictures, the ensemble, and the image that has what it imports."""
    if source.meta.batch not in (None, 1) or len(source.inputs) > 1:
        raise UnsupportedError(
            "--ensemble takes one picture a request: convert the model without --batch-size and --runtime-thresholds"
        )
    pictures, letterbox = f"{settings.name}_pictures", f"{settings.name}_letterbox"
    made = letterbox_config(letterbox, source.inputs[0], source.meta)
    _write(folder / letterbox / "config.pbtxt", text_of(made))
    _write(folder / letterbox / VERSION / "model.py", (FILES / "letterbox_model.py.txt").read_text(encoding="utf-8"))
    _write(folder / pictures / "config.pbtxt", text_of(ensemble_config(pictures, letterbox, config, source.meta)))
    _write(folder / pictures / VERSION / ".gitkeep", "")
    _write(folder / pictures / "Dockerfile", render(FILES / "Dockerfile.jinja", version=__version__))
    return pictures, letterbox


def _notes(source: Source, settings: TritonSettings, max_batch: int) -> Iterator[str]:
    if source.built_by:
        yield f"the engine loads on that GPU and that library only: {source.built_by}; take Triton's image with this TensorRT"
    if source.version_compatible:
        yield "the engine is version-compatible, so start the server with --backend-config=tensorrt,version-compatible=true"
    if source.most is not None and source.most < settings.max_batch:
        yield f"the engine takes at most {source.most} pictures, so max_batch_size is {source.most}"
    if source.meta.batch is not None:
        yield (
            f"the batch is fixed at {source.meta.batch}, so the server puts no requests together; give the weights, or a file "
            "with a free batch"
        )
    if max_batch and len(source.inputs) > 1:
        yield (
            "every request must give the thresholds (trtzoo's own client does), since Triton's backends have no optional "
            "inputs where they batch"
        ) + ("" if source.is_engine else "; --optional-thresholds makes them optional and batches nothing")


def _write(path: Path, text: str) -> None:
    make_folder(path.parent)
    with atomic_write(path) as stream:
        stream.write(text.encode())

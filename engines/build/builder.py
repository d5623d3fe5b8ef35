"""Building an engine: ONNX in, plan and manifest out, on TensorRT 8.5 to 11 or TensorRT-RTX.

TensorRT-RTX builds a detector in half a second, so the building process is started first; what the manifest needs is
imported and read while it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...files import require_file, staged
from ..plans.settings import BuildSettings
from .process.parent import run_build
from .process.request import BuildRequest
from .process.worker_process import WorkerProcess

if TYPE_CHECKING:
    from ...contract.progress import Progress
    from ..plans.manifest import Manifest
    from .record import Source

__all__ = ["BuildSettings", "build"]


def build(
    onnx: Path,
    engine: Path,
    settings: BuildSettings,
    progress: Progress | None = None,
    *,
    force: bool = False,
    note: Callable[[str], None] = lambda text: None,
    heard: Callable[[str], None] | None = None,
    verify: bool = True,
) -> Manifest:
    """Build `engine` from `onnx`, and write the manifest beside it.

    An engine that the same file, settings, library and GPU made is kept, unless `force`. The library runs in a process
    of its own (`process`), so nothing that it does ends this one; Ctrl-C ends the build and leaves the old engine.

    Args:
        onnx: any ONNX file.
        engine: the plan to write, without any header.
        settings: of the build.
        progress: is told how far it is; called in this thread.
        force: build even if the engine is up to date.
        note: is told what the user should know, a sentence each.
        heard: is told what the library said, where `settings.verbose`; None tells `note`.
        verify: hold the engine's inputs and outputs against the contract of the model's metadata.

    Raises:
        InputError: the file cannot be read, or a path cannot be written.
        MissingDependencyError: the library is not installed.
        UnsupportedError: the library cannot build it; the message names the nodes.
        VerificationError: the engine's inputs or outputs are not those of the contract.
    """
    require_file(onnx, "an ONNX model")
    if engine.is_dir() or (engine.exists() and engine.samefile(onnx)):
        raise InputError(f"-o {engine} is {'a folder' if engine.is_dir() else 'the model itself'}; name another file")
    if not force and engine.exists() and (old := _fresh(onnx, engine, settings)):
        note(f"{engine} is up to date; --force builds it again")
        return old
    with WorkerProcess() as worker:
        with staged(engine) as plan:
            plan.touch()  # a folder that cannot be written is found before the long work
            manifest, notes, lines = _build(worker, BuildRequest(str(onnx), str(plan), settings), progress)
            if verify:
                from ..plans.contract import check_contract

                check_contract(manifest, engine)
        _write_manifest(manifest, engine)
    for text in notes:
        note(text)
    for text in lines:
        (heard or note)(text)
    return manifest


def _fresh(onnx: Path, engine: Path, settings: BuildSettings) -> Manifest | None:
    from ..plans.freshness import up_to_date

    return up_to_date(onnx, engine, settings)


def _build(
    worker: WorkerProcess, request: BuildRequest, progress: Progress | None
) -> tuple[Manifest, Sequence[str], Sequence[str]]:
    """Build; returns the manifest, what the user should know, and what else the library said."""
    sources: list[Source] = []

    def meanwhile() -> None:
        from ..plans import contract  # noqa: F401 - needed afterwards; numpy comes with it while the library works
        from .record import read_source

        sources.append(read_source(Path(request.onnx)))

    written, outcome = run_build(worker, request, progress, meanwhile)
    from .record import make_manifest

    manifest = make_manifest(sources[0], request.settings, written, outcome.report or "")
    return manifest, outcome.notes, written.lines


def _write_manifest(manifest: Manifest, engine: Path) -> None:
    from ..plans.manifest import write_manifest

    write_manifest(manifest, engine)

"""From a model file of any kind to an engine: the ONNX file is written on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..contract.target import parse_target
from ..converters import recognise
from ..engines.plans.settings import BuildSettings
from ..errors import InputError
from ..files import StrPath, printable

if TYPE_CHECKING:
    from ..contract.progress import Progress
    from ..engines.plans.manifest import Manifest
    from .conversion import Conversion, ConvertSettings


@dataclass(frozen=True)
class Built:
    """What `build` did.

    Attributes:
        path: the engine.
        manifest: what is written beside it.
        conversion: of the model; None for an ONNX file that was taken as it is. Its file is gone if it was not to be kept.
    """

    path: Path
    manifest: Manifest
    conversion: Conversion | None

    def document(self) -> dict[str, Any]:
        """The engine as JSON values."""
        made = self.conversion
        return {
            "path": printable(self.path),
            "library": self.manifest.target,
            "library_version": self.manifest.version,
            "bytes": self.manifest.plan_bytes,
            "precisions": dict(self.manifest.precision),
            "seconds": dict(self.manifest.seconds),
            "onnx": printable(made.path) if made and made.path.exists() else None,
            "metadata": asdict(self.manifest.meta) if self.manifest.meta else None,
        }


def build(
    model: StrPath,
    output: StrPath,
    settings: BuildSettings = BuildSettings(),
    conversion: ConvertSettings | None = None,
    *,
    keep_onnx: bool = True,
    force: bool = False,
    verify: bool = True,
    note: Callable[[str], None] = lambda text: None,
    heard: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build an engine from a model file.

    Args:
        model: a DarkNet cfg, a PyTorch checkpoint or an ONNX file.
        output: the engine to write; its manifest, OUTPUT.json, stands beside it.
        settings: of the build.
        conversion: how the model becomes ONNX. None takes an ONNX file as it is, anything else with raw heads.
        keep_onnx: leave the ONNX file of the conversion beside the engine (`onnx_path`).
        force: build even if the engine is up to date.
        verify: hold the engine against the contract.
        note: is told what the user should know, a sentence each.
        heard: is told what the library said, a line each, where `settings.verbose`; None tells `note`.
        progress: is told the share done and the step, of the conversion and then of the build.

    Raises:
        TrtZooError: with what is wrong, where, and what to do; the old engine is then as it was before.
    """
    from ..engines.build.builder import build as build_engine

    model, output = Path(model), Path(output)
    kind = recognise(model)
    if kind == "engine":
        raise InputError(f"{model} is an engine already; give the weights or the ONNX file that it was built from")
    if kind == "onnx" and conversion is None:
        done = build_engine(model, output, settings, progress, force=force, note=note, heard=heard, verify=verify)
        return Built(output, done, None)
    from .conversion import ConvertSettings, convert

    wanted = conversion or ConvertSettings(target=settings.target)
    with _place(onnx_path(model, output, wanted), keep_onnx) as onnx:
        converted = convert(model, onnx, wanted, *(progress,) if progress else ())
        for text in converted.notes:
            note(text)
        manifest = build_engine(onnx, output, settings, progress, force=force, note=note, heard=heard, verify=verify)
    return Built(output, manifest, converted)


def onnx_path(model: Path, output: Path, conversion: ConvertSettings) -> Path:
    """Where the ONNX file of a build stands: STEM.onnx beside the engine, or a name of its own where the model is ONNX too."""
    if recognise(model) != "onnx":
        return output.with_suffix(".onnx")
    steps = {"end2end": conversion.end2end, "half": conversion.half, "int8": conversion.int8}
    word = "-".join(name for name, wanted in steps.items() if wanted) or "converted"
    return output.with_name(f"{output.stem}.{word}.onnx")


def graph_target(target: str) -> str:
    """The target that the graph of an engine is made for: where the user names no version, that of the installed library."""
    from ..engines.library.packages import installed_version

    parsed = parse_target(target)
    if parsed.kind != "tensorrt" or parsed.version:
        return target
    major, _, rest = installed_version("tensorrt").partition(".")
    return f"tensorrt:{major}.{rest.partition('.')[0]}" if major.isdecimal() else target


@contextmanager
def _place(path: Path, keep: bool) -> Iterator[Path]:
    """The path itself, or one of the same name in a folder that goes away."""
    if keep:
        yield path
        return
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}; create it, or choose another place with -o")
    with TemporaryDirectory(prefix=".trtzoo-", dir=path.parent) as folder:
        yield Path(folder) / path.name

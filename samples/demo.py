"""The demo: the sample detector becomes ONNX with and without NMS, both find shapes in pictures, and an engine is built.

    make demo        or        python samples/demo.py [FOLDER]

Everything is written to FOLDER (default: ./demo): the ONNX files, annotated pictures and detections.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

from trtzoo import ConvertSettings, EndToEnd, Predictor, convert, open_runtime
from trtzoo.console import table
from trtzoo.engines.build.builder import BuildSettings, build
from trtzoo.engines.pictures.detect import detect
from trtzoo.engines.pictures.sources import find_sources
from trtzoo.errors import MissingDependencyError
from trtzoo.graph_passes.settings import Half

SAMPLES = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    """Convert, detect, print a table."""
    folder.mkdir(parents=True, exist_ok=True)
    variants = {
        "shapes.onnx": ConvertSettings(),
        "shapes-end2end.onnx": ConvertSettings(end2end=EndToEnd()),
    }
    rows = [run(folder, name, settings) for name, settings in variants.items()]
    table("trtzoo demo", ["model", "outputs", "detections", "convert s", "ms a picture"], rows)
    build_engine(folder)
    print(f"annotated pictures: {folder / 'shapes-end2end'}")


def run(folder: Path, name: str, settings: ConvertSettings) -> list[str]:
    """Convert and detect once; returns a row of the table."""
    done = convert(SAMPLES / "shapes.cfg", folder / name, settings)
    runtime = open_runtime(done.path)
    sources = find_sources(str(SAMPLES / "pictures"))
    summary = detect(Predictor(runtime), sources, folder / done.path.stem, name)
    outputs = "detections" if done.meta.end2end else "boxes, scores"
    speed = 1000 * summary.seconds / summary.pictures
    return [name, outputs, f"{summary.objects} in {summary.pictures} pictures", f"{done.seconds:.2f}", f"{speed:.1f}"]


def build_engine(folder: Path) -> None:
    """Build a TensorRT-RTX engine in FP16, which takes no GPU."""
    source, engine = folder / "shapes-half.onnx", folder / "shapes.engine"
    convert(SAMPLES / "shapes.cfg", source, ConvertSettings(target="tensorrt-rtx", end2end=EndToEnd(), half=Half()))
    try:
        manifest = build(source, engine, BuildSettings("tensorrt-rtx", compute_capabilities=("8.9",)), force=True)
    except MissingDependencyError as error:
        print(f"no engine was built: {error}")
        return
    layers = ", ".join(f"{count} {kind}" for kind, count in sorted(manifest.precision.items()))
    print(
        f"{engine}: {manifest.target} {manifest.version} for Ada GPUs, {manifest.plan_bytes / 2**20:.1f} MiB, layers: {layers}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))

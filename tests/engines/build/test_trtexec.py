"""The trtexec command for each version: only flags that the version has."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import tiny_meta

from trtzoo.engines.build.trtexec import trtexec_line
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.errors import UnsupportedError

ONNX, ENGINE = Path("m.onnx"), Path("m.engine")
ENDS = "--onnx=m.onnx --saveEngine=m.engine"


@pytest.mark.parametrize(
    ("version", "precision", "expected"),
    [
        ((8, 5), "fp32", f"trtexec {ENDS} --buildOnly"),
        ((8, 5), "fp16", f"trtexec {ENDS} --fp16 --buildOnly"),
        ((8, 6), "fp16", f"trtexec {ENDS} --fp16 --skipInference"),
        ((8, 6), "int8", f"trtexec {ENDS} --fp16 --int8 --skipInference"),
        ((10, 3), "fp16", f"trtexec {ENDS} --stronglyTyped --skipInference"),
        ((10, 16), "fp32", f"trtexec {ENDS} --stronglyTyped --skipInference"),
        ((11, 4), "int8", f"trtexec {ENDS} --skipInference"),
    ],
)
def test_precision_flags(version: tuple[int, int], precision: str, expected: str) -> None:
    meta = tiny_meta(precision=precision)
    assert trtexec_line(ONNX, ENGINE, version, BuildSettings(), meta) == expected


def test_everything_at_once() -> None:
    settings = BuildSettings(
        min_batch=1, opt_batch=4, max_batch=16, workspace_gib=0.5, opt_level=4, timing_cache=Path("cache"),
        version_compatible=True, hardware_compatible=True, tf32=False, without_tactics=("CUDNN", "CUBLAS"), device=2, verbose=True,
    )  # fmt: skip
    assert trtexec_line(ONNX, ENGINE, (10, 9), settings, tiny_meta(None)).split()[3:] == [
        "--stronglyTyped",
        "--minShapes=images:1x3x32x48", "--optShapes=images:4x3x32x48", "--maxShapes=images:16x3x32x48",
        "--memPoolSize=workspace:512", "--builderOptimizationLevel=4", "--noTF32",
        "--tacticSources=-CUDNN,-CUBLAS", "--versionCompatible",
        "--hardwareCompatibilityLevel=ampere+", "--timingCacheFile=cache/trtexec_10.9.timing", "--device=2", "--verbose",
        "--skipInference",
    ]  # fmt: skip


def test_shapes_of_a_foreign_model() -> None:
    shapes = {"x": ((1, 4), (2, 4), (8, 4)), "y": ((1,), (1,), (1,))}
    line = trtexec_line(ONNX, ENGINE, (10, 0), BuildSettings(shapes=shapes), None)
    assert "--minShapes=x:1x4,y:1 --optShapes=x:2x4,y:1 --maxShapes=x:8x4,y:1" in line


def test_names_are_quoted_for_the_shell() -> None:
    line = trtexec_line(Path("my models/a b.onnx"), Path("$x.engine"), (11, 0), BuildSettings(), None)
    assert line == "trtexec '--onnx=my models/a b.onnx' '--saveEngine=$x.engine' --skipInference"


@pytest.mark.parametrize("change", [{"opt_level": 3}, {"version_compatible": True}, {"hardware_compatible": True}])
def test_what_came_later_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UnsupportedError, match=r"8\.6"):
        trtexec_line(ONNX, ENGINE, (8, 5), replace(BuildSettings(), **change), None)


def test_too_old() -> None:
    with pytest.raises(UnsupportedError, match=r"not 8\.4"):
        trtexec_line(ONNX, ENGINE, (8, 4), BuildSettings(), None)

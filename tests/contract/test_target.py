"""Targets as the user writes them, and the TensorRT behind each."""

from __future__ import annotations

import pytest

from trtzoo.contract.target import Target, parse_target
from trtzoo.errors import InputError, UnsupportedError


@pytest.mark.parametrize(
    ("text", "kind", "version", "tensorrt"),
    [
        ("tensorrt:10.3", "tensorrt", (10, 3), (10, 3)),
        ("tensorrt:10.3.0.26", "tensorrt", (10, 3), (10, 3)),
        ("tensorrt:11", "tensorrt", (11, 0), (11, 0)),
        ("TensorRT", "tensorrt", None, (10, 0)),
        ("tensorrt-rtx", "tensorrt-rtx", None, None),
        ("tensorrt-rtx:1.7", "tensorrt-rtx", (1, 7), None),
        ("onnxruntime", "onnxruntime", None, None),
        ("deepstream:6.3", "deepstream", (6, 3), (8, 5)),
        ("deepstream:7.1", "deepstream", (7, 1), (10, 3)),
        ("deepstream:9.9", "deepstream", (9, 2), (10, 16)),
        ("deepstream", "deepstream", None, (10, 16)),
    ],
)
def test_targets_are_read(
    text: str, kind: str, version: tuple[int, int] | None, tensorrt: tuple[int, int] | None
) -> None:
    target = parse_target(text)
    assert (target.kind, target.version, target.tensorrt) == (kind, version, tensorrt)


@pytest.mark.parametrize("text", ["", "cuda", "tensorrt:", "tensorrt:ten", "tensorrt-rtx-11", "deepstream 7.1"])
def test_unknown_targets_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--target .* is not known"):
        parse_target(text)


@pytest.mark.parametrize("text", ["tensorrt:7.2", "deepstream:5.0"])
def test_targets_too_old_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedError, match="older than"):
        parse_target(text)


def test_a_target_prints_as_it_is_written() -> None:
    assert str(Target("deepstream", (7, 1))) == "deepstream:7.1"
    assert str(Target("onnxruntime")) == "onnxruntime"
    assert str(parse_target("tensorrt:11")) == "tensorrt:11"


@pytest.mark.parametrize(
    ("text", "library", "fits", "fits_not"),
    [
        ("tensorrt", "tensorrt", [(8, 5), (11, 4)], []),
        ("tensorrt:11", "tensorrt", [(11, 0), (11, 4)], [(10, 16), (12, 0)]),
        ("tensorrt:10.3", "tensorrt", [(10, 3)], [(10, 0), (10, 9), (11, 3)]),
        ("tensorrt-rtx", "tensorrt-rtx", [(1, 7)], []),
        ("tensorrt-rtx:1.7", "tensorrt-rtx", [(1, 7)], [(1, 6)]),
        ("deepstream:7.1", "tensorrt", [(10, 3)], [(7, 1), (10, 9)]),
        ("deepstream", "tensorrt", [(10, 3)], []),
    ],
)
def test_the_library_that_is_there_fits_or_not(
    text: str, library: str, fits: list[tuple[int, int]], fits_not: list[tuple[int, int]]
) -> None:
    target = parse_target(text)
    assert target.library == library
    assert [target.fits(release) for release in fits + fits_not] == [True] * len(fits) + [False] * len(fits_not)


def test_onnx_runtime_takes_no_engines() -> None:
    assert parse_target("onnxruntime").library is None

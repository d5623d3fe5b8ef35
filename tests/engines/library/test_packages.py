"""What is installed is read from the packages' own descriptions, without loading a library."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rtx import needs_rtx

from trtzoo.engines.library import packages
from trtzoo.engines.library.compat import load
from trtzoo.engines.library.packages import cuda_major, installed_version


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that holds all that is installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(folder: Path, name: str, version: str, requires: str = "") -> None:
    home = folder / f"{name}-{version}.dist-info"
    home.mkdir()
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (home / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")


@pytest.mark.parametrize(
    ("name", "version", "requires", "cuda"),
    [
        ("tensorrt_cu13_bindings", "11.4.0.106", "", 13),
        ("tensorrt_cu12_bindings", "10.16.1.11", "", 12),
        ("tensorrt_cu11_bindings", "10.13.0.35", "", 11),
        ("tensorrt", "8.6.0", "nvidia-cuda-runtime-cu12", 12),
        ("tensorrt", "8.5.3.1", "nvidia-cublas-cu11", 11),
        ("tensorrt_bindings", "8.6.1", "", None),
    ],
)
def test_version_and_cuda(alone: Path, name: str, version: str, requires: str, cuda: int | None) -> None:
    install(alone, name, version, requires)
    assert installed_version("tensorrt") == version
    assert cuda_major("tensorrt") == cuda


def test_a_package_without_a_cuda_in_its_name_is_known_by_what_it_links(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(alone, "tensorrt", "8.5.2.2")
    maps = alone / "maps"
    maps.write_text(
        "7f00-7f01 r-xp 0 08:01 5 /usr/local/cuda/lib/libcublas.so.11\n7f02-7f03 r-xp 0 08:01 6 /lib/libc.so.6\n"
    )
    monkeypatch.setattr(packages, "_MAPS", maps)
    assert cuda_major("tensorrt") == 11
    monkeypatch.setattr(packages, "_MAPS", alone / "none")
    assert cuda_major("tensorrt") is None


def test_nothing_is_installed(alone: Path) -> None:
    assert installed_version("tensorrt") == ""


@needs_rtx
def test_installed_version_is_that_of_the_module() -> None:
    assert installed_version("tensorrt-rtx") == load("tensorrt-rtx").version
    assert cuda_major("tensorrt-rtx") in (12, 13)

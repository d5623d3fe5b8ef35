"""Settings that need TensorRT on a GPU to have an effect, against an interface that only remembers."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_tensorrt import fake_api

from trtzoo.engines.build.config import keep_timings, load_timings, make_config
from trtzoo.engines.build.process.messages import Note, receive
from trtzoo.engines.build.process.worker import _keep_timings
from trtzoo.engines.build.timing_cache import cache_file
from trtzoo.engines.plans.settings import BuildSettings


class FakeTimings:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def combine(self, other: FakeTimings | None, ignore_mismatch: bool) -> bool:
        if other is None:
            raise TypeError("combine(): incompatible function arguments")
        self.data += other.data
        return True

    def serialize(self) -> bytes:
        return self.data


class FakeConfig:
    """A builder configuration with a timing cache; `accepts` says whether it takes what it is given.

    As the library does, it makes no cache of damaged content, and fails on a cache that is none.
    """

    def __init__(self, accepts: bool = True) -> None:
        self.accepts, self.timings, self.flags = accepts, FakeTimings(b""), list[str]()
        self.limits = dict[str, int]()

    def create_timing_cache(self, data: bytes) -> FakeTimings | None:
        return None if data.startswith(b"damaged") else FakeTimings(data)

    def set_timing_cache(self, timings: FakeTimings | None, ignore_mismatch: bool) -> bool:
        if timings is None:
            raise TypeError("set_timing_cache(): incompatible function arguments")
        if timings.data and not self.accepts:
            return False
        self.timings = timings
        return True

    def get_timing_cache(self) -> FakeTimings:
        return self.timings

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.limits[pool] = size

    def set_flag(self, flag: str) -> None:
        self.flags.append(flag)


def settings(folder: Path, **more: Any) -> BuildSettings:
    return BuildSettings(timing_cache=folder, **more)


def test_timings_of_earlier_builds_are_used_and_joined(tmp_path: Path) -> None:
    path = cache_file(tmp_path, "NVIDIA L4 8.9", "10.16.1.11")
    path.write_bytes(b"old")
    config, notes = FakeConfig(), list[str]()
    kept = load_timings(fake_api(), config, settings(tmp_path), "NVIDIA L4 8.9", notes.append)
    assert kept is not None
    assert config.timings.data == b"old"
    config.timings.data = b"old new "
    path.write_bytes(b"meanwhile")
    keep_timings(config, kept)
    assert path.read_bytes() == b"old new meanwhile"
    assert notes == []


@pytest.mark.parametrize(("content", "accepts"), [(b"strange", False), (b"damaged", True)])
def test_timings_that_the_builder_does_not_take_are_replaced(tmp_path: Path, content: bytes, accepts: bool) -> None:
    path = cache_file(tmp_path, "gpu", "10.16.1.11")
    path.write_bytes(content)
    config, notes = FakeConfig(accepts), list[str]()
    kept = load_timings(fake_api(), config, settings(tmp_path), "gpu", notes.append)
    assert kept is not None
    assert config.timings.data == b""
    assert "measured anew" in notes[0]
    config.timings.data = b"new"
    if accepts:
        keep_timings(config, kept)
        assert path.read_bytes() == b"new"


def test_timings_that_cannot_be_read_cost_time_only(tmp_path: Path) -> None:
    cache_file(tmp_path, "gpu", "10.16.1.11").mkdir()
    notes: list[str] = []
    assert load_timings(fake_api(), FakeConfig(), settings(tmp_path), "gpu", notes.append)
    assert "cannot be read (Is a directory)" in notes[0]


def test_no_timings_are_kept_where_none_are_wanted_or_made(tmp_path: Path) -> None:
    assert load_timings(fake_api(), FakeConfig(), BuildSettings(), "gpu", print) is None
    assert load_timings(fake_api("tensorrt-rtx"), FakeConfig(), settings(tmp_path), "gpu", print) is None


def test_engine_is_not_lost_with_its_timings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = FakeConfig()
    kept = load_timings(fake_api(), config, settings(tmp_path / "file" / "folder"), "gpu", print)
    assert kept is not None
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            _keep_timings(config, kept, theirs)
        (message,) = receive(ours)
    assert isinstance(message, Note)
    assert "were not kept" in message.text


def test_settings_reach_the_builder() -> None:
    config = FakeConfig()
    api = fake_api(
        ProfilingVerbosity=SimpleNamespace(DETAILED="detailed"), MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        BuilderFlag=SimpleNamespace(VERSION_COMPATIBLE="vc"), HardwareCompatibilityLevel=SimpleNamespace(AMPERE_PLUS="ampere"),
    )  # fmt: skip
    wanted = BuildSettings(workspace_gib=0.5, opt_level=4, version_compatible=True, hardware_compatible=True)
    made: Any = make_config(api, SimpleNamespace(create_builder_config=lambda: config), wanted)
    assert made.limits == {"workspace": 2**29}
    assert (made.builder_optimization_level, made.hardware_compatibility_level, made.flags) == (4, "ampere", ["vc"])
    assert made.profiling_verbosity == "detailed"

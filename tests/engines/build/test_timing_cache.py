"""The timing cache has a file a GPU and version, and builds that end together lose nothing."""

import multiprocessing
from pathlib import Path

import pytest

from trtzoo.engines.build.timing_cache import cache_file, default_folder, read_cache, update_cache
from trtzoo.errors import InputError


def test_every_gpu_and_version_has_its_file(tmp_path: Path) -> None:
    names = {
        cache_file(tmp_path, gpu, version)
        for gpu in ("NVIDIA A10 8.6", "NVIDIA L4 8.9")
        for version in ("10.16", "11.4")
    }
    assert len(names) == 4
    assert all(name.parent == tmp_path and " " not in name.name for name in names)


def test_missing_cache_is_empty(tmp_path: Path) -> None:
    assert read_cache(tmp_path / "none" / "x.timing") == b""


def test_update_creates_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.timing"
    update_cache(path, lambda present: present + b"one")
    update_cache(path, lambda present: present + b"two")
    assert read_cache(path) == b"onetwo"


def _append(path: Path, count: int) -> None:
    for _ in range(count):
        update_cache(path, lambda present: present + b"x")


def test_concurrent_updates_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.timing"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_append, args=(path, 20)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(read_cache(path)) == 80


def test_failed_merge_keeps_the_old_timings(tmp_path: Path) -> None:
    path = tmp_path / "x.timing"
    update_cache(path, lambda present: b"old")

    def fail(present: bytes) -> bytes:
        raise RuntimeError("merge")

    with pytest.raises(RuntimeError):
        update_cache(path, fail)
    assert read_cache(path) == b"old"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        update_cache(tmp_path / "file" / "x.timing", lambda present: present)


def test_default_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    assert default_folder() == Path("somewhere/trtzoo/timing")

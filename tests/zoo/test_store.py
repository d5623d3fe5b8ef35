"""Products behind a URL: what comes there is what a folder gets, and what is up to date there is left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fsspec
import pytest
import shelf

from trtzoo.cli import main
from trtzoo.errors import InputError, MissingDependencyError
from trtzoo.zoo.download import HOME, download
from trtzoo.zoo.steps import Step
from trtzoo.zoo.store import Store, place_of, run_beside

pytest.importorskip("pytask_parallel", reason="`pip install trtzoo[zoo]`")

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
OWN_FOLDERS = Path(tempfile.gettempdir()) / f"trtzoo-zoo-{os.getuid()}"

ZOO = """
zoo: 1
output: OUTPUT
defaults: {precisions: [fp32, fp16], bundles: [triton]}
models:
  - {name: signs, source: "SOURCEshapes.cfg", weights: "SOURCEshapes.weights", names: "SOURCEshapes.names", nms: {conf_thres: 0.25}}
"""


@pytest.fixture
def shelves(tmp_path, monkeypatch):
    """A store that every process reaches by its plug-in, with the sample model in `sources`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    shelf.install(tmp_path / "plugin")
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    (tmp_path / "shelf" / "sources").mkdir(parents=True)
    copy_sources(tmp_path / "shelf" / "sources")
    return tmp_path / "shelf"


def write(folder, output, source=""):
    path = folder / "zoo.yaml"
    path.write_text(ZOO.replace("OUTPUT", output).replace("SOURCE", source))
    return path


def on(shelves):
    """A zoo whose sources and products lie in the store."""
    return write(shelves.parent, f"shelf://{shelves}/zoo", f"shelf://{shelves}/sources/")


def build(file, capsys, *flags):
    """Exit code, and the steps by state."""
    code = main(["zoo", "build", str(file), "--json", *flags])
    found = {}
    for step in json.loads(capsys.readouterr().out)["steps"]:
        found.setdefault(step["state"], []).append(step["id"])
    return code, found


def folder_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def own_folders():
    return list(OWN_FOLDERS.glob(f"{os.getpid()}-*"))


def copy_sources(folder):
    for suffix in ("cfg", "weights", "names"):
        shutil.copy(SAMPLES / f"shapes.{suffix}", folder)


def test_a_store_gets_what_a_folder_gets(tmp_path, shelves, capsys):
    copy_sources(tmp_path)
    assert build(write(tmp_path, "here"), capsys)[0] == 0
    here = {name: data for name, data in folder_bytes(tmp_path / "here").items() if name.startswith("signs/")}
    code, found = build(on(shelves), capsys)
    assert (code, list(found)) == (0, ["done"])
    stored = folder_bytes(shelves / "zoo")
    assert {name: stored[name] for name in here} == here
    assert len(here) == 2 * 4
    assert {name.split("/")[0] for name in stored} == {"signs", "sources", "zoo.json"}
    assert own_folders() == []


def test_a_store_may_live_in_this_process(tmp_path, shelves, capsys):
    copy_sources(tmp_path)
    system = fsspec.filesystem("memory")
    system.store.clear()
    assert list(build(write(tmp_path, "memory://zoo"), capsys)[1]) == ["done"]
    assert list(build(write(tmp_path, "memory://zoo"), capsys)[1]) == ["unchanged"]
    assert system.size("/zoo/signs/fp32-onnxruntime/signs.onnx") > 1000


def test_a_second_run_leaves_a_store_alone_and_a_setting_redoes_what_depends_on_it(shelves, capsys):
    file = on(shelves)
    assert list(build(file, capsys)[1]) == ["done"]
    os.utime(shelves / "zoo" / "signs" / "fp32-onnxruntime" / "signs.onnx", (1, 1))
    assert list(build(file, capsys)[1]) == ["unchanged"]
    file.write_text(file.read_text().replace("0.25", "0.5"))
    found = build(file, capsys)[1]
    assert set(found["unchanged"]) == {"signs/fetch", "signs/fetch-weights", "signs/fetch-names"}
    assert len(found["done"]) == 4


def test_what_is_gone_or_damaged_in_a_store_is_made_again(shelves, capsys):
    build(on(shelves), capsys)
    variants = shelves / "zoo" / "signs"
    (variants / "fp16-onnxruntime" / "signs.onnx").unlink()
    config = variants / "fp32-onnxruntime" / "triton" / "signs" / "config.pbtxt"
    config.write_text("damaged")
    found = build(on(shelves), capsys)[1]
    assert set(found["done"]) == {"signs/fp16-onnxruntime/convert", "signs/fp32-onnxruntime/triton"}
    assert config.read_text() != "damaged"


def test_a_dry_run_writes_nothing_there(shelves, capsys):
    assert list(build(on(shelves), capsys, "--dry-run")[1]) == ["due"]
    assert not (shelves / "zoo").exists()


def test_a_failing_step_brings_nothing_there(shelves, capsys):
    (shelves / "sources" / "shapes.weights").write_bytes(b"no weights")
    code, found = build(on(shelves), capsys)
    assert code == 1
    assert len(found["failed"]) == 2
    assert {path.name for path in (shelves / "zoo").iterdir()} == {"sources", "zoo.json"}


def test_a_source_that_a_store_lacks_is_named(shelves, capsys):
    (shelves / "sources" / "shapes.weights").unlink()
    assert main(["zoo", "build", str(on(shelves))]) == 1
    said = f"signs/fetch-weights: shelf://{shelves}/sources/shapes.weights cannot be read: no such file"
    assert said in capsys.readouterr().err


WRONG = {
    "a plug-in that is missing": ("s3://bucket/zoo", MissingDependencyError, r"s3://bucket/zoo: .*s3fs.*pip install 'trtzoo\[s3\]'"),
    "a scheme of nobody": ("nope://bucket/zoo", InputError, "nope://bucket/zoo: .*scheme fsspec knows"),
    "a web page": ("https://example.com/zoo", InputError, "can only be read from"),
}  # fmt: skip


@pytest.mark.parametrize(("url", "kind", "said"), WRONG.values(), ids=WRONG)
def test_a_url_that_cannot_be_used_is_refused(tmp_path, monkeypatch, url, kind, said):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(kind, match=said):
        place_of(url, tmp_path)


def test_a_plug_in_that_is_missing_for_a_download_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingDependencyError, match=r"trtzoo\[s3\]"):
        download("s3://bucket/m.pt", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_url_is_a_folder(tmp_path):
    assert place_of((tmp_path / "a b").as_uri(), Path("/elsewhere")) == (tmp_path / "a b", None)


def test_a_killed_run_leaves_nothing_and_the_next_one_finishes(tmp_path, shelves, capsys):
    copy_sources(tmp_path)
    file = write(tmp_path, f"shelf://{shelves}/zoo")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "plugin")}
    first = subprocess.Popen([sys.executable, "-m", "trtzoo", "zoo", "build", str(file)], env=environment)
    end = time.monotonic() + 30
    while not list(OWN_FOLDERS.glob(f"{first.pid}-*/signs/*/.signs.*")) and time.monotonic() < end:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    code, found = build(file, capsys)
    assert code == 0
    assert len(found["done"]) >= 3
    assert list(OWN_FOLDERS.glob(f"{first.pid}-*")) == []
    assert list(build(file, capsys)[1]) == ["unchanged"]
    assert not list(shelves.rglob(".*"))


@pytest.mark.parametrize(("code", "there"), [(0, ["a.txt", "b.txt"]), (3, ["a.txt", "b.txt"]), (1, []), (130, [])])
def test_only_what_a_command_wrote_and_ended_well_is_brought(tmp_path, code, there):
    store = Store("memory://brought", tmp_path / "root")
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pipe_file("/brought/in.txt", b"input")
    step = Step(
        "s", "s", "convert", ("convert", str(store.root / "in.txt")), (store.root / "in.txt",), (store.root / "b.txt",)
    )

    def run(moved):
        folder = Path(moved.command[1]).parent
        assert (folder / "in.txt").read_bytes() == b"input"
        assert moved.outputs == (folder / "b.txt",)
        for name in "ab":
            (folder / f"{name}.txt").write_text(name)
        return code, b"said"

    assert run_beside(store, step, run) == (code, b"said")
    assert [path.removeprefix("/brought/") for path in system.find("/brought")] == [*there, "in.txt"]

"""A bundle as its user finds it: what the README names is there, what is there is named, and one file leads to the next."""

from __future__ import annotations

import re
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_models import NAMES, bundle_meta

from trtzoo.bundles.deepstream import DeepStreamSettings, write_bundle

TASKS = ("detect", "pose", "segment", "obb")
RELEASES = ("6.2", "7.1", "9.2")
PRECISIONS = ("fp32", "fp16")


@pytest.fixture(params=[(t, r, p) for t in TASKS for r in RELEASES for p in PRECISIONS], ids="-".join)
def made(request, tmp_path):
    task, release, precision = request.param
    meta = replace(bundle_meta(task), precision=precision)
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    write_bundle(tmp_path / "m.onnx", meta, DeepStreamSettings(release, 4))
    return tmp_path, task, release


def config(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=True)
    parser.read_string(path.read_text())
    return parser


def test_the_readme_names_every_file_and_no_other(made):
    folder, _, release = made
    text = (folder / "README.md").read_text()
    table = text.partition("## Files")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([^`]+)`", table))
    assert named == {path.name for path in folder.iterdir()} - {"README.md"}
    assert text.startswith(f"# m in DeepStream {release}\n")
    assert "{" not in text and "  \n" not in text and "None" not in text


def test_make_is_typed_exactly_where_there_is_something_to_make(made):
    folder, task, _ = made
    commands = (folder / "README.md").read_text().partition("```sh\n")[2].partition("```")[0].splitlines()
    makefile = folder / "Makefile"
    assert commands == ["make"] * makefile.exists() + ["deepstream-app -c deepstream_app_config.txt"]
    if makefile.exists():
        assert ("libtrtzoo_parse.so" in makefile.read_text()) == (task != "detect")


def test_one_file_leads_to_the_next(made):
    folder, task, _ = made
    app = config(folder / "deepstream_app_config.txt")
    infer = config(folder / app["primary-gie"]["config-file"])["property"]
    makes = (folder / "Makefile").read_text() if (folder / "Makefile").exists() else ""
    there = {path.name for path in folder.iterdir()}
    for key in ("onnx-file", "labelfile-path", "custom-lib-path"):
        value = infer.get(key, "").removeprefix("./")
        assert not value or value.startswith("/") or value in there or f"{value}:" in makes, f"{key}={value}"
    assert "onnx-file" in infer or f"{infer['model-engine-file']}:" in makes
    assert len((folder / "labels.txt").read_text().splitlines()) == int(infer["num-detected-classes"]) == len(NAMES)
    assert (app["osd"]["display-mask"] == "1") == (task == "segment")
    assert app["primary-gie"]["gie-unique-id"] == infer["gie-unique-id"]
    assert int(app["streammux"]["batch-size"]) <= int(infer["batch-size"]) == 4


@pytest.mark.parametrize(
    ("batch", "words"), [(1, "again with `--batch-size` of their number"), (4, "at most 4: a `[sourceN]`")]
)
def test_several_sources_are_explained(batch, words, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    write_bundle(tmp_path / "m.onnx", bundle_meta(), DeepStreamSettings("9.1", batch))
    assert words in (tmp_path / "README.md").read_text()


def test_without_angles_the_readme_says_how_a_box_comes_into_the_frame(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    write_bundle(tmp_path / "m.onnx", bundle_meta("obb"), DeepStreamSettings("8.0"))
    assert "scale = min(640 / W, 384 / H)" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(("release", "keeps"), [("6.2", False), ("7.0", False), ("7.1", True), ("8.0", True)])
def test_what_trtexec_makes_of_half_is_said(release, keeps, tmp_path):
    """TensorRT 8 has no strongly typed networks: `--fp16` lets its builder choose, decode and NMS included."""
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    meta = replace(bundle_meta(), precision="fp16")
    [note] = write_bundle(tmp_path / "m.onnx", meta, DeepStreamSettings(release, 2)).notes
    texts = [note, (tmp_path / "README.md").read_text(), (tmp_path / "Makefile").read_text()]
    assert ["trtzoo build m.onnx -o m.engine" in text for text in texts] == [not keeps] * 3
    assert ("--stronglyTyped" in texts[2], "--fp16" in texts[2]) == (keeps, not keeps)


@pytest.mark.parametrize(
    ("release", "said"), [("9.2", False), ("9", False), ("9.2.1", False), ("9.3", True), ("10", True)]
)
def test_a_release_that_is_not_known_is_said(release, said, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    notes = write_bundle(tmp_path / "m.onnx", bundle_meta(), DeepStreamSettings(release)).notes
    assert any("is not known to this trtzoo; the folder is for 9.2" in note for note in notes) == said

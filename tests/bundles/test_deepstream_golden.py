"""One folder a task, as it was read by a person: every text file, letter by letter.

A change of what a bundle says shows up here as a difference to read; `TRTZOO_WRITE_GOLDEN=1 pytest FILE` takes it over.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bundle_models import bundle_meta

from trtzoo.bundles.deepstream import DeepStreamSettings, write_bundle

GOLDEN = Path(__file__).with_name("data") / "golden"
TEXTS = ("config_infer_primary.txt", "deepstream_app_config.txt", "labels.txt", "README.md", "Makefile")
"""Beside them lie the parser's sources and the probe, which are copied and have tests of their own."""


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
def test_the_texts_of_a_bundle_are_those_that_were_read(task: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    write_bundle(tmp_path / "m.onnx", bundle_meta(task), DeepStreamSettings("9.1", 4))
    written = {name: (tmp_path / name).read_text(encoding="utf-8") for name in TEXTS if (tmp_path / name).exists()}
    if os.environ.get("TRTZOO_WRITE_GOLDEN"):
        (GOLDEN / task).mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (GOLDEN / task / name).write_text(text, encoding="utf-8")
    assert written == {path.name: path.read_text(encoding="utf-8") for path in sorted((GOLDEN / task).iterdir())}

"""docs/api.md: what `import trtzoo` offers, as the docstrings have it today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import trtzoo

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("griffe2md", reason="griffe2md is not installed (extra dev)")


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs/make_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_docstrings_say(maker):
    assert (ROOT / "docs/api.md").read_text(encoding="utf-8") == maker.api(), "run `make docs`"


def test_every_public_name_is_on_it(maker):
    names = [name for group in maker.GROUPS.values() for name in group]
    assert sorted(names) == sorted([*trtzoo.__all__, "PassSettings"])
    text = maker.api()
    assert [name for name in names if f"\n### `{name}`\n" not in text] == []


def test_arguments_come_with_their_types_and_what_they_are(maker):
    lines = maker.api().splitlines()
    assert "- **device** (`str | int`) – " in "".join(
        line[:29] for line in lines if line.startswith("- **device** (`str |")
    )
    assert "#### `Detections.plot`" in lines

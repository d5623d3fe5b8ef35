"""docs/architecture.md names no file or folder that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TOP = [path for path in ROOT.iterdir() if path.name != "build" and not path.name.startswith(".")]
PLACES = [*TOP, *(path for top in TOP if top.is_dir() for path in top.rglob("*"))]


def named() -> set[str]:
    """What stands in backticks or in the picture and looks like a file or a folder of ours, `room/` or `file.py`."""
    quoted = re.findall(r"`([^`\n ]+)`", TEXT)
    drawn = re.findall(r"[\w/]+(?:/|\.py|\.cpp)(?=[\s:\"])", TEXT.split("```mermaid")[1].split("```")[0])
    return {name for name in (*quoted, *drawn) if re.fullmatch(r"[\w/.-]+(/|\.py|\.cpp|\.cfg)", name)}


def test_every_place_is_there() -> None:
    names = named()
    assert len(names) > 40
    known = {f"/{path.relative_to(ROOT)}{'/' * path.is_dir()}" for path in PLACES}
    assert [name for name in sorted(names) if not any(place.endswith(f"/{name}") for place in known)] == []

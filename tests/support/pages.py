"""README and docs as tests read them: fenced blocks, and the reasons of those that are not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?:<!-- not run: ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, its text, and why it is not run, if it is not."""

    page: Path
    number: int
    language: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}, block {self.number}"


def page(name: str) -> Path:
    """The page of that name, wherever below docs/ it is."""
    [found] = [path for path in PAGES if path.name == name and path.parent.name != "samples"]
    return found


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page in order."""
    found = enumerate(FENCE.finditer(path.read_text(encoding="utf-8")), start=1)
    return [Block(path, number, one[2], one[3], one[1] or "") for number, one in found]


def write_files(path: Path, folder: Path) -> None:
    """Write the files that a page shows: blocks of YAML or TOML whose first line is a comment with the file's name."""
    for block in blocks(path):
        name = re.match(r"# (\S+\.(?:yaml|toml))\n", block.text) if block.language in ("yaml", "toml") else None
        if name:
            (folder / name[1]).write_text(block.text, encoding="utf-8")


def unfenced(path: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def typed(name: str, language: str = "sh") -> list[str]:
    """The texts of a page's blocks of a language that are run."""
    return [block.text for block in blocks(page(name)) if block.language == language and not block.reason]

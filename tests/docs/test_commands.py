"""What README and docs tell users to type: every command is understood, and those for the sample model run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rtx import needs_rtx

from trtzoo.cli.entry import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str = "") -> list[str]:
    """The fenced blocks of a page, of a language or of all."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if not language or kind == language]


def commands(text: str) -> Iterator[str]:
    """The lines of a block that call trtzoo, joined where they are continued, without what a shell adds."""
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip().removeprefix("$ ")
        if match := re.match(r"(?:[\w./-]*/)?trtzoo (.*)", line):
            yield re.split(r"\s[|>&;]+\s|\s\d?>", match[1])[0]


TYPED = [(page.name, line) for page in PAGES for block in blocks(page) for line in commands(block)]


def test_there_are_commands_to_look_at():
    assert len(TYPED) > 30
    assert {"README.md", "engines.md", "migration.md"} <= {page for page, _ in TYPED}


@pytest.mark.parametrize(("page", "line"), TYPED, ids=[f"{page}: {line[:60]}" for page, line in TYPED])
def test_command_is_understood(page, line, capsys):
    words = [word for word in shlex.split(line, comments=True) if word != "..."]
    try:
        build_parser().parse_args(words)
    except SystemExit as end:
        assert not end.code, capsys.readouterr().err


def _flags(page: str) -> set[str]:
    columns = re.findall(r"^\|[^|]*\|([^|]*)\|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {flag for column in columns for flag in re.findall(r"`[^`]*?(--[a-z0-9-]+)", column)}


def test_flags_that_replace_others_exist(capsys):
    names = [action.choices for action in build_parser()._actions if action.choices]
    known = set()
    for command in names[0]:
        for verb in ([], ["build"], ["json2yolo"], ["split"], ["visualize"], ["check"]):
            with pytest.raises(SystemExit):
                build_parser().parse_args([command, *verb, "--help"])
            known |= set(re.findall(r"--[a-z0-9-]+", capsys.readouterr().out))
    assert _flags("migration.md") - known == set()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with the samples in it, as after cloning."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "trtzoo"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trtzoo "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_first_try_runs(here):
    [block] = [block for block in blocks(ROOT / "README.md", "sh") if "samples/shapes.cfg" in block]
    done = subprocess.run(["sh", "-ec", block], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (here / "results" / "detections.json").is_file()


@needs_rtx
def test_the_readmes_python_runs(here):
    [block] = blocks(ROOT / "README.md", "python")
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= 3
    assert (here / "drawn.jpg").stat().st_size > 1000
    assert (here / "shapes.engine").is_file()

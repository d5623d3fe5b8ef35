"""What README and docs tell users to type: every command is understood, also those that test_blocks.py cannot run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
from pages import PAGES, blocks, page, write_files

from trtzoo.cli.entry import build_parser


def commands(text: str) -> Iterator[str]:
    """The lines of a block that call trtzoo, joined where they are continued, without what a shell adds."""
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip().removeprefix("$ ")
        if match := re.match(r"(?:[\w./-]*/)?trtzoo (.*)", line):
            yield re.split(r"\s[|>&;]+\s|\s\d?>", match[1])[0]


TYPED = [(path.name, line) for path in PAGES for block in blocks(path) for line in commands(block.text)]


def test_there_are_commands_to_look_at():
    assert len(TYPED) > 30
    assert {"README.md", "engines.md", "migration.md"} <= {name for name, _ in TYPED}


@pytest.mark.parametrize(("name", "line"), TYPED, ids=[f"{name}: {line[:60]}" for name, line in TYPED])
def test_command_is_understood(name, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_files(next(path for path in PAGES if path.name == name), tmp_path)
    words = [word for word in shlex.split(line, comments=True) if word != "..."]
    try:
        build_parser().parse_args(words)
    except SystemExit as end:
        assert not end.code, capsys.readouterr().err


def _flags(name: str) -> set[str]:
    columns = re.findall(r"^\|[^|]*\|([^|]*)\|", page(name).read_text(encoding="utf-8"), re.MULTILINE)
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

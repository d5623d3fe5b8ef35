"""What the command line says, with and without a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from trtzoo import console

STRANGE = ["[batch, 3, 64, 64]", "[/b]", "[red]text", ":smile:", "a\\[b", "café 日本", "100% {x}", ""]


@pytest.mark.parametrize("text", STRANGE, ids=repr)
def test_a_table_shows_every_text_as_it_is(text, capsys):
    console.table(text, ["name", text], [["a", text], [text, "b"]])
    printed = capsys.readouterr().out
    assert printed.count(text) >= 4


def test_a_table_without_a_title_begins_with_its_columns(capsys):
    console.table("", ["name", "value"], [["a", "1"]])
    assert "name" in "".join(capsys.readouterr().out.splitlines()[:2])


def test_long_cells_are_wrapped_not_cut(capsys):
    words = [f"word{number}" for number in range(100)]
    console.table("", ["name", "value"], [["a", " ".join(words)]])
    printed = capsys.readouterr().out
    assert re.findall(r"word\d+", printed) == words
    assert max(map(len, printed.splitlines())) <= 160


def test_log_lines_go_to_stderr(capsys):
    console.say("careful")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "careful\n")


@pytest.mark.parametrize("total", [0, 1, 3, 100])
def test_tracking_hands_on_every_item_and_is_silent_when_quick(total, capsys):
    assert list(console.track(iter(range(3)), total, "working")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_tracking_is_lazy():
    taken = []
    items = console.track((taken.append(number) or number for number in range(5)), 5, "working")
    assert next(items) == 0
    assert taken == [0]


def test_long_work_says_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(console, "LOG_EVERY", -1.0)
    assert list(console.track("abc", 3, "detecting")) == ["a", "b", "c"]
    with console.progress("building") as report:
        report(0.5, "tactics")
    assert capsys.readouterr().err.splitlines() == [
        "detecting: 1 of 3",
        "detecting: 2 of 3",
        "detecting: 3 of 3",
        "building: 50%, tactics",
    ]


ON_A_TERMINAL = """
from trtzoo import console
assert list(console.track(iter(range(5)), 5, "detecting")) == list(range(5))
with console.progress("building") as report:
    report(0.5, "tactics")
    report(1.0, "done")
console.table("", ["name"], [["[batch]"]])
"""


def test_on_a_terminal_there_is_a_bar_on_stderr_and_only_the_table_on_stdout():
    pty = pytest.importorskip("pty", reason="terminals of this kind are Unix's")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0, shown
    assert "detecting" in shown and "building" in shown and "━" in shown
    assert "[batch]" in done.stdout and "detecting" not in done.stdout

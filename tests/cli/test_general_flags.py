"""How much is said: `-v`, `-q` and `--log-file`, before the command and behind it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from darknet_files import write_model

from trtzoo import console
from trtzoo.cli import build_parser, main
from trtzoo.cli.registry import Command
from trtzoo.errors import InputError

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
IDLE = "--half-io: without effect, for want of --half"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.names").write_text("square\ncircle\n")
    return write_model(tmp_path).name


def leaves():
    """The parser of every command, and of every command of one."""
    _, *below = build_parser().tree()
    return [parser for parser in below if not parser._subparsers]


@pytest.mark.parametrize("parser", leaves(), ids=lambda parser: parser.prog)
@pytest.mark.parametrize("flag", ["-v", "--verbose", "-q", "--quiet", "--log-file"])
def test_every_command_takes_them(parser, flag):
    assert flag in parser._option_string_actions


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "behind it"])
def test_quiet_leaves_results_and_errors(before, model, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["-q", *words] if before else [*words, "-q"])
        return code, *capsys.readouterr()

    code, out, err = run("convert", model, "--half-io", "--no-verify")
    assert (code, err) == (0, "")
    assert out.startswith("model.onnx: darknet detect")
    code, out, err = run("convert", "none.cfg")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: no such file: none\.cfg.*\n", err)


def test_what_is_said_usually_is_said_without_them(model, capsys):
    assert main(["convert", model, "--half-io", "--no-verify"]) == 0
    assert capsys.readouterr().err == f"note: {IDLE}\n"


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "behind it"])
def test_the_log_file_gets_everything_with_the_time_and_grows(before, model, tmp_path, capsys):
    log = ["--log-file", "run.log"]
    for quiet in ([], ["-q"]):
        words = ["convert", model, "--half-io", "--no-verify", *quiet]
        assert main([*log, *words] if before else [*words, *log]) == 0
    capsys.readouterr()
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line for line in lines if not re.match(rf"{TIME} (DEBUG|INFO|ERROR) ", line)] == []
    assert len([line for line in lines if IDLE in line]) == 2
    assert len([line for line in lines if re.search(r"INFO trtzoo \S+: trtzoo .*convert model.cfg", line)]) == 2
    assert len([line for line in lines if re.search(r"INFO exit code 0 after \d+\.\d\d s$", line)]) == 2


def test_notes_inside_of_a_document_and_errors_are_in_the_log_too(model, tmp_path, capsys):
    assert main(["convert", model, "--half-io", "--no-verify", "--json", "--log-file", "run.log"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["-q", "convert", "none.cfg", "--log-file", "run.log"]) == 1
    text = (tmp_path / "run.log").read_text()
    assert f"INFO note: {IDLE}\n" in text
    assert "ERROR error: no such file: none.cfg" in text
    assert "INFO exit code 1 after" in text


def test_passwords_stay_out_of_the_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source = "rtsp://user:hush@camera.invalid/1?token=hush&x=1"
    assert main(["detect", "none.onnx", source, "--log-file", "run.log"]) == 1
    text = (tmp_path / "run.log").read_text()
    assert "rtsp://***@camera.invalid/1?token=***&x=1" in text
    assert "hush" not in text


def broken(monkeypatch, model) -> None:
    def fail(options):
        raise ZeroDivisionError("of the library")

    found = Command("convert", "", "", lambda parser: parser.add_argument("model"), fail)
    monkeypatch.setattr("trtzoo.cli.entry.commands", lambda: [found])


def test_verbose_says_where_an_unexpected_error_comes_from(model, monkeypatch, capsys, tmp_path):
    broken(monkeypatch, model)
    assert main(["convert", model, "--log-file", "run.log"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert (
        line
        == "error: unexpected ZeroDivisionError: of the library; run it again with --verbose and report what it says"
    )
    assert "Traceback (most recent call last):" in (tmp_path / "run.log").read_text()
    assert main(["convert", model, "-v"]) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last):" in said and 'raise ZeroDivisionError("of the library")' in said
    assert said.splitlines()[-1].startswith("error: unexpected ZeroDivisionError: of the library; report it")


WRONG = {
    "both": (["-v", "convert", "a.cfg", "-q"], "trtzoo convert: error: --verbose and --quiet exclude each other"),
    "the model": (
        ["convert", "a.cfg", "--log-file", "./a.cfg"],
        "--log-file a.cfg is a file that the command works on",
    ),
    "the output": (
        ["convert", "a.cfg", "-o", "b", "--log-file", "b"],
        "--log-file b is a file that the command works on",
    ),
    "one of several": (["detect", "a.onnx", "b.jpg", "c.jpg", "--log-file", "c.jpg"], "--log-file c.jpg is a file"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_usage(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_ends_in_an_error_before_the_work(model, tmp_path, capsys):
    (tmp_path / "other.onnx").write_bytes(b"\x08\x00\x00")
    for log, reason in {
        "none/run.log": "cannot be written: No such file",
        "other.onnx": "is no text",
        ".": "is a dir",
    }.items():
        assert main(["convert", model, "--log-file", log]) == 1
        assert re.search(
            rf"^error: --log-file {log} .*{reason}.*; name another file$", capsys.readouterr().err.strip(), re.I
        )
    assert not (tmp_path / "model.onnx").exists()
    assert (tmp_path / "other.onnx").read_bytes() == b"\x08\x00\x00"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_disk_that_fills_up_does_not_end_the_work(model, capsys):
    assert main(["convert", model, "--no-verify", "--log-file", "/dev/full"]) == 0
    assert capsys.readouterr().err == "note: /dev/full is not continued: [Errno 28] No space left on device\n"


def test_warnings_of_packages_are_details(capsys, tmp_path):
    with console.speaking(console.USUAL, tmp_path / "run.log"):
        warnings.warn("of a package", DeprecationWarning, stacklevel=1)
    with console.speaking(console.DETAILED):
        warnings.warn("of another", UserWarning, stacklevel=1)
    err = capsys.readouterr().err
    assert "of a package" not in err and "of another" in err
    assert "DEBUG" in (log := (tmp_path / "run.log").read_text()) and "of a package" in log


def test_details_are_gathered_only_where_somebody_wants_them(tmp_path):
    with console.speaking():
        assert not console.wants_details()
    with console.speaking(console.QUIET, tmp_path / "run.log"):
        assert console.wants_details()
    with console.speaking(console.DETAILED):
        assert console.wants_details()
    assert not console.wants_details()


def test_after_an_error_the_log_is_closed_and_the_level_as_before(tmp_path):
    with pytest.raises(InputError), console.speaking(console.QUIET, tmp_path / "run.log"):
        raise InputError("no")
    assert not console.wants_details()

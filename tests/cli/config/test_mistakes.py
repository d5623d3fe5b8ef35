"""A mistake in a configuration file is wrong usage: exit code 2, file and line, a guess at what was meant, and nothing is done."""

from __future__ import annotations

import pytest
from colour_network import colour_network, write

from trtzoo.cli import main

YAML = {
    "a flag": ("convert:\n  model: a.cfg\n  hlaf: true\n", 3, "trtzoo convert has no flag 'hlaf'; did you mean 'half'?"),
    "a flag of no command": ("opsett: 17\n", 1, "trtzoo has no flag or command 'opsett'; did you mean 'opset'?"),
    "a command": ("convrt:\n  half: true\n", 1, "has no flag or command 'convrt'; did you mean 'convert'?"),
    "a flag of another command": ("convert:\n  hide-labels: true\n", 2, "trtzoo convert has no flag 'hide-labels'"),
    "a word for a number": ("opset: seventeen\n", 1, "opset: invalid int value: 'seventeen'"),
    "a number out of range": ("batch-size: 0\n", 1, "batch-size: 0 is not a positive whole number"),
    "a threshold out of range": ("end2end: true\n\nconf-thres: 1.5\n", 3, "--conf-thres 1.5 is out of range; choose 0 to below 1"),
    "a choice": ("nms: statc\n", 1, "nms: no such choice: 'statc'; did you mean 'static'?"),
    "a number for a switch": ("half: 1\n", 1, "half is a switch; write true or false"),
    "a switch for a number": ("opset: true\n", 1, "opset takes a number or word, no true or false"),
    "a switch for a file": ("names: yes\n", 1, "names takes a number or word, no true or false"),
    "a list for one value": ("opset: [17, 18]\n", 1, "opset takes a number or word, no list"),
    "a list in a list": ("img-size: [[96]]\n", 1, "a list holds numbers and words; write it flat"),
    "nothing in a list": ("img-size: []\n", 1, "img-size has an empty list"),
    "nothing behind a key": ("convert:\n\n  opset:\n", 3, "opset has no value"),
    "keys for a value": ("opset: {a: 1}\n", 1, "opset takes a number or word, and no keys below it"),
    "a list at the top": ("- half\n", 1, "flags were expected, as `conf-thres: 0.3`"),
    "two that exclude each other": ("single-label: on\nmulti-label: on\n", 2, "multi-label contradicts single-label (c.yaml:1)"),
    "a key twice": ("opset: 17\nopset: 18\n", 2, "the key 'opset' stands here a second time"),
    "two spellings of a key": ("img-size: 64\nimg_size: 96\n", 2, "img-size contradicts img-size (c.yaml:1)"),
    "no YAML": ("opset: [17\n", 2, "mend the YAML"),
    "a file of flags": ("convert: {config: other.yaml}\n", 1, "trtzoo convert has no flag 'config'"),
    "what does not go together": ("nms: static\n", 1, "--nms without --end2end"),
}  # fmt: skip


def refused(words: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: trtzoo convert [-h]")
    return said.err.splitlines()[-1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("text", "line", "message"), YAML.values(), ids=YAML)
def test_in_yaml(text, line, message, here, capsys):
    (here / "c.yaml").write_text(text)
    last = refused(["convert", "a.cfg", "--config", "c.yaml", "--save-config", "s.yaml"], capsys)
    assert last.startswith("trtzoo convert: error: ")
    assert message in last and f"c.yaml:{line}" in last
    assert [path.name for path in here.iterdir()] == ["c.yaml"]


TOML = {
    "a flag": ("[tool.trtzoo]\nopset = 17\n\n[tool.trtzoo.convert]\nhlaf = true\n", 5, "did you mean 'half'?"),
    "a type": ("[tool.trtzoo]\nopset = 17\nconvert.half = 'yes'\n", 3, "half is a switch"),
    "a number": ("[build-system]\nhalf = 1\n[tool.trtzoo]\n'img-size' = [\n  96.5,\n]\n", 4, "96.5 is not a positive"),
    "an inline table": ("[tool]\n# it\ntrtzoo = {convert = {opset = 'x'}}\n", 3, "invalid int value: 'x'"),
    "no table": ("[tool]\ntrtzoo = 3\n", 2, "[tool.trtzoo] is a table"),
    "no TOML": ("[tool.trtzoo]\nopset = \n", 2, "mend the TOML"),
}


@pytest.mark.parametrize(("text", "line", "message"), TOML.values(), ids=TOML)
def test_in_pyproject(text, line, message, here, capsys):
    (here / "pyproject.toml").write_text(text)
    last = refused(["convert", "a.cfg"], capsys)
    assert message in last and f"pyproject.toml:{line}: " in last
    assert [path.name for path in here.iterdir()] == ["pyproject.toml"]


def test_files_that_are_none(here, capsys):
    (here / "bytes.yaml").write_bytes(b"\xff\xfe")
    for name, message in {
        "none.yaml": "no such file: none.yaml (a configuration in YAML)",
        ".": ". is a folder",
        "bytes.yaml": "bytes.yaml is no text in UTF-8",
    }.items():
        assert message in refused(["--config", name, "convert", "a.cfg"], capsys)
    assert "expected one argument" in refused(["convert", "a.cfg", "--config"], capsys)


def test_what_is_wrong_with_other_commands_does_not_stop_this_one(here, capsys):
    (here / "c.yaml").write_text("detect:\n  nonsense: 1\nhide-labels: 5\n")
    assert main(["convert", "none.cfg", "--config", "c.yaml"]) == 1
    assert (
        capsys.readouterr().err
        == "error: no such file: none.cfg (a model: .cfg, .pt, .onnx or .engine); check the path\n"
    )


def test_what_was_typed_wrongly_is_not_the_files_fault(here, capsys):
    (here / "c.yaml").write_text("conf-thres: 0.5\nend2end: true\n")
    (here / "a.cfg").write_text("[net]\n")
    assert main(["convert", "a.cfg", "--config", "c.yaml", "--conf-thres", "1.5"]) == 1
    assert capsys.readouterr().err == "error: --conf-thres 1.5 is out of range; choose 0 to below 1\n"


VALUES = {
    "a file that is not there": ("model: none.cfg\n", "error: no such file: none.cfg ", " (model is set in c.yaml:1)"),
    "one of several": ("quiet: true\nmodel: a.onnx\noutput: no/b.onnx\n", "", " (output is set in c.yaml:3)"),
    "a number in another sense": (
        "model: a10.cfg\nbatch-size: 10\n",
        "error: no such file: a10.cfg ",
        " (model is set in c.yaml:1)",
    ),
}


@pytest.mark.parametrize(("text", "start", "end"), VALUES.values(), ids=VALUES)
def test_an_error_about_a_value_of_the_file_says_where_it_stands(text, start, end, here, capsys):
    write(here, colour_network()).rename(here / "a.onnx")
    (here / "c.yaml").write_text(text)
    assert main(["convert", "--config", "c.yaml"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(start) and last.endswith(end)
    assert sorted(path.name for path in here.iterdir()) == ["a.onnx", "c.yaml"]


def test_what_neither_was_typed_nor_stands_in_the_file_is_missing(here, capsys):
    (here / "c.yaml").write_text("lower: {model: a.onnx}\n")
    with pytest.raises(SystemExit) as ended:
        main(["lower", "--config", "c.yaml"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(": the following arguments are required: -o/--output\n")


def test_help_and_version_do_not_look_at_files(here, capsys):
    (here / "pyproject.toml").write_text("[tool.trtzoo]\nnonsense = 1\n")
    assert main(["--version"]) == 0
    with pytest.raises(SystemExit) as ended:
        main(["convert", "--help"])
    assert ended.value.code == 0


SECTIONS = {
    "no YAML": ("convert: {", "c.yaml:1: "),
    "none": ("opset: 17\n", "the following arguments are required: COMMAND"),
    "several": ("convert: {opset: 17}\ndetect: {device: cpu}\n", "the following arguments are required: COMMAND"),
    "one of a command that has commands": ("zoo: {}\n", "the following arguments are required: COMMAND"),
}


@pytest.mark.parametrize(("text", "message"), SECTIONS.values(), ids=SECTIONS)
def test_without_a_command_the_file_must_have_exactly_one_section(text, message, here, capsys):
    (here / "c.yaml").write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["--config", "c.yaml"])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err

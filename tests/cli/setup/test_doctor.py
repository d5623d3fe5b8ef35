"""`trtzoo doctor` and `--version`: what is installed, on stdout; whether something would fail, in the exit code."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

import trtzoo
from trtzoo.cli import main
from trtzoo.machine import faults
from trtzoo.machine.faults import Fault


def test_version_is_one_line(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"trtzoo {trtzoo.__version__}\n", "")


@pytest.mark.parametrize("words", [["--version", "--verbose"], ["-v", "--version"]], ids=" ".join)
def test_verbose_lists_what_is_installed(words, capsys):
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"trtzoo {trtzoo.__version__}"
    assert [line.partition(" (")[0] for line in lines if line.startswith("ONNX Runtime ")] == [
        f"ONNX Runtime {metadata.version('onnxruntime')}"
    ]
    assert all(any(line.startswith(name) for line in lines) for name in ("Python ", "TensorRT ", "NVIDIA driver "))


def test_a_sound_machine(monkeypatch, capsys):
    monkeypatch.setattr(faults, "RULES", ())
    assert main(["doctor"]) == 0
    said = capsys.readouterr()
    assert f"trtzoo           │ {trtzoo.__version__}" in said.out
    assert "error:" not in said.err
    assert main(["doctor", "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert said.err == ""
    assert (document["schema"], document["version"], document["faults"]) == ("trtzoo.doctor", 1, [])
    assert document["parts"]["onnx"]["packages"] == {"onnx": metadata.version("onnx")}
    assert document["parts"]["onnxruntime"]["details"]["providers"]


def test_what_would_fail_is_the_exit_code_and_stands_on_stdout(monkeypatch, capsys):
    monkeypatch.setattr(faults, "RULES", (lambda facts: iter([Fault("torch", "it is broken", "mend it")]),))
    assert main(["doctor", "-q"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "torch: it is broken; mend it"
    assert said.err == "error: 1 of what is installed would fail, see above\n"
    assert main(["doctor", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["faults"] == [{"part": "torch", "what": "it is broken", "remedy": "mend it"}]
    assert said.err.splitlines()[-1] == "error: 1 of what is installed would fail, see the document"


def test_doctor_on_this_machine(capsys):
    code = main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == (1 if document["faults"] else 0)

"""What is found on real machines, with libraries that are planted: sound ones, broken ones, ones that kill the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from trtzoo.engines.library import cuda_driver
from trtzoo.engines.library.cuda_driver import CudaError, find_gpus
from trtzoo.machine import examine
from trtzoo.machine.find import ask_children, look_around
from trtzoo.machine.probe import probe


def doctor(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`trtzoo doctor` where the packages in a folder come before the installed ones."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "trtzoo", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site, timeout=120, check=False)


def plant(site: Path, module: str, code: str, *packages: str) -> None:
    """A module, and records of packages that brought it."""
    (site / f"{module}.py").write_text(code)
    for package in packages:
        folder = site / f"{package.replace('-', '_')}-99.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")


def test_a_library_that_kills_the_process_is_a_fault_and_nothing_more(tmp_path):
    plant(tmp_path, "torch", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "torch")
    done = doctor(tmp_path, "--json")
    document = json.loads(done.stdout)
    assert document["parts"]["torch"]["failure"] == "it ends the process that loads it (SIGSEGV)"
    assert [fault["part"] for fault in document["faults"]] == ["torch"]
    assert document["parts"]["onnxruntime"]["failure"] is None
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "error: 1 of what is installed would fail, see the document",
    )


def test_a_library_that_does_not_load_and_one_that_is_there_twice(tmp_path):
    code = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n"
    plant(tmp_path, "cv2", code, "opencv-python", "opencv-contrib-python")
    done = doctor(tmp_path)
    lines = [line for line in done.stdout.splitlines() if line.startswith("opencv: ")]
    assert done.returncode == 1
    assert "OpenCV does not work: libGL.so.1: cannot open shared object file" in lines[0]
    assert "opencv-python and opencv-contrib-python both bring OpenCV" in lines[1]
    assert "pip uninstall " in lines[1]
    assert done.stderr.splitlines()[-1] == "error: 2 of what is installed would fail, see above"


def test_what_a_library_prints_does_no_harm(tmp_path):
    code = "print('hello'); __version__ = '9.9'\nclass version: cuda = None\nclass cuda: is_available = staticmethod(lambda: print('hm'))\n"
    plant(tmp_path, "torch", code + "import atexit; atexit.register(print, end='')\n", "torch")
    done = doctor(tmp_path, "--json")
    assert json.loads(done.stdout)["parts"]["torch"]["version"] == "9.9"
    assert done.returncode == 0, done.stdout


def test_a_file_in_the_working_directory_is_no_library(tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    if sys.version_info >= (3, 11):
        assert "failure" not in ask_children(["opencv"])["opencv"]


def test_an_old_tensorrt_is_named_by_its_version(tmp_path):
    plant(tmp_path, "tensorrt", "__version__ = '8.2.1.8'\n")
    found = json.loads(doctor(tmp_path, "--json").stdout)
    assert found["parts"]["tensorrt"]["version"] == "unknown version"
    [fault] = found["faults"]
    assert (
        fault["part"] == "tensorrt"
        and "TensorRT 8.2.1.8 is installed, but engines are built and run from" in fault["what"]
    )


def test_probes_of_this_machine():
    found = probe("onnxruntime")
    assert "CPUExecutionProvider" in found["providers"] and "not_starting" not in found
    assert found["version"] == metadata.version("onnxruntime")
    assert probe("opencv")["file"].startswith("/")
    assert probe("nonsense")["failure"] == "'nonsense'"


def test_gpus_are_described_as_the_driver_does(monkeypatch):
    answers = {
        "gpus": {"gpus": [["NVIDIA L4", [8, 9], 24 * 2**30]]},
        "onnxruntime": {"version": "1.0", "providers": ["CPUExecutionProvider"]},
    }
    monkeypatch.setattr("trtzoo.machine.find.driver_cuda", lambda: (12, 8))
    report = examine(lambda names: {name: answers.get(name, {}) for name in names})
    assert report.rows()[-2][0] == "NVIDIA driver" and report.rows()[-2][2] == "serves CUDA 12.8"
    assert report.rows()[-1] == ["GPU 0", "NVIDIA L4", "compute capability 8.9, 24.0 GiB"]
    assert report.document()["gpus"] == [{"name": "NVIDIA L4", "capability": (8, 9), "memory": 24 * 2**30}]


def test_without_a_driver_no_gpu_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr("trtzoo.machine.find.driver_cuda", lambda: None)
    facts = look_around(lambda names: asked.extend(names) or {})
    assert "gpus" not in asked and {"onnxruntime", "opencv"} <= set(asked)
    assert (facts.gpus, facts.driver.cuda) == ((), None)


def test_requirements_that_are_not_met(monkeypatch):
    wanted = ["rich>=9999", "no-such-package>=1", "numpy>=1", "torch>=9999; extra == 'torch'", "nonsense =="]
    monkeypatch.setattr("trtzoo.machine.find.metadata.requires", lambda name: wanted)
    first, second = look_around(lambda names: {}).unmet
    assert first.startswith("rich ") and first.endswith("is installed, but >=9999 is needed: pip install 'rich>=9999'")
    assert second == "no-such-package is not installed: pip install 'no-such-package>=1'"


def test_the_compiler(tmp_path, monkeypatch):
    (tmp_path / "g++").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look_around(lambda names: {}).parts["g++"].failure == f"{tmp_path}/g++ ends with exit code 7"
    monkeypatch.setenv("PATH", "")
    assert not look_around(lambda names: {}).parts["g++"].installed


def test_a_driver_that_fails_says_so(monkeypatch: pytest.MonkeyPatch):
    class Driver:
        def __getattr__(self, name):
            return lambda *arguments: 999

    monkeypatch.setattr(cuda_driver, "_library", Driver)
    with pytest.raises(CudaError, match=r"cuDeviceGetCount: unknown error \(999\)"):
        find_gpus()
    assert probe("gpus") == {"failure": "cuDeviceGetCount: unknown error (999)"}

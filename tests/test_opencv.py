"""Any package that brings `cv2` will do; without one, what needs no pictures still works, and the rest says what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import cv2
import numpy as np
import pytest

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
INSTALL = "pip install opencv-python-headless"


def trtzoo(folder: Path, here: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line in `here`, where modules are looked for in `folder` first."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "trtzoo", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=here, check=False)


@pytest.fixture
def without(tmp_path):
    """A folder that hides cv2 as if it were not installed."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['cv2'] = None\n")
    return folder


def test_the_base_install_asks_for_no_package_that_would_overwrite_anothers_cv2():
    wanted = [one for one in requires("trtzoo") or [] if "opencv" in one]
    assert wanted
    assert all("extra ==" in one for one in wanted)


def test_models_are_converted_inspected_and_lowered_without_opencv(without, tmp_path):
    for words in (
        ("convert", SAMPLES / "shapes.cfg", "--end2end", "-o", "shapes.onnx"),
        ("inspect", "shapes.onnx"),
        ("lower", "shapes.onnx", "-o", "lowered.onnx"),
    ):
        done = trtzoo(without, tmp_path, *words)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("detect", SAMPLES / "shapes.cfg", SAMPLES / "pictures", "-o", "out"),
        ("convert", SAMPLES / "shapes.cfg", "--half", "--half-pictures", SAMPLES / "pictures", "-o", "out"),
    ],
    ids=lambda words: words[0],
)
def test_pictures_without_opencv_say_what_to_install(words, without, tmp_path):
    done = trtzoo(without, tmp_path, *words)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("error: pictures need OpenCV")
    assert INSTALL in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_opencv_that_does_not_load_says_why(tmp_path):
    folder = tmp_path / "broken" / "cv2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    done = trtzoo(folder.parent, tmp_path, "detect", SAMPLES / "shapes.cfg", SAMPLES / "pictures", "-o", "out")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "does not load (libGL.so.1: cannot open shared object file)" in last
    assert INSTALL.removeprefix("pip install ") in last


def test_a_cv2_of_another_package_is_taken(tmp_path):
    """As opencv-python, opencv-contrib-python or the system's python3-opencv would bring it, from a folder of their own."""
    folder = tmp_path / "other"
    shutil.copytree(Path(cv2.__file__).parent, folder / "cv2", copy_function=os.symlink)
    libraries = Path(cv2.__file__).parents[1] / "opencv_python_headless.libs"
    if libraries.is_dir():
        (folder / libraries.name).symlink_to(libraries)
    version = folder / "cv2" / "version.py"
    text = version.read_text()
    version.unlink()  # a link, which the package itself is behind
    version.write_text(f"{text}\nopen(__file__ + '.used', 'w').close()\n")
    done = trtzoo(folder, tmp_path, "detect", SAMPLES / "shapes.cfg", SAMPLES / "pictures" / "shapes1.jpg", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert (folder / "cv2" / "version.py.used").exists()
    assert np.any(cv2.imread(str(tmp_path / "out" / "shapes1.jpg")))

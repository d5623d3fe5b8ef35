"""A model's own process: what it takes up is its own, and it goes when it is not wanted any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from colour_network import colour_network, picture_with, write

from trtzoo.converters.options import ReadOptions
from trtzoo.errors import InputError, UnsupportedError
from trtzoo.evaluation.benchmark.child import Bench, Child
from trtzoo.evaluation.benchmark.memory import peak_rss_mib
from trtzoo.evaluation.subjects import Subject

PICTURE = picture_with([(0, 1)])


def subject(path: Path) -> Subject:
    return Subject(path, "one", None, "cpu", False, ReadOptions())


def test_its_memory_is_the_models_alone(tmp_path):
    mine = np.ones(300 * 2**20, np.uint8)
    assert peak_rss_mib() > 300
    with Child(subject(write(tmp_path, colour_network())), PICTURE) as child:
        assert 20 < child.do(Bench.open, 1).rss_mib < 300
    assert mine.all()


def test_errors_of_a_model_are_the_callers(tmp_path):
    with Child(subject(tmp_path / "missing.onnx"), PICTURE) as child, pytest.raises(InputError, match="no such file"):
        child.do(Bench.open, 1)


def test_a_process_that_dies_is_named(tmp_path):
    with Child(subject(write(tmp_path, colour_network())), PICTURE) as child:
        opened = child.do(Bench.open, 1)
        assert opened.best.score == pytest.approx(1.0)
        os.kill(child._process.pid, signal.SIGKILL)
        with pytest.raises(UnsupportedError, match=r"one: its process ended \(status -9\)"):
            child.do(Bench.turn, 1, 1)


ORPHAN = """
import time, pathlib, sys
import numpy as np
from trtzoo.converters.options import ReadOptions
from trtzoo.evaluation.benchmark.child import Child
from trtzoo.evaluation.subjects import Subject
if __name__ == "__main__":
    child = Child(Subject(pathlib.Path("x.onnx"), "x", None, "cpu", False, ReadOptions()), np.zeros((8, 8, 3), np.uint8))
    print(child._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks for the process in /proc")
def test_it_does_not_outlive_who_started_it(tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        number = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not is_running(number):
            return
        time.sleep(0.1)
    pytest.fail("the process is still there")


def is_running(number: int) -> bool:
    """Whether there is such a process, other than as a zombie that nobody waits for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

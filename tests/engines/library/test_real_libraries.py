"""NVIDIA's own libraries on a machine without a driver: they are refused before they end the process, and register their plugins.

The lean runtimes of TensorRT 10 and 11 are small packages. TensorRT 8.5 and 8.6 need a Python 3.10 of their own: name commands that run
one with `import tensorrt` in TRTZOO_TENSORRT8, separated by ":".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from cached_packages import ROOT, installed_or_reason

from trtzoo.engines.library.cuda_driver import driver_cuda

no_driver = pytest.mark.skipif(driver_cuda() is not None, reason="this machine has a CUDA driver, so CUDA starts")
LEAN = ("10.16.1.11", "11.4.0.106")
TENSORRT_8 = [command for command in os.environ.get("TRTZOO_TENSORRT8", "").split(os.pathsep) if command]

LEAN_SCRIPT = """
import sys
import tensorrt_lean_bindings as trt
from trtzoo.engines.library import compat, cuda_start
from trtzoo.engines.library.log import make_log
from trtzoo.errors import UnsupportedError
if sys.argv[1] == "blind":
    cuda_start.driver_cuda = lambda: (99, 0)
try:
    compat.make_runtime(compat.Api(trt, "tensorrt", trt.__version__), make_log(trt))
except UnsupportedError as error:
    print(error)
"""


@no_driver
@pytest.mark.parametrize(
    ("sight", "says"), [("seeing", "no CUDA driver answers"), ("blind", "CUDA initialization failure with error: 35")]
)
@pytest.mark.parametrize("version", LEAN)
def test_the_lean_runtime_is_refused_before_it_ends_the_process(version: str, sight: str, says: str) -> None:
    """Asked to load a plan it would: it returns an object, and logs that there is no CUDA. "blind" is a driver that looks new enough."""
    packages = [f"tensorrt_lean_cu12_{part}=={version}" for part in ("bindings", "libs")]
    home, reason = installed_or_reason(f"tensorrt_lean/{version}", *packages)
    if home is None:
        pytest.skip(reason)
    paths = os.pathsep.join([str(home), *filter(None, sys.path)])
    command = [sys.executable, "-c", LEAN_SCRIPT, sight]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"TensorRT {version} does not start: ")
    assert says in done.stdout


SCRIPT_8 = """
import json, sys
sys.path.insert(0, sys.argv[1])
from trtzoo.engines.library import compat, cuda_start
from trtzoo.engines.library.log import make_log
from trtzoo.errors import UnsupportedError

def refusal(make):
    try:
        make(api, make_log(api.trt))
    except UnsupportedError as error:
        return str(error)

api = compat.load("tensorrt")
found = {"release": api.release, "seeing": [refusal(compat.make_builder), refusal(compat.make_runtime)]}
compat.register_plugins(api, make_log(api.trt))
creator = api.trt.get_plugin_registry().get_plugin_creator("EfficientNMS_TRT", "1", "")
found["attributes"] = [field.name for field in creator.field_names]
found["cuda"] = cuda_start.cuda_major("tensorrt")
cuda_start.driver_cuda = lambda: (99, 0)
found["blind"] = refusal(compat.make_builder)
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=TENSORRT_8 or [None])
def tensorrt_8(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a real TensorRT 8.5 or 8.6 says."""
    if request.param is None:
        pytest.skip("no TensorRT 8: name a Python 3.10 that imports 8.5 or 8.6 in TRTZOO_TENSORRT8")
    package = tmp_path_factory.mktemp("package")
    (package / "trtzoo").symlink_to(ROOT)
    done = subprocess.run([request.param, "-c", SCRIPT_8, str(package)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_plugins_of_tensorrt_8_are_registered(tensorrt_8: dict[str, Any]) -> None:
    assert {"score_threshold", "iou_threshold", "box_coding"} <= set(tensorrt_8["attributes"])
    assert "class_agnostic" not in tensorrt_8["attributes"], "8.6.1 has it; 8.6.0 has not"


@no_driver
def test_tensorrt_8_is_refused_before_it_ends_the_process(tensorrt_8: dict[str, Any]) -> None:
    """Its `Runtime()` would: 8.6.0 ends in a segmentation fault there."""
    for text in tensorrt_8["seeing"]:
        assert (
            f"no CUDA driver answers on this machine, the library needs a driver for CUDA {tensorrt_8['cuda']}, release"
            in text
        )
    assert "cannot start a builder: CUDA initialization failure with error: 35" in tensorrt_8["blind"]


def test_the_packages_name_is_not_needed_to_know_the_cuda(tensorrt_8: dict[str, Any]) -> None:
    assert tensorrt_8["cuda"] == {(8, 5): 11, (8, 6): 12}[tuple(tensorrt_8["release"])]

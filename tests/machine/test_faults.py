"""Each thing that can be wrong with a machine is named with its reason and a remedy, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trtzoo.engines.library.cuda_driver import Gpu
from trtzoo.machine.facts import Driver, Facts, Part
from trtzoo.machine.faults import find_faults, find_notes
from trtzoo.machine.parts import KNOWN

GIB = 2**30
H100 = Gpu("NVIDIA H100 80GB HBM3", (9, 0), 80 * GIB)
T4 = Gpu("Tesla T4", (7, 5), 16 * GIB)
RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", (8, 9), 24 * GIB)
RTX_5090 = Gpu("NVIDIA GeForce RTX 5090", (12, 0), 32 * GIB)
NEW, OLD = Driver((13, 0), "580.159.04"), Driver((12, 4), "550.54.14")


def machine(
    driver: Driver = Driver(), gpus: tuple[Gpu, ...] = (), unmet: tuple[str, ...] = (), **changes: Any
) -> Facts:
    """A sound machine with the base packages, and what is changed of that; keys with _ for -."""
    parts = {name: Part(known.title, "", gain=known.gain) for name, known in KNOWN.items()}
    for name, package in {"onnx": "onnx", "onnxruntime": "onnxruntime", "opencv": "opencv-python"}.items():
        parts[name] = replace(parts[name], version="1.0", packages=((package, "1.0"),))
    for key, change in changes.items():
        name = key.replace("_", "-")
        parts[name] = replace(parts[name], **{"version": "10.1", **change})
    return Facts(parts, driver, gpus, unmet)


RTX: dict[str, Any] = {"details": {"cuda_major": 13}}
SOUND = {
    "a bare machine": machine(),
    "TensorRT-RTX without a GPU": machine(tensorrt_rtx=RTX),
    "TensorRT-RTX on Ada": machine(NEW, (RTX_4090,), tensorrt_rtx=RTX),
    "TensorRT-RTX on Blackwell": machine(NEW, (RTX_5090,), tensorrt_rtx=RTX),
    "TensorRT with its plugins": machine(NEW, (H100,), tensorrt={"details": {"missing_plugins": []}}),
    "TensorRT 10.16, which lacks one of them": machine(
        NEW, (H100,), tensorrt={"details": {"missing_plugins": ["EfficientNMS_ONNX_TRT"]}}
    ),
    "no OpenCV, which is an extra": machine(opencv={"version": "", "packages": ()}),
    "PyTorch that sees the GPU": machine(NEW, (H100,), torch={"details": {"cuda": "13.0", "sees_gpu": True}}),
    "PyTorch for the CPU beside a GPU": machine(NEW, (H100,), torch={"details": {"cuda": None, "sees_gpu": False}}),
    "ONNX Runtime for GPUs on a machine without": machine(
        onnxruntime={"details": {"not_starting": ["CUDAExecutionProvider"]}}
    ),
    "a driver without a GPU": machine(Driver((13, 0), "580.1", "the CUDA driver does not start (error 100)")),
}


@pytest.mark.parametrize("facts", SOUND.values(), ids=SOUND)
def test_nothing_is_wrong_with(facts):
    assert find_faults(facts) == []


WRONG = {
    "a GPU that TensorRT-RTX refuses": (
        machine(NEW, (RTX_4090, H100), tensorrt_rtx=RTX),
        "tensorrt-rtx",
        ("runs no engine on NVIDIA H100 80GB HBM3 9.0:", "8.9, and 12.0 and later", "use --target tensorrt for this GPU"),
    ),
    "Turing under TensorRT-RTX": (machine(NEW, (T4,), tensorrt_rtx=RTX), "tensorrt-rtx", ("runs no engine on Tesla T4 7.5",)),
    "a driver too old for TensorRT-RTX": (
        machine(OLD, (RTX_4090,), tensorrt_rtx=RTX),
        "tensorrt-rtx",
        ("the driver serves CUDA 12.4, and CUDA 13 is needed", "update the driver to release 580 or later"),
    ),
    "a TensorRT that does not start": (
        machine(OLD, (H100,), tensorrt={"failure": "the driver here serves CUDA 12.4, ...; use --target tensorrt-rtx"}),
        "tensorrt",
        ("TensorRT does not work: the driver here serves CUDA 12.4",),
    ),
    "a missing plugin library": (
        machine(NEW, (H100,), tensorrt={"details": {"missing_plugins": ["EfficientNMS_TRT", "EfficientNMS_ONNX_TRT"]}}),
        "tensorrt",
        ("libnvinfer_plugin", "apt install libnvinfer-plugin10", "--nms plain"),
    ),
    "a plugin library that TensorRT itself asks for": (
        machine(tensorrt={"failure": "libnvinfer_plugin.so.10: cannot open shared object file"}),
        "tensorrt",
        ("libnvinfer_plugin.so.10: cannot open", "apt install libnvinfer10 libnvinfer-plugin10"),
    ),
    "two packages of OpenCV": (
        machine(opencv={"packages": (("opencv-python", "4.9"), ("opencv-python-headless", "4.10"))}),
        "opencv",
        (
            "opencv-python and opencv-python-headless both bring OpenCV",
            "pip uninstall opencv-python opencv-python-headless; pip install opencv-python-headless",
        ),
    ),
    "two packages of ONNX Runtime": (
        machine(onnxruntime={"packages": (("onnxruntime", "1.2"), ("onnxruntime-gpu", "1.3"))}),
        "onnxruntime",
        ("both bring ONNX Runtime", "pip uninstall onnxruntime onnxruntime-gpu; pip install onnxruntime-gpu"),
    ),
    "an OpenCV that wants a desktop": (
        machine(opencv={"failure": "libGL.so.1: cannot open shared object file"}),
        "opencv",
        ("OpenCV does not work: libGL.so.1", "pip install opencv-python-headless"),
    ),
    "no ONNX Runtime": (
        machine(onnxruntime={"version": "", "packages": ()}), "onnxruntime", ("ONNX Runtime is not installed; runs and checks",),
    ),
    "a library that dies": (
        machine(torch={"failure": "it ends the process that loads it (SIGILL)", "packages": (("torch", "2.1"),)}),
        "torch",
        ("PyTorch does not work: it ends the process that loads it (SIGILL)", "pip install --force-reinstall 'torch'"),
    ),
    "CUDA in ONNX Runtime that does not start": (
        machine(NEW, (H100,), onnxruntime={"details": {"not_starting": ["CUDAExecutionProvider"]}}),
        "onnxruntime",
        ("offers CUDAExecutionProvider, which does not start: models run on the CPU", "onnxruntime-gpu[cuda,cudnn]"),
    ),
    "an ONNX Runtime that runs nothing": (
        machine(onnxruntime={"details": {"not_starting": ["CPUExecutionProvider"]}}),
        "onnxruntime",
        ("offers CPUExecutionProvider, which does not start",),
    ),
    "a PyTorch for a later CUDA": (
        machine(OLD, (H100,), torch={"details": {"cuda": "13.0", "sees_gpu": False}}),
        "torch",
        ("was made for CUDA 13.0 and sees no GPU: the driver serves CUDA 12.4",),
    ),
    "a driver that does not start": (
        machine(Driver((13, 0), "580.1", "the CUDA driver does not start (error 803)")),
        "driver",
        ("nothing runs on a GPU: the CUDA driver does not start (error 803)", "nvidia-smi"),
    ),
    "a requirement that is not met": (machine(unmet=("rich 1.0 is installed, but >=13 is needed",)), "trtzoo", ("rich 1.0",)),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "part", "texts"), WRONG.values(), ids=WRONG)
def test_exactly_one_thing_is_wrong_with(facts, part, texts):
    [fault] = find_faults(facts)
    assert fault.part == part
    for text in texts:
        assert text in fault.sentence()
    assert "\n" not in fault.sentence()


def test_what_is_no_fault_may_be_a_note():
    assert find_notes(machine()) == []
    assert find_notes(machine(NEW, (RTX_4090,), tensorrt_rtx=RTX)) == []
    assert find_notes(machine(tensorrt_rtx=RTX)) == ["TensorRT-RTX builds engines here, but runs none: there is no GPU"]
    [note] = find_notes(SOUND["ONNX Runtime for GPUs on a machine without"])
    assert "CUDAExecutionProvider" in note and "no GPU" in note
    [note] = find_notes(SOUND["no OpenCV, which is an extra"])
    assert note.startswith("OpenCV is not installed: ") and note.endswith("pip install opencv-python-headless")

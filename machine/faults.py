"""The rules by which something that is installed would fail here; each names what, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..engines.library.compat import rtx_takes
from ..engines.library.cuda_start import DRIVERS
from .facts import Facts, Part


@dataclass(frozen=True)
class Fault:
    """Something that would fail.

    Attributes:
        part: by the name that the JSON has.
        what: would fail, and why.
        remedy: what to do; "" where `what` says that too.
    """

    part: str
    what: str
    remedy: str = ""

    def sentence(self) -> str:
        """Both."""
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


def find_faults(facts: Facts) -> list[Fault]:
    """Every fault, in the order of the rules."""
    return [fault for rule in RULES for fault in rule(facts)]


def find_notes(facts: Facts) -> list[str]:
    """What is no fault, but good to know before it is tried."""
    rtx, onnxruntime = facts.parts["tensorrt-rtx"], facts.parts["onnxruntime"]
    opencv = facts.parts["opencv"]
    notes = []
    if not opencv.installed:
        notes.append(f"{opencv.name} is not installed: what needs pictures will ask for it; {opencv.gain}")
    if rtx.installed and not rtx.failure and not facts.gpus:
        notes.append(f"{rtx.name} builds engines here, but runs none: there is no GPU")
    if not facts.gpus and (idle := onnxruntime.details.get("not_starting")):
        notes.append(f"{onnxruntime.name} offers {', '.join(idle)}, which does not start: there is no GPU")
    return notes


def _requirements(facts: Facts) -> Iterator[Fault]:
    for text in facts.unmet:
        yield Fault("trtzoo", text)


def _missing(facts: Facts) -> Iterator[Fault]:
    """What no work can be done without, however it was to be installed."""
    for name in ("onnx", "onnxruntime"):
        part = facts.parts[name]
        if not part.installed and not any(name in text for text in facts.unmet):
            yield Fault(name, f"{part.name} is not installed", part.gain)


def _broken(facts: Facts) -> Iterator[Fault]:
    for name, part in facts.parts.items():
        if part.failure:
            yield Fault(name, f"{part.name} does not work: {part.failure}", _repair(part))


def _repair(part: Part) -> str:
    if "libGL.so" in part.failure or "libgthread" in part.failure:
        return "take the package without windows: pip uninstall opencv-python; pip install opencv-python-headless"
    if "libnvinfer" in part.failure:
        return (
            "its shared libraries lie apart from its Python package: on a Jetson or from NVIDIA's repository, apt install "
            "libnvinfer10 libnvinfer-plugin10 libnvonnxparsers10 (the number is its major version)"
        )
    told = any(word in part.failure for word in ("pip install", "upgrade it", "--target"))
    if told or not part.packages:
        return ""
    return f"pip install --force-reinstall '{part.packages[0][0]}'"


def _doubled(facts: Facts) -> Iterator[Fault]:
    """Packages that write the same files: the last one wins, and whichever goes takes the other's files along."""
    for name, best in (("opencv", "opencv-python-headless"), ("onnxruntime", "onnxruntime-gpu")):
        part = facts.parts[name]
        if len(part.packages) < 2:
            continue
        packages = [package for package, _ in part.packages]
        kept = best if best in packages else packages[0]
        yield Fault(
            name,
            f"{' and '.join(packages)} both bring {part.name}, and overwrite each other's files",
            f"pip uninstall {' '.join(packages)}; pip install {kept}",
        )


def _driver(facts: Facts) -> Iterator[Fault]:
    """A driver without a GPU is no fault: containers and build machines have that."""
    failure = facts.driver.failure
    if failure and not failure.endswith("(error 100)"):
        yield Fault(
            "driver", f"nothing runs on a GPU: {failure}", "reboot if it was just updated; see what nvidia-smi says"
        )


def _rtx(facts: Facts) -> Iterator[Fault]:
    part, cuda = facts.parts["tensorrt-rtx"], facts.driver.cuda
    if not part.installed or part.failure or not facts.gpus:
        return
    wanted = part.details.get("cuda_major")
    if cuda and wanted and cuda[0] < wanted:
        yield Fault(
            "tensorrt-rtx",
            f"{part.name} {part.version} builds, but runs no engine here: the driver serves CUDA {cuda[0]}.{cuda[1]}, and "
            f"CUDA {wanted} is needed",
            f"update the driver to release {DRIVERS[wanted]} or later" if wanted in DRIVERS else "update the driver",
        )
    refused = [gpu.label for gpu in facts.gpus if not rtx_takes(gpu.capability)]
    if refused:
        yield Fault(
            "tensorrt-rtx",
            f"{part.name} {part.version} builds, but runs no engine on {', '.join(refused)}: it is for compute capability 8.0, "
            "8.6, 8.9, and 12.0 and later",
            "use --target tensorrt for this GPU: pip install 'trtzoo[tensorrt]'",
        )


def _plugins(facts: Facts) -> Iterator[Fault]:
    part = facts.parts["tensorrt"]
    missing = part.details.get("missing_plugins", [])
    if "EfficientNMS_TRT" in missing:
        yield Fault(
            "tensorrt",
            f"{part.name} {part.version} comes without its plugin library (libnvinfer_plugin): graphs with --nms efficient do not build",
            "install it (apt install libnvinfer-plugin10, the number is the major version), or use --nms plain",
        )


def _providers(facts: Facts) -> Iterator[Fault]:
    part = facts.parts["onnxruntime"]
    for provider in part.details.get("not_starting", []):
        if facts.gpus or provider == "CPUExecutionProvider":
            yield Fault(
                "onnxruntime",
                f"{part.name} {part.version} offers {provider}, which does not start: models run on the CPU",
                "install the CUDA and cuDNN that this version names, pip install 'onnxruntime-gpu[cuda,cudnn]'",
            )


def _torch(facts: Facts) -> Iterator[Fault]:
    part, cuda = facts.parts["torch"], facts.driver.cuda
    made_for = part.details.get("cuda")
    if facts.gpus and made_for and not part.details.get("sees_gpu"):
        serves = f"the driver serves CUDA {cuda[0]}.{cuda[1]}" if cuda else "no driver answers"
        yield Fault(
            "torch",
            f"{part.name} {part.version} was made for CUDA {made_for} and sees no GPU: {serves}",
            "update the driver, or install a build for the driver's CUDA from pytorch.org",
        )


RULES: tuple[Callable[[Facts], Iterator[Fault]], ...] = (
    _requirements,
    _missing,
    _broken,
    _doubled,
    _driver,
    _plugins,
    _rtx,
    _providers,
    _torch,
)

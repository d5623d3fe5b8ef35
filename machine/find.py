"""Looking around: packages by their records, libraries by loading them elsewhere, the driver by asking it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..contract.choices import ENGINE_TARGETS
from ..engines.library.cuda_driver import Gpu, driver_cuda
from ..engines.library.packages import installed_packages
from .facts import Driver, Facts, Part
from .parts import KNOWN, Known

PATIENCE = 120.0
"""Seconds that a library is given to load: on a cold disk of a Jetson, torch takes a minute."""

_MODULE_VERSION = Path("/sys/module/nvidia/version")

Answers = Mapping[str, Mapping[str, Any]]
Ask = Callable[[Iterable[str]], Answers]


def look_around(ask: Ask | None = None) -> Facts:
    """What is on this machine.

    Args:
        ask: gives the answers of `probe.PROBES` by name; None loads the libraries in processes of their own.
    """
    packages = {name: _packages(name, known) for name, known in KNOWN.items()}
    present = [name for name, known in KNOWN.items() if packages[name] or _importable(known.module)]
    cuda = driver_cuda()
    wanted = [*(name for name in present if KNOWN[name].loaded), *(["gpus"] if cuda else [])]
    answers = (ask or ask_children)(wanted)
    parts = {
        name: _part(known, packages[name], answers.get(name, {}), name in present) for name, known in KNOWN.items()
    }
    parts["g++"] = _compiler()
    found = answers.get("gpus", {})
    gpus = tuple(Gpu(name, (major, minor), memory) for name, (major, minor), memory in found.get("gpus", ()))
    return Facts(parts, Driver(cuda, _release(), found.get("failure", "")), gpus, tuple(_unmet()))


def _packages(name: str, known: Known) -> tuple[tuple[str, str], ...]:
    if name in ENGINE_TARGETS:
        return tuple(installed_packages(name))
    found = []
    for package in known.packages:
        with suppress(metadata.PackageNotFoundError):
            found.append((package, metadata.version(package)))
    return tuple(found)


def _importable(module: str) -> bool:
    with suppress(ImportError, ValueError):
        return find_spec(module) is not None
    return False


def _part(known: Known, packages: tuple[tuple[str, str], ...], answer: Mapping[str, Any], present: bool) -> Part:
    details = {key: value for key, value in answer.items() if key not in ("version", "failure")}
    version = answer.get("version") or (packages[0][1] if packages else "unknown version" if present else "")
    return Part(known.title, str(version), packages, details, str(answer.get("failure", "")), known.gain)


def _compiler() -> Part:
    gain = "builds the parser of a DeepStream folder, on the machine where it runs"
    path = shutil.which("g++")
    if path is None:
        return Part("g++", "", gain=gain)
    try:
        done = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Part("g++", "unknown version", failure=f"{path} does not run: {error}", gain=gain)
    failure = "" if done.returncode == 0 else f"{path} ends with exit code {done.returncode}"
    return Part("g++", done.stdout.strip() or "unknown version", failure=failure, gain=gain)


def _release() -> str:
    with suppress(OSError):
        return _MODULE_VERSION.read_text(encoding="ascii", errors="replace").strip()
    return ""


def _unmet() -> Iterable[str]:
    """What the record of the installed trtzoo asks for and does not get; nothing where there is no record."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement

        wanted = metadata.requires("trtzoo") or []
    except (ImportError, metadata.PackageNotFoundError):
        return
    for text in wanted:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        asked = f"{requirement.name}{requirement.specifier}"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{requirement.name} is not installed: pip install '{asked}'"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{requirement.name} {version} is installed, but {requirement.specifier} is needed: pip install '{asked}'"


def ask_children(names: Iterable[str]) -> Answers:
    """The answers of the probes, each from a process of its own, all at once."""
    processes = {name: _start(name) for name in names}
    return {name: _answer(process) for name, process in processes.items()}


def _start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trtzoo.machine.probe", name]
    # Else a torch.py in the working directory would be taken for PyTorch.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
    )


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"failure": f"it does not load within {PATIENCE:g} s"}
    except BaseException:
        process.kill()
        raise
    with suppress(ValueError, IndexError):
        answer = json.loads(out.strip().splitlines()[-1])
        if isinstance(answer, dict) and process.returncode == 0:
            return answer
    last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), "")
    return {
        "failure": f"it ends the process that loads it ({_ending(process.returncode)}{f': {last[:200]}' if last else ''})"
    }


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"

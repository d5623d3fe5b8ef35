"""What was found on a machine, before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engines.library.cuda_driver import Gpu


@dataclass(frozen=True)
class Part:
    """Something that trtzoo uses.

    Attributes:
        name: as the user knows it, "ONNX Runtime".
        version: "" if it is not installed.
        packages: name and version of each installed package that brings it.
        details: what loading it showed, JSON values; empty where it was not loaded.
        failure: why it does not work here, "" if it does as far as was tried.
        gain: what it is for and how to get it, told where it is missing.
    """

    name: str
    version: str
    packages: tuple[tuple[str, str], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    gain: str = ""

    @property
    def installed(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.version)


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver.

    Attributes:
        cuda: the CUDA that it serves, such as (12, 4); None without a driver.
        release: its own version, "580.159.04"; "" if it is not told.
        failure: why CUDA does not start, "" if it does or there is no driver.
    """

    cuda: tuple[int, int] | None = None
    release: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Facts:
    """All of it.

    Attributes:
        parts: by the name that `parts.KNOWN` gives them.
        driver: of the GPUs.
        gpus: as CUDA numbers them.
        unmet: requirements of the installed trtzoo that are not met, a sentence each.
    """

    parts: Mapping[str, Part]
    driver: Driver = Driver()
    gpus: tuple[Gpu, ...] = ()
    unmet: tuple[str, ...] = ()

"""Whether CUDA starts for a library: looked at before and after its first call, since it says so in its log only, or dies."""

from __future__ import annotations

from typing import Any

from ...contract.choices import EngineTarget
from .cuda_driver import driver_cuda
from .log import no_cuda
from .packages import cuda_major

DRIVERS = {11: 450, 12: 525, 13: 580}
"""The oldest release of the driver that serves a major version of CUDA (NVIDIA's "CUDA Compatibility")."""


def driver_fault(target: EngineTarget) -> str:
    """Why the driver at hand cannot serve the library behind a target; "" if nothing speaks against it.

    TensorRT 8.6 dies in `Runtime()` where CUDA does not start, 10 and 11 in the call after it, so this is asked before.
    """
    here, wanted = driver_cuda(), cuda_major(target)
    if here is None:
        return f"no CUDA driver answers on this machine{_needs(wanted)}"
    if wanted and here[0] < wanted:
        return f"the driver here serves CUDA {here[0]}.{here[1]}{_needs(wanted)}"
    return ""


def cuda_fault(log: Any, target: EngineTarget) -> str:
    """Why CUDA did not start, by what the library said and the driver at hand; "" if it did not complain."""
    said = no_cuda(log)
    if not said:
        return ""
    here = driver_cuda()
    found = f"the driver here serves CUDA {here[0]}.{here[1]}" if here else "no CUDA driver answers on this machine"
    return f"{said} ({found}{_needs(cuda_major(target))})"


def _needs(wanted: int | None) -> str:
    if wanted is None:
        return ""
    release = f", release {DRIVERS[wanted]} or later" if wanted in DRIVERS else ""
    return f", the library needs a driver for CUDA {wanted}{release}"

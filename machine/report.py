"""What was found and what would fail, as a table and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .. import __version__
from ..engines.library.compat import GIB
from .facts import Facts, Part
from .faults import Fault, find_faults, find_notes
from .find import Ask, look_around
from .parts import KNOWN


@dataclass(frozen=True)
class Report:
    """What `examine` found.

    Attributes:
        facts: what is there.
        faults: what of it would fail.
        notes: what else is good to know.
    """

    facts: Facts
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()

    def rows(self) -> list[list[str]]:
        """Name, version and remarks of everything, for a table."""
        driver = self.facts.driver
        rows = [
            ["trtzoo", __version__, ""],
            ["Python", platform.python_version(), f"{platform.system()} {platform.release()}, {platform.machine()}"],
            *(
                [part.name, part.version or "not installed", _remark(name, part)]
                for name, part in self.facts.parts.items()
            ),
        ]
        serves = f"serves CUDA {driver.cuda[0]}.{driver.cuda[1]}" if driver.cuda else ""
        rows.append(
            ["NVIDIA driver", driver.release or ("unknown version" if driver.cuda else "not installed"), serves]
        )
        for number, gpu in enumerate(self.facts.gpus):
            capability = ".".join(map(str, gpu.capability))
            rows.append([f"GPU {number}", gpu.name, f"compute capability {capability}, {gpu.memory / GIB:.1f} GiB"])
        return rows

    def document(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "trtzoo": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "parts": {name: _values(part) for name, part in self.facts.parts.items()},
            "driver": asdict(self.facts.driver),
            "gpus": [asdict(gpu) for gpu in self.facts.gpus],
            "faults": [asdict(fault) for fault in self.faults],
            "notes": list(self.notes),
        }


def examine(ask: Ask | None = None) -> Report:
    """Look what is installed, and find what of it would fail; nothing that a library does ends this process.

    Args:
        ask: see `look_around`.
    """
    facts = look_around(ask)
    return Report(facts, tuple(find_faults(facts)), tuple(find_notes(facts)))


def _values(part: Part) -> dict[str, Any]:
    return {
        "version": part.version or None,
        "packages": dict(part.packages),
        "failure": part.failure or None,
        "details": dict(part.details),
    }


def _remark(name: str, part: Part) -> str:
    return "; ".join(_remarks(name, part)) if part.installed else part.gain


def _remarks(name: str, part: Part) -> Iterator[str]:
    if part.failure:
        yield "does not work, see below"
    if providers := part.details.get("providers"):
        yield ", ".join(providers)
    if cuda := part.details.get("cuda") or part.details.get("cuda_major"):
        yield f"for CUDA {cuda}"
    if name in KNOWN and len(KNOWN[name].packages) != 1:  # where several packages may bring it
        yield f"from {', '.join(package for package, _ in part.packages) or part.details.get('file', 'no package')}"

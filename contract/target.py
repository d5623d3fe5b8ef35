"""What a graph is made for: a TensorRT version, TensorRT-RTX, ONNX Runtime or a DeepStream version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InputError, UnsupportedError
from .choices import TARGET_KINDS, EngineTarget, TargetKind
from .near import did_you_mean

DEEPSTREAM_TENSORRT = {
    (6, 2): (8, 5), (6, 3): (8, 5), (6, 4): (8, 6), (7, 0): (8, 6), (7, 1): (10, 3),
    (8, 0): (10, 9), (9, 0): (10, 14), (9, 1): (10, 16), (9, 2): (10, 16),
}  # fmt: skip
"""TensorRT of each DeepStream release on x86 (release notes and README); on Jetson a minor version may differ."""

DEFAULT_TENSORRT = (10, 0)
OPSET_OF_TENSORRT_8 = 17
"""The newest opset that the parsers of TensorRT 8.5 and 8.6 read (docs/operators.md of onnx-tensorrt)."""
_KINDS: dict[str, TargetKind] = {kind: kind for kind in TARGET_KINDS}
_PATTERN = re.compile(rf"({'|'.join(TARGET_KINDS)})(?::(\d+)(?:\.(\d+))?(?:\.\d+)*)?")


@dataclass(frozen=True)
class Target:
    """Where a graph will run.

    Attributes:
        kind: what it is.
        version: major, minor as the user gave them, None when left out.
        any_minor: the user gave a major version only, so `version` is its first release.
    """

    kind: TargetKind
    version: tuple[int, int] | None = None
    any_minor: bool = False

    @property
    def tensorrt(self) -> tuple[int, int] | None:
        """The TensorRT version behind the target; None for TensorRT-RTX and ONNX Runtime."""
        if self.kind == "tensorrt":
            return self.version or DEFAULT_TENSORRT
        if self.kind == "deepstream":
            return DEEPSTREAM_TENSORRT[self.version] if self.version else max(DEEPSTREAM_TENSORRT.values())
        return None

    @property
    def library(self) -> EngineTarget | None:
        """The library that builds and runs engines for it, None where there are no engines."""
        if self.kind == "onnxruntime":
            return None
        return "tensorrt-rtx" if self.kind == "tensorrt-rtx" else "tensorrt"

    @property
    def newest_opset(self) -> int | None:
        """The newest opset that it reads, where that is older than those that are written here; else None."""
        release = self.tensorrt
        return OPSET_OF_TENSORRT_8 if release and release < (9, 0) else None

    def fits(self, release: tuple[int, int]) -> bool:
        """Whether engines of this release of `library` (major, minor) are what the target takes."""
        if self.version is None:
            return True
        wanted = self.version if self.kind == "tensorrt-rtx" else self.tensorrt
        return release[0] == self.version[0] if self.any_minor else release == wanted

    def __str__(self) -> str:
        """The target as the user would write it."""
        if self.version is None:
            return self.kind
        return f"{self.kind}:{self.version[0]}" + ("" if self.any_minor else f".{self.version[1]}")


def parse_target(text: str) -> Target:
    """Read `tensorrt:10.3`, `tensorrt:11`, `tensorrt-rtx`, `onnxruntime`, `deepstream:7.1`, ...

    A DeepStream release that is newer than those known counts as the newest known one.

    Raises:
        InputError: not of this form.
        UnsupportedError: a TensorRT older than 8.0, or a DeepStream older than 6.2.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    if not match:
        guess = did_you_mean(text.partition(":")[0].lower(), TARGET_KINDS)
        raise InputError(
            f"--target {text!r} is not known; {guess + ' ' if guess else ''}write tensorrt:10.3, tensorrt:11, tensorrt-rtx, onnxruntime or "
            "deepstream:7.1"
        )
    name, major, minor = match.groups()
    kind = _KINDS[name]
    version = (int(major), int(minor or 0)) if major else None
    if version and kind == "tensorrt" and version < (8, 0):
        raise UnsupportedError(
            f"--target {text}: TensorRT older than 8.0 is not supported; choose tensorrt:8.5 or later"
        )
    if version and kind == "deepstream":
        return Target(kind, _known_deepstream(version, text))
    return Target(kind, version, any_minor=bool(major) and minor is None)


def _known_deepstream(version: tuple[int, int], text: str) -> tuple[int, int]:
    """The latest known release that is not newer."""
    known = [release for release in DEEPSTREAM_TENSORRT if release <= version]
    if not known:
        oldest = ".".join(map(str, min(DEEPSTREAM_TENSORRT)))
        raise UnsupportedError(
            f"--target {text}: DeepStream older than {oldest} is not supported; name the TensorRT instead"
        )
    return max(known)

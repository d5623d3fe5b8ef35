"""Build settings as TensorRT's builder configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..library import compat
from ..library.compat import Api
from ..plans.settings import BuildSettings, Range
from .profiles import NetworkInput, batch_note, plan_profile

Note = Callable[[str], None]
"""Is told what the user should know."""


def make_config(api: Api, builder: Any, settings: BuildSettings) -> Any:
    """A configuration with everything but profiles and timings."""
    trt = api.trt
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if settings.workspace_gib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(settings.workspace_gib * compat.GIB))
    if settings.opt_level is not None:
        compat.set_level(api, config, settings.opt_level)
    if not settings.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    compat.leave_out_tactics(api, config, settings.without_tactics)
    compat.set_portability(
        api, config, settings.hardware_compatible, settings.version_compatible, settings.compute_capabilities
    )
    return config


def add_profile(
    builder: Any, config: Any, inputs: Sequence[NetworkInput], settings: BuildSettings, where: str
) -> dict[str, Range]:
    """Add a profile that covers every input with free axes; returns the ranges by input."""
    ranges = plan_profile(inputs, settings, where)
    if ranges:
        profile = builder.create_optimization_profile()
        for tensor in inputs:
            if tensor.name in ranges:
                define = profile.set_shape_input if tensor.is_shape else profile.set_shape
                define(tensor.name, *ranges[tensor.name])
        config.add_optimization_profile(profile)
    return ranges


def idle_settings(api: Api, inputs: Sequence[NetworkInput], settings: BuildSettings) -> list[str]:
    """A sentence for every setting that changes nothing here."""
    notes = []
    if note := batch_note(inputs, settings):
        notes.append(note)
    if api.rtx and settings.hardware_compatible:
        notes.append(
            "--hardware-compatible changes nothing: a TensorRT-RTX engine runs on every RTX GPU from Ampere on unless "
            "--compute-capability narrows it"
        )
    if api.rtx and settings.timing_cache:
        notes.append("--timing-cache is ignored: TensorRT-RTX times no kernels while it builds")
    return notes


@dataclass(frozen=True)
class Timings:
    """The timing cache of a build, which has to live as long as its configuration.

    Attributes:
        path: where it is kept.
        timings: ITimingCache.
    """

    path: Path
    timings: Any


def load_timings(api: Api, config: Any, settings: BuildSettings, gpu: str, note: Note) -> Timings | None:
    """Give the builder the timings of earlier builds, None where it is to keep none.

    Timings that cannot be read or are not of this GPU and driver cost the time to measure them anew, nothing else.
    """
    if settings.timing_cache is None or api.rtx:
        return None
    from .timing_cache import cache_file, read_cache

    path = cache_file(settings.timing_cache, gpu, api.version)
    try:
        present = read_cache(path)
    except OSError as error:
        note(f"the timings in {path} cannot be read ({error.strerror}) and are measured anew")
        present = b""
    timings = _given(config, present)
    if timings is None and present:
        note(f"the timings in {path} are damaged, or belong to another GPU or driver, and are measured anew")
        timings = _given(config, b"")
    return None if timings is None else Timings(path, timings)


def _given(config: Any, present: bytes) -> Any:
    """The ITimingCache that the builder works with now, None if it takes none of this content."""
    timings = config.create_timing_cache(present)  # None of damaged content
    return timings if timings is not None and config.set_timing_cache(timings, False) else None


def keep_timings(config: Any, kept: Timings) -> None:
    """Join the timings of this build with what other builds wrote meanwhile.

    Raises:
        InputError: the folder cannot be written.
    """
    from .timing_cache import update_cache

    timings = config.get_timing_cache()
    if timings is None:
        return

    def merge(present: bytes) -> bytes:
        earlier = config.create_timing_cache(present) if present else None
        if earlier is not None:
            timings.combine(earlier, False)
        written = timings.serialize()
        return present if written is None else bytes(written)

    update_cache(kept.path, merge)

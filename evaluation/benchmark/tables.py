"""What `bench` measured as tables."""

from __future__ import annotations

from ..environment import Environment
from ..subjects import scale_of
from ..tables import Table
from .results import END_TO_END, BenchResults, ModelBench

SCALES = "nsmlx"
UNKNOWN = "unknown"


def tables(results: BenchResults) -> list[Table]:
    """All that have something to say."""
    made = [_times(results), _throughput(results), _load(results), _costs(results), _scales(results)]
    return [table for table in made if table]


def origin(results: BenchResults) -> list[str]:
    """Where the figures come from, a line each."""
    here, clocks = results.environment, results.clocks
    lines = [f"{here.machine}, {here.cores} cores, {here.memory_gib:g} GiB, {_clock(clocks.cpu)}; {here.system}"]
    lines += _gpus(here)
    lines += [f"clock of the GPU meanwhile: {_clock(clocks.gpu)}"] if clocks.gpu else []
    versions = ", ".join(f"{name} {version}" for name, version in sorted(here.versions.items()))
    lines += [f"Python {here.python}, {versions}", f"`{here.command}`, {here.created}"]
    return lines


def _gpus(here: Environment) -> list[str]:
    if not here.gpus:
        return ["no GPU seen (its memory and clocks need the driver and `pip install 'trtzoo[gpu]'`)"]
    return [
        f"{gpu.name}, driver {gpu.driver}, {gpu.memory_mib} MiB, at most {gpu.clock_limit_mhz} MHz" for gpu in here.gpus
    ]


def _clock(clock: tuple[int, int] | None) -> str:
    if clock is None:
        return "clock unknown"
    return f"{clock[0]} MHz" if clock[0] == clock[1] else f"{clock[0]} to {clock[1]} MHz"


def _times(results: BenchResults) -> Table:
    columns = ["model", "runtime", "precision", "NMS", "input", "preprocess", "inference"]
    columns += ["on the GPU"] if any(one.gpu for one in results.models) else []
    columns += ["postprocess", "end to end", "p90", "p99"]
    columns += ["x the first (95 %)"] if len(results.models) > 1 else []
    rows = []
    for one in results.models:
        height, width = one.model.imgsz
        row = [*_name(one), one.model.precision, one.model.nms, f"{one.batch} x {height} x {width}"]
        row += [_ms(one.times[name].median) for name in ("preprocess", "inference")]
        row += ([_ms(one.gpu.median) if one.gpu else "-"]) if "on the GPU" in columns else []
        last = one.times[END_TO_END]
        row += [_ms(value) for value in (one.times["postprocess"].median, last.median, last.p90, last.p99)]
        row += [_relative(one)] if len(results.models) > 1 else []
        rows.append(row)
    count = results.models[0].times[END_TO_END].count
    return Table(f"Milliseconds a run, median of {count} (p90, p99: end to end)", columns, rows)


def _relative(one: ModelBench) -> str:
    if not one.relative:
        return "1"
    if one.relative.low == one.relative.high:  # one turn, or turns that were all alike
        return f"{one.relative.ratio:.3f}"
    return f"{one.relative.ratio:.3f} ({one.relative.low:.3f}..{one.relative.high:.3f})"


def _throughput(results: BenchResults) -> Table | None:
    sizes = sorted({figures.batch for one in results.models for figures in one.throughput})
    if not sizes:
        return None
    rows = []
    for one in results.models:
        by_size = {figures.batch: f"{figures.pictures_per_second:.1f}" for figures in one.throughput}
        rows.append([*_name(one), one.model.precision, *(by_size.get(size, "-") for size in sizes)])
    streams = f"{results.settings.streams} stream{'s' if results.settings.streams > 1 else ''}"
    title = f"Pictures a second of the network without pre- and postprocessing, {streams}, by batch"
    return Table(title, ["model", "runtime", "precision", *map(str, sizes)], rows)


def _load(results: BenchResults) -> Table | None:
    rows = []
    for one in results.models:
        if one.load:
            load = one.load
            state = "saturated" if load.saturated else "kept up"
            row = [*_name(one), one.model.precision, f"{load.answered} of {load.requests}"]
            row += [f"{load.answered_per_second:.1f}", *map(_ms, (load.latency.median, load.latency.p90))]
            rows.append([*row, _ms(load.latency.p99), _ms(load.waiting.median), state])
    if not rows:
        return None
    columns = ["model", "runtime", "precision", "answered", "a second", "median", "p90", "p99", "waiting", ""]
    title = f"Milliseconds from arrival to answer at {results.settings.rate:g} requests a second, waiting included"
    return Table(title, columns, rows)


def _costs(results: BenchResults) -> Table:
    columns = ["model", "runtime", "precision", "file MiB", "load s", "first run ms", "RSS MiB", "GPU MiB"]
    rows = []
    for one in results.models:
        size = UNKNOWN if one.model.size_mib is None else f"{one.model.size_mib:.1f}"
        best = "nothing" if one.best.score is None else f"{one.best.score:.4f} {one.best.name}, {one.best.count} in all"
        gpu = UNKNOWN if one.memory.gpu_mib is None else f"{one.memory.gpu_mib:.0f}"
        row = [*_name(one), one.model.precision, size, f"{one.load_seconds:.2f}", f"{one.first_ms:.1f}"]
        rows.append([*row, f"{one.memory.rss_mib:.0f}", gpu, best])
    title = f"Size, loading, memory of the process, best finding ({results.picture})"
    return Table(title, [*columns, "best finding"], rows)


def _scales(results: BenchResults) -> Table | None:
    """Time end to end by scale, where there are several of a kind."""
    kinds: dict[tuple[str, ...], dict[str, str]] = {}
    for one in results.models:
        if one.scale:
            name, scale = scale_of(one.model.label)
            kind = (one.model.task, name, one.model.runtime, one.model.precision)
            kinds.setdefault(kind, {})[scale] = _ms(one.times[END_TO_END].median)
    if not any(len(times) > 1 for times in kinds.values()):
        return None
    rows = [[*kind, *(times.get(scale, "-") for scale in SCALES)] for kind, times in sorted(kinds.items())]
    columns = ["task", "model", "runtime", "precision", *(scale.upper() for scale in SCALES)]
    return Table("Elapsed by task and scale, milliseconds end to end", columns, rows)


def _name(one: ModelBench) -> list[str]:
    return [one.model.label, one.model.runtime]


def _ms(value: float) -> str:
    return f"{value:.2f}"

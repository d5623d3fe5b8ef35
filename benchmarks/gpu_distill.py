"""Distillation on a GPU: several learning rates for several models at once, the best of each kept.

    python benchmarks/gpu_distill.py FOLDER --out DIR [--minutes 6] [--rates 1 3 0.3] [--batch 16]

FOLDER holds NAME.pt (or .cfg) with NAME.json (the ranges of a calibration, `caches/NAME.*.json`) for each model, and `pictures/`. The
models learn side by side, a process each, for a GPU is idle most of the time while Python prepares its work. DIR gets
NAME.npz (for --int8-ranges) with the least loss on pictures kept aside, NAME.log.json with every rate's figures, and while a rate
is running its checkpoint, from which the same call goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

MODELS = (".pt", ".cfg")
BIAS_PICTURES = 16
EVERY = 20.0
"""Seconds between two lines of a run."""
CORRECTION = 25.0
"""Seconds for correcting biases at the end of each run, and for looking at the pictures kept aside."""
TRIED, LEAST, MOST = 16, 100, 1500
"""Steps to measure the time of one, and the bounds of a run."""


@dataclass(frozen=True)
class Limits:
    """What a process may take: the rates to try in this order, and seconds for all of them."""

    rates: Sequence[float]
    seconds: float
    batch: int
    device: str
    steps: int
    size: tuple[int, int] | None = None


def learn(model: Path, pictures: Path, out: Path, limits: Limits) -> None:
    """Try the rates one after the other; write the best so far after each."""
    from trtzoo.converters import read_network
    from trtzoo.converters.network import to_graph
    from trtzoo.converters.options import ReadOptions
    from trtzoo.evaluation.calibration.correction.bias import corrected_biases
    from trtzoo.evaluation.calibration.distill.settings import DistillSettings
    from trtzoo.evaluation.calibration.distill.training import distil
    from trtzoo.evaluation.calibration.pictures import PictureReader, choose
    from trtzoo.evaluation.calibration.ranges import cache
    from trtzoo.evaluation.calibration.ranges.files import read_ranges
    from trtzoo.graph_passes.precision.qdq.points import find_points

    start = time.monotonic()
    network = read_network(model, ReadOptions(img_size=limits.size))
    graph, meta = to_graph(network, 1, 17)
    points, numbers = find_points(graph), read_ranges(model.with_suffix(".json"))
    files = choose(pictures, 1024, 32).files
    images = list(PictureReader(meta).batches(files[:BIAS_PICTURES], 1))
    settings = DistillSettings(batch=limits.batch, device=limits.device)

    def correct(learned):
        return replace(learned, biases=corrected_biases(graph, meta, points, learned, images)) if full else learned

    ticks = []

    def tell(share: float, step: str) -> None:
        ticks.append(time.monotonic())
        told(share, step)

    def run(steps: int, rate: float):
        ticks.clear()
        wanted = replace(settings, steps=steps, rate=rate)
        begun = time.monotonic()
        checkpoint = out / f"{model.stem}.{rate:g}.pt" if full else None
        found = distil(network, graph, points, numbers, files, wanted, checkpoint, tell, correct)
        return found, time.monotonic() - begun  # the loss at its end was read from the GPU: all is done

    full, told = False, teller(model)
    run(1 + TRIED, 1e-6)  # the first steps choose the GPU's kernels
    step = float(np.median(np.diff(ticks)[-TRIED // 2 :]))  # the queue is full by then: the time is that of the GPU
    full = True
    say(model, f"ready after {time.monotonic() - start:.0f} s, {step * 1e3:.0f} ms a step")
    figures, best = [], float("inf")
    for place, rate in enumerate(limits.rates):
        left = limits.seconds - (time.monotonic() - start)
        steps = min(int((left / (len(limits.rates) - place) - CORRECTION) / step), limits.steps)
        if steps < min(LEAST, limits.steps):
            say(model, f"rate {rate:g}: no time left")
            break
        found, spent = run(steps, rate)
        say(model, f"rate {rate:g}: {steps} steps in {spent:.0f} s, {found.note}")
        figures.append({"rate": rate, "steps": steps, "seconds": spent, "before": found.before, "after": found.after})
        if found.after < best:
            best = found.after
            cache.save_arrays(out / f"{model.stem}.npz", found.learned)
        (out / f"{model.stem}.log.json").write_text(json.dumps(figures, indent=1) + "\n")


def teller(model: Path):
    """A progress that prints a line now and then."""
    last = time.monotonic()

    def tell(share: float, step: str) -> None:
        nonlocal last
        if time.monotonic() - last > EVERY:
            last = time.monotonic()
            say(model, step)

    return tell


def say(model: Path, text: str) -> None:
    print(f"{model.stem}: {text}", flush=True)


def models(folder: Path) -> Iterator[Path]:
    """Those with ranges."""
    yield from (
        path for path in sorted(folder.iterdir()) if path.suffix in MODELS and path.with_suffix(".json").exists()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0, help="for all of it (default: 6)")
    parser.add_argument("--rates", type=float, nargs="+", default=[1.0, 3.0, 0.3], help="default: 1 3 0.3")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=MOST, help=f"of a run, at most (default: {MOST})")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--img-size", type=int, help="of the pictures (default: the model's own)")
    parser.add_argument("--model", type=Path, help="only this one, in this process")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.model:
        size = (options.img_size, options.img_size) if options.img_size else None
        limits = Limits(options.rates, options.minutes * 60, options.batch, options.device, options.steps, size)
        learn(options.model, options.folder / "pictures", options.out, limits)
        return
    command = [sys.executable, __file__, *sys.argv[1:]]
    running = [subprocess.Popen([*command, "--model", str(model)]) for model in models(options.folder)]
    raise SystemExit(max(process.wait() for process in running))


if __name__ == "__main__":
    main()

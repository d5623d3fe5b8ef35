"""How a zoo scales: the same models on one and on two nodes of a Ray cluster on this machine, and here without one.

    python benchmarks/zoo.py [--models 6] [--weights FILE.pt]

Each node has one CPU. What is measured is a run from nothing to everything, without the start of the cluster, and the second run,
which has nothing to do. On a machine with two processors the two-node run cannot be faster than 2x.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update({"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"})

from trtzoo.zoo.build import run_steps
from trtzoo.zoo.cluster import RayRunner
from trtzoo.zoo.manifest import Model, Zoo
from trtzoo.zoo.runners import LocalRunner
from trtzoo.zoo.steps import Step, steps_of

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=6, help="how many")
    parser.add_argument("--model", type=Path, default=SAMPLES / "shapes.cfg", help="what each of them is made of")
    parser.add_argument("--targets", nargs="+", default=["onnxruntime", "tensorrt-rtx"])
    options = parser.parse_args()
    names = ("here, 1 at a time", "here, 2 at a time", "1 node x 1 CPU", "2 nodes x 1 CPU")
    rows = {name: measure(name, options) for name in names}
    base = rows["1 node x 1 CPU"][0]
    print(
        f"| {options.models} x {options.model.name} x {' + '.join(options.targets)} | first run, s | second run, s | against 1 node |"
    )
    print("|---|---|---|---|")
    for name, (first, second) in rows.items():
        print(f"| {name} | {first:.1f} | {second:.2f} | {base / first:.2f} |")


def measure(name: str, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds of the first and the second run."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        steps = steps_of(zoo(options), options.model.resolve().parent, output)
        if name.startswith("here"):
            return run_twice(steps, output, LocalRunner(output), int(name.split()[1]))
        with cluster(int(name.split()[0])) as address, RayRunner(address, output) as runner:
            return run_twice(steps, output, runner, runner.workers)


def zoo(options: argparse.Namespace) -> Zoo:
    models = [
        Model(name=f"m{number}", source=options.model.name, targets=list(options.targets), precisions=["fp32", "fp16"])
        for number in range(options.models)
    ]
    return Zoo(zoo=1, models=models)


def run_twice(steps: list[Step], output: Path, runner: Any, workers: int) -> tuple[float, float]:
    seconds = []
    for wanted in ("done", "unchanged"):
        start = time.perf_counter()
        states = {outcome.state for outcome in run_steps(steps, output, runner, workers)}
        seconds.append(time.perf_counter() - start)
        if states != {wanted}:
            raise SystemExit(f"steps ended {states}, not {wanted}")
    shutil.rmtree(output / ".zoo")
    return seconds[0], seconds[1]


@contextlib.contextmanager
def cluster(nodes: int) -> Any:
    from ray.cluster_utils import Cluster

    memory = 100 << 20
    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": memory}
    )
    for _ in range(nodes):
        made.add_node(num_cpus=1, object_store_memory=memory)
    try:
        yield made.address
    finally:
        made.shutdown()


if __name__ == "__main__":
    main()

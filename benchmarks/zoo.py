"""What a zoo does when nothing, a setting or a file's date changes, when it is killed, and on a Ray cluster.

    python benchmarks/zoo.py trial [--models FOLDER] [--count 12]      here: rebuilds and kills
    python benchmarks/zoo.py cluster [--models FOLDER] [--count 6]     Ray on this machine: bytes, kills, a lost node, scaling

FOLDER holds a folder a model with `model.cfg` and `model.weights`, or `model.pt`; without it, the sample model is taken at as many
sizes. Every run is one `trtzoo zoo build` in a process of its own. Seconds are of the wall clock; on a machine that does other
work too, only ratios of runs beside each other mean anything, and `--rounds N` takes them in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PRECISIONS = ("fp32", "fp16", "int8")
SIZE = 128
"""Input size of models that do not bring their own."""
MEMORY = 100 << 20
RAY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass
class Run:
    """What one `trtzoo zoo build` did.

    Attributes:
        seconds: it took.
        steps: id and state of each.
        done: ids in the order in which they ended well.
        code: exit code.
    """

    seconds: float
    steps: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    code: int = 0

    def count(self, state: str) -> int:
        """How many steps ended so."""
        return list(self.steps.values()).count(state)


class Zoo:
    """A zoo.yaml and its products in a folder."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.models = models_in(options.models, options.count)
        self.targets = options.targets
        self.thresholds = dict.fromkeys(self.models, 0.25)
        folder.mkdir(parents=True, exist_ok=True)

    def write(self) -> None:
        models = [
            {"name": name, "nms": {"conf_thres": self.thresholds[name]}, **settings}
            for name, settings in self.models.items()
        ]
        wanted = {
            "precisions": list(PRECISIONS),
            "targets": self.targets,
            "calibration": {"path": str(SAMPLES / "pictures")},
        }
        document = {"zoo": 1, "output": "out", "defaults": wanted, "models": models}
        (self.folder / "zoo.yaml").write_text(json.dumps(document))

    def start(self, *flags: str) -> subprocess.Popen[str]:
        self.write()
        command = [sys.executable, "-m", "trtzoo", "zoo", "build", "zoo.yaml", "--verbose", "--json", *flags]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | RAY
        )

    def build(self, *flags: str, meanwhile: Callable[[subprocess.Popen[str], str], None] | None = None) -> Run:
        """Build, and tell `meanwhile` of every step that is done."""
        begin = time.perf_counter()
        process = self.start(*flags)
        printed: list[str] = []
        reader = threading.Thread(target=lambda: printed.append(process.stdout.read()))
        reader.start()
        done = []
        for line in process.stderr:
            if line.startswith("done: "):
                done.append(line.removeprefix("done: ").strip())
                if meanwhile:
                    meanwhile(process, done[-1])
        process.wait()
        reader.join()
        found = Run(time.perf_counter() - begin, done=done, code=process.returncode)
        if printed[0][:1] not in ("", "{"):
            raise SystemExit(f"stdout holds more than the summary: {printed[0][:500]!r}")
        if printed[0]:
            found.steps = {step["id"]: step["state"] for step in json.loads(printed[0])["steps"]}
        return found

    def products(self, *patterns: str) -> dict[str, str]:
        """SHA-256 of each product by its path."""
        out = self.folder / "out"
        files = (
            file for pattern in patterns for file in sorted(out.glob(f"*/**/{pattern}")) if ".zoo" not in file.parts
        )
        return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def leftovers(self) -> list[str]:
        """Temporary files, and processes that still work here."""
        files = [path.name for path in (self.folder / "out").rglob(".*.*") if ".zoo" not in path.parts]
        return files + [str(number) for number, _ in steps_at_work(self.folder)]


def models_in(folder: Path | None, count: int) -> dict[str, dict[str, Any]]:
    """Settings of each model by its name."""
    if folder is None:
        source = str(SAMPLES / "shapes.cfg")
        return {f"shapes{size}": {"source": source, "size": size} for size in range(96, 96 + 32 * count, 32)}
    files = [
        file for case in sorted(folder.iterdir()) for file in (case / "model.cfg", case / "model.pt") if file.exists()
    ]
    picked = [files[number * len(files) // count] for number in range(min(count, len(files) - 1))]
    return {"shapes": {"source": str(SAMPLES / "shapes.cfg")}} | {
        file.parent.name: {"source": str(file.resolve())} | ({"size": SIZE} if file.suffix == ".pt" else {})
        for file in picked[: count - 1]
    }


def steps_at_work(folder: Path) -> list[tuple[int, int]]:
    """Process numbers of the steps that run for a zoo, and of the process that waits for each."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError, ValueError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "trtzoo.zoo.child" in words and any(word.startswith(str(folder)) for word in words):
                found.append((int(path.parent.name), int(words[words.index("trtzoo.zoo.child") + 1])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("trial", "cluster"))
    parser.add_argument("--models", type=Path, help="folder with a folder a model")
    parser.add_argument("--count", type=int, default=12, help="how many models")
    parser.add_argument("--targets", nargs="+", default=["onnxruntime", "tensorrt-rtx"])
    parser.add_argument("--rounds", type=int, default=3, help="of the scaling runs, in turns")
    parser.add_argument("--only", nargs="+", help="parts of what is tried, by their names in the code")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = TRIALS if options.what == "trial" else CLUSTER
        print("| what | steps | done | left alone | seconds | |\n|---|---|---|---|---|---|")
        for part in parts:
            if not options.only or part.__name__ in options.only:
                part(Path(folder), options)


def tell(what: str, run: Run, said: str, *wrong: object) -> None:
    """A row of the table; anything in `wrong` that is true or not empty ends the trial."""
    row = (what, len(run.steps), run.count("done"), run.count("unchanged"), f"{run.seconds:.1f}", said)
    print("| " + " | ".join(map(str, row)) + " |", flush=True)
    if any(wrong):
        raise SystemExit(f"{what}: {wrong}")


def rebuilds(folder: Path, options: argparse.Namespace) -> None:
    """First run, second run, a threshold, dates."""
    zoo = Zoo(folder / "zoo", options)
    first = zoo.build()
    tell("first run", first, "", first.code, first.count("done") != len(first.steps))
    second = zoo.build()
    tell(
        "second run",
        second,
        f"{'under' if second.seconds < 3 else 'OVER'} 3 s",
        second.count("unchanged") != len(first.steps),
    )
    name = list(zoo.models)[1]
    zoo.thresholds[name] = 0.5
    changed = zoo.build()
    strangers = [id for id in changed.done if not id.startswith(f"{name}/")]
    tell("one model's threshold changed", changed, f"all of {name}, which is not calibrated again", strangers,
         f"{name}/int8/calibrate" in changed.done, changed.count("failed"))  # fmt: skip
    before = zoo.products("*.onnx", "*.engine", "*.json")
    for path in (zoo.folder / "out").rglob("*"):
        if ".zoo" not in path.parts:
            os.utime(path)
    touched = zoo.build()
    tell("every product touched", touched, "", touched.done, before != zoo.products("*.onnx", "*.engine", "*.json"))
    (zoo.folder / "out" / name / "fp16-onnxruntime" / f"{name}.onnx").unlink()
    (zoo.folder / "out" / name / "int8" / "ranges.json").write_text("{damaged")
    mended = zoo.build()
    tell("a product deleted, another damaged", mended, "the same bytes again", mended.count("done") != 2,
         before != zoo.products("*.onnx", "*.engine", "*.json"))  # fmt: skip


def killed_run(folder: Path, options: argparse.Namespace) -> None:
    """`kill -9` of the process that keeps the order, in the middle; then again."""
    zoo = Zoo(folder / "killed", options)

    def kill(process: subprocess.Popen[str], _: str) -> None:
        kill.seen += 1  # type: ignore[attr-defined]
        if kill.seen == len(zoo.models):  # type: ignore[attr-defined]
            process.send_signal(signal.SIGKILL)

    kill.seen = 0  # type: ignore[attr-defined]
    first = zoo.build(meanwhile=kill)
    time.sleep(1)
    left = [str(number) for number, _ in steps_at_work(zoo.folder)]
    second = zoo.build()
    lost = set(first.done) - {id for id, state in second.steps.items() if state == "unchanged"}
    tell(f"kill -9 of the run when {len(first.done)} steps were done, then again", second,
         f"{len(lost)} of them not yet recorded, done again", left, len(lost) > 3, second.code, zoo.leftovers())  # fmt: skip


def killed_step(folder: Path, options: argparse.Namespace) -> None:
    """`kill -9` of a step's process, as the system does where memory runs out; then again."""
    zoo = Zoo(folder / "step", options)
    killed: list[int] = []

    def kill(_: subprocess.Popen[str], __: str) -> None:
        for number, _parent in steps_at_work(zoo.folder)[:1]:
            if not killed:
                os.kill(number, signal.SIGKILL)
                killed.append(number)

    first = zoo.build(meanwhile=kill)
    tell("kill -9 of a step", first, f"{first.count('failed')} failed, {first.count('skipped')} that need it skipped",
         first.count("failed") != 1, first.code != 1, zoo.leftovers())  # fmt: skip
    second = zoo.build()
    tell(
        "again",
        second,
        "",
        second.code,
        second.count("done") != first.count("failed") + first.count("skipped"),
        zoo.leftovers(),
    )


TRIALS = (rebuilds, killed_run, killed_step)


class Cluster:
    """A Ray cluster on this machine's loopback: a head that runs nothing, and nodes of one CPU."""

    def __init__(self, nodes: int) -> None:
        os.environ.update(RAY)
        from ray.cluster_utils import Cluster as Made

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY}
        self._made = Made(initialize_head=True, head_node_args=head)
        self.nodes = [self._made.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(nodes)]
        self.address = str(self._made.address)

    def remove(self) -> None:
        """Lose the last node, without a farewell."""
        self._made.remove_node(self.nodes.pop(), allow_graceful=False)

    def close(self) -> None:
        self._made.shutdown()


@contextlib.contextmanager
def cluster(nodes: int) -> Iterator[Cluster]:
    made = Cluster(nodes)
    try:
        yield made
    finally:
        made.close()


def manifests(zoo: Zoo) -> dict[str, Any]:
    """What the manifests of the engines say, but for what differs from build to build: times, memory, the bytes of the plan."""
    found = {}
    for path in sorted((zoo.folder / "out").rglob("*.engine.json")):
        document = json.loads(path.read_text())
        found[str(path.relative_to(zoo.folder / "out"))] = {
            key: value for key, value in document.items() if key not in VOLATILE
        }
    return found


VOLATILE = ("seconds", "peak_mib", "built", "plan_sha256", "plan_bytes")


def the_same_bytes(folder: Path, options: argparse.Namespace) -> None:
    """A run on two nodes against one here."""
    here, there = Zoo(folder / "here", options), Zoo(folder / "there", options)
    tell("here", here.build(), "")
    with cluster(2) as made:
        run = there.build("--ray", made.address)
    twice = len(run.done) - len(set(run.done))
    same = here.products("*.onnx", "ranges.json") == there.products("*.onnx", "ranges.json")
    tell(
        "two nodes",
        run,
        "ONNX the same bytes, manifests the same",
        run.code,
        twice,
        not same,
        manifests(here) != manifests(there),
    )
    again = there.build()
    tell("again, here", again, "", again.done)


def killed_worker(folder: Path, options: argparse.Namespace) -> None:
    """`kill -9` of a Ray worker in the middle of a step, and a node lost in the middle of a run."""
    zoo = Zoo(folder / "worker", options)
    killed: list[int] = []
    with cluster(2) as made:

        def kill(_: subprocess.Popen[str], __: str) -> None:
            for _number, parent in steps_at_work(zoo.folder)[:1]:
                if not killed:
                    os.kill(parent, signal.SIGKILL)
                    killed.append(parent)

        run = zoo.build("--ray", made.address, meanwhile=kill)
        tell("kill -9 of a worker", run, "its step was done again elsewhere", run.code, not killed, zoo.leftovers())
        lost = Zoo(folder / "node", options)

        def remove(_: subprocess.Popen[str], __: str) -> None:
            if len(made.nodes) == 2:
                made.remove()

        run = lost.build("--ray", made.address, meanwhile=remove)
        tell("one of two nodes removed", run, "", run.code, len(run.done) != len(set(run.done)), lost.leftovers())


def scaling(folder: Path, options: argparse.Namespace) -> None:
    """One node of one CPU against two, in turns."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for number in range(options.rounds):
        for nodes in (1, 2):
            zoo = Zoo(folder / f"scaling{nodes}-{number}", options)
            with cluster(nodes) as made:
                run = zoo.build("--ray", made.address)
            seconds[nodes].append(run.seconds)
            tell(f"{nodes} x 1 CPU", run, "", run.code)
    ratios = sorted(one / two for one, two in zip(seconds[1], seconds[2], strict=True))
    every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"\n2 nodes against 1: best {ratios[-1]:.2f}x, median {statistics.median(ratios):.2f}x ({every})")


CLUSTER: Sequence[Callable[[Path, argparse.Namespace], None]] = (the_same_bytes, killed_worker, scaling)


if __name__ == "__main__":
    main()

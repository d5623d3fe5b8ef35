"""The steps on a Ray cluster on this machine's loopback: same bytes as here, GPUs by label, lost workers and nodes survived."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import shelf
from rtx import needs_rtx

from trtzoo.cli import main
from trtzoo.errors import InputError
from trtzoo.zoo.build import run_steps
from trtzoo.zoo.cluster import RayRunner
from trtzoo.zoo.runners import LocalRunner
from trtzoo.zoo.steps import Step
from trtzoo.zoo.store import Store

os.environ.update({"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"})
ray = pytest.importorskip("ray", reason="`pip install trtzoo[ray]`")
pytest.importorskip("pytask_parallel", reason="`pip install trtzoo[zoo]`")

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MEMORY = 100 << 20
NOTER = """
import sys
from pathlib import Path
if "trtzoo.zoo.child" in sys.orig_argv:
    with Path(__file__).with_name("starts").open("a") as stream:
        stream.write(" ".join(sys.orig_argv) + "\\n")
"""
"""What Python imports when it starts: notes each process that does a step, on whichever node."""


def started(cluster, output):
    """How often a process was started to write a file, retries on other nodes included."""
    lines = cluster.starts.read_text().splitlines() if cluster.starts.exists() else []
    return sum(f" {output}" in line for line in lines)


def starts(cluster, steps):
    """The same for the file of each step, by its model."""
    return {step.model: started(cluster, step.outputs[0]) for step in steps}


def kill_worker(cluster, folder, output, killed):
    """Wait until a file is being written by a step in a folder, and kill the worker that waits for it."""
    end = time.monotonic() + 30
    while not killed and time.monotonic() < end:
        if started(cluster, output):
            killed.extend(workers_of_steps(folder)[:1])
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.01)


def make_cluster(tries=3):
    """A head that runs nothing, and one node with one CPU and a GPU of the label sm86; Ray gives each half a minute to start."""
    from ray.cluster_utils import Cluster

    for left in reversed(range(tries)):
        try:
            head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY}
            made = Cluster(initialize_head=True, head_node_args=head)
            made.add_node(num_cpus=1, resources={"gpu:sm86": 1}, object_store_memory=MEMORY)
            return made
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
    raise AssertionError


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster whose nodes know the plug-in for `shelf://` and note each step that they start."""
    before, plugin = list(sys.path), tmp_path_factory.mktemp("plugin")
    shelf.install(plugin)
    (plugin / "sitecustomize.py").write_text(NOTER)
    os.environ["PYTHONPATH"] = str(plugin)
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        made = make_cluster()
    made.starts = plugin / "starts"
    yield made
    made.shutdown()
    sys.path[:] = before
    del os.environ["PYTHONPATH"]


@pytest.fixture
def runner(cluster, tmp_path):
    with RayRunner(cluster.address, tmp_path) as made:
        yield made


def convert(folder, name, *more, gpu="", parent="out"):
    for suffix in ("cfg", "weights", "names"):
        shutil.copy(SAMPLES / f"shapes.{suffix}", folder)
    onnx = folder / parent / f"{name}.onnx"
    command = ("convert", str(folder / "shapes.cfg"), "-o", str(onnx), *more)
    return Step(f"{name}/convert", name, "convert", command, (folder / "shapes.cfg",), (onnx,), gpu)


def states(outcomes):
    return {outcome.step.model: (outcome.state, outcome.message) for outcome in outcomes}


def test_a_cluster_writes_the_same_bytes_as_this_process(runner, tmp_path):
    flags = {"raw": (), "rows": ("--end2end",), "half": ("--end2end", "--half")}
    there = [convert(tmp_path, name, *more) for name, more in flags.items()]
    here = [convert(tmp_path, name, *more, parent="here") for name, more in flags.items()]
    assert set(states(run_steps(there, tmp_path / "out", runner, runner.workers)).values()) == {("done", "")}
    run_steps(here, tmp_path / "here", LocalRunner(tmp_path))
    for one, other in zip(there, here, strict=True):
        assert one.outputs[0].read_bytes() == other.outputs[0].read_bytes()
    assert set(states(run_steps(there, tmp_path / "out", LocalRunner(tmp_path))).values()) == {("unchanged", "")}


ZOO = """
zoo: 1
defaults: {size: 64}
models:
  - {name: one, source: shapes.cfg, precisions: [fp32, fp16]}
  - {name: two, source: shapes.cfg, targets: [{target: tensorrt-rtx, gpu: far}]}
"""


def test_the_command_makes_there_what_it_makes_here_though_a_worker_dies(cluster, tmp_path, capsys):
    made, killed = [], []
    for name, flags in (("there", ("--ray", cluster.address)), ("here", ())):
        folder = tmp_path / name
        folder.mkdir()
        for suffix in ("cfg", "weights", "names"):
            shutil.copy(SAMPLES / f"shapes.{suffix}", folder)
        (folder / "zoo.yaml").write_text(ZOO)
        onnx = folder / "zoo" / "one" / "fp16-onnxruntime" / "one.onnx"
        killer = threading.Thread(target=kill_worker, args=(cluster, folder, onnx, killed))
        killer.start()
        assert main(["zoo", "build", str(folder / "zoo.yaml"), "--json", *flags]) == 0
        killer.join()
        out, err = capsys.readouterr()
        assert ("no node of the cluster has the resource gpu:far" in err) == bool(flags)
        made.append({step["id"]: step["state"] for step in json.loads(out)["steps"]})
        made.append({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.onnx")})
    assert killed
    assert made[:2] == made[2:]
    assert set(made[0].values()) == {"done"} and len(made[1]) == 3


def engine(onnx):
    """The step that builds TensorRT-RTX's engine of what another step converts."""
    plan = onnx.outputs[0].with_suffix(".engine")
    command = ("build", str(onnx.outputs[0]), "-o", str(plan), "--target", "tensorrt-rtx")
    return Step("e/build", "e", "build", command, onnx.outputs, (plan, plan.with_name(f"{plan.name}.json")), "sm86")


@needs_rtx
def test_an_engines_manifest_says_what_that_of_a_build_here_says(runner, tmp_path):
    told = []
    for parent, run in (("out", runner), ("here", LocalRunner(tmp_path))):
        onnx = convert(tmp_path, "e", "--end2end", "--img-size", "96", parent=parent)
        build = engine(onnx)
        outcomes = run_steps([onnx, build], tmp_path / parent, run)
        assert [outcome.state for outcome in outcomes] == ["done", "done"]
        told.append(json.loads(build.outputs[1].read_text()))
    differing = {key for key in told[0] if told[0][key] != told[1][key]}
    assert differing <= {"seconds", "peak_mib", "built", "plan_sha256", "plan_bytes"}
    assert told[0]["onnx_sha256"] and told[0].keys() == told[1].keys()


def test_products_in_a_store_are_the_same_bytes(cluster, tmp_path):
    """Nodes share no folder: what the first step of each chain wrote reaches the second through the store alone."""
    store = Store(f"shelf://{tmp_path}/shelf", tmp_path / "nowhere")
    flags = {"rows": ("--end2end",), "half": ("--end2end", "--half")}
    there = [convert(tmp_path, name, *more, parent="nowhere") for name, more in flags.items()]
    config = store.root / "triton" / "rows" / "config.pbtxt"
    command = ("triton", str(there[0].outputs[0]), "-o", str(store.root / "triton"), "--name", "rows")
    there.append(Step("rows/triton", "bundle", "bundle", command, there[0].outputs, (config,)))
    here = [convert(tmp_path, name, *more, parent="here") for name, more in flags.items()]
    run_steps(here, tmp_path / "here", LocalRunner(tmp_path))
    with RayRunner(cluster.address, tmp_path / "state", store) as runner:
        found = states(run_steps(there, tmp_path / "state", runner, runner.workers, store=store))
        assert set(found.values()) == {("done", "")}
        found = states(run_steps(there, tmp_path / "state", runner, runner.workers, store=store))
        assert set(found.values()) == {("unchanged", "")}
    for step in here:
        assert (tmp_path / "shelf" / step.outputs[0].name).read_bytes() == step.outputs[0].read_bytes()
    assert (tmp_path / "shelf" / "triton" / "rows" / "1" / "model.onnx").stat().st_size > 1000
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_a_gpu_that_no_node_has_fails_its_steps_alone(runner, tmp_path):
    assert runner.gpus == ("sm86",)
    steps = [convert(tmp_path, "a", gpu="sm86"), convert(tmp_path, "b", gpu="sm99"), convert(tmp_path, "c")]
    found = states(run_steps(steps, tmp_path / "out", runner, runner.workers))
    assert (found["a"], found["c"]) == (("done", ""), ("done", ""))
    assert found["b"][0] == "failed"
    assert "gpu:sm99" in found["b"][1]


def test_a_failed_command_gives_its_last_word(runner, tmp_path):
    found = states(run_steps([convert(tmp_path, "a", "--opset", "3")], tmp_path / "out", runner))
    assert "--opset 3 is not supported" in found["a"][1]


def workers_of_steps(folder):
    """Process numbers of Ray workers that wait for a step's command in a folder; other tests' steps may run beside it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "trtzoo.zoo.child" in words and any(word.startswith(str(folder)) for word in words):
                found.append(int(words[words.index("trtzoo.zoo.child") + 1]))
    return found


def test_a_killed_worker_costs_only_its_own_step_a_second_start(cluster, runner, tmp_path):
    steps, killed = [convert(tmp_path, name) for name in "abc"], []

    def report(step, what):
        if step.model == "b" and what == "start":
            threading.Thread(target=kill_worker, args=(cluster, tmp_path, step.outputs[0], killed)).start()

    found = states(run_steps(steps, tmp_path / "out", runner, 1, report))
    assert killed
    assert set(found.values()) == {("done", "")}
    assert starts(cluster, steps) == {"a": 1, "b": 2, "c": 1}
    assert not list((tmp_path / "out").glob(".*.onnx"))


def test_a_lost_node_is_survived(cluster, tmp_path):
    """A second node comes, and goes in the middle of the work; at most the step that it did is done twice."""
    node = cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    with RayRunner(cluster.address, tmp_path) as runner:
        assert runner.workers == 2
        gone = []

        def report(step, what):
            if what == "done" and not gone:
                gone.append(step.id)
                cluster.remove_node(node, allow_graceful=False)

        steps = [convert(tmp_path, name) for name in "abcdef"]
        found = states(run_steps(steps, tmp_path / "out", runner, 2, report))
    assert gone
    assert set(found.values()) == {("done", "")}
    counted = Counter(starts(cluster, steps).values())
    assert counted in ({1: 6}, {1: 5, 2: 1})


def test_a_cluster_that_does_not_start_is_one_line(tmp_path, monkeypatch):
    def late(**_):
        raise Exception("The current node timed out during startup. This could happen because ...")

    monkeypatch.setattr(ray, "init", late)
    with pytest.raises(InputError, match=r"--ray: no cluster starts on this machine \(The current node timed out"):
        RayRunner("", tmp_path)


def test_no_cluster_at_an_address_is_said(tmp_path):
    with pytest.raises(InputError, match=r"--ray 127\.0\.0\.1:9: no Ray cluster answers there"):
        RayRunner("127.0.0.1:9", tmp_path)

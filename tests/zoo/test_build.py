"""What is done, what is left alone and what stops what: with steps that copy files, and with the tool's own commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trtzoo.errors import InputError
from trtzoo.zoo.build import run_steps, sweep
from trtzoo.zoo.runners import LocalRunner, StepError
from trtzoo.zoo.steps import Step

pytest.importorskip("pytask_parallel", reason="`pip install trtzoo[zoo]`")


class Copier:
    """Does a step by copying its inputs into each output, with its command as the first line.

    Attributes:
        ran: the steps that it did, in order.
        broken: ids of steps that fail.
    """

    def __init__(self):
        self.ran, self.broken = [], set()

    def __call__(self, step):
        self.ran.append(step.id)
        if step.id in self.broken:
            raise StepError(f"{step.id} is broken")
        text = "\n".join([" ".join(step.command), *(path.read_text() for path in step.inputs if path.is_file())])
        for path in step.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def stop(self):
        pass


class Zoo:
    """Three models, each converted and built twice over, in a folder."""

    def __init__(self, folder: Path):
        self.folder, self.runner = folder, Copier()
        self.thresholds = dict.fromkeys("abc", "0.25")
        for name in "abc":
            (folder / f"{name}.pt").write_text(name)

    def steps(self):
        return [step for name in "abc" for step in self.of(name)]

    def of(self, name):
        onnx = self.folder / "out" / name / "m.onnx"
        yield Step(
            f"{name}/convert",
            name,
            "convert",
            ("convert", self.thresholds[name]),
            (self.folder / f"{name}.pt",),
            (onnx,),
        )
        for kind in ("x", "y"):
            engine = onnx.with_suffix(f".{kind}")
            yield Step(f"{name}/{kind}/build", name, "build", ("build", kind), (onnx,), (engine,))

    def run(self, **options):
        """What was done, and what became of each step."""
        self.runner.ran = []
        outcomes = run_steps(self.steps(), self.folder / "out", self.runner, workers=2, **options)
        return set(self.runner.ran), {outcome.step.id: outcome for outcome in outcomes}


ALL = {f"{name}/{kind}" for name in "abc" for kind in ("convert", "x/build", "y/build")}


@pytest.fixture
def zoo(tmp_path):
    return Zoo(tmp_path)


def test_everything_is_done_once(zoo):
    ran, outcomes = zoo.run()
    assert ran == ALL
    assert {outcome.state for outcome in outcomes.values()} == {"done"}
    assert len(zoo.runner.ran) == len(ALL)
    ran, outcomes = zoo.run()
    assert ran == set()
    assert {outcome.state for outcome in outcomes.values()} == {"unchanged"}


def test_a_hundred_and_twenty_steps_without_work_take_under_three_seconds(zoo):
    """Of a processor: the clock of a busy machine says nothing."""
    names = [f"m{number}" for number in range(40)]
    zoo.steps = lambda: [step for name in names for step in zoo.of(name)]
    for name in names:
        (zoo.folder / f"{name}.pt").write_text(name)
        zoo.thresholds[name] = "0.25"
    assert len(zoo.run()[0]) == 120
    start = time.process_time()
    assert zoo.run()[0] == set()
    assert time.process_time() - start < 3


@pytest.mark.parametrize("workers", [1, 3])
def test_so_many_steps_run_at_a_time_and_no_more(zoo, workers):
    at_work, seen, lock = set(), [], threading.Lock()

    def slowly(step):
        with lock:
            at_work.add(step.id)
            seen.append(len(at_work))
        time.sleep(0.05)
        with lock:
            at_work.remove(step.id)
        type(zoo.runner).__call__(zoo.runner, step)

    slowly.stop = zoo.runner.stop
    run_steps(zoo.steps(), zoo.folder / "out", slowly, workers)
    assert max(seen) == workers


def test_what_needs_another_comes_after_it(zoo):
    zoo.run()
    for name in "abc":
        assert zoo.runner.ran.index(f"{name}/convert") < zoo.runner.ran.index(f"{name}/x/build")


def test_a_changed_setting_redoes_only_what_depends_on_it(zoo):
    zoo.run()
    zoo.thresholds["b"] = "0.5"
    assert zoo.run()[0] == {"b/convert", "b/x/build", "b/y/build"}
    zoo.thresholds["b"] = "0.25"
    assert zoo.run()[0] == {"b/convert", "b/x/build", "b/y/build"}


def test_a_touched_file_redoes_nothing(zoo):
    zoo.run()
    os.utime(zoo.folder / "a.pt", (1, 1))
    os.utime(zoo.folder / "out" / "a" / "m.onnx", (1, 1))
    assert zoo.run()[0] == set()


def test_a_changed_file_redoes_what_reads_it(zoo):
    zoo.run()
    (zoo.folder / "c.pt").write_text("another")
    assert zoo.run()[0] == {"c/convert", "c/x/build", "c/y/build"}


def test_a_product_that_is_gone_is_made_again_and_spares_what_comes_after(zoo):
    zoo.run()
    (zoo.folder / "out" / "a" / "m.onnx").unlink()
    assert zoo.run()[0] == {"a/convert"}


def test_a_product_that_was_damaged_is_made_again(zoo):
    zoo.run()
    (zoo.folder / "out" / "a" / "m.x").write_text("damaged")
    assert zoo.run()[0] == {"a/x/build"}


def test_a_changed_picture_in_a_folder_is_noticed(zoo):
    pictures = zoo.folder / "pictures" / "below"
    pictures.mkdir(parents=True)
    (pictures / "1.jpg").write_bytes(b"1")
    whole = list(zoo.of("a"))
    step = Step(
        "i/convert",
        "i",
        "convert",
        ("convert",),
        (zoo.folder / "a.pt", zoo.folder / "pictures"),
        (zoo.folder / "out" / "i.onnx",),
    )
    zoo.of = lambda name: [*whole, step] if name == "a" else []
    assert "i/convert" in zoo.run()[0]
    assert zoo.run()[0] == set()
    (pictures / "1.jpg").write_bytes(b"2")
    assert zoo.run()[0] == {"i/convert"}


def test_one_failure_stops_only_what_needs_it(zoo):
    zoo.runner.broken = {"b/convert"}
    ran, outcomes = zoo.run()
    assert ran == ALL - {"b/x/build", "b/y/build"}
    states = {id: outcome.state for id, outcome in outcomes.items()}
    assert states == dict.fromkeys(ALL, "done") | {
        "b/convert": "failed",
        "b/x/build": "skipped",
        "b/y/build": "skipped",
    }
    assert outcomes["b/convert"].message == "b/convert is broken"
    zoo.runner.broken = set()
    assert zoo.run()[0] == {"b/convert", "b/x/build", "b/y/build"}


def test_a_dry_run_says_what_is_due_and_does_nothing(zoo):
    ran, outcomes = zoo.run(dry_run=True)
    assert (ran, {outcome.state for outcome in outcomes.values()}) == (set(), {"due"})
    assert not list((zoo.folder / "out").glob("*/m.*"))
    zoo.run()
    zoo.thresholds["c"] = "0.5"
    _, outcomes = zoo.run(dry_run=True)
    assert {id for id, outcome in outcomes.items() if outcome.state == "due"} == {"c/convert", "c/x/build", "c/y/build"}


def test_force_redoes_a_kind_once(zoo):
    zoo.run()
    assert zoo.run(force=["convert"])[0] == {"a/convert", "b/convert", "c/convert"}
    assert zoo.run()[0] == set()


def test_two_runs_in_one_folder_are_refused(zoo):
    second = {}

    def report(step, what):
        if not second:
            second["error"] = None
            with pytest.raises(InputError, match="another `trtzoo zoo build` works there") as caught:
                run_steps(zoo.steps(), zoo.folder / "out", Copier())
            second["error"] = caught.value

    zoo.run(report=report)
    assert second["error"]


def test_a_missing_input_is_named_before_anything_is_done(zoo):
    (zoo.folder / "c.pt").unlink()
    with pytest.raises(InputError, match=r"c: no such file: .*c\.pt"):
        zoo.run()
    assert zoo.runner.ran == []


def test_leftovers_of_killed_steps_are_swept(zoo):
    zoo.run()
    left = zoo.folder / "out" / "a" / ".m.12345.onnx"
    left.write_text("half")
    (zoo.folder / "out" / "a" / ".keep").write_text("a file of the user's")
    assert sweep(zoo.steps()) == [left]
    assert sorted(path.name for path in left.parent.iterdir()) == [".keep", "m.onnx", "m.x", "m.y"]


def test_what_a_killed_step_left_is_gone_when_the_run_ends(zoo):
    left = zoo.folder / "out" / "b" / ".m.12345.onnx"

    def dies(step):
        if step.id == "b/convert":
            left.write_text("half")
            raise StepError("killed by signal 9")
        zoo.runner(step)

    dies.stop = zoo.runner.stop
    states = {outcome.step.id: outcome.state for outcome in run_steps(zoo.steps(), zoo.folder / "out", dies)}
    assert states["b/convert"] == "failed"
    assert not left.exists()


def test_a_half_filled_bundle_of_a_killed_step_is_swept(tmp_path):
    config = tmp_path / "out" / "fp32" / "triton" / "m" / "config.pbtxt"
    left = config.parent.parent / ".m.12345"
    left.mkdir(parents=True)
    (left / "model.onnx").write_text("half")
    bundle = Step("m/fp32/triton", "m", "bundle", ("triton",), (), (config,))
    assert sweep([bundle]) == [left]
    assert not left.exists()


SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def real_step(folder, *more):
    for suffix in ("cfg", "weights", "names"):
        shutil.copy(SAMPLES / f"shapes.{suffix}", folder)
    onnx = folder / "out" / "shapes.onnx"
    command = ("convert", str(folder / "shapes.cfg"), "-o", str(onnx), *more)
    return Step(
        "shapes/convert", "shapes", "convert", command, (folder / "shapes.cfg", folder / "shapes.weights"), (onnx,)
    )


def test_a_real_step_runs_the_command_line(tmp_path):
    (outcome,) = run_steps([real_step(tmp_path, "--end2end")], tmp_path / "out", LocalRunner(tmp_path))
    assert (outcome.state, outcome.message) == ("done", "")
    assert outcome.step.outputs[0].stat().st_size > 1000


def test_a_real_failure_gives_the_commands_last_word(tmp_path):
    (outcome,) = run_steps([real_step(tmp_path, "--opset", "3")], tmp_path / "out", LocalRunner(tmp_path))
    assert outcome.state == "failed"
    assert "--opset 3 is not supported" in outcome.message


KILLED = """
import sys
from pathlib import Path
from trtzoo.zoo.build import run_steps
from trtzoo.zoo.runners import LocalRunner
from trtzoo.zoo.steps import Step
folder = Path(sys.argv[1])
steps = [
    Step(f"m{i}/convert", f"m{i}", "convert", ("convert", str(folder / "shapes.cfg"), "-o", str(folder / "out" / f"m{i}.onnx")),
         (folder / "shapes.cfg",), (folder / "out" / f"m{i}.onnx",))
    for i in range(6)
]
done = run_steps(steps, folder / "out", LocalRunner(folder), 2, lambda step, what: print(what, step.id, flush=True))
print(*(outcome.state for outcome in done))
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def children(folder):
    """Command lines of running steps that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "trtzoo.zoo.child" in text and str(folder) in text:
            found.append((int(path.parent.name), text))
    return found


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def test_a_killed_run_leaves_nothing_running_and_the_next_one_finishes(tmp_path):
    real_step(tmp_path)
    first = start(tmp_path)
    assert any(line.startswith("done") for line in iter(first.stdout.readline, ""))
    until(lambda: children(tmp_path))
    first.kill()
    first.communicate()
    until(lambda: not children(tmp_path))
    out, err = start(tmp_path).communicate()
    states = out.splitlines()[-1].split()
    assert set(states) <= {"done", "unchanged"}, err
    assert states.count("unchanged") >= 1 or out.count("start") == 6
    assert sorted(path.name for path in (tmp_path / "out").glob("*.onnx")) == [f"m{i}.onnx" for i in range(6)]
    assert not list((tmp_path / "out").glob(".m*"))


def test_a_killed_step_fails_alone_and_is_done_by_the_next_run(tmp_path):
    real_step(tmp_path)
    first = start(tmp_path)
    found = []
    until(lambda: found.extend(children(tmp_path)) or found)
    os.kill(found[0][0], signal.SIGKILL)
    out, _ = first.communicate()
    assert sorted(out.splitlines()[-1].split()) == ["done"] * 5 + ["failed"]
    out, _ = start(tmp_path).communicate()
    assert sorted(out.splitlines()[-1].split()) == ["done"] + ["unchanged"] * 5


def test_an_interrupt_stops_the_steps_too(tmp_path):
    real_step(tmp_path)
    first = start(tmp_path)
    until(lambda: children(tmp_path))
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=20)
    assert "KeyboardInterrupt" in err
    assert not children(tmp_path)

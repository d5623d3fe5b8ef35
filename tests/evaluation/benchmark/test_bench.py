"""The whole of `bench` on small models."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import cv2
import pytest
from colour_network import colour_network, picture_with, write

from trtzoo.cli import main
from trtzoo.evaluation import environment
from trtzoo.evaluation.benchmark import memory
from trtzoo.evaluation.benchmark.markdown import as_markdown
from trtzoo.evaluation.benchmark.results import BenchResults
from trtzoo.evaluation.results_file import as_results, read_document

QUICK = ["--runs", "6", "--chunk", "3", "--warm-up", "2", "--seconds", "0.1"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two models and the command's results: folder, and `BenchResults` read back."""
    root = tmp_path_factory.mktemp("bench")
    (root / "a").mkdir()
    (root / "b").mkdir()
    models = [write(root / "a", colour_network(), batch=None), write(root / "b", colour_network(), route="plain")]
    cv2.imwrite(str(root / "squares.png"), picture_with([(0, 1), (3, 2)]))
    arguments = [*map(str, models), "--source", str(root / "squares.png"), "-o", str(root / "out")]
    extra = ["--batch-sizes", "1", "3", "--streams", "2", "--load", "50"]
    assert main(["bench", *arguments, *QUICK, *extra]) == 0
    schema, document = read_document(root / "out" / "bench.json")
    assert (schema, document["version"]) == ("trtzoo.bench", 1)
    return root / "out", as_results(root / "out" / "bench.json", document, BenchResults)


def test_each_model_is_timed_stage_by_stage(done):
    _, results = done
    for one in results.models:
        assert list(one.times) == ["preprocess", "inference", "postprocess", "end_to_end"]
        assert {times.count for times in one.times.values()} == {6}
        stages = [times.mean for name, times in one.times.items() if name != "end_to_end"]
        assert one.times["end_to_end"].mean == pytest.approx(sum(stages), abs=0.001)
        assert 0 < one.times["inference"].least <= one.times["inference"].median <= one.times["inference"].p99
        assert one.load.requests == 5
        assert one.memory.rss_mib > 20
        assert (one.memory.gpu_mib, one.memory.gpu_source, one.gpu) == (None, "unknown", None)
        assert (one.best.score, one.best.name, one.best.count) == (1.0, "green", 2)
    assert [one.relative is None for one in results.models] == [True, False]
    assert results.models[1].relative.against == "a/model.onnx"


def test_batches_that_a_model_does_not_take_are_named(done):
    _, results = done
    assert [[figures.batch for figures in one.throughput] for one in results.models] == [[1, 3], [1]]
    assert results.models[0].throughput[1].streams == 2
    assert results.models[1].notes == ("takes batches of 1 only, so not of 3",)


def test_the_chart(done):
    folder, _ = done
    height, width = cv2.imread(str(folder / "bench.png")).shape[:2]
    assert width > 800
    assert height > 200


def test_tables_say_where_they_come_from(done):
    _, results = done
    text = as_markdown(results)
    for expected in ("squares.png, 96 x 64", "50 requests a second", "2 streams", "`trtzoo ", "no GPU seen"):
        assert expected in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    assert "Elapsed by task" not in text


def test_scales_of_a_model_share_a_row(done):
    _, results = done
    models = [
        replace(results.models[0], model=replace(results.models[0].model, label=f"yolov8{scale}.onnx"), scale=scale)
        for scale in "nsx"
    ]
    text = as_markdown(replace(results, models=tuple(models)))
    row = next(line for line in text.splitlines() if "yolov8?.onnx" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    time = f"{models[0].times['end_to_end'].median:.2f}"
    assert cells == ["detect", "yolov8?.onnx", "onnxruntime CPU", "fp32", time, time, "-", "-", time]


def test_json_on_stdout(done, tmp_path, capsys):
    folder, _ = done
    model = str(folder.parent / "a" / "model.onnx")
    assert main(["bench", model, "-o", str(tmp_path), "--json", "--no-plots", *QUICK]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "bench.json").read_text())
    assert printed["models"][0]["load"] is None
    assert not (tmp_path / "bench.png").exists()


@pytest.mark.parametrize(("arguments", "code", "text"), [(["--seconds", "0"], 2, "--seconds"), ([], 1, "no such file")])
def test_what_is_wrong_is_said(arguments, code, text, tmp_path, capsys):
    command = ["bench", str(tmp_path / "no.onnx"), "-o", str(tmp_path), *arguments]
    if code == 2:
        with pytest.raises(SystemExit, match="2"):
            main(command)
    else:
        assert main(command) == code
    assert text in capsys.readouterr().err


class FakeNvml(SimpleNamespace):
    """NVIDIA's library with one GPU."""

    NVML_CLOCK_SM = 1

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        if uuid != "GPU-0":
            raise self.NVMLError
        return uuid

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=1, usedGpuMemory=2**20), SimpleNamespace(pid=self.pid, usedGpuMemory=5 * 2**20)]

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(used=7 * 2**20, total=2**30)

    def nvmlDeviceGetClockInfo(self, handle, kind):  # noqa: N802
        return 1980


def test_memory_of_a_gpu_is_the_process_own(monkeypatch):
    """By the GPU's own name, since its number is CUDA's."""
    monkeypatch.setattr(memory, "gpu_uuid", "GPU-{}".format)
    monkeypatch.setattr(memory, "open_nvml", lambda: FakeNvml(pid=os.getpid()))
    assert (memory.gpu_mib_of_process(0), memory.gpu_mib_in_use(0), memory.gpu_clock(0)) == (5.0, 7.0, 1980)
    assert (memory.gpu_mib_of_process(1), memory.gpu_mib_in_use(1), memory.gpu_clock(1)) == (None, None, None)
    monkeypatch.setattr(memory, "open_nvml", lambda: FakeNvml(pid=0))
    assert memory.gpu_mib_of_process(0) is None


def test_without_a_driver_nothing_is_known():
    assert environment.gpus() == ()
    assert memory.gpu_mib_in_use(0) is None

"""What the runtime does with a GPU: buffers once, batches within the engine's limits, a graph where shapes are fixed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from fake_tensorrt import FakeContext, FakeCuda

from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.engines.runtimes.batches import Run, plan_runs
from trtzoo.engines.runtimes.execution import Executor
from trtzoo.errors import InputError, UnsupportedError

SIDE = (3, 4, 5)


def tensors(batch: int = -1, limits: tuple[int, int] = (1, 4), dtype: str = "float32") -> list[EngineTensor]:
    least, most = limits
    profile = tuple((size, *SIDE) for size in (least, least, most)) if batch < 0 else ()
    return [
        EngineTensor("images", "input", dtype, (batch, *SIDE), profile),
        EngineTensor("sums", "output", "float32", (batch, 2)),
        EngineTensor("count", "output", "int32", (batch, 1)),
    ]


def compute(images: Any) -> dict[str, Any]:
    sums = images.astype(np.float32).sum((1, 2, 3))
    return {"sums": np.stack([sums, -sums], 1), "count": np.full((len(images), 1), len(images))}


def make(described: list[EngineTensor], **more: Any) -> tuple[Executor, FakeCuda, FakeContext]:
    cuda = FakeCuda(**more)
    context = FakeContext(cuda, described, compute)
    return Executor(context, described, cuda), cuda, context


@pytest.mark.parametrize(
    ("count", "limits", "runs"),
    [
        (1, (1, 8), [Run(0, 1, 1)]),
        (8, (1, 8), [Run(0, 8, 8)]),
        (9, (1, 8), [Run(0, 8, 8), Run(8, 1, 1)]),
        (1, (4, 4), [Run(0, 1, 4)]),
        (5, (2, 4), [Run(0, 4, 4), Run(4, 1, 2)]),
    ],
)
def test_runs(count: int, limits: tuple[int, int], runs: list[Run]) -> None:
    assert list(plan_runs(count, *limits)) == runs


@pytest.mark.parametrize("count", [1, 2, 4, 5, 11])
@pytest.mark.parametrize(("batch", "limits"), [(-1, (1, 4)), (-1, (2, 3)), (4, (4, 4)), (1, (1, 1))])
def test_any_number_of_images(count: int, batch: int, limits: tuple[int, int]) -> None:
    executor, _, _ = make(tensors(batch, limits))
    images = np.random.default_rng(count).random((count, *SIDE)).astype(np.float32)
    for _ in range(3):
        outputs = executor.infer(images)
        np.testing.assert_allclose(outputs["sums"], compute(images)["sums"], rtol=1e-5)
        assert outputs["count"].dtype == np.int32
        assert list(outputs) == ["sums", "count"]


def test_memory_is_allocated_once_for_the_greatest_batch() -> None:
    executor, cuda, _ = make(tensors())
    sizes = [int(entry.split()[1]) for entry in cuda.log if entry.startswith("allocate")]
    assert sizes == [4 * 60 * 4, 4 * 2 * 4, 4 * 1 * 4]
    for count in (1, 4, 9):
        executor.infer(np.ones((count, *SIDE), np.float32))
    assert len([entry for entry in cuda.log if entry.startswith("allocate")]) == 3


def test_shape_is_set_only_when_the_batch_changes() -> None:
    executor, _, context = make(tensors())
    for count in (2, 2, 2, 1):
        executor.infer(np.ones((count, *SIDE), np.float32))
    assert [shape[0] for shape in context.shapes] == [4, 2, 1]


def test_results_are_copies() -> None:
    executor, _, _ = make(tensors(1))
    first = executor.infer(np.ones((1, *SIDE), np.float32))
    executor.infer(np.zeros((1, *SIDE), np.float32))
    assert first["sums"][0, 0] == 60


def test_fixed_batch_is_recorded_after_the_first_run() -> None:
    executor, cuda, _ = make(tensors(2, (2, 2)))
    images = np.random.default_rng(0).random((2, *SIDE)).astype(np.float32)
    assert not executor.uses_graph
    for _ in range(3):
        np.testing.assert_allclose(executor.infer(images)["sums"], compute(images)["sums"], rtol=1e-5)
        images = images + 1
    assert executor.uses_graph
    assert (cuda.log.count("recorded"), cuda.log.count("launch")) == (1, 2)


def test_a_free_batch_has_a_graph_for_each_size_that_recurs() -> None:
    executor, cuda, _ = make(tensors())
    rng = np.random.default_rng(5)

    def run(count: int) -> None:
        images = rng.random((count, *SIDE)).astype(np.float32)
        found = executor.infer(images)
        np.testing.assert_allclose(found["sums"], compute(images)["sums"], rtol=1e-5)
        assert found["count"].tolist() == [[count]] * count

    for count in (1, 2, 3):
        run(count)
    assert "recorded" not in cuda.log, "each size was seen once"
    for count in (2, 1, 2, 1, 4, 2):
        run(count)
    assert (cuda.log.count("recorded"), cuda.log.count("launch")) == (2, 3)


def test_only_wanted_outputs_are_copied_back_and_each_choice_has_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    executor, cuda, _ = make(tensors(2, (2, 2)))
    download, copied = cuda.download, []
    monkeypatch.setattr(cuda, "download", lambda array, address: copied.append(address) or download(array, address))
    for turn, (wanted, copies) in enumerate([(["count"], 2), (None, 4), (["count"], 0), (None, 0), ([], 0)]):
        images = np.full((2, *SIDE), turn, np.float32)
        copied.clear()
        found = executor.infer(images, outputs=wanted)
        assert list(found) == (["sums", "count"] if wanted is None else wanted)
        assert len(copied) == copies, "once to run and once to record, then none but the graph's"
        for name, values in found.items():
            np.testing.assert_allclose(values, compute(images)[name])
    assert (cuda.log.count("recorded"), cuda.log.count("launch")) == (3, 2)


def test_the_size_that_was_not_used_for_longest_loses_its_graph() -> None:
    executor, cuda, _ = make(tensors(limits=(1, 12)))
    for count in (*range(1, 9), *range(1, 9), 1, 9, 9):
        executor.infer(np.ones((count, *SIDE), np.float32))
    assert [entry for entry in cuda.log if entry.startswith("forget")] == ["forget 1"], "the graph of size 2"
    launches = cuda.log.count("launch")
    for count in (1, 2):
        assert executor.infer(np.ones((count, *SIDE), np.float32))["count"][0, 0] == count
    assert cuda.log.count("launch") == launches + 1


def test_network_that_cannot_be_recorded_runs_without() -> None:
    executor, cuda, _ = make(tensors(1), can_record=False)
    for _ in range(3):
        assert executor.infer(np.ones((1, *SIDE), np.float32))["sums"][0, 0] == 60
    assert not executor.uses_graph
    assert cuda.recording is None


def test_network_that_fails_while_it_is_recorded_runs_without() -> None:
    executor, cuda, context = make(tensors(1))
    begin = cuda.begin_capture

    def begin_and_fail() -> None:
        begin()
        context.fails = True

    cuda.begin_capture = begin_and_fail  # type: ignore[method-assign]
    executor.infer(np.ones((1, *SIDE), np.float32))
    context.fails = False
    assert executor.infer(np.ones((1, *SIDE), np.float32))["sums"][0, 0] == 60
    assert (executor.uses_graph, cuda.recording) == (False, None)


def test_half_input_takes_floats() -> None:
    executor, _, _ = make(tensors(1, dtype="float16"))
    assert executor.infer(np.full((1, *SIDE), 0.5, np.float32))["sums"][0, 0] == 30


@pytest.mark.parametrize(
    ("images", "dtype"),
    [
        (np.zeros((1, 3, 5, 4), np.float32), "float32"),
        (np.zeros((3, 4, 5), np.float32), "float32"),
        (np.zeros((1, *SIDE), np.float32), "uint8"),
        (np.zeros((0, *SIDE), np.float32), "float32"),
    ],
    ids=["turned", "no batch", "floats for bytes", "no image"],
)
def test_unfit_images_are_refused(images: Any, dtype: str) -> None:
    executor, _, _ = make(tensors(1, dtype=dtype))
    with pytest.raises(InputError):
        executor.infer(images)


def test_failing_gpu_is_explained() -> None:
    cuda, said = FakeCuda(), ["the profile is in use"]
    context = FakeContext(cuda, tensors(), compute)
    executor = Executor(context, tensors(), cuda, said=lambda: said)  # type: ignore[arg-type]
    context.fails = True
    with pytest.raises(UnsupportedError, match=r"GPU failed .*did not start the network \(the profile is in use\)"):
        executor.infer(np.ones((1, *SIDE), np.float32))


@pytest.mark.parametrize(
    ("described", "says"),
    [
        ([*tensors(1), EngineTensor("more", "input", "float32", (1, 2))], "one input"),
        (tensors(1)[1:], "this one has none"),
        ([EngineTensor("images", "input", "float32", (-1, 3, -1, -1), (((1, 3, 1, 1),) * 3))], "one input"),
        ([*tensors(1), EngineTensor("rows", "output", "int64", (1, -1, 3))], "plain"),
    ],
    ids=["two pictures", "no input", "free size", "output of unknown length"],
)
def test_engines_that_cannot_be_run(described: list[EngineTensor], says: str) -> None:
    cuda = FakeCuda()
    shapes = [*tensors(1), *(tensor for tensor in described if tensor.mode == "output")]
    with pytest.raises(UnsupportedError, match=says):
        Executor(FakeContext(cuda, shapes, compute), described, cuda)  # type: ignore[arg-type]


def test_threads_may_share_one() -> None:
    executor, cuda, _ = make(tensors())
    wrong: list[float] = []

    def work(value: int) -> None:
        for _ in range(20):
            sums = executor.infer(np.full((2, *SIDE), value, np.float32))["sums"]
            wrong.extend(sums[sums[:, 0] != 60 * value, 0])

    threads = [threading.Thread(target=work, args=(value,)) for value in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cuda.log.count("enter") == 80


def test_close_frees_the_memory() -> None:
    executor, cuda, _ = make(tensors(1))
    executor.close()
    executor.close()
    assert cuda.closed
    with pytest.raises(InputError, match="is closed"):
        executor.infer(np.ones((1, *SIDE), np.float32))


@pytest.mark.parametrize("batch", [-1, 2])
def test_thresholds_go_in_with_the_pictures(batch: int) -> None:
    described = [*tensors(batch, (2, 2)), EngineTensor("conf_thres", "input", "float32", (batch, 1))]
    described.insert(1, described.pop())
    cuda = FakeCuda()
    context = FakeContext(cuda, described, lambda images, conf: compute(images) | {"sums": np.tile(conf, 2)})
    executor = Executor(context, described, cuda)
    assert executor.settings == ("conf_thres",)
    for value in (0.25, 0.5, 0.75):
        outputs = executor.infer(np.ones((3, *SIDE), np.float32), {"conf_thres": np.array([value], np.float32)})
        assert (outputs["sums"] == value).all()
    with pytest.raises(InputError, match="conf_thres"):
        executor.infer(np.ones((1, *SIDE), np.float32))


@pytest.mark.parametrize(("batch", "expected"), [(-1, [4 + 3, 1]), (2, [8, 2])])
def test_time_on_the_gpu_is_that_of_all_runs_of_the_last_request(batch: int, expected: list[float]) -> None:
    """The fake network takes a second an image; a fixed batch is filled up, and recorded after its first run."""
    executor, _, _ = make(tensors(batch, (1, 4)))
    seconds = []
    for count in (7, 1):
        executor.infer(np.zeros((count, *SIDE), np.float32))
        seconds.append(executor.gpu_seconds)
    assert seconds == expected
    assert executor.uses_graph == (batch > 0)

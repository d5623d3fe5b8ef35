"""Times of models whose speed is known because they sleep."""

from __future__ import annotations

import time

import numpy as np
import pytest
from colour_network import colour_network, picture_with

from trtzoo.evaluation.benchmark.measure import measure_load, measure_throughput, take_turn

NAP = 0.02


PICTURE = picture_with([(0, 1)])


class Sleeper:
    """A runtime that sleeps a while, longer at its first run."""

    name = "sleeper"

    def __init__(self, first: float = NAP, gpu_seconds: float | None = None) -> None:
        self.meta = colour_network("classify").meta
        self._naps = [first]
        self.gpu_seconds = gpu_seconds

    def infer(self, images, thresholds=None, outputs=None):
        time.sleep(self._naps.pop() if self._naps else NAP)
        return {"probs": np.zeros((len(images), 3), np.float32)}

    def close(self):
        pass


def test_what_is_cold_is_not_counted():
    cold, warm = (take_turn(Sleeper(first=0.3), PICTURE, 3, warm_up).stages for warm_up in (0, 1))
    assert cold[:, 1].max() >= 0.3
    assert NAP <= warm[:, 1].min() <= warm[:, 1].max() < 0.2
    assert warm.shape == (3, 3)


def test_time_on_the_gpu_comes_from_the_runtime():
    np.testing.assert_array_equal(take_turn(Sleeper(gpu_seconds=0.5), PICTURE, 2, 0).gpu, [0.5, 0.5])
    assert not len(take_turn(Sleeper(), PICTURE, 2, 0).gpu)


@pytest.mark.parametrize(("streams", "batch"), [(1, 1), (1, 4), (3, 2)])
def test_throughput_counts_pictures_of_all_streams(streams, batch):
    done = measure_throughput([Sleeper(first=0.1) for _ in range(streams)], PICTURE, batch, 0.3, warm_up=1)
    assert (done.batch, done.streams) == (batch, streams)
    assert 0.5 * streams * batch / NAP < done.pictures_per_second <= 1.01 * streams * batch / NAP
    assert done.run.least >= 1000 * NAP


def test_a_load_that_is_kept_up_with():
    load = measure_load([lambda: time.sleep(NAP)], rate=10, seconds=0.5)
    assert (load.requests, load.answered, load.saturated) == (5, 5, False)
    assert 1000 * NAP <= load.latency.median < 2000 * NAP
    assert load.waiting.median < 10


def test_waiting_is_counted_where_requests_come_faster_than_answers():
    """A hundred a second, each taking two hundredths: the n-th waits n hundredths, though none takes longer than the first."""
    load = measure_load([lambda: time.sleep(NAP)], rate=100, seconds=0.3)
    assert (load.requests, load.answered, load.saturated) == (30, 30, True)
    assert load.latency.median > 1000 * (NAP + 0.9 * 14 * 0.01)
    assert load.latency.p99 > 1000 * (NAP + 0.9 * 28 * 0.01)
    assert load.latency.least < 3000 * NAP


def test_more_streams_keep_up_with_more():
    load = measure_load([lambda: time.sleep(NAP)] * 4, rate=100, seconds=0.3)
    assert load.latency.median < 3000 * NAP
    assert load.streams == 4


def test_a_hopeless_load_ends():
    begin = time.perf_counter()
    load = measure_load([lambda: time.sleep(0.2)], rate=100, seconds=0.2)
    assert load.answered < 5 < load.requests == 20
    assert load.saturated
    assert time.perf_counter() - begin < 2

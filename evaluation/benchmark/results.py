"""What `bench` measured, as it stands in a results file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..environment import Environment
from ..models import ModelFacts

SCHEMA = "trtzoo.bench"
END_TO_END = "end_to_end"


@dataclass(frozen=True)
class BenchSettings:
    """How models are measured.

    Attributes:
        runs: timed ones of each model.
        chunk: runs of a model until the next one has its turn.
        warm_up: runs that are not timed: once for each model, and one more whenever it has its turn again.
        batch_sizes: of the throughput.
        streams: of the throughput and of the load, each with a model of its own.
        seconds: that each throughput and the load are measured for.
        rate: requests a second of the load, None to measure none.
    """

    runs: int = 200
    chunk: int = 10
    warm_up: int = 10
    batch_sizes: tuple[int, ...] = (1,)
    streams: int = 1
    seconds: float = 2.0
    rate: float | None = None


@dataclass(frozen=True)
class Times:
    """Milliseconds of many runs.

    Attributes:
        mean: of all.
        median: of all.
        p90: nine in ten are faster; between two runs by linear interpolation.
        p99: likewise.
        least: the fastest run.
        count: how many runs.
    """

    mean: float
    median: float
    p90: float
    p99: float
    least: float
    count: int


@dataclass(frozen=True)
class Throughput:
    """The network at work without a pause, copies to and from a GPU included, pictures prepared before.

    Attributes:
        batch: pictures a run.
        streams: models that run at the same time in one process.
        pictures_per_second: of all streams.
        run: milliseconds of one run.
    """

    batch: int
    streams: int
    pictures_per_second: float
    run: Times


@dataclass(frozen=True)
class LoadFigures:
    """Pictures that arrive by the clock, whether or not the one before is done.

    Attributes:
        rate: requests a second.
        streams: that answer them.
        requests: that arrived.
        answered: of them, within three times the time; later ones are not in the figures.
        answered_per_second: from the first arrival to the last answer.
        latency: milliseconds from the time at which a request should arrive to its answer, waiting included.
        waiting: milliseconds of it before the work began.
    """

    rate: float
    streams: int
    requests: int
    answered: int
    answered_per_second: float
    latency: Times
    waiting: Times

    @property
    def saturated(self) -> bool:
        """Whether requests came faster than they could be answered, so that figures grow with the time measured."""
        return self.answered < self.requests or self.answered_per_second < 0.95 * self.rate


GpuSource = Literal["process", "device", "unknown"]


@dataclass(frozen=True)
class Memory:
    """What a model's process takes up, after its first runs.

    Attributes:
        rss_mib: most resident memory of the process.
        gpu_mib: of the GPU; None where it is not known.
        gpu_source: "process" is the driver's figure for the process; "device" is by how much the GPU's use grew while the
            model was opened, where the driver does not see the process (in containers).
    """

    rss_mib: float
    gpu_mib: float | None
    gpu_source: GpuSource


@dataclass(frozen=True)
class Best:
    """The best finding on the picture.

    Attributes:
        score: None where nothing was found.
        name: of its class.
        count: of findings.
    """

    score: float | None
    name: str
    count: int


@dataclass(frozen=True)
class Relative:
    """Time end to end as a multiple of the first model's.

    Attributes:
        ratio: median over the turns of each turn's ratio of medians; below 1 is faster.
        low: lower end of its 95 % bootstrap interval over the turns.
        high: upper end.
        against: label of the first model.
    """

    ratio: float
    low: float
    high: float
    against: str


@dataclass(frozen=True)
class ModelBench:
    """One model.

    Attributes:
        model: what it is.
        scale: "n", "s", "m", "l", "x" or "" where its name does not tell.
        batch: pictures a run of `times`.
        load_seconds: from a fresh process that has imported numpy to a model that is ready, libraries included.
        first_ms: of the first run, cold.
        times: milliseconds a run by stage: "preprocess", "inference" (copies to and from a GPU included), "postprocess",
            "end_to_end".
        gpu: time of the network and its copies between CUDA events; None off a GPU, or where the runtime does not tell.
        relative: to the first model; None for that one.
        throughput: at each batch size that the model takes.
        load: under a fixed rate of requests.
        memory: of its process.
        best: finding on the picture.
        notes: a sentence each.
    """

    model: ModelFacts
    scale: str
    batch: int
    load_seconds: float
    first_ms: float
    times: dict[str, Times]
    gpu: Times | None
    relative: Relative | None
    throughput: tuple[Throughput, ...]
    load: LoadFigures | None
    memory: Memory
    best: Best
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clocks:
    """Least and most MHz that were seen at the end of each turn, the machine being warm; None where it does not tell.

    Attributes:
        cpu: of the fastest core.
        gpu: of the multiprocessors.
    """

    cpu: tuple[int, int] | None
    gpu: tuple[int, int] | None


@dataclass(frozen=True)
class BenchResults:
    """A whole call.

    Attributes:
        environment: where and how.
        settings: how models were measured.
        picture: name and size of what they looked at.
        clocks: of the processors meanwhile.
        models: in the order of the call.
    """

    environment: Environment
    settings: BenchSettings
    picture: str
    clocks: Clocks
    models: tuple[ModelBench, ...]

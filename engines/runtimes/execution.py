"""Running a deserialised engine: buffers, copies, the CUDA graph, and the batch sizes that the engine allows."""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError, UnsupportedError
from ...graph.weights import Array
from ..library.cuda_driver import Cuda, CudaError
from ..plans.tensors import EngineTensor
from .batches import Run, plan_runs

GRAPHS = 8
"""How many batch sizes of a free batch, and choices of outputs, have a CUDA graph at a time."""


@dataclass(frozen=True)
class Buffer:
    """The memory of one input or output, large enough for the greatest batch.

    Attributes:
        tensor: whose it is.
        row: shape of one image's part.
        device: address on the GPU.
        host: page-locked bytes.
    """

    tensor: EngineTensor
    row: tuple[int, ...]
    device: int
    host: Array

    def view(self, batch: int) -> Array:
        """The host memory of the first `batch` images as an array [batch, *row]."""
        dtype = np.dtype(self.tensor.dtype)
        size = batch * int(np.prod(self.row)) * dtype.itemsize
        values: Array = self.host[:size].view(dtype).reshape(batch, *self.row)
        return values


@dataclass(frozen=True)
class Work:
    """What one CUDA graph does.

    Attributes:
        size: images of the run.
        outputs: that are copied back.
    """

    size: int
    outputs: tuple[str, ...]


class Executor:
    """An execution context with everything that it needs.

    All memory is allocated once, here. Copies and network are recorded as a CUDA graph, so that a run costs one launch:
    after the first run where the batch is fixed, else after the second run of a batch size, one graph a size, as Triton's
    TensorRT backend has them of one context. Each choice of outputs has graphs of its own. A network that cannot be recorded
    runs without.

    Args:
        context: IExecutionContext.
        tensors: inputs and outputs of its engine.
        cuda: memory and stream of the GPU that it is on.
        record: whether to use CUDA graphs.
        said: what the library said since it was last asked.

    Attributes:
        gpu_seconds: of the last `infer` between CUDA events: copies there and back, and the network.

    Raises:
        UnsupportedError: the engine takes several pictures, or has an output whose shape only its values decide.
        CudaError: the GPU has not the memory.
    """

    def __init__(
        self,
        context: Any,
        tensors: Sequence[EngineTensor],
        cuda: Cuda,
        record: bool = True,
        said: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._context = context
        self._said = said
        self._cuda = cuda
        self._lock = threading.Lock()
        self.input, self._others = _split_inputs(tensors)
        self.least, self.most = batch_limits(self.input)
        self._batch = 0
        self._set_batch(self.most)
        outputs = [tensor for tensor in tensors if tensor.mode == "output"]
        self._in = self._buffer(self.input, self.input.shape)
        self._settings = [self._buffer(tensor, tensor.shape) for tensor in self._others]
        self._out = [self._buffer(tensor, self._output_shape(tensor)) for tensor in outputs]
        self._record = record
        self._graphs: OrderedDict[Work, int] = OrderedDict()
        self._seen: Counter[Work] = Counter()
        self.gpu_seconds = 0.0

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the inputs that are no pictures, such as thresholds."""
        return tuple(buffer.tensor.name for buffer in self._settings)

    def infer(
        self, images: Array, settings: Mapping[str, Array] | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network on any number of images; more than the engine takes at once are run in turn.

        Several threads may call this; they wait for each other.

        Args:
            images: [B, ...] as the input is.
            settings: values of the other inputs, by name.
            outputs: names of those that are copied back; None wants all.

        Raises:
            InputError: the images or settings do not fit the inputs, or it is closed.
            UnsupportedError: the GPU failed.
        """
        if self._context is None:
            raise InputError("the engine is closed; open it again")
        self._check(images)
        out = tuple(buffer for buffer in self._out if outputs is None or buffer.tensor.name in outputs)
        with self._lock:
            try:
                self._cuda.enter()
                self._set(settings or {})
                self.gpu_seconds = 0.0
                parts = [self._run(images, run, out) for run in plan_runs(len(images), self.least, self.most)]
            except CudaError as error:
                raise UnsupportedError(f"the GPU failed while it ran the network: {error}; start again") from error
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts[1:] else parts[0]

    def close(self) -> None:
        """Free the memory; a second call does nothing."""
        if self._context is not None:
            self._context = None
            self._cuda.close()

    @property
    def uses_graph(self) -> bool:
        """Whether the network has been recorded, for one batch size at least."""
        return bool(self._graphs)

    def _run(self, images: Array, run: Run, out: tuple[Buffer, ...]) -> dict[str, Array]:
        work = Work(run.size, tuple(buffer.tensor.name for buffer in out))
        host = self._in.view(run.size)
        host[: run.count] = images[run.start : run.start + run.count]
        host[run.count :] = 0
        graph = self._graphs.get(work)
        if graph is None:
            self._set_batch(run.size)
        self._cuda.start_clock()
        if graph is None:
            self._enqueue(run.size, out)
        else:
            self._graphs.move_to_end(work)
            self._cuda.launch(graph)
        self._cuda.stop_clock()
        self._cuda.synchronize()
        self.gpu_seconds += self._cuda.elapsed()
        results = {buffer.tensor.name: buffer.view(run.size)[: run.count].copy() for buffer in out}
        if self._record and work not in self._graphs:
            self._seen[work] += 1
            if self.least == self.most or self._seen[work] > 1:
                self._keep_graph(work, out)
        return results

    def _keep_graph(self, work: Work, out: tuple[Buffer, ...]) -> None:
        """Record the work that a run just did; where that fails once, it is not tried again."""
        graph = self._recorded(work.size, out)
        if graph is None:
            self._record = False
            return
        self._graphs[work] = graph
        if len(self._graphs) > GRAPHS:
            self._cuda.forget(self._graphs.popitem(last=False)[1])

    def _set(self, settings: Mapping[str, Array]) -> None:
        for buffer in self._settings:
            if buffer.tensor.name not in settings:
                raise InputError(
                    f"the engine needs a value for its input {buffer.tensor.name}; give it with the pictures"
                )
            buffer.view(self.most)[:] = settings[buffer.tensor.name]

    def _enqueue(self, size: int, out: tuple[Buffer, ...]) -> None:
        """Copy in, run, copy out, all in the stream's order."""
        self._cuda.upload(self._in.device, self._in.view(size))
        for buffer in self._settings:
            self._cuda.upload(buffer.device, buffer.view(size))
        if not self._context.execute_async_v3(self._cuda.stream):
            raise CudaError(f"TensorRT did not start the network ({'; '.join(self._said()) or 'it gave no reason'})")
        for buffer in out:
            self._cuda.download(buffer.view(size), buffer.device)

    def _recorded(self, size: int, out: tuple[Buffer, ...]) -> int | None:
        """The work of a run as a graph, None if it cannot be recorded."""
        self._cuda.begin_capture()
        try:
            self._enqueue(size, out)
        except CudaError:
            self._cuda.abandon_capture()
            return None
        try:
            return self._cuda.end_capture()
        except CudaError:
            return None
        finally:
            self._said()  # that it cannot be recorded is no reason of a later failure

    def _check(self, images: Array) -> None:
        wanted = self.input.shape[1:]
        if images.shape[1:] != wanted or not np.can_cast(images.dtype, self.input.dtype, "same_kind"):
            raise InputError(
                f"the input {self.input.name} takes {self.input.dtype} [batch, {', '.join(map(str, wanted))}], not "
                f"{images.dtype} {list(images.shape)}"
            )

    def _set_batch(self, size: int) -> None:
        if size != self._batch and -1 in self.input.shape:
            for tensor in (item for item in (self.input, *self._others) if -1 in item.shape):
                if not self._context.set_input_shape(tensor.name, (size, *tensor.shape[1:])):
                    raise InputError(
                        f"the engine does not take a batch of {size}; it takes {self.least} to {self.most}"
                    )
        self._batch = size

    def _output_shape(self, tensor: EngineTensor) -> tuple[int, ...]:
        """Shape of an output at the greatest batch."""
        missing = self._context.infer_shapes()
        shape = tuple(self._context.get_tensor_shape(tensor.name))
        if missing or any(length < 0 for length in shape):
            raise UnsupportedError(
                f"the output {tensor.name} {list(shape)} has a shape that depends on the picture; build the model with "
                "--end2end --nms plain, whose outputs have fixed shapes"
            )
        return shape

    def _buffer(self, tensor: EngineTensor, shape: Sequence[int]) -> Buffer:
        row = tuple(shape[1:])
        size = self.most * int(np.prod(row)) * np.dtype(tensor.dtype).itemsize
        buffer = Buffer(tensor, row, self._cuda.allocate(size), self._cuda.allocate_host(size))
        self._context.set_tensor_address(tensor.name, buffer.device)
        return buffer


def batch_limits(tensor: EngineTensor) -> tuple[int, int]:
    """Least and greatest batch of an engine's input."""
    if tensor.shape[0] >= 0:
        return tensor.shape[0], tensor.shape[0]
    return tensor.profile[0][0], tensor.profile[2][0]


def _split_inputs(tensors: Sequence[EngineTensor]) -> tuple[EngineTensor, list[EngineTensor]]:
    """The pictures, and the inputs beside them that have a few values an image, such as thresholds [B, 1]."""
    inputs = [tensor for tensor in tensors if tensor.mode == "input"]
    pictures = [tensor for tensor in inputs if math.prod(tensor.shape[1:]) > 1]
    if len(pictures) != 1 or any(length < 0 for length in pictures[0].shape[1:]):
        seen = ", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in inputs) or "none"
        raise UnsupportedError(
            f"only an engine with one input of fixed height and width can be run; this one has {seen}"
        )
    return pictures[0], [tensor for tensor in inputs if tensor is not pictures[0]]

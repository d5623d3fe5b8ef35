"""Streams a graph into an ONNX file: the skeleton first, then each weight as it is computed, appended to the protobuf.

Neither the whole model nor a second copy of it is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from ..errors import UnsupportedError
from ..files import atomic_write
from .skeleton import lazy_weights, skeleton
from .weights import Weight

PROTOBUF_LIMIT = 2**31 - 1

# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data (all length-delimited).
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9

Properties = Mapping[str, str] | Callable[[], Mapping[str, str]]


def write_onnx(graph: gs.Graph, properties: Properties, path: Path) -> None:
    """Write `graph` to `path`: the skeleton, every weight as it is computed, the metadata; then a rename.

    Args:
        graph: the graph.
        properties: its metadata; a function is called in a thread of its own while the weights are written.
        path: the file.

    Raises:
        UnsupportedError: the model exceeds protobuf's 2 GiB.
        InputError: the file cannot be written.
    """
    lazy = lazy_weights(graph)
    model = skeleton(graph, {})
    headers = _take_initializers(model, lazy)
    head, body = _split(model)
    prefixes = [_tensor_prefix(header, weight.nbytes) for header, weight in zip(headers, lazy.values(), strict=True)]
    size = len(body) + sum(map(len, prefixes)) + sum(weight.nbytes for weight in lazy.values())
    if size > PROTOBUF_LIMIT:
        raise UnsupportedError(
            f"{path}: the model takes {size / 2**30:.1f} GiB, above the 2 GiB of an ONNX file; use a smaller model"
        )
    with atomic_write(path) as stream, ThreadPoolExecutor(max_workers=1) as pool:
        late = pool.submit(properties) if callable(properties) else None
        stream.write(head + _tag(_MODEL_GRAPH) + _varint(size) + body)
        for block in _initializers(prefixes, list(lazy.values())):
            stream.write(block)
        tail = onnx.ModelProto()
        onnx.helper.set_model_props(tail, dict(late.result() if late else cast(Mapping[str, str], properties)))
        stream.write(tail.SerializeToString())


def _initializers(prefixes: Sequence[bytes], weights: Sequence[Weight]) -> Iterator[bytes | memoryview]:
    """The bytes of all weights, each behind its prefix, in pieces.

    Raises:
        ValueError: a weight is not what it promised to be, which would leave the file unreadable.
    """
    for prefix, weight in zip(prefixes, weights, strict=True):
        yield prefix
        written = 0
        for piece in weight.stream():
            if piece.dtype != weight.dtype:
                raise ValueError(f"a weight promised {weight.dtype} but loaded as {piece.dtype}")
            written += piece.nbytes
            if piece.size:
                yield np.ascontiguousarray(piece).data.cast("B")
        if written != weight.nbytes:
            raise ValueError(f"a weight promised {weight.dtype}{list(weight.shape)} but loaded as {written} bytes")


def _take_initializers(model: onnx.ModelProto, lazy: Mapping[str, Weight]) -> list[onnx.TensorProto]:
    """Remove the lazy initializers from the model; return their headers in the order of `lazy`."""
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in lazy]
    taken = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in lazy}
    headers = []
    for name in lazy:
        header = onnx.TensorProto()
        header.CopyFrom(taken[name])
        headers.append(header)
    kept = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in kept]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return headers


def _split(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """The serialised model without its graph, and the serialised graph."""
    body = model.graph.SerializeToString()
    model.ClearField("graph")
    return bytes(model.SerializeToString()), bytes(body)


def _tensor_prefix(header: onnx.TensorProto, nbytes: int) -> bytes:
    """The bytes of a GraphProto.initializer entry up to where its raw data begins."""
    fields = bytes(header.SerializeToString()) + _tag(_TENSOR_RAW_DATA) + _varint(nbytes)
    return _tag(_GRAPH_INITIALIZER) + _varint(len(fields) + nbytes) + fields


def _tag(field: int) -> bytes:
    """Protobuf key of a length-delimited field."""
    return _varint(field << 3 | 2)


def _varint(value: int) -> bytes:
    """Protobuf's base-128 integer."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

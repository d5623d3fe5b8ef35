"""A graph computed from layer to layer, so that what a layer wrote can be changed before the next one reads it.

images . [ ... Conv ] y1 . [ SiLU ... Conv ] y2 . [ ... ]        each bracket is one ONNX Runtime session
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import onnx_graphsurgeon as gs

from ....graph.weights import Array
from ..session import session_of


@dataclass(frozen=True)
class Segment:
    """What is computed between two cuts.

    Attributes:
        cut: name of the node at its end.
        output: the tensor that this node writes.
        inputs: tensors that it reads.
        outputs: tensors that later segments read, `output` first.
        spent: tensors that no later segment reads.
        nodes: that compute it, in the order of the graph.
    """

    cut: str
    output: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    spent: tuple[str, ...]
    nodes: tuple[gs.Node, ...]


def segments_of(graph: gs.Graph, cuts: Sequence[str]) -> list[Segment]:
    """Cut a graph behind these nodes, which are in the order of computation."""
    nodes = {node.name: node for node in graph.nodes}
    place = {id(node): number for number, node in enumerate(graph.nodes)}
    done: set[int] = set()
    parts = [_missing(nodes[cut], done) for cut in cuts]
    reads = [_read_from_outside(part) for part in parts]
    segments = []
    for index, (cut, part) in enumerate(zip(cuts, parts, strict=True)):
        later = {name for names in reads[index + 1 :] for name in names}
        written = [tensor.name for node in part for tensor in node.outputs]
        output = nodes[cut].outputs[0].name
        outputs = (output, *(name for name in written if name in later and name != output))
        spent = {name for name in (*reads[index], output) if name not in later}
        ordered = sorted(part, key=lambda node: place[id(node)])
        segments.append(Segment(cut, output, tuple(reads[index]), outputs, tuple(sorted(spent)), tuple(ordered)))
    return segments


def _missing(node: gs.Node, done: set[int]) -> list[gs.Node]:
    """The node and what it depends on, without what was done before."""
    found, waiting = [], [node]
    while waiting:
        current = waiting.pop()
        if id(current) not in done:
            done.add(id(current))
            found.append(current)
            waiting.extend(producer for tensor in current.inputs for producer in tensor.inputs)
    return found


def _read_from_outside(part: Iterable[gs.Node]) -> list[str]:
    nodes = list(part)
    written = {tensor.name for node in nodes for tensor in node.outputs}
    read = (tensor for node in nodes for tensor in node.inputs if not isinstance(tensor, gs.Constant) and tensor.name)
    return list(dict.fromkeys(tensor.name for tensor in read if tensor.name not in written))


class LayerwiseRun:
    """One network over several pictures, a layer at a time; keeps only what later layers read.

    Args:
        graph: is not changed.
        cuts: names of the layers to stop behind.
        images: inputs, each computed on its own.
    """

    def __init__(self, graph: gs.Graph, cuts: Sequence[str], images: Sequence[Array]) -> None:
        self._graph = graph
        self._segments = segments_of(graph, cuts)
        self._values: dict[str, list[Array]] = {graph.inputs[0].name: list(images)}

    def layers(self) -> Iterator[list[Array]]:
        """What each cut layer writes, an array a picture; change the arrays in place before asking for the next."""
        for segment in self._segments:
            session = session_of(_part(self._graph, segment))
            inputs = [self._values[name] for name in segment.inputs]
            fresh: dict[str, list[Array]] = {name: [] for name in segment.outputs}
            for row in zip(*inputs, strict=True):
                found = session.run(list(segment.outputs), dict(zip(segment.inputs, row, strict=True)))
                for name, array in zip(segment.outputs, found, strict=True):
                    fresh[name].append(array)
            self._values |= fresh
            yield fresh[segment.output]
            for name in segment.spent:
                self._values.pop(name, None)


def _part(graph: gs.Graph, segment: Segment) -> gs.Graph:
    """The nodes of one segment as a graph of its own; nothing else of the graph is copied, which may have hundreds of segments."""
    tensors = {tensor.name: tensor for node in segment.nodes for tensor in (*node.inputs, *node.outputs)}
    part = gs.Graph(
        nodes=list(segment.nodes),
        inputs=[tensors[name] for name in segment.inputs],
        outputs=[tensors[name] for name in segment.outputs],
        opset=graph.opset,
        import_domains=graph.import_domains,
        functions=graph.functions,
        ir_version=graph.ir_version,
    )
    return part.copy()

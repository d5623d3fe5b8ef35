"""Remove with onnxsim what a foreign exporter left in a graph (shape arithmetic, identities), and show it harmless.

    exported graph -> onnxsim -> fewer nodes; outputs compared before and after on a seeded random input

Graphs that trtzoo emits need none of this: onnxsim finds nothing to remove in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from ..errors import MissingDependencyError, UnsupportedError, VerificationError
from ..graph.compare import moved
from ..graph.session import first_line, run_once
from ..graph.skeleton import BATCH, load_all
from ..graph.weights import Array
from .model import Model, Pass

TOLERANCE = 1e-4
"""How far an output may move, relative to its largest value: what folding a batch normalisation costs in float32."""

_CHECK_BATCH = 2
_SEED = 20


@dataclass(frozen=True)
class Simplification:
    """What `simplify` did.

    Attributes:
        nodes_before: of the graph.
        nodes_after: of the simplified graph.
        difference: the largest of any output, relative to that output's largest value.
    """

    nodes_before: int
    nodes_after: int
    difference: float

    def __str__(self) -> str:
        return (
            f"simplified from {self.nodes_before} to {self.nodes_after} nodes; outputs on a random input moved by "
            f"{self.difference:.1e} of their largest value (allowed {TOLERANCE:.0e})"
        )


def simplified(wanted: bool) -> Pass | None:
    """The pass that simplifies."""

    def step(model: Model) -> Model:
        graph, done = simplify(model.graph)
        return replace(model, graph=graph).noted(str(done))

    return step if wanted else None


def simplify_onnx(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Simplify a model of any origin; returns it, and a sentence that says what was done.

    Raises:
        TrtZooError: as `simplify`.
    """
    graph, done = simplify(gs.import_onnx(model))
    return load_all(graph, {}), str(done)


def simplify(graph: gs.Graph) -> tuple[gs.Graph, Simplification]:
    """Simplify a graph, and check that it still computes the same.

    Args:
        graph: inputs with known axes except the batch; it is not changed.

    Returns:
        The simplified graph, and what was removed.

    Raises:
        MissingDependencyError: onnxsim is not installed.
        UnsupportedError: onnxsim or ONNX Runtime cannot process the graph.
        VerificationError: the simplified graph computes something else.
    """
    original = load_all(graph, {})
    simplified = _run_onnxsim(original)
    inputs = _random_inputs(original)
    before, after = (_outputs(model, inputs, which) for model, which in ((original, ""), (simplified, "simplified ")))
    result = Simplification(len(original.graph.node), len(simplified.graph.node), _difference(before, after))
    return gs.import_onnx(simplified), result


def _run_onnxsim(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        import onnxsim
    except ImportError as error:
        raise MissingDependencyError("--simplify needs onnxsim: pip install 'trtzoo[simplify]'") from error
    try:
        simplified, _ = onnxsim.simplify(model)
    except Exception as error:  # onnxsim raises whatever its C++ parts do
        raise UnsupportedError(
            f"onnxsim cannot simplify this graph: {first_line(error)}; leave out --simplify"
        ) from error
    return cast(onnx.ModelProto, simplified)


def _random_inputs(model: onnx.ModelProto) -> dict[str, Array]:
    """Uniform 0..1 for every input, two images where the batch is free."""
    random = np.random.default_rng(_SEED)
    return {value.name: _random_input(value, random) for value in model.graph.input}


def _random_input(value: onnx.ValueInfoProto, random: np.random.Generator) -> Array:
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    shape = [_length(axis, value.name, number) for number, axis in enumerate(value.type.tensor_type.shape.dim)]
    return random.random(shape).astype(kind)


def _length(axis: Any, name: str, number: int) -> int:
    if axis.HasField("dim_value"):
        return int(axis.dim_value)
    if number == 0:
        return _CHECK_BATCH
    raise UnsupportedError(
        f"axis {number} of the input {name} has no fixed length ({axis.dim_param or '?'}), only the {BATCH} may be "
        f"free; fix it with --img-size"
    )


def _outputs(model: onnx.ModelProto, inputs: Mapping[str, Array], which: str) -> dict[str, Array]:
    try:
        return run_once(model.SerializeToString(), inputs)
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        raise UnsupportedError(
            f"ONNX Runtime cannot run the {which}graph to compare it: {first_line(error)}; leave out --simplify"
        ) from error


def _difference(before: Mapping[str, Array], after: Mapping[str, Array]) -> float:
    """The largest relative difference of any output.

    Raises:
        VerificationError: it is above `TOLERANCE`, or an output has gone or changed its shape.
    """
    worst = 0.0
    for name, expected in before.items():
        distance = moved(expected, after[name]) if name in after else np.inf
        if distance > TOLERANCE:
            raise VerificationError(
                f"onnxsim changed the output {name}: it moves by {distance:.1e} of its largest value, "
                f"allowed {TOLERANCE:.0e}; leave out --simplify"
            )
        worst = max(worst, distance)
    return worst

"""Two models on the same pictures, stage by stage: preparing the picture, the network, its detections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, fields

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import NmsSettings, Suppression
from ...contract.outputs import input_spec
from ...engines.pictures.detections import Detections
from ...engines.pictures.postprocess import decode
from ...engines.runtimes.base import Runtime
from ...errors import InputError
from ...graph.weights import Array
from ...graph_passes.layouts import undressed
from ..environment import describe_environment
from ..models import describe_model
from ..subjects import Subject
from .detections import compare_detections
from .inputs import as_input, compare_inputs
from .layers import first_difference
from .original import OriginalRuntime
from .outputs import compare_outputs, explain_order
from .results import RULE_NAMES, RULES, Fault, LayerDifference, OutputDifference, RuleName, VerifyResults


@dataclass
class _Seen:
    """What both gave so far."""

    inputs: list[Array] = field(default_factory=list)
    heads: tuple[list[Mapping[str, Array]], list[Mapping[str, Array]]] = field(default_factory=lambda: ([], []))
    found: list[tuple[Detections, Detections]] = field(default_factory=list)
    difference: float = 0.0
    fault: Fault | None = None


def verify(
    reference: Subject,
    candidate: Subject,
    pictures: Mapping[str, Array],
    rule: RuleName | None = None,
    bisect: bool = False,
    note: Callable[[str], object] = str,
    open_original: Callable[[], OriginalRuntime] | None = None,
) -> VerifyResults:
    """Hold a candidate against a reference: both networks get the same input, the picture as the reference prepares it.

    Args:
        reference: what is right.
        candidate: what is held against it.
        pictures: uint8 [H, W, 3] (blue, green, red) by name.
        rule: what may differ; None takes that of the less precise model.
        bisect: look for the first layer that differs, where the networks do.
        note: is told what the user should know, a sentence each.
        open_original: opens the reference in its own framework.

    Raises:
        InputError: models that cannot be compared, or that cannot be read.
    """
    with ExitStack() as stack:
        original = open_original() if open_original else None
        first = stack.enter_context(closing(original or reference.open(note)))
        second = stack.enter_context(closing(candidate.open(note)))
        _check(first, second, reference, candidate)
        name = rule or _rule_for(first, second)
        seen = _look(first, second, pictures, original.prepares if original else None)
        outputs, faults = _networks(seen, second, name) if original is None or original.exact else ([], [])
        detections, lost = compare_detections(seen.found, RULES[name], first.meta.task)
        described = describe_model(reference.path, reference.label, first)
        other = describe_model(candidate.path, candidate.label, second)
        metas = first.meta, second.meta
    looked_at = outputs and RULES[name].output is not None
    if not looked_at and not (detections.reference or detections.candidate):
        raise InputError(
            f"neither model found anything above {RULES[name].above:g}, so nothing was compared; give --source pictures with "
            "objects that they know"
        )
    faults = [*([seen.fault] if seen.fault else []), *_names(*metas), *faults, *lost]
    layer = first_difference(reference, candidate, seen.inputs[0], metas, RULES[name]) if bisect and faults else None
    if layer:
        faults.append(Fault("network", _told(layer)))
    return VerifyResults(
        describe_environment(),
        described,
        other,
        tuple(pictures),
        name,
        seen.difference,
        tuple(outputs),
        detections,
        tuple(faults),
        layer,
        not faults,
    )


def _check(first: Runtime, second: Runtime, reference: Subject, candidate: Subject) -> None:
    metas = first.meta, second.meta
    for what, values in (
        ("tasks", [meta.task for meta in metas]),
        ("input sizes", [meta.imgsz for meta in metas]),
        ("numbers of classes", [len(meta.names) for meta in metas]),
        ("numbers of channels", [meta.channels for meta in metas]),
        ("keypoints", [meta.kpt_shape for meta in metas]),
    ):
        if values[0] != values[1]:
            raise InputError(
                f"{reference.label} and {candidate.label} have different {what}, {values[0]} and {values[1]}; they are not the "
                "same model (--img-size changes the input of weights)"
            )


def _rule_for(first: Runtime, second: Runtime) -> RuleName:
    """That of the less precise model; TensorRT computes FP32 in TF32, which has the mantissa of FP16."""
    return max((_precision(first), _precision(second)), key=RULE_NAMES.index)


def _precision(runtime: Runtime) -> RuleName:
    tf32: RuleName = "fp16" if "TensorRT" in runtime.name else "fp32"
    return max((runtime.meta.precision, tf32), key=RULE_NAMES.index)


def _look(
    first: Runtime,
    second: Runtime,
    pictures: Mapping[str, Array],
    prepares: Callable[[Array], Array] | None,
) -> _Seen:
    """Both models on every picture."""
    seen, settings = _Seen(), _settings(first.meta, second.meta)
    for picture in pictures.values():
        values, placement, difference, fault = compare_inputs(picture, first.meta, second.meta, prepares)
        seen.inputs.append(values)
        seen.difference, seen.fault = max(seen.difference, difference), seen.fault or fault
        both = []
        for runtime, heads in zip((first, second), seen.heads, strict=True):
            outputs = infer(runtime, values, settings)
            if not runtime.meta.end2end:
                heads.append(_raw(outputs, runtime.meta))
            both.append(decode(outputs, 0, placement, runtime.meta, settings))
        seen.found.append((both[0], both[1]))
    return seen


def infer(runtime: Runtime, values: Array, settings: Suppression) -> dict[str, Array]:
    """Run a network on a canonical image [C, H, W]; a fixed batch is filled up with black."""
    meta = runtime.meta
    images = np.zeros((meta.batch or 1, *(int(axis) for axis in input_spec(meta).shape[1:])), meta.input_dtype)
    images[0] = as_input(values, meta)
    return runtime.infer(images, settings)


def _raw(outputs: Mapping[str, Array], meta: ModelMeta) -> Mapping[str, Array]:
    image = {name: array[0] for name, array in outputs.items()}
    return image if meta.task == "classify" else undressed(image, meta)


def _settings(first: ModelMeta, second: ModelMeta) -> Suppression:
    """One suppression for both: that of the graph which has one, else of the reference's framework."""
    graph = second.nms or first.nms
    usual = first.suppression(NmsSettings())
    if graph is None:
        return usual
    return Suppression(**{one.name: getattr(graph, one.name) for one in fields(Suppression)})


def _networks(seen: _Seen, candidate: Runtime, name: RuleName) -> tuple[list[OutputDifference], list[Fault]]:
    """The outputs of both, where they are of one kind, and what is wrong with them."""
    if not (seen.heads[0] and seen.heads[1]):
        return [], []
    first, second = (_stacked(heads) for heads in seen.heads)
    rule = RULES[name]
    outputs = compare_outputs(first, second, rule)
    if all(one.passed for one in outputs):
        return outputs, []
    if _fits_reversed(seen, first, candidate, name):
        return outputs, [Fault("network", "the candidate's network takes its colours in reverse order (RGB and BGR)")]
    known = list(explain_order(first, second, rule))
    if known:
        return outputs, known
    return outputs, [
        Fault(
            "network",
            f"{one.name} are off by up to {one.largest:.4g} (largest value {one.scale:.4g}), cosine {one.cosine:.6f}",
        )
        for one in outputs
        if not one.passed
    ]


def _fits_reversed(seen: _Seen, first: Mapping[str, Array], candidate: Runtime, name: RuleName) -> bool:
    """Whether the candidate gives what the reference gives once its input's channels are reversed."""
    if candidate.meta.channels != 3:
        return False
    settings = candidate.meta.suppression(NmsSettings())
    heads = [_raw(infer(candidate, values[::-1], settings), candidate.meta) for values in seen.inputs]
    return all(one.passed for one in compare_outputs(first, _stacked(heads), RULES[name]))


def _stacked(heads: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([one[name] for one in heads]) for name in heads[0]}


def _names(first: ModelMeta, second: ModelMeta) -> list[Fault]:
    different = [
        number for number, names in enumerate(zip(first.names, second.names, strict=True)) if names[0] != names[1]
    ]
    if not different:
        return []
    number = different[0]
    return [
        Fault(
            "detections",
            f"{len(different)} classes have other names: class {number} is {first.names[number]!r} and {second.names[number]!r}",
        )
    ]


def _told(layer: LayerDifference) -> str:
    before = f"; {layer.before}, the layer before it, agrees" if layer.before else "; it is the first one"
    return f"{layer.name} is the first of {layer.compared} layers that differs, by {layer.error:.3g} of its largest value{before}"

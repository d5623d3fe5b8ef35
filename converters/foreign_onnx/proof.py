"""A reading of foreign outputs is tried before it is believed: on structured noise scores lie in 0..1, boxes all over the input."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from ...errors import UnsupportedError
from ...graph.session import first_line, run_once
from ...graph.skeleton import load_all
from ...graph.weights import Array
from .export import STATE_IT, Export
from .layouts import Layout

SEED = 7
MOST_PIXELS = 32 * 640 * 640
"""Input pixels up to which a graph is run; a larger fixed batch would need the memory of a server."""

_SLACK = 2e-3
_ROWS = "rows"


def prove(export: Export, graph: gs.Graph, layout: Layout) -> tuple[str, ...]:
    """Run a graph with raw heads on structured noise and look at what it says.

    Args:
        export: the file, for errors.
        graph: its raw heads are the outputs.
        layout: what the outputs were taken for.

    Returns:
        Notes for the user.

    Raises:
        UnsupportedError: scores outside of 0..1, boxes that do not spread over the input, or a graph that does not run.
    """
    batch, channels, height, width = graph.inputs[0].shape
    images = batch if isinstance(batch, int) else 1
    if images * height * width > MOST_PIXELS:
        return (f"a batch of {images} was not run to prove the layout, for it would need too much memory",)
    heads = _run(export, graph, layout, structured_noise((images, channels, height, width)) * layout.preprocess.scale)
    if layout.task == "classify":
        _prove_probabilities(export, layout, heads["probs"])
        return ()
    _prove_scores(export, layout, heads["scores"])
    if layout.kind == "final":
        _prove_classes(export, layout, heads[_ROWS])
    _prove_boxes(export, layout, heads["boxes"])
    return ()


def structured_noise(shape: tuple[int, int, int, int]) -> Array:
    """Images of 0..1: coarse blocks, half of them under fine noise, so that trained networks find edges to answer to."""
    random = np.random.default_rng(SEED)
    images, channels, height, width = shape
    blocks = random.random((images, channels, -(-height // 16), -(-width // 16)), np.float32)
    coarse = blocks.repeat(16, axis=2).repeat(16, axis=3)[:, :, :height, :width]
    fine = random.random(shape, np.float32)
    mixed: Array = np.where(np.arange(width) < width // 2, coarse, (coarse + fine) / 2)
    return mixed.astype(np.float32)


def _run(export: Export, graph: gs.Graph, layout: Layout, images: Array) -> dict[str, Array]:
    """The heads, and with NMS-free rows also these as the file gives them."""
    model = load_all(graph, {})
    if layout.kind == "final":
        values = layout.outputs[0]
        model.graph.node.add(op_type="Identity", input=[values.name], output=[_ROWS])
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(values.dtype))
        model.graph.output.add(name=_ROWS).type.tensor_type.elem_type = kind
    try:
        return run_once(model.SerializeToString(), {graph.inputs[0].name: images})
    except Exception as error:  # ONNX Runtime's own errors have no public base
        raise export.refuse(f"they cannot be proved, for the graph does not run here ({first_line(error)})") from error


def _prove_scores(export: Export, layout: Layout, scores: Array) -> None:
    low, high = float(scores.min()), float(scores.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise _not_proved(export, layout, f"scores of {low:.4g} to {high:.4g}, not of 0 to 1")


def _prove_classes(export: Export, layout: Layout, rows: Array) -> None:
    """The sixth value of a row is the number of a class."""
    numbers = rows[..., 5]
    if (np.abs(numbers - np.rint(numbers)) > 1e-3).any() or numbers.min() < 0 or numbers.max() > layout.classes - 1:
        raise _not_proved(
            export,
            layout,
            f"class numbers of {numbers.min():.4g} to {numbers.max():.4g}, not 0 to {layout.classes - 1}",
        )


def _prove_boxes(export: Export, layout: Layout, boxes: Array) -> None:
    """Centres spread over half of the input in both directions; the few rows of an NMS-free head over a quarter, or beyond it.

    Boxes that are the same for every anchor tell of no picture; they have only to lie in the input.
    """
    if not np.isfinite(boxes).all():
        raise _not_proved(export, layout, "boxes that are not finite")
    height, width = export.size
    if layout.given_to_plugin:
        if np.abs(boxes - 0.5).max() <= 0.75:
            raise _not_proved(export, layout, "boxes within 0 and 1, which are shares of the input and no pixels")
        return
    centres = boxes[..., :2] if layout.task == "obb" else (boxes[..., :2] + boxes[..., 2:4]) / 2
    low, high = (limit(centres.reshape(-1, 2), axis=0) for limit in (np.min, np.max))
    share = 0.25 if layout.nms_free else 0.5
    reach = np.maximum(high, high - low) if layout.nms_free or (high == low).all() else high - low
    if (reach < share * np.array([width, height])).any() or (low > [width, height]).any():
        raise _not_proved(
            export,
            layout,
            f"box centres of x {low[0]:.1f} to {high[0]:.1f}, y {low[1]:.1f} to {high[1]:.1f}, which do not spread over "
            f"the input of {width}x{height} pixels: they are not decoded, or in other units",
        )


def _prove_probabilities(export: Export, layout: Layout, probabilities: Array) -> None:
    sums = probabilities.sum(axis=1)
    if probabilities.min() < -_SLACK or (np.abs(sums - 1) > 0.02).any():
        raise _not_proved(
            export,
            layout,
            f"values of {probabilities.min():.4g} to {probabilities.max():.4g}, which are no probabilities of sum 1",
        )


def _not_proved(export: Export, layout: Layout, seen: str) -> UnsupportedError:
    taken = f"taken for the output of {layout.exporter}, they give on noise {seen}"
    return export.refuse(f"{taken}; {'' if layout.given_to_plugin else f'{STATE_IT}; or '}convert the original weights")

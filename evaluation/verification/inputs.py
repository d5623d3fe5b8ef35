"""The same picture as the inputs of two models, which may want it in different types, orders and colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...contract.meta import ModelMeta
from ...engines.pictures.preprocess import Placement, prepare
from ...graph.weights import Array
from .results import Fault

TOLERANCE = 0.003
"""Of white: a pixel rounded to eight bits is off by .002."""


def canonical(image: Array, meta: ModelMeta) -> Array:
    """A prepared image as float32 [C, H, W], red first, white 1."""
    values = image.astype(np.float32) / (255 if meta.input_dtype == "uint8" else meta.preprocess.scale)
    channels_first = values.transpose(2, 0, 1) if meta.input_axes == "hwc" else values
    return channels_first[::-1] if meta.preprocess.colour == "bgr" else channels_first


def as_input(values: Array, meta: ModelMeta) -> Array:
    """What `canonical` gives as a model's input."""
    ordered = values[::-1] if meta.preprocess.colour == "bgr" else values
    axes = ordered.transpose(1, 2, 0) if meta.input_axes == "hwc" else ordered
    whole = np.rint(axes * 255) if meta.input_dtype == "uint8" else axes * np.float32(meta.preprocess.scale)
    return np.ascontiguousarray(whole, dtype=meta.input_dtype)


def rounded(values: Array, *metas: ModelMeta) -> Array:
    """The image as the coarsest of these inputs can hold it, so that all networks get the same."""
    if any(meta.input_dtype == "uint8" for meta in metas):
        values = np.rint(values * 255) / np.float32(255)
    if any(meta.input_dtype == "float16" for meta in metas):
        values = values.astype(np.float16).astype(np.float32)
    return values


def compare_inputs(
    picture: Array,
    reference: ModelMeta,
    candidate: ModelMeta,
    prepares: Callable[[Array], Array] | None = None,
) -> tuple[Array, Placement, float, Fault | None]:
    """Prepare a picture as either model wants it.

    Args:
        picture: uint8 [H, W, 3], blue, green, red.
        reference: of the reference.
        candidate: of the candidate.
        prepares: makes the reference's input in canonical form, where that is not done as the metadata says.

    Returns:
        The reference's input in canonical form and where the picture lies in it; the largest difference of the two inputs; and
        what is wrong, if that is too much.
    """
    (ours, place), (theirs, other) = (prepare(picture, meta) for meta in (reference, candidate))
    first = prepares(picture) if prepares else canonical(ours, reference)
    second = canonical(theirs, candidate)
    difference = float(np.abs(first - second).max())
    fault = None
    if difference > TOLERANCE:
        fault = Fault("preprocess", _reason(first, second, place, other, difference))
    return rounded(first, reference, candidate), place, difference, fault


def _reason(first: Array, second: Array, place: Placement, other: Placement, difference: float) -> str:
    if np.abs(first - second[::-1]).max() <= TOLERANCE:
        return "the candidate's input has its colours in reverse order (RGB and BGR)"
    elsewhere = _placed_elsewhere(place, other)
    if elsewhere:
        return f"the candidate places the picture elsewhere: {elsewhere}"
    where = np.unravel_index(np.abs(first - second).max(axis=0).argmax(), first.shape[1:])
    return (
        f"the prepared inputs differ by up to {difference:.3g} of white, most at row {where[0]}, column {where[1]}: padding, "
        f"sampling or colours are not the same"
    )


def _placed_elsewhere(place: Placement, other: Placement) -> str:
    """How far the picture lies from where it should; "" where it lies there."""
    words = []
    right, down = (float(there - here) for there, here in zip(other.offset, place.offset, strict=True))
    if max(abs(right), abs(down)) > 0.01:
        words.append(f"{right:+g} pixels to the right, {down:+g} down")
    if any(abs(there / here - 1) > 1e-4 for there, here in zip(other.scale, place.scale, strict=True)):
        (across, along), (wide, high) = other.scale, place.scale
        words.append(f"scaled by {across:.5g} x {along:.5g} instead of {wide:.5g} x {high:.5g}")
    return ", ".join(words)

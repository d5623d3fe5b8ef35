"""Optimisation profiles: the range of shapes that an engine with free axes is built for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InputError
from ..plans.settings import BuildSettings, Range, Shape

FREE = -1
"""How TensorRT writes an axis whose length is not fixed."""

_SHAPE = re.compile(r"\d+(?:x\d+)*", re.ASCII)


@dataclass(frozen=True)
class NetworkInput:
    """An input of a parsed network.

    Attributes:
        name: of the tensor.
        shape: with `FREE` axes.
        is_shape: the values of the tensor are a shape, so the profile holds values instead of shapes.
    """

    name: str
    shape: Shape
    is_shape: bool = False


def read_range(text: str) -> tuple[str, Range]:
    """Name of an input and its range, as a user writes them: `images:1x3x320x320,1x3x640x640,4x3x1280x1280`.

    One shape alone is the least, most frequent and greatest at once. A name may hold colons of its own.

    Raises:
        InputError: not of this form.
    """
    name, _, shapes = text.rpartition(":")
    words = shapes.split(",")
    if not name or len(words) not in (1, 3) or not all(_SHAPE.fullmatch(word) for word in words):
        raise InputError(
            f"--shapes {text!r}: write NAME:MIN,OPT,MAX, such as images:1x3x320x320,1x3x640x640,4x3x640x640, or one shape "
            "for all three"
        )
    least, best, most = (tuple(map(int, word.split("x"))) for word in (words if len(words) == 3 else words * 3))
    return name, (least, best, most)


def plan_profile(inputs: Sequence[NetworkInput], settings: BuildSettings, where: str) -> dict[str, Range]:
    """The range of every input that needs one: what the user gave, else the batch sizes on a free first axis.

    Args:
        inputs: of the network.
        settings: batch sizes and shapes.
        where: the model's name, for messages.

    Raises:
        InputError: a free axis that only the user can fill in, or shapes that do not fit an input.
    """
    unknown = set(settings.shapes) - {tensor.name for tensor in inputs}
    if unknown:
        raise InputError(
            f"--shapes names {', '.join(sorted(unknown))}, but {where} has the inputs {', '.join(_names(inputs))}"
        )
    given = {
        tensor.name: _checked(tensor, settings.shapes[tensor.name])
        for tensor in inputs
        if tensor.name in settings.shapes
    }
    return {
        tensor.name: given.get(tensor.name) or _range(tensor, settings, where)
        for tensor in inputs
        if _needs_range(tensor)
    }


def batch_note(inputs: Sequence[NetworkInput], settings: BuildSettings) -> str | None:
    """What to tell the user who gave batch sizes for a graph that has none to choose."""
    plain = BuildSettings()
    given = (settings.min_batch, settings.opt_batch, settings.max_batch)
    if given == (plain.min_batch, plain.opt_batch, plain.max_batch) or any(_needs_range(tensor) for tensor in inputs):
        return None
    return (
        "the batch of this graph is fixed, so --min-batch, --opt-batch and --max-batch change nothing; convert it with "
        "--dynamic"
    )


def _names(inputs: Sequence[NetworkInput]) -> list[str]:
    return [tensor.name for tensor in inputs]


def _needs_range(tensor: NetworkInput) -> bool:
    return tensor.is_shape or FREE in tensor.shape


def _range(tensor: NetworkInput, settings: BuildSettings, where: str) -> Range:
    if tensor.is_shape:
        raise InputError(
            f"{where}: the input {tensor.name} holds a shape, and its values are not known; give its least, most "
            f"frequent and greatest values with --shapes {tensor.name}:MIN,OPT,MAX"
        )
    if FREE in tensor.shape[1:]:
        example = ",".join(["x".join(str(64 if length == FREE else length) for length in tensor.shape)] * 3)
        raise InputError(
            f"{where}: the input {tensor.name} {list(tensor.shape)} has free axes besides its batch; give its least, "
            f"most frequent and greatest shape with --shapes {tensor.name}:{example}"
        )
    rest = tensor.shape[1:]
    return (settings.min_batch, *rest), (settings.opt_batch, *rest), (settings.max_batch, *rest)


def _checked(tensor: NetworkInput, given: Range) -> Range:
    """The user's shapes, if they fit the input."""
    for shape in given:
        fits = tensor.is_shape or (
            len(shape) == len(tensor.shape)
            and all(have in (FREE, want) for have, want in zip(tensor.shape, shape, strict=True))
        )
        if not fits:
            axes = ", ".join("free" if length == FREE else str(length) for length in tensor.shape)
            raise InputError(f"--shapes {tensor.name}: {list(shape)} does not fit the input [{axes}]")
    least, best, most = given
    if any(not low <= middle <= high for low, middle, high in zip(least, best, most, strict=True)):
        raise InputError(f"--shapes {tensor.name}: the shapes {least}, {best}, {most} must not decrease")
    return given

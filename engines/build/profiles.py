"""Optimisation profiles: the range of shapes that an engine with free axes is built for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InputError
from ..plans.settings import BuildSettings, Range, Shape

FREE = -1
"""How TensorRT writes an axis whose length is not fixed."""


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
    ranges = {tensor.name: _range(tensor, settings, where) for tensor in inputs if _needs_range(tensor)}
    return {name: shapes for name, shapes in ranges.items() if shapes}


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
    if tensor.name in settings.shapes:
        return _checked(tensor, settings.shapes[tensor.name])
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
            raise InputError(f"--shapes {tensor.name}: {list(shape)} does not fit the input {list(tensor.shape)}")
    least, best, most = given
    if any(not low <= middle <= high for low, middle, high in zip(least, best, most, strict=True)):
        raise InputError(f"--shapes {tensor.name}: the shapes {least}, {best}, {most} must not decrease")
    return given

"""Expected against actual: the tensors that a contract promises, held against those of a file, an engine or a run."""

from __future__ import annotations

from collections.abc import Sequence

from .outputs import TensorSpec


def differences(expected: Sequence[TensorSpec], actual: Sequence[TensorSpec], mode: str) -> list[str]:
    """What is not as promised, a phrase each; names first, since without them nothing else can be compared.

    Args:
        expected: in order; a str in a shape stands for any length.
        actual: in order; what stands where `expected` has a number must be that number.
        mode: what they are, "inputs" or "outputs", for the phrase.
    """
    names, wanted = [spec.name for spec in actual], [spec.name for spec in expected]
    if names != wanted:
        return [f"{mode} {names} instead of {wanted}"]
    return [
        f"{have.name} is {have.dtype}{list(have.shape)} instead of {want.dtype}{list(want.shape)}"
        for want, have in zip(expected, actual, strict=True)
        if have.dtype != want.dtype or not shape_fits(want.shape, have.shape)
    ]


def shape_fits(expected: Sequence[int | str], actual: Sequence[int | str]) -> bool:
    """Whether a shape has the expected rank, and the expected length wherever that is a number."""
    return len(expected) == len(actual) and all(
        isinstance(want, str) or want == have for want, have in zip(expected, actual, strict=True)
    )

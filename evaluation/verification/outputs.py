"""Outputs of two networks, and what a difference between them means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...graph.weights import Array
from .results import Fault, OutputDifference, Rule

Heads = Mapping[str, Array]
"""Raw heads by name, [N, ...] of N pictures."""

WORDS = {"scores": ("class", 2), "probs": ("class", 1), "keypoints": ("keypoint", 2)}
"""Outputs with an axis whose order may be mistaken: what it counts, and its number."""


def compare_outputs(reference: Heads, candidate: Heads, rule: Rule) -> list[OutputDifference]:
    """Each output that both have in the same shape."""
    return [
        _difference(name, values, candidate[name], rule)
        for name, values in reference.items()
        if name in candidate and candidate[name].shape == values.shape
    ]


def _difference(name: str, reference: Array, candidate: Array, rule: Rule) -> OutputDifference:
    first, second = reference.astype(np.float64), candidate.astype(np.float64)
    error, scale = np.abs(second - first), float(np.abs(first).max(initial=0))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    cosine = float((first * second).sum() / lengths) if lengths else 1.0
    largest = float(error.max(initial=0))
    passed = rule.output is None or bool(largest <= rule.output * max(1.0, scale))
    return OutputDifference(name, largest, float(error.mean()) if error.size else 0.0, cosine, scale, passed)


def explain_order(reference: Heads, candidate: Heads, rule: Rule) -> Iterator[Fault]:
    """Faults of outputs whose classes or keypoints are only in another order.

    Args:
        reference: its heads.
        candidate: heads that are not those of the reference.
        rule: what may differ.
    """
    for name, (word, axis) in WORDS.items():
        if name not in reference or name not in candidate or reference[name].shape != candidate[name].shape:
            continue
        first, second = (np.moveaxis(heads[name].astype(np.float64), axis, 0) for heads in (reference, candidate))
        order = _order(first, second)
        if order is None or order == list(range(len(order))):
            continue
        allowed = (rule.output or 0.02) * max(1.0, float(np.abs(first).max()))
        if np.abs(second[order] - first).max() <= allowed:
            yield Fault("network", f"the {name} have their {_plural(word)} in another order: {in_words(order, word)}")


def in_words(order: Sequence[int], word: str) -> str:
    """An order that is not the usual one: a shift, or the first places that differ."""
    shifts = {(there - here) % len(order) for here, there in enumerate(order)}
    if len(shifts) == 1:
        shift = shifts.pop()
        return f"shifted by {shift if shift <= len(order) // 2 else shift - len(order)}"
    pairs = [f"{word} {here} is at {there}" for here, there in enumerate(order) if here != there]
    return ", ".join(pairs[:4]) + (f" and {len(pairs) - 4} more" if len(pairs) > 4 else "")


def _plural(word: str) -> str:
    return f"{word}es" if word.endswith("s") else f"{word}s"


def _order(first: Array, second: Array) -> list[int] | None:
    """For each row of the first the row of the second that is most like it; None where that is no order."""
    rows = first.reshape(len(first), -1), second.reshape(len(second), -1)
    squares = [(part**2).sum(axis=1) for part in rows]
    distances = squares[0][:, None] + squares[1][None] - 2 * rows[0] @ rows[1].T
    order = [int(number) for number in distances.argmin(axis=1)]
    return order if sorted(order) == list(range(len(order))) else None

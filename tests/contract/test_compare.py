"""Tensors that keep their contract differ in nothing, others are named with what is there and what should be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trtzoo.contract.compare import differences
from trtzoo.contract.outputs import TensorSpec

EXPECTED = [TensorSpec("boxes", "float32", ("batch", "A", 4)), TensorSpec("scores", "float32", ("batch", "A", 80))]
ACTUAL = [TensorSpec("boxes", "float32", (2, 8400, 4)), TensorSpec("scores", "float32", (2, 8400, 80))]


def test_any_length_fits_a_named_axis() -> None:
    assert differences(EXPECTED, ACTUAL, "outputs") == []


@pytest.mark.parametrize(
    ("actual", "phrases"),
    [
        (ACTUAL[::-1], ["outputs ['scores', 'boxes'] instead of ['boxes', 'scores']"]),
        (ACTUAL[:1], ["outputs ['boxes'] instead of ['boxes', 'scores']"]),
        (
            [replace(ACTUAL[0], dtype="float16"), ACTUAL[1]],
            ["boxes is float16[2, 8400, 4] instead of float32['batch', 'A', 4]"],
        ),
        (
            [replace(ACTUAL[0], shape=(2, 8400, 5)), replace(ACTUAL[1], shape=(8400, 80))],
            [
                "boxes is float32[2, 8400, 5] instead of float32['batch', 'A', 4]",
                "scores is float32[8400, 80] instead of float32['batch', 'A', 80]",
            ],
        ),
    ],
    ids=["order", "one missing", "type", "shapes"],
)
def test_each_difference_is_named(actual: list[TensorSpec], phrases: list[str]) -> None:
    assert differences(EXPECTED, actual, "outputs") == phrases

"""Errors of outputs against a few lines of plain Python, and orders that were mistaken."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trtzoo.evaluation.verification.outputs import compare_outputs, explain_order, in_words
from trtzoo.evaluation.verification.results import RULES

RNG = np.random.default_rng(5)
PRECISE, HALF = RULES["fp32"], RULES["fp16"]


def test_figures_of_an_output_are_those_of_a_plain_loop():
    first, second = RNG.normal(0, 3, (2, 4, 5)).astype(np.float32), RNG.normal(0, 3, (2, 4, 5)).astype(np.float32)
    (done,) = compare_outputs({"boxes": first}, {"boxes": second}, PRECISE)
    pairs = [(float(a), float(b)) for a, b in zip(first.ravel(), second.ravel(), strict=True)]
    errors = [abs(a - b) for a, b in pairs]
    product = sum(a * b for a, b in pairs)
    lengths = math.sqrt(sum(a * a for a, _ in pairs)) * math.sqrt(sum(b * b for _, b in pairs))
    assert (done.name, done.passed) == ("boxes", False)
    assert (done.largest, done.mean) == pytest.approx((max(errors), sum(errors) / len(errors)))
    assert done.cosine == pytest.approx(product / lengths)
    assert done.scale == pytest.approx(max(abs(a) for a, _ in pairs))


@pytest.mark.parametrize(
    ("scale", "error", "passed"),
    [(500.0, 0.49, True), (500.0, 0.51, False), (0.1, 0.00099, True), (0.1, 0.00101, False)],
    ids=["a share of large values", "beyond it", "small values count as 1", "beyond that"],
)
def test_what_may_be_off(scale, error, passed):
    first = np.array([[scale, 0.0]])
    (done,) = compare_outputs({"boxes": first}, {"boxes": first + np.array([[0, error]])}, PRECISE)
    assert done.passed == passed
    (loose,) = compare_outputs({"boxes": first}, {"boxes": first + np.array([[0, error]])}, HALF)
    assert loose.passed, "the rule for FP16 does not look at outputs"


def test_outputs_that_cannot_be_compared_are_left_out():
    heads = {"boxes": np.zeros((1, 3, 4)), "scores": np.zeros((1, 3, 2))}
    assert [one.name for one in compare_outputs(heads, heads | {"scores": np.zeros((1, 3, 5))}, PRECISE)] == ["boxes"]
    (empty,) = compare_outputs({"boxes": np.zeros((0, 4))}, {"boxes": np.zeros((0, 4))}, PRECISE)
    assert (empty.largest, empty.mean, empty.cosine, empty.passed) == (0, 0, 1, True)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([4, 0, 1, 2, 3], "shifted by -1"),
        ([1, 2, 3, 4, 0], "shifted by 1"),
        ([1, 0, 2, 3, 4], "class 0 is at 1, class 1 is at 0"),
    ],
)
def test_a_wrong_order_of_classes_is_said_in_words(order, words):
    """In the candidate class c stands where `order` says."""
    first = RNG.random((2, 30, 5))
    second = np.empty_like(first)
    second[..., order] = first
    (fault,) = explain_order({"scores": first}, {"scores": second}, PRECISE)
    assert (fault.stage, fault.text) == ("network", f"the scores have their classes in another order: {words}")


def test_a_wrong_order_of_keypoints_is_said_too():
    first = RNG.random((1, 20, 4, 3)) * 300
    (fault,) = explain_order({"keypoints": first}, {"keypoints": first[:, :, [0, 2, 1, 3]]}, PRECISE)
    assert fault.text == "the keypoints have their keypoints in another order: keypoint 1 is at 2, keypoint 2 is at 1"


def test_what_is_not_only_another_order_is_not_called_so():
    first = RNG.random((2, 30, 5))
    other = RNG.random((2, 30, 5))
    shifted_and_off = np.roll(first, 1, axis=2) + 0.01
    for candidate in (first, other, shifted_and_off, first[:, :, :4]):
        assert not list(explain_order({"scores": first}, {"scores": candidate}, PRECISE))


def test_many_places_are_counted():
    order = [1, 0, 3, 2, 5, 4, 6]
    assert in_words(order, "class").endswith("class 3 is at 2 and 2 more")

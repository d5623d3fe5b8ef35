"""Which found object is which labelled one, by hand: found ones by falling score, rows of the overlaps are labelled ones."""

from __future__ import annotations

import numpy as np

from trtzoo.evaluation.validation.metrics.matching import confusions, match, voc_match


def test_each_labelled_object_is_found_once():
    right = match(np.array([[0.9, 0.8]]), np.array([0]), np.array([0, 0]))
    assert right[:, 0].tolist() == [True, False]


def test_a_second_best_that_is_free_counts():
    right = match(np.array([[0.9, 0.8], [0.0, 0.6]]), np.array([0, 0]), np.array([0, 0]))
    assert right[:, 0].tolist() == [True, True]
    assert right[1].tolist() == [True] * 3 + [False] * 7


def test_an_overlap_of_exactly_the_threshold_counts():
    assert match(np.array([[0.5]]), np.array([0]), np.array([0]))[0].tolist() == [True] + [False] * 9


def test_another_class_does_not_count():
    assert not match(np.array([[0.9]]), np.array([1]), np.array([0])).any()


def test_voc_holds_each_against_its_best_alone():
    overlaps, classes = np.array([[0.9, 0.8], [0.0, 0.6]]), np.array([0, 0])
    assert voc_match(overlaps, classes, classes, np.zeros(2, bool)).tolist() == [1, 0]


def test_voc_ignores_difficult_objects():
    overlaps, classes = np.array([[0.9, 0.8]]), np.array([0])
    assert voc_match(overlaps, classes, np.array([0, 0]), np.array([True])).tolist() == [-1, -1]


def test_confusions():
    overlaps = np.array([[0.9, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.3]])
    counts = confusions(overlaps, np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0.9, 0.8, 0.7]), 2)
    assert counts.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_confusions_leave_out_low_scores():
    counts = confusions(np.array([[0.9]]), np.array([0]), np.array([0]), np.array([0.25]), 1)
    assert counts.tolist() == [[0, 0], [1, 0]]

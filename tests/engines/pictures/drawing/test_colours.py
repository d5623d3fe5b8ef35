"""Colours of classes and shades of instances can be told apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from trtzoo.engines.pictures.drawing import colour_of


def lab(colours) -> np.ndarray:
    """Colours (blue, green, red) in CIELAB, where 2.3 is a difference that can just be seen."""
    return cv2.cvtColor(np.float32([colours]) / 255, cv2.COLOR_BGR2LAB)[0]


def distances(colours) -> np.ndarray:
    places = lab(colours)
    return np.linalg.norm(places[:, None] - places, axis=2) + np.diag([np.inf] * len(places))


def test_the_first_classes_have_colours_that_can_be_told_apart():
    """Car, bus and truck are COCO's classes 2, 5 and 7."""
    assert distances([colour_of(number) for number in range(10)]).min() > 45
    assert distances([colour_of(number) for number in range(24)]).min() > 25
    assert len({colour_of(number) for number in range(80)}) == 80


@pytest.mark.parametrize("number", [0, 2, 7, 30])
def test_instances_of_a_class_have_shades_that_can_be_told_apart(number):
    shades = [colour_of(number, instance) for instance in range(4)]
    assert shades[0] == colour_of(number)
    assert distances(shades).min() > 9

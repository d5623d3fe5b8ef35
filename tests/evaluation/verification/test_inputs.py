"""The same picture as two models want it: every form is the same picture again."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from colour_network import colour_network

from trtzoo.contract.meta import Preprocess
from trtzoo.evaluation.verification.inputs import as_input, canonical, compare_inputs, rounded

META = replace(colour_network().meta, imgsz=(32, 48), preprocess=Preprocess("letterbox"))
FORMS = {
    "as it is": META,
    "blue first": replace(META, preprocess=Preprocess("letterbox", colour="bgr")),
    "white is 255": replace(META, preprocess=Preprocess("letterbox", scale=255.0)),
    "a camera's frame": replace(META, input_dtype="uint8", input_axes="hwc"),
    "planes of bytes, blue first": replace(META, input_dtype="uint8", preprocess=Preprocess("letterbox", colour="bgr")),
    "half": replace(META, input_dtype="float16"),
}
PICTURE = np.random.default_rng(2).integers(0, 256, (24, 48, 3), np.uint8)


@pytest.mark.parametrize("meta", FORMS.values(), ids=FORMS)
def test_an_input_comes_back_from_every_form(meta):
    values = rounded(np.random.default_rng(0).random((3, 32, 48), np.float32), meta)
    made = as_input(values, meta)
    assert made.dtype == meta.input_dtype
    assert made.shape == ((32, 48, 3) if meta.input_axes == "hwc" else (3, 32, 48))
    np.testing.assert_allclose(canonical(made, meta), values, atol=1e-6)


def test_canonical_is_red_first_and_white_1():
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 2] = 255
    values = canonical(red, replace(META, input_dtype="uint8", input_axes="hwc", preprocess=Preprocess(colour="bgr")))
    np.testing.assert_array_equal(values[:, 0, 0], [1, 0, 0])


@pytest.mark.parametrize("meta", FORMS.values(), ids=FORMS)
def test_the_same_picture_in_another_form_is_no_fault(meta):
    values, place, difference, fault = compare_inputs(PICTURE, META, meta)
    assert fault is None and difference < 0.003
    assert values.shape == (3, 32, 48)
    assert (place.scale, place.offset) == ((1, 1), (0, 4))


def test_the_coarsest_form_is_what_both_get():
    values = np.array([0.1, 0.5003], np.float32)
    np.testing.assert_array_equal(rounded(values, META, META), values)
    bytes_ = rounded(values, META, FORMS["a camera's frame"])
    np.testing.assert_allclose(bytes_, [26 / 255, 128 / 255], atol=1e-7)
    np.testing.assert_array_equal(rounded(values, FORMS["half"], META), values.astype(np.float16).astype(np.float32))


def test_bytes_are_rounded_and_not_cut_off():
    values = np.full((3, 2, 2), 127.98 / 255, np.float32)
    assert (as_input(values, FORMS["a camera's frame"]) == 128).all()


WRONG = {
    "colours": (Preprocess("letterbox", colour="bgr"), lambda image: image[::-1], "colours in reverse order"),
    "padding": (Preprocess("letterbox", pad=0.0), None, "differ by up to 0.447 of white, most at row 0"),
    "a pad one step lighter": (Preprocess("letterbox", pad=115 / 255), None, "differ by up to 0.00392 of white"),
    "place": (Preprocess("letterbox", anchor="topleft"), None, r"elsewhere: \+0 pixels to the right, -4 down$"),
    "size": (Preprocess("stretch"), None, r"\+0 pixels to the right, -4 down, scaled by 1 x 1.3333 instead of 1 x 1$"),
}


@pytest.mark.parametrize(("preprocess", "mistaken", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(preprocess, mistaken, says):
    """Colours are wrong where the reference takes them so and the metadata of both says otherwise."""
    other = META if mistaken else replace(META, preprocess=preprocess)
    prepares = (lambda picture: mistaken(compare_inputs(picture, META, META)[0])) if mistaken else None
    *_, fault = compare_inputs(PICTURE, META, other, prepares)
    assert fault is not None and fault.stage == "preprocess"
    assert re.search(says, fault.text), fault.text
